/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assigned partitions and what was fetched of them; who holds them is kafka_group.c's.
 *
 * Facts of librdkafka 2.14.2 this stands on (read in its source, checked on a real
 * broker): a rebalance event may be answered much later; incremental_assign() at
 * OFFSET_END fetches nothing that matters; seek bumps the partition's version at
 * once, so that the queue never returns a record from before it; forwarding that
 * was turned off by the application stays off; after auto.offset.reset=error the
 * fetcher is stopped for good and only a new assignment starts it; any change of the
 * assignment is taken for the answer to the rebalance event that is open.
 */
#include "common/adapters/kafka_input.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/adapters/kafka_group.h"
#include "common/adapters/kafka_input_internal.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define HANDFULS_KEPT 4 /* containers of taken records that are kept for reuse */
#define HANDFUL_FIRST_BYTES 4096
#define HEARTBEAT_MS_MOST 1000

/* What stands behind a struct taken. */
struct handful {
	struct handful *next;
	rd_kafka_message_t **records;
	struct message *messages;
	unsigned count, room;
	struct arena headers;
};

static const uint64_t wake_word = 1;

/* ---- boot ---- */

/* A heartbeat's answer says that the group changes: so long a drained shard waits for its next. */
static int64_t heartbeat_ms(const struct kafka_options *options)
{
	int64_t fifth = options->session_timeout_ms / 5;

	return fifth < HEARTBEAT_MS_MOST ? fifth : HEARTBEAT_MS_MOST;
}

static struct rc configure(const struct kafka_options *options, rd_kafka_conf_t *conf)
{
	static const struct kafka_property fixed[] = {
		{ "partition.assignment.strategy", "cooperative-sticky" },
		{ "enable.auto.commit", "false" },
		{ "enable.auto.offset.store", "false" },
		{ "isolation.level", "read_committed" },
		{ "auto.offset.reset", "error" },
		{ "enable.partition.eof", "true" },
		{ "fetch.queue.backoff.ms", "5" },
		{ "queued.min.messages", "50000" },
		{ "check.crcs", "false" },
		{ "max.poll.interval.ms", "60000" },
		/* Fetched ahead beyond the queue's limit: one response a partition, decompressed. */
		{ "fetch.message.max.bytes", "524288" },
		{ "fetch.max.bytes", "8388608" },
	};

	TRY(kafka_conf_put(conf, "group.id", options->group));
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		TRY(kafka_conf_put(conf, fixed[i].name, fixed[i].value));
	TRY(kafka_conf_put_int(conf, "session.timeout.ms", options->session_timeout_ms));
	TRY(kafka_conf_put_int(conf, "heartbeat.interval.ms", heartbeat_ms(options)));
	TRY(kafka_conf_put_int(conf, "fetch.wait.max.ms", options->fetch_wait_ms));
	TRY(kafka_conf_put_int(conf, "fetch.min.bytes", options->fetch_least_bytes));
	TRY(kafka_conf_put_int(conf, "queued.max.messages.kbytes",
	                       options->partition_queue_kbytes));
	TRY(kafka_conf_put_int(conf, "statistics.interval.ms", options->statistics_ms));
	return kafka_conf_put_properties(conf, options);
}

static struct rc subscribe(struct kafka_input *input)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t error;

	rd_kafka_topic_partition_list_add(topics, input->options->topic, RD_KAFKA_PARTITION_UA);
	error = rd_kafka_subscribe(input->client.rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	return kafka_fail(error, "subscribing to the input topic");
}

struct rc kafka_input_new(const struct kafka_options *options, struct inbox *inbox, int wake_fd,
                          struct kafka_input **out)
{
	struct kafka_input *input = memory_new(sizeof(*input));
	rd_kafka_conf_t *conf;
	struct rc rc;

