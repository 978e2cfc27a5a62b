/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TZif file of version 2 or later holds the data twice, first with 32-bit
 * times, which are passed over, then with 64-bit times and the footer. All
 * numbers are checked against the file's length before they are used: the file
 * is input like any other.
 */
#include "services/tallyctl/zoneinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/timestamp.h"

#define DIRECTORY "/usr/share/zoneinfo"
#define FILE_BYTES_MOST 65536
#define HEADER_BYTES 44
#define NAME_BYTES_MOST 64
#define FIRST_S 0
#define LAST_YEAR 2100
#define OFFSET_MOST_S 64800
#define RULE_HOURS_MOST 167 /* RFC 8536 3.3.1: a version 3 footer may go to 167 hours */

/* ---- the list being made ----------------------------------------------- */

struct making {
	struct zoneinfo *zone;
	int64_t last_s;   /* of the newest transition, also those left out */
	int32_t offset_s; /* after it */
	bool full;
};

/* From at_s on the offset is this one; comes in ascending order. */
static void add(struct making *m, int64_t at_s, int32_t offset_s)
{
	struct zoneinfo *zone = m->zone;

	m->last_s = at_s;
	if (at_s <= FIRST_S) {
		zone->first_offset_s = m->offset_s = offset_s;
		return;
	}
	if (offset_s == m->offset_s)
		return;
	m->offset_s = offset_s;
	if (zone->count == ZONEINFO_TRANSITIONS_MOST)
		m->full = true;
	else
		zone->transitions[zone->count++] =
			(struct zone_transition){ at_s * MS_PER_SECOND, offset_s };
}

/* ---- the footer: std offset [dst [offset] , rule , rule] --------------- */

enum rule_form { RULE_JULIAN, RULE_DAY, RULE_WEEKDAY };

struct rule {
	enum rule_form form;
	int32_t day;               /* JULIAN: 1..365 without 29 February; DAY: 0..365 */
	int32_t month, week, wday; /* WEEKDAY: the week-th (5: last) wday of the month */
	int32_t time_s;            /* local time of day, before the change */
};

struct footer {
	int32_t std_offset_s, dst_offset_s; /* east of UTC */
	bool has_dst;
	struct rule to_dst, to_std;
};

static bool take(struct str *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	*rest = str_from(*rest, 1);
	return true;
}

static bool take_number(struct str *rest, int32_t most, int32_t *out)
{
	size_t digits = 0;

	for (*out = 0; digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9';
	     digits++) {
		*out = *out * 10 + (rest->ptr[digits] - '0');
		if (*out > most)
			return false;
	}
	*rest = str_from(*rest, digits);
	return digits > 0;
}

/* CST or <+0330> */
static bool take_name(struct str *rest)
{
	size_t len = 0;

	if (rest->len && rest->ptr[0] == '<') {
		len = str_find(*rest, '>');
		*rest = str_from(*rest, len + 1);
		return len < rest->len + len + 1;
	}
	while (len < rest->len && ((rest->ptr[len] >= 'A' && rest->ptr[len] <= 'Z') ||
	                           (rest->ptr[len] >= 'a' && rest->ptr[len] <= 'z')))
		len++;
	*rest = str_from(*rest, len);
	return len >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct str *rest, int32_t *seconds)
{
	bool minus = take(rest, '-');
	int32_t hours, minutes = 0, secs = 0;

	if (!minus)
		take(rest, '+');
	if (!take_number(rest, RULE_HOURS_MOST, &hours))
		return false;
	if (take(rest, ':') && !take_number(rest, 59, &minutes))
		return false;
	if (take(rest, ':') && !take_number(rest, 59, &secs))
		return false;
	*seconds = hours * 3600 + minutes * 60 + secs;
	if (minus)
		*seconds = -*seconds;
	return true;
}

static bool take_rule(struct str *rest, struct rule *rule)
{
	*rule = (struct rule){ .time_s = 7200 };
	if (take(rest, 'M')) {
		rule->form = RULE_WEEKDAY;
		if (!take_number(rest, 12, &rule->month) || rule->month < 1 || !take(rest, '.') ||
		    !take_number(rest, 5, &rule->week) || rule->week < 1 || !take(rest, '.') ||
		    !take_number(rest, 6, &rule->wday))
			return false;
	} else if (take(rest, 'J')) {
		rule->form = RULE_JULIAN;
		if (!take_number(rest, 365, &rule->day) || rule->day < 1)
			return false;
	} else {
		rule->form = RULE_DAY;
		if (!take_number(rest, 365, &rule->day))
			return false;
	}
	return !take(rest, '/') || take_time(rest, &rule->time_s);
}

