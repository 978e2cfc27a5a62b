/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hiredis 1.2, blocking. Opening: connect, TLS, AUTH, SELECT, then what must hold.
 */
#include "common/adapters/redis_connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/adapters/redis_command.h"
#include "common/adapters/redis_library.h"
#include "common/adapters/redis_tls.h"
#include "common/adapters/redis_url.h"
#include "common/adapters/system_clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"

#define REFUSED_PAUSE_MS 100 /* after a failed opening */
#define REDIS_VERSION_LEAST 7

void redis_options_default(struct redis_options *options)
{
	options->connect_timeout_ms = 1000;
	options->command_timeout_ms = 5000;
}

struct rc redis_options_check(const struct redis_options *options)
{
	struct redis_url url;

	TRY(redis_url_parse(options->url, &url));
	if (!options->tls_cert != !options->tls_key)
		return rc_fail(RC_CONFIG, "a TLS certificate and its key come together");
	if (!url.tls && (options->tls_ca || options->tls_cert))
		return rc_fail(RC_CONFIG,
		               "TLS files are given, but the Redis URL is not rediss://");
	return OK;
}

void redis_connection_init(struct redis_connection *c, const struct redis_options *options)
{
	*c = (struct redis_connection){ .options = options, .refused_ms = -REFUSED_PAUSE_MS };
}

void redis_connection_release(struct redis_connection *c)
{
	redis_connection_close(c);
	redis_tls_free(c->tls);
	c->tls = NULL;
}

void redis_connection_close(struct redis_connection *c)
{
	if (c->context)
		redisFree(c->context);
	c->context = NULL;
}

/* ---- sending and receiving ---- */

static struct rc fail_and_close(struct redis_connection *c, const char *what)
{
	struct rc rc = rc_fail(RC_UNAVAILABLE, "Redis: %s: %s", what,
	                       c->context ? c->context->errstr : "not connected");

	redis_connection_close(c);
	return rc;
}

void redis_connection_append(struct redis_connection *c, struct str commands)
{
	/* hiredis fails here only for want of memory. */
	if (redisAppendFormattedCommand(c->context, commands.ptr, commands.len) != REDIS_OK)
		memory_out(commands.len);
}

struct rc redis_connection_send(struct redis_connection *c)
{
	int done = 0;

	while (!done)
		if (redisBufferWrite(c->context, &done) != REDIS_OK)
			return fail_and_close(c, "sending");
	return OK;
}

struct rc redis_connection_receive(struct redis_connection *c, redisReply **out)
{
	void *reply = NULL;

	if (redisGetReply(c->context, &reply) != REDIS_OK)
		return fail_and_close(c, "no answer");
	*out = reply;
	return OK;
}

struct rc redis_connection_ask(struct redis_connection *c, struct str command, redisReply **out)
{
	redisReply *reply = NULL;

	redis_connection_append(c, command);
	TRY(redis_connection_send(c));
	TRY(redis_connection_receive(c, &reply));
	if (reply->type == REDIS_REPLY_ERROR) {
		struct rc rc = rc_fail(RC_PROTOCOL, "Redis: %s", reply->str);

		freeReplyObject(reply);
		return rc;
	}
	*out = reply;
	return OK;
}

/* One command of some words. */
static struct rc ask_words(struct redis_connection *c, const struct str *words, unsigned count,
                           redisReply **out)
{
	struct command command;
	struct buf buf;
	struct rc rc;

	buf_init(&buf, NULL);
	command_begin(&command, &buf);
	for (unsigned i = 0; i < count; i++)
		command_add(&command, words[i]);
	command_end(&command);
	rc = redis_connection_ask(c, command_text(&command), out);
	buf_release(&buf);
	return rc;
}

static struct rc order_words(struct redis_connection *c, const struct str *words, unsigned count)
{
	redisReply *reply = NULL;

	TRY(ask_words(c, words, count, &reply));
	freeReplyObject(reply);
	return OK;
}

/* ---- opening ---- */

