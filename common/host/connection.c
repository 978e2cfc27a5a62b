/* SPDX-License-Identifier: Apache-2.0 */
#include "common/host/connection.h"

#define CLIENT_ID "tallyworks"
#define REFERENCE_TOPIC "reference"

const char *connection_topic(const struct config *config, const char *topic, struct arena *arena)
{
	return arena_printf(arena, "%s%s", config->topic_prefix, topic).ptr;
}

const char *connection_group(const struct config *config, const struct worker *worker,
                             struct arena *arena)
{
	return arena_printf(arena, "%stallyworks-%s", config->group_prefix, worker->name).ptr;
}

void connection_kafka(const struct config *config, const struct worker *worker, struct arena *arena,
                      struct kafka_options *out)
{
	*out = (struct kafka_options){
		.brokers = config->brokers,
		.client_id = CLIENT_ID,
		.properties = config->kafka_used,
		.property_count = config->kafka_count,
	};
	kafka_options_default(out);
	out->session_timeout_ms = config->session_timeout_ms;
	out->transaction_timeout_ms = config->transaction_timeout_ms;
	out->statistics_ms = config->statistics_interval_ms;
	if (!worker)
		return;
	out->worker = worker->name;
	out->group = connection_group(config, worker, arena);
	out->topic = connection_topic(config, worker->topic, arena);
	out->reference_topic = connection_topic(config, REFERENCE_TOPIC, arena);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

/* Keys name the topic without its prefix: redis.prefix is what keeps installations apart there. */
void connection_redis(const struct config *config, const struct worker *worker,
                      struct redis_options *out)
{
	*out = (struct redis_options){
		.url = config->redis_url,
		.user = or_null(config->redis_username),
		.password = or_null(config->redis_password),
		.tls_ca = or_null(config->redis_tls_ca_file),
		.tls_cert = or_null(config->redis_tls_cert_file),
		.tls_key = or_null(config->redis_tls_key_file),
		.tls_server_name = or_null(config->redis_tls_server_name),
		.prefix = str_from_c(config->redis_prefix),
		.topic = str_from_c(worker ? worker->topic : ""),
	};
	redis_options_default(out);
	out->connect_timeout_ms = config->redis_connect_timeout_ms;
	out->command_timeout_ms = config->redis_timeout_ms;
}
