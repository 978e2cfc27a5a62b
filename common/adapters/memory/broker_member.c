/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker port of one process: taking records, and the calls that are answered
 * in one go. Its group life is in broker_group.c, publishing in broker_publish.c.
 */
#include "common/adapters/memory/broker_internal.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

/* A call that is answered with one happening. */
struct member_call {
	struct memory_call call;
	struct memory_member *member;
	struct happening *happening;
	bool (*execute)(struct member_call *); /* false: not yet */
	struct str other_id;                   /* fence */
	struct message record;                 /* append */
	int64_t from;                          /* read_reference */
	struct arena memory;
};

/* ---- records in ---- */

/* Behind a struct taken; on the member's list until it is given back. */
struct taking {
	struct taking *next, **here;
	struct arena memory;
};

static struct taking *taking_new(struct memory_member *m)
{
	struct taking *taking = memory_new(sizeof(*taking));

	taking->next = m->takings;
	taking->here = &m->takings;
	if (m->takings)
		m->takings->here = &taking->next;
	m->takings = taking;
	arena_init(&taking->memory, 1024);
	return taking;
}

static void taking_free(struct taking *taking)
{
	*taking->here = taking->next;
	if (taking->next)
		taking->next->here = taking->here;
	arena_release(&taking->memory);
	free(taking);
}

void member_free_takings(struct memory_member *m)
{
	while (m->takings)
		taking_free(m->takings);
}

static struct message message_lent(struct arena *a, const struct message *from)
{
	struct header *headers = arena_alloc(a, from->header_count * sizeof(*headers));
	struct message m = *from;

	for (unsigned i = 0; i < from->header_count; i++)
		headers[i] = (struct header){ arena_str(a, from->headers[i].name),
			                      arena_str(a, from->headers[i].value) };
	m.headers = headers;
	m.key = arena_str(a, from->key);
	m.value = arena_str(a, from->value);
	return m;
}

/* How many records this take may have: what was fetched so far, in a seeded schedule. */
static unsigned fetched(struct memory_broker *b, unsigned max)
{
	if (!memory_schedule_fault(b->schedule, b->chances.short_take))
		return max;
	return dice_below(&b->schedule->dice, max < 4 ? max : 4);
}

static void take_one(struct memory_member *m, struct taken *out, const struct message *message,
                     unsigned max)
{
	struct taking *taking = out->adapter;

	if (!taking) {
		taking = taking_new(m);
		out->adapter = taking;
		out->messages = arena_alloc(&taking->memory, (size_t)max * sizeof(*out->messages));
	}
	out->messages[out->count++] = message_lent(&taking->memory, message);
	out->next_offset = message->offset + 1;
}

static void take_records(struct memory_member *m, struct partition_log *log, int64_t until,
                         unsigned max, size_t max_bytes, struct taken *out)
{
	struct held_partition *h = &m->held[log->partition];
	struct memory_broker *b = m->broker;
	int64_t end = log_stable_end(b, log);
	unsigned most = fetched(b, max);
	size_t bytes = 0;

	for (; h->position < end && out->count < most; h->position++) {
		const struct log_record *r = log->records[h->position];

		if (!record_is_visible(b, r))
			continue;
		bytes += r->message.value.len;
		if (h->position >= until || (out->count > 0 && bytes > max_bytes)) {
			out->next_offset = h->position;
			return;
		}
		take_one(m, out, &r->message, most);
	}
	if (h->position >= end && most == max) {
		out->at_end = true;
		out->next_offset = end;
	}
}

static void put_trouble(struct memory_member *m, int32_t partition, enum rc_code code,
                        const char *words)
{
	struct happening *trouble = happening_new(HAPPENED_TROUBLE, partition, 0);

	trouble->rc = (struct rc){ code };
	trouble->words = words;
	inbox_put(m->inbox, trouble);
}

static void port_take(void *self, int32_t partition, int64_t until, unsigned max, size_t max_bytes,
                      struct taken *out)
{
	struct memory_member *m = self;
	const struct held_partition *h = &m->held[partition];
	struct memory_broker *b = m->broker;

	must(max > 0);
	*out = (struct taken){ .next_offset = -1 };
	if (h->held != HELD_YES || !h->started)
		return;
	if (memory_schedule_fault(b->schedule, b->chances.trouble))
		put_trouble(m, partition, RC_UNAVAILABLE, "simulated trouble");
	else
		take_records(m, topic_log(m->group->topic, partition), until, max, max_bytes, out);
}

static void port_give_back(void *self, struct taken *taken)
{
	(void)self;
	if (taken->adapter)
		taking_free(taken->adapter);
	*taken = (struct taken){ .next_offset = -1 };
}

