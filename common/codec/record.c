/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: decoding, encoding, digest and copy, all driven by field tables.
 *
 * Every event of every worker passes here, so the usual case (keys in the
 * table's order, nothing unknown) costs one comparison a key. What is unusual
 * is handled completely but not fast: keys in another order, unknown ones, and
 * the search for a key that stands twice. Nothing is guessed: a real number is
 * no integer, a number is no text.
 *
 * Structs are reached through offsets; lists through memcpy, because the typed
 * list structs only share their layout with struct list.
 */
#include "common/codec/record.h"

#include <yyjson.h>

#include "common/base/hash.h"
#include "common/base/limits.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"

#define EACH_BYTE UINT64_C(0x0101010101010101)
#define TOP_BITS UINT64_C(0x8080808080808080)
#define FEW_KEYS 16

/* The way down to where the decoder is, innermost first: the pointer of a fault. */
struct frame {
	const struct frame *outer;
	struct str name; /* absent: an index */
	size_t index;
	unsigned depth; /* of the container that this names a part of */
};

struct decoder {
	struct str prefix;
	struct arena *arena;
	struct fault *fault;
};

static bool decode_object(struct decoder *, const struct record_type *, yyjson_val *object,
                          char *out, const struct frame *);

/* --- Faults ------------------------------------------------------------------------------- */

/* One segment of a JSON pointer into text; its length, or 0 where there is no room for all. */
static size_t put_segment(const struct frame *at, char *text, size_t room)
{
	char digits[20];
	struct str name = at->name;
	size_t len = 0;

	if (!name.ptr)
		name = str_of(digits, i64_to_text((int64_t)at->index, digits));
	if (room < 1 + 2 * name.len)
		return 0;
	text[len++] = '/';
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (c == '~' || c == '/')
			text[len++] = '~';
		text[len++] = c == '~' ? '0' : c == '/' ? '1' : c;
	}
	return len;
}

static void put_path(struct str prefix, const struct frame *at, struct fault *fault)
{
	const struct frame *way[2 * LIMIT_JSON_DEPTH + 2];
	size_t room = sizeof(fault->path) - 1, len = 0, segment;
	unsigned count = 0;

	if (prefix.len <= room) {
		memcpy(fault->path, prefix.len ? prefix.ptr : "", prefix.len);
		len = prefix.len;
	}
	for (; at && count < sizeof(way) / sizeof(way[0]); at = at->outer)
		way[count++] = at;
	while (count > 0) {
		segment = put_segment(way[--count], fault->path + len, room - len);
		if (segment == 0)
			break;
		len += segment;
	}
	fault->path[len] = '\0';
}

static bool fail(struct decoder *d, const struct frame *at, enum reason reason)
{
	d->fault->reason = reason;
	put_path(d->prefix, at, d->fault);
	return false;
}

static enum reason field_fault(const struct field *field)
{
	if (field->fault != REASON_NONE)
		return field->fault;
	return field->money ? REASON_BAD_MONEY : REASON_BAD_FIELD;
}

static bool fail_field(struct decoder *d, const struct frame *at, const struct field *field)
{
	return fail(d, at, field_fault(field));
}

/* A fault inside of a field with an x-reason has that reason; damaged documents keep theirs. */
static bool fail_inside(struct decoder *d, const struct field *field)
{
	enum reason inner = d->fault->reason;

	if (field->fault != REASON_NONE && inner != REASON_DUPLICATE_KEY &&
	    inner != REASON_TOO_DEEP)
		d->fault->reason = field->fault;
	return false;
}

/* --- Keys that stand twice, and values that nobody asked for --------------------------------- */

static inline struct str text_of(yyjson_val *value)
{
	return str_of(value->uni.str, unsafe_yyjson_get_len(value));
}

static void sift_down(struct str *keys, size_t at, size_t count)
{
	struct str moving = keys[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count && str_cmp(keys[child], keys[child + 1]) < 0)
			child++;
		if (str_cmp(moving, keys[child]) >= 0)
			break;
		keys[at] = keys[child];
		at = child;
	}
	keys[at] = moving;
}

/* Heap sort: no input makes it slow, and it needs no memory. */
static void sort_keys(struct str *keys, size_t count)
{
	for (size_t i = count / 2; i > 0; i--)
		sift_down(keys, i - 1, count);
	for (size_t left = count; left > 1; left--) {
		struct str last = keys[left - 1];

		keys[left - 1] = keys[0];
		keys[0] = last;
		sift_down(keys, 0, left - 1);
	}
}

