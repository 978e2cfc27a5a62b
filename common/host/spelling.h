/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which known name was probably meant by an unknown one.
 *
 * Offer the known names one by one; `best` is then the nearest, or absent where
 * none is near enough to be worth saying. Names are borrowed. Nothing can fail.
 */
#ifndef TALLY_HOST_SPELLING_H
#define TALLY_HOST_SPELLING_H

#include "common/base/str.h"

struct spelling {
	struct str word;
	struct str best; /* absent: none is near */
	size_t distance; /* insertions, removals and exchanges from word to best */
};

struct spelling spelling_of(struct str word);
void spelling_try(struct spelling *, struct str name);

#endif
