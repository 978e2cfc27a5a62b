/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands are collected in one buffer and sent together; a round that cannot be
 * sent is dropped, never kept for later.
 */
#include "common/adapters/redis_reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/adapters/redis_command.h"
#include "common/adapters/redis_connection.h"
#include "common/adapters/system_clock.h"
#include "common/base/memory.h"

#define CONNECT_MS_MOST 300
#define COMMAND_MS_MOST 1000
#define PAUSE_MS 1000 /* after a failure */

struct redis_reader {
	struct redis_options options;
	struct redis_connection connection;
	struct buf commands;
	unsigned count;
	int64_t failed_ms; /* when a round failed last; INT64_MIN: the last one did not */
	struct rc failed;
	char words[RC_TEXT_BYTES];
};

static int64_t at_most(int64_t value, int64_t most)
{
	return value < most ? value : most;
}

struct redis_reader *redis_reader_new(const struct redis_options *options)
{
	struct redis_reader *reader = memory_new(sizeof(*reader));

	*reader = (struct redis_reader){ .options = *options, .failed_ms = INT64_MIN };
	reader->options.reads_only = true;
	reader->options.connect_timeout_ms = at_most(options->connect_timeout_ms, CONNECT_MS_MOST);
	reader->options.command_timeout_ms = at_most(options->command_timeout_ms, COMMAND_MS_MOST);
	redis_connection_init(&reader->connection, &reader->options);
	buf_init(&reader->commands, NULL);
	return reader;
}

void redis_reader_free(struct redis_reader *reader)
{
	if (!reader)
		return;
	redis_connection_release(&reader->connection);
	buf_release(&reader->commands);
	free(reader);
}

unsigned redis_reader_add(struct redis_reader *reader, const char *verb, struct str key,
                          const struct str *more, unsigned count)
{
	struct command command;

	command_begin_counted(&command, &reader->commands, 2 + count);
	command_add(&command, str_from_c(verb));
	command_add_joined(&command, reader->options.prefix, key, STR(""));
	for (unsigned i = 0; i < count; i++)
		command_add(&command, more[i]);
	return reader->count++;
}

/* A name as a pattern that only it and what follows it match. */
static void put_pattern(struct str name, struct buf *out)
{
	for (size_t i = 0; i < name.len; i++) {
		if (strchr("*?[]^\\-", name.ptr[i]))
			buf_put_char(out, '\\');
		buf_put_char(out, name.ptr[i]);
	}
}

unsigned redis_reader_add_scan(struct redis_reader *reader, struct str cursor, struct str name,
                               int64_t count)
{
	struct command command;
	struct buf pattern;

	buf_init(&pattern, NULL);
	put_pattern(reader->options.prefix, &pattern);
	put_pattern(name, &pattern);
	buf_put_char(&pattern, '*');
	command_begin_counted(&command, &reader->commands, 6);
	command_add_lit(&command, "SCAN");
	command_add(&command, cursor);
	command_add_lit(&command, "MATCH");
	command_add(&command, buf_str(&pattern));
	command_add_lit(&command, "COUNT");
	command_add_i64(&command, count);
	buf_release(&pattern);
	return reader->count++;
}

struct str redis_reader_prefix(const struct redis_reader *reader)
{
	return reader->options.prefix;
}

static void copy(const redisReply *reply, struct arena *arena, struct redis_answer *out)
{
	*out = (struct redis_answer){ .kind = REDIS_NOTHING };
	if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS) {
		out->kind = REDIS_TEXT;
		out->text = arena_str(arena, str_of(reply->str, reply->len));
	} else if (reply->type == REDIS_REPLY_INTEGER) {
		out->kind = REDIS_NUMBER;
		out->number = reply->integer;
	} else if (reply->type == REDIS_REPLY_ARRAY) {
		out->kind = REDIS_LIST;
		out->count = (unsigned)reply->elements;
		out->items = arena_alloc(arena, (reply->elements + 1) * sizeof(*out->items));
		/* Answers of reading commands nest three deep at most. */
		for (size_t i = 0; i < reply->elements; i++)
			copy(reply->element[i], arena, &out->items[i]);
	}
}

static struct rc ask_now(struct redis_reader *reader, struct arena *arena,
                         struct redis_answer *answers)
{
	struct rc rc = OK;

	TRY(redis_connection_open(&reader->connection));
	redis_connection_append(&reader->connection, buf_str(&reader->commands));
	TRY(redis_connection_send(&reader->connection));
	for (unsigned i = 0; i < reader->count; i++) {
		redisReply *reply = NULL;

		TRY(redis_connection_receive(&reader->connection, &reply));
		if (reply->type == REDIS_REPLY_ERROR)
			rc = rc_fail(str_starts(str_from_c(reply->str), STR("LOADING"))
			                     ? RC_UNAVAILABLE
			                     : RC_PROTOCOL,
			             "Redis: %s", reply->str);
		else
			copy(reply, arena, &answers[i]);
		freeReplyObject(reply);
	}
	return rc;
}

struct rc redis_reader_ask(struct redis_reader *reader, struct arena *arena,
                           const struct redis_answer **out)
{
	struct redis_answer *answers = arena_zalloc(arena, (reader->count + 1) * sizeof(*answers));
	bool paused =
		reader->failed_ms != INT64_MIN && system_now_ms() - reader->failed_ms < PAUSE_MS;
	struct rc rc;

	*out = answers;
	rc = paused ? rc_fail(reader->failed.code, "%s", reader->words)
	            : ask_now(reader, arena, answers);
	buf_clear(&reader->commands);
	reader->count = 0;
	if (!paused) {
		/* A command that was refused says nothing about the next one. */
		bool away = !rc_ok(rc) && rc.code != RC_PROTOCOL;

		reader->failed_ms = away ? system_now_ms() : INT64_MIN;
		reader->failed = rc;
		if (away)
			snprintf(reader->words, sizeof(reader->words), "%s", rc_text());
	}
	return rc;
}
