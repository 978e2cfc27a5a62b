/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a shard that are added up until they are told.
 *
 * What a fold sends by effects_sum() gathers here over several batches; now and then
 * a batch that is sealed carries all of it. K's metadata says how far below K the
 * sums of some events are not told yet, and R never passes what is told, so a replay
 * from R gathers those again and drops all that are out. Owner: the shard.
 */
#ifndef TALLY_RUNTIME_SUMS_H
#define TALLY_RUNTIME_SUMS_H

#include "common/base/table.h"
#include "common/runtime/worker.h"

struct sum_row {
	struct sum_row *next;
	int32_t partition;
	void *row;
};

/* Rows of one OUTPUT_SUMMED, in the order in which they first came. */
struct sum_list {
	struct table rows;
	struct sum_row *first, **last;
};

struct sums {
	struct sum_list *lists; /* [target], made on first use */
	unsigned target_count;
	struct arena memory;
	unsigned count;  /* rows */
	int64_t told;    /* offset: the sums of all events below are out */
	int64_t told_ms; /* monotonic: when they went out */
};

void sums_init(struct sums *, unsigned target_count);
void sums_release(struct sums *);
/* Forgets all rows. */
void sums_clear(struct sums *);
/* Adds the row of output `target` to an equal one, or keeps a copy for its key's partition, as it
 * does where the sum would overflow. */
void sums_add(struct sums *, unsigned target, const struct output *, struct str key,
              int32_t partitions, const void *row);

#endif
