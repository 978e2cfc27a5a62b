/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for a Redis connection. hiredis' own context checks the certificate's chain
 * but not whom it names, so the session is made with OpenSSL directly: the host of
 * the URL, or tls_server_name, must be in the certificate.
 */
#ifndef TALLY_ADAPTERS_REDIS_TLS_H
#define TALLY_ADAPTERS_REDIS_TLS_H

#include <hiredis/hiredis.h>

#include "common/adapters/redis_store.h"

/* Certificates and keys, read once. */
struct redis_tls;

struct rc redis_tls_new(const struct redis_options *, struct redis_tls **out);
/* NULL is allowed. */
void redis_tls_free(struct redis_tls *);
/* Shakes hands on a connected socket. */
struct rc redis_tls_start(struct redis_tls *, redisContext *, const char *host);

#endif
