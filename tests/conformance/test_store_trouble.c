/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Redis store says when Redis is away, full, replaced, frozen or wrongly
 * set: each trouble has one of four answers (see enum store_result), and the next
 * owner's recovery stands on it. Runs a Redis of its own in TALLY_TEST_DIR.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/adapters/redis_command.h"
#include "common/adapters/redis_connection.h"
#include "common/base/hash.h"
#include "tests/conformance/free_port.h"
#include "tests/conformance/suite_store.h"

#define SKIPPED 77
#define PATH_BYTES 512
#define TIMEOUT_MS 400

static char folder[PATH_BYTES];
static int server_port;
static char url[PATH_BYTES];
static struct redis_options options;
static struct inbox *inbox[2];
static struct store port[2];
static struct redis_store *store[2];
static struct redis_connection outside;
static uint64_t ticket;

/* ---- the server ---- */

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
	char line[4 * PATH_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (system(line) != 0)
		fail_msg("failed: %s", line);
}

static void server(const char *what)
{
	if (what[0] == 's' && what[2] == 'a')
		shell("deploy/local/redis.sh start '%s' %d >/dev/null", folder, server_port);
	else
		shell("deploy/local/redis.sh %s '%s' >/dev/null", what, folder);
}

static void server_signal(const char *name)
{
	shell("kill -%s $(cat '%s/pid')", name, folder);
}

/* One command given as words in one text; what it answers is of no interest. */
static void order(const char *text)
{
	struct str rest = str_from_c(text);
	redisReply *reply = NULL;
	struct command c;
	struct buf buf;
	struct rc rc = redis_connection_open(&outside);

	assert_true(rc_ok(rc));
	buf_init(&buf, NULL);
	command_begin(&c, &buf);
	while (rest.ptr)
		command_add(&c, str_split(&rest, ' '));
	command_end(&c);
	rc = redis_connection_ask(&outside, command_text(&c), &reply);
	buf_release(&buf);
	if (!rc_ok(rc))
		fail_msg("%s: %s", text, rc_text());
	freeReplyObject(reply);
}

/* ---- calls ---- */

static void open_store(unsigned process)
{
	struct rc rc;

	inbox[process] = inbox_new();
	rc = redis_store_new(&options, &conformance_worker, inbox[process], &port[process],
	                     &store[process]);
	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
}

static void close_store(unsigned process)
{
	redis_store_free(store[process]);
	inbox_free(inbox[process]);
}

static struct happening *answer(unsigned process)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	struct happening *h = NULL;

	for (unsigned i = 0; i < 10000 && !(h = inbox_take(inbox[process])); i++)
		nanosleep(&moment, NULL);
	assert_non_null(h);
	assert_true(h->ticket == ticket);
	return h;
}

static enum store_result flush_write(int64_t expect, int64_t cursor, const struct write *write,
                                     bool release)
{
	const struct write *writes[] = { write };
	struct flush flush = {
		.ticket = ++ticket,
		.expect = expect,
		.meta = { .state = META_WHOLE, .input_cursor = cursor, .partitions = 4 },
		.release = release,
		.writes = writes,
		.write_count = write ? 1 : 0,
	};
	struct happening *h;
	enum store_result result;

	port[0].flush(port[0].self, &flush);
	h = answer(0);
	assert_int_equal(h->kind, HAPPENED_FLUSHED);
	result = h->store;
	if (result == STORE_KEPT || result == STORE_UNKNOWN)
		assert_true(h->words && h->words[0]);
	happening_release(h);
	return result;
}

static enum store_result flush(int64_t expect, int64_t cursor)
{
	static const struct pair pair = { { NULL, 0 }, STR_INIT("text") };
	struct write write = {
		.kind = WRITE_VALUE, .key = STR("doc:1"), .pairs = &pair, .pair_count = 1
	};

	write.key_hash = hash64(write.key);
	return flush_write(expect, cursor, &write, false);
}

