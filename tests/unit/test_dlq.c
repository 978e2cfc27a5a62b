/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a DLQ copy read as what it was made of, is the original put together again
 * without a trace of the copy, and does each record get the fate that the operator
 * was told of?
 */
#include "services/tallyctl/dlq.h"

#include "common/base/hash.h"
#include "common/base/timestamp.h"
#include "services/tallyctl/redrive.h"
#include "services/workers.h"
#include "tests/unit/with_arena.h"

#define VALUE                                                                     \
	"{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"/s\",\"type\":"       \
	"\"order.cancelled\",\"subject\":\"o-1\",\"data\":{\"order_id\":\"o-1\"," \
	"\"lines\":[{\"quantity\":\"2\"}]}}"

#define HEADER(name, value)                     \
	{                                       \
		STR_INIT(name), STR_INIT(value) \
	}

static struct header copied[] = {
	HEADER("tw-src", "x.orders/2/15"),
	HEADER("tw-seq", "6"),
	HEADER("content-type", "application/json"),
	HEADER("tw-replays", "2"),
	HEADER("ce_more", "theirs"),
	HEADER("__dlq.errors.topic", "x.orders"),
	HEADER("__dlq.errors.partition", "2"),
	HEADER("__dlq.errors.offset", "15"),
	HEADER("__dlq.errors.group", "tallyworks-orders"),
	HEADER("__dlq.errors.message", "words"),
	HEADER("kafka_dlt-original-topic", "x.orders"),
	HEADER("tw-reason", "wrong_key"),
	HEADER("tw-path", "/data/lines/0/quantity"),
};

static struct message copy_of(struct str key, struct str value)
{
	return (struct message){ .offset = 40,
		                 .broker_ms = 1000,
		                 .key = key,
		                 .value = value,
		                 .headers = copied,
		                 .header_count = COUNT_OF(copied) };
}

static void a_copy_is_read_whole(void **state)
{
	struct message m = copy_of(STR("k"), STR(VALUE));
	struct dead_letter letter;

	(void)state;
	assert_true(dead_letter_read(&m, &arena, &letter));
	assert_int_equal(letter.reason, REASON_WRONG_KEY);
	assert_str(letter.topic, "x.orders");
	assert_int_equal(letter.partition, 2);
	assert_int_equal(letter.source_offset, 15);
	assert_int_equal(letter.replays, 2);
	assert_false(letter.cut);
	assert_int_equal(letter.header_count, 2);
	assert_str(letter.headers[0].name, "content-type");
	assert_str(letter.headers[1].name, "ce_more");
	for (unsigned missing = 5; missing < 8; missing++) {
		struct str name = copied[missing].name;
		bool read;

		copied[missing].name = STR("other");
		read = dead_letter_read(&m, &arena, &letter);
		copied[missing].name = name;
		assert_false(read);
	}
}

static void what_was_cut_is_known(void **state)
{
	static const char *const names[] = { "tw-cut", "tw-cut-key", "tw-cut-headers" };
	struct message m = copy_of(STR("k"), STR(VALUE));

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		struct header before = copied[4];
		struct dead_letter letter;
		bool read;

		copied[4] = (struct header){ str_from_c(names[i]), STR("9") };
		read = dead_letter_read(&m, &arena, &letter);
		copied[4] = before;
		assert_true(read && letter.cut);
		assert_int_equal(letter.header_count, 1);
	}
}

static struct str own_key(const char *value)
{
	struct message m = copy_of(STR("k"), str_from_c(value));
	struct dead_letter letter;

	assert_true(dead_letter_read(&m, &arena, &letter));
	letter.header_count = 0; /* structured */
	return dead_letter_own_key(&letter, &orders_worker, &arena);
}

#define EVENT(subject, data)                                                \
	"{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"/s\",\"type\":" \
	"\"order.cancelled\"" subject ",\"data\":" data "}"

static void an_event_names_its_own_key(void **state)
{
	(void)state;
	assert_str(own_key(VALUE), "o-1");
	assert_str(own_key(EVENT("", "{\"order_id\":\"o-2\"}")), "o-2");
	assert_str(own_key(EVENT(",\"subject\":\"o-3\"", "{}")), "o-3");
	assert_null(own_key(EVENT(",\"subject\":\"o-3\"", "{\"order_id\":\"o-4\"}")).ptr);
	assert_null(own_key(EVENT("", "{\"order_id\":7}")).ptr);
	assert_null(own_key("no JSON").ptr);
}

