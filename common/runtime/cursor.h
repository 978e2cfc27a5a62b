/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text that travels with the output cursor K: metadata of the group's
 * committed offset, moved in the same transaction as the outputs.
 *
 * It holds what a shard must know that Redis may have lost: the number of the
 * last output, where and under which pin and logic the shard began (its origin,
 * for a rebuild), the logic in force at K, and offsets that are skipped as
 * poison. At most LIMIT_METADATA_BYTES, ASCII. Source: DESIGN section 4.
 */
#ifndef TALLY_RUNTIME_CURSOR_H
#define TALLY_RUNTIME_CURSOR_H

#include "common/base/limits.h"
#include "common/base/str.h"

#define LIMIT_SKIPPED 16

struct cursor_metadata {
	uint64_t output_number; /* tw-seq of the last output below K; 0: none yet */
	int64_t origin;         /* offset the shard began at */
	char topic_id[48];      /* of the input topic */
	int64_t first_pin;      /* reference pin at the origin; -1: none */
	uint32_t first_logic;   /* logic version at the origin */
	uint32_t logic;         /* logic version at K */
	int64_t untold;         /* offsets before K from where sums are not told yet */
	int64_t skipped[LIMIT_SKIPPED];
	unsigned skipped_count;
};

/* Returns the length. */
size_t cursor_metadata_format(const struct cursor_metadata *, char out[LIMIT_METADATA_BYTES]);
/* False: not written by this product. */
bool cursor_metadata_parse(struct str, struct cursor_metadata *);

#endif