/* A key that the object has twice, or an absent string. */
static struct str repeated_key(yyjson_val *object, struct arena *arena)
{
	size_t count = unsafe_yyjson_get_len(object);
	struct str few[FEW_KEYS];
	struct str *keys = count <= FEW_KEYS ? few : arena_alloc(arena, count * sizeof(*keys));
	yyjson_val *key = unsafe_yyjson_get_first(object);

	for (size_t i = 0; i < count; i++, key = unsafe_yyjson_get_next(key + 1))
		keys[i] = text_of(key);
	if (count > FEW_KEYS) {
		sort_keys(keys, count);
		for (size_t i = 1; i < count; i++)
			if (str_eq(keys[i - 1], keys[i]))
				return keys[i];
		return str_of(NULL, 0);
	}
	for (size_t i = 1; i < count; i++)
		for (size_t k = 0; k < i; k++)
			if (str_eq(keys[k], keys[i]))
				return keys[i];
	return str_of(NULL, 0);
}

static bool check_keys(struct decoder *d, yyjson_val *object, const struct frame *at)
{
	struct str twice = repeated_key(object, d->arena);
	struct frame here = { .outer = at, .name = twice };

	return !twice.ptr || fail(d, &here, REASON_DUPLICATE_KEY);
}

/* Depth and keys of a value that no field takes; the recursion ends at LIMIT_JSON_DEPTH. */
static bool check_unknown(struct decoder *d, yyjson_val *value, const struct frame *at)
{
	struct frame here = { .outer = at, .depth = at->depth + 1 };
	bool is_object = unsafe_yyjson_is_obj(value);
	size_t count = unsafe_yyjson_get_len(value);
	yyjson_val *part = unsafe_yyjson_get_first(value);

	if (here.depth > LIMIT_JSON_DEPTH)
		return fail(d, at, REASON_TOO_DEEP);
	if (is_object && !check_keys(d, value, at))
		return false;
	for (size_t i = 0; i < count; i++, part = unsafe_yyjson_get_next(part)) {
		here.index = i;
		if (is_object)
			here.name = text_of(part++);
		if (unsafe_yyjson_is_ctn(part) && !check_unknown(d, part, &here))
			return false;
	}
	return true;
}

/* --- Values ---------------------------------------------------------------------------------- */

static bool to_int(yyjson_val *value, int64_t *out)
{
	uint8_t tag = unsafe_yyjson_get_tag(value);

	*out = unsafe_yyjson_get_sint(value);
	if (tag == (YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT))
		return *out >= 0; /* the same bits: below 0 is above INT64_MAX */
	return tag == (YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT);
}

/* Any byte below 0x20, or 0x7f? A word's hits are exact as to whether there is one. */
static bool has_control(struct str s)
{
	size_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		uint64_t word, del;

		memcpy(&word, s.ptr + i, sizeof(word));
		del = word ^ EACH_BYTE * 0x7f;
		if ((((word - EACH_BYTE * 0x20) & ~word) | ((del - EACH_BYTE) & ~del)) & TOP_BITS)
			return true;
	}
	for (; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return true;
	return false;
}

static bool is_code(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool letter = c >= 'a' && c <= 'z';

		if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '_')))
			return false;
	}
	return s.len > 0;
}

static bool has_form(enum field_form form, struct str s)
{
	switch (form) {
	case FORM_ANY: return true;
	case FORM_ID:
		return s.len > 0 && s.ptr[0] != ' ' && s.ptr[s.len - 1] != ' ' && !has_control(s);
	case FORM_CURRENCY:
		return s.len == 3 && s.ptr[0] >= 'A' && s.ptr[0] <= 'Z' && s.ptr[1] >= 'A' &&
		       s.ptr[1] <= 'Z' && s.ptr[2] >= 'A' && s.ptr[2] <= 'Z';
	case FORM_CODE: return is_code(s);
	}
	return false;
}

static bool text_fits(const struct field *field, int64_t min, int64_t max, struct str s)
{
	if ((int64_t)s.len < min || (int64_t)s.len > max || !has_form(field->form, s))
		return false;
	if (!field->choices)
		return true;
	for (const struct str *choice = field->choices; choice->ptr; choice++)
		if (str_eq(*choice, s))
			return true;
	return false;
}

