/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run of records of one shard brought about: outputs and writes.
 *
 * A batch is open while events are folded into it, then sealed: rows are added
 * up and encoded, changed entities are encoded as they stand, nothing in it
 * points into the cache or the messages any more. Its outputs go in one
 * transaction, then its writes in one flush, then it is freed. Below K a batch is
 * `suppressed`: its outputs are dropped as they come, its writes are kept.
 * Owner: the shard, or the publisher or flush that carries it.
 */
#ifndef TALLY_RUNTIME_BATCH_H
#define TALLY_RUNTIME_BATCH_H

#include "common/runtime/cache.h"
#include "common/runtime/ports.h"
#include "common/runtime/sums.h"
#include "common/runtime/worker.h"

/* Where a worker's outputs go: one row for each worker->outputs, in order. */
struct target {
	const struct output *output;
	struct str topic; /* with the configured prefix */
	int32_t partitions;
};

/* What all batches of a process share. */
struct batch_setting {
	const struct worker *worker;
	struct str topic;       /* the input topic with the configured prefix */
	struct str dead_letter; /* its DLQ */
	struct str group;
	struct str source; /* CloudEvents source of what we emit */
	const struct target *targets;
	unsigned target_count;
	size_t *held_bytes; /* of all sealed batches: the process's budget */
};

/* Where a shard stands after a batch: what goes into meta with it. */
struct standing {
	int64_t position;
	int64_t pin;
	uint32_t logic;
	int64_t watermark_ms; /* latest event time folded */
	int64_t broker_ms;    /* broker timestamp of the last record */
};

/* A write; whole: it is an entity, not one field that an effect set. */
struct batch_write {
	struct write write;
	uint64_t identity; /* hash of what it replaces */
	bool whole;
};

struct batch_block; /* an internal block being gathered */

struct batch {
	struct batch *next; /* of the list it is in */
	const struct batch_setting *setting;
	int32_t partition;
	uint32_t epoch;
	bool suppressed, sealed, carried;
	int64_t from; /* position before */
	struct standing after;
	struct sums *sums; /* the shard's */
	int64_t told;      /* set with the seal: the sums of all events below are out with it */
	uint64_t output_number; /* tw-seq of its last output (or of the last before it) */
	int64_t opened_ms;      /* monotonic */
	unsigned records;       /* events and entries folded into it */
	unsigned pairs;         /* its writes, in values */
	unsigned weight;        /* what its changed entities will write, about */
	struct arena outputs;   /* what the transaction needs */
	struct arena memory;    /* what the flush needs: writes */
	size_t counted;         /* bytes of it in setting->held_bytes */
	struct buf scratch;
	struct outgoing *outgoing;
	unsigned outgoing_count, outgoing_room;
	struct batch_write *writes;
	unsigned write_count, write_room;
	struct cell **changed;
	unsigned changed_count, changed_room;
	struct batch_block *blocks; /* [target][partition] flattened, made on first use */
	struct str source_place;    /* tw-src of the record being folded, made on first use */
	struct due_entry *dues;     /* changes of the due-time index */
	unsigned due_count, due_room;
	struct str metadata; /* K's metadata after it, set when it is sealed for publishing */
};

struct batch *batch_new(const struct batch_setting *, int32_t partition, uint32_t epoch,
                        const struct standing *before, uint64_t output_number, bool suppressed,
                        int64_t now_ms);
void batch_free(struct batch *);
/* The transaction is through: only the writes are needed still. */
void batch_drop_outputs(struct batch *);
/* Nothing but a moved position? */
bool batch_is_bare(const struct batch *);
/* The entity changed; it will be encoded when the batch is sealed. */
void batch_changed(struct batch *, struct cell *);
/* A change of the due-time index. */
void batch_due(struct batch *, struct cell *, int64_t due_ms);
/* It takes along all rows that were added up: before it is sealed. */
void batch_tell(struct batch *);
void batch_seal(struct batch *);

/* A record, or an entry of a block, that is refused: to the DLQ with its original bytes. */
struct refused {
	const struct message *message;
	struct str value;     /* of the entry; the message's own value otherwise */
	size_t value_bytes;   /* where value is only its beginning; else 0 */
	unsigned headers_cut; /* headers that the message had besides */
	int64_t offset;
	int64_t decided_at; /* offset of the record that decided about a held one; 0: itself */
	enum reason reason;
	const char *path;
};
void batch_refuse(struct batch *, const struct refused *);

/* What a fold is given to say what goes out: the batch and the event it folds. */
struct effects {
	struct batch *batch;
	const struct event *event;
};

/* What a fold is given to see entities. */
struct view {
	struct cell **cells;
	unsigned count;
};

#endif