static enum store_result load(int64_t expect)
{
	struct load l = { .ticket = ++ticket, .expect = { expect, expect }, .count = 1 };
	__typeof__(*l.keys) key = { STR("doc:1"), false };
	struct happening *h;
	enum store_result result;

	l.keys = (void *)&key;
	port[0].load(port[0].self, &l);
	h = answer(0);
	result = h->load.result;
	happening_release(h);
	return result;
}

static struct shard_meta check(void)
{
	struct happening *h;
	struct shard_meta meta;

	port[0].check(port[0].self, 0, ++ticket);
	h = answer(0);
	assert_true(rc_ok(h->rc));
	meta = h->meta;
	happening_release(h);
	return meta;
}

static bool claim(unsigned process, const char *id, struct shard_meta *meta, struct str expect)
{
	struct happening *h;
	bool good;

	port[process].claim(port[process].self, 0, ++ticket, id);
	h = answer(process);
	good = rc_ok(h->rc);
	*meta = h->meta;
	if (!good && expect.len && !strstr(h->words, expect.ptr))
		fail_msg("words are \"%s\"", h->words);
	happening_release(h);
	return good;
}

/* Waits out the short pause after a failed connection. */
static enum store_result flush_soon(int64_t expect, int64_t cursor)
{
	const struct timespec moment = { .tv_nsec = 20000000 };
	enum store_result result = flush(expect, cursor);

	for (unsigned i = 0; i < 500 && result == STORE_KEPT; i++) {
		nanosleep(&moment, NULL);
		result = flush(expect, cursor);
	}
	return result;
}

/* ---- before and after each ---- */

