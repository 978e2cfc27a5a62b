/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers by name: each service defines its table under one of these, and
 * services/workers.c lists them for the runtime.
 */
#ifndef TALLY_SERVICES_WORKERS_H
#define TALLY_SERVICES_WORKERS_H

#include "common/runtime/worker.h"

extern const struct worker orders_worker, commissions_worker, scoreboard_worker;

#endif
