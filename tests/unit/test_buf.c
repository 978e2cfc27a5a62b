/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a buffer, in an arena or on its own, hold exactly what was put into it?
 * Are numbers those of printf, and is JSON text what a reader gets back?
 */
#include "common/base/buf.h"

#include <inttypes.h>
#include <jansson.h>

#include "tests/unit/testing.h"

static void grows(void **state)
{
	struct arena a;
	struct buf in_arena, alone;
	size_t len = 0;
	static char expected[200000];

	(void)state;
	arena_init(&a, 1024);
	buf_init(&in_arena, &a);
	buf_init(&alone, NULL);
	assert_str(buf_str(&alone), "");
	while (len < sizeof(expected) - 300) {
		char piece[300];
		size_t n = rng_below(sizeof(piece));

		rng_fill(piece, n, str_of(NULL, 0));
		buf_put(&in_arena, str_of(piece, n));
		for (size_t i = 0; i < n; i++)
			buf_put_char(&alone, piece[i]);
		if (rng_below(10) == 0)
			arena_alloc(&a, 24); /* now the buffer cannot grow in place */
		memcpy(expected + len, piece, n);
		len += n;
	}
	assert_true(str_eq(buf_str(&in_arena), str_of(expected, len)));
	assert_true(str_eq(buf_str(&alone), str_of(expected, len)));
	buf_clear(&alone);
	buf_put_lit(&alone, "again");
	assert_str(buf_str(&alone), "again");
	buf_release(&alone);
	assert_str(buf_str(&alone), "");
	arena_release(&a);
}

static void check_number(struct buf *b, int64_t number)
{
	char text[32];

	buf_clear(b);
	buf_put_i64(b, number);
	snprintf(text, sizeof(text), "%" PRId64, number);
	assert_str(buf_str(b), text);
	buf_clear(b);
	buf_put_u64(b, (uint64_t)number);
	snprintf(text, sizeof(text), "%" PRIu64, (uint64_t)number);
	assert_str(buf_str(b), text);
	buf_clear(b);
	buf_put_hex64(b, (uint64_t)number);
	snprintf(text, sizeof(text), "%016" PRIx64, (uint64_t)number);
	assert_str(buf_str(b), text);
}

static void writes_numbers_as_printf_does(void **state)
{
	struct buf b;
	int64_t power = 1;

	(void)state;
	buf_init(&b, NULL);
	check_number(&b, 0);
	check_number(&b, INT64_MAX);
	check_number(&b, INT64_MIN);
	for (int i = 0; i < 19; i++) {
		check_number(&b, power);
		check_number(&b, power - 1);
		check_number(&b, -power);
		if (i < 18)
			power *= 10;
	}
	for (int i = 0; i < 50000; i++)
		check_number(&b, rng_any_i64());
	buf_release(&b);
}

static void check_json(struct buf *b, struct str text)
{
	json_t *read;

	buf_clear(b);
	buf_put_json(b, text);
	for (size_t i = 0; i < b->len; i++)
		assert_true((unsigned char)b->ptr[i] >= 0x20);
	read = json_loadb(b->ptr, b->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_non_null(read);
	assert_str_eq(str_of(json_string_value(read), json_string_length(read)), text);
	json_decref(read);
}

static void writes_json_text(void **state)
{
	struct str often = STR("abcdefghijklmnopqrstuvwxyz \x7f"),
		   seldom = STR("\"\\\n\x01/\b\x1f\0z");
	struct buf b;
	char text[100];

	(void)state;
	buf_init(&b, NULL);
	buf_put_json(&b, STR("a\"b\\c/\b\f\n\r\t\v\x01\x1f\x7f \xe4\xb8\xad"));
	assert_str(buf_str(&b),
	           "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u000b\\u0001\\u001f\x7f \xe4\xb8\xad\"");
	buf_clear(&b);
	buf_put_json(&b, str_of(NULL, 0));
	assert_str(buf_str(&b), "\"\"");
	for (unsigned c = 0; c < 0x80;
	     c++) { /* every byte at every place of the eight-byte steps */
		for (size_t at = 0; at < 17; at++) {
			memset(text, 'a', 17);
			text[at] = (char)c;
			check_json(&b, str_of(text, 17));
		}
	}
	for (int i = 0; i < 20000; i++) {
		size_t len = rng_below(sizeof(text));

		rng_fill(text, len, often);
		for (size_t j = 0; j < len; j++)
			if (rng_below(20) == 0)
				text[j] = seldom.ptr[rng_below(seldom.len)];
		if (len > 10 && rng_below(2))
			memcpy(text + rng_below(len - 4), "\xf0\x9f\x98\x80", 4);
		check_json(&b, str_of(text, len));
	}
	buf_release(&b);
}

static void prints(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, NULL);
	buf_printf(&b, "%s", "");
	assert_str(buf_str(&b), "");
	for (int width = 1; width < 300; width++) {
		size_t before = b.len;

		buf_printf(&b, "%*d", width, 7);
		assert_int_equal(b.len, before + (size_t)width);
		assert_int_equal(b.ptr[b.len - 1], '7');
	}
	buf_release(&b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(grows),
	cmocka_unit_test(writes_numbers_as_printf_does),
	cmocka_unit_test(writes_json_text),
	cmocka_unit_test(prints),
};
TESTING_MAIN(tests)
