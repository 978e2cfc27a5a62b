/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/process.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/limits.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/must.h"
#include "common/runtime/publisher.h"
#include "common/runtime/shard.h"
#include "events.h"

#define HAPPENINGS_A_TURN 512
#define CHUNK_RECORDS 512
#define CHUNK_BYTES (256 * 1024)
#define CHUNK_BYTES_INTERNAL (128 * 1024) /* a block's entries cost more than their bytes */
#define TAKES_A_TURN 8
#define REOPEN_RETRY_MS 500
#define TROUBLE_BYTES 240
#define REFERENCE_POLL_MS 50
#define REFERENCE_AGAIN_MS 500  /* after a failure */
#define REFERENCE_SAID_TIMES 20 /* as often it is said again */
#define IDLE_TURN_MS 200
#define TARGETS_RETRY_MS 100
#define SLOW_TRANSACTION_MS 1000 /* from here on a transaction is not to grow further */
#define BUSY_RECORDS_A_MS 12     /* transactions wait for more above this rate */

const int64_t duration_bounds_ms[DURATION_BUCKETS - 1] = { 1,   2,   5,   10,  20,   30,   50,   75,
	                                                   100, 150, 250, 500, 1000, 2500, 10000 };

/* A load's keys, kept until its answer came. */
struct load_call {
	struct load_call *next;
	struct load load;
	int64_t sent_ms;
	struct arena memory;
};

struct append_call {
	struct append_call *next;
	uint64_t ticket;
	struct timer timer; /* its text is in memory */
	struct arena memory;
};

struct process {
	const struct worker *worker;
	struct ports ports;
	struct process_options options;
	struct process_stats stats;
	struct arena memory; /* what lives as long as the process */
	struct target *targets;
	struct batch_setting batch_setting;
	struct shard_setting shard_setting;
	struct shard **shards; /* by partition; NULL: never seen */
	struct shard_update *updates;
	unsigned shard_count, shard_room;
	unsigned next_take; /* where the next round of takes begins */
	size_t held_bytes;  /* of batches */
	struct publisher publisher;
	struct reference_store *reference;
	bool reading_reference, targets_known, draining;
	bool more;                /* the last turn took records: there may be more to take */
	bool busy;                /* the last transaction carried what came at a high rate */
	unsigned pace;            /* folded records that may wait for a transaction */
	unsigned carried_records; /* of the transaction under way */
	int64_t reference_ms;
	unsigned reference_failures; /* in a row; the last one's words: */
	char reference_words[TROUBLE_BYTES];
	char group_words[TROUBLE_BYTES]; /* what it refused us last */
	struct flush_call *flushes;
	struct load_call *loads;
	struct append_call *appends;
};

void process_options_default(struct process_options *o)
{
	*o = (struct process_options){
		.flush_interval_ms = 100,
		.tell_interval_ms = 100,
		.tell_interval_max_ms = 1000,
		.flush_interval_max_ms = 1000,
		.txn_interval_min_ms = 20,
		.txn_interval_max_ms = 400,
		.idle_check_ms = 1000,
		.revoke_flush_ms = 2000,
		.batch_records = LIMIT_BATCH_RECORDS,
		.batch_bytes = LIMIT_BATCH_BYTES,
		.queue_records = LIMIT_QUEUE_RECORDS,
		.cache_bytes = LIMIT_CACHE_BYTES,
		.topic_prefix = STR(""),
		.group_prefix = STR(""),
	};
}

/* ---- making and unmaking ----------------------------------------------------------- */

static struct str prefixed(struct process *p, const char *topic)
{
	return arena_printf(&p->memory, "%.*s%s", STR_ARG(p->options.topic_prefix), topic);
}

