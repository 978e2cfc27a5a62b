/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends the process when a call hangs: librdkafka's transaction calls can ignore
 * their own timeouts (issues 5456, 5511), and a crash is a tested path while a
 * hang is none. A process that was stopped meanwhile is not blamed for it: only
 * time in which the watchdog itself could run counts. Nor is a call that waits for
 * brokers that are away: it returns when they are back, and the process with it.
 * The brokers have to answer twice, a limit apart, before it ends. Exit status 70.
 */
#ifndef TALLY_ADAPTERS_WATCHDOG_H
#define TALLY_ADAPTERS_WATCHDOG_H

#include <stdatomic.h>

#include "common/adapters/lane.h"

struct watchdog {
	struct lane lane;
	int64_t limit_ms;
	bool (*answered)(
		void *self); /* do the brokers answer? Asked on the watchdog's own thread */
	void *self;
	const char *_Atomic call; /* what is under way, NULL: nothing */
	atomic_uint number;       /* of the call */
	unsigned seen;            /* the watchdog's own: which call, for how many ticks */
	int64_t ticks;
	bool away; /* the brokers, when they were asked last */
};

struct rc watchdog_start(struct watchdog *, int64_t limit_ms, bool (*answered)(void *self),
                         void *self);
void watchdog_stop(struct watchdog *);
/* One call at a time. The name is a literal. */
void watchdog_begin(struct watchdog *, const char *call);
void watchdog_end(struct watchdog *);

#endif
