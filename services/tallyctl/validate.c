/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl validate: would the workers take these events?
 *
 * Judged by the workers' own decoder and by those of their rules that need neither
 * state nor reference data: envelope, fields, money, splits, lines, key, time (but
 * for how far it is ahead of the broker). So what is bad here is refused there, with
 * the same reason and path; what is good here can still be refused for what else
 * there is (an unknown payee, an overpayment).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "common/host/json.h"
#include "services/tallyctl/command.h"
#include "services/workers.h"

#define FILE_BYTES_MOST (INT64_C(1) << 31)

struct judging {
	struct invocation *invocation;
	struct json j;
	struct arena memory; /* of one event */
	unsigned events, bad;
};

/* ---- judging ----------------------------------------------------------- */

static const struct input *input_of(struct str type, const struct worker **worker)
{
	for (int i = 0; workers[i]; i++) {
		*worker = workers[i];
		for (const struct input *in = workers[i]->inputs; in->type && !workers[i]->internal;
		     in++)
			if (str_eq_c(type, in->type))
				return in;
	}
	return NULL;
}

static bool refuse(struct fault *fault, enum reason reason, const char *path)
{
	fault->reason = reason;
	snprintf(fault->path, sizeof(fault->path), "%s", path);
	return false;
}

/* Without a key it is taken to be the right one: the id that the data names. */
static struct str key_of(const struct message *m, const struct input *in, const void *data)
{
	struct str id;

	if (m->key.ptr)
		return m->key;
	memcpy(&id, (const char *)data + in->data->fields[0].offset, sizeof(id));
	return id;
}

/* True: fine. *type is that of the event, where it has one. */
static bool judge(const struct message *m, struct arena *arena, struct str *type,
                  struct fault *fault)
{
	const struct worker *worker;
	const struct input *in;
	struct envelope envelope;
	struct verdict verdict;

	*type = str_of(NULL, 0);
	*fault = (struct fault){ .reason = REASON_NONE };
	if (!envelope_decode(m, STR(""), 0, arena, &envelope, fault))
		return false;
	*type = envelope.event.type;
	in = input_of(*type, &worker);
	if (!in)
		return refuse(fault, REASON_UNKNOWN_TYPE, "/type");
	if (!envelope_data(&envelope, in->data, arena, fault))
		return false;
	if (!worker->check)
		return true;
	envelope.event.key = key_of(m, in, envelope.event.data);
	verdict = worker->check(&envelope.event);
	return verdict.kind != VERDICT_REJECT || refuse(fault, verdict.reason, verdict.note);
}

/* ---- the answer -------------------------------------------------------- */

static void say(struct judging *s, const char *file, unsigned line, struct str type,
                const struct fault *fault)
{
	struct buf *out = s->invocation->out;
	bool ok = fault->reason == REASON_NONE;

	if (s->invocation->json) {
		json_open(&s->j, '{');
		json_put_text(&s->j, "file", file);
		json_put_i64(&s->j, "line", line);
		json_put_bool(&s->j, "ok", ok);
		if (type.ptr)
			json_put_str(&s->j, "type", type);
		if (!ok) {
			json_put_text(&s->j, "reason", reason_code(fault->reason));
			json_put_text(&s->j, "path", fault->path);
			json_put_text(&s->j, "words", reason_words(fault->reason));
		}
		json_close(&s->j, '}');
	} else if (ok) {
		buf_printf(out, "%s:%u: ok %.*s\n", file, line, STR_ARG(type));
	} else {
		buf_printf(out, "%s:%u: %s at \"%s\": %s\n", file, line, reason_code(fault->reason),
		           fault->path, reason_words(fault->reason));
	}
}

static void judge_text(struct judging *s, const char *file, unsigned line, struct str key,
                       struct str value)
{
	struct message message = { .broker_ms = INT64_MAX / 2, .key = key, .value = value };
	struct fault fault;
	struct str type;

	arena_clear(&s->memory);
	s->events++;
	s->bad += !judge(&message, &s->memory, &type, &fault);
	say(s, file, line, type, &fault);
}

/* ---- files ------------------------------------------------------------- */

static void *json_alloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void *json_resize(void *arena, void *block, size_t size_now, size_t size)
{
	return arena_resize(arena, block, size_now, size);
}

static void json_free(void *arena, void *block)
{
	(void)arena;
	(void)block;
}

