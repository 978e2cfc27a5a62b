/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One list under one lock. Delayed jobs stay in the same list: there are a few
 * at most, so each wake-up looks through all of them.
 */
#include "common/adapters/lane.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/adapters/system_clock.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define IDLE_MS 60000

void *job_new(size_t size)
{
	return memory_new(size);
}

/* Takes the due jobs out; *next_ms is when the others are due. Under the lock. */
static struct job *take_due(struct lane *lane, int64_t now_ms, int64_t *next_ms)
{
	struct job *due = NULL, **due_last = &due, **place = &lane->first, *job;

	*next_ms = now_ms + IDLE_MS;
	lane->last = &lane->first;
	while ((job = *place)) {
		if (job->due_ms <= now_ms) {
			*place = job->next;
			job->next = NULL;
			*due_last = job;
			due_last = &job->next;
			continue;
		}
		if (job->due_ms < *next_ms)
			*next_ms = job->due_ms;
		place = &job->next;
		lane->last = place;
	}
	return due;
}

static void *lane_run(void *argument)
{
	struct lane *lane = argument;

	pthread_mutex_lock(&lane->lock);
	while (!lane_stopping(lane)) {
		int64_t next_ms;
		struct job *due = take_due(lane, system_now_ms(), &next_ms);

		if (due) {
			pthread_mutex_unlock(&lane->lock);
			lane->handler(lane->self, due);
			pthread_mutex_lock(&lane->lock);
		} else {
			struct timespec until = { .tv_sec = next_ms / 1000,
				                  .tv_nsec = next_ms % 1000 * 1000000 };

			pthread_cond_timedwait(&lane->changed, &lane->lock, &until);
		}
	}
	pthread_mutex_unlock(&lane->lock);
	return NULL;
}

struct rc lane_start(struct lane *lane, const char *name, lane_handler *handler, void *self)
{
	pthread_condattr_t attributes;
	sigset_t all, before;
	int error;

	memset(lane, 0, sizeof(*lane));
	lane->last = &lane->first;
	lane->handler = handler;
	lane->self = self;
	must(pthread_mutex_init(&lane->lock, NULL) == 0);
	must(pthread_condattr_init(&attributes) == 0);
	must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&lane->changed, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	/* Signals are the main thread's business; a broken pipe (SIGPIPE) is an error code here. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	error = pthread_create(&lane->thread, NULL, lane_run, lane);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		pthread_cond_destroy(&lane->changed);
		pthread_mutex_destroy(&lane->lock);
		return rc_fail(RC_OS, "no thread for %s: %s", name, strerror(error));
	}
	pthread_setname_np(lane->thread, name);
	lane->started = true;
	return OK;
}

void lane_put(struct lane *lane, struct job *job, int64_t delay_ms)
{
	job->next = NULL;
	job->due_ms = delay_ms ? system_now_ms() + delay_ms : 0;
	pthread_mutex_lock(&lane->lock);
	*lane->last = job;
	lane->last = &job->next;
	pthread_cond_signal(&lane->changed);
	pthread_mutex_unlock(&lane->lock);
}

void lane_stop(struct lane *lane)
{
	struct job *job;

	if (!lane->started)
		return;
	pthread_mutex_lock(&lane->lock);
	atomic_store(&lane->stopping, true);
	pthread_cond_signal(&lane->changed);
	pthread_mutex_unlock(&lane->lock);
	pthread_join(lane->thread, NULL);
	while ((job = lane->first)) {
		lane->first = job->next;
		free(job);
	}
	pthread_cond_destroy(&lane->changed);
	pthread_mutex_destroy(&lane->lock);
	lane->started = false;
}