static void make_settings(struct process *p)
{
	const struct worker *w = p->worker;
	unsigned n = 0;
	while (w->outputs[n])
		n++;
	p->targets = arena_zalloc(&p->memory, (n + 1) * sizeof(*p->targets));
	for (unsigned t = 0; t < n; t++) {
		p->targets[t].output = w->outputs[t];
		p->targets[t].topic = prefixed(p, w->outputs[t]->topic);
	}
	p->batch_setting = (struct batch_setting){
		.worker = w,
		.topic = prefixed(p, w->topic),
		.dead_letter = arena_printf(&p->memory, "%.*s%s.dlq",
		                            STR_ARG(p->options.topic_prefix), w->topic),
		.group = arena_printf(&p->memory, "%.*stallyworks-%s",
		                      STR_ARG(p->options.group_prefix), w->name),
		.source = arena_printf(&p->memory, "/tallyworks/%s", w->name),
		.targets = p->targets,
		.target_count = n,
		.held_bytes = &p->held_bytes,
	};
	p->shard_setting = (struct shard_setting){
		.worker = w,
		.options = &p->options,
		.batches = &p->batch_setting,
		.reference = p->reference,
		.reference_end_ms = INT64_MIN / 2,
		.stats = &p->stats,
	};
}

struct process *process_new(const struct worker *worker, const struct ports *ports,
                            const struct process_options *options)
{
	struct process *p = memory_new(sizeof(*p));
	p->worker = worker;
	p->ports = *ports;
	p->options = *options;
	p->pace = options->queue_records;
	arena_init(&p->memory, 4096);
	p->reference = reference_store_new();
	p->reference_ms = INT64_MIN / 2;
	publisher_init(&p->publisher);
	make_settings(p);
	return p;
}

static void free_calls(struct process *p)
{
	while (p->flushes) {
		struct flush_call *call = p->flushes;
		p->flushes = call->next;
		flush_call_free(call);
	}
	while (p->loads) {
		struct load_call *call = p->loads;
		p->loads = call->next;
		arena_release(&call->memory);
		free(call);
	}
	while (p->appends) {
		struct append_call *call = p->appends;
		p->appends = call->next;
		arena_release(&call->memory);
		free(call);
	}
}

void process_free(struct process *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->shard_count; i++) {
		struct shard *s = p->shards[i];
		if (!s)
			continue;
		if (s->flushing && !s->flush_sent)
			flush_call_free(s->flushing);
		if (s->chunk.busy)
			p->ports.broker.give_back(p->ports.broker.self, &s->chunk.taken);
		shard_release(s);
		free(s);
	}
	publisher_release(&p->publisher);
	free_calls(p);
	free(p->shards);
	free(p->updates);
	reference_store_free(p->reference);
	arena_release(&p->memory);
	free(p);
}

static struct shard *shard_at(struct process *p, int32_t partition)
{
	unsigned n = (unsigned)partition;
	must(partition >= 0 && partition < 100000);
	if (n >= p->shard_room) {
		unsigned room = n + 16;
		p->shards = memory_resize(p->shards, room, sizeof(struct shard *));
		p->updates = memory_resize(p->updates, room, sizeof(*p->updates));
		memset(p->shards + p->shard_room, 0,
		       (room - p->shard_room) * sizeof(struct shard *));
		memset(p->updates, 0, room * sizeof(*p->updates));
		p->shard_room = room;
	}
	if (n >= p->shard_count)
		p->shard_count = n + 1;
	if (!p->shards[n]) {
		p->shards[n] = memory_new(sizeof(struct shard));
		shard_init(p->shards[n], &p->shard_setting, partition);
	}
	return p->shards[n];
}

static void add_duration(struct durations *d, int64_t ms)
{
	unsigned b = 0;
	while (b < DURATION_BUCKETS - 1 && ms > duration_bounds_ms[b])
		b++;
	d->buckets[b]++;
	d->count++;
	d->sum_ms += (uint64_t)(ms > 0 ? ms : 0);
}

/* ---- carrying out what shards ask for ------------------------------------------------ */

static int64_t reference_next_ms(const struct process *p)
{
	return p->reference_ms + (p->reference_failures ? REFERENCE_AGAIN_MS : REFERENCE_POLL_MS);
}

static void read_reference(struct process *p, int64_t now_ms)
{
	if (p->reading_reference || now_ms < reference_next_ms(p))
		return;
	p->reading_reference = true;
	p->reference_ms = now_ms;
	p->ports.broker.read_reference(p->ports.broker.self, reference_store_next(p->reference),
	                               ++p->shard_setting.last_ticket);
}

