/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row says how its samples are found: a member of struct process_stats, a
 * value of the process, or a value of each shard. Times are kept in whole
 * milliseconds and printed as seconds, as Prometheus wants them, without a
 * floating-point number.
 */
#include "common/host/metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/memory.h"
#include "common/base/timestamp.h"
#include "common/host/usage.h"
#include "common/host/version.h"
#include "common/host/web_metrics.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct rendering {
	const struct snapshot *snapshot;
	const struct worker *worker;
	struct buf *out;
};

struct metric {
	const char *name;
	enum metric_type type;
	const char *unit;
	const char *labels; /* besides worker, for the documentation; "" */
	const char *words;
	/* Exactly one of these says where the samples come from. */
	size_t stat;   /* offset in struct process_stats, plus 1 */
	size_t client; /* offset in struct kafka_statistics, plus 1; with samples */
	int64_t (*of_process)(const struct snapshot *);
	/* False: not known, no sample. */
	bool (*of_shard)(const struct snapshot *, const struct shard_status *, int64_t *value);
	void (*samples)(const struct rendering *, const struct metric *);
};

/* ---- values of the process --------------------------------------------- */

static int64_t resident_bytes(const struct snapshot *snapshot)
{
	(void)snapshot;
	return usage_resident_bytes();
}

static int64_t heap_used(const struct snapshot *snapshot)
{
	(void)snapshot;
	return (int64_t)memory_in_use();
}

static int64_t cpu_ms(const struct snapshot *snapshot)
{
	(void)snapshot;
	return usage_cpu_ms();
}

static int64_t start_ms(const struct snapshot *snapshot)
{
	return snapshot->started_wall_ms;
}

static int64_t draining(const struct snapshot *snapshot)
{
	return snapshot->draining;
}

/* ---- values of a shard ------------------------------------------------- */

static bool input_cursor(const struct snapshot *snapshot, const struct shard_status *shard,
                         int64_t *value)
{
	(void)snapshot;
	*value = shard->input_cursor;
	return *value >= 0;
}

static bool output_cursor(const struct snapshot *snapshot, const struct shard_status *shard,
                          int64_t *value)
{
	(void)snapshot;
	*value = shard->output_cursor;
	return *value >= 0;
}

static bool log_end(const struct snapshot *snapshot, const struct shard_status *shard,
                    int64_t *value)
{
	(void)snapshot;
	*value = shard->log_end;
	return *value >= 0;
}

static bool behind(int64_t end, int64_t cursor, int64_t *value)
{
	*value = end > cursor ? end - cursor : 0;
	return end >= 0 && cursor >= 0;
}

static bool lag_records(const struct snapshot *snapshot, const struct shard_status *shard,
                        int64_t *value)
{
	(void)snapshot;
	return behind(shard->log_end, shard->input_cursor, value);
}

static bool output_lag_records(const struct snapshot *snapshot, const struct shard_status *shard,
                               int64_t *value)
{
	(void)snapshot;
	return behind(shard->log_end, shard->output_cursor, value);
}

/* The age of the last folded record while there are further ones. */
static bool lag_ms(const struct snapshot *snapshot, const struct shard_status *shard,
                   int64_t *value)
{
	int64_t records;

	*value = 0;
	if (!behind(shard->log_end, shard->input_cursor, &records))
		return false;
	if (records == 0)
		return true;
	if (shard->broker_ms <= 0)
		return false;
	*value = snapshot->wall_ms > shard->broker_ms ? snapshot->wall_ms - shard->broker_ms : 0;
	return true;
}

static bool watermark_ms(const struct snapshot *snapshot, const struct shard_status *shard,
                         int64_t *value)
{
	(void)snapshot;
	*value = shard->watermark_ms;
	return *value > 0;
}

static bool reference_pin(const struct snapshot *snapshot, const struct shard_status *shard,
                          int64_t *value)
{
	(void)snapshot;
	*value = shard->reference_pin;
	return true;
}

static bool logic_version(const struct snapshot *snapshot, const struct shard_status *shard,
                          int64_t *value)
{
	(void)snapshot;
	*value = shard->logic_version;
	return true;
}

