/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker port over Apache Kafka and librdkafka (2.14.2 or later).
 *
 * One consumer with a queue a partition, one transactional producer on a thread
 * of its own, one plain producer for timers, one reader of the reference topic.
 * Blocking calls have lanes (threads) of their own, so that a transaction, a
 * pending offset and a fenced producer never wait for each other. The port's
 * functions are called on one thread, the fold thread. Options are borrowed for
 * the broker's life. Rules: DESIGN section 4, research/exactly-once.md section 2.
 */
#ifndef TALLY_ADAPTERS_KAFKA_BROKER_H
#define TALLY_ADAPTERS_KAFKA_BROKER_H

#include "common/adapters/kafka_statistics.h"
#include "common/runtime/ports.h"

struct kafka_property {
	const char *name, *value;
};

struct kafka_options {
	const char *brokers;         /* host:port,... */
	const char *group;           /* tallyworks-<worker> */
	const char *worker;          /* part of the transactional.id */
	const char *topic;           /* the input, topic prefix included */
	const char *reference_topic; /* NULL: read_reference() is not used */
	const char *client_id;
	const struct kafka_property *properties; /* passed through to librdkafka */
	unsigned property_count;
	int64_t session_timeout_ms;     /* 10000 */
	int64_t transaction_timeout_ms; /* 10000 */
	int64_t fetch_wait_ms;          /* 50: a fetch waits for more records, at most so long */
	int64_t fetch_least_bytes;      /* 1: a fetch does not wait once there are so many */
	int64_t partition_queue_kbytes; /* 1024: fetched ahead, a partition */
	int64_t statistics_ms;          /* 10000: between two looks at the clients; 0: none */
};
/* Fills in the numbers. */
void kafka_options_default(struct kafka_options *);
/* Would librdkafka take the property, and may it be set? */
struct rc kafka_property_check(const char *name, const char *value);
/* Would a client start with all of them: do they fit together, can their files be read? Asks no
 * broker. */
struct rc kafka_properties_check(const struct kafka_property *, unsigned count);

struct kafka_broker;

/* Connects in the background: a broker that is away is no failure here. */
struct rc kafka_broker_new(const struct kafka_options *, struct inbox *, struct broker *port_out,
                           struct kafka_broker **out);
/* Leaves the group in order: the partitions are revoked, then kafka_broker_has_left(). Keep calling
 * the port's poll(). */
void kafka_broker_leave(struct kafka_broker *);
bool kafka_broker_has_left(const struct kafka_broker *);
/* Everything taken must have been given back. */
void kafka_broker_free(struct kafka_broker *);
/* What librdkafka says of the consumer and of the transactional producer. */
void kafka_broker_statistics(struct kafka_broker *, struct kafka_statistics *consumer,
                             struct kafka_statistics *producer);
/* Readable when poll() or take() may have something; cleared by poll(). */
int kafka_broker_fd(const struct kafka_broker *);

#endif