static void port_poll(void *self)
{
	struct memory_member *m = self;

	for (unsigned i = 0; i < m->event_count; i++) {
		memory_schedule_say(m->broker->schedule, m->party, "polls %s %d",
		                    m->events[i].kind == HAPPENED_ASSIGNED  ? "assigned"
		                    : m->events[i].kind == HAPPENED_REVOKED ? "revoked"
		                                                            : "lost",
		                    (int)m->events[i].partition);
		inbox_put(m->inbox, happening_new(m->events[i].kind, m->events[i].partition, 0));
	}
	m->event_count = 0;
}

static void port_start(void *self, int32_t partition, int64_t offset)
{
	struct memory_member *m = self;
	struct held_partition *h = &m->held[partition];
	const struct partition_log *log = topic_log(m->group->topic, partition);

	if (h->held != HELD_YES)
		return;
	if (offset < log->start || offset > log->count) {
		put_trouble(m, partition, RC_REFUSED, "offset out of range");
		return;
	}
	h->started = true;
	h->position = offset;
}

static void port_unassign(void *self, int32_t partition)
{
	struct memory_member *m = self;

	memory_schedule_say(m->broker->schedule, m->party, "unassigns %d", (int)partition);
	member_release(m, partition);
}

/* ---- calls with an answer ---- */

static bool arrive(struct memory_call *call)
{
	struct member_call *c = (struct member_call *)(void *)call;
	struct memory_broker *b = c->member->broker;

	if (memory_schedule_fault(b->schedule, b->chances.failed_call)) {
		c->happening->rc = (struct rc){ RC_TRY_AGAIN };
		c->happening->words = "simulated trouble";
		return true;
	}
	return c->execute(c);
}

static bool answer(struct memory_call *call)
{
	struct member_call *c = (struct member_call *)(void *)call;

	inbox_put(c->member->inbox, c->happening);
	c->happening = NULL;
	return false;
}

static void call_free(struct memory_call *call)
{
	struct member_call *c = (struct member_call *)(void *)call;

	if (c->happening)
		happening_release(c->happening);
	arena_release(&c->memory);
	free(c);
}

static struct member_call *call_new(struct memory_member *m, const char *name,
                                    bool (*execute)(struct member_call *), enum happening_kind kind,
                                    int32_t partition, uint64_t ticket)
{
	struct member_call *c = memory_new(sizeof(*c));

	*c = (struct member_call){ .member = m, .execute = execute };
	c->call = (struct memory_call){ .party = m->party, .name = name, .partition = partition };
	c->call.arrive = arrive;
	c->call.answer = answer;
	c->call.free = call_free;
	c->happening = happening_new(kind, partition, ticket);
	arena_init(&c->memory, 512);
	return c;
}

static void send_call(struct member_call *c)
{
	memory_schedule_put(c->member->broker->schedule, &c->call);
}

static bool execute_cursor(struct member_call *c)
{
	struct memory_broker *b = c->member->broker;
	const struct group *g = c->member->group;
	const struct group_partition *p = &g->partitions[c->call.partition];
	const struct partition_log *log = topic_log(g->topic, c->call.partition);
	struct cursor *out = &c->happening->cursor;

	if (cursor_is_pending(b, g, c->call.partition) && !(b->mutants & BROKER_UNSTABLE_CURSOR))
		return false;
	*out = (struct cursor){
		.exists = p->exists,
		.output_cursor = p->offset,
		.metadata = arena_str(&c->happening->memory, p->metadata),
		.log_start = log->start,
		.log_end = log->count,
		.topic_id = arena_str(&c->happening->memory, g->topic->id),
		.partitions = g->topic->partitions,
		.compacted = g->topic->compacted,
	};
	return true;
}

static void port_read_cursor(void *self, int32_t partition, uint64_t ticket)
{
	send_call(
		call_new(self, "read-cursor", execute_cursor, HAPPENED_CURSOR, partition, ticket));
}

/* InitProducerId on another's id: its epoch goes up, what it left open is aborted. */
static bool execute_fence(struct member_call *c)
{
	struct memory_broker *b = c->member->broker;
	struct producer *p = broker_producer(b, c->other_id, true);

	if (b->mutants & BROKER_IDLE_FENCE)
		return true;
	p->epoch++;
	if (p->current && p->current->state == TRANSACTION_OPEN)
		transaction_end(b, p->current, TRANSACTION_ABORTED);
	return !p->current;
}

static void port_fence(void *self, int32_t partition, uint64_t ticket, const char *id)
{
	struct member_call *c =
		call_new(self, "fence", execute_fence, HAPPENED_FENCED, partition, ticket);

	c->other_id = arena_str(&c->memory, str_from_c(id));
	send_call(c);
}

static bool execute_reopen(struct member_call *c)
{
	struct memory_member *m = c->member;
	struct producer *p;

	p = broker_producer(m->broker,
	                    arena_printf(&c->memory, "tx-%u-%u", m->party->number, ++m->producers),
	                    true);
	c->other_id = p->id;
	return true;
}

