/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators' view: each worker's shards as Redis knows them: who claimed one,
 * how far it is (R), and whether it is rebuilding or stuck on a record. A process that
 * was killed leaves its claim there; who has a shard now, and how many records wait,
 * is known where Kafka is asked (watch.h).
 */
#include <stdlib.h>

#include "common/runtime/worker.h"
#include "services/dashboard/timing.h"
#include "services/dashboard/view.h"

#define SHARDS_MOST 1024 /* of a worker */
#define WORKERS_MOST 16

struct fleet {
	unsigned meta, asof; /* numbers of the questions */
	unsigned first;      /* of the shards' metas */
	int64_t shards;
	const struct redis_answer *fields;
};

/* As many as the shards say, or as have been seen. */
static int64_t shards_of(const struct view *v, const struct fleet *fleet)
{
	int64_t count = 0, said;

	if (v->answers[fleet->meta].text.ptr && str_to_i64(v->answers[fleet->meta].text, &said) &&
	    said > 0)
		count = said;
	for (unsigned i = 0; i + 1 < fleet->fields->count; i += 2)
		if (str_to_i64(fleet->fields->items[i].text, &said) && said >= count)
			count = said + 1;
	return count < SHARDS_MOST ? count : SHARDS_MOST;
}

static void put_number_or_null(struct view *v, const char *name, const struct redis_answer *meta)
{
	int64_t value = view_number(meta, name, INT64_MIN);

	json_name(&v->json, name);
	if (value == INT64_MIN)
		json_null(&v->json);
	else
		json_i64(&v->json, value);
}

static struct str text_or_absent(struct str text)
{
	return text.ptr && str_is_utf8(text) ? text : str_of(NULL, 0);
}

static const char *state_of(const struct redis_answer *meta)
{
	struct str cursor = view_field(meta, "cursor");

	if (meta->count == 0)
		return "unknown";
	if (str_eq(cursor, STR("torn")))
		return "torn";
	if (view_field(meta, "trying").ptr)
		return "trying";
	if (str_eq(view_field(meta, "rebuilding"), STR("1")))
		return "rebuilding";
	return str_eq(view_field(meta, "released"), STR("1")) ? "released" : "owned";
}

/* What Kafka says of it. */
static void put_watched(struct view *v, const struct watch_shard *shard)
{
	json_put_i64(&v->json, "log_end", shard->log_end);
	json_name(&v->json, "output_cursor");
	if (shard->output_cursor < 0)
		json_null(&v->json);
	else
		json_i64(&v->json, shard->output_cursor);
	json_put_i64(&v->json, "lag", shard->lag);
	json_put_str(&v->json, "member", text_or_absent(shard->member.id));
	json_put_str(&v->json, "host", text_or_absent(shard->member.host));
}

static void put_shard(struct view *v, int64_t partition, const struct redis_answer *meta,
                      const struct watch_fleet *watched)
{
	json_open(&v->json, '{');
	json_put_i64(&v->json, "partition", partition);
	json_put_text(&v->json, "state", state_of(meta));
	json_put_str(&v->json, "owner", text_or_absent(view_field(meta, "claimer")));
	put_number_or_null(v, "cursor", meta);
	put_number_or_null(v, "logic", meta);
	put_number_or_null(v, "pin", meta);
	json_put_str(&v->json, "trying", text_or_absent(view_field(meta, "trying")));
	put_number_or_null(v, "tries", meta);
	view_instant(v, "watermark", view_number(meta, "watermark", INT64_MIN));
	view_instant(v, "time", view_number(meta, "broker_time", INT64_MIN));
	if (watched && partition < watched->count)
		put_watched(v, &watched->shards[partition]);
	json_close(&v->json, '}');
}

static void put_passed(struct view *v, const struct watch_fleet *watched)
{
	json_name(&v->json, "passed");
	if (!watched || !watched->passed.over_ms) {
		json_null(&v->json);
		return;
	}
	json_open(&v->json, '{');
	json_put_i64(&v->json, "over_ms", watched->passed.over_ms);
	json_put_i64(&v->json, "incoming", watched->passed.incoming);
	json_put_i64(&v->json, "committed", watched->passed.committed);
	json_put_i64(&v->json, "shown", watched->passed.shown);
	json_close(&v->json, '}');
}

static void put_bound(struct view *v, const char *name, const struct durations *durations,
                      unsigned of_thousand)
{
	int64_t bound = timing_bound_ms(durations, of_thousand);

	json_name(&v->json, name);
	if (bound < 0)
		json_null(&v->json);
	else
		json_i64(&v->json, bound);
}

