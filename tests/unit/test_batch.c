/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a batch say exactly what its events brought about: outputs in order and
 * numbered, rows added up, blocks cut, refusals whole, writes absolute? When it is
 * sealed nothing in it may point to the messages any more.
 */
#include "common/runtime/batch.h"

#include "common/base/hash.h"
#include "common/base/limits.h"
#include "tests/support/tiny_worker.h"
#include "tests/unit/testing.h"

const struct worker *const workers[] = { &tiny_worker, NULL };

static const struct target targets[] = { { &noted_output, STR_INIT("x.notes"), 4 },
	                                 { &moves_output, STR_INIT("x.moves"), 4 },
	                                 { &sums_output, STR_INIT("x.sums"), 4 } };
static size_t held_bytes;
static const struct batch_setting setting = { &tiny_worker,
	                                      STR_INIT("in"),
	                                      STR_INIT("in.dlq"),
	                                      STR_INIT("group"),
	                                      STR_INIT("/tallyworks/tiny"),
	                                      targets,
	                                      3,
	                                      &held_bytes };
static const struct standing before = { .position = 10 };

static struct sums sums;

static struct batch *new_batch(bool suppressed)
{
	struct batch *b = batch_new(&setting, 2, 1, &before, 5, suppressed, 0);
	sums_release(&sums);
	sums_init(&sums, 3);
	b->sums = &sums;
	b->after.position = 20;
	return b;
}

static void entry(struct batch *b, const struct output *output, const char *account, int64_t amount)
{
	struct event event = { .at = { .offset = 12 } };
	struct effects effects = { b, &event };
	char *text = strdup(account); /* dies at once */
	struct move move = { str_from_c(text), amount };
	if (output == &sums_output)
		effects_sum(&effects, output, move.account, &move);
	else
		effects_entry(&effects, output, move.account, &move);
	free(text);
}

static const struct outgoing *only(const struct batch *b, enum outgoing_form form)
{
	const struct outgoing *found = NULL;
	for (unsigned i = 0; i < b->outgoing_count; i++) {
		if (b->outgoing[i].form == form) {
			assert_null(found);
			found = &b->outgoing[i];
		}
	}
	assert_non_null(found);
	return found;
}

/* contract: duties.sums */
static void rows_are_added_up(void **state)
{
	(void)state;
	struct batch *b = new_batch(false);
	for (int64_t i = 1; i <= 10; i++)
		entry(b, &sums_output, "a-1", i);
	assert_int_equal(b->outgoing_count, 0);
	assert_int_equal(sums.count, 1);
	batch_tell(b);
	assert_int_equal(sums.count, 0);
	batch_seal(b);
	const struct outgoing *out = only(b, OUTGOING_BLOCK);
	assert_str(out->value, "[{\"account\":\"a-1\",\"amount\":55}]");
	assert_str(out->topic, "x.sums");
	assert_int_equal(out->partition, hash_partition(STR("a-1"), 4));
	assert_str(outgoing_header(out, "tw-seq"), "6");
	assert_str(outgoing_header(out, "tw-src"), "in/2/19"); /* the batch's last offset */
	assert_null(out->key.ptr);
	batch_free(b);
	batch_free(NULL);
}

/* Nothing is lost and nobody dies; whoever takes the rows judges them. */
static void a_row_that_would_overflow_begins_anew(void **state)
{
	(void)state;
	struct batch *b = new_batch(false);
	entry(b, &sums_output, "a-1", INT64_MAX - 1);
	for (int64_t i = 2; i <= 4; i++)
		entry(b, &sums_output, "a-1", i);
	assert_int_equal(sums.count, 2);
	batch_tell(b);
	batch_seal(b);
	assert_str(only(b, OUTGOING_BLOCK)->value,
	           "[{\"account\":\"a-1\",\"amount\":9},"
	           "{\"account\":\"a-1\",\"amount\":9223372036854775806}]");
	batch_free(b);
}

