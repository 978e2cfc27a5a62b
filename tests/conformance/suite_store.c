/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's tests. Each makes calls on a port and waits for the happening with
 * its ticket. Limits of one Redis call (arguments, reply size) are probed with
 * the largest calls that the runtime makes.
 */
#include "tests/conformance/suite_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/hash.h"
#include "common/base/limits.h"

#define MANY_KEYS 1000
#define MANY_PAIRS 20000
#define LARGE_R INT64_C(9007199254740993) /* 2^53 + 1: not a double */

static struct store_rig *rig;
static uint64_t ticket;
static struct arena memory;

/* ---- the worker ---- */

static const struct record_type no_fields = { .name = "none", .size = 8 };

static struct str id_is_owner(struct str id)
{
	return id;
}

static const struct entity doc_entity = {
	"doc", &no_fields, ENTITY_DOCUMENT, STR_INIT("doc:"), NULL, id_is_owner, NULL
};
static const struct entity sum_entity = {
	"sum", &no_fields, ENTITY_FIGURES, STR_INIT("sum:"), NULL, id_is_owner, NULL
};
static const struct entity *const entities[] = { &doc_entity, &sum_entity, NULL };
static const struct redis_key keys[] = {
	{ "list:<id>", "hash", "for the suite", STR_INIT("list:"), id_is_owner },
	{ "shared:<x>", "sorted set", "for the suite", STR_INIT("shared:"), NULL },
	{ .pattern = NULL },
};
static const struct input no_inputs[] = { { .type = NULL } };
static const struct output *const no_outputs[] = { NULL };

const struct worker conformance_worker = {
	.name = "conformance",
	.words = "for the conformance suite",
	.topic = "conformance",
	.logic_version = 1,
	.inputs = no_inputs,
	.entities = entities,
	.outputs = no_outputs,
	.keys = keys,
};

/* ---- helpers ---- */

static int begin_bare(void **state)
{
	(void)state;
	arena_init(&memory, 4096);
	rig->begin(rig);
	return 0;
}

static int end(void **state)
{
	(void)state;
	rig->end(rig);
	arena_release(&memory);
	return 0;
}

/* The answer to the latest call, which must be the next thing that happens to the process. */
static struct happening *answer(unsigned process, enum happening_kind kind)
{
	struct happening *h = NULL;

	for (unsigned i = 0; i < rig->passes && !h; i++) {
		h = inbox_take(rig->inbox[process]);
		if (!h)
			rig->pass(rig);
	}
	assert_non_null(h);
	assert_int_equal(h->kind, kind);
	assert_true(h->ticket == ticket);
	return h;
}

static struct shard_meta claim(unsigned process, int32_t partition, const char *id)
{
	struct happening *h;
	struct shard_meta meta;

	rig->port[process].claim(rig->port[process].self, partition, ++ticket, id);
	h = answer(process, HAPPENED_CLAIMED);
	assert_true(rc_ok(h->rc));
	assert_int_equal(h->partition, partition);
	meta = h->meta;
	happening_release(h);
	return meta;
}

static struct shard_meta check(unsigned process, int32_t partition)
{
	struct happening *h;
	struct shard_meta meta;

	rig->port[process].check(rig->port[process].self, partition, ++ticket);
	h = answer(process, HAPPENED_CHECKED);
	assert_true(rc_ok(h->rc));
	meta = h->meta;
	happening_release(h);
	return meta;
}

/* Takes a claim of the process back. */
static struct shard_meta unclaim(unsigned process, int32_t partition, const char *before)
{
	struct happening *h;
	struct shard_meta meta;

	rig->port[process].unclaim(rig->port[process].self, partition, ++ticket, before);
	h = answer(process, HAPPENED_CLAIMED);
	assert_true(rc_ok(h->rc));
	meta = h->meta;
	happening_release(h);
	return meta;
}

static bool wipe(unsigned process, int32_t partition, int32_t partitions)
{
	struct happening *h;
	bool good;

	rig->port[process].wipe(rig->port[process].self, partition, partitions, ++ticket);
	h = answer(process, HAPPENED_WIPED);
	good = rc_ok(h->rc);
	happening_release(h);
	return good;
}

/* All shards as a wipe leaves them, nobody's. */
static int begin(void **state)
{
	begin_bare(state);
	for (int32_t p = 0; p < CONFORMANCE_PARTITIONS; p++) {
		claim(0, p, "tx-before");
		assert_true(wipe(0, p, 0));
		unclaim(0, p, "");
	}
	return 0;
}

