/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does K's metadata come back as it went, at its largest too, and is whatever an
 * operator or another product left there refused, never misread?
 */
#include "common/runtime/cursor.h"

#include "tests/unit/testing.h"

static void what_went_comes_back(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct cursor_metadata m = { .output_number = rng_next() >> 1,
			                     .origin = (int64_t)(rng_next() >> 1),
			                     .first_pin = rng_between(-1, INT32_MAX),
			                     .first_logic = (uint32_t)rng_next(),
			                     .logic = (uint32_t)rng_next(),
			                     .untold = (int64_t)(rng_next() >> 1),
			                     .skipped_count =
			                             (unsigned)rng_below(LIMIT_SKIPPED + 1) };
		struct cursor_metadata back;
		char text[LIMIT_METADATA_BYTES];
		rng_fill(m.topic_id, rng_below(sizeof(m.topic_id)), STR("abcXYZ09-_"));
		if (strcmp(m.topic_id, "-") == 0)
			m.topic_id[0] = 'a';
		for (unsigned i = 0; i < m.skipped_count; i++)
			m.skipped[i] = (int64_t)(rng_next() >> 1);
		size_t len = cursor_metadata_format(&m, text);
		assert_true(len < LIMIT_METADATA_BYTES);
		assert_true(cursor_metadata_parse(str_of(text, len), &back));
		assert_memory_equal(&m, &back, sizeof(m));
		/* Cut anywhere it is refused, but for the list at its end. */
		size_t cut = rng_below(len);
		char *copy = malloc(cut + 1);
		memcpy(copy, text, cut);
		if (cursor_metadata_parse(str_of(copy, cut), &back))
			assert_non_null(memmem(copy, cut, "skipped=", 8));
		free(copy);
	}
}

static void the_earlier_form_is_read(void **state)
{
	struct cursor_metadata m;

	(void)state;
	assert_true(cursor_metadata_parse(
		STR("tw1 seq=7 origin=3 topic=abc pin=-1 first=1 logic=2 skipped=5"), &m));
	assert_int_equal(m.output_number, 7);
	assert_int_equal(m.logic, 2);
	assert_int_equal(m.untold, 0);
	assert_int_equal(m.skipped_count, 1);
}

static void foreign_text_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		" ",
		"tw1",
		"tw2 seq=1 origin=0 topic=- pin=-1 first=1 logic=1 untold=0 skipped=",
		"tw1 seq=-1 origin=0 topic=- pin=-1 first=1 logic=1 untold=0 skipped=",
		"tw1 seq=1 origin=-1 topic=- pin=-1 first=1 logic=1 untold=0 skipped=",
		"tw1 seq=1 origin=0 topic pin=-1 first=1 logic=1 untold=0 skipped=",
		"tw1 seq=1 origin=0 topic=0123456789012345678901234567890123456789012345678 pin=-1 "
		"first=1 "
		"logic=1 untold=0 skipped=",
		"tw1 seq=1 origin=0 topic=- pin=-2 first=1 logic=1 untold=0 skipped=",
		"tw1 seq=1 origin=0 topic=- pin=-1 first=4294967296 logic=1 untold=0 skipped=",
		"tw1 seq=1 origin=0 topic=- pin=-1 first=1 logic=1 untold=0",
		"tw1 seq=1 origin=0 topic=- pin=-1 first=1 logic=1 untold=-1 skipped=",
		"tw1 seq=1 origin=0 topic=- pin=-1 first=1 logic=1 untold=0 skipped",
		"tw1 seq=1 origin=0 topic=- pin=-1 first=1 logic=1 untold=0 skipped=x",
		"tw1 seq=1 origin=0 topic=- pin=-1 first=1 logic=1 untold=0 skipped=1,,2",
		"tw1 seq=1 origin=0 topic=- pin=-1 first=1 logic=1 untold=0 skipped="
		"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
		"{\"version\":1}",
	};
	struct cursor_metadata m;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		assert_false(cursor_metadata_parse(str_from_c(texts[i]), &m));
	assert_false(cursor_metadata_parse(str_of(NULL, 0), &m));
	for (unsigned round = 0; round < 2000; round++) {
		char noise[80];
		rng_fill(noise, sizeof(noise), STR("tw1 seqorigntpcflk=-0123,"));
		(void)cursor_metadata_parse(str_of(noise, sizeof(noise)), &m);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_went_comes_back),
	cmocka_unit_test(the_earlier_form_is_read),
	cmocka_unit_test(foreign_text_is_refused),
};

TESTING_MAIN(tests)
