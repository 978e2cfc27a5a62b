/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two clock_gettime() calls in the shape of the port.
 */
#include "common/adapters/system_clock.h"

#include <time.h>

static int64_t read_ms(clockid_t which)
{
	struct timespec time;

	clock_gettime(which, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int64_t system_now_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

static int64_t now_ms(void *self)
{
	(void)self;
	return read_ms(CLOCK_MONOTONIC);
}

static int64_t wall_ms(void *self)
{
	(void)self;
	return read_ms(CLOCK_REALTIME);
}

int64_t system_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

void system_clock_port(struct clock *out)
{
	*out = (struct clock){ .now_ms = now_ms, .wall_ms = wall_ms };
}
