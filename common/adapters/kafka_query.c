/* SPDX-License-Identifier: Apache-2.0 */
/*
 * librdkafka's admin requests, made synchronous.
 *
 * rd_kafka_committed() is not used: where its tries run out while a transaction
 * is pending, it says neither an error nor an offset. The admin request gives the
 * partition's own error, so "no K" is only ever said when the broker says it.
 */
#include "common/adapters/kafka_query.h"

#include <stdio.h>
#include <string.h>

struct question {
	rd_kafka_AdminOptions_t *options;
	rd_kafka_queue_t *queue;
	rd_kafka_event_t *answer;
};

static void question_open(struct question *q, rd_kafka_t *rk, rd_kafka_admin_op_t op)
{
	char words[256];

	q->options = rd_kafka_AdminOptions_new(rk, op);
	q->queue = rd_kafka_queue_new(rk);
	q->answer = NULL;
	/* Only an out-of-range value is refused. */
	(void)rd_kafka_AdminOptions_set_request_timeout(q->options, QUERY_TIMEOUT_MS, words,
	                                                sizeof(words));
}

static struct rc question_wait(struct question *q, const char *what)
{
	rd_kafka_resp_err_t error;

	q->answer = rd_kafka_queue_poll(q->queue, QUERY_TIMEOUT_MS + 1000);
	if (!q->answer)
		return rc_fail(RC_UNAVAILABLE, "%s: the cluster did not answer", what);
	error = rd_kafka_event_error(q->answer);
	if (error)
		return rc_fail(RC_UNAVAILABLE, "%s: %s (%s)", what,
		               rd_kafka_event_error_string(q->answer), rd_kafka_err2name(error));
	return OK;
}

static void question_close(struct question *q)
{
	if (q->answer)
		rd_kafka_event_destroy(q->answer);
	rd_kafka_queue_destroy(q->queue);
	rd_kafka_AdminOptions_destroy(q->options);
}

static struct rc read_committed(const rd_kafka_event_t *answer, const char *topic,
                                int32_t partition, struct arena *arena, struct kafka_committed *out)
{
	const rd_kafka_group_result_t **groups;
	const rd_kafka_topic_partition_list_t *list;
	const rd_kafka_topic_partition_t *found = NULL;
	size_t count = 0;

	groups = rd_kafka_ListConsumerGroupOffsets_result_groups(answer, &count);
	if (count != 1)
		return rc_fail(RC_PROTOCOL, "committed offset: %zu groups in the answer", count);
	if (rd_kafka_group_result_error(groups[0]))
		return rc_fail(RC_UNAVAILABLE, "committed offset: %s",
		               rd_kafka_error_string(rd_kafka_group_result_error(groups[0])));
	list = rd_kafka_group_result_partitions(groups[0]);
	for (int i = 0; list && i < list->cnt; i++)
		if (list->elems[i].partition == partition &&
		    strcmp(list->elems[i].topic, topic) == 0)
			found = &list->elems[i];
	if (!found)
		return rc_fail(RC_PROTOCOL, "committed offset: partition %d is not in the answer",
		               (int)partition);
	if (found->err == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT) {
		out->unstable = true;
		return OK;
	}
	TRY(kafka_fail(found->err, "committed offset"));
	out->exists = found->offset >= 0;
	out->offset = found->offset;
	if (out->exists)
		out->metadata = arena_str(arena, str_of(found->metadata ? found->metadata : "",
		                                        found->metadata_size));
	return OK;
}

