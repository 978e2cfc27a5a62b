/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher: one transaction at a time for all shards of a process.
 *
 * It takes at most one batch of each shard, hands them to the broker port as one
 * transaction and tells the shards how it ended. An aborted transaction's batches
 * stay with their shards (the current ones) and go again; after the second abort for
 * one shard's sake that shard pauses and is tried alone now and then, so that it holds
 * up no other; an unknown outcome means a new producer and A1 for every shard. No I/O,
 * no clock of its own.
 */
#ifndef TALLY_RUNTIME_PUBLISHER_H
#define TALLY_RUNTIME_PUBLISHER_H

#include "common/runtime/shard.h"

enum publisher_state {
	PUBLISHER_CLOSED, /* there is no producer; it has to be opened */
	PUBLISHER_OPENING,
	PUBLISHER_IDLE,
	PUBLISHER_BUSY,
};

struct publisher {
	enum publisher_state state;
	struct transaction transaction;
	struct carried *carried; /* [partition count] */
	struct batch **batches;  /* the same order */
	unsigned room;
	uint64_t ticket;
	int64_t begun_ms, retry_ms;
	unsigned aborts; /* in a row */
	char words[200]; /* why the last one failed; "" after one that did not */
};

void publisher_init(struct publisher *);
/* Frees what it carries. */
void publisher_release(struct publisher *);
/* Gathers the next transaction; NULL: nothing to publish now. */
const struct transaction *publisher_next(struct publisher *, struct shard *const *shards,
                                         unsigned count, int64_t now_ms);
/* How a transaction ended. */
struct publish_end {
	enum publish_result result;
	int32_t blamed; /* the shard for whose sake it was aborted, or -1 */
	const char *words;
};
/* The one under way ended. */
void publisher_ended(struct publisher *, struct shard *const *shards, unsigned count,
                     const struct publish_end *, int64_t now_ms, struct shard_update *updates);

#endif
