/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does each lookup give the record that held the instant as of the pin: histories,
 * replacements, endings, withdrawals, units, plans, zone, periods and boards?
 */
#include "common/runtime/reference.h"

#include "common/base/arena.h"
#include "common/base/log.h"
#include "common/base/timestamp.h"
#include "common/domain/measure.h"
#include "events.h"
#include "tests/unit/testing.h"

static struct reference_store *store;
static struct arena texts;
static int64_t next_offset;

static int new_store(void **state)
{
	(void)state;
	log_configure(LOG_ERROR, LOG_LOGFMT,
	              STR("test")); /* records left out are part of the test */
	store = reference_store_new();
	arena_init(&texts, 4096);
	next_offset = 0;
	return 0;
}

static int free_store(void **state)
{
	(void)state;
	reference_store_free(store);
	arena_release(&texts);
	return 0;
}

/* Takes in a record of the topic; single quotes stand for double ones. Returns its offset. */
static int64_t add(const char *type, const char *data)
{
	struct str json = arena_printf(&texts,
	                               "{'specversion':'1.0','id':'%d','source':'/t',"
	                               "'type':'%s','data':%s}",
	                               (int)next_offset, type, data);
	char *bytes = arena_alloc(&texts, json.len);

	for (size_t i = 0; i < json.len; i++)
		bytes[i] = json.ptr[i];
	for (size_t i = 0; i < json.len; i++)
		if (bytes[i] == '\'')
			bytes[i] = '"';
	reference_store_add(store, &(struct message){ .offset = next_offset,
	                                              .value = str_of(bytes, json.len) });
	return next_offset++;
}

static struct reference end(void)
{
	return (struct reference){ store, add("tallyworks.reference.ended", "{'records':1}"), 1 };
}

static int64_t ms_of(const char *text)
{
	int64_t ms = 0;

	assert_true(timestamp_parse(str_from_c(text), &ms));
	return ms;
}

static void expect_level(const struct reference *ref, const char *at, int64_t level)
{
	const struct person_defined *person = reference_person(ref, STR("p"), ms_of(at));

	assert_int_equal(person ? person->level : 0, level);
}

static void expect_day(const struct reference *ref, const char *at, int year, int month, int day)
{
	int64_t at_ms = ms_of(at);

	assert_int_equal(zone_day(reference_zone(ref, at_ms), at_ms),
	                 days_from_civil((struct civil_date){ year, month, day }));
}

static void nothing_is_known_at_first(void **state)
{
	struct reference ref = { store, -1, 1 };

	(void)state;
	assert_null(reference_company(&ref, 0));
	assert_null(reference_person(&ref, STR("p"), 0));
	assert_null(reference_plan_for(&ref, 1, STR("A"), 0));
	assert_null(reference_plan(&ref, STR("base"), 1));
	assert_int_equal(zone_day(reference_zone(&ref, -1), -1), -1);
	assert_int_equal(reference_periods(&ref), 31);
	assert_int_equal(reference_boards(&ref).measures, 0);
	assert_int_equal(reference_store_newest_end(store), -1);
	assert_int_equal(reference_store_next(store), 0);
}

static void history_by_valid_from(void **state)
{
	struct reference ref;

	(void)state;
	/* Not in the order of their validity. */
	add("person.defined",
	    "{'payee_id':'p','team_id':'t','level':3,'valid_from':'2026-07-01T00:00:00Z'}");
	add("person.defined", "{'payee_id':'p','team_id':'t','level':1}");
	add("person.defined",
	    "{'payee_id':'p','team_id':'t','level':2,'valid_from':'2026-03-01T00:00:00Z',"
	    "'valid_to':'2026-06-01T00:00:00Z'}");
	ref = end();
	expect_level(&ref, "2001-01-01T00:00:00Z", 1);
	expect_level(&ref, "2026-02-28T23:59:59.999Z", 1);
	expect_level(&ref, "2026-03-01T00:00:00Z", 2);
	expect_level(&ref, "2026-05-31T23:59:59.999Z", 2);
	/* What ended gives way to the record below it. */
	expect_level(&ref, "2026-06-01T00:00:00Z", 1);
	expect_level(&ref, "2026-07-01T00:00:00Z", 3);
	assert_null(reference_person(&ref, STR("q"), 0));
}

