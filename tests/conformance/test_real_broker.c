/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's conformance suite over a real Apache Kafka (TALLY_TEST_BROKERS).
 * Each test has topics and a group of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/adapters/kafka_broker.h"
#include "common/adapters/kafka_cluster.h"
#include "common/adapters/kafka_producer.h"
#include "tests/conformance/suite_broker.h"

#define SKIPPED 77
#define NAME_BYTES 64
#define MESSAGES_MOST 1000

struct rig_kafka {
	const char *brokers;
	struct kafka_options options; /* of processes and tools alike */
	char input[NAME_BYTES], output[NAME_BYTES], reference[NAME_BYTES], group[NAME_BYTES];
	unsigned tests;
	struct kafka_cluster *cluster;
	struct kafka_producer producer;
	struct kafka_broker *processes[2];
};

static void make_topic(struct rig_kafka *r, const char *name, int32_t partitions)
{
	static const struct kafka_property configs[] = {
		{ "message.timestamp.type", "LogAppendTime" },
	};
	struct topic_plan plan = { .name = name,
		                   .partitions = partitions,
		                   .replicas = 1,
		                   .configs = configs,
		                   .config_count = 1 };
	struct rc rc = kafka_cluster_create_topic(r->cluster, &plan);

	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
}

static void open_outside(struct rig_kafka *r)
{
	rd_kafka_conf_t *conf;
	struct rc rc = kafka_cluster_new(&r->options, &r->cluster);

	assert_true(rc_ok(rc));
	rc = kafka_conf_new(&r->options, &conf);
	assert_true(rc_ok(rc));
	rc = kafka_producer_open(&r->producer, conf);
	assert_true(rc_ok(rc));
}

static void begin(struct broker_rig *rig)
{
	struct rig_kafka *r = rig->self;
	unsigned n = ++r->tests;

	snprintf(r->input, NAME_BYTES, "conf-%d-%u-in", (int)getpid(), n);
	snprintf(r->output, NAME_BYTES, "conf-%d-%u-out", (int)getpid(), n);
	snprintf(r->reference, NAME_BYTES, "conf-%d-%u-reference", (int)getpid(), n);
	snprintf(r->group, NAME_BYTES, "conf-%d-%u", (int)getpid(), n);
	kafka_options_default(&r->options);
	r->options.brokers = r->brokers;
	r->options.group = r->group;
	r->options.worker = "conformance";
	r->options.topic = r->input;
	r->options.reference_topic = r->reference;
	r->options.client_id = "conformance";
	rig->input = str_from_c(r->input);
	rig->output = str_from_c(r->output);
	rig->reference = str_from_c(r->reference);
	open_outside(r);
	make_topic(r, r->input, CONFORMANCE_INPUT_PARTITIONS);
	make_topic(r, r->output, CONFORMANCE_OUTPUT_PARTITIONS);
	make_topic(r, r->reference, 1);
	for (unsigned i = 0; i < 2; i++)
		rig->inbox[i] = inbox_new();
}

static void end(struct broker_rig *rig)
{
	struct rig_kafka *r = rig->self;

	for (unsigned i = 0; i < 2; i++) {
		kafka_broker_free(r->processes[i]);
		r->processes[i] = NULL;
		inbox_free(rig->inbox[i]);
	}
	kafka_producer_close(&r->producer);
	kafka_cluster_free(r->cluster);
}

static void open_process(struct broker_rig *rig, unsigned process)
{
	struct rig_kafka *r = rig->self;
	struct rc rc = kafka_broker_new(&r->options, rig->inbox[process], &rig->port[process],
	                                &r->processes[process]);

	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
}

static void leave(struct broker_rig *rig, unsigned process)
{
	struct rig_kafka *r = rig->self;

	kafka_broker_leave(r->processes[process]);
}

static bool has_left(struct broker_rig *rig, unsigned process)
{
	struct rig_kafka *r = rig->self;

	return kafka_broker_has_left(r->processes[process]);
}

static void pass(struct broker_rig *rig)
{
	const struct timespec moment = { .tv_nsec = 5000000 };

	(void)rig;
	nanosleep(&moment, NULL);
}

static void append(struct broker_rig *rig, struct str topic, int32_t partition, struct str key,
                   struct str value, const struct header *headers, unsigned header_count)
{
	struct rig_kafka *r = rig->self;
	struct outgoing record = { .topic = topic,
		                   .partition = partition,
		                   .key = key,
		                   .value = value,
		                   .headers = headers,
		                   .header_count = header_count };
	struct rc rc = kafka_producer_send(&r->producer, &record, NULL, 10000);

	assert_true(rc_ok(rc));
	assert_int_equal(rd_kafka_flush(r->producer.client.rk, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void commit_cursor(struct broker_rig *rig, int32_t partition, int64_t offset,
                          struct str metadata)
{
	struct rig_kafka *r = rig->self;
	struct committed cursors[CONFORMANCE_INPUT_PARTITIONS] = { { .exists = false } };
	struct rc rc;

	cursors[partition] = (struct committed){ true, offset, metadata };
	rc = kafka_cluster_commit(r->cluster, r->group, r->input, CONFORMANCE_INPUT_PARTITIONS,
	                          cursors);
	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
}

struct gathering {
	struct arena *memory;
	struct message *messages;
	unsigned count;
};

static struct message copy_of(const struct message *from, struct arena *memory)
{
	struct message m = *from;
	struct header *headers = arena_alloc(memory, m.header_count * sizeof(*headers));

	for (unsigned i = 0; i < m.header_count; i++)
		headers[i] = (struct header){ arena_str(memory, from->headers[i].name),
			                      arena_str(memory, from->headers[i].value) };
	m.key = arena_str(memory, from->key);
	m.value = arena_str(memory, from->value);
	m.headers = headers;
	return m;
}

static void gather(void *self, const struct message *message)
{
	struct gathering *g = self;

	assert_true(g->count < MESSAGES_MOST);
	g->messages[g->count++] = copy_of(message, g->memory);
}

static unsigned read_all(struct broker_rig *rig, struct str topic, int32_t partition,
                         struct arena *memory, const struct message **out)
{
	struct rig_kafka *r = rig->self;
	struct gathering g = { .memory = memory };
	int64_t next;
	struct rc rc;

	g.messages = arena_alloc(memory, MESSAGES_MOST * sizeof(*g.messages));
	rc = kafka_cluster_read(r->cluster, arena_printf(memory, "%.*s", STR_ARG(topic)).ptr,
	                        partition, 0, gather, &g, &next);
	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
	*out = g.messages;
	return g.count;
}

int main(void)
{
	static struct rig_kafka r;
	struct broker_rig rig = {
		.self = &r,
		.begin = begin,
		.end = end,
		.open = open_process,
		.leave = leave,
		.has_left = has_left,
		.pass = pass,
		.passes = 6000,
		.append = append,
		.commit_cursor = commit_cursor,
		.read = read_all,
	};

	r.brokers = getenv("TALLY_TEST_BROKERS");
	if (!r.brokers) {
		puts("TALLY_TEST_BROKERS is not set");
		return SKIPPED;
	}
	return suite_broker(&rig) ? 1 : 0;
}
