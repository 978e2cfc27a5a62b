/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes the keys of a shard, its meta's cursor last, so that a rebuild begins
 * with nothing. Which keys are a shard's follows from their names: the worker's
 * tables give the message key behind each, the message key gives the partition.
 * Every removal looks whether the shard is still ours by claim.
 */
#ifndef TALLY_ADAPTERS_REDIS_WIPE_H
#define TALLY_ADAPTERS_REDIS_WIPE_H

#include "common/adapters/redis_connection.h"
#include "common/adapters/redis_request.h"

/* Does a part of it. *done: nothing is left. RC_TRY_AGAIN: the shard is another's now. */
struct rc redis_wipe_step(struct redis_connection *, const struct worker *, struct request *,
                          bool *done);

#endif
