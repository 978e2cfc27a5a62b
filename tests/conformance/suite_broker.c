/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's tests. Group events may come at any time, so what happens is kept
 * by process until a test asks for it.
 */
#include "tests/conformance/suite_broker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PARTITIONS CONFORMANCE_INPUT_PARTITIONS
#define NO_LIMIT INT64_MAX
#define ABSENT str_of(NULL, 0)

static struct broker_rig *rig;
static uint64_t ticket;
static struct arena memory;
static struct happening *kept[2]; /* not asked for yet, oldest first */
static bool open_now[2];

static int begin(void **state)
{
	(void)state;
	arena_init(&memory, 4096);
	rig->begin(rig);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		while (kept[i]) {
			struct happening *h = kept[i];

			kept[i] = h->next;
			happening_release(h);
		}
		open_now[i] = false;
	}
	rig->end(rig);
	arena_release(&memory);
	return 0;
}

/* ---- waiting ---- */

static void open_process(unsigned process)
{
	rig->open(rig, process);
	open_now[process] = true;
}

static void pass(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct happening **last = &kept[i], *h;

		if (!open_now[i])
			continue;
		rig->port[i].poll(rig->port[i].self);
		while (*last)
			last = &(*last)->next;
		while ((h = inbox_take(rig->inbox[i]))) {
			h->next = NULL;
			*last = h;
			last = &h->next;
		}
	}
	rig->pass(rig);
}

static bool fits(const struct happening *h, enum happening_kind kind, int32_t partition)
{
	return h->kind == kind && (partition < 0 || h->partition == partition);
}

/* The first such happening, or NULL now. */
static struct happening *find(unsigned process, enum happening_kind kind, int32_t partition)
{
	struct happening **at = &kept[process], *h;

	while (*at && !fits(*at, kind, partition))
		at = &(*at)->next;
	h = *at;
	if (h)
		*at = h->next;
	return h;
}

static struct happening *await(unsigned process, enum happening_kind kind, int32_t partition)
{
	struct happening *h = find(process, kind, partition);

	for (unsigned i = 0; i < rig->passes && !h; i++) {
		pass();
		h = find(process, kind, partition);
	}
	if (!h)
		fail_msg("process %u waits in vain for happening %d", process, (int)kind);
	return h;
}

static struct happening *answer(unsigned process, enum happening_kind kind)
{
	struct happening *h = await(process, kind, -1);

	assert_true(h->ticket == ticket);
	return h;
}

static void await_assigned(unsigned process, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		happening_release(await(process, HAPPENED_ASSIGNED, -1));
}

/* ---- calls ---- */

static const char *reopen(unsigned process)
{
	struct happening *h;

	rig->port[process].reopen(rig->port[process].self, ++ticket);
	h = answer(process, HAPPENED_REOPENED);
	assert_true(rc_ok(h->rc));
	happening_release(h);
	return arena_printf(&memory, "%s",
	                    rig->port[process].transactional_id(rig->port[process].self))
	        .ptr;
}

/* A process alone in the group, with a producer. */
static void start_alone(void)
{
	open_process(0);
	await_assigned(0, PARTITIONS);
	reopen(0);
}

static struct cursor read_cursor(unsigned process, int32_t partition)
{
	struct happening *h;
	struct cursor c;

	for (unsigned tries = 0;; tries++) {
		rig->port[process].read_cursor(rig->port[process].self, partition, ++ticket);
		h = answer(process, HAPPENED_CURSOR);
		if (rc_ok(h->rc) || tries == 20)
			break;
		happening_release(h);
	}
	assert_true(rc_ok(h->rc));
	assert_int_equal(h->partition, partition);
	c = h->cursor;
	c.metadata = arena_str(&memory, c.metadata);
	c.topic_id = arena_str(&memory, c.topic_id);
	happening_release(h);
	return c;
}

