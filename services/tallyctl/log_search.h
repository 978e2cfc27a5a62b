/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place in a log by something in its records that grows with the offset: a number in a header, or
 * about, the time of the events.
 *
 * Some dozens of records are read instead of all. Where the keys do grow the answer is exact; where
 * they only about do it is near. Failures are those of the cluster. Nothing is kept.
 */
#ifndef TALLY_TALLYCTL_LOG_SEARCH_H
#define TALLY_TALLYCTL_LOG_SEARCH_H

#include "common/adapters/kafka_cluster.h"

struct log_search {
	struct kafka_cluster *cluster;
	const char *topic;
	int32_t partition;
	/* The record's key; false: it has none and says nothing. */
	bool (*key)(void *self, const struct message *, int64_t *out);
	void *self;
};

/* The first offset of the span whose record's key is `least` or more; the span's end: none is. */
struct rc log_search_first(const struct log_search *, struct log_span, int64_t least, int64_t *out);

#endif
