/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assigned partitions, what was fetched of them, and the group protocol.
 *
 * Facts of librdkafka 2.14.2 this stands on (read in its source, checked on a real
 * broker): a rebalance event may be answered much later; incremental_assign() at
 * OFFSET_END fetches nothing that matters; seek bumps the partition's version at
 * once, so that the queue never returns a record from before it; forwarding that
 * was turned off by the application stays off; after auto.offset.reset=error the
 * fetcher is stopped for good and only a new assignment starts it.
 */
#include "common/adapters/kafka_input.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/limits.h"
#include "common/base/log.h"
#include "common/base/must.h"

#define FETCH_AHEAD 1024 /* records moved out of librdkafka's queue in one call */
#define HANDFULS_KEPT 4  /* containers of taken records that are kept for reuse */
#define HANDFUL_FIRST_BYTES 4096

/* How far the group's wish to have a partition back has come. */
enum parting { PARTING_NO, PARTING_ASKED, PARTING_ANSWERED };

struct partition {
	int32_t number;
	bool assigned, started;
	bool broken; /* the fetcher gave up: only a new assignment starts it again */
	enum parting parting;
	bool lost; /* told so */
	rd_kafka_queue_t *queue;
	int64_t floor; /* where it was started: nothing below is handed out */
	rd_kafka_message_t *ahead[FETCH_AHEAD]; /* out of the queue, not handed out */
	unsigned ahead_from, ahead_count;
	bool at_end;
	int64_t next; /* nothing below it remains to be taken; -1: not known yet */
};

/* What stands behind a struct taken. */
struct handful {
	struct handful *next;
	rd_kafka_message_t **records;
	struct message *messages;
	unsigned count, room;
	struct arena headers;
};

struct kafka_input {
	struct kafka_client client;
	const struct kafka_options *options;
	struct inbox *inbox;
	int wake_fd;
	rd_kafka_queue_t *group_queue;   /* rebalances and errors */
	rd_kafka_queue_t *leaving_queue; /* the same while leaving */
	struct partition **partitions;   /* by number; NULL where never seen */
	int32_t partition_room;
	bool parting; /* a revoke is to be answered */
	bool leaving, closing;
	struct handful *spare;
	unsigned spare_count;
};

static const uint64_t wake_word = 1;

