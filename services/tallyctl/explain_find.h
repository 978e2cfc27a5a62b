/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An order's records without reading its whole partition: a guess that is proved by the fold.
 *
 * Lists live in the session's memory. Failures are those of Redis and of the cluster.
 */
#ifndef TALLY_TALLYCTL_EXPLAIN_FIND_H
#define TALLY_TALLYCTL_EXPLAIN_FIND_H

#include "services/tallyctl/explain.h"

#define SPOTS_MOST 64

struct finding {
	struct explain *explain;
	struct str order_id;
	int32_t partition;
	struct log_span log; /* the partition's, when the search began */
	struct str document; /* the order as Redis holds it at R */
	int64_t cursor;      /* R */
	struct spot {
		int64_t time_ms; /* of something that was applied, or waits */
		int64_t offset;  /* about where that stands */
	} spots[SPOTS_MOST];
	unsigned spot_count;
	struct dead {
		int64_t offset; /* of the record that was refused */
		struct str reason;
	} dead[SPOTS_MOST];
	unsigned dead_count;
	bool too_many; /* spots: it is cheaper to read all */

	struct message *records; /* of the order, by offset */
	unsigned count, room;
	int64_t read; /* records read for it */
};

/* *possible is false where Redis has not enough of the order to go by, or there is too much. */
struct rc finding_begin(struct explain *, const struct story *, struct log_span log,
                        struct finding *out, bool *possible);
/* Reads the records up to so many before and behind each spot; `records` grows. */
struct rc finding_look(struct finding *, int64_t around);
/* Was all of the order found? story: what the fold made of the records. */
bool finding_closes(const struct finding *, const struct story *);

#endif