static void send_load(struct process *p, struct shard *s)
{
	struct load_call *call = memory_new(sizeof(*call));
	arena_init(&call->memory, 4096);
	const struct chunk *c = &s->chunk;
	int64_t next = s->flushing && s->flush_sent ? s->flushing->after.position : s->input_cursor;
	call->load = (struct load){
		.ticket = s->load_ticket,
		.partition = s->partition,
		.expect = { s->input_cursor, next },
		.count = c->missing_count,
	};
	call->load.keys = arena_alloc(&call->memory, c->missing_count * sizeof(*call->load.keys));
	for (unsigned i = 0; i < c->missing_count; i++) {
		const struct cell *cell = c->missing[i];
		call->load.keys[i].hash = cell->entity->form == ENTITY_FIGURES;
		call->load.keys[i].key = arena_join(
			&call->memory, (struct str[]){ cell->entity->prefix, cell->id }, 2);
	}
	call->sent_ms = s->load_sent_ms;
	call->next = p->loads;
	p->loads = call;
	p->stats.loads++;
	p->stats.loaded_keys += c->missing_count;
	p->ports.store.load(p->ports.store.self, &call->load);
}

/* The owner writes a due instant into its own log, for the fold to see in order. */
static void send_append(struct process *p, struct shard *s)
{
	const struct timer *timer = timers_first(&s->timers);
	struct append_call *call = memory_new(sizeof(*call));
	must(timer);
	arena_init(&call->memory, 1024);
	struct arena *a = &call->memory;
	struct str id = timer->member;
	struct tallyworks_timer_due due = { .kind = str_split(&id, '/'), .due_ms = timer->due_ms };
	due.id = id;
	struct str owner = id;
	for (const struct entity *const *e = p->worker->entities; *e; e++) {
		if (str_eq_c(due.kind, (*e)->name))
			owner = (*e)->owner(id);
	}
	struct buf value;
	buf_init(&value, a);
	struct cloudevent event = {
		.id = arena_printf(a, "%.*s/%lld", STR_ARG(timer->member),
		                   (long long)timer->due_ms),
		.source = p->batch_setting.source,
		.type = STR("tallyworks.timer.due"),
		.subject = id,
		.time_ms = timer->due_ms,
		.data_type = &tallyworks_timer_due_type,
		.data = &due,
	};
	cloudevent_encode(&event, &value);
	struct header *headers = arena_alloc(a, 2 * sizeof(*headers));
	headers[0] = (struct header){ STR("content-type"), STR("application/cloudevents+json") };
	headers[1] = (struct header){ STR("tw-control"), STR("1") };
	call->ticket = s->append_ticket;
	call->timer = (struct timer){ timer->due_ms, arena_str(a, timer->member) };
	call->next = p->appends;
	p->appends = call;
	p->ports.broker.append(p->ports.broker.self, s->partition, call->ticket,
	                       arena_str(a, owner), buf_str(&value), headers, 2);
	timers_pop(&s->timers);
}

static void carry_out_claim(struct process *p, struct shard *s, unsigned asks)
{
	const struct broker *b = &p->ports.broker;
	const struct store *st = &p->ports.store;
	if (asks & ASK_CLAIM)
		st->claim(st->self, s->partition, s->ticket, p->shard_setting.transactional_id);
	if (asks & ASK_FENCE)
		b->fence(b->self, s->partition, s->ticket, s->unfenced);
	if (asks & ASK_CURSOR)
		b->read_cursor(b->self, s->partition, s->ticket);
	if (asks & ASK_WIPE)
		st->wipe(st->self, s->partition, s->fresh ? 0 : s->partitions, s->ticket);
	if (asks & ASK_UNCLAIM)
		st->unclaim(st->self, s->partition, ++p->shard_setting.last_ticket, s->unfenced);
	if (asks & ASK_TRY)
		st->try_offsets(st->self, s->partition, s->trial.ticket, s->trial.asked);
	if (asks & ASK_UNTRY)
		st->try_offsets(st->self, s->partition, ++p->shard_setting.last_ticket,
		                (struct offsets){ 0 });
}

