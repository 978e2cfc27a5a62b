/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long batches, transactions and flushes take: asked of the workers themselves,
 * their /metrics, every five seconds on a thread of its own.
 *
 * Only dashboard.workers are asked, of a name all its addresses: whoever starts more
 * processes behind it need not say so here. What is told is the difference
 * to a minute before, or to the first answer since there was none, added up over a
 * worker's processes; one that does not answer counts for nothing. A timing owns its
 * thread.
 */
#ifndef TALLY_DASHBOARD_TIMING_H
#define TALLY_DASHBOARD_TIMING_H

#include "common/host/config.h"
#include "common/runtime/process.h"

#define TIMING_PROCESSES_MOST 256

enum timing_kind { TIMING_BATCH, TIMING_TRANSACTION, TIMING_FLUSH, TIMING_KINDS };

/* What one process says. */
struct timing_sample {
	char worker[32]; /* "": it did not answer */
	int64_t at_ms;   /* monotonic */
	struct durations kinds[TIMING_KINDS];
};

/* Reads /metrics; false: it is not that of a worker, or of one with other buckets. */
bool timing_read(struct str metrics, struct timing_sample *);
/* What came between the two; all of now, where it is another process's. */
struct durations timing_since(const struct durations *then, const struct durations *now);
/* The bound in ms below which so many of a thousand lie; -1: above the last, or none are there. */
int64_t timing_bound_ms(const struct durations *, unsigned of_thousand);

struct timing;

/* The config is borrowed. Fails where no thread can be had. */
struct rc timing_new(const struct config *, struct timing **out);
/* NULL is allowed. */
void timing_free(struct timing *);
/* Of one worker, by kind; how many processes it is of. */
unsigned timing_of(struct timing *, const char *worker, struct durations out[TIMING_KINDS]);
/* How many addresses there are, and how many answered last. */
void timing_count(struct timing *, unsigned *addresses, unsigned *answered);

#endif