static bool dirty_writes(const struct snapshot *snapshot, const struct shard_status *shard,
                         int64_t *value)
{
	(void)snapshot;
	*value = shard->dirty;
	return true;
}

static bool is_rebuilding(const struct snapshot *snapshot, const struct shard_status *shard,
                          int64_t *value)
{
	(void)snapshot;
	*value = shard->rebuilding;
	return true;
}

/* ---- samples ----------------------------------------------------------- */

/* The sample's name and first label; further labels and the closing brace are the caller's. */
static void open_sample(const struct rendering *r, const char *name, const char *suffix)
{
	buf_printf(r->out, "%s%s{worker=\"%s\"", name, suffix, r->worker->name);
}

/* Milliseconds as seconds: 0.250 */
static void put_seconds(struct buf *out, int64_t ms)
{
	buf_printf(out, "%" PRId64 ".%03" PRId64, ms / MS_PER_SECOND, ms % MS_PER_SECOND);
}

/* A bucket's bound without zeros at its end, as others write it: 0.25 */
static void put_bound(struct buf *out, int64_t ms)
{
	put_seconds(out, ms);
	while (out->ptr[out->len - 1] == '0')
		out->len--;
	if (out->ptr[out->len - 1] == '.')
		out->len--;
}

/* Closes the labels and ends the line. */
static void put_value(const struct rendering *r, const struct metric *metric, int64_t value)
{
	buf_put_lit(r->out, "} ");
	if (strcmp(metric->unit, "seconds") == 0)
		put_seconds(r->out, value);
	else
		buf_put_i64(r->out, value);
	buf_put_char(r->out, '\n');
}

static void duration_samples(const struct rendering *r, const struct metric *metric)
{
	const char *stats = (const char *)&r->snapshot->stats;
	const struct durations *durations = (const void *)(stats + metric->stat - 1);
	uint64_t below = 0;

	for (unsigned i = 0; i < DURATION_BUCKETS; i++) {
		below += durations->buckets[i];
		open_sample(r, metric->name, "_bucket");
		buf_put_lit(r->out, ",le=\"");
		if (i < DURATION_BUCKETS - 1)
			put_bound(r->out, duration_bounds_ms[i]);
		else
			buf_put_lit(r->out, "+Inf");
		buf_printf(r->out, "\"} %" PRIu64 "\n", below);
	}
	open_sample(r, metric->name, "_sum");
	put_value(r, metric, (int64_t)durations->sum_ms);
	open_sample(r, metric->name, "_count");
	buf_printf(r->out, "} %" PRIu64 "\n", durations->count);
}

static void build_samples(const struct rendering *r, const struct metric *metric)
{
	open_sample(r, metric->name, "");
	buf_printf(r->out, ",version=\"%s\",logic=\"%" PRIu32 "\"} 1\n", TALLY_VERSION,
	           r->worker->logic_version);
}

static void rejected_samples(const struct rendering *r, const struct metric *metric)
{
	for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
		open_sample(r, metric->name, "");
		buf_printf(r->out, ",reason=\"%s\"} %" PRIu64 "\n",
		           reason_code((enum reason)reason), r->snapshot->stats.rejected[reason]);
	}
}

static void state_samples(const struct rendering *r, const struct metric *metric)
{
	const struct snapshot *snapshot = r->snapshot;

	for (int state = SHARD_WAITING; state <= SHARD_REFUSED; state++) {
		int64_t count = 0;

		for (unsigned i = 0; i < snapshot->shard_count; i++)
			count += (int)snapshot->shards[i].status.state == state;
		open_sample(r, metric->name, "");
		buf_printf(r->out, ",state=\"%s\"} %" PRId64 "\n",
		           shard_state_name((enum shard_state)state), count);
	}
}

static void shard_info_samples(const struct rendering *r, const struct metric *metric)
{
	for (unsigned i = 0; i < r->snapshot->shard_count; i++) {
		const struct shard_status *shard = &r->snapshot->shards[i].status;

		open_sample(r, metric->name, "");
		buf_printf(r->out, ",partition=\"%" PRId32 "\",state=\"%s\"} 1\n", shard->partition,
		           shard_state_name(shard->state));
	}
}

