/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each order has a queue of events in their natural order; records are drawn
 * mostly from the front of some queue, at times from further behind, so that
 * events come too early. Now and then a record comes again, with other content
 * under its id, or as garbage. Some orders are never made.
 */
#include "tests/sim/orders_stream.h"

#include <inttypes.h>

#include "common/base/must.h"
#include "common/base/timestamp.h"

#define ORDERS_MOST 64
#define EVENTS_MOST 12
#define RECORDS_MOST 2048

struct queue {
	const struct order_record *events[EVENTS_MOST];
	unsigned count;
};

struct orders_stream {
	struct arena *arena;
	struct dice *dice;
	unsigned left, contents;
	struct queue queues[ORDERS_MOST];
	unsigned order_count;
	const struct order_record *sent[RECORDS_MOST];
	unsigned sent_count;
};

/* ---- the company ---- */

unsigned orders_team(unsigned publishing, unsigned payee)
{
	return publishing == 1 && payee == 1 ? 2 : payee % TEAMS;
}

unsigned orders_level(unsigned publishing, unsigned payee)
{
	if (payee == PAYEES - 1)
		return 3;
	return publishing == 1 && payee == 1 ? 1 : 1 + payee % 2;
}

int64_t orders_rate(unsigned plan_version, unsigned level)
{
	static const int64_t rates[2][3] = { { 20000, 33333, -1 }, { 15000, 25001, 40000 } };

	must(plan_version >= 1 && plan_version <= 2 && level >= 1 && level <= 3);
	return rates[plan_version - 1][level - 1];
}

struct reference_set {
	struct arena *arena;
	struct str *keys, *values;
	unsigned count, room;
};

static void add_reference(struct reference_set *set, const char *kind, struct str id,
                          struct str data)
{
	must(set->count < set->room);
	set->keys[set->count] = arena_printf(set->arena, "%s:%.*s", kind, STR_ARG(id));
	set->values[set->count++] =
		arena_printf(set->arena,
	                     "{\"specversion\":\"1.0\",\"id\":\"%s-%.*s\",\"source\":\"/sim\","
	                     "\"type\":\"%s.defined\",\"time\":\"2025-01-01T00:00:00Z\","
	                     "\"data\":{\"%s_id\":\"%.*s\",%.*s}}",
	                     kind, STR_ARG(id), kind, strcmp(kind, "person") == 0 ? "payee" : kind,
	                     STR_ARG(id), STR_ARG(data));
}

static void add_units(struct reference_set *set)
{
	for (unsigned t = 0; t < TEAMS; t++)
		add_reference(set, "unit", arena_printf(set->arena, "t-%u", t),
		              arena_printf(set->arena, "\"kind\":\"team\",\"parent_id\":\"c-%u\"",
		                           t / 2));
	for (unsigned c = 0; c < 2; c++)
		add_reference(set, "unit", arena_printf(set->arena, "c-%u", c),
		              STR("\"kind\":\"city\",\"parent_id\":\"r-0\""));
	add_reference(set, "unit", STR("r-0"), STR("\"kind\":\"region\""));
}

static struct str plan_rows(struct arena *a, unsigned version)
{
	struct str rows = STR("");

	for (unsigned level = 1; level <= 3; level++)
		if (orders_rate(version, level) >= 0)
			rows = arena_printf(a, "%.*s%s{\"level\":%u,\"rate_ppm\":%" PRId64 "}",
			                    STR_ARG(rows), rows.len ? "," : "", level,
			                    orders_rate(version, level));
	return arena_printf(a, "\"version\":%u,\"rows\":[%.*s]", version, STR_ARG(rows));
}

unsigned orders_reference(struct arena *a, unsigned publishing, struct str *keys,
                          struct str *values, unsigned room)
{
	struct reference_set set = { .arena = a, .keys = keys, .values = values, .room = room };

	add_reference(&set, "company", STR("all"),
	              STR("\"currency\":\"CNY\",\"timezone\":\"Asia/Shanghai\","
	                  "\"first_offset_s\":28800,\"boards\":{\"measures\":[\"collected\","
	                  "\"commission\"],\"periods\":[\"month\"]}"));
	add_units(&set);
	for (unsigned p = 0; p < PAYEES; p++)
		add_reference(&set, "person", arena_printf(a, "p-%u", p),
		              arena_printf(a, "\"team_id\":\"t-%u\",\"level\":%u",
		                           orders_team(publishing, p),
		                           orders_level(publishing, p)));
	add_reference(&set, "plan", STR("base"), plan_rows(a, publishing + 1));
	return set.count;
}

/* ---- records ---- */

static struct order_record *record_new(struct orders_stream *s, enum order_step step,
                                       unsigned order, int64_t time_ms)
{
	struct order_record *r = arena_zalloc(s->arena, sizeof(*r));

	r->step = step;
	r->order = order;
	r->key = arena_printf(s->arena, "o-%u", order);
	r->content = ++s->contents;
	r->id = arena_printf(s->arena, "e-%u", r->content);
	r->time_ms = time_ms;
	return r;
}

