/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs and transactions. Every offset has an entry, control markers included, so
 * an offset is an index. The stable end of a log is the first offset of a
 * transaction that has no marker there yet.
 */
#include "common/adapters/memory/broker_internal.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

#define TRANSACTION_TIMEOUT_MS 10000

/* ---- topics ---- */

struct memory_broker *memory_broker_new(struct memory_schedule *schedule)
{
	struct memory_broker *b = memory_new(sizeof(*b));

	*b = (struct memory_broker){ .schedule = schedule,
		                     .transaction_timeout_ms = TRANSACTION_TIMEOUT_MS };
	arena_init(&b->memory, 65536);
	return b;
}

void memory_broker_free(struct memory_broker *b)
{
	for (struct topic *t = b->topics; t; t = t->next)
		for (int32_t p = 0; p < t->partitions; p++)
			free(t->logs[p].records);
	for (struct memory_member *m = b->members; m; m = m->next) {
		member_free_takings(m);
		free(m->events);
	}
	arena_release(&b->memory);
	free(b);
}

void memory_broker_set_chances(struct memory_broker *b, const struct memory_broker_chances *c)
{
	b->chances = *c;
}

void memory_broker_set_mutants(struct memory_broker *b, unsigned mutants)
{
	b->mutants = mutants;
}

void memory_broker_on_commit(struct memory_broker *b, memory_committed *committed, void *to)
{
	b->committed = committed;
	b->committed_to = to;
}

void memory_broker_set_timeout(struct memory_broker *b, int64_t transaction_timeout_ms)
{
	b->transaction_timeout_ms = transaction_timeout_ms;
}

static struct topic *find_topic(const struct memory_broker *b, struct str name)
{
	struct topic *t = b->topics;

	while (t && !str_eq(t->name, name))
		t = t->next;
	return t;
}

struct topic *broker_topic(const struct memory_broker *b, struct str name)
{
	struct topic *t = find_topic(b, name);

	must(t);
	return t;
}

void memory_broker_add_topic(struct memory_broker *b, struct str name, int32_t partitions)
{
	struct topic *t = arena_zalloc(&b->memory, sizeof(*t));

	must(!find_topic(b, name) && partitions > 0);
	t->name = arena_str(&b->memory, name);
	t->id = arena_printf(&b->memory, "id-of-%.*s", STR_ARG(name));
	t->partitions = partitions;
	t->logs = arena_zalloc(&b->memory, (size_t)partitions * sizeof(*t->logs));
	for (int32_t p = 0; p < partitions; p++)
		t->logs[p] = (struct partition_log){ .topic = t, .partition = p };
	t->next = b->topics;
	b->topics = t;
}

int32_t memory_broker_partitions(const struct memory_broker *b, struct str topic)
{
	const struct topic *t = find_topic(b, topic);

	return t ? t->partitions : -1;
}

struct partition_log *topic_log(struct topic *t, int32_t partition)
{
	must(partition >= 0 && partition < t->partitions);
	return &t->logs[partition];
}

void memory_broker_set_compacted(struct memory_broker *b, struct str topic, bool compacted)
{
	broker_topic(b, topic)->compacted = compacted;
}

/* ---- logs ---- */

static struct message message_copy(struct arena *a, const struct message *from)
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

struct log_record *log_append(struct memory_broker *b, struct partition_log *log,
                              const struct message *message, struct open_transaction *transaction)
{
	struct log_record *r = arena_zalloc(&b->memory, sizeof(*r));

	if (message)
		r->message = message_copy(&b->memory, message);
	else
		r->control = true;
	r->message.offset = log->count;
	r->message.broker_ms = memory_clock_wall(b->schedule->clock);
	r->transaction = transaction;
	if (log->count == log->room) {
		log->room = log->room ? log->room * 2 : 64;
		log->records =
			memory_resize(log->records, (size_t)log->room, sizeof(struct log_record *));
	}
	log->records[log->count++] = r;
	return r;
}

int64_t memory_broker_append(struct memory_broker *b, struct str topic, int32_t partition,
                             struct str key, struct str value, const struct header *headers,
                             unsigned header_count)
{
	struct message m = {
		.key = key, .value = value, .headers = headers, .header_count = header_count
	};

	return log_append(b, topic_log(broker_topic(b, topic), partition), &m, NULL)
	        ->message.offset;
}

