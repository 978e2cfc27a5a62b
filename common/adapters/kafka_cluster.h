/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tools ask and order from a Kafka cluster: topics, their configuration and
 * ends, first cursors, records in between.
 *
 * Every call blocks, at most KAFKA_CLUSTER_TIMEOUT_MS; failures are of the cluster
 * (RC_UNAVAILABLE) or refusals (RC_REFUSED), with words for a person. Workers do
 * not use this file; their cursors move in transactions only.
 */
#ifndef TALLY_ADAPTERS_KAFKA_CLUSTER_H
#define TALLY_ADAPTERS_KAFKA_CLUSTER_H

#include "common/adapters/kafka_broker.h"

#define KAFKA_CLUSTER_TIMEOUT_MS 30000

struct kafka_cluster;

/* Options are borrowed; of them brokers, client_id and properties are used. */
struct rc kafka_cluster_new(const struct kafka_options *, struct kafka_cluster **out);
/* NULL is allowed. */
void kafka_cluster_free(struct kafka_cluster *);

struct topic_state {
	bool exists;
	int32_t partitions;
	char id[48]; /* as in K's metadata */
};
struct rc kafka_cluster_topic(struct kafka_cluster *, const char *topic, struct topic_state *out);

struct topic_plan {
	const char *name;
	int32_t partitions;
	int replicas; /* -1: the broker's default */
	const struct kafka_property *configs;
	unsigned config_count;
};
/* Returns when the topic can be used. */
struct rc kafka_cluster_create_topic(struct kafka_cluster *, const struct topic_plan *);

/* The values of these configurations of a topic, in the arena; absent: the broker has none. */
struct rc kafka_cluster_topic_configs(struct kafka_cluster *, const char *topic,
                                      const char *const *names, unsigned count, struct arena *,
                                      struct str *values_out);

/* Low and high watermark; the high one lies behind control markers and open transactions. */
struct log_span {
	int64_t start, end;
};
struct rc kafka_cluster_spans(struct kafka_cluster *, const char *topic, int32_t partitions,
                              struct log_span *out);

/* The first offset whose record has this timestamp or a later one; the end where none has. */
struct rc kafka_cluster_offset_at(struct kafka_cluster *, const char *topic, int32_t partition,
                                  int64_t broker_ms, int64_t *out);

/* A group's committed offset. */
struct committed {
	bool exists;
	int64_t offset;
	struct str metadata;
};
/* Waits for a pending transaction's outcome. out: one a partition. */
struct rc kafka_cluster_committed(struct kafka_cluster *, const char *group, const char *topic,
                                  int32_t partitions, struct arena *, struct committed *out);
/* Commits those that exist in `cursors`. Only for a group without members: RC_REFUSED otherwise. */
struct rc kafka_cluster_commit(struct kafka_cluster *, const char *group, const char *topic,
                               int32_t partitions, const struct committed *cursors);

/* Members that a group has now; RC_UNAVAILABLE where it cannot be told. */
struct rc kafka_cluster_members(struct kafka_cluster *, const char *group, unsigned *out);

/* A member of a group, as the brokers know it; texts live in the arena, absent: there is none. */
struct group_member {
	struct str id, host;
};
/* Which member has each partition of the topic (now: while the group shares out its partitions that
 * may be nobody). */
struct rc kafka_cluster_owners(struct kafka_cluster *, const char *group, const char *topic,
                               int32_t partitions, struct arena *, struct group_member *out);

/* A record, borrowed for the call. */
typedef void record_fn(void *self, const struct message *);
/* The committed records from an offset to the log's end as it is now; *next is the offset to go on
 * from later. */
struct rc kafka_cluster_read(struct kafka_cluster *, const char *topic, int32_t partition,
                             int64_t from, record_fn *each, void *self, int64_t *next);
/* The same, only those below the span's end. *next is below that where a transaction that began
 * before it is open: what was committed behind its beginning, by anybody, cannot be seen yet. */
struct rc kafka_cluster_read_span(struct kafka_cluster *, const char *topic, int32_t partition,
                                  struct log_span, record_fn *each, void *self, int64_t *next);
/* All of the span, also what an open transaction hides, which is waited for. RC_TRY_AGAIN: it was
 * still open after open_ms, so long as brokers may leave one. */
struct rc kafka_cluster_read_through(struct kafka_cluster *, const char *topic, int32_t partition,
                                     struct log_span, int64_t open_ms, record_fn *each, void *self);

#endif