static struct flush flush_of(int32_t partition, int64_t expect, int64_t cursor)
{
	return (struct flush){
		.ticket = ++ticket,
		.partition = partition,
		.expect = expect,
		.meta = { .state = META_WHOLE,
		          .input_cursor = cursor,
		          .logic_version = 3,
		          .reference_pin = 17,
		          .watermark_ms = 1767225600123,
		          .broker_ms = 1767225600456,
		          .partitions = CONFORMANCE_PARTITIONS },
	};
}

static enum store_result send_flush(unsigned process, const struct flush *flush)
{
	struct happening *h;
	enum store_result result;

	rig->port[process].flush(rig->port[process].self, flush);
	h = answer(process, HAPPENED_FLUSHED);
	assert_int_equal(h->partition, flush->partition);
	result = h->store;
	happening_release(h);
	return result;
}

/* Flushes R from `expect` to `cursor` with some writes. */
static enum store_result flush_writes(unsigned process, int32_t partition, int64_t expect,
                                      int64_t cursor, const struct write *writes, unsigned count)
{
	struct flush flush = flush_of(partition, expect, cursor);
	const struct write **pointers = arena_alloc(&memory, count * sizeof(struct write *));

	for (unsigned i = 0; i < count; i++)
		pointers[i] = &writes[i];
	flush.writes = pointers;
	flush.write_count = count;
	return send_flush(process, &flush);
}

static struct write write_of(enum write_kind kind, struct str key, const struct pair *pairs,
                             unsigned count)
{
	return (struct write){ .kind = kind,
		               .key = key,
		               .key_hash = hash64(key),
		               .pairs = pairs,
		               .pair_count = count };
}

static struct str look(struct str key, struct str name)
{
	return rig->look(rig, key, name, &memory);
}

#define ABSENT str_of(NULL, 0)

static void expect_text(struct str key, struct str name, struct str value)
{
	struct str found = look(key, name);

	assert_int_equal(found.ptr != NULL, value.ptr != NULL);
	if (!str_eq(found, value))
		fail_msg("%.*s: \"%.*s\", not \"%.*s\"", STR_ARG(key), STR_ARG(found),
		         STR_ARG(value));
}

static void put_value(int32_t partition, int64_t expect, int64_t cursor, struct str key,
                      struct str value)
{
	struct pair pair = { ABSENT, value };
	struct write w = write_of(WRITE_VALUE, key, &pair, 1);

	assert_int_equal(flush_writes(0, partition, expect, cursor, &w, 1), STORE_OK);
}

/* An id whose shard is the partition. */
static struct str id_in(int32_t partition, unsigned number)
{
	for (unsigned i = number * 1000;; i++) {
		struct str id = arena_printf(&memory, "e%u", i);

		if (hash_partition(id, CONFORMANCE_PARTITIONS) == partition)
			return id;
	}
}

static struct str key_in(int32_t partition, const char *prefix, unsigned number)
{
	return arena_printf(&memory, "%s%.*s", prefix, STR_ARG(id_in(partition, number)));
}

/* ---- claim and check ---- */

static void test_claim_of_nothing(void **state)
{
	struct shard_meta meta = claim(0, 2, "tx-a");

	(void)state;
	assert_int_equal(meta.state, META_ABSENT);
	assert_string_equal(meta.claimer, "");
	assert_int_equal(check(0, 2).state, META_ABSENT);
}

static void test_claim_tells_who_was_there(void **state)
{
	struct shard_meta meta;

	(void)state;
	claim(0, 2, "tx-a");
	meta = claim(1, 2, "tx-b");
	assert_int_equal(meta.state, META_EMPTY);
	assert_string_equal(meta.claimer, "tx-a");
	assert_false(meta.released);
	assert_string_equal(claim(0, 2, "tx-c").claimer, "tx-b");
	assert_string_equal(claim(0, 3, "tx-c").claimer, "");
}

static void test_flush_leaves_the_claimer(void **state)
{
	struct shard_meta meta;

	(void)state;
	claim(0, 1, "tx-a");
	assert_int_equal(flush_writes(0, 1, R_EMPTY, 5, NULL, 0), STORE_OK);
	meta = check(1, 1);
	assert_int_equal(meta.state, META_WHOLE);
	assert_string_equal(meta.claimer, "tx-a");
	assert_false(meta.released);
}

