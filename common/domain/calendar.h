/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The business calendar: which day, week, month, quarter and year an instant
 * belongs to in the company's time zone, and how periods are named.
 *
 * Rules: DESIGN section 3 (period names, ISO 8601 weeks) and section 4 (time zone
 * rules are in the company's record, expanded to transitions at publishing, so no
 * host's settings change an answer). A day is a number of days since 1970-01-01;
 * an instant is milliseconds since 1970-01-01T00:00:00Z. A zone borrows its
 * transitions. Pure functions, nothing fails; days must lie in the years that
 * have a name, 0 to 9999.
 */
#ifndef TALLY_DOMAIN_CALENDAR_H
#define TALLY_DOMAIN_CALENDAR_H

#include "common/base/str.h"

/* From at_ms on, local time is UTC + offset_s (less than a day either way). */
struct zone_transition {
	int64_t at_ms;
	int32_t offset_s;
};

/* Transitions ascend by at_ms; before the first one first_offset_s holds. */
struct zone {
	const struct zone_transition *transitions;
	uint32_t count;
	int32_t first_offset_s;
};

/* The business day of an instant. */
int32_t zone_day(const struct zone *, int64_t at_ms);
/*
 * The first instant of a business day. Where midnight was skipped that is the
 * transition; where it came twice, the first of both; where the zone left out
 * the whole day, the start of the next one.
 */
int64_t zone_day_start(const struct zone *, int32_t day);

enum period_kind {
	PERIOD_DAY,
	PERIOD_WEEK,
	PERIOD_MONTH,
	PERIOD_QUARTER,
	PERIOD_YEAR,
	PERIOD_KINDS
};

/* "2026-03-05", "2026-W10", "2026-03", "2026-Q1", "2026"; zeros behind the text. */
struct period_name {
	char text[15]; /* 10 are used; two words are returned without a detour over memory */
	uint8_t len;
};

static inline struct str period_str(const struct period_name *name)
{
	return str_of(name->text, name->len);
}

/* The name of the period of this kind that the day lies in. */
struct period_name period_of(enum period_kind, int32_t day);
/* The first day of that period. */
int32_t period_first_day(enum period_kind, int32_t day);
/* The words day, week, month, quarter, year. */
bool period_kind_parse(struct str word, enum period_kind *);

#endif
