/* SPDX-License-Identifier: Apache-2.0 */
#include "services/tallyctl/session.h"

#include <stdio.h>

#include "common/base/must.h"
#include "common/host/connection.h"

#define LATE_MS 15000 /* brokers may be in ending a transaction whose time is over */

struct rc session_open(struct session *session, const struct invocation *invocation)
{
	*session = (struct session){ .config = invocation->config, .memory = invocation->memory };
	connection_kafka(session->config, NULL, session->memory, &session->kafka_options);
	connection_redis(session->config, NULL, &session->redis_options);
	session->redis = redis_admin_new(&session->redis_options);
	return kafka_cluster_new(&session->kafka_options, &session->cluster);
}

void session_close(struct session *session)
{
	kafka_cluster_free(session->cluster);
	redis_admin_free(session->redis);
}

struct rc session_fleets(struct session *session, const struct worker *only, struct fleet *out,
                         unsigned *count)
{
	*count = 0;
	for (int i = 0; workers[i]; i++) {
		struct fleet *fleet = &out[*count];
		struct topic_state state;

		if (only && workers[i] != only)
			continue;
		must(*count < FLEETS_MOST);
		fleet->worker = workers[i];
		fleet->topic =
			connection_topic(session->config, workers[i]->topic, session->memory);
		fleet->group = connection_group(session->config, workers[i], session->memory);
		TRY(kafka_cluster_topic(session->cluster, fleet->topic, &state));
		if (!state.exists)
			return rc_fail(RC_NOT_FOUND,
			               "there is no topic %s: run tallyctl topics create",
			               fleet->topic);
		fleet->partitions = state.partitions;
		memcpy(fleet->topic_id, state.id, sizeof(fleet->topic_id));
		(*count)++;
	}
	return OK;
}

struct rc session_read_through(const struct session *session, const char *topic, int32_t partition,
                               struct log_span span, record_fn *each, void *self)
{
	return kafka_cluster_read_through(session->cluster, topic, partition, span,
	                                  session->config->transaction_timeout_ms + LATE_MS, each,
	                                  self);
}
