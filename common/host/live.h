/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live host: one process of one worker over Kafka and Redis.
 *
 * live_run() makes the ports, the process and the HTTP server, turns the loop
 * until the process is told to end, and gives everything back. SIGTERM or SIGINT
 * drains: what is taken is finished, the group is left in order, all within
 * drain.timeout.ms; a second one ends the process at once (status 75), which is
 * as safe as a crash. Nothing that is away at the start is a failure: the worker
 * waits for it and says so.
 */
#ifndef TALLY_HOST_LIVE_H
#define TALLY_HOST_LIVE_H

#include "common/host/config.h"
#include "common/runtime/worker.h"

/* OK: everything was finished. What was not finished in time ends the process with status 75. */
struct rc live_run(const struct worker *, const struct config *);

#endif
