/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publish, step by step: P1 begin, P2 produce (a step for each shard), P3 group
 * metadata, claim epochs, offsets (a step each), P4 commit; or abort. What the
 * coordinator does is in the arrive functions and may happen without the process;
 * what the client does is in the answer functions and needs it alive.
 */
#include "common/adapters/memory/broker_internal.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

enum trouble { TROUBLE_NONE, TROUBLE_ABORTABLE, TROUBLE_FATAL };

struct publish_call {
	struct memory_call call;
	struct memory_member *member;
	const struct transaction *theirs;
	struct transaction copy;
	struct arena memory;
	struct producer *producer;
	uint32_t producer_epoch;
	struct open_transaction *transaction; /* NULL: nothing reached the coordinator yet */
	unsigned shard;                       /* the next to be produced */
	bool fetched, compared;               /* P3: group metadata, epochs */
	int32_t generation;
	uint64_t member_id;
	enum trouble trouble;
};

static struct publish_call *publish_of(struct memory_call *call)
{
	return (struct publish_call *)(void *)call;
}

static bool go_on(struct publish_call *c, const char *name, bool (*arrive)(struct memory_call *),
                  bool (*answer)(struct memory_call *))
{
	c->call.name = name;
	c->call.arrive = arrive;
	c->call.answer = answer;
	return true;
}

/* ---- the end ---- */

/* The caller must have kept all it pointed to, unchanged. */
static void verify_kept(const struct publish_call *c)
{
	must(c->theirs->ticket == c->copy.ticket &&
	     c->theirs->carried_count == c->copy.carried_count);
	for (unsigned i = 0; i < c->copy.carried_count; i++) {
		const struct carried *a = &c->theirs->carried[i], *b = &c->copy.carried[i];

		must(a->next_offset == b->next_offset && str_eq(a->metadata, b->metadata));
		must(a->outgoing_count == b->outgoing_count);
		for (unsigned n = 0; n < a->outgoing_count; n++)
			must(str_eq(a->outgoing[n].value, b->outgoing[n].value));
	}
}

static bool finish(struct publish_call *c, enum publish_result result)
{
	struct memory_member *m = c->member;
	struct happening *h = happening_new(HAPPENED_PUBLISHED, -1, c->copy.ticket);
	static const char *const names[] = { "committed", "aborted", "unknown" };

	verify_kept(c);
	memory_schedule_say(m->broker->schedule, m->party, "publish %s", names[result]);
	h->publish = result;
	if (result == PUBLISH_ABORTED && memory_schedule_fault(m->broker->schedule, 300))
		h->partition = c->copy.carried[dice_below(&m->broker->schedule->dice,
		                                          c->copy.carried_count)]
		                       .partition;
	if (result == PUBLISH_UNKNOWN)
		m->producer = NULL;
	m->publishing = false;
	inbox_put(m->inbox, h);
	return false;
}

static bool is_fenced(const struct publish_call *c)
{
	if (c->producer->epoch != c->producer_epoch)
		return true;
	return c->transaction && c->transaction->state != TRANSACTION_OPEN;
}

/* Draws the faults of a request; true: it does not get through. */
static bool fails(struct publish_call *c)
{
	struct memory_broker *b = c->member->broker;

	c->trouble = TROUBLE_NONE;
	if (is_fenced(c))
		c->trouble = TROUBLE_FATAL;
	else if (memory_schedule_fault(b->schedule, b->chances.failed_send))
		c->trouble = TROUBLE_ABORTABLE;
	return c->trouble != TROUBLE_NONE;
}

static struct open_transaction *opened(struct publish_call *c)
{
	if (!c->transaction)
		c->transaction = transaction_begin(c->member->broker, c->producer);
	return c->transaction;
}

static bool abort_arrive(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);

	c->trouble = is_fenced(c) ? TROUBLE_FATAL : TROUBLE_NONE;
	if (c->trouble == TROUBLE_NONE && c->transaction)
		transaction_end(c->member->broker, c->transaction, TRANSACTION_ABORTED);
	return true;
}

static bool abort_answer(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);

	return finish(c, c->trouble == TROUBLE_FATAL ? PUBLISH_UNKNOWN : PUBLISH_ABORTED);
}

/* What a failed step leads to. */
static bool give_up(struct publish_call *c)
{
	if (c->trouble == TROUBLE_FATAL)
		return finish(c, PUBLISH_UNKNOWN);
	return go_on(c, "abort", abort_arrive, abort_answer);
}

