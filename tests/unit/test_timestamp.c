/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is every day of ten thousand years the right date, is every RFC 3339 text read
 * and nothing else, and does text that was written read back as the same instant?
 */
#include "common/base/timestamp.h"

#include "tests/unit/testing.h"

#define LEAST_DAY (-719528)
#define LEAST_MS (LEAST_DAY * MS_PER_DAY)
#define MOST_MS (INT64_C(2932897) * MS_PER_DAY - 1)

static bool is_leap(int year)
{
	return year % 400 == 0 || (year % 100 != 0 && year % 4 == 0);
}

static int days_of_month(int year, int month)
{
	static const int days[] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return month == 2 && is_leap(year) ? 29 : days[month];
}

/* Walks from 0000-01-01 to 9999-12-31 by the rule for the lengths of months. */
static void knows_every_day(void **state)
{
	int32_t day = LEAST_DAY;

	(void)state;
	for (int year = 0; year <= 9999; year++) {
		for (int month = 1; month <= 12; month++) {
			for (int d = 1; d <= days_of_month(year, month); d++, day++) {
				struct civil_date date = civil_from_days(day);

				if (date.year != year || date.month != month || date.day != d ||
				    days_from_civil(date) != day || !civil_is_valid(date))
					fail_msg("day %d is not %d-%d-%d", day, year, month, d);
			}
			assert_false(civil_is_valid((struct civil_date){ year, month, 0 }));
			assert_false(civil_is_valid((struct civil_date){
				year, month, days_of_month(year, month) + 1 }));
		}
	}
	assert_int_equal((day)*MS_PER_DAY - 1, MOST_MS);
	assert_int_equal(days_from_civil((struct civil_date){ 1970, 1, 1 }), 0);
	assert_false(civil_is_valid((struct civil_date){ 2026, 0, 1 }));
	assert_false(civil_is_valid((struct civil_date){ 2026, 13, 1 }));
	assert_false(civil_is_valid((struct civil_date){ -1, 1, 1 }));
	assert_false(civil_is_valid((struct civil_date){ 10000, 1, 1 }));
}

/* Another way to the date (Howard Hinnant's), for days far outside the years of text. */
static void holds_for_all_of_int32(void **state)
{
	struct civil_date first = civil_from_days(INT32_MIN), last = civil_from_days(INT32_MAX);

	(void)state;
	assert_int_equal(first.year, -5877641);
	assert_true(first.month == 6 && first.day == 23);
	assert_int_equal(last.year, 5881580);
	assert_true(last.month == 7 && last.day == 11);
	for (int i = 0; i < 200000; i++) {
		int32_t day = (int32_t)rng_any_i64();
		struct civil_date date = civil_from_days(day);
		int64_t z = (int64_t)day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
		int64_t doe = z - era * 146097;
		int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
		int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

		assert_int_equal(date.day, doy - (153 * mp + 2) / 5 + 1);
		assert_int_equal(date.month, mp < 10 ? mp + 3 : mp - 9);
		assert_int_equal(date.year, yoe + era * 400 + (mp >= 10));
		assert_int_equal(days_from_civil(date), day);
	}
}

static void reads_what_rfc_3339_allows(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:00.000Z", 0 },
		{ "1969-12-31T23:59:59.500Z", -500 },
		{ "2026-01-31T08:15:00.250Z", INT64_C(1769847300250) },
		{ "2026-01-31t08:15:00.250z", INT64_C(1769847300250) },
		{ "2026-01-31T16:15:00.250+08:00", INT64_C(1769847300250) },
		{ "2026-01-31T02:45:00.25-05:30", INT64_C(1769847300250) },
		{ "2026-01-31T08:15:00.2509999999Z", INT64_C(1769847300250) },
		{ "2026-01-31T08:15:00.2Z", INT64_C(1769847300200) },
		{ "2026-01-31T08:15:00-00:00", INT64_C(1769847300000) },
		{ "2026-02-01T08:14:00+23:59", INT64_C(1769847300000) },
		{ "2024-02-29T00:00:00Z", INT64_C(1709164800000) },
		{ "0000-01-01T00:00:00.000Z", LEAST_MS },
		{ "9999-12-31T23:59:59.999Z", MOST_MS },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t ms = 1;

		if (!timestamp_parse(str_from_c(cases[i].text), &ms))
			fail_msg("%s was refused", cases[i].text);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void refuses_the_rest(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-01-31",
		"2026-01-31T",
		"2026-01-31T08:15",
		"2026-01-31T08:15:00",
		"2026-01-31 08:15:00Z",
		"2026-01-31 08:15:00.250Z",
		"2026-01-31T08:15:00.Z",
		"2026-01-31T08:15:00,250Z",
		"2026-01-31T08:15:00.250",
		"2026-01-31T08:15:00.250ZZ",
		" 2026-01-31T08:15:00.250Z",
		"2026-01-31T08:15:00.250Z ",
		"2026-01-31T24:00:00.000Z",
		"2026-01-31T08:60:00.000Z",
		"2026-01-31T08:15:60.000Z",
		"2026-02-29T08:15:00.000Z",
		"2026-04-31T08:15:00.000Z",
		"2026-00-31T08:15:00.000Z",
		"2026-13-31T08:15:00.000Z",
		"2026-01-00T08:15:00.000Z",
		"2026-01-32T08:15:00.000Z",
		"1900-02-29T08:15:00.000Z",
		"2026-1-31T08:15:00Z",
		"26-01-31T08:15:00Z",
		"+2026-01-31T08:15:00Z",
		"-026-01-31T08:15:00.250Z",
		"2026-01-31T08:15:00+0800",
		"2026-01-31T08:15:00+08",
		"2026-01-31T08:15:00+24:00",
		"2026-01-31T08:15:00+08:60",
		"2026-01-31T08:15:00 08:00",
		"2026-01-31T08:15:00+08:00Z",
		"20260131T081500Z",
		"2026-W05-6T08:15:00.250Z",
		"2026-01-31T08:15:00.250Y",
		"2026-01-31T08:15:00.2x0Z",
		"2026-01-31T08:15:0:.250Z",
		"0000-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		int64_t ms;

		if (timestamp_parse(str_from_c(bad[i]), &ms))
			fail_msg("\"%s\" was read", bad[i]);
	}
	assert_false(timestamp_parse(str_of(NULL, 0), &(int64_t){ 0 }));
}

