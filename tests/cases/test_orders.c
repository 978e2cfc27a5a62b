/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is each limit of an order met exactly?
 */
#include <yyjson.h>

#include "common/base/limits.h"
#include "common/base/log.h"
#include "services/workers.h"
#include "tests/cases/records.h"
#include "tests/unit/testing.h"

#define FIRST_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

static struct stage *stage;
static struct arena texts;

static int open_stage(void **state)
{
	(void)state;
	log_configure(LOG_ERROR, LOG_LOGFMT, STR("orders"));
	arena_init(&texts, 65536);
	stage = stage_new(&orders_worker, false);
	return 0;
}

static int close_stage(void **state)
{
	(void)state;
	stage_free(stage);
	arena_release(&texts);
	return 0;
}

static void give_company(void)
{
	record_given(stage, &texts, "company.defined",
	             STR("{\"company_id\":\"all\",\"timezone\":\"UTC\",\"currency\":\"CNY\"}"));
	stage_publish(stage);
}

static void send_payment(unsigned number)
{
	struct str data = arena_printf(
		&texts, "\"payment_id\":\"p%u\",\"amount\":1,\"currency\":\"CNY\"", number);
	struct str id = arena_printf(&texts, "e%u", number);

	stage_append(stage, STR("o"),
	             record_event(&texts, "payment.collected", "o", id.ptr, FIRST_MS, data));
}

static void send_order(void)
{
	stage_append(
		stage, STR("o"),
		record_event(&texts, "order.created", "o", "created", FIRST_MS,
	                     STR("\"channel_id\":\"web\",\"amount\":100000,\"currency\":\"CNY\"")));
}

/* How many were refused, all as order_limit. */
static unsigned over_limit(void)
{
	const struct message *m;
	int64_t offset = 0;
	unsigned count = 0;

	while ((m = stage_read(stage, STR("orders.dlq"), &offset)) != NULL) {
		assert_str(message_header(m, STR("tw-reason"))->value, "order_limit");
		count++;
	}
	return count;
}

static int64_t int_in(yyjson_val *object, const char *name)
{
	return yyjson_get_sint(yyjson_obj_get(object, name));
}

static void expect_collected(int64_t expected)
{
	const struct stored *order = memory_keys_find(stage_keys(stage), STR("order:o"));
	yyjson_doc *doc = yyjson_read(order->value.ptr, order->value.len, 0);

	assert_int_equal(int_in(yyjson_doc_get_root(doc), "collected"), expected);
	yyjson_doc_free(doc);
}

/* contract: orders.limits */
static void an_order_has_so_many_events(void **state)
{
	(void)state;
	give_company();
	stage_reach(stage, FIRST_MS);
	send_order();
	for (unsigned i = 1; i < LIMIT_ORDER_EVENTS; i++)
		send_payment(i);
	stage_run(stage);
	assert_int_equal(over_limit(), 0);
	send_payment(LIMIT_ORDER_EVENTS);
	send_payment(1); /* what is known is still known */
	stage_run(stage);
	assert_int_equal(over_limit(), 1);
	stage_crash(stage); /* a full record can be read again */
	send_payment(LIMIT_ORDER_EVENTS + 1);
	stage_run(stage);
	assert_int_equal(over_limit(), 2);
	expect_collected(LIMIT_ORDER_EVENTS - 1);
}

/* contract: orders.limits */
static void an_order_has_so_many_waiting(void **state)
{
	(void)state;
	give_company();
	stage_reach(stage, FIRST_MS);
	for (unsigned i = 1; i <= LIMIT_ORDER_HELD; i++)
		send_payment(i);
	stage_run(stage);
	assert_int_equal(over_limit(), 0);
	send_payment(LIMIT_ORDER_HELD + 1);
	stage_run(stage);
	assert_int_equal(over_limit(), 1);
	stage_crash(stage);
	send_order();
	send_payment(LIMIT_ORDER_HELD + 1); /* it left no id and there is room now */
	stage_run(stage);
	assert_int_equal(over_limit(), 1);
	expect_collected(LIMIT_ORDER_HELD + 1);
}

/* The raw bytes of what waits are cut at a character, whatever the message was. */
/* contract: orders.raw */
static void a_waiting_event_can_be_large(void **state)
{
	struct buf reason;

	(void)state;
	buf_init(&reason, &texts);
	buf_put_lit(&reason, "\"reason\":\"late\",\"more\":\"");
	while (reason.len < LIMIT_HELD_BYTES)
		buf_put_lit(&reason, "\xe6\x8f\x90\xe6\x88\x90 ");
	buf_put_lit(&reason, "\"");
	give_company();
	stage_reach(stage, FIRST_MS);
	stage_append(
		stage, STR("o"),
		record_event(&texts, "order.cancelled", "o", "e1", FIRST_MS, buf_str(&reason)));
	stage_run(stage);
	stage_crash(stage);
	send_order();
	stage_run(stage);
	assert_int_equal(over_limit(), 0);
	expect_collected(0);
}

#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

static const struct CMUnitTest tests[] = {
	ON_STAGE(an_order_has_so_many_events),
	ON_STAGE(an_order_has_so_many_waiting),
	ON_STAGE(a_waiting_event_can_be_large),
};

TESTING_MAIN(tests)
