/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection has one state and one absolute deadline, set when the state begins
 * and not when bytes come. Input is read only as far as a request may be long.
 */
#include "common/adapters/web_server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "common/adapters/socket.h"
#include "common/base/log.h"
#include "common/base/memory.h"

#define IDLE_SECONDS 30
#define FILES_OF_OTHERS 124
#define LINGER_SECONDS 2
#define STREAM_SOCKET_BYTES 32768
#define EXIT_AT_ONCE 75

enum connection_state {
	READING, /* a request is awaited */
	WRITING, /* an answer is on its way */
	STREAMING,
	LINGERING /* all is sent; what still comes is thrown away */
};

struct connection {
	struct web_server *server;
	struct bufferevent *stream;
	struct event *deadline;
	enum connection_state state;
	bool last; /* close after the answer */
	bool idle; /* nothing of the next request came yet */
	struct connection *before, *after;
};

struct web_server {
	struct web_options options;
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *signals[2], *tick, *drain;
	struct connection *connections;
	unsigned connection_count, stream_count, connections_most;
	struct buf body;
	uint16_t port;
	bool draining, drain_failed;
};

/* ---- a connection ---- */

static void end_when_drained(struct web_server *server)
{
	if (server->draining && server->connection_count == 0)
		event_base_loopbreak(server->base);
}

static void connection_free(struct connection *c)
{
	struct web_server *server = c->server;

	if (c->before)
		c->before->after = c->after;
	else
		server->connections = c->after;
	if (c->after)
		c->after->before = c->before;
	server->connection_count--;
	server->stream_count -= c->state == STREAMING;
	event_free(c->deadline);
	bufferevent_free(c->stream);
	free(c);
	end_when_drained(server);
}

static void set_deadline(struct connection *c, int seconds)
{
	event_add(c->deadline, &(struct timeval){ .tv_sec = seconds });
}

static struct evbuffer *output_of(struct connection *c)
{
	return bufferevent_get_output(c->stream);
}

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *words;
	} reasons[] = {
		{ 200, "OK" },
		{ 202, "Accepted" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 421, "Misdirected Request" },
		{ 431, "Request Header Fields Too Large" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].words;
	return "Error";
}

static void send_answer(struct connection *c, const struct http_head *head,
                        const struct web_answer *answer)
{
	struct evbuffer *out = output_of(c);
	bool bodiless = answer->status == 304;
	char date[64];

	evutil_date_rfc1123(date, sizeof(date), NULL);
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", answer->status,
	                    reason_of(answer->status), date);
	if (!bodiless)
		evbuffer_add_printf(out, "Content-Type: %s\r\n", answer->content_type);
	if (!answer->stream && !bodiless)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", answer->body->len);
	if (answer->tag.ptr)
		evbuffer_add_printf(out, "ETag: %.*s\r\n", STR_ARG(answer->tag));
	if (c->last)
		evbuffer_add_printf(out, "Connection: close\r\n");
	evbuffer_add_printf(out, "%s\r\n", answer->headers);
	if (!head->head_only && !bodiless && answer->body->len)
		evbuffer_add(out, answer->body->ptr, answer->body->len);
}

