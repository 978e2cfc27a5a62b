/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splitmix64: the same numbers from the same seed on every machine, for simulations and made-up
 * data. Not for secrets, and not in folds. The state is the caller's, any value will do; nothing
 * fails.
 */
#ifndef TALLY_BASE_SPLITMIX_H
#define TALLY_BASE_SPLITMIX_H

#include <stdint.h>

static inline uint64_t splitmix_next(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

#endif
