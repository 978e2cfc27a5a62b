/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated clock: it moves only when its owner says so.
 *
 * By value; the clock port borrows it. Monotonic time starts at 0, wall time at
 * an instant of the owner's choice; both move together.
 */
#ifndef TALLY_ADAPTERS_MEMORY_CLOCK_H
#define TALLY_ADAPTERS_MEMORY_CLOCK_H

#include "common/runtime/ports.h"

struct memory_clock {
	int64_t now_ms;
	int64_t start_ms; /* wall time at now_ms = 0 */
};

void memory_clock_init(struct memory_clock *, int64_t start_ms);
int64_t memory_clock_wall(const struct memory_clock *);
/* Moves forward to now_ms; never back. */
void memory_clock_reach(struct memory_clock *, int64_t now_ms);
struct clock memory_clock_port(struct memory_clock *);

#endif
