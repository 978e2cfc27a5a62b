/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded chance for the memory adapters and the simulation: one seed gives one
 * run. splitmix64; by value, owns nothing, cannot fail.
 */
#ifndef TALLY_ADAPTERS_MEMORY_DICE_H
#define TALLY_ADAPTERS_MEMORY_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *d)
{
	uint64_t x = d->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* 0 to bound - 1; bound > 0. */
static inline unsigned dice_below(struct dice *d, unsigned bound)
{
	return (unsigned)(dice_next(d) % bound);
}

/* least to most, both included. */
static inline int64_t dice_between(struct dice *d, int64_t least, int64_t most)
{
	return least + (int64_t)(dice_next(d) % (uint64_t)(most - least + 1));
}

/* True per_mille times in a thousand. A chance of 0 leaves the dice untouched. */
static inline bool dice_hits(struct dice *d, unsigned per_mille)
{
	return per_mille > 0 && dice_below(d, 1000) < per_mille;
}

#endif
