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

/* Ends the process, unless the call has to wait: then its time begins anew. */
static void judge(struct watchdog *dog, const char *call)
{
	bool were_away = dog->away;

	dog->ticks = 0;
	dog->away = !dog->answered(dog->self);
	if (dog->away)
		log_warn("transaction_call_waits", LOG_TEXT("call", call),
		         LOG_INT("limit_ms", dog->limit_ms), LOG_END);
	/* Brokers that came back in between have not had all of the time to answer it. */
	if (dog->away || were_away || atomic_load(&dog->number) != dog->seen ||
	    !atomic_load(&dog->call))
		return;
	log_error("transaction_call_hangs", LOG_TEXT("call", call),
	          LOG_INT("limit_ms", dog->limit_ms), LOG_END);
	_exit(EXIT_SOFTWARE);
}

static void tick(void *self, struct job *list)
{
	struct watchdog *dog = self;
	const char *call = atomic_load(&dog->call);
	unsigned number = atomic_load(&dog->number);

	if (!call || number != dog->seen) {
		dog->ticks = 0;
		dog->away = false;
	}
	dog->seen = number;
	dog->ticks++;
	if (call && dog->ticks * TICK_MS > dog->limit_ms)
		judge(dog, call);
	lane_put(&dog->lane, list, TICK_MS);
}

struct rc watchdog_start(struct watchdog *dog, int64_t limit_ms, bool (*answered)(void *self),
                         void *self)
{
	struct job *job;

	atomic_store(&dog->call, NULL);
	atomic_store(&dog->number, 0);
	dog->seen = 0;
	dog->ticks = 0;
	dog->limit_ms = limit_ms;
	dog->answered = answered;
	dog->self = self;
	dog->away = false;
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