/* How long its steps take, as its processes say themselves. */
static void put_times(struct view *v, const struct worker *worker)
{
	static const char *const names[TIMING_KINDS] = {
		[TIMING_BATCH] = "batch",
		[TIMING_TRANSACTION] = "transaction",
		[TIMING_FLUSH] = "flush",
	};
	struct durations durations[TIMING_KINDS];
	unsigned processes = v->timing ? timing_of(v->timing, worker->name, durations) : 0;

	json_name(&v->json, "times");
	if (!processes) {
		json_null(&v->json);
		return;
	}
	json_open(&v->json, '{');
	json_put_i64(&v->json, "processes", processes);
	for (int k = 0; k < TIMING_KINDS; k++) {
		json_name(&v->json, names[k]);
		json_open(&v->json, '{');
		json_put_i64(&v->json, "count", (int64_t)durations[k].count);
		json_put_i64(&v->json, "sum_ms", (int64_t)durations[k].sum_ms);
		put_bound(v, "p50_ms", &durations[k], 500);
		put_bound(v, "p99_ms", &durations[k], 990);
		json_close(&v->json, '}');
	}
	json_close(&v->json, '}');
}

/* How many of the workers' addresses answer. */
static void put_asked(struct view *v)
{
	unsigned addresses, answered;

	json_name(&v->json, "asked");
	if (!v->timing) {
		json_null(&v->json);
		return;
	}
	timing_count(v->timing, &addresses, &answered);
	json_open(&v->json, '{');
	json_put_i64(&v->json, "addresses", addresses);
	json_put_i64(&v->json, "answered", answered);
	json_close(&v->json, '}');
}

static void put_fleet(struct view *v, const struct worker *worker, const struct fleet *fleet)
{
	const struct watch_fleet *watched = watch_find(v->watch, worker);

	json_open(&v->json, '{');
	json_put_text(&v->json, "worker", worker->name);
	json_put_text(&v->json, "topic", worker->topic);
	put_passed(v, watched);
	put_times(v, worker);
	json_name(&v->json, "shards");
	json_open(&v->json, '[');
	for (int64_t p = 0; p < fleet->shards; p++)
		put_shard(v, p, &v->answers[fleet->first + (unsigned)p], watched);
	json_close(&v->json, ']');
	json_close(&v->json, '}');
}

/* Whether Kafka is asked, and what is wrong if it does not answer. */
static void put_kafka(struct view *v)
{
	json_name(&v->json, "kafka");
	if (!v->watch) {
		json_null(&v->json);
		return;
	}
	json_open(&v->json, '{');
	json_put_bool(&v->json, "fresh", v->watch->fresh);
	json_put_str(
		&v->json, "trouble",
		str_of(v->watch->trouble[0] ? v->watch->trouble : NULL, strlen(v->watch->trouble)));
	view_instant(v, "since", v->watch->trouble[0] ? v->watch->trouble_ms : 0);
	json_close(&v->json, '}');
}

struct rc view_shards(struct view *v)
{
	static const struct str partitions = STR_INIT("partitions");
	struct fleet fleets[WORKERS_MOST] = { { .meta = 0 } };
	const struct redis_answer *fresh;
	unsigned asof = freshness_ask(v), count = 0;

	for (; workers[count] && count < WORKERS_MOST; count++) {
		fleets[count].asof = asof + count;
		fleets[count].meta =
			view_read(v, "HGET", &partitions, 1, "meta:%s:0", workers[count]->topic);
	}
	TRY(view_round(v));
	fresh = v->answers;
	for (unsigned i = 0; i < count; i++) {
		fleets[i].fields = &v->answers[fleets[i].asof];
		fleets[i].shards = shards_of(v, &fleets[i]);
	}
	for (unsigned i = 0; i < count; i++)
		for (int64_t p = 0; p < fleets[i].shards; p++) {
			unsigned number =
				view_hash(v, "meta:%s:%lld", workers[i]->topic, (long long)p);

			if (p == 0)
				fleets[i].first = number;
		}
	TRY(view_round(v));
	json_name(&v->json, "workers");
	json_open(&v->json, '[');
	for (unsigned i = 0; i < count; i++)
		put_fleet(v, workers[i], &fleets[i]);
	json_close(&v->json, ']');
	put_kafka(v);
	put_asked(v);
	v->answers = fresh;
	freshness_put(v, asof);
	return OK;
}