/* ---- boot ---- */

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
		{ "fetch.min.bytes", "1" },
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
	TRY(kafka_conf_put_int(conf, "heartbeat.interval.ms", options->session_timeout_ms / 5));
	TRY(kafka_conf_put_int(conf, "fetch.wait.max.ms", options->fetch_wait_ms));
	TRY(kafka_conf_put_int(conf, "queued.max.messages.kbytes",
	                       options->partition_queue_kbytes));
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
	struct kafka_input *input = memset(memory_resize(NULL, sizeof(*input)), 0, sizeof(*input));
	rd_kafka_conf_t *conf;
	struct rc rc;

	input->options = options;
	input->inbox = inbox;
	input->wake_fd = wake_fd;
	rc = kafka_conf_new(options, &conf);
	if (rc_ok(rc)) {
		rc = configure(options, conf);
		if (!rc_ok(rc))
			rd_kafka_conf_destroy(conf);
	}
	if (rc_ok(rc)) {
		rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR);
		rc = kafka_client_open(&input->client, RD_KAFKA_CONSUMER, conf);
	}
	if (!rc_ok(rc)) {
		free(input);
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

/* ---- partitions ---- */

static struct partition *find(const struct kafka_input *input, int32_t number)
{
	if (number < 0 || number >= input->partition_room)
		return NULL;
	return input->partitions[number];
}

static struct partition *find_or_add(struct kafka_input *input, int32_t number)
{
	struct partition *p;

	must(number >= 0);
	if (number >= input->partition_room) {
		int32_t room = number + 8;

		input->partitions =
			memory_resize(input->partitions, (size_t)room * sizeof(struct partition *));
		for (int32_t i = input->partition_room; i < room; i++)
			input->partitions[i] = NULL;
		input->partition_room = room;
	}
	p = input->partitions[number];
	if (!p) {
		p = memset(memory_resize(NULL, sizeof(*p)), 0, sizeof(*p));
		p->number = number;
		input->partitions[number] = p;
	}
	return p;
}

static void drop_ahead(struct partition *p)
{
	for (unsigned i = 0; i < p->ahead_count; i++)
		rd_kafka_message_destroy(p->ahead[p->ahead_from + i]);
	p->ahead_from = p->ahead_count = 0;
}

static void stop_taking(struct partition *p)
{
	drop_ahead(p);
	p->started = false;
	p->at_end = false;
	p->next = -1;
}

/* Before the assignment, so that nothing of it ever comes to the group's queue. */
static void open_queue(struct kafka_input *input, struct partition *p)
{
	must(!p->queue);
	p->queue = rd_kafka_queue_get_partition(input->client.rk, input->options->topic, p->number);
	must(p->queue);
	rd_kafka_queue_forward(p->queue, NULL);
	rd_kafka_queue_io_event_enable(p->queue, input->wake_fd, &wake_word, sizeof(wake_word));
}

static void close_queue(struct partition *p)
{
	if (!p->queue)
		return;
	rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(p->queue);
	p->queue = NULL;
}

static void put_happening(struct kafka_input *input, enum happening_kind kind, int32_t number)
{
	inbox_put(input->inbox, happening_new(kind, number, 0));
}

static void put_trouble(struct kafka_input *input, int32_t number, enum rc_code code,
                        struct str words)
{
	struct happening *happening = happening_new(HAPPENED_TROUBLE, number, 0);

	happening->rc.code = code;
	happening->words = arena_printf(&happening->memory, "%.*s", STR_ARG(words)).ptr;
	inbox_put(input->inbox, happening);
}

/* ---- the group protocol ---- */

static void list_add(rd_kafka_topic_partition_list_t *list, const struct kafka_input *input,
                     int32_t number, int64_t offset)
{
	rd_kafka_topic_partition_list_add(list, input->options->topic, number)->offset = offset;
}

static void log_error_object(rd_kafka_error_t *error, const char *what)
{
	if (!error)
		return;
	log_warn("kafka_rebalance_failed", LOG_TEXT("step", what),
	         LOG_TEXT("text", rd_kafka_error_string(error)), LOG_END);
	rd_kafka_error_destroy(error);
}

static void incremental_unassign(struct kafka_input *input,
                                 const rd_kafka_topic_partition_list_t *list)
{
	log_error_object(rd_kafka_incremental_unassign(input->client.rk, list), "unassign");
}

/* At the end and unread: it costs nothing until kafka_input_start() names the offset. */
static void on_assign(struct kafka_input *input, const rd_kafka_topic_partition_list_t *given)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(given->cnt);

	for (int i = 0; i < given->cnt; i++) {
		struct partition *p = find_or_add(input, given->elems[i].partition);

		must(!p->assigned);
		open_queue(input, p);
		p->assigned = true;
		p->broken = p->lost = false;
		p->parting = PARTING_NO;
		list_add(list, input, p->number, RD_KAFKA_OFFSET_END);
	}
	log_error_object(rd_kafka_incremental_assign(input->client.rk, list), "assign");
	rd_kafka_topic_partition_list_destroy(list);
	for (int i = 0; i < given->cnt; i++)
		put_happening(input, HAPPENED_ASSIGNED, given->elems[i].partition);
}

static void ask_back(struct kafka_input *input, struct partition *p, bool lost)
{
	if (!p->assigned || (p->parting != PARTING_NO && (p->lost || !lost)))
		return;
	stop_taking(p);
	if (p->parting == PARTING_NO)
		p->parting = PARTING_ASKED;
	p->lost = lost;
	if (p->parting == PARTING_ASKED)
		put_happening(input, lost ? HAPPENED_LOST : HAPPENED_REVOKED, p->number);
}

