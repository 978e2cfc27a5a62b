/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/shard.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/limits.h"
#include "common/base/log.h"
#include "common/base/must.h"
#include "common/runtime/mutant.h"

#define BARE_BATCH_MS 200 /* how long a batch that only moves the position may wait */
#define KEPT_RETRY_MS 100
#define BLAMED_MOST 2    /* aborted transactions for one shard's sake, then it is left out ... */
#define LEFT_OUT_MS 5000 /* ... so long */
#define NOT_OURS "R in Redis is not ours"

const char *shard_state_name(enum shard_state state)
{
	static const char *const names[] = {
		[SHARD_WAITING] = "waiting",   [SHARD_CURSOR] = "cursor",
		[SHARD_CLAIM] = "claim",       [SHARD_FENCE] = "fence",
		[SHARD_WIPE] = "wipe",         [SHARD_REFERENCE] = "reference",
		[SHARD_RUNNING] = "running",   [SHARD_PAUSED] = "paused",
		[SHARD_STOPPING] = "stopping", [SHARD_REFUSED] = "refused",
	};
	return names[state];
}

void shard_init(struct shard *s, struct shard_setting *setting, int32_t partition)
{
	*s = (struct shard){ .setting = setting,
		             .partition = partition,
		             .input_cursor = R_EMPTY,
		             .awaited_pin = -1,
		             .log_end = -1 };
	cache_init(&s->cache, setting->options->cache_bytes);
	sums_init(&s->sums, setting->batches->target_count);
	timers_init(&s->timers);
	chunk_init(&s->chunk);
	s->settled_last = &s->settled;
	gathering_init(&s->gathering);
}

static void free_batches(struct batch *b)
{
	while (b) {
		struct batch *next = b->next;
		batch_free(b);
		b = next;
	}
}

void shard_release(struct shard *s)
{
	cache_release(&s->cache);
	sums_release(&s->sums);
	timers_release(&s->timers);
	chunk_release(&s->chunk);
	free_batches(s->settled);
	gathering_release(&s->gathering);
	batch_free(s->ready);
	batch_free(s->open);
	if (s->carried && !s->carried->carried)
		batch_free(s->carried);
}

void shard_set_state(struct shard *s, enum shard_state state, int64_t now_ms)
{
	if (s->state != state)
		s->since_ms = now_ms;
	s->state = state;
}

static void forget_batch(struct shard *s, struct batch *b)
{
	if (!b)
		return;
	s->setting->queued_records -= b->records;
	if (!b->carried) /* the publisher frees one that is under way */
		batch_free(b);
}

/* What is folded and in no transaction. */
static void forget_queue(struct shard *s)
{
	if (MUTANT(keep_queue))
		return;
	forget_batch(s, s->open);
	forget_batch(s, s->ready);
	s->open = s->ready = NULL;
	if (s->carried && !s->carried->carried) {
		forget_batch(s, s->carried);
		s->carried = NULL;
	}
}

/* Everything of the claim epoch goes; calls under way are left to their callers. */
void shard_drop(struct shard *s, struct shard_update *u)
{
	if (!MUTANT(keep_epoch))
		atomic_fetch_add(&s->epoch, 1);
	if (s->chunk.busy)
		u->asks |= ASK_GIVE_BACK;
	chunk_clear(&s->chunk);
	s->ticket = s->load_ticket = s->check_ticket = s->due_ticket = s->append_ticket = 0;
	s->awaited_pin = -1;
	s->unknown_logic = 0;
	s->appending = s->due_wanted = s->caught_up = s->flush_due = false;
	forget_queue(s);
	s->blamed = 0;
	s->left_out_ms = 0;
	shard_stop_trial(s);
	sums_clear(&s->sums);
	gathering_clear(&s->gathering);
	free_batches(s->settled);
	s->settled = NULL;
	s->settled_last = &s->settled;
	s->settled_pairs = 0;
	if (s->flushing)
		s->flushing->orphan = true;
	if (s->flushing && !s->flush_sent)
		flush_call_free(s->flushing);
	s->flushing = NULL;
	cache_clear(&s->cache);
	timers_clear(&s->timers);
}

static void let_go(struct shard *s, struct shard_update *u)
{
	bool claiming = s->unfenced[0] || s->state == SHARD_CURSOR || s->state == SHARD_WIPE ||
	                s->state == SHARD_REFERENCE || s->state == SHARD_REFUSED;
	if (claiming && !s->lost)
		u->asks |= ASK_UNCLAIM;
	if (s->trial.written) /* alive, so it was no death */
		u->asks |= ASK_UNTRY;
	s->trial.written = false;
	shard_drop(s, u);
	s->owned = s->lost = s->revoking = false;
	u->asks |= ASK_UNASSIGN;
}

