/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replay host: a worker's folds over its log again, in memory, with no cluster and no Redis
 * behind them.
 *
 * The shards are those of the runtime; the fold does not know where it runs. Records go in by
 * replay_fold(); outputs and the values that people read come out through the sink, entities stay
 * in memory until the replay is freed. Nothing is suppressed, nothing is evicted, no timer is
 * appended. What came out does not depend on where batches were cut, but for blocks: they are to
 * be compared entry by entry or as sums.
 *
 * The caller reads the log, in offset order from the shard's origin, and the reference topic. It
 * can fail only before an order of a logic version that this build does not know, and where the
 * caller's reading of the reference topic fails.
 */
#ifndef TALLY_HOST_REPLAY_H
#define TALLY_HOST_REPLAY_H

#include "common/runtime/cursor.h"
#include "common/runtime/process.h"
#include "common/runtime/shard.h"

struct replay;

/* What comes out; everything is borrowed for the call. */
struct replay_sink {
	void *to;
	void (*output)(void *to, int32_t partition, const struct output *, const struct outgoing *);
	/* A value that is no entity's: WRITE_VALUE, WRITE_FIELDS or WRITE_SCORES. */
	void (*write)(void *to, int32_t partition, const struct write *);
	/* Reads the reference topic to its end as it is now. */
	struct rc (*reference)(void *to, struct reference_store *);
};

struct replay_options {
	struct str topic_prefix, group_prefix;
	int32_t partitions; /* of the input and of all outputs */
	unsigned batch_records;
};

/* Sink and options are copied, the store is borrowed. */
struct replay *replay_new(const struct worker *, const struct replay_options *,
                          struct reference_store *, const struct replay_sink *);
/* NULL is allowed. */
void replay_free(struct replay *);

/* Where and under what the shard begins: what K's metadata say. Once, before its first record. */
void replay_begin(struct replay *, int32_t partition, const struct cursor_metadata *);
/* Folds the shard's next records. RC_REFUSED: this build is too old for the log. */
struct rc replay_fold(struct replay *, int32_t partition, struct message *, unsigned count);
/* Hands out what full batches brought about; all: what the open one did too. To be called after
 * each replay_fold(), which only folds, so that a caller can tell the time of the two apart. */
void replay_settle(struct replay *, int32_t partition, bool all);
/* Offset behind the last record folded. */
int64_t replay_position(const struct replay *, int32_t partition);
const struct process_stats *replay_stats(const struct replay *);

/* Calls for each entity of the shard that Redis would hold. */
typedef void replay_entity_fn(void *self, int32_t partition, const struct cell *);
void replay_entities(const struct replay *, int32_t partition, replay_entity_fn *, void *self);
/* The entity, or NULL where Redis would hold none. Its shard follows from its owner. */
const struct cell *replay_entity(struct replay *, const struct entity *, struct str id);
/* The shard that owns the entity. */
int32_t replay_partition(const struct replay *, const struct entity *, struct str id);

#endif
