/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop waits on five files: what the adapters put into the inbox, what the
 * broker has, signals, somebody who asks how the process stands. A process that
 * has more to do at once does not wait, but looks.
 *
 * Ending: drain (finish what was taken), leave the group (its answers revoke the
 * partitions, which flush and are let go), end. Each step is over when the
 * process says so; all together take drain.timeout.ms at most.
 */
#include "common/host/live.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/adapters/http_server.h"
#include "common/adapters/redis_admin.h"
#include "common/adapters/system_clock.h"
#include "common/base/memory.h"
#include "common/host/connection.h"
#include "common/host/health.h"
#include "common/host/metrics.h"
#include "common/host/notify.h"
#include "common/host/pace.h"
#include "common/host/usage.h"
#include "common/host/version.h"
#include "common/runtime/process.h"

#define WAIT_MOST_MS 1000 /* the broker's poll is due every second */
#define TRIM_EVERY_MS 60000
#define KEPT_BYTES (32 * 1024 * 1024) /* resident besides twice what is in use */
#define PROBE_CONNECT_MS 300
#define PROBE_COMMAND_MS 500
#define FETCH_LEAST_BYTES 32768
#define FETCH_WAIT_MS 10
#define EXIT_AT_ONCE 75
#define FAILED_MOST 3 /* transactions in a row: then something is in the way */

enum phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_LEAVING, PHASE_ENDED };

enum { FD_INBOX, FD_BROKER, FD_SIGNAL, FD_BOARD, FD_COUNT };

struct live {
	const struct worker *worker;
	const struct config *config;
	struct kafka_options kafka_options;
	struct redis_options redis_options, probe_options;
	struct kafka_broker *broker;
	struct redis_store *store;
	struct redis_admin *probe;
	struct ports ports;
	struct process *process;
	struct board *board;
	struct http_server *http;
	struct health health;
	struct snapshot snapshot;
	struct pace pace;
	int signal_fd;
	enum phase phase;
	int64_t started_wall_ms, drain_until_ms, watchdog_ms, watchdog_interval_ms, trim_ms;
	struct arena memory;
};

/* ---- boot -------------------------------------------------------------- */

static struct rc block_signals(struct live *live)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* Before any thread is made: they all inherit it. */
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return rc_fail(RC_OS, "signals cannot be blocked");
	live->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (live->signal_fd < 0)
		return rc_fail(RC_OS, "signals cannot be watched: %s", strerror(errno));
	return OK;
}

static struct rc open_ports(struct live *live)
{
	connection_kafka(live->config, live->worker, &live->memory, &live->kafka_options);
	/* Upstream appends a few records at a time: an answer to each would cost the broker more
	 * than the records. Internal topics become readable a transaction at a time. */
	if (!live->worker->internal) {
		live->kafka_options.fetch_least_bytes = FETCH_LEAST_BYTES;
		live->kafka_options.fetch_wait_ms = FETCH_WAIT_MS;
	}
	connection_redis(live->config, live->worker, &live->redis_options);
	live->ports.inbox = inbox_new();
	system_clock_port(&live->ports.clock);
	TRY(redis_store_new(&live->redis_options, live->worker, live->ports.inbox,
	                    &live->ports.store, &live->store));
	return kafka_broker_new(&live->kafka_options, live->ports.inbox, &live->ports.broker,
	                        &live->broker);
}

static void open_process(struct live *live)
{
	const struct config *config = live->config;
	struct process_options wanted;

	process_options_default(&wanted);
	wanted.flush_interval_ms = config->flush_interval_ms;
	wanted.flush_interval_max_ms = config->flush_interval_max_ms;
	wanted.txn_interval_min_ms = config->txn_interval_min_ms;
	wanted.idle_check_ms = config->idle_check_ms;
	wanted.batch_records = (unsigned)config->batch_max_records;
	wanted.batch_bytes = (size_t)config->batch_max_bytes;
	wanted.queue_records = (unsigned)config->queue_max_records;
	wanted.cache_bytes = (size_t)config->cache_max_bytes;
	wanted.topic_prefix = str_from_c(config->topic_prefix);
	wanted.group_prefix = str_from_c(config->group_prefix);
	live->process = process_new(live->worker, &live->ports, &wanted);
}

static struct rc probe_redis(void *self)
{
	return redis_admin_probe(self);
}

/* The worker's own port; where another process of it has that, any free one: figures of all of them
 * are wanted, and the log says where they are. */
static struct rc listen_auto(struct live *live)
{
	uint16_t port = (uint16_t)metrics_default_port(live->worker);

	if (rc_ok(http_server_start("127.0.0.1", port, health_handler, &live->health, &live->http)))
		return OK;
	return http_server_start("127.0.0.1", 0, health_handler, &live->health, &live->http);
}

static struct rc open_http(struct live *live)
{
	const struct config *config = live->config;

