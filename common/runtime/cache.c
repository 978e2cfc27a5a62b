/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/cache.h"

#include <stdlib.h>
#include <yyjson.h>

#include "common/base/hash.h"
#include "common/base/limits.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define CELL_ARENA 1024  /* of a document */
#define EVICT_LOOKS 1024 /* dirty cells that are looked at in vain before giving up for now */

static bool cell_same(const void *item, const void *key)
{
	const struct cell *cell = item;
	const struct cell_name *name = key;
	return cell->entity == name->entity && str_eq(cell->id, name->id);
}

void cache_init(struct cache *cache, size_t limit)
{
	*cache = (struct cache){ .limit = limit };
	table_init(&cache->cells);
}

static void cell_free(struct cell *cell)
{
	arena_release(&cell->memory);
	free(cell);
}

/* ---- what was never there ------------------------------------------------------ */

#define SEEN_FIRST 4096

static void forget_seen(struct cache *cache)
{
	free(cache->seen);
	cache->seen = NULL;
	cache->seen_room = cache->seen_count = 0;
}

void cache_is_empty_in_store(struct cache *cache)
{
	forget_seen(cache);
	cache->seen_room = SEEN_FIRST;
	cache->seen = memory_array(cache->seen_room, sizeof(*cache->seen));
}

/* False: it was there. 0 marks a free place, so the hash 0 always counts as there. */
static bool put_seen(uint64_t *seen, size_t room, uint64_t hash)
{
	size_t at = hash & (room - 1);
	while (seen[at] && seen[at] != hash)
		at = (at + 1) & (room - 1);
	bool fresh = hash && !seen[at];
	seen[at] = hash;
	return fresh;
}

/* Is it the first time that the entity is named? Then Redis cannot have it. */
static bool never_seen(struct cache *cache, uint64_t hash)
{
	if (!cache->seen || !put_seen(cache->seen, cache->seen_room, hash))
		return false;
	if (++cache->seen_count < cache->seen_room / 2)
		return true;
	if (cache->seen_count >= LIMIT_SEEN_ENTITIES) {
		forget_seen(cache);
		return true;
	}
	size_t room = cache->seen_room * 2;
	uint64_t *larger = memory_array(room, sizeof(*larger));
	for (size_t i = 0; i < cache->seen_room; i++) {
		if (cache->seen[i])
			put_seen(larger, room, cache->seen[i]);
	}
	free(cache->seen);
	cache->seen = larger;
	cache->seen_room = room;
	return true;
}

void cache_clear(struct cache *cache)
{
	for (struct cell *cell = cache->newest, *older; cell; cell = older) {
		older = cell->older;
		cell_free(cell);
	}
	cache->newest = cache->oldest = NULL;
	cache->bytes = 0;
	forget_seen(cache);
	table_clear(&cache->cells);
}

void cache_release(struct cache *cache)
{
	cache_clear(cache);
	table_release(&cache->cells);
}

static void unlink_cell(struct cache *cache, struct cell *cell)
{
	*(cell->newer ? &cell->newer->older : &cache->newest) = cell->older;
	*(cell->older ? &cell->older->newer : &cache->oldest) = cell->newer;
}

static void link_newest(struct cache *cache, struct cell *cell)
{
	cell->newer = NULL;
	cell->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = cell;
	cache->newest = cell;
}

/* One block: the cell, the record, for figures the record as written, the id. */
static struct cell *cell_new(const struct cell_name *name)
{
	size_t size = (name->entity->type->size + 7) & ~(size_t)7;
	bool figures = name->entity->form == ENTITY_FIGURES;
	size_t block = sizeof(struct cell) + size + (figures ? size : 0);
	struct cell *cell = memory_new(block + name->id.len);
	char *behind = (char *)(cell + 1);
	arena_init(&cell->memory, CELL_ARENA);
	cell->entity = name->entity;
	cell->hash = name->hash;
	cell->record = behind;
	cell->written = figures ? behind + size : NULL;
	cell->block = block + name->id.len;
	cell->id = str_of((char *)cell + block, name->id.len);
	memcpy((char *)cell + block, name->id.ptr, name->id.len);
	cell->changed_at = -1;
	return cell;
}