void shard_restart(struct shard *s, const char *why, int64_t delay_ms, int64_t now_ms,
                   struct shard_update *u)
{
	log_info("shard_claiming", LOG_STR("topic", s->setting->batches->topic),
	         LOG_INT("partition", s->partition), LOG_TEXT("reason", why), LOG_END);
	if (s->revoking) { /* it is wanted back: not to be claimed again */
		let_go(s, u);
		return;
	}
	shard_drop(s, u);
	s->retry_ms = now_ms + delay_ms;
	shard_set_state(s, SHARD_WAITING, now_ms);
}

/* ---- publishing ------------------------------------------------------------ */

/* Few rows go out soon; many are worth waiting for more, unless memory is short. */
int64_t shard_tell_ms(const struct shard *s)
{
	const struct process_options *o = s->setting->options;
	bool few = s->sums.count < LIMIT_SUM_ROWS_FEW;
	if (s->sums.count == 0)
		return INT64_MAX;
	if (s->setting->draining || s->trial.danger.until || s->sums.count >= LIMIT_SUM_ROWS ||
	    *s->setting->batches->held_bytes >= LIMIT_UNFLUSHED_BYTES / 4)
		return 0;
	return s->sums.told_ms + (few ? o->tell_interval_ms : o->tell_interval_max_ms);
}

void shard_seal(struct shard *s, struct batch *b, int64_t now_ms)
{
	struct cursor_metadata k = s->metadata;
	char text[LIMIT_METADATA_BYTES];
	if (now_ms >= shard_tell_ms(s)) {
		batch_tell(b);
		s->sums.told_ms = now_ms;
	}
	if (s->sums.count == 0)
		s->sums.told = b->after.position;
	b->told = s->sums.told;
	k.untold = b->after.position - b->told;
	batch_seal(b);
	s->output_number = b->output_number; /* sealing numbers the blocks */
	k.output_number = b->output_number;
	k.logic = b->after.logic;
	if (MUTANT(skipped_forgotten))
		k.skipped_count = 0;
	b->metadata = arena_str(&b->memory, str_of(text, cursor_metadata_format(&k, text)));
}

bool shard_seal_open(struct shard *s, int64_t now_ms)
{
	struct batch *b = s->open;
	if (!b || b->after.position == b->from)
		return true;
	if (s->ready)
		return false;
	shard_seal(s, b, now_ms);
	s->open = NULL;
	s->ready = b;
	return true;
}

struct batch *shard_next_batch(struct shard *s, bool eager, int64_t now_ms)
{
	if (s->state != SHARD_RUNNING && s->state != SHARD_PAUSED)
		return NULL;
	if (s->carried)
		return s->carried->carried ? NULL : s->carried;
	if (s->ready) {
		s->carried = s->ready;
		s->ready = NULL;
		return s->carried;
	}
	/* Sums wait for a batch that goes anyway, but not for ever. */
	bool tells = s->state == SHARD_RUNNING && s->standing.position >= s->output_cursor &&
	             now_ms >= shard_tell_ms(s);
	struct batch *b = tells ? shard_open_batch(s, now_ms) : s->open;
	if (!b || b->suppressed || (b->after.position == b->from && !tells))
		return NULL;
	if (batch_is_bare(b) && !tells && !eager && now_ms - b->opened_ms < BARE_BATCH_MS)
		return NULL;
	shard_seal(s, b, now_ms);
	s->open = NULL;
	s->carried = b;
	return b;
}

static void gather_settled(struct shard *s)
{
	while (s->settled && s->settled->after.position <= s->covered &&
	       !gathering_is_full(&s->gathering)) {
		struct batch *b = s->settled;
		s->settled = b->next;
		if (!s->settled)
			s->settled_last = &s->settled;
		s->settled_pairs -= b->pairs;
		gathering_add(&s->gathering, b);
	}
}

void shard_settle(struct shard *s, struct batch *b)
{
	batch_drop_outputs(b);
	b->next = NULL;
	*s->settled_last = b;
	s->settled_last = &b->next;
	s->settled_pairs += b->pairs;
	if (b->told >= b->after.position || MUTANT(flush_untold))
		s->covered = b->after.position;
	for (unsigned i = 0; i < b->due_count; i++)
		timers_add(&s->timers, b->dues[i].member, b->dues[i].due_ms);
	gather_settled(s);
}

