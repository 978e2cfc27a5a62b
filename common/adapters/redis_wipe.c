/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SCAN over all keys with our prefix, some calls a step, so that the lane serves
 * the other shards in between. What is added to the keyspace meanwhile is of other
 * shards; what stays from begin to end is returned at least once.
 */
#include "common/adapters/redis_wipe.h"

#include <stdio.h>

#include "common/adapters/redis_flush.h"
#include "common/base/hash.h"

#define SCAN_COUNT 1000
#define SCANS_A_STEP 4

struct wiping {
	struct redis_connection *connection;
	const struct worker *worker;
	struct request *request;
	struct buf buf;
};

/* The message key whose shard owns the key; absent: none of this worker's. The longest prefix
 * counts, so that "a:b:" is not taken for "a:". */
static struct str owner_of(const struct worker *w, struct str key)
{
	struct str (*owner)(struct str) = NULL;
	size_t longest = 0;

	for (const struct entity *const *e = w->entities; e && *e; e++) {
		if (str_starts(key, (*e)->prefix) && (*e)->prefix.len > longest) {
			longest = (*e)->prefix.len;
			owner = (*e)->owner;
		}
	}
	for (const struct redis_key *k = w->keys; k && k->pattern; k++) {
		if (str_starts(key, k->prefix) && k->prefix.len > longest) {
			longest = k->prefix.len;
			owner = k->owner;
		}
	}
	return owner ? owner(str_from(key, longest)) : str_of(NULL, 0);
}

static bool is_ours(const struct wiping *w, struct str key)
{
	const struct str prefix = w->connection->options->prefix;
	struct str owner;

	if (!str_starts(key, prefix))
		return false;
	owner = owner_of(w->worker, str_from(key, prefix.len));
	return owner.ptr && hash_partition(owner, w->request->partitions) == w->request->partition;
}

/* In a pattern these bytes mean something. */
static void add_pattern(struct command *c, struct str prefix)
{
	struct buf pattern;

	buf_init(&pattern, NULL);
	for (size_t i = 0; i < prefix.len; i++) {
		if (memchr("*?[]\\^-", prefix.ptr[i], 7))
			buf_put_char(&pattern, '\\');
		buf_put_char(&pattern, prefix.ptr[i]);
	}
	buf_put_char(&pattern, '*');
	command_add(c, buf_str(&pattern));
	buf_release(&pattern);
}

static struct rc scan(struct wiping *w, redisReply **out)
{
	struct str prefix = w->connection->options->prefix;
	struct command c;
	redisReply *reply = NULL;

	buf_clear(&w->buf);
	command_begin(&c, &w->buf);
	command_add_lit(&c, "SCAN");
	command_add(&c, str_from_c(w->request->scan));
	if (prefix.len) {
		command_add_lit(&c, "MATCH");
		add_pattern(&c, prefix);
	}
	command_add_lit(&c, "COUNT");
	command_add_i64(&c, SCAN_COUNT);
	command_end(&c);
	TRY(redis_connection_ask(w->connection, command_text(&c), &reply));
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->len >= sizeof(w->request->scan)) {
		freeReplyObject(reply);
		return rc_fail(RC_PROTOCOL, "Redis: an unexpected answer to SCAN");
	}
	*out = reply;
	return OK;
}

static void begin_wipe(struct wiping *w, struct command *c, struct str what)
{
	buf_clear(&w->buf);
	command_begin(c, &w->buf);
	command_add_lit(c, "FCALL");
	command_add_lit(c, "tallyworks_wipe");
	command_add_lit(c, "1");
	redis_add_meta_key(c, w->connection->options, w->request->partition);
	request_add_claim(c, w->request);
	command_add(c, what);
}

static struct rc end_wipe(struct wiping *w, struct command *c)
{
	redisReply *reply = NULL;
	bool ours;

	command_end(c);
	TRY(redis_connection_ask(w->connection, command_text(c), &reply));
	ours = reply->type == REDIS_REPLY_STATUS && str_eq_c(str_of(reply->str, reply->len), "OK");
	freeReplyObject(reply);
	return ours ? OK
	            : rc_fail(RC_TRY_AGAIN, "the shard was claimed by another while it was wiped");
}

static struct rc remove_ours(struct wiping *w, const redisReply *keys)
{
	struct command c;
	unsigned count = 0;

	begin_wipe(w, &c, STR(""));
	for (size_t i = 0; i < keys->elements; i++) {
		struct str key = str_of(keys->element[i]->str, keys->element[i]->len);

		if (!is_ours(w, key))
			continue;
		command_add(&c, key);
		count++;
	}
	return count ? end_wipe(w, &c) : OK;
}

/* The shard's due-time index, known by its name. Also the first look at the claim. */
static struct rc remove_index(struct wiping *w)
{
	const struct redis_options *options = w->connection->options;
	char key[300];
	int len = snprintf(key, sizeof(key), "due:%.*s:%d", STR_ARG(options->topic),
	                   (int)w->request->partition);
	struct command c;

	begin_wipe(w, &c, STR(""));
	command_add_joined(&c, options->prefix, str_of(key, (size_t)len), STR(""));
	return end_wipe(w, &c);
}

static struct rc wipe_some(struct wiping *w, bool *done)
{
	struct command c;

	if (!w->request->scan[0]) {
		TRY(remove_index(w));
		memcpy(w->request->scan, "0", 2);
	}
	*done = w->request->partitions == 0;
	for (unsigned i = 0; i < SCANS_A_STEP && !*done; i++) {
		redisReply *reply = NULL;
		struct rc rc;

		TRY(scan(w, &reply));
		memcpy(w->request->scan, reply->element[0]->str, reply->element[0]->len + 1);
		rc = remove_ours(w, reply->element[1]);
		freeReplyObject(reply);
		TRY(rc);
		*done = strcmp(w->request->scan, "0") == 0;
	}
	if (!*done)
		return OK;
	begin_wipe(w, &c, STR("last"));
	return end_wipe(w, &c);
}

struct rc redis_wipe_step(struct redis_connection *connection, const struct worker *worker,
                          struct request *request, bool *done)
{
	struct wiping w = { .connection = connection, .worker = worker, .request = request };
	struct rc rc;

	*done = false;
	buf_init(&w.buf, NULL);
	rc = wipe_some(&w, done);
	buf_release(&w.buf);
	return rc;
}
