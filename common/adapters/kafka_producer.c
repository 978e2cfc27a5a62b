/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rd_kafka_produceva() with the topic's handle, an explicit partition and all
 * headers in one go.
 */
#include "common/adapters/kafka_producer.h"

#include <string.h>

#include "common/adapters/system_clock.h"

#define FULL_WAIT_MS 2

struct rc kafka_producer_open(struct kafka_producer *p, rd_kafka_conf_t *conf)
{
	p->topic_count = 0;
	return kafka_client_open(&p->client, RD_KAFKA_PRODUCER, conf);
}

void kafka_producer_close(struct kafka_producer *p)
{
	for (unsigned i = 0; i < p->topic_count; i++)
		rd_kafka_topic_destroy(p->topics[i]);
	p->topic_count = 0;
	kafka_client_close(&p->client);
}

static struct rc find_topic(struct kafka_producer *p, struct str name, rd_kafka_topic_t **out)
{
	char text[TOPIC_NAME_BYTES];

	for (unsigned i = 0; i < p->topic_count; i++) {
		*out = p->topics[i];
		if (str_eq_c(name, rd_kafka_topic_name(*out)))
			return OK;
	}
	if (p->topic_count == OUT_TOPICS_MOST || name.len >= sizeof(text))
		return rc_fail(RC_BUG, "topic %.*s: too many topics, or the name is too long",
		               STR_ARG(name));
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	*out = rd_kafka_topic_new(p->client.rk, text, NULL);
	if (!*out)
		return kafka_fail(rd_kafka_last_error(), text);
	p->topics[p->topic_count++] = *out;
	return OK;
}

static rd_kafka_headers_t *headers_of(const struct outgoing *out)
{
	rd_kafka_headers_t *headers;

	if (out->header_count == 0)
		return NULL;
	headers = rd_kafka_headers_new(out->header_count);
	for (unsigned i = 0; i < out->header_count; i++) {
		const struct header *header = &out->headers[i];

		/* Fails only for values above 2 GB. */
		(void)rd_kafka_header_add(headers, header->name.ptr, (ssize_t)header->name.len,
		                          header->value.ptr, (ssize_t)header->value.len);
	}
	return headers;
}

/* librdkafka only reads what it is given; its interface lacks the const. */
static void *unconst(const char *ptr)
{
	union {
		const char *from;
		void *to;
	} u = { .from = ptr };

	return u.to;
}

struct rc kafka_producer_send(struct kafka_producer *p, const struct outgoing *out, void *opaque,
                              int64_t timeout_ms)
{
	int64_t until_ms = 0;
	rd_kafka_topic_t *topic = NULL;
	rd_kafka_headers_t *headers;
	rd_kafka_error_t *error;

	TRY(find_topic(p, out->topic, &topic));
	headers = headers_of(out);
	for (;;) {
		rd_kafka_vu_t arguments[] = {
			{ .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic },
			{ .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = out->partition },
			{ .vtype = RD_KAFKA_VTYPE_MSGFLAGS,
			  .u.i = p->borrows ? 0 : RD_KAFKA_MSG_F_COPY },
			{ .vtype = RD_KAFKA_VTYPE_KEY,
			  .u.mem = { .ptr = unconst(out->key.ptr), .size = out->key.len } },
			{ .vtype = RD_KAFKA_VTYPE_VALUE,
			  .u.mem = { .ptr = unconst(out->value.ptr), .size = out->value.len } },
			{ .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque },
			{ .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
		};

		error = rd_kafka_produceva(p->client.rk, arguments, headers ? 7 : 6);
		if (!error)
			return OK; /* the headers went with the message */
		if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		if (!until_ms)
			until_ms = system_now_ms() + timeout_ms;
		if (system_now_ms() >= until_ms)
			break;
		rd_kafka_error_destroy(error);
		rd_kafka_poll(p->client.rk, FULL_WAIT_MS);
	}
	if (headers)
		rd_kafka_headers_destroy(headers);
	return kafka_fail_error(error, "produce");
}
