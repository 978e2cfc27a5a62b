/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Kafka broker adapter does when workers die, freeze or are slow, and when
 * the broker itself is killed. The doubtful moments of a transaction are reached by
 * fail-points in a second process: this program again, in the role "zombie".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/adapters/kafka_broker.h"
#include "common/adapters/kafka_cluster.h"
#include "common/adapters/system_clock.h"
#include "tests/conformance/free_port.h"

#define SKIPPED 77
#define PARTITIONS 2
#define NAME_BYTES 64
#define NO_LIMIT INT64_MAX

struct process {
	struct kafka_options options;
	struct inbox *inbox;
	struct broker port;
	struct kafka_broker *broker;
	struct happening *kept; /* not asked for yet, oldest first */
};

static const char *brokers;
static char input[NAME_BYTES], output[NAME_BYTES], group[NAME_BYTES];
static const char *self_path;
static const struct kafka_property impatient[] = { { "max.poll.interval.ms", "6000" } };
static struct process processes[2];
static struct kafka_cluster *cluster;
static struct arena memory;
static unsigned tests;
static uint64_t ticket;

/* ---- a process of the group ---- */

static void options_of(struct kafka_options *options)
{
	*options = (struct kafka_options){ .brokers = brokers,
		                           .group = group,
		                           .worker = "trouble",
		                           .topic = input,
		                           .client_id = "trouble" };
	kafka_options_default(options);
	options->session_timeout_ms = 6000;
	options->transaction_timeout_ms = 4000;
}

static void process_open(struct process *p)
{
	struct rc rc;

	options_of(&p->options);
	p->options.properties = impatient;
	p->options.property_count = 1;
	p->inbox = inbox_new();
	rc = kafka_broker_new(&p->options, p->inbox, &p->port, &p->broker);
	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
}

static void process_close(struct process *p)
{
	if (!p->broker)
		return;
	kafka_broker_free(p->broker);
	p->broker = NULL;
	while (p->kept) {
		struct happening *h = p->kept;

		p->kept = h->next;
		happening_release(h);
	}
	inbox_free(p->inbox);
}

static void process_poll(struct process *p)
{
	struct happening **last = &p->kept, *h;

	if (!p->broker)
		return;
	p->port.poll(p->port.self);
	while (*last)
		last = &(*last)->next;
	while ((h = inbox_take(p->inbox))) {
		h->next = NULL;
		*last = h;
		last = &h->next;
	}
}

