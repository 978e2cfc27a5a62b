/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are log lines whole, parseable and bounded, whatever the values are? Is a call
 * site held to its limit and is it said what was left out? Does must() say where?
 */
#include "common/base/log.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>

#include "common/base/limits.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"
#include "tests/unit/testing.h"

static char text[200000];

static void write_fields(void *arg)
{
	(void)arg;
	log_debug("unseen", LOG_END);
	errno = ENOENT;
	log_info("shard_claimed", LOG_TEXT("topic", "orders"), LOG_INT("partition", 3),
	         LOG_INT("least", INT64_MIN), LOG_TEXT("words", "two words"), LOG_TEXT("empty", ""),
	         LOG_STR("absent", str_of(NULL, 0)), LOG_TEXT("quote", "a\"b\\c\nd\te\x01"),
	         LOG_TEXT("sum", "a=b"), LOG_TEXT("wide", "\xe4\xb8\xad"), LOG_TEXT("bad", "x\xff"),
	         LOG_END);
	if (errno != ENOENT)
		_exit(1);
}

static void writes_logfmt(void **state)
{
	int64_t ms;

	(void)state;
	log_configure(LOG_INFO, LOG_LOGFMT, STR("orders"));
	assert_int_equal(testing_child(write_fields, NULL, text, sizeof(text)), 0);
	assert_memory_equal(text, "ts=", 3);
	assert_true(timestamp_parse(str_of(text + 3, 24), &ms));
	assert_string_equal(text + 27,
	                    " level=info event=shard_claimed worker=orders topic=orders partition=3"
	                    " least=-9223372036854775808 words=\"two words\" empty=\"\" absent=\"\""
	                    " quote=\"a\\\"b\\\\c\\nd\\te\\u0001\" sum=\"a=b\" wide=\xe4\xb8\xad"
	                    " bad=\"x\\ufffd\"\n");
}

static void writes_json(void **state)
{
	json_t *line, *value;

	(void)state;
	log_configure(LOG_DEBUG, LOG_JSON, STR("orders"));
	assert_int_equal(testing_child(write_fields, NULL, text, sizeof(text)), 0);
	log_configure(LOG_INFO, LOG_LOGFMT, STR("orders"));
	assert_non_null(strstr(text, "\"event\":\"unseen\",\"worker\":\"orders\"}\n{\"ts\":\""));
	line = json_loads(strchr(text, '\n') + 1, 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "level")), "info");
	assert_string_equal(json_string_value(json_object_get(line, "worker")), "orders");
	value = json_object_get(line, "quote");
	assert_string_equal(json_string_value(value), "a\"b\\c\nd\te\x01");
	assert_int_equal(json_integer_value(json_object_get(line, "least")), INT64_MIN);
	assert_string_equal(json_string_value(json_object_get(line, "bad")), "x\xef\xbf\xbd");
	json_decref(line);
}

static void write_random(void *arg)
{
	static char values[6][3000];

	(void)arg;
	for (int i = 0; i < 15; i++) {
		uint64_t most = rng_below(2) ? sizeof(values[0]) : 100;

		for (size_t j = 0; j < COUNT_OF(values); j++)
			rng_fill(values[j], sizeof(values[j]),
			         rng_below(2) ? STR("ab c\"\n\x01\x7f\xff") : STR("a\xe4\xb8\xad"));
		log_info("random", LOG_STR("a", str_of(values[0], rng_below(most))),
		         LOG_STR("b", str_of(values[1], rng_below(most))),
		         LOG_STR("c", str_of(values[2], rng_below(most))),
		         LOG_STR("d", str_of(values[3], rng_below(most))),
		         LOG_STR("e", str_of(values[4], rng_below(most))),
		         LOG_STR("f", str_of(values[5], rng_below(most))), LOG_INT("n", i),
		         LOG_END);
	}
}

