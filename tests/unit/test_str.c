/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does struct str compare, cut, parse and check text as str.h says, also at the
 * ends: absent, empty, extreme numbers, every UTF-8 boundary?
 */
#include "common/base/str.h"

#include "tests/unit/testing.h"

static void compares_bytewise(void **state)
{
	(void)state;
	assert_int_equal(str_cmp(STR("a"), STR("a")), 0);
	assert_int_equal(str_cmp(STR("a"), STR("ab")), -1);
	assert_int_equal(str_cmp(STR("b"), STR("ab")), 1);
	assert_int_equal(str_cmp(STR("\xff"), STR("a")), 1);
	assert_int_equal(str_cmp(STR(""), str_of(NULL, 0)), 0);
	assert_int_equal(str_cmp(str_of(NULL, 0), STR("a")), -1);
	assert_true(str_eq(STR("a\0b"), str_of("a\0b", 3)));
	assert_false(str_eq(STR("a\0b"), STR("a\0c")));
	assert_true(str_starts(STR("abc"), STR("ab")) && str_ends(STR("abc"), STR("bc")));
	assert_false(str_starts(STR("a"), STR("ab")) || str_ends(STR("b"), STR("ab")));
	assert_null(str_from_c(NULL).ptr);
}

static void cuts(void **state)
{
	struct str rest = STR("a,,b,");

	(void)state;
	assert_str(str_from(STR("abc"), 1), "bc");
	assert_str(str_from(STR("abc"), 9), "");
	assert_int_equal(str_find(STR("abc"), 'c'), 2);
	assert_int_equal(str_find(STR("abc"), 'x'), 3);
	assert_int_equal(str_find(str_of(NULL, 0), 'x'), 0);
	assert_str(str_split(&rest, ','), "a");
	assert_str(str_split(&rest, ','), "");
	assert_str(str_split(&rest, ','), "b");
	assert_non_null(rest.ptr);
	assert_str(str_split(&rest, ','), "");
	assert_null(rest.ptr);
	assert_null(str_split(&rest, ',').ptr);
}

static void reads_integers(void **state)
{
	static const struct {
		struct str text;
		bool valid;
		int64_t value;
	} cases[] = {
		{ STR_INIT("0"), true, 0 },
		{ STR_INIT("-0"), true, 0 },
		{ STR_INIT("007"), true, 7 },
		{ STR_INIT("9223372036854775807"), true, INT64_MAX },
		{ STR_INIT("-9223372036854775808"), true, INT64_MIN },
		{ STR_INIT("9223372036854775808"), false, 0 },
		{ STR_INIT("-9223372036854775809"), false, 0 },
		{ STR_INIT("99999999999999999999"), false, 0 },
		{ STR_INIT(""), false, 0 },
		{ STR_INIT("-"), false, 0 },
		{ STR_INIT("+1"), false, 0 },
		{ STR_INIT(" 1"), false, 0 },
		{ STR_INIT("1 "), false, 0 },
		{ STR_INIT("1.0"), false, 0 },
		{ STR_INIT("1e3"), false, 0 },
		{ STR_INIT("--1"), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t value = 0;

		assert_int_equal(str_to_i64(cases[i].text, &value), cases[i].valid);
		if (cases[i].valid)
			assert_int_equal(value, cases[i].value);
	}
	for (int i = 0; i < 20000; i++) {
		int64_t number = rng_any_i64(), value = 0;
		char text[32];
		int len = snprintf(text, sizeof(text), "%lld", (long long)number);

		assert_true(str_to_i64(str_of(text, (size_t)len), &value));
		assert_int_equal(value, number);
	}
}

/* Encodes as the definition of UTF-8 has it, without asking whether it may be. */
static size_t encode(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 63));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 63));
		out[2] = (char)(0x80 | (code & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 63));
	out[2] = (char)(0x80 | (code >> 6 & 63));
	out[3] = (char)(0x80 | (code & 63));
	return 4;
}

static void knows_every_code_point(void **state)
{
	(void)state;
	for (uint32_t code = 0; code < 0x120000; code++) {
		bool valid = code < 0xd800 || (code >= 0xe000 && code < 0x110000);
		char text[4];
		size_t len = encode(code, text);

		assert_int_equal(str_utf8_front(str_of(text, len)), valid ? len : 0);
		for (size_t cut = 1; cut < len; cut++)
			assert_int_equal(str_utf8_front(str_of(text, cut)), 0);
	}
	assert_int_equal(str_utf8_front(str_of(NULL, 0)), 0);
}

static void refuses_what_is_not_utf8(void **state)
{
	static const struct str bad[] = {
		STR_INIT("\x80"),
		STR_INIT("\xc0\x80"),
		STR_INIT("\xc1\xbf"),
		STR_INIT("\xe0\x9f\xbf"),
		STR_INIT("\xed\xa0\x80"),
		STR_INIT("\xf0\x8f\xbf\xbf"),
		STR_INIT("\xf4\x90\x80"),
		STR_INIT("\xf5\x80\x80\x80"),
		STR_INIT("\xff"),
		STR_INIT("\xc3"),
		STR_INIT("\xe4\xb8"),
		STR_INIT("\xc3("),
		STR_INIT("\xe4(\xad"),
		STR_INIT("\xf0\x9f(\x80"),
		STR_INIT("\xf8\x88\x80\x80\x80"),
	};
	char text[64];

	(void)state;
	assert_true(str_is_utf8(STR("")) && str_is_utf8(str_of(NULL, 0)));
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		for (size_t before = 0; before < 20;
		     before++) { /* every place in the eight-byte steps */
			memset(text, 'a', sizeof(text));
			memcpy(text + before, "\xe4\xb8\xad", 3);
			assert_true(str_is_utf8(str_of(text, before + 20)));
			memset(text, 'a', sizeof(text));
			memcpy(text + before, bad[i].ptr, bad[i].len);
			assert_false(str_is_utf8(str_of(text, before + bad[i].len)));
			assert_false(str_is_utf8(str_of(text, before + bad[i].len + 13)));
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(compares_bytewise),        cmocka_unit_test(cuts),
	cmocka_unit_test(reads_integers),           cmocka_unit_test(knows_every_code_point),
	cmocka_unit_test(refuses_what_is_not_utf8),
};
TESTING_MAIN(tests)