static void nap(int64_t ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static void serve(int64_t ms, bool first_too)
{
	int64_t until_ms = system_now_ms() + ms;

	do {
		for (unsigned i = first_too ? 0 : 1; i < 2; i++)
			process_poll(&processes[i]);
		nap(5);
	} while (system_now_ms() < until_ms);
}

/* The first happening of the kind that came, or NULL. */
static struct happening *find(struct process *p, enum happening_kind kind)
{
	struct happening **at = &p->kept, *h;

	while (*at && (*at)->kind != kind)
		at = &(*at)->next;
	h = *at;
	if (h)
		*at = h->next;
	return h;
}

static struct happening *await(struct process *p, enum happening_kind kind, int64_t ms)
{
	int64_t until_ms = system_now_ms() + ms;
	struct happening *h = NULL;

	while (!h && system_now_ms() < until_ms) {
		serve(0, true);
		h = find(p, kind);
	}
	if (!h)
		fail_msg("waited in vain for happening %d", (int)kind);
	return h;
}

static void await_assigned(struct process *p, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		happening_release(await(p, HAPPENED_ASSIGNED, 180000)); /* a broker's start */
}

static struct rc reopen(struct process *p)
{
	struct happening *h;
	struct rc rc;

	p->port.reopen(p->port.self, ++ticket);
	h = await(p, HAPPENED_REOPENED, 30000);
	rc = h->rc;
	happening_release(h);
	return rc;
}

/* A broker that has just started may refuse a few. */
static void reopen_surely(struct process *p)
{
	struct rc rc = reopen(p);

	for (unsigned i = 0; i < 50 && !rc_ok(rc); i++) {
		nap(100);
		rc = reopen(p);
	}
	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
}

/* One output, and K of partition 0. */
static enum publish_result publish(struct process *p, int64_t next_offset, const char *value)
{
	static _Atomic uint32_t epoch = 1;
	struct outgoing out = { .topic = str_from_c(output),
		                .partition = 0,
		                .key = STR("k"),
		                .value = str_from_c(value) };
	struct carried carried = { .epoch = 1,
		                   .epoch_now = &epoch,
		                   .next_offset = next_offset,
		                   .metadata = STR("m"),
		                   .outgoing = &out,
		                   .outgoing_count = 1 };
	struct transaction transaction = { .ticket = ++ticket,
		                           .carried = &carried,
		                           .carried_count = 1 };
	struct happening *h;
	enum publish_result result;

	p->port.publish(p->port.self, &transaction);
	h = await(p, HAPPENED_PUBLISHED, 60000);
	result = h->publish;
	happening_release(h);
	return result;
}

static void publish_surely(struct process *p, int64_t next_offset, const char *value)
{
	enum publish_result result = PUBLISH_ABORTED;

	for (unsigned i = 0; i < 50 && result == PUBLISH_ABORTED; i++)
		result = publish(p, next_offset, value);
	assert_int_equal(result, PUBLISH_COMMITTED);
}

/* K of partition 0, or -1; -2: no answer within the time. */
static int64_t read_cursor(struct process *p, int64_t ms)
{
	int64_t until_ms = system_now_ms() + ms, cursor = -2;

	p->port.read_cursor(p->port.self, 0, ++ticket);
	while (cursor == -2 && system_now_ms() < until_ms) {
		struct happening *h = find(p, HAPPENED_CURSOR);

		serve(0, true);
		if (!h)
			continue;
		if (!rc_ok(h->rc))
			p->port.read_cursor(p->port.self, 0, ++ticket);
		else
			cursor = h->cursor.exists ? h->cursor.output_cursor : -1;
		happening_release(h);
	}
	return cursor;
}

static void fence(struct process *p, const char *id)
{
	struct happening *h;

	p->port.fence(p->port.self, 0, ++ticket, id);
	h = await(p, HAPPENED_FENCED, 20000);
	assert_true(rc_ok(h->rc));
	happening_release(h);
}

/* ---- from outside ---- */

static void gather(void *into, const struct message *message)
{
	struct buf *buf = into;

	buf_put(buf, message->value);
	buf_put_char(buf, ' ');
}

#define OPEN_MS 30000 /* a commit is answered before its marker is everywhere */

/* The committed values of the output's partition, each with a blank behind it. */
static void expect_output(const char *values)
{
	struct log_span span;
	struct buf found;
	struct rc rc;

	buf_init(&found, NULL);
	rc = kafka_cluster_spans(cluster, output, 1, &span);
	if (rc_ok(rc))
		rc = kafka_cluster_read_through(cluster, output, 0, span, OPEN_MS, gather, &found);
	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
	if (!str_eq_c(buf_str(&found), values))
		fail_msg("the output is \"%.*s\", not \"%s\"", STR_ARG(buf_str(&found)), values);
	buf_release(&found);
}

static void make_topic(const char *name)
{
	struct topic_plan plan = { .name = name, .partitions = PARTITIONS, .replicas = 1 };
	struct rc rc = kafka_cluster_create_topic(cluster, &plan);

	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
}

static void names(unsigned number)
{
	snprintf(input, NAME_BYTES, "trouble-%d-%u-in", (int)getpid(), number);
	snprintf(output, NAME_BYTES, "trouble-%d-%u-out", (int)getpid(), number);
	snprintf(group, NAME_BYTES, "trouble-%d-%u", (int)getpid(), number);
}

static int begin(void **state)
{
	struct kafka_options options;
	struct rc rc;

	(void)state;
	arena_init(&memory, 4096);
	names(++tests);
	options_of(&options);
	rc = kafka_cluster_new(&options, &cluster);
	if (!rc_ok(rc))
		fail_msg("%s", rc_text());
	make_topic(input);
	make_topic(output);
	return 0;
}

static int end(void **state)
{
	(void)state;
	process_close(&processes[0]);
	process_close(&processes[1]);
	kafka_cluster_free(cluster);
	arena_release(&memory);
	return 0;
}

/* ---- the other process ---- */

struct zombie {
	pid_t pid;
	int answers; /* a pipe: its transactional.id, then the result of its last transaction */
};

static void of_arguments(char **arguments)
{
	brokers = arguments[2];
	snprintf(input, NAME_BYTES, "%s", arguments[3]);
	snprintf(output, NAME_BYTES, "%s", arguments[4]);
	snprintf(group, NAME_BYTES, "%s", arguments[5]);
}

static int zombie_main(char **arguments)
{
	struct process *p = &processes[0];

	of_arguments(arguments);
	process_open(p);
	await_assigned(p, PARTITIONS);
	reopen_surely(p);
	publish_surely(p, 1, "first");
	printf("%s\n", p->port.transactional_id(p->port.self));
	fflush(stdout);
	printf("%d\n", (int)publish(p, 2, "doubtful"));
	fflush(stdout);
	serve(3000, true);
	process_close(p);
	return 0;
}

/* This program again, in the role; what it prints goes to `out` unless that is -1. */
static pid_t start_self(const char *role, const char *fail_point, int out)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody stopped behind */
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	if (fail_point)
		setenv("TALLY_FAILPOINT", fail_point, 1);
	execl(self_path, self_path, role, brokers, input, output, group, (char *)NULL);
	_exit(127);
}

