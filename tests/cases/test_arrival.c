/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do orders come to the same end in whatever order their events arrive, once or
 * several times, cut into whatever batches, in one shard or in two, through deaths
 * of the workers?
 *
 * Orders with events of every kind go through all three workers in many orders of
 * arrival; what Redis holds and which commissions came out must be the same. Where
 * amounts and rates leave no rounding that is said of every byte. Where they do,
 * which of two instalments has the odd fen depends on which was applied first, so
 * there it is said of the record, of what is not shared, and of all sums. Both are
 * compared with what the list of events comes to, its shares computed in another
 * way than the product does.
 */
#include <yyjson.h>

#include "common/base/limits.h"
#include "common/base/log.h"
#include "common/base/timestamp.h"
#include "services/workers.h"
#include "tests/cases/records.h"
#include "tests/unit/testing.h"

#define ROUNDS 25
#define ARRIVALS 4
#define ORDERS 2
#define EVENTS_MOST 96
#define PEOPLE 5
#define MONTHS 4
#define RATE_PPM 23456
#define FIRST_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

static struct arena texts;

/* ---- the orders as lists of events -------------------------------------------------- */

struct event_plan {
	unsigned order;
	struct str value;
};

struct order_plan {
	int64_t weights[PEOPLE], unit, amount, net;
	unsigned payees;
};

struct plan {
	bool exact; /* no share and no commission needs rounding */
	struct event_plan events[EVENTS_MOST];
	unsigned event_count, names;
	struct order_plan orders[ORDERS];
	int64_t collected[MONTHS], refunded[MONTHS], signed_amount[MONTHS];
};

static const char *order_name(unsigned order)
{
	static const char *const names[ORDERS] = { "o-0", "o-1" };

	return names[order];
}

static int64_t time_in(unsigned month)
{
	static const int first_days[MONTHS] = { 0, 31, 59, 90 };

	return FIRST_MS + first_days[month] * MS_PER_DAY + rng_between(0, 27 * MS_PER_DAY);
}

static const char *new_name(struct plan *plan, const char *prefix)
{
	return arena_printf(&texts, "%s%u", prefix, plan->names++).ptr;
}

static void add_event(struct plan *plan, unsigned order, const char *type, unsigned month,
                      struct str data)
{
	assert_true(plan->event_count < EVENTS_MOST);
	plan->events[plan->event_count++] =
		(struct event_plan){ order,
		                     record_event(&texts, type, order_name(order),
		                                  new_name(plan, "e"), time_in(month), data) };
}

static struct str amount_text(int64_t amount)
{
	return arena_printf(&texts, "\"amount\":%lld,\"currency\":\"CNY\"", (long long)amount);
}

static void plan_created(struct plan *plan, unsigned o)
{
	struct order_plan *order = &plan->orders[o];
	int64_t sum = 0;
	struct buf splits;

	order->payees = (unsigned)rng_between(1, PEOPLE);
	buf_init(&splits, &texts);
	for (unsigned i = 0; i < order->payees; i++) {
		order->weights[i] = rng_between(1, plan->exact || rng_below(2) ? 7 : 1000000);
		sum += order->weights[i];
		buf_printf(&splits, "%s{\"payee_id\":\"p%u\",\"weight\":%lld}", i ? "," : "", i,
		           (long long)order->weights[i]);
	}
	buf_put_char(&splits, '\0');
	order->unit = plan->exact ? sum * 1000000 : 1;
	order->amount = rng_between(1, plan->exact ? 40 : 100000) * order->unit;
	add_event(plan, o, "order.created", (unsigned)rng_below(MONTHS),
	          arena_printf(&texts,
	                       "\"channel_id\":\"web\",\"splits\":[%s],"
	                       "\"lines\":[{\"product_id\":\"sofa\",\"quantity\":1,"
	                       "\"unit_price\":%lld}],%.*s",
	                       splits.ptr, (long long)order->amount,
	                       STR_ARG(amount_text(order->amount))));
}

