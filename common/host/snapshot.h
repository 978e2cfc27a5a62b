/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the process stands, as other threads may see it.
 *
 * The loop's thread fills a snapshot and hands it over (board_put); the HTTP
 * thread asks for a fresh one (board_ask, board_take). The board owns two
 * snapshots and copies between them under its lock; texts are copied too, so
 * nothing in a snapshot points into the runtime. Nothing can fail.
 */
#ifndef TALLY_HOST_SNAPSHOT_H
#define TALLY_HOST_SNAPSHOT_H

#include "common/adapters/kafka_statistics.h"
#include "common/runtime/process.h"

#define SNAPSHOT_SHARDS_MOST 1024
#define SNAPSHOT_WORDS_BYTES 256

/* One of the things a worker needs: the group, Redis, the producer. */
struct link_state {
	bool ok;
	char words[SNAPSHOT_WORDS_BYTES]; /* why not; "" */
};

struct shard_row {
	struct shard_status status; /* words point to the member below */
	char words[SNAPSHOT_WORDS_BYTES];
	int64_t clear_ms; /* until the lag is worked off at the pace of now; -1: not known */
};

struct snapshot {
	int64_t taken_ms; /* monotonic; 0: none was taken yet */
	int64_t wall_ms;
	int64_t started_wall_ms;
	bool draining;
	struct link_state group, redis, producer;
	struct process_stats stats;
	struct kafka_statistics consumer_client, producer_client;
	struct shard_row shards[SNAPSHOT_SHARDS_MOST]; /* by partition */
	unsigned shard_count;
};

/* Copies what the process says; the caller fills the rest. */
void snapshot_fill(struct snapshot *, const struct process *);

struct board;
struct board *board_new(void);
void board_free(struct board *);
/* Readable when somebody asked; board_put() empties it. */
int board_fd(const struct board *);
/* The loop's thread: this snapshot is the newest. */
void board_put(struct board *, const struct snapshot *);
/* The loop turned: monotonic ms. Cheap, no lock. */
void board_turned(struct board *, int64_t now_ms);
int64_t board_last_turn_ms(const struct board *);
/* Any thread: asks, waits at most wait_ms for a fresh one, gives the newest there is. */
void board_ask(struct board *, int wait_ms, struct snapshot *out);

#endif