/* contract: redis.meta */
static void test_meta_comes_back(void **state)
{
	struct flush flush = flush_of(3, R_EMPTY, LARGE_R);
	struct shard_meta meta;

	(void)state;
	flush.meta.rebuilding = true;
	flush.meta.watermark_ms = INT64_MIN;
	assert_int_equal(send_flush(0, &flush), STORE_OK);
	meta = claim(1, 3, "tx-b");
	assert_int_equal(meta.state, META_WHOLE);
	assert_true(meta.input_cursor == LARGE_R);
	assert_int_equal(meta.logic_version, 3);
	assert_int_equal(meta.reference_pin, 17);
	assert_true(meta.watermark_ms == INT64_MIN);
	assert_true(meta.broker_ms == 1767225600456);
	assert_int_equal(meta.partitions, CONFORMANCE_PARTITIONS);
	assert_true(meta.rebuilding);
	assert_true(meta.trying.until == 0 && meta.tried.until == 0);
	assert_int_equal(meta.tries, 0);
}

static void test_release(void **state)
{
	struct flush flush;

	(void)state;
	claim(0, 0, "tx-a");
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 5, NULL, 0), STORE_OK);
	flush = flush_of(0, 5, 6);
	flush.release = true;
	assert_int_equal(send_flush(0, &flush), STORE_OK);
	assert_true(check(1, 0).released);
	assert_true(claim(1, 0, "tx-b").released);
	assert_false(check(1, 0).released);
	assert_true(check(1, 0).input_cursor == 6);
}

static void test_release_without_progress(void **state)
{
	struct flush flush;

	(void)state;
	claim(0, 0, "tx-a");
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 5, NULL, 0), STORE_OK);
	flush = flush_of(0, 5, 5);
	flush.release = true;
	assert_int_equal(send_flush(0, &flush), STORE_OK);
	assert_true(check(1, 0).released);
	assert_true(check(1, 0).input_cursor == 5);
}

/* A late one says nothing of who came after. */
static void test_release_is_the_claimers(void **state)
{
	struct flush flush;

	(void)state;
	claim(0, 0, "tx-a");
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 5, NULL, 0), STORE_OK);
	claim(1, 0, "tx-b");
	flush = flush_of(0, 5, 5);
	flush.release = true;
	assert_int_equal(send_flush(0, &flush), STORE_OK);
	assert_false(check(1, 0).released);
	claim(0, 0, "tx-a");
	claim(1, 0, "tx-b");
	flush = flush_of(0, 5, 5);
	flush.release = true;
	assert_int_equal(send_flush(1, &flush), STORE_OK);
	assert_true(check(1, 0).released);
}

/* A claim that came to nothing is taken back, but never another's name. */
static void test_unclaim(void **state)
{
	(void)state;
	claim(0, 0, "tx-a");
	assert_string_equal(unclaim(0, 0, "").claimer, "");
	assert_string_equal(claim(1, 0, "tx-b").claimer, "");
	assert_string_equal(claim(0, 0, "tx-c").claimer, "tx-b");
	assert_string_equal(unclaim(0, 0, "tx-b").claimer, "tx-b");
	assert_string_equal(claim(0, 0, "tx-d").claimer, "tx-b");
	claim(1, 0, "tx-e");
	assert_string_equal(unclaim(0, 0, "tx-b").claimer, "tx-e"); /* too late */
	assert_string_equal(claim(0, 0, "tx-f").claimer, "tx-e");
}

/* ---- flush ---- */

static void test_flush_compares(void **state)
{
	struct pair pair = { ABSENT, STR_INIT("one") };
	struct pair other = { ABSENT, STR_INIT("two") };
	struct str key = key_in(1, "doc:", 1);
	struct write w = write_of(WRITE_VALUE, key, &pair, 1);
	struct write w2 = write_of(WRITE_VALUE, key, &other, 1);

	(void)state;
	assert_int_equal(flush_writes(0, 1, 4, 9, &w, 1), STORE_REFUSED);
	expect_text(key, ABSENT, ABSENT);
	assert_int_equal(check(0, 1).state, META_EMPTY);
	assert_int_equal(flush_writes(0, 1, R_EMPTY, 9, &w, 1), STORE_OK);
	expect_text(key, ABSENT, STR("one"));
	assert_int_equal(flush_writes(1, 1, R_EMPTY, 12, &w2, 1), STORE_REFUSED);
	assert_int_equal(flush_writes(1, 1, 8, 12, &w2, 1), STORE_REFUSED);
	expect_text(key, ABSENT, STR("one"));
	assert_true(check(1, 1).input_cursor == 9);
	assert_int_equal(flush_writes(1, 1, 9, 12, &w2, 1), STORE_OK);
	expect_text(key, ABSENT, STR("two"));
	assert_true(check(1, 1).input_cursor == 12);
}