/* Answers the group once every partition that it asked for was let go. */
static void answer_when_done(struct kafka_input *input)
{
	rd_kafka_topic_partition_list_t *list;

	if (!input->parting)
		return;
	for (int32_t i = 0; i < input->partition_room; i++)
		if (input->partitions[i] && input->partitions[i]->parting == PARTING_ASKED)
			return;
	list = rd_kafka_topic_partition_list_new(input->partition_room);
	for (int32_t i = 0; i < input->partition_room; i++) {
		struct partition *p = input->partitions[i];

		if (!p || p->parting != PARTING_ANSWERED)
			continue;
		list_add(list, input, i, RD_KAFKA_OFFSET_INVALID);
		close_queue(p);
		p->assigned = false;
		p->parting = PARTING_NO;
	}
	input->parting = false;
	incremental_unassign(input, list);
	rd_kafka_topic_partition_list_destroy(list);
}

/* While leaving librdkafka takes any answer as one for all partitions, so all are asked for. */
static void ask_all_back(struct kafka_input *input, bool lost)
{
	input->parting = true;
	for (int32_t i = 0; i < input->partition_room; i++)
		if (input->partitions[i])
			ask_back(input, input->partitions[i], lost);
	answer_when_done(input);
}

static void on_revoke(struct kafka_input *input, const rd_kafka_topic_partition_list_t *wanted)
{
	bool lost = rd_kafka_assignment_lost(input->client.rk) != 0;

	if (input->leaving) {
		ask_all_back(input, lost);
		return;
	}
	input->parting = true;
	for (int i = 0; i < wanted->cnt; i++) {
		struct partition *p = find(input, wanted->elems[i].partition);

		if (p)
			ask_back(input, p, lost);
	}
	answer_when_done(input);
}

static void on_rebalance(struct kafka_input *input, rd_kafka_event_t *event)
{
	const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
	bool assign = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

	log_info("rebalance", LOG_TEXT("what", assign ? "assign" : "revoke"),
	         LOG_INT("partitions", list->cnt), LOG_END);
	if (!assign)
		on_revoke(input, list);
	else if (input->leaving)
		ask_all_back(input, false);
	else
		on_assign(input, list);
}

static void on_error(struct kafka_input *input, rd_kafka_event_t *event)
{
	rd_kafka_resp_err_t error = rd_kafka_event_error(event);
	const char *words = rd_kafka_event_error_string(event);

	/* What is tried again by itself is only logged. */
	if (error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
	    error == RD_KAFKA_RESP_ERR__RESOLVE || error == RD_KAFKA_RESP_ERR__TIMED_OUT) {
		log_debug("kafka_connection", LOG_TEXT("text", words), LOG_END);
		return;
	}
	log_warn("kafka_consumer_error", LOG_TEXT("code", rd_kafka_err2name(error)),
	         LOG_TEXT("text", words), LOG_END);
	put_trouble(input, -1, error == RD_KAFKA_RESP_ERR__FATAL ? RC_BUG : RC_UNAVAILABLE,
	            str_from_c(words));
}

static void serve(struct kafka_input *input, rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event;

	while (queue && (event = rd_kafka_queue_poll(queue, 0))) {
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
			on_rebalance(input, event);
		else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
			on_error(input, event);
		rd_kafka_event_destroy(event);
	}
}

/* An answer that is still due goes first: librdkafka would take it as one for all partitions. */
static void begin_closing(struct kafka_input *input)
{
	rd_kafka_error_t *error;

	if (!input->leaving || input->closing || input->parting)
		return;
	input->closing = true;
	input->leaving_queue = rd_kafka_queue_new(input->client.rk);
	rd_kafka_queue_io_event_enable(input->leaving_queue, input->wake_fd, &wake_word,
	                               sizeof(wake_word));
	error = rd_kafka_consumer_close_queue(input->client.rk, input->leaving_queue);
	log_error_object(error, "leave");
}

