/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0, so that the answer ends where the connection does and comes in one piece.
 */
#include "common/adapters/http_fetch.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/adapters/system_clock.h"

#define READ_BYTES 16384

static unsigned list_hosts(const struct addrinfo *found, int family, struct http_host *out,
                           unsigned most)
{
	unsigned count = 0;

	for (; found && count < most; found = found->ai_next)
		if (found->ai_family == family &&
		    getnameinfo(found->ai_addr, found->ai_addrlen, out[count].text, HTTP_HOST_BYTES,
		                NULL, 0, NI_NUMERICHOST) == 0)
			count++;
	return count;
}

unsigned http_hosts(const char *name, struct http_host *out, unsigned most)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	unsigned count;

	if (most == 0 || strlen(name) >= HTTP_HOST_BYTES ||
	    getaddrinfo(name, NULL, &hints, &found) != 0)
		return 0;
	count = list_hosts(found, AF_INET, out, most);
	if (count == 0)
		count = list_hosts(found, AF_INET6, out, most);
	freeaddrinfo(found);
	if (count == 1)
		snprintf(out->text, sizeof(out->text), "%s", name);
	return count;
}

static struct rc fail(const char *host, uint16_t port, const char *words)
{
	return rc_fail(RC_UNAVAILABLE, "%s:%u: %s", host, (unsigned)port, words);
}

/* Waits until the socket is ready; false: the time is over. */
static bool wait_for(int fd, short what, int64_t until_ms)
{
	struct pollfd ready = { .fd = fd, .events = what };
	int64_t left;
	int found;

	do {
		left = until_ms - system_now_ms();
		found = left > 0 ? poll(&ready, 1, (int)left) : 0;
	} while (found < 0 && errno == EINTR);
	return found > 0;
}

static bool connect_to(int fd, const struct addrinfo *to, int64_t until_ms)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return true;
	return errno == EINPROGRESS && wait_for(fd, POLLOUT, until_ms) &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
}

static int dial(const char *host, uint16_t port, int64_t until_ms)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	char service[8];
	int fd = -1;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return -1;
	for (const struct addrinfo *to = found; to && fd < 0; to = to->ai_next) {
		fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd >= 0 && !connect_to(fd, to, until_ms)) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	return fd;
}

/* Reads until the other side closes. */
static bool read_all(int fd, int64_t until_ms, size_t most, struct buf *out)
{
	char bytes[READ_BYTES];

	while (out->len <= most) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n == 0)
			return true;
		if (n > 0)
			buf_put(out, str_of(bytes, (size_t)n));
		else if (errno != EINTR && (errno != EAGAIN || !wait_for(fd, POLLIN, until_ms)))
			return false;
	}
	return true;
}

/* Cuts the head off; false: not an answer with 200. */
static bool take_head(struct buf *out)
{
	const char *end = out->len ? memmem(out->ptr, out->len, "\r\n\r\n", 4) : NULL;
	struct str text = buf_str(out);
	size_t head = end ? (size_t)(end - out->ptr) + 4 : 0;

	if (!end || !str_starts(text, STR("HTTP/1.")) ||
	    !str_starts(str_from(text, strlen("HTTP/1.1")), STR(" 200 ")))
		return false;
	memmove(out->ptr, out->ptr + head, out->len - head);
	out->len -= head;
	return true;
}

struct rc http_fetch(const char *host, uint16_t port, const char *path, int64_t timeout_ms,
                     size_t most, struct buf *out)
{
	int64_t until_ms = system_now_ms() + timeout_ms;
	char request[512];
	int fd = dial(host, port, until_ms), len;
	bool fine;

	buf_clear(out);
	if (fd < 0)
		return fail(host, port, "nobody answers there");
	len = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
	fine = len < (int)sizeof(request) &&
	       send(fd, request, (size_t)len, MSG_NOSIGNAL) == (ssize_t)len &&
	       read_all(fd, until_ms, most, out);
	close(fd);
	if (!fine)
		return fail(host, port, "no answer in time");
	if (out->len > most || !take_head(out))
		return rc_fail(RC_PROTOCOL, "%s:%u%s: no such answer", host, (unsigned)port, path);
	return OK;
}