/* ---- P4: commit ---- */

/* An EndTxn that was delayed on its way: it arrives when nobody waits for it. */
static bool late_commit_arrive(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);

	if (!is_fenced(c))
		transaction_end(c->member->broker, c->transaction, TRANSACTION_COMMITTED);
	return true;
}

static void publish_free(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);

	arena_release(&c->memory);
	free(c);
}

static void send_late_commit(const struct publish_call *from)
{
	struct publish_call *c = memory_new(sizeof(*c));

	*c = *from;
	arena_init(&c->memory, 256);
	c->call = (struct memory_call){ .name = "late-commit", .partition = -1 };
	c->call.arrive = late_commit_arrive;
	c->call.free = publish_free;
	memory_schedule_put(from->member->broker->schedule, &c->call);
}

static bool commit_arrive(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);
	struct memory_broker *b = c->member->broker;
	unsigned how = 0;

	c->trouble = is_fenced(c) ? TROUBLE_FATAL : TROUBLE_NONE;
	if (c->trouble != TROUBLE_NONE)
		return true;
	if (memory_schedule_fault(b->schedule, b->chances.lost_commit)) {
		c->trouble = TROUBLE_FATAL;
		how = 1 + dice_below(&b->schedule->dice, 3);
		memory_schedule_say(b->schedule, c->member->party, "commit is lost (%s)",
		                    how == 1   ? "its answer"
		                    : how == 2 ? "the request"
		                               : "it comes late");
	}
	if (how <= 1)
		transaction_end(b, c->transaction, TRANSACTION_COMMITTED);
	else if (how == 3)
		send_late_commit(c);
	return true;
}

static bool commit_answer(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);
	unsigned mutants = c->member->broker->mutants;

	if (c->trouble == TROUBLE_NONE || (mutants & BROKER_UNKNOWN_IS_DONE))
		return finish(c, PUBLISH_COMMITTED);
	if (mutants & BROKER_UNKNOWN_IS_ABORTED)
		return finish(c, PUBLISH_ABORTED);
	return finish(c, PUBLISH_UNKNOWN);
}

/* ---- P3: group metadata, epochs, offsets ---- */

static void add_offset(struct publish_call *c, const struct carried *carried)
{
	struct memory_broker *b = c->member->broker;
	struct transaction_offset *o = arena_zalloc(&b->memory, sizeof(*o));
	struct open_transaction *t = opened(c);
	struct group_partition *p = &c->member->group->partitions[carried->partition];

	if (b->mutants & BROKER_OFFSETS_OUTSIDE) {
		p->exists = true;
		p->offset = carried->next_offset;
		p->metadata = arena_str(&b->memory, carried->metadata);
	}
	o->group = c->member->group;
	o->partition = carried->partition;
	o->offset = carried->next_offset;
	o->metadata = arena_str(&b->memory, carried->metadata);
	o->next = t->offsets;
	t->offsets = o;
	t->unmarked++;
}

/* The group coordinator checks member and generation, not who owns the partitions. */
static bool offsets_arrive(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);
	const struct memory_member *m = c->member;
	bool current =
		m->in_group && m->id == c->member_id && m->group->generation == c->generation;

	if (fails(c))
		return true;
	if (!current && !(m->broker->mutants & BROKER_NO_GENERATION)) {
		memory_schedule_say(m->broker->schedule, m->party,
		                    "offsets refused: generation %d, now %d", (int)c->generation,
		                    (int)m->group->generation);
		c->trouble = TROUBLE_ABORTABLE;
		return true;
	}
	for (unsigned i = 0; i < c->copy.carried_count; i++)
		add_offset(c, &c->copy.carried[i]);
	return true;
}

static bool offsets_answer(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);

	if (c->trouble != TROUBLE_NONE)
		return give_up(c);
	return go_on(c, "commit", commit_arrive, commit_answer);
}

static bool epochs_are_current(const struct publish_call *c)
{
	if (c->member->broker->mutants & BROKER_NO_EPOCHS)
		return true;
	for (unsigned i = 0; i < c->theirs->carried_count; i++)
		if (atomic_load(c->theirs->carried[i].epoch_now) != c->theirs->carried[i].epoch)
			return false;
	return true;
}