static void link_samples(const struct rendering *r, const struct metric *metric)
{
	const struct {
		const char *name;
		bool ok;
	} links[] = { { "group", r->snapshot->group.ok },
		      { "redis", r->snapshot->redis.ok },
		      { "producer", r->snapshot->producer.ok } };

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		open_sample(r, metric->name, "");
		buf_printf(r->out, ",link=\"%s\"} %d\n", links[i].name, links[i].ok);
	}
}

static void clear_samples(const struct rendering *r, const struct metric *metric)
{
	for (unsigned i = 0; i < r->snapshot->shard_count; i++) {
		const struct shard_row *row = &r->snapshot->shards[i];

		if (row->clear_ms < 0)
			continue;
		open_sample(r, metric->name, "");
		buf_printf(r->out, ",partition=\"%" PRId32 "\"", row->status.partition);
		put_value(r, metric, row->clear_ms);
	}
}

/* ---- of the Kafka clients ---- */

static const int64_t *client_values(const struct kafka_statistics *client,
                                    const struct metric *metric)
{
	return (const void *)((const char *)client + metric->client - 1);
}

static void put_client(const struct rendering *r, const struct metric *metric, const char *name,
                       const struct kafka_statistics *client)
{
	if (!client->known)
		return;
	open_sample(r, metric->name, "");
	buf_printf(r->out, ",client=\"%s\"", name);
	put_value(r, metric, *client_values(client, metric));
}

static void client_samples(const struct rendering *r, const struct metric *metric)
{
	put_client(r, metric, "consumer", &r->snapshot->consumer_client);
	put_client(r, metric, "producer", &r->snapshot->producer_client);
}

static void consumer_sample(const struct rendering *r, const struct metric *metric)
{
	if (!r->snapshot->consumer_client.known)
		return;
	open_sample(r, metric->name, "");
	put_value(r, metric, *client_values(&r->snapshot->consumer_client, metric));
}

static void producer_sample(const struct rendering *r, const struct metric *metric)
{
	if (!r->snapshot->producer_client.known)
		return;
	open_sample(r, metric->name, "");
	put_value(r, metric, *client_values(&r->snapshot->producer_client, metric));
}

/* Microseconds, as seconds. */
static void put_quantiles(const struct rendering *r, const struct metric *metric, const char *name,
                          const struct kafka_statistics *client)
{
	static const char *const quantiles[KAFKA_QUANTILES] = { "0.5", "0.99" };

	if (!client->known)
		return;
	for (int q = 0; q < KAFKA_QUANTILES; q++) {
		int64_t us = client_values(client, metric)[q];

		if (us < 0)
			continue;

		open_sample(r, metric->name, "");
		buf_printf(r->out, ",client=\"%s\",quantile=\"%s\"} %" PRId64 ".%06" PRId64 "\n",
		           name, quantiles[q], us / 1000000, us % 1000000);
	}
}

static void quantile_samples(const struct rendering *r, const struct metric *metric)
{
	put_quantiles(r, metric, "consumer", &r->snapshot->consumer_client);
	put_quantiles(r, metric, "producer", &r->snapshot->producer_client);
}

static void shard_samples(const struct rendering *r, const struct metric *metric)
{
	for (unsigned i = 0; i < r->snapshot->shard_count; i++) {
		const struct shard_status *shard = &r->snapshot->shards[i].status;
		int64_t value;

		if (!metric->of_shard(r->snapshot, shard, &value))
			continue;
		open_sample(r, metric->name, "");
		buf_printf(r->out, ",partition=\"%" PRId32 "\"", shard->partition);
		put_value(r, metric, value);
	}
}

/* ---- the table --------------------------------------------------------- */

#define STAT(member) .stat = offsetof(struct process_stats, member) + 1
#define COUNTER(name, unit, words, member)                                                 \
	{                                                                                  \
		"tallyworks_" name "_total", METRIC_COUNTER, unit, "", words, STAT(member) \
	}