static void make_stream(struct connection *c)
{
	int bytes = STREAM_SOCKET_BYTES;

	c->state = STREAMING;
	c->server->stream_count++;
	event_del(c->deadline);
	setsockopt(bufferevent_getfd(c->stream), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static void answer(struct connection *c, int status, const struct http_head *head)
{
	struct web_server *server = c->server;
	struct web_answer out = { .status = status,
		                  .content_type = "text/plain; charset=utf-8",
		                  .headers = "",
		                  .body = &server->body };

	buf_clear(&server->body);
	server->options.handler(server->options.self, head, &out);
	/* After a head that was not understood nobody knows where the next one begins. Where there are
	 * many, connections that only wait would take the room of streams. */
	c->last = status != 200 || !head->keep_alive || out.stream || server->draining ||
	          server->connection_count > server->connections_most / 3 * 2;
	if (out.stream && (head->head_only || server->draining))
		out.stream = false;
	send_answer(c, head, &out);
	if (out.stream) {
		make_stream(c);
	} else {
		c->state = WRITING;
		set_deadline(c, WEB_ANSWER_SECONDS);
	}
}

/* Answers the next request, if all of it is there. */
static void serve(struct connection *c)
{
	struct evbuffer *in = bufferevent_get_input(c->stream);
	size_t len = evbuffer_get_length(in), taken;
	struct http_head head;
	int status;

	if (c->state != READING) {
		if (c->state != WRITING)
			evbuffer_drain(in, len);
		return;
	}
	if (len == 0)
		return;
	status = http_head_parse(str_of((const char *)evbuffer_pullup(in, -1), len), &head, &taken);
	if (status == 0)
		return;
	answer(c, status, &head);
	evbuffer_drain(in, status == 200 ? taken : len);
}

static void on_input(struct bufferevent *stream, void *arg)
{
	struct connection *c = arg;

	(void)stream;
	if (c->idle && c->state == READING) {
		c->idle = false;
		set_deadline(c, WEB_HEAD_SECONDS);
	}
	serve(c);
}

/* All that was written is with the kernel. */
static void on_sent(struct bufferevent *stream, void *arg)
{
	struct connection *c = arg;

	if (c->state != WRITING)
		return;
	if (c->last || c->server->draining) {
		/* Closing with input unread would reset the connection and lose the answer. */
		shutdown(bufferevent_getfd(stream), SHUT_WR);
		c->state = LINGERING;
		set_deadline(c, LINGER_SECONDS);
		serve(c);
		return;
	}
	c->state = READING;
	c->idle = evbuffer_get_length(bufferevent_get_input(stream)) == 0;
	set_deadline(c, c->idle ? IDLE_SECONDS : WEB_HEAD_SECONDS);
	serve(c);
}

static void on_end(struct bufferevent *stream, short what, void *arg)
{
	struct connection *c = arg;

	(void)stream;
	/* Somebody who has nothing more to say may still listen. */
	if ((what & BEV_EVENT_EOF) && c->state == WRITING)
		c->last = true;
	else
		connection_free(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	static const struct http_head nobody = { .head_only = false };
	struct connection *c = arg;

	(void)fd;
	(void)what;
	if (c->state == READING && evbuffer_get_length(bufferevent_get_input(c->stream)) > 0)
		answer(c, 408, &nobody);
	else
		connection_free(c);
}

static void refuse(evutil_socket_t fd)
{
	static const char words[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
				    "Content-Length: 0\r\nConnection: close\r\n\r\n";
	ssize_t sent = send(fd, words, sizeof(words) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)sent;
	evutil_closesocket(fd);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *from, int len, void *arg)
{
	struct web_server *server = arg;
	struct connection *c;
	int on = 1;

	(void)listener;
	(void)from;
	(void)len;
	if (server->connection_count >= server->connections_most) {
		refuse(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c = memory_new(sizeof(*c));
	*c = (struct connection){ .server = server, .after = server->connections };
	c->stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->deadline = evtimer_new(server->base, on_deadline, c);
	if (c->after)
		c->after->before = c;
	server->connections = c;
	server->connection_count++;
	bufferevent_setcb(c->stream, on_input, on_sent, on_end, c);
	bufferevent_setwatermark(c->stream, EV_READ, 0, 2 * HTTP_HEAD_BYTES_MOST);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
	set_deadline(c, WEB_HEAD_SECONDS);
}

/* ---- streams ---- */

unsigned web_server_broadcast(struct web_server *server, struct str bytes)
{
	unsigned cut = 0;

	for (struct connection *c = server->connections, *after; c; c = after) {
		after = c->after;
		if (c->state != STREAMING)
			continue;
		if (evbuffer_get_length(output_of(c)) + bytes.len > WEB_STREAM_BYTES_MOST) {
			connection_free(c);
			cut++;
		} else {
			bufferevent_write(c->stream, bytes.ptr, bytes.len);
		}
	}
	return cut;
}

unsigned web_server_streams(const struct web_server *server)
{
	return server->stream_count;
}

/* ---- ending ---- */

static void on_drain_end(evutil_socket_t fd, short what, void *arg)
{
	struct web_server *server = arg;

	(void)fd;
	(void)what;
	log_warn("drain_timed_out", LOG_INT("connections", server->connection_count), LOG_END);
	server->drain_failed = true;
	event_base_loopbreak(server->base);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct web_server *server = arg;
	int64_t ms = server->options.drain_ms;

	(void)what;
	if (server->draining) {
		log_warn("ending_at_once", LOG_INT("signal", number), LOG_END);
		_exit(EXIT_AT_ONCE);
	}
	log_info("draining", LOG_INT("signal", number), LOG_END);
	server->draining = true;
	evconnlistener_free(server->listener);
	server->listener = NULL;
	event_add(server->drain,
	          &(struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 });
	for (struct connection *c = server->connections, *after; c; c = after) {
		after = c->after;
		if (c->state == READING || c->state == STREAMING)
			connection_free(c);
	}
	end_when_drained(server);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct web_server *server = arg;

	(void)fd;
	(void)what;
	server->options.tick(server->options.self);
}

/* ---- beginning ---- */

static struct rc resolve(const char *host, uint16_t port, struct addrinfo **out)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	char service[8];
	int failed;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	/* [::1] as in a URL. */
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		char bare[256];

		snprintf(bare, sizeof(bare), "%.*s", (int)strlen(host) - 2, host + 1);
		failed = getaddrinfo(bare, service, &hints, out);
	} else {
		failed = getaddrinfo(host, service, &hints, out);
	}
	if (failed)
		return rc_fail(RC_UNAVAILABLE, "http.address %s:%s: %s", host, service,
		               gai_strerror(failed));
	return OK;
}

static bool is_loopback(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
	}
	memcpy(&v6, address, sizeof(v6));
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

bool web_host_is_loopback(const char *host)
{
	struct addrinfo *found = NULL;
	struct rc rc = resolve(host, 0, &found);
	bool local = rc_ok(rc) && found;

	for (const struct addrinfo *a = found; a; a = a->ai_next)
		local = local && is_loopback(a->ai_addr);
	if (found)
		freeaddrinfo(found);
	return local;
}

static struct rc listen_on(struct web_server *server)
{
	const struct web_options *options = &server->options;
	struct addrinfo *found = NULL;

	TRY(resolve(options->host, options->port, &found));
	server->listener = evconnlistener_new_bind(server->base, on_connection, server,
	                                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
	                                                   LEV_OPT_REUSEABLE,
	                                           -1, found->ai_addr, (int)found->ai_addrlen);
	freeaddrinfo(found);
	if (!server->listener)
		return rc_fail(RC_UNAVAILABLE, "http.address %s:%u cannot be listened on: %s",
		               options->host, (unsigned)options->port, strerror(errno));
	server->port = socket_port(evconnlistener_get_fd(server->listener));
	return OK;
}

/* As many files as the system lets this process open, some left for everything else. */
static unsigned count_most(void)
{
	struct rlimit limit;
	rlim_t wanted = WEB_CONNECTIONS_MOST + FILES_OF_OTHERS;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return WEB_CONNECTIONS_MOST / 4;
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= wanted)
		return WEB_CONNECTIONS_MOST;
	return limit.rlim_cur > 2 * FILES_OF_OTHERS ? (unsigned)limit.rlim_cur - FILES_OF_OTHERS
	                                            : FILES_OF_OTHERS;
}

struct rc web_server_new(const struct web_options *options, struct web_server **out)
{
	struct web_server *server = memory_new(sizeof(*server));
	struct timeval tick = { .tv_sec = options->tick_ms / 1000,
		                .tv_usec = options->tick_ms % 1000 * 1000 };
	struct rc rc;

	*server = (struct web_server){ .options = *options,
		                       .base = event_base_new(),
		                       .connections_most = count_most() };
	buf_init(&server->body, NULL);
	if (!server->base) {
		free(server);
		return rc_fail(RC_OS, "the HTTP server cannot be made: %s", strerror(errno));
	}
	signal(SIGPIPE, SIG_IGN);
	server->signals[0] = evsignal_new(server->base, SIGTERM, on_signal, server);
	server->signals[1] = evsignal_new(server->base, SIGINT, on_signal, server);
	server->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
	server->drain = evtimer_new(server->base, on_drain_end, server);
	event_add(server->signals[0], NULL);
	event_add(server->signals[1], NULL);
	event_add(server->tick, &tick);
	rc = listen_on(server);
	if (rc_ok(rc))
		*out = server;
	else
		web_server_free(server);
	return rc;
}

void web_server_free(struct web_server *server)
{
	if (!server)
		return;
	server->draining = false;
	while (server->connections)
		connection_free(server->connections);
	if (server->listener)
		evconnlistener_free(server->listener);
	event_free(server->signals[0]);
	event_free(server->signals[1]);
	event_free(server->tick);
	event_free(server->drain);
	event_base_free(server->base);
	buf_release(&server->body);
	free(server);
}

uint16_t web_server_port(const struct web_server *server)
{
	return server->port;
}

struct rc web_server_run(struct web_server *server)
{
	event_base_dispatch(server->base);
	if (server->drain_failed)
		return rc_fail(RC_TRY_AGAIN, "not everybody took the answer in time");
	return OK;
}
