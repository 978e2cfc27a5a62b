/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do timers come out earliest first, and do they stay below their limit without
 * losing an early one?
 */
#include "common/runtime/timers.h"

#include "tests/unit/testing.h"

static void the_earliest_comes_first(void **state)
{
	(void)state;
	struct timers t;
	timers_init(&t);
	assert_null(timers_first(&t));
	for (unsigned round = 0; round < 200; round++) {
		unsigned n = (unsigned)rng_below(100), count = t.count;
		for (unsigned i = 0; i < n; i++) {
			char member[] = "account/x";
			timers_add(&t, str_from_c(member), rng_between(0, 50));
			member[0] = '?'; /* it keeps a copy */
		}
		assert_int_equal(t.count, count + n);
		for (int64_t last = -1; t.count && rng_below(20); timers_pop(&t)) {
			assert_true(timers_first(&t)->due_ms >= last);
			assert_str(timers_first(&t)->member, "account/x");
			last = timers_first(&t)->due_ms;
		}
	}
	timers_clear(&t);
	assert_null(timers_first(&t));
	timers_release(&t);
}

static void above_the_limit_the_later_half_goes(void **state)
{
	(void)state;
	struct timers t;
	int64_t earliest = INT64_MAX;
	timers_init(&t);
	for (unsigned i = 0; i < 3 * TIMERS_MOST; i++) {
		int64_t due_ms = rng_between(1, 1000000);
		earliest = due_ms < earliest ? due_ms : earliest;
		timers_add(&t, STR("a/b"), due_ms);
		assert_true(t.count <= TIMERS_MOST);
	}
	assert_true(t.horizon_ms < 1000000);
	assert_int_equal(timers_first(&t)->due_ms, earliest);
	unsigned count = t.count;
	timers_add(&t, STR("a/b"), t.horizon_ms + 1);
	assert_int_equal(t.count, count);
	for (int64_t last = 0; t.count; timers_pop(&t)) {
		assert_true(timers_first(&t)->due_ms >= last);
		last = timers_first(&t)->due_ms;
	}
	timers_clear(&t);
	assert_true(t.horizon_ms == INT64_MAX);
	timers_release(&t);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_earliest_comes_first),
	cmocka_unit_test(above_the_limit_the_later_half_goes),
};

TESTING_MAIN(tests)