#define LEVEL(name, unit, words, member)                                        \
	{                                                                       \
		"tallyworks_" name, METRIC_GAUGE, unit, "", words, STAT(member) \
	}
#define DURATION(name, words, member)                                                             \
	{                                                                                         \
		"tallyworks_" name "_duration_seconds", METRIC_HISTOGRAM, "seconds", "le", words, \
			STAT(member), .samples = duration_samples                                 \
	}
#define SHARD(name, unit, words, function)                                                       \
	{                                                                                        \
		"tallyworks_" name, METRIC_GAUGE, unit, "partition", words, .of_shard = function \
	}
/* Of both clients, of the consumer, of the producer; quantiles of both. */
#define CLIENT_ROW(name, type, unit, labels, words, member, function)            \
	{                                                                        \
		"tallyworks_kafka_" name, type, unit, labels, words,             \
			.client = offsetof(struct kafka_statistics, member) + 1, \
			.samples = function                                      \
	}
#define CLIENT(name, type, unit, words, member) \
	CLIENT_ROW(name, type, unit, "client", words, member, client_samples)
#define CONSUMER(name, type, unit, words, member) \
	CLIENT_ROW(name, type, unit, "", words, member, consumer_sample)
#define PRODUCER(name, type, unit, words, member) \
	CLIENT_ROW(name, type, unit, "", words, member, producer_sample)
#define QUANTILES(name, words, member)                                               \
	CLIENT_ROW(name, METRIC_GAUGE, "seconds", "client, quantile", words, member, \
	           quantile_samples)

