/* SPDX-License-Identifier: Apache-2.0 */
#include "services/tallyctl/gen_orders.h"

#include <inttypes.h>

#include "common/base/must.h"
#include "common/base/timestamp.h"

#define MINUTE_MS (60 * MS_PER_SECOND)

static unsigned day_of(int64_t at_ms)
{
	return (unsigned)(at_ms / MS_PER_DAY);
}

/* ---- books --------------------------------------------------------------------- */

/* One, to every scope of the order once. */
static void count_one(struct gen *g, const struct gen_order *o, unsigned day,
                      enum gen_figure figure)
{
	for (unsigned i = 0; i < o->wide_count; i++)
		gen_books_add(g->books, o->wide[i], day, figure, 1);
	for (unsigned i = 0; i < o->payees; i++) {
		gen_books_add(g->books, o->seats[i].payee, day, figure, 1);
		for (unsigned u = 0; u < 3; u++) {
			bool before = false;

			for (unsigned j = 0; j < i; j++)
				before = before || o->seats[j].units[u] == o->seats[i].units[u];
			if (!before)
				gen_books_add(g->books, o->seats[i].units[u], day, figure, 1);
		}
	}
}

/* The whole to the wide scopes, the parts to payees, their units and their seats. */
static void spread(struct gen *g, const struct gen_order *o, unsigned day, enum gen_figure figure,
                   int64_t whole, const int64_t *parts)
{
	for (unsigned i = 0; i < o->wide_count; i++)
		gen_books_add(g->books, o->wide[i], day, figure, whole);
	for (unsigned i = 0; i < o->payees; i++) {
		gen_books_add(g->books, o->seats[i].payee, day, figure, parts[i]);
		for (unsigned u = 0; u < 3; u++) {
			gen_books_add(g->books, o->seats[i].units[u], day, figure, parts[i]);
			gen_books_add(g->books, o->seats[i].boards[u], day, figure, parts[i]);
		}
	}
}

/* What a cumulative amount's move from before to after means for each payee. */
static void spread_move(struct gen *g, const struct gen_order *o, unsigned day,
                        enum gen_figure figure, int64_t before, int64_t after)
{
	int64_t old[GEN_SPLITS_MOST], parts[GEN_SPLITS_MOST];

	gen_shares(before, o->weights, o->payees, old);
	gen_shares(after, o->weights, o->payees, parts);
	for (unsigned i = 0; i < o->payees; i++)
		parts[i] -= old[i];
	spread(g, o, day, figure, after - before, parts);
}

/* A payment or refund: what moved, and the commissions on it. */
static void move_money(struct gen *g, struct gen_order *o, int64_t at_ms, int64_t amount,
                       bool refund, const char *event_id)
{
	int64_t net = o->collected - o->refunded, old[GEN_SPLITS_MOST], now[GEN_SPLITS_MOST];
	int64_t moved[GEN_SPLITS_MOST] = { 0 }, commissions[GEN_SPLITS_MOST] = { 0 }, sum = 0;
	unsigned day = day_of(at_ms);

	gen_shares(net, o->weights, o->payees, old);
	gen_shares(refund ? net - amount : net + amount, o->weights, o->payees, now);
	for (unsigned i = 0; i < o->payees; i++) {
		const struct gen_seat *seat = &o->seats[i];

		moved[i] = refund ? old[i] - now[i] : now[i] - old[i];
		commissions[i] = gen_commission(now[i], seat->rate_ppm) -
		                 gen_commission(old[i], seat->rate_ppm);
		sum += commissions[i];
		gen_books_add(g->books, seat->payee, day, refund ? GEN_CLAWED_BACK : GEN_ACCRUED,
		              refund ? -commissions[i] : commissions[i]);
		buf_printf(&g->books->lines,
		           "commission\t%s\t%s\t%s\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64
		           "\t%d\n",
		           refund ? "clawed_back" : "accrued", o->id, seat->payee_id, event_id,
		           now[i] - old[i], seat->rate_ppm, commissions[i], seat->plan_version);
		g->books->commissions++;
	}
	spread(g, o, day, refund ? GEN_REFUNDED : GEN_COLLECTED, amount, moved);
	spread(g, o, day, GEN_COMMISSION, sum, commissions);
	*(refund ? &o->refunded : &o->collected) += amount;
}

