/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places where a test can make the process die, hang or fail.
 *
 * Compiled in with TALLY_FAILPOINTS only, and even then without effect unless
 * the environment names one: TALLY_FAILPOINT="name:hit:action[,name:hit:action]".
 * `hit` counts from 1; 0 means every time. Actions: kill (SIGKILL), stop
 * (SIGSTOP), sleep:MS, exit (status 70), error (FAIL_POINT_ERROR() is true, and
 * the caller pretends that the step failed). A name may end in @PARTITION/OFFSET:
 * then it is that record's only. A value that cannot be read ends the
 * process, since a test that arms nothing would pass. The names are those of the
 * crash table, DESIGN section 4. Thread-safe.
 */
#ifndef TALLY_BASE_FAILPOINT_H
#define TALLY_BASE_FAILPOINT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef TALLY_FAILPOINTS
/* Counts a hit and does what is asked for; true: the action is `error`. */
bool fail_point(const char *name);
/* Is an action named for it, at whatever hit? */
bool fail_point_armed(const char *name);
/* A hit at a record: fires what is named for it. */
void fail_point_at(const char *name, int32_t partition, int64_t offset);
#define FAIL_POINT(name) ((void)fail_point(name))
#define FAIL_POINT_AT(name, partition, offset) fail_point_at(name, partition, offset)
#define FAIL_POINT_ERROR(name) fail_point(name)
#define FAIL_POINT_ARMED(name) fail_point_armed(name)
#else
#define FAIL_POINT(name) ((void)0)
#define FAIL_POINT_AT(name, partition, offset) ((void)0)
#define FAIL_POINT_ERROR(name) (false)
#define FAIL_POINT_ARMED(name) (false)
#endif

#endif
