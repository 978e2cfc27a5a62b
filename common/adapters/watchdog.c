/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job that puts itself back every TICK_MS and counts how often it saw the same
 * call.
 */
#include "common/adapters/watchdog.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"

#define TICK_MS 250
#define EXIT_SOFTWARE 70

static void tick(void *self, struct job *list)
{
	struct watchdog *dog = self;
	const char *call = atomic_load(&dog->call);
	unsigned number = atomic_load(&dog->number);

	if (!call || number != dog->seen)
		dog->ticks = 0;
	dog->seen = number;
	dog->ticks++;
	if (call && dog->ticks * TICK_MS > dog->limit_ms) {
		log_error("transaction_call_hangs", LOG_TEXT("call", call),
		          LOG_INT("limit_ms", dog->limit_ms), LOG_END);
		_exit(EXIT_SOFTWARE);
	}
	lane_put(&dog->lane, list, TICK_MS);
}

struct rc watchdog_start(struct watchdog *dog, int64_t limit_ms)
{
	struct job *job;

	atomic_store(&dog->call, NULL);
	atomic_store(&dog->number, 0);
	dog->seen = 0;
	dog->ticks = 0;
	dog->limit_ms = limit_ms;
	TRY(lane_start(&dog->lane, "watchdog", tick, dog));
	job = job_new(sizeof(*job));
	lane_put(&dog->lane, job, TICK_MS);
	return OK;
}

void watchdog_stop(struct watchdog *dog)
{
	lane_stop(&dog->lane);
}

void watchdog_begin(struct watchdog *dog, const char *call)
{
	atomic_fetch_add(&dog->number, 1);
	atomic_store(&dog->call, call);
}

void watchdog_end(struct watchdog *dog)
{
	atomic_store(&dog->call, NULL);
}