static void expect_field(const char *path, const char *value, const char *field, const char *around)
{
	struct message m = copy_of(STR("k"), str_from_c(value));
	struct dead_letter letter;
	struct str found, place;

	assert_true(dead_letter_read(&m, &arena, &letter));
	letter.path = str_from_c(path);
	found = dead_letter_field(&letter, &arena, &place);
	if (field)
		assert_str(found, field);
	else
		assert_null(found.ptr);
	assert_str(place, around);
}

static void the_failing_field_is_found(void **state)
{
	(void)state;
	expect_field("/data/lines/0/quantity", VALUE, "\"2\"", "/data/lines/0/quantity");
	expect_field("/data/lines/0/price", VALUE, "{\"quantity\":\"2\"}", "/data/lines/0");
	expect_field("/data/lines/5/price", VALUE, "[{\"quantity\":\"2\"}]", "/data/lines");
	expect_field("/x", "{\"a\":1}", "{\"a\":1}", "");
	expect_field("/x", "no JSON", NULL, "");
	expect_field("ce_more", VALUE, "theirs", "ce_more"); /* a header */
	copied[4].name = STR("ce_specversion");
	expect_field("/data/a", "{\"a\":1}", "1", "/data/a"); /* binary: the value is the data */
	copied[4].name = STR("ce_more");
}

/* ---- the original --------------------------------------------------------- */

static struct outgoing original(struct message *m, const struct worker *worker, bool rekey)
{
	struct fleet fleet = { .worker = worker, .topic = "x.orders", .partitions = 64 };
	struct dead_letter letter;
	struct outgoing out;

	assert_true(dead_letter_read(m, &arena, &letter));
	letter.header_count = 1;
	dlq_original(&letter, &fleet, rekey, &arena, &out);
	return out;
}

static void the_original_goes_back_one_replay_older(void **state)
{
	struct message m = copy_of(STR("k"), STR(VALUE));
	struct outgoing out = original(&m, &orders_worker, false);

	(void)state;
	assert_str(out.topic, "x.orders");
	assert_str(out.key, "k");
	assert_str(out.value, VALUE);
	assert_int_equal(out.partition, hash_partition(STR("k"), 64));
	assert_int_equal(out.header_count, 2);
	assert_str(out.headers[0].name, "content-type");
	assert_str(out.headers[1].name, "tw-replays");
	assert_str(out.headers[1].value, "3");
	out = original(&m, &orders_worker, true);
	assert_str(out.key, "o-1");
	assert_int_equal(out.partition, hash_partition(STR("o-1"), 64));
	m.key = m.value = str_of(NULL, 0);
	out = original(&m, &orders_worker, false);
	assert_null(out.key.ptr);
	assert_null(out.value.ptr);
	assert_int_equal(out.partition, 2); /* where it came from */
}

static void an_entry_goes_back_as_a_block(void **state)
{
	struct message m = copy_of(STR("k"), STR("{\"a\":1}"));
	struct outgoing out = original(&m, &commissions_worker, false);

	(void)state;
	assert_str(out.value, "[{\"a\":1}]");
	assert_int_equal(out.partition, 2);
	m.value = STR("[{\"a\":1}]"); /* a whole block */
	out = original(&m, &commissions_worker, false);
	assert_str(out.value, "[{\"a\":1}]");
}

static void a_receipt_joins_neighbours(void **state)
{
	static const int64_t offsets[] = { 3, 4, 5, 9, 10, 12 };
	struct receipt receipt = { 0 };

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(offsets); i++)
		receipt_add(&receipt, offsets[i], &arena);
	assert_int_equal(receipt.count, 3);
	assert_int_equal(receipt.ranges[0].start, 3);
	assert_int_equal(receipt.ranges[0].end, 6);
	assert_int_equal(receipt.ranges[1].start, 9);
	assert_int_equal(receipt.ranges[1].end, 11);
	assert_int_equal(receipt.ranges[2].end, 13);
}

/* ---- fates ------------------------------------------------------------------ */