static void plan_refunds(struct plan *plan, unsigned o, const char *payment, int64_t units)
{
	struct order_plan *order = &plan->orders[o];

	for (uint64_t n = rng_below(3); n > 0 && units > 0; n--) {
		int64_t part = rng_between(1, units);
		unsigned month = (unsigned)rng_below(MONTHS);

		units -= part;
		order->net -= part * order->unit;
		plan->refunded[month] += part * order->unit;
		add_event(plan, o, "payment.refunded", month,
		          arena_printf(&texts, "\"payment_id\":\"%s\",\"refund_id\":\"%s\",%.*s",
		                       payment, new_name(plan, "r"),
		                       STR_ARG(amount_text(part * order->unit))));
	}
}

/* Payments that sum up to the amount at most, so that none is refused in any order. */
static void plan_money(struct plan *plan, unsigned o)
{
	struct order_plan *order = &plan->orders[o];
	int64_t units = order->amount / order->unit;

	for (uint64_t n = rng_below(6); n > 0 && units > 0; n--) {
		const char *payment = new_name(plan, "p");
		int64_t part = rng_between(1, units);
		unsigned month = (unsigned)rng_below(MONTHS);

		units -= part;
		order->net += part * order->unit;
		plan->collected[month] += part * order->unit;
		add_event(plan, o, "payment.collected", month,
		          arena_printf(&texts, "\"payment_id\":\"%s\",%.*s", payment,
		                       STR_ARG(amount_text(part * order->unit))));
		plan_refunds(plan, o, payment, part);
	}
}

/* Subscriptions, contracts, mortgages: any number of parts. */
static void plan_milestones(struct plan *plan, unsigned o)
{
	static const char *const types[] = { "contract.signed", "subscription.made",
		                             "mortgage.granted" };

	for (size_t t = 0; t < COUNT_OF(types); t++) {
		for (uint64_t n = rng_below(4); n > 0; n--) {
			int64_t amount = rng_between(1, 30) * plan->orders[o].unit;
			unsigned month = (unsigned)rng_below(MONTHS);

			if (t == 0)
				plan->signed_amount[month] += amount;
			add_event(plan, o, types[t], month, amount_text(amount));
		}
	}
}

static void plan_order(struct plan *plan, unsigned o)
{
	plan_created(plan, o);
	plan_money(plan, o);
	plan_milestones(plan, o);
	if (rng_below(2))
		add_event(plan, o, "order.delivered", (unsigned)rng_below(MONTHS),
		          STR("\"on_time\":true,\"correct\":false"));
	if (rng_below(3) == 0)
		add_event(plan, o, "order.cancelled", (unsigned)rng_below(MONTHS),
		          STR("\"reason\":\"changed mind\""));
}

static void shuffle(struct plan *plan)
{
	for (unsigned i = plan->event_count; i > 1; i--) {
		unsigned j = (unsigned)rng_below(i);
		struct event_plan event = plan->events[i - 1];

		plan->events[i - 1] = plan->events[j];
		plan->events[j] = event;
	}
}

/* ---- the workers ---------------------------------------------------------------------- */

struct world {
	struct stage *orders[ORDERS], *commissions, *scoreboard;
	unsigned shards; /* of topic orders */
};

static void give(struct stage *stage)
{
	record_given(stage, &texts, "company.defined",
	             STR("{\"company_id\":\"all\",\"timezone\":\"UTC\",\"currency\":\"CNY\","
	                 "\"boards\":{\"measures\":[\"order_amount\",\"signed_amount\","
	                 "\"collected\",\"commission\"],\"periods\":[\"month\",\"year\"]}}"));
	record_given(stage, &texts, "plan.defined",
	             arena_printf(&texts,
	                          "{\"plan_id\":\"base\",\"version\":1,\"rows\":[{\"level\":1,"
	                          "\"rate_ppm\":%d}]}",
	                          RATE_PPM));
	for (int i = 0; i < PEOPLE; i++)
		record_given(stage, &texts, "person.defined",
		             arena_printf(&texts,
		                          "{\"payee_id\":\"p%d\",\"team_id\":\"t%d\",\"level\":1}",
		                          i, i % 2));
	stage_publish(stage);
	stage_reach(stage, FIRST_MS + 365 * MS_PER_DAY);
}

