/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer: the group's rebalances and the input topic's records.
 *
 * Each partition has a queue of its own, so that leaving it alone is the
 * back-pressure, while the consumer's queue carries the group protocol only. An
 * assigned partition idles at its end until kafka_input_start() names an offset. A
 * revoke is answered when every partition of it was let go; librdkafka holds back
 * the fetching of all partitions meanwhile. All functions are called on the fold
 * thread unless they say otherwise.
 */
#ifndef TALLY_ADAPTERS_KAFKA_INPUT_H
#define TALLY_ADAPTERS_KAFKA_INPUT_H

#include "common/adapters/kafka_client.h"
#include "common/adapters/kafka_statistics.h"

struct kafka_input;

/* Joins the group. wake_fd is a non-blocking eventfd that is written when there is something. */
struct rc kafka_input_new(const struct kafka_options *, struct inbox *, int wake_fd,
                          struct kafka_input **out);
void kafka_input_free(struct kafka_input *);
rd_kafka_t *kafka_input_client(const struct kafka_input *);

/* May a transaction under these group metadata carry the partition? On any thread. */
bool kafka_input_owns(struct kafka_input *, int32_t partition,
                      const rd_kafka_consumer_group_metadata_t *);
/* Makes the wake_fd readable. On any thread. */
void kafka_input_wake(struct kafka_input *);

struct kafka_statistics kafka_input_statistics(struct kafka_input *);

void kafka_input_poll(struct kafka_input *);
void kafka_input_start(struct kafka_input *, int32_t partition, int64_t offset);
void kafka_input_take(struct kafka_input *, int32_t partition, int64_t until, unsigned max,
                      size_t max_bytes, struct taken *out);
void kafka_input_give_back(struct kafka_input *, struct taken *);
void kafka_input_unassign(struct kafka_input *, int32_t partition);
void kafka_input_leave(struct kafka_input *);
bool kafka_input_has_left(const struct kafka_input *);

#endif
