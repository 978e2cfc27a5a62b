/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of requests, in any pieces; and the server over real sockets: keep-alive,
 * who is too slow, streams with their cap, and an end in order. And our own client
 * of such servers.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "common/adapters/http_fetch.h"
#include "common/adapters/http_head.h"
#include "common/adapters/socket.h"
#include "common/adapters/system_clock.h"
#include "common/adapters/web_server.h"
#include "tests/unit/testing.h"

/* ---- heads ---- */

#define GET "GET /a?b=1 HTTP/1.1\r\n"
#define POST "POST /a HTTP/1.1\r\n"

static const struct {
	const char *text;
	int status;
} heads[] = {
	{ GET "Host: x\r\n\r\n", 200 },
	{ "HEAD / HTTP/1.0\r\n\r\n", 200 },
	{ GET "content-length: 0\r\n\r\n", 200 },
	{ GET "Content-Length: 5\r\n\r\nhello", 413 },
	{ GET "Transfer-Encoding: chunked\r\n\r\n", 413 },
	{ GET "Content-Length: -0\r\n\r\n", 400 },
	{ GET "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400 },
	{ "PUT / HTTP/1.1\r\n\r\n", 405 },
	{ POST "\r\n", 200 },
	{ POST "Content-Length: 4097\r\n\r\n", 413 },
	{ POST "Content-Length: 99999999999999999999\r\n\r\n", 400 },
	{ POST "Content-Length: 5x\r\n\r\n", 400 },
	{ POST "Content-Length:\r\n\r\n", 400 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n", 411 },
	{ "GET / HTTP/2.0\r\n\r\n", 505 },
	{ "GET /\r\n\r\n", 400 },
	{ "GET  / HTTP/1.1\r\n\r\n", 400 },
	{ "GET http://x/ HTTP/1.1\r\n\r\n", 400 },
	{ "GET / HTTP/1.1 \r\n\r\n", 400 },
	{ "\r\n\r\n", 400 },
	{ "GET / HTTP/1.1\nHost: x\r\n\r\n", 400 },
	{ GET "Host : x\r\n\r\n", 400 },
	{ GET " folded\r\n\r\n", 400 },
	{ GET "Host: x\r\nHost: y\r\n\r\n", 400 },
	{ GET "Authorization: a\r\nauthorization: b\r\n\r\n", 400 },
	{ GET "no colon\r\n\r\n", 400 },
	{ GET "a: b\x01\r\n\r\n", 400 },
	{ GET "a: b\rc\r\n\r\n", 400 },
};

static void heads_are_judged(void **state)
{
	struct http_head head;
	size_t taken;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		size_t whole = (size_t)(strstr(heads[i].text, "\r\n\r\n") - heads[i].text) + 4;

		if (http_head_parse(str_from_c(heads[i].text), &head, &taken) != heads[i].status)
			fail_msg("%s", heads[i].text);
		assert_int_equal(taken, whole);
		/* The same in pieces: nothing is said before the end. */
		for (size_t len = 0; len < whole; len++)
			assert_int_equal(http_head_parse(str_of(heads[i].text, len), &head, &taken),
			                 0);
	}
}

static void heads_are_read(void **state)
{
	struct http_head head;
	size_t taken;

	(void)state;
	assert_int_equal(http_head_parse(STR("GET /p/a?q=1?2 HTTP/1.1\r\nHOST:  h:1 \r\n"
	                                     "If-None-Match: W/\"a\", \"b\"\r\n"
	                                     "Last-Event-ID: 12\r\nAuthorization: Bearer t\r\n"
	                                     "Connection: foo, Close\r\n\r\nGET"),
	                                 &head, &taken),
	                 200);
	assert_str(head.path, "/p/a");
	assert_str(head.query, "q=1?2");
	assert_str(head.host, "h:1");
	assert_str(head.last_event_id, "12");
	assert_str(head.authorization, "Bearer t");
	assert_false(head.keep_alive || head.head_only);
	assert_true(http_tag_matches(head.if_none_match, STR("\"a\"")));
	assert_true(http_tag_matches(head.if_none_match, STR("\"b\"")));
	assert_false(http_tag_matches(head.if_none_match, STR("\"c\"")));
	assert_false(http_tag_matches(str_of(NULL, 0), STR("\"c\"")));
	assert_true(http_tag_matches(STR("*"), STR("\"c\"")));
}

/* One byte at a time or all at once, and not a byte of what follows it. */
static void bodies_are_read(void **state)
{
	static const char text[] = POST "Content-Length: 5\r\nHost: x\r\n\r\nhelloGET /";
	size_t whole = strlen(text) - strlen("GET /"), taken;
	struct http_head head;

	(void)state;
	for (size_t len = 0; len < whole; len++) {
		char *piece = malloc(len + 1); /* its end is seen by the sanitizer */

		memcpy(piece, text, len);
		assert_int_equal(http_head_parse(str_of(piece, len), &head, &taken), 0);
		free(piece);
	}
	assert_int_equal(http_head_parse(str_from_c(text), &head, &taken), 200);
	assert_int_equal(taken, whole);
	assert_true(head.post && !head.head_only);
	assert_str(head.body, "hello");
	assert_str(head.host, "x");
	assert_int_equal(http_head_parse(STR(GET "\r\n"), &head, &taken), 200);
	assert_false(head.post || head.body.ptr);
}

static void large_heads_are_refused(void **state)
{
	static char text[3 * HTTP_HEAD_BYTES_MOST];
	struct http_head head;
	size_t taken, len;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	assert_int_equal(http_head_parse(str_of(text, HTTP_HEAD_BYTES_MOST), &head, &taken), 0);
	assert_int_equal(http_head_parse(str_of(text, HTTP_HEAD_BYTES_MOST + 1), &head, &taken),
	                 414);
	memcpy(text, GET "a: ", strlen(GET) + 3);
	assert_int_equal(http_head_parse(str_of(text, sizeof(text)), &head, &taken), 431);
	len = strlen(GET);
	for (int i = 0; i <= HTTP_HEADERS_MOST; i++, len += 6)
		memcpy(text + len, "a: b\r\n", 6);
	memcpy(text + len, "\r\n", 2);
	assert_int_equal(http_head_parse(str_of(text, len + 2), &head, &taken), 431);
}

static void random_heads_do_no_harm(void **state)
{
	(void)state;
	for (int i = 0; i < 50000; i++) {
		char *text = malloc(200); /* its end is seen by the sanitizer */
		size_t len = rng_below(200), taken;
		struct http_head head;

		rng_fill(text, len, STR("GETPOS /?HTTP/1.1\r\n\r\nhost: ,\t\x01"));
		(void)http_head_parse(str_of(text, len), &head, &taken);
		assert_true(taken <= len);
		free(text);
	}
}

/* ---- the server ---- */

struct fixture {
	struct web_server *server;
	pthread_t thread;
	char answer[65536];
	atomic_uint broadcast; /* bytes of each tick's broadcast; 0: none */
	atomic_uint cut;
	struct rc rc;
};

static void handle(void *self, const struct http_head *head, struct web_answer *answer)
{
	(void)self;
	if (answer->status != 200) {
		buf_put_lit(answer->body, "wrong");
		return;
	}
	answer->stream = str_eq(head->path, STR("/stream"));
	if (str_eq(head->path, STR("/large")))
		for (int i = 0; i < 1000000; i++)
			buf_put_lit(answer->body, "0123456789abcdef");
	else
		buf_put(answer->body, head->post ? head->body : head->path);
}

static void tick(void *self)
{
	static const char block[16384];
	struct fixture *f = self;
	unsigned bytes = atomic_load(&f->broadcast);

	if (bytes)
		atomic_fetch_add(&f->cut, web_server_broadcast(f->server, str_of(block, bytes)));
}

static void *run(void *arg)
{
	struct fixture *f = arg;

	f->rc = web_server_run(f->server);
	return NULL;
}

static struct fixture *fixture_new(int64_t drain_ms)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct web_options options = { .host = "127.0.0.1",
		                       .handler = handle,
		                       .tick = tick,
		                       .tick_ms = 5,
		                       .drain_ms = drain_ms,
		                       .self = f };

	assert_non_null(f);
	assert_true(rc_ok(web_server_new(&options, &f->server)));
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
	return f;
}

