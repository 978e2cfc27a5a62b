/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does tallyctl explain write amounts and rates as people do, and is every number of the arithmetic
 * in its words, for a payment and for a refund?
 */
#include "services/tallyctl/explain.h"

#include <yyjson.h>

#include "common/domain/money.h"
#include "services/workers.h"
#include "tests/unit/with_arena.h"

static void is(struct str text, const char *wanted)
{
	assert_string_equal(arena_printf(&arena, "%.*s", STR_ARG(text)).ptr, wanted);
}

static void has(const struct buf *text, const char *part)
{
	if (!strstr(text->ptr, part))
		fail_msg("no \"%s\" in\n%s", part, text->ptr);
}

static void amounts_have_the_decimals_of_their_currency(void **state)
{
	(void)state;
	is(amount_text(&arena, 0, STR("CNY")), "0.00");
	is(amount_text(&arena, 7, STR("CNY")), "0.07");
	is(amount_text(&arena, -7, STR("CNY")), "-0.07");
	is(amount_text(&arena, 123456, STR("CNY")), "1,234.56");
	is(amount_text(&arena, -100000000, STR("EUR")), "-1,000,000.00");
	is(amount_text(&arena, 1234, STR("JPY")), "1,234");
	is(amount_text(&arena, 0, STR("KRW")), "0");
	is(amount_text(&arena, 1234, STR("KWD")), "1.234");
	is(amount_text(&arena, INT64_MAX, STR("CNY")), "92,233,720,368,547,758.07");
	is(amount_text(&arena, INT64_MIN, STR("CNY")), "-92,233,720,368,547,758.08");
}

static void rates_are_percents(void **state)
{
	(void)state;
	is(rate_text(&arena, 0), "0 %");
	is(rate_text(&arena, 20000), "2 %");
	is(rate_text(&arena, 32500), "3.25 %");
	is(rate_text(&arena, 1), "0.0001 %");
	is(rate_text(&arena, 1000000), "100 %");
}

/* Three payees, weights 3, 2, 2; the order's net moves; the first payee at 3.25 %. */
static struct told_commission told(int64_t before_minor, int64_t after_minor, bool refund)
{
	static const int64_t weights[] = { 3, 2, 2 };
	static struct told_event event;
	int64_t before[3], after[3];
	struct told_commission c = { .weight = 3, .weights = 7, .cause = &event };

	event = (struct told_event){ .payment_id = STR("pay-1"),
		                     .refund_id = STR("ref-1"),
		                     .amount_minor = refund ? before_minor - after_minor
		                                            : after_minor - before_minor };
	money_shares(before_minor, weights, 3, before);
	money_shares(after_minor, weights, 3, after);
	c.net_before_minor = before_minor;
	c.net_after_minor = after_minor;
	c.credit = (struct credit){ .payee_id = STR("p-1"),
		                    .currency = STR("CNY"),
		                    .level = 2,
		                    .plan_id = STR("base"),
		                    .plan_version = 3,
		                    .net_before_minor = before[0],
		                    .net_after_minor = after[0],
		                    .refund = refund,
		                    .source_event_id = STR("e-9"),
		                    .cause = STR("orders/3/120") };
	c.commission = (struct commission){
		.commission_id = STR("c-id"),
		.payee_id = STR("p-1"),
		.currency = STR("CNY"),
		.posted_period = STR("2026-03"),
		.rate_ppm = 32500,
		.cumulative_before_minor = money_at_rate(before[0], 32500),
		.cumulative_after_minor = money_at_rate(after[0], 32500),
	};
	c.commission.amount_minor =
		c.commission.cumulative_after_minor - c.commission.cumulative_before_minor;
	return c;
}

static const struct order order = { .order_id = STR_INIT("o-1"), .amount_minor = 100000000 };
static const struct story story = { .order_id = STR_INIT("o-1"),
	                            .topic = "orders",
	                            .order = &order };

/* 3/7 of 10,000.00 is 4,285.714, which gets the odd fen, of 25,000.01 it is 10,714.29; 3.25 % of
 * them 139.29 and 348.21. */
static void a_payment_is_explained_in_numbers(void **state)
{
	struct told_commission c = told(1000000, 2500001, false);
	struct buf text;

	(void)state;
	buf_init(&text, &arena);
	commission_text(&story, &c, &arena, &text);
	buf_put_char(&text, '\0');
	has(&text, "208.92 CNY earned by p-1 in 2026-03");
	has(&text, "payment pay-1 of 15,000.01");
	has(&text, "event e-9, found at orders/3/120");
	has(&text, "10,000.00 were collected and kept before, 25,000.01 after");
	has(&text, "3 of 7 parts: 4,285.72 before, 10,714.29 after (rounded by largest remainder)");
	has(&text, "3.25 % by plan base version 3 for level 2");
	has(&text, "3.25 % of 10,714.29 = 348.21");
	has(&text, "3.25 % of 4,285.72 = 139.29");
	has(&text, "348.21 - 139.29 = 208.92 CNY");
}

static void a_refund_is_explained_in_numbers(void **state)
{
	struct told_commission c = told(2500001, 1000000, true);
	struct buf text;

	(void)state;
	buf_init(&text, &arena);
	commission_text(&story, &c, &arena, &text);
	buf_put_char(&text, '\0');
	has(&text, "-208.92 CNY taken back from p-1 in 2026-03");
	has(&text, "refund ref-1 of 15,000.01");
	has(&text, "139.29 - 348.21 = -208.92 CNY");
}

static int64_t number(yyjson_val *object, const char *name)
{
	assert_true(yyjson_is_int(yyjson_obj_get(object, name)));
	return yyjson_get_sint(yyjson_obj_get(object, name));
}

/* The same numbers, as the object says them. */
static void the_object_has_the_same_numbers(void **state)
{
	struct told_commission c = told(1000000, 2500001, false);
	struct buf text;
	struct json j;
	yyjson_doc *doc;
	yyjson_val *object;

	(void)state;
	buf_init(&text, &arena);
	j = json_to(&text);
	commission_json(&story, &c, &j);
	doc = yyjson_read(text.ptr, text.len, 0);
	assert_non_null(doc);
	object = yyjson_doc_get_root(doc);
	assert_int_equal(number(object, "amount"), 20892);
	assert_int_equal(number(object, "net_after"), 2500001);
	assert_int_equal(number(object, "share_before"), 428572);
	assert_int_equal(number(object, "share_after"), 1071429);
	assert_int_equal(number(object, "cumulative_before"), 13929);
	assert_int_equal(number(object, "cumulative_after"), 34821);
	assert_true(yyjson_is_null(yyjson_obj_get(object, "message")));
	yyjson_doc_free(doc);
}

static const struct CMUnitTest tests[] = {
	WITH_ARENA(amounts_have_the_decimals_of_their_currency),
	WITH_ARENA(rates_are_percents),
	WITH_ARENA(a_payment_is_explained_in_numbers),
	WITH_ARENA(a_refund_is_explained_in_numbers),
	WITH_ARENA(the_object_has_the_same_numbers),
};

TESTING_MAIN(tests)