struct shard_part {
	int32_t partition; /* -1: its place in the list */
	_Atomic uint32_t epoch_now;
	struct outgoing outgoing[8];
	unsigned count;
	int64_t next_offset;
	struct str metadata;
};

static enum publish_result publish(unsigned process, struct shard_part *parts, unsigned count)
{
	struct carried carried[PARTITIONS];
	struct transaction t = { .ticket = ++ticket, .carried = carried, .carried_count = count };
	struct happening *h;
	enum publish_result result;

	for (unsigned i = 0; i < count; i++)
		carried[i] = (struct carried){
			.partition = parts[i].partition < 0 ? (int32_t)i : parts[i].partition,
			.epoch = 7,
			.epoch_now = &parts[i].epoch_now,
			.next_offset = parts[i].next_offset,
			.metadata = parts[i].metadata,
			.outgoing = parts[i].outgoing,
			.outgoing_count = parts[i].count,
		};
	rig->port[process].publish(rig->port[process].self, &t);
	h = answer(process, HAPPENED_PUBLISHED);
	result = h->publish;
	happening_release(h);
	return result;
}

static struct shard_part part_of(int64_t next_offset, struct str metadata)
{
	struct shard_part part = { .partition = -1,
		                   .next_offset = next_offset,
		                   .metadata = metadata };

	atomic_init(&part.epoch_now, 7);
	return part;
}

static void add_output(struct shard_part *part, struct str topic, int32_t partition,
                       const char *value)
{
	part->outgoing[part->count++] = (struct outgoing){
		.form = OUTGOING_CLOUDEVENT,
		.topic = topic,
		.partition = partition,
		.key = STR("k"),
		.value = str_from_c(value),
	};
}

/* Publishing may be aborted for the group's sake while it settles; it is then sent again. */
static void publish_surely(unsigned process, struct shard_part *parts, unsigned count)
{
	enum publish_result result = PUBLISH_ABORTED;

	for (unsigned tries = 0; tries < 20 && result == PUBLISH_ABORTED; tries++)
		result = publish(process, parts, count);
	assert_int_equal(result, PUBLISH_COMMITTED);
}

/* Waits until so many records of the partition can be read from outside. */
static const struct message *await_records(struct str topic, int32_t partition, unsigned count)
{
	const struct message *messages = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < rig->passes && n < count; i++) {
		n = rig->read(rig, topic, partition, &memory, &messages);
		pass();
	}
	assert_int_equal(n, count);
	return messages;
}

static void expect_output(int32_t partition, unsigned count, const char *const *values)
{
	const struct message *messages = await_records(rig->output, partition, count);

	for (unsigned i = 0; i < count; i++)
		assert_true(str_eq_c(messages[i].value, values[i]));
}

/* ---- taking ---- */

static void append_numbered(int32_t partition, unsigned from, unsigned count)
{
	for (unsigned i = from; i < from + count; i++)
		rig->append(rig, rig->input, partition, STR("key"), arena_printf(&memory, "v%u", i),
		            NULL, 0);
}

static struct taken take(int32_t partition, int64_t until, unsigned max, size_t max_bytes)
{
	struct taken t;

	rig->port[0].take(rig->port[0].self, partition, until, max, max_bytes, &t);
	return t;
}

static void give_back(struct taken *t)
{
	rig->port[0].give_back(rig->port[0].self, t);
}

/* Takes until there is something, or, with `end`, until the end was reached. */
static struct taken take_some(int32_t partition, int64_t until, unsigned max, size_t max_bytes,
                              bool end_too)
{
	struct taken t = take(partition, until, max, max_bytes);

	for (unsigned i = 0; i < rig->passes && t.count == 0 && !(end_too && t.at_end); i++) {
		give_back(&t);
		pass();
		t = take(partition, until, max, max_bytes);
	}
	return t;
}

