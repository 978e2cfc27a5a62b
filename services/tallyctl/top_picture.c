/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a shard is asked in the order in which its worker would refuse it
 * (common/runtime/shard_claim.c), as far as Kafka and Redis show it.
 */
#include "services/tallyctl/top_picture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/timestamp.h"
#include "common/host/json.h"

#define STILL_MS 5000 /* R may stand still so long: a flush that waits, a rebalance */

/* ---- a shard in words -------------------------------------------------------------- */

struct judged {
	enum top_health health;
	struct str words;
};

#define SAY(health, ...) ((struct judged){ (health), arena_printf(arena, __VA_ARGS__) })

static bool is_refused(const struct progress_row *r, struct arena *arena, struct judged *out)
{
	const struct meta_row *m = &r->meta;
	int64_t cursor = m->cursor, k = r->output_cursor;

	if (k < 0 && m->exists)
		*out = SAY(TOP_TROUBLE, "Redis knows it, Kafka has no K: tallyctl repair");
	else if (k < 0)
		*out = SAY(TOP_TROUBLE, "no K: tallyctl topics create, or repair");
	else if (m->partitions > 0 && m->partitions != r->fleet->partitions)
		*out = SAY(TOP_TROUBLE,
		           "written with %" PRId64 " partitions, the topic has %" PRId32,
		           m->partitions, r->fleet->partitions);
	else if (cursor > k)
		*out = SAY(TOP_TROUBLE, "R is above K (group moved back?): tallyctl repair");
	else if (cursor >= 0 && cursor < r->log_start)
		*out = SAY(TOP_TROUBLE,
		           "the log begins at %" PRId64 ", above R: a newer Redis copy is needed",
		           r->log_start);
	else if (k > r->log_end)
		*out = SAY(TOP_TROUBLE,
		           "the log ends below K: records are lost, or the topic is another");
	else
		return false;
	return true;
}

static struct judged judge(const struct top_shard *s, int members, struct arena *arena)
{
	const struct progress_row *r = s->row;
	const struct meta_row *m = &r->meta;
	int64_t lag = progress_row_lag(r);
	struct judged refused;

	if (is_refused(r, arena, &refused))
		return refused;
	if (members == 0 && !progress_row_is_settled(r))
		return SAY(TOP_TROUBLE, "nobody works: start tally-%s", r->fleet->worker->name);
	if (m->trying.until)
		return SAY(TOP_TROUBLE, "looks for the record that kills: %" PRId64 " to %" PRId64,
		           m->trying.from, m->trying.until - 1);
	if (m->torn)
		return SAY(TOP_BUSY, "torn by a broken write: will be built again");
	if (m->rebuilding)
		return SAY(TOP_BUSY, "is built again from the log");
	if (members == 0)
		return SAY(TOP_FINE, "settled, nobody works");
	if (s->still_ms >= STILL_MS)
		return SAY(TOP_TROUBLE, "stands still for %" PRId64 " s: the worker's log says why",
		           s->still_ms / MS_PER_SECOND);
	if (!m->owner[0] || m->released)
		return SAY(TOP_BUSY, "waits for an owner");
	return lag ? SAY(TOP_FINE, "works") : SAY(TOP_FINE, "settled");
}

/* ---- a picture ------------------------------------------------------------------------ */

static int64_t rate(int64_t from, int64_t to, int64_t over_ms)
{
	if (from < 0 || to < from)
		return 0;
	return (to - from) * MS_PER_SECOND / over_ms;
}

static void paint_shard(const struct top_look *before, const struct top_look *now, unsigned i,
                        int members, struct arena *arena, struct top_shard *out)
{
	const struct progress_row *r = &now->progress.rows[i];
	int64_t over_ms = before ? now->now_ms - before->now_ms : 0;
	struct judged judged;

	*out = (struct top_shard){ .row = r, .in_rate = RATE_UNKNOWN, .out_rate = RATE_UNKNOWN };
	if (over_ms > 0) {
		const struct progress_row *was = &before->progress.rows[i];

		out->in_rate = rate(was->log_end, r->log_end, over_ms);
		out->out_rate = rate(was->meta.cursor, r->meta.cursor, over_ms);
	}
	if (progress_row_lag(r))
		out->still_ms = now->now_ms - now->moved_ms[i];
	judged = judge(out, members, arena);
	out->health = judged.health;
	out->words = judged.words;
}

static int64_t clear_s(const struct top_worker *w)
{
	int64_t gain = w->out_rate - w->in_rate;

	if (w->lag == 0)
		return 0;
	if (w->in_rate == RATE_UNKNOWN)
		return RATE_UNKNOWN;
	return gain > 0 ? (w->lag + gain - 1) / gain : NEVER_CLEAR;
}

