/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shard_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void rig_init(struct rig *r, const struct worker *worker)
{
	*r = (struct rig){ .now_ms = 1000000, .wall_ms = 5000 };
	process_options_default(&r->options);
	r->options.tell_interval_ms = r->options.tell_interval_max_ms = 0; /* with every batch */
	arena_init(&r->memory, 4096);
	r->reference = reference_store_new();
	for (unsigned t = 0; t < 3; t++)
		r->targets[t] = (struct target){ worker->outputs[t],
			                         str_from_c(worker->outputs[t]->topic), 2 };
	r->batches = (struct batch_setting){ worker,
		                             STR("in"),
		                             STR("in.dlq"),
		                             STR("tallyworks-tiny"),
		                             STR("/tallyworks/tiny"),
		                             r->targets,
		                             3,
		                             &r->held_bytes };
	r->setting = (struct shard_setting){ .worker = worker,
		                             .options = &r->options,
		                             .batches = &r->batches,
		                             .reference = r->reference,
		                             .reference_end_ms = INT64_MIN / 2,
		                             .stats = &r->stats,
		                             .transactional_id = "me" };
	for (int32_t p = 0; p < RIG_SHARDS; p++) {
		shard_init(&r->shards[p], &r->setting, p);
		r->list[p] = &r->shards[p];
	}
}

void rig_release(struct rig *r)
{
	for (int32_t p = 0; p < RIG_SHARDS; p++) {
		struct shard *s = &r->shards[p];
		if (s->chunk.busy)
			r->given_back++;
		if (s->flushing)
			flush_call_free(s->flushing);
		shard_release(s);
	}
	assert_int_equal(r->given_back, r->taken);
	reference_store_free(r->reference);
	arena_release(&r->memory);
}

unsigned rig_asks(struct rig *r, int32_t partition)
{
	struct shard_update *u = &r->updates[partition];
	unsigned asks = u->asks;
	u->asks = 0;
	if (asks & ASK_GIVE_BACK) {
		/* What was taken dies here: a later look at it is seen by the sanitizer. */
		free(r->shards[partition].chunk.taken.messages);
		r->shards[partition].chunk.taken = (struct taken){ 0 };
		r->given_back++;
	}
	return asks & ~(unsigned)ASK_GIVE_BACK;
}

unsigned rig_tick(struct rig *r, int32_t partition)
{
	shard_tick(&r->shards[partition], r->now_ms, r->wall_ms, &r->updates[partition]);
	return rig_asks(r, partition);
}

struct happening *rig_happening(enum happening_kind kind, int32_t partition, uint64_t ticket)
{
	return happening_new(kind, partition, ticket);
}

unsigned rig_happened(struct rig *r, struct happening *h)
{
	int32_t p = h->partition;
	if (h->kind == HAPPENED_ASSIGNED && !r->shards[p].owned)
		r->setting.owned++;
	shard_happened(&r->shards[p], h, r->now_ms, &r->updates[p]);
	happening_release(h);
	unsigned asks = rig_asks(r, p);
	if (asks & ASK_UNASSIGN)
		r->setting.owned--;
	return asks;
}

unsigned rig_assign(struct rig *r, int32_t partition)
{
	return rig_happened(r, rig_happening(HAPPENED_ASSIGNED, partition, 0));
}

unsigned rig_claimed(struct rig *r, int32_t partition, const struct rig_claim *c)
{
	struct happening *h =
		rig_happening(HAPPENED_CLAIMED, partition, r->shards[partition].ticket);
	h->meta = (struct shard_meta){ .state = c->torn               ? META_TORN
		                                : c->input_cursor < 0 ? META_ABSENT
		                                                      : META_WHOLE,
		                       .input_cursor = c->input_cursor,
		                       .logic_version = c->logic ? c->logic : 1,
		                       .reference_pin = c->pin ? c->pin : -1,
		                       .watermark_ms = c->watermark_ms,
		                       .partitions = 3,
		                       .released = c->released,
		                       .died = c->died,
		                       .tried = c->tried,
		                       .tries = c->tries };
	snprintf(h->meta.claimer, sizeof(h->meta.claimer), "%s", c->claimer ? c->claimer : "");
	return rig_happened(r, h);
}

unsigned rig_cursor(struct rig *r, int32_t partition, const struct rig_claim *c)
{
	struct happening *h =
		rig_happening(HAPPENED_CURSOR, partition, r->shards[partition].ticket);
	struct str ours = arena_printf(&h->memory, RIG_METADATA, c->output_number,
	                               c->skipped ? c->skipped : "");
	h->cursor = (struct cursor){ .exists = !c->no_cursor,
		                     .output_cursor = c->output_cursor,
		                     .metadata = c->metadata ? str_from_c(c->metadata) : ours,
		                     .log_start = c->log_start,
		                     .log_end = c->log_end ? c->log_end : 1000000,
		                     .topic_id = str_from_c(c->topic_id ? c->topic_id : "T"),
		                     .partitions = c->partitions ? c->partitions : 3,
		                     .compacted = c->compacted };
	return rig_happened(r, h);
}

