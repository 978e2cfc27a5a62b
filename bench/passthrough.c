/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pass-through limit: what this machine can do at most with the client and the broker alone.
 * Consumes the whole backlog of a topic in one process and produces the same keys and values to
 * another, exactly once: each batch's messages and its consumer offsets in one transaction, with
 * no work between. Messages are not copied: the producer takes the bytes where the consumer left
 * them, and they are given back after the commit. Ends when every partition was at its end.
 *
 * Prints one line: events, seconds (from the first to the last commit's end), events/s, CPU s and
 * peak KB of this process.
 */
#include "bench/client.h"

#define BATCH_MAX 20000
#define BATCH_WAIT_MS 20

static const char usage[] = "usage: passthrough --brokers HOST:PORT --from TOPIC --to TOPIC "
			    "[--batch N] [-X name=value]...\n";

struct relay {
	const char *brokers, *from, *to;
	int64_t batch;
	rd_kafka_t *consumer, *producer;
	rd_kafka_queue_t *queue;
	rd_kafka_topic_t *to_topic;
	int64_t next[CLIENT_PARTITIONS_MAX]; /* offset to commit, 0: nothing read */
	bool ended[CLIENT_PARTITIONS_MAX];
	int32_t partitions;
	int64_t events, started_us;
};

static int64_t undelivered;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void)rk;
	(void)opaque;
	if (message->err)
		undelivered++;
}

static void open_consumer(struct relay *relay, rd_kafka_conf_t *conf)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	char group[64];

	snprintf(group, sizeof(group), "passthrough-%lld", (long long)clock_us(CLOCK_REALTIME));
	conf_set(conf, "group.id", group);
	conf_set(conf, "bootstrap.servers", relay->brokers);
	conf_set(conf, "enable.auto.commit", "false");
	conf_set(conf, "auto.offset.reset", "earliest");
	conf_set(conf, "isolation.level", "read_committed");
	conf_set(conf, "partition.assignment.strategy", "cooperative-sticky");
	conf_set(conf, "check.crcs", "false");
	conf_set(conf, "enable.partition.eof", "true");
	/* Without these the consumer starves (ENVIRONMENT, measured). */
	conf_set(conf, "fetch.queue.backoff.ms", "5");
	conf_set(conf, "queued.max.messages.kbytes", "65536");
	conf_set(conf, "queued.min.messages", "50000");
	relay->consumer = client_new(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(relay->consumer);
	relay->queue = rd_kafka_queue_get_consumer(relay->consumer);
	rd_kafka_topic_partition_list_add(topics, relay->from, RD_KAFKA_PARTITION_UA);
	must_not_err("subscribe", rd_kafka_subscribe(relay->consumer, topics));
	rd_kafka_topic_partition_list_destroy(topics);
}

/* With as many partitions as the source has; one that is there already is taken as it is. */
static void create_topic(struct relay *relay)
{
	char why[512];
	rd_kafka_NewTopic_t *topic =
		rd_kafka_NewTopic_new(relay->to, relay->partitions, 1, why, sizeof(why));
	rd_kafka_queue_t *queue = rd_kafka_queue_new(relay->producer);
	const rd_kafka_topic_result_t **results;
	rd_kafka_event_t *answer;
	size_t count;

	if (!topic)
		die("topic %s: %s", relay->to, why);
	rd_kafka_CreateTopics(relay->producer, &topic, 1, NULL, queue);
	answer = rd_kafka_queue_poll(queue, CLIENT_WAIT_MS);
	if (!answer || rd_kafka_event_error(answer))
		die("topic %s was not created: %s", relay->to,
		    answer ? rd_kafka_event_error_string(answer) : "no answer");
	results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer),
	                                              &count);
	if (rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		must_not_err(relay->to, rd_kafka_topic_result_error(results[0]));
	rd_kafka_event_destroy(answer);
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewTopic_destroy(topic);
}

static void open_producer(struct relay *relay, rd_kafka_conf_t *conf)
{
	char name[64];

	snprintf(name, sizeof(name), "passthrough-%lld", (long long)clock_us(CLOCK_REALTIME));
	conf_set(conf, "bootstrap.servers", relay->brokers);
	conf_set(conf, "transactional.id", name);
	conf_set(conf, "partitioner", "murmur2_random");
	conf_set(conf, "linger.ms", "5");
	conf_set(conf, "queue.buffering.max.messages", "1000000");
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	relay->producer = client_new(RD_KAFKA_PRODUCER, conf);
	relay->partitions = partition_count(relay->producer, relay->from);
	create_topic(relay);
	must_not_fail("init_transactions",
	              rd_kafka_init_transactions(relay->producer, CLIENT_WAIT_MS));
	relay->to_topic = rd_kafka_topic_new(relay->producer, relay->to, NULL);
}

