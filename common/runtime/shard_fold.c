/* SPDX-License-Identifier: Apache-2.0 */
/*
 * B1 to B3 of a shard: from taken records to a batch.
 *
 * A chunk is decoded, its cold entities are loaded, its items are folded one by
 * one into the open batch. The fold stops only between records: for a load, or
 * before a marker whose reference data is not read yet, and goes on from there.
 */
#include "common/base/failpoint.h"
#include "common/base/limits.h"
#include "common/base/log.h"
#include "common/base/must.h"
#include "common/runtime/mutant.h"
#include "common/runtime/shard.h"
#include "events.h"

#define SETTLED_PAIRS_MOST (4 * LIMIT_FLUSH_PAIRS) /* unflushed: no more is taken */
#define FORGED_PIN_MS 30000 /* a marker of a pin that nobody wrote is passed over after this */

/* ---- what a fold is given ----------------------------------------------------- */

void *view_at(struct view *v, unsigned n)
{
	must(n < v->count);
	return v->cells[n]->record;
}

/* Figures that are all 0 leave nothing in Redis, so they do not exist in memory either. */
bool view_exists(const struct view *v, unsigned n)
{
	must(n < v->count);
	const struct cell *cell = v->cells[n];
	const struct record_type *type = cell->entity->type;
	if (cell->entity->form == ENTITY_DOCUMENT)
		return cell->exists;
	for (unsigned f = 0; f < type->field_count; f++) {
		if (*(const int64_t *)(const void *)((const char *)cell->record +
		                                     type->fields[f].offset))
			return true;
	}
	return false;
}

struct str view_keep(struct view *v, unsigned n, struct str text)
{
	must(n < v->count);
	return arena_str(&v->cells[n]->memory, text);
}

void *view_push(struct view *v, unsigned n, struct list *list, size_t item_size)
{
	must(n < v->count);
	if (list->count == list->room) {
		uint32_t room = list->room ? list->room * 2 : 2;
		void *items = arena_alloc(&v->cells[n]->memory, room * item_size);
		if (list->count)
			memcpy(items, list->items, list->count * item_size);
		list->items = items;
		list->room = room;
	}
	void *item = (char *)list->items + list->count++ * item_size;
	memset(item, 0, item_size);
	return item;
}

/* ---- the open batch ------------------------------------------------------------- */

struct batch *shard_open_batch(struct shard *s, int64_t now_ms)
{
	if (!s->open) {
		s->open = batch_new(
			s->setting->batches, s->partition, atomic_load(&s->epoch), &s->standing,
			s->output_number,
			s->standing.position < s->output_cursor && !MUTANT(no_suppression), now_ms);
		s->open->sums = &s->sums;
	}
	return s->open;
}

static bool batch_is_full(const struct shard *s, const struct batch *b)
{
	return b->records >= s->setting->options->batch_records ||
	       b->pairs + b->weight >= LIMIT_BATCH_PAIRS ||
	       b->memory.total + b->outputs.total >= s->setting->options->batch_bytes;
}

/* Brings the batch up to where the fold stands; below K it is settled at once. */
static void close_step(struct shard *s, int64_t now_ms)
{
	struct batch *b = s->open;
	if (!b)
		return;
	b->after = s->standing;
	s->output_number = b->output_number;
	if (b->suppressed) {
		s->open = NULL;
		batch_seal(b);
		if (s->sums.count == 0 && s->sums.told < b->after.position)
			s->sums.told = b->after.position;
		b->told = s->sums.told;
		shard_settle(s, b);
	} else if (batch_is_full(s, b)) {
		shard_seal_open(s, now_ms);
	}
}

/* ---- items ------------------------------------------------------------------------ */

static void count_item(struct shard *s, struct batch *b, const struct message *m)
{
	b->records++;
	if (!b->suppressed)
		s->setting->queued_records++;
	if (s->standing.position > m->offset) /* a further entry of a block */
		return;
	s->standing.position = m->offset + 1;
	s->standing.broker_ms = m->broker_ms;
	s->setting->stats->records++;
}

/* Never what a record says, but for the trace that it belongs to. */
static void log_refusal(const struct shard *s, const struct item *item, enum reason reason)
{
	struct str trace = item->event.traceparent;

	if (!trace_is_valid(trace))
		trace = message_trace(item->message);
	log_info("record_refused", LOG_STR("topic", s->setting->batches->topic),
	         LOG_INT("partition", s->partition), LOG_INT("offset", item->message->offset),
	         LOG_TEXT("reason", reason_code(reason)),
	         trace.ptr ? LOG_STR("traceparent", trace) : LOG_END, LOG_END);
}

