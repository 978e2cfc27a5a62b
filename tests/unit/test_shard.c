/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a shard ask for the right thing in every situation of the commit protocol
 * (DESIGN section 4), and does nothing get lost, doubled or left behind when
 * transactions abort, flushes are refused, and the group takes the shard away at
 * the worst moment? One shard, stepped by hand.
 */
#include "common/runtime/shard.h"

#include "tests/support/shard_rig.h"
#include "tests/unit/testing.h"

const struct worker *const workers[] = { &tiny_worker, NULL };

static struct rig rig;
static struct shard *const s = &rig.shards[0];
static const struct rig_claim fresh = { .input_cursor = 0, .output_cursor = 0 };

static int begin(void **state)
{
	(void)state;
	tiny_seen = (struct tiny_seen){ 0 };
	rig_init(&rig, &tiny_worker);
	return 0;
}

static int begin_blocks(void **state)
{
	(void)state;
	rig_init(&rig, &tiny_block_worker);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig_release(&rig);
	return 0;
}

static const char *who(unsigned nth)
{
	return tiny_account(nth, 0, 3);
}

static struct message deposit(int64_t offset, int64_t amount)
{
	return tiny_deposit(&rig.memory, offset, who(0), amount);
}

static void fold_one(struct message m)
{
	rig_fold(&rig, 0, &m, 1);
}

static unsigned happened(enum happening_kind kind)
{
	return rig_happened(&rig, rig_happening(kind, 0, s->ticket));
}

static unsigned failed(enum happening_kind kind, uint64_t ticket)
{
	struct happening *h = rig_happening(kind, 0, ticket);
	h->rc.code = RC_UNAVAILABLE;
	return rig_happened(&rig, h);
}

static int64_t seq_of(const struct outgoing *out)
{
	int64_t n;
	assert_true(str_to_i64(outgoing_header(out, "tw-seq"), &n));
	return n;
}

static struct str written(const struct flush_call *call, const char *key, const char *field)
{
	for (unsigned i = 0; call && i < call->flush.write_count; i++) {
		const struct write *w = call->flush.writes[i];
		for (unsigned p = 0; str_eq_c(w->key, key) && p < w->pair_count; p++) {
			if (!field || str_eq_c(w->pairs[p].name, field))
				return w->pairs[p].value.ptr ? w->pairs[p].value : STR("(removed)");
		}
	}
	return str_of(NULL, 0);
}

/* ---- A1 to A3 ------------------------------------------------------------------ */

static void a_claim_goes_step_by_step(void **state)
{
	(void)state;
	const struct rig_claim c = {
		.input_cursor = 5, .output_cursor = 9, .output_number = 4, .claimer = "other"
	};
	s->setting->transactional_id[0] = '\0';
	assert_int_equal(rig_tick(&rig, 0), 0);
	rig_assign(&rig, 0);
	assert_int_equal(rig_tick(&rig, 0), 0); /* no producer yet */
	snprintf(s->setting->transactional_id, META_TEXT_BYTES, "me");
	assert_int_equal(rig_tick(&rig, 0), ASK_CLAIM);
	assert_int_equal(rig_tick(&rig, 0), 0);
	assert_int_equal(rig_claimed(&rig, 0, &c), ASK_FENCE);
	assert_string_equal(s->unfenced, "other");
	assert_int_equal(happened(HAPPENED_FENCED), ASK_CURSOR);
	assert_int_equal(rig_cursor(&rig, 0, &c), ASK_START | ASK_DUE);
	assert_int_equal(s->standing.position, 5);
	assert_int_equal(s->input_cursor, 5);
	assert_int_equal(s->output_cursor, 9);
	assert_int_equal(s->output_number, 4);
}

static void nobody_is_fenced_needlessly(void **state)
{
	(void)state;
	struct rig_claim c = { .claimer = "other", .released = true };
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	assert_int_equal(rig_claimed(&rig, 0, &c), ASK_CURSOR);
	c = (struct rig_claim){ .claimer = "me" };
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	assert_int_equal(rig_claimed(&rig, 0, &c), ASK_CURSOR);
}

/* The second claim finds our own name: the one before must be ended all the same. */
static void a_fence_that_failed_is_not_forgotten(void **state)
{
	(void)state;
	struct rig_claim c = { .claimer = "other" };
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	assert_int_equal(rig_claimed(&rig, 0, &c), ASK_FENCE);
	assert_int_equal(failed(HAPPENED_FENCED, s->ticket), 0);
	assert_int_equal(s->state, SHARD_WAITING);
	assert_int_equal(rig_tick(&rig, 0), 0); /* backoff */
	rig.now_ms = s->retry_ms;
	assert_int_equal(rig_tick(&rig, 0), ASK_CLAIM);
	c.claimer = "me";
	assert_int_equal(rig_claimed(&rig, 0, &c), ASK_FENCE);
	assert_string_equal(s->unfenced, "other");
	/* Given up here, the name goes back for the next owner to end. */
	assert_int_equal(happened(HAPPENED_REVOKED), ASK_UNCLAIM | ASK_UNASSIGN);
	assert_string_equal(s->unfenced, "other");
	assert_false(s->owned);
}

static void late_answers_change_nothing(void **state)
{
	(void)state;
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	uint64_t first = s->ticket;
	rig_assign(&rig, 0);
	assert_int_equal(failed(HAPPENED_CLAIMED, first), 0);
	assert_int_equal(s->failures, 0);
	assert_int_equal(rig_tick(&rig, 0), ASK_CLAIM);
	assert_int_equal(rig_happened(&rig, rig_happening(HAPPENED_CLAIMED, 0, first)), 0);
	assert_int_equal(s->state, SHARD_CLAIM);
}

static void what_does_not_fit_is_refused_with_words(void **state)
{
	(void)state;
	static const struct {
		struct rig_claim claim;
		const char *words;
	} cases[] = {
		{ { .input_cursor = -1, .no_cursor = true }, "new installation" },
		{ { .input_cursor = 3, .no_cursor = true }, "Redis knows the shard" },
		{ { .metadata = "" }, "metadata is not ours" },
		{ { .metadata = "tw1 seq=0 origin=0 topic pin=-1" }, "metadata is not ours" },
		{ { .compacted = true }, "compacted" },
		{ { .topic_id = "U" }, "made anew" },
		{ { .logic = 4 }, "shard is at 4" },
		{ { .input_cursor = 7,
		    .output_cursor = 7,
		    .metadata =
		            "tw1 seq=0 origin=0 topic=T pin=-1 first=1 logic=5 untold=0 skipped=" },
		  "shard is at 5: start a newer build" },
		{ { .partitions = 4 }, "4 partitions" },
		{ { .partitions = -1 }, "partition count" },
		{ { .input_cursor = 8, .output_cursor = 7 }, "above K" },
		{ { .input_cursor = 3, .output_cursor = 7, .log_start = 4 }, "begins at 4" },
		{ { .input_cursor = -1, .output_cursor = 7, .log_start = 1 }, "begins at 1" },
		{ { .input_cursor = 3, .output_cursor = 7, .log_end = 6 }, "ends at 6" },
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		rig_assign(&rig, 0);
		assert_int_equal(rig_tick(&rig, 0), ASK_CLAIM);
		assert_int_equal(rig_claimed(&rig, 0, &cases[i].claim), ASK_CURSOR);
		assert_int_equal(rig_cursor(&rig, 0, &cases[i].claim), 0);
		assert_int_equal(s->state, SHARD_REFUSED);
		assert_non_null(strstr(s->words, cases[i].words));
		rig.now_ms = s->retry_ms;
		assert_int_equal(rig_tick(&rig, 0), ASK_CLAIM);
	}
}

