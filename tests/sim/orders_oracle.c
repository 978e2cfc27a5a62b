/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders as plain arrays. A record that comes too early stands in the order's
 * queue; after each applied one the queue is searched for the earliest that can
 * go now. Figures are kept as texts in a table of keys like the one they are
 * compared with.
 */
#include "tests/sim/orders_oracle.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/must.h"
#include "common/base/timestamp.h"

#define EVENTS_MOST 256
#define MONTH_MS INT64_C(2592000000) /* thirty days */

struct waiting {
	const struct order_record *record;
	int64_t offset, broker_ms;
};

struct model_payment {
	unsigned number;
	int64_t amount, refunded;
};

struct model_order {
	bool any, made, cancelled, delivered;
	const struct order_record *record;
	unsigned version; /* of the plan */
	unsigned teams[SPLITS_MOST], levels[SPLITS_MOST];
	int64_t collected, refunded;
	struct model_payment payments[EVENTS_MOST];
	unsigned payment_count;
	struct {
		unsigned number, payment;
		int64_t amount;
	} refunds[EVENTS_MOST];
	unsigned refund_count;
	struct {
		struct str id;
		unsigned content;
	} ids[EVENTS_MOST];
	unsigned id_count;
	struct waiting waiting[EVENTS_MOST];
	unsigned waiting_count;
};

struct orders_oracle {
	struct arena *arena;
	struct memory_keys keys;
	struct oracle_lines commissions;
	struct model_order orders[ORACLE_ORDERS];
	struct oracle_lines *refused; /* of the shard at hand */
};

struct orders_oracle *orders_oracle_new(struct arena *arena)
{
	struct orders_oracle *o = arena_zalloc(arena, sizeof(*o));

	o->arena = arena;
	memory_keys_init(&o->keys);
	memory_keys_begin(&o->keys);
	return o;
}

void orders_oracle_release(struct orders_oracle *o)
{
	memory_keys_release(&o->keys);
}

struct memory_keys *orders_oracle_keys(struct orders_oracle *o)
{
	return &o->keys;
}

const struct oracle_lines *orders_oracle_commissions(const struct orders_oracle *o)
{
	return &o->commissions;
}

static void add_line(struct orders_oracle *o, struct oracle_lines *lines, struct str line)
{
	lines->items = arena_resize(o->arena, lines->items, lines->count * sizeof(struct str),
	                            (lines->count + 1) * sizeof(struct str));
	lines->items[lines->count++] = line;
}

static void refuse(struct orders_oracle *o, const struct order_record *r, const char *reason)
{
	add_line(
		o, o->refused,
		arena_printf(o->arena, "%.*s %s %.*s", STR_ARG(r->key), reason, STR_ARG(r->value)));
}

/* ---- numbers ---- */

/* Half to even, of a product that is never negative. */
static int64_t at_rate(int64_t amount, int64_t rate_ppm)
{
	int64_t product = amount * rate_ppm;
	int64_t whole = product / 1000000, rest = product % 1000000;

	return whole + (rest > 500000 || (rest == 500000 && whole % 2 != 0));
}

/* What the n-th gets: the whole part, and one more for the largest remainders. */
static int64_t share_of(const struct order_record *made, unsigned n, int64_t amount)
{
	int64_t total = 0, left = amount, rest_n = 0, whole_n = 0, before = 0;

	for (unsigned i = 0; i < made->split_count; i++)
		total += made->splits[i].weight;
	for (unsigned i = 0; i < made->split_count; i++)
		left -= amount * made->splits[i].weight / total;
	whole_n = amount * made->splits[n].weight / total;
	rest_n = amount * made->splits[n].weight % total;
	for (unsigned i = 0; i < made->split_count; i++) {
		int64_t rest = amount * made->splits[i].weight % total;

		before += rest > rest_n || (rest == rest_n && i < n);
	}
	return whole_n + (before < left);
}

/* ---- figures ---- */

static void add_number(struct orders_oracle *o, enum stored_kind kind, struct str key,
                       const char *field, int64_t amount)
{
	struct str name = str_from_c(field);
	struct str old = memory_keys_field(&o->keys, key, name);
	int64_t sum = 0;

	must(!old.ptr || str_to_i64(old, &sum));
	sum += amount;
	if (amount)
		memory_keys_set_field(&o->keys, kind, key, name,
		                      sum ? arena_printf(o->arena, "%" PRId64, sum)
		                          : str_of(NULL, 0));
}