static void refuse_item(struct shard *s, struct batch *b, const struct item *item,
                        enum reason reason, const char *path)
{
	s->setting->stats->rejected[reason]++;
	if (!b->suppressed)
		log_refusal(s, item, reason);
	batch_refuse(b, &(struct refused){ .message = item->message,
	                                   .value = chunk_item_value(&s->chunk, item),
	                                   .offset = item->message->offset,
	                                   .reason = reason,
	                                   .path = path });
}

static void mark_changed(struct shard *s, struct batch *b, const struct item *item)
{
	for (unsigned i = 0; i < item->cell_count; i++) {
		struct cell *cell = s->chunk.cells[item->first_cell + i];
		cell->changed_at = item->message->offset + 1;
		cache_count(&s->cache, cell);
		batch_changed(b, cell);
	}
}

static void finish_verdict(struct shard *s, struct batch *b, struct item *item,
                           struct verdict verdict)
{
	struct process_stats *stats = s->setting->stats;
	switch (verdict.kind) {
	case VERDICT_APPLY:
		stats->applied++;
		mark_changed(s, b, item);
		if (item->event.has_time && item->event.time_ms > s->standing.watermark_ms)
			s->standing.watermark_ms = item->event.time_ms;
		break;
	case VERDICT_SKIP: stats->skipped++; break;
	case VERDICT_REJECT: refuse_item(s, b, item, verdict.reason, verdict.note); break;
	}
}

static void fold_event(struct shard *s, struct batch *b, struct item *item, fold_fn *fold)
{
	struct view view = { item->cell_count ? s->chunk.cells + item->first_cell : NULL,
		             item->cell_count };
	struct effects effects = { b, &item->event };
	struct reference reference = { s->setting->reference, s->standing.pin, s->standing.logic };
	b->source_place = str_of(NULL, 0);
	s->setting->stats->events++;
	FAIL_POINT_AT("fold", s->partition, item->message->offset);
	finish_verdict(s, b, item, fold(&item->event, &view, &reference, &effects));
}

/* An instant later than the record's broker timestamp, or one the entity does not expect, is not
 * ours (a repeated, stale or forged one). */
static void fold_timer(struct shard *s, struct batch *b, struct item *item, int64_t now_ms)
{
	const struct tallyworks_timer_due *due = item->event.data;
	struct cell *cell = s->chunk.cells[item->first_cell];
	s->setting->stats->timers++;
	if (due->due_ms == 0 || !s->setting->worker->on_timer)
		return;
	if (cell->entity->due_ms(cell->record) != due->due_ms && !MUTANT(timer_unchecked))
		return;
	if (due->due_ms <= item->event.broker_ms) {
		cell->due_ms =
			-1; /* it rang: the same instant again, in one batch, is a new entry */
		fold_event(s, b, item, s->setting->worker->on_timer);
	} else if (!b->suppressed) { /* the broker's clock is behind ours: again, later */
		struct str member[] = { due->kind, STR("/"), due->id };
		timers_add(&s->timers, arena_join(&s->chunk.memory, member, 3), due->due_ms);
		s->append_ms = now_ms + TIMER_RETRY_MS;
	}
}

/* False: the reference data up to the pin is not read yet. */
static bool fold_reference(struct shard *s, const struct item *item, int64_t now_ms)
{
	const struct tallyworks_reference_advanced *marker = item->event.data;
	if (marker->pin <= s->standing.pin)
		return true;
	if (marker->pin >= reference_store_next(s->setting->reference)) {
		if (s->awaited_pin != marker->pin)
			s->awaited_since_ms = now_ms;
		s->awaited_pin = marker->pin;
		/* The end record was committed with the marker: a read begun now finds it. */
		if (s->setting->reference_end_ms - s->awaited_since_ms < FORGED_PIN_MS)
			return false;
	}
	s->awaited_pin = -1;
	if (reference_store_is_end(s->setting->reference, marker->pin))
		s->standing.pin = marker->pin;
	else
		log_warn("marker_ignored", LOG_STR("topic", s->setting->batches->topic),
		         LOG_INT("partition", s->partition),
		         LOG_INT("offset", item->message->offset), LOG_INT("pin", marker->pin),
		         LOG_END);
	return true;
}

/* False: this build does not know the version. The shard stands before the order until all that
 * lies before it is flushed, and is refused then (shard.c). */
static bool fold_logic(struct shard *s, const struct item *item)
{
	const struct tallyworks_logic_advanced *order = item->event.data;
	if (!str_eq_c(order->worker, s->setting->worker->name) ||
	    order->version <= s->standing.logic)
		return true;
	s->unknown_logic = order->version > s->setting->worker->logic_version ? order->version : 0;
	if (!s->unknown_logic)
		s->standing.logic = (uint32_t)order->version;
	return !s->unknown_logic;
}

#define FETCH_AHEAD 4 /* items */

