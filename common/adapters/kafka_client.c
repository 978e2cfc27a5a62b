/* SPDX-License-Identifier: Apache-2.0 */
/*
 * librdkafka's configuration, logs and errors in this product's terms.
 */
#include "common/adapters/kafka_client.h"

#include <stdio.h>
#include <string.h>

#include "common/adapters/system_clock.h"
#include "common/base/hash.h"
#include "common/base/log.h"

#define ERROR_BYTES 512
/* Of syslog(3), whose header has other LOG_ names. */
#define LEVEL_ERROR 3
#define LEVEL_WARNING 4
#define LEVEL_DEBUG 7
#define AGAIN_MS 10000

/* Set by the adapters: another value would break the commit protocol. What librdkafka logs of its
 * connections is a part of it: a commit through one that broke is in doubt. */
static const char *const reserved[] = {
	"acks",
	"auto.offset.reset",
	"bootstrap.servers",
	"enable.auto.commit",
	"enable.auto.offset.store",
	"enable.idempotence",
	"enable.partition.eof",
	"group.id",
	"group.instance.id",
	"group.protocol",
	"isolation.level",
	"log.connection.close",
	"log.queue",
	"log_level",
	"metadata.broker.list",
	"partition.assignment.strategy",
	"partitioner",
	"request.required.acks",
	"session.timeout.ms",
	"statistics.interval.ms",
	"transaction.timeout.ms",
	"transactional.id",
	NULL,
};

void kafka_options_default(struct kafka_options *options)
{
	options->session_timeout_ms = 10000;
	options->transaction_timeout_ms = 10000;
	options->fetch_wait_ms = 50;
	options->fetch_least_bytes = 1;
	options->partition_queue_kbytes = 1024;
	options->statistics_ms = 10000;
}

/* librdkafka names a failed connection or an expired request by these facilities. */
static bool is_connection_trouble(const char *facility)
{
	return strcmp(facility, "FAIL") == 0 || strcmp(facility, "REQTMOUT") == 0;
}

/* A broker that hangs up at the first words mostly wants TLS, or speaks no Kafka at all; librdkafka
 * takes that for news only. */
static bool is_refused_greeting(const char *facility, const char *text)
{
	return strcmp(facility, "FAIL") == 0 && strstr(text, "APIVERSION_QUERY") != NULL;
}

/* While no broker is there librdkafka says so ten times a second. Before the words stands which of
 * its threads speaks, which does not matter. */
static bool is_said_again(struct kafka_client *client, const char *text)
{
	const char *words = strstr(text, "]: ");
	uint64_t said = hash64(str_from_c(words ? words : text));
	unsigned at = said % KAFKA_WORDS_KEPT; /* others may take the place: then they come again */
	int64_t now_ms = system_now_ms();

	if (atomic_load(&client->said[at]) == said &&
	    now_ms - atomic_load(&client->said_ms[at]) < AGAIN_MS)
		return true;
	atomic_store(&client->said_ms[at], now_ms);
	atomic_store(&client->said[at], said);
	return false;
}

/* Called on any of librdkafka's threads. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	struct kafka_client *client = rk ? rd_kafka_opaque(rk) : NULL;
	const char *name = rk ? rd_kafka_name(rk) : "";
	bool connection = is_connection_trouble(facility); /* not said again by librdkafka itself */

	if (client && connection)
		atomic_store(&client->shaken, true);
	/* The operator's properties go to every client, and each names those it has no use for. */
	if (strcmp(facility, "CONFWARN") == 0)
		level = LEVEL_DEBUG;
	if (level <= LEVEL_ERROR && client && !connection && is_said_again(client, text))
		level = LEVEL_DEBUG;
	if (level <= LEVEL_ERROR || is_refused_greeting(facility, text))
		log_warn("kafka_client_error", LOG_TEXT("client", name),
		         LOG_TEXT("facility", facility), LOG_TEXT("text", text), LOG_END);
	else if (level <= LEVEL_WARNING)
		log_info("kafka_client_warning", LOG_TEXT("client", name),
		         LOG_TEXT("facility", facility), LOG_TEXT("text", text), LOG_END);
	else
		log_debug("kafka_client", LOG_TEXT("client", name), LOG_TEXT("facility", facility),
		          LOG_TEXT("text", text), LOG_END);
}

struct rc kafka_conf_put(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char words[ERROR_BYTES];

	if (rd_kafka_conf_set(conf, name, value, words, sizeof(words)) != RD_KAFKA_CONF_OK)
		return rc_fail(RC_CONFIG, "kafka.%s: %s", name, words);
	return OK;
}

struct rc kafka_conf_put_int(rd_kafka_conf_t *conf, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return kafka_conf_put(conf, name, text);
}

/* What the properties' check says comes back as its failure. */
static void ignore_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk;
	(void)level;
	(void)facility;
	(void)text;
}

struct rc kafka_property_check(const char *name, const char *value)
{
	rd_kafka_conf_t *conf;
	struct rc rc;

	for (const char *const *one = reserved; *one; one++)
		if (strcmp(name, *one) == 0)
			return rc_fail(
				RC_CONFIG,
				"kafka.%s cannot be set: the commit protocol needs its own value",
				name);
	conf = rd_kafka_conf_new();
	rc = kafka_conf_put(conf, name, value);
	rd_kafka_conf_destroy(conf);
	return rc;
}