/* The names of the five periods of a business day. */
static void name_periods(struct arena *a, int64_t time_ms, struct str out[5])
{
	int32_t day = (int32_t)((time_ms + ZONE_OFFSET_MS) / 86400000);
	int32_t thursday = day - (day + 3) % 7 + 3; /* of the same week: its year names the week */
	struct civil_date d = civil_from_days(day), t = civil_from_days(thursday);
	int32_t week = (thursday - days_from_civil((struct civil_date){ t.year, 1, 1 })) / 7 + 1;

	out[0] = arena_printf(a, "%04d-%02d-%02d", (int)d.year, (int)d.month, (int)d.day);
	out[1] = arena_printf(a, "%04d-W%02d", (int)t.year, (int)week);
	out[2] = arena_printf(a, "%04d-%02d", (int)d.year, (int)d.month);
	out[3] = arena_printf(a, "%04d-Q%d", (int)d.year, (int)(d.month + 2) / 3);
	out[4] = arena_printf(a, "%04d", (int)d.year);
}

static void add_sales(struct orders_oracle *o, struct str scope, int64_t time_ms, const char *field,
                      int64_t amount)
{
	struct str periods[5];

	name_periods(o->arena, time_ms, periods);
	for (unsigned i = 0; i < 5; i++)
		add_number(o, STORED_HASH,
		           arena_printf(o->arena, "sales:%.*s:%.*s", STR_ARG(scope),
		                        STR_ARG(periods[i])),
		           field, amount);
}

static struct str scope_of(struct orders_oracle *o, const char *kind, const char *letter,
                           unsigned n)
{
	return arena_printf(o->arena, "%s:%s-%u", kind, letter, n);
}

static bool is_ranked(const char *field)
{
	return strcmp(field, "collected") == 0 || strcmp(field, "commission") == 0;
}

/* A payee's seats keep what boards can rank by; boards are those of the company record. */
static void add_seat(struct orders_oracle *o, unsigned payee, unsigned team, int64_t time_ms,
                     const char *field, int64_t amount)
{
	struct str member = arena_printf(o->arena, "p-%u", payee), periods[5];
	struct str units[3] = { arena_printf(o->arena, "team:t-%u", team),
		                arena_printf(o->arena, "city:c-%u", team / 2), STR("region:r-0") };

	if (!is_ranked(field) && strcmp(field, "order_amount") != 0 &&
	    strcmp(field, "signed_amount") != 0)
		return;
	name_periods(o->arena, time_ms, periods);
	for (unsigned u = 0; u < 3; u++) {
		add_number(o, STORED_HASH,
		           arena_printf(o->arena, "seat:payee:%.*s:%.*s:%.*s", STR_ARG(member),
		                        STR_ARG(units[u]), STR_ARG(periods[2])),
		           field, amount);
		if (is_ranked(field))
			add_number(o, STORED_SCORES,
			           arena_printf(o->arena, "board:%s:%.*s:%.*s", field,
			                        STR_ARG(units[u]), STR_ARG(periods[2])),
			           member.ptr, amount);
	}
	if (is_ranked(field))
		add_number(o, STORED_SCORES,
		           arena_printf(o->arena, "board:%s:company:all:%.*s", field,
		                        STR_ARG(periods[2])),
		           member.ptr, amount);
}

static void add_team_score(struct orders_oracle *o, unsigned team, int64_t time_ms,
                           const char *field, int64_t amount)
{
	struct str periods[5];

	if (!is_ranked(field))
		return;
	name_periods(o->arena, time_ms, periods);
	add_number(
		o, STORED_SCORES,
		arena_printf(o->arena, "board:%s:company:teams:%.*s", field, STR_ARG(periods[2])),
		arena_printf(o->arena, "t-%u", team).ptr, amount);
}

/* To everyone whom the whole of an order concerns. */
static void add_whole(struct orders_oracle *o, const struct model_order *m, int64_t time_ms,
                      const char *field, int64_t amount)
{
	add_sales(o, STR("company:all"), time_ms, field, amount);
	add_sales(o, scope_of(o, "channel", "ch", m->record->channel), time_ms, field, amount);
	add_sales(o, STR("project:pj"), time_ms, field, amount);
}

