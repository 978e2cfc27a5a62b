/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A time zone's rules as a list of transitions, from the host's TZif files
 * (RFC 8536), for the years 1970 to 2100.
 *
 * Used at publishing only: the company's record carries the result, so that no
 * host's rules change an answer later (DESIGN section 4). What the file lists is
 * taken as it is; the years after its last transition follow from its footer, a
 * POSIX TZ rule. Transitions that leave the offset as it was are left out.
 */
#ifndef TALLY_TALLYCTL_ZONEINFO_H
#define TALLY_TALLYCTL_ZONEINFO_H

#include "common/base/rc.h"
#include "common/base/str.h"
#include "common/domain/calendar.h"

#define ZONEINFO_TRANSITIONS_MOST 4096

struct zoneinfo {
	int32_t first_offset_s; /* at 1970-01-01T00:00:00Z */
	uint32_t count;
	struct zone_transition transitions[ZONEINFO_TRANSITIONS_MOST];
};

/* RC_DATA: no such zone on this machine (in $TZDIR or /usr/share/zoneinfo). */
struct rc zoneinfo_read(struct str name, struct zoneinfo *out);
/* The same from the bytes of a TZif file. RC_DATA: not one. */
struct rc zoneinfo_parse(struct str file, struct zoneinfo *out);

#endif