/* Unless something else holds it still. */
static void go_on(struct shard *s, int64_t now_ms)
{
	if (s->state != SHARD_PAUSED || s->left_out_ms || (s->flushing && !s->flush_sent))
		return;
	shard_set_state(s, SHARD_RUNNING, now_ms);
	s->words[0] = '\0';
}

void shard_blamed(struct shard *s, const char *words, int64_t now_ms)
{
	if (!s->carried || ++s->blamed < BLAMED_MOST ||
	    (s->state != SHARD_RUNNING && s->state != SHARD_PAUSED))
		return;
	s->left_out_ms = now_ms + LEFT_OUT_MS;
	snprintf(s->words, sizeof(s->words), "its outputs cannot be published: %s",
	         words ? words : "");
	log_error("shard_left_out", LOG_STR("topic", s->setting->batches->topic),
	          LOG_INT("partition", s->partition), LOG_TEXT("reason", s->words), LOG_END);
	shard_set_state(s, SHARD_PAUSED, now_ms);
}

void shard_published(struct shard *s, struct batch *b, enum publish_result result, int64_t now_ms,
                     struct shard_update *u)
{
	b->carried = false;
	bool current = b->epoch == atomic_load(&s->epoch) || MUTANT(resend_lost);
	if (s->carried == b && (!current || result == PUBLISH_COMMITTED))
		s->carried = NULL;
	if (!current) {
		s->setting->queued_records -= b->records;
		batch_free(b);
		return;
	}
	if (result == PUBLISH_ABORTED && s->state == SHARD_STOPPING) { /* the next owner folds it */
		forget_batch(s, b);
		s->carried = NULL;
	}
	if (result == PUBLISH_ABORTED)
		return;
	if (result == PUBLISH_UNKNOWN) {
		shard_restart(s, "the outcome of a transaction is not known", 0, now_ms, u);
		return;
	}
	s->blamed = 0;
	s->left_out_ms = 0;
	go_on(s, now_ms);
	s->setting->queued_records -= b->records;
	s->setting->stats->outputs += b->outgoing_count;
	s->output_cursor = b->after.position;
	s->metadata.output_number = b->output_number;
	s->metadata.logic = b->after.logic;
	s->metadata.untold = b->after.position - b->told;
	shard_settle(s, b);
}

/* ---- flushing --------------------------------------------------------------- */

static void fill_meta(const struct shard *s, struct flush_call *call)
{
	call->flush.partition = s->partition;
	call->flush.expect = s->input_cursor;
	call->flush.meta = (struct shard_meta){
		.state = META_WHOLE,
		.input_cursor = MUTANT(flush_beyond) ? s->standing.position : call->after.position,
		.logic_version = call->after.logic,
		.reference_pin = call->after.pin,
		.watermark_ms = call->after.watermark_ms,
		.broker_ms = call->after.broker_ms,
		.partitions = s->partitions,
		.rebuilding = call->after.position < s->claimed_cursor,
	};
}

static struct flush_call *build_flush(struct shard *s)
{
	struct flush_call *call = gathering_take(&s->gathering, &s->flushed);
	fill_meta(s, call);
	gather_settled(s);
	return call;
}

int64_t shard_flush_interval(const struct shard *s)
{
	const struct process_options *o = s->setting->options;
	return gathering_is_small(&s->gathering) ? o->flush_interval_ms : o->flush_interval_max_ms;
}

static bool flush_is_due(const struct shard *s, int64_t now_ms)
{
	if (s->state == SHARD_STOPPING)
		return !s->carried && !s->release_sent;
	if (!s->gathering.batches)
		return s->flush_due;
	return s->setting->draining || gathering_is_full(&s->gathering) ||
	       now_ms - s->flushed_ms >= shard_flush_interval(s);
}

struct flush_call *shard_next_flush(struct shard *s, int64_t now_ms)
{
	if (s->state != SHARD_RUNNING && s->state != SHARD_PAUSED && s->state != SHARD_STOPPING)
		return NULL;
	if (s->flushing) {
		if (s->flush_sent || now_ms < s->retry_ms)
			return NULL;
	} else {
		if (!flush_is_due(s, now_ms))
			return NULL;
		s->flushing = build_flush(s);
		s->flush_due = false;
	}
	if (s->state == SHARD_STOPPING && !s->gathering.batches && !s->carried)
		s->flushing->flush.release = s->release_sent = true;
	s->flushing->flush.ticket = ++s->setting->last_ticket;
	s->flushing->sent_ms = now_ms;
	s->flush_sent = true;
	return s->flushing;
}

