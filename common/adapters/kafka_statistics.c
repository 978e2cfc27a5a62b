/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables say which of librdkafka's names is added to which figure.
 */
#include "common/adapters/kafka_statistics.h"

#include <stddef.h>
#include <string.h>
#include <yyjson.h>

struct sum {
	const char *name;
	size_t to; /* offset in struct kafka_statistics */
};

#define TO(member) offsetof(struct kafka_statistics, member)

static const struct sum of_client[] = {
	{ "tx", TO(requests) },
	{ "tx_bytes", TO(sent_bytes) },
	{ "rx_bytes", TO(received_bytes) },
	{ "msg_cnt", TO(queued_records) },
	{ "msg_size", TO(queued_bytes) },
	{ NULL, 0 },
};

static const struct sum of_broker[] = {
	{ "outbuf_cnt", TO(requests_queued) },
	{ "waitresp_cnt", TO(requests_in_flight) },
	{ "txerrs", TO(errors) },
	{ "rxerrs", TO(errors) },
	{ "req_timeouts", TO(timeouts) },
	{ "connects", TO(connects) },
	{ "disconnects", TO(disconnects) },
	{ NULL, 0 },
};

static const struct sum of_partition[] = {
	{ "fetchq_cnt", TO(fetched_records) },
	{ "fetchq_size", TO(fetched_bytes) },
	{ NULL, 0 },
};

static const struct sum of_group[] = {
	{ "rebalance_cnt", TO(rebalances) },
	{ "rebalance_age", TO(rebalance_age_ms) },
	{ "assignment_size", TO(assigned_partitions) },
	{ NULL, 0 },
};

static int64_t number(yyjson_val *object, const char *name)
{
	return yyjson_get_sint(yyjson_obj_get(object, name));
}

static void raise_to(int64_t *most, int64_t value)
{
	if (value > *most)
		*most = value;
}

/* The slowest broker's; one to which nothing was sent in the interval says nothing. */
static void take_window(yyjson_val *window, int64_t quantiles[KAFKA_QUANTILES])
{
	if (number(window, "cnt") <= 0)
		return;
	raise_to(&quantiles[KAFKA_P50], number(window, "p50"));
	raise_to(&quantiles[KAFKA_P99], number(window, "p99"));
}

static void add_up(yyjson_val *object, const struct sum *sums, struct kafka_statistics *out)
{
	for (; sums->name; sums++) {
		int64_t value = number(object, sums->name);

		if (value > 0)
			*(int64_t *)(void *)((char *)out + sums->to) += value;
	}
}

/* Coordinators ("logical") are real brokers once more; bootstrap addresses have the id -1. */
static bool is_broker(yyjson_val *broker)
{
	return !yyjson_equals_str(yyjson_obj_get(broker, "source"), "logical") &&
	       number(broker, "nodeid") >= 0;
}

static void take_broker(yyjson_val *broker, struct kafka_statistics *out)
{
	yyjson_val *rtt = yyjson_obj_get(broker, "rtt");
	yyjson_val *wait = yyjson_obj_get(broker, "outbuf_latency");

	add_up(broker, of_broker, out);
	if (!is_broker(broker))
		return;
	out->brokers_up += yyjson_equals_str(yyjson_obj_get(broker, "state"), "UP");
	take_window(rtt, out->rtt_us);
	take_window(wait, out->send_wait_us);
	raise_to(&out->throttle_ms, number(yyjson_obj_get(broker, "throttle"), "max"));
}

static void take_topic(yyjson_val *topic, struct kafka_statistics *out)
{
	yyjson_val *name, *partitions = yyjson_obj_get(topic, "partitions");
	size_t at, count;
	yyjson_val *partition;

	yyjson_obj_foreach(partitions, at, count, name, partition)
		add_up(partition, of_partition, out);
}

void kafka_statistics_parse(struct str json, struct kafka_statistics *out)
{
	yyjson_doc *doc = yyjson_read(json.ptr, json.len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	size_t at, count;
	yyjson_val *name, *value;

	*out = (struct kafka_statistics){ .known = yyjson_is_obj(root),
		                          .rtt_us = { -1, -1 },
		                          .send_wait_us = { -1, -1 } };
	add_up(root, of_client, out);
	yyjson_obj_foreach(yyjson_obj_get(root, "brokers"), at, count, name, value)
		take_broker(value, out);
	yyjson_obj_foreach(yyjson_obj_get(root, "topics"), at, count, name, value)
		take_topic(value, out);
	add_up(yyjson_obj_get(root, "cgrp"), of_group, out);
	yyjson_doc_free(doc);
}

/* ---- the box ---- */

void kafka_statistics_box_init(struct kafka_statistics_box *box)
{
	pthread_mutex_init(&box->lock, NULL);
	box->newest.known = false;
}

void kafka_statistics_box_release(struct kafka_statistics_box *box)
{
	pthread_mutex_destroy(&box->lock);
}

void kafka_statistics_put(struct kafka_statistics_box *box, struct str json)
{
	struct kafka_statistics fresh;

	kafka_statistics_parse(json, &fresh);
	pthread_mutex_lock(&box->lock);
	box->newest = fresh;
	pthread_mutex_unlock(&box->lock);
}

void kafka_statistics_forget(struct kafka_statistics_box *box)
{
	pthread_mutex_lock(&box->lock);
	box->newest.known = false;
	pthread_mutex_unlock(&box->lock);
}

struct kafka_statistics kafka_statistics_get(struct kafka_statistics_box *box)
{
	struct kafka_statistics newest;

	pthread_mutex_lock(&box->lock);
	newest = box->newest;
	pthread_mutex_unlock(&box->lock);
	return newest;
}
