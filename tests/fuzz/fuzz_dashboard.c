/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of any bytes to the dashboard, over a Redis that answers anything. Every
 * request has an answer, which is JSON where it says so; a request is the same
 * however it was cut on its way.
 *
 * The requests, then what Redis says, an answer a command, first that of a step
 * through the keys; between them a byte 0x1e. The items of a list have 0x1f between
 * them, the keys of a step 0x1d. "~" is refused, no answer is nothing.
 */
#include <stdlib.h>

#include <yyjson.h>

#include "common/adapters/system_clock.h"
#include "common/base/memory.h"
#include "common/base/must.h"
#include "services/dashboard/api.h"
#include "tests/fuzz/fuzz.h"

#define REQUESTS_MOST 4

/* ---- Redis, in place of the adapter ----------------------------------------- */

enum shape { TEXT, NUMBER, LIST, PAIRS, EXACTLY, STEP };

/* What Redis answers to the commands that the views use, whatever the key holds. */
static const struct verb {
	const char *name;
	enum shape shape;
} verbs[] = {
	{ "GET", TEXT },       { "HGET", TEXT },     { "EXISTS", NUMBER },
	{ "HLEN", NUMBER },    { "ZCARD", NUMBER },  { "HGETALL", PAIRS },
	{ "ZREVRANGE", LIST }, { "HMGET", EXACTLY }, { "ZMSCORE", EXACTLY },
};

struct wanted {
	enum shape shape;
	unsigned count;
};

struct redis_reader {
	struct str unsaid; /* absent: nothing */
	struct wanted *wanted;
	unsigned count, room;
};

static unsigned want(struct redis_reader *reader, enum shape shape, unsigned count)
{
	if (reader->count == reader->room) {
		reader->room = reader->room * 2 + 64;
		reader->wanted = memory_resize(reader->wanted, reader->room, sizeof(struct wanted));
	}
	reader->wanted[reader->count] = (struct wanted){ shape, count };
	return reader->count++;
}

unsigned redis_reader_add(struct redis_reader *reader, const char *verb, struct str key,
                          const struct str *more, unsigned count)
{
	const struct verb *found = verbs;

	must(key.len > 0);
	while (strcmp(found->name, verb) != 0)
		must(++found < verbs + sizeof(verbs) / sizeof(verbs[0]));
	if (found->shape == LIST && str_eq(more[count - 1], STR("WITHSCORES")))
		return want(reader, PAIRS, 0);
	return want(reader, found->shape, count);
}

unsigned redis_reader_add_scan(struct redis_reader *reader, struct str cursor, struct str name,
                               int64_t count)
{
	must(cursor.len && name.ptr && count > 0);
	return want(reader, STEP, 2);
}

struct str redis_reader_prefix(const struct redis_reader *reader)
{
	(void)reader;
	return STR("t:");
}

static struct redis_answer list_of(struct str items, char between, struct arena *arena)
{
	struct redis_answer list = { .kind = REDIS_LIST };
	unsigned room = 2;

	for (size_t i = 0; i < items.len; i++)
		room += items.ptr[i] == between;
	list.items = arena_zalloc(arena, room * sizeof(*list.items));
	while (items.ptr && items.len)
		list.items[list.count++] =
			(struct redis_answer){ .kind = REDIS_TEXT,
			                       .text = str_split(&items, between) };
	return list;
}

static struct redis_answer say(struct wanted wanted, struct str text, struct arena *arena)
{
	struct redis_answer said = { .kind = text.ptr ? REDIS_TEXT : REDIS_NOTHING, .text = text };

	if (wanted.shape == NUMBER) {
		said = (struct redis_answer){ .kind = REDIS_NUMBER };
		if (!str_to_i64(text, &said.number))
			said.number = 0;
	}
	if (wanted.shape == TEXT || wanted.shape == NUMBER)
		return said;
	said = list_of(text, '\x1f', arena);
	if (wanted.shape == PAIRS)
		said.count -= said.count % 2;
	if (wanted.shape == EXACTLY || wanted.shape == STEP) {
		struct redis_answer *items =
			arena_zalloc(arena, (wanted.count + 1) * sizeof(*items));

		for (unsigned i = 0; i < wanted.count && i < said.count; i++)
			items[i] = said.items[i];
		said.items = items;
		said.count = wanted.count;
	}
	if (wanted.shape == STEP) {
		said.items[0].kind = REDIS_TEXT;
		said.items[1] = list_of(said.items[1].text, '\x1d', arena);
	}
	return said;
}

struct rc redis_reader_ask(struct redis_reader *reader, struct arena *arena,
                           const struct redis_answer **out)
{
	struct redis_answer *answers = arena_zalloc(arena, (reader->count + 1) * sizeof(*answers));
	struct rc rc = OK;

	for (unsigned i = 0; i < reader->count; i++) {
		struct str text = str_of(NULL, 0);

		if (reader->unsaid.ptr)
			text = str_split(&reader->unsaid, '\x1e');
		if (str_eq(text, STR("~")))
			rc = rc_fail(RC_PROTOCOL, "Redis: refused");
		answers[i] = say(reader->wanted[i], text, arena);
	}
	reader->count = 0;
	*out = answers;
	return rc;
}

/* ---- what is asked ---------------------------------------------------------- */

static void must_be_json(struct str text)
{
	yyjson_doc *doc = yyjson_read(text.ptr, text.len, 0);

	must(doc);
	yyjson_doc_free(doc);
}

static void answer(struct api *api, const struct http_head *head, int status)
{
	struct buf body;
	struct web_answer answer = { .status = status, .headers = "", .body = &body };

	buf_init(&body, NULL);
	api_answer(api, head, &answer);
	must(answer.status >= 200 && answer.status < 600 && answer.headers);
	must(answer.status == 304 || answer.stream || buf_str(&body).len > 0);
	if (answer.content_type && strstr(answer.content_type, "json"))
		must_be_json(buf_str(&body));
	buf_release(&body);
}

/* False: the connection would wait for more, or be closed. */
static bool request(struct api *api, struct str *bytes)
{
	struct http_head head, same;
	size_t taken = 0, again = 0;
	int status = http_head_parse(*bytes, &head, &taken);

	if (status == 0)
		return false;
	if (status == 200) {
		must(taken > 0 && taken <= bytes->len);
		must(http_head_parse(str_of(bytes->ptr, taken - 1), &same, &again) == 0);
		must(http_head_parse(str_of(bytes->ptr, taken), &same, &again) == 200);
		must(again == taken && str_eq(same.path, head.path));
	}
	answer(api, &head, status);
	*bytes = str_from(*bytes, taken);
	return status == 200 && head.keep_alive;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of(size ? (const char *)data : "", size);
	struct str requests = str_split(&text, '\x1e');
	struct redis_reader reader = { .unsaid = text };
	struct api api = { .reader = &reader };
	struct buf event;
	struct rc rc;

	if (text.ptr && !str_is_utf8(text))
		return -1; /* nobody writes such a thing */
	catalog_init(&api.catalog);
	memo_init(&api.memo);
	arena_init(&api.arena, 65536);
	buf_init(&event, NULL);
	rc = catalog_step(&api.catalog, &reader, &api.arena, system_now_ms());
	must(rc_ok(rc) || rc.code == RC_PROTOCOL);
	for (unsigned i = 0; i < REQUESTS_MOST && request(&api, &requests); i++)
		;
	api_event(&api, &event);
	buf_release(&event);
	catalog_release(&api.catalog);
	memo_release(&api.memo);
	arena_release(&api.arena);
	free(reader.wanted);
	return 0;
}