void shard_flushed(struct shard *s, const struct happening *h, int64_t now_ms,
                   struct shard_update *u)
{
	struct flush_call *call = s->flushing;
	if (!call || call->flush.ticket != h->ticket)
		return;
	if (h->store == STORE_KEPT) {
		s->flush_sent = false;
		s->retry_ms = now_ms + KEPT_RETRY_MS;
		if (s->state == SHARD_RUNNING) {
			shard_set_state(s, SHARD_PAUSED, now_ms);
			snprintf(s->words, sizeof(s->words), "Redis does not take the flush: %s",
			         h->words ? h->words : "");
		}
		return;
	}
	bool released = call->flush.release;
	s->flushing = NULL;
	s->flush_sent = false;
	s->flushed_ms = s->checked_ms = now_ms;
	go_on(s, now_ms);
	if (h->store == STORE_OK || MUTANT(keep_after_refusal)) {
		s->input_cursor = call->after.position;
		if (MUTANT(clear_all))
			gathering_clear(&s->gathering);
		s->flushed = call->after;
		if (released)
			let_go(s, u);
	} else if (s->state == SHARD_STOPPING) {
		let_go(s, u);
	} else {
		s->setting->stats->flush_refusals++;
		shard_restart(s, h->store == STORE_REFUSED ? NOT_OURS : "a flush had no answer", 0,
		              now_ms, u);
	}
	flush_call_free(call);
}

/* ---- what happens ------------------------------------------------------------ */

static void stop(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	if (s->revoking)
		return;
	s->revoking = true;
	s->left = s->state == SHARD_CLAIM ? s->ticket : 0;
	s->ticket = s->load_ticket = s->check_ticket = s->trial.ticket = 0;
	if (s->state != SHARD_RUNNING && s->state != SHARD_PAUSED) {
		if (s->carried && s->carried->carried)
			shard_set_state(s, SHARD_STOPPING, now_ms);
		else
			let_go(s, u);
		s->release_sent = true; /* nothing of ours to release */
		s->stopping_ms = now_ms;
		return;
	}
	if (s->chunk.busy)
		u->asks |= ASK_GIVE_BACK;
	chunk_clear(&s->chunk);
	forget_queue(s);
	s->release_sent = false;
	s->stopping_ms = now_ms;
	shard_set_state(s, SHARD_STOPPING, now_ms);
}

static void loaded(struct shard *s, const struct happening *h, int64_t now_ms,
                   struct shard_update *u)
{
	if (h->ticket != s->load_ticket || !s->load_ticket)
		return;
	s->load_ticket = 0;
	struct chunk *c = &s->chunk;
	if (h->load.result == STORE_REFUSED &&
	    ((s->flushing && s->flush_sent) || s->input_cursor != s->load_cursor)) {
		shard_ask_load(s, now_ms, u); /* our own flush overtook it */
		return;
	}
	if (h->load.result == STORE_REFUSED) {
		shard_restart(s, NOT_OURS, 0, now_ms, u);
		return;
	}
	if (h->load.result != STORE_OK) {
		shard_restart(s, "a load had no answer", KEPT_RETRY_MS, now_ms, u);
		return;
	}
	for (unsigned i = 0; i < c->missing_count; i++) {
		if (cell_load(c->missing[i], &h->load.values[i], &c->memory)) {
			cache_count(&s->cache, c->missing[i]);
			continue;
		}
		log_error("entity_unreadable", LOG_STR("topic", s->setting->batches->topic),
		          LOG_INT("partition", s->partition),
		          LOG_TEXT("entity", c->missing[i]->entity->name), LOG_END);
		snprintf(s->words, sizeof(s->words),
		         "an entity in Redis is not what this build writes: "
		         "remove the shard's meta key to have it rebuilt");
		shard_drop(s, u);
		shard_refuse(s, now_ms);
		return;
	}
	c->missing_count = 0;
	shard_fold(s, now_ms, u);
}

