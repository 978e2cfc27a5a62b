/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All partitions' questions are sent before the first answer is read.
 */
#include "common/adapters/redis_admin.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/adapters/redis_command.h"
#include "common/adapters/redis_connection.h"

struct redis_admin {
	struct redis_connection connection;
	struct buf commands;
};

struct redis_admin *redis_admin_new(const struct redis_options *options)
{
	struct redis_admin *admin = memory_resize(NULL, sizeof(*admin));

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
	struct str cursor = element(reply, 0), pin = element(reply, 1),
		   partitions = element(reply, 2), logic = element(reply, 3);
	struct meta_row row = { .cursor = -1, .pin = -1 };

	row.exists = cursor.ptr && !str_eq_c(cursor, "empty"); /* wiped: there is no R yet */
	row.torn = row.exists && !str_to_i64(cursor, &row.cursor);
	if (row.torn)
		row.cursor = -1;
	if (!pin.ptr || !str_to_i64(pin, &row.pin))
		row.pin = -1;
	if (!partitions.ptr || !str_to_i64(partitions, &row.partitions))
		row.partitions = 0;
	if (!logic.ptr || !str_to_i64(logic, &row.logic))
		row.logic = 0;
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
	command_add_lit(&command, "HMGET");
	command_add(&command, name);
	command_add_lit(&command, "cursor");
	command_add_lit(&command, "pin");
	command_add_lit(&command, "partitions");
	command_add_lit(&command, "logic");
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
