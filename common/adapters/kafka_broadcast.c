/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery reports are served inside the calls of this file (poll and flush), on
 * the caller's thread, so nothing here needs a lock. A report can lack the
 * offset (the broker had the record already, from a try whose answer was lost);
 * then the transaction is given up, since a pin must be exact.
 */
#include "common/adapters/kafka_broadcast.h"

#include <stdlib.h>
#include <string.h>

#include "common/adapters/kafka_client.h"
#include "common/base/memory.h"

#define ABORT_TIMEOUT_MS 5000
#define ERROR_BYTES 512

struct kafka_broadcast {
	struct kafka_client client;
	bool open;           /* a transaction is under way */
	uint64_t sent;       /* records sent so far */
	uint64_t last;       /* the newest record reported */
	int64_t last_offset; /* of it */
	rd_kafka_resp_err_t failed;
};

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *record, void *opaque)
{
	struct kafka_client *client = opaque;
	struct kafka_broadcast *broadcast = client->owner;
	uint64_t number = (uint64_t)(uintptr_t)record->_private;

	(void)rk;
	if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		broadcast->failed = record->err;
	if (number > broadcast->last) {
		broadcast->last = number;
		broadcast->last_offset = record->offset;
	}
}

static struct rc broadcast_conf(const struct kafka_options *options, const char *transactional_id,
                                int64_t timeout_ms, rd_kafka_conf_t *conf)
{
	TRY(kafka_conf_put(conf, "compression.codec", "lz4"));
	TRY(kafka_conf_put(conf, "message.max.bytes", "4194304"));
	TRY(kafka_conf_put_properties(conf, options));
	TRY(kafka_conf_put(conf, "transactional.id", transactional_id));
	TRY(kafka_conf_put(conf, "partitioner", "murmur2_random"));
	return kafka_conf_put_int(conf, "transaction.timeout.ms", timeout_ms);
}

/* A later broadcast of the same id has ended this one: that is no trouble of the cluster's. */
static struct rc explain(const struct kafka_broadcast *broadcast, struct rc rc)
{
	char words[ERROR_BYTES];

	if (rc_ok(rc) || rd_kafka_fatal_error(broadcast->client.rk, words, sizeof(words)) !=
	                         RD_KAFKA_RESP_ERR__FENCED)
		return rc;
	return rc_fail(RC_TRY_AGAIN, "somebody else began the same meanwhile; nothing of this "
	                             "transaction is visible: try again");
}

struct rc kafka_broadcast_open(const struct kafka_options *options, const char *transactional_id,
                               int64_t timeout_ms, struct kafka_broadcast **out)
{
	struct kafka_broadcast *broadcast;
	rd_kafka_conf_t *conf;
	struct rc rc;

	TRY(kafka_conf_new(options, &conf));
	rc = broadcast_conf(options, transactional_id, timeout_ms, conf);
	if (!rc_ok(rc)) {
		rd_kafka_conf_destroy(conf);
		return rc;
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	broadcast = memory_new(sizeof(*broadcast));
	broadcast->client.owner = broadcast;
	rc = kafka_client_open(&broadcast->client, RD_KAFKA_PRODUCER, conf);
	if (rc_ok(rc))
		rc = kafka_fail_error(
			rd_kafka_init_transactions(broadcast->client.rk, KAFKA_CLUSTER_TIMEOUT_MS),
			"starting a transactional producer");
	if (rc_ok(rc))
		rc = kafka_broadcast_begin(broadcast);
	if (!rc_ok(rc)) {
		kafka_broadcast_free(broadcast);
		return rc;
	}
	*out = broadcast;
	return OK;
}

struct rc kafka_broadcast_begin(struct kafka_broadcast *broadcast)
{
	TRY(explain(broadcast, kafka_fail_error(rd_kafka_begin_transaction(broadcast->client.rk),
	                                        "beginning the transaction")));
	broadcast->open = true;
	return OK;
}

static rd_kafka_headers_t *headers_of(const struct outgoing *outgoing)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(outgoing->header_count);

	for (unsigned i = 0; i < outgoing->header_count; i++)
		rd_kafka_header_add(headers, outgoing->headers[i].name.ptr,
		                    (ssize_t)outgoing->headers[i].name.len,
		                    outgoing->headers[i].value.ptr,
		                    (ssize_t)outgoing->headers[i].value.len);
	return headers;
}

