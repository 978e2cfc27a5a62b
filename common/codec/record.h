/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record types: the shape of a JSON object as a C struct and a field table.
 *
 * The tables and structs are generated from schemas/ (see schemas/README.md);
 * this engine is the only code that reads or writes such objects. Decoding
 * validates: presence, kind, range, length, choice, form; the first failing
 * field is reported by its JSON pointer. Unknown fields are ignored, the same
 * key twice is refused. Encoding writes fields in the table's order and leaves
 * absent ones out; decode(encode(x)) equals x.
 *
 * Memory: decoded strings point into the parsed document, arrays and nested
 * optional objects come from the arena; both live as long as the caller keeps
 * them. Nothing fails but by a fault in the message.
 */
#ifndef TALLY_CODEC_RECORD_H
#define TALLY_CODEC_RECORD_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/codec/reason.h"

struct yyjson_val;

enum field_kind {
	FIELD_INT,     /* int64_t */
	FIELD_BOOL,    /* bool */
	FIELD_STRING,  /* struct str */
	FIELD_TIME,    /* int64_t, ms since 1970; JSON: RFC 3339 text */
	FIELD_DATE,    /* int32_t, days since 1970; JSON: "2026-01-31" */
	FIELD_OBJECT,  /* the nested struct, in place */
	FIELD_LIST,    /* struct list of nested structs */
	FIELD_STRINGS, /* struct list of struct str */
	FIELD_INTS,    /* struct list of int64_t */
	FIELD_VALUE,   /* struct yyjson_val *: any JSON, unchecked; never encoded */
};

/* What a string must look like beyond its length. */
enum field_form {
	FORM_ANY,
	FORM_ID,       /* not empty, no control characters, no space at either end */
	FORM_CURRENCY, /* three capital letters */
	FORM_CODE,     /* lower-case words: [a-z][a-z0-9_]* */
};

struct record_type;

struct field {
	struct str name;
	struct str key; /* what encoding writes: ,"name": (see FIELD_NAME) */
	uint64_t tag;   /* FNV-1a of the name, for digests; 0: computed when needed */
	enum field_kind kind;
	enum field_form form;
	bool required;
	bool zero_absent;  /* INT: 0 and absent are the same, 0 is not written */
	bool money;        /* failing is bad_money, not bad_field */
	enum reason fault; /* REASON_NONE, or what anything wrong in it is called (x-reason) */
	uint16_t offset;   /* of the value in the struct */
	/* Offset of `bool has_<field>`; -1 where the field is required, zero_absent, or its absence
	   is seen in the value (string: ptr NULL; list: items NULL). */
	int16_t has;
	int64_t min, max;               /* INT: range; STRING: bytes; LIST..INTS: count */
	int64_t item_min, item_max;     /* STRINGS: bytes of one; INTS: range of one */
	const struct str *choices;      /* STRING(S): allowed values, then an absent str; or NULL */
	const struct record_type *type; /* OBJECT, LIST */
};

/* The two names of a field's initializer. */
#define FIELD_NAME(n) .name = STR_INIT(n), .key = STR_INIT(",\"" n "\":")

struct record_type {
	const char *name; /* "payment.collected", "split", ... */
	size_t size;      /* of the struct */
	const struct field *fields;
	unsigned field_count; /* at most 64 */
};

/* What a schema says about a record and its fields, for documents. */
struct record_words {
	const struct record_type *type;
	const char *words;
	const char *const *fields; /* as many as the type has; "" where it says nothing */
};

/* All generated list types have this layout, with a typed `items`. */
struct list {
	void *items;
	uint32_t count, room;
};

/* The list types of FIELD_STRINGS and FIELD_INTS. */
struct str_list {
	struct str *items;
	uint32_t count, room;
};

struct int_list {
	int64_t *items;
	uint32_t count, room;
};

/* Where and why a message failed. */
struct fault {
	enum reason reason;
	char path[160]; /* JSON pointer, cut at a segment if longer */
};

/*
 * Fills *out (zeroed first). prefix is put before the pointer, e.g. "/data". A null counts as
 * absent. The object has depth 1 of LIMIT_JSON_DEPTH. *fault is written only when it returns false.
 */
bool record_decode(const struct record_type *, struct yyjson_val *object, struct str prefix,
                   void *out, struct arena *, struct fault *);

/* Would the engine take this text for a FIELD_STRING: its length, form, choice? */
bool field_takes_text(const struct field *, struct str);

/* Appends the object as compact JSON. A required string or list must be there. */
void record_encode(const struct record_type *, const void *record, struct buf *);

/*
 * A digest of all present fields, the same for equal content whatever the JSON text looked like
 * and whatever optional fields the type gets later. Stable: it is kept in Redis.
 */
uint64_t record_digest(const struct record_type *, const void *record, uint64_t seed);

/* Copies a record and everything it points to into the arena; from may be to. */
void record_copy(const struct record_type *, const void *from, void *to, struct arena *);

#endif
