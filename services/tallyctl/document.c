/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jansson reads what people wrote (it knows the line of a syntax error); each
 * record is then turned into the CloudEvent that would be published and read by
 * the same decoder that workers use, so there is no second set of checks.
 */
#include "services/tallyctl/document.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/timestamp.h"
#include "common/codec/message.h"
#include "common/host/spelling.h"
#include "events.h"
#include "services/tallyctl/zoneinfo.h"

#define FILE_BYTES_MOST (64 << 20)
#define WHERE_BYTES 4096

/* A record as written, waiting to be decoded. */
struct written {
	struct written *next;
	json_t *object; /* borrowed from its file */
	struct str where;
};

/* The parsed files and the records in them. */
struct files {
	json_t **roots;
	unsigned count, room;
	struct written *first, **last;
};

/* ---- reading files ----------------------------------------------------- */

void document_init(struct document *document)
{
	struct files *files = memory_new(sizeof(*files));

	*document = (struct document){ .files = files };
	*files = (struct files){ .count = 0 };
	files->last = &files->first;
	arena_init(&document->memory, 65536);
}

void document_release(struct document *document)
{
	struct files *files = document->files;

	for (unsigned i = 0; i < files->count; i++)
		json_decref(files->roots[i]);
	free(files->roots);
	free(files);
	free(document->definitions);
	arena_release(&document->memory);
}

/*
 * jansson does not keep positions, so the line of each record is found by a walk
 * over the text, which is known to be valid: a record is an object that begins
 * right inside an array that is the file, or a member of the object that is the
 * file.
 */
struct walk {
	struct str rest;
	unsigned line, depth;
	bool in_array[3]; /* is the container at depth 1, 2 an array? */
};

static void skip_string(struct walk *w)
{
	size_t i = 1;

	while (i < w->rest.len && w->rest.ptr[i] != '"')
		i += w->rest.ptr[i] == '\\' ? 2 : 1;
	w->rest = str_from(w->rest, i);
}

/* The line of the next record, or 0. */
static unsigned next_record_line(struct walk *w)
{
	for (; w->rest.len; w->rest = str_from(w->rest, 1)) {
		char c = w->rest.ptr[0];
		bool record = false;

		if (c == '\n')
			w->line++;
		if (c == '"')
			skip_string(w);
		if (c == '}' || c == ']')
			w->depth--;
		if (c != '{' && c != '[')
			continue;
		record = c == '{' && (w->depth == 0 || (w->depth <= 2 && w->in_array[w->depth]));
		w->depth++;
		if (w->depth <= 2)
			w->in_array[w->depth] = c == '[';
		if (record) {
			w->rest = str_from(w->rest, 1);
			return w->line;
		}
	}
	return 0;
}

static void add_written(struct document *document, json_t *object, const char *name, unsigned line,
                        size_t number)
{
	struct files *files = document->files;
	struct written *written = arena_zalloc(&document->memory, sizeof(*written));

	written->object = object;
	written->where = arena_printf(&document->memory, "%s:%u, record %zu", name, line, number);
	*files->last = written;
	files->last = &written->next;
}

static void add_records(struct document *document, json_t *root, const char *name, struct str text,
                        struct findings *findings)
{
	struct walk walk = { .rest = text, .line = 1 };
	json_t *list = json_is_array(root) ? root : json_object_get(root, "records");
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(root) && !list) {
		add_written(document, root, name, next_record_line(&walk), 1);
		return;
	}
	if (!json_is_array(list)) {
		findings_error(findings, str_from_c(name), "\"records\" is not an array");
		return;
	}
	if (json_is_object(root)) {
		json_object_foreach(root, key, value) if (strcmp(key, "records") != 0)
			findings_error(findings, str_from_c(name),
		                       "beside \"records\" stands \"%s\"; it would be ignored",
		                       key);
		next_record_line(&walk); /* the object that is the file */
	}
	json_array_foreach(list, i, value)
	{
		if (!json_is_object(value)) {
			findings_error(findings, str_from_c(name), "record %zu is not an object",
			               i + 1);
			return;
		}
		add_written(document, value, name, next_record_line(&walk), i + 1);
	}
}

void document_add_text(struct document *document, const char *name, struct str text,
                       struct findings *findings)
{
	struct files *files = document->files;
	json_error_t error;
	json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);

	if (!root) {
		char where[WHERE_BYTES];

		snprintf(where, sizeof(where), "%s:%d:%d", name, error.line, error.column);
		findings_error(findings, str_from_c(where), "not valid JSON: %s", error.text);
		return;
	}
	if (files->count == files->room) {
		files->room = files->room ? files->room * 2 : 8;
		files->roots = memory_resize(files->roots, files->room, sizeof(json_t *));
	}
	files->roots[files->count++] = root;
	if (json_is_object(root) || json_is_array(root))
		add_records(document, root, name, text, findings);
	else
		findings_error(findings, str_from_c(name),
		               "neither an array of records nor a record");
}