/* Takes records one by one or more until all `count` from `first` on came, in order. */
static void expect_records(int32_t partition, int64_t until, int64_t first, unsigned count)
{
	for (unsigned n = 0; n < count;) {
		struct taken t = take_some(partition, until, 100, 1 << 20, false);

		assert_true(t.count > 0 && n + t.count <= count);
		for (unsigned i = 0; i < t.count; i++, n++) {
			struct str value = arena_printf(&memory, "v%u", (unsigned)first + n);

			assert_true(t.messages[i].offset == first + n);
			assert_true(str_eq(t.messages[i].value, value));
		}
		assert_true(t.next_offset >= first + n);
		give_back(&t);
	}
}

static void test_nothing_before_start(void **state)
{
	struct taken t;

	(void)state;
	append_numbered(0, 0, 3);
	open_process(0);
	await_assigned(0, PARTITIONS);
	for (unsigned i = 0; i < 20; i++)
		pass();
	t = take(0, NO_LIMIT, 10, 1 << 20);
	assert_int_equal(t.count, 0);
	assert_false(t.at_end);
	give_back(&t);
	rig->port[0].start(rig->port[0].self, 0, 0);
	expect_records(0, NO_LIMIT, 0, 3);
}

static void test_take_and_start_again(void **state)
{
	(void)state;
	append_numbered(0, 0, 10);
	open_process(0);
	await_assigned(0, PARTITIONS);
	rig->port[0].start(rig->port[0].self, 0, 4);
	expect_records(0, NO_LIMIT, 4, 6);
	rig->port[0].start(rig->port[0].self, 0, 2);
	expect_records(0, NO_LIMIT, 2, 8);
	append_numbered(0, 10, 2);
	expect_records(0, NO_LIMIT, 10, 2);
}

static void test_take_stays_below_until(void **state)
{
	struct taken t;

	(void)state;
	append_numbered(0, 0, 8);
	open_process(0);
	await_assigned(0, PARTITIONS);
	rig->port[0].start(rig->port[0].self, 0, 0);
	expect_records(0, 5, 0, 5);
	for (unsigned i = 0; i < 20; i++) {
		t = take(0, 5, 10, 1 << 20);
		assert_int_equal(t.count, 0);
		assert_false(t.at_end);
		give_back(&t);
		pass();
	}
	expect_records(0, NO_LIMIT, 5, 3);
}

static void test_take_limits(void **state)
{
	struct taken t;

	(void)state;
	append_numbered(0, 0, 9);
	open_process(0);
	await_assigned(0, PARTITIONS);
	rig->port[0].start(rig->port[0].self, 0, 0);
	t = take_some(0, NO_LIMIT, 2, 1 << 20, false);
	assert_true(t.count > 0 && t.count <= 2);
	give_back(&t);
	t = take_some(0, NO_LIMIT, 10, 1, false); /* at least one, whatever its size */
	assert_int_equal(t.count, 1);
	give_back(&t);
}

static void test_end(void **state)
{
	struct taken t;

	(void)state;
	append_numbered(0, 0, 3);
	open_process(0);
	await_assigned(0, PARTITIONS);
	rig->port[0].start(rig->port[0].self, 0, 0);
	expect_records(0, NO_LIMIT, 0, 3);
	t = take_some(0, NO_LIMIT, 10, 1 << 20, true);
	assert_true(t.at_end);
	assert_int_equal(t.count, 0);
	assert_true(t.next_offset == 3);
	give_back(&t);
	rig->port[0].start(rig->port[0].self, 1, 0);
	t = take_some(1, NO_LIMIT, 10, 1 << 20, true);
	assert_true(t.at_end && t.next_offset == 0);
	give_back(&t);
}

/* A control marker takes an offset: the end lies behind it, and is reported so. */
static void test_end_behind_markers(void **state)
{
	struct shard_part part = part_of(0, STR("m"));
	struct taken t;
	int64_t reached = 0;

	(void)state;
	start_alone();
	add_output(&part, rig->input, 0, "v0");
	publish_surely(0, &part, 1);
	rig->port[0].start(rig->port[0].self, 0, 0);
	expect_records(0, NO_LIMIT, 0, 1);
	for (unsigned i = 0; i < rig->passes && reached < 2; i++) {
		t = take_some(0, NO_LIMIT, 10, 1 << 20, true);
		assert_int_equal(t.count, 0);
		reached = t.next_offset;
		give_back(&t);
		pass();
	}
	assert_true(reached == 2);
	assert_true(read_cursor(0, 0).log_end == 2);
}