/* To one payee and the units of the seat. */
static void add_share(struct orders_oracle *o, const struct model_order *m, unsigned n,
                      int64_t time_ms, const char *field, int64_t amount)
{
	unsigned payee = m->record->splits[n].payee, team = m->teams[n];

	add_sales(o, scope_of(o, "payee", "p", payee), time_ms, field, amount);
	add_seat(o, payee, team, time_ms, field, amount);
	add_sales(o, scope_of(o, "team", "t", team), time_ms, field, amount);
	add_team_score(o, team, time_ms, field, amount);
	add_sales(o, scope_of(o, "city", "c", team / 2), time_ms, field, amount);
	add_sales(o, STR("region:r-0"), time_ms, field, amount);
}

/* A count goes once to each payee, and once to each unit of them. */
static void add_count(struct orders_oracle *o, const struct model_order *m, int64_t time_ms,
                      const char *field)
{
	unsigned teams = 0, cities = 0;

	add_whole(o, m, time_ms, field, 1);
	for (unsigned i = 0; i < m->record->split_count; i++) {
		add_sales(o, scope_of(o, "payee", "p", m->record->splits[i].payee), time_ms, field,
		          1);
		teams |= 1U << m->teams[i];
		cities |= 1U << m->teams[i] / 2;
	}
	for (unsigned t = 0; t < TEAMS; t++)
		if (teams >> t & 1)
			add_sales(o, scope_of(o, "team", "t", t), time_ms, field, 1);
	for (unsigned c = 0; c < 2; c++)
		if (cities >> c & 1)
			add_sales(o, scope_of(o, "city", "c", c), time_ms, field, 1);
	if (teams)
		add_sales(o, STR("region:r-0"), time_ms, field, 1);
}

static void add_shared(struct orders_oracle *o, const struct model_order *m, int64_t time_ms,
                       const char *field, int64_t amount)
{
	add_whole(o, m, time_ms, field, amount);
	for (unsigned i = 0; i < m->record->split_count; i++)
		add_share(o, m, i, time_ms, field, share_of(m->record, i, amount));
}

/* ---- money ---- */

static void commission(struct orders_oracle *o, const struct model_order *m, unsigned n,
                       const struct order_record *r, int64_t before, int64_t after)
{
	bool refund = r->step == STEP_REFUNDED;
	unsigned payee = m->record->splits[n].payee;
	int64_t rate = orders_rate(m->version, m->levels[n]);
	int64_t from = at_rate(before, rate), to = at_rate(after, rate);
	struct str periods[5], pay;

	name_periods(o->arena, r->time_ms, periods);
	add_line(o, &o->commissions,
	         arena_printf(o->arena,
	                      "%s %.*s p-%u %.*s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
	                      " %" PRId64 " %u",
	                      refund ? "commission.clawed_back" : "commission.accrued",
	                      STR_ARG(r->key), payee, STR_ARG(r->id), after - before, rate,
	                      to - from, from, to, m->version));
	pay = arena_printf(o->arena, "pay:p-%u:%.*s", payee, STR_ARG(periods[2]));
	add_number(o, STORED_HASH, pay, refund ? "clawed_back" : "accrued",
	           refund ? from - to : to - from);
	add_number(o, STORED_HASH, pay, "payable", to - from);
	add_whole(o, m, r->time_ms, "commission", to - from);
	add_share(o, m, n, r->time_ms, "commission", to - from);
}

static void move_money(struct orders_oracle *o, struct model_order *m, const struct order_record *r)
{
	bool refund = r->step == STEP_REFUNDED;
	const char *field = refund ? "refunded" : "collected";
	int64_t net_before = m->collected - m->refunded, net_after;

	*(refund ? &m->refunded : &m->collected) += r->amount;
	net_after = m->collected - m->refunded;
	add_whole(o, m, r->time_ms, field, r->amount);
	for (unsigned i = 0; i < m->record->split_count; i++) {
		int64_t before = share_of(m->record, i, net_before);
		int64_t after = share_of(m->record, i, net_after);

		add_share(o, m, i, r->time_ms, field, refund ? before - after : after - before);
		commission(o, m, i, r, before, after);
	}
}

/* ---- an order's life ---- */

static struct model_payment *payment_of(struct model_order *m, unsigned number)
{
	for (unsigned i = 0; i < m->payment_count; i++)
		if (m->payments[i].number == number)
			return &m->payments[i];
	return NULL;
}

static bool can_go(struct model_order *m, const struct order_record *r)
{
	if (!m->made || r->step != STEP_REFUNDED)
		return m->made;
	for (unsigned i = 0; i < m->refund_count; i++)
		if (m->refunds[i].number == r->refund)
			return true;
	return payment_of(m, r->payment) != NULL;
}

