/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long will a lag last: exact for a steady pace, and silent where nobody knows?
 */
#include "common/host/pace.h"

#include "tests/unit/testing.h"

#define START_MS 5000

static struct pace *new_pace(void)
{
	struct pace *pace = calloc(1, sizeof(*pace));

	assert_non_null(pace);
	return pace;
}

static struct shard_status shard(int32_t partition, int64_t cursor, int64_t end)
{
	return (struct shard_status){ .partition = partition,
		                      .input_cursor = cursor,
		                      .log_end = end };
}

static void is_exact_for_a_steady_pace(void **state)
{
	struct pace *pace = new_pace();
	int64_t now_ms = START_MS;

	(void)state;
	/* 300 records a second are folded, 100 come in: 200 a second nearer, 10,000 behind. */
	for (int second = 0; second <= 40; second++, now_ms += 1000) {
		struct shard_status now = shard(3, 300 * second, 10000 + 100 * second);

		if (second > 20)
			assert_int_equal(pace_clear_ms(pace, &now, now_ms),
			                 (10000 - 200 * second) * 5);
		else if (second <= 10)
			assert_int_equal(pace_clear_ms(pace, &now, now_ms), -1);
		if (pace_is_due(pace, now_ms))
			pace_mark(pace, &now, 1, now_ms);
	}
	free(pace);
}

static void says_nothing_that_it_does_not_know(void **state)
{
	struct shard_status rows[] = { shard(0, 100, 500), shard(1, -1, -1), shard(2, 400, -1) };
	struct shard_status same = shard(0, 200, 600), none = shard(0, 700, 700);
	struct shard_status far = shard(SNAPSHOT_SHARDS_MOST, 1, 5), odd = shard(1, 0, 5);
	struct shard_status endless = shard(2, 500, 600), large = shard(0, 1, INT64_MAX);
	struct pace *pace = new_pace();

	(void)state;
	pace_mark(pace, rows, 3, START_MS);
	pace_mark(pace, rows, 3, START_MS + PACE_MARK_MS);
	assert_int_equal(pace_clear_ms(pace, &same, START_MS + 15000), -1); /* no nearer */
	assert_int_equal(pace_clear_ms(pace, &none, START_MS + 15000), 0);
	assert_int_equal(pace_clear_ms(pace, &far, START_MS + 15000), -1);
	assert_int_equal(pace_clear_ms(pace, &odd, START_MS + 15000), -1);
	assert_int_equal(pace_clear_ms(pace, &endless, START_MS + 15000), -1);
	assert_int_equal(pace_clear_ms(pace, &large, START_MS + 15000), -1);
	assert_int_equal(pace_clear_ms(pace, &rows[1], START_MS + 15000), -1);
	free(pace);
}

static void forgets_shards_that_went(void **state)
{
	struct shard_status first = shard(0, 0, 1000), later = shard(0, 500, 1000);
	struct pace *pace = new_pace();

	(void)state;
	pace_mark(pace, &first, 1, START_MS);
	pace_mark(pace, NULL, 0, START_MS + PACE_MARK_MS);
	pace_mark(pace, &later, 1, START_MS + 2 * PACE_MARK_MS);
	assert_int_equal(pace_clear_ms(pace, &later, START_MS + 25000), -1);
	free(pace);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(is_exact_for_a_steady_pace),
	cmocka_unit_test(says_nothing_that_it_does_not_know),
	cmocka_unit_test(forgets_shards_that_went),
};

TESTING_MAIN(tests)
