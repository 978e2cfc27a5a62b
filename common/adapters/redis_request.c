/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One small encoder and one small reader a kind of call.
 */
#include "common/adapters/redis_request.h"

#include "common/adapters/redis_flush.h"
#include "common/adapters/redis_meta.h"
#include "common/base/must.h"

#define STORED_WORDS "Redis answered something unexpected"

struct request *request_new(enum request_kind kind, int32_t partition, uint64_t ticket)
{
	struct request *r = job_new(sizeof(*r));

	r->kind = kind;
	r->partition = partition;
	r->ticket = ticket;
	return r;
}

/* ---- commands ---- */

/* R as the functions compare it. */
static void add_cursor(struct command *c, int64_t cursor)
{
	if (cursor == R_EMPTY)
		command_add_lit(c, "empty");
	else
		command_add_i64(c, cursor);
}

static void encode_load(const struct load *load, const struct redis_options *options,
                        struct command *c)
{
	command_add_lit(c, "FCALL_RO");
	command_add_lit(c, "tallyworks_load");
	command_add_i64(c, (int64_t)load->count + 1);
	redis_add_meta_key(c, options, load->partition);
	for (unsigned i = 0; i < load->count; i++)
		command_add_joined(c, options->prefix, load->keys[i].key, STR(""));
	for (unsigned i = 0; i < 2; i++)
		add_cursor(c, load->expect[i]);
	for (unsigned i = 0, run; i < load->count; i += run) {
		for (run = 1;
		     i + run < load->count && load->keys[i + run].hash == load->keys[i].hash;)
			run++;
		command_add(c, load->keys[i].hash ? STR("h") : STR("d"));
		command_add_i64(c, run);
	}
}

static void encode_due(const struct request *r, const struct redis_options *options,
                       struct command *c)
{
	char key[300];
	size_t len = options->topic.len;

	must(len + 30 < sizeof(key));
	memcpy(key, options->topic.ptr, len);
	key[len++] = ':';
	len += i64_to_text(r->partition, key + len);
	command_add_lit(c, "FCALL_RO");
	command_add_lit(c, "tallyworks_due");
	command_add_lit(c, "2");
	redis_add_meta_key(c, options, r->partition);
	command_add_joined(c, options->prefix, STR("due:"), str_of(key, len));
	command_add_i64(c, r->max);
}

static void add_offsets(struct command *c, struct offsets offsets)
{
	char text[48];
	size_t len = 0;

	if (offsets.until) {
		len = i64_to_text(offsets.from, text);
		text[len++] = '-';
		len += i64_to_text(offsets.until, text + len);
	}
	command_add(c, str_of(text, len));
}

void request_add_claim(struct command *c, const struct request *r)
{
	command_add(c, str_from_c(r->claim.id));
	command_add_i64(c, (int64_t)r->claim.ticket);
}

static void begin_function(struct command *c, struct str name, const struct request *r,
                           const struct redis_options *options)
{
	command_add_lit(c, "FCALL");
	command_add(c, name);
	command_add_lit(c, "1");
	redis_add_meta_key(c, options, r->partition);
}

void request_encode(struct request *r, const struct redis_options *options, struct buf *buf)
{
	struct command *c = &r->command;

	command_begin(c, buf);
	switch (r->kind) {
	case REQUEST_CLAIM:
		begin_function(c, STR("tallyworks_claim"), r, options);
		command_add(c, str_from_c(r->claim.id));
		command_add(c, str_from_c(r->id));
		command_add_i64(c, (int64_t)r->claim.ticket);
		break;
	case REQUEST_UNCLAIM:
		begin_function(c, STR("tallyworks_unclaim"), r, options);
		request_add_claim(c, r);
		command_add(c, str_from_c(r->id));
		break;
	case REQUEST_TRY:
		begin_function(c, STR("tallyworks_try"), r, options);
		request_add_claim(c, r);
		add_offsets(c, r->offsets);
		break;
	case REQUEST_CHECK:
		command_add_lit(c, "HGETALL");
		redis_add_meta_key(c, options, r->partition);
		break;
	case REQUEST_LOAD: encode_load(r->load, options, c); break;
	case REQUEST_DUE: encode_due(r, options, c); break;
	case REQUEST_FLUSH:
	case REQUEST_WIPE: must(!"not one command");
	}
	command_end(c);
}

/* ---- answers ---- */

static enum happening_kind happening_kind_of(enum request_kind kind)
{
	switch (kind) {
	case REQUEST_CLAIM:
	case REQUEST_UNCLAIM: return HAPPENED_CLAIMED;
	case REQUEST_TRY: return HAPPENED_TRIED;
	case REQUEST_LOAD: return HAPPENED_LOADED;
	case REQUEST_CHECK: return HAPPENED_CHECKED;
	case REQUEST_DUE: return HAPPENED_DUE;
	case REQUEST_FLUSH: return HAPPENED_FLUSHED;
	case REQUEST_WIPE: break;
	}
	return HAPPENED_WIPED;
}

