/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration as the adapters want it: where the names of topics and
 * groups are made.
 *
 * Everything points into the config or the arena, which must outlive its users.
 */
#ifndef TALLY_HOST_CONNECTION_H
#define TALLY_HOST_CONNECTION_H

#include "common/adapters/kafka_broker.h"
#include "common/adapters/redis_store.h"
#include "common/host/config.h"
#include "common/runtime/worker.h"

/* Topic and group names with their configured prefixes. */
const char *connection_topic(const struct config *, const char *topic, struct arena *);
const char *connection_group(const struct config *, const struct worker *, struct arena *);

/* For a worker; NULL: for a tool, without group and topic. */
void connection_kafka(const struct config *, const struct worker *, struct arena *,
                      struct kafka_options *out);
/* For a worker; NULL: for a tool. */
void connection_redis(const struct config *, const struct worker *, struct redis_options *out);

#endif
