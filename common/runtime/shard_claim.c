/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A1 to A3: how a shard becomes ours.
 *
 * In order: an own transaction that carries it has ended; the claim leaves our
 * transactional.id in Redis and tells R and who was there before; if that one did
 * not let go, its transactions are ended; then K is read (stable, so it waits for
 * what is still pending). R before K: K only grows, so R <= K cannot be missed,
 * and an R that moves meanwhile is noticed by the first load or flush.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/log.h"
#include "common/runtime/mutant.h"
#include "common/runtime/shard.h"

#define RETRY_FIRST_MS 50
#define RETRY_MOST_MS 2000
#define REFUSED_RETRY_MS 5000

static void await(struct shard *s, enum shard_state state, unsigned ask, int64_t now_ms,
                  struct shard_update *u)
{
	shard_set_state(s, state, now_ms);
	s->ticket = ++s->setting->last_ticket;
	u->asks |= ask;
}

static void retry_later(struct shard *s, const char *what, const struct happening *h,
                        int64_t now_ms)
{
	int64_t wait = RETRY_FIRST_MS << (s->failures < 6 ? s->failures : 6);
	s->failures++;
	s->retry_ms = now_ms + (wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS);
	snprintf(s->words, sizeof(s->words), "%s: %s", what,
	         h->words ? h->words : rc_code_text(h->rc.code));
	log_warn("claim_failed", LOG_STR("topic", s->setting->batches->topic),
	         LOG_INT("partition", s->partition), LOG_TEXT("step", what),
	         LOG_TEXT("error", h->words ? h->words : rc_code_text(h->rc.code)), LOG_END);
	shard_set_state(s, SHARD_WAITING, now_ms);
}

void shard_refuse(struct shard *s, int64_t now_ms)
{
	log_error("shard_refused", LOG_STR("topic", s->setting->batches->topic),
	          LOG_INT("partition", s->partition), LOG_TEXT("reason", s->words), LOG_END);
	s->retry_ms = now_ms + REFUSED_RETRY_MS;
	shard_set_state(s, SHARD_REFUSED, now_ms);
}

#define REFUSE(s, now, ...)                                            \
	do {                                                           \
		snprintf((s)->words, sizeof((s)->words), __VA_ARGS__); \
		shard_refuse((s), (now));                              \
	} while (0)

static void claimed(struct shard *s, const struct happening *h, int64_t now_ms,
                    struct shard_update *u)
{
	s->meta = h->meta;
	const char *before = s->meta.released ? "" : s->meta.claimer;
	/* Our own name there: an earlier try, which may not have ended the other's yet. */
	if (strcmp(before, s->setting->transactional_id) != 0)
		snprintf(s->unfenced, sizeof(s->unfenced), "%s", before);
	if (s->unfenced[0])
		await(s, SHARD_FENCE, ASK_FENCE, now_ms, u);
	else
		await(s, SHARD_CURSOR, ASK_CURSOR, now_ms, u);
}

/* Where the fold begins: at R with what the meta says, or at the origin. */
static void set_start(struct shard *s, bool rebuild)
{
	const struct cursor_metadata *k = &s->metadata;
	s->standing = (struct standing){ .position = k->origin,
		                         .pin = k->first_pin,
		                         .logic = MUTANT(rebuild_under_new_logic) ? k->logic
		                                                                  : k->first_logic,
		                         .watermark_ms = INT64_MIN,
		                         .broker_ms = 0 };
	s->input_cursor = R_EMPTY;
	if (rebuild)
		return;
	s->input_cursor = s->meta.input_cursor;
	s->standing =
		(struct standing){ .position = MUTANT(resume_at_cursor) ? s->output_cursor
		                                                        : s->meta.input_cursor,
		                   .pin = s->meta.reference_pin,
		                   .logic = s->meta.logic_version,
		                   .watermark_ms = s->meta.watermark_ms,
		                   .broker_ms = s->meta.broker_ms };
}

/* False: refused, words say what to do. */
static bool cursor_is_usable(struct shard *s, const struct cursor *c, int64_t now_ms)
{
	uint32_t written = s->meta.state == META_WHOLE ? s->meta.logic_version : 0;
	if (c->compacted)
		REFUSE(s, now_ms,
		       "the input topic is compacted or unlike cleanup.policy=delete: records may "
		       "be gone; set cleanup.policy=delete, then tallyctl verify tells");
	else if (!c->exists && s->meta.state != META_ABSENT)
		REFUSE(s, now_ms,
		       "Redis knows the shard and the group has no committed offset here (removed "
		       "or expired?): run tallyctl repair");
	else if (!c->exists)
		REFUSE(s, now_ms,
		       "the group has no committed offset here: for a new installation run "
		       "tallyctl topics create, otherwise tallyctl repair");
	else if (!cursor_metadata_parse(c->metadata, &s->metadata))
		REFUSE(s, now_ms,
		       "the committed offset's metadata is not ours (moved by hand?): run "
		       "tallyctl repair");
	else if (s->metadata.topic_id[0] && c->topic_id.len &&
	         !str_eq_c(c->topic_id, s->metadata.topic_id))
		REFUSE(s, now_ms,
		       "the input topic was made anew (its id is not the one the shard began "
		       "with): restore it, or start over under another group.prefix and "
		       "redis.prefix");
	else if (s->metadata.logic > s->setting->worker->logic_version ||
	         written > s->setting->worker->logic_version)
		REFUSE(s, now_ms,
		       "this build knows logic version %" PRIu32 ", the shard is at %" PRIu32
		       ": start a newer build",
		       s->setting->worker->logic_version,
		       s->metadata.logic > written ? s->metadata.logic : written);
	else if (c->partitions <= s->partition)
		REFUSE(s, now_ms,
		       "the topic has %d partitions and this is number %d: its partition count "
		       "is not known, or it was made anew",
		       (int)c->partitions, (int)s->partition);
	else if (s->meta.state == META_WHOLE && s->meta.partitions != c->partitions)
		REFUSE(s, now_ms,
		       "the topic has %d partitions, the shard was written with %" PRId64
		       ": a topic's partition count is fixed for life",
		       (int)c->partitions, s->meta.partitions);
	else
		return true;
	return false;
}

