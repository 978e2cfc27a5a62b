/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates by Euclidean affine functions (Neri and Schneider, 2023): the year is
 * taken to begin in March, and the count of days is moved up by a whole number
 * of 400-year cycles, so that every int32 day is a non-negative number. Text is
 * read eight bytes a step where it has the usual form and one by one otherwise.
 */
#include "common/base/timestamp.h"

#include "common/base/buf.h"
#include "common/base/must.h"

#define CYCLES 14700 /* of 400 years: more than 2^31 days */
#define YEARS_UP (CYCLES * 400)
#define DAYS_PER_CYCLE 146097
#define DAYS_UP (719468 + INT64_C(146097) * CYCLES) /* 719468: days before 1970 from 0000-03-01 */
#define LEAST_MS INT64_C(-62167219200000)           /* 0000-01-01T00:00:00.000Z */
#define MOST_MS INT64_C(253402300799999)            /* 9999-12-31T23:59:59.999Z */
#define LEAST_DAY (-719528)
#define MOST_DAY 2932896

int32_t days_from_civil(struct civil_date date)
{
	bool early = date.month <= 2; /* January and February end the year before */
	uint64_t year = (uint64_t)((int64_t)date.year + YEARS_UP - early);
	uint32_t month = (uint32_t)(date.month + (early ? 12 : 0));
	uint64_t century = year / 100;
	uint64_t days = 1461 * year / 4 - century + century / 4 + (979 * month - 2919) / 32;

	return (int32_t)((int64_t)days + date.day - 1 - DAYS_UP);
}

struct civil_date civil_from_days(int32_t days)
{
	uint64_t n1 = (uint64_t)(days + DAYS_UP) * 4 + 3;
	uint32_t century = (uint32_t)(n1 / DAYS_PER_CYCLE);
	uint32_t n2 = (uint32_t)(n1 % DAYS_PER_CYCLE) | 3;
	uint64_t p2 = UINT64_C(2939745) * n2; /* 2^32 / 1461 */
	uint32_t day_of_year = (uint32_t)p2 / 2939745 / 4;
	uint32_t n3 = 2141 * day_of_year + 197913;
	uint32_t month = n3 >> 16;
	bool early = day_of_year >= 306;
	int32_t year = (int32_t)(100 * century + (uint32_t)(p2 >> 32)) - YEARS_UP + early;

	return (struct civil_date){
		.year = year,
		.month = (int32_t)(early ? month - 12 : month),
		.day = (int32_t)((n3 & 0xffff) / 2141) + 1,
	};
}

bool civil_is_valid(struct civil_date date)
{
	static const int8_t month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);

	if (date.year < 0 || date.year > 9999 || date.month < 1 || date.month > 12)
		return false;
	return date.day >= 1 &&
	       date.day <= month_days[date.month - 1] + (date.month == 2 && leap ? 1 : 0);
}

/*
 * Compares eight bytes with a form: '0' there stands for any digit, all else for
 * itself. A byte minus its form byte is then 0..9 or 0, so adding the distance to
 * 128 sets a top bit exactly where a byte is too large (a carry out of a byte
 * only happens where that byte was already wrong).
 */
static bool has_form(const char *text, const char form[9], const char room[9])
{
	uint64_t word, expected, allowed;

	memcpy(&word, text, 8);
	memcpy(&expected, form, 8);
	memcpy(&allowed, room, 8);
	word ^= expected;
	return (((word + allowed) | word) & UINT64_C(0x8080808080808080)) == 0;
}

/* The room of a digit (128 - 10) and of a fixed byte (128 - 1). */
#define D "\x76"
#define F "\x7f"
#define ROOM_DATE D D D D F D D F
#define ROOM_HOUR D D F D D F D D
#define ROOM_FRACTION F D D F D D D F

static int32_t two(const char *p)
{
	return (p[0] - '0') * 10 + (p[1] - '0');
}

struct parts {
	struct civil_date date;
	int32_t hour, minute, second, ms, offset_minutes;
};

static bool combine(const struct parts *p, int64_t *ms)
{
	int64_t at;

	if (!civil_is_valid(p->date) || p->hour > 23 || p->minute > 59 || p->second > 59)
		return false;
	at = days_from_civil(p->date) * MS_PER_DAY + p->hour * MS_PER_HOUR +
	     (p->minute - p->offset_minutes) * INT64_C(60000) + p->second * MS_PER_SECOND + p->ms;
	if (at < LEAST_MS || at > MOST_MS)
		return false;
	*ms = at;
	return true;
}