/* The same gap before K: what remains below K is known to be nothing. */
static void test_gap_below_until(void **state)
{
	struct shard_part part = part_of(0, STR("m"));
	struct taken t;
	int64_t next = -1;

	(void)state;
	start_alone();
	add_output(&part, rig->input, 0, "v0");
	publish_surely(0, &part, 1);
	await_records(rig->input, 0, 1);
	append_numbered(0, 2, 2);
	rig->port[0].start(rig->port[0].self, 0, 0);
	expect_records(0, 2, 0, 1);
	for (unsigned i = 0; i < rig->passes && next < 2; i++) {
		t = take(0, 2, 10, 1 << 20);
		assert_int_equal(t.count, 0);
		next = t.next_offset;
		give_back(&t);
		pass();
	}
	assert_true(next == 2);
	expect_records(0, NO_LIMIT, 2, 2);
}

static void test_record_as_it_was(void **state)
{
	static const char bytes[] = "a\0b\xff";
	struct header headers[] = { { STR_INIT("ce_id"), STR_INIT("e1") },
		                    { STR_INIT("null"), { NULL, 0 } },
		                    { STR_INIT("empty"), STR_INIT("") } };
	struct str value = str_of(bytes, sizeof(bytes) - 1);
	struct taken t;

	(void)state;
	rig->append(rig, rig->input, 1, STR("key"), value, headers, 3);
	rig->append(rig, rig->input, 1, ABSENT, ABSENT, NULL, 0);
	open_process(0);
	await_assigned(0, PARTITIONS);
	rig->port[0].start(rig->port[0].self, 1, 0);
	t = take_some(1, NO_LIMIT, 1, 1 << 20, false);
	assert_true(str_eq_c(t.messages[0].key, "key"));
	assert_true(str_eq(t.messages[0].value, value));
	assert_true(t.messages[0].broker_ms > INT64_C(1600000000000));
	assert_int_equal(t.messages[0].header_count, 3);
	assert_true(str_eq_c(t.messages[0].headers[0].name, "ce_id"));
	assert_true(str_eq_c(t.messages[0].headers[0].value, "e1"));
	assert_null(t.messages[0].headers[1].value.ptr);
	assert_non_null(t.messages[0].headers[2].value.ptr);
	give_back(&t);
	t = take_some(1, NO_LIMIT, 1, 1 << 20, false);
	assert_null(t.messages[0].key.ptr);
	assert_null(t.messages[0].value.ptr);
	give_back(&t);
}

static void test_start_out_of_range(void **state)
{
	struct happening *h;

	(void)state;
	append_numbered(0, 0, 2);
	open_process(0);
	await_assigned(0, PARTITIONS);
	rig->port[0].start(rig->port[0].self, 0, 50);
	h = NULL;
	for (unsigned i = 0; i < rig->passes && !h; i++) {
		struct taken t = take(0, NO_LIMIT, 10, 1 << 20);

		assert_int_equal(t.count, 0);
		give_back(&t);
		pass();
		h = find(0, HAPPENED_TROUBLE, 0);
	}
	assert_non_null(h);
	assert_false(rc_ok(h->rc));
	happening_release(h);
	rig->port[0].start(rig->port[0].self, 0, 0);
	expect_records(0, NO_LIMIT, 0, 2);
}

/* ---- cursor and transactions ---- */

