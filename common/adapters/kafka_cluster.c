/* SPDX-License-Identifier: Apache-2.0 */
/*
 * librdkafka's admin API is asynchronous: each call puts its result on one queue
 * that is waited on at once. Reading uses the simple consumer, which joins no
 * group and leaves no trace in one.
 */
#include "common/adapters/kafka_cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/adapters/kafka_client.h"
#include "common/adapters/kafka_query.h"
#include "common/adapters/system_clock.h"
#include "common/base/memory.h"

#define ERROR_BYTES 512
#define REQUEST_TIMEOUT_MS (KAFKA_CLUSTER_TIMEOUT_MS / 2)
#define PAUSE_US 50000

struct kafka_cluster {
	const struct kafka_options *options;
	struct kafka_client client;
	rd_kafka_queue_t *queue;
};

/*
 * A consumer, since it also reads; with a group that it never joins, since in
 * librdkafka 2.14.2 a client without one falls over when a group's coordinator is
 * not there yet (its issue 5040).
 */
static struct rc configure(const struct kafka_options *options, rd_kafka_conf_t *conf)
{
	static const struct kafka_property fixed[] = {
		{ "group.id", "tallyctl" },
		{ "enable.auto.commit", "false" },
		{ "enable.auto.offset.store", "false" },
		{ "isolation.level", "read_committed" },
		{ "enable.partition.eof", "true" },
		{ "auto.offset.reset", "error" },
		/* The end of a log is told by an empty answer, for which the broker waits so long. */
		{ "fetch.wait.max.ms", "5" },
		{ "fetch.queue.backoff.ms", "5" },
		/* A look at single records fetches so much of the log each time. */
		{ "fetch.message.max.bytes", "262144" },
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		TRY(kafka_conf_put(conf, fixed[i].name, fixed[i].value));
	kafka_conf_ignore_errors(conf);
	return kafka_conf_put_properties(conf, options);
}

struct rc kafka_cluster_new(const struct kafka_options *options, struct kafka_cluster **out)
{
	struct kafka_cluster *cluster;
	rd_kafka_conf_t *conf;
	struct rc rc;

	TRY(kafka_conf_new(options, &conf));
	rc = configure(options, conf);
	if (!rc_ok(rc)) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	cluster = memory_new(sizeof(*cluster));
	cluster->options = options;
	rc = kafka_client_open(&cluster->client, RD_KAFKA_CONSUMER, conf);
	if (!rc_ok(rc)) {
		free(cluster);
		return rc;
	}
	cluster->queue = rd_kafka_queue_new(cluster->client.rk);
	*out = cluster;
	return OK;
}

void kafka_cluster_free(struct kafka_cluster *cluster)
{
	if (!cluster)
		return;
	rd_kafka_queue_destroy(cluster->queue);
	kafka_client_close(&cluster->client);
	free(cluster);
}

/* ---- one question, one answer ------------------------------------------ */

static struct rc admin_options(struct kafka_cluster *cluster, rd_kafka_admin_op_t op,
                               rd_kafka_AdminOptions_t **out)
{
	char words[ERROR_BYTES];

	*out = rd_kafka_AdminOptions_new(cluster->client.rk, op);
	if (rd_kafka_AdminOptions_set_request_timeout(*out, REQUEST_TIMEOUT_MS, words,
	                                              sizeof(words)) == RD_KAFKA_RESP_ERR_NO_ERROR)
		return OK;
	rd_kafka_AdminOptions_destroy(*out);
	return rc_fail(RC_BUG, "%s", words);
}

/* The answer, to be destroyed by the caller. */
static struct rc await(struct kafka_cluster *cluster, const char *what, rd_kafka_event_t **out)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(cluster->queue, KAFKA_CLUSTER_TIMEOUT_MS);
	struct rc rc;