bool field_takes_text(const struct field *field, struct str text)
{
	return text_fits(field, field->min, field->max, text);
}

/* --- Lists ----------------------------------------------------------------------------------- */

static bool decode_records(struct decoder *d, const struct field *field, yyjson_val *item,
                           const struct list *list, const struct frame *at)
{
	struct frame here = { .outer = at, .depth = at->depth + 1 };
	char *out = list->items;

	for (; here.index < list->count; here.index++, out += field->type->size) {
		if (!unsafe_yyjson_is_obj(item))
			return fail_field(d, &here, field);
		if (!decode_object(d, field->type, item, out, &here))
			return fail_inside(d, field);
		item = unsafe_yyjson_get_next(item);
	}
	return true;
}

static bool decode_strings(struct decoder *d, const struct field *field, yyjson_val *item,
                           const struct list *list, const struct frame *at)
{
	struct frame here = { .outer = at };
	struct str *out = list->items;

	for (; here.index < list->count; here.index++) {
		struct str text;

		if (!unsafe_yyjson_is_str(item))
			return fail_field(d, &here, field);
		text = text_of(item);
		if (!text_fits(field, field->item_min, field->item_max, text))
			return fail_field(d, &here, field);
		out[here.index] = text;
		item = unsafe_yyjson_get_next(item);
	}
	return true;
}

static bool decode_ints(struct decoder *d, const struct field *field, yyjson_val *item,
                        const struct list *list, const struct frame *at)
{
	struct frame here = { .outer = at };
	int64_t *out = list->items;

	for (; here.index < list->count; here.index++) {
		int64_t number;

		if (!to_int(item, &number) || number < field->item_min || number > field->item_max)
			return fail_field(d, &here, field);
		out[here.index] = number;
		item = unsafe_yyjson_get_next(item);
	}
	return true;
}

static size_t item_size(const struct field *field)
{
	if (field->kind == FIELD_LIST)
		return field->type->size;
	return field->kind == FIELD_STRINGS ? sizeof(struct str) : sizeof(int64_t);
}

static bool decode_list(struct decoder *d, const struct field *field, yyjson_val *value, char *out,
                        const struct frame *at)
{
	struct list list = { 0 };
	yyjson_val *first;
	size_t count;
	bool done;

	if (!unsafe_yyjson_is_arr(value))
		return fail_field(d, at, field);
	count = unsafe_yyjson_get_len(value);
	if ((int64_t)count < field->min || (int64_t)count > field->max)
		return fail_field(d, at, field);
	list.items = arena_alloc(d->arena, count * item_size(field));
	list.count = list.room = (uint32_t)count;
	first = unsafe_yyjson_get_first(value);
	if (field->kind == FIELD_LIST)
		done = decode_records(d, field, first, &list, at);
	else if (field->kind == FIELD_STRINGS)
		done = decode_strings(d, field, first, &list, at);
	else
		done = decode_ints(d, field, first, &list, at);
	memcpy(out, &list, sizeof(list));
	return done;
}

/* --- Objects --------------------------------------------------------------------------------- */

/* Fields whose value is a text; false: it does not fit. */
static bool set_text(const struct field *field, yyjson_val *value, char *out)
{
	struct str text;

	if (!unsafe_yyjson_is_str(value))
		return false;
	text = text_of(value);
	if (field->kind == FIELD_TIME)
		return timestamp_parse(text, (int64_t *)(void *)out);
	if (field->kind == FIELD_DATE)
		return date_parse(text, (int32_t *)(void *)out);
	*(struct str *)(void *)out = text;
	return text_fits(field, field->min, field->max, text);
}

static bool set_int(const struct field *field, yyjson_val *value, char *out)
{
	int64_t number;

	if (!to_int(value, &number))
		return false;
	*(int64_t *)(void *)out = number;
	return number >= field->min && number <= field->max;
}

static bool decode_field(struct decoder *d, const struct field *field, yyjson_val *value, char *out,
                         const struct frame *at)
{
	switch (field->kind) {
	case FIELD_INT: return set_int(field, value, out) || fail_field(d, at, field);
	case FIELD_STRING:
	case FIELD_TIME:
	case FIELD_DATE: return set_text(field, value, out) || fail_field(d, at, field);
	case FIELD_BOOL:
		*(bool *)(void *)out = unsafe_yyjson_is_true(value);
		return unsafe_yyjson_is_bool(value) || fail_field(d, at, field);
	case FIELD_OBJECT:
		if (!unsafe_yyjson_is_obj(value))
			return fail_field(d, at, field);
		return decode_object(d, field->type, value, out, at) || fail_inside(d, field);
	case FIELD_LIST:
	case FIELD_STRINGS:
	case FIELD_INTS: return decode_list(d, field, value, out, at);
	case FIELD_VALUE: *(yyjson_val **)(void *)out = value; return true;
	}
	must(!"a kind of field");
	return false;
}