static int begin(void **state)
{
	(void)state;
	server("start");
	options = (struct redis_options){ .url = url,
		                          .prefix = STR("t:"),
		                          .topic = str_from_c(conformance_worker.topic) };
	redis_options_default(&options);
	options.command_timeout_ms = TIMEOUT_MS;
	redis_connection_init(&outside, &options);
	order("FLUSHALL");
	order("HSET t:meta:conformance:0 cursor empty"); /* as a wipe leaves it */
	open_store(0);
	open_store(1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	close_store(0);
	close_store(1);
	redis_connection_release(&outside);
	return 0;
}

/* ---- the troubles ---- */

static void test_away_and_back(void **state)
{
	struct shard_meta meta;

	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	server("stop");
	assert_int_equal(flush(5, 6), STORE_KEPT);
	assert_int_equal(load(5), STORE_KEPT);
	assert_false(claim(0, "tx-a", &meta, STR("connect")));
	server("start");
	assert_int_equal(flush_soon(5, 6), STORE_OK);
	assert_true(check().input_cursor == 6);
}

/* Started while Redis is away. */
static void test_away_at_first(void **state)
{
	struct shard_meta meta;

	(void)state;
	server("stop");
	close_store(0);
	open_store(0);
	assert_false(claim(0, "tx-a", &meta, STR("connect")));
	assert_int_equal(flush(R_EMPTY, 1), STORE_KEPT);
	server("start");
	assert_int_equal(flush_soon(R_EMPTY, 1), STORE_OK);
}

/* Killed and started again between two calls: the dead connection is noticed before it is used. */
static void test_killed_between(void **state)
{
	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	server("kill");
	server("start");
	assert_int_equal(flush_soon(5, 6), STORE_OK);
	assert_int_equal(load(6), STORE_OK);
}

/* No answer came in time: a flush that only compared is surely not done. */
static void test_frozen(void **state)
{
	struct shard_meta meta = { .input_cursor = 0 };
	const struct timespec moment = { .tv_nsec = 300000000 };

	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	assert_int_equal(load(5), STORE_OK);
	server_signal("STOP");
	assert_int_equal(flush(5, 6), STORE_KEPT);
	assert_int_equal(load(5), STORE_KEPT);
	server_signal("CONT");
	nanosleep(&moment, NULL);
	assert_true(claim(0, "tx-a", &meta, STR("")));
	assert_true(meta.input_cursor == 5);
	assert_int_equal(flush_soon(6, 7), STORE_REFUSED);
	assert_int_equal(flush_soon(5, 7), STORE_OK);
}

static void wipe(int32_t partitions)
{
	struct shard_meta meta;
	struct happening *h;

	assert_true(claim(0, "tx-a", &meta, STR("")));
	port[0].wipe(port[0].self, 0, partitions, ++ticket);
	h = answer(0);
	assert_true(rc_ok(h->rc));
	happening_release(h);
	assert_int_equal(check().state, META_EMPTY);
}

static void test_emptied(void **state)
{
	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	order("FLUSHALL");
	assert_int_equal(load(5), STORE_REFUSED);
	assert_int_equal(flush(5, 6), STORE_REFUSED);
	assert_int_equal(check().state, META_ABSENT);
	assert_int_equal(flush(R_EMPTY, 1), STORE_REFUSED);
	order("SET t:doc:1 old"); /* R alone was lost, or another's copy */
	wipe(1);
	assert_int_equal(load(R_EMPTY), STORE_OK);
	assert_int_equal(flush(R_EMPTY, 1), STORE_OK);
}

static void test_functions_missing(void **state)
{
	struct shard_meta meta;

	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	order("FUNCTION FLUSH");
	assert_int_equal(flush(5, 6), STORE_OK);
	order("FUNCTION FLUSH");
	assert_int_equal(load(6), STORE_OK);
	order("FUNCTION FLUSH");
	assert_true(claim(0, "tx-a", &meta, STR("")));
	assert_true(check().input_cursor == 6);
}

/* A library of our name with another text, as another build leaves it. */
static void test_functions_of_another_build(void **state)
{
	(void)state;
	order("FUNCTION FLUSH");
	order("FUNCTION LOAD #!lua\tname=tallyworks_v1\nredis.register_function('tallyworks_load',"
	      "function()return\t1\tend)");
	close_store(0);
	open_store(0);
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	assert_true(check().input_cursor == 5);
}

static void test_full(void **state)
{
	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	order("CONFIG SET maxmemory 1");
	assert_int_equal(flush(5, 6), STORE_KEPT);
	assert_int_equal(load(5), STORE_OK);
	order("CONFIG SET maxmemory 0");
	assert_int_equal(flush(5, 6), STORE_OK);
}

static void test_replica(void **state)
{
	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	order("REPLICAOF 127.0.0.1 1");
	assert_int_equal(flush(5, 6), STORE_KEPT);
	order("REPLICAOF NO ONE");
	assert_int_equal(flush_soon(5, 6), STORE_OK);
}

static void test_too_few_replicas(void **state)
{
	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	order("CONFIG SET min-replicas-to-write 1");
	assert_int_equal(flush(5, 6), STORE_KEPT);
	order("CONFIG SET min-replicas-to-write 0");
	assert_int_equal(flush(5, 6), STORE_OK);
}

static void test_busy(void **state)
{
	const struct timespec moment = { .tv_nsec = 200000000 };

	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	order("CONFIG SET busy-reply-threshold 50");
	shell("(redis-cli -p %d eval 'while true do end' 0 >/dev/null 2>&1 &)", server_port);
	nanosleep(&moment, NULL);
	assert_int_equal(flush(5, 6), STORE_KEPT);
	assert_int_equal(load(5), STORE_KEPT);
	order("SCRIPT KILL");
	nanosleep(&moment, NULL);
	assert_int_equal(flush(5, 6), STORE_OK);
}

/* A key of another type: Redis refuses half way, and R says torn until the shard is rebuilt. */
static void test_torn(void **state)
{
	static const struct pair pair = { STR_INIT("a"), STR_INIT("1") };
	struct write write = {
		.kind = WRITE_FIELDS, .key = STR("doc:1"), .pairs = &pair, .pair_count = 1
	};
	struct shard_meta meta;

	(void)state;
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	write.key_hash = hash64(write.key);
	assert_int_equal(flush_write(5, 6, &write, false), STORE_UNKNOWN);
	assert_int_equal(check().state, META_TORN);
	assert_int_equal(load(5), STORE_REFUSED);
	assert_int_equal(load(R_EMPTY), STORE_REFUSED);
	assert_int_equal(flush(5, 6), STORE_REFUSED);
	assert_int_equal(flush(R_EMPTY, 6), STORE_REFUSED);
	assert_true(claim(0, "tx-a", &meta, STR("")));
	assert_int_equal(meta.state, META_TORN);
	wipe(1);
	assert_string_equal(check().claimer, "tx-a");
	assert_int_equal(flush(R_EMPTY, 1), STORE_OK);
}

static void *touch_meta(void *stop)
{
	while (!atomic_load((atomic_bool *)stop))
		order("HSET meta:conformance:0 touched 1");
	return NULL;
}

/* Another field of the meta changes all the time: a flush is compared again, and none is lost or
 * done twice. */
static void test_meta_touched(void **state)
{
	atomic_bool stop = false;
	int64_t at = 1;
	pthread_t toucher;

	(void)state;
	assert_int_equal(flush(-1, at), STORE_OK);
	assert_int_equal(pthread_create(&toucher, NULL, touch_meta, &stop), 0);
	for (unsigned i = 0; i < 300; i++) {
		enum store_result result = flush(at, at + 1);

		assert_true(result == STORE_OK || result == STORE_KEPT);
		at += result == STORE_OK;
	}
	atomic_store(&stop, true);
	pthread_join(toucher, NULL);
	assert_true(at > 1 && check().input_cursor == at);
}

static void test_eviction_is_refused(void **state)
{
	struct shard_meta meta;

	(void)state;
	order("CONFIG SET maxmemory-policy allkeys-lru");
	close_store(0);
	open_store(0);
	assert_false(claim(0, "tx-a", &meta, STR("noeviction")));
	assert_int_equal(flush(R_EMPTY, 5), STORE_KEPT);
	/* `outside` was connected before. */
	order("CONFIG SET maxmemory-policy noeviction");
	assert_int_equal(flush_soon(R_EMPTY, 5), STORE_OK);
}

static void test_password(void **state)
{
	struct shard_meta meta;
	char with[PATH_BYTES];

	(void)state;
	order("CONFIG SET requirepass se@cret");
	close_store(0);
	open_store(0);
	assert_false(claim(0, "tx-a", &meta, STR("NOAUTH")));
	close_store(0);
	snprintf(with, sizeof(with), "redis://:se%%40cret@127.0.0.1:%d/3", server_port);
	options.url = with;
	open_store(0);
	wipe(0);
	assert_int_equal(flush(R_EMPTY, 5), STORE_OK);
	order("CONFIG SET requirepass ");
	close_store(0);
	options.url = url;
	open_store(0);
	assert_int_equal(check().state, META_EMPTY); /* it was another database */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_away_and_back),
		TEST(test_away_at_first),
		TEST(test_killed_between),
		TEST(test_frozen),
		TEST(test_emptied),
		TEST(test_functions_missing),
		TEST(test_functions_of_another_build),
		TEST(test_full),
		TEST(test_replica),
		TEST(test_too_few_replicas),
		TEST(test_busy),
		TEST(test_torn),
		TEST(test_meta_touched),
		TEST(test_eviction_is_refused),
		TEST(test_password),
	};
#undef TEST
	const char *scratch = getenv("TALLY_TEST_DIR");
	int failed;

	if (!scratch) {
		puts("TALLY_TEST_DIR is not set");
		return SKIPPED;
	}
	snprintf(folder, sizeof(folder), "%s/trouble-redis", scratch);
	server_port = free_port();
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d", server_port);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	server("stop");
	return failed ? 1 : 0;
}
