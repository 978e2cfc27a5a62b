/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records on their way into a fold: taken, decoded, their entities named.
 *
 * A chunk is what one take() brought. Its messages become items one by one:
 * events, entries of internal blocks, control records, refusals. Decoding stops
 * behind a control record, since what it says (a new pin) may change which
 * entities the next events name; it goes on when the control record was folded.
 * The chunk's memory dies with chunk_clear(); the messages go back to the broker
 * by its owner before that.
 */
#ifndef TALLY_RUNTIME_INTAKE_H
#define TALLY_RUNTIME_INTAKE_H

#include "common/runtime/cache.h"
#include "common/runtime/ports.h"
#include "common/runtime/worker.h"

enum item_kind {
	ITEM_EVENT,
	ITEM_BAD,       /* fault says why */
	ITEM_TIMER,     /* event.data: struct tallyworks_timer_due; its entity is the item's cell */
	ITEM_REFERENCE, /* event.data: struct tallyworks_reference_advanced */
	ITEM_LOGIC,     /* event.data: struct tallyworks_logic_advanced */
	ITEM_IGNORED,   /* a control record that means nothing here */
};

struct item {
	enum item_kind kind;
	const struct message *message;
	struct yyjson_val *entry; /* in a block: the entry */
	struct event event;
	const struct input *input;
	struct fault fault;
	unsigned first_cell, cell_count; /* in chunk.cells */
};

struct chunk {
	struct taken taken;
	bool busy;        /* holds records */
	unsigned decoded; /* messages decoded so far */
	struct item *items;
	unsigned item_count, item_room;
	unsigned folded;         /* items folded so far */
	struct cell_name *names; /* of the cells, in the same order */
	unsigned name_room;
	struct cell **cells;
	unsigned cell_count, cell_room; /* found so far: chunk_decode() ends with all of them */
	unsigned name_count;
	struct cell **missing; /* cells to load */
	unsigned missing_count, missing_room;
	struct arena memory;
};

/* What reads functions are given. */
struct reads {
	struct chunk *chunk;
	const struct reference *reference;
};

struct intake_setting {
	const struct worker *worker;
	struct str topic; /* with prefix */
	int32_t partition, partitions;
	const int64_t *skipped; /* offsets that are refused unread, as poison */
	unsigned skipped_count;
};

void chunk_init(struct chunk *);
void chunk_release(struct chunk *);
/* Forgets the items; the taken records must have gone back. */
void chunk_clear(struct chunk *);
/* Decodes on from chunk->decoded up to the end or behind the next control record. */
void chunk_decode(struct chunk *, const struct intake_setting *, struct cache *,
                  const struct reference *);
/* What goes to the DLQ for it: an entry of a block alone, else the message's value. */
struct str chunk_item_value(struct chunk *, const struct item *);

#endif
