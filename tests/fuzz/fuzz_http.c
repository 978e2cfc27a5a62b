/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of any bytes, through a connection to the server with its handler: it
 * answers or hangs up, and lives on.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/adapters/http_server.h"
#include "common/base/must.h"
#include "common/host/health.h"
#include "services/workers.h"
#include "tests/fuzz/fuzz.h"

static struct health health;
static struct http_server *server;

static int64_t now_ms(void)
{
	return 100000;
}

static void end(void)
{
	http_server_stop(server);
	board_free(health.board);
}

static void begin(void)
{
	static struct snapshot snapshot;
	struct rc rc;

	signal(SIGPIPE, SIG_IGN);
	health =
		(struct health){ .worker = &orders_worker, .board = board_new(), .now_ms = now_ms };
	snapshot.shard_count = 1;
	snapshot.shards[0].status =
		(struct shard_status){ .partition = 3, .state = SHARD_REFUSED, .watermark_ms = 1 };
	board_put(health.board, &snapshot);
	board_turned(health.board, now_ms());
	rc = http_server_start("127.0.0.1", 0, health_handler, &health, &server);
	must(rc_ok(rc));
	atexit(end);
}

/* Until the server has answered or hung up: it has read it all by then. */
static void request(struct str text)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(http_server_port(server)) };
	struct linger at_once = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[4096];
	size_t sent = 0;
	ssize_t n;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	must(connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0);
	while (sent < text.len && (n = write(fd, text.ptr + sent, text.len - sent)) > 0)
		sent += (size_t)n;
	shutdown(fd, SHUT_WR);
	while (read(fd, answer, sizeof(answer)) > 0)
		;
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size);

	if (!server)
		begin();
	request(text);
	return 0;
}
