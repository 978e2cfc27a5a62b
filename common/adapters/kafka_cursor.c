/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lane's jobs: read a shard's cursor, describe a topic. They have a client of
 * their own: on the consumer's connection each would wait for the fetch that is
 * pending there. It is of the consumer type with a group, though it never joins,
 * because librdkafka 2.14.2 follows a null pointer when a producer is told that the
 * group's coordinator has moved. What is known of the input topic is asked for again
 * when it is older than SHAPE_AGE_MS, so that all shards of one assignment share an
 * answer and each assignment has a fresh one.
 */
#include "common/adapters/kafka_cursor.h"

#include <stdlib.h>
#include <string.h>

#include "common/adapters/kafka_query.h"
#include "common/adapters/lane.h"
#include "common/adapters/system_clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/must.h"

#define SHAPE_AGE_MS 2000 /* of the input topic, for an assignment */
#define PARTITIONS_AGE_MS 60000
#define ASK_AGAIN_MS 500 /* for a topic that is not there */
#define UNSTABLE_AGAIN_MS 50
#define UNSTABLE_SAY_MS 5000
#define TOPICS_MOST 64

struct read_job {
	struct job job;
	char topic[TOPIC_NAME_BYTES]; /* describe this topic; "": read a cursor */
	int32_t partition;
	uint64_t ticket;
	int64_t since_ms, said_ms;
};

struct known_topic {
	char name[TOPIC_NAME_BYTES];
	int32_t partitions; /* -1: unknown */
	int64_t at_ms;
	bool asked;
};

struct kafka_cursor {
	const struct kafka_options *options;
	struct inbox *inbox;
	struct kafka_client client;
	struct lane lane;
	/* The input topic's shape; the lane's own. */
	struct kafka_topic input;
	bool compacted, shape_known;
	int64_t shape_ms;
	pthread_mutex_t lock; /* of the topics */
	struct known_topic topics[TOPICS_MOST];
	unsigned topic_count;
};

/* ---- topics ---- */

static struct known_topic *topic_find(struct kafka_cursor *r, const char *name)
{
	for (unsigned i = 0; i < r->topic_count; i++)
		if (strcmp(r->topics[i].name, name) == 0)
			return &r->topics[i];
	return NULL;
}

static void describe(struct kafka_cursor *r, const struct read_job *job)
{
	struct kafka_topic topic;
	struct rc rc = kafka_query_topic(r->client.rk, job->topic, &topic);
	struct known_topic *known;

	if (!rc_ok(rc))
		log_info("topic_unknown", LOG_TEXT("topic", job->topic),
		         LOG_TEXT("text", rc_text()), LOG_END);
	pthread_mutex_lock(&r->lock);
	known = topic_find(r, job->topic);
	if (known) {
		known->asked = false;
		known->at_ms = system_now_ms();
		if (rc_ok(rc))
			known->partitions = topic.partitions;
		else if (rc.code == RC_NOT_FOUND)
			known->partitions = -1;
	}
	pthread_mutex_unlock(&r->lock);
}

int32_t kafka_cursor_partitions(struct kafka_cursor *r, struct str topic)
{
	char name[TOPIC_NAME_BYTES];
	struct known_topic *known;
	struct read_job *job = NULL;
	int64_t now_ms = system_now_ms(), age_ms;
	int32_t partitions = -1;

	if (topic.len >= sizeof(name))
		return -1;
	memcpy(name, topic.ptr, topic.len);
	name[topic.len] = '\0';
	pthread_mutex_lock(&r->lock);
	known = topic_find(r, name);
	if (!known && r->topic_count < TOPICS_MOST) {
		known = &r->topics[r->topic_count++];
		*known = (struct known_topic){ .partitions = -1,
			                       .at_ms = now_ms - PARTITIONS_AGE_MS };
		memcpy(known->name, name, topic.len + 1);
	}
	if (known) {
		partitions = known->partitions;
		age_ms = partitions < 0 ? ASK_AGAIN_MS : PARTITIONS_AGE_MS;
		if (!known->asked && now_ms - known->at_ms >= age_ms) {
			known->asked = true;
			job = job_new(sizeof(*job));
			memcpy(job->topic, name, topic.len + 1);
		}
	}
	pthread_mutex_unlock(&r->lock);
	if (job)
		lane_put(&r->lane, &job->job, 0);
	return partitions;
}

/* ---- a shard's cursor ---- */

static struct rc refresh_shape(struct kafka_cursor *r)
{
	int64_t now_ms = system_now_ms();
	struct rc rc;

	if (r->shape_known && now_ms - r->shape_ms < SHAPE_AGE_MS)
		return OK;
	r->shape_known = false;
	TRY(kafka_query_topic(r->client.rk, r->options->topic, &r->input));
	rc = kafka_query_compacted(r->client.rk, r->options->topic, &r->compacted);
	if (!rc_ok(rc)) /* a broker may keep its configuration to itself */
		log_warn("cleanup_policy_unknown", LOG_TEXT("text", rc_text()), LOG_END);
	r->shape_known = true;
	r->shape_ms = now_ms;
	return OK;
}