	kafka_client_serve(&cluster->client);
	if (!event)
		return rc_fail(RC_UNAVAILABLE, "%s: no answer from %s within %d s", what,
		               cluster->options->brokers, KAFKA_CLUSTER_TIMEOUT_MS / 1000);
	if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		*out = event;
		return OK;
	}
	rc = rc_fail(RC_UNAVAILABLE, "%s: %s (%s; brokers %s)", what,
	             rd_kafka_event_error_string(event),
	             rd_kafka_err2name(rd_kafka_event_error(event)), cluster->options->brokers);
	rd_kafka_event_destroy(event);
	return rc;
}

/* ---- topics ------------------------------------------------------------ */

struct rc kafka_cluster_topic(struct kafka_cluster *cluster, const char *topic,
                              struct topic_state *out)
{
	struct kafka_topic found;
	struct rc rc = kafka_query_topic(cluster->client.rk, topic, &found);

	*out = (struct topic_state){ .exists = rc_ok(rc) };
	if (rc.code == RC_NOT_FOUND)
		return OK;
	TRY(rc_within(rc, "brokers %s", cluster->options->brokers));
	out->partitions = found.partitions;
	snprintf(out->id, sizeof(out->id), "%s", found.id);
	return OK;
}

static struct rc created(const rd_kafka_event_t *event, const char *topic)
{
	const rd_kafka_CreateTopics_result_t *result =
		rd_kafka_event_CreateTopics_result((rd_kafka_event_t *)(uintptr_t)event);
	const rd_kafka_topic_result_t **list;
	rd_kafka_resp_err_t error;
	size_t count;

	list = rd_kafka_CreateTopics_result_topics(result, &count);
	if (count != 1)
		return rc_fail(RC_PROTOCOL, "topic %s: the broker created %zu topics", topic,
		               count);
	error = rd_kafka_topic_result_error(list[0]);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return OK;
	return rc_fail(RC_REFUSED, "topic %s cannot be created: %s", topic,
	               rd_kafka_topic_result_error_string(list[0])
	                       ? rd_kafka_topic_result_error_string(list[0])
	                       : rd_kafka_err2str(error));
}

/* The brokers hear of a new topic's partitions a little later than the controller. */
static struct rc await_topic(struct kafka_cluster *cluster, const struct topic_plan *plan)
{
	int64_t until_ms = system_now_ms() + KAFKA_CLUSTER_TIMEOUT_MS;
	struct log_span *spans = memory_array((size_t)plan->partitions, sizeof(*spans));
	struct topic_state state = { .exists = false };
	struct rc rc = OK;
	bool led = false;

	while (rc_ok(rc) && !led) {
		rc = kafka_cluster_topic(cluster, plan->name, &state);
		led = rc_ok(rc) && state.exists &&
		      rc_ok(kafka_cluster_spans(cluster, plan->name, plan->partitions, spans));
		if (rc_ok(rc) && !led && system_now_ms() >= until_ms)
			rc = rc_fail(RC_UNAVAILABLE, "topic %s was created but has no leader yet",
			             plan->name);
		if (!led)
			usleep(PAUSE_US);
	}
	free(spans);
	return rc;
}

struct rc kafka_cluster_create_topic(struct kafka_cluster *cluster, const struct topic_plan *plan)
{
	char words[ERROR_BYTES];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(plan->name, plan->partitions,
	                                                   plan->replicas, words, sizeof(words));
	rd_kafka_AdminOptions_t *options;
	rd_kafka_event_t *event;
	struct rc rc;

	if (!topic)
		return rc_fail(RC_REFUSED, "topic %s cannot be created: %s", plan->name, words);
	for (unsigned i = 0; i < plan->config_count; i++)
		rd_kafka_NewTopic_set_config(topic, plan->configs[i].name, plan->configs[i].value);
	rc = admin_options(cluster, RD_KAFKA_ADMIN_OP_CREATETOPICS, &options);
	if (rc_ok(rc)) {
		rd_kafka_AdminOptions_set_operation_timeout(options, REQUEST_TIMEOUT_MS, words,
		                                            sizeof(words));
		rd_kafka_CreateTopics(cluster->client.rk, &topic, 1, options, cluster->queue);
		rd_kafka_AdminOptions_destroy(options);
		rc = await(cluster, "creating topics", &event);
	}
	rd_kafka_NewTopic_destroy(topic);
	TRY(rc);
	rc = created(event, plan->name);
	rd_kafka_event_destroy(event);
	TRY(rc);
	return await_topic(cluster, plan);
}

