/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do about a bug: stop.
 *
 * must(cond) is always on. When the condition is false it prints the place and
 * the position in the log that was being folded, then aborts; the next start
 * replays from Redis, so stopping is safe. It is never used for bad input or for
 * trouble outside the process.
 */
#ifndef TALLY_BASE_MUST_H
#define TALLY_BASE_MUST_H

#include <stdint.h>
#include <stdnoreturn.h>

#define must(cond) ((cond) ? (void)0 : must_fail(#cond, __FILE__, __LINE__))

noreturn void must_fail(const char *condition, const char *file, int line);

/* The runtime sets what is being folded, so that a failure can name it. topic is borrowed. */
void must_set_position(const char *topic, int32_t partition, int64_t offset);

#endif