static void entries_lie_in_their_partitions_block_in_order(void **state)
{
	(void)state;
	struct batch *b = new_batch(false);
	unsigned count[4] = { 0 }, blocks = 0;
	for (int64_t i = 0; i < 500; i++) {
		char account[32];
		snprintf(account, sizeof(account), "a-%lld", (long long)i);
		count[hash_partition(str_from_c(account), 4)]++;
		entry(b, &moves_output, account, i + 1);
	}
	batch_seal(b);
	for (unsigned i = 0; i < b->outgoing_count; i++, blocks++) {
		int64_t last = 0;
		unsigned n = 0;
		struct str rest = b->outgoing[i].value;
		while (rest.ptr) {
			struct str part = str_split(&rest, '}');
			size_t at = part.len;
			while (at && part.ptr[at - 1] != ':')
				at--;
			int64_t amount;
			if (!str_to_i64(str_from(part, at), &amount))
				break;
			assert_true(amount > last);
			last = amount;
			n++;
		}
		assert_int_equal(n, count[b->outgoing[i].partition]);
	}
	assert_int_equal(blocks, 4);
	assert_int_equal(b->output_number, 9);
	batch_free(b);
}

static void a_block_is_cut_at_its_limit(void **state)
{
	(void)state;
	struct batch *b = new_batch(false);
	unsigned n = 40000, left = 0;
	for (unsigned i = 0; i < n; i++)
		entry(b, &moves_output, "an-account-with-a-long-name", 1000000 + i);
	batch_seal(b);
	assert_true(b->outgoing_count > 1);
	for (unsigned i = 0; i < b->outgoing_count; i++) {
		struct str value = b->outgoing[i].value;
		assert_true(value.len < LIMIT_BLOCK_BYTES + 200);
		assert_true(value.ptr[0] == '[' && value.ptr[value.len - 1] == ']');
		for (size_t c = 0; c < value.len; c++)
			left += value.ptr[c] == '{';
	}
	assert_int_equal(left, n);
	batch_free(b);
}

static void a_suppressed_batch_only_writes(void **state)
{
	(void)state;
	struct batch *b = new_batch(true);
	struct event event = { .at = { .offset = 12 } };
	struct effects effects = { b, &event };
	struct message m = { .offset = 12, .value = STR("x") };
	struct move move = { STR("a"), 1 };
	entry(b, &moves_output, "a", 1);
	entry(b, &sums_output, "a", 1);
	effects_emit(&effects, &noted_output,
	             &(struct emission){ .key = STR("a"), .id = STR("i"), .data = &move });
	batch_refuse(b, &(struct refused){ .message = &m, .value = m.value, .offset = 12 });
	effects_refuse_held(&effects, &(struct held_refusal){ .raw = STR("y") });
	effects_set(&effects, STR("k"), STR("v"));
	effects_set_score(&effects, STR("board"), STR("m"), 0);
	batch_seal(b);
	assert_int_equal(sums.count, 1); /* perhaps not told yet */
	assert_int_equal(b->outgoing_count, 0);
	assert_int_equal(b->output_number, 5);
	assert_int_equal(b->write_count, 2);
	assert_str(b->writes[0].write.pairs[0].value, "v");
	assert_true(b->writes[0].whole && !b->writes[1].whole);
	assert_null(b->writes[1].write.pairs[0].value.ptr); /* a score of 0 removes */
	batch_free(b);
}

static void a_refusal_carries_everything(void **state)
{
	(void)state;
	struct batch *b = new_batch(false);
	char *name = strdup("their-header"), *value = strdup("{bad");
	struct header theirs[] = { { str_from_c(name), { NULL, 0 } } };
	struct message m = { .offset = 15,
		             .key = STR("k"),
		             .value = str_from_c(value),
		             .headers = theirs,
		             .header_count = 1 };
	batch_refuse(b, &(struct refused){ .message = &m,
	                                   .value = m.value,
	                                   .offset = 15,
	                                   .reason = REASON_NOT_JSON,
	                                   .path = "/data/amount" });
	free(name);
	free(value);
	const struct outgoing *out = only(b, OUTGOING_DEAD_LETTER);
	static const char *const expected[][2] = {
		{ "tw-src", "in/2/15" },
		{ "tw-seq", "6" },
		{ "__dlq.errors.topic", "in" },
		{ "__dlq.errors.partition", "2" },
		{ "__dlq.errors.offset", "15" },
		{ "__dlq.errors.group", "group" },
		{ "kafka_dlt-original-topic", "in" },
		{ "tw-reason", "not_json" },
		{ "tw-path", "/data/amount" },
	};
	for (size_t i = 0; i < COUNT_OF(expected); i++)
		assert_str(outgoing_header(out, expected[i][0]), expected[i][1]);
	assert_str(out->value, "{bad");
	assert_str(out->key, "k");
	assert_int_equal(out->partition, 2);
	assert_null(outgoing_header(out, "tw-cut").ptr);
	assert_str(out->headers[2].name, "their-header");
	batch_free(b);
}