/* Metadata first, then epochs: whoever raised an epoch before it joined anew is seen. */
static bool check_answer(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);
	bool epochs_first = c->member->broker->mutants & BROKER_EPOCHS_FIRST;

	if (!c->fetched && (!epochs_first || c->compared)) {
		c->generation = c->member->known_generation;
		c->member_id = c->member->known_id;
		c->fetched = true;
	} else {
		c->compared = true;
		if (!epochs_are_current(c)) {
			c->trouble = TROUBLE_ABORTABLE;
			return give_up(c);
		}
	}
	if (!c->fetched || !c->compared)
		return go_on(c, c->fetched ? "epochs" : "group-metadata", NULL, check_answer);
	if (c->generation < 0 && !(c->member->broker->mutants & BROKER_NO_GENERATION)) {
		c->trouble = TROUBLE_ABORTABLE;
		return give_up(c);
	}
	return go_on(c, "offsets", offsets_arrive, offsets_answer);
}

/* ---- P1, P2: begin, produce ---- */

static bool produce_arrive(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);
	struct memory_broker *b = c->member->broker;
	const struct carried *carried = &c->copy.carried[c->shard];

	if (fails(c))
		return true;
	for (unsigned i = 0; i < carried->outgoing_count; i++) {
		const struct outgoing *o = &carried->outgoing[i];
		struct partition_log *log = topic_log(broker_topic(b, o->topic), o->partition);
		struct message m = { .key = o->key,
			             .value = o->value,
			             .headers = o->headers,
			             .header_count = o->header_count };

		transaction_add_part(b, opened(c), log);
		log_append(b, log, &m, c->transaction);
	}
	return true;
}

static bool produce_answer(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);

	if (c->trouble != TROUBLE_NONE)
		return give_up(c);
	if (++c->shard < c->copy.carried_count)
		return go_on(c, "produce", produce_arrive, produce_answer);
	return go_on(c, "group-metadata", NULL, check_answer);
}

/* The coordinator answers CONCURRENT_TRANSACTIONS until the last one is marked everywhere. */
static bool begin_arrive(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);

	c->trouble = is_fenced(c) ? TROUBLE_FATAL : TROUBLE_NONE;
	return c->trouble != TROUBLE_NONE || !c->producer->current;
}

static bool begin_answer(struct memory_call *call)
{
	struct publish_call *c = publish_of(call);

	if (c->trouble != TROUBLE_NONE)
		return give_up(c);
	return go_on(c, "produce", produce_arrive, produce_answer);
}

static bool closed_answer(struct memory_call *call)
{
	return finish(publish_of(call), PUBLISH_UNKNOWN);
}

/* ---- the call ---- */

static struct outgoing outgoing_copy(struct arena *a, const struct outgoing *from)
{
	struct header *headers = arena_alloc(a, from->header_count * sizeof(*headers));
	struct outgoing o = *from;

	for (unsigned i = 0; i < from->header_count; i++)
		headers[i] = (struct header){ arena_str(a, from->headers[i].name),
			                      arena_str(a, from->headers[i].value) };
	o.headers = headers;
	o.topic = arena_str(a, from->topic);
	o.key = arena_str(a, from->key);
	o.value = arena_str(a, from->value);
	return o;
}

static void copy_transaction(struct publish_call *c)
{
	struct arena *a = &c->memory;
	struct carried *carried = arena_alloc(a, c->theirs->carried_count * sizeof(*carried));

	for (unsigned i = 0; i < c->theirs->carried_count; i++) {
		const struct carried *from = &c->theirs->carried[i];
		struct outgoing *out = arena_alloc(a, from->outgoing_count * sizeof(*out));

		for (unsigned n = 0; n < from->outgoing_count; n++)
			out[n] = outgoing_copy(a, &from->outgoing[n]);
		carried[i] = *from;
		carried[i].metadata = arena_str(a, from->metadata);
		carried[i].outgoing = out;
	}
	c->copy = *c->theirs;
	c->copy.carried = carried;
}

void member_publish(struct memory_member *m, const struct transaction *transaction)
{
	struct publish_call *c = memory_new(sizeof(*c));

	must(!m->publishing && transaction->carried_count > 0);
	m->publishing = true;
	*c = (struct publish_call){ .member = m,
		                    .theirs = transaction,
		                    .producer = m->producer,
		                    .producer_epoch = m->producer_epoch };
	c->call = (struct memory_call){ .party = m->party, .name = "begin", .partition = -1 };
	c->call.arrive = m->producer ? begin_arrive : NULL;
	c->call.answer = m->producer ? begin_answer : closed_answer;
	c->call.free = publish_free;
	arena_init(&c->memory, 4096);
	copy_transaction(c);
	memory_schedule_put(m->broker->schedule, &c->call);
}