static inline bool is_named(const struct field *field, struct str name)
{
	return field->name.len == name.len && memcmp(field->name.ptr, name.ptr, name.len) == 0;
}

/* The field of a key, or field_count. Starts where the key is expected: behind the last one. */
static inline unsigned find_field(const struct record_type *type, unsigned expected,
                                  struct str name)
{
	for (unsigned i = expected; i < type->field_count; i++)
		if (is_named(&type->fields[i], name))
			return i;
	for (unsigned i = 0; i < expected; i++)
		if (is_named(&type->fields[i], name))
			return i;
	return type->field_count;
}

static bool check_missing(struct decoder *d, const struct record_type *type, uint64_t seen,
                          const struct frame *at)
{
	struct frame here = { .outer = at };

	for (unsigned i = 0; i < type->field_count; i++) {
		if (type->fields[i].required && !(seen >> i & 1)) {
			here.name = type->fields[i].name;
			return fail(d, &here, REASON_MISSING_FIELD);
		}
	}
	return true;
}

static bool decode_object(struct decoder *d, const struct record_type *type, yyjson_val *object,
                          char *out, const struct frame *at)
{
	struct frame here = { .outer = at, .depth = at ? at->depth + 1 : 1 };
	size_t left = unsafe_yyjson_get_len(object), unknown = 0;
	yyjson_val *key = unsafe_yyjson_get_first(object), *value;
	uint64_t seen = 0;
	unsigned next = 0;

	memset(out, 0, type->size);
	for (; left > 0; left--, key = unsafe_yyjson_get_next(value)) {
		const struct field *field;
		unsigned index;

		value = key + 1;
		here.name = text_of(key);
		index = find_field(type, next, here.name);
		if (index == type->field_count) {
			unknown++;
			if (unsafe_yyjson_is_ctn(value) && !check_unknown(d, value, &here))
				return false;
			continue;
		}
		if (seen >> index & 1)
			return fail(d, &here, REASON_DUPLICATE_KEY);
		field = &type->fields[index];
		next = index + 1;
		seen |= UINT64_C(1) << index;
		if (unsafe_yyjson_is_null(value)) {
			if (field->required)
				return fail(d, &here, REASON_MISSING_FIELD);
			continue;
		}
		if (!decode_field(d, field, value, out + field->offset, &here))
			return false;
		if (field->has >= 0)
			out[field->has] = true;
	}
	if (unknown > 1 && !check_keys(d, object, at))
		return false;
	return check_missing(d, type, seen, at);
}

bool record_decode(const struct record_type *type, struct yyjson_val *object, struct str prefix,
                   void *out, struct arena *arena, struct fault *fault)
{
	struct decoder d = { .prefix = prefix, .arena = arena, .fault = fault };

	if (!object || !unsafe_yyjson_is_obj(object)) {
		memset(out, 0, type->size);
		return fail(&d, NULL, REASON_BAD_FIELD);
	}
	return decode_object(&d, type, object, out, NULL);
}

/* --- Encoding -------------------------------------------------------------------------------- */

static int64_t int_at(const char *at)
{
	return *(const int64_t *)(const void *)at;
}

static struct str str_at(const char *at)
{
	return *(const struct str *)(const void *)at;
}

static struct list list_at(const char *at)
{
	struct list list;

	memcpy(&list, at, sizeof(list));
	return list;
}

/* Is the field there? A required one must be. */
static inline bool is_present(const struct field *field, const char *record)
{
	bool there = true;

	switch (field->kind) {
	case FIELD_STRING: there = str_at(record + field->offset).ptr != NULL; break;
	case FIELD_LIST:
	case FIELD_STRINGS:
	case FIELD_INTS: there = list_at(record + field->offset).items != NULL; break;
	case FIELD_VALUE: return false;
	case FIELD_INT:
		if (field->zero_absent)
			return int_at(record + field->offset) != 0;
		return field->has < 0 || record[field->has];
	case FIELD_BOOL:
	case FIELD_TIME:
	case FIELD_DATE:
	case FIELD_OBJECT: return field->has < 0 || record[field->has];
	}
	must(there || !field->required);
	return there;
}

