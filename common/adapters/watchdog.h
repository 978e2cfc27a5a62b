/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends the process when a call hangs: librdkafka's transaction calls can ignore
 * their own timeouts (issues 5456, 5511), and a crash is a tested path while a
 * hang is none. A process that was stopped meanwhile is not blamed for it: only
 * time in which the watchdog itself could run counts. Exit status 70.
 */
#ifndef TALLY_ADAPTERS_WATCHDOG_H
#define TALLY_ADAPTERS_WATCHDOG_H

#include <stdatomic.h>

#include "common/adapters/lane.h"

struct watchdog {
	struct lane lane;
	int64_t limit_ms;
	const char *_Atomic call; /* what is under way, NULL: nothing */
	atomic_uint number;       /* of the call */
	unsigned seen;            /* the watchdog's own: which call, for how many ticks */
	int64_t ticks;
};

struct rc watchdog_start(struct watchdog *, int64_t limit_ms);
void watchdog_stop(struct watchdog *);
/* One call at a time. The name is a literal. */
void watchdog_begin(struct watchdog *, const char *call);
void watchdog_end(struct watchdog *);

#endif
