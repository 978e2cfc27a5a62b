/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does one transaction carry each shard's oldest batch and nothing of a shard that
 * is not ours any more, and does every batch find its end exactly once however the
 * transaction ends?
 */
#include "common/runtime/publisher.h"

#include "tests/support/shard_rig.h"
#include "tests/unit/testing.h"

const struct worker *const workers[] = { &tiny_worker, NULL };

static struct rig rig;
static struct publisher publisher;
static const struct rig_claim fresh = { .input_cursor = 0, .output_cursor = 0 };

static int begin(void **state)
{
	(void)state;
	rig_init(&rig, &tiny_worker);
	publisher_init(&publisher);
	publisher.state = PUBLISHER_IDLE;
	for (int32_t i = 0; i < RIG_SHARDS; i++)
		rig_run(&rig, i, &fresh);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_release(&rig);
	publisher_release(&publisher);
	return 0;
}

static void fold(int32_t shard, int64_t offset)
{
	struct message m = tiny_deposit(&rig.memory, offset, tiny_account(0, shard, 3), 5);
	rig_fold(&rig, shard, &m, 1);
}

static const struct transaction *next(void)
{
	rig.now_ms += 2000;
	return publisher_next(&publisher, rig.list, RIG_SHARDS, rig.now_ms);
}

static void ended(enum publish_result result)
{
	const struct publish_end end = { result, -1, NULL };
	publisher_ended(&publisher, rig.list, RIG_SHARDS, &end, rig.now_ms, rig.updates);
}

static void bare_batches_come_along(void **state)
{
	(void)state;
	assert_null(publisher_next(&publisher, rig.list, 0, rig.now_ms));
	assert_null(next());
	rig_take(&rig, 1, NULL, 0, 7, true);
	assert_null(publisher_next(&publisher, rig.list, RIG_SHARDS, rig.now_ms));
	fold(2, 0);
	const struct transaction *t = publisher_next(&publisher, rig.list, RIG_SHARDS, rig.now_ms);
	assert_int_equal(t->carried_count, 2);
	assert_int_equal(t->carried[0].partition, 2);
	assert_int_equal(t->carried[1].partition, 1);
	assert_int_equal(t->carried[1].next_offset, 7);
	assert_int_equal(t->carried[1].outgoing_count, 0);
	assert_null(publisher_next(&publisher, rig.list, RIG_SHARDS, rig.now_ms));
	ended(PUBLISH_COMMITTED);
	assert_int_equal(rig.shards[1].output_cursor, 7);
	assert_int_equal(rig.shards[2].output_cursor, 1);
	assert_int_equal(rig.setting.queued_records, 0);
}

static void after_an_abort_only_the_current_go_again(void **state)
{
	(void)state;
	for (int32_t i = 0; i < RIG_SHARDS; i++)
		fold(i, 0);
	const struct transaction *t = next();
	assert_int_equal(t->carried_count, 3);
	const struct outgoing *first = t->carried[0].outgoing;
	fold(0, 1); /* folded meanwhile: must not overtake */
	rig_happened(&rig, rig_happening(HAPPENED_LOST, 1, 0));
	assert_true(*t->carried[1].epoch_now != t->carried[1].epoch);
	assert_int_equal(*t->carried[0].epoch_now, t->carried[0].epoch);
	ended(PUBLISH_ABORTED);
	assert_null(publisher_next(&publisher, rig.list, RIG_SHARDS, rig.now_ms)); /* backoff */
	t = next();
	assert_int_equal(t->carried_count, 2);
	assert_ptr_equal(t->carried[0].outgoing, first);
	assert_int_equal(t->carried[0].next_offset, 1);
	assert_int_equal(t->carried[1].partition, 2);
	ended(PUBLISH_COMMITTED);
	assert_int_equal(publisher.aborts, 0);
	t = next();
	assert_int_equal(t->carried_count, 1);
	assert_int_equal(t->carried[0].next_offset, 2);
	ended(PUBLISH_COMMITTED);
	assert_int_equal(rig.setting.queued_records, 0);
}

static void aborted_for(int32_t blamed)
{
	const struct publish_end end = { PUBLISH_ABORTED, blamed, "too large" };
	publisher_ended(&publisher, rig.list, RIG_SHARDS, &end, rig.now_ms, rig.updates);
}

