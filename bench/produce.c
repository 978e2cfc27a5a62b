/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends a file of events to a topic: one `key<TAB>value` a line, the partition by murmur2 of the
 * key as every Java client does it, in file order per key, each exactly once (idempotent producer).
 * At full speed, or at a steady rate, for which the lines that are due are sent each millisecond.
 * Reads the file in one go, or standard input line by line. Prints what it did and the rate; the
 * status is 1 when any event was not taken by the broker.
 */
#include "bench/client.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_MAX "1000000"

static const char usage[] =
	"usage: produce --brokers HOST:PORT --topic TOPIC [--rate N_PER_S] [--skip N] [--limit N]\n"
	"               [--progress N] [-X librdkafka.name=value]... EVENTS.tsv|-\n";

struct job {
	const char *topic, *file;
	rd_kafka_conf_t *conf;
	int64_t rate, skip, limit, progress;
	rd_kafka_t *rk;
	rd_kafka_topic_t *to;
	int64_t seen, sent, started_us;
};

static int64_t delivered;
static int64_t failed;

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	(void)rk;
	(void)opaque;
	delivered++;
	if (message->err && failed++ == 0)
		fprintf(stderr, "produce: %s\n", rd_kafka_err2str(message->err));
}

/* Waits until event number `sent` is due. */
static void keep_pace(const struct job *job)
{
	int64_t due_us;

	if (job->rate == 0)
		return;
	due_us = job->started_us + job->sent * 1000000 / job->rate;
	while (clock_us(CLOCK_MONOTONIC) < due_us)
		rd_kafka_poll(job->rk, 1);
}

/* False: enough was sent. */
static bool send_line(struct job *job, const char *line, size_t size)
{
	const char *tab = memchr(line, '\t', size);

	if (!tab)
		die("%s: line %lld has no tab", job->file, (long long)job->seen + 1);
	if (job->seen++ < job->skip)
		return true;
	if (job->limit && job->sent == job->limit)
		return false;
	keep_pace(job);
	while (rd_kafka_produce(job->to, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
	                        (void *)(uintptr_t)(tab + 1), size - (size_t)(tab - line) - 1, line,
	                        (size_t)(tab - line), NULL) < 0) {
		if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
		rd_kafka_poll(job->rk, 10);
	}
	job->sent++;
	if (job->sent % 1000 == 0)
		rd_kafka_poll(job->rk, 0);
	if (job->progress && job->sent % job->progress == 0) {
		printf("%lld\n", (long long)job->sent);
		fflush(stdout);
	}
	return true;
}

static void send_stdin(struct job *job)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t size;

	while ((size = getline(&line, &room, stdin)) > 0) {
		if (line[size - 1] == '\n')
			size--;
		if (!send_line(job, line, (size_t)size))
			break;
	}
	free(line);
}

static void send_file(struct job *job)
{
	int fd = open(job->file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	const char *at, *end;

	if (fd < 0 || fstat(fd, &st))
		die("%s: cannot be read", job->file);
	if (st.st_size == 0)
		return;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		die("%s: cannot be mapped", job->file);
	close(fd);
	for (end = at + st.st_size; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (!stop)
			stop = end;
		if (!send_line(job, at, (size_t)(stop - at)))
			break;
		at = stop + 1;
	}
}

static void parse(struct job *job, int argc, char **argv)
{
	conf_set(job->conf, "enable.idempotence", "true");
	conf_set(job->conf, "partitioner", "murmur2_random");
	conf_set(job->conf, "queue.buffering.max.messages", QUEUE_MAX);
	conf_set(job->conf, "linger.ms", "5");
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--brokers") == 0)
			conf_set(job->conf, "bootstrap.servers", option_value(argc, argv, &i));
		else if (strcmp(argv[i], "--topic") == 0)
			job->topic = option_value(argc, argv, &i);
		else if (strcmp(argv[i], "--rate") == 0)
			job->rate = option_number(argc, argv, &i);
		else if (strcmp(argv[i], "--skip") == 0)
			job->skip = option_number(argc, argv, &i);
		else if (strcmp(argv[i], "--limit") == 0)
			job->limit = option_number(argc, argv, &i);
		else if (strcmp(argv[i], "--progress") == 0)
			job->progress = option_number(argc, argv, &i);
		else if (strcmp(argv[i], "-X") == 0)
			conf_set_pair(job->conf, option_value(argc, argv, &i));
		else if (!job->file && (argv[i][0] != '-' || !argv[i][1]))
			job->file = argv[i];
		else
			die("produce: %s is not understood\n%s", argv[i], usage);
	}
	if (!job->topic || !job->file)
		die("%s", usage);
}

int main(int argc, char **argv)
{
	struct job job = { .conf = rd_kafka_conf_new() };
	double seconds;

	parse(&job, argc, argv);
	rd_kafka_conf_set_dr_msg_cb(job.conf, on_delivery);
	job.rk = client_new(RD_KAFKA_PRODUCER, job.conf);
	partition_count(job.rk, job.topic); /* a missing topic is said at once */
	job.to = rd_kafka_topic_new(job.rk, job.topic, NULL);
	job.started_us = clock_us(CLOCK_MONOTONIC);
	if (strcmp(job.file, "-") == 0)
		send_stdin(&job);
	else
		send_file(&job);
	if (rd_kafka_flush(job.rk, CLIENT_WAIT_MS) || delivered != job.sent || failed)
		die("produce: of %lld events %lld were not taken", (long long)job.sent,
		    (long long)(job.sent - delivered + failed));
	seconds = (double)(clock_us(CLOCK_MONOTONIC) - job.started_us) / 1e6;
	printf("produced %lld events in %.3f s, %.0f events/s\n", (long long)job.sent, seconds,
	       (double)job.sent / seconds);
	rd_kafka_topic_destroy(job.to);
	rd_kafka_destroy(job.rk);
	return 0;
}
