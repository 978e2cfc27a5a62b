/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chance for `tallyctl gen`: the same numbers from the same seed on every machine
 * (splitmix64). Nothing fails.
 */
#ifndef TALLY_TALLYCTL_GEN_DRAW_H
#define TALLY_TALLYCTL_GEN_DRAW_H

#include <stdbool.h>
#include <stdint.h>

struct draw {
	uint64_t state;
};

static inline uint64_t draw_next(struct draw *d)
{
	uint64_t x = d->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* low to high, both included. */
static inline int64_t draw_between(struct draw *d, int64_t low, int64_t high)
{
	return low + (int64_t)((draw_next(d) >> 1) % ((uint64_t)(high - low) + 1));
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
