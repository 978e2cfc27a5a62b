/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each process has a ring of samples; the thread writes the next one under the lock
 * when it has it. It alone changes which processes there are, so it may read that
 * without the lock.
 */
#include "services/dashboard/timing.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/adapters/http_fetch.h"
#include "common/adapters/lane.h"
#include "common/adapters/system_clock.h"
#include "common/base/memory.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"

#define ASK_MS 5000
#define ANSWER_MS 1000
#define ANSWER_BYTES_MOST (4 * 1024 * 1024)
#define SAMPLES 13 /* a minute of them, more where some do not answer */
#define MINUTE_MS 60000
#define HOSTS_MOST 64 /* of one name */

struct asked {
	struct http_host host;
	uint16_t port;
	bool named; /* by the latest look-up */
	struct timing_sample samples[SAMPLES];
	unsigned count; /* ever, without a gap */
};

struct timing {
	const struct config *config;
	struct lane lane;
	pthread_mutex_t lock;
	struct asked *asked;
	unsigned asked_count;
	unsigned unknown; /* names that stand for nobody */
};

/* ---- reading ------------------------------------------------------------- */

/* "12", "0.25": as thousandths. */
static bool read_thousandths(struct str text, int64_t *out)
{
	struct str whole = str_split(&text, '.');
	int64_t fraction = 0, number;

	if (!str_to_i64(whole, &number) || number < 0 || number > INT64_MAX / 2000)
		return false;
	if (text.ptr &&
	    (text.len == 0 || text.len > 3 || text.ptr[0] == '-' || !str_to_i64(text, &fraction)))
		return false;
	for (size_t i = text.ptr ? text.len : 3; i < 3; i++)
		fraction *= 10;
	*out = number * MS_PER_SECOND + fraction;
	return true;
}

/* The value of a label; absent: none of that name. */
static struct str label(struct str labels, struct str name)
{
	while (labels.ptr) {
		struct str value = str_split(&labels, ',');

		if (str_eq(str_split(&value, '='), name) && value.ptr && value.len >= 2)
			return str_of(value.ptr + 1, value.len - 2);
	}
	return str_of(NULL, 0);
}

static bool take_bucket(struct str bound, int64_t below, struct durations *out, unsigned *bucket)
{
	unsigned i = (*bucket)++;
	int64_t bound_ms, before = 0;

	for (unsigned b = 0; b < i && b < DURATION_BUCKETS; b++)
		before += (int64_t)out->buckets[b];
	if (i >= DURATION_BUCKETS || below < before)
		return false;
	out->buckets[i] = (uint64_t)(below - before);
	return i == DURATION_BUCKETS - 1 ||
	       (read_thousandths(bound, &bound_ms) && bound_ms == duration_bounds_ms[i]);
}

/* What is behind tallyworks_<kind>_duration_seconds, up to the end of the line. */
static bool take_line(struct str rest, struct durations *out, unsigned *bucket,
                      struct timing_sample *sample)
{
	struct str suffix = str_split(&rest, '{');
	struct str labels = str_split(&rest, '}');
	struct str worker = label(labels, STR("worker"));
	int64_t value;

	if (!rest.ptr || rest.len < 2 || !worker.len || worker.len >= sizeof(sample->worker) ||
	    !read_thousandths(str_from(rest, 1), &value))
		return false;
	snprintf(sample->worker, sizeof(sample->worker), "%.*s", STR_ARG(worker));
	if (str_eq(suffix, STR("_sum")))
		out->sum_ms = (uint64_t)value;
	else if (str_eq(suffix, STR("_count")))
		out->count = (uint64_t)(value / MS_PER_SECOND);
	else
		return take_bucket(label(labels, STR("le")), value / MS_PER_SECOND, out, bucket);
	return true;
}

bool timing_read(struct str metrics, struct timing_sample *out)
{
	static const struct str names[TIMING_KINDS] = {
		[TIMING_BATCH] = STR_INIT("tallyworks_batch_duration_seconds"),
		[TIMING_TRANSACTION] = STR_INIT("tallyworks_transaction_duration_seconds"),
		[TIMING_FLUSH] = STR_INIT("tallyworks_flush_duration_seconds"),
	};
	unsigned buckets[TIMING_KINDS] = { 0 };
	bool whole = true;

	*out = (struct timing_sample){ .worker = "" };
	while (metrics.ptr && whole) {
		struct str line = str_split(&metrics, '\n');

		for (int k = 0; k < TIMING_KINDS && whole; k++)
			if (str_starts(line, names[k]))
				whole = take_line(str_from(line, names[k].len), &out->kinds[k],
				                  &buckets[k], out);
	}
	for (int k = 0; k < TIMING_KINDS; k++)
		whole = whole && buckets[k] == DURATION_BUCKETS;
	if (!whole)
		out->worker[0] = '\0';
	return whole;
}

struct durations timing_since(const struct durations *then, const struct durations *now)
{
	struct durations out = *now;

	if (now->count < then->count)
		return out;
	out.count -= then->count;
	out.sum_ms -= now->sum_ms < then->sum_ms ? now->sum_ms : then->sum_ms;
	for (unsigned b = 0; b < DURATION_BUCKETS; b++)
		out.buckets[b] -= now->buckets[b] < then->buckets[b] ? 0 : then->buckets[b];
	return out;
}

int64_t timing_bound_ms(const struct durations *durations, unsigned of_thousand)
{
	uint64_t all = 0, below = 0;

	for (unsigned b = 0; b < DURATION_BUCKETS; b++)
		all += durations->buckets[b];
	for (unsigned b = 0; b < DURATION_BUCKETS - 1 && all; b++) {
		below += durations->buckets[b];
		if (below * 1000 >= all * of_thousand)
			return duration_bounds_ms[b];
	}
	return -1;
}

