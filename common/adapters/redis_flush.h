/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flush as one transaction of Redis: WATCH the meta, compare R, then MULTI, the
 * writes as few commands as possible, the meta's new fields, EXEC.
 *
 * Why not a function: Lua makes a string of its own of every argument, which costs
 * more than the writes. Nothing is lost by it: a meta that changed after the
 * comparison ends the transaction before its first write; what Redis refuses when a
 * command is queued (OOM, READONLY ...) ends all of it; its append-only file holds
 * all of it or nothing. Only a key that someone else gave another type fails half
 * way: then R is set to `torn`, and the shard is built anew.
 *
 * Writes of one key are gathered, so that one HSET, ZADD or MSET takes many pairs. A
 * field, member or value is to be named once a flush; should it be twice, the later
 * one wins among writes of one kind.
 */
#ifndef TALLY_ADAPTERS_REDIS_FLUSH_H
#define TALLY_ADAPTERS_REDIS_FLUSH_H

#include "common/adapters/redis_command.h"
#include "common/adapters/redis_connection.h"
#include "common/adapters/redis_request.h"
#include "common/adapters/redis_store.h"

/* Adds "<prefix>meta:<topic>:<partition>". */
void redis_add_meta_key(struct command *, const struct redis_options *, int32_t partition);
/* Appends MULTI up to EXEC; returns the number of commands, so of answers. Scratch is for its own
 * use. */
unsigned redis_encode_flush(const struct flush *, bool release, const struct redis_options *,
                            struct buf *, struct arena *scratch);

/* How a flush ended. */
enum redis_flush_end {
	REDIS_FLUSH_DONE,
	REDIS_FLUSH_REFUSED,  /* R is another */
	REDIS_FLUSH_NOT_DONE, /* surely not executed; rc_text() says why */
	REDIS_FLUSH_IN_DOUBT, /* executed, or not, or half with R `torn` */
};
/* Runs it on an open connection; buf and scratch are for its own use. A release is left out where
 * the meta has another claim than ours. */
enum redis_flush_end redis_flush_run(struct redis_connection *, const struct flush *,
                                     const struct claim *ours, struct buf *, struct arena *scratch);

#endif
