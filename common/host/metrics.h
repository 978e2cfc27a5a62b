/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics: one table of names, types, units and words, and their text for
 * Prometheus (exposition format 0.0.4).
 *
 * Every metric is tallyworks_<noun>_<unit>[_total] and has the label worker.
 * Sums over the other labels make sense, or the metric says otherwise. Labels
 * never hold an id of an order, a person or a customer. docs/METRICS.md is
 * printed from the table. Nothing can fail.
 */
#ifndef TALLY_HOST_METRICS_H
#define TALLY_HOST_METRICS_H

#include "common/base/buf.h"
#include "common/host/snapshot.h"

/* Where they are served unless the configuration says otherwise: one port a worker, in the order of
 * workers[]. */
#define METRICS_FIRST_PORT 9641
unsigned metrics_default_port(const struct worker *);

/* Appends all metrics. */
void metrics_render(const struct snapshot *, const struct worker *, struct buf *);
/* docs/METRICS.md. */
void metrics_document(struct buf *);

#endif