/* Reads all of it; *again when a transaction is pending. */
static struct rc read_cursor(struct kafka_cursor *r, int32_t partition, struct arena *arena,
                             struct cursor *out, bool *again)
{
	struct kafka_committed committed;
	int64_t low, high;

	TRY(refresh_shape(r));
	TRY(kafka_query_committed(r->client.rk, r->options->group, r->options->topic, partition,
	                          arena, &committed));
	*again = committed.unstable;
	if (committed.unstable)
		return OK;
	TRY(kafka_fail(rd_kafka_query_watermark_offsets(r->client.rk, r->options->topic, partition,
	                                                &low, &high, QUERY_TIMEOUT_MS),
	               "ends of the log"));
	*out = (struct cursor){
		.exists = committed.exists,
		.output_cursor = committed.exists ? committed.offset : 0,
		.metadata = committed.metadata,
		.log_start = low,
		.log_end = high,
		.topic_id = arena_str(arena, str_from_c(r->input.id)),
		.partitions = r->input.partitions,
		.compacted = r->compacted,
	};
	return OK;
}

/* True: the job was put back. */
static bool ask_later(struct kafka_cursor *r, struct read_job *job)
{
	int64_t now_ms = system_now_ms();

	if (now_ms - job->said_ms >= UNSTABLE_SAY_MS) {
		job->said_ms = now_ms;
		log_info("cursor_waits_for_transaction", LOG_INT("partition", job->partition),
		         LOG_INT("waited_ms", now_ms - job->since_ms), LOG_END);
	}
	lane_put(&r->lane, &job->job, UNSTABLE_AGAIN_MS);
	return true;
}

static bool serve_cursor(struct kafka_cursor *r, struct read_job *job)
{
	struct happening *happening = happening_new(HAPPENED_CURSOR, job->partition, job->ticket);
	bool again = false;

	happening->rc =
		read_cursor(r, job->partition, &happening->memory, &happening->cursor, &again);
	if (rc_ok(happening->rc) && again) {
		happening_release(happening);
		return ask_later(r, job);
	}
	if (FAIL_POINT_ERROR("A1"))
		happening->rc = rc_fail(RC_TRY_AGAIN, "the answer was lost by a fail-point");
	if (!rc_ok(happening->rc))
		happening->words = arena_printf(&happening->memory, "%s", rc_text()).ptr;
	inbox_put(r->inbox, happening);
	return false;
}

static void serve(void *self, struct job *list)
{
	struct kafka_cursor *r = self;

	kafka_client_serve(&r->client);
	while (list) {
		struct read_job *job = (struct read_job *)(void *)list;
		bool kept = false;

		list = list->next;
		if (!lane_stopping(&r->lane) && job->topic[0])
			describe(r, job);
		else if (!lane_stopping(&r->lane))
			kept = serve_cursor(r, job);
		if (!kept)
			free(job);
	}
}

void kafka_cursor_read(struct kafka_cursor *r, int32_t partition, uint64_t ticket)
{
	struct read_job *job = job_new(sizeof(*job));

	job->partition = partition;
	job->ticket = ticket;
	job->since_ms = job->said_ms = system_now_ms();
	lane_put(&r->lane, &job->job, 0);
}

/* ---- boot and end ---- */

static struct rc open_client(struct kafka_cursor *r)
{
	rd_kafka_conf_t *conf;
	struct rc rc;

	TRY(kafka_conf_new(r->options, &conf));
	kafka_conf_ignore_errors(conf);
	rc = kafka_conf_put(conf, "group.id", r->options->group);
	if (rc_ok(rc)) /* has to fit max.poll.interval.ms, though neither is in use here */
		rc = kafka_conf_put_int(conf, "session.timeout.ms", r->options->session_timeout_ms);
	if (rc_ok(rc))
		rc = kafka_conf_put_properties(conf, r->options);
	if (!rc_ok(rc)) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	return kafka_client_open(&r->client, RD_KAFKA_CONSUMER, conf);
}

struct rc kafka_cursor_new(const struct kafka_options *options, struct inbox *inbox,
                           struct kafka_cursor **out)
{
	struct kafka_cursor *r = job_new(sizeof(*r));
	struct rc rc;

	r->options = options;
	r->inbox = inbox;
	must(pthread_mutex_init(&r->lock, NULL) == 0);
	rc = open_client(r);
	if (rc_ok(rc))
		rc = lane_start(&r->lane, "kafka-cursor", serve, r);
	if (!rc_ok(rc)) {
		kafka_cursor_free(r);
		return rc;
	}
	*out = r;
	return OK;
}

void kafka_cursor_free(struct kafka_cursor *r)
{
	if (!r)
		return;
	lane_stop(&r->lane);
	kafka_client_close(&r->client);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
