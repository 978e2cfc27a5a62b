/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer and the topics it has produced to. Shared by the transactional
 * producers and the plain one; messages are copied into librdkafka's queue.
 */
#ifndef TALLY_ADAPTERS_KAFKA_PRODUCER_H
#define TALLY_ADAPTERS_KAFKA_PRODUCER_H

#include "common/adapters/kafka_client.h"

#define OUT_TOPICS_MOST 32

struct kafka_producer {
	struct kafka_client client;
	rd_kafka_topic_t *topics[OUT_TOPICS_MOST]; /* those produced to so far */
	unsigned topic_count;
	bool borrows; /* values are not copied: they live until they are delivered or given up */
};

/* The configuration is used up in any case. The struct starts zeroed. */
struct rc kafka_producer_open(struct kafka_producer *, rd_kafka_conf_t *);
/* At once: what is still queued is thrown away. */
void kafka_producer_close(struct kafka_producer *);
/* Queues one message; waits while librdkafka's queue is full, timeout_ms at most. */
struct rc kafka_producer_send(struct kafka_producer *, const struct outgoing *, void *opaque,
                              int64_t timeout_ms);

#endif