static void set_value(struct orders_stream *s, struct order_record *r, struct str data)
{
	static const char *const types[] = {
		"order.created",     "subscription.made", "contract.signed", "mortgage.granted",
		"payment.collected", "payment.refunded",  "order.delivered", "order.cancelled",
	};
	char time[24];

	timestamp_format(r->time_ms, time);
	r->value = arena_printf(s->arena,
	                        "{\"specversion\":\"1.0\",\"id\":\"%.*s\",\"source\":\"/shop\","
	                        "\"type\":\"%s\",\"subject\":\"%.*s\",\"time\":\"%.24s\","
	                        "\"data\":{\"order_id\":\"%.*s\",%.*s}}",
	                        STR_ARG(r->id), types[r->step], STR_ARG(r->key), time,
	                        STR_ARG(r->key), STR_ARG(data));
}

static struct str money_of(struct orders_stream *s, const struct order_record *r)
{
	return arena_printf(s->arena, "\"amount\":%" PRId64 ",\"currency\":\"CNY\"", r->amount);
}

static void draw_splits(struct orders_stream *s, struct order_record *r)
{
	unsigned count = dice_below(s->dice, SPLITS_MOST + 1);
	unsigned first = dice_below(s->dice, PAYEES);

	for (unsigned i = 0; i < count; i++) {
		r->splits[i].payee = (first + i) % PAYEES;
		r->splits[i].weight = dice_between(s->dice, 1, 9);
	}
	if (count && dice_hits(s->dice, 40))
		r->splits[dice_below(s->dice, count)].payee = PAYEES;
	r->split_count = count;
}

static void draw_lines(struct orders_stream *s, struct order_record *r)
{
	r->line_count = dice_below(s->dice, LINES_MOST + 1);
	r->amount = r->line_count ? 0 : dice_between(s->dice, 0, 100000);
	for (unsigned i = 0; i < r->line_count; i++) {
		r->lines[i].product = dice_below(s->dice, PRODUCTS);
		r->lines[i].quantity = dice_between(s->dice, 1, 5);
		r->lines[i].price = dice_between(s->dice, 1, 9999);
		r->amount += r->lines[i].quantity * r->lines[i].price;
	}
}

static struct order_record *make_order(struct orders_stream *s, unsigned order, int64_t time_ms)
{
	struct order_record *r = record_new(s, STEP_MADE, order, time_ms);
	struct str data;

	r->channel = dice_below(s->dice, CHANNELS);
	draw_splits(s, r);
	draw_lines(s, r);
	data = arena_printf(s->arena, "\"channel_id\":\"ch-%u\",\"project_id\":\"pj\"", r->channel);
	for (unsigned i = 0; i < r->split_count; i++)
		data = arena_printf(s->arena,
		                    "%.*s%s{\"payee_id\":\"p-%u\",\"weight\":%" PRId64 "}%s",
		                    STR_ARG(data), i ? "," : ",\"splits\":[", r->splits[i].payee,
		                    r->splits[i].weight, i + 1 == r->split_count ? "]" : "");
	for (unsigned i = 0; i < r->line_count; i++)
		data = arena_printf(s->arena,
		                    "%.*s%s{\"product_id\":\"sku-%u\",\"quantity\":%" PRId64
		                    ",\"unit_price\":%" PRId64 "}%s",
		                    STR_ARG(data), i ? "," : ",\"lines\":[", r->lines[i].product,
		                    r->lines[i].quantity, r->lines[i].price,
		                    i + 1 == r->line_count ? "]" : "");
	set_value(s, r,
	          arena_printf(s->arena, "%.*s,%.*s", STR_ARG(data), STR_ARG(money_of(s, r))));
	return r;
}

static struct order_record *make_money(struct orders_stream *s, enum order_step step,
                                       unsigned order, int64_t time_ms, int64_t amount,
                                       unsigned payment)
{
	struct order_record *r = record_new(s, step, order, time_ms);
	struct str data;

	r->amount = amount;
	r->payment = payment;
	r->refund = r->content;
	data = money_of(s, r);
	if (step == STEP_PAID || step == STEP_REFUNDED)
		data = arena_printf(s->arena, "%.*s,\"payment_id\":\"pay-%u\"", STR_ARG(data),
		                    payment);
	if (step == STEP_REFUNDED)
		data = arena_printf(s->arena, "%.*s,\"refund_id\":\"ref-%u\"", STR_ARG(data),
		                    r->refund);
	set_value(s, r, data);
	return r;
}

static struct order_record *make_end(struct orders_stream *s, unsigned order, int64_t time_ms)
{
	bool delivered = dice_hits(s->dice, 600);
	struct order_record *r =
		record_new(s, delivered ? STEP_DELIVERED : STEP_CANCELLED, order, time_ms);

