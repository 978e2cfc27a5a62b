/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entities of one shard that are in memory.
 *
 * A cell holds one entity's record and owns the memory behind it. It stays while
 * its latest change is not in Redis yet; clean cells that were not used for a while
 * leave when there are more than the limit (first in, first out, with a second
 * chance for used ones: a use costs one store, no relinking). Eviction runs only between chunks, so
 * pointers to cells are good for a chunk. Everything goes at once with
 * cache_clear() when the shard's state in Redis is not ours any more.
 */
#ifndef TALLY_RUNTIME_CACHE_H
#define TALLY_RUNTIME_CACHE_H

#include "common/base/table.h"
#include "common/runtime/ports.h"
#include "common/runtime/worker.h"

struct cell {
	const struct entity *entity;
	struct str id; /* behind the cell, in its block */
	uint64_t hash;
	void *record;       /* behind the cell; all zeros: new */
	bool loaded;        /* what Redis holds is known */
	bool asked;         /* named by the load that is being gathered */
	bool used;          /* since it last stood at the old end */
	bool exists;        /* in Redis, or changed by an event */
	bool listed;        /* in the changed list of the open batch */
	void *written;      /* FIGURES: the record as the last sealed batch wrote it */
	int64_t changed_at; /* position after its last change; -1: never */
	int64_t due_ms;     /* its entry in the due-time index; 0: none; -1: to be written anew */
	struct cell *newer, *older;
	size_t block;        /* bytes of the cell and what lies behind it */
	size_t counted;      /* bytes of it that the cache has counted */
	struct arena memory; /* what a document's record points to */
};

struct cache {
	struct table cells;
	struct cell *newest, *oldest;
	size_t bytes, limit; /* of all cells */
	uint64_t *seen;      /* hashes of all entities named since it was empty; NULL: not known */
	size_t seen_room, seen_count;
};

void cache_init(struct cache *, size_t limit);
void cache_release(struct cache *);
void cache_clear(struct cache *);
/* The shard has nothing in Redis: what was never named here need not be looked for there. */
void cache_is_empty_in_store(struct cache *);
/* The name of an entity, to be found. */
struct cell_name {
	const struct entity *entity;
	struct str id;
	uint64_t hash;
};
struct cell_name cell_name(const struct entity *, struct str id);
/* Finds the cell or makes an unloaded one. */
struct cell *cache_get(struct cache *, const struct cell_name *);
/* Large caches lie far away: asks for the place where the name is looked up, and, called once more
 * a little later, for the cell. */
void cache_fetch_place(const struct cache *, const struct cell_name *);
void cache_fetch_cell(const struct cache *, const struct cell_name *);
/* The cell's memory may have grown. */
void cache_count(struct cache *, struct cell *);
/* Drops clean cells above the limit: those whose last change is at or below `flushed` (R). */
void cache_evict(struct cache *, int64_t flushed);

/* Fills the cell from what Redis held. False: it is not what this product writes. */
bool cell_load(struct cell *, const struct loaded *, struct arena *scratch);

#endif
