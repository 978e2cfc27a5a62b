/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do records become the right items, are their entities named once, and does
 * decoding stop where a control record may change what the next ones mean?
 */
#include "common/runtime/intake.h"

#include "common/base/hash.h"
#include "events.h"
#include "tests/support/tiny_worker.h"
#include "tests/unit/testing.h"

const struct worker *const workers[] = { &tiny_worker, NULL };

static struct chunk chunk;
static struct cache cache;
static struct arena memory;

static int begin(void **state)
{
	(void)state;
	chunk_init(&chunk);
	cache_init(&cache, 100000);
	arena_init(&memory, 1024);
	return 0;
}

static int end(void **state)
{
	(void)state;
	chunk_release(&chunk);
	cache_release(&cache);
	arena_release(&memory);
	return 0;
}

static void decode(const struct worker *worker, struct message *messages, unsigned count)
{
	static const int64_t skipped[] = { 77 };
	const struct intake_setting setting = { worker, STR("in"), 0, 2, skipped, 1 };
	const struct reference reference = { NULL, -1, 1 };
	chunk.taken = (struct taken){ messages, count, false, -1, NULL };
	chunk_decode(&chunk, &setting, &cache, &reference);
}

static const char *who(unsigned nth)
{
	return tiny_account(nth, 0, 2);
}

static void entities_are_asked_for_once(void **state)
{
	(void)state;
	struct message m[] = { tiny_deposit(&memory, 0, who(0), 1),
		               tiny_deposit(&memory, 1, who(0), 2),
		               tiny_deposit(&memory, 2, who(1), 3) };
	decode(&tiny_worker, m, 3);
	assert_int_equal(chunk.item_count, 3);
	assert_int_equal(chunk.cell_count, 6);
	assert_int_equal(chunk.missing_count, 3);
	assert_ptr_equal(chunk.cells[chunk.items[0].first_cell],
	                 chunk.cells[chunk.items[1].first_cell]);
	assert_int_equal(((const struct deposit *)chunk.items[2].event.data)->amount, 3);
	assert_int_equal(chunk.items[2].event.at.offset, 2);
	assert_int_not_equal(chunk.folded, chunk.item_count);
	chunk.folded = 3;
	assert_int_equal(chunk.decoded, chunk.taken.count);
	chunk_clear(&chunk);
	assert_int_equal(chunk.item_count + chunk.cell_count + chunk.missing_count, 0);
}

static void decoding_stops_behind_a_control_record(void **state)
{
	(void)state;
	struct message m[] = { tiny_deposit(&memory, 0, who(0), 1),
		               tiny_control(&memory, 1, "tallyworks.reference.advanced", "'pin':3"),
		               tiny_control(&memory, 2, "tallyworks.logic.advanced",
		                            "'worker':'tiny','version':2"),
		               tiny_deposit(&memory, 3, who(0), 1) };
	static const enum item_kind kinds[] = { ITEM_EVENT, ITEM_REFERENCE, ITEM_LOGIC,
		                                ITEM_EVENT };
	static const unsigned stops[] = { 2, 3, 4 };
	for (size_t i = 0; i < COUNT_OF(stops); i++) {
		decode(&tiny_worker, m, 4);
		assert_int_equal(chunk.decoded, stops[i]);
	}
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		assert_int_equal(chunk.items[i].kind, kinds[i]);
	const struct tallyworks_reference_advanced *marker = chunk.items[1].event.data;
	assert_int_equal(marker->pin, 3);
}

/* Source, header and type together make a control record; none of it alone does anything. */
static void what_only_looks_like_control_is_ignored(void **state)
{
	(void)state;
	struct message m[] = {
		tiny_control(&memory, 0, "tallyworks.logic.advanced", "'worker':'tiny'"),
		tiny_control(&memory, 1, "deposit", "'account':'a','amount':1"),
		tiny_timer(&memory, 2, tiny_account(0, 1, 2), 9), /* another shard's */
		tiny_control(&memory, 3, "tallyworks.timer.due",
		             "'kind':'tally','id':'a','due':'2026-01-01T00:00:00Z'"),
	};
	for (unsigned i = 0; i < COUNT_OF(m); i++) {
		decode(&tiny_worker, m, COUNT_OF(m));
		assert_int_equal(chunk.decoded, i + 1);
		assert_int_equal(chunk.items[i].kind, ITEM_IGNORED);
		assert_int_equal(chunk.items[i].cell_count, 0);
	}
	assert_int_equal(cache.cells.count, 0);
	struct message without =
		tiny_control(&memory, 5, "tallyworks.reference.advanced", "'pin':3");
	without.key = str_from_c(who(0));
	without.header_count = 0;
	chunk_clear(&chunk);
	decode(&tiny_worker, &without, 1);
	assert_int_equal(chunk.items[0].kind, ITEM_BAD);
	assert_int_equal(chunk.items[0].fault.reason, REASON_UNKNOWN_TYPE);
}