static void pins_are_walls(void **state)
{
	struct reference before, after, empty = { store, -1, 1 };

	(void)state;
	add("person.defined", "{'payee_id':'p','team_id':'t','level':1}");
	before = end();
	add("person.defined", "{'payee_id':'p','team_id':'t','level':2}");
	expect_level(&before, "2026-01-01T00:00:00Z", 1);
	after = end();
	expect_level(&empty, "2026-01-01T00:00:00Z", 0);
	expect_level(&before, "2026-01-01T00:00:00Z", 1);
	expect_level(&after, "2026-01-01T00:00:00Z", 2);
}

/* A later record for the same valid_from stands instead of the first, also where it ends sooner. */
/* contract: reference.replaced */
static void same_valid_from_is_replaced(void **state)
{
	struct reference ref;

	(void)state;
	add("person.defined", "{'payee_id':'p','team_id':'t','level':1}");
	add("person.defined",
	    "{'payee_id':'p','team_id':'t','level':2,'valid_to':'2026-01-01T00:00:00Z'}");
	ref = end();
	expect_level(&ref, "2025-01-01T00:00:00Z", 2);
	expect_level(&ref, "2026-01-01T00:00:00Z", 0);
}

static void withdrawals(void **state)
{
	struct reference defined, cut, gone, back;

	(void)state;
	add("person.defined", "{'payee_id':'p','team_id':'t','level':1}");
	add("person.defined",
	    "{'payee_id':'p','team_id':'t','level':2,'valid_from':'2026-03-01T00:00:00Z'}");
	defined = end();
	add("person.withdrawn", "{'payee_id':'p','valid_from':'2026-05-01T00:00:00Z'}");
	cut = end();
	add("person.withdrawn", "{'payee_id':'p'}");
	gone = end();
	/* The very same record again is a new one after a withdrawal. */
	add("person.defined", "{'payee_id':'p','team_id':'t','level':1}");
	back = end();
	expect_level(&defined, "2026-05-01T00:00:00Z", 2);
	expect_level(&cut, "2026-04-30T00:00:00Z", 2);
	expect_level(&cut, "2026-05-01T00:00:00Z", 0);
	expect_level(&gone, "2020-01-01T00:00:00Z", 0);
	expect_level(&back, "2026-05-01T00:00:00Z", 1);
	expect_level(&defined, "2026-05-01T00:00:00Z", 2);
}

/* Publishing sends everything each time: what did not change is found under every pin. */
static void published_again_and_again(void **state)
{
	struct reference pins[50];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(pins); i++) {
		add("person.defined", i < 25 ? "{'payee_id':'p','team_id':'t','level':1}"
		                             : "{'payee_id':'p','team_id':'t','level':2}");
		pins[i] = end();
	}
	for (unsigned i = 0; i < COUNT_OF(pins); i++)
		expect_level(&pins[i], "2026-01-01T00:00:00Z", i < 25 ? 1 : 2);
}

static void units_above_a_person(void **state)
{
	struct reference ref;
	struct units units;
	int64_t spring = ms_of("2026-03-01T00:00:00Z"), autumn = ms_of("2026-09-01T00:00:00Z");

	(void)state;
	add("unit.defined", "{'unit_id':'t','kind':'team','parent_id':'c1'}");
	add("unit.defined", "{'unit_id':'t','kind':'team','parent_id':'c2',"
	                    "'valid_from':'2026-07-01T00:00:00Z'}");
	add("unit.defined", "{'unit_id':'c1','kind':'city','parent_id':'r'}");
	add("unit.defined", "{'unit_id':'c2','kind':'city','parent_id':'r2'}");
	add("unit.defined", "{'unit_id':'r','kind':'region'}");
	add("unit.defined", "{'unit_id':'direct','kind':'team','parent_id':'r'}");
	add("unit.defined", "{'unit_id':'loop','kind':'city','parent_id':'loop'}");
	ref = end();
	units = reference_units(&ref, STR("t"), spring);
	assert_str(units.team_id, "t");
	assert_str(units.city_id, "c1");
	assert_str(units.region_id, "r");
	units = reference_units(&ref, STR("t"), autumn);
	assert_str(units.city_id, "c2");
	assert_null(units.region_id.ptr); /* r2 is not known */
	units = reference_units(&ref, STR("direct"), spring);
	assert_null(units.city_id.ptr);
	assert_str(units.region_id, "r");
	units = reference_units(&ref, STR("c1"), spring); /* whoever sits in a city itself */
	assert_null(units.team_id.ptr);
	assert_str(units.city_id, "c1");
	units = reference_units(&ref, STR("new"), spring);
	assert_str(units.team_id, "new");
	assert_null(units.city_id.ptr);
	units = reference_units(&ref, STR("loop"), spring);
	assert_str(units.city_id, "loop");
}