static struct zombie zombie_start(const char *fail_point)
{
	struct zombie z;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	z.pid = start_self("zombie", fail_point, ends[1]);
	close(ends[1]);
	z.answers = ends[0];
	return z;
}

static const char *zombie_line(struct zombie *z)
{
	char *line = arena_alloc(&memory, 128);
	struct pollfd ready = { .fd = z->answers, .events = POLLIN };
	size_t len = 0;

	while (len < 127) {
		if (poll(&ready, 1, 180000) != 1 || read(z->answers, line + len, 1) != 1)
			fail_msg("the other process says nothing");
		if (line[len] == '\n')
			break;
		len++;
	}
	line[len] = '\0';
	return line;
}

static void zombie_await_stop(struct zombie *z)
{
	int status;

	assert_int_equal(waitpid(z->pid, &status, WUNTRACED), z->pid);
	assert_true(WIFSTOPPED(status));
}

static void zombie_end(struct zombie *z)
{
	kill(z->pid, SIGKILL);
	waitpid(z->pid, NULL, 0);
	close(z->answers);
}

/* ---- doubtful transactions ---- */

/* Frozen with open outputs but no offsets: K is readable at once; what it left is never seen. */
static void test_frozen_before_offsets(void **state)
{
	struct zombie z = zombie_start("P2:2:stop");
	const char *id = zombie_line(&z);

	(void)state;
	zombie_await_stop(&z);
	process_open(&processes[0]);
	await_assigned(&processes[0], PARTITIONS);
	assert_int_equal(read_cursor(&processes[0], 3000), 1);
	fence(&processes[0], id);
	reopen_surely(&processes[0]);
	publish_surely(&processes[0], 2, "second");
	kill(z.pid, SIGCONT);
	assert_int_not_equal(atoi(zombie_line(&z)), PUBLISH_COMMITTED);
	publish_surely(&processes[0], 3, "third");
	expect_output("first second third ");
	assert_int_equal(read_cursor(&processes[0], 3000), 3);
	zombie_end(&z);
}

/* Frozen with its offsets sent: K waits until its transaction is ended, and fencing ends it. */
static void test_frozen_before_commit(void **state)
{
	struct zombie z = zombie_start("P3:2:stop");
	const char *id = zombie_line(&z);
	struct happening *h;

	(void)state;
	zombie_await_stop(&z);
	/* Its transaction would be ended by its timeout before the group expels it: look at once. */
	process_open(&processes[0]);
	assert_int_equal(read_cursor(&processes[0], 1000), -2);
	fence(&processes[0], id);
	h = await(&processes[0], HAPPENED_CURSOR, 1500);
	assert_true(rc_ok(h->rc) && h->cursor.exists && h->cursor.output_cursor == 1);
	happening_release(h);
	await_assigned(&processes[0], PARTITIONS);
	reopen_surely(&processes[0]);
	publish_surely(&processes[0], 2, "second");
	kill(z.pid, SIGCONT);
	assert_int_equal(atoi(zombie_line(&z)), PUBLISH_UNKNOWN);
	expect_output("first second ");
	assert_int_equal(read_cursor(&processes[0], 3000), 2);
	zombie_end(&z);
}