static void carry_out(struct process *p, struct shard *s, struct shard_update *u, int64_t now_ms)
{
	const struct broker *b = &p->ports.broker;
	const struct store *st = &p->ports.store;
	unsigned asks = u->asks;
	u->asks = 0;
	if (asks & ASK_GIVE_BACK) {
		b->give_back(b->self, &s->chunk.taken);
		s->chunk.taken = (struct taken){ 0 };
	}
	carry_out_claim(p, s, asks);
	if (asks & ASK_REFERENCE)
		read_reference(p, now_ms);
	if (asks & ASK_START)
		b->start(b->self, s->partition, s->standing.position);
	if (asks & ASK_DUE)
		st->read_due(st->self, s->partition, s->due_ticket, TIMERS_READ);
	if (asks & ASK_LOAD)
		send_load(p, s);
	if (asks & ASK_CHECK)
		st->check(st->self, s->partition, s->check_ticket);
	if (asks & ASK_APPEND)
		send_append(p, s);
	if (asks & ASK_UNASSIGN) {
		must(p->shard_setting.owned > 0);
		p->shard_setting.owned--;
		b->unassign(b->self, s->partition);
	}
}

/* ---- what happened ---------------------------------------------------------------------- */

static void reopened(struct process *p, const struct happening *h, int64_t now_ms)
{
	if (p->publisher.state != PUBLISHER_OPENING || h->ticket != p->publisher.ticket)
		return;
	if (!rc_ok(h->rc)) {
		log_warn("producer_failed", LOG_TEXT("error", h->words), LOG_END);
		p->publisher.state = PUBLISHER_CLOSED;
		p->publisher.retry_ms = now_ms + REOPEN_RETRY_MS;
		return;
	}
	p->publisher.state = PUBLISHER_IDLE;
	snprintf(p->shard_setting.transactional_id, sizeof(p->shard_setting.transactional_id), "%s",
	         p->ports.broker.transactional_id(p->ports.broker.self));
}

/*
 * What brokers cannot take within a transaction's time fails, and would fail again: so after a
 * failure by time the next ones carry half as much, down to one record, and twice as much again
 * while they are quick. True: the batches that are there are too large and must be folded anew.
 */
static bool set_pace(struct process *p, const struct publish_end *end, int64_t took_ms)
{
	unsigned most = p->options.queue_records, half = p->carried_records / 2;
	bool slow = took_ms >= SLOW_TRANSACTION_MS;
	if (end->result == PUBLISH_COMMITTED) {
		if (!slow)
			p->pace = p->pace > most / 2 ? most : p->pace * 2;
		return false;
	}
	if (!slow || end->blamed >= 0 || p->carried_records == 0)
		return false;
	p->pace = half ? half : 1;
	return half > 0;
}

static void published(struct process *p, const struct happening *h, int64_t now_ms)
{
	if (p->publisher.state != PUBLISHER_BUSY || h->ticket != p->publisher.transaction.ticket)
		return;
	int64_t took_ms = now_ms - p->publisher.begun_ms;
	struct publish_end end = { h->publish, h->partition, h->words };
	p->stats.transactions += h->publish == PUBLISH_COMMITTED;
	p->stats.aborts += h->publish == PUBLISH_ABORTED;
	p->stats.unknown_outcomes += h->publish == PUBLISH_UNKNOWN;
	add_duration(&p->stats.transaction, took_ms);
	/* Whatever became of it: A1 finds out, and folds in smaller batches. */
	if (set_pace(p, &end, took_ms))
		end.result = PUBLISH_UNKNOWN;
	publisher_ended(&p->publisher, p->shards, p->shard_count, &end, now_ms, p->updates);
	bool lost = end.result ==
	            PUBLISH_UNKNOWN; /* and with it the name under which shards are claimed */
	if (lost)
		p->shard_setting.transactional_id[0] = '\0';
	for (unsigned i = 0; i < p->shard_count; i++) {
		struct shard *s = p->shards[i];
		if (!s)
			continue;
		bool waits = s->state == SHARD_WAITING || s->state == SHARD_WIPE ||
		             s->state == SHARD_STOPPING || s->state == SHARD_REFUSED;
		if (lost && s->owned && !waits)
			shard_restart(s, "the producer is gone", 0, now_ms, &p->updates[i]);
		carry_out(p, s, &p->updates[i], now_ms);
	}
}

