/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event's own key is asked of the same decoder as the workers use, but for the
 * data: a refused event need not fit its type, only name its id.
 */
#include "services/tallyctl/dead_letter.h"

#include <stdlib.h>
#include <yyjson.h>

/* ---- reading ----------------------------------------------------------- */

static struct str header_text(const struct message *m, const char *name)
{
	const struct header *header = message_header(m, str_from_c(name));

	return header ? header->value : str_of(NULL, 0);
}

static int64_t header_number(const struct message *m, const char *name, int64_t fallback)
{
	int64_t number;

	return str_to_i64(header_text(m, name), &number) ? number : fallback;
}

static void keep_headers(const struct message *m, struct arena *arena, struct dead_letter *out)
{
	struct header *kept = arena_alloc(arena, (m->header_count + 1) * sizeof(*kept));

	for (unsigned i = 0; i < m->header_count; i++)
		if (!message_is_refusal_header(m->headers[i].name) &&
		    !str_eq(m->headers[i].name, REPLAYS_HEADER))
			kept[out->header_count++] = m->headers[i];
	out->headers = kept;
}

bool dead_letter_read(const struct message *m, struct arena *arena, struct dead_letter *out)
{
	int64_t partition = header_number(m, "__dlq.errors.partition", -1);

	*out = (struct dead_letter){
		.offset = m->offset,
		.time_ms = m->broker_ms,
		.code = header_text(m, "tw-reason"),
		.path = header_text(m, "tw-path"),
		.group = header_text(m, "__dlq.errors.group"),
		.topic = header_text(m, "__dlq.errors.topic"),
		.partition = (int32_t)partition,
		.source_offset = header_number(m, "__dlq.errors.offset", -1),
		.replays = header_number(m, "tw-replays", 0),
		.cut = message_header(m, STR("tw-cut")) || message_header(m, STR("tw-cut-key")) ||
		       message_header(m, STR("tw-cut-headers")),
		.key = m->key,
		.value = m->value,
	};
	if (!out->code.ptr || !out->topic.ptr || partition < 0 || partition > INT32_MAX ||
	    out->source_offset < 0)
		return false;
	out->reason = reason_find(out->code);
	if (out->replays < 0)
		out->replays = 0;
	keep_headers(m, arena, out);
	return true;
}

static struct message original(const struct dead_letter *letter)
{
	return (struct message){ .offset = letter->source_offset,
		                 .key = letter->key,
		                 .value = letter->value,
		                 .headers = letter->headers,
		                 .header_count = letter->header_count };
}

bool dead_letter_is_binary(const struct dead_letter *letter)
{
	struct message message = original(letter);

	return message_header(&message, STR("ce_specversion")) != NULL;
}

/* ---- its own key -------------------------------------------------------- */

/* Every event of a topic names the same id first. */
static struct str id_in(yyjson_val *data, const struct worker *worker, struct str type)
{
	for (const struct input *in = worker->inputs; in->type; in++) {
		yyjson_val *id;

		if (!str_eq_c(type, in->type))
			continue;
		id = yyjson_obj_getn(data, in->data->fields[0].name.ptr,
		                     in->data->fields[0].name.len);
		return str_of(yyjson_get_str(id), yyjson_get_len(id));
	}
	return str_of(NULL, 0);
}

struct str dead_letter_own_key(const struct dead_letter *letter, const struct worker *worker,
                               struct arena *arena)
{
	struct message message = original(letter);
	struct envelope envelope;
	struct fault fault;
	struct str id;

	if (!envelope_decode(&message, letter->topic, letter->partition, arena, &envelope, &fault))
		return str_of(NULL, 0);
	id = id_in(envelope.data, worker, envelope.event.type);
	if (envelope.event.subject.ptr && id.ptr && !str_eq(envelope.event.subject, id))
		return str_of(NULL, 0);
	return id.ptr ? id : envelope.event.subject;
}

/* ---- the failing field --------------------------------------------------- */

static struct str shown(yyjson_val *value, struct arena *arena)
{
	size_t len;
	char *text = yyjson_val_write(value, 0, &len);
	struct str copy = text ? arena_str(arena, str_of(text, len)) : str_of(NULL, 0);

	free(text);
	return copy;
}

struct str dead_letter_field(const struct dead_letter *letter, struct arena *arena,
                             struct str *around)
{
	struct message message = original(letter);
	const struct header *header = message_header(&message, letter->path);
	bool binary = dead_letter_is_binary(letter) && str_starts(letter->path, STR("/data"));
	struct str path = letter->path, found = { NULL, 0 };
	char *text = (char *)(uintptr_t)letter->value.ptr; /* not written to */
	yyjson_doc *document;

	*around = path;
	if (header && path.len)
		return header->value;
	if (!text)
		return found;
	document = yyjson_read_opts(text, letter->value.len, YYJSON_READ_BIGNUM_AS_RAW, NULL, NULL);
	for (;;) { /* outwards, until something is there */
		struct str inside = binary ? str_from(path, strlen("/data")) : path;
		yyjson_val *value =
			yyjson_doc_ptr_getn(document, inside.len ? inside.ptr : "", inside.len);

		if (value)
			found = shown(value, arena);
		if (value || inside.len == 0)
			break;
		while (path.len && path.ptr[--path.len] != '/')
			;
	}
	*around = path;
	yyjson_doc_free(document);
	return found;
}

const char *dead_letter_meaning(enum reason reason)
{
	return reason == REASON_NONE ? "a reason that this build does not know"
	                             : reason_words(reason);
}
