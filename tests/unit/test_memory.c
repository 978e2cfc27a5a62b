/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does memory come zeroed, copied, grown with its contents, and does asking for more
 * than there is, or than a size can say, end the process with words and status 71?
 */
#include "common/base/memory.h"

#include "tests/unit/testing.h"

/* Sanitizers, too, answer NULL to what is too much. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void comes_zeroed(void **state)
{
	static const char zeros[600];

	(void)state;
	for (int round = 0; round < 100; round++) {
		char *one = memory_new(600), *many = memory_array(12, 50);

		assert_memory_equal(one, zeros, 600);
		assert_memory_equal(many, zeros, 600);
		memset(one, 0xee, 600);
		memset(many, 0xee, 600);
		free(one);
		free(many);
	}
	free(memory_new(0));
	free(memory_array(0, 8));
}

static void grows_with_its_contents(void **state)
{
	uint64_t *items = NULL;

	(void)state;
	for (uint64_t count = 1; count <= 5000; count++) {
		items = memory_resize(items, count, sizeof(*items));
		items[count - 1] = count * count;
	}
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(items[i], (i + 1) * (i + 1));
	free(memory_resize(items, 0, sizeof(*items)));
}

static void copies_end_with_nul(void **state)
{
	char *some = memory_copy(str_of("a\0b.", 3)), *none = memory_copy(str_of(NULL, 0));

	(void)state;
	assert_memory_equal(some, "a\0b", 4);
	assert_string_equal(none, "");
	free(some);
	free(none);
}

/* ---- the end ------------------------------------------------------------- */

static void make_too_much(void *to)
{
	*(void **)to = memory_new(SIZE_MAX / 4);
}

static void make_too_many(void *to)
{
	*(void **)to = memory_array(SIZE_MAX / 4, 1);
}

static void make_more_than_a_size(void *to)
{
	*(void **)to = memory_array(SIZE_MAX / 4 + 1, 8); /* mod 2^64 it is little */
}

static void grow_too_much(void *to)
{
	*(void **)to = memory_resize(*(void **)to, SIZE_MAX / 4, 1);
}

static void grow_more_than_a_size(void *to)
{
	*(void **)to = memory_resize(*(void **)to, SIZE_MAX / 4 + 1, 8);
}

static void hear_of_it(void *to)
{
	(void)to;
	memory_out(17);
}

static void out_of_memory_ends_the_process(void **state)
{
	static const struct {
		void (*run)(void *);
		const char *wanted;
	} ends[] = {
		{ make_too_much, "wanted_bytes=4611686018427387903\n" },
		{ make_too_many, "wanted_bytes=4611686018427387903\n" },
		{ make_more_than_a_size, "wanted_bytes=9223372036854775807\n" },
		{ grow_too_much, "wanted_bytes=4611686018427387903\n" },
		{ grow_more_than_a_size, "wanted_bytes=9223372036854775807\n" },
		{ hear_of_it, "wanted_bytes=17\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		void *block = memory_new(16);
		char text[1024];
		int status;

		status = testing_child(ends[i].run, &block, text, sizeof(text));
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 71);
		assert_non_null(strstr(text, "level=error event=out_of_memory "));
		assert_non_null(strstr(text, ends[i].wanted));
		free(block);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(comes_zeroed),
	cmocka_unit_test(grows_with_its_contents),
	cmocka_unit_test(copies_end_with_nul),
	cmocka_unit_test(out_of_memory_ends_the_process),
};
TESTING_MAIN(tests)
