/* SPDX-License-Identifier: Apache-2.0 */
#include "common/host/web_metrics.h"

#include <inttypes.h>
#include <stddef.h>

#include "common/base/timestamp.h"
#include "common/host/usage.h"
#include "common/host/version.h"

#define NAME_AND_WORKER "%s{worker=\"dashboard\""

struct row {
	const char *name, *type, *unit, *labels, *words;
	/* One of these; neither: the member at the offset. */
	void (*samples)(const struct web_stats *, const struct row *, struct buf *);
	int64_t (*of_process)(void);
	size_t offset; /* of an int64_t */
};

static void build_samples(const struct web_stats *stats, const struct row *row, struct buf *out)
{
	(void)stats;
	buf_printf(out, NAME_AND_WORKER ",version=\"%s\"} 1\n", row->name, TALLY_VERSION);
}

static void link_samples(const struct web_stats *stats, const struct row *row, struct buf *out)
{
	buf_printf(out, NAME_AND_WORKER ",link=\"redis\"} %d\n", row->name, stats->redis_ok);
	if (stats->kafka_asked)
		buf_printf(out, NAME_AND_WORKER ",link=\"kafka\"} %d\n", row->name,
		           stats->kafka_ok);
}

static void answer_samples(const struct web_stats *stats, const struct row *row, struct buf *out)
{
	for (int i = 0; i < 4; i++)
		buf_printf(out, NAME_AND_WORKER ",code=\"%dxx\"} %" PRId64 "\n", row->name, i + 2,
		           stats->answers[i]);
}

static const struct row rows[] = {
	{ "tallyworks_build_info", "gauge", "1", "version", "The version of the program.",
	  .samples = build_samples },
	{ "tallyworks_start_time_seconds", "gauge", "seconds", "",
	  "When the process started, since 1970.",
	  .offset = offsetof(struct web_stats, started_wall_ms) },
	{ "tallyworks_cpu_seconds_total", "counter", "seconds", "",
	  "Processor time used, user and system.", .of_process = usage_cpu_ms },
	{ "tallyworks_resident_memory_bytes", "gauge", "bytes", "",
	  "Resident memory of the process.", .of_process = usage_resident_bytes },
	{ "tallyworks_link_state", "gauge", "0 or 1", "link",
	  "1 while Redis answers, and Kafka where it is asked (dashboard.kafka).",
	  .samples = link_samples },
	{ "tallyworks_http_answers_total", "counter", "answers", "code",
	  "Requests answered, by the first digit of their status; health and metrics, too.",
	  .samples = answer_samples },
	{ "tallyworks_http_answers_remembered_total", "counter", "answers", "",
	  "Of these, what had been asked half a second before and was told again.",
	  .offset = offsetof(struct web_stats, remembered) },
	{ "tallyworks_http_streams", "gauge", "streams", "", "Event streams that are open.",
	  .offset = offsetof(struct web_stats, streams) },
	{ "tallyworks_http_stream_events_total", "counter", "events", "",
	  "Events sent to streams, each stream's counted.",
	  .offset = offsetof(struct web_stats, stream_events) },
	{ "tallyworks_http_streams_cut_total", "counter", "streams", "",
	  "Streams that were ended because their reader was too slow.",
	  .offset = offsetof(struct web_stats, streams_cut) },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

void web_metrics_count(struct web_stats *stats, int status)
{
	if (status >= 200 && status < 600)
		stats->answers[status / 100 - 2]++;
}

static void put_value(const struct web_stats *stats, const struct row *row, struct buf *out)
{
	int64_t value =
		row->of_process
			? row->of_process()
			: *(const int64_t *)(const void *)((const char *)stats + row->offset);

	buf_printf(out, NAME_AND_WORKER "} ", row->name);
	if (str_eq_c(STR("seconds"), row->unit))
		buf_printf(out, "%" PRId64 ".%03" PRId64 "\n", value / MS_PER_SECOND,
		           value % MS_PER_SECOND);
	else
		buf_printf(out, "%" PRId64 "\n", value);
}

void web_metrics_render(const struct web_stats *stats, struct buf *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].words,
		           rows[i].name, rows[i].type);
		if (rows[i].samples)
			rows[i].samples(stats, &rows[i], out);
		else
			put_value(stats, &rows[i], out);
	}
}

void web_metrics_document(struct buf *out)
{
	buf_put_lit(out, "\n## tally-dashboard\n\nAt 127.0.0.1:9640 unless `http.address` says "
	                 "otherwise, with the label `worker=\"dashboard\"`, and like its health "
	                 "without a token. From the table in common/host/web_metrics.c.\n\n"
	                 "| metric | type | unit | further labels | what it is |\n"
	                 "|---|---|---|---|---|\n");
	for (size_t i = 0; i < ROWS; i++)
		buf_printf(out, "| `%s` | %s | %s | %s | %s |\n", rows[i].name, rows[i].type,
		           rows[i].unit, rows[i].labels, rows[i].words);
}