/* ---- order.created --------------------------------------------------------------- */

static void put_wide(struct gen *g, struct gen_order *o, struct buf *data, const char *kind,
                     unsigned scope)
{
	buf_printf(data, "\"%s_id\":\"%.*s\",", kind, STR_ARG(g->books->scopes[scope].id));
	o->wide[o->wide_count++] = scope;
}

static void choose_scopes(struct gen *g, struct gen_order *o, struct buf *data)
{
	struct gen_company *c = g->company;
	unsigned channel = draw_below(g->draw, GEN_CHANNELS + 2); /* stores are most */

	channel = channel < GEN_CHANNELS ? channel : 0;
	o->wide[o->wide_count++] = c->all;
	put_wide(g, o, data, "channel", c->channels[channel]);
	if (channel == GEN_CHANNELS - 1)
		put_wide(g, o, data, "partner", c->partners[draw_below(g->draw, GEN_PARTNERS)]);
	if (draw_chance(g->draw, 600))
		put_wide(g, o, data, "project", c->projects[draw_below(g->draw, GEN_PROJECTS)]);
	if (draw_chance(g->draw, 300))
		put_wide(g, o, data, "campaign", c->campaigns[draw_below(g->draw, GEN_CAMPAIGNS)]);
}

static void choose_payees(struct gen *g, struct gen_order *o, struct buf *data)
{
	static const int64_t weights[] = { 10, 20, 30, 50, 70 };
	unsigned die = draw_below(g->draw, 100), people = g->company->people;
	unsigned first = draw_below(g->draw, people);

	o->payees = die < 3 ? 0 : die < 65 ? 1 : die < 93 ? 2 : 3;
	for (unsigned i = 0; i < o->payees; i++) {
		o->seats[i] =
			gen_company_seat(g->company, (first + i * 7) % people, day_of(o->at_ms));
		o->weights[i] = weights[draw_below(g->draw, 5)];
		buf_printf(data, "%s{\"payee_id\":\"%s\",\"weight\":%" PRId64 "}",
		           i ? "," : "\"splits\":[", o->seats[i].payee_id, o->weights[i]);
	}
	buf_put(data, o->payees ? STR("],") : STR(""));
}

static void choose_lines(struct gen *g, struct gen_order *o, struct buf *data)
{
	unsigned count = 1 + draw_below(g->draw, 3), first = draw_below(g->draw, GEN_PRODUCTS);

	for (unsigned i = 0; i < count; i++) {
		unsigned product = (first + i * 5) % GEN_PRODUCTS, scope;
		int64_t quantity = draw_between(g->draw, 1, 4);
		int64_t price = gen_product_price(product) * draw_between(g->draw, 80, 100) / 100;

		scope = g->company->products[product];
		o->amount += quantity * price;
		gen_books_add(g->books, scope, day_of(o->at_ms), GEN_QUANTITY, quantity);
		gen_books_add(g->books, scope, day_of(o->at_ms), GEN_ORDER_AMOUNT,
		              quantity * price);
		buf_printf(data,
		           "%s{\"product_id\":\"%s\",\"quantity\":%" PRId64
		           ",\"unit_price\":%" PRId64 "}",
		           i ? "," : "\"lines\":[", gen_product(product), quantity, price);
	}
	buf_put_lit(data, "],");
}

void gen_order_create(struct gen *g, struct gen_order *o, int64_t arrival_ms)
{
	struct buf data;

	buf_init(&data, &g->stream->scratch);
	buf_printf(&data, "\"customer_key\":\"c-%05u\",", draw_below(g->draw, 30000));
	choose_scopes(g, o, &data);
	choose_payees(g, o, &data);
	choose_lines(g, o, &data);
	buf_printf(&data, "\"amount\":%" PRId64 ",\"currency\":\"CNY\"", o->amount);
	gen_send(g->stream, arrival_ms, o->id,
	         gen_event(g->stream, "order.created", o->id, o->at_ms, gen_stream_id(g->stream),
	                   buf_str(&data)));
	count_one(g, o, day_of(o->at_ms), GEN_ORDERS);
	spread_move(g, o, day_of(o->at_ms), GEN_ORDER_AMOUNT, 0, o->amount);
}

