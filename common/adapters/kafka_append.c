/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery reports go to librdkafka's background queue, whose thread turns each
 * into a happening. A record that could not be handed over is answered at once.
 */
#include "common/adapters/kafka_append.h"

#include <stdlib.h>

#include "common/adapters/kafka_producer.h"
#include "common/base/log.h"
#include "common/base/memory.h"

struct kafka_appender {
	const struct kafka_options *options;
	struct inbox *inbox;
	struct kafka_producer producer;
};

static void answer(struct kafka_appender *a, int32_t partition, uint64_t ticket, struct rc rc)
{
	struct happening *happening = happening_new(HAPPENED_APPENDED, partition, ticket);

	happening->rc = rc;
	if (!rc_ok(rc))
		happening->words = arena_printf(&happening->memory, "%s", rc_text()).ptr;
	inbox_put(a->inbox, happening);
}

static void on_event(rd_kafka_t *rk, rd_kafka_event_t *event, void *opaque)
{
	struct kafka_client *client = opaque;
	const rd_kafka_message_t *record;

	(void)rk;
	while (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR &&
	       (record = rd_kafka_event_message_next(event))) {
		answer(client->owner, record->partition, (uint64_t)(uintptr_t)record->_private,
		       kafka_fail(record->err, "appending a timer record"));
	}
	if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
		log_debug("kafka_append", LOG_TEXT("text", rd_kafka_event_error_string(event)),
		          LOG_END);
	rd_kafka_event_destroy(event);
}

static struct rc configure(const struct kafka_options *options, rd_kafka_conf_t *conf)
{
	static const struct kafka_property fixed[] = {
		{ "enable.idempotence", "true" },
		{ "acks", "all" },
		{ "linger.ms", "0" },
		{ "message.timeout.ms", "10000" },
		{ "compression.codec", "none" },
		{ "queue.buffering.max.kbytes", "4096" },
	};

	TRY(kafka_conf_put_properties(conf, options));
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		TRY(kafka_conf_put(conf, fixed[i].name, fixed[i].value));
	return OK;
}

static struct rc open_producer(struct kafka_appender *a)
{
	rd_kafka_conf_t *conf;
	rd_kafka_queue_t *main_queue, *background;
	struct rc rc;

	if (a->producer.client.rk)
		return OK;
	TRY(kafka_conf_new(a->options, &conf));
	rc = configure(a->options, conf);
	if (!rc_ok(rc)) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	rd_kafka_conf_set_background_event_cb(conf, on_event);
	TRY(kafka_producer_open(&a->producer, conf));
	main_queue = rd_kafka_queue_get_main(a->producer.client.rk);
	background = rd_kafka_queue_get_background(a->producer.client.rk);
	rd_kafka_queue_forward(main_queue, background);
	rd_kafka_queue_destroy(main_queue);
	rd_kafka_queue_destroy(background);
	return OK;
}

/* The ticket travels as the record's opaque pointer. */
void kafka_appender_append(struct kafka_appender *a, uint64_t ticket, const struct outgoing *record)
{
	struct rc rc = open_producer(a);

	if (rc_ok(rc))
		rc = kafka_producer_send(&a->producer, record, (void *)(uintptr_t)ticket, 0);
	if (!rc_ok(rc))
		answer(a, record->partition, ticket, rc);
}

struct kafka_appender *kafka_appender_new(const struct kafka_options *options, struct inbox *inbox)
{
	struct kafka_appender *a = memory_new(sizeof(*a));

	a->options = options;
	a->inbox = inbox;
	a->producer.client.owner = a;
	return a;
}

void kafka_appender_free(struct kafka_appender *a)
{
	if (!a)
		return;
	kafka_producer_close(&a->producer);
	free(a);
}