	input->options = options;
	input->inbox = inbox;
	input->wake_fd = wake_fd;
	must(pthread_mutex_init(&input->lock, NULL) == 0);
	kafka_statistics_box_init(&input->statistics);
	rc = kafka_conf_new(options, &conf);
	if (rc_ok(rc)) {
		rc = configure(options, conf);
		if (!rc_ok(rc))
			rd_kafka_conf_destroy(conf);
	}
	if (rc_ok(rc)) {
		rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR |
		                                       RD_KAFKA_EVENT_STATS);
		rc = kafka_client_open(&input->client, RD_KAFKA_CONSUMER, conf);
	}
	if (!rc_ok(rc)) {
		kafka_input_free(input);
		return rc;
	}
	rd_kafka_poll_set_consumer(input->client.rk);
	input->group_queue = rd_kafka_queue_get_consumer(input->client.rk);
	rd_kafka_queue_io_event_enable(input->group_queue, wake_fd, &wake_word, sizeof(wake_word));
	rc = subscribe(input);
	if (!rc_ok(rc)) {
		kafka_input_free(input);
		return rc;
	}
	*out = input;
	return OK;
}

rd_kafka_t *kafka_input_client(const struct kafka_input *input)
{
	return input->client.rk;
}

struct kafka_statistics kafka_input_statistics(struct kafka_input *input)
{
	return kafka_statistics_get(&input->statistics);
}

/* ---- partitions ---- */

struct partition *kafka_input_find(const struct kafka_input *input, int32_t number)
{
	if (number < 0 || number >= input->partition_room)
		return NULL;
	return input->partitions[number];
}

struct partition *kafka_input_find_or_add(struct kafka_input *input, int32_t number)
{
	struct partition *p;

	must(number >= 0);
	pthread_mutex_lock(&input->lock);
	if (number >= input->partition_room) {
		int32_t room = number + 8;

		input->partitions =
			memory_resize(input->partitions, (size_t)room, sizeof(struct partition *));
		for (int32_t i = input->partition_room; i < room; i++)
			input->partitions[i] = NULL;
		input->partition_room = room;
	}
	p = input->partitions[number];
	if (!p) {
		p = memory_new(sizeof(*p));
		p->number = number;
		input->partitions[number] = p;
	}
	pthread_mutex_unlock(&input->lock);
	return p;
}

static void drop_ahead(struct partition *p)
{
	for (unsigned i = 0; i < p->ahead_count; i++)
		rd_kafka_message_destroy(p->ahead[p->ahead_from + i]);
	p->ahead_from = p->ahead_count = 0;
}

void kafka_input_stop(struct partition *p)
{
	drop_ahead(p);
	p->started = p->again = false;
	p->at_end = false;
	p->next = -1;
}

void kafka_input_open_queue(struct kafka_input *input, struct partition *p)
{
	must(!p->queue);
	p->queue = rd_kafka_queue_get_partition(input->client.rk, input->options->topic, p->number);
	must(p->queue);
	rd_kafka_queue_forward(p->queue, NULL);
	rd_kafka_queue_io_event_enable(p->queue, input->wake_fd, &wake_word, sizeof(wake_word));
}

void kafka_input_close_queue(struct partition *p)
{
	if (!p->queue)
		return;
	rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(p->queue);
	p->queue = NULL;
}

void kafka_input_trouble(struct kafka_input *input, int32_t number, enum rc_code code,
                         struct str words)
{
	struct happening *happening = happening_new(HAPPENED_TROUBLE, number, 0);

	happening->rc.code = code;
	happening->words = arena_printf(&happening->memory, "%.*s", STR_ARG(words)).ptr;
	inbox_put(input->inbox, happening);
}

rd_kafka_topic_partition_list_t *kafka_input_list(const struct kafka_input *input, int32_t number,
                                                  int64_t offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, input->options->topic, number)->offset = offset;
	return list;
}

void kafka_input_log_error(rd_kafka_error_t *error, const char *step)
{
	if (!error)
		return;
	log_warn("kafka_consumer_refused", LOG_TEXT("step", step),
	         LOG_TEXT("text", rd_kafka_error_string(error)), LOG_END);
	rd_kafka_error_destroy(error);
}

