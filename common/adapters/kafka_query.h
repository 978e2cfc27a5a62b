/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions of a worker to the cluster, asked on a lane: each call blocks until the
 * answer came or QUERY_TIMEOUT_MS passed. They may be asked through any client.
 */
#ifndef TALLY_ADAPTERS_KAFKA_QUERY_H
#define TALLY_ADAPTERS_KAFKA_QUERY_H

#include "common/adapters/kafka_client.h"

#define QUERY_TIMEOUT_MS 5000

/* A partition's committed offset. */
struct kafka_committed {
	bool unstable; /* a transaction with an offset for it is open: ask again */
	bool exists;   /* false: nothing was ever committed */
	int64_t offset;
	struct str metadata;
};
struct rc kafka_query_committed(rd_kafka_t *, const char *group, const char *topic,
                                int32_t partition, struct arena *, struct kafka_committed *out);

#define TOPIC_ID_BYTES 32
struct kafka_topic {
	int32_t partitions;
	char id[TOPIC_ID_BYTES]; /* base64, as Kafka's tools print it */
};
/* RC_NOT_FOUND: no such topic. */
struct rc kafka_query_topic(rd_kafka_t *, const char *topic, struct kafka_topic *out);
/* Does any broker answer? */
bool kafka_query_answers(rd_kafka_t *);
/* Is cleanup.policy anything but plain delete? */
struct rc kafka_query_compacted(rd_kafka_t *, const char *topic, bool *out);

#endif
