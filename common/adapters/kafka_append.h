/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timer records into the input topic: a plain idempotent producer, outside the
 * transactions, because an open one would hold back the readers of the topic. It
 * is made at the first record. Its answers come on a thread of librdkafka.
 */
#ifndef TALLY_ADAPTERS_KAFKA_APPEND_H
#define TALLY_ADAPTERS_KAFKA_APPEND_H

#include "common/adapters/kafka_client.h"

struct kafka_appender;

struct kafka_appender *kafka_appender_new(const struct kafka_options *, struct inbox *);
/* Records without an answer are forgotten. */
void kafka_appender_free(struct kafka_appender *);
/* -> HAPPENED_APPENDED. Everything is copied. */
void kafka_appender_append(struct kafka_appender *, uint64_t ticket, const struct outgoing *);

#endif
