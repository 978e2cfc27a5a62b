/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is under way between simulated processes and simulated servers.
 *
 * A call first travels and arrives at its server, later its answer comes back to
 * the process that made it. Each of the two is one step, and between any two
 * steps anything else may happen: that is where the simulation finds its
 * schedules. Seeded, the next step is drawn among those that can be done; direct,
 * the oldest is taken and nothing is delayed.
 *
 * What is under way outlives its process: after a crash a call that had not
 * arrived may still arrive, its answer is dropped. A call owns itself (its
 * `free`); the schedule owns the calls put into it. Nothing here can fail.
 */
#ifndef TALLY_ADAPTERS_MEMORY_SCHEDULE_H
#define TALLY_ADAPTERS_MEMORY_SCHEDULE_H

#include "common/adapters/memory/clock.h"
#include "common/adapters/memory/dice.h"

#define CERTAIN 1000 /* per mille */

/* A simulated process as the servers see it; lives as long as the schedule. */
struct memory_party {
	unsigned number;
	bool dead;   /* answers to it are dropped */
	bool paused; /* stopped: no answer reaches it, but what it had sent arrives */
};

/* First member of each adapter's own kind of call. */
struct memory_call {
	struct memory_party *party; /* NULL: the server's own work */
	const char *name;           /* for the trace */
	int32_t partition;          /* for the trace; -1: none */
	int64_t due_ms;             /* not before */
	bool arrived;
	/* At the server; NULL: nothing to do there. False: not yet, ask again. */
	bool (*arrive)(struct memory_call *);
	/* At the process; NULL: no answer. True: goes on as a new call with what it set. */
	bool (*answer)(struct memory_call *);
	void (*free)(struct memory_call *);
};

struct memory_schedule {
	struct memory_clock *clock;
	struct dice dice;
	bool direct;
	bool quiet;    /* seeded, but without faults and long delays: to come to an end */
	unsigned slow; /* per mille of steps that are delayed for long */
	bool once;     /* the next fault with a chance of CERTAIN happens, also in quiet mode */
	struct memory_call **calls;
	unsigned count, room;
	const struct memory_party *moved; /* whose call made the latest step; NULL: nobody's */
	/* Each step in words, or NULL. */
	void (*trace)(void *to, const char *line);
	void *trace_to;
};

void memory_schedule_init(struct memory_schedule *, struct memory_clock *, uint64_t seed,
                          bool direct);
void memory_schedule_release(struct memory_schedule *);
/* Takes the call over. */
void memory_schedule_put(struct memory_schedule *, struct memory_call *);
/* One step, if one can be done now. False: nothing moved. */
bool memory_schedule_step(struct memory_schedule *);
/* How long a step takes: drawn, 0 in direct mode. */
int64_t memory_schedule_delay(struct memory_schedule *);
/* When the next call that is not due yet will be; INT64_MAX: none. */
int64_t memory_schedule_next_due(const struct memory_schedule *);
/* The party is gone: answers are dropped, of what travels a part still arrives later. */
void memory_schedule_crash(struct memory_schedule *, struct memory_party *);
/* Does anything of this party still travel or wait? */
bool memory_schedule_has(const struct memory_schedule *, const struct memory_party *);
/* A fault that the seed may draw here; never in direct or quiet mode, unless `once` says so. */
bool memory_schedule_fault(struct memory_schedule *, unsigned per_mille);
void memory_schedule_say(struct memory_schedule *, const struct memory_party *, const char *format,
                         ...) __attribute__((format(printf, 3, 4)));

#endif
