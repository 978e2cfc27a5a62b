/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the picture of tallyctl top say of every shard what is wrong with it and what helps, and are
 * lags, rates and the time to clear those of the two looks?
 */
#include "services/tallyctl/top_picture.h"

#include <string.h>

#include "services/workers.h"
#include "tests/unit/with_arena.h"

#define SHARDS 3

static struct fleet fleet;
static struct progress_row rows[2][SHARDS];
static int64_t moved_ms[SHARDS];
static struct top_look looks[2];

static struct progress_row row(int32_t partition, int64_t r, int64_t k, int64_t log_end)
{
	struct progress_row made = { .fleet = &fleet,
		                     .partition = partition,
		                     .log_end = log_end,
		                     .output_cursor = k,
		                     .meta = { .exists = true,
		                               .cursor = r,
		                               .partitions = SHARDS,
		                               .broker_ms = 7000,
		                               .owner = "tallyworks-orders-ab12" } };
	return made;
}

/* Two looks, two seconds apart: 100 records came and 300 were folded in each shard. */
static int begin(void **state)
{
	fleet = (struct fleet){ .worker = worker_find(STR("orders")),
		                .topic = "orders",
		                .partitions = SHARDS };
	for (int32_t p = 0; p < SHARDS; p++) {
		rows[0][p] = row(p, 100, 150, 900);
		rows[1][p] = row(p, 400, 500, 1000);
		moved_ms[p] = 10000;
	}
	for (unsigned i = 0; i < 2; i++)
		looks[i] = (struct top_look){ .now_ms = 8000 + i * 2000,
			                      .wall_ms = 18000 + i * 2000,
			                      .progress = { .rows = rows[i], .count = SHARDS },
			                      .members = { 2 },
			                      .moved_ms = moved_ms };
	return arena_begin(state);
}

static struct top_picture painted(bool with_before)
{
	struct top_picture picture;

	top_paint(&fleet, 1, with_before ? &looks[0] : NULL, &looks[1], &arena, &picture);
	return picture;
}

/* The words of the first shard, when the row of its last look is changed by the test. */
static void says(enum top_health health, const char *words)
{
	struct top_picture picture = painted(true);

	for (unsigned i = 0; i < SHARDS; i++)
		if (picture.shards[i].row == &rows[1][0]) {
			struct str said =
				arena_printf(&arena, "%.*s", STR_ARG(picture.shards[i].words));

			if (!strstr(said.ptr, words) || picture.shards[i].health != health)
				fail_msg("\"%s\" (%d), not \"%s\"", said.ptr,
				         (int)picture.shards[i].health, words);
			return;
		}
	fail_msg("the shard is not in the picture");
}

static void rates_and_lags_are_those_of_two_looks(void **state)
{
	struct top_picture p = painted(true);

	(void)state;
	assert_int_equal(p.workers[0].lag, 3 * 600);
	assert_int_equal(p.workers[0].in_rate, 3 * 50);
	assert_int_equal(p.workers[0].out_rate, 3 * 150);
	assert_int_equal(p.workers[0].clear_s, 6); /* 1800 by 300 a second */
	assert_int_equal(p.workers[0].behind_ms, 13000);
	assert_int_equal(p.workers[0].members, 2);
}

static void a_lag_that_grows_never_clears(void **state)
{
	struct top_picture p;

	(void)state;
	for (unsigned i = 0; i < SHARDS; i++)
		rows[1][i].log_end = 5000;
	p = painted(true);
	assert_true(p.workers[0].clear_s == NEVER_CLEAR);
}

static void one_look_knows_no_rates(void **state)
{
	struct top_picture p = painted(false);

	(void)state;
	assert_int_equal(p.workers[0].in_rate, RATE_UNKNOWN);
	assert_int_equal(p.workers[0].out_rate, RATE_UNKNOWN);
	assert_int_equal(p.workers[0].clear_s, RATE_UNKNOWN);
	assert_int_equal(p.workers[0].lag, 3 * 600);
}

static void a_shard_that_works_is_fine(void **state)
{
	(void)state;
	says(TOP_FINE, "works");
	rows[1][0] = row(0, 1000, 1000, 1000);
	says(TOP_FINE, "settled");
	looks[1].members[0] = 0;
	says(TOP_FINE, "settled, nobody works");
}

