/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The period is what follows the last colon; ids may have colons of their own.
 */
#include "services/dashboard/catalog.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"

#define KEYS_A_STEP 1000
#define WALK_PAUSE_MS 30000

struct catalog_entry {
	const char *kind;
	struct str id;
};

static const char *const kinds[CATALOG_KINDS] = { "region",  "city",    "team",    "channel",
	                                          "partner", "project", "product", "campaign" };

void catalog_init(struct catalog *catalog)
{
	*catalog = (struct catalog){ .cursor = "0" };
	for (unsigned i = 0; i < CATALOG_KINDS; i++)
		catalog->kinds[i].kind = kinds[i];
	table_init(&catalog->table);
	arena_init(&catalog->memory, 65536);
}

void catalog_release(struct catalog *catalog)
{
	for (unsigned i = 0; i < CATALOG_KINDS; i++)
		free(catalog->kinds[i].ids);
	table_release(&catalog->table);
	arena_release(&catalog->memory);
}

const struct catalog_ids *catalog_find(const struct catalog *catalog, struct str kind)
{
	for (unsigned i = 0; i < CATALOG_KINDS; i++)
		if (str_eq_c(kind, kinds[i]))
			return &catalog->kinds[i];
	return NULL;
}

static bool same_entry(const void *item, const void *key)
{
	const struct catalog_entry *a = item, *b = key;

	return a->kind == b->kind && str_eq(a->id, b->id);
}

static void add(struct catalog *catalog, struct catalog_ids *into, struct str id)
{
	struct catalog_entry wanted = { into->kind, id }, *entry;
	uint64_t hash = hash64_with(hash64(str_from_c(into->kind)), id);

	if (table_find(&catalog->table, hash, same_entry, &wanted))
		return;
	if (into->count == CATALOG_IDS_MOST) {
		into->cut = true;
		return;
	}
	entry = arena_alloc(&catalog->memory, sizeof(*entry));
	*entry = (struct catalog_entry){ into->kind, arena_str(&catalog->memory, id) };
	table_add(&catalog->table, hash, entry);
	if (into->count == into->room) {
		into->room = into->room ? 2 * into->room : 64;
		into->ids = memory_resize(into->ids, into->room, sizeof(*into->ids));
	}
	into->ids[into->count++] = entry->id;
}

void catalog_take(struct catalog *catalog, struct str name)
{
	struct str kind, id = name;

	if (!str_eq(str_split(&id, ':'), STR("sales")) || !id.ptr)
		return;
	kind = str_split(&id, ':');
	while (id.ptr && id.len && id.ptr[id.len - 1] != ':')
		id.len--;
	if (!id.ptr || id.len < 2)
		return;
	id.len--;
	for (unsigned i = 0; i < CATALOG_KINDS; i++)
		if (str_eq_c(kind, kinds[i]))
			add(catalog, &catalog->kinds[i], id);
}

struct rc catalog_step(struct catalog *catalog, struct redis_reader *reader, struct arena *arena,
                       int64_t now_ms)
{
	struct str prefix = redis_reader_prefix(reader);
	const struct redis_answer *answers, *keys;

	if (now_ms < catalog->walk_ms)
		return OK;
	redis_reader_add_scan(reader, str_from_c(catalog->cursor), STR("sales:"), KEYS_A_STEP);
	TRY(redis_reader_ask(reader, arena, &answers));
	if (answers->count != 2)
		return rc_fail(RC_PROTOCOL, "Redis: an answer of SCAN that is none");
	keys = &answers->items[1];
	for (unsigned i = 0; i < keys->count; i++)
		catalog_take(catalog, str_from(keys->items[i].text, prefix.len));
	snprintf(catalog->cursor, sizeof(catalog->cursor), "%.*s", STR_ARG(answers->items[0].text));
	if (strcmp(catalog->cursor, "0") == 0) {
		catalog->complete = true;
		catalog->walk_ms = now_ms + WALK_PAUSE_MS;
	}
	return OK;
}
