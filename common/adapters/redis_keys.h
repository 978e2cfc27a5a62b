/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Redis keys that belong to the runtime itself, not to a worker's tables: what
 * each shard keeps about itself. For reading a shard's meta and for docs/REDIS.md.
 */
#ifndef TALLY_ADAPTERS_REDIS_KEYS_H
#define TALLY_ADAPTERS_REDIS_KEYS_H

#include <stddef.h>

#include "common/base/str.h"

#define REDIS_FIELD_OTHER SIZE_MAX

struct redis_field {
	struct str name; /* absent ends the list */
	size_t number;   /* offset of its int64_t in struct shard_meta, or REDIS_FIELD_OTHER */
	const char *type, *unit;
	const char *words;
};

/* Fields of `meta:<topic>:<partition>`. */
extern const struct redis_field redis_meta_fields[];

struct redis_own_key {
	const char *pattern; /* NULL ends the list */
	const char *type;    /* string, hash, sorted set */
	const char *words;
	const struct redis_field *fields; /* of a hash with fixed fields, or NULL */
};

extern const struct redis_own_key redis_own_keys[];

#endif