static void what_a_worker_refuses_is_trouble(void **state)
{
	(void)state;
	rows[1][0].output_cursor = -1;
	says(TOP_TROUBLE, "tallyctl repair");
	rows[1][0].meta.exists = false;
	rows[1][0].meta.cursor = -1;
	says(TOP_TROUBLE, "tallyctl topics create");
	rows[1][0] = row(0, 400, 500, 1000);
	rows[1][0].meta.partitions = 7;
	says(TOP_TROUBLE, "written with 7 partitions, the topic has 3");
	rows[1][0] = row(0, 501, 500, 1000);
	says(TOP_TROUBLE, "R is above K");
	rows[1][0] = row(0, 400, 500, 1000);
	rows[1][0].log_start = 401;
	says(TOP_TROUBLE, "the log begins at 401");
	rows[1][0] = row(0, 400, 1001, 1000);
	says(TOP_TROUBLE, "the log ends below K");
}

static void what_holds_a_shard_up_is_said(void **state)
{
	(void)state;
	looks[1].members[0] = 0;
	says(TOP_TROUBLE, "start tally-orders");
	looks[1].members[0] = MEMBERS_UNKNOWN;
	says(TOP_FINE, "works");
	rows[1][0].meta.trying = (struct offsets){ 410, 420 };
	says(TOP_TROUBLE, "410 to 419");
	rows[1][0] = row(0, -1, 500, 1000);
	rows[1][0].meta.torn = true;
	says(TOP_BUSY, "torn");
	rows[1][0] = row(0, 400, 500, 1000);
	rows[1][0].meta.rebuilding = true;
	says(TOP_BUSY, "built again");
	rows[1][0] = row(0, 400, 500, 1000);
	rows[1][0].meta.released = true;
	says(TOP_BUSY, "waits for an owner");
	rows[1][0] = row(0, 400, 500, 1000);
	moved_ms[0] = 10000 - 4999;
	says(TOP_FINE, "works");
	moved_ms[0] = 10000 - 5000;
	says(TOP_TROUBLE, "stands still for 5 s");
}

static void the_urgent_ones_come_first(void **state)
{
	struct top_picture p;
	struct buf text;

	(void)state;
	rows[1][1] = row(1, 1000, 1000, 1000);
	rows[1][2] = row(2, 990, 980, 1000); /* R above K */
	p = painted(true);
	assert_int_equal(p.shards[0].row->partition, 2);
	assert_int_equal(p.shards[1].row->partition, 0);
	assert_int_equal(p.shards[2].row->partition, 1);
	assert_int_equal(p.workers[0].troubled, 1);
	assert_int_equal(p.workers[0].settled, 1);

	buf_init(&text, &arena);
	top_text(&p, 0, &text);
	buf_put_char(&text, '\0');
	assert_non_null(strstr(text.ptr, "orders/1"));
	assert_non_null(strstr(text.ptr, "! R is above K"));
	assert_non_null(strstr(text.ptr, "1 in trouble"));
	assert_non_null(strstr(text.ptr, " ab12 "));
	buf_clear(&text);
	top_text(&p, 10, &text); /* room for two shards */
	buf_put_char(&text, '\0');
	assert_non_null(strstr(text.ptr, "orders/2"));
	assert_null(strstr(text.ptr, "orders/1"));
	assert_non_null(strstr(text.ptr, "1 more shard"));
	buf_clear(&text);
	top_text(&p, 1, &text);
	buf_put_char(&text, '\0');
	assert_non_null(strstr(text.ptr, "3 more shards"));
}

#define WITH_LOOKS(name) cmocka_unit_test_setup_teardown(name, begin, arena_end)

static const struct CMUnitTest tests[] = {
	WITH_LOOKS(rates_and_lags_are_those_of_two_looks),
	WITH_LOOKS(a_lag_that_grows_never_clears),
	WITH_LOOKS(one_look_knows_no_rates),
	WITH_LOOKS(a_shard_that_works_is_fine),
	WITH_LOOKS(what_a_worker_refuses_is_trouble),
	WITH_LOOKS(what_holds_a_shard_up_is_said),
	WITH_LOOKS(the_urgent_ones_come_first),
};

TESTING_MAIN(tests)
