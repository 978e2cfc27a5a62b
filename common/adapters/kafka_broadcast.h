/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of a tool, one after the other: records to any topics and a group's
 * offsets, all of them visible or none.
 *
 * Opening ends an unfinished transaction of the same transactional.id, and a
 * broadcast that was still at work with it fails from then on: so two tools with
 * one id exclude each other. Calls block. Freeing without a commit aborts.
 * Workers use kafka_publisher.h, which moves their cursors along.
 */
#ifndef TALLY_ADAPTERS_KAFKA_BROADCAST_H
#define TALLY_ADAPTERS_KAFKA_BROADCAST_H

#include "common/adapters/kafka_cluster.h"

struct kafka_broadcast;

/*
 * Options are borrowed; the transaction has begun when it returns. timeout_ms: the broker aborts
 * a transaction that was left open after it; until then readers of its topics wait before it.
 */
struct rc kafka_broadcast_open(const struct kafka_options *, const char *transactional_id,
                               int64_t timeout_ms, struct kafka_broadcast **out);
/* The next one, after a commit. */
struct rc kafka_broadcast_begin(struct kafka_broadcast *);
/* Key, value and headers are copied. */
struct rc kafka_broadcast_send(struct kafka_broadcast *, const struct outgoing *);
/* Waits until all that was sent is in the log; the offset is that of the record sent last. */
struct rc kafka_broadcast_sync(struct kafka_broadcast *, int64_t *last_offset);
/* Moves the offsets of a group without members with the transaction: those that exist. */
struct rc kafka_broadcast_offsets(struct kafka_broadcast *, const char *group, const char *topic,
                                  int32_t partitions, const struct committed *);
struct rc kafka_broadcast_commit(struct kafka_broadcast *);
/* NULL is allowed. */
void kafka_broadcast_free(struct kafka_broadcast *);

#endif
