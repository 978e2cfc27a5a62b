/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the cache keep what is not in Redis yet, drop the longest unused of the
 * rest, and read back what the product wrote, and nothing else?
 */
#include "common/runtime/cache.h"

#include "tests/support/tiny_worker.h"
#include "tests/unit/testing.h"

const struct worker *const workers[] = { &tiny_worker, NULL };

static struct cell *get(struct cache *cache, unsigned n)
{
	char id[16];
	snprintf(id, sizeof(id), "a-%u", n);
	return cell_of(cache, &account_entity, str_from_c(id));
}

static void one_cell_an_entity_and_id(void **state)
{
	(void)state;
	struct cache cache;
	cache_init(&cache, 100000);
	struct cell *cell = get(&cache, 1);
	assert_ptr_equal(get(&cache, 1), cell);
	assert_ptr_not_equal(cell_of(&cache, &tally_entity, STR("a-1")), cell);
	assert_false(cell->loaded);
	assert_int_equal(((struct account *)cell->record)->balance, 0);
	cache_clear(&cache);
	assert_int_equal(cache.cells.count, 0);
	assert_null(cache.newest);
	get(&cache, 1);
	cache_release(&cache);
}

static void dirty_and_listed_cells_stay(void **state)
{
	(void)state;
	struct cache cache;
	cache_init(&cache, SIZE_MAX);
	for (unsigned i = 0; i < 10; i++)
		get(&cache, i)->changed_at = i < 5 ? (int64_t)i : -1;
	cache.limit = cache.bytes * 3 / 10;
	get(&cache, 5)->listed = true;
	get(&cache, 9);
	cache_evict(&cache, 2); /* 3 and 4 are beyond R, 5 is in the open batch */
	assert_int_equal(cache.cells.count, 3);
	assert_int_equal(get(&cache, 3)->changed_at, 3);
	assert_int_equal(get(&cache, 4)->changed_at, 4);
	assert_true(get(&cache, 5)->listed);
	assert_int_equal(cache.cells.count, 3);
	cache_release(&cache);
}

static void used_ones_get_a_second_chance(void **state)
{
	(void)state;
	struct cache cache;
	cache_init(&cache, 20000);
	for (uint64_t now = 1; now < 5000; now++) {
		get(&cache, 1000); /* always in use: it never has to be loaded again */
		assert_true(now == 1 || get(&cache, 1000)->exists);
		get(&cache, 1000)->exists = true;
		get(&cache, (unsigned)rng_below(100));
		cache_evict(&cache, 0);
		assert_true(cache.bytes <= 20000 && cache.bytes > 10000 * (now > 100));
		unsigned count = 0;
		size_t bytes = 0;
		for (struct cell *cell = cache.newest; cell; cell = cell->older, count++) {
			if (rng_below(50) == 0 &&
			    cell->counted < 3000) { /* it grows with its entity */
				arena_alloc(&cell->memory, rng_below(300));
				cache_count(&cache, cell);
			}
			bytes += cell->counted;
		}
		assert_int_equal(bytes, cache.bytes);
		assert_int_equal(count, cache.cells.count);
	}
	cache_release(&cache);
}

static void documents_are_read_back(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "{", "[]", "{}", "{\"account\":5}", "{\"account\":\"a\",\"balance\":\"1\"}"
	};
	struct cache cache;
	struct arena scratch;
	arena_init(&scratch, 1024);
	cache_init(&cache, 100000);
	struct cell *cell = get(&cache, 0);
	char *text = strdup("{\"account\":\"a-0\",\"balance\":-7,\"due_ms\":9,\"held\":"
	                    "[{\"account\":\"h\",\"amount\":3}],\"unknown\":[1]}");
	assert_true(cell_load(cell, &(struct loaded){ .exists = true, .value = str_from_c(text) },
	                      &scratch));
	free(text);
	arena_release(&scratch); /* nothing points there */
	const struct account *account = cell->record;
	assert_int_equal(account->balance, -7);
	assert_str(account->held.items[0].account, "h");
	assert_int_equal(cell->due_ms, 9);
	assert_true(cell->loaded && cell->exists);
	for (unsigned i = 0; i < COUNT_OF(bad); i++)
		assert_false(cell_load(
			get(&cache, i + 1),
			&(struct loaded){ .exists = true, .value = str_from_c(bad[i]) }, &scratch));
	cell = get(&cache, 50);
	assert_true(cell_load(cell, &(struct loaded){ 0 }, &scratch));
	assert_false(cell->exists);
	assert_int_equal(cell->due_ms, 0);
	arena_release(&scratch);
	cache_release(&cache);
}

static void figures_are_read_back(void **state)
{
	(void)state;
	struct pair pairs[] = { { STR_INIT("count"), STR_INIT("-9223372036854775808") },
		                { STR_INIT("newer"), STR_INIT("x") } };
	struct loaded loaded = { .exists = true, .pairs = pairs, .pair_count = 2 };
	struct cache cache;
	struct arena scratch;
	arena_init(&scratch, 1024);
	cache_init(&cache, 100000);
	struct cell *cell = cell_of(&cache, &tally_entity, STR("a"));
	assert_true(cell_load(cell, &loaded, &scratch));
	assert_true(((struct tally *)cell->record)->count == INT64_MIN);
	assert_true(((struct tally *)cell->written)->count == INT64_MIN);
	pairs[0].value = STR("1.5");
	assert_false(cell_load(cell_of(&cache, &tally_entity, STR("b")), &loaded, &scratch));
	arena_release(&scratch);
	cache_release(&cache);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_cell_an_entity_and_id),
	cmocka_unit_test(dirty_and_listed_cells_stay),
	cmocka_unit_test(used_ones_get_a_second_chance),
	cmocka_unit_test(documents_are_read_back),
	cmocka_unit_test(figures_are_read_back),
};

TESTING_MAIN(tests)
