/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does an order come to the same end in whatever order its events arrive, once or
 * several times, and is each limit of an order met exactly?
 *
 * What an order must come to is worked out here from the list of its events, with
 * largest remainders computed in another way than the product does.
 */
#include <yyjson.h>

#include "common/base/limits.h"
#include "common/base/log.h"
#include "common/base/timestamp.h"
#include "services/workers.h"
#include "tests/cases/stage.h"
#include "tests/unit/testing.h"

#define ROUNDS 150
#define EVENTS_MOST 64
#define PEOPLE 5
#define MONTHS 4
#define FIRST_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

static struct stage *stage;
static struct arena texts;

static int open_stage(void **state)
{
	(void)state;
	log_configure(LOG_ERROR, LOG_LOGFMT, STR("orders"));
	arena_init(&texts, 65536);
	stage = stage_new(&orders_worker, false);
	return 0;
}

static int close_stage(void **state)
{
	(void)state;
	stage_free(stage);
	arena_release(&texts);
	return 0;
}

/* ---- records ----------------------------------------------------------------------- */

static void given(const char *type, struct str data)
{
	stage_append_reference(
		stage, str_from_c(type),
		arena_printf(&texts,
	                     "{\"specversion\":\"1.0\",\"id\":\"r\",\"source\":\"/t\","
	                     "\"type\":\"%s\",\"data\":%.*s}",
	                     type, STR_ARG(data)));
}

static void give_people(void)
{
	given("company.defined",
	      STR("{\"company_id\":\"all\",\"timezone\":\"UTC\",\"currency\":\"CNY\"}"));
	given("plan.defined", STR("{\"plan_id\":\"base\",\"version\":1,\"rows\":[{\"level\":1,"
	                          "\"rate_ppm\":20000}]}"));
	for (int i = 0; i < PEOPLE; i++)
		given("person.defined",
		      arena_printf(&texts, "{\"payee_id\":\"p%d\",\"team_id\":\"t%d\",\"level\":1}",
		                   i, i % 2));
	stage_publish(stage);
}

static struct str event_text(const char *type, const char *id, int64_t time_ms, struct str data)
{
	char time[24];

	timestamp_format(time_ms, time);
	return arena_printf(
		&texts,
		"{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/t\",\"type\":\"%s\","
		"\"time\":\"%.*s\",\"data\":{\"order_id\":\"o\",%.*s}}",
		id, type, 24, time, STR_ARG(data));
}

/* ---- an order as a list of events ---------------------------------------------------- */

struct order_plan {
	struct str events[EVENTS_MOST];
	unsigned event_count;
	int64_t weights[PEOPLE];
	unsigned payees;
	int64_t amount, collected[MONTHS], refunded[MONTHS], net;
	int created_month;
	unsigned names;
};

static int64_t time_in(int month)
{
	static const int first_days[MONTHS] = { 0, 31, 59, 90 };

	return FIRST_MS + first_days[month] * MS_PER_DAY + rng_between(0, 27 * MS_PER_DAY);
}

static const char *name_of(struct order_plan *plan, const char *prefix)
{
	return arena_printf(&texts, "%s%u", prefix, plan->names++).ptr;
}

static void add_event(struct order_plan *plan, struct str text)
{
	assert_true(plan->event_count < EVENTS_MOST);
	plan->events[plan->event_count++] = text;
}

static void plan_created(struct order_plan *plan)
{
	struct buf splits;

	plan->payees = (unsigned)rng_between(1, PEOPLE);
	plan->amount = rng_between(1, 20) * rng_between(1, 5000);
	plan->created_month = (int)rng_below(MONTHS);
	buf_init(&splits, &texts);
	for (unsigned i = 0; i < plan->payees; i++) {
		plan->weights[i] = rng_between(1, rng_below(2) ? 7 : 1000000);
		buf_printf(&splits, "%s{\"payee_id\":\"p%u\",\"weight\":%lld}", i ? "," : "", i,
		           (long long)plan->weights[i]);
	}
	buf_put_char(&splits, '\0');
	add_event(plan,
	          event_text("order.created", name_of(plan, "e"), time_in(plan->created_month),
	                     arena_printf(&texts,
	                                  "\"channel_id\":\"web\",\"splits\":[%s],"
	                                  "\"amount\":%lld,\"currency\":\"CNY\"",
	                                  splits.ptr, (long long)plan->amount)));
}

static void plan_refunds(struct order_plan *plan, const char *payment, int64_t amount)
{
	for (unsigned n = (unsigned)rng_below(3); n > 0 && amount > 0; n--) {
		int64_t part = rng_between(1, amount);
		int month = (int)rng_below(MONTHS);

		amount -= part;
		plan->net -= part;
		plan->refunded[month] += part;
		add_event(plan,
		          event_text("payment.refunded", name_of(plan, "e"), time_in(month),
		                     arena_printf(&texts,
		                                  "\"payment_id\":\"%s\",\"refund_id\":\"%s\","
		                                  "\"amount\":%lld,\"currency\":\"CNY\"",
		                                  payment, name_of(plan, "r"), (long long)part)));
	}
}