static void add_to_worker(struct top_worker *w, const struct top_shard *s, int64_t wall_ms)
{
	const struct meta_row *m = &s->row->meta;
	int64_t lag = progress_row_lag(s->row);

	w->lag += lag;
	w->settled += progress_row_is_settled(s->row);
	w->troubled += s->health == TOP_TROUBLE;
	if (lag && m->broker_ms > 0 && wall_ms - m->broker_ms > w->behind_ms)
		w->behind_ms = wall_ms - m->broker_ms;
	if (s->in_rate == RATE_UNKNOWN) {
		w->in_rate = w->out_rate = RATE_UNKNOWN;
		return;
	}
	w->in_rate += s->in_rate;
	w->out_rate += s->out_rate;
}

static int by_urgency(const void *a, const void *b)
{
	const struct top_shard *x = a, *y = b;
	int64_t of_x = progress_row_lag(x->row), of_y = progress_row_lag(y->row);
	bool trouble_x = x->health == TOP_TROUBLE, trouble_y = y->health == TOP_TROUBLE;

	if (trouble_x != trouble_y)
		return trouble_x ? -1 : 1;
	if (of_x != of_y)
		return of_x > of_y ? -1 : 1;
	return x->row < y->row ? -1 : 1;
}

void top_paint(const struct fleet *fleets, unsigned count, const struct top_look *before,
               const struct top_look *now, struct arena *arena, struct top_picture *out)
{
	unsigned i = 0;

	*out = (struct top_picture){ .wall_ms = now->wall_ms, .worker_count = count };
	out->shards = arena_alloc(arena, (now->progress.count + 1) * sizeof(*out->shards));
	for (unsigned f = 0; f < count; f++) {
		struct top_worker *w = &out->workers[f];

		w->fleet = &fleets[f];
		w->members = now->members[f];
		for (int32_t p = 0; p < fleets[f].partitions; p++, i++) {
			paint_shard(before, now, i, w->members, arena, &out->shards[i]);
			add_to_worker(w, &out->shards[i], now->wall_ms);
		}
		w->clear_s = clear_s(w);
	}
	out->shard_count = i;
	qsort(out->shards, i, sizeof(*out->shards), by_urgency);
}

/* ---- as text --------------------------------------------------------------------------- */

static void number_text(struct buf *out, int width, int64_t number, bool known)
{
	if (known)
		buf_printf(out, " %*" PRId64, width, number);
	else
		buf_printf(out, " %*s", width, "-");
}

static void duration_text(struct buf *out, int width, int64_t seconds)
{
	char text[32] = "-";

	if (seconds == NEVER_CLEAR)
		snprintf(text, sizeof(text), "never");
	else if (seconds >= 2 * 3600)
		snprintf(text, sizeof(text), "%" PRId64 " h", seconds / 3600);
	else if (seconds >= 2 * 60)
		snprintf(text, sizeof(text), "%" PRId64 " min", seconds / 60);
	else if (seconds >= 0)
		snprintf(text, sizeof(text), "%" PRId64 " s", seconds);
	buf_printf(out, " %*s", width, text);
}

static void worker_text(const struct top_worker *w, struct buf *out)
{
	buf_printf(out, "%-12s", w->fleet->worker->name);
	number_text(out, 9, w->members, w->members != MEMBERS_UNKNOWN);
	buf_printf(out, " %5d/%-5" PRId32, w->settled, w->fleet->partitions);
	number_text(out, 11, w->lag, true);
	duration_text(out, 8, w->behind_ms / MS_PER_SECOND);
	number_text(out, 9, w->in_rate, w->in_rate != RATE_UNKNOWN);
	number_text(out, 9, w->out_rate, w->out_rate != RATE_UNKNOWN);
	duration_text(out, 9, w->clear_s);
	if (w->troubled)
		buf_printf(out, "  %d in trouble", w->troubled);
	buf_put_char(out, '\n');
}

/* What tells one process from another: the end of its transactional.id. */
static struct str owner_of(const struct meta_row *m)
{
	const char *last = strrchr(m->owner, '-');

	if (m->released || !m->owner[0])
		return STR("-");
	return str_from_c(last ? last + 1 : m->owner);
}

static void shard_text(const struct top_shard *s, struct buf *out)
{
	const struct progress_row *r = s->row;
	struct str owner = owner_of(&r->meta);
	char shard[300]; /* a topic's name has 249 characters at most */

	snprintf(shard, sizeof(shard), "%s/%" PRId32, r->fleet->topic, r->partition);
	buf_printf(out, "%-12s %-14s %-16.*s", r->fleet->worker->name, shard, STR_ARG(owner));
	number_text(out, 11, r->log_end, true);
	number_text(out, 11, r->output_cursor, r->output_cursor >= 0);
	number_text(out, 11, r->meta.cursor, r->meta.cursor >= 0);
	number_text(out, 9, progress_row_lag(r), true);
	number_text(out, 7, s->out_rate, s->out_rate != RATE_UNKNOWN);
	buf_printf(out, "  %s%.*s\n", s->health == TOP_TROUBLE ? "! " : "", STR_ARG(s->words));
}

