/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table from a 64-bit hash to items that the caller owns.
 *
 * Open addressing, grows by itself, never shrinks. The caller computes the hash
 * (hash64) and compares items through `same`. Order of iteration depends on the
 * hashes only through slot positions and is not an order anyone may rely on:
 * what leaves the process is sorted first. Adding while iterating is a bug.
 */
#ifndef TALLY_BASE_TABLE_H
#define TALLY_BASE_TABLE_H

#include "common/base/str.h"

struct table_slot {
	uint64_t hash;
	void *item; /* NULL: never used; TABLE_GONE: removed */
};

struct table {
	struct table_slot *slots;
	size_t mask;  /* slots - 1, or 0 while empty */
	size_t count; /* items */
	size_t used;  /* items and removed ones */
};

/* Is this the item that `key` names? */
typedef bool table_same(const void *item, const void *key);

void table_init(struct table *);
void table_release(struct table *);
/* Forgets all items, keeps the slots. */
void table_clear(struct table *);
/* The item, or NULL. */
void *table_find(const struct table *, uint64_t hash, table_same *same, const void *key);
/* Asks the processor for the place where an item with this hash is looked for first. */
static inline void table_fetch_slot(const struct table *t, uint64_t hash)
{
	if (t->slots)
		__builtin_prefetch(&t->slots[hash & t->mask]);
}
/* An item with this hash if one stands in the first place, or NULL: only good for fetching it. */
static inline const void *table_guess(const struct table *t, uint64_t hash)
{
	const struct table_slot *slot = t->slots ? &t->slots[hash & t->mask] : NULL;

	return slot && slot->hash == hash && t->count ? slot->item : NULL;
}
/* Adds an item that is not in the table yet. */
void table_add(struct table *, uint64_t hash, void *item);
/* Takes the item out and returns it, or NULL. */
void *table_remove(struct table *, uint64_t hash, table_same *same, const void *key);
/* Walks: start with *cursor = 0; NULL at the end. Removing the item just returned is allowed. */
void *table_next(const struct table *, size_t *cursor);

#endif
