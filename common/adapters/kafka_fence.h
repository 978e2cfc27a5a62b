/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends the open transactions of a dead worker: a producer of the same
 * transactional.id is made, which bumps its epoch, and thrown away. Its own lane,
 * since it may wait for a transaction that is just being completed. Shards of one
 * dead worker share one fencing.
 */
#ifndef TALLY_ADAPTERS_KAFKA_FENCE_H
#define TALLY_ADAPTERS_KAFKA_FENCE_H

#include "common/adapters/kafka_client.h"

struct kafka_fencer;

struct rc kafka_fencer_new(const struct kafka_options *, struct inbox *, struct kafka_fencer **out);
void kafka_fencer_free(struct kafka_fencer *);
/* -> HAPPENED_FENCED. The id is copied. */
void kafka_fencer_fence(struct kafka_fencer *, int32_t partition, uint64_t ticket,
                        const char *transactional_id);

#endif
