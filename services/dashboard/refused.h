/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refused records for operators: what `tallyctl dlq list` and `dlq show` say, asked
 * on a thread of its own and kept for some seconds, so that nobody waits for Kafka.
 *
 * Records are shown as upstream sent them, customers' data and all: only where a
 * token is asked for (dashboard.kafka with http.token.file). Reads only; a redrive is
 * tallyctl's. Bounded: REFUSED_SLOTS questions, answers of REFUSED_BYTES_MOST.
 */
#ifndef TALLY_DASHBOARD_REFUSED_H
#define TALLY_DASHBOARD_REFUSED_H

#include "common/base/buf.h"
#include "common/host/config.h"

#define REFUSED_SLOTS 8
#define REFUSED_BYTES_MOST (4 * 1024 * 1024)
#define REFUSED_FRESH_MS 5000
#define REFUSED_RECORDS "20" /* of one reason, the oldest that are open */

struct refused;

enum refused_answer {
	REFUSED_PENDING, /* ask again in a moment */
	REFUSED_FOUND,
	REFUSED_FAILED,
};

/* The config is borrowed. Fails where no thread can be had. */
struct rc refused_new(const struct config *, struct refused **out);
/* Waits for a question under way. NULL is allowed. */
void refused_free(struct refused *);
/*
 * topic absent: all DLQs by reason; else records that were refused in this input
 * topic for the reason. Appends the answer, a JSON object, or why there is none.
 */
enum refused_answer refused_ask(struct refused *, struct str topic, struct str reason,
                                struct buf *out);
/* What was found so far is asked anew. */
void refused_forget(struct refused *);

#endif
