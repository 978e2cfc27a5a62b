/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures from payment to commission as a customer of the product sees it: from the moment the
 * broker had the payment (the record's timestamp in `orders`, where topics use LogAppendTime) to
 * the moment a read_committed reader has the commission in hand. Reads both topics, joins them on
 * the payment's event id when it ends, and counts every commission, so an order with two sellers
 * gives two samples.
 *
 * Ends at SIGTERM or SIGINT, or when nothing came for --idle-ms. Commissions of payments that came
 * in the first --skip-ms after the first one are left out (warm-up). Prints one JSON object.
 * Times are whole milliseconds: the broker's timestamp has no more.
 *
 * The ids are found by searching the text: the writers are the ladder's generator and our own
 * workers, both of which write compact JSON.
 */
#include "bench/client.h"

#include <signal.h>

#define BATCH 1000
#define SAMPLES_FIRST 65536

static const char usage[] =
	"usage: reader --brokers HOST:PORT [--orders TOPIC] [--commissions TOPIC] [--from-start]\n"
	"              [--idle-ms N] [--skip-ms N] [--limit-ms N] [--dump FILE] [-X "
	"name=value]...\n";

struct sample {
	uint64_t id;   /* hash of the payment's event id */
	int64_t at_ms; /* of its broker timestamp, or of the commission's arrival */
};

struct samples {
	struct sample *items;
	size_t count, room;
};

struct reader {
	const char *orders, *commissions, *dump;
	rd_kafka_conf_t *conf;
	bool from_start;
	int64_t idle_ms, skip_ms, limit_ms;
	struct samples payments, arrivals;
	FILE *dump_file;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static void add(struct samples *samples, uint64_t id, int64_t at_ms)
{
	if (samples->count == samples->room) {
		samples->room = samples->room ? samples->room * 2 : SAMPLES_FIRST;
		samples->items = realloc(samples->items, samples->room * sizeof(samples->items[0]));
		if (!samples->items)
			die("no memory");
	}
	samples->items[samples->count++] = (struct sample){ .id = id, .at_ms = at_ms };
}

/* FNV-1a, 64 bit, of the string that follows `name` in the text; false: it is not there. */
static bool find_id(const char *text, size_t size, const char *name, uint64_t *id)
{
	const char *at = memmem(text, size, name, strlen(name));
	const char *end = text + size;
	uint64_t hash = 0xcbf29ce484222325U;

	if (!at)
		return false;
	for (at += strlen(name); at < end && *at != '"'; at++)
		hash = (hash ^ (unsigned char)*at) * 0x100000001b3U;
	*id = hash;
	return at < end;
}

static void take_order(struct reader *reader, const rd_kafka_message_t *m)
{
	static const char payment[] = "\"type\":\"payment.";
	rd_kafka_timestamp_type_t type;
	uint64_t id;

	if (m->payload && memmem(m->payload, m->len, payment, sizeof(payment) - 1) &&
	    find_id(m->payload, m->len, "\"id\":\"", &id))
		add(&reader->payments, id, rd_kafka_message_timestamp(m, &type));
}

static void take_commission(struct reader *reader, const rd_kafka_message_t *m)
{
	uint64_t id;

	if (m->payload && find_id(m->payload, m->len, "\"source_event_id\":\"", &id))
		add(&reader->arrivals, id, clock_us(CLOCK_REALTIME) / 1000);
	if (reader->dump_file)
		fprintf(reader->dump_file, "%.*s\t%.*s\n", (int)m->key_len, (const char *)m->key,
		        (int)m->len, (const char *)m->payload);
}

static void add_topic(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, const char *topic,
                      bool from_start)
{
	int32_t count = partition_count(rk, topic);

	for (int32_t p = 0; p < count; p++) {
		int64_t low, high;

		must_not_err(topic, rd_kafka_query_watermark_offsets(rk, topic, p, &low, &high,
		                                                     CLIENT_WAIT_MS));
		rd_kafka_topic_partition_list_add(list, topic, p)->offset = from_start ? low : high;
	}
}

static rd_kafka_t *open_consumer(struct reader *reader)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	rd_kafka_t *rk;

	conf_set(reader->conf, "group.id",
	         "bench-reader"); /* needed by the client, never committed */
	conf_set(reader->conf, "enable.auto.commit", "false");
	conf_set(reader->conf, "isolation.level", "read_committed");
	conf_set(reader->conf, "fetch.queue.backoff.ms", "5");
	rk = client_new(RD_KAFKA_CONSUMER, reader->conf);
	add_topic(rk, list, reader->orders, reader->from_start);
	add_topic(rk, list, reader->commissions, reader->from_start);
	must_not_err("assign", rd_kafka_assign(rk, list));
	rd_kafka_topic_partition_list_destroy(list);
	return rk;
}

static void read_all(struct reader *reader, rd_kafka_t *rk)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
	rd_kafka_message_t *messages[BATCH];
	int64_t started_us = clock_us(CLOCK_MONOTONIC), last_us = started_us;

	while (!stop) {
		ssize_t count = rd_kafka_consume_batch_queue(queue, 5, messages, BATCH);
		int64_t now_us = clock_us(CLOCK_MONOTONIC);

		for (ssize_t i = 0; i < count; i++) {
			const rd_kafka_message_t *m = messages[i];

			if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
				fprintf(stderr, "reader: %s\n", rd_kafka_message_errstr(m));
			else if (!m->err &&
			         strcmp(rd_kafka_topic_name(m->rkt), reader->orders) == 0)
				take_order(reader, m);
			else if (!m->err)
				take_commission(reader, m);
			rd_kafka_message_destroy(messages[i]);
		}
		if (count > 0)
			last_us = now_us;
		if (reader->idle_ms && now_us - last_us > reader->idle_ms * 1000)
			break;
		if (reader->limit_ms && now_us - started_us > reader->limit_ms * 1000)
			break;
	}
	rd_kafka_queue_destroy(queue);
}