void kafka_input_poll(struct kafka_input *input)
{
	uint64_t count;

	/* First the fd, then the queues: what comes in between wakes us again. */
	if (read(input->wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	serve(input, input->group_queue);
	serve(input, input->leaving_queue);
	/* The session can end while a revoke waits for its answer; no further event tells. */
	if (input->parting && rd_kafka_assignment_lost(input->client.rk))
		for (int32_t i = 0; i < input->partition_room; i++)
			if (input->partitions[i] && input->partitions[i]->parting == PARTING_ASKED)
				ask_back(input, input->partitions[i], true);
	begin_closing(input);
}

void kafka_input_unassign(struct kafka_input *input, int32_t number)
{
	struct partition *p = find(input, number);

	if (!p || p->parting != PARTING_ASKED)
		return;
	p->parting = PARTING_ANSWERED;
	answer_when_done(input);
	begin_closing(input);
}

void kafka_input_leave(struct kafka_input *input)
{
	input->leaving = true;
	begin_closing(input);
}

bool kafka_input_has_left(const struct kafka_input *input)
{
	return input->closing && rd_kafka_consumer_closed(input->client.rk) != 0;
}

/* ---- records ---- */

/* The fetcher gave up, so a seek would be refused: take the partition out and in again. */
static void assign_again(struct kafka_input *input, struct partition *p, int64_t offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	close_queue(p);
	list_add(list, input, p->number, offset);
	incremental_unassign(input, list);
	open_queue(input, p);
	log_error_object(rd_kafka_incremental_assign(input->client.rk, list), "assign again");
	rd_kafka_topic_partition_list_destroy(list);
	p->broken = false;
}

void kafka_input_start(struct kafka_input *input, int32_t number, int64_t offset)
{
	struct partition *p = find(input, number);
	rd_kafka_topic_partition_list_t *list;

	if (!p || !p->assigned || p->parting != PARTING_NO)
		return;
	stop_taking(p);
	p->floor = offset;
	p->started = true;
	if (p->broken) {
		assign_again(input, p, offset);
		return;
	}
	list = rd_kafka_topic_partition_list_new(1);
	list_add(list, input, number, offset);
	/* With no timeout it only sends the order; from here on the queue returns nothing older. */
	log_error_object(rd_kafka_seek_partitions(input->client.rk, list, 0), "seek");
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
		put_trouble(input, p->number, RC_REFUSED, words);
		return;
	}
	put_trouble(input, p->number, RC_UNAVAILABLE, words);
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
		if (!record->err && record->offset >= p->floor)
			return record;
		if (record->err)
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
		handful = memset(memory_resize(NULL, sizeof(*handful)), 0, sizeof(*handful));
		arena_init(&handful->headers, HANDFUL_FIRST_BYTES);
	}
	handful->next = NULL;
	handful->count = 0;
	if (handful->room < room) {
		handful->records =
			memory_resize(handful->records, room * sizeof(*handful->records));
		handful->messages =
			memory_resize(handful->messages, room * sizeof(*handful->messages));
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
	p->next = record->offset + 1;
	handful->records[handful->count] = record;
	handful->messages[handful->count] = kafka_message_borrow(record, &handful->headers);
	handful->count++;
}

void kafka_input_take(struct kafka_input *input, int32_t number, int64_t until, unsigned max,
                      size_t max_bytes, struct taken *out)
{
	struct partition *p = find(input, number);
	struct handful *handful = NULL;
	rd_kafka_message_t *record;
	size_t bytes = 0;

	*out = (struct taken){ .next_offset = -1 };
	if (!p || !p->started)
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
		close_queue(input->partitions[i]);
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
	while ((handful = input->spare)) {
		input->spare = handful->next;
		handful_free(handful);
	}
	free(input);
}