static int64_t rate_for(const struct reference *ref, int64_t level, const char *rating,
                        const char *at)
{
	const struct plan_defined *plan =
		reference_plan_for(ref, level, str_from_c(rating), ms_of(at));
	int64_t rate_ppm = -1;

	if (plan)
		assert_true(reference_plan_rate(plan, level, str_from_c(rating), &rate_ppm));
	return rate_ppm;
}

static void plans_by_level_and_rating(void **state)
{
	struct reference ref;

	(void)state;
	add("plan.defined", "{'plan_id':'base','version':1,'rows':[{'level':1,'rate_ppm':10},"
	                    "{'level':1,'rating':'A','rate_ppm':11},{'level':2,'rate_ppm':20}]}");
	add("plan.defined", "{'plan_id':'base','version':2,'rows':[{'level':1,'rate_ppm':100}],"
	                    "'valid_from':'2026-07-01T00:00:00Z'}");
	add("plan.defined", "{'plan_id':'stars','version':1,'rows':[{'level':2,'rating':'S',"
	                    "'rate_ppm':99}]}");
	ref = end();
	assert_int_equal(rate_for(&ref, 1, NULL, "2026-01-01T00:00:00Z"), 10);
	assert_int_equal(rate_for(&ref, 1, "A", "2026-01-01T00:00:00Z"), 11);
	assert_int_equal(rate_for(&ref, 1, "B", "2026-01-01T00:00:00Z"), 10);
	assert_int_equal(rate_for(&ref, 1, "A", "2026-07-01T00:00:00Z"), 100);
	/* The row with the rating comes before one without, in whichever plan. */
	assert_int_equal(rate_for(&ref, 2, "S", "2026-01-01T00:00:00Z"), 99);
	assert_int_equal(rate_for(&ref, 2, "A", "2026-01-01T00:00:00Z"), 20);
	assert_int_equal(rate_for(&ref, 3, "A", "2026-01-01T00:00:00Z"), -1);
}

static void plan_version_is_found_for_ever(void **state)
{
	struct reference ref, later;
	int64_t rate_ppm;

	(void)state;
	add("plan.defined", "{'plan_id':'base','version':1,'rows':[{'level':1,'rate_ppm':10}],"
	                    "'valid_to':'2026-07-01T00:00:00Z'}");
	ref = end();
	add("plan.defined", "{'plan_id':'base','version':2,'rows':[{'level':1,'rate_ppm':20}],"
	                    "'valid_from':'2026-07-01T00:00:00Z'}");
	add("plan.withdrawn", "{'plan_id':'base'}");
	later = end();
	assert_int_equal(reference_plan(&later, STR("base"), 1)->rows.items[0].rate_ppm, 10);
	assert_int_equal(reference_plan(&later, STR("base"), 2)->rows.items[0].rate_ppm, 20);
	assert_null(reference_plan(&ref, STR("base"), 2));
	assert_null(reference_plan(&later, STR("base"), 3));
	assert_null(reference_plan_for(&later, 1, STR("A"), ms_of("2026-08-01T00:00:00Z")));
	assert_false(reference_plan_rate(reference_plan(&later, STR("base"), 1), 9, STR("A"),
	                                 &rate_ppm));
}

/* contract: reference.company */
static void company_zone_periods_boards(void **state)
{
	struct reference shanghai, berlin;

	(void)state;
	add("company.defined",
	    "{'company_id':'all','timezone':'Asia/"
	    "Shanghai','currency':'CNY','first_offset_s':28800,"
	    "'periods':['day','month'],"
	    "'boards':{'measures':['collected','signed_amount'],'periods':['month','week']}}");
	shanghai = end();
	/* 16:00 UTC is midnight there: the month's end that goes wrong most often. */
	expect_day(&shanghai, "2026-02-28T15:59:59.999Z", 2026, 2, 28);
	expect_day(&shanghai, "2026-02-28T16:00:00Z", 2026, 3, 1);
	assert_int_equal(reference_periods(&shanghai), 1 << PERIOD_DAY | 1 << PERIOD_MONTH);
	assert_int_equal(reference_boards(&shanghai).measures,
	                 1 << MONEY_COLLECTED | 1 << MONEY_SIGNED_AMOUNT);
	/* Weeks are not kept, so they have no boards. */
	assert_int_equal(reference_boards(&shanghai).periods, 1 << PERIOD_MONTH);
	assert_str(reference_company(&shanghai, 0)->currency, "CNY");

	add("company.defined", "{'company_id':'again','timezone':'Europe/"
	                       "Berlin','currency':'EUR','first_offset_s':3600,"
	                       "'transitions':[{'at':'2026-03-29T01:00:00Z','offset_s':7200}],"
	                       "'valid_from':'2026-01-01T00:00:00Z'}");
	berlin = end();
	assert_str(reference_company(&berlin, ms_of("2025-12-31T00:00:00Z"))->currency, "CNY");
	assert_str(reference_company(&berlin, ms_of("2026-01-01T00:00:00Z"))->currency, "EUR");
	assert_int_equal(reference_zone(&berlin, ms_of("2026-01-01T00:00:00Z"))->count, 1);
	expect_day(&berlin, "2026-06-30T22:00:00Z", 2026, 7, 1);
	assert_int_equal(reference_periods(&berlin), 31);
	assert_int_equal(reference_zone(&shanghai, INT64_MAX)->first_offset_s, 28800);
}

