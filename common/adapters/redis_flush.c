/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writes are gathered by a small hash table of (kind, key); groups keep the
 * order in which they first came.
 */
#include "common/adapters/redis_flush.h"

#include "common/adapters/redis_request.h"
#include "common/base/must.h"

#define ATTEMPTS 8 /* of a flush whose meta changes between comparison and transaction */

/* The writes of one kind to one key. */
struct group {
	const struct write *first;
	unsigned first_link, last_link; /* into links, +1; 0: none */
	unsigned set_count, remove_count;
};

/* One write of a group. */
struct link {
	const struct write *write;
	unsigned next; /* +1 */
};

struct encoding {
	struct buf *buf;
	unsigned commands;
	const struct redis_options *options;
	struct arena *scratch;
	struct group *groups;
	struct link *links;
	unsigned group_count, link_count;
	unsigned *slots; /* group number + 1 */
	size_t mask;
};

void redis_add_meta_key(struct command *c, const struct redis_options *options, int32_t partition)
{
	char text[16 + 256 + 24];
	size_t len;

	must(options->topic.len <= 256);
	memcpy(text, "meta:", 5);
	memcpy(text + 5, options->topic.ptr, options->topic.len);
	len = 5 + options->topic.len;
	text[len++] = ':';
	len += i64_to_text(partition, text + len);
	command_add_joined(c, options->prefix, str_of(text, len), STR(""));
}

/* ---- gathering ---- */

static struct group *group_of(struct encoding *e, const struct write *write)
{
	size_t slot =
		(write->key_hash ^ (uint64_t)write->kind * UINT64_C(0x9e3779b97f4a7c15)) & e->mask;
	struct group *group;

	for (; e->slots[slot]; slot = (slot + 1) & e->mask) {
		group = &e->groups[e->slots[slot] - 1];
		if (group->first->key_hash == write->key_hash &&
		    group->first->kind == write->kind && str_eq(group->first->key, write->key))
			return group;
	}
	group = &e->groups[e->group_count++];
	*group = (struct group){ .first = write };
	e->slots[slot] = e->group_count;
	return group;
}

static void group_add(struct encoding *e, const struct write *write)
{
	struct group *group = group_of(e, write);

	e->links[e->link_count++] = (struct link){ .write = write };
	if (group->last_link)
		e->links[group->last_link - 1].next = e->link_count;
	else
		group->first_link = e->link_count;
	group->last_link = e->link_count;
	for (unsigned i = 0; i < write->pair_count; i++) {
		if (write->pairs[i].value.ptr)
			group->set_count++;
		else
			group->remove_count++;
	}
}

static void gather(struct encoding *e, const struct flush *flush)
{
	size_t slots = 16;

	while (slots < (size_t)flush->write_count * 2)
		slots *= 2;
	e->mask = slots - 1;
	e->slots = arena_zalloc(e->scratch, slots * sizeof(*e->slots));
	e->groups = arena_alloc(e->scratch, flush->write_count * sizeof(*e->groups));
	e->links = arena_alloc(e->scratch, flush->write_count * sizeof(*e->links));
	for (unsigned i = 0; i < flush->write_count; i++) {
		const struct write *write = flush->writes[i];

		if (write->kind == WRITE_FIELDS || write->kind == WRITE_SCORES)
			group_add(e, write);
	}
}

/* ---- commands ---- */

static struct command begin(struct encoding *e, struct str name, unsigned arguments)
{
	struct command c;

	command_begin_counted(&c, e->buf, 1 + arguments);
	command_add(&c, name);
	e->commands++;
	return c;
}

static void add_key(const struct encoding *e, struct command *c, struct str key)
{
	command_add_joined(c, e->options->prefix, key, STR(""));
}

/* Sets or removes what the group's writes set or remove. */
static void put_group(struct encoding *e, const struct group *group, bool set)
{
	static const struct str names[2][2] = { { STR_INIT("HDEL"), STR_INIT("HSET") },
		                                { STR_INIT("ZREM"), STR_INIT("ZADD") } };
	bool scores = group->first->kind == WRITE_SCORES;
	unsigned arguments = set ? 2 * group->set_count : group->remove_count;
	struct command c;

	if (arguments == 0)
		return;
	c = begin(e, names[scores][set], 1 + arguments);
	add_key(e, &c, group->first->key);
	for (unsigned at = group->first_link; at; at = e->links[at - 1].next) {
		const struct write *write = e->links[at - 1].write;

		for (unsigned i = 0; i < write->pair_count; i++) {
			const struct pair *pair = &write->pairs[i];

			if (!pair->value.ptr == set)
				continue;
			if (set && scores)
				command_add(&c, pair->value);
			command_add(&c, pair->name);
			if (set && !scores)
				command_add(&c, pair->value);
		}
	}
}

