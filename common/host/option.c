/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table. Names are words of operators, most general word first; durations
 * say their unit, as Kafka's do.
 */
#include "common/host/option.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "common/base/limits.h"
#include "common/base/must.h"
#include "common/host/config.h"

#define AT(member) offsetof(struct config, member)
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number
#define FLAG_BYTES 48

const struct option options[] = {
	{ "brokers", OPTION_TEXT, AT(brokers), 1, 4096, NULL, "localhost:9092",
	  "Kafka brokers to ask first: host:port, separated by commas." },
	{ "topic.prefix", OPTION_TEXT, AT(topic_prefix), 0, 64, NULL, "",
	  "Put before every topic name, the inputs' too." },
	{ "group.prefix", OPTION_TEXT, AT(group_prefix), 0, 64, NULL, "",
	  "Put before every consumer group name (tallyworks-WORKER)." },
	{ "session.timeout.ms", OPTION_DURATION, AT(session_timeout_ms), 1000, 1800000, NULL,
	  "10000",
	  "After this time without a sign of life the group gives a process's partitions away." },
	{ "transaction.timeout.ms", OPTION_DURATION, AT(transaction_timeout_ms), 1000, 900000, NULL,
	  "10000", "After this time the broker ends a transaction that its process left open." },
	{ "redis.url", OPTION_URL, AT(redis_url), 1, 4096, NULL, "redis://127.0.0.1:6379",
	  "redis://[user:password@]host:port[/database], rediss:// for TLS, unix:///path." },
	{ "redis.mode", OPTION_CHOICE, AT(redis_mode), 0, 0, "single|cluster", "single",
	  "One Redis, or a Redis Cluster (not available in this build)." },
	{ "redis.prefix", OPTION_TEXT, AT(redis_prefix), 0, 64, NULL,
	  "tally:", "Put before every key; may be empty." },
	{ "redis.username", OPTION_TEXT, AT(redis_username), 0, 256, NULL, "",
	  "Redis user; empty: the one in redis.url, or the default user." },
	{ "redis.password", OPTION_SECRET, AT(redis_password), 0, 4096, NULL, "",
	  "Redis password; empty: the one in redis.url, or none." },
	{ "redis.password.file", OPTION_FILE, AT(redis_password_file), 0, 4096, NULL, "",
	  "A file that holds the Redis password; a newline at its end is cut off." },
	{ "redis.tls.ca.file", OPTION_FILE, AT(redis_tls_ca_file), 0, 4096, NULL, "",
	  "With rediss://: the certificates to trust; empty: the system's." },
	{ "redis.tls.cert.file", OPTION_FILE, AT(redis_tls_cert_file), 0, 4096, NULL, "",
	  "With rediss://: our own certificate, together with redis.tls.key.file." },
	{ "redis.tls.key.file", OPTION_FILE, AT(redis_tls_key_file), 0, 4096, NULL, "",
	  "With rediss://: the key of our own certificate." },
	{ "redis.tls.server.name", OPTION_TEXT, AT(redis_tls_server_name), 0, 255, NULL, "",
	  "With rediss://: the name to ask for (SNI); empty: the host." },
	{ "redis.connect.timeout.ms", OPTION_DURATION, AT(redis_connect_timeout_ms), 50, 60000,
	  NULL, "1000", "How long connecting to Redis may take." },
	{ "redis.timeout.ms", OPTION_DURATION, AT(redis_timeout_ms), 100, 60000, NULL, "5000",
	  "How long one answer of Redis may take." },
	{ "http.address", OPTION_TEXT, AT(http_address), 1, 255, NULL, "auto",
	  "Where /livez, /readyz, /metrics and /shards are served: host:port, or off. auto: "
	  "127.0.0.1 "
	  "with the worker's own port, or any free one where that is taken (not for "
	  "tally-dashboard, which has port 9640)." },
	{ "http.token.file", OPTION_FILE, AT(http_token_file), 0, 4096, NULL, "",
	  "tally-dashboard: a file that holds the bearer token that every request must carry; "
	  "needed where http.address serves other machines." },
	{ "dashboard.kafka", OPTION_BOOL, AT(dashboard_kafka), 0, 0, NULL, "no",
	  "tally-dashboard: ask the brokers, too: for lag, owners of shards and, where a token is "
	  "asked for, refused records, which can then be sent back." },
	{ "dashboard.workers", OPTION_TEXT, AT(dashboard_workers), 0, 4096, NULL, "",
	  "tally-dashboard: the http.address of workers, host:port, separated by commas, which are "
	  "asked how long their batches, transactions and flushes take. Without any that is not "
	  "shown." },
	{ "log.level", OPTION_CHOICE, AT(log_level), 0, 0, "debug|info|warn|error", "info",
	  "The least important lines that are written." },
	{ "log.format", OPTION_CHOICE, AT(log_format), 0, 0, "logfmt|json", "logfmt",
	  "How log lines look." },
	{ "drain.timeout.ms", OPTION_DURATION, AT(drain_timeout_ms), 100, 600000, NULL, "20000",
	  "After SIGTERM: how long finishing may take before the process ends anyway (status "
	  "75)." },
	{ "statistics.interval.ms", OPTION_DURATION, AT(statistics_interval_ms), 0, 3600000, NULL,
	  "10000", "How often the Kafka clients' figures in /metrics are taken; 0: never." },
	{ "flush.interval.ms", OPTION_DURATION, AT(flush_interval_ms), 1, 10000, NULL, "100",
	  "How often changed figures are written to Redis." },
	{ "flush.interval.max.ms", OPTION_DURATION, AT(flush_interval_max_ms), 1, 60000, NULL,
	  "1000", "The same while a shard is far behind: rarer writes, less work." },
	{ "txn.interval.min.ms", OPTION_DURATION, AT(txn_interval_min_ms), 0, 10000, NULL, "20",
	  "Transactions begin at least this far apart: more is less work and more delay." },
	{ "idle.check.ms", OPTION_DURATION, AT(idle_check_ms), 100, 60000, NULL, "1000",
	  "How often an idle shard makes sure that Redis still holds its state." },
	{ "batch.max.records", OPTION_INT, AT(batch_max_records), 1, LIMIT_BATCH_RECORDS, NULL,
	  TEXT_OF(LIMIT_BATCH_RECORDS), "Records of one shard's batch." },
	{ "batch.max.bytes", OPTION_INT, AT(batch_max_bytes), 1024, LIMIT_BATCH_BYTES * 8, NULL,
	  TEXT_OF(LIMIT_BATCH_BYTES), "Memory of one shard's batch." },
	{ "queue.max.records", OPTION_INT, AT(queue_max_records), 1, LIMIT_QUEUE_RECORDS * 16, NULL,
	  TEXT_OF(LIMIT_QUEUE_RECORDS), "Records folded that wait for a transaction, all shards." },
	{ "cache.max.bytes", OPTION_INT, AT(cache_max_bytes), 1 << 20, INT64_C(1) << 40, NULL,
	  TEXT_OF(LIMIT_CACHE_BYTES),
	  "Memory for entities, all shards: more memory, fewer reads from Redis." },
	{ .name = NULL },
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]) - 1)
_Static_assert(OPTION_COUNT <= OPTIONS_MOST, "OPTIONS_MOST is too small");

