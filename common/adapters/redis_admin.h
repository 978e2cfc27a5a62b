/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tools and health checks ask Redis: how the shards stand, and whether it
 * could be written to.
 *
 * One blocking connection, opened by the first question and again after trouble.
 * Failures are RC_UNAVAILABLE or RC_REFUSED with words for a person. Nothing here
 * writes but redis_admin_write(), and the function library where it is missing. Not
 * thread-safe.
 */
#ifndef TALLY_ADAPTERS_REDIS_ADMIN_H
#define TALLY_ADAPTERS_REDIS_ADMIN_H

#include "common/adapters/redis_store.h"

struct redis_admin;

/* Options are borrowed; of them topic is not used. */
struct redis_admin *redis_admin_new(const struct redis_options *);
/* NULL is allowed. */
void redis_admin_free(struct redis_admin *);

/* How a shard stands in Redis. */
struct meta_row {
	bool exists;                 /* it was written at some time */
	bool torn;                   /* a flush broke off: the shard will be rebuilt */
	int64_t cursor;              /* R; -1 where it does not exist or is torn */
	int64_t pin;                 /* reference pin; -1: none */
	int64_t partitions;          /* of the topic when it was written; 0: none */
	int64_t logic;               /* version it was written under; 0: none */
	char owner[META_TEXT_BYTES]; /* transactional.id of who claimed it last; empty: nobody */
	bool released;               /* and let go in order */
	bool rebuilding;
	struct offsets trying; /* being tried one by one, after deaths */
	int64_t broker_ms;     /* broker timestamp of the record before R; 0: none */
};
/* One row a partition of the topic. */
struct rc redis_admin_metas(struct redis_admin *, struct str topic, int32_t partitions,
                            struct meta_row *out);
/* A key's value: one text, or names and values in turn (a sorted set's highest first). */
struct redis_value {
	const char *type; /* as Redis says it; "none" */
	struct str *items;
	unsigned count;
};
/* The name is without the prefix; all of it lives in the arena. RC_REFUSED: a type without us. */
struct rc redis_admin_value(struct redis_admin *, struct str name, struct arena *,
                            struct redis_value *out);
/* A key that a worker writes; the name is without the prefix. */
struct redis_ask {
	struct str name;
	enum redis_form { REDIS_STRING, REDIS_HASH, REDIS_SCORES } form;
};
/* The values of keys and how the shards of the topic stand, all of one instant. A key that is not
 * there has no items; one of another type has the type "another". */
struct rc redis_admin_read(struct redis_admin *, struct str topic, int32_t partitions,
                           struct meta_row *metas_out, const struct redis_ask *, unsigned count,
                           struct arena *, struct redis_value *values_out);
/* Calls for every key with the prefix, its name without it; some may come more than once. */
struct rc redis_admin_scan(struct redis_admin *, void (*each)(void *self, struct str name),
                           void *self);
/* Writes values one after the other, in no transaction: for keys that no worker owns. */
struct rc redis_admin_write(struct redis_admin *, const struct write *, unsigned count);
/* Is it there, fit for the product, and the one that takes writes? */
struct rc redis_admin_probe(struct redis_admin *);

#endif