/* "2026-01-31T08:15:00.250Z": what nearly all producers write. */
static bool parse_usual(struct str text, struct parts *p)
{
	const char *t = text.ptr;

	if (text.len != 24 || !has_form(t, "0000-00-", ROOM_DATE) ||
	    !has_form(t + 8, "00T00:00", ROOM_HOUR) || !has_form(t + 16, ":00.000Z", ROOM_FRACTION))
		return false;
	p->date = (struct civil_date){ two(t) * 100 + two(t + 2), two(t + 5), two(t + 8) };
	p->hour = two(t + 11);
	p->minute = two(t + 14);
	p->second = two(t + 17);
	p->ms = (t[20] - '0') * 100 + two(t + 21);
	p->offset_minutes = 0;
	return true;
}

/* Takes `count` digits off the front; false where there are fewer. */
static bool take_digits(struct str *rest, size_t count, int32_t *out)
{
	int32_t value = 0;

	if (rest->len < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (rest->ptr[i] < '0' || rest->ptr[i] > '9')
			return false;
		value = value * 10 + (rest->ptr[i] - '0');
	}
	*rest = str_from(*rest, count);
	*out = value;
	return true;
}

static bool take_char(struct str *rest, char upper, char lower)
{
	if (rest->len == 0 || (rest->ptr[0] != upper && rest->ptr[0] != lower))
		return false;
	*rest = str_from(*rest, 1);
	return true;
}

static bool take_date(struct str *rest, struct civil_date *date)
{
	return take_digits(rest, 4, &date->year) && take_char(rest, '-', '-') &&
	       take_digits(rest, 2, &date->month) && take_char(rest, '-', '-') &&
	       take_digits(rest, 2, &date->day);
}

/* One digit at least; those beyond milliseconds are checked and dropped. */
static bool take_fraction(struct str *rest, int32_t *ms)
{
	int32_t digit, weight = 100;

	*ms = 0;
	if (!take_char(rest, '.', '.'))
		return true;
	if (!take_digits(rest, 1, &digit))
		return false;
	do {
		*ms += digit * weight;
		weight /= 10;
	} while (take_digits(rest, 1, &digit));
	return true;
}

/* Z or +08:00. The minutes of the offset are local minus UTC. */
static bool take_offset(struct str *rest, int32_t *minutes)
{
	bool minus = rest->len > 0 && rest->ptr[0] == '-';
	int32_t hour, minute;

	*minutes = 0;
	if (take_char(rest, 'Z', 'z'))
		return true;
	if (!take_char(rest, '+', '-') || !take_digits(rest, 2, &hour) ||
	    !take_char(rest, ':', ':') || !take_digits(rest, 2, &minute) || hour > 23 ||
	    minute > 59)
		return false;
	*minutes = (hour * 60 + minute) * (minus ? -1 : 1);
	return true;
}

static bool parse_any(struct str text, struct parts *p)
{
	return take_date(&text, &p->date) && take_char(&text, 'T', 't') &&
	       take_digits(&text, 2, &p->hour) && take_char(&text, ':', ':') &&
	       take_digits(&text, 2, &p->minute) && take_char(&text, ':', ':') &&
	       take_digits(&text, 2, &p->second) && take_fraction(&text, &p->ms) &&
	       take_offset(&text, &p->offset_minutes) && text.len == 0;
}

bool timestamp_parse(struct str text, int64_t *ms)
{
	struct parts parts;

	return (parse_usual(text, &parts) || parse_any(text, &parts)) && combine(&parts, ms);
}

size_t timestamp_format(int64_t ms, char out[24])
{
	int64_t day = ms / MS_PER_DAY - (ms % MS_PER_DAY < 0);
	int32_t of_day = (int32_t)(ms - day * MS_PER_DAY), second = of_day / 1000;
	char *at;

	must(ms >= LEAST_MS && ms <= MOST_MS);
	at = out + date_format((int32_t)day, out);
	*at++ = 'T';
	at = put_two_digits(at, second / 3600);
	*at++ = ':';
	at = put_two_digits(at, second / 60 % 60);
	*at++ = ':';
	at = put_two_digits(at, second % 60);
	*at++ = '.';
	*at++ = (char)('0' + of_day % 1000 / 100);
	at = put_two_digits(at, of_day % 100);
	*at = 'Z';
	return 24;
}

bool date_parse(struct str text, int32_t *days)
{
	struct civil_date date;

	if (!take_date(&text, &date) || text.len != 0 || !civil_is_valid(date))
		return false;
	*days = days_from_civil(date);
	return true;
}

size_t date_format(int32_t days, char out[10])
{
	struct civil_date date;

	must(days >= LEAST_DAY && days <= MOST_DAY);
	date = civil_from_days(days);
	out = put_two_digits(put_two_digits(out, date.year / 100), date.year % 100);
	*out++ = '-';
	out = put_two_digits(out, date.month);
	*out++ = '-';
	put_two_digits(out, date.day);
	return 10;
}