static struct world world_new(unsigned shards)
{
	struct world w = { .shards = shards };

	for (unsigned i = 0; i < shards; i++)
		give(w.orders[i] = stage_new(&orders_worker, false));
	give(w.commissions = stage_new(&commissions_worker, false));
	give(w.scoreboard = stage_new(&scoreboard_worker, false));
	return w;
}

static void world_free(struct world *w)
{
	for (unsigned i = 0; i < w->shards; i++)
		stage_free(w->orders[i]);
	stage_free(w->commissions);
	stage_free(w->scoreboard);
}

/* Now and then the worker comes to rest, and now and then it dies. */
static void disturb(struct stage *stage)
{
	if (rng_below(4) == 0)
		stage_run(stage);
	if (rng_below(16) == 0)
		stage_crash(stage);
}

static void pass_on(const struct stage *from, const char *topic, struct stage *to)
{
	const struct message *m;
	int64_t offset = 0;

	while ((m = stage_read(from, str_from_c(topic), &offset)) != NULL) {
		stage_append(to, str_of(NULL, 0), m->value);
		disturb(to);
	}
}

static void nothing_refused(const struct stage *stage, const char *topic)
{
	int64_t offset = 0;

	assert_null(stage_read(stage, str_from_c(topic), &offset));
}

/* Some events come twice, also long after. */
static void play(struct world *w, const struct plan *plan)
{
	for (unsigned i = 0; i < plan->event_count; i++) {
		unsigned also = rng_below(8) ? i : (unsigned)rng_below(i + 1);
		const struct event_plan *events[] = { &plan->events[i], &plan->events[also] };

		for (unsigned n = 0; n < 1 + rng_below(2); n++) {
			struct stage *stage = w->orders[events[n]->order % w->shards];

			stage_append(stage, str_from_c(order_name(events[n]->order)),
			             events[n]->value);
			disturb(stage);
		}
	}
	for (unsigned i = 0; i < w->shards; i++) {
		stage_run(w->orders[i]);
		nothing_refused(w->orders[i], "orders.dlq");
		pass_on(w->orders[i], "credits", w->commissions);
		pass_on(w->orders[i], "measures", w->scoreboard);
	}
	stage_run(w->commissions);
	nothing_refused(w->commissions, "credits.dlq");
	pass_on(w->commissions, "measures", w->scoreboard);
	stage_run(w->scoreboard);
	nothing_refused(w->scoreboard, "measures.dlq");
}

/* ---- what came of it -------------------------------------------------------------------- */

/* Which values are the same in any order of arrival: see above. */
static bool is_comparable(struct str key, struct str field, bool exact)
{
	bool whole = str_starts(key, STR("sales:company:")) ||
	             str_starts(key, STR("sales:channel:")) ||
	             str_starts(key, STR("sales:product:"));

	if (str_starts(key, STR("order:")))
		return true;
	if (exact)
		return str_starts(key, STR("sales:")) || str_starts(key, STR("seat:")) ||
		       str_starts(key, STR("board:")) || str_starts(key, STR("pay:"));
	if (str_ends(field, STR("_at")) || str_starts(key, STR("pay:")) ||
	    str_starts(key, STR("lines:")) || str_starts(key, STR("commission:")))
		return false;
	if (whole)
		return !str_eq(field, STR("commission")) || str_ends(key, STR(":2026"));
	/* Only what payments and refunds come to together; expect_sums() looks at that. */
	if (str_eq(field, STR("collected")) || str_eq(field, STR("refunded")) ||
	    str_starts(key, STR("board:collected:")))
		return false;
	return str_ends(key, STR(":2026"));
}