struct cell_name cell_name(const struct entity *entity, struct str id)
{
	return (struct cell_name){ entity, id, hash64_with((uint64_t)(uintptr_t)entity, id) };
}

void cache_fetch_place(const struct cache *cache, const struct cell_name *name)
{
	table_fetch_slot(&cache->cells, name->hash);
}

void cache_fetch_cell(const struct cache *cache, const struct cell_name *name)
{
	const struct cell *cell = table_guess(&cache->cells, name->hash);
	if (!cell)
		return;
	for (const char *at = (const char *)cell; at < (const char *)(cell + 1) + 128; at += 64)
		__builtin_prefetch(at);
}

struct cell *cache_get(struct cache *cache, const struct cell_name *name)
{
	struct cell *cell = table_find(&cache->cells, name->hash, cell_same, name);
	if (cell) {
		cell->used = true;
		return cell;
	}
	cell = cell_new(name);
	table_add(&cache->cells, name->hash, cell);
	link_newest(cache, cell);
	cell->loaded = never_seen(cache, name->hash);
	cell->counted = cell->block;
	cache->bytes += cell->counted;
	return cell;
}

void cache_count(struct cache *cache, struct cell *cell)
{
	size_t bytes = cell->block + cell->memory.total;
	cache->bytes += bytes - cell->counted;
	cell->counted = bytes;
}

void cache_evict(struct cache *cache, int64_t flushed)
{
	struct cell *cell = cache->oldest;
	for (unsigned vain = 0; cell && cache->bytes > cache->limit && vain < EVICT_LOOKS;) {
		struct cell *newer = cell->newer;
		bool dirty = cell->changed_at > flushed || cell->listed;
		if (cell->used || dirty) {
			vain += dirty;
			cell->used = false; /* a second chance */
			unlink_cell(cache, cell);
			link_newest(cache, cell);
		} else {
			unlink_cell(cache, cell);
			cache->bytes -= cell->counted;
			table_remove(&cache->cells, cell->hash, cell_same,
			             &(struct cell_name){ cell->entity, cell->id, cell->hash });
			cell_free(cell);
		}
		cell = newer;
	}
}

static bool load_document(struct cell *cell, struct str text, struct arena *scratch)
{
	struct fault fault;
	yyjson_read_err error;
	/* The characters stay as they are without YYJSON_READ_INSITU. */
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, 0, NULL, &error);
	if (!doc && error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		memory_out(text.len);
	if (!doc)
		return false;
	void *record = arena_zalloc(scratch, cell->entity->type->size);
	bool good = record_decode(cell->entity->type, yyjson_doc_get_root(doc), STR(""), record,
	                          scratch, &fault);
	if (good)
		record_copy(cell->entity->type, record, cell->record, &cell->memory);
	yyjson_doc_free(doc);
	return good;
}

static bool load_figures(struct cell *cell, const struct loaded *loaded)
{
	const struct record_type *type = cell->entity->type;
	for (unsigned p = 0; p < loaded->pair_count; p++) {
		for (unsigned f = 0; f < type->field_count; f++) {
			if (!str_eq(type->fields[f].name, loaded->pairs[p].name))
				continue;
			int64_t *value =
				(int64_t *)(void *)((char *)cell->record + type->fields[f].offset);
			if (!str_to_i64(loaded->pairs[p].value, value))
				return false;
			break;
		}
	}
	memcpy(cell->written, cell->record, type->size);
	return true;
}

bool cell_load(struct cell *cell, const struct loaded *loaded, struct arena *scratch)
{
	must(!cell->loaded);
	cell->loaded = true;
	cell->asked = false;
	cell->exists = loaded->exists;
	if (!loaded->exists)
		return true;
	bool good = cell->entity->form == ENTITY_DOCUMENT
	                    ? load_document(cell, loaded->value, scratch)
	                    : load_figures(cell, loaded);
	if (good && cell->entity->due_ms)
		cell->due_ms = cell->entity->due_ms(cell->record);
	return good;
}