/* ---- the thread ---------------------------------------------------------- */

static void name_one(struct timing *timing, const struct http_host *host, uint16_t port)
{
	struct asked *asked = timing->asked, *end = asked + timing->asked_count;

	while (asked < end && (asked->port != port || strcmp(asked->host.text, host->text) != 0))
		asked++;
	if (asked == end) {
		if (timing->asked_count == TIMING_PROCESSES_MOST)
			return;
		timing->asked_count++;
		*asked = (struct asked){ .host = *host, .port = port };
	}
	asked->named = true;
}

/* Forgets those that no name stands for any more. */
static void forget_others(struct timing *timing)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < timing->asked_count; i++) {
		if (!timing->asked[i].named)
			continue;
		timing->asked[i].named = false;
		if (kept != i)
			timing->asked[kept] = timing->asked[i];
		kept++;
	}
	timing->asked_count = kept;
}

static void look_up(struct timing *timing)
{
	struct http_host hosts[HOSTS_MOST];
	unsigned unknown = 0;

	for (unsigned i = 0; i < timing->config->worker_count; i++) {
		const struct config_address *address = &timing->config->workers[i];
		unsigned count = http_hosts(address->host, hosts, HOSTS_MOST);

		unknown += count == 0;
		pthread_mutex_lock(&timing->lock);
		for (unsigned h = 0; h < count; h++)
			name_one(timing, &hosts[h], address->port);
		pthread_mutex_unlock(&timing->lock);
	}
	pthread_mutex_lock(&timing->lock);
	forget_others(timing);
	timing->unknown = unknown;
	pthread_mutex_unlock(&timing->lock);
}

static void ask(struct timing *timing, struct asked *asked, struct buf *text)
{
	struct timing_sample sample;
	struct rc rc = http_fetch(asked->host.text, asked->port, "/metrics", ANSWER_MS,
	                          ANSWER_BYTES_MOST, text);
	bool fine = rc_ok(rc) && timing_read(buf_str(text), &sample);

	pthread_mutex_lock(&timing->lock);
	if (fine) {
		sample.at_ms = system_now_ms();
		asked->samples[asked->count++ % SAMPLES] = sample;
	} else {
		asked->count = 0;
	}
	pthread_mutex_unlock(&timing->lock);
}

static void on_job(void *self, struct job *list)
{
	struct timing *timing = self;
	struct buf text;

	must(!list->next);
	buf_init(&text, NULL);
	look_up(timing);
	for (unsigned i = 0; i < timing->asked_count; i++)
		if (!lane_stopping(&timing->lane))
			ask(timing, &timing->asked[i], &text);
	buf_release(&text);
	lane_put(&timing->lane, list, ASK_MS);
}

/* ---- outside ------------------------------------------------------------- */

struct rc timing_new(const struct config *config, struct timing **out)
{
	struct timing *timing = memory_new(sizeof(*timing));
	struct rc rc;

	timing->config = config;
	timing->asked = memory_array(TIMING_PROCESSES_MOST, sizeof(*timing->asked));
	pthread_mutex_init(&timing->lock, NULL);
	*out = timing;
	rc = lane_start(&timing->lane, "timing", on_job, timing);
	if (rc_ok(rc))
		lane_put(&timing->lane, job_new(sizeof(struct job)), 0);
	return rc;
}

void timing_free(struct timing *timing)
{
	if (!timing)
		return;
	lane_stop(&timing->lane);
	pthread_mutex_destroy(&timing->lock);
	free(timing->asked);
	free(timing);
}

static void add(struct durations *to, const struct durations *more)
{
	to->count += more->count;
	to->sum_ms += more->sum_ms;
	for (unsigned b = 0; b < DURATION_BUCKETS; b++)
		to->buckets[b] += more->buckets[b];
}

/* The latest sample that is as old, or the oldest that there is. */
static const struct timing_sample *a_minute_before(const struct asked *asked,
                                                   const struct timing_sample *now)
{
	unsigned kept = asked->count < SAMPLES ? asked->count : SAMPLES;
	const struct timing_sample *then = now;

	for (unsigned i = 1; i < kept && now->at_ms - then->at_ms < MINUTE_MS; i++)
		then = &asked->samples[(asked->count - 1 - i) % SAMPLES];
	return then;
}

unsigned timing_of(struct timing *timing, const char *worker, struct durations out[TIMING_KINDS])
{
	unsigned processes = 0;

	for (int k = 0; k < TIMING_KINDS; k++)
		out[k] = (struct durations){ .count = 0 };
	pthread_mutex_lock(&timing->lock);
	for (unsigned i = 0; i < timing->asked_count; i++) {
		const struct asked *asked = &timing->asked[i];
		const struct timing_sample *then, *now;

		if (!asked->count)
			continue;
		now = &asked->samples[(asked->count - 1) % SAMPLES];
		then = a_minute_before(asked, now);
		if (strcmp(now->worker, worker) != 0)
			continue;
		processes++;
		for (int k = 0; k < TIMING_KINDS; k++) {
			struct durations since = timing_since(&then->kinds[k], &now->kinds[k]);

			add(&out[k], &since);
		}
	}
	pthread_mutex_unlock(&timing->lock);
	return processes;
}

void timing_count(struct timing *timing, unsigned *addresses, unsigned *answered)
{
	*answered = 0;
	pthread_mutex_lock(&timing->lock);
	*addresses = timing->asked_count + timing->unknown;
	for (unsigned i = 0; i < timing->asked_count; i++)
		*answered += timing->asked[i].count > 0;
	pthread_mutex_unlock(&timing->lock);
}
