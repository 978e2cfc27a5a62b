/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the figures those of librdkafka's text: added up where they add up, the slowest
 * broker's where they do not, nothing where there is nothing?
 */
#include "common/adapters/kafka_statistics.h"

#include "tests/unit/testing.h"

static const char two_brokers[] =
	"{\"name\":\"rdkafka#consumer-1\",\"tx\":70,\"tx_bytes\":7000,\"rx_bytes\":90000,"
	"\"msg_cnt\":12,\"msg_size\":3456,\"brokers\":{"
	"\"a:9092/bootstrap\":{\"nodeid\":-1,\"source\":\"configured\",\"state\":\"UP\","
	"\"connects\":1,\"disconnects\":1,\"rtt\":{\"cnt\":1,\"p50\":900000,\"p99\":900000}},"
	"\"a:9092/1\":{\"nodeid\":1,\"source\":\"learned\",\"state\":\"UP\",\"outbuf_cnt\":2,"
	"\"waitresp_cnt\":3,\"txerrs\":1,\"rxerrs\":2,\"req_timeouts\":4,\"connects\":2,"
	"\"disconnects\":1,\"rtt\":{\"cnt\":9,\"p50\":300,\"p99\":9000},\"outbuf_latency\":{"
	"\"cnt\":9,\"p50\":20,"
	"\"p99\":40},\"throttle\":{\"max\":0}},"
	"\"b:9092/2\":{\"nodeid\":2,\"source\":\"learned\",\"state\":\"TRY_CONNECT\","
	"\"outbuf_cnt\":1,\"waitresp_cnt\":-1,\"connects\":5,\"rtt\":{\"cnt\":1,\"p50\":400,"
	"\"p99\":800},"
	"\"outbuf_latency\":{\"cnt\":0,\"p50\":10,\"p99\":60},\"throttle\":{\"max\":250}},"
	"\"GroupCoordinator\":{\"nodeid\":1,\"source\":\"logical\",\"state\":\"UP\","
	"\"connects\":1,\"rtt\":{\"cnt\":1,\"p50\":500000,\"p99\":500000}}},"
	"\"topics\":{\"orders\":{\"partitions\":{"
	"\"0\":{\"fetchq_cnt\":5,\"fetchq_size\":500},\"1\":{\"fetchq_cnt\":7,\"fetchq_size\":700},"
	"\"-1\":{\"fetchq_cnt\":0,\"fetchq_size\":0}}}},"
	"\"cgrp\":{\"rebalance_cnt\":3,\"rebalance_age\":1500,\"assignment_size\":2}}";

static void adds_up_or_takes_the_slowest(void **state)
{
	struct kafka_statistics s;

	(void)state;
	kafka_statistics_parse(str_from_c(two_brokers), &s);
	assert_true(s.known);
	assert_int_equal(s.rtt_us[KAFKA_P50], 400);
	assert_int_equal(s.rtt_us[KAFKA_P99], 9000);
	assert_int_equal(s.send_wait_us[KAFKA_P50], 20);
	assert_int_equal(s.send_wait_us[KAFKA_P99], 40);
	assert_int_equal(s.throttle_ms, 250);
	assert_int_equal(s.brokers_up, 1);
	assert_int_equal(s.requests_queued, 3);
	assert_int_equal(s.requests_in_flight, 3);
	assert_int_equal(s.requests, 70);
	assert_int_equal(s.sent_bytes, 7000);
	assert_int_equal(s.received_bytes, 90000);
	assert_int_equal(s.errors, 3);
	assert_int_equal(s.timeouts, 4);
	assert_int_equal(s.connects, 9);
	assert_int_equal(s.disconnects, 2);
	assert_int_equal(s.queued_records, 12);
	assert_int_equal(s.queued_bytes, 3456);
	assert_int_equal(s.fetched_records, 12);
	assert_int_equal(s.fetched_bytes, 1200);
	assert_int_equal(s.rebalances, 3);
	assert_int_equal(s.rebalance_age_ms, 1500);
	assert_int_equal(s.assigned_partitions, 2);
}

static void takes_any_text(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"7",
		"{\"brokers\":7}",
		"{\"brokers\":{\"a\":[]}}",
		"{\"tx\":\"7\",\"brokers\":{\"a\":{\"nodeid\":1,\"rtt\":3}},\"topics\":{\"t\":1}}",
		"{\"cgrp\":null,\"topics\":{\"t\":{\"partitions\":{\"0\":null}}}}"
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct kafka_statistics s;

		kafka_statistics_parse(str_from_c(texts[i]), &s);
		assert_int_equal(s.rtt_us[KAFKA_P99], -1);
		assert_int_equal(s.known, texts[i][0] == '{' && texts[i][1]);
		assert_int_equal(s.requests + s.brokers_up + s.connects, 0);
	}
	/* Any beginning of a good one, too. */
	for (size_t len = 0; len < sizeof(two_brokers) - 1; len++) {
		struct kafka_statistics s;

		kafka_statistics_parse(str_of(two_brokers, len), &s);
		assert_false(s.known);
	}
}

static void a_box_keeps_the_newest(void **state)
{
	struct kafka_statistics_box box = { .newest = { .known = true } };

	(void)state;
	kafka_statistics_box_init(&box);
	assert_false(kafka_statistics_get(&box).known);
	kafka_statistics_put(&box, STR("{\"tx\":1}"));
	kafka_statistics_put(&box, STR("{\"tx\":2}"));
	assert_int_equal(kafka_statistics_get(&box).requests, 2);
	kafka_statistics_forget(&box);
	assert_false(kafka_statistics_get(&box).known);
	kafka_statistics_box_release(&box);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(adds_up_or_takes_the_slowest),
	cmocka_unit_test(takes_any_text),
	cmocka_unit_test(a_box_keeps_the_newest),
};

TESTING_MAIN(tests)
