/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says of each message on standard input whether our decoder takes it, and whether
 * jansson takes it for JSON, for test_differential.py to compare.
 *
 * A message is its length (four bytes, least first) and its bytes. A line of the
 * answer: our reason or "ok", a tab, our path, a tab, "ok" or jansson's words.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/must.h"
#include "events.h"
#include "tests/fuzz/fuzz.h"

/* A key of the message may be part of the text. */
static const char *in_one_line(char *text)
{
	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\t')
			*c = ' ';
	return text;
}

static void print_ours(struct str value)
{
	const struct message m = { .value = value };
	const struct record_type *type;
	struct fault fault = { .reason = REASON_NONE };
	struct envelope envelope;
	struct arena a;

	arena_init(&a, 4096);
	if (envelope_decode(&m, STR("orders"), 0, &a, &envelope, &fault)) {
		type = fuzz_type(record_types, envelope.event.type);
		if (!type)
			fault = (struct fault){ .reason = REASON_UNKNOWN_TYPE, .path = "/type" };
		else if (envelope_data(&envelope, type, &a, &fault))
			fault = (struct fault){ .reason = REASON_NONE };
	}
	printf("%s\t%s\t", fault.reason == REASON_NONE ? "ok" : reason_code(fault.reason),
	       in_one_line(fault.path));
	arena_release(&a);
}

static void print_theirs(struct str value)
{
	json_error_t error = { .text = "" };
	json_t *root =
		json_loadb(value.ptr, value.len,
	                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

	printf("%s\n", root ? "ok" : in_one_line(error.text));
	json_decref(root);
}

int main(void)
{
	uint8_t head[4];

	while (fread(head, 1, sizeof(head), stdin) == sizeof(head)) {
		size_t len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
		char *bytes = malloc(len + 1);

		must(bytes && fread(bytes, 1, len, stdin) == len);
		print_ours(str_of(bytes, len));
		print_theirs(str_of(bytes, len));
		free(bytes);
	}
	return 0;
}
