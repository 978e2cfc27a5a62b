/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the shards are: log end, K and R of every partition, and waiting until
 * something holds for all of them.
 *
 * A progress is one look; its rows live in the arena it was given. Failures are
 * those of the cluster and of Redis.
 */
#ifndef TALLY_TALLYCTL_PROGRESS_H
#define TALLY_TALLYCTL_PROGRESS_H

#include "services/tallyctl/session.h"

struct progress_row {
	const struct fleet *fleet;
	int32_t partition;
	int64_t log_start;
	int64_t log_end;       /* high watermark: behind control markers too */
	int64_t output_cursor; /* K; -1: none */
	struct meta_row meta;  /* R and what else Redis has of the shard */
};

struct progress {
	struct progress_row *rows;
	unsigned count;
	unsigned settled; /* rows that are */
};

/* The fleets in order: a worker whose outputs feed a later one is looked at before it. */
struct rc progress_look(struct session *, const struct fleet *, unsigned count, struct arena *,
                        struct progress *out);
/* K = R = log end; an empty log needs no shard to have written anything. */
bool progress_row_is_settled(const struct progress_row *);
/* Records that Redis does not show yet. */
int64_t progress_row_lag(const struct progress_row *);

/* Sleeps a little between two looks; false: the time is over. */
bool progress_wait(int64_t until_ms);
/* Monotonic ms. */
int64_t progress_now_ms(void);

#endif