/* contract: reference.company, reference.validity */
static void the_zone_is_that_of_the_instant(void **state)
{
	struct reference moved, gone;

	(void)state;
	add("company.defined", "{'company_id':'all','timezone':'Asia/Shanghai','currency':'CNY',"
	                       "'first_offset_s':28800,'valid_from':'2020-01-01T00:00:00Z'}");
	add("company.defined", "{'company_id':'all','timezone':'Europe/Berlin','currency':'CNY',"
	                       "'first_offset_s':3600,'valid_from':'2026-12-31T23:00:00Z'}");
	moved = end();
	add("company.withdrawn", "{'company_id':'all','valid_from':'2027-06-01T00:00:00Z'}");
	gone = end();
	expect_day(&moved, "2026-11-30T17:30:00Z", 2026, 12, 1);
	expect_day(&moved, "2026-12-31T22:59:59.999Z", 2027, 1, 1);
	expect_day(&moved, "2026-12-31T23:00:00Z", 2027, 1, 1);
	expect_day(&moved, "2027-01-31T17:30:00Z", 2027, 1, 31);
	/* Where no record holds the instant, the newest one's. */
	expect_day(&moved, "2019-11-30T17:30:00Z", 2019, 11, 30);
	expect_day(&gone, "2027-07-31T22:30:00Z", 2027, 7, 31);
}

static void bad_records_are_left_out(void **state)
{
	struct reference ref;

	(void)state;
	add("person.defined", "{'payee_id':'p','team_id':'t','level':1}");
	add("person.defined", "{'payee_id':'p','team_id':'t','level':0}");
	add("person.promoted", "{'payee_id':'p'}");
	add("company.defined",
	    "{'company_id':'all','timezone':'Europe/Berlin','currency':'EUR','transitions':["
	    "{'at':'2026-03-29T01:00:00Z','offset_s':7200},"
	    "{'at':'2026-03-29T01:00:00Z','offset_s':3600}]}");
	reference_store_add(store, &(struct message){ .offset = next_offset++, .value = STR("{") });
	ref = end();
	expect_level(&ref, "2026-01-01T00:00:00Z", 1);
	assert_null(reference_company(&ref, 0));
	assert_int_equal(reference_store_next(store), next_offset);
}

static void ends_are_known_exactly(void **state)
{
	int64_t ends[20];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(ends); i++) {
		add("channel.defined", "{'channel_id':'web','name':'Shop'}");
		ends[i] = end().pin;
		reference_store_set_next(store, next_offset = ends[i] + 2); /* a control marker */
	}
	for (unsigned i = 0; i < COUNT_OF(ends); i++) {
		assert_true(reference_store_is_end(store, ends[i]));
		assert_false(reference_store_is_end(store, ends[i] - 1));
		assert_false(reference_store_is_end(store, ends[i] + 1));
	}
	assert_int_equal(reference_store_newest_end(store), ends[19]);
	assert_int_equal(reference_store_next(store), ends[19] + 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_store, free_store)

static const struct CMUnitTest tests[] = {
	TEST(nothing_is_known_at_first),
	TEST(history_by_valid_from),
	TEST(pins_are_walls),
	TEST(same_valid_from_is_replaced),
	TEST(withdrawals),
	TEST(published_again_and_again),
	TEST(units_above_a_person),
	TEST(plans_by_level_and_rating),
	TEST(plan_version_is_found_for_ever),
	TEST(company_zone_periods_boards),
	TEST(the_zone_is_that_of_the_instant),
	TEST(bad_records_are_left_out),
	TEST(ends_are_known_exactly),
};

TESTING_MAIN(tests)