static void without_a_whole_meta_it_is_rebuilt(void **state)
{
	(void)state;
	for (int torn = 0; torn < 2; torn++) {
		struct rig_claim c = { .input_cursor = torn ? 5 : -1,
			               .torn = torn,
			               .output_cursor = 2,
			               .output_number = 6,
			               .metadata = "tw1 seq=6 origin=1 topic=T pin=-1 "
			                           "first=2 logic=3 untold=0 skipped=" };
		rig_assign(&rig, 0);
		rig_tick(&rig, 0);
		rig_claimed(&rig, 0, &c);
		assert_int_equal(rig_cursor(&rig, 0, &c), ASK_WIPE);
		assert_int_equal(happened(HAPPENED_WIPED), ASK_START | ASK_DUE);
		assert_int_equal(s->standing.position, 1);
		assert_int_equal(s->standing.logic, 2);
		int64_t until;
		assert_false(shard_wants_records(s, &until));              /* R first */
		struct flush_call *call = shard_next_flush(s, rig.now_ms); /* at once */
		assert_non_null(call);
		assert_int_equal(call->flush.expect, -1);
		assert_int_equal(call->flush.meta.input_cursor, 1);
		assert_true(call->flush.meta.rebuilding);
		rig_flushed(&rig, 0, STORE_OK);
		assert_int_equal(s->input_cursor, 1);
		assert_true(shard_wants_records(s, &until));
	}
	assert_int_equal(rig.stats.rebuilds, 2);
}

static void the_pin_is_waited_for(void **state)
{
	(void)state;
	const struct rig_claim c = { .pin = 7 };
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	rig_claimed(&rig, 0, &c);
	assert_int_equal(rig_cursor(&rig, 0, &c), ASK_REFERENCE);
	assert_int_equal(rig_tick(&rig, 0), ASK_REFERENCE);
	reference_store_set_next(rig.reference, 8);
	assert_int_equal(rig_tick(&rig, 0), ASK_START | ASK_DUE);
}

/* ---- B1 to B3 ------------------------------------------------------------------ */

static void a_batch_is_loaded_folded_published_flushed(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	struct message m[] = { deposit(0, 5), deposit(1, 7) };
	assert_int_equal(rig_take(&rig, 0, m, 2, -1, true), ASK_LOAD);
	assert_int_equal(s->chunk.missing_count, 2); /* account and tally, each once */
	assert_null(rig_carry(&rig, 0));
	assert_int_equal(rig_load_nothing(&rig, 0), 0);
	assert_int_equal(s->standing.position, 2);
	assert_int_equal(rig.setting.queued_records, 2);
	struct batch *b = rig_carry(&rig, 0);
	assert_int_equal(b->after.position, 2);
	assert_int_equal(b->outgoing_count, 4); /* two events, a block, a block of sums */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(seq_of(&b->outgoing[i]), i + 1);
	assert_str(b->metadata,
	           "tw1 seq=4 origin=0 topic=T pin=-1 first=1 logic=1 untold=0 skipped=");
	assert_str(outgoing_header(&b->outgoing[1], "tw-src"), "in/0/1");
	assert_null(shard_next_flush(s, rig.now_ms + 1000)); /* nothing before the commit */
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
	assert_int_equal(s->output_cursor, 2);
	assert_int_equal(rig.setting.queued_records, 0);
	assert_null(shard_next_flush(s, rig.now_ms + 99));
	struct flush_call *call = shard_next_flush(s, rig.now_ms + 100);
	assert_int_equal(call->flush.expect, 0);
	assert_int_equal(call->flush.meta.input_cursor, 2);
	assert_false(call->flush.release);
	char key[40];
	snprintf(key, sizeof(key), "account:%s", who(0));
	assert_non_null(strstr(written(call, key, NULL).ptr, "\"balance\":12"));
	assert_str(written(call, "tally:a", "total"), "12");
	assert_str(written(call, "asof", "last"), who(0));
	assert_int_equal(call->flush.write_count, 3);
	rig_flushed(&rig, 0, STORE_OK);
	assert_int_equal(s->input_cursor, 2);
	assert_true(shard_is_quiet(s));
}

/* Blocks are numbered only when the batch is sealed; the next batch must go on behind them. */
/* contract: duties.envelope */
static void output_numbers_have_no_gap_and_no_double(void **state)
{
	(void)state;
	int64_t expected = 10, offset = 0;
	const struct rig_claim c = { .output_number = 10 };
	rig_run(&rig, 0, &c);
	rig.options.batch_records =
		2; /* some are sealed as full ones, some when they are carried */
	for (unsigned round = 0; round < 200; round++) {
		struct message m[3];
		unsigned n = (unsigned)rng_between(1, 3);
		for (unsigned i = 0; i < n; i++)
			m[i] = tiny_deposit(&rig.memory, offset++, who((unsigned)rng_below(3)),
			                    rng_between(0, 20));
		rig_fold(&rig, 0, m, n);
		if (!s->ready && rng_below(2))
			continue;
		struct batch *b = rig_carry(&rig, 0);
		assert_non_null(b);
		while (rng_below(3) == 0) {
			rig_published(&rig, 0, b, PUBLISH_ABORTED);
			assert_ptr_equal(rig_carry(&rig, 0), b); /* the same again */
		}
		for (unsigned i = 0; i < b->outgoing_count; i++)
			assert_int_equal(seq_of(&b->outgoing[i]), ++expected);
		assert_int_equal(b->output_number, expected);
		rig_published(&rig, 0, b, PUBLISH_COMMITTED);
		while (s->ready || s->settled_pairs > 20000) {
			b = rig_carry(&rig, 0);
			for (unsigned i = 0; i < b->outgoing_count; i++)
				assert_int_equal(seq_of(&b->outgoing[i]), ++expected);
			rig_published(&rig, 0, b, PUBLISH_COMMITTED);
		}
		if (rng_below(4) == 0)
			rig_flush(&rig, 0);
	}
}

static void below_K_outputs_are_dropped_and_values_settled(void **state)
{
	(void)state;
	const struct rig_claim c = { .input_cursor = 2, .output_cursor = 5, .output_number = 30 };
	int64_t until;
	rig_run(&rig, 0, &c);
	assert_true(shard_wants_records(s, &until));
	assert_int_equal(until, 5);
	struct message m[] = { deposit(2, 5), deposit(3, 13) };
	assert_int_equal(rig_take(&rig, 0, m, 2, 9, false), ASK_LOAD); /* 4 to 8: markers */
	assert_int_equal(rig_load_nothing(&rig, 0), 0);
	assert_int_equal(s->standing.position, 5); /* not beyond K */
	assert_null(s->open);
	assert_null(rig_carry(&rig, 0));
	assert_int_equal(rig.setting.queued_records, 0);
	assert_int_equal(rig.stats.outputs, 0);
	assert_true(shard_wants_records(s, &until));
	assert_true(until == INT64_MAX);
	fold_one(deposit(9, 1));
	struct batch *b = rig_carry(&rig, 0);
	assert_int_equal(b->from, 5);
	assert_int_equal(seq_of(&b->outgoing[0]), 31);
	struct flush_call *call = shard_next_flush(s, rig.now_ms + 1000);
	assert_int_equal(call->flush.meta.input_cursor, 5); /* never beyond K */
	assert_false(call->flush.meta.rebuilding);
	assert_str(written(call, "tally:a", "total"), "5");
	rig_flushed(&rig, 0, STORE_OK);
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
}

static void markers_alone_move_K_and_R(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	assert_int_equal(rig_take(&rig, 0, NULL, 0, -1, false), 0); /* nothing is known */
	assert_null(s->open);
	assert_int_equal(rig_take(&rig, 0, NULL, 0, 4, true), 0);
	assert_null(shard_next_batch(s, false, rig.now_ms + 199));
	struct batch *b = shard_next_batch(s, false, rig.now_ms + 200);
	assert_non_null(b);
	assert_true(batch_is_bare(b));
	b->carried = true;
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
	assert_int_equal(s->output_cursor, 4);
	assert_int_equal(s->metadata.output_number, 0);
	rig_flush(&rig, 0);
	assert_int_equal(s->input_cursor, 4);
}