#define SKIPPED "skipped"

/* NULL: it is applied; SKIPPED: nothing comes of it; else the reason. */
static const char *judge(struct model_order *m, const struct order_record *r)
{
	const struct model_payment *p = payment_of(m, r->payment);

	if (r->step == STEP_PAID && p)
		return p->amount == r->amount ? SKIPPED : "payment_conflict";
	if (r->step == STEP_PAID && r->amount > m->record->amount - (m->collected - m->refunded))
		return "over_payment";
	if (r->step == STEP_REFUNDED) {
		for (unsigned i = 0; i < m->refund_count; i++)
			if (m->refunds[i].number == r->refund)
				return m->refunds[i].amount == r->amount &&
				                       m->refunds[i].payment == r->payment
				               ? SKIPPED
				               : "payment_conflict";
		if (r->amount > p->amount - p->refunded)
			return "over_refund";
	}
	if ((r->step == STEP_DELIVERED && m->delivered) ||
	    (r->step == STEP_CANCELLED && m->cancelled))
		return SKIPPED;
	return NULL;
}

static void apply_money(struct orders_oracle *o, struct model_order *m,
                        const struct order_record *r)
{
	if (r->step == STEP_PAID) {
		m->payments[m->payment_count].number = r->payment;
		m->payments[m->payment_count++].amount = r->amount;
	} else {
		payment_of(m, r->payment)->refunded += r->amount;
		m->refunds[m->refund_count].number = r->refund;
		m->refunds[m->refund_count].payment = r->payment;
		m->refunds[m->refund_count++].amount = r->amount;
	}
	move_money(o, m, r);
}

static void apply(struct orders_oracle *o, struct model_order *m, const struct order_record *r)
{
	static const char *const counts[] = { [STEP_SUBSCRIBED] = "subscribed",
		                              [STEP_SIGNED] = "signed",
		                              [STEP_MORTGAGED] = "mortgaged" };

	if (r->step == STEP_PAID || r->step == STEP_REFUNDED) {
		apply_money(o, m, r);
	} else if (r->step == STEP_DELIVERED) {
		m->delivered = true;
		add_count(o, m, r->time_ms, "delivered");
		if (r->on_time)
			add_count(o, m, r->time_ms, "delivered_on_time");
		if (r->correct)
			add_count(o, m, r->time_ms, "delivered_correct");
	} else if (r->step == STEP_CANCELLED) {
		m->cancelled = true;
		add_count(o, m, r->time_ms, "cancelled");
		add_shared(o, m, r->time_ms, "cancelled_amount", m->record->amount);
	} else {
		add_count(o, m, r->time_ms, counts[r->step]);
		add_shared(o, m, r->time_ms,
		           arena_printf(o->arena, "%s_amount", counts[r->step]).ptr, r->amount);
	}
}

static void forget_id(struct model_order *m, struct str id)
{
	for (unsigned i = 0; i < m->id_count; i++) {
		if (!str_eq(m->ids[i].id, id))
			continue;
		for (unsigned j = i + 1; j < m->id_count; j++)
			m->ids[j - 1] = m->ids[j];
		m->id_count--;
		return;
	}
}

static struct waiting take_waiting(struct model_order *m, unsigned n)
{
	struct waiting w = m->waiting[n];

	for (unsigned i = n + 1; i < m->waiting_count; i++)
		m->waiting[i - 1] = m->waiting[i];
	m->waiting_count--;
	return w;
}

static bool goes_before(const struct order_record *a, const struct order_record *b)
{
	if (a->time_ms != b->time_ms)
		return a->time_ms < b->time_ms;
	return a->step != b->step ? a->step < b->step : str_cmp(a->id, b->id) < 0;
}

static void apply_waiting(struct orders_oracle *o, struct model_order *m)
{
	for (;;) {
		unsigned first = m->waiting_count;
		const struct order_record *r;
		const char *why;

		for (unsigned i = 0; i < m->waiting_count; i++)
			if (can_go(m, m->waiting[i].record) &&
			    (first == m->waiting_count ||
			     goes_before(m->waiting[i].record, m->waiting[first].record)))
				first = i;
		if (first == m->waiting_count)
			return;
		r = take_waiting(m, first).record;
		why = judge(m, r);
		if (!why) {
			apply(o, m, r);
			continue;
		}
		forget_id(m, r->id);
		if (strcmp(why, SKIPPED) != 0)
			refuse(o, r, why);
	}
}