static void bounds_lines(void **state)
{
	unsigned cut = 0;

	(void)state;
	log_configure(LOG_INFO, LOG_JSON, STR("orders"));
	for (int round = 0; round < 20; round++) {
		struct str rest = str_of(text, 0);
		int lines = 0;

		testing_state = rng_next() | 1; /* the child's draws are not seen here */
		assert_int_equal(testing_child(write_random, NULL, text, sizeof(text)), 0);
		rest = str_from_c(text);
		while (rest.len > 0) {
			struct str line = str_split(&rest, '\n');
			json_t *read = json_loadb(line.ptr, line.len, 0, NULL);

			assert_true(line.len + 1 <= LOG_LINE_BYTES);
			assert_non_null(read);
			if (json_is_true(json_object_get(read, "cut")))
				cut++;
			else
				assert_non_null(json_object_get(read, "n"));
			json_decref(read);
			lines++;
		}
		assert_int_equal(lines, 15);
	}
	log_configure(LOG_INFO, LOG_LOGFMT, STR("orders"));
	assert_in_range(cut, 1, 299);
}

/* Waits for the start of a second, so that a burst lies within one. */
static void wait_for_a_second(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	nanosleep(&(struct timespec){ .tv_nsec = 999999999 - now.tv_nsec }, NULL);
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

static void write_bursts(void *arg)
{
	(void)arg;
	wait_for_a_second();
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < (i == 0 ? LOG_PER_SECOND + 7 : 1); j++)
			log_warn("burst", LOG_END);
		if (i < 2)
			wait_for_a_second();
	}
}

static void limits_each_site(void **state)
{
	struct str rest;
	int burst = 0, other = 0;

	(void)state;
	assert_int_equal(testing_child(write_bursts, NULL, text, sizeof(text)), 0);
	rest = str_from_c(text);
	while (rest.len > 0) {
		struct str line = str_split(&rest, '\n');

		if (str_ends(line, STR(" event=burst worker=orders")))
			burst++;
		else if (str_ends(line,
		                  STR(" event=log_limited worker=orders limited=burst left_out=7")))
			other++;
		else
			fail_msg("%.*s", STR_ARG(line));
	}
	assert_int_equal(burst, LOG_PER_SECOND + 2);
	assert_int_equal(other, 1);
}

static void *write_some(void *arg)
{
	(void)arg;
	for (int i = 0; i < LOG_PER_SECOND / 4; i++)
		log_info("threaded", LOG_INT("i", i),
		         LOG_TEXT("x", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"), LOG_END);
	return NULL;
}

static void write_in_threads(void *arg)
{
	pthread_t threads[4];

	(void)arg;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, write_some, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void keeps_lines_whole_across_threads(void **state)
{
	struct str rest;
	int lines = 0;

	(void)state;
	assert_int_equal(testing_child(write_in_threads, NULL, text, sizeof(text)), 0);
	rest = str_from_c(text);
	while (rest.len > 0) {
		struct str line = str_split(&rest, '\n');

		assert_true(str_starts(line, STR("ts=")));
		assert_true(str_ends(line, STR(" x=yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy")));
		lines++;
	}
	assert_int_equal(lines, LOG_PER_SECOND);
}

static void break_a_rule(void *position)
{
	if (position)
		must_set_position("orders", 5, 123456789012);
	must(1 + 1 == 2);
	must(text[0] == 'x' && "the text is x");
}

static void must_names_the_place(void **state)
{
	int status;

	(void)state;
	text[0] = 0;
	status = testing_child(break_a_rule, NULL, text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(
		strstr(text, "level=error event=bug worker=orders condition=\"text[0] == 'x' &&"));
	assert_non_null(strstr(text, "test_log.c line="));
	assert_null(strstr(text, "offset="));
	text[0] = 0;
	status = testing_child(break_a_rule, text, text, sizeof(text));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, " topic=orders partition=5 offset=123456789012\n"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(writes_logfmt),        cmocka_unit_test(writes_json),
	cmocka_unit_test(bounds_lines),         cmocka_unit_test(limits_each_site),
	cmocka_unit_test(must_names_the_place), cmocka_unit_test(keeps_lines_whole_across_threads),
};
TESTING_MAIN(tests)