/* Sums go out now and then, and R never passes what is told. */
static void sums_are_told_later(void **state)
{
	(void)state;
	rig.options.tell_interval_ms = 50;
	rig_run(&rig, 0, &fresh);
	rig.now_ms = s->sums.told_ms + 10;
	fold_one(deposit(0, 5));
	struct batch *b = rig_carry(&rig, 0);
	assert_int_equal(b->outgoing_count, 2); /* the event and the block */
	assert_non_null(strstr(b->metadata.ptr, " untold=1 "));
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
	assert_int_equal(s->output_cursor, 1);
	assert_null(shard_next_flush(s, rig.now_ms + 1000));
	assert_false(shard_is_quiet(s));
	assert_null(rig_carry(&rig, 0));
	rig.now_ms += 40;
	b = rig_carry(&rig, 0); /* nothing came, so they go alone */
	assert_non_null(b);
	assert_int_equal(b->outgoing_count, 1);
	assert_int_equal(b->after.position, 1);
	assert_non_null(strstr(b->metadata.ptr, " untold=0 "));
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
	rig_flush(&rig, 0);
	assert_int_equal(s->input_cursor, 1);
	assert_true(shard_is_quiet(s));
}

/* What was folded below K and not told is added up again; what was told is not. */
static void untold_sums_are_added_up_again(void **state)
{
	(void)state;
	const struct rig_claim c = { .output_cursor = 2,
		                     .metadata = "tw1 seq=5 origin=0 topic=T pin=-1 first=1 "
		                                 "logic=1 untold=1 skipped=",
		                     .claimer = "other" };
	rig.options.tell_interval_ms = 50;
	rig_run(&rig, 0, &c);
	struct message m[] = { deposit(0, 5), deposit(1, 7) };
	rig_fold(&rig, 0, m, 2);
	assert_int_equal(s->standing.position, 2);
	assert_int_equal(s->sums.count, 1);
	assert_int_equal(s->covered, 0); /* one batch, of which a part is not told */
	rig.now_ms = s->sums.told_ms + 50;
	struct batch *b = rig_carry(&rig, 0);
	assert_int_equal(b->outgoing_count, 1);
	assert_non_null(strstr(b->outgoing[0].value.ptr, "\"amount\":7"));
	assert_int_equal(seq_of(&b->outgoing[0]), 6);
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
	rig_flush(&rig, 0);
	assert_int_equal(s->input_cursor, 2);
}

/* Sums can be told behind K only: until then neither a limit nor a drain waits for it. */
static void untold_sums_below_K_hold_up_nothing(void **state)
{
	(void)state;
	const unsigned very_many = 1U << 24;
	const struct rig_claim c = { .output_cursor = 3,
		                     .metadata = "tw1 seq=5 origin=0 topic=T pin=-1 first=1 "
		                                 "logic=1 untold=2 skipped=",
		                     .claimer = "other" };
	int64_t until;
	rig_run(&rig, 0, &c);
	fold_one(deposit(0, 5));
	rig_flush(&rig, 0); /* that was told */
	fold_one(deposit(1, 7));
	assert_int_equal(s->standing.position, 2);
	assert_non_null(s->settled);
	assert_true(shard_is_quiet(s));
	s->settled_pairs += very_many;
	assert_true(shard_wants_records(s, &until));
	s->settled_pairs -= very_many;
	fold_one(deposit(2, 7));
	assert_int_equal(s->standing.position, 3);
	assert_false(shard_is_quiet(s));
	s->settled_pairs += very_many;
	assert_false(shard_wants_records(s, &until));
	s->settled_pairs -= very_many;
}

/* R may lag behind K for what is not told yet; nothing is made anew then. */
static void what_is_not_told_is_no_rebuild(void **state)
{
	(void)state;
	rig.options.tell_interval_ms = 0;
	rig_run(&rig, 0, &fresh);
	for (int64_t offset = 0; offset < 2; offset++) {
		fold_one(deposit(offset, 5));
		rig_published(&rig, 0, rig_carry(&rig, 0), PUBLISH_COMMITTED);
		rig.options.tell_interval_ms = 1000000;
	}
	assert_int_equal(s->output_cursor, 2);
	rig.now_ms += 1000;
	struct flush_call *call = shard_next_flush(s, rig.now_ms);
	assert_non_null(call);
	assert_int_equal(call->flush.meta.input_cursor, 1);
	assert_false(call->flush.meta.rebuilding);
	rig_flushed(&rig, 0, STORE_OK);
}

static void a_load_is_compared_with_R(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	struct message m[] = { deposit(0, 5) };
	fold_one(m[0]);
	rig_commit(&rig, 0);
	m[0] = tiny_deposit(&rig.memory, 1, who(1), 5);
	assert_int_equal(rig_take(&rig, 0, m, 1, -1, false), ASK_LOAD);
	rig.now_ms += 1000;
	assert_non_null(shard_next_flush(s, rig.now_ms)); /* overtakes the load */
	assert_int_equal(rig_load(&rig, 0, STORE_REFUSED, NULL), ASK_LOAD);
	rig_flushed(&rig, 0, STORE_OK);
	assert_int_equal(rig_load(&rig, 0, STORE_REFUSED, NULL), ASK_LOAD); /* R moved since then */
	uint32_t epoch = s->epoch;
	assert_int_equal(rig_load(&rig, 0, STORE_REFUSED, NULL), 0); /* another writer */
	assert_int_equal(s->state, SHARD_WAITING);
	assert_true(s->epoch != epoch);
	assert_int_equal(rig_tick(&rig, 0), ASK_CLAIM);
}

/* A kept flush changed nothing, so a refused load means another writer, not one more load. */
static void a_kept_flush_is_no_excuse(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	rig_commit(&rig, 0);
	struct message m[] = { tiny_deposit(&rig.memory, 1, who(1), 5) };
	assert_int_equal(rig_take(&rig, 0, m, 1, -1, false), ASK_LOAD);
	rig.now_ms += 1000;
	assert_non_null(shard_next_flush(s, rig.now_ms));
	rig_flushed(&rig, 0, STORE_KEPT);
	assert_int_equal(s->state, SHARD_PAUSED);
	assert_int_equal(rig_load(&rig, 0, STORE_REFUSED, NULL), 0);
	assert_int_equal(s->state, SHARD_WAITING);
}

static void an_unreadable_entity_refuses_the_shard(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	struct message m[] = { deposit(0, 5) };
	assert_int_equal(rig_take(&rig, 0, m, 1, -1, false), ASK_LOAD);
	const struct loaded values[] = { { .exists = true, .value = STR("{\"balance\":\"x\"}") },
		                         { 0 } };
	assert_int_equal(rig_load(&rig, 0, STORE_OK, values), 0);
	assert_int_equal(s->state, SHARD_REFUSED);
	assert_int_equal(s->standing.position, 0);
}

/* ---- P and F --------------------------------------------------------------------- */

static void a_kept_flush_goes_again(void **state)
{
	(void)state;
	int64_t until;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	rig_commit(&rig, 0);
	fold_one(deposit(1, 5));
	rig.now_ms += 1000;
	struct flush_call *call = shard_next_flush(s, rig.now_ms);
	uint64_t ticket = call->flush.ticket;
	rig_flushed(&rig, 0, STORE_KEPT);
	assert_false(shard_wants_records(s, &until));
	rig_commit(&rig, 0); /* publishing goes on */
	assert_null(shard_next_flush(s, rig.now_ms));
	rig.now_ms += 100;
	assert_ptr_equal(shard_next_flush(s, rig.now_ms), call);
	assert_true(call->flush.ticket != ticket);
	assert_int_equal(call->flush.meta.input_cursor, 1);
	rig_flushed(&rig, 0, STORE_OK);
	assert_int_equal(s->state, SHARD_RUNNING);
	rig_flush(&rig, 0);
	assert_int_equal(s->input_cursor, 2);
}

