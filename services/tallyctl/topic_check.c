/* SPDX-License-Identifier: Apache-2.0 */
#include "services/tallyctl/topic_check.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/limits.h"
#include "common/base/timestamp.h"

enum {
	CONFIG_TIMESTAMP,
	CONFIG_RETENTION,
	CONFIG_CLEANUP,
	CONFIG_BYTES,
	CONFIG_SIZE,
	CONFIG_COUNT
};

static const char *const config_names[CONFIG_COUNT] = {
	[CONFIG_TIMESTAMP] = "message.timestamp.type",
	[CONFIG_RETENTION] = "retention.ms",
	[CONFIG_CLEANUP] = "cleanup.policy",
	[CONFIG_BYTES] = "max.message.bytes",
	[CONFIG_SIZE] = "retention.bytes",
};

#define ALL_ROLES(value)                                                \
	{                                                               \
		[TOPIC_REFERENCE] = (value), [TOPIC_INPUT] = (value),   \
		[TOPIC_DEAD_LETTER] = (value), [TOPIC_OUTPUT] = (value) \
	}

const struct topic_setting topic_settings[TOPIC_SETTINGS] = {
	{ "cleanup.policy", ALL_ROLES("delete") },
	{ "retention.ms", ALL_ROLES("-1") },
	{ "retention.bytes", ALL_ROLES("-1") },
	{ "message.timestamp.type",
	  { [TOPIC_REFERENCE] = "CreateTime",
	    [TOPIC_INPUT] = "LogAppendTime",
	    [TOPIC_DEAD_LETTER] = "CreateTime",
	    [TOPIC_OUTPUT] = "CreateTime" } },
};

static int64_t number_of(struct str text, int64_t fallback)
{
	int64_t number;

	return text.ptr && str_to_i64(text, &number) ? number : fallback;
}

static void check_partitions(const struct topic *topic, const struct topic_state *state,
                             int32_t partitions, struct findings *f)
{
	struct str where = str_from_c(topic->name);

	if (state->partitions == partitions)
		return;
	if (topic->role == TOPIC_DEAD_LETTER)
		findings_error(f, where,
		               "has %" PRId32 " partitions, its source %" PRId32
		               ": a refused record goes to the partition that it came from",
		               state->partitions, partitions);
	else if (topic->role == TOPIC_REFERENCE)
		findings_error(f, where, "has %" PRId32 " partitions, it must have one",
		               state->partitions);
	else
		findings_error(f, where,
		               "has %" PRId32 " partitions, not %" PRId32
		               "; all but reference have the same number: say --partitions %" PRId32
		               ", or make the topic anew",
		               state->partitions, partitions, state->partitions);
}

/* retention.ms is what most people set; retention.bytes takes from the same log. */
static void check_retention(const struct topic *topic, const struct str *values, struct findings *f)
{
	int64_t ms = number_of(values[CONFIG_RETENTION], -1),
		bytes = number_of(values[CONFIG_SIZE], -1);
	struct str where = str_from_c(topic->name);
	bool limited = ms >= 0 || bytes >= 0;
	char until[64] = "";

	if (ms >= 0)
		snprintf(until, sizeof(until), "retention.ms=%" PRId64 " (%" PRId64 " days)", ms,
		         ms / MS_PER_DAY);
	else
		snprintf(until, sizeof(until), "retention.bytes=%" PRId64, bytes);
	if (limited && topic->role == TOPIC_REFERENCE)
		findings_error(f, where, "%s: reference data must be kept for ever (-1)", until);
	else if (limited && topic->role == TOPIC_INPUT)
		findings_warning(
			f, where,
			"%s: Redis can only be made anew, or an older copy of it be "
			"caught up, from records that are still there; unlimited (-1) keeps both "
			"possible",
			until);
	else if (limited && topic->role == TOPIC_DEAD_LETTER)
		findings_warning(f, where, "%s: refused records are gone after that", until);
}

int64_t topic_dead_letter_bytes(int64_t source_message_bytes)
{
	int64_t copy = LIMIT_DEAD_LETTER_BYTES + LIMIT_DEAD_LETTER_KEY_BYTES +
	               LIMIT_DEAD_LETTER_HEADER_BYTES;
	int64_t most = copy > source_message_bytes ? copy : source_message_bytes;

	return most + DEAD_LETTER_MORE_BYTES;
}

static void check_configs(const struct topic *topic, const struct str *values,
                          int64_t source_message_bytes, struct findings *f)
{
	struct str where = str_from_c(topic->name);

	if (values[CONFIG_CLEANUP].ptr && !str_eq(values[CONFIG_CLEANUP], STR("delete")) &&
	    (topic->role == TOPIC_INPUT || topic->role == TOPIC_REFERENCE))
		findings_error(f, where,
		               "cleanup.policy=%.*s: compaction removes records that a replay "
		               "needs; set it to delete",
		               STR_ARG(values[CONFIG_CLEANUP]));
	if (topic->role == TOPIC_INPUT && values[CONFIG_TIMESTAMP].ptr &&
	    !str_eq(values[CONFIG_TIMESTAMP], STR("LogAppendTime")))
		findings_warning(f, where,
		                 "message.timestamp.type=%.*s: the bound on event times (24 h "
		                 "ahead) and timers then trust the producers' clocks; "
		                 "LogAppendTime takes the "
		                 "broker's",
		                 STR_ARG(values[CONFIG_TIMESTAMP]));
	if (topic->role == TOPIC_DEAD_LETTER &&
	    number_of(values[CONFIG_BYTES], INT64_MAX) <
	            topic_dead_letter_bytes(source_message_bytes))
		findings_error(f, where,
		               "max.message.bytes=%.*s: the broker would refuse the largest copies "
		               "and hold up their shards; set it to %" PRId64,
		               STR_ARG(values[CONFIG_BYTES]),
		               topic_dead_letter_bytes(source_message_bytes));
	check_retention(topic, values, f);
}

struct rc topic_check(struct session *session, const struct topic *topic,
                      const struct topic_state *state, int32_t partitions,
                      int64_t source_message_bytes, struct findings *f, int64_t *max_message_bytes)
{
	struct str values[CONFIG_COUNT];

	check_partitions(topic, state, partitions, f);
	TRY(kafka_cluster_topic_configs(session->cluster, topic->name, config_names, CONFIG_COUNT,
	                                session->memory, values));
	check_configs(topic, values, source_message_bytes, f);
	*max_message_bytes = number_of(values[CONFIG_BYTES], MESSAGE_BYTES_DEFAULT);
	return OK;
}

struct rc topic_create(struct session *session, const struct topic *topic, int32_t partitions,
                       int replicas, int64_t source_message_bytes)
{
	char bytes[24];
	struct kafka_property configs[TOPIC_SETTINGS + 1] = { { NULL, NULL } };
	unsigned count = 0;

	for (; count < TOPIC_SETTINGS; count++)
		configs[count] =
			(struct kafka_property){ topic_settings[count].name,
			                         topic_settings[count].values[topic->role] };
	snprintf(bytes, sizeof(bytes), "%" PRId64, topic_dead_letter_bytes(source_message_bytes));
	if (topic->role == TOPIC_DEAD_LETTER)
		configs[count++] = (struct kafka_property){ "max.message.bytes", bytes };
	return kafka_cluster_create_topic(session->cluster,
	                                  &(struct topic_plan){ .name = topic->name,
	                                                        .partitions = partitions,
	                                                        .replicas = replicas,
	                                                        .configs = configs,
	                                                        .config_count = count });
}