/* R is compared as a number of 64 bits, not as a double. */
static void test_flush_compares_exactly(void **state)
{
	(void)state;
	assert_int_equal(flush_writes(0, 1, R_EMPTY, LARGE_R, NULL, 0), STORE_OK);
	assert_int_equal(flush_writes(0, 1, LARGE_R - 1, LARGE_R + 1, NULL, 0), STORE_REFUSED);
	assert_int_equal(flush_writes(0, 1, LARGE_R, LARGE_R + 2, NULL, 0), STORE_OK);
	assert_true(check(0, 1).input_cursor == LARGE_R + 2);
}

static void test_shards_are_apart(void **state)
{
	(void)state;
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 3, NULL, 0), STORE_OK);
	assert_int_equal(flush_writes(0, 1, R_EMPTY, 8, NULL, 0), STORE_OK);
	assert_int_equal(flush_writes(1, 0, 8, 9, NULL, 0), STORE_REFUSED);
	assert_true(check(0, 0).input_cursor == 3);
	assert_true(check(0, 1).input_cursor == 8);
	assert_int_equal(check(0, 2).state, META_EMPTY);
}

static void test_fields(void **state)
{
	struct str key = key_in(0, "sum:", 1);
	struct pair first[] = { { STR_INIT("orders"), STR_INIT("1") },
		                { STR_INIT("order_amount"), STR_INIT("-9007199254740993") } };
	struct pair second[] = { { STR_INIT("orders"), STR_INIT("2") },
		                 { STR_INIT("order_amount"), { NULL, 0 } },
		                 { STR_INIT("never"), { NULL, 0 } } };
	struct pair third[] = { { STR_INIT("orders"), { NULL, 0 } } };
	struct write w[3] = { write_of(WRITE_FIELDS, key, first, 2),
		              write_of(WRITE_FIELDS, key, second, 3),
		              write_of(WRITE_FIELDS, key, third, 1) };

	(void)state;
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 1, &w[0], 1), STORE_OK);
	expect_text(key, STR("orders"), STR("1"));
	expect_text(key, STR("order_amount"), STR("-9007199254740993"));
	assert_int_equal(flush_writes(0, 0, 1, 2, &w[1], 1), STORE_OK);
	assert_int_equal(flush_writes(0, 0, 2, 3, &w[1], 1), STORE_OK);
	expect_text(key, STR("orders"), STR("2"));
	expect_text(key, STR("order_amount"), ABSENT);
	assert_int_equal(flush_writes(0, 0, 3, 4, &w[2], 1), STORE_OK);
	expect_text(key, STR("orders"), ABSENT);
}

static void test_scores(void **state)
{
	struct str key = STR("shared:board");
	struct pair first[] = { { STR_INIT("p1"), STR_INIT("100") },
		                { STR_INIT("p2"), STR_INIT("-5") } };
	struct pair second[] = { { STR_INIT("p1"), STR_INIT("70") },
		                 { STR_INIT("p2"), { NULL, 0 } } };
	struct write w[2] = { write_of(WRITE_SCORES, key, first, 2),
		              write_of(WRITE_SCORES, key, second, 2) };

	(void)state;
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 1, &w[0], 1), STORE_OK);
	expect_text(key, STR("p1"), STR("100"));
	expect_text(key, STR("p2"), STR("-5"));
	assert_int_equal(flush_writes(0, 0, 1, 2, &w[1], 1), STORE_OK);
	expect_text(key, STR("p1"), STR("70"));
	expect_text(key, STR("p2"), ABSENT);
}