/* Asks for the entities of an item that is folded a little later. */
static void fetch_entities(const struct chunk *c, unsigned n)
{
	if (n >= c->item_count)
		return;
	for (unsigned i = 0; i < c->items[n].cell_count; i++) {
		const char *cell = (const char *)c->cells[c->items[n].first_cell + i];
		for (size_t at = 0; at < sizeof(struct cell) + 128; at += 64)
			__builtin_prefetch(cell + at); /* the record lies behind it */
	}
}

static bool fold_item(struct shard *s, struct item *item, int64_t now_ms)
{
	if (item->kind == ITEM_REFERENCE && !fold_reference(s, item, now_ms))
		return false;
	if (item->kind == ITEM_LOGIC && !fold_logic(s, item))
		return false;
	struct batch *b = shard_open_batch(s, now_ms);
	must_set_position(s->setting->batches->topic.ptr, s->partition, item->message->offset);
	count_item(s, b, item->message);
	switch (item->kind) {
	case ITEM_EVENT: fold_event(s, b, item, item->input->fold); break;
	case ITEM_BAD: refuse_item(s, b, item, item->fault.reason, item->fault.path); break;
	case ITEM_TIMER: fold_timer(s, b, item, now_ms); break;
	case ITEM_LOGIC:
	case ITEM_REFERENCE:
	case ITEM_IGNORED: break;
	}
	return true;
}

/* ---- chunks -------------------------------------------------------------------------- */

void shard_ask_load(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	s->load_ticket = ++s->setting->last_ticket;
	s->load_sent_ms = now_ms;
	s->load_cursor = s->input_cursor;
	u->asks |= ASK_LOAD;
}

static void finish_chunk(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	struct chunk *c = &s->chunk;
	int64_t next = c->taken.next_offset;
	bool replaying = s->open ? s->open->suppressed : s->standing.position < s->output_cursor;
	if (replaying && next > s->output_cursor && !MUTANT(gap_across_cursor))
		next = s->output_cursor; /* what lies behind a gap at K belongs to the next batch */
	if (next > s->standing.position) {
		shard_open_batch(s, now_ms);
		s->standing.position = next;
	}
	if (next > s->log_end)
		s->log_end = next;
	if (c->taken.count || c->taken.at_end) /* an empty take says nothing */
		s->caught_up = c->taken.at_end;
	close_step(s, now_ms);
	chunk_clear(c);
	u->asks |= ASK_GIVE_BACK;
	unsigned owned = s->setting->owned ? s->setting->owned : 1;
	s->cache.limit = s->setting->options->cache_bytes / owned;
	cache_evict(&s->cache, MUTANT(evict_unflushed) ? INT64_MAX : s->input_cursor);
}

/* Goes on with the chunk as far as it can. */
void shard_fold(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	struct chunk *c = &s->chunk;
	if (!c->busy || s->load_ticket)
		return;
	struct intake_setting intake = { s->setting->worker,  s->setting->batches->topic,
		                         s->partition,        s->partitions,
		                         s->metadata.skipped, s->metadata.skipped_count };
	for (;;) {
		for (; c->folded < c->item_count; c->folded++) {
			fetch_entities(c, c->folded + FETCH_AHEAD);
			if (fold_item(s, &c->items[c->folded], now_ms))
				continue;
			close_step(s, now_ms);
			if (!s->unknown_logic)
				u->asks |= ASK_REFERENCE;
			return;
		}
		if (c->decoded == c->taken.count)
			break;
		struct reference reference = { s->setting->reference, s->standing.pin,
			                       s->standing.logic };
		chunk_decode(c, &intake, &s->cache, &reference);
		if (c->missing_count) {
			close_step(s, now_ms);
			shard_ask_load(s, now_ms, u);
			return;
		}
	}
	FAIL_POINT("B3");
	finish_chunk(s, now_ms, u);
}

/* What a replay has not told is told, and then flushed, behind K only: it must get there. */
bool shard_is_untold(const struct shard *s)
{
	return s->standing.position < s->output_cursor && s->settled &&
	       s->settled->after.position > s->covered;
}

bool shard_wants_records(const struct shard *s, int64_t *until)
{
	*until = s->standing.position < s->output_cursor && !MUTANT(no_cut) ? s->output_cursor
	                                                                    : INT64_MAX;
	if (s->standing.position >= s->output_cursor && !shard_trial_allows(s, until))
		return false;
	bool full = s->settled_pairs >= SETTLED_PAIRS_MOST && !shard_is_untold(s);
	/* In a rebuild R is written first: a load that is compared with no R proves nothing. */
	return s->owned && s->state == SHARD_RUNNING && s->input_cursor >= 0 && !s->chunk.busy &&
	       !s->ready && !full;
}

void shard_taken(struct shard *s, int64_t now_ms, struct shard_update *u)
{
	s->chunk.busy = true;
	shard_fold(s, now_ms, u);
}
