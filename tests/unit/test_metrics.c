/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is what is served valid for Prometheus, and right for a known snapshot?
 */
#include "common/host/metrics.h"

#include "services/workers.h"
#include "tests/unit/testing.h"

static struct snapshot *example(void)
{
	struct snapshot *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->wall_ms = 1000500;
	s->started_wall_ms = 7250;
	s->group.ok = s->producer.ok = true;
	s->stats.records = 12;
	s->stats.rejected[REASON_OVER_PAYMENT] = 3;
	s->stats.flush.count = 3;
	s->stats.flush.sum_ms = 1234;
	s->stats.flush.buckets[0] = 1;
	s->stats.flush.buckets[DURATION_BUCKETS - 1] = 2;
	s->consumer_client = (struct kafka_statistics){ .known = true,
		                                        .rtt_us = { 300, 1200345 },
		                                        .sent_bytes = 77,
		                                        .rebalance_age_ms = 1500 };
	s->shard_count = 2;
	s->shards[0].clear_ms = 1250;
	s->shards[1].clear_ms = -1;
	s->shards[0].status = (struct shard_status){ .partition = 4,
		                                     .state = SHARD_RUNNING,
		                                     .log_end = 100,
		                                     .input_cursor = 90,
		                                     .output_cursor = 95,
		                                     .broker_ms = 1000000,
		                                     .watermark_ms = INT64_MIN,
		                                     .reference_pin = 7 };
	s->shards[1].status = (struct shard_status){ .partition = 5,
		                                     .state = SHARD_REFUSED,
		                                     .log_end = -1,
		                                     .input_cursor = -1,
		                                     .output_cursor = -1,
		                                     .watermark_ms = 2500,
		                                     .reference_pin = -1 };
	return s;
}

static void render(struct buf *out)
{
	struct snapshot *s = example();

	buf_init(out, NULL);
	metrics_render(s, &orders_worker, out);
	free(s);
}

static bool has_line(const struct buf *out, const char *line)
{
	struct str rest = buf_str(out);

	while (rest.ptr)
		if (str_eq_c(str_split(&rest, '\n'), line))
			return true;
	return false;
}

static void renders_a_known_snapshot(void **state)
{
	static const char *const lines[] = {
		"# TYPE tallyworks_records_total counter",
		"tallyworks_records_total{worker=\"orders\"} 12",
		"tallyworks_start_time_seconds{worker=\"orders\"} 7.250",
		"tallyworks_link_state{worker=\"orders\",link=\"redis\"} 0",
		"tallyworks_events_rejected_total{worker=\"orders\",reason=\"over_payment\"} 3",
		"tallyworks_events_rejected_total{worker=\"orders\",reason=\"poison\"} 0",
		"tallyworks_flush_duration_seconds_bucket{worker=\"orders\",le=\"0.001\"} 1",
		"tallyworks_flush_duration_seconds_bucket{worker=\"orders\",le=\"0.01\"} 1",
		"tallyworks_flush_duration_seconds_bucket{worker=\"orders\",le=\"10\"} 1",
		"tallyworks_flush_duration_seconds_bucket{worker=\"orders\",le=\"+Inf\"} 3",
		"tallyworks_flush_duration_seconds_sum{worker=\"orders\"} 1.234",
		"tallyworks_flush_duration_seconds_count{worker=\"orders\"} 3",
		"tallyworks_shards{worker=\"orders\",state=\"running\"} 1",
		"tallyworks_shards{worker=\"orders\",state=\"refused\"} 1",
		"tallyworks_shards{worker=\"orders\",state=\"paused\"} 0",
		"tallyworks_shard_info{worker=\"orders\",partition=\"4\",state=\"running\"} 1",
		"tallyworks_lag_records{worker=\"orders\",partition=\"4\"} 10",
		"tallyworks_output_lag_records{worker=\"orders\",partition=\"4\"} 5",
		"tallyworks_lag_seconds{worker=\"orders\",partition=\"4\"} 0.500",
		"tallyworks_watermark_seconds{worker=\"orders\",partition=\"5\"} 2.500",
		"tallyworks_reference_pin_offset{worker=\"orders\",partition=\"5\"} -1",
		"tallyworks_lag_clear_seconds{worker=\"orders\",partition=\"4\"} 1.250",
		"tallyworks_kafka_rtt_seconds{worker=\"orders\",client=\"consumer\",quantile=\"0."
		"5\"} "
		"0.000300",
		"tallyworks_kafka_rtt_seconds{worker=\"orders\",client=\"consumer\",quantile=\"0."
		"99\"} "
		"1.200345",
		"tallyworks_kafka_sent_bytes_total{worker=\"orders\",client=\"consumer\"} 77",
		"tallyworks_kafka_rebalance_age_seconds{worker=\"orders\"} 1.500",
	};
	struct buf out;

	(void)state;
	render(&out);
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (!has_line(&out, lines[i]))
			fail_msg("no line %s", lines[i]);
	/* What is not known is left out, not told as a number. */
	buf_put_char(&out, '\0');
	assert_null(strstr(out.ptr, "tallyworks_lag_records{worker=\"orders\",partition=\"5\""));
	assert_null(
		strstr(out.ptr, "tallyworks_watermark_seconds{worker=\"orders\",partition=\"4\""));
	assert_null(
		strstr(out.ptr, "tallyworks_lag_clear_seconds{worker=\"orders\",partition=\"5\""));
	assert_null(strstr(out.ptr, "client=\"producer\""));
	assert_null(strstr(out.ptr, "tallyworks_kafka_queued_records{"));
	buf_release(&out);
}

/* name{labels} value: the grammar of the text format, as far as we use it. */
static bool is_sample(struct str line)
{
	size_t brace = str_find(line, '{'), close = str_find(line, '}');
	struct str value = str_from(line, close + 2);
	size_t dot = str_find(value, '.');
	int64_t number;

	if (!str_starts(line, STR("tallyworks_")) || brace >= close || close + 2 >= line.len ||
	    line.ptr[close + 1] != ' ')
		return false;
	if (!str_to_i64(str_of(value.ptr, dot), &number))
		return false;
	return dot == value.len || str_to_i64(str_from(value, dot + 1), &number);
}

static void every_line_is_well_formed(void **state)
{
	struct str rest, family = str_of(NULL, 0);
	struct buf out;

	(void)state;
	render(&out);
	rest = buf_str(&out);
	assert_true(str_ends(rest, STR("\n")));
	while (rest.len) {
		struct str line = str_split(&rest, '\n');

		if (str_starts(line, STR("# HELP "))) {
			struct str words = str_from(line, 7);

			family = str_split(&words, ' ');
			assert_true(words.len > 0);
		} else if (str_starts(line, STR("# TYPE "))) {
			struct str words = str_from(line, 7), name = str_split(&words, ' ');

			assert_str_eq(name, family);
			assert_true(!str_eq_c(words, "counter") || str_ends(name, STR("_total")));
		} else if (!is_sample(line) || !str_starts(line, family)) {
			fail_msg("%.*s", STR_ARG(line));
		}
	}
	buf_release(&out);
}

static void workers_have_ports_of_their_own(void **state)
{
	(void)state;
	for (int i = 0; workers[i]; i++)
		assert_int_equal(metrics_default_port(workers[i]), METRICS_FIRST_PORT + i);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(renders_a_known_snapshot),
	cmocka_unit_test(every_line_is_well_formed),
	cmocka_unit_test(workers_have_ports_of_their_own),
};

TESTING_MAIN(tests)
