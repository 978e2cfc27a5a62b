/* SPDX-License-Identifier: Apache-2.0 */
#include "services/workers.h"

#define WORKER_ADDRESS(name) &name##_worker,
const struct worker *const workers[] = { WORKER_LIST(WORKER_ADDRESS) NULL };
#undef WORKER_ADDRESS