static void test_cursor_of_nothing(void **state)
{
	struct cursor c;

	(void)state;
	append_numbered(1, 0, 4);
	open_process(0);
	await_assigned(0, PARTITIONS);
	c = read_cursor(0, 1);
	assert_false(c.exists);
	assert_true(c.log_start == 0 && c.log_end == 4);
	assert_int_equal(c.partitions, PARTITIONS);
	assert_false(c.compacted);
	assert_true(c.topic_id.len > 0 && c.topic_id.len < 48);
}

static void test_cursor_committed_from_outside(void **state)
{
	struct cursor c;

	(void)state;
	rig->commit_cursor(rig, 0, 0, STR("tw1 seq=0"));
	open_process(0);
	await_assigned(0, PARTITIONS);
	c = read_cursor(0, 0);
	assert_true(c.exists && c.output_cursor == 0);
	assert_true(str_eq_c(c.metadata, "tw1 seq=0"));
	assert_false(read_cursor(0, 1).exists);
}

static void test_cursor_moves_with_the_outputs(void **state)
{
	static const char *const values[] = { "one", "two" };
	struct shard_part parts[PARTITIONS] = { part_of(3, STR("seq=2")), part_of(9, STR("")) };
	char *large = arena_alloc(&memory, 1000);
	struct cursor c;

	(void)state;
	append_numbered(0, 0, 5);
	append_numbered(1, 0, 10);
	start_alone();
	add_output(&parts[0], rig->output, 2, "one");
	add_output(&parts[0], rig->output, 2, "two");
	publish_surely(0, parts, 2);
	expect_output(2, 2, values);
	c = read_cursor(0, 0);
	assert_true(c.exists && c.output_cursor == 3 && str_eq_c(c.metadata, "seq=2"));
	c = read_cursor(0, 1);
	assert_true(c.exists && c.output_cursor == 9 && c.metadata.len == 0);
	memset(large, 'm', 1000);
	parts[0] = part_of(5, str_of(large, 1000)); /* without outputs */
	publish_surely(0, parts, 1);
	c = read_cursor(0, 0);
	assert_true(c.output_cursor == 5 && str_eq(c.metadata, str_of(large, 1000)));
	expect_output(2, 2, values);
}

static void test_outgoing_as_it_was(void **state)
{
	struct header headers[] = { { STR_INIT("tw-seq"), STR_INIT("1") },
		                    { STR_INIT("tw-src"), STR_INIT("in/0/0") } };
	struct shard_part part = part_of(1, STR("m"));
	const struct message *messages;

	(void)state;
	start_alone();
	part.outgoing[part.count++] = (struct outgoing){ .form = OUTGOING_DEAD_LETTER,
		                                         .topic = rig->output,
		                                         .partition = 1,
		                                         .value = STR("bytes"),
		                                         .headers = headers,
		                                         .header_count = 2 };
	publish_surely(0, &part, 1);
	messages = await_records(rig->output, 1, 1);
	assert_true(str_eq_c(messages[0].value, "bytes"));
	assert_null(messages[0].key.ptr);
	assert_int_equal(messages[0].header_count, 2);
	assert_true(str_eq_c(messages[0].headers[1].name, "tw-src"));
	assert_true(str_eq_c(messages[0].headers[1].value, "in/0/0"));
}

/* A claim epoch that moved on: nothing becomes visible, K stays, the rest may go again. */
static void test_stale_epoch_aborts(void **state)
{
	static const char *const values[] = { "kept" };
	struct shard_part parts[PARTITIONS] = { part_of(3, STR("a")), part_of(4, STR("b")) };
	struct cursor c;

	(void)state;
	start_alone();
	add_output(&parts[0], rig->output, 0, "kept");
	add_output(&parts[1], rig->output, 0, "dropped");
	atomic_store(&parts[1].epoch_now, 8);
	assert_int_equal(publish(0, parts, 2), PUBLISH_ABORTED);
	c = read_cursor(0, 0);
	assert_false(c.exists);
	publish_surely(0, parts, 1);
	expect_output(0, 1, values);
	assert_true(read_cursor(0, 0).output_cursor == 3);
	assert_false(read_cursor(0, 1).exists);
}

