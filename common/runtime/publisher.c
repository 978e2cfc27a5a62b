/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/publisher.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define ABORT_RETRY_MS 20
#define ABORT_RETRY_MOST_MS 1000

void publisher_init(struct publisher *p)
{
	*p = (struct publisher){ .state = PUBLISHER_CLOSED };
}

void publisher_release(struct publisher *p)
{
	for (unsigned i = 0; i < p->transaction.carried_count; i++)
		batch_free(p->batches[i]);
	free(p->carried);
	free(p->batches);
	publisher_init(p);
}

static void carry(struct publisher *p, struct shard *s, struct batch *b)
{
	unsigned n = p->transaction.carried_count++;
	b->carried = true;
	p->batches[n] = b;
	p->carried[n] = (struct carried){
		.partition = s->partition,
		.epoch = b->epoch,
		.epoch_now = &s->epoch,
		.next_offset = b->after.position,
		.metadata = b->metadata,
		.outgoing = b->outgoing,
		.outgoing_count = b->outgoing_count,
	};
}

/* A shard that made transactions fail goes alone, when its time has come. */
static bool gather_blamed(struct publisher *p, struct shard *const *shards, unsigned count,
                          int64_t now_ms)
{
	for (unsigned i = 0; i < count; i++) {
		struct shard *s = shards[i];
		if (!s || !s->owned || !s->left_out_ms || now_ms < s->left_out_ms ||
		    (s->carried && s->carried->carried))
			continue;
		struct batch *b = shard_next_batch(s, true, now_ms);
		if (b)
			carry(p, s, b);
		return b != NULL;
	}
	return false;
}

static void gather(struct publisher *p, struct shard *const *shards, unsigned count, bool eager,
                   int64_t now_ms)
{
	for (unsigned i = 0; i < count; i++) {
		if (!shards[i] || !shards[i]->owned || shards[i]->left_out_ms ||
		    (shards[i]->carried && shards[i]->carried->carried))
			continue;
		struct batch *b = shard_next_batch(shards[i], eager, now_ms);
		if (b)
			carry(p, shards[i], b);
	}
}

static bool shards_draining(struct shard *const *shards, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (shards[i])
			return shards[i]->setting->draining;
	}
	return false;
}

const struct transaction *publisher_next(struct publisher *p, struct shard *const *shards,
                                         unsigned count, int64_t now_ms)
{
	if (p->state != PUBLISHER_IDLE || now_ms < p->retry_ms || count == 0)
		return NULL;
	if (p->room < count) {
		p->carried = memory_resize(p->carried, count, sizeof(*p->carried));
		p->batches = memory_resize(p->batches, count, sizeof(struct batch *));
		p->room = count;
	}
	p->transaction.carried_count = 0;
	if (!gather_blamed(p, shards, count, now_ms)) {
		gather(p, shards, count, shards_draining(shards, count), now_ms);
		if (p->transaction.carried_count == 0)
			return NULL;
		gather(p, shards, count, true,
		       now_ms); /* where one goes, bare ones may come along */
	}
	p->transaction.ticket = ++shards[p->carried[0].partition]->setting->last_ticket;
	p->transaction.carried = p->carried;
	p->begun_ms = now_ms;
	p->state = PUBLISHER_BUSY;
	return &p->transaction;
}

void publisher_ended(struct publisher *p, struct shard *const *shards, unsigned count,
                     const struct publish_end *end, int64_t now_ms, struct shard_update *updates)
{
	enum publish_result result = end->result;
	must(p->state == PUBLISHER_BUSY);
	unsigned carried = p->transaction.carried_count;
	p->transaction.carried_count = 0;
	p->state = result == PUBLISH_UNKNOWN ? PUBLISHER_CLOSED : PUBLISHER_IDLE;
	for (unsigned i = 0; i < carried; i++) {
		int32_t partition = p->carried[i].partition;
		must((unsigned)partition < count);
		shard_published(shards[partition], p->batches[i], result, now_ms,
		                &updates[partition]);
	}
	if (result == PUBLISH_COMMITTED) {
		p->aborts = 0;
		p->words[0] = '\0';
		return;
	}
	if (result == PUBLISH_ABORTED && end->blamed >= 0 && (unsigned)end->blamed < count)
		shard_blamed(shards[end->blamed], end->words, now_ms);
	int64_t wait = ABORT_RETRY_MS << (p->aborts < 6 ? p->aborts : 6);
	p->aborts++;
	p->retry_ms = now_ms + (wait < ABORT_RETRY_MOST_MS ? wait : ABORT_RETRY_MOST_MS);
	snprintf(p->words, sizeof(p->words), "%s", end->words ? end->words : "");
	log_warn("transaction_failed",
	         LOG_TEXT("outcome", result == PUBLISH_ABORTED ? "aborted" : "unknown"),
	         LOG_INT("in_a_row", p->aborts), LOG_TEXT("error", p->words), LOG_END);
}