#define LINES_AROUND 7 /* that are not of a worker or a shard */

void top_text(const struct top_picture *p, int lines, struct buf *out)
{
	int64_t room = lines - LINES_AROUND - (int64_t)p->worker_count;
	unsigned shown = p->shard_count;
	char time[24];

	if (lines && room < shown)
		shown = room > 0 ? (unsigned)room : 0;
	timestamp_format(p->wall_ms, time);
	buf_printf(out, "tallyctl top at %.10s %.8s UTC\n\n", time, time + 11);
	buf_printf(out, "%-12s %9s %11s %11s %8s %9s %9s %9s\n", "WORKER", "PROCESSES", "SETTLED",
	           "LAG", "BEHIND", "IN/S", "OUT/S", "TO CLEAR");
	for (unsigned i = 0; i < p->worker_count; i++)
		worker_text(&p->workers[i], out);
	buf_printf(out, "\n%-12s %-14s %-16s %11s %11s %11s %9s %7s  %s\n", "WORKER", "SHARD",
	           "OWNER", "LOG END", "K", "R", "LAG", "OUT/S", "STATE");
	for (unsigned i = 0; i < shown; i++)
		shard_text(&p->shards[i], out);
	if (shown < p->shard_count)
		buf_printf(out, "... %u more shards, none of them more urgent\n",
		           p->shard_count - shown);
}

/* ---- as JSON --------------------------------------------------------------------------- */

static void put_known(struct json *j, const char *name, int64_t value, bool known)
{
	json_name(j, name);
	if (known)
		json_i64(j, value);
	else
		json_null(j);
}

static void put_rates(struct json *j, int64_t in_rate, int64_t out_rate)
{
	put_known(j, "in_per_s", in_rate, in_rate != RATE_UNKNOWN);
	put_known(j, "out_per_s", out_rate, out_rate != RATE_UNKNOWN);
}

static void put_worker(struct json *j, const struct top_worker *w)
{
	json_open(j, '{');
	json_put_text(j, "worker", w->fleet->worker->name);
	json_put_text(j, "topic", w->fleet->topic);
	put_known(j, "processes", w->members, w->members != MEMBERS_UNKNOWN);
	json_put_i64(j, "shards", w->fleet->partitions);
	json_put_i64(j, "settled", w->settled);
	json_put_i64(j, "troubled", w->troubled);
	json_put_i64(j, "lag", w->lag);
	json_put_i64(j, "behind_ms", w->behind_ms);
	put_rates(j, w->in_rate, w->out_rate);
	put_known(j, "clear_s", w->clear_s,
	          w->clear_s != RATE_UNKNOWN && w->clear_s != NEVER_CLEAR);
	json_close(j, '}');
}

static void put_shard(struct json *j, const struct top_shard *s)
{
	static const char *const healths[] = { "fine", "busy", "trouble" };
	const struct progress_row *r = s->row;

	json_open(j, '{');
	json_put_text(j, "worker", r->fleet->worker->name);
	json_put_text(j, "topic", r->fleet->topic);
	json_put_i64(j, "partition", r->partition);
	json_put_str(j, "owner", r->meta.owner[0] ? str_from_c(r->meta.owner) : str_of(NULL, 0));
	json_put_bool(j, "released", r->meta.released);
	json_put_i64(j, "log_end", r->log_end);
	put_known(j, "output_cursor", r->output_cursor, r->output_cursor >= 0);
	put_known(j, "input_cursor", r->meta.cursor, r->meta.cursor >= 0);
	json_put_i64(j, "lag", progress_row_lag(r));
	put_rates(j, s->in_rate, s->out_rate);
	json_put_text(j, "state", healths[s->health]);
	json_put_str(j, "words", s->words);
	json_close(j, '}');
}

void top_json(const struct top_picture *p, struct buf *out)
{
	struct json j = json_to(out);

	json_open(&j, '{');
	json_put_time(&j, "time", p->wall_ms);
	json_name(&j, "workers");
	json_open(&j, '[');
	for (unsigned i = 0; i < p->worker_count; i++)
		put_worker(&j, &p->workers[i]);
	json_close(&j, ']');
	json_name(&j, "shards");
	json_open(&j, '[');
	for (unsigned i = 0; i < p->shard_count; i++)
		put_shard(&j, &p->shards[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	buf_put_char(out, '\n');
}