/* ---- the group ---- */

void kafka_input_wake(struct kafka_input *input)
{
	/* A full counter (EAGAIN) is readable already. */
	if (write(input->wake_fd, &wake_word, sizeof(wake_word)) < 0)
		return;
}

void kafka_input_poll(struct kafka_input *input)
{
	uint64_t count;

	/* First the fd, then the queues: what comes in between wakes us again. */
	if (read(input->wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	kafka_group_serve(input);
}

void kafka_input_unassign(struct kafka_input *input, int32_t number)
{
	kafka_group_unassign(input, number);
}

void kafka_input_leave(struct kafka_input *input)
{
	kafka_group_leave(input);
}

bool kafka_input_has_left(const struct kafka_input *input)
{
	return kafka_group_has_left(input);
}

/* ---- records ---- */

void kafka_input_assign_again(struct kafka_input *input, struct partition *p)
{
	p->again = true;
	kafka_input_wake(input);
}

void kafka_input_start(struct kafka_input *input, int32_t number, int64_t offset)
{
	struct partition *p = kafka_input_find(input, number);
	rd_kafka_topic_partition_list_t *list;

	if (!p || p->holding != HOLDING_YES)
		return;
	kafka_input_stop(p);
	p->floor = offset;
	p->started = true;
	if (p->broken) { /* a seek would be refused */
		kafka_input_assign_again(input, p);
		return;
	}
	list = kafka_input_list(input, number, offset);
	/* With no timeout it only sends the order; from here on the queue returns nothing older. */
	kafka_input_log_error(rd_kafka_seek_partitions(input->client.rk, list, 0), "seek");
	rd_kafka_topic_partition_list_destroy(list);
}

static void on_partition_error(struct kafka_input *input, struct partition *p,
                               const rd_kafka_message_t *record)
{
	struct str words = str_from_c(rd_kafka_message_errstr(record));

	if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		p->at_end = true;
		if (p->next < record->offset)
			p->next = record->offset;
		return;
	}
	log_warn("kafka_partition_error", LOG_INT("partition", p->number),
	         LOG_TEXT("code", rd_kafka_err2name(record->err)), LOG_STR("text", words), LOG_END);
	if (record->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
		p->broken = true;
		kafka_input_trouble(input, p->number, RC_REFUSED, words);
		return;
	}
	kafka_input_trouble(input, p->number, RC_UNAVAILABLE, words);
}

/* The seek came to nothing: it reads from before the floor, so it is sent there once more. */
static void come_back(struct kafka_input *input, struct partition *p)
{
	log_info("fetch_restarted", LOG_STR("topic", str_from_c(input->options->topic)),
	         LOG_INT("partition", p->number), LOG_INT("offset", p->floor), LOG_END);
	drop_ahead(p);
	p->at_end = false;
	p->next = -1;
	kafka_input_assign_again(input, p);
}

/* A record or an end. */
static bool is_below(const struct partition *p, const rd_kafka_message_t *record)
{
	return record->offset < p->floor &&
	       (!record->err || record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF);
}

/* The next record that may be handed out, or NULL; errors and ends on the way are dealt with. */
static rd_kafka_message_t *peek(struct kafka_input *input, struct partition *p, unsigned wanted)
{
	for (;;) {
		rd_kafka_message_t *record;

		if (p->ahead_count == 0) {
			ssize_t got = rd_kafka_consume_batch_queue(
				p->queue, 0, p->ahead, wanted < FETCH_AHEAD ? wanted : FETCH_AHEAD);

			p->ahead_from = 0;
			p->ahead_count = got > 0 ? (unsigned)got : 0;
			if (p->ahead_count == 0)
				return NULL;
		}
		record = p->ahead[p->ahead_from];
		if (is_below(p, record)) {
			come_back(input, p);
			return NULL;
		}
		if (!record->err)
			return record;
		on_partition_error(input, p, record);
		rd_kafka_message_destroy(record);
		p->ahead_from++;
		p->ahead_count--;
	}
}

static struct handful *handful_new(struct kafka_input *input, unsigned room)
{
	struct handful *handful = input->spare;

	if (handful) {
		input->spare = handful->next;
		input->spare_count--;
	} else {
		handful = memory_new(sizeof(*handful));
		arena_init(&handful->headers, HANDFUL_FIRST_BYTES);
	}
	handful->next = NULL;
	handful->count = 0;
	if (handful->room < room) {
		handful->records = memory_resize(handful->records, room, sizeof(*handful->records));
		handful->messages =
			memory_resize(handful->messages, room, sizeof(*handful->messages));
		handful->room = room;
	}
	return handful;
}

static void handful_free(struct handful *handful)
{
	arena_release(&handful->headers);
	free(handful->records);
	free(handful->messages);
	free(handful);
}

static void handful_add(struct handful *handful, struct partition *p)
{
	rd_kafka_message_t *record = p->ahead[p->ahead_from];

	p->ahead_from++;
	p->ahead_count--;
	p->at_end = false;
	p->next = p->floor = record->offset + 1;
	handful->records[handful->count] = record;
	handful->messages[handful->count] = kafka_message_borrow(record, &handful->headers);
	handful->count++;
}

void kafka_input_take(struct kafka_input *input, int32_t number, int64_t until, unsigned max,
                      size_t max_bytes, struct taken *out)
{
	struct partition *p = kafka_input_find(input, number);
	struct handful *handful = NULL;
	rd_kafka_message_t *record;
	size_t bytes = 0;

	*out = (struct taken){ .next_offset = -1 };
	if (!p || !p->started || p->again)
		return;
	while (out->count < max && (record = peek(input, p, max - out->count))) {
		/* A gap of control markers may lie before it. */
		p->next = record->offset;
		if (record->offset >= until)
			break;
		if (out->count > 0 && bytes + record->key_len + record->len > max_bytes)
			break;
		bytes += record->key_len + record->len;
		if (!handful)
			handful = handful_new(input, max);
		handful_add(handful, p);
		out->count = handful->count;
	}
	out->at_end = p->at_end && p->ahead_count == 0;
	out->next_offset = p->next;
	if (handful) {
		out->messages = handful->messages;
		out->adapter = handful;
	}
}

void kafka_input_give_back(struct kafka_input *input, struct taken *taken)
{
	struct handful *handful = taken->adapter;

	*taken = (struct taken){ .next_offset = -1 };
	if (!handful)
		return;
	for (unsigned i = 0; i < handful->count; i++)
		rd_kafka_message_destroy(handful->records[i]);
	arena_clear(&handful->headers);
	if (input->spare_count == HANDFULS_KEPT) {
		handful_free(handful);
		return;
	}
	handful->next = input->spare;
	input->spare = handful;
	input->spare_count++;
}

/* ---- the end ---- */

void kafka_input_free(struct kafka_input *input)
{
	struct handful *handful;

	for (int32_t i = 0; i < input->partition_room; i++) {
		if (!input->partitions[i])
			continue;
		drop_ahead(input->partitions[i]);
		kafka_input_close_queue(input->partitions[i]);
		free(input->partitions[i]);
	}
	free(input->partitions);
	if (input->group_queue) {
		rd_kafka_queue_io_event_enable(input->group_queue, -1, NULL, 0);
		rd_kafka_queue_destroy(input->group_queue);
	}
	if (input->leaving_queue) {
		rd_kafka_queue_io_event_enable(input->leaving_queue, -1, NULL, 0);
		rd_kafka_queue_destroy(input->leaving_queue);
	}
	kafka_client_close(&input->client);
	pthread_mutex_destroy(&input->lock);
	kafka_statistics_box_release(&input->statistics);
	while ((handful = input->spare)) {
		input->spare = handful->next;
		handful_free(handful);
	}
	free(input);
}