/* Shards may stand before a marker until it can be read. */
static void reference_failed(struct process *p, const struct happening *h)
{
	snprintf(p->reference_words, sizeof(p->reference_words), "reading the reference data: %s",
	         h->words ? h->words : rc_code_text(h->rc.code));
	if (p->reference_failures++ % REFERENCE_SAID_TIMES == 0)
		log_warn("reference_unread", LOG_TEXT("error", p->reference_words), LOG_END);
}

static void reference_came(struct process *p, const struct happening *h)
{
	if (rc_ok(h->rc))
		p->reference_failures = 0;
	else
		reference_failed(p, h);

	for (unsigned i = 0; i < h->reference.count; i++)
		reference_store_add(p->reference, &h->reference.messages[i]);
	if (h->reference.next > reference_store_next(p->reference))
		reference_store_set_next(p->reference, h->reference.next);
	if (h->reference.at_end && rc_ok(h->rc))
		p->shard_setting.reference_end_ms = p->reference_ms;
	if (h->reference.at_end || !rc_ok(h->rc))
		p->reading_reference = false;
}

static void flushed(struct process *p, const struct happening *h, int64_t now_ms)
{
	struct flush_call **at = &p->flushes;
	while (*at && (*at)->flush.ticket != h->ticket)
		at = &(*at)->next;
	struct flush_call *call = *at;
	if (!call)
		return;
	*at = call->next;
	add_duration(&p->stats.flush, now_ms - call->sent_ms);
	if (h->store == STORE_OK)
		p->stats.writes += call->flush.write_count;
	if (call->orphan) {
		flush_call_free(call);
		return;
	}
	struct shard *s = shard_at(p, h->partition);
	shard_happened(s, h, now_ms, &p->updates[h->partition]);
	carry_out(p, s, &p->updates[h->partition], now_ms);
}

static void load_came(struct process *p, const struct happening *h, int64_t now_ms)
{
	struct load_call **at = &p->loads;
	while (*at && (*at)->load.ticket != h->ticket)
		at = &(*at)->next;
	struct load_call *call = *at;
	if (!call)
		return;
	*at = call->next;
	add_duration(&p->stats.load, now_ms - call->sent_ms);
	struct shard *s = shard_at(p, h->partition);
	shard_happened(s, h, now_ms, &p->updates[h->partition]);
	arena_release(&call->memory);
	free(call);
	carry_out(p, s, &p->updates[h->partition], now_ms);
}

static void appended(struct process *p, const struct happening *h)
{
	struct append_call **at = &p->appends;
	while (*at && (*at)->ticket != h->ticket)
		at = &(*at)->next;
	struct append_call *call = *at;
	if (!call)
		return;
	*at = call->next;
	struct shard *s = shard_at(p, h->partition);
	if (!rc_ok(h->rc) && s->owned && s->append_ticket == h->ticket)
		timers_add(&s->timers, call->timer.member, call->timer.due_ms);
	arena_release(&call->memory);
	free(call);
}

