/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only the server's thread touches the event base. It is told to end through an
 * eventfd, since event_base_loopbreak() does not wake a base of another thread.
 */
#include "common/adapters/http_server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "common/adapters/socket.h"
#include "common/base/memory.h"

#define HEADER_BYTES_MOST 8192
#define BODY_BYTES_MOST 1024
#define CONNECTION_SECONDS 10

struct http_server {
	struct event_base *base;
	struct evhttp *http;
	struct event *end_event;
	int end_fd;
	uint16_t port;
	http_handler *handler;
	void *self;
	struct buf body;
	pthread_t thread;
};

static void answer(struct evhttp_request *request, void *arg)
{
	struct http_server *server = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;
	const char *content_type = "text/plain; charset=utf-8";
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *out = evhttp_request_get_output_buffer(request);
	int status = 200;
	char length[24];

	buf_clear(&server->body);
	if (!path || !*path)
		path = "/";
	if (!server->handler(server->self, str_from_c(path), str_from_c(query), &server->body,
	                     &content_type, &status)) {
		buf_clear(&server->body);
		buf_put_lit(&server->body, "not found\n");
		content_type = "text/plain; charset=utf-8";
		status = 404;
	}
	evhttp_add_header(headers, "Content-Type", content_type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	/* evhttp would send the body in answer to HEAD, too. */
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		snprintf(length, sizeof(length), "%zu", server->body.len);
		evhttp_add_header(headers, "Content-Length", length);
	} else {
		evbuffer_add(out, server->body.ptr ? server->body.ptr : "", server->body.len);
	}
	evhttp_send_reply(request, status, NULL, NULL);
}

static void end(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(arg);
}

static void *serve(void *arg)
{
	struct http_server *server = arg;

	pthread_setname_np(pthread_self(), "tally-http");
	event_base_dispatch(server->base);
	return NULL;
}

static void server_free(struct http_server *server)
{
	if (server->http)
		evhttp_free(server->http);
	if (server->end_event)
		event_free(server->end_event);
	if (server->base)
		event_base_free(server->base);
	if (server->end_fd >= 0)
		close(server->end_fd);
	buf_release(&server->body);
	free(server);
}

static struct rc open_server(struct http_server *server, const char *host, uint16_t port)
{
	struct evhttp_bound_socket *bound;

	server->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->base = event_base_new();
	server->http = server->base ? evhttp_new(server->base) : NULL;
	if (server->end_fd < 0 || !server->http)
		return rc_fail(RC_OS, "the HTTP server cannot be made: %s", strerror(errno));
	server->end_event = event_new(server->base, server->end_fd, EV_READ, end, server->base);
	if (!server->end_event || event_add(server->end_event, NULL) != 0)
		return rc_fail(RC_OS, "the HTTP server cannot be made: %s", strerror(errno));
	evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(server->http, HEADER_BYTES_MOST);
	evhttp_set_max_body_size(server->http, BODY_BYTES_MOST);
	evhttp_set_timeout(server->http, CONNECTION_SECONDS);
	evhttp_set_gencb(server->http, answer, server);
	bound = evhttp_bind_socket_with_handle(server->http, host, port);
	if (!bound)
		return rc_fail(RC_UNAVAILABLE, "http.address %s:%u cannot be listened on: %s", host,
		               (unsigned)port, strerror(errno));
	server->port = socket_port(evhttp_bound_socket_get_fd(bound));
	return OK;
}

struct rc http_server_start(const char *host, uint16_t port, http_handler *handler, void *self,
                            struct http_server **out)
{
	struct http_server *server = memory_new(sizeof(*server));
	sigset_t all, before;
	struct rc rc;
	int failed;

	*server = (struct http_server){ .end_fd = -1, .handler = handler, .self = self };
	buf_init(&server->body, NULL);
	rc = open_server(server, host, port);
	if (!rc_ok(rc)) {
		server_free(server);
		return rc;
	}
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&server->thread, NULL, serve, server);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		server_free(server);
		return rc_fail(RC_OS, "the HTTP server's thread cannot be made: %s",
		               strerror(failed));
	}
	*out = server;
	return OK;
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port;
}

void http_server_stop(struct http_server *server)
{
	uint64_t one = 1;
	ssize_t written;

	if (!server)
		return;
	written = write(server->end_fd, &one, sizeof(one));
	(void)written;
	pthread_join(server->thread, NULL);
	server_free(server);
}