static struct timeval timeval_of(int64_t ms)
{
	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

static struct rc connect_to(struct redis_connection *c, const struct redis_url *url)
{
	struct timeval connect_timeout = timeval_of(c->options->connect_timeout_ms);
	struct timeval command_timeout = timeval_of(c->options->command_timeout_ms);
	redisOptions how = { .connect_timeout = &connect_timeout,
		             .command_timeout = &command_timeout };

	if (url->is_unix)
		REDIS_OPTIONS_SET_UNIX(&how, url->host);
	else
		REDIS_OPTIONS_SET_TCP(&how, url->host, url->port);
	c->context = redisConnectWithOptions(&how);
	if (!c->context)
		memory_out(sizeof(*c->context));
	if (c->context->err)
		return fail_and_close(c, "connecting");
	if (!url->is_unix && redisEnableKeepAlive(c->context) != REDIS_OK)
		return fail_and_close(c, "connecting");
	return OK;
}

static struct rc start_tls(struct redis_connection *c, const struct redis_url *url)
{
	if (!url->tls)
		return OK;
	if (!c->tls)
		TRY(redis_tls_new(c->options, &c->tls));
	return redis_tls_start(c->tls, c->context, url->host);
}

/* A wrong password stays wrong until somebody mends it. */
static struct rc authenticate(struct redis_connection *c, const struct str *words, unsigned count)
{
	struct rc rc = order_words(c, words, count);

	return rc.code == RC_PROTOCOL && c->context ? rc_fail(RC_REFUSED, "%s", rc_text()) : rc;
}

static struct rc log_in(struct redis_connection *c, const struct redis_url *url)
{
	const char *user = c->options->user ? c->options->user : url->user;
	const char *password = c->options->password ? c->options->password : url->password;
	struct str words[3] = { STR("AUTH"), str_from_c(user), str_from_c(password) };
	struct str select[2] = { STR("SELECT") };
	char db[24];

	if (password[0] && user[0]) {
		TRY(authenticate(c, words, 3));
	} else if (password[0]) {
		words[1] = words[2];
		TRY(authenticate(c, words, 2));
	}
	if (url->db) {
		snprintf(db, sizeof(db), "%d", url->db);
		select[1] = str_from_c(db);
		TRY(order_words(c, select, 2));
	}
	return OK;
}

/* The value of a line "name:value" of INFO's answer; absent: no such line. */
static struct str info_line(struct str info, struct str name)
{
	while (info.ptr) {
		struct str line = str_split(&info, '\n');

		if (str_starts(line, name)) {
			line = str_from(line, name.len);
			if (line.len && line.ptr[line.len - 1] == '\r')
				line.len--;
			return line;
		}
	}
	return str_of(NULL, 0);
}

static struct rc check_info(struct str info)
{
	struct str version = info_line(info, STR("redis_version:"));
	struct str policy = info_line(info, STR("maxmemory_policy:"));
	struct str rest = version;
	int64_t major;

	if (!str_to_i64(str_split(&rest, '.'), &major) || major < REDIS_VERSION_LEAST)
		return rc_fail(RC_REFUSED,
		               "Redis is version %.*s; %d.0 or later is needed (functions)",
		               STR_ARG(version), REDIS_VERSION_LEAST);
	if (policy.ptr && !str_eq_c(policy, "noeviction"))
		return rc_fail(
			RC_REFUSED,
			"Redis has maxmemory-policy %.*s and would throw state away: set it to "
			"noeviction",
			STR_ARG(policy));
	if (str_eq_c(info_line(info, STR("cluster_enabled:")), "1"))
		return rc_fail(RC_REFUSED,
		               "Redis runs in cluster mode, for which keys carry no tags yet");
	return OK;
}

static struct rc check_server(struct redis_connection *c)
{
	static const struct str words[] = { STR_INIT("INFO"), STR_INIT("server"),
		                            STR_INIT("memory"), STR_INIT("cluster") };
	redisReply *reply = NULL;
	struct rc rc;