static void encode_list(const struct field *field, const struct list *list, struct buf *b)
{
	const char *item = list->items;

	buf_put_char(b, '[');
	for (uint32_t i = 0; i < list->count; i++, item += item_size(field)) {
		if (i > 0)
			buf_put_char(b, ',');
		if (field->kind == FIELD_LIST)
			record_encode(field->type, item, b);
		else if (field->kind == FIELD_STRINGS)
			buf_put_json(b, str_at(item));
		else
			buf_put_i64(b, int_at(item));
	}
	buf_put_char(b, ']');
}

static void encode_time(int64_t at_ms, struct buf *b)
{
	char text[26] = "\"";

	timestamp_format(at_ms, text + 1);
	text[25] = '"';
	buf_put(b, str_of(text, sizeof(text)));
}

static void encode_date(int32_t day, struct buf *b)
{
	char text[12] = "\"";

	date_format(day, text + 1);
	text[11] = '"';
	buf_put(b, str_of(text, sizeof(text)));
}

static void encode_value(const struct field *field, const char *at, struct buf *b)
{
	struct list list;

	switch (field->kind) {
	case FIELD_INT: buf_put_i64(b, int_at(at)); break;
	case FIELD_BOOL:
		buf_put(b, *(const bool *)(const void *)at ? STR("true") : STR("false"));
		break;
	case FIELD_STRING: buf_put_json(b, str_at(at)); break;
	case FIELD_TIME: encode_time(int_at(at), b); break;
	case FIELD_DATE: encode_date(*(const int32_t *)(const void *)at, b); break;
	case FIELD_OBJECT: record_encode(field->type, at, b); break;
	case FIELD_LIST:
	case FIELD_STRINGS:
	case FIELD_INTS:
		list = list_at(at);
		encode_list(field, &list, b);
		break;
	case FIELD_VALUE: break;
	}
}

/* A key's text begins with the comma; the first one becomes the brace. */
void record_encode(const struct record_type *type, const void *record, struct buf *b)
{
	const struct field *end = type->fields + type->field_count;
	size_t start = b->len;

	for (const struct field *field = type->fields; field < end; field++) {
		if (!is_present(field, record))
			continue;
		buf_put(b, field->key);
		encode_value(field, (const char *)record + field->offset, b);
	}
	if (b->len == start)
		buf_put_char(b, '{');
	else
		b->ptr[start] = '{';
	buf_put_char(b, '}');
}

/* --- Digest ---------------------------------------------------------------------------------- */

/*
 * What is fed, after the seed: for each present field its tag, then the value: 8
 * bytes, or a length and the bytes; a list is its length and its items; an object
 * ends with a zero. So no two contents feed the same bytes. Tags come from field
 * names, not numbers, so that a new optional field changes no old digest. Values of
 * digests are kept in Redis: the bytes fed and the size of a chunk never change.
 */
#define CHUNK 512

struct feeder {
	size_t len;
	unsigned char bytes[CHUNK];
};

/* Little-endian on every machine. */
static inline void store_u64(unsigned char *bytes, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	memcpy(bytes, &value, sizeof(value));
}

static uint64_t fed_digest(const struct feeder *f)
{
	return hash64(str_of((const char *)f->bytes, f->len));
}

/* A chunk begins with the digest of all before it. */
static void feed_start(struct feeder *f, uint64_t digest)
{
	store_u64(f->bytes, digest);
	f->len = 8;
}

static inline void feed_u64(struct feeder *f, uint64_t value)
{
	if (CHUNK - f->len < 8)
		feed_start(f, fed_digest(f));
	store_u64(f->bytes + f->len, value);
	f->len += 8;
}

static void feed_bytes_slowly(struct feeder *f, struct str s)
{
	feed_start(f, fed_digest(f));
	if (s.len > CHUNK - f->len) {
		feed_start(f, hash64_with(fed_digest(f), s));
		return;
	}
	memcpy(f->bytes + f->len, s.ptr, s.len);
	f->len += s.len;
}

static inline void feed_bytes(struct feeder *f, struct str s)
{
	if (CHUNK - f->len < s.len) {
		feed_bytes_slowly(f, s);
		return;
	}
	memcpy(f->bytes + f->len, s.ptr, s.len);
	f->len += s.len;
}