static struct rc configs_from(const rd_kafka_event_t *event, const char *topic,
                              const char *const *names, unsigned name_count, struct arena *arena,
                              struct str *values)
{
	const rd_kafka_DescribeConfigs_result_t *result =
		rd_kafka_event_DescribeConfigs_result((rd_kafka_event_t *)(uintptr_t)event);
	const rd_kafka_ConfigResource_t **resources;
	const rd_kafka_ConfigEntry_t **entries;
	size_t count;

	resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
	if (count != 1)
		return rc_fail(RC_PROTOCOL, "topic %s: no configuration in the broker's answer",
		               topic);
	if (rd_kafka_ConfigResource_error(resources[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return rc_fail(RC_UNAVAILABLE, "topic %s: its configuration cannot be read: %s",
		               topic, rd_kafka_ConfigResource_error_string(resources[0]));
	entries = rd_kafka_ConfigResource_configs(resources[0], &count);
	for (size_t i = 0; i < count; i++) {
		struct str name = str_from_c(rd_kafka_ConfigEntry_name(entries[i]));

		for (unsigned n = 0; n < name_count; n++)
			if (str_eq_c(name, names[n]))
				values[n] = arena_str(
					arena, str_from_c(rd_kafka_ConfigEntry_value(entries[i])));
	}
	return OK;
}

struct rc kafka_cluster_topic_configs(struct kafka_cluster *cluster, const char *topic,
                                      const char *const *names, unsigned count, struct arena *arena,
                                      struct str *values_out)
{
	rd_kafka_ConfigResource_t *resource =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	rd_kafka_AdminOptions_t *options;
	rd_kafka_event_t *event;
	struct rc rc = admin_options(cluster, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, &options);

	memset(values_out, 0, count * sizeof(*values_out));
	if (rc_ok(rc)) {
		rd_kafka_DescribeConfigs(cluster->client.rk, &resource, 1, options, cluster->queue);
		rd_kafka_AdminOptions_destroy(options);
		rc = await(cluster, "reading a topic's configuration", &event);
	}
	rd_kafka_ConfigResource_destroy(resource);
	TRY(rc);
	rc = configs_from(event, topic, names, count, arena, values_out);
	rd_kafka_event_destroy(event);
	return rc;
}

/* ---- ends of logs ------------------------------------------------------ */

/* The broker that was asked no longer leads the partition, or leads it anew. */
static bool is_led_elsewhere(rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH ||
	       error == RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH ||
	       error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
	       error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

/* RC_TRY_AGAIN: with the leaders of now, of which the client has not heard. */
static struct rc ends_from(const rd_kafka_event_t *event, const char *topic, int32_t partitions,
                           bool start, struct log_span *out)
{
	const rd_kafka_ListOffsets_result_t *result =
		rd_kafka_event_ListOffsets_result((rd_kafka_event_t *)(uintptr_t)event);
	const rd_kafka_ListOffsetsResultInfo_t **list;
	size_t count;

	list = rd_kafka_ListOffsets_result_infos(result, &count);
	for (size_t i = 0; i < count; i++) {
		const rd_kafka_topic_partition_t *one =
			rd_kafka_ListOffsetsResultInfo_topic_partition(list[i]);

		if (one->err != RD_KAFKA_RESP_ERR_NO_ERROR)
			return rc_fail(is_led_elsewhere(one->err) ? RC_TRY_AGAIN : RC_UNAVAILABLE,
			               "topic %s, partition %" PRId32 ": %s", topic, one->partition,
			               rd_kafka_err2str(one->err));
		if (one->partition < 0 || one->partition >= partitions)
			continue;
		if (start)
			out[one->partition].start = one->offset;
		else
			out[one->partition].end = one->offset;
	}
	if (count != (size_t)partitions)
		return rc_fail(RC_PROTOCOL,
		               "topic %s: the broker answered for %zu of %" PRId32 " partitions",
		               topic, count, partitions);
	return OK;
}

static struct rc list_ends(struct kafka_cluster *cluster, const char *topic, int32_t partitions,
                           bool start, struct log_span *out)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
	rd_kafka_AdminOptions_t *options;
	rd_kafka_event_t *event;
	struct rc rc = admin_options(cluster, RD_KAFKA_ADMIN_OP_LISTOFFSETS, &options);

	for (int32_t p = 0; p < partitions; p++)
		rd_kafka_topic_partition_list_add(list, topic, p)->offset =
			start ? RD_KAFKA_OFFSET_SPEC_EARLIEST : RD_KAFKA_OFFSET_SPEC_LATEST;
	if (rc_ok(rc)) {
		rc = kafka_fail_error(rd_kafka_AdminOptions_set_isolation_level(
					      options, RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED),
		                      "reading the ends of a topic");
		if (rc_ok(rc)) {
			rd_kafka_ListOffsets(cluster->client.rk, list, options, cluster->queue);
			rc = await(cluster, "reading the ends of a topic", &event);
		}
		rd_kafka_AdminOptions_destroy(options);
	}
	rd_kafka_topic_partition_list_destroy(list);
	TRY(rc);
	rc = ends_from(event, topic, partitions, start, out);
	rd_kafka_event_destroy(event);
	return rc;
}

static struct rc learn_leaders(struct kafka_cluster *cluster, const char *topic)
{
	rd_kafka_topic_t *handle = rd_kafka_topic_new(cluster->client.rk, topic, NULL);
	const struct rd_kafka_metadata *found;
	rd_kafka_resp_err_t error;

	if (!handle)
		return kafka_fail(rd_kafka_last_error(), "the leaders of a topic");
	error = rd_kafka_metadata(cluster->client.rk, 0, handle, &found, REQUEST_TIMEOUT_MS);
	rd_kafka_topic_destroy(handle);
	if (error)
		return kafka_fail(error, "the leaders of a topic");
	rd_kafka_metadata_destroy(found);
	return OK;
}

/*
 * Of the leaders it knows librdkafka asks for the ends once, and learns nothing from
 * a refusal. After a broker's restart that lasts until it looks at all of them again.
 */
struct rc kafka_cluster_spans(struct kafka_cluster *cluster, const char *topic, int32_t partitions,
                              struct log_span *out)
{
	int64_t until_ms = system_now_ms() + KAFKA_CLUSTER_TIMEOUT_MS;

	for (;;) {
		struct rc rc = list_ends(cluster, topic, partitions, true, out);

		if (rc_ok(rc))
			rc = list_ends(cluster, topic, partitions, false, out);
		if (rc.code != RC_TRY_AGAIN)
			return rc;
		if (system_now_ms() >= until_ms)
			return (struct rc){ RC_UNAVAILABLE };
		TRY(learn_leaders(cluster, topic));
		usleep(PAUSE_US);
	}
}

/* ---- committed offsets ------------------------------------------------- */

/* A coordinator that just started, or a transaction that is pending, is worth waiting for. */
static struct rc committed_of(struct kafka_cluster *cluster, const char *group, const char *topic,
                              int32_t partition, struct arena *arena, struct committed *out)
{
	int64_t until_ms = system_now_ms() + KAFKA_CLUSTER_TIMEOUT_MS;
	struct kafka_committed found;

	for (;;) {
		struct rc rc = kafka_query_committed(cluster->client.rk, group, topic, partition,
		                                     arena, &found);

		if (rc_ok(rc) && !found.unstable)
			break;
		if (system_now_ms() >= until_ms && rc_ok(rc))
			return rc_fail(RC_TRY_AGAIN,
			               "group %s, %s partition %" PRId32
			               ": a transaction is pending",
			               group, topic, partition);
		if (rc.code != RC_UNAVAILABLE && !rc_ok(rc))
			return rc;
		if (system_now_ms() >= until_ms)
			return rc_within(rc, "group %s", group);
		usleep(PAUSE_US);
	}
	*out = (struct committed){ found.exists, found.offset, found.metadata };
	return OK;
}

struct rc kafka_cluster_committed(struct kafka_cluster *cluster, const char *group,
                                  const char *topic, int32_t partitions, struct arena *arena,
                                  struct committed *out)
{
	for (int32_t p = 0; p < partitions; p++)
		TRY(committed_of(cluster, group, topic, p, arena, &out[p]));
	return OK;
}

static struct rc commit_result(const rd_kafka_topic_partition_list_t *list, const char *group)
{
	for (int i = 0; i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *one = &list->elems[i];

		if (one->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			continue;
		if (one->err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
		    one->err == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP)
			return rc_fail(RC_REFUSED,
			               "group %s has members: stop its workers, then try again",
			               group);
		return rc_fail(RC_UNAVAILABLE, "group %s, %s partition %" PRId32 ": %s", group,
		               one->topic, one->partition, rd_kafka_err2str(one->err));
	}
	return OK;
}

static rd_kafka_topic_partition_list_t *commit_list(const char *topic, int32_t partitions,
                                                    const struct committed *cursors)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);

	for (int32_t p = 0; p < partitions; p++) {
		rd_kafka_topic_partition_t *one;

		if (!cursors[p].exists)
			continue;
		one = rd_kafka_topic_partition_list_add(list, topic, p);
		one->offset = cursors[p].offset;
		one->metadata = memory_copy(cursors[p].metadata); /* freed with the list */
		one->metadata_size = cursors[p].metadata.len;
	}
	return list;
}

struct rc kafka_cluster_commit(struct kafka_cluster *cluster, const char *group, const char *topic,
                               int32_t partitions, const struct committed *cursors)
{
	rd_kafka_topic_partition_list_t *list = commit_list(topic, partitions, cursors);
	rd_kafka_AlterConsumerGroupOffsets_t *order;
	const rd_kafka_group_result_t **groups;
	rd_kafka_AdminOptions_t *options;
	rd_kafka_event_t *event;
	size_t count;
	struct rc rc;

	if (list->cnt == 0) {
		rd_kafka_topic_partition_list_destroy(list);
		return OK;
	}
	order = rd_kafka_AlterConsumerGroupOffsets_new(group, list);
	rd_kafka_topic_partition_list_destroy(list);
	rc = admin_options(cluster, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, &options);
	if (rc_ok(rc)) {
		rd_kafka_AlterConsumerGroupOffsets(cluster->client.rk, &order, 1, options,
		                                   cluster->queue);
		rd_kafka_AdminOptions_destroy(options);
		rc = await(cluster, "committing first offsets", &event);
	}
	rd_kafka_AlterConsumerGroupOffsets_destroy(order);
	TRY(rc);
	groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(
		rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count);
	if (count != 1)
		rc = rc_fail(RC_PROTOCOL, "group %s: no answer for it", group);
	else if (rd_kafka_group_result_error(groups[0]))
		rc = rc_fail(RC_UNAVAILABLE, "group %s: %s", group,
		             rd_kafka_error_string(rd_kafka_group_result_error(groups[0])));
	else
		rc = commit_result(rd_kafka_group_result_partitions(groups[0]), group);
	rd_kafka_event_destroy(event);
	return rc;
}

/* ---- members ----------------------------------------------------------- */

/* The group in the answer; NULL: there is none. */
static struct rc group_from(const rd_kafka_event_t *event, const char *group,
                            const rd_kafka_ConsumerGroupDescription_t **out)
{
	const rd_kafka_DescribeConsumerGroups_result_t *result =
		rd_kafka_event_DescribeConsumerGroups_result((rd_kafka_event_t *)(uintptr_t)event);
	const rd_kafka_ConsumerGroupDescription_t **groups;
	const rd_kafka_error_t *error;
	size_t count;

	*out = NULL;
	groups = rd_kafka_DescribeConsumerGroups_result_groups(result, &count);
	if (count != 1)
		return rc_fail(RC_PROTOCOL, "group %s: no answer for it", group);
	error = rd_kafka_ConsumerGroupDescription_error(groups[0]);
	if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND)
		return OK;
	if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return rc_fail(RC_UNAVAILABLE, "group %s: %s", group, rd_kafka_error_string(error));
	*out = groups[0];
	return OK;
}

static struct rc describe_group(struct kafka_cluster *cluster, const char *group,
                                rd_kafka_event_t **event)
{
	rd_kafka_AdminOptions_t *options;

	TRY(admin_options(cluster, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, &options));
	rd_kafka_DescribeConsumerGroups(cluster->client.rk, &group, 1, options, cluster->queue);
	rd_kafka_AdminOptions_destroy(options);
	return await(cluster, "asking who is in a group", event);
}

struct rc kafka_cluster_members(struct kafka_cluster *cluster, const char *group, unsigned *out)
{
	const rd_kafka_ConsumerGroupDescription_t *found;
	rd_kafka_event_t *event;
	struct rc rc;