/* By id, and of one id the earliest first. */
static int by_id(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms);
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int64_t earliest_ms(const struct samples *samples)
{
	int64_t earliest = INT64_MAX;

	for (size_t i = 0; i < samples->count; i++)
		if (samples->items[i].at_ms < earliest)
			earliest = samples->items[i].at_ms;
	return earliest;
}

/* Both lists sorted by id: a payment repeated in the stream counts from its first copy. */
static size_t join(struct reader *reader, int64_t *waits_ms, size_t *unmatched)
{
	const struct sample *payments = reader->payments.items;
	int64_t from_ms =
		reader->payments.count ? earliest_ms(&reader->payments) + reader->skip_ms : 0;
	size_t at = 0, count = 0;

	qsort(reader->payments.items, reader->payments.count, sizeof(struct sample), by_id);
	qsort(reader->arrivals.items, reader->arrivals.count, sizeof(struct sample), by_id);
	for (size_t i = 0; i < reader->arrivals.count; i++) {
		const struct sample *arrival = &reader->arrivals.items[i];

		while (at < reader->payments.count && payments[at].id < arrival->id)
			at++;
		if (at == reader->payments.count || payments[at].id != arrival->id)
			(*unmatched)++;
		else if (payments[at].at_ms >= from_ms)
			waits_ms[count++] = arrival->at_ms - payments[at].at_ms;
	}
	qsort(waits_ms, count, sizeof(waits_ms[0]), by_value);
	return count;
}

static long long at_share(const int64_t *waits_ms, size_t count, size_t per_mille)
{
	return count ? (long long)waits_ms[(count - 1) * per_mille / 1000] : -1;
}

static void parse(struct reader *reader, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--brokers") == 0)
			conf_set(reader->conf, "bootstrap.servers", option_value(argc, argv, &i));
		else if (strcmp(argv[i], "--orders") == 0)
			reader->orders = option_value(argc, argv, &i);
		else if (strcmp(argv[i], "--commissions") == 0)
			reader->commissions = option_value(argc, argv, &i);
		else if (strcmp(argv[i], "--dump") == 0)
			reader->dump = option_value(argc, argv, &i);
		else if (strcmp(argv[i], "--from-start") == 0)
			reader->from_start = true;
		else if (strcmp(argv[i], "--idle-ms") == 0)
			reader->idle_ms = option_number(argc, argv, &i);
		else if (strcmp(argv[i], "--skip-ms") == 0)
			reader->skip_ms = option_number(argc, argv, &i);
		else if (strcmp(argv[i], "--limit-ms") == 0)
			reader->limit_ms = option_number(argc, argv, &i);
		else if (strcmp(argv[i], "-X") == 0)
			conf_set_pair(reader->conf, option_value(argc, argv, &i));
		else
			die("reader: %s is not understood\n%s", argv[i], usage);
	}
}

int main(int argc, char **argv)
{
	static struct reader reader = { .orders = "orders", .commissions = "commissions" };
	struct sigaction action = { .sa_handler = on_signal };
	rd_kafka_t *rk;
	int64_t *waits_ms;
	size_t count, unmatched = 0;

	reader.conf = rd_kafka_conf_new();
	parse(&reader, argc, argv);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	if (reader.dump && !(reader.dump_file = fopen(reader.dump, "w")))
		die("%s: cannot be written", reader.dump);
	rk = open_consumer(&reader);
	fputs("ready\n", stderr);
	read_all(&reader, rk);
	if (reader.dump_file && fclose(reader.dump_file))
		die("%s: not all could be written", reader.dump);
	waits_ms = calloc(reader.arrivals.count + 1, sizeof(waits_ms[0]));
	if (!waits_ms)
		die("no memory");
	count = join(&reader, waits_ms, &unmatched);
	printf("{\"payments\":%zu,\"commissions\":%zu,\"samples\":%zu,\"unmatched\":%zu,\"p50_ms\":"
	       "%lld,"
	       "\"p90_ms\":%lld,\"p99_ms\":%lld,\"p999_ms\":%lld,\"max_ms\":%lld}\n",
	       reader.payments.count, reader.arrivals.count, count, unmatched,
	       at_share(waits_ms, count, 500), at_share(waits_ms, count, 900),
	       at_share(waits_ms, count, 990), at_share(waits_ms, count, 999),
	       at_share(waits_ms, count, 1000));
	rd_kafka_destroy(rk);
	return 0;
}
