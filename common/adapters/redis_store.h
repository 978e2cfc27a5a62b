/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store port over Redis (7.0 or later) and hiredis.
 *
 * Two lanes, each a thread with its own connection, so that a cold load never
 * waits behind a large flush: reads (claim, load, check, try, wipe, due) and
 * writes (flush). A lane sends all it was given before it reads the answers. What
 * is atomic happens in the functions of tallyworks_v1.lua, which a lane loads when
 * it is missing or another. A Redis that cannot be reached is no failure here:
 * calls are then answered with STORE_KEPT or RC_UNAVAILABLE. Options are borrowed
 * for the store's life. Rules: DESIGN section 4, CONTRACT "Redis".
 */
#ifndef TALLY_ADAPTERS_REDIS_STORE_H
#define TALLY_ADAPTERS_REDIS_STORE_H

#include "common/runtime/ports.h"
#include "common/runtime/worker.h"

struct redis_options {
	const char *
		url; /* redis://[[user]:password@]host[:port][/db], rediss://..., unix:///path[?db] */
	const char *user, *password;    /* or NULL; they come before those in the URL */
	const char *tls_ca;             /* file, or NULL: the machine's own */
	const char *tls_cert, *tls_key; /* files, or NULL: no client certificate */
	const char *tls_server_name;    /* or NULL: the URL's host */
	struct str prefix;              /* before every key, may be empty */
	struct str topic;               /* the input topic, as it stands in meta:, asof:, due: */
	int64_t connect_timeout_ms;     /* 1000 */
	int64_t command_timeout_ms;     /* 5000 */
	bool reads_only;                /* nothing is checked or loaded that only writers need */
};
/* Fills in the numbers. */
void redis_options_default(struct redis_options *);
/* Can the URL be read, and do the options fit together? */
struct rc redis_options_check(const struct redis_options *);

struct redis_store;

/* The worker's tables say which keys a shard owns. */
struct rc redis_store_new(const struct redis_options *, const struct worker *, struct inbox *,
                          struct store *port_out, struct redis_store **out);
/* Calls without an answer are forgotten; a flush under way may or may not be executed. */
void redis_store_free(struct redis_store *);

#endif
