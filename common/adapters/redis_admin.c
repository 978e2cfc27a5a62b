/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All partitions' questions are sent before the first answer is read.
 */
#include "common/adapters/redis_admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/adapters/redis_command.h"
#include "common/adapters/redis_connection.h"
#include "common/adapters/redis_meta.h"
#include "common/base/memory.h"

struct redis_admin {
	struct redis_connection connection;
	struct buf commands;
};

struct redis_admin *redis_admin_new(const struct redis_options *options)
{
	struct redis_admin *admin = memory_new(sizeof(*admin));

	redis_connection_init(&admin->connection, options);
	buf_init(&admin->commands, NULL);
	return admin;
}

void redis_admin_free(struct redis_admin *admin)
{
	if (!admin)
		return;
	redis_connection_release(&admin->connection);
	buf_release(&admin->commands);
	free(admin);
}

static struct str element(const redisReply *reply, size_t i)
{
	if (reply->type != REDIS_REPLY_ARRAY || i >= reply->elements ||
	    reply->element[i]->type != REDIS_REPLY_STRING)
		return str_of(NULL, 0);
	return str_of(reply->element[i]->str, reply->element[i]->len);
}

static struct meta_row row_from(const redisReply *reply)
{
	struct meta_row row = { .cursor = -1, .pin = -1 };
	struct shard_meta meta;

	if (!redis_meta_read(reply, &meta)) {
		row.exists = row.torn = true;
		return row;
	}
	row.exists = meta.state == META_WHOLE || meta.state == META_TORN;
	row.torn = meta.state == META_TORN;
	if (meta.state == META_WHOLE)
		row.cursor = meta.input_cursor;
	row.pin = meta.reference_pin;
	row.partitions = meta.partitions;
	row.logic = meta.logic_version;
	memcpy(row.owner, meta.claimer, sizeof(row.owner));
	row.released = meta.released;
	row.rebuilding = meta.rebuilding;
	row.trying = meta.trying;
	row.broker_ms = meta.broker_ms;
	return row;
}

static void ask_meta(struct redis_admin *admin, struct str topic, int32_t partition)
{
	struct command command;
	struct str name;
	struct arena memory;

	arena_init(&memory, 256);
	name = arena_printf(&memory, "%.*smeta:%.*s:%" PRId32,
	                    STR_ARG(admin->connection.options->prefix), STR_ARG(topic), partition);
	buf_clear(&admin->commands);
	command_begin(&command, &admin->commands);
	command_add_lit(&command, "HGETALL");
	command_add(&command, name);
	command_end(&command);
	redis_connection_append(&admin->connection, command_text(&command));
	arena_release(&memory);
}

struct rc redis_admin_metas(struct redis_admin *admin, struct str topic, int32_t partitions,
                            struct meta_row *out)
{
	struct rc rc = OK;

	TRY(redis_connection_open(&admin->connection));
	for (int32_t p = 0; p < partitions; p++)
		ask_meta(admin, topic, p);
	TRY(redis_connection_send(&admin->connection));
	for (int32_t p = 0; p < partitions; p++) {
		redisReply *reply = NULL;

		TRY(redis_connection_receive(&admin->connection, &reply));
		if (reply->type == REDIS_REPLY_ERROR)
			rc = rc_fail(RC_UNAVAILABLE, "Redis: %s", reply->str);
		else
			out[p] = row_from(reply);
		freeReplyObject(reply);
	}
	return rc;
}

/* Asks a command of some words, the second of which is a key's name. */
static struct rc ask_key(struct redis_admin *admin, const char *const *words, struct str name,
                         redisReply **out)
{
	struct command command;

	TRY(redis_connection_open(&admin->connection));
	buf_clear(&admin->commands);
	command_begin(&command, &admin->commands);
	command_add(&command, str_from_c(words[0]));
	command_add_joined(&command, admin->connection.options->prefix, name, STR(""));
	for (unsigned i = 1; words[i]; i++)
		command_add(&command, str_from_c(words[i]));
	command_end(&command);
	return redis_connection_ask(&admin->connection, command_text(&command), out);
}

static void copy_items(const redisReply *reply, struct arena *arena, struct redis_value *out)
{
	bool one = reply->type == REDIS_REPLY_STRING;
	size_t count = one ? 1 : reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;

	out->items = arena_alloc(arena, (count + 1) * sizeof(*out->items));
	for (size_t i = 0; i < count; i++)
		out->items[out->count++] =
			arena_str(arena, one ? str_of(reply->str, reply->len) : element(reply, i));
}