static void a_large_refusal_is_cut_and_says_so(void **state)
{
	(void)state;
	struct batch *b = new_batch(false);
	size_t len = LIMIT_DEAD_LETTER_BYTES + 1;
	char *large = calloc(1, len);
	struct message m = { .offset = 15, .value = str_of(large, len) };
	batch_refuse(b, &(struct refused){ .message = &m, .value = m.value, .offset = 15 });
	m.value = str_of(NULL, 0);
	batch_refuse(b, &(struct refused){ .message = &m, .value = m.value, .offset = 15 });
	free(large);
	assert_int_equal(b->outgoing[0].value.len, LIMIT_DEAD_LETTER_BYTES);
	assert_str(outgoing_header(&b->outgoing[0], "tw-cut"), "1900001");
	assert_null(b->outgoing[1].value.ptr);
	assert_null(b->outgoing[1].key.ptr);
	batch_free(b);
}

/* Compressed, a record can have more than a copy may hold. */
static void foreign_headers_and_key_have_a_limit(void **state)
{
	(void)state;
	struct batch *b = new_batch(false);
	size_t len = LIMIT_DEAD_LETTER_KEY_BYTES + 1;
	char *large = calloc(1, len);
	struct header theirs[LIMIT_DEAD_LETTER_HEADERS + 3];
	for (unsigned i = 0; i < COUNT_OF(theirs); i++)
		theirs[i] = (struct header){ STR("h"), STR("v") };
	theirs[1].value = str_of(large, LIMIT_DEAD_LETTER_HEADER_BYTES);
	struct message m = { .offset = 15,
		             .key = str_of(large, len),
		             .value = STR("v"),
		             .headers = theirs,
		             .header_count = COUNT_OF(theirs) };
	batch_refuse(b, &(struct refused){ .message = &m, .value = m.value, .offset = 15 });
	const struct outgoing *out = only(b, OUTGOING_DEAD_LETTER);
	assert_int_equal(out->key.len, LIMIT_DEAD_LETTER_KEY_BYTES);
	assert_str(outgoing_header(out, "tw-cut-key"), "65537");
	assert_str(outgoing_header(out, "tw-cut-headers"),
	           "3"); /* the large one and the last two */
	assert_null(outgoing_header(out, "tw-cut").ptr);
	batch_free(b);
	free(large);
}

/* Who redrives with a tool that copies everything sends the last copy's headers too. */
static void a_copy_of_a_copy_tells_of_the_last_refusal_only(void **state)
{
	(void)state;
	struct batch *b = new_batch(false);
	struct header theirs[] = { { STR("tw-src"), STR("old/0/1") },
		                   { STR("tw-reason"), STR("bad_money") },
		                   { STR("__dlq.errors.offset"), STR("1") },
		                   { STR("tw-cut"), STR("99") },
		                   { STR("tw-replays"), STR("2") } };
	struct message m = {
		.offset = 15, .value = STR("v"), .headers = theirs, .header_count = COUNT_OF(theirs)
	};
	batch_refuse(b, &(struct refused){ .message = &m,
	                                   .value = m.value,
	                                   .offset = 15,
	                                   .reason = REASON_NOT_JSON });
	const struct outgoing *out = only(b, OUTGOING_DEAD_LETTER);
	assert_str(outgoing_header(out, "tw-src"), "in/2/15");
	assert_str(outgoing_header(out, "tw-reason"), "not_json");
	assert_str(outgoing_header(out, "__dlq.errors.offset"), "15");
	assert_str(outgoing_header(out, "tw-replays"), "2");
	assert_null(outgoing_header(out, "tw-cut").ptr);
	assert_int_equal(out->header_count, 2 + 1 + 8);
	batch_free(b);
}

