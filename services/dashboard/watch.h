/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Redis does not know, asked of Kafka once a second on a thread of its own: the
 * ends of the logs, K, which process the group has given each shard to, and, whenever
 * something was published, the reference data.
 *
 * Only where dashboard.kafka says so. A watch owns its connections; what it saw last
 * is copied out, so nobody waits for Kafka. A look that fails leaves the one before
 * it, with words of what is wrong and since when; what is older than WATCH_FRESH_MS
 * is not used. It reads and never writes, and belongs to no group.
 */
#ifndef TALLY_DASHBOARD_WATCH_H
#define TALLY_DASHBOARD_WATCH_H

#include "common/adapters/kafka_cluster.h"
#include "common/host/config.h"
#include "common/runtime/reference.h"
#include "common/runtime/worker.h"

#define WATCH_FRESH_MS 10000
#define WATCH_FLEETS_MOST 16
#define WATCH_LOOKS 11 /* speeds are those of the last so many looks: ten seconds */

struct watch_shard {
	int64_t log_end, output_cursor; /* K; -1: none */
	int64_t lag;                    /* records that Redis does not show yet */
	int64_t lag_since_ms;           /* wall clock: seen ever since; 0: it has none */
	int64_t waiting_ms; /* the oldest of them came then, or was first seen; 0: there is none */
	struct group_member member; /* its id absent: no process has it */
};

/* What has passed lately, in offsets of all partitions: control records of transactions count. */
struct watch_passed {
	int64_t over_ms;   /* 0: it is not known yet */
	int64_t incoming;  /* log end */
	int64_t committed; /* K */
	int64_t shown;     /* R */
};

struct watch_fleet {
	const struct worker *worker;
	struct watch_shard *shards;
	unsigned count;
	unsigned unowned;
	int64_t lag;        /* of all of them */
	int64_t waiting_ms; /* of the shard whose records wait longest; 0: none do */
	struct watch_passed passed;
};

struct watch_state {
	bool fresh; /* the fleets can be believed */
	struct watch_fleet fleets[WATCH_FLEETS_MOST];
	unsigned count;
	char trouble[240];  /* why the last look failed; "": it did not */
	int64_t trouble_ms; /* wall clock: since when */
	bool redis_away;    /* the last look found that out, and nothing of Kafka */
};

struct watch;

/* The config is borrowed. Fails where no thread can be had. */
struct rc watch_new(const struct config *, struct watch **out);
/* Waits for a look under way, KAFKA_CLUSTER_TIMEOUT_MS at most. NULL is allowed. */
void watch_free(struct watch *);
/* What was seen last, in the arena. */
void watch_copy(struct watch *, struct arena *, struct watch_state *out);
/* The city and region above a unit as published, at the period's end or now, what comes first. In
 * the arena; absent: not known. */
struct units watch_units(struct watch *, struct str unit_id, enum period_kind, int32_t first_day,
                         struct arena *);
/* When a plan's version is in force, as published: from the one instant on and before the other; 0:
 * since ever, until replaced. False: not known. */
struct plan_times {
	int64_t from_ms, to_ms;
};
bool watch_plan(struct watch *, struct str plan_id, int64_t version, struct plan_times *out);
/* The fleet of a worker; NULL: not known, or too old. */
const struct watch_fleet *watch_find(const struct watch_state *, const struct worker *);

#endif
