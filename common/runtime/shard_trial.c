/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Poison: how a record that kills its worker is found and skipped.
 *
 * Nothing of it costs anything before two owners die one after the other with R at
 * the same place. Then what lies between K and what the dead one can have read is in
 * danger (below K every record was folded to its end once, so what kills there is the
 * build, not the record, and nothing is skipped). It is tried in steps: `trying` is
 * written to Redis, the step is folded and encoded, `trying` is taken back; when K has
 * passed it, the next step. A claim that finds `trying` of one who died counts a death
 * and has only that step in danger, so the steps become smaller; one record alone that
 * killed three times is skipped: it goes to the DLQ as `poison` like any refused
 * record, and K's metadata names its offset from then on, so a rebuild refuses it
 * unread.
 *
 * One shard of a process at a time: a death says nothing about two of them. Behind
 * the danger the shard goes at full speed again. Source: DESIGN section 4, Poison.
 */
#include "common/base/limits.h"
#include "common/base/log.h"
#include "common/runtime/shard.h"

#define STEPS 16 /* of a danger */
#define RETRY_MS 100

static bool is_skipped(const struct cursor_metadata *k, int64_t offset)
{
	for (unsigned i = 0; i < k->skipped_count; i++) {
		if (k->skipped[i] == offset)
			return true;
	}
	return false;
}

static bool skip(struct shard *s, int64_t offset)
{
	struct cursor_metadata *k = &s->metadata;
	if (is_skipped(k, offset))
		return true;
	if (k->skipped_count == LIMIT_SKIPPED)
		return false;
	k->skipped[k->skipped_count++] = offset;
	log_error("poison_skipped", LOG_STR("topic", s->setting->batches->topic),
	          LOG_INT("partition", s->partition), LOG_INT("offset", offset),
	          LOG_INT("deaths", s->meta.tries), LOG_END);
	return true;
}

bool shard_begin_trial(struct shard *s)
{
	const struct shard_meta *m = &s->meta;
	int64_t k = s->output_cursor, end = k + LIMIT_DANGER_OFFSETS;
	struct offsets *danger = &s->trial.danger;
	if (end > s->log_end)
		end = s->log_end;
	if (m->tried.until > k)
		*danger = (struct offsets){ m->tried.from > k ? m->tried.from : k, m->tried.until };
	else if (m->died && end > k)
		*danger = (struct offsets){ k, end };
	else if (danger->until <= k) /* otherwise that of a claim before, not passed yet */
		*danger = (struct offsets){ 0 };
	if (danger->until)
		log_warn("shard_in_danger", LOG_STR("topic", s->setting->batches->topic),
		         LOG_INT("partition", s->partition), LOG_INT("from", danger->from),
		         LOG_INT("until", danger->until), LOG_INT("deaths", m->tries), LOG_END);
	bool alone = m->tried.until == m->tried.from + 1;
	return !alone || m->tries < LIMIT_POISON_DEATHS || m->tried.from < k ||
	       skip(s, m->tried.from);
}

bool shard_trial_allows(const struct shard *s, int64_t *until)
{
	const struct trial *t = &s->trial;
	if (!t->danger.until)
		return true;
	*until = t->step_until;
	return !t->ticket && s->standing.position < t->step_until;
}

static void ask(struct shard *s, int64_t from, int64_t until, struct shard_update *u)
{
	struct trial *t = &s->trial;
	t->asked = (struct offsets){ from, until };
	t->written = true;
	t->ticket = ++s->setting->last_ticket;
	u->asks |= ASK_TRY;
}

static void ask_next(struct shard *s, struct shard_update *u)
{
	const struct offsets *danger = &s->trial.danger;
	int64_t position = s->standing.position, size = (danger->until - danger->from) / STEPS;
	int64_t until = position + (size ? size : 1);
	if (position < danger->from)
		until = danger->from;
	ask(s, position, until < danger->until ? until : danger->until, u);
}

static void end_trial(struct shard *s)
{
	s->trial.danger = (struct offsets){ 0 };
	s->setting->trying = NULL;
	log_info("shard_out_of_danger", LOG_STR("topic", s->setting->batches->topic),
	         LOG_INT("partition", s->partition), LOG_INT("offset", s->standing.position),
	         LOG_END);
}

/* A step is over when it is folded and encoded; the next one begins when it is committed. The
 * dead one cannot have read past the log's end, wherever danger.until lies. */
void shard_tick_trial(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	struct trial *t = &s->trial;
	int64_t position = s->standing.position;
	bool at_end = s->caught_up && !s->chunk.busy;
	if (!t->danger.until || t->ticket || now_ms < t->retry_ms || position < s->output_cursor)
		return;
	if (s->setting->trying && s->setting->trying != s)
		return;
	s->setting->trying = s;
	if (t->step_until) {
		if ((position >= t->step_until || at_end) && shard_seal_open(s, now_ms))
			ask(s, 0, 0, u);
	} else if (position == s->output_cursor) {
		if (position >= t->danger.until || at_end)
			end_trial(s);
		else
			ask_next(s, u);
	}
}

void shard_tried(struct shard *s, const struct happening *h, int64_t now_ms, struct shard_update *u)
{
	struct trial *t = &s->trial;
	if (h->ticket != t->ticket || !t->ticket)
		return;
	t->ticket = 0;
	t->retry_ms = now_ms + RETRY_MS;
	if (!rc_ok(h->rc))
		return;
	const struct offsets *now = &h->meta.trying;
	if (now->from != t->asked.from || now->until != t->asked.until) {
		shard_restart(s, "the claim in Redis is not ours", 0, now_ms, u);
		return;
	}
	t->retry_ms = 0;
	t->step_until = t->asked.until;
	t->written = t->asked.until != 0;
}

void shard_stop_trial(struct shard *s)
{
	s->trial.ticket = 0;
	s->trial.step_until = 0;
	s->trial.retry_ms = 0;
	if (s->setting->trying == s)
		s->setting->trying = NULL;
}
