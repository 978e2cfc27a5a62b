/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread: the server's. It waits for Redis a second at most, and not again for
 * a second after that (redis_reader.h). Twice a second it looks whether the live
 * figures have changed, if somebody has a stream open; ten times a second it goes
 * a step through the names of keys, many steps until it has seen all of them once.
 */
#include "services/dashboard/program.h"

#include <stdio.h>
#include <unistd.h>

#include "common/adapters/system_clock.h"
#include "common/host/command_line.h"
#include "common/host/connection.h"
#include "common/host/notify.h"
#include "common/host/version.h"
#include "services/dashboard/api.h"
#include "services/dashboard/redriver.h"
#include "services/dashboard/timing.h"

#define NAME "dashboard"
#define PORT 9640
#define TICK_MS 100
#define EVENT_TICKS 5
#define HEARTBEAT_TICKS 100
#define FIRST_WALK_STEPS 20

struct dashboard {
	struct api api;
	struct redis_options redis_options;
	struct web_server *server;
	struct buf event;
	unsigned ticks;
};

/* ---- the clock ---------------------------------------------------------- */

static void walk(struct dashboard *d)
{
	struct catalog *catalog = &d->api.catalog;

	for (unsigned i = 0; i == 0 || (i < FIRST_WALK_STEPS && !catalog->complete); i++) {
		int64_t now_ms = system_now_ms();
		bool asks = now_ms >= catalog->walk_ms;
		struct rc rc = catalog_step(catalog, d->api.reader, &d->api.arena, now_ms);

		arena_clear(&d->api.arena);
		if (!rc_ok(rc))
			return;
		if (asks)
			api_redis_answered(&d->api);
	}
}

static void on_tick(void *self)
{
	struct dashboard *d = self;
	struct web_stats *stats = &d->api.stats;

	d->ticks++;
	walk(d);
	stats->streams = web_server_streams(d->server);
	if (!stats->streams)
		d->api.live_tag[0] = '\0';
	else if (d->ticks % EVENT_TICKS == 0) {
		buf_clear(&d->event);
		if (api_event(&d->api, &d->event)) {
			stats->stream_events += stats->streams;
			stats->streams_cut += web_server_broadcast(d->server, buf_str(&d->event));
		}
	}
	if (d->ticks % HEARTBEAT_TICKS == 0) {
		stats->streams_cut += web_server_broadcast(d->server, STR(": still here\n\n"));
		notify_send("WATCHDOG=1");
	}
}

/* ---- beginning ---------------------------------------------------------- */

static struct rc check_address(const struct config *config, const char *host)
{
	if (config->http_where == HTTP_OFF)
		return rc_fail(RC_CONFIG, "http.address = off: a dashboard without an address is "
		                          "none; write host:port or auto (127.0.0.1:9640)");
	if (!config->http_token_file[0] && !web_host_is_loopback(host))
		return rc_fail(RC_CONFIG,
		               "http.address = %s serves other machines, and nobody would be asked "
		               "who they are: put a secret into a file and set http.token.file, or "
		               "listen on 127.0.0.1",
		               config->http_address);
	return OK;
}

static struct rc serve(struct dashboard *d, const struct config *config)
{
	bool given = config->http_where == HTTP_AT;
	const char *host = given ? config->http_host : "127.0.0.1";
	struct web_options wanted = {
		.host = host,
		.port = given ? config->http_port : PORT,
		.handler = api_answer,
		.tick = on_tick,
		.tick_ms = TICK_MS,
		.drain_ms = config->drain_timeout_ms,
		.self = d,
	};

	TRY(check_address(config, host));
	if (config->http_token_file[0])
		d->api.token = str_from_c(config->http_token);
	connection_redis(config, NULL, &d->redis_options);
	d->api.reader = redis_reader_new(&d->redis_options);
	if (config->dashboard_kafka)
		TRY(watch_new(config, &d->api.watch));
	if (config->worker_count)
		TRY(timing_new(config, &d->api.timing));
	if (config->dashboard_kafka && d->api.token.ptr)
		TRY(refused_new(config, &d->api.refused));
	if (d->api.refused)
		TRY(redriver_new(config, d->api.refused, &d->api.redriver));
	TRY(web_server_new(&wanted, &d->server));
	log_info("started", LOG_TEXT("version", TALLY_VERSION), LOG_INT("pid", getpid()), LOG_END);
	log_info("http_listening", LOG_TEXT("host", host),
	         LOG_INT("port", web_server_port(d->server)), LOG_END);
	notify_send("READY=1");
	TRY(web_server_run(d->server));
	log_info("ended", LOG_END);
	return OK;
}

static struct rc run(const struct config *config)
{
	struct dashboard d = { .ticks = 0 };
	struct rc rc;

	_Static_assert(offsetof(struct dashboard, api) == 0, "the handler's self");
	d.api.stats.started_wall_ms = system_wall_ms();
	catalog_init(&d.api.catalog);
	memo_init(&d.api.memo);
	arena_init(&d.api.arena, 65536);
	buf_init(&d.event, NULL);
	rc = serve(&d, config);
	web_server_free(d.server);
	timing_free(d.api.timing);
	watch_free(d.api.watch);
	redriver_free(d.api.redriver);
	refused_free(d.api.refused);
	redis_reader_free(d.api.reader);
	catalog_release(&d.api.catalog);
	memo_release(&d.api.memo);
	arena_release(&d.api.arena);
	buf_release(&d.event);
	return rc;
}

/* ---- the command line --------------------------------------------------- */

static struct rc answer(const struct command_line *line)
{
	struct buf out;
	struct rc rc;

	buf_init(&out, NULL);
	if (line->help) {
		buf_put_lit(&out, "tally-" NAME ": figures for people, read from Redis\n\n"
		                  "usage: tally-" NAME " [FLAG]...\n\nFlags:\n");
		command_line_help(&out);
	} else {
		buf_put_lit(&out, "tally-" NAME " " TALLY_VERSION "\n");
	}
	rc = command_line_print(buf_str(&out));
	buf_release(&out);
	return rc;
}

static struct rc configure_and_run(const struct command_line *line)
{
	static struct config config; /* large */
	bool answered;
	struct rc rc = command_line_config(line, &config, &answered);

	if (rc_ok(rc) && !answered) {
		log_configure((enum log_level)config.log_level, (enum log_format)config.log_format,
		              STR(NAME));
		rc = run(&config);
	}
	config_release(&config);
	return rc;
}

int dashboard_main(int argc, char *const *argv)
{
	static struct command_line line; /* large */
	struct rc rc;

	command_line_init(&line);
	rc = command_line_read(&line, NULL, argc, argv, NULL);
	if (rc_ok(rc))
		rc = line.help || line.version ? answer(&line) : configure_and_run(&line);
	if (!rc_ok(rc))
		fprintf(stderr, "tally-" NAME ": %s\n", rc_text());
	command_line_release(&line);
	return rc_exit_status(rc);
}
