/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transactional producer: how one is opened, and what an error of its calls asks
 * for. Used by the publisher's lane and by the one that fences; the error classes
 * are those of research/exactly-once.md 2.1.
 */
#ifndef TALLY_ADAPTERS_KAFKA_TRANSACTIONAL_H
#define TALLY_ADAPTERS_KAFKA_TRANSACTIONAL_H

#include "common/adapters/kafka_producer.h"
#include "common/adapters/kafka_statistics.h"

#define TRANSACTIONAL_ID_BYTES META_TEXT_BYTES

/* Opens a producer and ends every open transaction of its id. Its statistics go to the box, as far
 * as it is polled; NULL: none. */
struct rc kafka_transactional_open(struct kafka_producer *, const struct kafka_options *,
                                   const char *transactional_id, struct kafka_statistics_box *);

enum transactional_error {
	TRANSACTIONAL_OK,
	TRANSACTIONAL_AGAIN, /* the same call, with the same arguments */
	TRANSACTIONAL_ABORT,
	TRANSACTIONAL_DEAD, /* the instance is of no more use */
};
/* Says what the error asks for; its words go to rc_text(); destroys it. NULL is no error. */
enum transactional_error kafka_transactional_judge(rd_kafka_error_t *, const char *call);

#endif
