/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a shard's lag will last at the pace of the last seconds.
 *
 * Now and then the loop marks where R and the log's end of each shard stand. From
 * the mark before the last, 10 to 20 seconds old, follows how much faster R moves
 * than the end. Owned by the loop's thread; nothing can fail.
 */
#ifndef TALLY_HOST_PACE_H
#define TALLY_HOST_PACE_H

#include "common/host/snapshot.h"

#define PACE_MARK_MS 10000

struct pace_mark {
	int64_t at_ms; /* monotonic; 0: none yet */
	struct pace_point {
		int64_t cursor, end;    /* end -1: not known */
	} shards[SNAPSHOT_SHARDS_MOST]; /* by partition */
};

struct pace {
	struct pace_mark marks[2];
	unsigned newest;
};

bool pace_is_due(const struct pace *, int64_t now_ms);
/* Marks these shards; those that are not among them are forgotten. */
void pace_mark(struct pace *, const struct shard_status *, unsigned count, int64_t now_ms);
/* Milliseconds until R is at the log's end; 0: it is; -1: not known, or it comes no nearer. */
int64_t pace_clear_ms(const struct pace *, const struct shard_status *, int64_t now_ms);

#endif