static bool fixture_free(struct fixture *f)
{
	bool fine;

	pthread_kill(f->thread, SIGTERM);
	pthread_join(f->thread, NULL);
	fine = rc_ok(f->rc);
	web_server_free(f->server);
	free(f);
	return fine;
}

static int dial(const struct fixture *f)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(web_server_port(f->server)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* A socket with an address that nobody answers on: one that listens, or does not. */
static int listener(bool listens, uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	*port = socket_port(fd);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Reads until the text has come or the other side closed; how much came. */
static size_t hear(struct fixture *f, int fd, const char *text)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, f->answer + len, sizeof(f->answer) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		f->answer[len] = '\0';
	} while (n > 0 && !(text && strstr(f->answer, text)));
	return len;
}

static void requests_follow_each_other(void **state)
{
	struct fixture *f = fixture_new(1000);
	int fd = dial(f);

	(void)state;
	/* Two at once, one in two pieces, and one that ends it. */
	say(fd, "GET /one HTTP/1.1\r\n\r\nHEAD /two HTTP/1.1\r\n\r\nGET /th");
	hear(f, fd, "Content-Length: 4\r\n\r\n");
	assert_non_null(strstr(f->answer, "\r\n\r\n/one"));
	say(fd, "ree HTTP/1.1\r\nConnection: close\r\n\r\n");
	hear(f, fd, NULL);
	assert_non_null(strstr(f->answer, "Connection: close"));
	assert_non_null(strstr(f->answer, "/three"));
	close(fd);
	fd = dial(f);
	say(fd, "PUT / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");
	hear(f, fd, NULL);
	assert_non_null(strstr(f->answer, "HTTP/1.1 405 Method Not Allowed"));
	assert_null(strstr(f->answer, "HTTP/1.1 200"));
	close(fd);
	/* A body ends where it says, and may come later than its head. */
	fd = dial(f);
	say(fd, POST "Content-Length: 6\r\n\r\nbod");
	say(fd, "ies" POST "Content-Length: 1\r\nConnection: close\r\n\r\n!");
	hear(f, fd, NULL);
	assert_non_null(strstr(f->answer, "Content-Length: 6\r\n\r\nbodiesHTTP/1.1 200"));
	assert_non_null(strstr(f->answer, "\r\n\r\n!"));
	close(fd);
	/* Who has said all may still listen. */
	fd = dial(f);
	say(fd, "GET /half HTTP/1.1\r\n\r\n");
	shutdown(fd, SHUT_WR);
	hear(f, fd, NULL);
	assert_non_null(strstr(f->answer, "/half"));
	close(fd);
	assert_true(fixture_free(f));
}

