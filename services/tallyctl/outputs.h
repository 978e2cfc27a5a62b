/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the logs themselves say of a worker's shards: how far their outputs reach,
 * and what their inputs' control records changed.
 *
 * It is the evidence from which a lost K is set again (repair.c). Lists live in
 * the session's arena; failures are those of the cluster.
 */
#ifndef TALLY_TALLYCTL_OUTPUTS_H
#define TALLY_TALLYCTL_OUTPUTS_H

#include "common/runtime/cursor.h"
#include "common/runtime/reference.h"
#include "services/tallyctl/session.h"

/* Of one shard. */
struct evidence {
	int64_t output_number; /* the highest tw-seq; 0: none */
	int64_t cause;         /* the highest offset that an output came of; -1: none */
	const char *topic;     /* where that was found */
	int64_t summed;        /* the highest among rows that are added up; -1: none */
	int64_t skipped[LIMIT_SKIPPED];
	unsigned skipped_count; /* refused as poison, the latest of them */
};

/* "orders/3/120" of this worker's input: what tw-src and causes say. */
bool place_parse(struct str place, const struct fleet *, int64_t *partition, int64_t *offset);
/* A header's value; absent: none. */
struct str header_text(const struct message *, struct str name);

/* Takes in what the reference topic has beyond what the store has. */
struct rc reference_read(struct session *, struct reference_store *);

/* Reads all committed outputs of the worker, its DLQ included. out: one a partition. */
struct rc outputs_read(struct session *, const struct fleet *, struct evidence *out);

/* What the shard's input says of what it began with. */
struct beginning {
	int64_t first_pin;   /* -1: none */
	int64_t first_logic; /* 0: no order ever moved it */
	int64_t logic;       /* at the cursor; 0: no order ever moved it */
};
/* Reads the shard's whole input and the reference topic's ends. */
struct rc beginning_read(struct session *, const struct fleet *, int32_t partition, struct log_span,
                         int64_t cursor, struct beginning *out);

#endif