static void happened(struct process *p, const struct happening *h, int64_t now_ms)
{
	switch (h->kind) {
	case HAPPENED_REOPENED: reopened(p, h, now_ms); return;
	case HAPPENED_PUBLISHED: published(p, h, now_ms); return;
	case HAPPENED_REFERENCE: reference_came(p, h); return;
	case HAPPENED_FLUSHED: flushed(p, h, now_ms); return;
	case HAPPENED_LOADED: load_came(p, h, now_ms); return;
	case HAPPENED_APPENDED: appended(p, h); break;
	case HAPPENED_ASSIGNED:
	case HAPPENED_REVOKED:
	case HAPPENED_LOST:
	case HAPPENED_CURSOR:
	case HAPPENED_FENCED:
	case HAPPENED_CLAIMED:
	case HAPPENED_CHECKED:
	case HAPPENED_WIPED:
	case HAPPENED_TROUBLE:
	case HAPPENED_TRIED:
	case HAPPENED_DUE: break;
	}
	if (h->kind == HAPPENED_ASSIGNED || h->kind == HAPPENED_REVOKED)
		p->group_words[0] = '\0';
	if (h->kind == HAPPENED_TROUBLE && h->partition < 0 && h->rc.code == RC_REFUSED)
		snprintf(p->group_words, sizeof(p->group_words), "%s", h->words ? h->words : "");
	if (h->partition < 0)
		return;
	struct shard *s = shard_at(p, h->partition);
	if (h->kind == HAPPENED_ASSIGNED && !s->owned)
		p->shard_setting.owned++;
	shard_happened(s, h, now_ms, &p->updates[h->partition]);
	carry_out(p, s, &p->updates[h->partition], now_ms);
}

/* ---- a turn ------------------------------------------------------------------------------- */

/* Without the partition counts of all targets nothing can be routed, so nothing is claimed. */
static bool know_targets(struct process *p)
{
	if (p->targets_known)
		return true;
	for (unsigned t = 0; t < p->batch_setting.target_count; t++) {
		int32_t n = p->ports.broker.partitions(p->ports.broker.self, p->targets[t].topic);
		if (n <= 0)
			return false;
		p->targets[t].partitions = n;
	}
	p->targets_known = true;
	return true;
}

static void open_producer(struct process *p, int64_t now_ms)
{
	if (p->publisher.state != PUBLISHER_CLOSED || now_ms < p->publisher.retry_ms)
		return;
	if (!know_targets(p)) {
		p->publisher.retry_ms = now_ms + TARGETS_RETRY_MS;
		return;
	}
	p->publisher.state = PUBLISHER_OPENING;
	p->publisher.ticket = ++p->shard_setting.last_ticket;
	p->ports.broker.reopen(p->ports.broker.self, p->publisher.ticket);
}

/* In a backlog nobody waits for one event; at a high rate a fraction of that wait is allowed. */
static int64_t longest_wait_ms(const struct process *p)
{
	return p->more ? p->options.txn_interval_max_ms : p->options.txn_interval_max_ms / 4;
}

/* Under light load what is there goes at once; in a backlog, or when much comes, a transaction
 * waits until it is worth its cost in the brokers (and more rows of measures fall together). */
static bool publish_is_due(const struct process *p, int64_t now_ms)
{
	int64_t since_ms = now_ms - p->publisher.begun_ms;
	if (since_ms < p->options.txn_interval_min_ms)
		return false;
	return (!p->more && !p->busy) || since_ms >= longest_wait_ms(p) || p->draining ||
	       p->shard_setting.trying || p->shard_setting.queued_records >= (p->pace + 1) / 2 ||
	       p->held_bytes >= LIMIT_UNFLUSHED_BYTES;
}

static void publish(struct process *p, int64_t now_ms)
{
	if (!publish_is_due(p, now_ms))
		return;
	int64_t since_ms = now_ms - p->publisher.begun_ms;
	const struct transaction *t =
		publisher_next(&p->publisher, p->shards, p->shard_count, now_ms);
	if (!t)
		return;
	p->stats.batches += t->carried_count;
	uint64_t records = 0;
	for (unsigned i = 0; i < t->carried_count; i++) {
		add_duration(&p->stats.batch, now_ms - p->publisher.batches[i]->opened_ms);
		records += p->publisher.batches[i]->records;
	}
	p->carried_records = (unsigned)records;
	p->busy = records >= (uint64_t)since_ms * BUSY_RECORDS_A_MS;
	p->ports.broker.publish(p->ports.broker.self, t);
}

static void flush(struct process *p, int64_t now_ms)
{
	for (unsigned i = 0; i < p->shard_count; i++) {
		struct shard *s = p->shards[i];
		struct flush_call *call = s && s->owned ? shard_next_flush(s, now_ms) : NULL;
		if (!call)
			continue;
		call->next = p->flushes;
		p->flushes = call;
		p->stats.flushes++;
		p->ports.store.flush(p->ports.store.self, &call->flush);
	}
}

