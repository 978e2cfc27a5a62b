/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The due instants a shard waits for, earliest first.
 *
 * A copy of the early part of the due-time index in Redis plus what was added
 * since. An entry may be stale; the fold checks the entity when the timer record
 * comes, so a needless one changes nothing. What lies beyond the horizon is only
 * in Redis, so that the copy stays below TIMERS_MOST. Owns its texts.
 */
#ifndef TALLY_RUNTIME_TIMERS_H
#define TALLY_RUNTIME_TIMERS_H

#include "common/base/str.h"

#define TIMERS_MOST 65536 /* above it the later half goes */
#define TIMERS_READ 1024  /* entries of the index that are read at once */

struct timer {
	int64_t due_ms;
	struct str member; /* "<entity>/<id>" */
};

struct timers {
	struct timer *heap;
	unsigned count, room;
	int64_t horizon_ms; /* later ones are not kept here */
};

void timers_init(struct timers *);
void timers_clear(struct timers *);
void timers_release(struct timers *);
void timers_add(struct timers *, struct str member, int64_t due_ms);
/* The earliest, or NULL. */
const struct timer *timers_first(const struct timers *);
/* Drops the earliest. */
void timers_pop(struct timers *);

#endif