	live->probe_options = live->redis_options;
	live->probe_options.connect_timeout_ms = PROBE_CONNECT_MS;
	live->probe_options.command_timeout_ms = PROBE_COMMAND_MS;
	live->probe = redis_admin_new(&live->probe_options);
	live->health.worker = live->worker;
	live->health.board = live->board;
	live->health.now_ms = system_now_ms;
	live->health.probe_redis = probe_redis;
	live->health.probe_self = live->probe;
	if (config->http_where == HTTP_OFF)
		return OK;
	if (config->http_where == HTTP_AUTO)
		TRY(listen_auto(live));
	else
		TRY(http_server_start(config->http_host, config->http_port, health_handler,
		                      &live->health, &live->http));
	log_info("http_listening",
	         LOG_TEXT("host", config->http_where == HTTP_AT ? config->http_host : "127.0.0.1"),
	         LOG_INT("port", http_server_port(live->http)), LOG_END);
	return OK;
}

static struct rc boot(struct live *live)
{
	TRY(block_signals(live));
	TRY(open_ports(live));
	open_process(live);
	live->board = board_new();
	board_turned(live->board, system_now_ms());
	live->started_wall_ms = live->ports.clock.wall_ms(live->ports.clock.self);
	live->watchdog_interval_ms = notify_watchdog_interval_ms();
	TRY(open_http(live));
	log_info("started", LOG_TEXT("version", TALLY_VERSION),
	         LOG_TEXT("group", live->kafka_options.group),
	         LOG_TEXT("topic", live->kafka_options.topic),
	         LOG_TEXT("brokers", live->config->brokers), LOG_INT("pid", getpid()), LOG_END);
	notify_send("READY=1");
	return OK;
}

static void give_back(struct live *live)
{
	http_server_stop(live->http);
	redis_admin_free(live->probe);
	/* First those whose threads may still read what the process owns. */
	if (live->broker)
		kafka_broker_free(live->broker);
	if (live->store)
		redis_store_free(live->store);
	process_free(live->process);
	if (live->ports.inbox)
		inbox_free(live->ports.inbox);
	board_free(live->board);
	if (live->signal_fd >= 0)
		close(live->signal_fd);
	arena_release(&live->memory);
	free(live);
}

/* ---- how the process stands -------------------------------------------- */

static void set_link(struct link_state *link, bool ok, const char *words)
{
	link->ok = ok;
	snprintf(link->words, sizeof(link->words), "%s", ok ? "" : words);
}

/* A producer that is there and gets nothing through is of no use either. */
static void set_producer(struct live *live, bool there)
{
	struct snapshot *s = &live->snapshot;
	struct publishing now = process_publishing(live->process);
	char words[sizeof(s->producer.words)];

	set_link(&s->producer, there,
	         "no transactional producer yet; are the brokers and the output topics there?");
	if (!there)
		return;
	if (now.failed >= FAILED_MOST) {
		snprintf(words, sizeof(words), "%u transactions failed in a row: %s", now.failed,
		         now.words);
		set_link(&s->producer, false, words);
	} else if (now.busy_ms > live->config->transaction_timeout_ms) {
		snprintf(words, sizeof(words),
		         "a transaction hangs for %" PRId64 " ms; do the brokers answer?",
		         now.busy_ms);
		set_link(&s->producer, false, words);
	}
}

/* A member may well have no partition, where there are more processes than partitions. */
static void set_group(struct live *live, bool has_producer)
{
	struct snapshot *s = &live->snapshot;
	const char *trouble = process_group_trouble(live->process);
	bool ok = s->shard_count > 0 || (has_producer && !trouble[0]);

	set_link(&s->group, ok,
	         trouble[0] ? trouble
	                    : "no partition is assigned, nor do the brokers answer; "
	                      "kafka_client_error in the log says why");
}

static void put_snapshot(struct live *live)
{
	struct snapshot *s = &live->snapshot;
	const struct broker *broker = &live->ports.broker;
	bool has_producer = broker->transactional_id(broker->self)[0] != '\0';

	snapshot_fill(s, live->process);
	s->taken_ms = system_now_ms();
	s->wall_ms = live->ports.clock.wall_ms(live->ports.clock.self);
	s->started_wall_ms = live->started_wall_ms;
	s->draining = live->phase != PHASE_RUNNING;
	kafka_broker_statistics(live->broker, &s->consumer_client, &s->producer_client);
	for (unsigned i = 0; i < s->shard_count; i++)
		s->shards[i].clear_ms =
			pace_clear_ms(&live->pace, &s->shards[i].status, s->taken_ms);
	set_group(live, has_producer);
	set_producer(live, has_producer);
	set_link(&s->redis, true, "");
	for (unsigned i = 0; i < s->shard_count; i++)
		if (s->shards[i].status.state == SHARD_PAUSED)
			set_link(s->shards[i].status.left_out ? &s->producer : &s->redis, false,
			         s->shards[i].words);
	board_put(live->board, s);
}

static void mark_pace(struct live *live, int64_t now_ms)
{
	struct shard_status rows[SNAPSHOT_SHARDS_MOST];
	unsigned count;

	if (!pace_is_due(&live->pace, now_ms))
		return;
	count = process_shards(live->process, rows, SNAPSHOT_SHARDS_MOST);
	pace_mark(&live->pace, rows, count < SNAPSHOT_SHARDS_MOST ? count : SNAPSHOT_SHARDS_MOST,
	          now_ms);
}