static void a_refused_or_unanswered_flush_means_A1(void **state)
{
	(void)state;
	static const enum store_result results[] = { STORE_REFUSED, STORE_UNKNOWN };
	for (size_t i = 0; i < COUNT_OF(results); i++) {
		rig_run(&rig, 0, &fresh);
		fold_one(deposit(0, 5));
		rig_commit(&rig, 0);
		fold_one(deposit(1, 5)); /* folded, not committed: thrown away */
		rig.now_ms += 1000;
		assert_non_null(shard_next_flush(s, rig.now_ms));
		assert_int_equal(rig_flushed(&rig, 0, results[i]), 0);
		assert_int_equal(s->state, SHARD_WAITING);
		assert_int_equal(rig.setting.queued_records, 0);
		assert_int_equal(s->cache.cells.count, 0);
	}
}

/* A figure that became 0 in one batch and stayed 0 in the next: Redis must lose the field. */
static void a_removed_figure_survives_coalescing(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	rig_commit(&rig, 0);
	rig_flush(&rig, 0);
	fold_one(tiny_event(&rig.memory, 1, "withdraw", who(0), 5, 0)); /* total and count: 0 */
	rig_commit(&rig, 0);
	fold_one(deposit(2, 3));
	fold_one(deposit(3, 4));
	fold_one(tiny_event(&rig.memory, 4, "withdraw", who(0), 7, 0)); /* total 0, count 1 */
	rig_commit(&rig, 0);
	struct flush_call *call = shard_next_flush(s, rig.now_ms + 1000);
	assert_str(written(call, "tally:a", "total"), "(removed)");
	assert_str(written(call, "tally:a", "count"), "1");
	rig_flushed(&rig, 0, STORE_OK);
}

/* Redis forgets a hash without fields, so evicted or not, figures of 0 must look the same. */
/* contract: redis.sales */
static void figures_of_zero_do_not_exist(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	fold_one(deposit(1, 5));
	assert_true(tiny_seen.tally_existed);
	fold_one(tiny_event(&rig.memory, 2, "withdraw", who(0), 5, 0));
	fold_one(tiny_event(&rig.memory, 3, "withdraw", who(0), 5, 0));
	fold_one(deposit(4, 5));
	assert_false(tiny_seen.tally_existed);
	assert_true(tiny_seen.account_existed);
}

static void the_latest_value_of_many_batches_goes(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	for (int64_t i = 0; i < 5; i++) {
		fold_one(deposit(i, 1));
		rig_commit(&rig, 0);
	}
	struct flush_call *call = shard_next_flush(s, rig.now_ms + 1000);
	assert_int_equal(call->flush.write_count, 3);
	assert_str(written(call, "tally:a", "total"), "5");
	fold_one(deposit(5, 1));
	rig_commit(&rig, 0); /* joins while the flush is under way: stays dirty */
	rig_flushed(&rig, 0, STORE_OK);
	assert_int_equal(s->input_cursor, 5);
	call = shard_next_flush(s, rig.now_ms + 2000);
	assert_str(written(call, "tally:a", "total"), "6");
	rig_flushed(&rig, 0, STORE_OK);
}

static void an_unknown_outcome_means_A1(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	struct batch *b = rig_carry(&rig, 0);
	fold_one(deposit(1, 5));
	rig_published(&rig, 0, b, PUBLISH_UNKNOWN);
	assert_int_equal(s->state, SHARD_WAITING);
	assert_int_equal(rig.setting.queued_records, 0);
	assert_null(s->carried);
	const struct rig_claim committed = {
		.input_cursor = 0, .output_cursor = 1, .output_number = 3, .claimer = "old me"
	};
	rig_run(&rig, 0, &committed);
	fold_one(deposit(0, 5));
	fold_one(deposit(1, 5));
	b = rig_carry(&rig, 0);
	assert_int_equal(b->from, 1);
	assert_int_equal(seq_of(&b->outgoing[0]), 4);
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
}

static void an_idle_owner_compares_R(void **state)
{
	(void)state;
	const struct rig_claim c = { .input_cursor = 4, .output_cursor = 4 };
	rig_run(&rig, 0, &c);
	assert_int_equal(rig_tick(&rig, 0), 0);
	for (int64_t found = 4; found >= 3; found--) {
		rig.now_ms += 1000;
		assert_int_equal(rig_tick(&rig, 0), ASK_CHECK);
		struct happening *h = rig_happening(HAPPENED_CHECKED, 0, s->check_ticket);
		h->meta = (struct shard_meta){ .state = META_WHOLE, .input_cursor = found };
		rig_happened(&rig, h);
		assert_int_equal(s->state, found == 4 ? SHARD_RUNNING : SHARD_WAITING);
	}
}

/* ---- revoked, lost, given again ----------------------------------------------------- */

static unsigned take_back(void)
{
	return rig_happened(&rig, rig_happening(HAPPENED_REVOKED, 0, 0));
}

static void a_revoked_shard_leaves_nothing_to_repeat(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	struct batch *b = rig_carry(&rig, 0);
	fold_one(deposit(1, 5));
	assert_int_equal(take_back(), 0);
	assert_int_equal(rig.setting.queued_records, 1); /* the pipelined one is gone */
	assert_null(shard_next_flush(s, rig.now_ms));
	assert_int_equal(rig_tick(&rig, 0), 0);
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
	assert_null(rig_carry(&rig, 0));
	assert_int_equal(rig_tick(&rig, 0), 0);
	struct flush_call *call = shard_next_flush(s, rig.now_ms);
	assert_true(call->flush.release);
	assert_int_equal(call->flush.meta.input_cursor, 1);
	assert_int_equal(rig_tick(&rig, 0), 0);
	assert_int_equal(rig_flushed(&rig, 0, STORE_OK), ASK_UNASSIGN);
	assert_false(s->owned);
	assert_int_equal(rig.setting.queued_records, 0);
}

static void an_abort_does_not_hold_up_a_revoke(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	struct batch *b = rig_carry(&rig, 0);
	take_back();
	rig_published(&rig, 0, b, PUBLISH_ABORTED);
	assert_int_equal(rig.setting.queued_records, 0);
	struct flush_call *call = shard_next_flush(s, rig.now_ms);
	assert_non_null(call);
	assert_true(call->flush.release);
	assert_int_equal(call->flush.meta.input_cursor, 0);
	assert_int_equal(rig_flushed(&rig, 0, STORE_OK), ASK_UNASSIGN);
}

static void an_unknown_outcome_ends_a_revoke(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	struct batch *b = rig_carry(&rig, 0);
	take_back();
	assert_int_equal(rig_published(&rig, 0, b, PUBLISH_UNKNOWN), ASK_UNASSIGN);
	assert_false(s->owned);
	assert_int_equal(rig.setting.queued_records, 0);
}

/* `released` says that no transaction of ours is left: not before it ended. */
static void released_waits_for_the_transaction(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	rig_commit(&rig, 0);
	fold_one(deposit(1, 5));
	struct batch *b = rig_carry(&rig, 0);
	rig.now_ms += 1000;
	assert_non_null(shard_next_flush(s, rig.now_ms));
	rig_flushed(&rig, 0, STORE_KEPT);
	take_back();
	rig.now_ms += 100;
	struct flush_call *call = shard_next_flush(s, rig.now_ms);
	assert_non_null(call);
	assert_false(call->flush.release);
	assert_int_equal(rig_flushed(&rig, 0, STORE_OK), 0);
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
	call = shard_next_flush(s, rig.now_ms);
	assert_true(call->flush.release);
	/* Kept again: it is tried until the time for it is over. */
	assert_int_equal(rig_flushed(&rig, 0, STORE_KEPT), 0);
	assert_int_equal(rig_tick(&rig, 0), 0);
	assert_true(s->owned);
	rig.now_ms += 100;
	assert_ptr_equal(shard_next_flush(s, rig.now_ms), call);
	assert_int_equal(rig_flushed(&rig, 0, STORE_KEPT), 0);
	rig.now_ms += 2000;
	assert_int_equal(rig_tick(&rig, 0), ASK_UNASSIGN);
}