static void test_values_and_removal(void **state)
{
	static const char bytes[] = "a\0b\r\n\"\xe4\xbd\xa3\xe9\x87\x91 $-1";
	struct str value = str_of(bytes, sizeof(bytes) - 1);
	struct str key = key_in(0, "doc:", 1), empty = key_in(0, "doc:", 2);
	struct pair pairs[] = { { ABSENT, value }, { ABSENT, STR("") } };
	struct write w[] = { write_of(WRITE_VALUE, key, &pairs[0], 1),
		             write_of(WRITE_VALUE, empty, &pairs[1], 1),
		             write_of(WRITE_REMOVE, key, NULL, 0) };

	(void)state;
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 1, w, 2), STORE_OK);
	expect_text(key, ABSENT, value);
	expect_text(empty, ABSENT, STR(""));
	assert_int_equal(flush_writes(0, 0, 1, 2, &w[2], 1), STORE_OK);
	assert_int_equal(flush_writes(0, 0, 2, 3, &w[2], 1), STORE_OK);
	expect_text(key, ABSENT, ABSENT);
}

/* More arguments than Lua's stack takes in one unpack, and a large value. */
static void test_large_flush(void **state)
{
	struct str sum = key_in(2, "sum:", 1), doc = key_in(2, "doc:", 1);
	struct pair *pairs = arena_alloc(&memory, MANY_PAIRS * sizeof(*pairs)), big;
	char *text = arena_alloc(&memory, LIMIT_MESSAGE_BYTES);
	struct write w[2];

	(void)state;
	for (unsigned i = 0; i < MANY_PAIRS; i++)
		pairs[i] = (struct pair){ arena_printf(&memory, "f%u", i),
			                  arena_printf(&memory, "%u", i * 7) };
	memset(text, 'x', LIMIT_MESSAGE_BYTES);
	big = (struct pair){ ABSENT, str_of(text, LIMIT_MESSAGE_BYTES) };
	w[0] = write_of(WRITE_FIELDS, sum, pairs, MANY_PAIRS);
	w[1] = write_of(WRITE_VALUE, doc, &big, 1);
	assert_int_equal(flush_writes(0, 2, R_EMPTY, 1, w, 2), STORE_OK);
	expect_text(sum, STR("f0"), STR("0"));
	expect_text(sum, STR("f19999"), STR("139993"));
	expect_text(doc, ABSENT, big.value);
}

/* ---- load ---- */

static struct happening *load_keys(unsigned process, int32_t partition, int64_t expect,
                                   int64_t or_else, const struct str *names, const bool *hash,
                                   unsigned count)
{
	static struct load load;
	__typeof__(load.keys) list = arena_alloc(&memory, count * sizeof(*load.keys));

	for (unsigned i = 0; i < count; i++) {
		list[i].key = names[i];
		list[i].hash = hash[i];
	}
	load = (struct load){ .ticket = ++ticket,
		              .partition = partition,
		              .expect = { expect, or_else },
		              .keys = list,
		              .count = count };
	rig->port[process].load(rig->port[process].self, &load);
	return answer(process, HAPPENED_LOADED);
}

static void test_load(void **state)
{
	struct str names[] = { key_in(0, "doc:", 1), key_in(0, "sum:", 1), key_in(0, "doc:", 2),
		               key_in(0, "sum:", 2), key_in(0, "doc:", 3) };
	bool hash[] = { false, true, false, true, false };
	struct pair text = { ABSENT, STR_INIT("{\"a\":1}") }, empty = { ABSENT, STR_INIT("") };
	struct pair fields[] = { { STR_INIT("b"), STR_INIT("2") },
		                 { STR_INIT("a"), STR_INIT("1") } };
	struct write w[] = { write_of(WRITE_VALUE, names[0], &text, 1),
		             write_of(WRITE_FIELDS, names[1], fields, 2),
		             write_of(WRITE_VALUE, names[4], &empty, 1) };
	struct happening *h;
	const struct loaded *v;
	int64_t total = 0;

	(void)state;
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 7, w, 3), STORE_OK);
	h = load_keys(1, 0, 7, 7, names, hash, 5);
	assert_int_equal(h->load.result, STORE_OK);
	v = h->load.values;
	assert_true(v[0].exists && str_eq_c(v[0].value, "{\"a\":1}"));
	assert_true(v[1].exists);
	assert_int_equal(v[1].pair_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		int64_t n;

		assert_true(str_to_i64(v[1].pairs[i].value, &n));
		total += n * (str_eq_c(v[1].pairs[i].name, "a") ? 1 : 100);
	}
	assert_int_equal(total, 201);
	assert_false(v[2].exists);
	assert_false(v[3].exists);
	assert_true(v[4].exists && v[4].value.ptr && v[4].value.len == 0);
	happening_release(h);
}