/* ---- what happens to it ------------------------------------------------------------- */

static void send(struct gen *g, struct gen_order *o, const char *type, int64_t at_ms,
                 struct str rest)
{
	gen_send(g->stream, at_ms, o->id,
	         gen_event(g->stream, type, o->id, at_ms, gen_stream_id(g->stream), rest));
}

/* A part of what is subscribed, signed or granted. */
static void reach(struct gen *g, struct gen_order *o, const char *type, int64_t at_ms,
                  enum gen_figure count, enum gen_figure figure, int64_t *total, int64_t amount)
{
	send(g, o, type, at_ms,
	     arena_printf(&g->stream->scratch, "\"amount\":%" PRId64 ",\"currency\":\"CNY\"",
	                  amount));
	count_one(g, o, day_of(at_ms), count);
	spread_move(g, o, day_of(at_ms), figure, *total, *total + amount);
	*total += amount;
}

/* Subscribed, then signed in one or two parts, now and then with a mortgage or two. */
static void sign(struct gen *g, struct gen_order *o, int64_t at_ms)
{
	int64_t part = draw_chance(g->draw, 200) ? o->amount * 2 / 3 : o->amount;

	if (draw_chance(g->draw, 400))
		reach(g, o, "subscription.made", at_ms, GEN_SUBSCRIBED, GEN_SUBSCRIBED_AMOUNT,
		      &o->subscribed, o->amount / 10);
	reach(g, o, "contract.signed", at_ms + MINUTE_MS, GEN_SIGNED, GEN_SIGNED_AMOUNT,
	      &o->signed_amount, part);
	if (part < o->amount)
		reach(g, o, "contract.signed", at_ms + 2 * MINUTE_MS, GEN_SIGNED, GEN_SIGNED_AMOUNT,
		      &o->signed_amount, o->amount - part);
	for (unsigned n = draw_chance(g->draw, 250) ? 1 + draw_below(g->draw, 2) : 0; n > 0; n--)
		reach(g, o, "mortgage.granted", at_ms + (10 - n) * MINUTE_MS, GEN_MORTGAGED,
		      GEN_MORTGAGED_AMOUNT, &o->mortgaged, o->amount * 3 / 10);
}

static void cancel(struct gen *g, struct gen_order *o, int64_t at_ms)
{
	send(g, o, "order.cancelled", at_ms, STR("\"reason\":\"changed mind\""));
	count_one(g, o, day_of(at_ms), GEN_CANCELLED);
	spread_move(g, o, day_of(at_ms), GEN_CANCELLED_AMOUNT, 0, o->amount);
	o->cancelled = true;
}

static void deliver(struct gen *g, struct gen_order *o, int64_t at_ms)
{
	bool on_time = draw_chance(g->draw, 930), correct = draw_chance(g->draw, 980);

	send(g, o, "order.delivered", at_ms,
	     arena_printf(&g->stream->scratch, "\"on_time\":%s,\"correct\":%s",
	                  on_time ? "true" : "false", correct ? "true" : "false"));
	count_one(g, o, day_of(at_ms), GEN_DELIVERED);
	if (on_time)
		count_one(g, o, day_of(at_ms), GEN_DELIVERED_ON_TIME);
	if (correct)
		count_one(g, o, day_of(at_ms), GEN_DELIVERED_CORRECT);
}

void gen_order_pay(struct gen *g, struct gen_order *o, int64_t at_ms, int64_t arrival_ms,
                   int64_t amount)
{
	const char *id =
		arena_printf(&g->stream->scratch, "%s-p%u", o->id, o->payment_count + 1).ptr;
	const char *event_id = gen_stream_id(g->stream);
	struct str value = gen_event(g->stream, "payment.collected", o->id, at_ms, event_id,
	                             arena_printf(&g->stream->scratch,
	                                          "\"payment_id\":\"%s\",\"amount\":%" PRId64
	                                          ",\"currency\":\"CNY\"",
	                                          id, amount));

	must(o->payment_count < GEN_PAYMENTS_MOST);
	gen_send(g->stream, arrival_ms, o->id, value);
	o->payments[o->payment_count++] = (struct gen_payment){ id, amount, 0 };
	move_money(g, o, at_ms, amount, false, event_id);
	if (arrival_ms == at_ms)
		gen_faults(g, o, at_ms, value);
}

