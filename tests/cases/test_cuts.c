/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the scoreboard hold the same bytes wherever the batches were cut that summed
 * its rows? Amounts are small and of both signs, so that many sums cancel out.
 */
#include "common/base/log.h"
#include "common/base/timestamp.h"
#include "common/domain/measure.h"
#include "services/workers.h"
#include "tests/cases/records.h"
#include "tests/unit/testing.h"

#define ROUNDS 40
#define CUTS 4
#define ROWS 24
#define FIRST_DAY 20512 /* 2026-02-28 */
#define SCORE_EDGE ((INT64_C(1) << 53) - 1)

static struct arena texts;

static void plan_rows(struct measure rows[ROWS])
{
	static const struct str payees[] = { STR_INIT("p-1"), STR_INIT("p-2") };
	static const struct str teams[] = { STR_INIT("t-1"), STR_INIT("t-2") };
	bool large = rng_below(4) == 0; /* sums around what a board can show */

	for (unsigned i = 0; i < ROWS; i++) {
		int64_t commission = rng_between(-2, 2), collected = rng_between(0, 2);
		int64_t at_ms = (FIRST_DAY + rng_between(0, 2)) * MS_PER_DAY + rng_between(0, 999);

		if (large && i < 2)
			collected = SCORE_EDGE / 2 + rng_between(0, 1);
		rows[i] = (struct measure){
			.kind = STR("payee"),
			.id = payees[rng_below(2)],
			.day = (int32_t)(at_ms / MS_PER_DAY),
			.team_id = teams[rng_below(8) == 0],
			.figures = { .commission_minor = commission,
			             .commission_at_ms = commission ? at_ms : 0,
			             .collected_minor = collected,
			             .collected_at_ms = collected ? at_ms : 0 },
		};
	}
}

/* What one batch of the sender makes of its rows: one block, equal scopes added up. */
static void send_batch(struct stage *stage, const struct measure *rows, unsigned count)
{
	struct measure sums[ROWS];
	unsigned sum_count = 0;
	struct buf block;

	for (unsigned i = 0; i < count; i++) {
		unsigned n = 0;

		while (n < sum_count && !measure_same(&sums[n], &rows[i]))
			n++;
		if (n < sum_count)
			assert_true(measure_add(&sums[n], &rows[i]));
		else
			sums[sum_count++] = rows[i];
	}
	buf_init(&block, &texts);
	for (unsigned n = 0; n < sum_count; n++) {
		buf_put_char(&block, n ? ',' : '[');
		record_encode(&measure_type, &sums[n], &block);
	}
	buf_put_char(&block, ']');
	stage_append(stage, str_of(NULL, 0), buf_str(&block));
}

/* What Redis holds when the rows came in batches of up to `most`. */
static struct str outcome(const struct measure rows[ROWS], unsigned most)
{
	struct stage *stage = stage_new(&scoreboard_worker, false);
	struct buf dump;

	record_given(stage, &texts, "company.defined",
	             STR("{\"company_id\":\"all\",\"timezone\":\"UTC\",\"currency\":\"CNY\","
	                 "\"boards\":{\"measures\":[\"collected\",\"commission\"],"
	                 "\"periods\":[\"month\",\"year\"]}}"));
	stage_publish(stage);
	for (unsigned from = 0, count; from < ROWS; from += count) {
		count = 1 + (unsigned)rng_below(most);
		count = count < ROWS - from ? count : ROWS - from;
		send_batch(stage, rows + from, count);
		if (rng_below(3) == 0)
			stage_run(stage);
	}
	stage_run(stage);
	buf_init(&dump, &texts);
	memory_keys_dump(stage_keys(stage), false, &dump);
	stage_free(stage);
	return buf_str(&dump);
}

/* contract: duties.sums, redis.ties */
static void any_cuts(void **state)
{
	(void)state;
	log_configure(LOG_ERROR, LOG_LOGFMT, STR("cuts"));
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct measure rows[ROWS];
		struct str one_by_one;

		arena_init(&texts, 1 << 16);
		plan_rows(rows);
		one_by_one = outcome(rows, 1);
		for (unsigned i = 0; i < CUTS; i++)
			assert_str_eq(outcome(rows, 1 + (unsigned)rng_below(ROWS)), one_by_one);
		arena_release(&texts);
	}
}

static const struct CMUnitTest tests[] = { cmocka_unit_test(any_cuts) };

TESTING_MAIN(tests)