/* Without anybody fencing, the transaction's timeout ends the wait. */
static void test_killed_before_commit(void **state)
{
	struct zombie z = zombie_start("P3:2:kill");

	(void)state;
	zombie_line(&z);
	process_open(&processes[0]);
	assert_int_equal(read_cursor(&processes[0], 20000), 1);
	await_assigned(&processes[0], PARTITIONS);
	expect_output("first ");
	zombie_end(&z);
}

/* Killed after the commit, before anybody heard of it: K has moved. */
static void test_killed_after_commit(void **state)
{
	struct zombie z = zombie_start("P4:2:kill");

	(void)state;
	zombie_line(&z);
	waitpid(z.pid, NULL, 0);
	process_open(&processes[0]);
	await_assigned(&processes[0], PARTITIONS);
	assert_int_equal(read_cursor(&processes[0], 5000), 2);
	expect_output("first doubtful ");
	close(z.answers);
}

/* ---- the group ---- */

/* The partition is empty, and its reader comes to its end. */
static void await_end(struct process *p, int32_t partition)
{
	struct taken taken = { .next_offset = -1 };

	for (unsigned i = 0; i < 1000 && taken.next_offset == -1; i++) {
		serve(5, true);
		p->port.take(p->port.self, partition, NO_LIMIT, 10, 1000, &taken);
		assert_int_equal(taken.count, 0);
	}
	assert_true(taken.at_end);
	assert_int_equal(taken.next_offset, 0);
}

/* A revoke may be answered after more than the session's time, and the partition can come back. */
static void test_slow_answer(void **state)
{
	struct process *p = &processes[0], *q = &processes[1];
	struct happening *h;
	int32_t moved;

	(void)state;
	process_open(p);
	await_assigned(p, PARTITIONS);
	process_open(q);
	h = await(p, HAPPENED_REVOKED, 30000);
	moved = h->partition;
	happening_release(h);
	serve(9000, true);
	assert_null(find(p, HAPPENED_LOST));
	assert_null(find(q, HAPPENED_ASSIGNED));
	p->port.unassign(p->port.self, moved);
	await_assigned(q, 1);
	kafka_broker_leave(q->broker);
	h = await(q, HAPPENED_REVOKED, 30000);
	assert_int_equal(h->partition, moved);
	happening_release(h);
	q->port.unassign(q->port.self, moved);
	for (unsigned i = 0; i < 500 && !kafka_broker_has_left(q->broker); i++)
		serve(10, true);
	assert_true(kafka_broker_has_left(q->broker));
	await_assigned(p, 1);
	p->port.start(p->port.self, moved, 0);
	await_end(p, moved);
}

/* Who does not poll loses its partitions, is told so, and may publish nothing for them. */
static void test_lost(void **state)
{
	struct process *p = &processes[0], *q = &processes[1];
	struct happening *h = NULL;

	(void)state;
	process_open(p);
	await_assigned(p, PARTITIONS);
	reopen_surely(p);
	publish_surely(p, 1, "first");
	process_open(q);
	for (unsigned i = 0; i < 100 && !(h = find(q, HAPPENED_ASSIGNED)); i++)
		serve(200, false);
	assert_non_null(h);
	happening_release(h);
	for (unsigned i = 0; i < PARTITIONS; i++) {
		h = await(p, HAPPENED_LOST, 10000);
		assert_null(find(p, HAPPENED_REVOKED));
		happening_release(h);
	}
	assert_int_equal(publish(p, 2, "never"), PUBLISH_ABORTED);
	for (int32_t i = 0; i < PARTITIONS; i++)
		p->port.unassign(p->port.self, i);
	/* It joins again by itself, and the other gives one back. */
	h = await(q, HAPPENED_REVOKED, 30000);
	q->port.unassign(q->port.self, h->partition);
	happening_release(h);
	await_assigned(p, 1);
	publish_surely(p, 2, "second");
	expect_output("first second ");
}

