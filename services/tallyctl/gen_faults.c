/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong in the stream of `tallyctl gen`: for each reason for which a line
 * of a file can be refused, in turn, so that all come about equally often.
 *
 * Those with a payment come three hours after it, when its order is surely there;
 * those of order.created are orders of their own that nobody else speaks of.
 */
#include "common/base/limits.h"
#include "common/base/timestamp.h"
#include "services/tallyctl/gen_orders.h"

#define GOOD_ORDER "\"channel_id\":\"store\",\"amount\":1000,\"currency\":\"CNY\""
#define PAYEE "\"splits\":[{\"payee_id\":\"p001\",\"weight\":1}]"

static const struct fault {
	const char *reason; /* "": it is passed over in silence */
	enum { OF_PAYMENT, OF_ORDER, OF_VALUE, TOO_MANY } what;
	const char *type;
	/*
	 * OF_PAYMENT: its data behind order_id, with %p the payment's id, %a an amount
	 * that is too much, %1 the payment's amount and 1; OF_ORDER: that of order.created;
	 * OF_VALUE: what stands in place of `find` in a good order's text.
	 */
	const char *data, *find;
	bool same_id, foreign;
} faults[] = {
	{ "id_conflict", OF_PAYMENT, "payment.collected",
	  "\"payment_id\":\"%p\",\"amount\":%1,\"currency\":\"CNY\"", NULL, true, false },
	{ "currency_unsupported", OF_ORDER, "order.created",
	  "\"channel_id\":\"store\",\"amount\":1000,\"currency\":\"USD\"", NULL, false, false },
	{ "payment_conflict", OF_PAYMENT, "payment.collected",
	  "\"payment_id\":\"%p\",\"amount\":%1,\"currency\":\"CNY\"", NULL, false, false },
	{ "payee_unknown", OF_ORDER, "order.created",
	  GOOD_ORDER ",\"splits\":[{\"payee_id\":\"p-nobody\",\"weight\":1}]", NULL, false, false },
	{ "over_payment", OF_PAYMENT, "payment.collected",
	  "\"payment_id\":\"%p-x\",\"amount\":%a,\"currency\":\"CNY\"", NULL, false, false },
	{ "plan_unknown", OF_ORDER, "order.created",
	  GOOD_ORDER ",\"splits\":[{\"payee_id\":\"" GEN_UNPAID "\",\"weight\":1}]", NULL, false,
	  false },
	{ "over_refund", OF_PAYMENT, "payment.refunded",
	  "\"payment_id\":\"%p\",\"refund_id\":\"%p-x\",\"amount\":%1,\"currency\":\"CNY\"", NULL,
	  false, false },
	{ "bad_splits", OF_ORDER, "order.created",
	  GOOD_ORDER ",\"splits\":[{\"payee_id\":\"p001\",\"weight\":1},"
	             "{\"payee_id\":\"p001\",\"weight\":2}]",
	  NULL, false, false },
	{ "order_exists", OF_PAYMENT, "order.created", GOOD_ORDER, NULL, false, false },
	{ "lines_do_not_sum", OF_ORDER, "order.created",
	  GOOD_ORDER ",\"lines\":[{\"product_id\":\"lamp\",\"quantity\":1,\"unit_price\":999}]",
	  NULL, false, false },
	{ "bad_money", OF_PAYMENT, "payment.collected",
	  "\"payment_id\":\"%p-x\",\"amount\":10.5,\"currency\":\"CNY\"", NULL, false, false },
	{ "bad_splits", OF_ORDER, "order.created",
	  GOOD_ORDER ",\"splits\":[{\"payee_id\":\"p001\",\"weight\":0}]", NULL, false, false },
	{ "missing_field", OF_PAYMENT, "payment.collected", "\"amount\":1,\"currency\":\"CNY\"",
	  NULL, false, false },
	{ "not_utf8", OF_VALUE, "order.created", "caf\xe9", "store", false, false },
	{ "currency_mismatch", OF_PAYMENT, "payment.collected",
	  "\"payment_id\":\"%p-x\",\"amount\":1,\"currency\":\"USD\"", NULL, false, false },
	{ "duplicate_key", OF_VALUE, "order.created", "\"amount\":1,\"amount\"", "\"amount\"",
	  false, false },
	{ "wrong_key", OF_PAYMENT, "payment.collected",
	  "\"payment_id\":\"%p-x\",\"amount\":1,\"currency\":\"CNY\"", NULL, false, true },
	{ "too_deep", OF_VALUE, "order.created",
	  "\"more\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
	  "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],\"amount\"",
	  "\"amount\"", false, false },
	{ "unknown_type", OF_PAYMENT, "payment.guessed",
	  "\"payment_id\":\"%p-x\",\"amount\":1,\"currency\":\"CNY\"", NULL, false, false },
	{ "bad_envelope", OF_VALUE, "order.created", "\"specversion\":\"0.3\"",
	  "\"specversion\":\"1.0\"", false, false },
	{ "", OF_PAYMENT, "payment.collected",
	  "\"payment_id\":\"%p\",\"amount\":%0,"
	  "\"currency\":\"CNY\"",
	  NULL, false, false },
	{ "bad_field", OF_VALUE, "order.created", "7", "\"store\"", false, false },
	{ "bad_money", OF_PAYMENT, "payment.collected",
	  "\"payment_id\":\"%p-x\",\"amount\":9223372036854775808,\"currency\":\"CNY\"", NULL,
	  false, false },
	{ "not_json", OF_VALUE, "order.created", "\"amount\":", "\"amount\":1000", false, false },
	{ "time_out_of_range", OF_VALUE, "order.created",
	  "\"time\":\"1996-02-29T00:00:00Z\",\"was\":\"", "\"time\":\"", false, false },
	{ "order_limit", TOO_MANY, NULL, NULL, NULL, false, false },
};

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

