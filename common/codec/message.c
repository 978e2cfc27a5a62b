/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope reader and the envelope writer.
 *
 * Which mode a message has: content-type application/cloudevents* says
 * structured; else any ce_* header says binary; else an object with specversion
 * is structured. Attributes are read by the record engine with a table written by
 * hand; whatever is wrong with one is bad_envelope, with its JSON pointer in
 * structured and its header's name in binary mode. Faults of data always have a
 * pointer below /data, so that one event has one path in both modes.
 *
 * The parser's memory is the batch arena; key, raw and, in binary mode, the
 * attributes are borrowed from the message. Sources: CloudEvents 1.0.2 JSON
 * format and Kafka protocol binding; DESIGN section 3.
 */
#include "common/codec/message.h"

#include <yyjson.h>

#include "common/base/hash.h"
#include "common/base/limits.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"

#define FRAMING_BYTES 5

struct attributes {
	struct str specversion, id, source, type, subject;
	bool has_time;
	int64_t time_ms;
	struct str datacontenttype, correlationid, causationid, traceparent;
	struct yyjson_val *data, *data_base64;
};

/* schemas/envelope.schema.json says the same to outsiders. */
static const struct str versions[] = { STR_INIT("1.0"), { NULL, 0 } };

#define ATTRIBUTE(n) FIELD_NAME(#n), .offset = offsetof(struct attributes, n)
#define TEXT_ATTRIBUTE(n)                                                              \
	{                                                                              \
		ATTRIBUTE(n), .kind = FIELD_STRING, .has = -1, .max = LIMIT_TEXT_BYTES \
	}

static const struct field attribute_fields[] = {
	{ ATTRIBUTE(specversion), .kind = FIELD_STRING, .required = true, .has = -1, .min = 1,
	  .max = LIMIT_ID_BYTES, .choices = versions },
	{ ATTRIBUTE(id), .kind = FIELD_STRING, .form = FORM_ID, .required = true, .has = -1,
	  .min = 1, .max = LIMIT_ID_BYTES },
	{ ATTRIBUTE(source), .kind = FIELD_STRING, .required = true, .has = -1, .min = 1,
	  .max = LIMIT_TEXT_BYTES },
	{ ATTRIBUTE(type), .kind = FIELD_STRING, .form = FORM_ID, .required = true, .has = -1,
	  .min = 1, .max = LIMIT_ID_BYTES },
	TEXT_ATTRIBUTE(subject),
	{ FIELD_NAME("time"), .offset = offsetof(struct attributes, time_ms), .kind = FIELD_TIME,
	  .has = offsetof(struct attributes, has_time) },
	TEXT_ATTRIBUTE(datacontenttype),
	TEXT_ATTRIBUTE(correlationid),
	TEXT_ATTRIBUTE(causationid),
	TEXT_ATTRIBUTE(traceparent),
	{ ATTRIBUTE(data), .kind = FIELD_VALUE, .has = -1 },
	{ ATTRIBUTE(data_base64), .kind = FIELD_VALUE, .has = -1 },
};

static const struct record_type attributes_type = {
	.name = "envelope",
	.size = sizeof(struct attributes),
	.fields = attribute_fields,
	.field_count = sizeof(attribute_fields) / sizeof(attribute_fields[0]),
};

static bool fail(struct fault *fault, enum reason reason, struct str path)
{
	size_t len = path.len < sizeof(fault->path) ? path.len : sizeof(fault->path) - 1;

	fault->reason = reason;
	if (len > 0)
		memcpy(fault->path, path.ptr, len);
	fault->path[len] = '\0';
	return false;
}

/* --- Parsing --------------------------------------------------------------------------------- */

static void *parser_malloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void *parser_realloc(void *arena, void *block, size_t size_now, size_t size)
{
	return arena_resize(arena, block, size_now, size);
}

static void parser_free(void *arena, void *block)
{
	(void)arena; /* all of it goes at once, with the batch */
	(void)block;
}