/* Several shards may take before the first of it is folded and counted. What is folded again goes
 * into no transaction. */
static unsigned chunk_most(const struct process *p, const struct shard *s)
{
	if (s->standing.position < s->output_cursor)
		return CHUNK_RECORDS;
	unsigned share = p->pace / p->shard_setting.owned;
	return share >= CHUNK_RECORDS ? CHUNK_RECORDS : share ? share : 1;
}

static bool take_for(struct process *p, struct shard *s, int64_t now_ms)
{
	const struct broker *b = &p->ports.broker;
	int64_t until;
	if (!shard_wants_records(s, &until))
		return false;
	struct taken *taken = &s->chunk.taken;
	*taken = (struct taken){ 0 };
	b->take(b->self, s->partition, until, chunk_most(p, s),
	        p->worker->internal ? CHUNK_BYTES_INTERNAL : CHUNK_BYTES, taken);
	int64_t before = s->standing.position;
	bool some = taken->count > 0;
	shard_taken(s, now_ms, &p->updates[s->partition]);
	carry_out(p, s, &p->updates[s->partition], now_ms);
	return some || s->standing.position != before;
}

/* Where memory is short all shards wait until some of it was flushed. What was not told can be
 * flushed behind K only: the first of the shards that have such goes on until it is there. */
static bool may_take(const struct process *p, unsigned n)
{
	if (p->held_bytes < LIMIT_UNFLUSHED_BYTES)
		return true;
	for (unsigned i = 0; i < n; i++)
		if (p->shards[i] && shard_is_untold(p->shards[i]))
			return false;
	return p->shards[n] && shard_is_untold(p->shards[n]);
}

/* A few chunks, shard after shard; true: there may be more. */
static bool take(struct process *p, int64_t now_ms)
{
	unsigned taken = 0;
	for (unsigned i = 0; i < p->shard_count && taken < TAKES_A_TURN; i++) {
		unsigned n = (p->next_take + i) % p->shard_count;
		if (p->shard_setting.queued_records >= p->pace)
			break;
		if (p->shards[n] && may_take(p, n) && take_for(p, p->shards[n], now_ms))
			taken++;
	}
	if (p->shard_count)
		p->next_take = (p->next_take + 1) % p->shard_count;
	return taken > 0;
}