/* Our own client gets what is there, whole and in time, or says that it does not. */
static void texts_are_fetched(void **state)
{
	struct fixture *f = fixture_new(1000);
	uint16_t port = web_server_port(f->server);
	int64_t started_ms;
	struct buf out;
	int silent, nobody;

	(void)state;
	buf_init(&out, NULL);
	buf_put_lit(&out, "old");
	assert_true(rc_ok(http_fetch("127.0.0.1", port, "/one", 5000, 4096, &out)));
	assert_str(buf_str(&out), "/one");
	assert_true(rc_ok(http_fetch("localhost", port, "/large", 20000, 17000000, &out)));
	assert_int_equal(out.len, 16000000);
	assert_int_equal(http_fetch("127.0.0.1", port, "/large", 5000, 4096, &out).code,
	                 RC_PROTOCOL);
	assert_int_equal(http_fetch("127.0.0.1", port, "one", 5000, 4096, &out).code, RC_PROTOCOL);
	/* A stream never ends; nobody takes a connection here, and there nobody is. */
	started_ms = system_now_ms();
	assert_int_equal(http_fetch("127.0.0.1", port, "/stream", 200, 4096, &out).code,
	                 RC_UNAVAILABLE);
	silent = listener(true, &port);
	assert_int_equal(http_fetch("127.0.0.1", port, "/", 200, 4096, &out).code, RC_UNAVAILABLE);
	assert_in_range(system_now_ms() - started_ms, 400, 4000);
	close(silent);
	nobody = listener(false, &port);
	assert_int_equal(http_fetch("127.0.0.1", port, "/", 200, 4096, &out).code, RC_UNAVAILABLE);
	close(nobody);
	buf_release(&out);
	assert_true(fixture_free(f));
}