static void a_late_check_does_not_undo_a_revoke(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	rig.now_ms += 1000;
	assert_int_equal(rig_tick(&rig, 0), ASK_CHECK);
	uint64_t ticket = s->check_ticket;
	take_back();
	take_back(); /* said twice */
	struct happening *h = rig_happening(HAPPENED_CHECKED, 0, ticket);
	h->meta = (struct shard_meta){ .state = META_WHOLE, .input_cursor = 77 };
	rig_happened(&rig, h);
	assert_int_equal(s->state, SHARD_STOPPING);
	assert_non_null(shard_next_flush(s, rig.now_ms));
	assert_int_equal(rig_flushed(&rig, 0, STORE_REFUSED), ASK_UNASSIGN);
}

static void a_revoke_while_claiming_undoes_the_claim(void **state)
{
	(void)state;
	rig_assign(&rig, 0);
	assert_int_equal(take_back(), ASK_UNASSIGN); /* nothing was claimed */
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	rig_claimed(&rig, 0, &fresh);
	assert_int_equal(take_back(), ASK_UNCLAIM | ASK_UNASSIGN);
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	rig_claimed(&rig, 0, &fresh);
	assert_int_equal(rig_happened(&rig, rig_happening(HAPPENED_LOST, 0, 0)), ASK_UNASSIGN);
}

/* Its answer comes late: who was there before is put back, to be ended by the next owner. */
static void a_claim_that_is_revoked_under_way_is_undone(void **state)
{
	(void)state;
	struct happening *h;
	uint64_t ticket;
	rig_assign(&rig, 0);
	assert_int_equal(rig_tick(&rig, 0), ASK_CLAIM);
	ticket = s->ticket;
	assert_int_equal(take_back(), ASK_UNASSIGN);
	for (int late = 0; late < 2; late++) {
		h = rig_happening(HAPPENED_CLAIMED, 0, ticket);
		h->meta = (struct shard_meta){ .state = META_WHOLE, .claimer = "other" };
		assert_int_equal(rig_happened(&rig, h), late ? 0 : ASK_UNCLAIM);
	}
	assert_string_equal(s->unfenced, "other");
	assert_false(s->owned);
}

/* Lost with a transaction, a flush and a load under way, and given again at once. */
static void lost_and_given_again_at_once(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	rig_commit(&rig, 0);
	fold_one(deposit(1, 5));
	struct batch *b = rig_carry(&rig, 0);
	rig.now_ms += 1000;
	struct flush_call *call = shard_next_flush(s, rig.now_ms);
	struct message m[] = { tiny_deposit(&rig.memory, 2, who(1), 5) };
	assert_int_equal(rig_take(&rig, 0, m, 1, -1, false), ASK_LOAD);
	uint64_t load = s->load_ticket;
	assert_int_equal(rig_happened(&rig, rig_happening(HAPPENED_LOST, 0, 0)), ASK_UNASSIGN);
	assert_true(call->orphan);
	assert_true(b->epoch != s->epoch);
	assert_int_equal(rig_assign(&rig, 0), 0);
	assert_int_equal(rig_tick(&rig, 0), 0); /* A1 waits for the own transaction */
	struct happening *h = rig_happening(HAPPENED_LOADED, 0, load);
	h->load.result = STORE_REFUSED;
	assert_int_equal(rig_happened(&rig, h), 0);
	flush_call_free(call);
	rig_published(&rig, 0, b, PUBLISH_COMMITTED); /* frees it, K is read anyway */
	assert_int_equal(rig.setting.queued_records, 0);
	const struct rig_claim c = { .input_cursor = 1, .output_cursor = 2, .output_number = 6 };
	rig_run(&rig, 0, &c);
	fold_one(deposit(1, 5));
	assert_int_equal(s->standing.position, 2);
}

static void a_log_that_cannot_be_read_refuses(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 5));
	struct batch *b = rig_carry(&rig, 0);
	assert_int_equal(happened(HAPPENED_TROUBLE), 0);
	assert_int_equal(s->state, SHARD_REFUSED);
	rig.now_ms += 5000;
	assert_int_equal(rig_tick(&rig, 0), 0); /* the transaction first */
	rig_published(&rig, 0, b, PUBLISH_ABORTED);
	assert_int_equal(rig_tick(&rig, 0), ASK_CLAIM);
}

/* ---- control records -------------------------------------------------------------------- */

static struct message pin_marker(int64_t offset, int64_t pin)
{
	char data[40];
	snprintf(data, sizeof(data), "'pin':%lld", (long long)pin);
	return tiny_control(&rig.memory, offset, "tallyworks.reference.advanced", data);
}

static int64_t publish_reference(void)
{
	struct message m = tiny_control(&rig.memory, reference_store_next(rig.reference),
	                                "tallyworks.reference.ended", "'records':0");
	m.headers = NULL;
	m.header_count = 0;
	reference_store_add(rig.reference, &m);
	return m.offset;
}

/* contract: reference.marker */
static void a_marker_stops_the_fold_until_its_pin_is_read(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	struct message m[] = { deposit(0, 1), pin_marker(1, 0), deposit(2, 1) };
	assert_int_equal(rig_take(&rig, 0, m, 3, -1, false), ASK_LOAD);
	assert_int_equal(rig_load_nothing(&rig, 0), ASK_REFERENCE);
	assert_int_equal(s->standing.position, 1);
	rig_commit(&rig, 0); /* what lies before it goes out */
	assert_int_equal(rig_tick(&rig, 0), ASK_REFERENCE);
	assert_int_equal(publish_reference(), 0);
	assert_int_equal(rig_tick(&rig, 0), 0);
	assert_int_equal(s->standing.position, 3);
	assert_int_equal(tiny_seen.pin, 0);
	assert_int_equal(rig_carry(&rig, 0)->after.pin, 0);
	rig_published(&rig, 0, s->carried, PUBLISH_COMMITTED);
}

/* That time passed proves nothing (the reference topic may be out of reach): the topic must have
 * been read to its end after the marker was seen. */
static void a_forged_pin_is_passed_over_only_on_evidence(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	struct message m = pin_marker(0, 50);
	assert_int_equal(rig_take(&rig, 0, &m, 1, -1, false), ASK_REFERENCE);
	rig.now_ms += 100000;
	assert_int_equal(rig_tick(&rig, 0) & ASK_REFERENCE, ASK_REFERENCE);
	assert_int_equal(s->standing.position, 0);
	rig.setting.reference_end_ms = rig.now_ms;
	rig_tick(&rig, 0);
	assert_int_equal(s->standing.position, 1);
	assert_int_equal(s->standing.pin, -1);
	m = pin_marker(1, -1); /* stale */
	fold_one(m);
	publish_reference();
	m = pin_marker(2, 0);
	fold_one(m);
	assert_int_equal(s->standing.pin, 0);
}

static void logic_moves_by_order_only(void **state)
{
	(void)state;
	static const struct {
		const char *data;
		uint32_t after;
	} orders[] = { { "'worker':'other','version':2", 1 },
		       { "'worker':'tiny','version':2", 2 },
		       { "'worker':'tiny','version':1", 2 } };
	rig_run(&rig, 0, &fresh);
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		fold_one(tiny_control(&rig.memory, (int64_t)i, "tallyworks.logic.advanced",
		                      orders[i].data));
		assert_int_equal(s->standing.logic, orders[i].after);
	}
	fold_one(deposit(3, 1));
	assert_int_equal(tiny_seen.logic, 2);
	rig_commit(&rig, 0);
	assert_int_equal(s->metadata.logic, 2);
	struct flush_call *call = shard_next_flush(s, rig.now_ms + 1000);
	assert_int_equal(call->flush.meta.logic_version, 2);
	rig_flushed(&rig, 0, STORE_OK);
}

