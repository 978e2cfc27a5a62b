/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread with a queue of jobs: where an adapter makes its blocking calls.
 *
 * A job is one malloc'ed block that begins with a struct job. The handler is
 * given every job that is due, as a list in the order of putting, and owns it:
 * it frees each job or puts it back. Jobs that no handler saw are freed by
 * lane_stop(). Handlers look at lane_stopping() between blocking calls.
 */
#ifndef TALLY_ADAPTERS_LANE_H
#define TALLY_ADAPTERS_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/rc.h"

struct job {
	struct job *next;
	int64_t due_ms; /* monotonic; the lane's own */
};

typedef void lane_handler(void *self, struct job *list);

struct lane {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job *first, **last;
	lane_handler *handler;
	void *self;
	bool started;
	atomic_bool stopping;
};

/* The name (at most 15 bytes) is what top and gdb show. */
struct rc lane_start(struct lane *, const char *name, lane_handler *, void *self);
void lane_put(struct lane *, struct job *, int64_t delay_ms);
/* Waits for the handler's end. Does nothing where the lane never started. */
void lane_stop(struct lane *);

static inline bool lane_stopping(const struct lane *lane)
{
	return atomic_load_explicit(&lane->stopping, memory_order_relaxed);
}

/* A zeroed job of some size. */
void *job_new(size_t size);

#endif