/* Of the last payment. */
static void refund(struct gen *g, struct gen_order *o, int64_t at_ms, int64_t amount)
{
	struct gen_payment *payment = &o->payments[o->payment_count - 1];
	const char *event_id = gen_stream_id(g->stream);

	gen_send(g->stream, at_ms, o->id,
	         gen_event(g->stream, "payment.refunded", o->id, at_ms, event_id,
	                   arena_printf(&g->stream->scratch,
	                                "\"payment_id\":\"%s\",\"refund_id\":\"%s-r1\","
	                                "\"amount\":%" PRId64 ",\"currency\":\"CNY\"",
	                                payment->id, payment->id, amount)));
	payment->refunded += amount;
	move_money(g, o, at_ms, amount, true, event_id);
}

/* A payment, perhaps with a refund, which now and then arrives before it. Returns the last time. */
static int64_t pay_and_refund(struct gen *g, struct gen_order *o, int64_t at_ms, int64_t amount)
{
	bool back = draw_chance(g->draw, 20), overtaken = back && draw_chance(g->draw, 200);
	int64_t back_ms = at_ms + draw_between(g->draw, 4 * MS_PER_HOUR, 6 * MS_PER_DAY);

	gen_order_pay(g, o, at_ms, overtaken ? back_ms + MINUTE_MS : at_ms, amount);
	if (!back)
		return at_ms;
	refund(g, o, back_ms, draw_between(g->draw, 1, amount));
	return back_ms + MS_PER_HOUR;
}

/* The instalments, up to weeks apart, so that money of an order falls into later months. */
static int64_t pay_all(struct gen *g, struct gen_order *o, int64_t at_ms)
{
	unsigned die = draw_below(g->draw, 100), count = die < 45 ? 1 : die < 80 ? 2 : 3;
	int64_t rest = o->amount;

	for (unsigned part = 1; part < count; part++) {
		int64_t amount = rest * draw_between(g->draw, 20, 60) / 100;

		rest -= amount;
		at_ms = pay_and_refund(g, o, at_ms, amount);
		at_ms += draw_between(g->draw, MS_PER_DAY, 25 * MS_PER_DAY);
	}
	return pay_and_refund(g, o, at_ms, rest);
}

/* The deposit goes back, or there was none. */
static void give_up(struct gen *g, struct gen_order *o, int64_t at_ms)
{
	if (draw_chance(g->draw, 500)) {
		gen_order_pay(g, o, at_ms, at_ms, o->amount / 5);
		at_ms += draw_between(g->draw, 4 * MS_PER_HOUR, 9 * MS_PER_DAY);
		refund(g, o, at_ms, o->amount / 5);
	}
	cancel(g, o, at_ms + 2 * MS_PER_HOUR);
}

void gen_order_close(struct gen *g, const struct gen_order *o)
{
	buf_printf(&g->books->lines, "order\t%s\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n",
	           o->id, o->cancelled ? "cancelled" : "open", o->amount, o->collected,
	           o->refunded);
}

void gen_order_live(struct gen *g, unsigned number, int64_t at_ms)
{
	struct gen_order o = { .at_ms = at_ms };
	/* The gateway can be faster than the shop. */
	bool late = draw_chance(g->draw, 20);
	int64_t pay_ms = at_ms + draw_between(g->draw, 20 * MINUTE_MS, 2 * MS_PER_DAY);

	arena_clear(&g->stream->scratch);
	o.id = arena_printf(&g->stream->scratch, "D%06u", number).ptr;
	gen_order_create(g, &o, late ? pay_ms + 30 * MINUTE_MS : at_ms);
	if (draw_chance(g->draw, 300))
		sign(g, &o, at_ms + MINUTE_MS);
	if (draw_chance(g->draw, 25)) {
		give_up(g, &o, pay_ms);
	} else {
		int64_t last_ms = pay_all(g, &o, pay_ms);

		if (draw_chance(g->draw, 700))
			deliver(g, &o, last_ms + draw_between(g->draw, MS_PER_DAY, 5 * MS_PER_DAY));
	}
	gen_order_close(g, &o);
}
