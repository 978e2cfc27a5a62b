/* SPDX-License-Identifier: Apache-2.0 */
/* Each wrapper counts and passes on, or, once dead, does nothing. */
#include "tests/sim/mortal.h"

struct mortal {
	struct broker broker;
	struct store store;
	unsigned calls, dies_at, meets_at;
	void (*happen)(void *);
	void *to;
	bool dead;
};

static bool lives(struct mortal *m)
{
	m->calls++;
	if (m->dies_at && m->calls >= m->dies_at)
		m->dead = true;
	if (m->calls == m->meets_at)
		m->happen(m->to);
	return !m->dead;
}

/* ---- broker ---- */

static void take(void *self, int32_t partition, int64_t until, unsigned max, size_t max_bytes,
                 struct taken *out)
{
	struct mortal *m = self;

	*out = (struct taken){ .next_offset = -1 };
	if (lives(m))
		m->broker.take(m->broker.self, partition, until, max, max_bytes, out);
}

/* Only memory: it goes back in any case. */
static void give_back(void *self, struct taken *taken)
{
	struct mortal *m = self;

	m->broker.give_back(m->broker.self, taken);
}

static void poll_group(void *self)
{
	struct mortal *m = self;

	if (lives(m))
		m->broker.poll(m->broker.self);
}

static void read_cursor(void *self, int32_t partition, uint64_t ticket)
{
	struct mortal *m = self;

	if (lives(m))
		m->broker.read_cursor(m->broker.self, partition, ticket);
}

static void start(void *self, int32_t partition, int64_t offset)
{
	struct mortal *m = self;

	if (lives(m))
		m->broker.start(m->broker.self, partition, offset);
}

static void unassign(void *self, int32_t partition)
{
	struct mortal *m = self;

	if (lives(m))
		m->broker.unassign(m->broker.self, partition);
}

static void publish(void *self, const struct transaction *transaction)
{
	struct mortal *m = self;

	if (lives(m))
		m->broker.publish(m->broker.self, transaction);
}

static void fence(void *self, int32_t partition, uint64_t ticket, const char *id)
{
	struct mortal *m = self;

	if (lives(m))
		m->broker.fence(m->broker.self, partition, ticket, id);
}

static void reopen(void *self, uint64_t ticket)
{
	struct mortal *m = self;

	if (lives(m))
		m->broker.reopen(m->broker.self, ticket);
}

static const char *transactional_id(void *self)
{
	struct mortal *m = self;

	return m->broker.transactional_id(m->broker.self);
}

static void append(void *self, int32_t partition, uint64_t ticket, struct str key, struct str value,
                   const struct header *headers, unsigned header_count)
{
	struct mortal *m = self;

	if (lives(m))
		m->broker.append(m->broker.self, partition, ticket, key, value, headers,
		                 header_count);
}

static void read_reference(void *self, int64_t from, uint64_t ticket)
{
	struct mortal *m = self;

	if (lives(m))
		m->broker.read_reference(m->broker.self, from, ticket);
}

static int32_t partitions(void *self, struct str topic)
{
	struct mortal *m = self;

	return m->broker.partitions(m->broker.self, topic);
}

/* ---- store ---- */

static void claim(void *self, int32_t partition, uint64_t ticket, const char *id)
{
	struct mortal *m = self;

	if (lives(m))
		m->store.claim(m->store.self, partition, ticket, id);
}

static void unclaim(void *self, int32_t partition, uint64_t ticket, const char *before)
{
	struct mortal *m = self;

	if (lives(m))
		m->store.unclaim(m->store.self, partition, ticket, before);
}

static void load(void *self, const struct load *call)
{
	struct mortal *m = self;

	if (lives(m))
		m->store.load(m->store.self, call);
}

static void flush(void *self, const struct flush *call)
{
	struct mortal *m = self;

	if (lives(m))
		m->store.flush(m->store.self, call);
}

static void check(void *self, int32_t partition, uint64_t ticket)
{
	struct mortal *m = self;

	if (lives(m))
		m->store.check(m->store.self, partition, ticket);
}

static void wipe(void *self, int32_t partition, int32_t count, uint64_t ticket)
{
	struct mortal *m = self;

	if (lives(m))
		m->store.wipe(m->store.self, partition, count, ticket);
}

static void try_offsets(void *self, int32_t partition, uint64_t ticket, struct offsets offsets)
{
	struct mortal *m = self;

	if (lives(m))
		m->store.try_offsets(m->store.self, partition, ticket, offsets);
}

static void read_due(void *self, int32_t partition, uint64_t ticket, unsigned max)
{
	struct mortal *m = self;

	if (lives(m))
		m->store.read_due(m->store.self, partition, ticket, max);
}

/* ---- making ---- */

struct mortal *mortal_new(struct arena *arena, struct ports *ports)
{
	struct mortal *m = arena_zalloc(arena, sizeof(*m));

	m->broker = ports->broker;
	m->store = ports->store;
	ports->broker = (struct broker){ .self = m,
		                         .take = take,
		                         .give_back = give_back,
		                         .poll = poll_group,
		                         .read_cursor = read_cursor,
		                         .start = start,
		                         .unassign = unassign,
		                         .publish = publish,
		                         .fence = fence,
		                         .reopen = reopen,
		                         .transactional_id = transactional_id,
		                         .append = append,
		                         .read_reference = read_reference,
		                         .partitions = partitions };
	ports->store = (struct store){ .self = m,
		                       .claim = claim,
		                       .unclaim = unclaim,
		                       .load = load,
		                       .flush = flush,
		                       .check = check,
		                       .wipe = wipe,
		                       .try_offsets = try_offsets,
		                       .read_due = read_due };
	return m;
}

void mortal_dies_at(struct mortal *m, unsigned call)
{
	m->dies_at = call;
}

void mortal_meets(struct mortal *m, unsigned call, void (*happen)(void *), void *to)
{
	m->meets_at = call;
	m->happen = happen;
	m->to = to;
}

void mortal_dies(struct mortal *m)
{
	m->dead = true;
}

bool mortal_is_dead(const struct mortal *m)
{
	return m->dead;
}

unsigned mortal_calls(const struct mortal *m)
{
	return m->calls;
}
