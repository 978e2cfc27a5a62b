/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers by name: the service in folder NAME defines its table as NAME_worker.
 * Which ones there are is said once, by tally_worker(NAME) in CMakeLists.txt;
 * services/workers.c lists them for the runtime.
 */
#ifndef TALLY_SERVICES_WORKERS_H
#define TALLY_SERVICES_WORKERS_H

#include "common/runtime/worker.h"
#include "worker_list.h"

#define WORKER_DECLARATION(name) extern const struct worker name##_worker;
WORKER_LIST(WORKER_DECLARATION)
#undef WORKER_DECLARATION

#endif