static void each_record_has_its_fate(void **state)
{
	struct dlq_filter any = { .any_reason = true }, named = { .any_reason = false };
	struct dlq_policy policy = { .max_replays = 3, .max = 2 }, force = policy, rekey = policy;
	struct dlq_entry good = { .reason = REASON_PAYEE_UNKNOWN, .ours = true, .matches = true },
			 entry;
	int64_t sent = 0;

	(void)state;
	force.force = true;
	rekey.rekey = true;
#define EXPECT(change, filter, how, fate)                                             \
	do {                                                                          \
		entry = good;                                                         \
		change;                                                               \
		assert_int_equal(dlq_decide(&entry, &(filter), &(how), &sent), fate); \
	} while (0)
	EXPECT(entry.matches = false, any, policy, FATE_OTHER);
	EXPECT(entry.ours = false, any, force, FATE_FOREIGN);
	EXPECT(entry.redriven = true, any, force, FATE_REDRIVEN);
	EXPECT(entry.cut = true, any, force, FATE_CUT);
	EXPECT(entry.reason = REASON_BAD_MONEY, any, force, FATE_INCURABLE);
	EXPECT(entry.reason = REASON_NONE, named, force, FATE_INCURABLE); /* of a newer build */
	EXPECT(entry.reason = REASON_WRONG_KEY, any, policy, FATE_NEEDS_REKEY);
	EXPECT(entry.reason = REASON_WRONG_KEY, any, rekey, FATE_NO_KEY);
	EXPECT(entry.replays = 3, any, policy, FATE_QUARANTINED);
	assert_int_equal(sent, 0);
	EXPECT(entry.replays = 2, any, policy, FATE_SEND);
	EXPECT(entry.replays = 3, any, force, FATE_SEND);
	EXPECT((void)0, any, policy, FATE_MAX);
	assert_int_equal(sent, 2);
	sent = 0;
	EXPECT(entry.reason = REASON_BAD_MONEY, named, policy, FATE_SEND);
	EXPECT((entry.reason = REASON_WRONG_KEY, entry.has_own_key = true), any, rekey, FATE_SEND);
#undef EXPECT
	for (unsigned i = 0; i < FATE_COUNT; i++)
		assert_true(strlen(dlq_fate_words((enum dlq_fate)i)) > 3);
}

/* ---- filters ---------------------------------------------------------------- */

static struct rc filter_of(const char *flag, const char *value, struct dlq_filter *out)
{
	struct invocation invocation = { .value_count = 1 };

	invocation.values[0].flag = flag;
	invocation.values[0].value = value;
	return dlq_filter_read(&invocation, out);
}

static void filters_are_read(void **state)
{
	struct dlq_filter f;

	(void)state;
	assert_true(rc_ok(filter_of("--offset", "17", &f)));
	assert_true(f.offsets.start == 17 && f.offsets.end == 18 && f.any_reason);
	assert_true(rc_ok(filter_of("--source-offset", "17..40", &f)));
	assert_true(f.source_offsets.start == 17 && f.source_offsets.end == 41);
	assert_true(rc_ok(filter_of("--offset", "17..", &f)));
	assert_true(f.offsets.start == 17 && f.offsets.end == INT64_MAX);
	assert_true(rc_ok(filter_of("--reason", "poison", &f)));
	assert_true(f.reasons[REASON_POISON] && !f.any_reason);
	assert_true(rc_ok(filter_of("--since", "2026-03-05T08:00:00+08:00", &f)));
	assert_int_equal(f.since_ms, INT64_C(1772668800000));
	assert_true(rc_ok(filter_of("--until", "2h", &f)));
	assert_true(f.until_ms > 0 && f.since_ms == INT64_MIN);
}

static void nonsense_is_wrong_use(void **state)
{
	static const char *const bad[][2] = { { "--offset", "x" },        { "--offset", "7..3" },
		                              { "--offset", "-1" },       { "--reason", "none" },
		                              { "--since", "yesterday" }, { "--until", "3w" },
		                              { "--partition", "-1" } };
	struct dlq_filter f;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(bad); i++) {
		struct rc rc = filter_of(bad[i][0], bad[i][1], &f);

		assert_int_equal(rc.code, RC_USAGE);
		assert_non_null(strstr(rc_text(), bad[i][1]));
	}
}

static const struct CMUnitTest tests[] = {
	WITH_ARENA(a_copy_is_read_whole),
	WITH_ARENA(what_was_cut_is_known),
	WITH_ARENA(an_event_names_its_own_key),
	WITH_ARENA(the_failing_field_is_found),
	WITH_ARENA(the_original_goes_back_one_replay_older),
	WITH_ARENA(an_entry_goes_back_as_a_block),
	WITH_ARENA(a_receipt_joins_neighbours),
	cmocka_unit_test(each_record_has_its_fate),
	cmocka_unit_test(filters_are_read),
	cmocka_unit_test(nonsense_is_wrong_use),
};

TESTING_MAIN(tests)