/* ---- ending ------------------------------------------------------------ */

static void take_signals(struct live *live)
{
	struct signalfd_siginfo info;

	while (read(live->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (live->phase != PHASE_RUNNING) {
			log_warn("ending_at_once", LOG_INT("signal", (int64_t)info.ssi_signo),
			         LOG_END);
			_exit(EXIT_AT_ONCE);
		}
		log_info("draining", LOG_INT("signal", (int64_t)info.ssi_signo),
		         LOG_INT("timeout_ms", live->config->drain_timeout_ms), LOG_END);
		notify_send("STOPPING=1");
		live->phase = PHASE_DRAINING;
		live->drain_until_ms = system_now_ms() + live->config->drain_timeout_ms;
		process_drain(live->process);
	}
}

static void step_phase(struct live *live, int64_t now_ms)
{
	if (live->phase == PHASE_DRAINING && process_is_drained(live->process)) {
		log_info("leaving_group", LOG_INT("shards", process_shard_count(live->process)),
		         LOG_END);
		live->phase = PHASE_LEAVING;
		kafka_broker_leave(live->broker);
	}
	if (live->phase == PHASE_LEAVING && kafka_broker_has_left(live->broker) &&
	    process_shard_count(live->process) == 0)
		live->phase = PHASE_ENDED;
	/* What hangs would hang while it is given back, too. As safe as a crash. */
	if (live->phase != PHASE_RUNNING && live->phase != PHASE_ENDED &&
	    now_ms >= live->drain_until_ms) {
		log_warn("drain_timed_out", LOG_INT("shards", process_shard_count(live->process)),
		         LOG_END);
		_exit(EXIT_AT_ONCE);
	}
}

/* ---- the loop ---------------------------------------------------------- */

static int wait_ms(const struct live *live, bool more, int64_t now_ms)
{
	int64_t ms = process_next_turn_ms(live->process) - now_ms;

	if (more || ms < 0)
		return 0;
	return ms < WAIT_MOST_MS ? (int)ms : WAIT_MOST_MS;
}

/* The eventfd is read before the inbox is, so that what is put in between wakes us again. */
static void clear_inbox_fd(const struct pollfd *fd)
{
	uint64_t count;

	if (fd->revents && read(fd->fd, &count, sizeof(count)) < 0)
		return;
}

static void look(struct live *live, int timeout_ms)
{
	struct pollfd fds[FD_COUNT] = {
		[FD_INBOX] = { .fd = inbox_fd(live->ports.inbox), .events = POLLIN },
		[FD_BROKER] = { .fd = kafka_broker_fd(live->broker), .events = POLLIN },
		[FD_SIGNAL] = { .fd = live->signal_fd, .events = POLLIN },
		[FD_BOARD] = { .fd = board_fd(live->board), .events = POLLIN },
	};

	if (poll(fds, FD_COUNT, timeout_ms) <= 0)
		return;
	clear_inbox_fd(&fds[FD_INBOX]);
	if (fds[FD_SIGNAL].revents)
		take_signals(live);
	if (fds[FD_BOARD].revents)
		put_snapshot(live);
}

static void feed_watchdog(struct live *live, int64_t now_ms)
{
	if (live->watchdog_interval_ms == 0 ||
	    now_ms - live->watchdog_ms < live->watchdog_interval_ms)
		return;
	live->watchdog_ms = now_ms;
	notify_send("WATCHDOG=1");
}

/* What a burst took does not stay for ever. */
static void trim_memory(struct live *live, int64_t now_ms)
{
	int64_t in_use;

	if (now_ms < live->trim_ms)
		return;
	live->trim_ms = now_ms + TRIM_EVERY_MS;
	in_use = (int64_t)memory_in_use();
	if (usage_resident_bytes() > 2 * in_use + KEPT_BYTES)
		memory_trim();
}

static void turn_until_ended(struct live *live)
{
	while (live->phase != PHASE_ENDED) {
		bool more = process_turn(live->process); /* polls the broker first */
		int64_t now_ms = system_now_ms();

		board_turned(live->board, now_ms);
		feed_watchdog(live, now_ms);
		mark_pace(live, now_ms);
		trim_memory(live, now_ms);
		step_phase(live, now_ms);
		look(live, live->phase == PHASE_ENDED ? 0 : wait_ms(live, more, now_ms));
	}
}

struct rc live_run(const struct worker *worker, const struct config *config)
{
	struct live *live = memory_new(sizeof(*live));
	struct rc rc;

	memory_configure();
	live->worker = worker;
	live->config = config;
	live->signal_fd = -1;
	arena_init(&live->memory, 1024);
	rc = boot(live);
	if (rc_ok(rc)) {
		turn_until_ended(live);
		log_info("ended", LOG_END);
	}
	give_back(live);
	return rc;
}
