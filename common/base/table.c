/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear probing over a power of two of slots, at most three quarters used. A
 * removed item leaves a mark only where a probe may have to pass over it.
 */
#include "common/base/table.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

#define SLOTS_LEAST 16

static char gone;
#define TABLE_GONE ((void *)&gone)

void table_init(struct table *t)
{
	*t = (struct table){ 0 };
}

void table_release(struct table *t)
{
	free(t->slots);
	table_init(t);
}

void table_clear(struct table *t)
{
	if (t->used)
		memset(t->slots, 0, (t->mask + 1) * sizeof(*t->slots));
	t->count = t->used = 0;
}

/* The slot of the item, or NULL. */
static struct table_slot *find_slot(const struct table *t, uint64_t hash, table_same *same,
                                    const void *key)
{
	if (t->count == 0)
		return NULL;
	for (size_t at = hash & t->mask;; at = (at + 1) & t->mask) {
		struct table_slot *slot = &t->slots[at];

		if (!slot->item)
			return NULL;
		if (slot->hash == hash && slot->item != TABLE_GONE && same(slot->item, key))
			return slot;
	}
}

void *table_find(const struct table *t, uint64_t hash, table_same *same, const void *key)
{
	const struct table_slot *slot = find_slot(t, hash, same, key);

	return slot ? slot->item : NULL;
}

/* Moves the items to slots of which they fill at most half, and drops the marks. */
static void rehash(struct table *t)
{
	struct table_slot *old = t->slots;
	size_t old_count = old ? t->mask + 1 : 0;
	size_t slots = old ? old_count : SLOTS_LEAST;

	while ((t->count + 1) * 2 > slots)
		slots *= 2;
	t->slots = memory_array(slots, sizeof(*t->slots));
	t->mask = slots - 1;
	t->used = t->count;
	for (size_t i = 0; i < old_count; i++) {
		size_t at = old[i].hash & t->mask;

		if (!old[i].item || old[i].item == TABLE_GONE)
			continue;
		while (t->slots[at].item)
			at = (at + 1) & t->mask;
		t->slots[at] = old[i];
	}
	free(old);
}

void table_add(struct table *t, uint64_t hash, void *item)
{
	size_t at;

	must(item && item != TABLE_GONE);
	if (!t->slots || (t->used + 1) * 4 > (t->mask + 1) * 3)
		rehash(t);
	at = hash & t->mask;
	while (t->slots[at].item && t->slots[at].item != TABLE_GONE)
		at = (at + 1) & t->mask;
	if (!t->slots[at].item)
		t->used++;
	t->slots[at] = (struct table_slot){ hash, item };
	t->count++;
}

void *table_remove(struct table *t, uint64_t hash, table_same *same, const void *key)
{
	struct table_slot *slot = find_slot(t, hash, same, key);
	void *item;
	size_t at;

	if (!slot)
		return NULL;
	item = slot->item;
	slot->item = TABLE_GONE;
	t->count--;
	/* Marks before an unused slot are passed over by no probe. */
	at = (size_t)(slot - t->slots);
	if (t->slots[(at + 1) & t->mask].item)
		return item;
	while (t->slots[at].item == TABLE_GONE) {
		t->slots[at].item = NULL;
		t->used--;
		at = (at - 1) & t->mask;
	}
	return item;
}

void *table_next(const struct table *t, size_t *cursor)
{
	if (!t->slots)
		return NULL;
	while (*cursor <= t->mask) {
		void *item = t->slots[(*cursor)++].item;

		if (item && item != TABLE_GONE)
			return item;
	}
	return NULL;
}