static void remember_id(struct model_order *m, const struct order_record *r)
{
	must(m->id_count < EVENTS_MOST);
	m->any = true;
	m->ids[m->id_count].id = r->id;
	m->ids[m->id_count++].content = r->content;
}

/* NULL: the order can be made. */
static const char *judge_making(const struct model_order *m, const struct order_record *r,
                                int publishing)
{
	if (m->made)
		return "order_exists";
	if (publishing < 0)
		return "currency_unsupported";
	for (unsigned i = 0; i < r->split_count; i++) {
		unsigned payee = r->splits[i].payee;

		if (payee == PAYEES)
			return "payee_unknown";
		if (orders_rate((unsigned)publishing + 1,
		                orders_level((unsigned)publishing, payee)) < 0)
			return "plan_unknown";
	}
	return NULL;
}

static void make(struct orders_oracle *o, struct model_order *m, const struct order_record *r,
                 int publishing)
{
	const char *why = judge_making(m, r, publishing);

	if (why) {
		refuse(o, r, why);
		return;
	}
	remember_id(m, r);
	m->made = true;
	m->record = r;
	m->version = (unsigned)publishing + 1;
	for (unsigned i = 0; i < r->split_count; i++) {
		m->teams[i] = orders_team((unsigned)publishing, r->splits[i].payee);
		m->levels[i] = orders_level((unsigned)publishing, r->splits[i].payee);
	}
	add_count(o, m, r->time_ms, "orders");
	add_shared(o, m, r->time_ms, "order_amount", r->amount);
	for (unsigned i = 0; i < r->line_count; i++) {
		struct str scope = scope_of(o, "product", "sku", r->lines[i].product);

		add_sales(o, scope, r->time_ms, "quantity", r->lines[i].quantity);
		add_sales(o, scope, r->time_ms, "order_amount",
		          r->lines[i].quantity * r->lines[i].price);
	}
	apply_waiting(o, m);
}

void orders_oracle_record(struct orders_oracle *o, const struct order_record *r, int publishing,
                          int64_t offset, int64_t broker_ms, struct oracle_lines *refused)
{
	struct model_order *m = &o->orders[r->order];
	const char *why;

	o->refused = refused;
	if (r->step == STEP_GARBAGE) {
		refuse(o, r, r->refused);
		return;
	}
	for (unsigned i = 0; i < m->id_count; i++) {
		if (!str_eq(m->ids[i].id, r->id))
			continue;
		if (m->ids[i].content != r->content)
			refuse(o, r, "id_conflict");
		return;
	}
	if (r->step == STEP_MADE) {
		make(o, m, r, publishing);
		return;
	}
	if (!can_go(m, r)) {
		remember_id(m, r);
		m->waiting[m->waiting_count++] = (struct waiting){ r, offset, broker_ms };
		return;
	}
	why = judge(m, r);
	if (!why) {
		remember_id(m, r);
		apply(o, m, r);
		apply_waiting(o, m);
	} else if (strcmp(why, SKIPPED) != 0) {
		refuse(o, r, why);
	}
}

void orders_oracle_timer(struct orders_oracle *o, unsigned order, int64_t due_ms, int64_t broker_ms,
                         struct oracle_lines *refused)
{
	struct model_order *m = &o->orders[order];
	int64_t first = INT64_MAX;

	o->refused = refused;
	for (unsigned i = 0; i < m->waiting_count; i++)
		if (m->waiting[i].broker_ms + MONTH_MS < first)
			first = m->waiting[i].broker_ms + MONTH_MS;
	if (first != due_ms || due_ms > broker_ms)
		return;
	for (unsigned i = 0; i < m->waiting_count;) {
		if (m->waiting[i].broker_ms + MONTH_MS > due_ms) {
			i++;
			continue;
		}
		const struct order_record *r = take_waiting(m, i).record;

		forget_id(m, r->id);
		refuse(o, r, "order_missing");
	}
}

struct str orders_oracle_document(const struct orders_oracle *o, unsigned order)
{
	const struct model_order *m = &o->orders[order];

	if (!m->any)
		return str_of(NULL, 0);
	return arena_printf(o->arena, "\"collected\":%" PRId64 ",\"refunded\":%" PRId64,
	                    m->collected, m->refunded);
}