/* What lies before the order goes out first, so that the newer build begins at it. */
static void an_order_beyond_the_build_refuses(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	struct message m[] = { deposit(0, 1),
		               tiny_control(&rig.memory, 1, "tallyworks.logic.advanced",
		                            "'worker':'tiny','version':9"),
		               deposit(2, 1) };
	assert_int_equal(rig_take(&rig, 0, m, 3, -1, false), ASK_LOAD);
	assert_int_equal(rig_load_nothing(&rig, 0), 0);
	assert_int_equal(s->standing.position, 1);
	assert_int_equal(rig_tick(&rig, 0), 0);
	assert_int_equal(s->state, SHARD_RUNNING);
	rig_commit(&rig, 0);
	rig_flush(&rig, 0);
	assert_int_equal(s->input_cursor, 1);
	rig_tick(&rig, 0);
	assert_int_equal(s->state, SHARD_REFUSED);
	assert_non_null(strstr(s->words, "logic version 9 is ordered at 1"));
	assert_non_null(strstr(s->words, "newer build"));
	assert_int_equal(s->standing.logic, 1);
	/* And again, at R = K. */
	const struct rig_claim c = { .input_cursor = 1, .output_cursor = 1 };
	rig.now_ms = s->retry_ms;
	rig_run(&rig, 0, &c);
	assert_int_equal(rig_take(&rig, 0, &m[1], 1, -1, false), 0);
	rig_tick(&rig, 0);
	assert_int_equal(s->state, SHARD_REFUSED);
}

/* ---- trials ------------------------------------------------------------------------------ */

static unsigned tried(int64_t from, int64_t until)
{
	assert_true(s->trial.asked.from == from && s->trial.asked.until == until);
	struct happening *h = rig_happening(HAPPENED_TRIED, 0, s->trial.ticket);
	h->meta.trying = s->trial.asked;
	return rig_happened(&rig, h);
}

static bool wants(int64_t *until)
{
	*until = 0;
	return shard_wants_records(s, until);
}

static void a_clean_end_costs_nothing(void **state)
{
	(void)state;
	const struct rig_claim c = { .claimer = "other", .released = true, .log_end = 40 };
	int64_t until;
	rig_run(&rig, 0, &c);
	assert_int_equal(rig_tick(&rig, 0), 0);
	assert_true(wants(&until));
	assert_true(until == INT64_MAX);
}

/* Written first, folded, taken back, committed; then the next step; then full speed. */
static void after_a_death_it_goes_in_steps(void **state)
{
	(void)state;
	const struct rig_claim c = { .claimer = "other", .died = true, .log_end = 32 };
	int64_t until;
	rig_run(&rig, 0, &c);
	assert_false(wants(&until));
	assert_int_equal(rig_tick(&rig, 0), ASK_TRY);
	assert_false(wants(&until));
	assert_int_equal(tried(0, 2), 0);
	assert_true(wants(&until));
	assert_int_equal(until, 2);
	struct message m[] = { deposit(0, 1), deposit(1, 1) };
	rig_fold(&rig, 0, m, 2);
	assert_false(wants(&until));
	assert_int_equal(rig_tick(&rig, 0), ASK_TRY);
	assert_int_equal(tried(0, 0), 0);
	assert_int_equal(rig_tick(&rig, 0), 0);
	rig_commit(&rig, 0);
	assert_int_equal(rig_tick(&rig, 0), ASK_TRY);
	assert_int_equal(tried(2, 4), 0);
	/* The end of the log: what is left cannot have been read by the dead one. */
	assert_int_equal(rig_take(&rig, 0, NULL, 0, 3, true), 0);
	assert_int_equal(rig_tick(&rig, 0), ASK_TRY);
	assert_int_equal(tried(0, 0), 0);
	rig_commit(&rig, 0);
	assert_int_equal(rig_tick(&rig, 0), 0);
	assert_true(wants(&until));
	assert_true(until == INT64_MAX);
	assert_null(rig.setting.trying);
}

static void below_K_nothing_is_tried(void **state)
{
	(void)state;
	const struct rig_claim c = {
		.input_cursor = 3, .output_cursor = 5, .claimer = "other", .died = true
	};
	int64_t until;
	rig_run(&rig, 0, &c);
	assert_int_equal(rig_tick(&rig, 0), 0);
	assert_true(wants(&until));
	assert_int_equal(until, 5);
	struct message m[] = { deposit(3, 1), deposit(4, 1) };
	rig_fold(&rig, 0, m, 2);
	assert_int_equal(rig_tick(&rig, 0), ASK_TRY);
	tried(5, 5 + LIMIT_DANGER_OFFSETS / 16);
	assert_int_equal(s->trial.danger.until, 5 + LIMIT_DANGER_OFFSETS);
}

/* The step of the last death alone is in danger, and alone it becomes poison at the third. */
static void deaths_narrow_it_down_to_poison(void **state)
{
	(void)state;
	struct rig_claim c = {
		.input_cursor = 5, .output_cursor = 5, .tried = { 6, 8 }, .tries = 1
	};
	rig_run(&rig, 0, &c);
	rig_tick(&rig, 0);
	tried(5, 6);
	fold_one(deposit(5, 1));
	rig_tick(&rig, 0);
	tried(0, 0);
	rig_commit(&rig, 0);
	rig_tick(&rig, 0);
	tried(6, 7);
	assert_int_equal(s->metadata.skipped_count, 0);
	c = (struct rig_claim){
		.input_cursor = 6, .output_cursor = 6, .tried = { 6, 7 }, .tries = 2, .died = true
	};
	rig_assign(&rig, 0);
	rig_run(&rig, 0, &c);
	assert_int_equal(s->metadata.skipped_count, 0);
	c.tries = 3;
	rig_assign(&rig, 0);
	rig_run(&rig, 0, &c);
	assert_int_equal(s->metadata.skipped_count, 1);
	unsigned folds = tiny_seen.folds;
	rig_tick(&rig, 0);
	tried(6, 7);
	fold_one(deposit(6, 1));
	assert_int_equal(tiny_seen.folds, folds);
	rig_tick(&rig, 0);
	tried(0, 0);
	struct batch *b = rig_carry(&rig, 0);
	assert_non_null(strstr(b->metadata.ptr, "skipped=6"));
	assert_int_equal(b->outgoing_count, 1);
	assert_true(str_eq_c(outgoing_header(&b->outgoing[0], "tw-reason"), "poison"));
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
	rig_tick(&rig, 0);
	fold_one(deposit(7, 1));
	assert_int_equal(tiny_seen.folds, folds + 1);
	/* Passed: the same deaths mean nothing any more. */
	c.output_cursor = 8;
	c.skipped = "6";
	rig_assign(&rig, 0);
	rig_run(&rig, 0, &c);
	assert_int_equal(s->metadata.skipped_count, 1);
}

static void too_much_poison_refuses(void **state)
{
	(void)state;
	const struct rig_claim c = { .input_cursor = 20,
		                     .output_cursor = 20,
		                     .skipped = "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
		                     .tried = { 20, 21 },
		                     .tries = 3 };
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	rig_claimed(&rig, 0, &c);
	assert_int_equal(rig_cursor(&rig, 0, &c), 0);
	assert_int_equal(s->state, SHARD_REFUSED);
	assert_non_null(strstr(s->words, "record at 20 kills"));
}