/* Both are read from behind the log's end: only a new assignment starts them again. */
static void get_stuck(struct process *p)
{
	for (int32_t i = 0; i < PARTITIONS; i++)
		p->port.start(p->port.self, i, 1000);
	for (int32_t i = 0; i < PARTITIONS; i++) {
		struct happening *h = NULL;
		struct taken taken;

		for (unsigned tries = 0; tries < 6000 && !h; tries++) {
			p->port.take(p->port.self, i, NO_LIMIT, 10, 1000, &taken);
			assert_int_equal(taken.count, 0);
			serve(0, true);
			h = find(p, HAPPENED_TROUBLE);
		}
		assert_non_null(h);
		assert_int_equal(h->partition, i);
		happening_release(h);
	}
}

static bool is_unread(const struct process *p)
{
	struct pollfd ready = { .fd = kafka_broker_fd(p->broker), .events = POLLIN };

	return poll(&ready, 1, 0) == 1;
}

/* Reading anew what got stuck is no answer to a revoke, whether that was polled yet or not. */
static void start_while_asked(bool unread)
{
	struct process *p = &processes[0], *q = &processes[1];
	struct happening *asked;

	process_open(p);
	await_assigned(p, PARTITIONS);
	get_stuck(p);
	while (is_unread(p))
		serve(0, true);
	process_open(q);
	for (unsigned i = 0; i < 6000 && !is_unread(p); i++) /* its revoke */
		serve(0, false);
	asked = unread ? NULL : await(p, HAPPENED_REVOKED, 30000);
	for (int32_t i = 0; i < PARTITIONS; i++)
		p->port.start(p->port.self, i, 0);
	if (unread)
		asked = await(p, HAPPENED_REVOKED, 30000);
	serve(2500, true);
	assert_null(find(q, HAPPENED_ASSIGNED));
	p->port.unassign(p->port.self, asked->partition);
	await_assigned(q, 1);
	await_end(p, 1 - asked->partition);
	assert_null(find(p, HAPPENED_LOST));
	happening_release(asked);
}

static void test_start_while_asked(void **state)
{
	(void)state;
	start_while_asked(false);
}

static void test_start_before_asked(void **state)
{
	(void)state;
	start_while_asked(true);
}

/* Asked to give back one partition, it decides to leave: then all are asked for. */
static void test_leave_while_asked(void **state)
{
	struct process *p = &processes[0], *q = &processes[1];
	struct happening *h;

	(void)state;
	process_open(p);
	await_assigned(p, PARTITIONS);
	process_open(q);
	h = await(p, HAPPENED_REVOKED, 30000);
	kafka_broker_leave(p->broker);
	serve(500, true);
	p->port.unassign(p->port.self, h->partition);
	happening_release(h);
	h = await(p, HAPPENED_REVOKED, 30000);
	p->port.unassign(p->port.self, h->partition);
	happening_release(h);
	for (unsigned i = 0; i < 1000 && !kafka_broker_has_left(p->broker); i++)
		serve(10, true);
	assert_true(kafka_broker_has_left(p->broker));
	await_assigned(q, PARTITIONS);
}

/* ---- the broker killed ---- */

static char own[NAME_BYTES]; /* host:port */

static void own_broker(const char *what)
{
	bool start = strcmp(what, "start") == 0;
	char line[1024];

	snprintf(line, sizeof(line), "deploy/local/broker.sh %s '%s/trouble-broker' %s >/dev/null",
	         what, getenv("TALLY_TEST_DIR"), start ? strchr(own, ':') + 1 : "");
	assert_int_equal(system(line), 0);
}

#define KILLED_TRANSACTIONS 400

#define LIVES_MOST 6
#define HUNG 70 /* the watchdog's: a crash is a tested path, a hang is none */

