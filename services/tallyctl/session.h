/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command's way to the cluster and to Redis, and the shards that it finds.
 *
 * Connections are opened by the first question. A session owns what it opened;
 * names and lists live in the invocation's arena. Failures are those of the
 * adapters.
 */
#ifndef TALLY_TALLYCTL_SESSION_H
#define TALLY_TALLYCTL_SESSION_H

#include "common/adapters/kafka_cluster.h"
#include "common/adapters/redis_admin.h"
#include "common/runtime/worker.h"
#include "services/tallyctl/command.h"

struct session {
	const struct config *config;
	struct arena *memory;
	struct kafka_options kafka_options;
	struct redis_options redis_options;
	struct kafka_cluster *cluster;
	struct redis_admin *redis;
};

struct rc session_open(struct session *, const struct invocation *);
void session_close(struct session *);

/* A worker with its input topic as it is. */
struct fleet {
	const struct worker *worker;
	const char *topic, *group; /* with prefixes */
	int32_t partitions;
	char topic_id[48];
};
#define FLEETS_MOST 16
/* All workers (or one), in the order of workers[]; RC_NOT_FOUND where a topic is missing. */
struct rc session_fleets(struct session *, const struct worker *only, struct fleet *out,
                         unsigned *count);

/* kafka_cluster_read_through(), with the patience that transaction.timeout.ms asks for. */
struct rc session_read_through(const struct session *, const char *topic, int32_t partition,
                               struct log_span, record_fn *each, void *self);

#endif