static enum store_result load_result(int64_t expect, int64_t or_else)
{
	struct str name = key_in(0, "doc:", 1);
	bool hash = false;
	struct happening *h = load_keys(0, 0, expect, or_else, &name, &hash, 1);
	enum store_result result = h->load.result;

	happening_release(h);
	return result;
}

static void test_load_compares(void **state)
{
	(void)state;
	assert_int_equal(load_result(R_EMPTY, R_EMPTY), STORE_OK);
	assert_int_equal(load_result(0, 0), STORE_REFUSED);
	claim(0, 0, "tx-a"); /* a claim alone brings no R */
	assert_int_equal(load_result(R_EMPTY, R_EMPTY), STORE_OK);
	put_value(0, R_EMPTY, 7, key_in(0, "doc:", 1), STR("x"));
	assert_int_equal(load_result(7, 7), STORE_OK);
	assert_int_equal(load_result(5, 7), STORE_OK);
	assert_int_equal(load_result(7, 9), STORE_OK);
	assert_int_equal(load_result(R_EMPTY, 7), STORE_OK);
	assert_int_equal(load_result(6, 8), STORE_REFUSED);
	assert_int_equal(load_result(R_EMPTY, R_EMPTY), STORE_REFUSED);
}

static void test_load_many(void **state)
{
	struct str *names = arena_alloc(&memory, MANY_KEYS * sizeof(*names));
	bool *hash = arena_alloc(&memory, MANY_KEYS);
	struct pair *pairs = arena_alloc(&memory, MANY_KEYS * sizeof(*pairs));
	struct write *writes = arena_alloc(&memory, MANY_KEYS * sizeof(*writes));
	struct happening *h;

	(void)state;
	for (unsigned i = 0; i < MANY_KEYS; i++) {
		hash[i] = i % 2;
		names[i] = arena_printf(&memory, "%s:k%u", hash[i] ? "sum" : "doc", i);
		pairs[i] = (struct pair){ STR("n"), arena_printf(&memory, "%u", i) };
		writes[i] = write_of(hash[i] ? WRITE_FIELDS : WRITE_VALUE, names[i], &pairs[i], 1);
	}
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 1, writes, MANY_KEYS), STORE_OK);
	h = load_keys(0, 0, 1, 1, names, hash, MANY_KEYS);
	assert_int_equal(h->load.result, STORE_OK);
	for (unsigned i = 0; i < MANY_KEYS; i++) {
		const struct loaded *v = &h->load.values[i];

		assert_true(v->exists);
		assert_true(str_eq(hash[i] ? v->pairs[0].value : v->value, pairs[i].value));
	}
	happening_release(h);
}

/* ---- wipe, try, due ---- */

static struct str due_key(int32_t partition)
{
	return arena_printf(&memory, "due:%s:%d", conformance_worker.topic, (int)partition);
}

static void test_wipe(void **state)
{
	struct pair text = { ABSENT, STR_INIT("x") }, one = { STR_INIT("a"), STR_INIT("1") };

	(void)state;
	for (int32_t p = 0; p < 2; p++) {
		struct write w[24];
		unsigned n = 0;

		for (unsigned i = 0; i < 20; i++)
			w[n++] = write_of(WRITE_VALUE, key_in(p, "doc:", i + 1), &text, 1);
		w[n++] = write_of(WRITE_FIELDS, key_in(p, "sum:", 1), &one, 1);
		w[n++] = write_of(WRITE_FIELDS, key_in(p, "list:", 1), &one, 1);
		w[n++] = write_of(WRITE_SCORES, due_key(p), &one, 1);
		w[n++] = write_of(WRITE_SCORES, STR("shared:board"), &one, 1);
		claim(0, p, "tx-a");
		assert_int_equal(flush_writes(0, p, R_EMPTY, 5, w, n), STORE_OK);
	}
	assert_true(wipe(0, 0, CONFORMANCE_PARTITIONS));
	assert_int_equal(check(0, 0).state, META_EMPTY);
	assert_int_equal(load_result(R_EMPTY, R_EMPTY), STORE_OK);
	for (unsigned i = 0; i < 20; i++)
		expect_text(key_in(0, "doc:", i + 1), ABSENT, ABSENT);
	expect_text(key_in(0, "sum:", 1), STR("a"), ABSENT);
	expect_text(key_in(0, "list:", 1), STR("a"), ABSENT);
	expect_text(due_key(0), STR("a"), ABSENT);
	expect_text(STR("shared:board"), STR("a"), STR("1"));
	assert_true(check(0, 1).input_cursor == 5);
	for (unsigned i = 0; i < 20; i++)
		expect_text(key_in(1, "doc:", i + 1), ABSENT, STR("x"));
	expect_text(key_in(1, "sum:", 1), STR("a"), STR("1"));
	expect_text(due_key(1), STR("a"), STR("1"));
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 2, NULL, 0), STORE_OK);
}

