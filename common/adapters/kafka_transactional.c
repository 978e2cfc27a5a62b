/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the transactional producer and its calls.
 *
 * No lingering: a partition's messages wait anyway until it is part of the
 * transaction, and a commit flushes (5000 messages took 30 ms and 11.5 ms of CPU
 * with 0, 55 ms and 17 ms with 1 or 5). Delivery reports are asked for though nobody
 * needs them (a failed delivery makes the commit fail): without them rd_kafka_flush()
 * looks every 10 ms only whether all is delivered.
 */
#include "common/adapters/kafka_transactional.h"

#include "common/adapters/system_clock.h"

static struct rc configure(const struct kafka_options *options, const char *transactional_id,
                           rd_kafka_conf_t *conf)
{
	static const struct kafka_property fixed[] = {
		{ "enable.idempotence", "true" },
		{ "acks", "all" },
		{ "partitioner", "murmur2_random" },
		{ "compression.codec", "lz4" },
		{ "linger.ms", "0" },
		{ "batch.num.messages", "10000" },
		{ "message.max.bytes", "4194304" },
		/* The broker answers "try again" until the last transaction's markers are written. */
		{ "retry.backoff.ms", "10" },
		{ "retry.backoff.max.ms", "500" },
		{ "queue.buffering.max.messages", "200000" },
		{ "queue.buffering.max.kbytes", "32768" },
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		TRY(kafka_conf_put(conf, fixed[i].name, fixed[i].value));
	TRY(kafka_conf_put_properties(conf, options));
	TRY(kafka_conf_put_int(conf, "statistics.interval.ms", options->statistics_ms));
	TRY(kafka_conf_put_int(conf, "transaction.timeout.ms", options->transaction_timeout_ms));
	return kafka_conf_put(conf, "transactional.id", transactional_id);
}

enum transactional_error kafka_transactional_judge(rd_kafka_error_t *error, const char *call)
{
	enum transactional_error judged = TRANSACTIONAL_DEAD;
	struct rc rc;

	if (!error)
		return TRANSACTIONAL_OK;
	/* In this order; none of the three is to be treated as fatal (rdkafka.h). */
	if (!rd_kafka_error_is_fatal(error)) {
		if (rd_kafka_error_txn_requires_abort(error))
			judged = TRANSACTIONAL_ABORT;
		else if (rd_kafka_error_is_retriable(error))
			judged = TRANSACTIONAL_AGAIN;
	}
	rc = kafka_fail_error(error, call);
	(void)rc;
	return judged;
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void)rk;
	(void)message;
	(void)opaque;
}

/* 0: the text stays librdkafka's. */
static int on_statistics(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
	struct kafka_client *client = opaque;

	(void)rk;
	kafka_statistics_put(client->owner, str_of(json, len));
	return 0;
}

struct rc kafka_transactional_open(struct kafka_producer *p, const struct kafka_options *options,
                                   const char *transactional_id,
                                   struct kafka_statistics_box *statistics)
{
	int64_t until_ms = system_now_ms() + options->transaction_timeout_ms;
	enum transactional_error judged;
	rd_kafka_conf_t *conf;
	struct rc rc;

	TRY(kafka_conf_new(options, &conf));
	rc = configure(options, transactional_id, conf);
	if (!rc_ok(rc)) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	kafka_conf_ignore_errors(conf);
	if (statistics) {
		p->client.owner = statistics;
		rd_kafka_conf_set_stats_cb(conf, on_statistics);
	}
	TRY(kafka_producer_open(p, conf));
	do {
		int64_t left_ms = until_ms - system_now_ms();

		judged = kafka_transactional_judge(
			rd_kafka_init_transactions(p->client.rk,
		                                   (int)(left_ms > 100 ? left_ms : 100)),
			"init_transactions");
	} while (judged == TRANSACTIONAL_AGAIN && system_now_ms() < until_ms);
	if (judged == TRANSACTIONAL_OK) {
		/* Connecting may have taken some tries; only what comes now counts. */
		atomic_store(&p->client.shaken, false);
		return OK;
	}
	kafka_producer_close(p);
	return (struct rc){ RC_UNAVAILABLE };
}