/* POSIX counts offsets west of UTC; here they count east. */
static bool footer_parse(struct str text, struct footer *out)
{
	struct str rest = text;

	*out = (struct footer){ .has_dst = false };
	if (!take_name(&rest) || !take_time(&rest, &out->std_offset_s))
		return false;
	out->std_offset_s = -out->std_offset_s;
	if (rest.len == 0)
		return true;
	out->has_dst = true;
	out->dst_offset_s = out->std_offset_s + 3600;
	if (!take_name(&rest))
		return false;
	if (rest.len && rest.ptr[0] != ',') {
		if (!take_time(&rest, &out->dst_offset_s))
			return false;
		out->dst_offset_s = -out->dst_offset_s;
	}
	return take(&rest, ',') && take_rule(&rest, &out->to_dst) && take(&rest, ',') &&
	       take_rule(&rest, &out->to_std) && rest.len == 0;
}

static int32_t month_days(int32_t year, int32_t month)
{
	struct civil_date next = { month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1 };

	return days_from_civil(next) - days_from_civil((struct civil_date){ year, month, 1 });
}

/* The instant of a rule in a year, where local time is UTC + offset_s before it. */
static int64_t rule_at(const struct rule *rule, int32_t year, int32_t offset_s)
{
	int32_t new_year = days_from_civil((struct civil_date){ year, 1, 1 }), day;
	bool leap = month_days(year, 2) == 29;

	switch (rule->form) {
	case RULE_JULIAN: day = new_year + rule->day - 1 + (leap && rule->day >= 60); break;
	case RULE_DAY: day = new_year + rule->day; break;
	case RULE_WEEKDAY:
	default: {
		int32_t first = days_from_civil((struct civil_date){ year, rule->month, 1 });
		int32_t wday = (first + 4) % 7; /* 1970-01-01 was a Thursday; from 1970 on */

		day = first + (rule->wday - wday + 7) % 7 + (rule->week - 1) * 7;
		while (day >= first + month_days(year, rule->month))
			day -= 7;
		break;
	}
	}
	return (int64_t)day * 86400 + rule->time_s - offset_s;
}

static void expand_footer(struct making *m, const struct footer *footer)
{
	int32_t first_year =
		m->last_s > FIRST_S ? civil_from_days((int32_t)(m->last_s / 86400)).year : 1970;
	int64_t after_s = m->last_s;

	if (!footer->has_dst) {
		if (m->offset_s != footer->std_offset_s)
			add(m, after_s > FIRST_S ? after_s : FIRST_S, footer->std_offset_s);
		return;
	}
	for (int32_t year = first_year; year <= LAST_YEAR; year++) {
		int64_t dst_s = rule_at(&footer->to_dst, year, footer->std_offset_s);
		int64_t std_s = rule_at(&footer->to_std, year, footer->dst_offset_s);
		bool dst_first = dst_s < std_s;
		int64_t at_s[2] = { dst_first ? dst_s : std_s, dst_first ? std_s : dst_s };

		for (int i = 0; i < 2; i++)
			if (at_s[i] > after_s)
				add(m, at_s[i],
				    (i == 0) == dst_first ? footer->dst_offset_s
				                          : footer->std_offset_s);
	}
}

/* ---- the file ---------------------------------------------------------- */

struct counts {
	uint32_t isut, isstd, leap, time, type, chars;
};