/* A wipe of one who was followed by another claimer removes nothing. */
static void test_wipe_is_the_claimers(void **state)
{
	(void)state;
	claim(0, 0, "tx-a");
	put_value(0, R_EMPTY, 5, key_in(0, "doc:", 1), STR("x"));
	claim(1, 0, "tx-b");
	assert_false(wipe(0, 0, CONFORMANCE_PARTITIONS));
	expect_text(key_in(0, "doc:", 1), ABSENT, STR("x"));
	assert_true(check(0, 0).input_cursor == 5);
}

static struct shard_meta try_offsets(unsigned process, int64_t from, int64_t until)
{
	struct happening *h;
	struct shard_meta meta;

	rig->port[process].try_offsets(rig->port[process].self, 0, ++ticket,
	                               (struct offsets){ from, until });
	h = answer(process, HAPPENED_TRIED);
	assert_true(rc_ok(h->rc));
	meta = h->meta;
	happening_release(h);
	return meta;
}

static void expect_tried(struct shard_meta meta, int64_t from, int64_t until, int64_t tries)
{
	assert_true(meta.trying.until == 0);
	assert_true(meta.tried.from == from && meta.tried.until == until);
	assert_int_equal(meta.tries, tries);
}

/* What is being tried stays through flushes, is written by the claimer only, and is over when the
 * claimer says so. */
static void test_try(void **state)
{
	struct shard_meta meta;

	(void)state;
	claim(0, 0, "tx-a");
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 5, NULL, 0), STORE_OK);
	meta = try_offsets(0, 7, LARGE_R);
	assert_string_equal(meta.claimer, "tx-a");
	assert_true(meta.trying.from == 7 && meta.trying.until == LARGE_R);
	assert_int_equal(flush_writes(0, 0, 5, 6, NULL, 0), STORE_OK);
	assert_true(check(0, 0).trying.from == 7);
	assert_true(check(0, 0).input_cursor == 6);
	assert_true(try_offsets(1, 8, 9).trying.from == 7);
	assert_true(try_offsets(1, 0, 0).trying.from == 7);
	assert_true(try_offsets(0, 0, 0).trying.until == 0);
	expect_tried(claim(1, 0, "tx-b"), 0, 0, 0);
}

/* A death is counted once, where a claim finds `trying` of another who did not let go. */
static void test_tries_count_deaths(void **state)
{
	struct shard_meta meta;
	struct flush flush;

	(void)state;
	assert_false(claim(0, 0, "tx-a").died);
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 5, NULL, 0), STORE_OK);
	try_offsets(0, 7, 8);
	meta = claim(0, 0, "tx-a2"); /* the same process with a new producer */
	assert_false(meta.died);
	expect_tried(meta, 0, 0, 0);
	meta = claim(1, 0, "tx-b"); /* a first death, which tried nothing any more */
	assert_false(meta.died);
	expect_tried(meta, 0, 0, 0);
	meta = claim(0, 0, "tx-b2"); /* a second one with R where it was */
	assert_true(meta.died);
	expect_tried(meta, 0, 0, 0);
	assert_int_equal(flush_writes(0, 0, 5, 6, NULL, 0), STORE_OK);
	assert_false(claim(1, 0, "tx-b3").died); /* R has moved since */
	try_offsets(1, 7, 8);
	expect_tried(claim(0, 0, "tx-c"), 7, 8, 1);
	expect_tried(claim(1, 0, "tx-d"), 7, 8, 1);
	try_offsets(1, 7, 8);
	expect_tried(claim(0, 0, "tx-e"), 7, 8, 2);
	try_offsets(0, 7, 8);
	flush = flush_of(0, 6, 7);
	flush.release = true;
	assert_int_equal(send_flush(0, &flush), STORE_OK);
	meta = claim(1, 0, "tx-f"); /* the last one let go */
	assert_false(meta.died);
	expect_tried(meta, 7, 8, 2);
	try_offsets(1, 8, 9);
	expect_tried(claim(0, 0, "tx-g"), 8, 9, 1); /* another one: counted anew */
	assert_true(wipe(0, 0, 0));
	expect_tried(check(0, 0), 8, 9, 1);
	unclaim(0, 0, "");
	assert_false(claim(1, 0, "tx-h").died);
}