	TRY(ask_words(c, words, 4, &reply));
	rc = check_info(str_of(reply->str ? reply->str : "", reply->len));
	freeReplyObject(reply);
	return rc;
}

/* ---- our library ---- */

struct rc redis_connection_load_library(struct redis_connection *c)
{
	struct str words[4] = { STR("FUNCTION"), STR("LOAD"), STR("REPLACE"),
		                str_of(redis_library, redis_library_len) };

	TRY(order_words(c, words, 4));
	log_info("redis_functions_loaded", LOG_TEXT("library", REDIS_LIBRARY_NAME), LOG_END);
	return OK;
}

static bool holds_code(const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STRING)
		return str_eq(str_of(reply->str, reply->len),
		              str_of(redis_library, redis_library_len));
	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t i = 0; i < reply->elements; i++)
		if (holds_code(reply->element[i]))
			return true;
	return false;
}

/* Another build may have left other text under the same name; a login may not see or load it. */
static struct rc check_library(struct redis_connection *c)
{
	static const struct str words[] = { STR_INIT("FUNCTION"), STR_INIT("LIST"),
		                            STR_INIT("LIBRARYNAME"), STR_INIT(REDIS_LIBRARY_NAME),
		                            STR_INIT("WITHCODE") };
	redisReply *reply = NULL;
	struct rc rc = ask_words(c, words, 5, &reply);
	bool ours;

	if (!rc_ok(rc))
		return rc.code == RC_PROTOCOL && c->context ? OK : rc;
	ours = holds_code(reply);
	freeReplyObject(reply);
	if (ours)
		return OK;
	rc = redis_connection_load_library(c);
	/* A replica or a full Redis refuses; the first call will say so. */
	return rc.code == RC_PROTOCOL && c->context ? OK : rc;
}

static struct rc open_now(struct redis_connection *c)
{
	struct redis_url url;

	TRY(redis_url_parse(c->options->url, &url));
	TRY(connect_to(c, &url));
	TRY(start_tls(c, &url));
	TRY(log_in(c, &url));
	/* What is checked here matters to those who write, and a reader may not be let ask. */
	if (c->options->reads_only)
		return OK;
	TRY(check_server(c));
	return check_library(c);
}

/* Has the other side closed it, or sent what nobody asked for? */
static bool is_stale(const redisContext *context)
{
	struct pollfd fd = { .fd = context->fd, .events = POLLIN };

	return poll(&fd, 1, 0) != 0;
}

struct rc redis_connection_open(struct redis_connection *c)
{
	if (c->context && is_stale(c->context))
		redis_connection_close(c);
	if (c->context)
		return OK;
	if (system_now_ms() - c->refused_ms < REFUSED_PAUSE_MS)
		return rc_fail(c->refused.code, "%s", c->words);
	c->refused = open_now(c);
	if (rc_ok(c->refused)) {
		log_info("redis_connected", LOG_END);
		return OK;
	}
	redis_connection_close(c);
	c->refused_ms = system_now_ms();
	snprintf(c->words, sizeof(c->words), "%s", rc_text());
	log_warn("redis_not_connected", LOG_TEXT("text", c->words), LOG_END);
	return c->refused;
}

/* ---- error answers ---- */

enum redis_error redis_error_kind(struct str words)
{
	static const struct str kept[] = {
		STR_INIT("OOM "),        STR_INIT("READONLY "),    STR_INIT("LOADING "),
		STR_INIT("NOREPLICAS "), STR_INIT("BUSY "),        STR_INIT("MISCONF "),
		STR_INIT("MASTERDOWN "), STR_INIT("CLUSTERDOWN "), STR_INIT("TRYAGAIN "),
		STR_INIT("NOAUTH "),     STR_INIT("NOPERM "),
	};

	/* Redis adds " script: <function>, on <place>" to what happened within one. */
	for (size_t i = 0; i + 9 <= words.len; i++)
		if (memcmp(words.ptr + i, " script: ", 9) == 0)
			return REDIS_ERROR_HALF;
	if (str_starts(words, STR("ERR Function not found")))
		return REDIS_ERROR_FUNCTION_MISSING;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (str_starts(words, kept[i]))
			return REDIS_ERROR_KEPT;
	return REDIS_ERROR_HALF;
}
