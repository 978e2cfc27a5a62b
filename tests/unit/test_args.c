/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are flags, values and words told apart, and does wrong use get words that help?
 */
#include "common/host/args.h"

#include "tests/unit/testing.h"

static const struct flag first[] = {
	{ "--config", "FILE", "a file" },
	{ "--json", NULL, "answer in JSON" },
	{ .name = NULL },
};
static const struct flag second[] = { { "--timeout", "SECONDS", "a time" }, { .name = NULL } };
static const struct flag *const lists[] = { first, second, NULL };

#define COMMAND(...)                                            \
	char *texts[] = { (char[]){ "program" }, __VA_ARGS__ }; \
	struct args args;                                       \
	struct arg arg;                                         \
	args_init(&args, (int)COUNT_OF(texts), texts, lists)
#define T(text)      \
	(char[])     \
	{            \
		text \
	}

static void expect(struct args *args, enum arg_kind kind, const char *flag, const char *text)
{
	struct arg arg;

	assert_true(rc_ok(args_next(args, &arg)));
	assert_int_equal(arg.kind, kind);
	if (flag)
		assert_string_equal(arg.flag->name, flag);
	if (text)
		assert_string_equal(arg.text, text);
	else
		assert_null(arg.text);
}

static void takes_flags_and_words(void **state)
{
	COMMAND(T("one"), T("--config"), T("a.conf"), T("--json"), T("--timeout=-5"), T("-"),
	        T("--config="), T("--"), T("--json"), T("-x"));

	(void)state;
	(void)arg;
	expect(&args, ARG_WORD, NULL, "one");
	expect(&args, ARG_FLAG, "--config", "a.conf");
	expect(&args, ARG_FLAG, "--json", NULL);
	expect(&args, ARG_FLAG, "--timeout", "-5");
	expect(&args, ARG_WORD, NULL, "-");
	expect(&args, ARG_FLAG, "--config", "");
	expect(&args, ARG_WORD, NULL, "--json");
	expect(&args, ARG_WORD, NULL, "-x");
	expect(&args, ARG_END, NULL, NULL);
	expect(&args, ARG_END, NULL, NULL);
}

static void a_value_may_begin_with_a_dash(void **state)
{
	COMMAND(T("--config"), T("--json"));

	(void)state;
	(void)arg;
	expect(&args, ARG_FLAG, "--config", "--json");
	expect(&args, ARG_END, NULL, NULL);
}

static void names_what_is_wrong(void **state)
{
	(void)state;
	{
		COMMAND(T("--cofnig"), T("x"));

		assert_int_equal(args_next(&args, &arg).code, RC_USAGE);
		assert_string_equal(rc_text(), "--cofnig: no such flag; did you mean --config?");
	}
	{
		COMMAND(T("--quite-different"));

		assert_int_equal(args_next(&args, &arg).code, RC_USAGE);
		assert_string_equal(rc_text(), "--quite-different: no such flag; see --help");
	}
	{
		COMMAND(T("--config"));

		assert_int_equal(args_next(&args, &arg).code, RC_USAGE);
		assert_string_equal(rc_text(), "--config needs a value: --config FILE");
	}
	{
		COMMAND(T("--json=yes"));

		assert_int_equal(args_next(&args, &arg).code, RC_USAGE);
		assert_string_equal(rc_text(), "--json takes no value");
	}
}

static void helps_in_two_columns(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, NULL);
	args_help(first, &out);
	assert_str(buf_str(&out), "  --config FILE                 a file\n"
	                          "  --json                        answer in JSON\n");
	buf_release(&out);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(takes_flags_and_words),
	cmocka_unit_test(a_value_may_begin_with_a_dash),
	cmocka_unit_test(names_what_is_wrong),
	cmocka_unit_test(helps_in_two_columns),
};
TESTING_MAIN(tests)