/* Numbers that no int64 or double can hold stay text, so that they are JSON but no amount. */
static yyjson_val *parse(struct str text, struct arena *arena, struct fault *fault)
{
	yyjson_alc memory = { parser_malloc, parser_realloc, parser_free, arena };
	char *bytes = (char *)(uintptr_t)text.ptr; /* not written to without YYJSON_READ_INSITU */
	yyjson_doc *document =
		yyjson_read_opts(bytes, text.len, YYJSON_READ_BIGNUM_AS_RAW, &memory, NULL);

	if (document)
		return document->root;
	fail(fault, str_is_utf8(text) ? REASON_NOT_JSON : REASON_NOT_UTF8, STR(""));
	return NULL;
}

static bool check_value(const struct message *m, struct fault *fault)
{
	if (!m->value.ptr)
		return fail(fault, REASON_NULL_VALUE, STR(""));
	if (m->value.len > LIMIT_MESSAGE_BYTES)
		return fail(fault, REASON_TOO_LARGE, STR(""));
	return true;
}

/* JSON never starts with 0x00: such a byte and four more are a schema registry's framing. */
static struct str unframed(struct str value)
{
	bool framed = value.len >= FRAMING_BYTES && value.ptr[0] == '\0';

	return framed ? str_from(value, FRAMING_BYTES) : value;
}

/* --- Content types ---------------------------------------------------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* prefix and suffix are in lower case. */
static bool starts_with(struct str s, struct str prefix)
{
	for (size_t i = 0; i < prefix.len; i++)
		if (i >= s.len || lower(s.ptr[i]) != prefix.ptr[i])
			return false;
	return true;
}

static bool ends_with(struct str s, struct str suffix)
{
	return s.len >= suffix.len && starts_with(str_from(s, s.len - suffix.len), suffix);
}

static bool is_same(struct str s, struct str word)
{
	return s.len == word.len && starts_with(s, word);
}

/* "application/json; charset=utf-8" without what follows the type. */
static struct str media_type(struct str text)
{
	struct str type = str_of(text.ptr, str_find(text, ';'));

	while (type.len > 0 && type.ptr[type.len - 1] == ' ')
		type.len--;
	return type;
}

static bool is_json(struct str content_type)
{
	struct str type = media_type(content_type);

	return is_same(type, STR("application/json")) || is_same(type, STR("text/json")) ||
	       ends_with(type, STR("+json"));
}

/* --- Attributes ------------------------------------------------------------------------------- */

/* In an envelope all but damage to the document is bad_envelope. */
static bool decode_attributes(yyjson_val *root, struct attributes *a, struct arena *arena,
                              struct fault *fault)
{
	if (!record_decode(&attributes_type, root, STR(""), a, arena, fault)) {
		if (fault->reason != REASON_DUPLICATE_KEY && fault->reason != REASON_TOO_DEEP)
			fault->reason = REASON_BAD_ENVELOPE;
		return false;
	}
	if (a->data_base64)
		return fail(fault, REASON_BAD_ENVELOPE, STR("/data_base64"));
	if (a->datacontenttype.ptr && !is_json(a->datacontenttype))
		return fail(fault, REASON_BAD_ENVELOPE, STR("/datacontenttype"));
	return true;
}

static bool set_attribute(struct attributes *a, const struct field *field, struct str text)
{
	char *at = (char *)a + field->offset;

	if (!str_is_utf8(text))
		return false;
	if (field->kind == FIELD_TIME) {
		a->has_time = true;
		return timestamp_parse(text, (int64_t *)(void *)at);
	}
	*(struct str *)(void *)at = text;
	return field_takes_text(field, text);
}

/* The attribute of a ce_* header, or NULL. In this mode data and its type stand elsewhere. */
static const struct field *header_field(struct str name)
{
	struct str attribute = str_from(name, 3);

	if (str_eq(attribute, STR("datacontenttype")))
		return NULL;
	for (unsigned i = 0; i < attributes_type.field_count; i++) {
		const struct field *field = &attribute_fields[i];

		if (str_eq(field->name, attribute))
			return field->kind == FIELD_VALUE ? NULL : field;
	}
	return NULL;
}