	*out = 0;
	TRY(describe_group(cluster, group, &event));
	rc = group_from(event, group, &found);
	if (rc_ok(rc) && found)
		*out = (unsigned)rd_kafka_ConsumerGroupDescription_member_count(found);
	rd_kafka_event_destroy(event);
	return rc;
}

static void take_member(const rd_kafka_MemberDescription_t *member, const char *topic,
                        int32_t partitions, struct arena *arena, struct group_member *out)
{
	const rd_kafka_MemberAssignment_t *assignment =
		rd_kafka_MemberDescription_assignment(member);
	const rd_kafka_topic_partition_list_t *list =
		assignment ? rd_kafka_MemberAssignment_partitions(assignment) : NULL;
	const char *host = rd_kafka_MemberDescription_host(member);
	struct group_member found = {
		arena_str(arena, str_from_c(rd_kafka_MemberDescription_consumer_id(member))),
		arena_str(arena, str_from_c(host[0] == '/' ? host + 1 : host)),
	};

	for (int i = 0; list && i < list->cnt; i++)
		if (strcmp(list->elems[i].topic, topic) == 0 && list->elems[i].partition >= 0 &&
		    list->elems[i].partition < partitions)
			out[list->elems[i].partition] = found;
}

struct rc kafka_cluster_owners(struct kafka_cluster *cluster, const char *group, const char *topic,
                               int32_t partitions, struct arena *arena, struct group_member *out)
{
	const rd_kafka_ConsumerGroupDescription_t *found;
	rd_kafka_event_t *event;
	struct rc rc;

	for (int32_t p = 0; p < partitions; p++)
		out[p] = (struct group_member){ .id = { NULL, 0 } };
	TRY(describe_group(cluster, group, &event));
	rc = group_from(event, group, &found);
	for (size_t i = 0;
	     rc_ok(rc) && found && i < rd_kafka_ConsumerGroupDescription_member_count(found); i++)
		take_member(rd_kafka_ConsumerGroupDescription_member(found, i), topic, partitions,
		            arena, out);
	rd_kafka_event_destroy(event);
	return rc;
}

struct rc kafka_cluster_offset_at(struct kafka_cluster *cluster, const char *topic,
                                  int32_t partition, int64_t broker_ms, int64_t *out)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	struct log_span *spans;
	rd_kafka_resp_err_t error;
	struct rc rc = OK;

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = broker_ms;
	error = rd_kafka_offsets_for_times(cluster->client.rk, list, KAFKA_CLUSTER_TIMEOUT_MS);
	*out = list->elems[0].offset;
	if (!error)
		error = list->elems[0].err;
	rd_kafka_topic_partition_list_destroy(list);
	if (error)
		return rc_fail(RC_UNAVAILABLE, "%s: looking for a time failed: %s", topic,
		               rd_kafka_err2str(error));
	if (*out >= 0)
		return OK;
	spans = memory_array((size_t)partition + 1, sizeof(*spans));
	rc = kafka_cluster_spans(cluster, topic, partition + 1, spans);
	*out = rc_ok(rc) ? spans[partition].end : 0;
	free(spans);
	return rc;
}