bool process_turn(struct process *p)
{
	const struct clock *clock = &p->ports.clock;
	int64_t now_ms = clock->now_ms(clock->self), wall_ms = clock->wall_ms(clock->self);
	unsigned taken = 0;
	struct happening *h;
	p->ports.broker.poll(p->ports.broker.self);
	while (taken < HAPPENINGS_A_TURN && (h = inbox_take(p->ports.inbox)) != NULL) {
		happened(p, h, now_ms);
		happening_release(h);
		taken++;
	}
	open_producer(p, now_ms);
	for (unsigned i = 0; i < p->shard_count; i++) {
		if (!p->shards[i])
			continue;
		shard_tick(p->shards[i], now_ms, wall_ms, &p->updates[i]);
		carry_out(p, p->shards[i], &p->updates[i], now_ms);
	}
	publish(p, now_ms);
	flush(p, now_ms);
	p->more = !p->draining && take(p, now_ms);
	return p->more || taken == HAPPENINGS_A_TURN;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Only what time alone brings about: for the rest a happening wakes the host. */
static int64_t shard_next_turn(const struct process *p, const struct shard *s, int64_t next)
{
	int64_t at = next;
	bool can_claim =
		s->state == SHARD_WAITING && !s->carried && p->shard_setting.transactional_id[0];
	if (can_claim || s->state == SHARD_REFUSED || (s->flushing && !s->flush_sent))
		at = earlier(at, s->retry_ms);
	if ((s->state == SHARD_REFERENCE || s->awaited_pin >= 0) && !p->reading_reference)
		at = earlier(at, reference_next_ms(p));
	if (s->gathering.batches && !s->flushing && s->state == SHARD_RUNNING)
		at = earlier(at, s->flushed_ms + shard_flush_interval(s));
	bool idle = p->publisher.state == PUBLISHER_IDLE;
	if (s->left_out_ms) /* its batch goes alone, then */
		return idle ? earlier(at, later(s->left_out_ms, p->publisher.retry_ms)) : at;
	bool waiting_batch = s->ready || (s->open && !batch_is_bare(s->open)) ||
	                     (s->carried && !s->carried->carried);
	bool tells = s->state == SHARD_RUNNING && s->standing.position >= s->output_cursor;
	int64_t tell = tells ? shard_tell_ms(s) : INT64_MAX;
	if ((waiting_batch || tell < at) && idle) {
		int64_t begin = p->publisher.begun_ms +
		                (p->busy ? longest_wait_ms(p) : p->options.txn_interval_min_ms);
		if (!waiting_batch && begin < tell)
			begin = tell;
		at = earlier(at, later(begin, p->publisher.retry_ms));
	}
	return at;
}

int64_t process_next_turn_ms(const struct process *p)
{
	const struct clock *clock = &p->ports.clock;
	int64_t next = clock->now_ms(clock->self) + IDLE_TURN_MS;
	for (unsigned i = 0; i < p->shard_count; i++) {
		if (p->shards[i] && p->shards[i]->owned)
			next = shard_next_turn(p, p->shards[i], next);
	}
	if (p->publisher.state == PUBLISHER_CLOSED && p->publisher.retry_ms < next)
		next = p->publisher.retry_ms;
	return next;
}

/* ---- the host's view ---------------------------------------------------------------------- */

void process_drain(struct process *p)
{
	p->draining = p->shard_setting.draining = true;
}

bool process_is_drained(const struct process *p)
{
	for (unsigned i = 0; i < p->shard_count; i++) {
		if (p->shards[i] && !shard_is_quiet(p->shards[i]))
			return false;
	}
	return p->publisher.state != PUBLISHER_BUSY;
}

unsigned process_shard_count(const struct process *p)
{
	return p->shard_setting.owned;
}

struct publishing process_publishing(const struct process *p)
{
	const struct clock *clock = &p->ports.clock;
	const struct publisher *publisher = &p->publisher;
	bool busy = publisher->state == PUBLISHER_BUSY;
	return (struct publishing){
		.busy_ms = busy ? clock->now_ms(clock->self) - publisher->begun_ms : 0,
		.failed = publisher->aborts,
		.words = publisher->words,
	};
}

const struct process_stats *process_stats(const struct process *p)
{
	struct process_stats *stats = (struct process_stats *)(uintptr_t)&p->stats;
	stats->cache_entities = stats->dirty_writes = 0;
	stats->memory_bytes = p->held_bytes;
	for (unsigned i = 0; i < p->shard_count; i++) {
		if (!p->shards[i])
			continue;
		stats->cache_entities += p->shards[i]->cache.cells.count;
		stats->memory_bytes += p->shards[i]->cache.bytes;
		stats->dirty_writes += p->shards[i]->settled_pairs + p->shards[i]->gathering.pairs;
	}
	return stats;
}

/* What a shard waits for that stands before reference data which cannot be read. */
static void tell_reference(const struct process *p, const struct shard *s, struct shard_status *out)
{
	if (!p->reference_failures || (s->state != SHARD_REFERENCE && s->awaited_pin < 0))
		return;
	out->words = p->reference_words;
	out->failures = p->reference_failures;
}

const char *process_group_trouble(const struct process *p)
{
	return p->group_words;
}

unsigned process_shards(const struct process *p, struct shard_status *out, unsigned max)
{
	unsigned n = 0;
	for (unsigned i = 0; i < p->shard_count; i++) {
		if (!p->shards[i] || !p->shards[i]->owned)
			continue;
		if (n < max) {
			shard_status_of(p->shards[i], &out[n]);
			tell_reference(p, p->shards[i], &out[n]);
		}
		n++;
	}
	return n;
}
