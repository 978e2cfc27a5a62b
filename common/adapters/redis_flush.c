/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writes are gathered by a small hash table of (kind, key); groups keep the
 * order in which they first came. Each command stands in the arguments as its
 * length, its name, its arguments, at most MOST of them (Lua's unpack).
 */
#include "common/adapters/redis_flush.h"

#include "common/base/must.h"

#define MOST 1000 /* name and arguments of one command; tallyworks_v1.lua has the same */

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
	struct command *command;
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

static void add_key(struct encoding *e, struct str key)
{
	command_add_joined(e->command, e->options->prefix, key, STR(""));
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

/* Begins a command of `left` items more, as many as fit; returns how many. */
static unsigned begin_some(struct encoding *e, struct str name, const struct str *key,
                           unsigned width, unsigned left)
{
	unsigned fixed = key ? 2 : 1;
	unsigned some = (MOST - fixed) / width;

	if (some > left)
		some = left;
	command_add_i64(e->command, (int64_t)fixed + (int64_t)some * width);
	command_add(e->command, name);
	if (key)
		add_key(e, *key);
	return some;
}

static void put_group_sets(struct encoding *e, const struct group *group)
{
	bool scores = group->first->kind == WRITE_SCORES;
	struct str name = scores ? STR("ZADD") : STR("HSET");
	unsigned left = group->set_count, room = 0;

	for (unsigned at = group->first_link; at; at = e->links[at - 1].next) {
		const struct write *write = e->links[at - 1].write;

		for (unsigned i = 0; i < write->pair_count; i++) {
			const struct pair *pair = &write->pairs[i];

			if (!pair->value.ptr)
				continue;
			if (room == 0) {
				room = begin_some(e, name, &group->first->key, 2, left);
				left -= room;
			}
			command_add(e->command, scores ? pair->value : pair->name);
			command_add(e->command, scores ? pair->name : pair->value);
			room--;
		}
	}
}

static void put_group_removals(struct encoding *e, const struct group *group)
{
	struct str name = group->first->kind == WRITE_SCORES ? STR("ZREM") : STR("HDEL");
	unsigned left = group->remove_count, room = 0;

	for (unsigned at = group->first_link; at; at = e->links[at - 1].next) {
		const struct write *write = e->links[at - 1].write;

		for (unsigned i = 0; i < write->pair_count; i++) {
			if (write->pairs[i].value.ptr)
				continue;
			if (room == 0) {
				room = begin_some(e, name, &group->first->key, 1, left);
				left -= room;
			}
			command_add(e->command, write->pairs[i].name);
			room--;
		}
	}
}

/* Whole keys, set or removed: many of them in one command. */
static void put_whole(struct encoding *e, const struct flush *flush, enum write_kind kind)
{
	bool set = kind == WRITE_VALUE;
	unsigned left = 0, room = 0;

	for (unsigned i = 0; i < flush->write_count; i++)
		left += flush->writes[i]->kind == kind;
	for (unsigned i = 0; left + room > 0 && i < flush->write_count; i++) {
		const struct write *write = flush->writes[i];

		if (write->kind != kind)
			continue;
		if (room == 0) {
			room = begin_some(e, set ? STR("MSET") : STR("UNLINK"), NULL, set ? 2 : 1,
			                  left);
			left -= room;
		}
		add_key(e, write->key);
		if (set)
			command_add(e->command, write->pairs[0].value);
		room--;
	}
}

/* ---- the call ---- */

static void put_asof(struct command *c, const struct flush *flush)
{
	const struct shard_meta *meta = &flush->meta;
	char text[160], partition[20], number[20];
	struct buf json = { .ptr = text, .room = sizeof(text) };

	buf_put_lit(&json, "{\"watermark\":");
	if (meta->watermark_ms == INT64_MIN)
		buf_put_lit(&json, "null");
	else
		buf_put(&json, str_of(number, i64_to_text(meta->watermark_ms, number)));
	buf_put_lit(&json, ",\"time\":");
	buf_put(&json, str_of(number, i64_to_text(meta->broker_ms, number)));
	buf_put(&json,
	        meta->rebuilding ? STR(",\"rebuilding\":true}") : STR(",\"rebuilding\":false}"));
	command_add(c, str_of(partition, i64_to_text(flush->partition, partition)));
	command_add(c, buf_str(&json));
}

static void put_meta(struct command *c, const struct flush *flush)
{
	const struct shard_meta *meta = &flush->meta;

	command_add_i64(c, 14 + (flush->release ? 2 : 0));
	command_add_lit(c, "cursor");
	command_add_i64(c, meta->input_cursor);
	command_add_lit(c, "logic");
	command_add_i64(c, meta->logic_version);
	command_add_lit(c, "pin");
	command_add_i64(c, meta->reference_pin);
	command_add_lit(c, "watermark");
	command_add_i64(c, meta->watermark_ms);
	command_add_lit(c, "broker_time");
	command_add_i64(c, meta->broker_ms);
	command_add_lit(c, "partitions");
	command_add_i64(c, meta->partitions);
	command_add_lit(c, "rebuilding");
	command_add_i64(c, meta->rebuilding);
	if (flush->release) {
		command_add_lit(c, "released");
		command_add_lit(c, "1");
	}
}

void redis_encode_flush(const struct flush *flush, const struct redis_options *options,
                        struct buf *buf, struct arena *scratch, struct command *out)
{
	struct encoding e = { .command = out, .options = options, .scratch = scratch };

	command_begin(out, buf);
	command_add_lit(out, "FCALL");
	command_add_lit(out, "tallyworks_flush");
	command_add_lit(out, "2");
	redis_add_meta_key(out, options, flush->partition);
	command_add_joined(out, options->prefix, STR("asof:"), options->topic);
	if (flush->expect < 0)
		command_add_lit(out, "");
	else
		command_add_i64(out, flush->expect);
	put_asof(out, flush);
	put_meta(out, flush);
	gather(&e, flush);
	put_whole(&e, flush, WRITE_REMOVE);
	put_whole(&e, flush, WRITE_VALUE);
	for (unsigned i = 0; i < e.group_count; i++) {
		put_group_removals(&e, &e.groups[i]);
		put_group_sets(&e, &e.groups[i]);
	}
	command_end(out);
}
