/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does every day from 1970 to 2100 lie in the right periods, by a walk that
 * counts days, and does a business day begin and end where the zone's clocks say,
 * also where midnight is skipped, comes twice, or a day is left out?
 */
#include "common/domain/calendar.h"

#include "common/base/timestamp.h"
#include "tests/unit/testing.h"

static int32_t day_of(const char *text)
{
	int32_t day = 0;

	assert_true(date_parse(str_from_c(text), &day));
	return day;
}

static int64_t ms_of(const char *text)
{
	int64_t ms = 0;

	assert_true(timestamp_parse(str_from_c(text), &ms));
	return ms;
}

static void check_period(enum period_kind kind, int32_t day, int32_t first, const char *name)
{
	struct period_name got = period_of(kind, day);

	assert_str(period_str(&got), name);
	assert_int_equal(period_first_day(kind, day), first);
}

/*
 * The walk knows the lengths of months and that 1970-01-01 was a Thursday; a
 * week is the first of its year when 4 January lies in it (ISO 8601).
 */
static void names_every_day(void **state)
{
	static const int lengths[] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int32_t day = 0, first[PERIOD_KINDS] = { 0, -3, 0, 0, 0 };
	int weekday = 3, week_year = 1970, week = 1;

	(void)state;
	for (int y = 1970; y <= 2100; y++) {
		for (int m = 1; m <= 12; m++) {
			bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);

			for (int d = 1; d <= lengths[m] + (m == 2 && leap); d++, day++) {
				char name[40];

				if (weekday == 0) {
					bool first_week =
						(m == 12 && d >= 29) || (m == 1 && d <= 4);

					week = first_week ? 1 : week + 1;
					week_year = first_week ? y + (m == 12) : week_year;
					first[PERIOD_WEEK] = day;
				}
				weekday = (weekday + 1) % 7;
				first[PERIOD_MONTH] = d == 1 ? day : first[PERIOD_MONTH];
				first[PERIOD_QUARTER] =
					d == 1 && m % 3 == 1 ? day : first[PERIOD_QUARTER];
				first[PERIOD_YEAR] = d == 1 && m == 1 ? day : first[PERIOD_YEAR];
				snprintf(name, sizeof(name), "%d-%02d-%02d", y, m, d);
				check_period(PERIOD_DAY, day, day, name);
				snprintf(name, sizeof(name), "%d-W%02d", week_year, week);
				check_period(PERIOD_WEEK, day, first[PERIOD_WEEK], name);
				snprintf(name, sizeof(name), "%d-%02d", y, m);
				check_period(PERIOD_MONTH, day, first[PERIOD_MONTH], name);
				snprintf(name, sizeof(name), "%d-Q%d", y, (m + 2) / 3);
				check_period(PERIOD_QUARTER, day, first[PERIOD_QUARTER], name);
				snprintf(name, sizeof(name), "%d", y);
				check_period(PERIOD_YEAR, day, first[PERIOD_YEAR], name);
			}
		}
	}
}