static bool header_attributes(const struct message *m, struct attributes *a, struct fault *fault)
{
	uint64_t seen = 0;

	*a = (struct attributes){ 0 };
	for (unsigned i = 0; i < m->header_count; i++) {
		const struct header *header = &m->headers[i];
		const struct field *field;
		uint64_t bit;

		if (!str_starts(header->name, STR("ce_")))
			continue;
		field = header_field(header->name);
		if (!field || !header->value.ptr)
			continue;
		bit = UINT64_C(1) << (field - attribute_fields);
		if (seen & bit)
			return fail(fault, REASON_DUPLICATE_KEY, header->name);
		seen |= bit;
		if (!set_attribute(a, field, header->value))
			return fail(fault, REASON_BAD_ENVELOPE, header->name);
	}
	if (!a->specversion.ptr)
		return fail(fault, REASON_BAD_ENVELOPE, STR("ce_specversion"));
	if (!a->id.ptr)
		return fail(fault, REASON_BAD_ENVELOPE, STR("ce_id"));
	if (!a->source.ptr)
		return fail(fault, REASON_BAD_ENVELOPE, STR("ce_source"));
	if (!a->type.ptr)
		return fail(fault, REASON_BAD_ENVELOPE, STR("ce_type"));
	return true;
}

/* --- Messages --------------------------------------------------------------------------------- */

const struct header *message_header(const struct message *m, struct str name)
{
	for (unsigned i = 0; i < m->header_count; i++)
		if (str_eq(m->headers[i].name, name))
			return &m->headers[i];
	return NULL;
}

static bool is_hex(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!(s.ptr[i] >= '0' && s.ptr[i] <= '9') && !(s.ptr[i] >= 'a' && s.ptr[i] <= 'f'))
			return false;
	return true;
}

bool trace_is_valid(struct str text)
{
	static const unsigned lengths[] = { 2, 32, 16, 2 }; /* version, trace, parent, flags */

	if (!str_starts(text, STR("00-")))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		struct str part = str_split(&text, '-');

		if (part.len != lengths[i] || !is_hex(part))
			return false;
	}
	return !text.ptr;
}

struct str message_trace(const struct message *m)
{
	const struct header *header =
		m->header_count ? message_header(m, STR("traceparent")) : NULL;

	return header && trace_is_valid(header->value) ? header->value : str_of(NULL, 0);
}

bool message_is_refusal_header(struct str name)
{
	static const struct str names[] = { STR_INIT("kafka_dlt-original-topic"),
		                            STR_INIT("tw-reason"),
		                            STR_INIT("tw-path"),
		                            STR_INIT("tw-src"),
		                            STR_INIT("tw-seq"),
		                            STR_INIT("tw-at"),
		                            STR_INIT("tw-cut"),
		                            STR_INIT("tw-cut-key"),
		                            STR_INIT("tw-cut-headers") };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(name, names[i]))
			return true;
	return str_starts(name, STR("__dlq.errors."));
}

static bool has_ce_header(const struct message *m)
{
	for (unsigned i = 0; i < m->header_count; i++)
		if (str_starts(m->headers[i].name, STR("ce_")))
			return true;
	return false;
}

static bool read_binary(const struct message *m, struct str content_type, struct arena *arena,
                        struct attributes *a, struct fault *fault)
{
	yyjson_val *root;

	if (!header_attributes(m, a, fault))
		return false;
	if (content_type.ptr && !is_json(content_type))
		return fail(fault, REASON_BAD_ENVELOPE, STR("content-type"));
	root = parse(unframed(m->value), arena, fault);
	if (root && !unsafe_yyjson_is_null(root))
		a->data = root; /* a null is no data, as in structured mode */
	return root != NULL;
}

static bool read_structured(const struct message *m, struct arena *arena, struct attributes *a,
                            struct fault *fault)
{
	yyjson_val *root = parse(unframed(m->value), arena, fault);

	return root && decode_attributes(root, a, arena, fault);
}

static bool read_attributes(const struct message *m, struct arena *arena, struct attributes *a,
                            struct fault *fault)
{
	const struct header *header = message_header(m, STR("content-type"));
	struct str content_type = header ? header->value : str_of(NULL, 0);

	if (starts_with(content_type, STR("application/cloudevents"))) {
		struct str type = media_type(content_type);

		if (!is_same(type, STR("application/cloudevents")) &&
		    !is_same(type, STR("application/cloudevents+json")))
			return fail(fault, REASON_BAD_ENVELOPE, STR("content-type"));
		return read_structured(m, arena, a, fault);
	}
	if (has_ce_header(m))
		return read_binary(m, content_type, arena, a, fault);
	return read_structured(m, arena, a, fault);
}