struct rc redis_admin_value(struct redis_admin *admin, struct str name, struct arena *arena,
                            struct redis_value *out)
{
	static const struct {
		const char *type, *words[5];
	} reads[] = {
		{ "string", { "GET" } },
		{ "hash", { "HGETALL" } },
		{ "zset", { "ZREVRANGE", "0", "-1", "WITHSCORES" } },
	};
	redisReply *reply = NULL;

	TRY(ask_key(admin, (const char *const[]){ "TYPE", NULL }, name, &reply));
	*out = (struct redis_value){ .type = arena_printf(arena, "%s", reply->str).ptr };
	freeReplyObject(reply);
	if (strcmp(out->type, "none") == 0)
		return OK;
	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		if (strcmp(out->type, reads[i].type) != 0)
			continue;
		TRY(ask_key(admin, reads[i].words, name, &reply));
		copy_items(reply, arena, out);
		freeReplyObject(reply);
		return OK;
	}
	return rc_fail(RC_REFUSED, "%.*s is a %s, which no worker writes", STR_ARG(name),
	               out->type);
}

/* ---- many keys at one instant -------------------------------------------- */

static void append_lit(struct redis_admin *admin, struct str word)
{
	struct command command;

	buf_clear(&admin->commands);
	command_begin(&command, &admin->commands);
	command_add(&command, word);
	command_end(&command);
	redis_connection_append(&admin->connection, command_text(&command));
}

static void append_ask(struct redis_admin *admin, const struct redis_ask *ask)
{
	struct command command;

	buf_clear(&admin->commands);
	command_begin(&command, &admin->commands);
	command_add(&command, ask->form == REDIS_STRING ? STR("GET")
	                      : ask->form == REDIS_HASH ? STR("HGETALL")
	                                                : STR("ZRANGE"));
	command_add_joined(&command, admin->connection.options->prefix, ask->name, STR(""));
	if (ask->form == REDIS_SCORES) {
		command_add_lit(&command, "0");
		command_add_lit(&command, "-1");
		command_add_lit(&command, "WITHSCORES");
	}
	command_end(&command);
	redis_connection_append(&admin->connection, command_text(&command));
}

/* The answers of MULTI and of queueing say nothing that EXEC does not say again. */
static struct rc receive_exec(struct redis_admin *admin, unsigned commands, redisReply **out)
{
	for (unsigned i = 0; i < commands + 1; i++) {
		redisReply *reply = NULL;

		TRY(redis_connection_receive(&admin->connection, &reply));
		freeReplyObject(reply);
	}
	TRY(redis_connection_receive(&admin->connection, out));
	if ((*out)->type == REDIS_REPLY_ARRAY && (*out)->elements == commands)
		return OK;
	if ((*out)->type == REDIS_REPLY_ERROR)
		return rc_fail(RC_UNAVAILABLE, "Redis: %s", (*out)->str);
	return rc_fail(RC_PROTOCOL, "Redis: EXEC answered something unexpected");
}

struct rc redis_admin_read(struct redis_admin *admin, struct str topic, int32_t partitions,
                           struct meta_row *metas_out, const struct redis_ask *asks, unsigned count,
                           struct arena *arena, struct redis_value *values_out)
{
	redisReply *reply = NULL;
	struct rc rc;

	TRY(redis_connection_open(&admin->connection));
	append_lit(admin, STR("MULTI"));
	for (int32_t p = 0; p < partitions; p++)
		ask_meta(admin, topic, p);
	for (unsigned i = 0; i < count; i++)
		append_ask(admin, &asks[i]);
	append_lit(admin, STR("EXEC"));
	TRY(redis_connection_send(&admin->connection));
	rc = receive_exec(admin, (unsigned)partitions + count, &reply);
	for (int32_t p = 0; rc_ok(rc) && p < partitions; p++)
		metas_out[p] = row_from(reply->element[p]);
	for (unsigned i = 0; rc_ok(rc) && i < count; i++) {
		const redisReply *value = reply->element[(unsigned)partitions + i];

		values_out[i] = (struct redis_value){ .type = "" };
		if (value->type == REDIS_REPLY_ERROR)
			values_out[i].type = "another";
		else
			copy_items(value, arena, &values_out[i]);
	}
	freeReplyObject(reply);
	return rc;
}

static struct str match_of(struct str prefix, struct arena *arena)
{
	struct buf pattern;

	buf_init(&pattern, arena);
	for (size_t i = 0; i < prefix.len; i++) {
		if (strchr("*?[]\\", prefix.ptr[i]))
			buf_put_char(&pattern, '\\');
		buf_put_char(&pattern, prefix.ptr[i]);
	}
	buf_put_char(&pattern, '*');
	return buf_str(&pattern);
}