/* One document over more than a line: an event, or an array of events. */
static bool is_one_document(struct str text, struct arena *arena, yyjson_val **root)
{
	yyjson_alc memory = { json_alloc, json_resize, json_free, arena };
	char *bytes = (char *)(uintptr_t)text.ptr; /* not written to */
	yyjson_doc *document =
		yyjson_read_opts(bytes, text.len, YYJSON_READ_BIGNUM_AS_RAW, &memory, NULL);

	*root = yyjson_doc_get_root(document);
	return document != NULL && str_find(text, '\n') + 1 < text.len;
}

static void judge_document(struct judging *s, const char *file, struct str text, yyjson_val *root)
{
	unsigned number = 1;
	yyjson_arr_iter items;
	yyjson_val *item;

	if (!yyjson_is_arr(root)) {
		judge_text(s, file, 1, str_of(NULL, 0), text);
		return;
	}
	yyjson_arr_iter_init(root, &items);
	while ((item = yyjson_arr_iter_next(&items))) {
		size_t len;
		char *one = yyjson_val_write(item, 0, &len);

		judge_text(s, file, number++, str_of(NULL, 0), str_of(one, len));
		free(one);
	}
}

/* JSON never has a tab before its first bracket that would matter: `key<TAB>{...`. */
static void judge_line(struct judging *s, const char *file, unsigned number, struct str line)
{
	size_t tab = str_find(line, '\t'), bracket = str_find(line, '{');
	struct str key = { NULL, 0 };

	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	if (tab < bracket && tab < line.len) {
		key = str_of(line.ptr, tab);
		line = str_from(line, tab + 1);
	}
	if (line.len)
		judge_text(s, file, number, key, line);
}

static void judge_content(struct judging *s, const char *file, struct str text)
{
	struct arena memory;
	yyjson_val *root;

	arena_init(&memory, 65536);
	if (is_one_document(text, &memory, &root)) {
		judge_document(s, file, text, root);
	} else {
		for (unsigned number = 1; text.ptr; number++)
			judge_line(s, file, number, str_split(&text, '\n'));
	}
	arena_release(&memory);
}

static struct rc read_file(const char *path, struct buf *out)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "rb");
	bool failed, large = false;
	size_t n;

	if (!file)
		return rc_fail(RC_NOT_FOUND, "%s cannot be opened", path);
	do {
		buf_grow(out, 65536);
		n = fread(out->ptr + out->len, 1, 65536, file);
		out->len += n;
		large = out->len > FILE_BYTES_MOST;
	} while (n && !large);
	failed = ferror(file) != 0;
	if (!is_stdin)
		fclose(file);
	if (large)
		return rc_fail(RC_DATA, "%s: larger than %" PRId64 " bytes: give it in parts", path,
		               FILE_BYTES_MOST);
	return failed ? rc_fail(RC_IO, "%s cannot be read", path) : OK;
}

/* ---- the command ------------------------------------------------------- */

static struct rc validate(struct judging *s)
{
	const struct invocation *invocation = s->invocation;

	if (invocation->word_count == 0)
		return rc_fail(RC_USAGE, "which files? tallyctl validate FILE..., - is stdin");
	for (unsigned i = 0; i < invocation->word_count; i++) {
		struct buf text;
		struct rc rc;

		buf_init(&text, NULL);
		rc = read_file(invocation->words[i], &text);
		if (rc_ok(rc))
			judge_content(s, invocation->words[i], buf_str(&text));
		buf_release(&text);
		TRY(rc);
	}
	return OK;
}

struct rc command_validate(struct invocation *invocation)
{
	struct judging s = { .invocation = invocation, .j = json_to(invocation->out) };
	struct rc rc;

	arena_init(&s.memory, 65536);
	if (invocation->json) {
		json_open(&s.j, '{');
		json_name(&s.j, "lines");
		json_open(&s.j, '[');
	}
	rc = validate(&s);
	if (invocation->json) {
		json_close(&s.j, ']');
		json_put_i64(&s.j, "events", s.events);
		json_put_i64(&s.j, "bad", s.bad);
		json_close(&s.j, '}');
		buf_put_char(invocation->out, '\n');
	} else if (rc_ok(rc)) {
		buf_printf(invocation->out, "%u events, %u bad\n", s.events, s.bad);
	}
	arena_release(&s.memory);
	TRY(rc);
	if (s.bad)
		return rc_fail(RC_DATA, "%u of %u events would be refused", s.bad, s.events);
	return OK;
}
