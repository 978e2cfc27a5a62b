/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a shard's meta hash, as HGETALL or a function answers it. Fields that are
 * missing have the values of a shard that was never written.
 */
#ifndef TALLY_ADAPTERS_REDIS_META_H
#define TALLY_ADAPTERS_REDIS_META_H

#include <hiredis/hiredis.h>

#include "common/runtime/ports.h"

/* False: a field holds what is no value of it. */
bool redis_meta_read(const redisReply *, struct shard_meta *out);

#endif