void document_add_file(struct document *document, const char *path, struct findings *findings)
{
	FILE *file = fopen(path, "re");
	struct buf text;

	buf_init(&text, NULL);
	if (!file) {
		findings_error(findings, str_from_c(path), "cannot be read: %s", strerror(errno));
		return;
	}
	while (!feof(file) && !ferror(file) && text.len <= FILE_BYTES_MOST) {
		buf_grow(&text, 65536);
		text.len += fread(text.ptr + text.len, 1, text.room - text.len, file);
	}
	if (ferror(file))
		findings_error(findings, str_from_c(path), "cannot be read: %s", strerror(errno));
	else if (text.len > FILE_BYTES_MOST)
		findings_error(findings, str_from_c(path), "larger than %d bytes", FILE_BYTES_MOST);
	else
		document_add_text(document, path, buf_str(&text), findings);
	fclose(file);
	buf_release(&text);
}

/* ---- kinds ------------------------------------------------------------- */

static bool is_unit_kind(const char *word)
{
	return strcmp(word, "region") == 0 || strcmp(word, "city") == 0 ||
	       strcmp(word, "team") == 0;
}

static const struct kind *kind_written(const char *word)
{
	return kind_find(is_unit_kind(word) ? STR("unit") : str_from_c(word));
}

static void unknown_kind(const char *word, struct str where, struct findings *findings)
{
	struct spelling near = spelling_of(str_from_c(word));

	for (const struct kind *kind = kinds; kind->word; kind++)
		spelling_try(&near, str_from_c(kind->word));
	if (near.best.ptr)
		findings_error(findings, where,
		               "/kind: there is no kind \"%s\"; did you mean \"%.*s\"?", word,
		               STR_ARG(near.best));
	else
		findings_error(findings, where,
		               "/kind: there is no kind \"%s\": write company, region, "
		               "city, team, person, plan, channel, partner, project or product",
		               word);
}

/* ---- dates and zones --------------------------------------------------- */

struct zone company_zone(const void *record, struct arena *arena)
{
	const struct company_defined *company = record;
	uint32_t count = company->transitions.count;
	struct zone_transition *list = arena_alloc(arena, (count + 1) * sizeof(*list));

	for (uint32_t i = 0; i < count; i++)
		list[i] =
			(struct zone_transition){ company->transitions.items[i].at_ms,
			                          (int32_t)company->transitions.items[i].offset_s };
	return (struct zone){ list, count, (int32_t)company->first_offset_s };
}

struct decoding {
	struct document *document;
	struct findings *findings;
	const struct zone *zone; /* for dates; NULL: none is known */
};

static struct zone zone_of(const struct zoneinfo *info)
{
	return (struct zone){ info->transitions, info->count, info->first_offset_s };
}

/* A business date becomes the first instant of its day. */
static void expand_date(const struct decoding *d, json_t *object, const char *field,
                        struct str where)
{
	const char *text = json_string_value(json_object_get(object, field));
	char instant[24];
	int32_t day;
	size_t len;

	if (!text || !date_parse(str_from_c(text), &day))
		return; /* an instant, or a fault that the decoder names */
	if (!d->zone) {
		findings_error(d->findings, where,
		               "/%s: a date needs the company's time zone: publish the "
		               "company first or along with this",
		               field);
		return;
	}
	len = timestamp_format(zone_day_start(d->zone, day), instant);
	json_object_set_new(object, field, json_stringn(instant, len));
}

static void expand_zone(const struct decoding *d, json_t *object, struct str where)
{
	static struct zoneinfo info;
	const char *name = json_string_value(json_object_get(object, "timezone"));
	json_t *list;

	if (!name || json_object_get(object, "transitions"))
		return; /* absent: a fault that the decoder names; or spelled out */
	if (!rc_ok(zoneinfo_read(str_from_c(name), &info))) {
		findings_error(d->findings, where, "/timezone: %s", rc_text());
		return;
	}
	list = json_array();
	for (uint32_t i = 0; i < info.count; i++) {
		char at[24];
		size_t len = timestamp_format(info.transitions[i].at_ms, at);
		json_t *one = json_object();

		json_object_set_new(one, "at", json_stringn(at, len));
		json_object_set_new(one, "offset_s", json_integer(info.transitions[i].offset_s));
		json_array_append_new(list, one);
	}
	json_object_set_new(object, "first_offset_s", json_integer(info.first_offset_s));
	json_object_set_new(object, "transitions", list);
}

/* ---- decoding ---------------------------------------------------------- */