/* By Python's date.isocalendar(). */
static void knows_iso_weeks(void **state)
{
	static const struct {
		const char *day, *week, *first;
	} facts[] = {
		{ "1999-12-31", "1999-W52", "1999-12-27" },
		{ "2000-01-01", "1999-W52", "1999-12-27" },
		{ "2004-12-31", "2004-W53", "2004-12-27" },
		{ "2005-01-02", "2004-W53", "2004-12-27" },
		{ "2008-12-28", "2008-W52", "2008-12-22" },
		{ "2008-12-29", "2009-W01", "2008-12-29" },
		{ "2009-12-31", "2009-W53", "2009-12-28" },
		{ "2010-01-03", "2009-W53", "2009-12-28" },
		{ "2010-01-04", "2010-W01", "2010-01-04" },
		{ "2020-12-31", "2020-W53", "2020-12-28" },
		{ "2021-01-03", "2020-W53", "2020-12-28" },
		{ "2026-01-01", "2026-W01", "2025-12-29" },
		{ "2026-03-05", "2026-W10", "2026-03-02" },
		{ "2027-01-03", "2026-W53", "2026-12-28" },
		{ "2032-12-31", "2032-W53", "2032-12-27" },
		{ "2100-12-31", "2100-W52", "2100-12-27" },
		{ "1969-12-28", "1969-W52", "1969-12-22" },
		{ "1969-12-29", "1970-W01", "1969-12-29" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(facts); i++)
		check_period(PERIOD_WEEK, day_of(facts[i].day), day_of(facts[i].first),
		             facts[i].week);
}

static void reads_the_words(void **state)
{
	static const char *const words[] = { "day", "week", "month", "quarter", "year" };
	enum period_kind kind;

	(void)state;
	for (unsigned i = 0; i < PERIOD_KINDS; i++) {
		kind = PERIOD_KINDS;
		assert_true(period_kind_parse(str_from_c(words[i]), &kind));
		assert_int_equal(kind, i);
	}
	assert_false(period_kind_parse(STR("Day"), &kind));
	assert_false(period_kind_parse(STR("days"), &kind));
	assert_false(period_kind_parse(STR(""), &kind));
	assert_false(period_kind_parse(str_of(NULL, 0), &kind));
}

/* From the IANA database: China's summer time, and clocks that change at midnight. */
static const struct zone_transition shanghai[] = {
	{ INT64_C(515527200000), 32400 }, { INT64_C(527014800000), 28800 },
	{ INT64_C(545162400000), 32400 }, { INT64_C(558464400000), 28800 },
	{ INT64_C(577216800000), 32400 }, { INT64_C(589914000000), 28800 },
	{ INT64_C(608666400000), 32400 }, { INT64_C(621968400000), 28800 },
	{ INT64_C(640116000000), 32400 }, { INT64_C(653418000000), 28800 },
	{ INT64_C(671565600000), 32400 }, { INT64_C(684867600000), 28800 },
};
static const struct zone_transition sao_paulo[] = {
	{ INT64_C(1518919200000), -10800 },
	{ INT64_C(1541300400000), -7200 },
	{ INT64_C(1550368800000), -10800 },
};
static const struct zone_transition havana[] = {
	{ INT64_C(1772946000000), -14400 },
	{ INT64_C(1793509200000), -18000 },
};
static const struct zone_transition apia[] = {
	{ INT64_C(1301752800000), -39600 },
	{ INT64_C(1316872800000), -36000 },
	{ INT64_C(1325239200000), 50400 },
};
static const struct zone zone_shanghai = { shanghai, COUNT_OF(shanghai), 28800 };
static const struct zone zone_sao_paulo = { sao_paulo, COUNT_OF(sao_paulo), -7200 };
static const struct zone zone_havana = { havana, COUNT_OF(havana), -18000 };
static const struct zone zone_apia = { apia, COUNT_OF(apia), -36000 };
static const struct zone zone_utc = { NULL, 0, 0 };

static void begins_days_where_the_clocks_do(void **state)
{
	static const struct {
		const struct zone *zone;
		const char *day, *start;
	} facts[] = {
		{ &zone_utc, "2026-03-05", "2026-03-05T00:00:00Z" },
		{ &zone_utc, "1969-12-31", "1969-12-31T00:00:00Z" },
		{ &zone_shanghai, "2026-04-01", "2026-03-31T16:00:00Z" },
		{ &zone_shanghai, "1985-01-01", "1984-12-31T16:00:00Z" },
		{ &zone_shanghai, "1986-05-04", "1986-05-03T16:00:00Z" },
		{ &zone_shanghai, "1986-05-05", "1986-05-04T15:00:00Z" },
		{ &zone_shanghai, "1986-09-14", "1986-09-13T15:00:00Z" },
		{ &zone_shanghai, "1986-09-15", "1986-09-14T16:00:00Z" },
		{ &zone_sao_paulo, "2018-11-03", "2018-11-03T03:00:00Z" },
		{ &zone_sao_paulo, "2018-11-04",
		  "2018-11-04T03:00:00Z" }, /* begins at one o'clock */
		{ &zone_sao_paulo, "2018-11-05", "2018-11-05T02:00:00Z" },
		{ &zone_sao_paulo, "2019-02-17",
		  "2019-02-17T03:00:00Z" }, /* 23:00 came twice before */
		{ &zone_havana, "2026-03-08", "2026-03-08T05:00:00Z" },
		{ &zone_havana, "2026-11-01", "2026-11-01T04:00:00Z" }, /* midnight comes twice */
		{ &zone_havana, "2026-11-02", "2026-11-02T05:00:00Z" },
		{ &zone_apia, "2011-12-29", "2011-12-29T10:00:00Z" },
		{ &zone_apia, "2011-12-30", "2011-12-30T10:00:00Z" }, /* left out: has no instant */
		{ &zone_apia, "2011-12-31", "2011-12-30T10:00:00Z" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(facts); i++)
		assert_int_equal(zone_day_start(facts[i].zone, day_of(facts[i].day)),
		                 ms_of(facts[i].start));
	assert_int_equal(zone_day(&zone_utc, -1), -1);
	assert_int_equal(zone_day(&zone_utc, 0), 0);
	assert_int_equal(zone_day(&zone_apia, ms_of("2011-12-30T09:59:59.999Z")),
	                 day_of("2011-12-29"));
	assert_int_equal(zone_day(&zone_apia, ms_of("2011-12-30T10:00:00Z")), day_of("2011-12-31"));
	/* The favourite bug: the last evening of a month in China is not in the next one. */
	assert_int_equal(zone_day(&zone_shanghai, ms_of("2026-03-31T15:59:59.999Z")),
	                 day_of("2026-03-31"));
	assert_int_equal(zone_day(&zone_shanghai, ms_of("2026-03-31T16:00:00Z")),
	                 day_of("2026-04-01"));
}

static int32_t slow_day(const struct zone *zone, int64_t at_ms)
{
	int64_t offset_s = zone->first_offset_s, local_ms, day;

	for (uint32_t i = 0; i < zone->count; i++)
		if (zone->transitions[i].at_ms <= at_ms)
			offset_s = zone->transitions[i].offset_s;
	local_ms = at_ms + offset_s * 1000;
	day = local_ms / MS_PER_DAY;
	return (int32_t)(day * MS_PER_DAY > local_ms ? day - 1 : day);
}

/* Zones with clocks that jump by anything, any time: looks at every minute. */
static void agrees_with_a_minute_by_minute_search(void **state)
{
	struct zone_transition transitions[12];
	const int64_t minute = 60000;

	(void)state;
	for (int round = 0; round < 400; round++) {
		uint32_t count = (uint32_t)rng_below(COUNT_OF(transitions) + 1);
		struct zone zone = { transitions, count, (int32_t)rng_between(-1439, 1439) * 60 };
		int64_t at_ms = rng_between(-30, 20000) * MS_PER_DAY;
		int32_t day = (int32_t)(at_ms / MS_PER_DAY);

		for (uint32_t i = 0; i < count; i++) {
			at_ms += rng_between(1, rng_below(2) ? 600 : 5000) * minute;
			transitions[i].at_ms = at_ms;
			transitions[i].offset_s = (int32_t)rng_between(-1439, 1439) * 60;
		}
		for (int i = 0; i < 100; i++) {
			int64_t any_ms = at_ms + rng_between(-20 * MS_PER_DAY, 5 * MS_PER_DAY);

			assert_int_equal(zone_day(&zone, any_ms), slow_day(&zone, any_ms));
		}
		for (int32_t last = day + 6; day < last; day++) {
			int64_t start_ms = (day - 3) * MS_PER_DAY;

			while (slow_day(&zone, start_ms) < day)
				start_ms += minute;
			assert_int_equal(zone_day_start(&zone, day), start_ms);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(names_every_day),
	cmocka_unit_test(knows_iso_weeks),
	cmocka_unit_test(reads_the_words),
	cmocka_unit_test(begins_days_where_the_clocks_do),
	cmocka_unit_test(agrees_with_a_minute_by_minute_search),
};
TESTING_MAIN(tests)