/* Whole keys, set or removed: all in one command. */
static void put_whole(struct encoding *e, const struct flush *flush, enum write_kind kind)
{
	bool set = kind == WRITE_VALUE;
	unsigned count = 0;
	struct command c;

	for (unsigned i = 0; i < flush->write_count; i++)
		count += flush->writes[i]->kind == kind;
	if (count == 0)
		return;
	c = begin(e, set ? STR("MSET") : STR("UNLINK"), set ? 2 * count : count);
	for (unsigned i = 0; i < flush->write_count; i++) {
		const struct write *write = flush->writes[i];

		if (write->kind != kind)
			continue;
		add_key(e, &c, write->key);
		if (set)
			command_add(&c, write->pairs[0].value);
	}
}

/* ---- the transaction ---- */

static void put_asof(struct encoding *e, const struct flush *flush)
{
	const struct shard_meta *meta = &flush->meta;
	char text[160], partition[20], number[20];
	struct buf json = { .ptr = text, .room = sizeof(text) };
	struct command c = begin(e, STR("HSET"), 3);

	buf_put_lit(&json, "{\"watermark\":");
	if (meta->watermark_ms == INT64_MIN)
		buf_put_lit(&json, "null");
	else
		buf_put(&json, str_of(number, i64_to_text(meta->watermark_ms, number)));
	buf_put_lit(&json, ",\"time\":");
	buf_put(&json, str_of(number, i64_to_text(meta->broker_ms, number)));
	buf_put(&json,
	        meta->rebuilding ? STR(",\"rebuilding\":true}") : STR(",\"rebuilding\":false}"));
	command_add_joined(&c, e->options->prefix, STR("asof:"), e->options->topic);
	command_add(&c, str_of(partition, i64_to_text(flush->partition, partition)));
	command_add(&c, buf_str(&json));
}

static void put_meta(struct encoding *e, const struct flush *flush, bool release)
{
	const struct shard_meta *meta = &flush->meta;
	struct command c = begin(e, STR("HSET"), 1 + 14 + (release ? 2 : 0));

	redis_add_meta_key(&c, e->options, flush->partition);
	command_add_lit(&c, "cursor");
	command_add_i64(&c, meta->input_cursor);
	command_add_lit(&c, "logic");
	command_add_i64(&c, meta->logic_version);
	command_add_lit(&c, "pin");
	command_add_i64(&c, meta->reference_pin);
	command_add_lit(&c, "watermark");
	command_add_i64(&c, meta->watermark_ms);
	command_add_lit(&c, "broker_time");
	command_add_i64(&c, meta->broker_ms);
	command_add_lit(&c, "partitions");
	command_add_i64(&c, meta->partitions);
	command_add_lit(&c, "rebuilding");
	command_add_i64(&c, meta->rebuilding);
	if (release) {
		command_add_lit(&c, "released");
		command_add_lit(&c, "1");
	}
}

unsigned redis_encode_flush(const struct flush *flush, bool release,
                            const struct redis_options *options, struct buf *buf,
                            struct arena *scratch)
{
	struct encoding e = { .buf = buf, .options = options, .scratch = scratch };

	begin(&e, STR("MULTI"), 0);
	gather(&e, flush);
	put_whole(&e, flush, WRITE_REMOVE);
	put_whole(&e, flush, WRITE_VALUE);
	for (unsigned i = 0; i < e.group_count; i++) {
		put_group(&e, &e.groups[i], false);
		put_group(&e, &e.groups[i], true);
	}
	put_asof(&e, flush);
	put_meta(&e, flush, release);
	begin(&e, STR("EXEC"), 0);
	return e.commands;
}

/* ---- running it ---- */

/* Keeps the words for rc_text(). */
static enum redis_flush_end ended(enum redis_flush_end end, const char *words)
{
	struct rc rc = rc_fail(RC_UNAVAILABLE, "%s", words);

	return rc_ok(rc) ? REDIS_FLUSH_DONE : end;
}

static void forget(redisReply *reply)
{
	if (reply)
		freeReplyObject(reply);
}

static bool is_text(const redisReply *reply, struct str text)
{
	return reply->type == REDIS_REPLY_STRING && str_eq(str_of(reply->str, reply->len), text);
}

/* R, claimer and claim. */
static bool is_claim(const redisReply *found, const struct claim *ours)
{
	char number[20];

	return found->elements == 3 && is_text(found->element[1], str_from_c(ours->id)) &&
	       is_text(found->element[2],
	               str_of(number, i64_to_text((int64_t)ours->ticket, number)));
}