static void check_fields(const struct decoding *d, const struct record_type *type, json_t *object,
                         struct str where)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		struct spelling near = spelling_of(str_from_c(key));

		if (record_field(type, str_from_c(key)))
			continue;
		for (unsigned i = 0; i < type->field_count; i++)
			spelling_try(&near, type->fields[i].name);
		if (near.best.ptr)
			findings_error(d->findings, where,
			               "/%s: %s has no such field; did you mean %.*s?", key,
			               type->name, STR_ARG(near.best));
		else
			findings_error(d->findings, where, "/%s: %s has no such field", key,
			               type->name);
	}
}

/* Through the CloudEvent, as a worker would read it. */
static const void *decode_data(const struct decoding *d, const struct record_type *type,
                               json_t *data, struct str where)
{
	struct arena *arena = &d->document->memory;
	char *text = json_dumps(data, JSON_COMPACT);
	struct message message = { .key = STR("x") };
	struct envelope envelope;
	struct fault fault;

	if (!text)
		memory_out(0);
	message.value = arena_printf(arena,
	                             "{\"specversion\":\"1.0\",\"id\":\"x\",\"source\":\"/x\","
	                             "\"type\":\"%s\",\"data\":%s}",
	                             type->name, text);
	free(text);
	if (envelope_decode(&message, STR("reference"), 0, arena, &envelope, &fault) &&
	    envelope_data(&envelope, type, arena, &fault))
		return envelope.event.data;
	findings_error(d->findings, where, "%s: %s",
	               strncmp(fault.path, "/data", 5) == 0 ? fault.path + 5 : fault.path,
	               reason_words(fault.reason));
	return NULL;
}

static void add_definition(struct document *document, const struct definition *definition)
{
	if (document->count == document->room) {
		document->room = document->room ? document->room * 2 : 64;
		document->definitions = memory_resize(document->definitions, document->room,
		                                      sizeof(struct definition));
	}
	document->definitions[document->count++] = *definition;
}

static void decode_as(const struct decoding *d, const struct kind *kind, bool withdrawn,
                      json_t *data, struct str where)
{
	struct definition definition = { .kind = kind, .withdrawn = withdrawn, .where = where };
	const struct record_type *type = definition_type(&definition);

	check_fields(d, type, data, where);
	expand_date(d, data, "valid_from", where);
	if (!withdrawn)
		expand_date(d, data, "valid_to", where);
	if (!withdrawn && kind == kind_find(STR("company")))
		expand_zone(d, data, where);
	definition.record = decode_data(d, type, data, where);
	if (!definition.record)
		return;
	definition.id = record_str(type, definition.record, kind->id_field);
	definition.from_ms = record_int(type, definition.record, "valid_from", SINCE_EVER);
	definition.to_ms =
		withdrawn ? UNTIL_REPLACED
			  : record_int(type, definition.record, "valid_to", UNTIL_REPLACED);
	if (definition.to_ms <= definition.from_ms)
		findings_error(d->findings, where, "/valid_to: not after valid_from");
	add_definition(d->document, &definition);
}

static void decode_one(const struct decoding *d, const struct written *written)
{
	const char *word = json_string_value(json_object_get(written->object, "kind"));
	json_t *withdrawn = json_object_get(written->object, "withdrawn"), *data;
	const struct kind *kind = word ? kind_written(word) : NULL;

	if (!word) {
		findings_error(d->findings, written->where,
		               "/kind: absent; write company, region, city, "
		               "team, person, plan, channel, partner, project or product");
		return;
	}
	if (!kind) {
		unknown_kind(word, written->where, d->findings);
		return;
	}
	if (strcmp(word, "unit") == 0 && !json_is_true(withdrawn)) {
		findings_error(d->findings, written->where,
		               "/kind: write region, city or team, which of the units it is");
		return;
	}
	if (withdrawn && !json_is_boolean(withdrawn)) {
		findings_error(d->findings, written->where, "/withdrawn: neither true nor false");
		return;
	}
	data = json_copy(written->object);
	json_object_del(data, "kind");
	json_object_del(data, "withdrawn");
	if (is_unit_kind(word) && !json_is_true(withdrawn))
		json_object_set_new(data, "kind", json_string(word));
	decode_as(d, kind, json_is_true(withdrawn), data, written->where);
	json_decref(data);
}

static bool is_company(const struct written *written)
{
	const char *word = json_string_value(json_object_get(written->object, "kind"));

	return word && strcmp(word, "company") == 0;
}

void document_decode(struct document *document, const struct zone *published_zone,
                     struct findings *findings)
{
	static struct zoneinfo own;
	const struct files *files = document->files;
	struct decoding d = { document, findings, published_zone };
	struct zone zone;

	for (const struct written *w = files->first; w; w = w->next) {
		const char *name = json_string_value(json_object_get(w->object, "timezone"));

		/* Its own dates, too, are in its own zone. A zone that is not known is found below. */
		if (is_company(w) && name && rc_ok(zoneinfo_read(str_from_c(name), &own))) {
			zone = zone_of(&own);
			d.zone = &zone;
		}
	}
	for (const struct written *w = files->first; w; w = w->next)
		decode_one(&d, w);
}