/* What waited goes with its headers, its own offset, and the offset that decided about it. */
static void a_held_refusal_is_whole_or_says_what_is_cut(void **state)
{
	(void)state;
	struct batch *b = new_batch(false);
	struct event event = { .at = { .topic = STR("in"), .partition = 2, .offset = 40 } };
	struct effects effects = { b, &event };
	struct header theirs[] = { { STR("ce_id"), STR("e1") } };
	effects_refuse_held(&effects, &(struct held_refusal){ .key = STR("o-1"),
	                                                      .raw = STR("{\"a"),
	                                                      .raw_bytes = 20000,
	                                                      .headers = theirs,
	                                                      .header_count = 1,
	                                                      .headers_cut = 2,
	                                                      .offset = 15,
	                                                      .reason = REASON_ORDER_MISSING });
	const struct outgoing *out = only(b, OUTGOING_DEAD_LETTER);
	assert_str(outgoing_header(out, "ce_id"), "e1");
	assert_str(outgoing_header(out, "__dlq.errors.offset"), "15");
	assert_str(outgoing_header(out, "tw-src"), "in/2/15");
	assert_str(outgoing_header(out, "tw-at"), "40");
	assert_str(outgoing_header(out, "tw-cut"), "20000");
	assert_str(outgoing_header(out, "tw-cut-headers"), "2");
	assert_str(out->key, "o-1");
	batch_free(b);
}

/* The record is encoded as it stands at the end, once, and the timer with it. */
static void entities_are_written_as_they_stand(void **state)
{
	(void)state;
	struct cache cache;
	cache_init(&cache, 100000);
	struct batch *b = new_batch(false);
	struct cell *account = cell_of(&cache, &account_entity, STR("a-1"));
	struct cell *tally = cell_of(&cache, &tally_entity, STR("a"));
	struct account *record = account->record;
	record->account = STR("a-1");
	for (record->balance = 1; record->balance < 4; record->balance++) {
		batch_changed(b, account);
		batch_changed(b, tally);
	}
	record->due_ms = 77;
	assert_true(account->listed);
	batch_seal(b);
	cache_release(&cache);
	assert_int_equal(b->write_count, 2); /* figures of 0 that Redis does not hold: nothing */
	assert_str(b->writes[0].write.key, "account:a-1");
	assert_str(b->writes[0].write.pairs[0].value,
	           "{\"account\":\"a-1\",\"balance\":4,\"due_ms\":77}");
	assert_int_equal(b->writes[1].write.kind, WRITE_SCORES);
	assert_str(b->writes[1].write.key, "due:in:2");
	assert_str(b->writes[1].write.pairs[0].name, "account/a-1");
	assert_str(b->writes[1].write.pairs[0].value, "77");
	assert_int_equal(b->due_count, 1);
	assert_false(batch_is_bare(b));
	batch_free(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(rows_are_added_up),
	cmocka_unit_test(a_row_that_would_overflow_begins_anew),
	cmocka_unit_test(entries_lie_in_their_partitions_block_in_order),
	cmocka_unit_test(a_block_is_cut_at_its_limit),
	cmocka_unit_test(a_suppressed_batch_only_writes),
	cmocka_unit_test(a_refusal_carries_everything),
	cmocka_unit_test(a_large_refusal_is_cut_and_says_so),
	cmocka_unit_test(foreign_headers_and_key_have_a_limit),
	cmocka_unit_test(a_copy_of_a_copy_tells_of_the_last_refusal_only),
	cmocka_unit_test(a_held_refusal_is_whole_or_says_what_is_cut),
	cmocka_unit_test(entities_are_written_as_they_stand),
};

TESTING_MAIN(tests)
