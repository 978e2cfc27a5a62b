/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the table hold what a plain array of flags says it holds, with good and
 * with very bad hashes, through growth, removal, clearing and walks?
 */
#include "common/base/table.h"

#include "common/base/hash.h"
#include "tests/unit/testing.h"

#define KEYS 500

static int items[KEYS];

static bool same_int(const void *item, const void *key)
{
	return *(const int *)item == *(const int *)key;
}

static uint64_t hash_of(int key, unsigned badness)
{
	if (badness == 2)
		return 7;
	if (badness == 1)
		return (uint64_t)key % 13 * 3;
	return hash64(str_of((const char *)&key, sizeof(key)));
}

static void check_walk(const struct table *t, const bool *present)
{
	bool seen[KEYS] = { false };
	size_t cursor = 0, count = 0;
	const int *item;

	while ((item = table_next(t, &cursor))) {
		assert_false(seen[*item]);
		assert_true(present[*item]);
		seen[*item] = true;
		count++;
	}
	assert_int_equal(count, t->count);
	assert_null(table_next(t, &cursor));
}

static void behaves_like_an_array(void **state)
{
	(void)state;
	for (int i = 0; i < KEYS; i++)
		items[i] = i;
	for (unsigned round = 0; round < 12; round++) {
		unsigned badness = round % 3;
		int keys = (int)rng_between(1, KEYS);
		bool present[KEYS] = { false };
		struct table t;

		table_init(&t);
		for (int step = 0; step < 5000; step++) {
			int key = (int)rng_below((uint64_t)keys);
			uint64_t hash = hash_of(key, badness);
			void *found = table_find(&t, hash, same_int, &key);

			assert_ptr_equal(found, present[key] ? &items[key] : NULL);
			if (rng_below(2)) {
				assert_ptr_equal(table_remove(&t, hash, same_int, &key), found);
				present[key] = false;
			} else if (!present[key]) {
				table_add(&t, hash, &items[key]);
				present[key] = true;
			}
			if (rng_below(500) == 0) {
				table_clear(&t);
				memset(present, 0, sizeof(present));
			}
			if (step % 100 == 0)
				check_walk(&t, present);
		}
		check_walk(&t, present);
		assert_true(!t.slots || (t.used >= t.count && t.used <= t.mask));
		assert_true(t.mask < 4 * KEYS); /* removed ones do not make it grow */
		table_release(&t);
	}
}

static void allows_removal_while_walking(void **state)
{
	struct table t;
	size_t cursor = 0;
	int *item, left = 0;

	(void)state;
	table_init(&t);
	for (int i = 0; i < KEYS; i++) {
		items[i] = i;
		table_add(&t, hash_of(i, 1), &items[i]);
	}
	while ((item = table_next(&t, &cursor)))
		if (*item % 3)
			assert_ptr_equal(table_remove(&t, hash_of(*item, 1), same_int, item), item);
	cursor = 0;
	while ((item = table_next(&t, &cursor))) {
		assert_int_equal(*item % 3, 0);
		left++;
	}
	assert_int_equal(left, (KEYS + 2) / 3);
	table_release(&t);
	assert_null(table_find(&t, 1, same_int, &items[1]));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(behaves_like_an_array),
	cmocka_unit_test(allows_removal_while_walking),
};
TESTING_MAIN(tests)