/* The usual form, checked character by character: an oracle for the fast path. */
static bool is_usual(const char *t, int64_t *ms)
{
	static const char form[] = "0000-00-00T00:00:00.000Z";
	int n[7];

	for (int i = 0; i < 24; i++) {
		bool digit = t[i] >= '0' && t[i] <= '9';

		if (form[i] == '0' ? !digit : t[i] != form[i] && (form[i] | 32) != t[i])
			return false;
	}
	if (sscanf(t, "%4d-%2d-%2d%*1[Tt]%2d:%2d:%2d.%3d", &n[0], &n[1], &n[2], &n[3], &n[4], &n[5],
	           &n[6]) != 7)
		return false;
	if (n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > days_of_month(n[0], n[1]) || n[3] > 23 ||
	    n[4] > 59 || n[5] > 59)
		return false;
	*ms = days_from_civil((struct civil_date){ n[0], n[1], n[2] }) * MS_PER_DAY +
	      ((n[3] * 60 + n[4]) * 60 + n[5]) * MS_PER_SECOND + n[6];
	return true;
}

static void reads_and_refuses_like_a_slow_reader(void **state)
{
	int accepted = 0;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		int64_t ms = rng_between(LEAST_MS, MOST_MS), read = 0, expected = 0;
		char text[25] = "";

		assert_int_equal(timestamp_format(ms, text), 24);
		assert_true(timestamp_parse(str_of(text, 24), &read));
		assert_int_equal(read, ms);
		for (uint64_t j = rng_below(3) + 1; j > 0; j--)
			rng_fill(text + rng_below(24), 1,
			         rng_below(4) ? STR("00112233456789:-TtZz.+") : str_of(NULL, 0));
		if (is_usual(text, &expected)) {
			assert_true(timestamp_parse(str_of(text, 24), &read));
			assert_int_equal(read, expected);
			accepted++;
		} else if (timestamp_parse(str_of(text, 24), &read)) {
			fail_msg("\"%s\" was read", text);
		}
	}
	assert_true(accepted > 1000);
}

static void reads_every_offset(void **state)
{
	(void)state;
	for (int i = 0; i < 50000; i++) {
		int64_t local = rng_between(0, INT64_C(4102444800000)), read = 0;
		int minutes = (int)rng_between(-1439, 1439), digits = (int)rng_between(1, 12);
		int64_t fraction = rng_between(0, 999);
		char text[64], usual[25] = "";
		int len;

		local -= local % 1000;
		timestamp_format(local, usual);
		len = snprintf(text, sizeof(text), "%.19s.%03d%.*s%c%02d:%02d", usual,
		               (int)fraction, digits, "987654321000", minutes < 0 ? '-' : '+',
		               abs(minutes) / 60, abs(minutes) % 60);
		assert_true(timestamp_parse(str_of(text, (size_t)len), &read));
		assert_int_equal(read, local + fraction - minutes * INT64_C(60000));
	}
}

static void reads_and_writes_dates(void **state)
{
	char text[10];
	int32_t day = 0;

	(void)state;
	assert_true(date_parse(STR("2026-01-31"), &day));
	assert_int_equal(day * MS_PER_DAY, INT64_C(1769817600000));
	assert_false(date_parse(STR("2026-02-29"), &day));
	assert_false(date_parse(STR("2026-01-31T"), &day));
	assert_false(date_parse(STR("2026-1-31"), &day));
	assert_false(date_parse(STR(""), &day));
	for (int i = 0; i < 100000; i++) {
		int32_t given = (int32_t)rng_between(LEAST_DAY, 2932896);

		assert_int_equal(date_format(given, text), 10);
		assert_true(date_parse(str_of(text, 10), &day));
		assert_int_equal(day, given);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(knows_every_day),
	cmocka_unit_test(holds_for_all_of_int32),
	cmocka_unit_test(reads_what_rfc_3339_allows),
	cmocka_unit_test(refuses_the_rest),
	cmocka_unit_test(reads_and_refuses_like_a_slow_reader),
	cmocka_unit_test(reads_every_offset),
	cmocka_unit_test(reads_and_writes_dates),
};
TESTING_MAIN(tests)