/* ---- reading ----------------------------------------------------------- */

/* Until the offset, or the end that the log had when it was first reached. */
static struct rc read_all(rd_kafka_topic_t *topic, int32_t partition, int64_t until,
                          record_fn *each, void *self, int64_t *next)
{
	struct rc rc = OK;
	struct arena memory;
	bool at_end = false;

	arena_init(&memory, 4096);
	while (rc_ok(rc) && !at_end && *next < until) {
		rd_kafka_message_t *record =
			rd_kafka_consume(topic, partition, KAFKA_CLUSTER_TIMEOUT_MS);
		struct message message;

		if (!record) {
			rc = rc_fail(RC_UNAVAILABLE, "%s: nothing came within %d s",
			             rd_kafka_topic_name(topic), KAFKA_CLUSTER_TIMEOUT_MS / 1000);
			break;
		}
		if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			*next = record->offset;
			at_end = true;
		} else if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
			rc = rc_fail(RC_UNAVAILABLE, "%s: %s", rd_kafka_topic_name(topic),
			             rd_kafka_message_errstr(record));
		} else if (record->offset >= until) {
			*next = until;
			at_end = true;
		} else {
			arena_clear(&memory);
			message = kafka_message_borrow(record, &memory);
			each(self, &message);
			*next = record->offset + 1;
		}
		rd_kafka_message_destroy(record);
	}
	arena_release(&memory);
	return rc;
}

