/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a librdkafka client says of itself, at each statistics interval, as the few
 * numbers that metrics show.
 *
 * Brokers are summed up, or the slowest one counts, so that the number of figures
 * does not grow with the cluster; a partition's lag is the runtime's own (log end
 * minus R). A box is written on its client's thread and read on any. Text that is
 * not as librdkafka's STATISTICS.md says leaves zeros; nothing can fail.
 */
#ifndef TALLY_ADAPTERS_KAFKA_STATISTICS_H
#define TALLY_ADAPTERS_KAFKA_STATISTICS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"

enum kafka_quantile { KAFKA_P50, KAFKA_P99, KAFKA_QUANTILES };

struct kafka_statistics {
	bool known; /* false: none came yet, or the client is gone */
	/* Of the last interval, microseconds, at the slowest broker; -1: nothing was sent. */
	int64_t rtt_us[KAFKA_QUANTILES];       /* from sending a request to its answer */
	int64_t send_wait_us[KAFKA_QUANTILES]; /* before it was sent */
	int64_t throttle_ms;                   /* the longest that a broker asked for */
	int64_t brokers_up;
	int64_t requests_queued, requests_in_flight;
	/* Since the client was opened. */
	int64_t requests, sent_bytes, received_bytes, errors, timeouts, connects, disconnects;
	/* Producer: what waits to be sent or acknowledged. */
	int64_t queued_records, queued_bytes;
	/* Consumer: what was fetched and is not taken yet, and the group. */
	int64_t fetched_records, fetched_bytes, rebalances, rebalance_age_ms, assigned_partitions;
};

struct kafka_statistics_box {
	pthread_mutex_t lock;
	struct kafka_statistics newest;
};

void kafka_statistics_parse(struct str json, struct kafka_statistics *out);

void kafka_statistics_box_init(struct kafka_statistics_box *);
void kafka_statistics_box_release(struct kafka_statistics_box *);
void kafka_statistics_put(struct kafka_statistics_box *, struct str json);
/* Its client is gone. */
void kafka_statistics_forget(struct kafka_statistics_box *);
struct kafka_statistics kafka_statistics_get(struct kafka_statistics_box *);

#endif
