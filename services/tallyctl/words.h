/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people write on the command line: ids, keys, periods. RC_USAGE with words where it is none.
 */
#ifndef TALLY_TALLYCTL_WORDS_H
#define TALLY_TALLYCTL_WORDS_H

#include "common/base/rc.h"
#include "common/base/str.h"
#include "common/domain/calendar.h"

/* An id or a key: some UTF-8 without control characters, no longer than a key can be. The word
 * itself is not said: it could be anything. */
struct rc words_check(struct str word);
/* "2026-03-05", "2026-W10", "2026-03", "2026-Q1", "2026", if there is such a day, week, ... */
struct rc words_period(struct str word, enum period_kind *out);
/* The end of a key, "<id>:<period>"; an id may have colons. */
struct rc words_id_period(struct str rest, struct str *id, struct str *period, enum period_kind *);

#endif