int64_t log_stable_end(const struct memory_broker *b, const struct partition_log *log)
{
	int64_t end = log->count;

	if (b->mutants & BROKER_DIRTY_READ)
		return end;
	for (const struct open_transaction *t = b->transactions; t; t = t->next)
		for (const struct transaction_part *p = t->parts; p; p = p->next)
			if (p->log == log && !p->ended && p->first < end)
				end = p->first;
	return end;
}

bool record_is_visible(const struct memory_broker *b, const struct log_record *r)
{
	if (r->control)
		return false;
	return !r->transaction || r->transaction->state == TRANSACTION_COMMITTED ||
	       (b->mutants & BROKER_DIRTY_READ);
}

const struct message *memory_broker_read(const struct memory_broker *b, struct str topic,
                                         int32_t partition, int64_t *offset)
{
	const struct partition_log *log = topic_log(broker_topic(b, topic), partition);
	int64_t end = log_stable_end(b, log);

	if (*offset < log->start)
		*offset = log->start;
	while (*offset < end) {
		const struct log_record *r = log->records[(*offset)++];

		if (!r->control &&
		    (!r->transaction || r->transaction->state == TRANSACTION_COMMITTED))
			return &r->message;
	}
	return NULL;
}

int64_t memory_broker_end(const struct memory_broker *b, struct str topic, int32_t partition)
{
	return topic_log(broker_topic(b, topic), partition)->count;
}

int64_t memory_broker_stable_end(const struct memory_broker *b, struct str topic, int32_t partition)
{
	return log_stable_end(b, topic_log(broker_topic(b, topic), partition));
}

void memory_broker_set_start(struct memory_broker *b, struct str topic, int32_t partition,
                             int64_t offset)
{
	struct partition_log *log = topic_log(broker_topic(b, topic), partition);

	must(offset >= log->start && offset <= log->count);
	log->start = offset;
}

/* ---- transactions ---- */

struct producer *broker_producer(struct memory_broker *b, struct str id, bool make)
{
	struct producer *p = b->producers;

	while (p && !str_eq(p->id, id))
		p = p->next;
	if (!p && make) {
		p = arena_zalloc(&b->memory, sizeof(*p));
		p->id = arena_printf(&b->memory, "%.*s", STR_ARG(id)); /* ends in a NUL */
		p->next = b->producers;
		b->producers = p;
	}
	return p;
}

struct open_transaction *transaction_begin(struct memory_broker *b, struct producer *producer)
{
	struct open_transaction *t = arena_zalloc(&b->memory, sizeof(*t));

	must(!producer->current);
	t->producer = producer;
	t->since_ms = b->schedule->clock->now_ms;
	t->next = b->transactions;
	b->transactions = t;
	producer->current = t;
	return t;
}

void transaction_add_part(struct memory_broker *b, struct open_transaction *t,
                          struct partition_log *log)
{
	struct transaction_part *part;

	for (part = t->parts; part; part = part->next)
		if (part->log == log)
			return;
	part = arena_zalloc(&b->memory, sizeof(*part));
	part->log = log;
	part->first = log->count;
	part->next = t->parts;
	t->parts = part;
	t->unmarked++;
}

int64_t memory_broker_append_marked(struct memory_broker *b, struct str topic, int32_t partition,
                                    struct str key, struct str value, bool commit)
{
	struct partition_log *log = topic_log(broker_topic(b, topic), partition);
	struct message m = { .key = key, .value = value };
	struct producer *upstream = arena_zalloc(&b->memory, sizeof(*upstream));
	struct open_transaction *t = transaction_begin(b, upstream);
	int64_t offset;

	transaction_add_part(b, t, log);
	offset = log_append(b, log, &m, t)->message.offset;
	t->upstream = true;
	transaction_end(b, t, commit ? TRANSACTION_COMMITTED : TRANSACTION_ABORTED);
	return offset;
}

/* A marker on its way to one partition, or to a group's offsets. */
struct marker_call {
	struct memory_call call;
	struct memory_broker *broker;
	struct open_transaction *transaction;
	struct transaction_part *part;
	struct transaction_offset *offset;
};

