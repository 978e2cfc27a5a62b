/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment is read once; afterwards a fail-point that is not named costs
 * one load.
 */
#include "common/base/failpoint.h"

typedef int failpoint_not_empty; /* an empty translation unit is not C */

#ifdef TALLY_FAILPOINTS

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"

#define POINTS_MOST 16
#define EXIT_USAGE 64
#define EXIT_SOFTWARE 70

enum action { ACTION_KILL, ACTION_STOP, ACTION_SLEEP, ACTION_EXIT, ACTION_ERROR, ACTION_COUNT };

static const char *const action_names[ACTION_COUNT] = { "kill", "stop", "sleep", "exit", "error" };

struct point {
	struct str name;
	int64_t partition, offset; /* -1: not of one record */
	int64_t hit;               /* 0: every */
	enum action action;
	int64_t sleep_ms;
	_Atomic int64_t hits;
};

static struct point points[POINTS_MOST];
static atomic_uint point_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool point_parse(struct str text, struct point *point)
{
	struct str action, place = str_split(&text, ':');

	point->name = str_split(&place, '@');
	point->partition = point->offset = -1;
	if (place.ptr && (!str_to_i64(str_split(&place, '/'), &point->partition) ||
	                  !str_to_i64(place, &point->offset)))
		return false;
	if (!str_to_i64(str_split(&text, ':'), &point->hit) || point->hit < 0)
		return false;
	action = str_split(&text, ':');
	for (unsigned i = 0; i < ACTION_COUNT; i++) {
		if (!str_eq_c(action, action_names[i]))
			continue;
		point->action = (enum action)i;
		if (point->action != ACTION_SLEEP)
			return text.ptr == NULL;
		return str_to_i64(text, &point->sleep_ms) && point->sleep_ms >= 0;
	}
	return false;
}

static void read_environment(void)
{
	struct str rest = str_from_c(getenv("TALLY_FAILPOINT"));
	unsigned count = 0;

	if (rest.len == 0)
		return;
	while (rest.ptr) {
		struct str one = str_split(&rest, ',');

		if (count == POINTS_MOST || !point_parse(one, &points[count])) {
			log_error("fail_point_unreadable", LOG_STR("value", one), LOG_END);
			_exit(EXIT_USAGE);
		}
		count++;
	}
	atomic_store(&point_count, count);
}

static void point_fire(struct point *point)
{
	struct timespec pause_time = { .tv_sec = point->sleep_ms / 1000,
		                       .tv_nsec = point->sleep_ms % 1000 * 1000000 };

	log_info("fail_point", LOG_STR("name", point->name),
	         LOG_TEXT("action", action_names[point->action]), LOG_END);
	switch (point->action) {
	case ACTION_KILL: kill(getpid(), SIGKILL); break;
	case ACTION_STOP: raise(SIGSTOP); break; /* this thread first: it goes no further */
	case ACTION_SLEEP: nanosleep(&pause_time, NULL); break;
	case ACTION_EXIT: _exit(EXIT_SOFTWARE);
	case ACTION_ERROR:
	case ACTION_COUNT: break;
	}
}

bool fail_point_armed(const char *name)
{
	unsigned count;

	pthread_once(&once, read_environment);
	count = atomic_load_explicit(&point_count, memory_order_relaxed);
	for (unsigned i = 0; i < count; i++)
		if (str_eq_c(points[i].name, name))
			return true;
	return false;
}

static bool fire(const char *name, int64_t partition, int64_t offset)
{
	unsigned count;
	bool failed = false;

	pthread_once(&once, read_environment);
	count = atomic_load_explicit(&point_count, memory_order_relaxed);
	for (unsigned i = 0; i < count; i++) {
		struct point *point = &points[i];

		if (!str_eq_c(point->name, name) || point->partition != partition ||
		    point->offset != offset)
			continue;
		if (atomic_fetch_add(&point->hits, 1) + 1 != point->hit && point->hit != 0)
			continue;
		point_fire(point);
		failed |= point->action == ACTION_ERROR;
	}
	return failed;
}

bool fail_point(const char *name)
{
	return fire(name, -1, -1);
}

void fail_point_at(const char *name, int32_t partition, int64_t offset)
{
	(void)fire(name, partition, offset);
}

#endif