static struct happening *happening_of(const struct request *r)
{
	return happening_new(happening_kind_of(r->kind), r->partition, r->ticket);
}

static int64_t cursor_of(const redisReply *reply)
{
	struct str text = str_of(reply->str, reply->len);
	int64_t number;

	if (reply->type != REDIS_REPLY_STRING)
		return R_NONE;
	if (str_eq_c(text, "empty"))
		return R_EMPTY;
	return str_to_i64(text, &number) ? number : R_NONE;
}

bool redis_is_cursor(const redisReply *reply, int64_t expect)
{
	return cursor_of(reply) == expect;
}

static struct str copy_text(struct arena *memory, const redisReply *reply)
{
	return arena_str(memory, str_of(reply->str, reply->len));
}

static bool read_document(const redisReply *reply, struct arena *memory, struct loaded *out)
{
	if (reply->type == REDIS_REPLY_NIL) {
		*out = (struct loaded){ .exists = false };
		return true;
	}
	if (reply->type != REDIS_REPLY_STRING)
		return false;
	*out = (struct loaded){ .exists = true, .value = copy_text(memory, reply) };
	return true;
}

static bool read_figures(const redisReply *reply, struct arena *memory, struct loaded *out)
{
	size_t count = reply->elements / 2;
	struct pair *pairs;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return false;
	pairs = arena_alloc(memory, count * sizeof(*pairs));
	for (size_t i = 0; i < count; i++) {
		pairs[i].name = copy_text(memory, reply->element[2 * i]);
		pairs[i].value = copy_text(memory, reply->element[2 * i + 1]);
	}
	*out = (struct loaded){ .exists = count > 0,
		                .pairs = pairs,
		                .pair_count = (unsigned)count };
	return true;
}

static bool answer_load(const struct load *load, const redisReply *reply, struct happening *h)
{
	struct loaded *values;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1)
		return false;
	if (!redis_is_cursor(reply->element[0], load->expect[0]) &&
	    !redis_is_cursor(reply->element[0], load->expect[1])) {
		h->load.result = STORE_REFUSED;
		return true;
	}
	if (reply->elements != (size_t)load->count + 1)
		return false;
	values = arena_alloc(&h->memory, load->count * sizeof(*values));
	for (unsigned i = 0; i < load->count; i++) {
		const redisReply *one = reply->element[i + 1];

		if (load->keys[i].hash ? !read_figures(one, &h->memory, &values[i])
		                       : !read_document(one, &h->memory, &values[i]))
			return false;
	}
	h->load.values = values;
	h->load.result = STORE_OK;
	return true;
}

static bool answer_due(const redisReply *reply, struct happening *h)
{
	size_t count = reply->elements / 2;
	struct due_entry *entries;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 1)
		return false;
	h->due.cursor = cursor_of(reply->element[0]);
	entries = arena_alloc(&h->memory, count * sizeof(*entries));
	for (size_t i = 0; i < count; i++) {
		const redisReply *score = reply->element[2 * i + 2];

		entries[i].member = copy_text(&h->memory, reply->element[2 * i + 1]);
		if (!str_to_i64(str_of(score->str, score->len), &entries[i].due_ms))
			return false;
	}
	h->due.entries = entries;
	h->due.count = (unsigned)count;
	return true;
}

struct happening *request_answer(const struct request *r, const redisReply *reply)
{
	struct happening *h = happening_of(r);
	bool good = false;

	switch (r->kind) {
	case REQUEST_CLAIM:
	case REQUEST_UNCLAIM:
	case REQUEST_TRY:
	case REQUEST_CHECK: good = redis_meta_read(reply, &h->meta); break;
	case REQUEST_LOAD: good = answer_load(r->load, reply, h); break;
	case REQUEST_DUE: good = answer_due(reply, h); break;
	case REQUEST_FLUSH:
	case REQUEST_WIPE: break;
	}
	if (good)
		return h;
	happening_release(h);
	return request_failed(r, REQUEST_IN_DOUBT, STORED_WORDS);
}

struct happening *request_failed(const struct request *r, enum request_end end, const char *words)
{
	struct happening *h = happening_of(r);

	h->words = arena_printf(&h->memory, "%s", words).ptr;
	/* A call that only reads can always be made again. */
	if (r->kind == REQUEST_LOAD)
		h->load.result = STORE_KEPT;
	else if (r->kind == REQUEST_FLUSH)
		h->store = end == REQUEST_NOT_DONE ? STORE_KEPT : STORE_UNKNOWN;
	h->rc.code = RC_UNAVAILABLE;
	return h;
}

struct happening *request_flushed(const struct request *r, enum store_result result)
{
	struct happening *h = happening_of(r);

	h->store = result;
	return h;
}

struct happening *request_wiped(const struct request *r, struct rc rc, const char *words)
{
	struct happening *h = happening_of(r);

	h->rc = rc;
	if (!rc_ok(rc))
		h->words = arena_printf(&h->memory, "%s", words).ptr;
	return h;
}