static uint32_t u32_at(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t i64_at(const char *p)
{
	return (int64_t)((uint64_t)u32_at(p) << 32 | u32_at(p + 4));
}

/* Cuts a header off the front. */
static bool take_header(struct str *rest, struct counts *counts, char *version)
{
	if (rest->len < HEADER_BYTES || memcmp(rest->ptr, "TZif", 4) != 0)
		return false;
	*version = rest->ptr[4];
	counts->isut = u32_at(rest->ptr + 20);
	counts->isstd = u32_at(rest->ptr + 24);
	counts->leap = u32_at(rest->ptr + 28);
	counts->time = u32_at(rest->ptr + 32);
	counts->type = u32_at(rest->ptr + 36);
	counts->chars = u32_at(rest->ptr + 40);
	*rest = str_from(*rest, HEADER_BYTES);
	return counts->isut <= 256 && counts->isstd <= 256 && counts->leap <= 4096 &&
	       counts->time <= 8192 && counts->type >= 1 && counts->type <= 256 &&
	       counts->chars <= 4096;
}

static size_t data_bytes(const struct counts *counts, size_t time_bytes)
{
	return counts->time * (time_bytes + 1) + (size_t)counts->type * 6 + counts->chars +
	       counts->leap * (time_bytes + 4) + counts->isstd + counts->isut;
}

/* The offset of a local time type, or false where it makes no sense. */
static bool type_offset(const char *types, const struct counts *counts, unsigned char type,
                        int32_t *offset_s)
{
	if (type >= counts->type)
		return false;
	*offset_s = (int32_t)u32_at(types + (size_t)type * 6);
	return *offset_s >= -OFFSET_MOST_S && *offset_s <= OFFSET_MOST_S;
}

static bool take_transitions(const char *data, const struct counts *counts, struct making *m)
{
	const char *indexes = data + (size_t)counts->time * 8, *types = indexes + counts->time;

	/* Before the first transition the first type holds (RFC 8536 3.2). */
	if (!type_offset(types, counts, 0, &m->offset_s))
		return false;
	m->zone->first_offset_s = m->offset_s;
	for (uint32_t i = 0; i < counts->time; i++) {
		int64_t at_s = i64_at(data + (size_t)i * 8);
		int32_t offset_s;

		if (!type_offset(types, counts, (unsigned char)indexes[i], &offset_s))
			return false;
		if (i > 0 && at_s <= m->last_s)
			return false;
		if (at_s >= INT64_C(4133980800)) /* 2101 */
			break;
		add(m, at_s, offset_s);
	}
	return true;
}

static struct str footer_of(struct str after_data)
{
	if (!take(&after_data, '\n'))
		return str_of(NULL, 0);
	return str_of(after_data.ptr, str_find(after_data, '\n'));
}

struct rc zoneinfo_parse(struct str file, struct zoneinfo *out)
{
	struct making m = { .zone = out, .last_s = INT64_MIN };
	struct str rest = file, text;
	struct footer footer;
	struct counts counts;
	char version;

	out->count = 0;
	if (!take_header(&rest, &counts, &version) || version < '2' ||
	    rest.len < data_bytes(&counts, 4))
		return rc_fail(RC_DATA, "not a TZif file of version 2 or later");
	rest = str_from(rest, data_bytes(&counts, 4));
	if (counts.leap)
		return rc_fail(RC_DATA,
		               "the zone counts leap seconds; use the one without \"right/\"");
	if (!take_header(&rest, &counts, &version) || rest.len < data_bytes(&counts, 8) ||
	    !take_transitions(rest.ptr, &counts, &m))
		return rc_fail(RC_DATA, "the TZif file is damaged");
	text = footer_of(str_from(rest, data_bytes(&counts, 8)));
	if (text.len) {
		if (!footer_parse(text, &footer))
			return rc_fail(RC_DATA, "the TZif file's rule %.*s cannot be read",
			               STR_ARG(text));
		expand_footer(&m, &footer);
	}
	if (m.full)
		return rc_fail(RC_DATA, "more than %d transitions", ZONEINFO_TRANSITIONS_MOST);
	return OK;
}

/* Names go into a path: only what zone names are made of, no dot at the front of a part. */
static bool is_zone_name(struct str name)
{
	bool part_begins = true;

	if (name.len == 0 || name.len > NAME_BYTES_MOST)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		bool other = (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+';

		if (c == '/' ? part_begins : !(letter || other))
			return false;
		part_begins = c == '/';
	}
	return !part_begins;
}

struct rc zoneinfo_read(struct str name, struct zoneinfo *out)
{
	const char *directory = getenv("TZDIR");
	char path[4096], bytes[FILE_BYTES_MOST];
	size_t len;
	FILE *file;

	if (!is_zone_name(name))
		return rc_fail(RC_DATA,
		               "%.*s is not the name of a time zone, such as Asia/Shanghai",
		               STR_ARG(name));
	snprintf(path, sizeof(path), "%s/%.*s", directory && *directory ? directory : DIRECTORY,
	         STR_ARG(name));
	file = fopen(path, "re");
	if (!file)
		return rc_fail(RC_DATA, "time zone %.*s: %s: %s (is the package tzdata installed?)",
		               STR_ARG(name), path, strerror(errno));
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	return rc_within(zoneinfo_parse(str_of(bytes, len), out), "%s", path);
}
