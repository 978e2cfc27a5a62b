/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fuzz targets read their input: as text, so that a person can write a corpus.
 *
 * A record is lines "name=value" (a line without = is a header without value),
 * an empty line, and the value; a line "=text" is the key. Without an empty line
 * all of it is the value. Records are separated by a byte 0x1e. What is returned
 * points into the input; nothing can fail.
 */
#ifndef TALLY_TESTS_FUZZ_FUZZ_H
#define TALLY_TESTS_FUZZ_FUZZ_H

#include "common/codec/message.h"

#define FUZZ_HEADERS 12
#define FUZZ_BROKER_MS INT64_C(1772700000000) /* 2026-03-05 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line, cut off *rest. */
static inline struct str fuzz_line(struct str *rest)
{
	struct str line = str_split(rest, '\n');

	if (!rest->ptr)
		*rest = str_of("", 0);
	return line;
}

static inline void fuzz_head_line(struct str line, struct header *headers, struct message *m)
{
	size_t equals = str_find(line, '=');
	struct header *h;

	if (equals == 0) {
		m->key = str_from(line, 1);
	} else if (m->header_count < FUZZ_HEADERS) {
		h = &headers[m->header_count++];
		h->name = str_of(line.ptr, equals);
		h->value = equals < line.len ? str_from(line, equals + 1) : str_of(NULL, 0);
	}
}

static inline struct message fuzz_message(struct str text, struct header headers[FUZZ_HEADERS])
{
	const char *end = text.len ? memmem(text.ptr, text.len, "\n\n", 2) : NULL;
	struct message m = { .broker_ms = FUZZ_BROKER_MS, .value = text, .headers = headers };
	struct str head;

	if (!end)
		return m;
	head = str_of(text.ptr, (size_t)(end - text.ptr));
	m.value = str_from(text, head.len + 2);
	while (head.ptr)
		fuzz_head_line(str_split(&head, '\n'), headers, &m);
	return m;
}

static inline const struct record_type *fuzz_type(const struct record_type *const *all,
                                                  struct str name)
{
	for (; *all; all++)
		if (str_eq_c(name, (*all)->name))
			return *all;
	return NULL;
}

#endif
