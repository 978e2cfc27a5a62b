/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated clock as a port. */
#include "common/adapters/memory/clock.h"

void memory_clock_init(struct memory_clock *c, int64_t start_ms)
{
	*c = (struct memory_clock){ .start_ms = start_ms };
}

int64_t memory_clock_wall(const struct memory_clock *c)
{
	return c->start_ms + c->now_ms;
}

void memory_clock_reach(struct memory_clock *c, int64_t now_ms)
{
	if (now_ms > c->now_ms)
		c->now_ms = now_ms;
}

static int64_t port_now(void *self)
{
	return ((const struct memory_clock *)self)->now_ms;
}

static int64_t port_wall(void *self)
{
	return memory_clock_wall(self);
}

struct clock memory_clock_port(struct memory_clock *c)
{
	return (struct clock){ .self = c, .now_ms = port_now, .wall_ms = port_wall };
}
