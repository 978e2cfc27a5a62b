/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the measuring programs of this folder share: options, librdkafka handles, time.
 *
 * They are tools, not product: whatever goes wrong ends the program with a sentence on stderr and
 * status 1, and memory is given back by the exit. They use librdkafka directly and nothing of
 * common/, so that what they measure is not measured with the code that is being measured.
 */
#ifndef TALLY_BENCH_CLIENT_H
#define TALLY_BENCH_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLIENT_WAIT_MS 30000 /* for a call that the broker must answer */
#define CLIENT_PARTITIONS_MAX 1024

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* The value behind option `*at`, which moves on to it. */
static inline const char *option_value(int argc, char **argv, int *at)
{
	if (*at + 1 >= argc)
		die("%s: %s needs a value", argv[0], argv[*at]);
	return argv[++*at];
}

static inline int64_t option_number(int argc, char **argv, int *at)
{
	const char *name = argv[*at];
	const char *text = option_value(argc, argv, at);
	char *end;
	int64_t number = strtoll(text, &end, 10);

	if (end == text || *end || number < 0)
		die("%s: %s must be a number from 0 on, not %s", argv[0], name, text);
	return number;
}

static inline void conf_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[512];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
		die("%s=%s: %s", name, value, why);
}

/* "name=value", as in kcat's -X. */
static inline void conf_set_pair(rd_kafka_conf_t *conf, const char *pair)
{
	char name[256];
	const char *equals = strchr(pair, '=');

	if (!equals || (size_t)(equals - pair) >= sizeof(name))
		die("-X %s: not name=value", pair);
	memcpy(name, pair, (size_t)(equals - pair));
	name[equals - pair] = 0;
	conf_set(conf, name, equals + 1);
}

static inline rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char why[512];
	rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof(why));

	if (!rk)
		die("no client: %s", why);
	return rk;
}

static inline void must_not_fail(const char *what, rd_kafka_error_t *error)
{
	if (error)
		die("%s: %s", what, rd_kafka_error_string(error));
}

static inline void must_not_err(const char *what, rd_kafka_resp_err_t err)
{
	if (err)
		die("%s: %s", what, rd_kafka_err2str(err));
}

static inline int32_t partition_count(rd_kafka_t *rk, const char *topic)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	int32_t count;

	if (!rkt)
		die("topic %s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
	must_not_err(topic, rd_kafka_metadata(rk, 0, rkt, &metadata, CLIENT_WAIT_MS));
	count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(rkt);
	if (count < 1 || count > CLIENT_PARTITIONS_MAX)
		die("topic %s does not exist, or has more than %d partitions", topic,
		    CLIENT_PARTITIONS_MAX);
	return count;
}

static inline int64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* CPU time of this process so far, all threads. */
static inline int64_t cpu_us(void)
{
	return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

/* Of this program alone: getrusage() would count what the parent had before exec. */
static inline int64_t peak_kb(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long long kb = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %lld", &kb) == 1)
			break;
	if (file)
		fclose(file);
	return kb;
}

#endif
