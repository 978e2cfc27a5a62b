/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line with the name of a record type, then JSON: every generated decoder. What
 * is taken must come back the same after encoding, and after a copy.
 */
#include <yyjson.h>

#include "common/base/must.h"
#include "events.h"
#include "tests/fuzz/fuzz.h"

#define SEED 7

static bool decode(const struct record_type *type, struct str text, void *record, struct arena *a)
{
	yyjson_doc *doc = yyjson_read(text.ptr, text.len, 0);
	struct fault fault = { .reason = REASON_NONE };
	bool good;

	if (!doc)
		return false;
	good = record_decode(type, yyjson_doc_get_root(doc), STR("/data"), record, a, &fault);
	must(good || (fault.reason != REASON_NONE && memchr(fault.path, 0, sizeof(fault.path))));
	if (good) /* its texts lie in the document */
		record_copy(type, record, record, a);
	yyjson_doc_free(doc);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_of((const char *)data, size);
	const struct record_type *type = fuzz_type(record_types, fuzz_line(&rest));
	struct arena a;
	struct buf once, twice;
	void *first, *second;

	if (!type)
		return 0;
	arena_init(&a, 4096);
	buf_init(&once, &a);
	buf_init(&twice, &a);
	first = arena_zalloc(&a, type->size);
	second = arena_zalloc(&a, type->size);
	if (decode(type, rest, first, &a)) {
		record_encode(type, first, &once);
		must(decode(type, buf_str(&once), second, &a));
		record_encode(type, second, &twice);
		must(str_eq(buf_str(&once), buf_str(&twice)));
		must(record_digest(type, first, SEED) == record_digest(type, second, SEED));
	}
	arena_release(&a);
	return 0;
}
