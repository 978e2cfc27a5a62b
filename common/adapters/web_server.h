/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 server for pages, a JSON API and event streams (text/event-stream),
 * over libevent, on the caller's thread: GET, HEAD, and POST with a small body.
 *
 * Everything is bounded: a request in bytes and in time (one that comes
 * byte by byte gets no longer), an answer in time, the number of connections, and
 * what waits for a reader of a stream in bytes: who is too slow is cut off and may
 * come again. SIGTERM and SIGINT drain: no new connections, answers under way are
 * finished, streams end; a second signal ends the process at once (status 75).
 */
#ifndef TALLY_ADAPTERS_WEB_SERVER_H
#define TALLY_ADAPTERS_WEB_SERVER_H

#include "common/adapters/http_head.h"
#include "common/base/buf.h"
#include "common/base/rc.h"

#define WEB_CONNECTIONS_MOST 2000   /* or what RLIMIT_NOFILE allows; more are answered with 503 */
#define WEB_STREAM_BYTES_MOST 65536 /* unsent, of one stream */
#define WEB_HEAD_SECONDS 10         /* for a whole request */
#define WEB_ANSWER_SECONDS 30       /* for a reader to take an answer */

struct web_server;

struct web_answer {
	int status;               /* what the handler finds: 200, or what is wrong with the head */
	const char *content_type; /* a literal */
	const char *headers;      /* further lines, each with CR LF; "" */
	struct str tag;           /* the ETag with its quotes; absent: none */
	struct buf *body;         /* of a stream: its beginning */
	bool stream;              /* goes on with web_server_broadcast() */
};

/* Fills the answer, which is 200 with an empty body when it comes. Where status says that the
 * request is not valid, only words for it are wanted. The head is borrowed for the call. */
typedef void web_handler(void *self, const struct http_head *, struct web_answer *);

struct web_options {
	const char *host;
	uint16_t port; /* 0: any free one */
	web_handler *handler;
	void (*tick)(void *self); /* every tick_ms */
	int64_t tick_ms, drain_ms;
	void *self;
};

/* RC_UNAVAILABLE: the address is taken or not this machine's. Options are copied. */
struct rc web_server_new(const struct web_options *, struct web_server **out);
/* NULL is allowed. */
void web_server_free(struct web_server *);
uint16_t web_server_port(const struct web_server *);
/* Serves until a signal ends it. RC_TRY_AGAIN: not everybody took the answer in time. */
struct rc web_server_run(struct web_server *);
/* Sends the bytes to all streams; returns how many were cut off for being too slow. */
unsigned web_server_broadcast(struct web_server *, struct str);
unsigned web_server_streams(const struct web_server *);

/* Does the host name nothing but this machine (127.0.0.0/8, ::1)? */
bool web_host_is_loopback(const char *host);

#endif
