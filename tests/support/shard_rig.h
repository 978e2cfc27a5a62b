/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shards without a process: a test plays broker, store and publisher by hand.
 *
 * Every step returns the asks that came out of it (enum shard_ask) and carries out
 * none but giving records back, which it counts. Records that a test hands in live
 * until rig_release(). Failures are failures of the test (cmocka).
 */
#ifndef TALLY_TESTS_SUPPORT_SHARD_RIG_H
#define TALLY_TESTS_SUPPORT_SHARD_RIG_H

#include "common/runtime/shard.h"
#include "tests/support/tiny_worker.h"

#define RIG_SHARDS 3
#define RIG_METADATA "tw1 seq=%d origin=0 topic=T pin=-1 first=1 logic=1 untold=0 skipped=%s"

struct rig {
	struct process_options options;
	struct process_stats stats;
	struct batch_setting batches;
	size_t held_bytes;
	struct target targets[3];
	struct reference_store *reference;
	struct shard_setting setting;
	struct shard shards[RIG_SHARDS];
	struct shard *list[RIG_SHARDS]; /* as the publisher takes them */
	struct shard_update updates[RIG_SHARDS];
	struct arena memory;
	int64_t now_ms, wall_ms;
	unsigned given_back, taken;
};

void rig_init(struct rig *, const struct worker *);
/* Everything must have been given back by then. */
void rig_release(struct rig *);

/* The asks that stand since the last call, less ASK_GIVE_BACK (done and counted). */
unsigned rig_asks(struct rig *, int32_t partition);
unsigned rig_tick(struct rig *, int32_t partition);

/* Makes a happening, for the caller to fill and to give to rig_happened(), which frees it. */
struct happening *rig_happening(enum happening_kind, int32_t partition, uint64_t ticket);
unsigned rig_happened(struct rig *, struct happening *);
unsigned rig_assign(struct rig *, int32_t partition);

/* What Redis and Kafka say at a claim. */
struct rig_claim {
	int64_t input_cursor; /* -1: no meta */
	int64_t output_cursor;
	int output_number;
	const char *claimer; /* of the meta; NULL: "" */
	bool released, torn, no_cursor, compacted;
	int64_t log_start, log_end;     /* log_end 0: far away */
	uint32_t logic;                 /* of the meta; 0: 1 */
	int64_t pin;                    /* of the meta; 0: -1 */
	int32_t partitions;             /* 0: 1 */
	const char *topic_id;           /* NULL: "T" */
	const char *metadata, *skipped; /* of K; NULL: ours, with output_number */
	int64_t watermark_ms;
	bool died;
	struct offsets tried;
	int64_t tries;
};
/* From assigned or waiting to running with an empty due-time index. */
void rig_run(struct rig *, int32_t partition, const struct rig_claim *);
/* The single steps; each returns the asks. */
unsigned rig_claimed(struct rig *, int32_t partition, const struct rig_claim *);
unsigned rig_cursor(struct rig *, int32_t partition, const struct rig_claim *);
unsigned rig_due(struct rig *, int32_t partition, const struct due_entry *, unsigned count);

/* Hands records in; next < 0: the last one's + 1. The shard must want them. */
unsigned rig_take(struct rig *, int32_t partition, const struct message *, unsigned count,
                  int64_t next, bool at_end);
/* Answers the load under way: nothing exists. */
unsigned rig_load_nothing(struct rig *, int32_t partition);
unsigned rig_load(struct rig *, int32_t partition, enum store_result, const struct loaded *);
/* rig_take(), and rig_load_nothing() if it asks for a load. */
void rig_fold(struct rig *, int32_t partition, const struct message *, unsigned count);

/* The batch of the next transaction, marked as carried. NULL: none. */
struct batch *rig_carry(struct rig *, int32_t partition);
unsigned rig_published(struct rig *, int32_t partition, struct batch *, enum publish_result);
/* Both, committed. */
void rig_commit(struct rig *, int32_t partition);
/* Answers a flush that was sent. */
unsigned rig_flushed(struct rig *, int32_t partition, enum store_result);
/* Waits long enough, sends the flush, answers with STORE_OK. */
void rig_flush(struct rig *, int32_t partition);

#endif
