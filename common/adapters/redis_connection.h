/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One blocking connection to Redis: opened when it is needed, checked once, closed
 * at the first sign of trouble.
 *
 * A connection that hurt a timeout is closed, since its late answer would be taken
 * for the next one. Opening checks what the protocol stands on (version, eviction
 * policy, our function library) and refuses with words. Not thread-safe.
 */
#ifndef TALLY_ADAPTERS_REDIS_CONNECTION_H
#define TALLY_ADAPTERS_REDIS_CONNECTION_H

#include <hiredis/hiredis.h>

#include "common/adapters/redis_store.h"
#include "common/base/limits.h"

struct redis_tls;

struct redis_connection {
	const struct redis_options *options;
	redisContext *context; /* NULL: not open */
	struct redis_tls *tls; /* made at the first use */
	int64_t refused_ms;    /* when opening failed last; it is not tried again at once */
	struct rc refused;
	char words[RC_TEXT_BYTES]; /* of that failure */
};

void redis_connection_init(struct redis_connection *, const struct redis_options *);
void redis_connection_release(struct redis_connection *);

/* Makes sure that it is open, noticing one that the other side has closed. */
struct rc redis_connection_open(struct redis_connection *);
void redis_connection_close(struct redis_connection *);

/* Appends to what is to be sent; sends all; reads the next answer (the caller frees it). A failure
 * closes the connection. */
void redis_connection_append(struct redis_connection *, struct str commands);
struct rc redis_connection_send(struct redis_connection *);
struct rc redis_connection_receive(struct redis_connection *, redisReply **out);
/* The three together, for one command. An error answer is a failure (RC_PROTOCOL). */
struct rc redis_connection_ask(struct redis_connection *, struct str command, redisReply **out);

/* Puts our library in place of whatever has its name. */
struct rc redis_connection_load_library(struct redis_connection *);

/* What an error answer means for a command. */
enum redis_error {
	REDIS_ERROR_KEPT,             /* surely not executed: try later */
	REDIS_ERROR_FUNCTION_MISSING, /* not executed: load the library and try again */
	REDIS_ERROR_HALF,             /* perhaps half executed */
};
enum redis_error redis_error_kind(struct str words);

#endif