	r->on_time = dice_hits(s->dice, 700);
	r->correct = dice_hits(s->dice, 800);
	set_value(s, r,
	          delivered ? arena_printf(s->arena, "\"on_time\":%s,\"correct\":%s",
	                                   r->on_time ? "true" : "false",
	                                   r->correct ? "true" : "false")
	                    : STR("\"reason\":\"changed mind\""));
	return r;
}

/* ---- the stream ---- */

static void push(struct queue *q, const struct order_record *r)
{
	must(q->count < EVENTS_MOST);
	q->events[q->count++] = r;
}

static void push_payments(struct orders_stream *s, struct queue *q, unsigned order, int64_t *at_ms,
                          int64_t amount)
{
	unsigned count = 1 + dice_below(s->dice, 3);

	for (unsigned i = 0; i < count; i++) {
		int64_t part = 1 + amount / count + dice_between(s->dice, -30, 10);

		*at_ms += dice_between(s->dice, 0, 40) * 3600000;
		if (part < 1)
			part = 1;
		push(q, make_money(s, STEP_PAID, order, *at_ms, part, i));
		if (dice_hits(s->dice, 300)) {
			*at_ms += dice_between(s->dice, 0, 40) * 3600000;
			push(q, make_money(s, STEP_REFUNDED, order, *at_ms,
			                   1 + dice_between(s->dice, 0, part + part / 10), i));
		}
	}
}

static void begin_order(struct orders_stream *s)
{
	unsigned order = s->order_count++;
	struct queue *q = &s->queues[order];
	int64_t at_ms = UTC_2026_MS - dice_between(s->dice, 20, 75) * 86400000 +
	                dice_between(s->dice, 0, 86399999);
	const struct order_record *made = make_order(s, order, at_ms);

	if (!dice_hits(s->dice, 60))
		push(q, made);
	if (dice_hits(s->dice, 250))
		push(q, make_money(s, STEP_SUBSCRIBED + dice_below(s->dice, 3), order,
		                   at_ms + 7200000, dice_between(s->dice, 1, 50000), 0));
	if (dice_hits(s->dice, 850))
		push_payments(s, q, order, &at_ms, made->amount);
	if (dice_hits(s->dice, 300))
		push(q, make_end(s, order, at_ms + 3600000));
}

struct orders_stream *orders_stream_new(struct arena *arena, struct dice *dice, unsigned records)
{
	struct orders_stream *s = arena_zalloc(arena, sizeof(*s));

	must(records < RECORDS_MOST);
	s->arena = arena;
	s->dice = dice;
	s->left = records;
	return s;
}

static struct queue *some_queue(struct orders_stream *s)
{
	for (unsigned tries = 0; tries < 12; tries++) {
		unsigned n = dice_below(s->dice, s->order_count + 1);

		if (n == s->order_count && n < ORDERS_MOST)
			begin_order(s);
		if (n < s->order_count && s->queues[n].count)
			return &s->queues[n];
	}
	return NULL;
}

/* Mostly the first of the queue. */
static const struct order_record *pull(struct orders_stream *s, struct queue *q)
{
	unsigned n = dice_hits(s->dice, 800) ? 0 : dice_below(s->dice, q->count);
	const struct order_record *r = q->events[n];

	for (unsigned i = n + 1; i < q->count; i++)
		q->events[i - 1] = q->events[i];
	q->count--;
	return r;
}

static const struct order_record *garbage(struct orders_stream *s)
{
	struct order_record *r = record_new(s, STEP_GARBAGE, dice_below(s->dice, 5), UTC_2026_MS);

	r->refused = "not_json";
	r->value = STR("{\"specversion\":\"1.0\",\"id\":\"cut");
	return r;
}

/* The id of one that was sent, with an amount more. */
static const struct order_record *conflict(struct orders_stream *s, const struct order_record *of)
{
	struct order_record *r =
		make_money(s, STEP_PAID, of->order, of->time_ms, of->amount + 1, 90 + s->contents);

	r->id = of->id;
	set_value(s, r,
	          arena_printf(s->arena, "%.*s,\"payment_id\":\"pay-%u\"", STR_ARG(money_of(s, r)),
	                       r->payment));
	return r;
}

const struct order_record *orders_stream_next(struct orders_stream *s)
{
	const struct order_record *old =
		s->sent_count ? s->sent[dice_below(s->dice, s->sent_count)] : NULL;
	unsigned x = dice_below(s->dice, 100);
	struct queue *q = some_queue(s);

	if (s->left == 0)
		return NULL;
	s->left--;
	if (!q || (old && x < 8))
		return old ? old : garbage(s);
	if (x < 10)
		return garbage(s);
	if (old && old->step != STEP_GARBAGE && x < 12)
		return conflict(s, old);
	s->sent[s->sent_count++] = pull(s, q);
	return s->sent[s->sent_count - 1];
}