static void shards_try_one_after_the_other(void **state)
{
	(void)state;
	const struct rig_claim c = { .claimer = "other", .died = true, .log_end = 1 };
	int64_t until;
	rig_run(&rig, 0, &c);
	rig_run(&rig, 1, &c);
	assert_int_equal(rig_tick(&rig, 0), ASK_TRY);
	assert_int_equal(rig_tick(&rig, 1), 0);
	assert_false(shard_wants_records(&rig.shards[1], &until));
	tried(0, 1);
	assert_int_equal(rig_tick(&rig, 1), 0);
	/* A claim that is another's by now, and the shard that goes: the turn is free. */
	assert_int_equal(rig_happened(&rig, rig_happening(HAPPENED_LOST, 0, 0)),
	                 ASK_UNASSIGN | ASK_UNTRY);
	assert_int_equal(rig_tick(&rig, 1), ASK_TRY);
	struct happening *h = rig_happening(HAPPENED_TRIED, 1, rig.shards[1].trial.ticket);
	rig_happened(&rig, h); /* nothing was written */
	assert_int_equal(rig.shards[1].state, SHARD_WAITING);
	assert_null(rig.setting.trying);
}

/* ---- timers ------------------------------------------------------------------------------ */

static struct message with_due(int64_t offset, unsigned nth, int64_t due_ms)
{
	return tiny_event(&rig.memory, offset, "deposit", who(nth), 1, due_ms);
}

static void take_end(int64_t next)
{
	assert_int_equal(rig_take(&rig, 0, NULL, 0, next, true), 0);
}

static void a_due_timer_is_appended_once_and_folded_once(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(with_due(0, 0, 900));
	assert_int_equal(rig_tick(&rig, 0), 0);
	rig_commit(&rig, 0);
	assert_int_equal(rig_tick(&rig, 0), 0); /* not at the end yet */
	take_end(1);
	rig.wall_ms = 899;
	assert_int_equal(rig_tick(&rig, 0), 0);
	rig.wall_ms = 900;
	assert_int_equal(rig_tick(&rig, 0), ASK_APPEND);
	timers_pop(&s->timers); /* as the process does */
	assert_int_equal(rig_tick(&rig, 0), 0);
	rig_happened(&rig, rig_happening(HAPPENED_APPENDED, 0, s->append_ticket));
	assert_int_equal(rig_tick(&rig, 0), 0);
	fold_one(tiny_timer(&rig.memory, 1, who(0), 900));
	assert_int_equal(tiny_seen.timers, 1);
	fold_one(tiny_timer(&rig.memory, 2, who(0), 900)); /* repeated */
	assert_int_equal(tiny_seen.timers, 1);
	rig_commit(&rig, 0);
	struct flush_call *call = shard_next_flush(s, rig.now_ms + 1000);
	char member[40];
	snprintf(member, sizeof(member), "account/%s", who(0));
	assert_str(written(call, "due:in:0", member), "(removed)");
	rig_flushed(&rig, 0, STORE_OK);
}

static void forged_timers_change_nothing(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(deposit(0, 1));
	fold_one(tiny_timer(&rig.memory, 1, who(0), 0)); /* an account that waits for nothing */
	fold_one(tiny_timer(&rig.memory, 2, who(1), 0)); /* no account at all */
	fold_one(tiny_timer(&rig.memory, 3, who(0), 5));
	/* The account of another shard: its state is not even looked at. */
	struct message m = tiny_timer(&rig.memory, 4, tiny_account(0, 1, 3), 900);
	assert_int_equal(rig_take(&rig, 0, &m, 1, -1, false), 0);
	m = tiny_control(&rig.memory, 5, "tallyworks.timer.due",
	                 "'kind':'nobody','id':'x',"
	                 "'due':'1970-01-01T00:00:00.009Z'");
	assert_int_equal(rig_take(&rig, 0, &m, 1, -1, false), 0);
	m = tiny_control(&rig.memory, 6, "tallyworks.nonsense", "");
	assert_int_equal(rig_take(&rig, 0, &m, 1, -1, false), 0);
	m.value = STR("{"); /* nobody's, so it is refused */
	m.offset = 7;
	assert_int_equal(rig_take(&rig, 0, &m, 1, -1, false), 0);
	assert_int_equal(tiny_seen.timers, 0);
	assert_int_equal(s->standing.position, 8);
	assert_int_equal(rig_carry(&rig, 0)->outgoing_count, 4);
	rig_published(&rig, 0, s->carried, PUBLISH_COMMITTED);
}

/* The broker's clock decides; where it is behind ours the timer must not be lost. */
static void a_timer_before_the_brokers_time_comes_again(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	fold_one(with_due(0, 0, 1500));
	rig_commit(&rig, 0);
	timers_pop(&s->timers);
	fold_one(tiny_timer(&rig.memory, 1, who(0), 1500)); /* broker time 1001 */
	assert_int_equal(tiny_seen.timers, 0);
	take_end(2);
	assert_int_equal(rig_tick(&rig, 0), 0); /* not in a loop */
	rig.now_ms += TIMER_RETRY_MS;
	assert_int_equal(rig_tick(&rig, 0) & ASK_APPEND, ASK_APPEND);
}

/* Timers set between R and K, and those committed before the index was read, count too. */
static void no_timer_is_forgotten_at_a_claim(void **state)
{
	(void)state;
	const struct rig_claim c = { .output_cursor = 1 };
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	rig_claimed(&rig, 0, &c);
	assert_int_equal(rig_cursor(&rig, 0, &c), ASK_START | ASK_DUE);
	fold_one(with_due(0, 0, 900)); /* below K */
	fold_one(with_due(1, 1, 901)); /* above */
	rig_commit(&rig, 0);
	const struct due_entry known[] = { { STR_INIT("account/x"), 899 } };
	rig_due(&rig, 0, known, 1);
	assert_int_equal(s->timers.count, 3);
	assert_int_equal(timers_first(&s->timers)->due_ms, 899);
}

/* Entries of another's R may ring too early or be missing. */
static void the_index_is_compared_with_R(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	rig.now_ms += 2000;
	s->due_wanted = true;
	assert_int_equal(rig_tick(&rig, 0) & ASK_DUE, ASK_DUE);
	struct happening *h = rig_happening(HAPPENED_DUE, 0, s->due_ticket);
	h->due.cursor = 7;
	rig_happened(&rig, h);
	assert_int_equal(s->state, SHARD_WAITING);
	rig_run(&rig, 0, &fresh);
	rig.now_ms += 2000;
	s->due_wanted = true;
	assert_int_equal(rig_tick(&rig, 0) & ASK_DUE, ASK_DUE);
	h = rig_happening(HAPPENED_DUE, 0, s->due_ticket);
	h->due.cursor = 0;
	fold_one(deposit(0, 1));
	rig_commit(&rig, 0);
	rig_flush(&rig, 0); /* our own flush was faster: once more */
	rig_happened(&rig, h);
	assert_int_equal(s->state, SHARD_RUNNING);
	assert_true(s->due_wanted);
}

static void an_index_that_could_not_be_read_is_read_again(void **state)
{
	(void)state;
	rig_assign(&rig, 0);
	rig_tick(&rig, 0);
	rig_claimed(&rig, 0, &fresh);
	rig_cursor(&rig, 0, &fresh);
	assert_int_equal(failed(HAPPENED_DUE, s->due_ticket), 0);
	assert_int_equal(rig_tick(&rig, 0), 0);
	rig.now_ms += 1000;
	assert_int_equal(rig_tick(&rig, 0) & ASK_DUE, ASK_DUE);
	assert_int_equal(rig_tick(&rig, 0) & ASK_DUE, 0);
}

