/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic only: no clock, no libc calendar, no locale. period_of() is called
 * several times for every event, so names are formed by arithmetic.
 */
#include "common/domain/calendar.h"

#include "common/base/must.h"
#include "common/base/timestamp.h"

#define THURSDAY 3 /* 1970-01-01, counting from Monday = 0 */

/* How many transitions lie at or before the instant. */
static uint32_t transitions_until(const struct zone *zone, int64_t at_ms)
{
	uint32_t low = 0, high = zone->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (zone->transitions[middle].at_ms <= at_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The offset after the first `passed` transitions. */
static int64_t offset_ms(const struct zone *zone, uint32_t passed)
{
	int32_t offset_s = passed ? zone->transitions[passed - 1].offset_s : zone->first_offset_s;

	return offset_s * MS_PER_SECOND;
}

int32_t zone_day(const struct zone *zone, int64_t at_ms)
{
	int64_t local_ms = at_ms + offset_ms(zone, transitions_until(zone, at_ms));

	return (int32_t)(local_ms / MS_PER_DAY - (local_ms % MS_PER_DAY < 0));
}

/*
 * Between two transitions local time runs straight, so each stretch has one
 * candidate; the first that lies inside its stretch is the answer. Offsets are
 * less than a day, so no stretch that ends two days before can hold it.
 */
int64_t zone_day_start(const struct zone *zone, int32_t day)
{
	int64_t midnight_ms = day * MS_PER_DAY;
	uint32_t passed = transitions_until(zone, midnight_ms - 2 * MS_PER_DAY);

	for (;; passed++) {
		int64_t start_ms = midnight_ms - offset_ms(zone, passed);

		if (passed > 0 && start_ms < zone->transitions[passed - 1].at_ms)
			start_ms = zone->transitions[passed - 1].at_ms;
		if (passed == zone->count || start_ms < zone->transitions[passed].at_ms)
			return start_ms;
	}
}

/* Monday = 0. */
static int32_t weekday(int32_t day)
{
	int32_t of_week = (day % 7 + THURSDAY) % 7;

	return of_week < 0 ? of_week + 7 : of_week;
}

/*
 * A name is put together in two words and stored as such: written byte by byte,
 * a struct that is returned in registers would have to wait for its own stores.
 * Byte i of a word is its bits 8i to 8i + 7; the length is the last byte.
 */
static struct period_name make_name(uint64_t front, uint64_t back, uint64_t len)
{
	uint64_t words[2] = { front, back | len << 56 };
	struct period_name name;

	_Static_assert(sizeof(struct period_name) == 16, "a name is two words");
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	words[0] = __builtin_bswap64(words[0]);
	words[1] = __builtin_bswap64(words[1]);
#endif
	memcpy(&name, words, sizeof(name));
	return name;
}

/* The two digits of 0 to 99 at characters `at` and `at` + 1 of a word. */
static uint64_t two(int32_t value, unsigned at)
{
	return (uint64_t)('0' + value / 10 + ('0' + value % 10) * 256) << at * 8;
}

static uint64_t one(char c, unsigned at)
{
	return (uint64_t)(unsigned char)c << at * 8;
}

static uint64_t four(int32_t year)
{
	must(year >= 0 && year <= 9999);
	return two(year / 100, 0) | two(year % 100, 2);
}

/* ISO 8601: a week belongs to the year that its Thursday lies in. */
static struct period_name week_of(int32_t day)
{
	int32_t thursday = day - weekday(day) + THURSDAY;
	int32_t year = civil_from_days(thursday).year;
	int32_t first = days_from_civil((struct civil_date){ year, 1, 1 });
	int32_t week = (thursday - first) / 7 + 1;

	return make_name(four(year) | one('-', 4) | one('W', 5) | two(week, 6), 0, 8);
}

struct period_name period_of(enum period_kind kind, int32_t day)
{
	struct civil_date date;
	uint64_t front;

	must(kind < PERIOD_KINDS);
	if (kind == PERIOD_WEEK)
		return week_of(day);
	date = civil_from_days(day);
	front = four(date.year);
	if (kind == PERIOD_YEAR)
		return make_name(front, 0, 4);
	front |= one('-', 4);
	if (kind == PERIOD_QUARTER)
		return make_name(front | one('Q', 5) | one((char)('1' + (date.month - 1) / 3), 6),
		                 0, 7);
	front |= two(date.month, 5);
	if (kind == PERIOD_MONTH)
		return make_name(front, 0, 7);
	return make_name(front | one('-', 7), two(date.day, 0), 10);
}

int32_t period_first_day(enum period_kind kind, int32_t day)
{
	struct civil_date date;

	must(kind < PERIOD_KINDS);
	if (kind == PERIOD_DAY)
		return day;
	if (kind == PERIOD_WEEK)
		return day - weekday(day);
	date = civil_from_days(day);
	date.day = 1;
	if (kind == PERIOD_QUARTER)
		date.month -= (date.month - 1) % 3;
	else if (kind == PERIOD_YEAR)
		date.month = 1;
	return days_from_civil(date);
}

bool period_kind_parse(struct str word, enum period_kind *kind)
{
	static const struct str words[PERIOD_KINDS] = {
		[PERIOD_DAY] = STR_INIT("day"),     [PERIOD_WEEK] = STR_INIT("week"),
		[PERIOD_MONTH] = STR_INIT("month"), [PERIOD_QUARTER] = STR_INIT("quarter"),
		[PERIOD_YEAR] = STR_INIT("year"),
	};

	for (enum period_kind k = PERIOD_DAY; k < PERIOD_KINDS; k++) {
		if (str_eq(word, words[k])) {
			*kind = k;
			return true;
		}
	}
	return false;
}