bool envelope_decode(const struct message *m, struct str topic, int32_t partition,
                     struct arena *arena, struct envelope *out, struct fault *fault)
{
	struct attributes a;

	if (!check_value(m, fault) || !read_attributes(m, arena, &a, fault))
		return false;
	out->data = a.data;
	out->event = (struct event){
		.at = { .topic = topic, .partition = partition, .offset = m->offset },
		.broker_ms = m->broker_ms,
		.key = m->key,
		.id = a.id,
		.source = a.source,
		.type = a.type,
		.subject = a.subject,
		.correlationid = a.correlationid,
		.causationid = a.causationid,
		/* The attribute is the event's own; the header is the trace that it came in. */
		.traceparent = a.traceparent.ptr ? a.traceparent : message_trace(m),
		.has_time = a.has_time,
		.time_ms = a.time_ms,
		.raw = m->value,
		.headers = m->headers,
		.header_count = m->header_count,
		.identity = hash64_with(hash64(a.source), a.id),
	};
	return true;
}

/* Type and time, before data: an absent time is none of the times. */
static uint64_t content_seed(const struct event *event)
{
	char bytes[9];

	for (int i = 0; i < 8; i++)
		bytes[i] = (char)((uint64_t)event->time_ms >> 8 * i & 0xff);
	bytes[8] = event->has_time;
	return hash64_with(hash64(event->type), str_of(bytes, sizeof(bytes)));
}

bool envelope_data(struct envelope *envelope, const struct record_type *type, struct arena *arena,
                   struct fault *fault)
{
	void *data;

	if (!envelope->data)
		return fail(fault, REASON_MISSING_FIELD, STR("/data"));
	data = arena_alloc(arena, type->size);
	if (!record_decode(type, envelope->data, STR("/data"), data, arena, fault))
		return false;
	envelope->event.data = data;
	envelope->event.content = record_digest(type, data, content_seed(&envelope->event));
	return true;
}

/* --- Blocks ----------------------------------------------------------------------------------- */

bool block_decode(const struct message *m, struct arena *arena, struct block *out,
                  struct fault *fault)
{
	yyjson_val *root;

	*out = (struct block){ 0 };
	if (!check_value(m, fault))
		return false;
	root = parse(m->value, arena, fault);
	if (!root)
		return false;
	if (!unsafe_yyjson_is_arr(root))
		return fail(fault, REASON_BAD_ENVELOPE, STR(""));
	if (unsafe_yyjson_get_len(root) > LIMIT_BLOCK_ENTRIES)
		return fail(fault, REASON_TOO_LARGE, STR(""));
	out->array = root;
	out->next = unsafe_yyjson_get_first(root);
	out->count = (uint32_t)unsafe_yyjson_get_len(root);
	return true;
}

struct yyjson_val *block_next(struct block *block)
{
	yyjson_val *entry = block->next;

	if (block->at == block->count)
		return NULL;
	block->at++;
	block->next = unsafe_yyjson_get_next(entry);
	return entry;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void put_optional(struct buf *b, struct str key, struct str text)
{
	if (text.ptr) {
		buf_put(b, key);
		buf_put_json(b, text);
	}
}

void cloudevent_encode(const struct cloudevent *e, struct buf *b)
{
	char time[24];

	must(e->id.ptr && e->source.ptr && e->type.ptr && e->data_type);
	buf_put_lit(b, "{\"specversion\":\"1.0\"");
	put_optional(b, STR(",\"id\":"), e->id);
	put_optional(b, STR(",\"source\":"), e->source);
	put_optional(b, STR(",\"type\":"), e->type);
	put_optional(b, STR(",\"subject\":"), e->subject);
	buf_put_lit(b, ",\"time\":\"");
	buf_put(b, str_of(time, timestamp_format(e->time_ms, time)));
	buf_put_lit(b, "\",\"datacontenttype\":\"application/json\"");
	put_optional(b, STR(",\"correlationid\":"), e->correlationid);
	put_optional(b, STR(",\"causationid\":"), e->causationid);
	put_optional(b, STR(",\"traceparent\":"), e->traceparent);
	buf_put_lit(b, ",\"data\":");
	record_encode(e->data_type, e->data, b);
	buf_put_char(b, '}');
}
