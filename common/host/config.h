/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of every program: one table of options, four sources.
 *
 * A flag (--set KEY=VALUE, or --<key with dashes> VALUE) comes before the
 * environment (TALLY_<KEY WITH UNDERSCORES>), that before the file, that before
 * the default. Keys that begin with "kafka." are not in the table: they go to
 * librdkafka as they are. Business rules are never options; what changes an
 * answer is in the log (DESIGN section 1).
 *
 * A config owns its memory until config_release(); its texts are borrowed from
 * it. config_load() goes through everything before it fails, so that a person
 * sees all faults at once, each with its place and what to do about it.
 */
#ifndef TALLY_HOST_CONFIG_H
#define TALLY_HOST_CONFIG_H

#include "common/adapters/kafka_broker.h"
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/rc.h"
#include "common/host/option.h"

#define CONFIG_KAFKA_MOST 256
#define CONFIG_WORKERS_MOST 64

enum http_where { HTTP_AUTO, HTTP_OFF, HTTP_AT };
enum redis_mode { REDIS_SINGLE, REDIS_CLUSTER };

struct config_address {
	const char *host;
	uint16_t port;
};

/* An option's value as text, and where it came from. */
struct config_value {
	const char *text;
	const char
		*from; /* "default", "etc/tally.conf:7", "environment TALLY_BROKERS", "--brokers" */
};

struct config {
	const char *brokers, *topic_prefix, *group_prefix;
	int64_t session_timeout_ms, transaction_timeout_ms;
	const char *redis_url;
	int redis_mode; /* enum redis_mode */
	const char *redis_prefix, *redis_username, *redis_password, *redis_password_file;
	const char *redis_tls_ca_file, *redis_tls_cert_file, *redis_tls_key_file,
		*redis_tls_server_name;
	int64_t redis_connect_timeout_ms, redis_timeout_ms;
	const char *http_address, *http_token_file;
	bool dashboard_kafka;
	const char *dashboard_workers;
	int log_level;  /* enum log_level */
	int log_format; /* enum log_format */
	int64_t drain_timeout_ms, flush_interval_ms, flush_interval_max_ms, txn_interval_min_ms,
		idle_check_ms, statistics_interval_ms;
	int64_t batch_max_records, batch_max_bytes, queue_max_records, cache_max_bytes;

	/* Worked out of http.address. */
	enum http_where http_where;
	const char *http_host;
	uint16_t http_port;
	const char *http_token; /* of http.token.file; "" */

	/* Those of dashboard.workers. */
	struct config_address workers[CONFIG_WORKERS_MOST];
	unsigned worker_count;

	struct kafka_property kafka[CONFIG_KAFKA_MOST];      /* as given; names without "kafka." */
	struct kafka_property kafka_used[CONFIG_KAFKA_MOST]; /* secrets read from their files */
	const char *kafka_from[CONFIG_KAFKA_MOST];
	unsigned kafka_count;
	struct config_value values[OPTIONS_MOST]; /* in the table's order */
	struct arena memory;
};

/* A key and value from the command line. */
struct config_setting {
	const char *key, *value;
	const char *from; /* the flag, for messages */
};

struct config_sources {
	const char *file;                      /* NULL: TALLY_CONFIG, or none */
	char *const *environment;              /* as environ(7); NULL: none */
	const struct config_setting *settings; /* later ones win */
	unsigned setting_count;
};

/* "KEY=VALUE", or a flag of option_flags(), as a setting; its texts are borrowed from the arena. */
struct rc config_setting_from_text(const char *text, struct arena *, struct config_setting *out);
/* False: not one of option_flags(). */
bool config_setting_from_flag(const struct flag *, const char *value, struct config_setting *out);

void config_release(struct config *);

/* Is kafka[i] the name of a file that holds the secret? */
bool config_is_secret_file(const struct config *, unsigned i);
/* Initialises and fills. When it fails (RC_CONFIG), faults has one line a fault. */
struct rc config_load(struct config *, const struct config_sources *, struct buf *faults);

#endif