struct rc kafka_cluster_read(struct kafka_cluster *cluster, const char *topic, int32_t partition,
                             int64_t from, record_fn *each, void *self, int64_t *next)
{
	struct log_span all = { from, INT64_MAX };

	return kafka_cluster_read_span(cluster, topic, partition, all, each, self, next);
}

struct rc kafka_cluster_read_span(struct kafka_cluster *cluster, const char *topic,
                                  int32_t partition, struct log_span span, record_fn *each,
                                  void *self, int64_t *next)
{
	rd_kafka_topic_t *handle;
	struct rc rc;

	*next = span.start;
	handle = rd_kafka_topic_new(cluster->client.rk, topic, NULL);
	if (!handle)
		return rc_fail(RC_BUG, "topic %s: %s", topic,
		               rd_kafka_err2str(rd_kafka_last_error()));
	if (rd_kafka_consume_start(handle, partition, span.start) != 0) {
		rc = rc_fail(RC_UNAVAILABLE, "topic %s cannot be read: %s", topic,
		             rd_kafka_err2str(rd_kafka_last_error()));
	} else {
		rc = read_all(handle, partition, span.end, each, self, next);
		rd_kafka_consume_stop(handle, partition);
	}
	rd_kafka_topic_destroy(handle);
	return rc;
}

struct rc kafka_cluster_read_through(struct kafka_cluster *cluster, const char *topic,
                                     int32_t partition, struct log_span span, int64_t open_ms,
                                     record_fn *each, void *self)
{
	int64_t until_ms = system_now_ms() + open_ms;

	while (span.start < span.end) {
		TRY(kafka_cluster_read_span(cluster, topic, partition, span, each, self,
		                            &span.start));
		if (span.start >= span.end)
			break;
		if (system_now_ms() >= until_ms)
			return rc_fail(RC_TRY_AGAIN,
			               "%s/%" PRId32 ": a transaction that began at %" PRId64
			               " or later is open and hides what was committed behind it",
			               topic, partition, span.start);
		usleep(PAUSE_US);
	}
	return OK;
}
