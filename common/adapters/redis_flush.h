/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes a flush: one call of tallyworks_flush with the meta's new fields and the
 * writes as few commands as possible. Writes of one key are gathered, so that one
 * HSET, ZADD or MSET takes many pairs. A field, member or value is to be named once
 * a flush; should it be twice, the later one wins among writes of one kind.
 */
#ifndef TALLY_ADAPTERS_REDIS_FLUSH_H
#define TALLY_ADAPTERS_REDIS_FLUSH_H

#include "common/adapters/redis_command.h"
#include "common/adapters/redis_store.h"

/* Adds "<prefix>meta:<topic>:<partition>". */
void redis_add_meta_key(struct command *, const struct redis_options *, int32_t partition);
/* Appends the command to the buffer; scratch is for its own use. */
void redis_encode_flush(const struct flush *, const struct redis_options *, struct buf *,
                        struct arena *scratch, struct command *out);

#endif