/* Payments that sum up to the amount at most, so that none is refused in any order. */
static void plan_money(struct order_plan *plan)
{
	int64_t left = plan->amount;

	for (unsigned n = (unsigned)rng_below(6); n > 0 && left > 0; n--) {
		int64_t part = rng_between(1, left);
		const char *payment = name_of(plan, "p");
		int month = (int)rng_below(MONTHS);

		left -= part;
		plan->net += part;
		plan->collected[month] += part;
		add_event(plan, event_text("payment.collected", name_of(plan, "e"), time_in(month),
		                           arena_printf(&texts,
		                                        "\"payment_id\":\"%s\",\"amount\":%lld,"
		                                        "\"currency\":\"CNY\"",
		                                        payment, (long long)part)));
		plan_refunds(plan, payment, part);
	}
}

static void shuffle(struct order_plan *plan)
{
	for (unsigned i = plan->event_count; i > 1; i--) {
		unsigned j = (unsigned)rng_below(i);
		struct str event = plan->events[i - 1];

		plan->events[i - 1] = plan->events[j];
		plan->events[j] = event;
	}
}

/* Some come twice, now and then the worker comes to rest or dies. */
static void send(const struct order_plan *plan)
{
	stage_reach(stage, FIRST_MS + 365 * MS_PER_DAY);
	for (unsigned i = 0; i < plan->event_count; i++) {
		for (uint64_t times = 1 + rng_below(8) / 7; times > 0; times--)
			stage_append(stage, STR("o"),
			             plan->events[rng_below(8) ? i : rng_below(i + 1)]);
		stage_append(stage, STR("o"), plan->events[i]);
		if (rng_below(8) == 0)
			stage_run(stage);
		if (rng_below(16) == 0)
			stage_crash(stage);
	}
	stage_run(stage);
}

/* ---- what it must come to --------------------------------------------------------------- */

/* One unit after the other to whom it is owed most: largest remainder by its definition. */
static int64_t share_of(const struct order_plan *plan, unsigned who)
{
	int64_t sum = 0, shares[PEOPLE], given_out = 0;
	bool topped[PEOPLE] = { false };

	for (unsigned i = 0; i < plan->payees; i++)
		sum += plan->weights[i];
	for (unsigned i = 0; i < plan->payees; i++) {
		shares[i] = plan->net * plan->weights[i] / sum;
		given_out += shares[i];
	}
	for (; given_out < plan->net; given_out++) {
		unsigned best = PEOPLE;

		for (unsigned i = 0; i < plan->payees; i++)
			if (!topped[i] &&
			    (best == PEOPLE || plan->net * plan->weights[i] % sum >
			                               plan->net * plan->weights[best] % sum))
				best = i;
		topped[best] = true;
		shares[best]++;
	}
	return shares[who];
}

typedef void visit_entry(yyjson_val *entry, void *to);

static void each_entry(const char *topic, visit_entry *visit, void *to)
{
	const struct message *m;
	int64_t offset = 0;

	while ((m = stage_read(stage, str_from_c(topic), &offset)) != NULL) {
		yyjson_doc *doc = yyjson_read(m->value.ptr, m->value.len, 0);
		yyjson_val *entry;
		size_t i, n;

		assert_non_null(doc);
		yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, entry) visit(entry, to);
		yyjson_doc_free(doc);
	}
}

static int64_t int_in(yyjson_val *object, const char *name)
{
	return yyjson_get_sint(yyjson_obj_get(object, name));
}

static void add_credit(yyjson_val *credit, void *to)
{
	int64_t *sums = to;
	const char *payee = yyjson_get_str(yyjson_obj_get(credit, "payee_id"));

	sums[payee[1] - '0'] += int_in(credit, "net_after") - int_in(credit, "net_before");
}

struct month_sums {
	int64_t company[MONTHS][3], payees[MONTHS][3], teams[MONTHS][3];
};

static void add_row(yyjson_val *row, void *to)
{
	struct month_sums *sums = to;
	const char *kind = yyjson_get_str(yyjson_obj_get(row, "kind"));
	int month = yyjson_get_str(yyjson_obj_get(row, "day"))[6] - '1';
	yyjson_val *figures = yyjson_obj_get(row, "figures");
	int64_t(*of)[3] = strcmp(kind, "company") == 0 ? sums->company
	                  : strcmp(kind, "payee") == 0 ? sums->payees
	                  : strcmp(kind, "team") == 0  ? sums->teams
	                                               : NULL;

	if (!of)
		return;
	of[month][0] += int_in(figures, "order_amount");
	of[month][1] += int_in(figures, "collected");
	of[month][2] += int_in(figures, "refunded");
}