static void tell_keys(const struct stage *stage, bool exact, struct buf *out)
{
	size_t count;
	const struct stored **keys = memory_keys_sorted(stage_keys(stage), &count);

	for (size_t k = 0; k < count; k++) {
		const struct stored *stored = keys[k];

		if (stored->kind == STORED_STRING &&
		    is_comparable(stored->key, str_of(NULL, 0), exact))
			buf_printf(out, "%.*s %.*s\n", STR_ARG(stored->key),
			           STR_ARG(stored->value));
		if (stored->kind != STORED_HASH && stored->kind != STORED_SCORES)
			continue;
		for (unsigned p = 0; p < stored->count; p++)
			if (is_comparable(stored->key, stored->pairs[p].name, exact))
				buf_printf(out, "%.*s %.*s %.*s\n", STR_ARG(stored->key),
				           STR_ARG(stored->pairs[p].name),
				           STR_ARG(stored->pairs[p].value));
	}
	free(keys);
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Each commission: its id, and where nothing was rounded what it is about. */
static void tell_commissions(const struct stage *stage, bool exact, struct buf *out)
{
	struct str lines[EVENTS_MOST * PEOPLE];
	const struct message *m;
	unsigned count = 0;
	int64_t offset = 0;

	while ((m = stage_read(stage, STR("commissions"), &offset)) != NULL) {
		yyjson_doc *doc = yyjson_read(m->value.ptr, m->value.len, 0);
		yyjson_val *event = yyjson_doc_get_root(doc), *data = yyjson_obj_get(event, "data");
		long long basis = yyjson_get_sint(yyjson_obj_get(data, "basis"));
		long long amount = yyjson_get_sint(yyjson_obj_get(data, "amount"));

		assert_true(count < COUNT_OF(lines));
		lines[count++] = arena_printf(&texts, "%s %s %s %lld %lld\n",
		                              yyjson_get_str(yyjson_obj_get(event, "id")),
		                              yyjson_get_str(yyjson_obj_get(event, "type")),
		                              yyjson_get_str(yyjson_obj_get(data, "earned_period")),
		                              exact ? basis : 0, exact ? amount : 0);
		yyjson_doc_free(doc);
	}
	qsort(lines, count, sizeof(lines[0]), by_text);
	for (unsigned i = 0; i < count; i++)
		buf_put(out, lines[i]);
}

static struct str told(const struct world *w, bool exact)
{
	struct buf out;

	buf_init(&out, &texts);
	for (unsigned i = 0; i < w->shards; i++)
		tell_keys(w->orders[i], exact, &out);
	tell_keys(w->commissions, exact, &out);
	tell_keys(w->scoreboard, exact, &out);
	tell_commissions(w->commissions, exact, &out);
	return buf_str(&out);
}

/* ---- what it must come to ----------------------------------------------------------------- */

/* One unit after the other to whom it is owed most: largest remainder by its definition. */
static int64_t share_of(const struct order_plan *order, unsigned who)
{
	int64_t sum = 0, shares[PEOPLE] = { 0 }, given_out = 0;
	bool topped[PEOPLE] = { false };

	for (unsigned i = 0; i < order->payees; i++)
		sum += order->weights[i];
	for (unsigned i = 0; i < order->payees; i++) {
		shares[i] = order->net * order->weights[i] / sum;
		given_out += shares[i];
	}
	for (; given_out < order->net; given_out++) {
		unsigned best = PEOPLE;

		for (unsigned i = 0; i < order->payees; i++)
			if (!topped[i] &&
			    (best == PEOPLE || order->net * order->weights[i] % sum >
			                               order->net * order->weights[best] % sum))
				best = i;
		topped[best] = true;
		shares[best]++;
	}
	return shares[who];
}

static int64_t figure(const struct world *w, struct str key, const char *name)
{
	struct str text = memory_keys_field(stage_keys(w->scoreboard), key, str_from_c(name));
	int64_t value = 0;

	assert_true(!text.ptr || str_to_i64(text, &value));
	return value;
}

static void expect_sums(const struct world *w, const struct plan *plan)
{
	for (unsigned month = 0; month < MONTHS; month++) {
		struct str key = arena_printf(&texts, "sales:company:all:2026-%02u", month + 1);

		assert_int_equal(figure(w, key, "collected"), plan->collected[month]);
		assert_int_equal(figure(w, key, "refunded"), plan->refunded[month]);
		assert_int_equal(figure(w, key, "signed_amount"), plan->signed_amount[month]);
	}
	for (unsigned who = 0; who < PEOPLE; who++) {
		struct str key = arena_printf(&texts, "sales:payee:p%u:2026", who);
		int64_t net = 0;

		for (unsigned o = 0; o < ORDERS; o++)
			net += share_of(&plan->orders[o], who);
		assert_int_equal(figure(w, key, "collected") - figure(w, key, "refunded"), net);
	}
}

/* Says the first line that differs. */
static void expect_same(struct str text, struct str first)
{
	while (text.len && first.len) {
		size_t a = str_find(text, '\n'), b = str_find(first, '\n');

		assert_str_eq(str_of(text.ptr, a), str_of(first.ptr, b));
		text = str_from(text, a + 1);
		first = str_from(first, b + 1);
	}
	assert_str_eq(text, first);
}

/* ---- the tests ------------------------------------------------------------------------------ */

static struct str outcome(const struct plan *plan, unsigned shards)
{
	struct world w = world_new(shards);
	struct str text;

	play(&w, plan);
	expect_sums(&w, plan);
	text = told(&w, plan->exact);
	world_free(&w);
	return text;
}

/* contract: orders.any_order */
static void any_order_of_arrival(void **state)
{
	(void)state;
	log_configure(LOG_ERROR, LOG_LOGFMT, STR("arrival"));
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct plan plan = { .exact = round % 2 };
		struct str first;

		arena_init(&texts, 1 << 20);
		for (unsigned o = 0; o < ORDERS; o++)
			plan_order(&plan, o);
		first = outcome(&plan, 1);
		for (unsigned i = 0; i < ARRIVALS; i++) {
			shuffle(&plan);
			expect_same(outcome(&plan, 1 + i % ORDERS), first);
		}
		arena_release(&texts);
	}
}

