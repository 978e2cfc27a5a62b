/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: outputs and K together, steps P1 to P4 of DESIGN section 4.
 *
 * One producer, one lane; a transaction's memory is the caller's until its
 * HAPPENED_PUBLISHED. After any doubt about an outcome the producer is gone and
 * kafka_publisher_reopen() makes the next one under a fresh transactional.id. A
 * connection that failed between transactions is followed by a new instance under
 * the same id, so that no delayed request of the old one can meet the next
 * transaction. The watchdog ends the process where a call hangs.
 */
#ifndef TALLY_ADAPTERS_KAFKA_PUBLISHER_H
#define TALLY_ADAPTERS_KAFKA_PUBLISHER_H

#include "common/adapters/kafka_input.h"

struct kafka_publisher;

/* The consumer is borrowed, for its membership, and must outlive the publisher. */
struct rc kafka_publisher_new(const struct kafka_options *, struct inbox *, struct kafka_input *,
                              struct kafka_publisher **out);
void kafka_publisher_free(struct kafka_publisher *);

void kafka_publisher_publish(struct kafka_publisher *, const struct transaction *);
void kafka_publisher_reopen(struct kafka_publisher *, uint64_t ticket);
/* Now and then, also when nothing is published: takes the producer's statistics in. */
void kafka_publisher_look(struct kafka_publisher *);
struct kafka_statistics kafka_publisher_statistics(struct kafka_publisher *);
/* The current id, or "". Valid as long as the publisher. */
const char *kafka_publisher_id(const struct kafka_publisher *);

#endif