/* Is R what the flush expects, and does our claim stand? Watches the meta. */
static enum redis_flush_end compare(struct redis_connection *connection, const struct flush *flush,
                                    const struct claim *ours, struct encoding *e, bool *claimed)
{
	redisReply *watched = NULL, *found = NULL;
	enum redis_flush_end end = REDIS_FLUSH_NOT_DONE;
	struct command c;

	c = begin(e, STR("WATCH"), 1);
	redis_add_meta_key(&c, e->options, flush->partition);
	c = begin(e, STR("HMGET"), 4);
	redis_add_meta_key(&c, e->options, flush->partition);
	command_add_lit(&c, "cursor");
	command_add_lit(&c, "claimer");
	command_add_lit(&c, "claim");
	redis_connection_append(connection, buf_str(e->buf));
	buf_clear(e->buf);
	if (!rc_ok(redis_connection_send(connection)) ||
	    !rc_ok(redis_connection_receive(connection, &watched)) ||
	    !rc_ok(redis_connection_receive(connection, &found)))
		; /* it only looked */
	else if (watched->type == REDIS_REPLY_ERROR)
		end = ended(end, watched->str);
	else if (found->type == REDIS_REPLY_ERROR)
		end = ended(end, found->str);
	else if (found->type == REDIS_REPLY_ARRAY && found->elements == 3)
		end = redis_is_cursor(found->element[0], flush->expect) ? REDIS_FLUSH_DONE
		                                                        : REDIS_FLUSH_REFUSED;
	*claimed = end == REDIS_FLUSH_DONE && is_claim(found, ours);
	forget(watched);
	forget(found);
	return end;
}

/* Watching ends, so that the next flush begins with nothing watched. */
static void unwatch(struct redis_connection *connection, struct encoding *e)
{
	redisReply *reply = NULL;

	begin(e, STR("UNWATCH"), 0);
	if (rc_ok(redis_connection_ask(connection, buf_str(e->buf), &reply)))
		forget(reply);
	else
		redis_connection_close(connection);
	buf_clear(e->buf);
}

/* A key of another type was met: what stands in Redis is wrong whoever owns the shard by now, so it
 * is to be built anew. */
static enum redis_flush_end tear(struct redis_connection *connection, const struct flush *flush,
                                 struct encoding *e, const char *words)
{
	redisReply *reply = NULL;
	struct command c;

	buf_clear(e->buf);
	c = begin(e, STR("HSET"), 3);
	redis_add_meta_key(&c, e->options, flush->partition);
	command_add_lit(&c, "cursor");
	command_add_lit(&c, "torn");
	if (rc_ok(redis_connection_ask(connection, buf_str(e->buf), &reply)))
		forget(reply);
	return ended(REDIS_FLUSH_IN_DOUBT, words);
}

/* The first error among the transaction's answers. */
static const redisReply *error_in(const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR)
		return reply;
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_ERROR)
			return reply->element[i];
	return NULL;
}

/* Reads the answers to MULTI up to EXEC; REFUSED: the meta changed after the comparison. */
static enum redis_flush_end finish(struct redis_connection *connection, const struct flush *flush,
                                   struct encoding *e, unsigned commands)
{
	redisReply *refusal = NULL, *reply = NULL;
	const redisReply *error;
	enum redis_flush_end end = REDIS_FLUSH_DONE;

	for (unsigned i = 0; i < commands; i++) {
		forget(reply);
		reply = NULL;
		if (!rc_ok(redis_connection_receive(connection, &reply))) {
			forget(refusal);
			return REDIS_FLUSH_IN_DOUBT;
		}
		if (!refusal && i + 1 < commands && reply->type == REDIS_REPLY_ERROR) {
			refusal = reply;
			reply = NULL;
		}
	}
	error = refusal ? refusal : error_in(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		end = ended(REDIS_FLUSH_NOT_DONE, error->str);
	else if (reply->type == REDIS_REPLY_NIL)
		end = REDIS_FLUSH_REFUSED;
	else if (error)
		end = tear(connection, flush, e, error->str);
	forget(refusal);
	forget(reply);
	return end;
}

/* That the meta changed does not say that R did: another field of it is no reason to give the shard
 * up, so it is compared again. */
enum redis_flush_end redis_flush_run(struct redis_connection *connection, const struct flush *flush,
                                     const struct claim *ours, struct buf *buf,
                                     struct arena *scratch)
{
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		struct encoding e = { .buf = buf, .options = connection->options };
		enum redis_flush_end end;
		unsigned commands;
		bool claimed;

		buf_clear(buf);
		end = compare(connection, flush, ours, &e, &claimed);
		if (end == REDIS_FLUSH_REFUSED)
			unwatch(connection, &e);
		if (end != REDIS_FLUSH_DONE)
			return end;
		commands = redis_encode_flush(flush, flush->release && claimed, connection->options,
		                              buf, scratch);
		redis_connection_append(connection, buf_str(buf));
		if (!rc_ok(redis_connection_send(connection)))
			return REDIS_FLUSH_IN_DOUBT;
		end = finish(connection, flush, &e, commands);
		if (end != REDIS_FLUSH_REFUSED)
			return end;
	}
	return ended(REDIS_FLUSH_NOT_DONE, "the shard's meta changes all the time");
}
