/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the simulated Redis: strings, hashes, sorted sets and the shards'
 * metas, with a history to go back in.
 *
 * Every call (memory_keys_begin) is one atomic unit; keys_back() undoes whole
 * units, as a restored backup or a promoted replica would. The table owns all it
 * holds; what is read is borrowed until the next change. An empty hash or set is
 * no key. A write of another kind than the key's is a bug of the caller.
 */
#ifndef TALLY_ADAPTERS_MEMORY_KEYS_H
#define TALLY_ADAPTERS_MEMORY_KEYS_H

#include "common/base/buf.h"
#include "common/base/table.h"
#include "common/runtime/ports.h"

enum stored_kind { STORED_STRING, STORED_HASH, STORED_SCORES, STORED_META };

struct stored {
	struct str key;
	enum stored_kind kind;
	struct str value;   /* STRING */
	struct pair *pairs; /* HASH, SCORES: by name, bytewise */
	unsigned count, room;
	struct shard_meta meta; /* META */
	bool has_cursor;        /* META: R is there, whole, torn or empty */
	bool fell;              /* META: an owner died, with R as it was then: */
	int fell_state;
	int64_t fell_cursor;
};

struct keys_undo;

struct memory_keys {
	struct table table;
	struct keys_undo *history; /* newest first */
	uint64_t unit;             /* number of the unit under way */
	uint64_t oldest;           /* units above it can be undone */
};

void memory_keys_init(struct memory_keys *);
void memory_keys_release(struct memory_keys *);

/* Starts the next atomic unit. */
void memory_keys_begin(struct memory_keys *);
/* How many units can be undone. */
unsigned memory_keys_history(const struct memory_keys *);
/* Undoes the newest `units`; that is a unit of its own in nobody's history. */
void memory_keys_back(struct memory_keys *, unsigned units);
/* Removes all; one unit. */
void memory_keys_empty(struct memory_keys *);

const struct stored *memory_keys_find(const struct memory_keys *, struct str key);
/* The value of a field, or the score of a member; absent: none. */
struct str memory_keys_field(const struct memory_keys *, struct str key, struct str name);
void memory_keys_set(struct memory_keys *, struct str key, struct str value);
/* An absent value removes the field or member. */
void memory_keys_set_field(struct memory_keys *, enum stored_kind, struct str key, struct str name,
                           struct str value);
void memory_keys_remove(struct memory_keys *, struct str key);
void memory_keys_write(struct memory_keys *, const struct write *);
/* The meta for a change, made where there is none. */
struct stored *memory_keys_meta(struct memory_keys *, struct str key);

/* All keys in bytewise order; free() the array. */
const struct stored **memory_keys_sorted(const struct memory_keys *, size_t *count);
/* One line a value, sorted. Leaves out meta:, asof: and due: unless `all`. */
void memory_keys_dump(const struct memory_keys *, bool all, struct buf *);

#endif
