/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's conformance suite over a real Redis (TALLY_TEST_REDIS). Each test has
 * a key prefix of its own, so that nothing needs to be emptied.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/adapters/redis_command.h"
#include "common/adapters/redis_connection.h"
#include "tests/conformance/suite_store.h"

#define SKIPPED 77

struct rig_redis {
	struct redis_options options;
	struct redis_store *stores[2];
	struct redis_connection outside;
	char prefix[64];
	unsigned tests;
};

static void begin(struct store_rig *rig)
{
	struct rig_redis *r = rig->self;

	/* The pattern's own characters, so that the wipe has to escape them. */
	snprintf(r->prefix, sizeof(r->prefix), "conf[%d]*%u:", (int)getpid(), ++r->tests);
	r->options.prefix = str_from_c(r->prefix);
	for (unsigned i = 0; i < 2; i++) {
		struct rc rc;

		rig->inbox[i] = inbox_new();
		rc = redis_store_new(&r->options, &conformance_worker, rig->inbox[i], &rig->port[i],
		                     &r->stores[i]);
		assert_true(rc_ok(rc));
	}
}

static void end(struct store_rig *rig)
{
	struct rig_redis *r = rig->self;

	for (unsigned i = 0; i < 2; i++) {
		redis_store_free(r->stores[i]);
		inbox_free(rig->inbox[i]);
	}
}

static void pass(struct store_rig *rig)
{
	const struct timespec moment = { .tv_nsec = 1000000 };

	(void)rig;
	nanosleep(&moment, NULL);
}

/* The text of one command's answer; absent: nil, or an error (a key of another type). */
static struct str ask(struct rig_redis *r, const char *command, struct str key, struct str name,
                      struct arena *memory)
{
	struct str found = str_of(NULL, 0);
	struct command c;
	struct buf buf;
	redisReply *reply = NULL;
	struct rc rc;

	buf_init(&buf, NULL);
	command_begin(&c, &buf);
	command_add(&c, str_from_c(command));
	command_add_joined(&c, r->options.prefix, key, STR(""));
	if (name.ptr)
		command_add(&c, name);
	command_end(&c);
	rc = redis_connection_open(&r->outside);
	assert_true(rc_ok(rc));
	rc = redis_connection_ask(&r->outside, command_text(&c), &reply);
	buf_release(&buf);
	if (!rc_ok(rc))
		return found;
	if (reply->type == REDIS_REPLY_STRING)
		found = arena_str(memory, str_of(reply->str, reply->len));
	freeReplyObject(reply);
	return found;
}

static struct str look(struct store_rig *rig, struct str key, struct str name, struct arena *memory)
{
	struct str found;

	if (!name.ptr)
		return ask(rig->self, "GET", key, name, memory);
	found = ask(rig->self, "HGET", key, name, memory);
	return found.ptr ? found : ask(rig->self, "ZSCORE", key, name, memory);
}

int main(void)
{
	struct rig_redis r = { .tests = 0 };
	struct store_rig rig = {
		.self = &r, .begin = begin, .end = end, .pass = pass, .passes = 20000, .look = look
	};
	int failed;

	redis_options_default(&r.options);
	r.options.url = getenv("TALLY_TEST_REDIS");
	r.options.topic = str_from_c(conformance_worker.topic);
	if (!r.options.url) {
		puts("TALLY_TEST_REDIS is not set");
		return SKIPPED;
	}
	redis_connection_init(&r.outside, &r.options);
	failed = suite_store(&rig);
	redis_connection_release(&r.outside);
	return failed ? 1 : 0;
}