static void checked(struct shard *s, const struct happening *h, int64_t now_ms,
                    struct shard_update *u)
{
	if (h->ticket != s->check_ticket || !s->check_ticket)
		return;
	s->check_ticket = 0;
	s->checked_ms = now_ms;
	if (!rc_ok(h->rc) || s->flushing || s->input_cursor != s->check_cursor)
		return;
	if (MUTANT(keep_after_refusal))
		s->input_cursor = h->meta.input_cursor;
	if (h->meta.state != META_WHOLE || h->meta.input_cursor != s->input_cursor)
		shard_restart(s, NOT_OURS, 0, now_ms, u);
}

void shard_ask_due(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	s->due_wanted = false;
	s->due_asked_ms = now_ms;
	s->due_cursor = s->input_cursor;
	s->due_ticket = ++s->setting->last_ticket;
	u->asks |= ASK_DUE;
}

static void due_read(struct shard *s, const struct happening *h, int64_t now_ms,
                     struct shard_update *u)
{
	if (h->ticket != s->due_ticket || !s->due_ticket)
		return;
	s->due_ticket = 0;
	bool moves = (s->flushing && s->flush_sent) || s->input_cursor != s->due_cursor;
	bool ours = h->due.cursor == s->input_cursor;
	if (rc_ok(h->rc) && !ours && !moves) {
		shard_restart(s, NOT_OURS, 0, now_ms, u);
		return;
	}
	s->due_wanted = !rc_ok(h->rc) || !ours; /* our own flush overtook it */
	if (s->due_wanted)
		return;
	for (unsigned i = 0; i < h->due.count; i++)
		timers_add(&s->timers, h->due.entries[i].member, h->due.entries[i].due_ms);
	if (h->due.count < TIMERS_READ) /* that was all */
		return;
	int64_t last_ms = h->due.entries[h->due.count - 1].due_ms;
	if (last_ms < s->timers.horizon_ms)
		s->timers.horizon_ms = last_ms;
}

static void trouble(struct shard *s, const struct happening *h, int64_t now_ms,
                    struct shard_update *u)
{
	if (s->state != SHARD_RUNNING && s->state != SHARD_PAUSED)
		return;
	shard_drop(s, u);
	snprintf(s->words, sizeof(s->words), "the log cannot be read: %s",
	         h->words ? h->words : "");
	shard_refuse(s, now_ms);
}

static void assigned(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	s->owned = true;
	s->lost = s->revoking = false;
	s->failures = 0;
	s->unfenced[0] = '\0';
	s->trial.danger = (struct offsets){ 0 };
	shard_restart(s, "assigned", 0, now_ms, u);
}

/* A claim under way when the shard was let go: the one before is to be found there again. */
static void left_claim(struct shard *s, const struct happening *h, struct shard_update *u)
{
	if (h->kind != HAPPENED_CLAIMED || !s->left || h->ticket != s->left)
		return;
	s->left = 0;
	if (!rc_ok(h->rc) || strcmp(h->meta.claimer, s->setting->transactional_id) == 0)
		return;
	snprintf(s->unfenced, sizeof(s->unfenced), "%s", h->meta.released ? "" : h->meta.claimer);
	u->asks |= ASK_UNCLAIM;
}

void shard_happened(struct shard *s, const struct happening *h, int64_t now_ms,
                    struct shard_update *u)
{
	if (h->kind == HAPPENED_ASSIGNED) {
		assigned(s, now_ms, u);
		return;
	}
	if (!s->owned) {
		left_claim(s, h, u);
		return;
	}
	switch (h->kind) {
	case HAPPENED_REVOKED: stop(s, now_ms, u); break;
	case HAPPENED_LOST:
		s->lost = true;
		let_go(s, u);
		break;
	case HAPPENED_CLAIMED:
	case HAPPENED_FENCED:
	case HAPPENED_CURSOR:
	case HAPPENED_WIPED: shard_claim_step(s, h, now_ms, u); break;
	case HAPPENED_LOADED: loaded(s, h, now_ms, u); break;
	case HAPPENED_FLUSHED: shard_flushed(s, h, now_ms, u); break;
	case HAPPENED_CHECKED: checked(s, h, now_ms, u); break;
	case HAPPENED_TRIED: shard_tried(s, h, now_ms, u); break;
	case HAPPENED_DUE: due_read(s, h, now_ms, u); break;
	case HAPPENED_APPENDED:
		if (h->ticket != s->append_ticket)
			break;
		s->appending = false;
		if (!rc_ok(h->rc))
			s->append_ms = now_ms + TIMER_RETRY_MS;
		break;
	case HAPPENED_TROUBLE: trouble(s, h, now_ms, u); break;
	case HAPPENED_ASSIGNED:
	case HAPPENED_PUBLISHED:
	case HAPPENED_REOPENED:
	case HAPPENED_REFERENCE: break;
	}
}