int option_find(struct str name)
{
	for (int i = 0; options[i].name; i++)
		if (str_eq_c(name, options[i].name))
			return i;
	return -1;
}

static const char *value_name(const struct option *option)
{
	switch (option->type) {
	case OPTION_INT: return "N";
	case OPTION_DURATION: return "MS";
	case OPTION_BOOL: return "yes|no";
	case OPTION_CHOICE: return option->choices;
	case OPTION_FILE: return "FILE";
	case OPTION_URL: return "URL";
	case OPTION_TEXT:
	case OPTION_SECRET: break;
	}
	return "TEXT";
}

const struct flag *option_flags(void)
{
	static char names[OPTION_COUNT][FLAG_BYTES];
	static struct flag flags[OPTION_COUNT + 1];

	for (size_t i = 0; i < OPTION_COUNT && !flags[i].name; i++) {
		int len = snprintf(names[i], FLAG_BYTES, "--%s", options[i].name);

		must(len < FLAG_BYTES);
		for (char *c = names[i]; *c; c++)
			if (*c == '.')
				*c = '-';
		flags[i] = (struct flag){ names[i], value_name(&options[i]), options[i].words };
	}
	return flags;
}

void option_environment_name(const struct option *option, struct buf *out)
{
	buf_put_lit(out, "TALLY_");
	for (const char *c = option->name; *c; c++)
		buf_put_char(out, *c == '.' ? '_' : (char)toupper((unsigned char)*c));
}

void option_range(const struct option *option, struct buf *out)
{
	switch (option->type) {
	case OPTION_INT:
		buf_printf(out, "%" PRId64 " to %" PRId64, option->min, option->max);
		break;
	case OPTION_DURATION:
		buf_printf(out, "%" PRId64 " to %" PRId64 " ms", option->min, option->max);
		break;
	case OPTION_BOOL: buf_put_lit(out, "yes or no"); break;
	case OPTION_CHOICE:
		for (struct str rest = str_from_c(option->choices); rest.ptr;) {
			buf_put(out, str_split(&rest, '|'));
			if (rest.ptr)
				buf_put_lit(out, ", ");
		}
		break;
	case OPTION_FILE: buf_put_lit(out, "a file"); break;
	case OPTION_URL: buf_put_lit(out, "an address"); break;
	case OPTION_SECRET: buf_put_lit(out, "a secret"); break;
	case OPTION_TEXT: buf_put_lit(out, "text"); break;
	}
}
