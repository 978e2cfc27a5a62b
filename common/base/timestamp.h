/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants: milliseconds since 1970-01-01T00:00:00Z in an int64, and their text.
 *
 * Pure arithmetic on the proleptic Gregorian calendar; the host's time zone and
 * libc's calendar are never asked. Business days and periods are in
 * common/domain/calendar.h.
 */
#ifndef TALLY_BASE_TIMESTAMP_H
#define TALLY_BASE_TIMESTAMP_H

#include "common/base/str.h"

#define MS_PER_SECOND INT64_C(1000)
#define MS_PER_HOUR INT64_C(3600000)
#define MS_PER_DAY INT64_C(86400000)

struct civil_date {
	int32_t year;
	int32_t month; /* 1..12 */
	int32_t day;   /* 1..31 */
};

/* Days since 1970-01-01; the date must exist. */
int32_t days_from_civil(struct civil_date);
struct civil_date civil_from_days(int32_t days);
/* Does the date exist, in the years 0 to 9999? */
bool civil_is_valid(struct civil_date);

/*
 * RFC 3339 with any offset; a fraction is cut to milliseconds; a leap second
 * (:60) and an instant outside the years 0 to 9999 of UTC are refused.
 */
bool timestamp_parse(struct str text, int64_t *ms);
/* Always "2026-01-31T08:15:00.250Z": 24 characters. Years 0 to 9999. */
size_t timestamp_format(int64_t ms, char out[24]);
/* "2026-01-31" to days since 1970 and back (10 characters). */
bool date_parse(struct str text, int32_t *days);
size_t date_format(int32_t days, char out[10]);

#endif