/* How many entries are there, and R. */
static int64_t read_due(unsigned max, unsigned count, int32_t partition, const char *const *members)
{
	struct happening *h;
	int64_t cursor;

	rig->port[1].read_due(rig->port[1].self, partition, ++ticket, max);
	h = answer(1, HAPPENED_DUE);
	assert_true(rc_ok(h->rc));
	assert_int_equal(h->due.count, count);
	for (unsigned i = 0; i < count; i++)
		assert_true(str_eq_c(h->due.entries[i].member, members[i]));
	cursor = h->due.cursor;
	happening_release(h);
	return cursor;
}

/* No R matches nothing: it may be lost while the shard's keys are there. */
static void test_absent_matches_nothing(void **state)
{
	struct str name = key_in(0, "doc:", 1);
	struct happening *h;
	bool hash = false;

	(void)state;
	assert_int_equal(check(0, 0).state, META_ABSENT);
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 5, NULL, 0), STORE_REFUSED);
	claim(0, 0, "tx-a");
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 5, NULL, 0), STORE_REFUSED);
	assert_int_equal(flush_writes(0, 0, 0, 5, NULL, 0), STORE_REFUSED);
	h = load_keys(0, 0, R_EMPTY, 0, &name, &hash, 1);
	assert_int_equal(h->load.result, STORE_REFUSED);
	happening_release(h);
	assert_int_equal(read_due(1, 0, 0, NULL), R_NONE);
	assert_int_equal(check(0, 0).state, META_ABSENT);
	assert_true(wipe(0, 0, 0));
	assert_int_equal(check(0, 0).state, META_EMPTY);
	assert_int_equal(read_due(1, 0, 0, NULL), R_EMPTY);
	assert_int_equal(flush_writes(1, 0, R_EMPTY, 5, NULL, 0), STORE_OK);
	assert_int_equal(flush_writes(0, 0, R_EMPTY, 5, NULL, 0), STORE_REFUSED); /* once */
}

static void test_due(void **state)
{
	static const char *const all[] = { "doc/b", "doc/c", "doc/a" };
	struct pair pairs[] = { { STR_INIT("doc/a"), STR_INIT("1767225600300") },
		                { STR_INIT("doc/b"), STR_INIT("1767225600100") },
		                { STR_INIT("doc/c"), STR_INIT("1767225600200") } };
	struct write w = write_of(WRITE_SCORES, due_key(3), pairs, 3);
	struct happening *h;

	(void)state;
	assert_int_equal(read_due(10, 0, 3, NULL), R_EMPTY);
	assert_int_equal(flush_writes(0, 3, R_EMPTY, LARGE_R, &w, 1), STORE_OK);
	assert_true(read_due(10, 3, 3, all) == LARGE_R);
	assert_true(read_due(2, 2, 3, all) == LARGE_R);
	rig->port[0].read_due(rig->port[0].self, 3, ++ticket, 1);
	h = answer(0, HAPPENED_DUE);
	assert_true(h->due.entries[0].due_ms == 1767225600100);
	happening_release(h);
}

int suite_store(struct store_rig *of)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_claim_of_nothing, begin_bare, end),
		cmocka_unit_test_setup_teardown(test_absent_matches_nothing, begin_bare, end),
		TEST(test_claim_tells_who_was_there),
		TEST(test_flush_leaves_the_claimer),
		TEST(test_meta_comes_back),
		TEST(test_release),
		TEST(test_release_is_the_claimers),
		TEST(test_release_without_progress),
		TEST(test_unclaim),
		TEST(test_flush_compares),
		TEST(test_flush_compares_exactly),
		TEST(test_shards_are_apart),
		TEST(test_fields),
		TEST(test_scores),
		TEST(test_values_and_removal),
		TEST(test_large_flush),
		TEST(test_load),
		TEST(test_load_compares),
		TEST(test_load_many),
		TEST(test_wipe),
		TEST(test_wipe_is_the_claimers),
		TEST(test_try),
		TEST(test_tries_count_deaths),
		TEST(test_due),
	};
#undef TEST

	rig = of;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
