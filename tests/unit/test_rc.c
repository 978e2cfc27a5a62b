/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do failures carry their words up through the callers, stay within their
 * thread, and end in the right exit status?
 */
#include "common/base/rc.h"

#include <pthread.h>

#include "common/base/limits.h"
#include "tests/unit/testing.h"

static struct rc open_file(bool works)
{
	return works ? OK : rc_fail(RC_NOT_FOUND, "%s: no such file", "plan.json");
}

static struct rc load(bool works, bool *went_on)
{
	TRY(rc_within(open_file(works), "reading the plan of %d", 2026));
	*went_on = true;
	return OK;
}

static void carries_words(void **state)
{
	bool went_on = false;
	struct rc rc = load(false, &went_on);

	(void)state;
	assert_false(rc_ok(rc) || went_on);
	assert_int_equal(rc.code, RC_NOT_FOUND);
	assert_string_equal(rc_text(), "reading the plan of 2026: plan.json: no such file");
	assert_int_equal(rc_exit_status(rc), 66);
	assert_string_equal(rc_code_text(RC_NOT_FOUND), "not found");
	assert_true(rc_ok(load(true, &went_on)) && went_on);
	assert_string_equal(rc_text(), "reading the plan of 2026: plan.json: no such file");
	assert_int_equal(rc_exit_status(OK), 0);
	rc = rc_fail(RC_IO, "again: %s", rc_text());
	assert_string_equal(rc_text(), "again: reading the plan of 2026: plan.json: no such file");
	rc = rc_within(rc, "%s|", rc_text());
	assert_memory_equal(rc_text(), "again: reading the plan", 23);
	assert_int_equal(rc_exit_status(rc), 74);
}

static void cuts_long_words(void **state)
{
	struct rc rc = rc_fail(RC_DATA, "%5000d", 1);

	(void)state;
	assert_int_equal(strlen(rc_text()), RC_TEXT_BYTES - 1);
	for (int width = 1; width < RC_TEXT_BYTES + 10; width++) {
		rc = rc_fail(RC_DATA, "%900d", 7);
		rc = rc_within(rc, "%0*d", width, 1);
		assert_true(strlen(rc_text()) < RC_TEXT_BYTES);
		assert_int_equal(rc.code, RC_DATA);
		if (width + 902 < RC_TEXT_BYTES)
			assert_int_equal(rc_text()[width + 901], '7');
	}
}

static void *fail_elsewhere(void *text)
{
	struct rc rc = rc_fail(RC_OS, "elsewhere");

	strcpy(text, rc_text());
	return rc_ok(rc) ? NULL : text;
}

static void belongs_to_a_thread(void **state)
{
	struct rc rc = rc_fail(RC_OS, "here");
	char text[64] = "";
	pthread_t thread;

	(void)state;
	assert_false(rc_ok(rc));
	assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, text), 0);
	pthread_join(thread, NULL);
	assert_string_equal(text, "elsewhere");
	assert_string_equal(rc_text(), "here");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(carries_words),
	cmocka_unit_test(cuts_long_words),
	cmocka_unit_test(belongs_to_a_thread),
};
TESTING_MAIN(tests)