static void test_many_transactions(void **state)
{
	const char *values[10];

	(void)state;
	start_alone();
	for (unsigned i = 0; i < 10; i++) {
		struct shard_part part = part_of(i + 1, STR("m"));

		values[i] = arena_printf(&memory, "t%u", i).ptr;
		add_output(&part, rig->output, 0, values[i]);
		publish_surely(0, &part, 1);
	}
	expect_output(0, 10, values);
	assert_true(read_cursor(0, 0).output_cursor == 10);
}

/* ---- producers ---- */

static void test_ids_are_fresh(void **state)
{
	const char *first, *second;

	(void)state;
	open_process(0);
	await_assigned(0, PARTITIONS);
	assert_string_equal(rig->port[0].transactional_id(rig->port[0].self), "");
	first = reopen(0);
	assert_true(first[0] && strlen(first) < META_TEXT_BYTES);
	second = reopen(0);
	assert_string_not_equal(first, second);
}

static void test_no_producer(void **state)
{
	struct shard_part part = part_of(1, STR("m"));

	(void)state;
	open_process(0);
	await_assigned(0, PARTITIONS);
	add_output(&part, rig->output, 0, "x");
	assert_int_equal(publish(0, &part, 1), PUBLISH_UNKNOWN);
	reopen(0);
	publish_surely(0, &part, 1);
}

static void fence(unsigned process, const char *id)
{
	struct happening *h;

	rig->port[process].fence(rig->port[process].self, 0, ++ticket, id);
	h = answer(process, HAPPENED_FENCED);
	assert_true(rc_ok(h->rc));
	assert_int_equal(h->partition, 0);
	happening_release(h);
}

/* Whoever is fenced publishes nothing more, and is told so. */
static void test_fence(void **state)
{
	struct shard_part part = part_of(1, STR("m"));
	const char *id;

	(void)state;
	open_process(0);
	await_assigned(0, PARTITIONS);
	id = reopen(0);
	add_output(&part, rig->output, 0, "one");
	publish_surely(0, &part, 1);
	open_process(1);
	fence(1, id);
	fence(1, "tally-conformance-nobody");
	part = part_of(2, STR("m"));
	add_output(&part, rig->output, 0, "two");
	assert_int_equal(publish(0, &part, 1), PUBLISH_UNKNOWN);
	expect_output(0, 1, (const char *const[]){ "one" });
	assert_string_not_equal(reopen(0), id);
}

/* ---- reference, timers, topics ---- */

static void expect_reference(int64_t from, unsigned first, unsigned count)
{
	unsigned n = 0;
	bool at_end = false;

	rig->port[0].read_reference(rig->port[0].self, from, ++ticket);
	while (!at_end) {
		struct happening *h = answer(0, HAPPENED_REFERENCE);

		assert_true(rc_ok(h->rc));
		for (unsigned i = 0; i < h->reference.count; i++, n++) {
			struct str value = arena_printf(&memory, "r%u", first + n);

			assert_true(str_eq(h->reference.messages[i].value, value));
			assert_true(h->reference.messages[i].offset == first + n);
		}
		at_end = h->reference.at_end;
		if (at_end)
			assert_true(h->reference.next == first + count);
		happening_release(h);
	}
	assert_int_equal(n, count);
}

static void test_reference(void **state)
{
	(void)state;
	open_process(0);
	await_assigned(0, PARTITIONS);
	expect_reference(0, 0, 0);
	for (unsigned i = 0; i < 50; i++)
		rig->append(rig, rig->reference, 0, STR("unit:u"), arena_printf(&memory, "r%u", i),
		            NULL, 0);
	expect_reference(0, 0, 50);
	expect_reference(40, 40, 10);
	expect_reference(50, 50, 0);
	rig->append(rig, rig->reference, 0, STR("unit:u"), STR("r50"), NULL, 0);
	expect_reference(50, 50, 1);
}