/* ---- time ---------------------------------------------------------------------- */

/* The due one goes into the log. When all that are here went and time has passed the horizon, the
 * index is read again, once Redis has what was left out here. */
static void tick_timers(struct shard *s, int64_t now_ms, int64_t wall_ms, struct shard_update *u)
{
	const struct timer *first = timers_first(&s->timers);
	bool due = first && first->due_ms <= wall_ms;
	if (due && s->caught_up && !s->appending && !s->setting->draining &&
	    now_ms >= s->append_ms && s->standing.position >= s->output_cursor) {
		s->appending = true;
		s->append_ticket = ++s->setting->last_ticket;
		u->asks |= ASK_APPEND;
	}
	if (!due && s->timers.horizon_ms < wall_ms) {
		s->timers.horizon_ms = INT64_MAX;
		s->due_wanted = true;
		s->due_after = s->standing.position;
	}
	if (s->due_wanted && !s->due_ticket && s->input_cursor >= s->due_after &&
	    now_ms - s->due_asked_ms >= s->setting->options->idle_check_ms)
		shard_ask_due(s, now_ms, u);
}

static void refuse_logic(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	snprintf(s->words, sizeof(s->words),
	         "logic version %lld is ordered at %lld and this build knows %u: start a newer "
	         "build",
	         (long long)s->unknown_logic, (long long)s->standing.position,
	         s->setting->worker->logic_version);
	shard_drop(s, u);
	shard_refuse(s, now_ms);
}

static void tick_running(struct shard *s, int64_t now_ms, int64_t wall_ms, struct shard_update *u)
{
	if (s->unknown_logic && s->standing.position == s->input_cursor) {
		refuse_logic(s, now_ms, u);
		return;
	}
	if (s->awaited_pin >= 0 || (s->chunk.busy && !s->load_ticket))
		shard_fold(s, now_ms, u);
	tick_timers(s, now_ms, wall_ms, u);
	if (s->state == SHARD_RUNNING)
		shard_tick_trial(s, now_ms, u);
	bool idle =
		!s->flushing && !s->check_ticket && s->input_cursor >= 0 && !MUTANT(no_idle_check);
	if (idle && now_ms - s->checked_ms >= s->setting->options->idle_check_ms) {
		s->check_ticket = ++s->setting->last_ticket;
		s->check_cursor = s->input_cursor;
		u->asks |= ASK_CHECK;
	}
}

static void tick_stopping(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	bool waits = s->carried || s->flushing || !s->release_sent;
	if (!waits || now_ms - s->stopping_ms > s->setting->options->revoke_flush_ms)
		let_go(s, u);
}

void shard_tick(struct shard *s, int64_t now_ms, int64_t wall_ms, struct shard_update *u)
{
	if (!s->owned)
		return;
	if (s->state == SHARD_RUNNING || s->state == SHARD_PAUSED)
		tick_running(s, now_ms, wall_ms, u);
	else if (s->state == SHARD_STOPPING)
		tick_stopping(s, now_ms, u);
	else
		shard_claim_tick(s, now_ms, u);
}

bool shard_is_quiet(const struct shard *s)
{
	if (!s->owned)
		return true;
	if (s->chunk.busy || s->carried || s->ready || s->open || s->gathering.batches ||
	    s->flushing || s->flush_due)
		return false;
	/* Below K nothing can be told: the next owner folds it again. */
	return s->standing.position < s->output_cursor || (!s->settled && s->sums.count == 0);
}

void shard_status_of(const struct shard *s, struct shard_status *out)
{
	*out = (struct shard_status){
		.partition = s->partition,
		.state = s->state,
		.words = s->words,
		.position = s->standing.position,
		.input_cursor = s->input_cursor,
		.output_cursor = s->output_cursor,
		.log_end = s->log_end,
		.watermark_ms = s->standing.watermark_ms,
		.broker_ms = s->standing.broker_ms,
		.reference_pin = s->standing.pin,
		.since_ms = s->since_ms,
		.logic_version = s->standing.logic,
		.output_number = s->metadata.output_number,
		.dirty = s->settled_pairs + s->gathering.pairs,
		.rebuilding = s->standing.position < s->output_cursor,
		.left_out = s->left_out_ms != 0,
		.failures = s->failures,
	};
}
