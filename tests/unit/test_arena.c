/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the arena hand out room that is aligned, never shared and kept until
 * clear? Does it count its memory, keep one chunk, and does a sanitizer build see
 * a misuse of it?
 */
#include "common/base/arena.h"

#include "common/base/log.h"
#include "tests/unit/testing.h"

#define BLOCKS 4000

static void keeps_blocks_apart(void **state)
{
	static unsigned char *blocks[BLOCKS];
	static size_t sizes[BLOCKS];
	struct arena a;

	(void)state;
	arena_init(&a, 1024);
	assert_int_equal(a.total, 0);
	for (int round = 0; round < 5; round++) {
		size_t sum = 0;

		for (size_t i = 0; i < BLOCKS; i++) {
			sizes[i] = rng_below(rng_below(50) == 0 ? 40000 : 200);
			blocks[i] = arena_alloc(&a, sizes[i]);
			assert_non_null(blocks[i]);
			assert_int_equal((uintptr_t)blocks[i] % 8, 0);
			memset(blocks[i], (int)(i & 255), sizes[i]);
			sum += sizes[i];
		}
		assert_true(a.total >= sum);
		for (size_t i = 0; i < BLOCKS; i++)
			for (size_t j = 0; j < sizes[i]; j++)
				assert_int_equal(blocks[i][j], i & 255);
		arena_clear(&a);
		assert_true(a.total <= 1024 + 64);
	}
	arena_release(&a);
	assert_int_equal(a.total, 0);
	assert_non_null(arena_alloc(&a, 10)); /* usable again */
	arena_release(&a);
}

static void keeps_its_first_chunk(void **state)
{
	struct arena a;
	void *first;

	(void)state;
	if (TESTING_ASAN)
		skip();
	arena_init(&a, 4096);
	first = arena_alloc(&a, 100);
	for (int i = 0; i < 100; i++)
		arena_alloc(&a, 1000);
	arena_alloc(&a, 5000000);
	arena_alloc(&a, 1000);
	assert_true(a.total < 7000000); /* a large block does not make the next chunk large */
	arena_clear(&a);
	assert_in_range(a.total, 4096, 4096 + 64);
	assert_ptr_equal(arena_alloc(&a, 100), first);
	arena_release(&a);
}

static void doubles_up_to_a_mebibyte(void **state)
{
	struct arena a;
	size_t chunks = 0, before = 0, largest = 0;

	(void)state;
	if (TESTING_ASAN)
		skip();
	arena_init(&a, 4096);
	for (int i = 0; i < 100000; i++) {
		arena_alloc(&a, 100);
		if (a.total == before)
			continue;
		chunks++;
		if (a.total - before > largest)
			largest = a.total - before;
		before = a.total;
	}
	assert_in_range(largest, 1048576, 1048576 + 64);
	assert_in_range(chunks, 9 + 8, 9 + 12); /* 4 KiB to 1 MiB, then 10 MB in mebibytes */
	arena_release(&a);
}

static void copies_text(void **state)
{
	struct arena a;
	const struct str parts[] = { STR("sales"), STR(""), str_of(NULL, 0), STR(":"),
		                     STR("team") };

	(void)state;
	arena_init(&a, 256);
	assert_null(arena_str(&a, str_of(NULL, 0)).ptr);
	assert_non_null(arena_str(&a, STR("")).ptr);
	assert_str(arena_str(&a, STR("abc")), "abc");
	assert_str(arena_join(&a, parts, COUNT_OF(parts)), "sales:team");
	assert_str(arena_join(&a, NULL, 0), "");
	assert_str(arena_printf(&a, "%s-%04d", "x", 42), "x-0042");
	assert_int_equal(arena_printf(&a, "%3000d", 1).len, 3000);
	assert_int_equal(*(int64_t *)arena_zalloc(&a, 8), 0);
	arena_release(&a);
}

static void resizes(void **state)
{
	struct arena a;
	char *block, *moved;

	(void)state;
	arena_init(&a, 1024);
	block = arena_resize(&a, NULL, 0, 10);
	memcpy(block, "0123456789", 10);
	moved = arena_resize(&a, block, 10, 100);
	if (!TESTING_ASAN)
		assert_ptr_equal(moved, block); /* the newest block grows in place */
	assert_memory_equal(moved, "0123456789", 10);
	memset(moved, 'x', 100);
	arena_alloc(&a, 8);
	block = arena_resize(&a, moved, 100, 200);
	assert_ptr_not_equal(block, moved);
	for (int i = 0; i < 100; i++)
		assert_int_equal(block[i], 'x');
	block = arena_resize(&a, block, 200, 100000);
	assert_int_equal(block[99], 'x');
	arena_release(&a);
}

static void read_beyond(void *arg)
{
	struct arena a;
	volatile char *block;

	arena_init(&a, 1024);
	block = arena_alloc(&a, 10);
	arena_alloc(&a, 100);
	*(volatile char *)arg = block[10];
}

static void read_after_clear(void *arg)
{
	struct arena a;
	volatile char *block;

	arena_init(&a, 1024);
	block = arena_alloc(&a, 10);
	arena_clear(&a);
	*(volatile char *)arg = block[0];
}

static void sanitizer_sees_misuse(void **state)
{
	char sink, text[4096];

	(void)state;
	if (!TESTING_ASAN)
		skip();
	assert_int_not_equal(testing_child(read_beyond, &sink, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "heap-buffer-overflow"));
	assert_int_not_equal(testing_child(read_after_clear, &sink, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "heap-use-after-free"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(keeps_blocks_apart),
	cmocka_unit_test(keeps_its_first_chunk),
	cmocka_unit_test(doubles_up_to_a_mebibyte),
	cmocka_unit_test(copies_text),
	cmocka_unit_test(resizes),
	cmocka_unit_test(sanitizer_sees_misuse),
};
TESTING_MAIN(tests)