/* The second abort for its sake; the others go on, it is tried alone after a while. */
static void one_that_fails_holds_up_no_other(void **state)
{
	(void)state;
	for (int32_t i = 0; i < RIG_SHARDS; i++)
		fold(i, 0);
	next();
	aborted_for(1);
	assert_int_equal(next()->carried_count, 3);
	aborted_for(1);
	assert_int_equal(rig.shards[1].state, SHARD_PAUSED);
	assert_non_null(strstr(rig.shards[1].words, "too large"));
	const struct transaction *t = next();
	assert_int_equal(t->carried_count, 2);
	assert_int_equal(t->carried[1].partition, 2);
	ended(PUBLISH_COMMITTED);
	fold(0, 1);
	rig.now_ms += 5000;
	t = next();
	assert_int_equal(t->carried_count, 1);
	assert_int_equal(t->carried[0].partition, 1);
	aborted_for(1);
	t = next();
	assert_int_equal(t->carried_count, 1);
	assert_int_equal(t->carried[0].partition, 0);
	ended(PUBLISH_COMMITTED);
	rig.now_ms += 5000;
	assert_int_equal(next()->carried[0].partition, 1);
	ended(PUBLISH_COMMITTED);
	assert_int_equal(rig.shards[1].state, SHARD_RUNNING);
	assert_string_equal(rig.shards[1].words, "");
	assert_int_equal(rig.setting.queued_records, 0);
}

static void unknown_closes_the_producer(void **state)
{
	(void)state;
	fold(0, 0);
	fold(1, 0);
	assert_non_null(next());
	rig_happened(&rig, rig_happening(HAPPENED_REVOKED, 1, 0));
	ended(PUBLISH_UNKNOWN);
	assert_int_equal(publisher.state, PUBLISHER_CLOSED);
	assert_int_equal(rig.shards[0].state, SHARD_WAITING);
	assert_int_equal(rig_asks(&rig, 1), ASK_UNASSIGN);
	assert_int_equal(rig.setting.queued_records, 0);
	assert_null(next());
}

static void backoff_grows_and_ends(void **state)
{
	(void)state;
	int64_t last = 0;
	fold(0, 0);
	for (unsigned i = 0; i < 100; i++) {
		assert_non_null(next());
		ended(PUBLISH_ABORTED);
		int64_t wait = publisher.retry_ms - rig.now_ms;
		assert_true(wait >= last && wait <= 1000);
		last = wait;
	}
	assert_int_equal(last, 1000);
	assert_non_null(next()); /* freed with the publisher, under way */
}

/* Random starts, losses and ends: no batch is lost, doubled or freed twice (the sanitizer sees). */
static void every_batch_ends_once(void **state)
{
	(void)state;
	int64_t at[RIG_SHARDS] = { 0 };
	for (unsigned step = 0; step < 3000; step++) {
		int32_t i = (int32_t)rng_below(RIG_SHARDS);
		struct shard *s = &rig.shards[i];
		int64_t until;
		switch (rng_below(6)) {
		case 0:
		case 1:
			if (shard_wants_records(s, &until) && rig.setting.queued_records < 200) {
				fold(i, s->standing.position);
			}
			break;
		case 2:
			if (publisher.state == PUBLISHER_IDLE)
				next();
			break;
		case 3:
			if (publisher.state != PUBLISHER_BUSY)
				break;
			enum publish_result result = (enum publish_result)rng_below(3);
			if (result == PUBLISH_COMMITTED)
				for (unsigned c = 0; c < publisher.transaction.carried_count; c++)
					at[publisher.carried[c].partition] =
						publisher.carried[c].next_offset;
			ended(result);
			publisher.state = PUBLISHER_IDLE;
			break;
		case 4:
			if (rng_below(20) == 0)
				rig_happened(&rig, rig_happening(HAPPENED_LOST, i, 0));
			else if (rng_below(20) == 0 &&
			         rig_happened(&rig, rig_happening(HAPPENED_REVOKED, i, 0)) == 0) {
				rig.now_ms += 2001;
				rig_tick(&rig, i);
			}
			break;
		default: /* (re)claims where it can */
			rig_asks(&rig, i);
			if (!s->owned)
				rig_assign(&rig, i);
			rig.now_ms += 100;
			if (s->state == SHARD_WAITING && !s->carried) {
				const struct rig_claim c = { .input_cursor = at[i],
					                     .output_cursor = at[i] };
				rig_run(&rig, i, &c);
			}
			break;
		}
	}
	if (publisher.state == PUBLISHER_BUSY)
		ended(PUBLISH_ABORTED);
	for (int32_t i = 0; i < RIG_SHARDS; i++) {
		rig_happened(&rig, rig_happening(HAPPENED_LOST, i, 0));
		assert_null(rig.shards[i].carried);
	}
	assert_int_equal(rig.setting.queued_records, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

static const struct CMUnitTest tests[] = {
	T(bare_batches_come_along),     T(after_an_abort_only_the_current_go_again),
	T(unknown_closes_the_producer), T(backoff_grows_and_ends),
	T(every_batch_ends_once),       T(one_that_fails_holds_up_no_other),
};

TESTING_MAIN(tests)