struct rc kafka_query_committed(rd_kafka_t *rk, const char *group, const char *topic,
                                int32_t partition, struct arena *arena, struct kafka_committed *out)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_ListConsumerGroupOffsets_t *ask;
	struct question q;
	struct rc rc;

	*out = (struct kafka_committed){ .exists = false };
	rd_kafka_topic_partition_list_add(list, topic, partition);
	ask = rd_kafka_ListConsumerGroupOffsets_new(group, list);
	rd_kafka_topic_partition_list_destroy(list);
	question_open(&q, rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
	rc = kafka_fail_error(rd_kafka_AdminOptions_set_require_stable_offsets(q.options, 1),
	                      "committed offset");
	if (rc_ok(rc)) {
		rd_kafka_ListConsumerGroupOffsets(rk, &ask, 1, q.options, q.queue);
		rc = question_wait(&q, "committed offset");
	}
	if (rc_ok(rc))
		rc = read_committed(q.answer, topic, partition, arena, out);
	question_close(&q);
	rd_kafka_ListConsumerGroupOffsets_destroy(ask);
	return rc;
}

static struct rc read_topic(const rd_kafka_event_t *answer, const char *topic,
                            struct kafka_topic *out)
{
	const rd_kafka_TopicDescription_t **topics;
	const rd_kafka_error_t *error;
	size_t count = 0, partitions = 0;

	topics = rd_kafka_DescribeTopics_result_topics(answer, &count);
	if (count != 1)
		return rc_fail(RC_PROTOCOL, "topic %s: %zu topics in the answer", topic, count);
	error = rd_kafka_TopicDescription_error(topics[0]);
	if (error && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return rc_fail(RC_NOT_FOUND, "topic %s does not exist", topic);
	if (error && rd_kafka_error_code(error))
		return rc_fail(RC_UNAVAILABLE, "topic %s: %s", topic, rd_kafka_error_string(error));
	rd_kafka_TopicDescription_partitions(topics[0], &partitions);
	out->partitions = (int32_t)partitions;
	snprintf(out->id, sizeof(out->id), "%s",
	         rd_kafka_Uuid_base64str(rd_kafka_TopicDescription_topic_id(topics[0])));
	return OK;
}

struct rc kafka_query_topic(rd_kafka_t *rk, const char *topic, struct kafka_topic *out)
{
	const char *names[1] = { topic };
	rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(names, 1);
	struct question q;
	struct rc rc;

	question_open(&q, rk, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
	rd_kafka_DescribeTopics(rk, topics, q.options, q.queue);
	rc = question_wait(&q, topic);
	if (rc_ok(rc))
		rc = read_topic(q.answer, topic, out);
	question_close(&q);
	rd_kafka_TopicCollection_destroy(topics);
	return rc;
}

static struct rc read_policy(const rd_kafka_event_t *answer, const char *topic, bool *out)
{
	const rd_kafka_ConfigResource_t **resources;
	const rd_kafka_ConfigEntry_t **entries;
	size_t count = 0;

	resources = rd_kafka_DescribeConfigs_result_resources(answer, &count);
	if (count != 1)
		return rc_fail(RC_PROTOCOL, "topic %s: %zu resources in the answer", topic, count);
	TRY(kafka_fail(rd_kafka_ConfigResource_error(resources[0]), topic));
	entries = rd_kafka_ConfigResource_configs(resources[0], &count);
	for (size_t i = 0; i < count; i++) {
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);

		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0) {
			*out = !value || strcmp(value, "delete") != 0;
			return OK;
		}
	}
	return rc_fail(RC_PROTOCOL, "topic %s: the answer has no cleanup.policy", topic);
}

struct rc kafka_query_compacted(rd_kafka_t *rk, const char *topic, bool *out)
{
	rd_kafka_ConfigResource_t *resource =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	struct question q;
	struct rc rc;

	question_open(&q, rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_DescribeConfigs(rk, &resource, 1, q.options, q.queue);
	rc = question_wait(&q, topic);
	if (rc_ok(rc))
		rc = read_policy(q.answer, topic, out);
	question_close(&q);
	rd_kafka_ConfigResource_destroy(resource);
	return rc;
}

bool kafka_query_answers(rd_kafka_t *rk)
{
	const struct rd_kafka_metadata *metadata;

	if (rd_kafka_metadata(rk, 0, NULL, &metadata, QUERY_TIMEOUT_MS))
		return false;
	rd_kafka_metadata_destroy(metadata);
	return true;
}