struct rc kafka_properties_check(const struct kafka_property *properties, unsigned count)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char words[ERROR_BYTES];
	struct rc rc = OK;
	rd_kafka_t *rk;

	rd_kafka_conf_set_log_cb(conf, ignore_log);
	for (unsigned i = 0; rc_ok(rc) && i < count; i++)
		rc = kafka_conf_put(conf, properties[i].name, properties[i].value);
	if (!rc_ok(rc)) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
	if (!rk) {
		rd_kafka_conf_destroy(conf);
		return rc_fail(RC_CONFIG, "together they do not work: %s", words);
	}
	rd_kafka_destroy(rk);
	return OK;
}

struct rc kafka_conf_put_properties(rd_kafka_conf_t *conf, const struct kafka_options *options)
{
	for (unsigned i = 0; i < options->property_count; i++) {
		const struct kafka_property *property = &options->properties[i];

		TRY(kafka_property_check(property->name, property->value));
		TRY(kafka_conf_put(conf, property->name, property->value));
	}
	return OK;
}

struct rc kafka_conf_new(const struct kafka_options *options, rd_kafka_conf_t **out)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	struct rc rc = kafka_conf_put(conf, "bootstrap.servers", options->brokers);

	if (rc_ok(rc) && options->client_id)
		rc = kafka_conf_put(conf, "client.id", options->client_id);
	if (!rc_ok(rc)) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	rd_kafka_conf_set_log_cb(conf, on_log);
	*out = conf;
	return OK;
}

static void on_error(rd_kafka_t *rk, int error, const char *reason, void *opaque)
{
	(void)rk;
	(void)error;
	(void)reason;
	(void)opaque;
}

void kafka_conf_ignore_errors(rd_kafka_conf_t *conf)
{
	rd_kafka_conf_set_error_cb(conf, on_error);
}

struct rc kafka_client_open(struct kafka_client *client, rd_kafka_type_t type,
                            rd_kafka_conf_t *conf)
{
	char words[ERROR_BYTES];

	atomic_store(&client->shaken, false);
	for (unsigned i = 0; i < KAFKA_WORDS_KEPT; i++)
		atomic_store(&client->said[i], 0);
	rd_kafka_conf_set_opaque(conf, client);
	client->rk = rd_kafka_new(type, conf, words, sizeof(words));
	if (client->rk)
		return OK;
	rd_kafka_conf_destroy(conf);
	return rc_fail(RC_CONFIG, "Kafka client: %s", words);
}

void kafka_client_serve(struct kafka_client *client)
{
	while (rd_kafka_poll(client->rk, 0) > 0)
		;
}

void kafka_client_close(struct kafka_client *client)
{
	if (!client->rk)
		return;
	if (rd_kafka_type(client->rk) == RD_KAFKA_PRODUCER)
		rd_kafka_purge(client->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
		                                   RD_KAFKA_PURGE_F_NON_BLOCKING);
	rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	client->rk = NULL;
}

struct rc kafka_fail(rd_kafka_resp_err_t error, const char *what)
{
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return OK;
	return rc_fail(RC_UNAVAILABLE, "%s: %s (%s)", what, rd_kafka_err2str(error),
	               rd_kafka_err2name(error));
}

struct rc kafka_fail_error(rd_kafka_error_t *error, const char *what)
{
	struct rc rc;

	if (!error)
		return OK;
	rc = rc_fail(RC_UNAVAILABLE, "%s: %s (%s)", what, rd_kafka_error_string(error),
	             rd_kafka_error_name(error));
	rd_kafka_error_destroy(error);
	return rc;
}

static void list_headers(const rd_kafka_message_t *record, struct arena *arena, bool copy,
                         struct message *out)
{
	rd_kafka_headers_t *headers;
	struct header *list;
	size_t count;

	if (rd_kafka_message_headers(record, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	count = rd_kafka_header_cnt(headers);
	list = arena_alloc(arena, count * sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		const char *name;
		const void *value;
		size_t size;

		if (rd_kafka_header_get_all(headers, i, &name, &value, &size) !=
		    RD_KAFKA_RESP_ERR_NO_ERROR)
			return;
		list[i].name = str_from_c(name);
		list[i].value = str_of(value, size);
		if (copy) {
			list[i].name = arena_str(arena, list[i].name);
			list[i].value = arena_str(arena, list[i].value);
		}
	}
	out->headers = list;
	out->header_count = (unsigned)count;
}

struct message kafka_message_borrow(const rd_kafka_message_t *record, struct arena *arena)
{
	rd_kafka_timestamp_type_t type;
	struct message message = {
		.offset = record->offset,
		.broker_ms = rd_kafka_message_timestamp(record, &type),
		.key = str_of(record->key, record->key_len),
		.value = str_of(record->payload, record->len),
	};

	list_headers(record, arena, false, &message);
	return message;
}

struct message kafka_message_copy(const rd_kafka_message_t *record, struct arena *arena)
{
	rd_kafka_timestamp_type_t type;
	struct message message = {
		.offset = record->offset,
		.broker_ms = rd_kafka_message_timestamp(record, &type),
		.key = arena_str(arena, str_of(record->key, record->key_len)),
		.value = arena_str(arena, str_of(record->payload, record->len)),
	};

	list_headers(record, arena, true, &message);
	return message;
}