static bool positions_fit(struct shard *s, const struct cursor *c, int64_t now_ms)
{
	if (s->input_cursor > c->output_cursor)
		REFUSE(s, now_ms,
		       "R %" PRId64 " in Redis is above K %" PRId64
		       " in Kafka (the group was moved back?): run tallyctl repair",
		       s->input_cursor, c->output_cursor);
	else if (s->standing.position < c->log_start)
		REFUSE(s, now_ms,
		       "the log begins at %" PRId64 ", the shard has to read from %" PRId64
		       ": restore a newer Redis copy or a longer log",
		       c->log_start, s->standing.position);
	else if (c->output_cursor > c->log_end || s->standing.position > c->log_end)
		REFUSE(s, now_ms,
		       "the log ends at %" PRId64 ", below R %" PRId64 " or K %" PRId64
		       ": records are lost or the topic was made anew",
		       c->log_end, s->standing.position, c->output_cursor);
	else
		return true;
	return false;
}

static void start(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	if (s->standing.pin >= reference_store_next(s->setting->reference)) {
		shard_set_state(s, SHARD_REFERENCE, now_ms);
		u->asks |= ASK_REFERENCE;
		return;
	}
	s->failures = 0;
	s->words[0] = '\0';
	s->flush_due = s->input_cursor < 0;
	if (s->input_cursor < 0)
		cache_is_empty_in_store(&s->cache);
	s->flushed = s->standing;
	s->covered = s->standing.position;
	s->sums.told = s->output_cursor - (MUTANT(told_forgotten) ? 0 : s->metadata.untold);
	if (MUTANT(told_again))
		s->sums.told = s->standing.position;
	s->sums.told_ms = now_ms;
	s->output_number = MUTANT(number_from_start) ? 0 : s->metadata.output_number;
	s->flushed_ms = s->checked_ms = now_ms;
	shard_ask_due(s, now_ms, u);
	s->due_after = 0;
	shard_set_state(s, SHARD_RUNNING, now_ms);
	log_info("shard_running", LOG_STR("topic", s->setting->batches->topic),
	         LOG_INT("partition", s->partition), LOG_INT("offset", s->standing.position),
	         LOG_INT("output_cursor", s->output_cursor), LOG_INT("pin", s->standing.pin),
	         LOG_END);
	u->asks |= ASK_START;
}

static void cursor_read(struct shard *s, const struct happening *h, int64_t now_ms,
                        struct shard_update *u)
{
	const struct cursor *c = &h->cursor;
	if (!cursor_is_usable(s, c, now_ms))
		return;
	bool rebuild = s->meta.state != META_WHOLE;
	s->output_cursor = s->claimed_cursor = c->output_cursor;
	s->log_end = c->log_end;
	s->partitions = c->partitions;
	set_start(s, rebuild);
	if (!positions_fit(s, c, now_ms))
		return;
	if (!shard_begin_trial(s)) {
		REFUSE(s, now_ms,
		       "the record at %" PRId64 " kills its worker and %d others were skipped as "
		       "poison already: start a build that can fold it",
		       s->meta.tried.from, LIMIT_SKIPPED);
		return;
	}
	/* Nothing was ever committed, so nothing was ever flushed: there is nothing to remove. */
	s->fresh = s->meta.state == META_ABSENT && s->output_cursor == s->metadata.origin;
	/* Empty needs no wipe, and none that trusted this answer: an older copy may be back by now.
	 * The first flush compares. */
	if (rebuild && s->meta.state != META_EMPTY && !MUTANT(no_wipe)) {
		s->setting->stats->rebuilds += !s->fresh;
		await(s, SHARD_WIPE, ASK_WIPE, now_ms, u);
	} else {
		start(s, now_ms, u);
	}
}

void shard_claim_step(struct shard *s, const struct happening *h, int64_t now_ms,
                      struct shard_update *u)
{
	if (h->ticket != s->ticket && !MUTANT(late_answers))
		return;
	if (!rc_ok(h->rc)) {
		retry_later(s, shard_state_name(s->state), h, now_ms);
		return;
	}
	switch (s->state) {
	case SHARD_CLAIM: claimed(s, h, now_ms, u); break;
	case SHARD_FENCE:
		s->unfenced[0] = '\0';
		await(s, SHARD_CURSOR, ASK_CURSOR, now_ms, u);
		break;
	case SHARD_CURSOR: cursor_read(s, h, now_ms, u); break;
	case SHARD_WIPE: start(s, now_ms, u); break;
	case SHARD_WAITING:
	case SHARD_REFERENCE:
	case SHARD_RUNNING:
	case SHARD_PAUSED:
	case SHARD_STOPPING:
	case SHARD_REFUSED: break;
	}
}

void shard_claim_tick(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	if (s->state == SHARD_REFERENCE) {
		start(s, now_ms, u);
		return;
	}
	if (now_ms < s->retry_ms)
		return;
	if (s->state == SHARD_REFUSED)
		shard_set_state(s, SHARD_WAITING, now_ms);
	if (s->state != SHARD_WAITING || (s->carried && !MUTANT(no_own_wait)) ||
	    !s->setting->transactional_id[0])
		return;
	s->setting->stats->claims++;
	await(s, SHARD_CLAIM, ASK_CLAIM, now_ms, u);
}