static void a_slow_reader_of_a_stream_is_cut(void **state)
{
	struct fixture *f = fixture_new(1000);
	int slow = dial(f), quick = dial(f);
	size_t heard = 0;

	(void)state;
	say(slow, "GET /stream HTTP/1.1\r\n\r\n");
	say(quick, "GET /stream HTTP/1.1\r\n\r\n");
	hear(f, quick, "/stream");
	while (web_server_streams(f->server) < 2)
		usleep(1000);
	atomic_store(&f->broadcast, 1024);
	while (atomic_load(&f->cut) == 0) {
		ssize_t n = recv(quick, f->answer, sizeof(f->answer), MSG_DONTWAIT);

		assert_true(n != 0);
		heard += n > 0 ? (size_t)n : 0;
		usleep(1000);
	}
	assert_int_equal(atomic_load(&f->cut), 1);
	assert_int_equal(web_server_streams(f->server), 1);
	assert_true(heard >= WEB_STREAM_BYTES_MOST);
	close(slow);
	close(quick);
	assert_true(fixture_free(f));
}

static void the_end_waits_for_answers_but_not_for_ever(void **state)
{
	struct fixture *f = fixture_new(200);
	int large = dial(f), stream = dial(f);

	(void)state;
	say(stream, "GET /stream HTTP/1.1\r\n\r\n");
	hear(f, stream, "/stream");
	say(large, "GET /large HTTP/1.1\r\n\r\n");
	assert_int_equal(recv(large, f->answer, 100, MSG_WAITALL), 100);
	pthread_kill(f->thread, SIGTERM);
	pthread_join(f->thread, NULL);
	/* The stream has ended, the answer was not taken. */
	assert_int_equal(hear(f, stream, NULL), 0);
	assert_int_equal(f->rc.code, RC_TRY_AGAIN);
	web_server_free(f->server);
	close(large);
	close(stream);
	free(f);
}

/* Ten seconds for a whole head, however steadily its bytes come, also for a second one. */
static void a_head_has_its_time(void **state)
{
	struct fixture *f = fixture_new(1000);
	int fd = dial(f), kept = dial(f);
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct pollfd too = { .fd = kept, .events = POLLIN };
	int steps = 0;

	(void)state;
	say(kept, "GET /first HTTP/1.1\r\n\r\n");
	hear(f, kept, "/first");
	say(fd, "GET / HTTP/1.1\r\nX: ");
	say(kept, "GET / HTTP/1.1\r\nX: ");
	for (; steps < 30 && poll(&ready, 1, 500) == 0; steps++)
		say(fd, "x");
	hear(f, fd, NULL);
	assert_non_null(strstr(f->answer, "HTTP/1.1 408 Request Timeout"));
	assert_in_range(steps, 18, 24);
	assert_int_equal(poll(&too, 1, 2000), 1);
	hear(f, kept, NULL);
	assert_non_null(strstr(f->answer, "HTTP/1.1 408 Request Timeout"));
	close(kept);
	close(fd);
	assert_true(fixture_free(f));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(heads_are_judged),
	cmocka_unit_test(heads_are_read),
	cmocka_unit_test(bodies_are_read),
	cmocka_unit_test(large_heads_are_refused),
	cmocka_unit_test(random_heads_do_no_harm),
	cmocka_unit_test(requests_follow_each_other),
	cmocka_unit_test(texts_are_fetched),
	cmocka_unit_test(a_slow_reader_of_a_stream_is_cut),
	cmocka_unit_test(the_end_waits_for_answers_but_not_for_ever),
	cmocka_unit_test(a_head_has_its_time),
};
TESTING_MAIN(tests)
