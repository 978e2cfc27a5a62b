/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CloudEvents that tallyctl itself writes: reference records, control records,
 * receipts.
 *
 * An id is made of the type and of what is said, so saying the same again gives the
 * same event. Everything is copied or encoded before the call returns; failures are
 * those of the broadcast.
 */
#ifndef TALLY_TALLYCTL_LETTER_H
#define TALLY_TALLYCTL_LETTER_H

#include "common/adapters/kafka_broadcast.h"
#include "common/codec/record.h"

struct letter {
	struct str topic, key, subject;
	int32_t partition;
	bool control; /* with the header that tells it from upstream's events */
	int64_t time_ms;
	const struct record_type *type;
	const void *data;
	struct str said; /* what its id is made of */
};

struct rc letter_send(struct kafka_broadcast *, const struct letter *);
/* Now, in ms since 1970: what a letter's time is. */
int64_t letter_now_ms(void);

#endif
