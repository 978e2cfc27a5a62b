/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators' picture: what two looks at all shards, some seconds apart, say of each worker and
 * each shard, in numbers and in words. tallyctl top shows it.
 *
 * Everything lives in the arena it was made with. Making and showing a picture cannot fail; looking
 * can (progress.h).
 */
#ifndef TALLY_TALLYCTL_TOP_PICTURE_H
#define TALLY_TALLYCTL_TOP_PICTURE_H

#include "services/tallyctl/progress.h"

#define RATE_UNKNOWN (-1)
#define MEMBERS_UNKNOWN (-1)
#define NEVER_CLEAR INT64_MAX

enum top_health { TOP_FINE, TOP_BUSY, TOP_TROUBLE };

struct top_shard {
	const struct progress_row *row;
	int64_t in_rate, out_rate; /* records a second into the log, and folded; RATE_UNKNOWN */
	int64_t still_ms;          /* so long R has not moved, though there is something to read */
	enum top_health health;
	struct str words; /* what it does, or what is wrong and what helps */
};

struct top_worker {
	const struct fleet *fleet;
	int members;           /* processes in the group; MEMBERS_UNKNOWN */
	int settled, troubled; /* of its shards */
	int64_t lag;           /* records that Redis does not show yet */
	int64_t behind_ms;     /* the oldest of them came so long ago, about */
	int64_t in_rate, out_rate;
	int64_t clear_s; /* until lag is 0 at these rates; NEVER_CLEAR; RATE_UNKNOWN */
};

/* One look. */
struct top_look {
	int64_t now_ms, wall_ms; /* monotonic; since 1970 */
	struct progress progress;
	int members[FLEETS_MOST];
	const int64_t *moved_ms; /* a shard's R moved last at this monotonic time */
};

struct top_picture {
	int64_t wall_ms;
	struct top_worker workers[FLEETS_MOST];
	unsigned worker_count;
	struct top_shard *shards; /* those in trouble first, then by lag */
	unsigned shard_count;
};

/* before: NULL where there was no look before; rates are unknown then. */
void top_paint(const struct fleet *, unsigned count, const struct top_look *before,
               const struct top_look *now, struct arena *, struct top_picture *out);
/* lines: of the terminal; 0: no limit. Shards that have no room are counted. */
void top_text(const struct top_picture *, int lines, struct buf *out);
void top_json(const struct top_picture *, struct buf *out);

#endif
