/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line with an entity's name, then what Redis holds for it: a document, or
 * figures as lines "field=text". What is loaded must load again as it is written.
 */
#include "common/base/must.h"
#include "common/runtime/cache.h"
#include "services/workers.h"
#include "tests/fuzz/fuzz.h"

#define FIGURES_MOST 64

static const struct entity *entity_named(struct str name)
{
	for (const struct worker *const *w = workers; *w; w++)
		for (const struct entity *const *e = (*w)->entities; *e; e++)
			if (str_eq_c(name, (*e)->name))
				return *e;
	return NULL;
}

static struct loaded loaded_from(const struct entity *entity, struct str text, struct pair *pairs)
{
	struct loaded loaded = { .exists = true, .value = text, .pairs = pairs };

	if (entity->form == ENTITY_DOCUMENT)
		return loaded;
	while (text.ptr && loaded.pair_count < FIGURES_MOST) {
		struct str line = str_split(&text, '\n');
		struct pair *p = &pairs[loaded.pair_count++];

		p->name = str_split(&line, '=');
		p->value = line.ptr ? line : STR("");
	}
	return loaded;
}

static bool load(const struct entity *entity, const struct loaded *loaded, struct buf *out)
{
	struct cell_name name = cell_name(entity, STR("e-1"));
	struct cache cache;
	struct arena scratch;
	struct cell *cell;
	bool good;

	arena_init(&scratch, 4096);
	cache_init(&cache, 1 << 20);
	cell = cache_get(&cache, &name);
	good = cell_load(cell, loaded, &scratch);
	if (good)
		record_encode(entity->type, cell->record, out);
	cache_release(&cache);
	arena_release(&scratch);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of((const char *)data, size);
	const struct entity *entity = entity_named(fuzz_line(&rest));
	struct pair pairs[FIGURES_MOST];
	struct loaded loaded;
	struct arena a;
	struct buf once, twice;

	if (!entity)
		return 0;
	arena_init(&a, 4096);
	buf_init(&once, &a);
	buf_init(&twice, &a);
	loaded = loaded_from(entity, rest, pairs);
	if (load(entity, &loaded, &once) && entity->form == ENTITY_DOCUMENT) {
		loaded.value = buf_str(&once);
		must(load(entity, &loaded, &twice));
		must(str_eq(buf_str(&once), buf_str(&twice)));
	}
	arena_release(&a);
	return 0;
}
