/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small worker for the simulation that forgives nothing.
 *
 * A counter remembers no event ids, so an event folded twice, or not at all,
 * shows in its figures. It uses every means of the worker interface: figures and
 * documents, lists and kept texts, public events, block entries, summed rows,
 * derived keys, refusals, a timer, two logic versions. The rules are written down once more, by
 * other means, in counter_app.c.
 */
#ifndef TALLY_TESTS_SIM_COUNTER_WORKER_H
#define TALLY_TESTS_SIM_COUNTER_WORKER_H

#include "common/runtime/worker.h"

#define COUNTER_REFUSED_AMOUNT 13 /* a fold rejects it */
#define COUNTER_POISON_AMOUNT 99  /* a fold of it kills the process */
#define COUNTER_WATCHED_AMOUNT 7  /* above it, a timer is set */
#define COUNTER_TIMER_MS 50       /* that long after the event's time */
#define COUNTER_STEP 8            /* an event for each such step of the total */
#define COUNTER_STEP_LOGIC_2 5    /* the same from logic version 2 on */
#define COUNTER_RECENT 5          /* items of the list; then it begins anew */

extern const struct worker counter_worker;
/* What a fold of poison calls. */
extern void (*counter_killed)(void);

#endif
