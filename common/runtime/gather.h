/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settled batches on their way into one flush.
 *
 * The writes of the batches, the latest of each once; so the longer batches
 * gather, the less goes to Redis for each event. Whole batches only, so a flush
 * always ends where a batch ended. It owns the batches until it is taken.
 */
#ifndef TALLY_RUNTIME_GATHER_H
#define TALLY_RUNTIME_GATHER_H

#include "common/runtime/batch.h"

/* Lives until the store's answer came. */
struct flush_call {
	struct flush_call *next;
	struct flush flush;
	const struct write **writes;
	struct batch *batches;
	struct standing after;
	int64_t sent_ms;
	bool orphan; /* the shard does not wait for it any more */
};

struct gathering {
	struct table latest; /* struct batch_write by identity */
	const struct write **writes;
	unsigned count, room;
	struct batch *batches, **last;
	unsigned pairs; /* values to be written, each once */
	size_t bytes;   /* memory of the batches */
};

void gathering_init(struct gathering *);
void gathering_release(struct gathering *);
/* Forgets and frees the batches. */
void gathering_clear(struct gathering *);
/* Takes the batch over. */
void gathering_add(struct gathering *, struct batch *);
/* No more should be added: one call to Redis has its limits. */
bool gathering_is_full(const struct gathering *);
/* Little is lost by flushing it at once: under light load what people see is fresh, under heavy
 * load many changes of one figure become one write. */
bool gathering_is_small(const struct gathering *);
/* Everything gathered as one call; `before` is where the shard stands if there is nothing. */
struct flush_call *gathering_take(struct gathering *, const struct standing *before);
void flush_call_free(struct flush_call *);

#endif
