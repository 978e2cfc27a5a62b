/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cluster knows: K of a shard, the ends of its log, the topics' shapes.
 *
 * One lane for all of it. A K that waits for a pending transaction is asked for
 * again later, so that it holds up no other shard. Answers go to the inbox;
 * kafka_cursor_partitions() answers at once from what is known.
 */
#ifndef TALLY_ADAPTERS_KAFKA_CURSOR_H
#define TALLY_ADAPTERS_KAFKA_CURSOR_H

#include "common/adapters/kafka_client.h"

struct kafka_cursor;

struct rc kafka_cursor_new(const struct kafka_options *, struct inbox *, struct kafka_cursor **out);
void kafka_cursor_free(struct kafka_cursor *);

/* -> HAPPENED_CURSOR */
void kafka_cursor_read(struct kafka_cursor *, int32_t partition, uint64_t ticket);
/* -1: not known yet; it is being asked for. */
int32_t kafka_cursor_partitions(struct kafka_cursor *, struct str topic);

#endif
