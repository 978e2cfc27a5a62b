/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the paths answer what Kubernetes and Prometheus expect, over a real socket,
 * and does health say what is wrong? Lag must not matter.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "common/adapters/http_server.h"
#include "common/host/health.h"
#include "services/workers.h"
#include "tests/unit/testing.h"

static int64_t clock_ms = 100000;

static int64_t now_ms(void)
{
	return clock_ms;
}

static struct rc no_redis(void *self)
{
	(void)self;
	return rc_fail(RC_UNAVAILABLE, "connection refused");
}

struct fixture {
	struct health health;
	struct snapshot snapshot;
	struct http_server *server;
	char answer[65536];
};

static struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->health.worker = &orders_worker;
	f->health.board = board_new();
	f->health.now_ms = now_ms;
	f->snapshot.group.ok = f->snapshot.redis.ok = f->snapshot.producer.ok = true;
	f->snapshot.shard_count = 1;
	f->snapshot.shards[0].status = (struct shard_status){ .partition = 3,
		                                              .state = SHARD_RUNNING,
		                                              .log_end = 1000000,
		                                              .watermark_ms = INT64_MIN };
	board_put(f->health.board, &f->snapshot);
	board_turned(f->health.board, clock_ms);
	assert_true(
		rc_ok(http_server_start("127.0.0.1", 0, health_handler, &f->health, &f->server)));
	return f;
}

static void fixture_free(struct fixture *f)
{
	http_server_stop(f->server);
	board_free(f->health.board);
	free(f);
}

/* The whole answer of one request. */
static const char *ask(struct fixture *f, const char *method, const char *path)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(http_server_port(f->server)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[256];
	size_t len = 0;
	ssize_t n;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
	         method, path);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while ((n = read(fd, f->answer + len, sizeof(f->answer) - 1 - len)) > 0)
		len += (size_t)n;
	f->answer[len] = '\0';
	close(fd);
	return f->answer;
}

static const char *body_of(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");

	assert_non_null(end);
	return end + 4;
}

#define assert_status(answer, status) \
	assert_memory_equal((answer), "HTTP/1.1 " #status, sizeof("HTTP/1.1 " #status) - 1)

static void answers_when_all_is_well(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	assert_status(ask(f, "GET", "/livez"), 200);
	assert_string_equal(body_of(f->answer), "ok\n");
	assert_status(ask(f, "GET", "/readyz"), 200);
	assert_string_equal(body_of(f->answer), "ok\n");
	assert_status(ask(f, "GET", "/readyz?verbose"), 200);
	assert_string_equal(body_of(f->answer),
	                    "[+]loop ok\n[+]group ok\n[+]redis ok\n[+]producer ok\n"
	                    "[+]draining ok\n[+]shards ok\nok\n");
	assert_status(ask(f, "GET", "/metrics"), 200);
	assert_non_null(strstr(f->answer, "text/plain; version=0.0.4"));
	assert_non_null(strstr(f->answer, "tallyworks_build_info{worker=\"orders\""));
	assert_status(ask(f, "GET", "/shards"), 200);
	assert_non_null(strstr(f->answer, "\"partition\":3,\"state\":\"running\""));
	assert_status(ask(f, "HEAD", "/livez"), 200);
	assert_string_equal(body_of(f->answer), "");
	assert_status(ask(f, "GET", "/nothing"), 404);
	assert_status(ask(f, "POST", "/livez"), 501);
	fixture_free(f);
}

static void says_what_is_wrong(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	f->snapshot.group.ok = false;
	snprintf(f->snapshot.group.words, sizeof(f->snapshot.group.words), "not joined");
	f->snapshot.shards[0].status.state = SHARD_REFUSED;
	snprintf(f->snapshot.shards[0].words, sizeof(f->snapshot.shards[0].words), "run repair");
	f->snapshot.shards[1].status =
		(struct shard_status){ .partition = 4, .state = SHARD_WAITING, .failures = 3 };
	snprintf(f->snapshot.shards[1].words, sizeof(f->snapshot.shards[1].words), "claim: OOM");
	f->snapshot.shards[2].status =
		(struct shard_status){ .partition = 5, .state = SHARD_CLAIM, .failures = 2 };
	f->snapshot.shard_count = 3;
	f->health.probe_redis = no_redis;
	board_put(f->health.board, &f->snapshot);
	assert_status(ask(f, "GET", "/readyz"), 503);
	assert_string_equal(body_of(f->answer),
	                    "[+]loop ok\n[-]group failed: not joined\n"
	                    "[-]redis failed: connection refused\n[+]producer ok\n[+]draining ok\n"
	                    "[-]shards failed: partition 3: run repair\n"
	                    "[-]shards failed: partition 4: claim: OOM\nfailed\n");
	assert_status(ask(f, "GET", "/livez"), 200);
	fixture_free(f);
}

/* A process that has just begun. */
static void says_what_is_not_known(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	board_put(f->health.board, &(struct snapshot){ .shard_count = 0 });
	assert_status(ask(f, "GET", "/readyz"), 503);
	assert_string_equal(body_of(f->answer),
	                    "[+]loop ok\n[-]group failed: nothing is known of it yet\n"
	                    "[-]redis failed: nothing is known of it yet\n"
	                    "[-]producer failed: nothing is known of it yet\n"
	                    "[+]draining ok\n[+]shards ok\nfailed\n");
	fixture_free(f);
}

static void a_loop_that_stands_still_is_not_alive(void **state)
{
	struct fixture *f = fixture_new();

	(void)state;
	clock_ms += 10000;
	assert_status(ask(f, "GET", "/livez"), 200);
	clock_ms += 1;
	assert_status(ask(f, "GET", "/livez"), 503);
	assert_string_equal(body_of(f->answer), "[-]loop failed: no turn for 10001 ms\nfailed\n");
	assert_status(ask(f, "GET", "/readyz"), 503);
	clock_ms = 100000;
	fixture_free(f);
}

static void a_taken_address_is_a_failure(void **state)
{
	struct fixture *f = fixture_new();
	struct http_server *other = NULL;

	(void)state;
	assert_int_equal(http_server_start("127.0.0.1", http_server_port(f->server), health_handler,
	                                   &f->health, &other)
	                         .code,
	                 RC_UNAVAILABLE);
	assert_null(other);
	fixture_free(f);
}

struct answering {
	struct fixture *f;
	atomic_bool end;
};

/* The loop's part: puts a snapshot whenever somebody asked. */
static void *put_snapshots(void *arg)
{
	struct answering *a = arg;

	while (!atomic_load(&a->end)) {
		a->f->snapshot.stats.records++;
		board_put(a->f->health.board, &a->f->snapshot);
		usleep(1000);
	}
	return NULL;
}

static void a_fresh_snapshot_is_waited_for(void **state)
{
	struct answering a = { .f = fixture_new() };
	struct snapshot *first = calloc(1, sizeof(*first)), *second = calloc(1, sizeof(*second));
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, put_snapshots, &a), 0);
	board_ask(a.f->health.board, 10000, first);
	board_ask(a.f->health.board, 10000, second);
	assert_true(second->stats.records > first->stats.records);
	atomic_store(&a.end, true);
	pthread_join(thread, NULL);
	free(first);
	free(second);
	fixture_free(a.f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(answers_when_all_is_well),
	cmocka_unit_test(says_what_is_wrong),
	cmocka_unit_test(says_what_is_not_known),
	cmocka_unit_test(a_loop_that_stands_still_is_not_alive),
	cmocka_unit_test(a_taken_address_is_a_failure),
	cmocka_unit_test(a_fresh_snapshot_is_waited_for),
};
TESTING_MAIN(tests)
