/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded chance for the memory adapters and the simulation: one seed gives one
 * run. splitmix64; by value, owns nothing, cannot fail.
 */
#ifndef TALLY_ADAPTERS_MEMORY_DICE_H
#define TALLY_ADAPTERS_MEMORY_DICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/splitmix.h"

struct dice {
	uint64_t state;
};

/* 0 to bound - 1; bound > 0. */
static inline unsigned dice_below(struct dice *d, unsigned bound)
{
	return (unsigned)(splitmix_next(&d->state) % bound);
}

/* least to most, both included. */
static inline int64_t dice_between(struct dice *d, int64_t least, int64_t most)
{
	return least + (int64_t)(splitmix_next(&d->state) % (uint64_t)(most - least + 1));
}

/* True per_mille times in a thousand. A chance of 0 leaves the dice untouched. */
static inline bool dice_hits(struct dice *d, unsigned per_mille)
{
	return per_mille > 0 && dice_below(d, 1000) < per_mille;
}

#endif