static void send_offsets(struct relay *relay)
{
	rd_kafka_topic_partition_list_t *offsets =
		rd_kafka_topic_partition_list_new(relay->partitions);
	rd_kafka_consumer_group_metadata_t *group =
		rd_kafka_consumer_group_metadata(relay->consumer);

	for (int32_t p = 0; p < relay->partitions; p++)
		if (relay->next[p] > 0)
			rd_kafka_topic_partition_list_add(offsets, relay->from, p)->offset =
				relay->next[p];
	must_not_fail("send_offsets", rd_kafka_send_offsets_to_transaction(relay->producer, offsets,
	                                                                   group, CLIENT_WAIT_MS));
	rd_kafka_consumer_group_metadata_destroy(group);
	rd_kafka_topic_partition_list_destroy(offsets);
}

static void pass_on(struct relay *relay, const rd_kafka_message_t *m)
{
	while (rd_kafka_produce(relay->to_topic, RD_KAFKA_PARTITION_UA, 0, m->payload, m->len,
	                        m->key, m->key_len, NULL) < 0) {
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
		rd_kafka_poll(relay->producer, 10);
	}
	relay->next[m->partition] = m->offset + 1;
	relay->events++;
}

static void relay_batch(struct relay *relay, rd_kafka_message_t **messages, ssize_t count)
{
	must_not_fail("begin", rd_kafka_begin_transaction(relay->producer));
	for (ssize_t i = 0; i < count; i++) {
		const rd_kafka_message_t *m = messages[i];

		if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			relay->ended[m->partition] = true;
		else if (m->err)
			die("consume: %s", rd_kafka_message_errstr(m));
		else
			pass_on(relay, m);
	}
	must_not_err("flush", rd_kafka_flush(relay->producer, CLIENT_WAIT_MS));
	send_offsets(relay);
	must_not_fail("commit", rd_kafka_commit_transaction(relay->producer, CLIENT_WAIT_MS));
	if (undelivered)
		die("%lld messages were not delivered", (long long)undelivered);
	for (ssize_t i = 0; i < count; i++)
		rd_kafka_message_destroy(messages[i]);
}

static bool at_end(const struct relay *relay)
{
	for (int32_t p = 0; p < relay->partitions; p++)
		if (!relay->ended[p])
			return false;
	return true;
}

static void parse(struct relay *relay, rd_kafka_conf_t *conf, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--brokers") == 0)
			relay->brokers = option_value(argc, argv, &i);
		else if (strcmp(argv[i], "--from") == 0)
			relay->from = option_value(argc, argv, &i);
		else if (strcmp(argv[i], "--to") == 0)
			relay->to = option_value(argc, argv, &i);
		else if (strcmp(argv[i], "--batch") == 0)
			relay->batch = option_number(argc, argv, &i);
		else if (strcmp(argv[i], "-X") == 0)
			conf_set_pair(conf, option_value(argc, argv, &i));
		else
			die("passthrough: %s is not understood\n%s", argv[i], usage);
	}
	if (!relay->brokers || !relay->from || !relay->to || relay->batch < 1)
		die("%s", usage);
}

int main(int argc, char **argv)
{
	static struct relay relay = { .batch = BATCH_MAX };
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_message_t **messages;
	double seconds;

	parse(&relay, conf, argc, argv);
	open_producer(&relay, rd_kafka_conf_new());
	open_consumer(&relay, conf);
	messages = calloc((size_t)relay.batch, sizeof(messages[0]));
	if (!messages)
		die("no memory");
	while (!at_end(&relay)) {
		ssize_t count = rd_kafka_consume_batch_queue(relay.queue, BATCH_WAIT_MS, messages,
		                                             (size_t)relay.batch);

		if (count > 0 && relay.started_us == 0)
			relay.started_us = clock_us(CLOCK_MONOTONIC);
		if (count > 0)
			relay_batch(&relay, messages, count);
	}
	seconds = (double)(clock_us(CLOCK_MONOTONIC) - relay.started_us) / 1e6;
	printf("passed %lld events in %.3f s, %.0f events/s, cpu %.3f s, peak %lld KB\n",
	       (long long)relay.events, seconds, (double)relay.events / seconds,
	       (double)cpu_us() / 1e6, (long long)peak_kb());
	fflush(stdout);
	rd_kafka_consumer_close(relay.consumer);
	return 0;
}