static const struct metric metrics[] = {
	{ "tallyworks_build_info", METRIC_GAUGE, "1", "version, logic",
	  "The version of the program and the newest logic it knows.", .samples = build_samples },
	{ "tallyworks_start_time_seconds", METRIC_GAUGE, "seconds", "",
	  "When the process started, since 1970.", .of_process = start_ms },
	{ "tallyworks_cpu_seconds_total", METRIC_COUNTER, "seconds", "",
	  "Processor time used, user and system.", .of_process = cpu_ms },
	{ "tallyworks_resident_memory_bytes", METRIC_GAUGE, "bytes", "",
	  "Resident memory of the process.", .of_process = resident_bytes },
	{ "tallyworks_heap_used_bytes", METRIC_GAUGE, "bytes", "",
	  "Memory in use: entities, batches, what waits in the libraries to be read or sent.",
	  .of_process = heap_used },
	LEVEL("state_memory_bytes", "bytes", "Memory of entities and batches.", memory_bytes),
	{ "tallyworks_draining_state", METRIC_GAUGE, "0 or 1", "", "1 after SIGTERM.",
	  .of_process = draining },
	{ "tallyworks_link_state", METRIC_GAUGE, "0 or 1", "link",
	  "1 while the consumer group, Redis and the producer can be used.",
	  .samples = link_samples },

	COUNTER("records", "records", "Records taken from the input topic.", records),
	COUNTER("events", "events", "Events folded; a block has many.", events),
	COUNTER("events_applied", "events", "Events that changed something.", applied),
	COUNTER("events_skipped", "events", "Events left out, such as duplicates.", skipped),
	{ "tallyworks_events_rejected_total", METRIC_COUNTER, "events", "reason",
	  "Events that went to the dead-letter topic.", .samples = rejected_samples },
	COUNTER("outputs", "records", "Records sent to output topics.", outputs),
	COUNTER("batches", "batches", "Batches folded.", batches),
	COUNTER("transactions", "transactions", "Transactions committed.", transactions),
	COUNTER("transactions_aborted", "transactions", "Transactions aborted and sent again.",
	        aborts),
	COUNTER("transactions_unknown", "transactions",
	        "Transactions without a known outcome: the producer was made anew.",
	        unknown_outcomes),
	COUNTER("flushes", "calls", "Flushes to Redis.", flushes),
	COUNTER("flushes_refused", "calls",
	        "Flushes that Redis refused, since its state was not the expected one.",
	        flush_refusals),
	COUNTER("redis_writes", "writes", "Values written to Redis.", writes),
	COUNTER("loads", "calls", "Reads of entities from Redis.", loads),
	COUNTER("loaded_keys", "keys", "Keys read by them.", loaded_keys),
	COUNTER("claims", "claims", "Shards claimed.", claims),
	COUNTER("rebuilds", "rebuilds", "Shards rebuilt from the log.", rebuilds),
	COUNTER("timers", "records", "Timer records folded, in replays again.", timers),
	LEVEL("cached_entities", "entities", "Entities in memory.", cache_entities),
	LEVEL("dirty_writes", "writes", "Values not in Redis yet, all shards.", dirty_writes),
	DURATION("batch", "One batch, from its first record to its transaction.", batch),
	DURATION("transaction", "One transaction, from its begin to its end.", transaction),
	DURATION("flush", "One flush to Redis.", flush),
	DURATION("load", "One read from Redis.", load),

	{ "tallyworks_shards", METRIC_GAUGE, "shards", "state", "Shards of this process by state.",
	  .samples = state_samples },
	{ "tallyworks_shard_info", METRIC_GAUGE, "1", "partition, state", "The state of a shard.",
	  .samples = shard_info_samples },
	SHARD("lag_records", "records", "Records that the figures do not show yet: log end - R.",
	      lag_records),
	SHARD("lag_seconds", "seconds",
	      "Age of the last folded record while there are further ones.", lag_ms),
	{ "tallyworks_lag_clear_seconds", METRIC_GAUGE, "seconds", "partition",
	  "Until the lag is worked off at the pace of the last 10 to 20 seconds; absent while it "
	  "does not get shorter.",
	  .samples = clear_samples },
	SHARD("output_lag_records", "records",
	      "Records whose outputs are not out yet: log end - K.", output_lag_records),
	SHARD("input_cursor_offset", "offset", "R: what Redis holds.", input_cursor),
	SHARD("output_cursor_offset", "offset", "K: what is in the output topics.", output_cursor),
	SHARD("log_end_offset", "offset", "The end of the shard's log as last seen.", log_end),
	SHARD("watermark_seconds", "seconds", "The latest event time folded, since 1970.",
	      watermark_ms),
	SHARD("reference_pin_offset", "offset", "The reference data in force; -1: none.",
	      reference_pin),
	SHARD("logic_version", "version", "The logic version in force.", logic_version),
	SHARD("shard_dirty_writes", "writes", "Values of the shard not in Redis yet.",
	      dirty_writes),
	SHARD("shard_rebuilding_state", "0 or 1", "1 while the shard is rebuilt from the log.",
	      is_rebuilding),

	QUANTILES(
		"rtt_seconds",
		"Round trip of a request at the slowest broker; the consumer's fetches wait there "
		"for records.",
		rtt_us),
	QUANTILES("send_wait_seconds",
	          "Wait of a request before it is sent, at the slowest broker.", send_wait_us),
	CLIENT("throttle_seconds", METRIC_GAUGE, "seconds",
	       "The longest that a broker made the client wait for a quota's sake.", throttle_ms),
	CLIENT("brokers", METRIC_GAUGE, "brokers", "Brokers that the client is connected to.",
	       brokers_up),
	CLIENT("requests_queued", METRIC_GAUGE, "requests", "Requests that wait to be sent.",
	       requests_queued),
	CLIENT("requests_in_flight", METRIC_GAUGE, "requests", "Requests that wait for an answer.",
	       requests_in_flight),
	CLIENT("requests_total", METRIC_COUNTER, "requests", "Requests sent.", requests),
	CLIENT("sent_bytes_total", METRIC_COUNTER, "bytes", "Bytes sent to brokers.", sent_bytes),
	CLIENT("received_bytes_total", METRIC_COUNTER, "bytes", "Bytes received from brokers.",
	       received_bytes),
	CLIENT("errors_total", METRIC_COUNTER, "requests", "Requests and answers that failed.",
	       errors),
	CLIENT("timeouts_total", METRIC_COUNTER, "requests",
	       "Requests that were not answered in "
	       "time.",
	       timeouts),
	CLIENT("connects_total", METRIC_COUNTER, "connections", "Connections tried.", connects),
	CLIENT("disconnects_total", METRIC_COUNTER, "connections", "Connections that ended.",
	       disconnects),
	PRODUCER("queued_records", METRIC_GAUGE, "records",
	         "Outputs that wait to be sent or acknowledged.", queued_records),
	PRODUCER("queued_bytes", METRIC_GAUGE, "bytes", "The same in bytes.", queued_bytes),
	CONSUMER("fetched_records", METRIC_GAUGE, "records",
	         "Records that were fetched and are not taken yet.", fetched_records),
	CONSUMER("fetched_bytes", METRIC_GAUGE, "bytes", "The same in bytes.", fetched_bytes),
	CONSUMER("rebalances_total", METRIC_COUNTER, "rebalances", "Rebalances of the group.",
	         rebalances),
	CONSUMER("rebalance_age_seconds", METRIC_GAUGE, "seconds", "Since the last rebalance.",
	         rebalance_age_ms),
	CONSUMER("assigned_partitions", METRIC_GAUGE, "partitions",
	         "Partitions that the group gave to this process.", assigned_partitions),
};

