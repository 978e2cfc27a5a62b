/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assign, consume until the end, close. Opening a consumer costs a few ms and is
 * rare (a start, a new pin), so nothing is kept between two readings.
 */
#include "common/adapters/kafka_reference.h"

#include <stdlib.h>

#include "common/adapters/lane.h"
#include "common/adapters/system_clock.h"
#include "common/base/log.h"

#define BATCH_RECORDS 1000
#define BATCH_BYTES 1048576
#define POLL_MS 100
#define SILENCE_MS 10000 /* no record and no end for so long: the cluster is away */

struct read_job {
	struct job job;
	int64_t from;
	uint64_t ticket;
};

struct kafka_reference {
	const struct kafka_options *options;
	struct inbox *inbox;
	struct lane lane;
};

/* One reading under way. */
struct reading {
	struct kafka_reference *reader;
	struct kafka_client client;
	uint64_t ticket;
	int64_t next;
	struct happening *batch; /* being filled, or NULL */
	struct message *messages;
	unsigned count;
	size_t bytes;
};

static struct rc configure(const struct kafka_options *options, rd_kafka_conf_t *conf)
{
	static const struct kafka_property fixed[] = {
		{ "enable.auto.commit", "false" },       { "enable.auto.offset.store", "false" },
		{ "isolation.level", "read_committed" }, { "auto.offset.reset", "error" },
		{ "enable.partition.eof", "true" },      { "queued.max.messages.kbytes", "4096" },
		{ "fetch.queue.backoff.ms", "5" },       { "fetch.wait.max.ms", "20" },
	};

	/* Needed by rd_kafka_assign(), though nothing is ever committed or joined. */
	TRY(kafka_conf_put(conf, "group.id", options->group));
	TRY(kafka_conf_put_int(conf, "session.timeout.ms", options->session_timeout_ms));
	TRY(kafka_conf_put_properties(conf, options));
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		TRY(kafka_conf_put(conf, fixed[i].name, fixed[i].value));
	return OK;
}

static struct rc open_at(struct reading *r, int64_t from)
{
	const struct kafka_options *options = r->reader->options;
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t error;
	rd_kafka_conf_t *conf;
	struct rc rc;

	if (!options->reference_topic)
		return rc_fail(RC_BUG, "no reference topic is configured");
	TRY(kafka_conf_new(options, &conf));
	rc = configure(options, conf);
	if (!rc_ok(rc)) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	TRY(kafka_client_open(&r->client, RD_KAFKA_CONSUMER, conf));
	rd_kafka_poll_set_consumer(r->client.rk);
	list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, options->reference_topic, 0)->offset =
		from > 0 ? from : RD_KAFKA_OFFSET_BEGINNING;
	error = rd_kafka_assign(r->client.rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return kafka_fail(error, "reading the reference topic");
}

static void batch_open(struct reading *r)
{
	r->batch = happening_new(HAPPENED_REFERENCE, -1, r->ticket);
	r->messages = arena_alloc(&r->batch->memory, BATCH_RECORDS * sizeof(*r->messages));
	r->count = 0;
	r->bytes = 0;
}

static void batch_put(struct reading *r, bool at_end)
{
	if (!r->batch)
		batch_open(r);
	r->batch->reference.messages = r->messages;
	r->batch->reference.count = r->count;
	r->batch->reference.next = r->next;
	r->batch->reference.at_end = at_end;
	inbox_put(r->reader->inbox, r->batch);
	r->batch = NULL;
}

static void batch_add(struct reading *r, const rd_kafka_message_t *record)
{
	if (!r->batch)
		batch_open(r);
	r->messages[r->count++] = kafka_message_copy(record, &r->batch->memory);
	r->bytes += record->key_len + record->len;
	r->next = record->offset + 1;
	if (r->count == BATCH_RECORDS || r->bytes >= BATCH_BYTES)
		batch_put(r, false);
}

static struct rc read_to_end(struct reading *r)
{
	int64_t heard_ms = system_now_ms();

	while (!lane_stopping(&r->reader->lane)) {
		rd_kafka_message_t *record = rd_kafka_consumer_poll(r->client.rk, POLL_MS);
		rd_kafka_resp_err_t error;
		struct rc rc;

		if (!record) {
			if (system_now_ms() - heard_ms > SILENCE_MS)
				return rc_fail(RC_UNAVAILABLE,
				               "reading the reference topic: no answer");
			continue;
		}
		heard_ms = system_now_ms();
		error = record->err;
		if (error == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			r->next = record->offset;
			rd_kafka_message_destroy(record);
			batch_put(r, true);
			return OK;
		}
		if (!error)
			batch_add(r, record);
		rc = kafka_fail(error, rd_kafka_message_errstr(record));
		rd_kafka_message_destroy(record);
		if (error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
			rc.code = RC_REFUSED;
		TRY(rc);
	}
	return OK;
}

static void read_reference(struct kafka_reference *reader, const struct read_job *job)
{
	struct reading r = { .reader = reader, .ticket = job->ticket, .next = job->from };
	struct rc rc = open_at(&r, job->from);

	if (rc_ok(rc))
		rc = read_to_end(&r);
	happening_release(r.batch);
	if (!rc_ok(rc)) {
		struct happening *happening = happening_new(HAPPENED_REFERENCE, -1, job->ticket);

		happening->rc = rc;
		happening->words = arena_printf(&happening->memory, "%s", rc_text()).ptr;
		happening->reference.next = job->from;
		inbox_put(reader->inbox, happening);
	}
	kafka_client_close(&r.client);
}

static void serve(void *self, struct job *list)
{
	struct kafka_reference *reader = self;

	while (list) {
		struct read_job *job = (struct read_job *)(void *)list;

		list = list->next;
		if (!lane_stopping(&reader->lane))
			read_reference(reader, job);
		free(job);
	}
}

void kafka_reference_read(struct kafka_reference *reader, int64_t from, uint64_t ticket)
{
	struct read_job *job = job_new(sizeof(*job));

	job->from = from;
	job->ticket = ticket;
	lane_put(&reader->lane, &job->job, 0);
}

struct rc kafka_reference_new(const struct kafka_options *options, struct inbox *inbox,
                              struct kafka_reference **out)
{
	struct kafka_reference *reader = job_new(sizeof(*reader));
	struct rc rc;

	reader->options = options;
	reader->inbox = inbox;
	rc = lane_start(&reader->lane, "kafka-reference", serve, reader);
	if (!rc_ok(rc)) {
		free(reader);
		return rc;
	}
	*out = reader;
	return OK;
}

void kafka_reference_free(struct kafka_reference *reader)
{
	if (!reader)
		return;
	lane_stop(&reader->lane);
	free(reader);
}