/* Puts the payment's id and amounts in. */
static struct str filled(struct gen *g, const struct gen_order *o, const char *data)
{
	const struct gen_payment *payment = &o->payments[o->payment_count - 1];
	struct buf out;

	buf_init(&out, &g->stream->scratch);
	for (const char *c = data; *c; c++) {
		if (*c != '%') {
			buf_put_char(&out, *c);
			continue;
		}
		switch (*++c) {
		case 'p': buf_put(&out, str_from_c(payment->id)); break;
		case 'a': buf_put_i64(&out, o->amount + 1); break;
		default: buf_put_i64(&out, payment->amount + (*c - '0')); break;
		}
	}
	return buf_str(&out);
}

/* The id attribute of an event's text. */
static const char *id_of(struct gen *g, struct str value)
{
	static const char before[] = "\"id\":\"";
	const char *id = strstr(value.ptr, before) + sizeof(before) - 1;

	return arena_printf(&g->stream->scratch, "%.*s", (int)strcspn(id, "\""), id).ptr;
}

static void about_payment(struct gen *g, const struct fault *fault, const struct gen_order *o,
                          int64_t at_ms, struct str payment)
{
	const char *id = fault->same_id ? id_of(g, payment) : gen_stream_id(g->stream);
	struct str value = gen_event(g->stream, fault->type, fault->foreign ? "D-other" : o->id,
	                             at_ms, id, filled(g, o, fault->data));

	if (*fault->reason)
		gen_refuse(g->stream, fault->reason, at_ms, o->id, value);
	else
		gen_repeat(g->stream, at_ms, o->id, value);
}

static const char *bad_order_id(struct gen *g)
{
	return arena_printf(&g->stream->scratch, "X%05u", ++g->bad_orders).ptr;
}

static void of_order(struct gen *g, const struct fault *fault, int64_t at_ms)
{
	const char *order_id = bad_order_id(g);

	gen_refuse(g->stream, fault->reason, at_ms, order_id,
	           gen_event(g->stream, fault->type, order_id, at_ms, gen_stream_id(g->stream),
	                     str_from_c(fault->data)));
}

static void of_value(struct gen *g, const struct fault *fault, int64_t at_ms)
{
	const char *order_id = bad_order_id(g), *found;
	struct str good = gen_event(g->stream, fault->type, order_id, at_ms,
	                            gen_stream_id(g->stream), STR(GOOD_ORDER "," PAYEE));
	struct buf bad;

	found = strstr(good.ptr, fault->find);
	buf_init(&bad, &g->stream->scratch);
	buf_put(&bad, str_of(good.ptr, (size_t)(found - good.ptr)));
	buf_put(&bad, str_from_c(fault->data));
	buf_put(&bad, str_from_c(found + strlen(fault->find)));
	gen_refuse(g->stream, fault->reason, at_ms, order_id, buf_str(&bad));
}

/* As many payments as can wait for an order, and one more; then the order comes. */
static void too_many(struct gen *g, const struct fault *fault, int64_t at_ms)
{
	struct gen_order o = { .id = bad_order_id(g), .at_ms = at_ms };
	int64_t arrival_ms = at_ms + MS_PER_HOUR;

	gen_order_create(g, &o, arrival_ms + MS_PER_HOUR);
	for (int64_t n = 0; n < LIMIT_ORDER_HELD; n++)
		gen_order_pay(g, &o, at_ms + n, arrival_ms + n, 1);
	gen_refuse(g->stream, fault->reason, arrival_ms + LIMIT_ORDER_HELD, o.id,
	           gen_event(g->stream, "payment.collected", o.id, at_ms + LIMIT_ORDER_HELD,
	                     gen_stream_id(g->stream),
	                     STR("\"payment_id\":\"last\",\"amount\":1,\"currency\":\"CNY\"")));
	gen_order_close(g, &o);
}

void gen_faults(struct gen *g, const struct gen_order *o, int64_t at_ms, struct str payment)
{
	/* There are some four events for each payment. */
	for (g->fault_debt += 4 * g->faults_per_mille; g->fault_debt >= 1000;
	     g->fault_debt -= 1000) {
		const struct fault *fault = &faults[g->faults++ % FAULTS];
		int64_t bad_ms = at_ms + 3 * MS_PER_HOUR;

		if (fault->what == OF_PAYMENT)
			about_payment(g, fault, o, bad_ms, payment);
		else if (fault->what == OF_ORDER)
			of_order(g, fault, bad_ms);
		else if (fault->what == OF_VALUE)
			of_value(g, fault, bad_ms);
		else
			too_many(g, fault, bad_ms);
	}
}