/* As the runtime does, but at once. */
static void let_go(struct process *p)
{
	struct happening *h;

	while ((h = find(p, HAPPENED_LOST)) || (h = find(p, HAPPENED_REVOKED))) {
		p->port.unassign(p->port.self, h->partition);
		happening_release(h);
	}
}

static int64_t go_on_from_cursor(struct process *p)
{
	int64_t n;

	while (!rc_ok(reopen(p)))
		nap(100);
	n = read_cursor(p, 60000);
	assert_true(n >= -1);
	return n < 0 ? 0 : n;
}

/* Publishes to the end, or until the watchdog ends it. Whatever is doubted is asked of K. */
static int worker_main(char **arguments)
{
	struct process *p = &processes[0];
	int64_t n;

	of_arguments(arguments);
	arena_init(&memory, 4096);
	process_open(p);
	await_assigned(p, PARTITIONS);
	n = go_on_from_cursor(p);
	while (n < KILLED_TRANSACTIONS) {
		enum publish_result result =
			publish(p, n + 1, arena_printf(&memory, "%d", (int)n).ptr);

		let_go(p);
		if (result == PUBLISH_COMMITTED)
			n++;
		if (result == PUBLISH_ABORTED)
			nap(20);
		if (result == PUBLISH_UNKNOWN)
			n = go_on_from_cursor(p);
	}
	process_close(p);
	arena_release(&memory);
	return 0;
}

static void *kill_and_start(void *unused)
{
	(void)unused;
	nap(700);
	own_broker("kill");
	nap(1500);
	own_broker("start");
	nap(1500);
	own_broker("kill");
	own_broker("start");
	return NULL;
}

/* The output is exact through two deaths of the broker, and any of the worker. */
static void test_broker_killed(void **state)
{
	unsigned lives = 1;
	struct buf expected;
	pthread_t killer;

	(void)state;
	assert_int_equal(pthread_create(&killer, NULL, kill_and_start, NULL), 0);
	for (;; lives++) {
		pid_t pid = start_self("worker", NULL, -1);
		int status;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			break;
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), HUNG);
		assert_true(lives < LIVES_MOST);
	}
	printf("%u lives\n", lives);
	pthread_join(killer, NULL);
	buf_init(&expected, NULL);
	for (int i = 0; i < KILLED_TRANSACTIONS; i++)
		buf_printf(&expected, "%d ", i);
	buf_put_char(&expected, '\0');
	expect_output(expected.ptr);
	process_open(&processes[0]);
	assert_int_equal(read_cursor(&processes[0], 30000), KILLED_TRANSACTIONS);
	buf_release(&expected);
}

static int begin_own(void **state)
{
	snprintf(own, sizeof(own), "127.0.0.1:%d", free_port());
	own_broker("start");
	brokers = own;
	return begin(state);
}

static int end_own(void **state)
{
	int result = end(state);

	own_broker("stop");
	brokers = getenv("TALLY_TEST_BROKERS");
	return result;
}

int main(int count, char **arguments)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest all[] = {
		TEST(test_frozen_before_offsets),
		TEST(test_frozen_before_commit),
		TEST(test_killed_before_commit),
		TEST(test_killed_after_commit),
		TEST(test_slow_answer),
		TEST(test_lost),
		TEST(test_start_while_asked),
		TEST(test_start_before_asked),
		TEST(test_leave_while_asked),
		cmocka_unit_test_setup_teardown(test_broker_killed, begin_own, end_own),
	};
#undef TEST

	if (count > 5)
		return strcmp(arguments[1], "zombie") == 0 ? zombie_main(arguments)
		                                           : worker_main(arguments);
	self_path = "/proc/self/exe";
	brokers = getenv("TALLY_TEST_BROKERS");
	if (!brokers || !getenv("TALLY_TEST_DIR")) {
		puts("TALLY_TEST_BROKERS and TALLY_TEST_DIR are not set");
		return SKIPPED;
	}
	if (count > 1)
		cmocka_set_test_filter(arguments[1]);
	return cmocka_run_group_tests(all, NULL, NULL) ? 1 : 0;
}