/* More timers than are read at once: the rest follows when those are used up. */
static void the_rest_of_a_long_index_follows(void **state)
{
	(void)state;
	static struct due_entry known[TIMERS_READ];
	rig_run(&rig, 0, &fresh);
	for (unsigned i = 0; i < TIMERS_READ; i++)
		known[i] = (struct due_entry){ STR("account/x"), 100 + i };
	s->due_ticket = 99999;
	rig_due(&rig, 0, known, TIMERS_READ);
	fold_one(with_due(0, 0, 3000)); /* beyond what was read: stays in Redis */
	rig_commit(&rig, 0);
	assert_int_equal(s->timers.count, TIMERS_READ);
	rig.now_ms += 1000;
	rig.wall_ms = 1100;
	assert_int_equal(rig_tick(&rig, 0) & ASK_DUE, 0);
	while (timers_first(&s->timers) && timers_first(&s->timers)->due_ms <= 1100)
		timers_pop(&s->timers);
	rig.wall_ms = 4000;
	while (timers_first(&s->timers))
		timers_pop(&s->timers);
	assert_int_equal(rig_tick(&rig, 0) & ASK_DUE, 0); /* the one left out is not in Redis yet */
	rig_flush(&rig, 0);
	assert_int_equal(rig_tick(&rig, 0) & ASK_DUE, ASK_DUE);
	const struct due_entry rest[] = { { STR_INIT("account/y"), 3000 } };
	rig_due(&rig, 0, rest, 1);
	assert_int_equal(s->timers.count, 1);
	assert_true(s->timers.horizon_ms == INT64_MAX);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void bad_records_go_to_the_dlq_and_the_batch_goes_on(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	struct message m[] = { deposit(0, 13),
		               deposit(1, 1),
		               deposit(2, 1),
		               deposit(3, 1),
		               tiny_deposit(&rig.memory, 4, tiny_account(0, 1, 3), 1),
		               deposit(5, 0),
		               tiny_event(&rig.memory, 6, "unheard", who(0), 1, 0) };
	static const char *const reasons[] = { "over_refund", "not_json", "null_value",
		                               "wrong_partition", "unknown_type" };
	unsigned n = 0;
	m[1].value = STR("{");
	m[2].value = str_of(NULL, 0);
	rig_fold(&rig, 0, m, 7);
	struct batch *b = rig_carry(&rig, 0);
	for (unsigned i = 0; i < b->outgoing_count; i++) {
		if (b->outgoing[i].form != OUTGOING_DEAD_LETTER)
			continue;
		assert_str(outgoing_header(&b->outgoing[i], "tw-reason"), reasons[n++]);
		assert_str(b->outgoing[i].topic, "in.dlq");
	}
	assert_int_equal(n, 5);
	assert_int_equal(rig.stats.applied, 1);
	assert_int_equal(rig.stats.skipped, 1);
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
}

/* contract: dlq.poison */
static void poison_is_refused_unread(void **state)
{
	(void)state;
	const struct rig_claim c = { .skipped = "1,2" };
	rig_run(&rig, 0, &c);
	struct message m[] = { deposit(0, 1), deposit(1, 1), pin_marker(2, 99), deposit(3, 1) };
	rig_fold(&rig, 0, m, 4);
	assert_int_equal(tiny_seen.folds, 2);
	assert_int_equal(rig.stats.rejected[REASON_POISON], 2);
	assert_int_equal(s->standing.position, 4);
	struct batch *b = rig_carry(&rig, 0);
	assert_non_null(strstr(b->metadata.ptr, "skipped=1,2"));
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
}

/* contract: dlq.entries */
static void an_entry_of_a_block_is_refused_alone(void **state)
{
	(void)state;
	rig_run(&rig, 0, &fresh);
	const char *accounts[] = { who(0), who(0), "", who(0) };
	const int64_t amounts[] = { 5, 13, 1, 7 };
	struct message m[] = { tiny_block(&rig.memory, 0, 4, accounts, amounts),
		               tiny_block(&rig.memory, 1, 0, NULL, NULL) };
	rig_fold(&rig, 0, m, 2);
	assert_int_equal(s->standing.position, 2);
	assert_int_equal(rig.setting.queued_records, s->open->records);
	struct batch *b = rig_carry(&rig, 0);
	unsigned n = 0;
	for (unsigned i = 0; i < b->outgoing_count; i++) {
		const struct outgoing *out = &b->outgoing[i];
		if (out->form != OUTGOING_DEAD_LETTER)
			continue;
		assert_true(out->value.len < 60); /* the entry, not the block */
		assert_str(outgoing_header(out, "tw-src"), "in/0/0");
		assert_str(outgoing_header(out, "tw-reason"), n++ ? "bad_field" : "over_refund");
	}
	assert_int_equal(n, 2);
	rig_published(&rig, 0, b, PUBLISH_COMMITTED);
	rig_flush(&rig, 0);
	assert_int_equal(s->input_cursor, 2);
}

static void poison_in_a_block_topic_goes_once(void **state)
{
	(void)state;
	const struct rig_claim c = { .skipped = "0" };
	rig_run(&rig, 0, &c);
	const char *accounts[] = { who(0), who(1) };
	const int64_t amounts[] = { 5, 6 };
	struct message m = tiny_block(&rig.memory, 0, 2, accounts, amounts);
	rig_fold(&rig, 0, &m, 1);
	assert_int_equal(rig.stats.rejected[REASON_POISON], 1);
	rig_commit(&rig, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define TB(f) cmocka_unit_test_setup_teardown(f, begin_blocks, end)

static const struct CMUnitTest tests[] = {
	T(a_claim_goes_step_by_step),
	T(nobody_is_fenced_needlessly),
	T(a_fence_that_failed_is_not_forgotten),
	T(late_answers_change_nothing),
	T(what_does_not_fit_is_refused_with_words),
	T(without_a_whole_meta_it_is_rebuilt),
	T(the_pin_is_waited_for),
	T(a_batch_is_loaded_folded_published_flushed),
	T(output_numbers_have_no_gap_and_no_double),
	T(below_K_outputs_are_dropped_and_values_settled),
	T(markers_alone_move_K_and_R),
	T(sums_are_told_later),
	T(untold_sums_are_added_up_again),
	T(untold_sums_below_K_hold_up_nothing),
	T(what_is_not_told_is_no_rebuild),
	T(a_load_is_compared_with_R),
	T(a_kept_flush_is_no_excuse),
	T(an_unreadable_entity_refuses_the_shard),
	T(a_kept_flush_goes_again),
	T(a_refused_or_unanswered_flush_means_A1),
	T(a_removed_figure_survives_coalescing),
	T(figures_of_zero_do_not_exist),
	T(the_latest_value_of_many_batches_goes),
	T(an_unknown_outcome_means_A1),
	T(an_idle_owner_compares_R),
	T(a_revoked_shard_leaves_nothing_to_repeat),
	T(an_abort_does_not_hold_up_a_revoke),
	T(an_unknown_outcome_ends_a_revoke),
	T(released_waits_for_the_transaction),
	T(a_late_check_does_not_undo_a_revoke),
	T(a_revoke_while_claiming_undoes_the_claim),
	T(a_claim_that_is_revoked_under_way_is_undone),
	T(lost_and_given_again_at_once),
	T(a_log_that_cannot_be_read_refuses),
	T(a_marker_stops_the_fold_until_its_pin_is_read),
	T(a_forged_pin_is_passed_over_only_on_evidence),
	T(logic_moves_by_order_only),
	T(an_order_beyond_the_build_refuses),
	T(a_clean_end_costs_nothing),
	T(after_a_death_it_goes_in_steps),
	T(below_K_nothing_is_tried),
	T(deaths_narrow_it_down_to_poison),
	T(too_much_poison_refuses),
	T(shards_try_one_after_the_other),
	T(the_index_is_compared_with_R),
	T(a_due_timer_is_appended_once_and_folded_once),
	T(forged_timers_change_nothing),
	T(a_timer_before_the_brokers_time_comes_again),
	T(no_timer_is_forgotten_at_a_claim),
	T(an_index_that_could_not_be_read_is_read_again),
	T(the_rest_of_a_long_index_follows),
	T(bad_records_go_to_the_dlq_and_the_batch_goes_on),
	T(poison_is_refused_unread),
	TB(an_entry_of_a_block_is_refused_alone),
	TB(poison_in_a_block_topic_goes_once),
};

TESTING_MAIN(tests)