/* The first `fixed` events stay, all others come in every order. */
static void permute(struct plan *plan, unsigned fixed, struct str first)
{
	if (fixed == plan->event_count)
		expect_same(outcome(plan, 1), first);
	for (unsigned i = fixed; i < plan->event_count; i++) {
		struct event_plan event = plan->events[fixed];

		plan->events[fixed] = plan->events[i];
		plan->events[i] = event;
		permute(plan, fixed + 1, first);
		plan->events[i] = plan->events[fixed];
		plan->events[fixed] = event;
	}
}

/* contract: orders.any_order */
static void every_order_of_five(void **state)
{
	struct plan plan = { .exact = true };

	(void)state;
	log_configure(LOG_ERROR, LOG_LOGFMT, STR("arrival"));
	arena_init(&texts, 1 << 20);
	plan_created(&plan, 0);
	plan.orders[0].net = plan.collected[2] = plan.orders[0].amount;
	add_event(&plan, 0, "payment.collected", 2,
	          arena_printf(&texts, "\"payment_id\":\"a\",%.*s",
	                       STR_ARG(amount_text(plan.orders[0].amount))));
	plan.refunded[1] = plan.orders[0].unit;
	plan.orders[0].net -= plan.refunded[1];
	add_event(&plan, 0, "payment.refunded", 1,
	          arena_printf(&texts, "\"payment_id\":\"a\",\"refund_id\":\"r\",%.*s",
	                       STR_ARG(amount_text(plan.refunded[1]))));
	plan.signed_amount[0] = 5 * plan.orders[0].unit;
	add_event(&plan, 0, "contract.signed", 0, amount_text(plan.signed_amount[0]));
	add_event(&plan, 0, "order.delivered", 3, STR("\"on_time\":true,\"correct\":true"));
	permute(&plan, 0, outcome(&plan, 1));
	arena_release(&texts);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(any_order_of_arrival),
	cmocka_unit_test(every_order_of_five),
};

TESTING_MAIN(tests)
