/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of the store port as commands to Redis, and its answers as happenings.
 *
 * A request is made on the fold thread and lives on its lane until its happening
 * was put. What load and flush point to is the caller's until then.
 */
#ifndef TALLY_ADAPTERS_REDIS_REQUEST_H
#define TALLY_ADAPTERS_REDIS_REQUEST_H

#include <hiredis/hiredis.h>

#include "common/adapters/lane.h"
#include "common/adapters/redis_command.h"
#include "common/adapters/redis_store.h"

enum request_kind {
	REQUEST_CLAIM,
	REQUEST_UNCLAIM,
	REQUEST_LOAD,
	REQUEST_CHECK,
	REQUEST_TRY,
	REQUEST_DUE,
	REQUEST_FLUSH, /* a transaction: see redis_flush.h */
	REQUEST_WIPE,  /* many commands: see redis_wipe.h */
};

/* What this process wrote as its claim. */
struct claim {
	char id[META_TEXT_BYTES]; /* "": nothing yet */
	uint64_t ticket;
};

struct request {
	struct job job;
	enum request_kind kind;
	int32_t partition;
	uint64_t ticket;
	const struct load *load;
	const struct flush *flush;
	struct claim claim;       /* claim, unclaim, try, wipe, flush: ours */
	char id[META_TEXT_BYTES]; /* claim: the name we left there before; unclaim: that before us */
	struct offsets offsets;   /* try */
	unsigned max;             /* due */
	int32_t partitions;       /* wipe */
	char scan[24];            /* wipe: the scan's cursor; "": not begun */
	struct command command;   /* the lane's: where it stands in the buffer */
};

/* How a request ended, where there is no answer to read. */
enum request_end {
	REQUEST_NOT_DONE, /* surely not executed */
	REQUEST_IN_DOUBT, /* executed, half executed, or not */
};

struct request *request_new(enum request_kind, int32_t partition, uint64_t ticket);
/* Appends the command of any kind but flush and wipe. */
void request_encode(struct request *, const struct redis_options *, struct buf *);
/* Our claim as the functions compare it: two arguments. */
void request_add_claim(struct command *, const struct request *);
/* Is the answer this R? */
bool redis_is_cursor(const redisReply *, int64_t expect);
/* The happening of an answer that is no error. */
struct happening *request_answer(const struct request *, const redisReply *);
/* The happening of a request that failed; words are copied. */
struct happening *request_failed(const struct request *, enum request_end, const char *words);
/* The happening of a flush that was answered. */
struct happening *request_flushed(const struct request *, enum store_result);
/* The happening of a wipe. */
struct happening *request_wiped(const struct request *, struct rc, const char *words);

#endif
