/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the reference topic: one partition, read_committed, from a given offset to
 * its end, in batches that are copied into their happenings. A lane with its own
 * consumer, which joins no group and is gone again when the end was reached.
 */
#ifndef TALLY_ADAPTERS_KAFKA_REFERENCE_H
#define TALLY_ADAPTERS_KAFKA_REFERENCE_H

#include "common/adapters/kafka_client.h"

struct kafka_reference;

struct rc kafka_reference_new(const struct kafka_options *, struct inbox *,
                              struct kafka_reference **out);
void kafka_reference_free(struct kafka_reference *);
/* -> HAPPENED_REFERENCE, the last one with at_end, or one with an rc that is not OK. */
void kafka_reference_read(struct kafka_reference *, int64_t from, uint64_t ticket);

#endif
