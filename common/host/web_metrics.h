/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of tally-dashboard: a table like that of the workers (metrics.h), whose
 * names it shares where they mean the same. The label worker is "dashboard". Nothing
 * can fail.
 */
#ifndef TALLY_HOST_WEB_METRICS_H
#define TALLY_HOST_WEB_METRICS_H

#include "common/base/buf.h"

struct web_stats {
	int64_t started_wall_ms;
	bool redis_ok, kafka_asked, kafka_ok;
	int64_t answers[4]; /* by status: 2xx, 3xx, 4xx, 5xx */
	int64_t remembered; /* answers that were told again */
	int64_t streams, stream_events, streams_cut;
};

/* Counts an answer with this status. */
void web_metrics_count(struct web_stats *, int status);
/* Appends all metrics. */
void web_metrics_render(const struct web_stats *, struct buf *);
/* Its part of docs/METRICS.md. */
void web_metrics_document(struct buf *);

#endif