#define METRIC_COUNT (sizeof(metrics) / sizeof(metrics[0]))

static const char *const type_names[] = { "counter", "gauge", "histogram" };

void metrics_render(const struct snapshot *snapshot, const struct worker *worker, struct buf *out)
{
	struct rendering r = { snapshot, worker, out };

	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct metric *metric = &metrics[i];
		uint64_t stat;

		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->words,
		           metric->name, type_names[metric->type]);
		if (metric->samples) {
			metric->samples(&r, metric);
		} else if (metric->of_shard) {
			shard_samples(&r, metric);
		} else if (metric->of_process) {
			open_sample(&r, metric->name, "");
			put_value(&r, metric, metric->of_process(snapshot));
		} else {
			memcpy(&stat, (const char *)&snapshot->stats + metric->stat - 1,
			       sizeof(stat));
			open_sample(&r, metric->name, "");
			put_value(&r, metric, (int64_t)stat);
		}
	}
}

static const char document_head[] =
	"# Metrics\n"
	"\n"
	"Generated from the table in common/host/metrics.c by `tallyctl --print-docs metrics`: "
	"change "
	"that, not this.\n"
	"\n"
	"Served as `/metrics` (Prometheus text format 0.0.4) at `http.address`; its default is "
	"127.0.0.1 and a port of the worker:\n"
	"\n";

static const char document_paths[] =
	"\n"
	"`/livez` answers 200 while the loop turns, whatever else is away. `/readyz` answers 200 "
	"when "
	"the group is joined, Redis can be written, the producer is ready and no shard is refused; "
	"`/readyz?verbose` lists each. Lag decides neither. `/shards` is how each shard stands, in "
	"JSON.\n"
	"\n"
	"Every metric has the label `worker`. R is the input cursor (what Redis holds), K the "
	"output "
	"cursor (what is in the output topics). What begins with `tallyworks_kafka_` is what "
	"librdkafka "
	"says of itself every `statistics.interval.ms`, with the label `client` where consumer and "
	"transactional producer both have it; times are those of the last interval, counters begin "
	"again with a new client, and without news there is no sample.\n"
	"\n"
	"| metric | type | unit | further labels | what it is |\n"
	"|---|---|---|---|---|\n";

void metrics_document(struct buf *out)
{
	buf_put(out, str_from_c(document_head));
	for (int i = 0; workers[i]; i++)
		buf_printf(out, "- %s: %u\n", workers[i]->name, metrics_default_port(workers[i]));
	buf_put(out, str_from_c(document_paths));
	for (size_t i = 0; i < METRIC_COUNT; i++)
		buf_printf(out, "| `%s` | %s | %s | %s | %s |\n", metrics[i].name,
		           type_names[metrics[i].type], metrics[i].unit, metrics[i].labels,
		           metrics[i].words);
	web_metrics_document(out);
}

unsigned metrics_default_port(const struct worker *worker)
{
	unsigned at = 0;

	while (workers[at] && workers[at] != worker)
		at++;
	return METRICS_FIRST_PORT + at;
}