static void expect_end(const struct order_plan *plan)
{
	int64_t credited[PEOPLE] = { 0 }, offset = 0;
	struct month_sums sums = { { { 0 } }, { { 0 } }, { { 0 } } };

	assert_null(stage_read(stage, STR("orders.dlq"), &offset));
	each_entry("credits", add_credit, credited);
	for (unsigned i = 0; i < plan->payees; i++)
		assert_int_equal(credited[i], share_of(plan, i));
	each_entry("measures", add_row, &sums);
	for (int month = 0; month < MONTHS; month++) {
		int64_t ordered = month == plan->created_month ? plan->amount : 0;

		assert_int_equal(sums.company[month][0], ordered);
		assert_int_equal(sums.company[month][1], plan->collected[month]);
		assert_int_equal(sums.company[month][2], plan->refunded[month]);
		/* People and teams share exactly what the company has. */
		assert_memory_equal(sums.payees[month], sums.company[month],
		                    sizeof(sums.company[month]));
		assert_memory_equal(sums.teams[month], sums.company[month],
		                    sizeof(sums.company[month]));
	}
}

static void any_order_of_arrival(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct order_plan plan = { .names = 0 };

		open_stage(state);
		give_people();
		plan_created(&plan);
		plan_money(&plan);
		shuffle(&plan);
		send(&plan);
		expect_end(&plan);
		close_stage(state);
	}
}

/* ---- limits ------------------------------------------------------------------------------- */

static void send_payment(unsigned number)
{
	struct str data = arena_printf(
		&texts, "\"payment_id\":\"p%u\",\"amount\":1,\"currency\":\"CNY\"", number);
	struct str id = arena_printf(&texts, "e%u", number);

	stage_append(stage, STR("o"), event_text("payment.collected", id.ptr, FIRST_MS, data));
}

static void send_order(void)
{
	stage_append(
		stage, STR("o"),
		event_text("order.created", "created", FIRST_MS,
	                   STR("\"channel_id\":\"web\",\"amount\":100000,\"currency\":\"CNY\"")));
}

/* How many were refused, all as order_limit. */
static unsigned over_limit(void)
{
	const struct message *m;
	int64_t offset = 0;
	unsigned count = 0;

	while ((m = stage_read(stage, STR("orders.dlq"), &offset)) != NULL) {
		assert_str(message_header(m, STR("tw-reason"))->value, "order_limit");
		count++;
	}
	return count;
}

static void expect_collected(int64_t expected)
{
	const struct stored *order = memory_keys_find(stage_keys(stage), STR("order:o"));
	yyjson_doc *doc = yyjson_read(order->value.ptr, order->value.len, 0);

	assert_int_equal(int_in(yyjson_doc_get_root(doc), "collected"), expected);
	yyjson_doc_free(doc);
}

static void an_order_has_so_many_events(void **state)
{
	(void)state;
	give_people();
	stage_reach(stage, FIRST_MS);
	send_order();
	for (unsigned i = 1; i < LIMIT_ORDER_EVENTS; i++)
		send_payment(i);
	stage_run(stage);
	assert_int_equal(over_limit(), 0);
	send_payment(LIMIT_ORDER_EVENTS);
	send_payment(1); /* what is known is still known */
	stage_run(stage);
	assert_int_equal(over_limit(), 1);
	stage_crash(stage); /* a full record can be read again */
	send_payment(LIMIT_ORDER_EVENTS + 1);
	stage_run(stage);
	assert_int_equal(over_limit(), 2);
	expect_collected(LIMIT_ORDER_EVENTS - 1);
}

static void an_order_has_so_many_waiting(void **state)
{
	(void)state;
	give_people();
	stage_reach(stage, FIRST_MS);
	for (unsigned i = 1; i <= LIMIT_ORDER_HELD; i++)
		send_payment(i);
	stage_run(stage);
	assert_int_equal(over_limit(), 0);
	send_payment(LIMIT_ORDER_HELD + 1);
	stage_run(stage);
	assert_int_equal(over_limit(), 1);
	stage_crash(stage);
	send_order();
	send_payment(LIMIT_ORDER_HELD + 1); /* it left no id and there is room now */
	stage_run(stage);
	assert_int_equal(over_limit(), 1);
	expect_collected(LIMIT_ORDER_HELD + 1);
}

/* The raw bytes of what waits are cut at a character, whatever the message was. */
static void a_waiting_event_can_be_large(void **state)
{
	struct buf reason;

	(void)state;
	buf_init(&reason, &texts);
	buf_put_lit(&reason, "\"reason\":\"late\",\"more\":\"");
	while (reason.len < LIMIT_HELD_BYTES)
		buf_put_lit(&reason, "\xe6\x8f\x90\xe6\x88\x90 ");
	buf_put_lit(&reason, "\"");
	give_people();
	stage_reach(stage, FIRST_MS);
	stage_append(stage, STR("o"),
	             event_text("order.cancelled", "e1", FIRST_MS, buf_str(&reason)));
	stage_run(stage);
	stage_crash(stage);
	send_order();
	stage_run(stage);
	assert_int_equal(over_limit(), 0);
	expect_collected(0);
}

#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(any_order_of_arrival),
	ON_STAGE(an_order_has_so_many_events),
	ON_STAGE(an_order_has_so_many_waiting),
	ON_STAGE(a_waiting_event_can_be_large),
};

TESTING_MAIN(tests)