static void move_cursor(const struct transaction_offset *o)
{
	struct group_partition *p = &o->group->partitions[o->partition];

	p->exists = true;
	p->offset = o->offset;
	p->metadata = o->metadata;
}

/* Records still point to it, so it stays, but off the list. */
static void finish(struct memory_broker *b, struct open_transaction *t)
{
	struct open_transaction **at = &b->transactions;

	if (t->unmarked > 0)
		return;
	t->producer->current = NULL;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
}

static bool marker_arrive(struct memory_call *call)
{
	struct marker_call *m = (struct marker_call *)(void *)call;
	struct open_transaction *t = m->transaction;

	if (m->part) {
		log_append(m->broker, m->part->log, NULL, t);
		m->part->ended = true;
	} else {
		m->offset->ended = true;
		if (t->state == TRANSACTION_COMMITTED)
			move_cursor(m->offset);
	}
	t->unmarked--;
	finish(m->broker, t);
	return true;
}

static void marker_free(struct memory_call *call)
{
	free(call);
}

static void send_marker(struct memory_broker *b, struct open_transaction *t,
                        struct transaction_part *part, struct transaction_offset *offset)
{
	struct marker_call *m = memory_new(sizeof(*m));

	*m = (struct marker_call){ .broker = b, .transaction = t, .part = part, .offset = offset };
	m->call.name = part ? "marker" : "cursor-marker";
	m->call.partition = part ? part->log->partition : offset->partition;
	m->call.arrive = marker_arrive;
	m->call.free = marker_free;
	memory_schedule_put(b->schedule, &m->call);
}

static void tell_committed(const struct memory_broker *b, const struct open_transaction *t)
{
	for (const struct transaction_part *p = t->parts; p; p = p->next) {
		for (int64_t at = p->first; at < p->log->count; at++) {
			const struct log_record *r = p->log->records[at];

			if (r->transaction == t && !r->control)
				b->committed(b->committed_to, p->log->topic->name,
				             p->log->partition, &r->message);
		}
	}
}

void transaction_end(struct memory_broker *b, struct open_transaction *t,
                     enum transaction_state state)
{
	must(t->state == TRANSACTION_OPEN);
	t->state = state;
	if (state == TRANSACTION_COMMITTED && b->committed && !t->upstream)
		tell_committed(b, t);
	for (struct transaction_part *p = t->parts; p; p = p->next)
		send_marker(b, t, p, NULL);
	for (struct transaction_offset *o = t->offsets; o; o = o->next)
		send_marker(b, t, NULL, o);
	finish(b, t);
}

bool cursor_is_pending(const struct memory_broker *b, const struct group *g, int32_t partition)
{
	for (const struct open_transaction *t = b->transactions; t; t = t->next)
		for (const struct transaction_offset *o = t->offsets; o; o = o->next)
			if (o->group == g && o->partition == partition && !o->ended)
				return true;
	return false;
}

int64_t memory_broker_decided_cursor(const struct memory_broker *b, struct str group,
                                     int32_t partition)
{
	const struct group *g = broker_group(b, group);
	int64_t k = g->partitions[partition].exists ? g->partitions[partition].offset : -1;

	for (const struct open_transaction *t = b->transactions; t; t = t->next)
		for (const struct transaction_offset *o = t->offsets; o; o = o->next)
			if (t->state == TRANSACTION_COMMITTED && o->group == g &&
			    o->partition == partition && o->offset > k)
				k = o->offset;
	return k;
}

void memory_broker_time_out(struct memory_broker *b, bool all)
{
	int64_t before = b->schedule->clock->now_ms - b->transaction_timeout_ms;
	struct open_transaction *next;

	for (struct open_transaction *t = b->transactions; t; t = next) {
		next = t->next;
		if (t->state != TRANSACTION_OPEN || (!all && t->since_ms > before))
			continue;
		memory_schedule_say(b->schedule, NULL, "transaction of %.*s times out",
		                    STR_ARG(t->producer->id));
		t->producer->epoch++;
		transaction_end(b, t, TRANSACTION_ABORTED);
	}
}

bool memory_broker_is_settled(const struct memory_broker *b)
{
	return !b->transactions;
}