static struct rc scan(struct redis_admin *admin, struct str match, struct str cursor,
                      redisReply **out)
{
	struct command command;

	buf_clear(&admin->commands);
	command_begin(&command, &admin->commands);
	command_add_lit(&command, "SCAN");
	command_add(&command, cursor);
	command_add_lit(&command, "MATCH");
	command_add(&command, match);
	command_add_lit(&command, "COUNT");
	command_add_lit(&command, "1000");
	command_end(&command);
	TRY(redis_connection_ask(&admin->connection, command_text(&command), out));
	if ((*out)->type == REDIS_REPLY_ARRAY && (*out)->elements == 2 &&
	    (*out)->element[0]->type == REDIS_REPLY_STRING)
		return OK;
	freeReplyObject(*out);
	return rc_fail(RC_PROTOCOL, "Redis: SCAN answered something unexpected");
}

struct rc redis_admin_scan(struct redis_admin *admin, void (*each)(void *self, struct str name),
                           void *self)
{
	size_t prefix = admin->connection.options->prefix.len;
	char cursor[32] = "0";
	struct arena memory;
	struct str match;
	struct rc rc;

	arena_init(&memory, 256);
	match = match_of(admin->connection.options->prefix, &memory);
	rc = redis_connection_open(&admin->connection);
	do {
		redisReply *reply = NULL;

		if (rc_ok(rc))
			rc = scan(admin, match, str_from_c(cursor), &reply);
		if (!rc_ok(rc))
			break;
		for (size_t i = 0; i < reply->element[1]->elements; i++)
			each(self, str_from(element(reply->element[1], i), prefix));
		snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
		freeReplyObject(reply);
	} while (strcmp(cursor, "0") != 0);
	arena_release(&memory);
	return rc;
}

/* ---- writing -------------------------------------------------------------- */

static void append_pair(struct redis_admin *admin, const struct write *w, const struct pair *pair)
{
	bool removed = !pair->value.ptr;
	struct command command;

	buf_clear(&admin->commands);
	command_begin(&command, &admin->commands);
	command_add(&command, w->kind == WRITE_VALUE    ? STR("SET")
	                      : w->kind == WRITE_FIELDS ? removed ? STR("HDEL") : STR("HSET")
	                      : removed ? STR("ZREM")
	                                                : STR("ZADD"));
	command_add_joined(&command, admin->connection.options->prefix, w->key, STR(""));
	if (w->kind == WRITE_VALUE) {
		command_add(&command, pair->value);
	} else if (removed) {
		command_add(&command, pair->name);
	} else {
		command_add(&command, w->kind == WRITE_FIELDS ? pair->name : pair->value);
		command_add(&command, w->kind == WRITE_FIELDS ? pair->value : pair->name);
	}
	command_end(&command);
	redis_connection_append(&admin->connection, command_text(&command));
}

struct rc redis_admin_write(struct redis_admin *admin, const struct write *writes, unsigned count)
{
	unsigned sent = 0;
	struct rc rc = OK;

	TRY(redis_connection_open(&admin->connection));
	for (unsigned i = 0; i < count; i++)
		for (unsigned n = 0; n < writes[i].pair_count; n++, sent++)
			append_pair(admin, &writes[i], &writes[i].pairs[n]);
	TRY(redis_connection_send(&admin->connection));
	for (unsigned i = 0; i < sent; i++) {
		redisReply *reply = NULL;

		TRY(redis_connection_receive(&admin->connection, &reply));
		if (reply->type == REDIS_REPLY_ERROR)
			rc = rc_fail(RC_UNAVAILABLE, "Redis: %s", reply->str);
		freeReplyObject(reply);
	}
	return rc;
}

struct rc redis_admin_probe(struct redis_admin *admin)
{
	struct command command;
	redisReply *reply = NULL;
	struct str role;
	struct rc rc;

	TRY(redis_connection_open(&admin->connection));
	buf_clear(&admin->commands);
	command_begin(&command, &admin->commands);
	command_add_lit(&command, "ROLE");
	command_end(&command);
	rc = redis_connection_ask(&admin->connection, command_text(&command), &reply);
	/* A login that may not ask for the role can still write. */
	if (!rc_ok(rc))
		return rc.code == RC_PROTOCOL ? OK : rc;
	role = element(reply, 0);
	if (role.ptr && !str_eq(role, STR("master")))
		rc = rc_fail(RC_UNAVAILABLE, "this Redis is a %.*s and takes no writes",
		             STR_ARG(role));
	freeReplyObject(reply);
	return rc;
}
