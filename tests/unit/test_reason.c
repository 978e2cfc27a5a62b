/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the reasons those of the contract, in its words? Their codes are what
 * operators filter the DLQ by, so they never change once released.
 */
#include "common/codec/reason.h"

#include "tests/unit/testing.h"

/* CONTRACT "DLQ reasons", in its order. */
static const char *const contract[] = {
	"not_json",
	"not_utf8",
	"duplicate_key",
	"too_deep",
	"too_large",
	"null_value",
	"bad_envelope",
	"unknown_type",
	"missing_field",
	"bad_field",
	"bad_money",
	"bad_splits",
	"lines_do_not_sum",
	"wrong_key",
	"wrong_partition",
	"time_out_of_range",
	"currency_unsupported",
	"currency_mismatch",
	"id_conflict",
	"payment_conflict",
	"order_exists",
	"payee_unknown",
	"plan_unknown",
	"over_payment",
	"over_refund",
	"order_missing",
	"order_limit",
	"order_archived",
	"poison",
};

/* contract: dlq.reasons */
static void codes_are_the_contracts(void **state)
{
	(void)state;
	assert_string_equal(reason_code(REASON_NONE), "none");
	assert_int_equal(REASON_COUNT, COUNT_OF(contract) + 1);
	for (unsigned i = 0; i < COUNT_OF(contract); i++)
		assert_string_equal(reason_code((enum reason)(i + 1)), contract[i]);
}

static void each_has_its_words(void **state)
{
	(void)state;
	for (unsigned i = 0; i < REASON_COUNT; i++) {
		const char *words = reason_words((enum reason)i);

		assert_true(strlen(words) > 8);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(words, reason_words((enum reason)k));
	}
}

/* A redrive may only promise what can come true: what the record says itself never changes. */
static void only_what_lies_outside_the_record_heals(void **state)
{
	static const char *const healed[] = {
		"unknown_type",         "wrong_key",     "wrong_partition", "time_out_of_range",
		"currency_unsupported", "payee_unknown", "plan_unknown",    "over_payment",
		"order_missing",        "order_limit",   "poison"
	};
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < REASON_COUNT; i++) {
		if (!reason_healing((enum reason)i))
			continue;
		assert_true(n < COUNT_OF(healed));
		assert_string_equal(reason_code((enum reason)i), healed[n++]);
	}
	assert_int_equal(n, COUNT_OF(healed));
}

static void a_code_is_found(void **state)
{
	(void)state;
	for (unsigned i = 1; i < REASON_COUNT; i++)
		assert_int_equal(reason_find(str_from_c(reason_code((enum reason)i))), i);
	assert_int_equal(reason_find(STR("none")), REASON_NONE);
	assert_int_equal(reason_find(STR("not_jso")), REASON_NONE);
}

static void ask_beyond(void *arg)
{
	(void)arg;
	reason_code(REASON_COUNT);
}

static void beyond_the_list_is_a_bug(void **state)
{
	char text[1024];
	int status = testing_child(ask_beyond, NULL, text, sizeof(text));

	(void)state;
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	assert_non_null(strstr(text, "REASON_COUNT"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(codes_are_the_contracts),
	cmocka_unit_test(each_has_its_words),
	cmocka_unit_test(only_what_lies_outside_the_record_heals),
	cmocka_unit_test(a_code_is_found),
	cmocka_unit_test(beyond_the_list_is_a_bug),
};
TESTING_MAIN(tests)
