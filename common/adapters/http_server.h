/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP/1.1 server on a thread of its own (libevent's evhttp), for health
 * and metrics: GET and HEAD only, bounded headers, ten seconds a connection.
 *
 * The handler runs on the server's thread. path and query (absent if there was
 * none) are borrowed for the call; body is emptied before it; content_type must
 * be a literal. Stopping waits for the handler under way.
 */
#ifndef TALLY_ADAPTERS_HTTP_SERVER_H
#define TALLY_ADAPTERS_HTTP_SERVER_H

#include "common/base/buf.h"
#include "common/base/rc.h"

struct http_server;

/* False: there is nothing under this path (404). content_type is text/plain and status 200 unless
 * the handler says otherwise. */
typedef bool http_handler(void *self, struct str path, struct str query, struct buf *body,
                          const char **content_type, int *status);

/* Port 0: any free one. RC_UNAVAILABLE: the address is taken or not this machine's. */
struct rc http_server_start(const char *host, uint16_t port, http_handler *, void *self,
                            struct http_server **out);
uint16_t http_server_port(const struct http_server *);
/* NULL is allowed. */
void http_server_stop(struct http_server *);

#endif