static bool answer_reopen(struct memory_call *call)
{
	struct member_call *c = (struct member_call *)(void *)call;
	struct memory_member *m = c->member;

	if (rc_ok(c->happening->rc)) {
		m->producer = broker_producer(m->broker, c->other_id, false);
		m->producer_epoch = m->producer->epoch;
	}
	return answer(call);
}

static void port_reopen(void *self, uint64_t ticket)
{
	struct memory_member *m = self;
	struct member_call *c =
		call_new(self, "reopen", execute_reopen, HAPPENED_REOPENED, -1, ticket);

	must(!m->publishing);
	m->producer = NULL;
	c->call.answer = answer_reopen;
	send_call(c);
}

static const char *port_transactional_id(void *self)
{
	const struct memory_member *m = self;

	return m->producer ? m->producer->id.ptr : "";
}

static bool execute_append(struct member_call *c)
{
	struct memory_broker *b = c->member->broker;

	memory_schedule_say(b->schedule, c->call.party, "appends %.*s", STR_ARG(c->record.value));
	log_append(b, topic_log(c->member->group->topic, c->call.partition), &c->record, NULL);
	if (memory_schedule_fault(b->schedule, b->chances.failed_call))
		c->happening->rc = (struct rc){ RC_UNAVAILABLE };
	return true;
}

static void port_append(void *self, int32_t partition, uint64_t ticket, struct str key,
                        struct str value, const struct header *headers, unsigned header_count)
{
	struct member_call *c =
		call_new(self, "append", execute_append, HAPPENED_APPENDED, partition, ticket);
	struct message m = {
		.key = key, .value = value, .headers = headers, .header_count = header_count
	};

	c->record = message_lent(&c->memory, &m);
	send_call(c);
}

/* ---- the reference topic ---- */

#define REFERENCE_RECORDS 8 /* in one answer, so that there are several */

static bool execute_reference(struct member_call *c)
{
	struct memory_member *m = c->member;
	struct happening *h = c->happening;
	struct partition_log *log = topic_log(broker_topic(m->broker, m->reference), 0);
	int64_t end = log_stable_end(m->broker, log), at = c->from;
	struct message *messages = arena_alloc(&h->memory, REFERENCE_RECORDS * sizeof(*messages));
	unsigned count = 0;

	if (at < log->start)
		at = log->start;
	for (; at < end && count < REFERENCE_RECORDS; at++)
		if (record_is_visible(m->broker, log->records[at]))
			messages[count++] = message_lent(&h->memory, &log->records[at]->message);
	h->reference.messages = messages;
	h->reference.count = count;
	h->reference.next = at;
	h->reference.at_end = at >= end;
	return true;
}

static bool answer_reference(struct memory_call *call)
{
	struct member_call *c = (struct member_call *)(void *)call;
	uint64_t ticket = c->happening->ticket;
	bool again = rc_ok(c->happening->rc) && !c->happening->reference.at_end;

	c->from = c->happening->reference.next;
	inbox_put(c->member->inbox, c->happening);
	c->happening = again ? happening_new(HAPPENED_REFERENCE, -1, ticket) : NULL;
	return again;
}

static void port_read_reference(void *self, int64_t from, uint64_t ticket)
{
	struct member_call *c =
		call_new(self, "reference", execute_reference, HAPPENED_REFERENCE, -1, ticket);

	c->from = from;
	c->call.answer = answer_reference;
	send_call(c);
}

static int32_t port_partitions(void *self, struct str topic)
{
	const struct memory_broker *b = ((struct memory_member *)self)->broker;

	if (memory_schedule_fault(b->schedule, b->chances.failed_call))
		return -1; /* not known yet */
	return memory_broker_partitions(b, topic);
}

static void port_publish(void *self, const struct transaction *transaction)
{
	member_publish(self, transaction);
}

/* ---- the member ---- */

struct memory_member *memory_member_new(struct memory_broker *b, struct memory_party *party,
                                        struct inbox *inbox, struct str group, struct str reference)
{
	struct memory_member *m = arena_zalloc(&b->memory, sizeof(*m));

	m->broker = b;
	m->party = party;
	m->inbox = inbox;
	m->group = broker_group(b, group);
	m->reference = arena_str(&b->memory, reference);
	m->known_generation = -1;
	m->held = arena_zalloc(&b->memory, (size_t)m->group->topic->partitions * sizeof(*m->held));
	m->next = b->members;
	b->members = m;
	member_send_join(m);
	return m;
}

struct memory_party *memory_member_party(const struct memory_member *m)
{
	return m->party;
}

struct broker memory_member_port(struct memory_member *m)
{
	return (struct broker){
		.self = m,
		.take = port_take,
		.give_back = port_give_back,
		.poll = port_poll,
		.read_cursor = port_read_cursor,
		.start = port_start,
		.unassign = port_unassign,
		.publish = port_publish,
		.fence = port_fence,
		.reopen = port_reopen,
		.transactional_id = port_transactional_id,
		.append = port_append,
		.read_reference = port_read_reference,
		.partitions = port_partitions,
	};
}
