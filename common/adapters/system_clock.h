/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock port over the machine's own clocks. Owns nothing, cannot fail.
 */
#ifndef TALLY_ADAPTERS_SYSTEM_CLOCK_H
#define TALLY_ADAPTERS_SYSTEM_CLOCK_H

#include "common/runtime/ports.h"

void system_clock_port(struct clock *out);
/* CLOCK_MONOTONIC in ms, for the adapters' own timeouts. */
int64_t system_now_ms(void);
/* CLOCK_REALTIME in ms since 1970. */
int64_t system_wall_ms(void);

#endif