unsigned rig_due(struct rig *r, int32_t partition, const struct due_entry *entries, unsigned count)
{
	struct happening *h =
		rig_happening(HAPPENED_DUE, partition, r->shards[partition].due_ticket);
	h->due.cursor = r->shards[partition].input_cursor;
	h->due.entries = entries;
	h->due.count = count;
	return rig_happened(r, h);
}

void rig_run(struct rig *r, int32_t partition, const struct rig_claim *c)
{
	struct shard *s = &r->shards[partition];
	if (!s->owned)
		rig_assign(r, partition);
	assert_int_equal(rig_tick(r, partition), ASK_CLAIM);
	unsigned asks = rig_claimed(r, partition, c);
	if (asks == ASK_FENCE)
		asks = rig_happened(r, rig_happening(HAPPENED_FENCED, partition, s->ticket));
	assert_int_equal(asks, ASK_CURSOR);
	asks = rig_cursor(r, partition, c);
	if (asks == ASK_WIPE)
		asks = rig_happened(r, rig_happening(HAPPENED_WIPED, partition, s->ticket));
	assert_int_equal(asks, ASK_START | ASK_DUE);
	assert_int_equal(rig_due(r, partition, NULL, 0), 0);
	assert_int_equal(s->state, SHARD_RUNNING);
}

unsigned rig_take(struct rig *r, int32_t partition, const struct message *messages, unsigned count,
                  int64_t next, bool at_end)
{
	struct shard *s = &r->shards[partition];
	int64_t until;
	assert_true(shard_wants_records(s, &until));
	struct message *copy = malloc((count + 1) * sizeof(*copy));
	for (unsigned i = 0; i < count; i++) {
		copy[i] = messages[i];
		assert_true(copy[i].offset < until);
	}
	if (next < 0 && count)
		next = messages[count - 1].offset + 1;
	s->chunk.taken = (struct taken){ copy, count, at_end, next, NULL };
	r->taken++;
	shard_taken(s, r->now_ms, &r->updates[partition]);
	return rig_asks(r, partition);
}

unsigned rig_load(struct rig *r, int32_t partition, enum store_result result,
                  const struct loaded *values)
{
	struct happening *h =
		rig_happening(HAPPENED_LOADED, partition, r->shards[partition].load_ticket);
	h->load.result = result;
	h->load.values = values;
	return rig_happened(r, h);
}

unsigned rig_load_nothing(struct rig *r, int32_t partition)
{
	unsigned count = r->shards[partition].chunk.missing_count;
	return rig_load(r, partition, STORE_OK,
	                arena_zalloc(&r->memory, (count + 1) * sizeof(struct loaded)));
}

void rig_fold(struct rig *r, int32_t partition, const struct message *messages, unsigned count)
{
	unsigned asks = rig_take(r, partition, messages, count, -1, false);
	while (asks == ASK_LOAD)
		asks = rig_load_nothing(r, partition);
	assert_int_equal(asks, 0);
}

struct batch *rig_carry(struct rig *r, int32_t partition)
{
	struct batch *b = shard_next_batch(&r->shards[partition], true, r->now_ms);
	if (b)
		b->carried = true;
	return b;
}

unsigned rig_published(struct rig *r, int32_t partition, struct batch *b,
                       enum publish_result result)
{
	shard_published(&r->shards[partition], b, result, r->now_ms, &r->updates[partition]);
	return rig_asks(r, partition);
}

void rig_commit(struct rig *r, int32_t partition)
{
	struct batch *b = rig_carry(r, partition);
	assert_non_null(b);
	assert_int_equal(rig_published(r, partition, b, PUBLISH_COMMITTED), 0);
}

unsigned rig_flushed(struct rig *r, int32_t partition, enum store_result result)
{
	const struct flush_call *call = r->shards[partition].flushing;
	assert_non_null(call);
	struct happening *h = rig_happening(HAPPENED_FLUSHED, partition, call->flush.ticket);
	h->store = result;
	return rig_happened(r, h);
}

void rig_flush(struct rig *r, int32_t partition)
{
	r->now_ms += r->options.flush_interval_max_ms;
	assert_non_null(shard_next_flush(&r->shards[partition], r->now_ms));
	assert_int_equal(rig_flushed(r, partition, STORE_OK), 0);
}
