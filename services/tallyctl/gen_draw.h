/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chance for `tallyctl gen`: the same numbers from the same seed on every machine
 * (splitmix64). Nothing fails.
 */
#ifndef TALLY_TALLYCTL_GEN_DRAW_H
#define TALLY_TALLYCTL_GEN_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/splitmix.h"

struct draw {
	uint64_t state;
};

/* low to high, both included. */
static inline int64_t draw_between(struct draw *d, int64_t low, int64_t high)
{
	return low + (int64_t)((splitmix_next(&d->state) >> 1) % ((uint64_t)(high - low) + 1));
}

/* 0 to count - 1. */
static inline unsigned draw_below(struct draw *d, unsigned count)
{
	return (unsigned)draw_between(d, 0, (int64_t)count - 1);
}

/* True in so many of a thousand cases. */
static inline bool draw_chance(struct draw *d, unsigned per_mille)
{
	return draw_below(d, 1000) < per_mille;
}

#endif
