/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forms are Kubernetes' own: /livez and /readyz answer "ok", and with
 * ?verbose a line "[+]check ok" or "[-]check failed: why" each.
 */
#include "common/host/health.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/host/json.h"
#include "common/host/metrics.h"

#define TURN_MOST_MS 10000 /* the loop turns at least every second */
#define FAILURES_MOST 3    /* of a shard in a row: that is no passing trouble */
#define ASK_MS 250         /* for a snapshot: the loop is seldom away for longer */

static bool has_word(struct str query, struct str word)
{
	while (query.ptr) {
		struct str part = str_split(&query, '&');

		if (str_eq(str_of(part.ptr, str_find(part, '=')), word))
			return true;
	}
	return false;
}

static void put_check(struct buf *out, const char *name, bool ok, const char *words)
{
	if (ok)
		buf_printf(out, "[+]%s ok\n", name);
	else
		buf_printf(out, "[-]%s failed: %s\n", name,
		           words[0] ? words : "nothing is known of it yet");
}

static bool check_loop(const struct health *health, struct buf *out)
{
	int64_t still_ms = health->now_ms() - board_last_turn_ms(health->board);
	bool ok = still_ms <= TURN_MOST_MS;
	char words[80];

	snprintf(words, sizeof(words), "no turn for %" PRId64 " ms", still_ms);
	put_check(out, "loop", ok, words);
	return ok;
}

static bool check_shards(const struct snapshot *snapshot, struct buf *out)
{
	bool ok = true;

	for (unsigned i = 0; i < snapshot->shard_count; i++) {
		const struct shard_row *row = &snapshot->shards[i];

		if (row->status.state != SHARD_REFUSED && row->status.failures < FAILURES_MOST)
			continue;
		buf_printf(out, "[-]shards failed: partition %" PRId32 ": %s\n",
		           row->status.partition, row->words);
		ok = false;
	}
	if (ok)
		put_check(out, "shards", true, "");
	return ok;
}

static bool check_ready(struct health *health, struct buf *out)
{
	const struct snapshot *s = &health->snapshot;
	bool ok = check_loop(health, out);

	put_check(out, "group", s->group.ok, s->group.words);
	put_check(out, "redis", s->redis.ok, s->redis.words);
	put_check(out, "producer", s->producer.ok, s->producer.words);
	put_check(out, "draining", !s->draining, "the process was told to end");
	ok = check_shards(s, out) && ok;
	return ok && s->group.ok && s->redis.ok && s->producer.ok && !s->draining;
}

/* The runtime learns of Redis by its shards' calls, and a process without shards makes none. */
static void take_snapshot(struct health *health)
{
	struct link_state *redis = &health->snapshot.redis;

	board_ask(health->board, ASK_MS, &health->snapshot);
	if (!redis->ok || !health->probe_redis || rc_ok(health->probe_redis(health->probe_self)))
		return;
	redis->ok = false;
	snprintf(redis->words, sizeof(redis->words), "%s", rc_text());
}

/* The lines only where they are wanted or something failed. */
static void conclude(bool ok, struct str query, struct buf *body, int *status)
{
	if (!ok)
		*status = 503;
	else if (!has_word(query, STR("verbose")))
		buf_clear(body);
	buf_put(body, ok ? STR("ok\n") : STR("failed\n"));
}

void health_shards(const struct snapshot *snapshot, const struct worker *worker, struct buf *out)
{
	struct json j = json_to(out);

	json_open(&j, '{');
	json_put_text(&j, "worker", worker->name);
	json_put_text(&j, "topic", worker->topic);
	json_name(&j, "shards");
	json_open(&j, '[');
	for (unsigned i = 0; i < snapshot->shard_count; i++) {
		const struct shard_row *row = &snapshot->shards[i];
		const struct shard_status *shard = &row->status;

		json_open(&j, '{');
		json_put_i64(&j, "partition", shard->partition);
		json_put_text(&j, "state", shard_state_name(shard->state));
		json_put_text(&j, "words", row->words);
		json_put_i64(&j, "state_ms", snapshot->taken_ms - shard->since_ms);
		json_put_i64(&j, "position", shard->position);
		json_put_i64(&j, "input_cursor", shard->input_cursor);
		json_put_i64(&j, "output_cursor", shard->output_cursor);
		json_put_i64(&j, "log_end", shard->log_end);
		json_name(&j, "watermark_ms");
		if (shard->watermark_ms == INT64_MIN)
			json_null(&j);
		else
			json_i64(&j, shard->watermark_ms);
		json_put_i64(&j, "broker_ms", shard->broker_ms);
		json_put_i64(&j, "reference_pin", shard->reference_pin);
		json_put_i64(&j, "logic_version", shard->logic_version);
		json_put_i64(&j, "output_number", (int64_t)shard->output_number);
		json_put_i64(&j, "dirty", shard->dirty);
		json_put_bool(&j, "rebuilding", shard->rebuilding);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	buf_put_char(out, '\n');
}

bool health_handler(void *self, struct str path, struct str query, struct buf *body,
                    const char **content_type, int *status)
{
	struct health *health = self;

	if (str_eq(path, STR("/livez"))) {
		conclude(check_loop(health, body), query, body, status);
		return true;
	}
	if (str_eq(path, STR("/readyz"))) {
		take_snapshot(health);
		conclude(check_ready(health, body), query, body, status);
		return true;
	}
	if (str_eq(path, STR("/metrics"))) {
		take_snapshot(health);
		*content_type = "text/plain; version=0.0.4; charset=utf-8";
		metrics_render(&health->snapshot, health->worker, body);
		return true;
	}
	if (str_eq(path, STR("/shards"))) {
		board_ask(health->board, ASK_MS, &health->snapshot);
		*content_type = "application/json";
		health_shards(&health->snapshot, health->worker, body);
		return true;
	}
	return false;
}