static void test_append(void **state)
{
	struct header header = { STR_INIT("tw-control"), STR_INIT("1") };
	const struct message *messages;
	struct happening *h;

	(void)state;
	open_process(0);
	await_assigned(0, PARTITIONS);
	rig->port[0].append(rig->port[0].self, 1, ++ticket, STR("o-1"), STR("due"), &header, 1);
	h = answer(0, HAPPENED_APPENDED);
	assert_true(rc_ok(h->rc));
	assert_int_equal(h->partition, 1);
	happening_release(h);
	messages = await_records(rig->input, 1, 1);
	assert_true(str_eq_c(messages[0].key, "o-1") && str_eq_c(messages[0].value, "due"));
	assert_true(str_eq_c(messages[0].headers[0].name, "tw-control"));
}

static void test_partitions(void **state)
{
	int32_t n = -1;

	(void)state;
	open_process(0);
	await_assigned(0, PARTITIONS);
	for (unsigned i = 0; i < rig->passes && n < 0; i++) {
		n = rig->port[0].partitions(rig->port[0].self, rig->output);
		pass();
	}
	assert_int_equal(n, CONFORMANCE_OUTPUT_PARTITIONS);
	assert_true(rig->port[0].partitions(rig->port[0].self, STR("tally.no-such-topic")) < 0);
}

/* ---- the group ---- */

/* A second member gets a partition only after the first one let it go. */
static void test_rebalance(void **state)
{
	struct happening *h;
	struct shard_part part = part_of(1, STR("m"));
	int32_t moved;

	(void)state;
	start_alone();
	open_process(1);
	h = await(0, HAPPENED_REVOKED, -1);
	moved = h->partition;
	happening_release(h);
	for (unsigned i = 0; i < 30; i++)
		pass();
	assert_null(find(1, HAPPENED_ASSIGNED, -1));
	rig->port[0].unassign(rig->port[0].self, moved);
	h = await(1, HAPPENED_ASSIGNED, -1);
	assert_int_equal(h->partition, moved);
	happening_release(h);
	reopen(1);
	add_output(&part, rig->output, 0, "x");
	part.partition = moved;
	publish_surely(1, &part, 1);
	part.partition = PARTITIONS - 1 - moved;
	publish_surely(0, &part, 1);
	assert_null(find(0, HAPPENED_REVOKED, -1));
	assert_null(find(1, HAPPENED_ASSIGNED, -1));
}

static void test_leave(void **state)
{
	(void)state;
	open_process(0);
	await_assigned(0, PARTITIONS);
	rig->leave(rig, 0);
	for (unsigned i = 0; i < PARTITIONS; i++) {
		struct happening *h = await(0, HAPPENED_REVOKED, -1);
		int32_t partition = h->partition;

		happening_release(h);
		rig->port[0].unassign(rig->port[0].self, partition);
	}
	for (unsigned i = 0; i < rig->passes && !rig->has_left(rig, 0); i++)
		pass();
	assert_true(rig->has_left(rig, 0));
	open_process(1);
	await_assigned(1, PARTITIONS);
}

int suite_broker(struct broker_rig *of)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_before_start),
		TEST(test_take_and_start_again),
		TEST(test_take_stays_below_until),
		TEST(test_take_limits),
		TEST(test_end),
		TEST(test_end_behind_markers),
		TEST(test_gap_below_until),
		TEST(test_record_as_it_was),
		TEST(test_start_out_of_range),
		TEST(test_cursor_of_nothing),
		TEST(test_cursor_committed_from_outside),
		TEST(test_cursor_moves_with_the_outputs),
		TEST(test_outgoing_as_it_was),
		TEST(test_stale_epoch_aborts),
		TEST(test_many_transactions),
		TEST(test_ids_are_fresh),
		TEST(test_no_producer),
		TEST(test_fence),
		TEST(test_reference),
		TEST(test_append),
		TEST(test_partitions),
		TEST(test_rebalance),
		TEST(test_leave),
	};
#undef TEST

	rig = of;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