static struct rc produce(struct kafka_broadcast *broadcast, const char *topic,
                         const struct outgoing *outgoing, bool *full)
{
	/* librdkafka copies, but its structs are not const. */
	void *key = (void *)(uintptr_t)outgoing->key.ptr;
	void *value = (void *)(uintptr_t)outgoing->value.ptr;
	rd_kafka_vu_t parts[] = {
		{ .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic },
		{ .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = outgoing->partition },
		{ .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { key, outgoing->key.len } },
		{ .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { value, outgoing->value.len } },
		{ .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
		{ .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers_of(outgoing) },
		{ .vtype = RD_KAFKA_VTYPE_OPAQUE,
		  .u.ptr = (void *)(uintptr_t)(broadcast->sent + 1) },
	};
	rd_kafka_error_t *error =
		rd_kafka_produceva(broadcast->client.rk, parts, sizeof(parts) / sizeof(parts[0]));

	*full = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
	if (error)
		rd_kafka_headers_destroy(parts[5].u.headers); /* ours again */
	return kafka_fail_error(error, "sending a record");
}

struct rc kafka_broadcast_send(struct kafka_broadcast *broadcast, const struct outgoing *outgoing)
{
	struct arena memory;
	const char *topic;
	struct rc rc;
	bool full;

	arena_init(&memory, 256);
	topic = arena_printf(&memory, "%.*s", STR_ARG(outgoing->topic)).ptr;
	while (!rc_ok(rc = produce(broadcast, topic, outgoing, &full)) && full)
		rd_kafka_poll(broadcast->client.rk, 100);
	arena_release(&memory);
	TRY(explain(broadcast, rc));
	broadcast->sent++;
	rd_kafka_poll(broadcast->client.rk, 0);
	return OK;
}

struct rc kafka_broadcast_sync(struct kafka_broadcast *broadcast, int64_t *last_offset)
{
	TRY(explain(broadcast,
	            kafka_fail(rd_kafka_flush(broadcast->client.rk, KAFKA_CLUSTER_TIMEOUT_MS),
	                       "waiting for records to be written")));
	TRY(explain(broadcast, kafka_fail(broadcast->failed, "writing a record")));
	if (broadcast->last != broadcast->sent || broadcast->last_offset < 0)
		return rc_fail(RC_TRY_AGAIN, "the broker did not say where the last record lies; "
		                             "nothing was published, try again");
	*last_offset = broadcast->last_offset;
	return OK;
}

struct rc kafka_broadcast_offsets(struct kafka_broadcast *broadcast, const char *group,
                                  const char *topic, int32_t partitions,
                                  const struct committed *cursors)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
	rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata_new(group);
	rd_kafka_error_t *error = NULL;

	for (int32_t p = 0; p < partitions; p++)
		if (cursors[p].exists)
			rd_kafka_topic_partition_list_add(list, topic, p)->offset =
				cursors[p].offset;
	if (list->cnt)
		error = rd_kafka_send_offsets_to_transaction(broadcast->client.rk, list, metadata,
		                                             KAFKA_CLUSTER_TIMEOUT_MS);
	rd_kafka_consumer_group_metadata_destroy(metadata);
	rd_kafka_topic_partition_list_destroy(list);
	return explain(broadcast, kafka_fail_error(error, "moving a group's offsets"));
}

struct rc kafka_broadcast_commit(struct kafka_broadcast *broadcast)
{
	rd_kafka_error_t *error;
	struct rc rc;
	bool abortable;

	while ((error = rd_kafka_commit_transaction(broadcast->client.rk,
	                                            KAFKA_CLUSTER_TIMEOUT_MS)) &&
	       rd_kafka_error_is_retriable(error))
		rd_kafka_error_destroy(error);
	broadcast->open = abortable = error && rd_kafka_error_txn_requires_abort(error);
	rc = explain(broadcast, kafka_fail_error(error, "committing the transaction"));
	if (!rc_ok(rc) && !abortable && rc.code != RC_TRY_AGAIN)
		return rc_within(
			rc, "it is not known whether all of the transaction is written or nothing; "
			    "running the command again does no harm");
	return rc;
}

void kafka_broadcast_free(struct kafka_broadcast *broadcast)
{
	if (!broadcast)
		return;
	if (broadcast->open) {
		rd_kafka_error_t *error =
			rd_kafka_abort_transaction(broadcast->client.rk, ABORT_TIMEOUT_MS);

		if (error) /* the broker aborts it itself, by its timeout or the next open */
			rd_kafka_error_destroy(error);
	}
	kafka_client_close(&broadcast->client);
	free(broadcast);
}
