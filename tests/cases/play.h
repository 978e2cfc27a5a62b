/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays a case on a stage: turns its given and when lines into records.
 *
 * Every event has a broker timestamp of its own, a minute or more after the last
 * and a second after its own time at the least, whatever happens in between; so
 * all ways to play a case give the same records. A way says how the worker is
 * disturbed between them.
 */
#ifndef TALLY_TESTS_CASES_PLAY_H
#define TALLY_TESTS_CASES_PLAY_H

#include "tests/cases/script.h"
#include "tests/cases/stage.h"

struct way {
	const char *name;
	bool doubled;   /* every event comes twice */
	bool each;      /* the worker comes to rest after every event */
	bool crash;     /* ... and then dies */
	bool unflushed; /* Redis stays behind all the time */
	unsigned cut;   /* it comes to rest after this event too, counted from 1 */
};

/* Plays all lines but the thens and comes to rest. The stage is the caller's. */
struct rc play(const struct script_case *, const struct worker *, const struct way *,
               struct arena *, struct stage **out);

/* How many events the case has. */
unsigned play_events(const struct script_case *);

#endif