/* A stray header hides no event, and makes none of its types ours. */
static void the_header_alone_changes_nothing(void **state)
{
	(void)state;
	static const struct header header = { STR_INIT("tw-control"), { NULL, 0 } };
	static const enum reason reasons[] = { 0, REASON_UNKNOWN_TYPE, REASON_NOT_JSON };
	const char *accounts[] = { who(0) };
	const int64_t amounts[] = { 1 };
	struct message m[] = { tiny_deposit(&memory, 0, who(0), 1),
		               tiny_deposit(&memory, 1, who(0), 1),
		               tiny_deposit(&memory, 2, who(0), 1) };
	struct message block = tiny_block(&memory, 3, 1, accounts, amounts);
	m[1].value = STR("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/shop\","
	                 "\"type\":\"tallyworks.reference.advanced\",\"data\":{\"pin\":3}}");
	m[2].value = STR("{");
	for (unsigned i = 0; i < COUNT_OF(m); i++) {
		m[i].headers = &header;
		m[i].header_count = 1;
	}
	decode(&tiny_worker, m, COUNT_OF(m));
	assert_int_equal(chunk.decoded, COUNT_OF(m));
	assert_int_equal(chunk.items[0].kind, ITEM_EVENT);
	assert_int_equal(((const struct deposit *)chunk.items[0].event.data)->amount, 1);
	for (unsigned i = 1; i < COUNT_OF(m); i++) {
		assert_int_equal(chunk.items[i].kind, ITEM_BAD);
		assert_int_equal(chunk.items[i].fault.reason, reasons[i]);
	}
	block.headers = &header;
	block.header_count = 1;
	chunk_clear(&chunk);
	decode(&tiny_block_worker, &block, 1);
	assert_int_equal(chunk.items[0].kind, ITEM_EVENT);
}

static void damage_is_a_refusal(void **state)
{
	(void)state;
	struct message good = tiny_deposit(&memory, 0, who(0), 5);
	for (unsigned round = 0; round < 3000; round++) {
		struct message m = good;
		char *bytes = malloc(good.value.len);
		size_t len = rng_below(4) ? good.value.len : rng_below(good.value.len);
		memcpy(bytes, good.value.ptr, good.value.len);
		for (uint64_t n = rng_below(4); n; n--)
			bytes[rng_below(good.value.len)] = (char)rng_below(256);
		m.value = str_of(bytes, len);
		if (rng_below(10) == 0)
			m.key = str_of(NULL, 0);
		decode(&tiny_worker, &m, 1);
		assert_int_equal(chunk.item_count, 1);
		assert_true(chunk.items[0].kind == ITEM_EVENT || chunk.items[0].kind == ITEM_BAD);
		chunk_clear(&chunk);
		decode(&tiny_block_worker, &m, 1);
		chunk_clear(&chunk);
		free(bytes);
	}
}

static void poison_is_not_read(void **state)
{
	(void)state;
	struct message m[] = { tiny_timer(&memory, 77, who(0), 9),
		               tiny_deposit(&memory, 78, who(0), 1) };
	decode(&tiny_worker, m, 2);
	assert_int_equal(chunk.items[0].kind, ITEM_BAD);
	assert_int_equal(chunk.items[0].fault.reason, REASON_POISON);
	assert_int_equal(chunk.items[1].kind, ITEM_EVENT);
}

static void entries_keep_their_own_text(void **state)
{
	(void)state;
	const char *accounts[] = { who(0), "", who(1) };
	const int64_t amounts[] = { 1, 2, 3 };
	struct message m = tiny_block(&memory, 5, 3, accounts, amounts);
	decode(&tiny_block_worker, &m, 1);
	assert_int_equal(chunk.item_count, 3);
	assert_int_equal(chunk.items[1].kind, ITEM_BAD);
	assert_string_equal(chunk.items[1].fault.path, "/account");
	assert_int_equal(chunk.items[2].event.at.entry, 2);
	assert_str(chunk_item_value(&chunk, &chunk.items[1]), "{\"account\":\"\",\"amount\":2}");
	struct message event = tiny_deposit(&memory, 6, who(0), 1);
	chunk_clear(&chunk);
	decode(&tiny_worker, &event, 1);
	assert_ptr_equal(chunk_item_value(&chunk, &chunk.items[0]).ptr, event.value.ptr);
}

static void reads_tally_of_timer(const struct event *event, struct reads *reads)
{
	const struct tallyworks_timer_due *due = event->data;

	assert_int_equal(due->due_ms, 9);
	reads_add(reads, &tally_entity, reads_join(reads, &due->id, 1));
}

static void a_timer_names_what_else_it_needs(void **state)
{
	(void)state;
	struct worker worker = tiny_worker;
	worker.timer_reads = reads_tally_of_timer;
	struct message m = tiny_timer(&memory, 3, who(0), 9);
	decode(&worker, &m, 1);
	assert_int_equal(chunk.items[0].kind, ITEM_TIMER);
	assert_int_equal(chunk.items[0].cell_count, 2);
	assert_ptr_equal(chunk.cells[0]->entity, &account_entity);
	assert_ptr_equal(chunk.cells[1]->entity, &tally_entity);
	assert_int_equal(chunk.missing_count, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

static const struct CMUnitTest tests[] = {
	T(entities_are_asked_for_once),
	T(decoding_stops_behind_a_control_record),
	T(a_timer_names_what_else_it_needs),
	T(what_only_looks_like_control_is_ignored),
	T(the_header_alone_changes_nothing),
	T(damage_is_a_refusal),
	T(poison_is_not_read),
	T(entries_keep_their_own_text),
};

TESTING_MAIN(tests)
