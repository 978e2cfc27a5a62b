/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does what waited in vain reach the DLQ so that a redrive heals it: whole, with its
 * envelope where that was in headers, through a crash in between, or with a word of
 * what is cut?
 */
#include "common/base/limits.h"
#include "common/base/log.h"
#include "common/base/timestamp.h"
#include "services/workers.h"
#include "tests/cases/stage.h"
#include "tests/unit/testing.h"

#define FIRST_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define WAITED_MS (31 * MS_PER_DAY)

static struct stage *stage;
static struct arena texts;

static int open_stage(void **state)
{
	(void)state;
	log_configure(LOG_ERROR, LOG_LOGFMT, STR("orders"));
	arena_init(&texts, 65536);
	stage = stage_new(&orders_worker, false);
	stage_append_reference(stage, STR("company"),
	                       STR("{\"specversion\":\"1.0\",\"id\":\"r\",\"source\":\"/t\","
	                           "\"type\":\"company.defined\",\"data\":{\"company_id\":\"all\","
	                           "\"timezone\":\"UTC\",\"currency\":\"CNY\"}}"));
	stage_publish(stage);
	stage_reach(stage, FIRST_MS);
	return 0;
}

static int close_stage(void **state)
{
	(void)state;
	stage_free(stage);
	arena_release(&texts);
	return 0;
}

/* It waits, the process dies, and the order never comes. */
static const struct message *wait_in_vain(struct str value, const struct header *headers,
                                          unsigned count)
{
	const struct message *refused;
	int64_t offset = 0;

	stage_append_whole(stage, STR("o"), value, headers, count);
	stage_run(stage);
	stage_crash(stage);
	assert_null(stage_read(stage, STR("orders.dlq"), &offset));
	stage_reach(stage, FIRST_MS + WAITED_MS);
	stage_run(stage);
	refused = stage_read(stage, STR("orders.dlq"), &offset);
	assert_non_null(refused);
	assert_null(stage_read(stage, STR("orders.dlq"), &offset));
	assert_str(message_header(refused, STR("tw-reason"))->value, "order_missing");
	return refused;
}

static const struct header binary[] = {
	{ STR_INIT("ce_specversion"), STR_INIT("1.0") },
	{ STR_INIT("ce_id"), STR_INIT("e1") },
	{ STR_INIT("ce_source"), STR_INIT("/t") },
	{ STR_INIT("ce_type"), STR_INIT("payment.collected") },
	{ STR_INIT("ce_time"), STR_INIT("2026-01-01T08:00:00+08:00") },
	{ STR_INIT("trace"), { NULL, 0 } }, /* a null header */
};
#define CREATED                                                                                  \
	"{\"specversion\":\"1.0\",\"id\":\"c\",\"source\":\"/t\",\"type\":\"order.created\","    \
	"\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"order_id\":\"o\",\"channel_id\":\"web\"," \
	"\"amount\":400,\"currency\":\"CNY\"}}"
#define PAYMENT "{\"order_id\":\"o\",\"payment_id\":\"p\",\"amount\":400,\"currency\":\"CNY\"}"

static void a_binary_event_keeps_its_envelope(void **state)
{
	const struct message *refused =
		wait_in_vain(STR(PAYMENT), binary, sizeof(binary) / sizeof(binary[0]));
	int64_t offset = 1;
	struct str document;

	(void)state;
	assert_str(refused->value, PAYMENT);
	assert_str(refused->key, "o");
	for (size_t i = 0; i < sizeof(binary) / sizeof(binary[0]); i++) {
		const struct header *header = message_header(refused, binary[i].name);

		assert_non_null(header);
		assert_true((header->value.ptr == NULL) == (binary[i].value.ptr == NULL));
		assert_true(str_eq(header->value, binary[i].value));
	}
	assert_str(message_header(refused, STR("tw-path"))->value, "/data/order_id");
	assert_null(message_header(refused, STR("tw-cut")));
	assert_null(message_header(refused, STR("tw-cut-headers")));
	/* The timer's record decided, the event's own place is told. */
	assert_str(message_header(refused, STR("__dlq.errors.offset"))->value, "1");
	assert_non_null(message_header(refused, STR("tw-at")));
	/* A redrive is taken: it left no id behind. */
	stage_append(stage, STR("o"), STR(CREATED));
	stage_append_whole(stage, refused->key, refused->value, refused->headers,
	                   refused->header_count);
	stage_run(stage);
	assert_null(stage_read(stage, STR("orders.dlq"), &offset));
	document = memory_keys_find(stage_keys(stage), STR("order:o"))->value;
	assert_non_null(memmem(document.ptr, document.len, "\"collected\":400",
	                       strlen("\"collected\":400")));
}

#define REFUND                                                                                   \
	"{\"specversion\":\"1.0\",\"id\":\"r\",\"source\":\"/t\",\"type\":\"payment.refunded\"," \
	"\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"order_id\":\"o\",\"payment_id\":\"p\","   \
	"\"refund_id\":\"r\",\"amount\":400,\"currency\":\"CNY\"}}"

/* The order is there: what is missing is the refund's payment. */
static void a_refund_in_vain_names_its_payment(void **state)
{
	const struct message *refused;

	(void)state;
	stage_append(stage, STR("o"), STR(CREATED));
	refused = wait_in_vain(STR(REFUND), NULL, 0);
	assert_str(refused->value, REFUND);
	assert_str(message_header(refused, STR("tw-path"))->value, "/data/payment_id");
}

static void what_does_not_fit_is_told(void **state)
{
	struct header headers[LIMIT_HELD_HEADERS + 2];
	struct buf value;
	const struct message *refused;
	char bytes[20];

	(void)state;
	buf_init(&value, &texts);
	buf_put_lit(&value,
	            "{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"/t\",\"type\":"
	            "\"payment.collected\",\"time\":\"2026-01-01T00:00:00Z\",\"data\":" PAYMENT
	            ",\"more\":\"");
	while (value.len <= LIMIT_HELD_BYTES)
		buf_put_lit(&value, "0123456789abcdef");
	buf_put_lit(&value, "\"}");
	for (unsigned i = 0; i < COUNT_OF(headers); i++)
		headers[i] = (struct header){ STR("h"), STR("v") };
	headers[3].value = STR("\xff"); /* a document holds text only */
	refused = wait_in_vain(buf_str(&value), headers, COUNT_OF(headers));
	assert_int_equal(refused->value.len, LIMIT_HELD_BYTES);
	assert_true(str_eq(message_header(refused, STR("tw-cut"))->value,
	                   str_of(bytes, i64_to_text((int64_t)value.len, bytes))));
	assert_str(message_header(refused, STR("tw-cut-headers"))->value, "2");
}

#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

static const struct CMUnitTest tests[] = {
	ON_STAGE(a_binary_event_keeps_its_envelope),
	ON_STAGE(a_refund_in_vain_names_its_payment),
	ON_STAGE(what_does_not_fit_is_told),
};

TESTING_MAIN(tests)