static inline void feed_text(struct feeder *f, struct str s)
{
	feed_u64(f, s.len);
	if (s.len > 0)
		feed_bytes(f, s);
}

static void feed_record(struct feeder *f, const struct record_type *type, const char *record);

static void feed_list(struct feeder *f, const struct field *field, const struct list *list)
{
	const char *item = list->items;

	feed_u64(f, list->count);
	for (uint32_t i = 0; i < list->count; i++, item += item_size(field)) {
		if (field->kind == FIELD_LIST)
			feed_record(f, field->type, item);
		else if (field->kind == FIELD_STRINGS)
			feed_text(f, str_at(item));
		else
			feed_u64(f, (uint64_t)int_at(item));
	}
}

static void feed_value(struct feeder *f, const struct field *field, const char *at)
{
	struct list list;

	switch (field->kind) {
	case FIELD_INT:
	case FIELD_TIME: feed_u64(f, (uint64_t)int_at(at)); break;
	case FIELD_BOOL: feed_u64(f, *(const bool *)(const void *)at); break;
	case FIELD_STRING: feed_text(f, str_at(at)); break;
	case FIELD_DATE:
		feed_u64(f, (uint64_t)(int64_t) * (const int32_t *)(const void *)at);
		break;
	case FIELD_OBJECT: feed_record(f, field->type, at); break;
	case FIELD_LIST:
	case FIELD_STRINGS:
	case FIELD_INTS:
		list = list_at(at);
		feed_list(f, field, &list);
		break;
	case FIELD_VALUE: break;
	}
}

/* FNV-1a of the name; generated tables have it ready. */
static uint64_t name_tag(struct str name)
{
	uint64_t tag = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < name.len; i++)
		tag = (tag ^ (unsigned char)name.ptr[i]) * UINT64_C(0x100000001b3);
	return tag;
}

static void feed_record(struct feeder *f, const struct record_type *type, const char *record)
{
	const struct field *end = type->fields + type->field_count;

	for (const struct field *field = type->fields; field < end; field++) {
		if (!is_present(field, record))
			continue;
		feed_u64(f, field->tag ? field->tag : name_tag(field->name));
		feed_value(f, field, record + field->offset);
	}
	feed_u64(f, 0);
}

uint64_t record_digest(const struct record_type *type, const void *record, uint64_t seed)
{
	struct feeder f;

	feed_start(&f, seed);
	feed_record(&f, type, record);
	return fed_digest(&f);
}

/* --- Copy ------------------------------------------------------------------------------------ */

static void copy_inside(const struct record_type *type, char *record, struct arena *arena);

static void copy_list(const struct field *field, char *at, struct arena *arena)
{
	struct list list = list_at(at);
	size_t size = item_size(field);
	char *items;

	if (!list.items)
		return;
	items = arena_alloc(arena, list.count * size);
	if (list.count > 0)
		memcpy(items, list.items, list.count * size);
	list.items = items;
	list.room = list.count;
	memcpy(at, &list, sizeof(list));
	for (uint32_t i = 0; i < list.count; i++, items += size) {
		if (field->kind == FIELD_LIST)
			copy_inside(field->type, items, arena);
		else if (field->kind == FIELD_STRINGS)
			*(struct str *)(void *)items = arena_str(arena, str_at(items));
	}
}

/* The record's own bytes are there already; gives it copies of what they point to. */
static void copy_inside(const struct record_type *type, char *record, struct arena *arena)
{
	for (unsigned i = 0; i < type->field_count; i++) {
		const struct field *field = &type->fields[i];
		char *at = record + field->offset;

		switch (field->kind) {
		case FIELD_STRING: *(struct str *)(void *)at = arena_str(arena, str_at(at)); break;
		case FIELD_OBJECT: copy_inside(field->type, at, arena); break;
		case FIELD_LIST:
		case FIELD_STRINGS:
		case FIELD_INTS: copy_list(field, at, arena); break;
		case FIELD_VALUE:
			*(yyjson_val **)(void *)at = NULL; /* it belongs to a document */
			break;
		case FIELD_INT:
		case FIELD_BOOL:
		case FIELD_TIME:
		case FIELD_DATE: break;
		}
	}
}

void record_copy(const struct record_type *type, const void *from, void *to, struct arena *arena)
{
	memmove(to, from, type->size);
	copy_inside(type, to, arena);
}
