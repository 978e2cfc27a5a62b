/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of a worker: everything that is not its rules.
 *
 * A worker's main() is one call. It reads the command line and configuration,
 * answers what can be answered without running, or runs the worker until it is
 * told to end. Returns the exit status: 0 after a drain, 64 wrong use, 75 ended
 * before everything was finished (it can be started again as it is), 78 a
 * configuration that is not valid.
 */
#ifndef TALLY_HOST_HOST_H
#define TALLY_HOST_HOST_H

#include "common/host/args.h"
#include "common/runtime/worker.h"

/* A worker's flags besides those of every program. */
extern const struct flag host_flags[];

int host_main(const struct worker *, int argc, char **argv);

#endif
