/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups: who owns which partition, by the cooperative protocol.
 *
 * A change at the coordinator raises the generation at once; each member learns
 * of it at a step of its own, and only then knows the new generation. A partition
 * that is wanted elsewhere stays with its owner until the owner let it go. An
 * expelled member's partitions go to others at once; it learns of it when it
 * runs again, and joins anew only after it let go of all it held.
 */
#include "common/adapters/memory/broker_internal.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

#define HEARTBEAT_MS 2000

struct group_call {
	struct memory_call call;
	struct memory_member *member;
	uint64_t member_id;
};

struct group *broker_group(const struct memory_broker *b, struct str name)
{
	struct group *g = b->groups;

	while (g && !str_eq(g->name, name))
		g = g->next;
	must(g);
	return g;
}

void memory_broker_add_group(struct memory_broker *b, struct str name, struct str topic)
{
	struct group *g = arena_zalloc(&b->memory, sizeof(*g));

	g->name = arena_str(&b->memory, name);
	g->topic = broker_topic(b, topic);
	g->partitions =
		arena_zalloc(&b->memory, (size_t)g->topic->partitions * sizeof(*g->partitions));
	g->next = b->groups;
	b->groups = g;
}

void memory_broker_set_cursor(struct memory_broker *b, struct str group, int32_t partition,
                              int64_t offset, struct str metadata)
{
	struct group_partition *p = &broker_group(b, group)->partitions[partition];

	p->exists = offset >= 0;
	p->offset = offset;
	p->metadata = arena_str(&b->memory, metadata);
}

int64_t memory_broker_cursor(const struct memory_broker *b, struct str group, int32_t partition,
                             struct str *metadata)
{
	const struct group_partition *p = &broker_group(b, group)->partitions[partition];

	if (metadata)
		*metadata = p->metadata;
	return p->exists ? p->offset : -1;
}

/* ---- calls ---- */

static void group_call_free(struct memory_call *call)
{
	free(call);
}

static struct group_call *call_new(struct memory_member *m, const char *name, int32_t partition,
                                   bool (*arrive)(struct memory_call *),
                                   bool (*answer)(struct memory_call *))
{
	struct group_call *c = memory_new(sizeof(*c));

	*c = (struct group_call){ .member = m, .member_id = m->known_id };
	c->call = (struct memory_call){ .party = m->party, .name = name, .partition = partition };
	c->call.arrive = arrive;
	c->call.answer = answer;
	c->call.free = group_call_free;
	return c;
}

static void send_call(struct memory_member *m, const char *name, int32_t partition,
                      bool (*arrive)(struct memory_call *), bool (*answer)(struct memory_call *))
{
	memory_schedule_put(m->broker->schedule,
	                    &call_new(m, name, partition, arrive, answer)->call);
}

/* ---- the client: what it is told ---- */

static void add_event(struct memory_member *m, enum happening_kind kind, int32_t partition)
{
	m->events = memory_room(m->events, m->event_count, &m->event_room, sizeof(*m->events));
	m->events[m->event_count++] = (struct group_event){ kind, partition };
}

/* Forgets assignments that were not polled yet (a partition never told of is not held), and,
 * where the membership is lost, what it wanted back. */
static void drop_events(struct memory_member *m, bool lost)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < m->event_count; i++) {
		struct group_event e = m->events[i];

		if (e.kind == HAPPENED_ASSIGNED)
			m->held[e.partition].held = HELD_NOT;
		else if (!lost || e.kind == HAPPENED_LOST)
			m->events[kept++] = e;
	}
	m->event_count = kept;
}

static bool holds_any(const struct memory_member *m)
{
	for (int32_t p = 0; p < m->group->topic->partitions; p++)
		if (m->held[p].held != HELD_NOT)
			return true;
	return false;
}

static bool leave_arrive(struct memory_call *call);
static void send_release(struct memory_member *m, int32_t partition);

static void learn_of_loss(struct memory_member *m)
{
	m->known_generation = -1;
	drop_events(m, true);
	for (int32_t p = 0; p < m->group->topic->partitions; p++) {
		if (m->held[p].held == HELD_NOT || m->held[p].held == HELD_LOST)
			continue;
		m->held[p].held = HELD_LOST;
		add_event(m, HAPPENED_LOST, p);
	}
	if (!holds_any(m) && !m->leaving)
		member_send_join(m);
}

static void learn_of_assignment(struct memory_member *m)
{
	const struct group *g = m->group;

	m->known_id = m->id;
	m->known_generation = g->generation;
	if (m->leaving) {
		if (!holds_any(m))
			send_call(m, "leave", -1, leave_arrive, NULL);
		return;
	}
	for (int32_t p = 0; p < g->topic->partitions; p++) {
		const struct group_partition *gp = &g->partitions[p];
		struct held_partition *h = &m->held[p];

		if (gp->owner != m || h->releasing)
			continue;
		if (gp->target == m && h->held == HELD_NOT) {
			*h = (struct held_partition){ .held = HELD_YES };
			add_event(m, HAPPENED_ASSIGNED, p);
		} else if (gp->target != m && h->held == HELD_NOT) {
			send_release(m, p);
		} else if (gp->target != m && h->held == HELD_YES) {
			h->held = HELD_REVOKING;
			add_event(m, HAPPENED_REVOKED, p);
		}
	}
}

/* The member's background thread hears from the coordinator. */
static bool sync_answer(struct memory_call *call)
{
	struct memory_member *m = ((struct group_call *)(void *)call)->member;

	if (m->joining)
		return false;
	if (m->in_group)
		learn_of_assignment(m);
	else
		learn_of_loss(m);
	return false;
}

/* A member learns of a change by its next heartbeat, mostly at once, at times seconds later. */
static void send_sync(struct memory_member *m)
{
	struct memory_schedule *s = m->broker->schedule;
	struct group_call *c = call_new(m, "sync", -1, NULL, sync_answer);

	memory_schedule_put(s, &c->call);
	if (memory_schedule_fault(s, m->broker->chances.late_heartbeat))
		c->call.due_ms += dice_between(&s->dice, 0, HEARTBEAT_MS);
}

/* ---- the coordinator ---- */

static unsigned wanted_by(const struct group *g, const struct memory_member *m)
{
	unsigned n = 0;

	for (int32_t p = 0; p < g->topic->partitions; p++)
		n += g->partitions[p].target == m;
	return n;
}

/* The member of the group with the fewest partitions. */
static struct memory_member *least_loaded(struct memory_broker *b, const struct group *g)
{
	struct memory_member *least = NULL;

	for (struct memory_member *m = b->members; m; m = m->next)
		if (m->group == g && m->in_group && !m->leaving &&
		    (!least || wanted_by(g, m) < wanted_by(g, least)))
			least = m;
	return least;
}

static void level_out(struct memory_broker *b, struct group *g)
{
	for (int32_t p = 0; p < g->topic->partitions; p++) {
		struct memory_member *least = least_loaded(b, g);
		struct memory_member *now = g->partitions[p].target;

		if (now && now->in_group && !now->leaving &&
		    wanted_by(g, now) <= wanted_by(g, least) + 1)
			continue;
		g->partitions[p].target = least;
	}
}

/* Something changed: free partitions go to whom they are meant for, everyone will hear of it. */
static void changed(struct memory_broker *b, struct group *g)
{
	g->generation++;
	for (int32_t p = 0; p < g->topic->partitions; p++) {
		struct group_partition *gp = &g->partitions[p];

		if (gp->owner && !gp->owner->in_group)
			gp->owner = NULL;
		if (!gp->target || !gp->target->in_group)
			gp->target = least_loaded(b, g);
		if (!gp->owner)
			gp->owner = gp->target;
	}
	for (struct memory_member *m = b->members; m; m = m->next)
		if (m->group == g && !m->party->dead)
			send_sync(m);
}

static bool join_arrive(struct memory_call *call)
{
	struct memory_member *m = ((struct group_call *)(void *)call)->member;

	if (m->party->dead)
		return true;
	m->id = ++m->group->member_ids;
	m->in_group = true;
	level_out(m->broker, m->group);
	changed(m->broker, m->group);
	return true;
}

static bool join_answer(struct memory_call *call)
{
	struct memory_member *m = ((struct group_call *)(void *)call)->member;

	m->joining = false;
	send_call(m, "sync", -1, NULL, sync_answer);
	return false;
}

void member_send_join(struct memory_member *m)
{
	m->joining = true;
	send_call(m, "join", -1, join_arrive, join_answer);
}

/* The owner let a partition go. */
static bool release_arrive(struct memory_call *call)
{
	const struct group_call *c = (const struct group_call *)(const void *)call;
	struct memory_member *m = c->member;
	struct group_partition *gp = &m->group->partitions[call->partition];

	m->held[call->partition].releasing = false;
	if (!m->party->dead)
		send_call(m, "sync", -1, NULL, sync_answer);
	if (m->id != c->member_id || !m->in_group || gp->owner != m)
		return true;
	gp->owner = NULL;
	changed(m->broker, m->group);
	return true;
}

static void send_release(struct memory_member *m, int32_t partition)
{
	m->held[partition].releasing = true;
	send_call(m, "release", partition, release_arrive, NULL);
}

static bool leave_arrive(struct memory_call *call)
{
	const struct group_call *c = (const struct group_call *)(const void *)call;
	struct memory_member *m = c->member;

	if (m->id != c->member_id || !m->in_group)
		return true;
	m->in_group = false;
	level_out(m->broker, m->group);
	changed(m->broker, m->group);
	return true;
}

void memory_member_expel(struct memory_member *m)
{
	if (!m->in_group)
		return;
	memory_schedule_say(m->broker->schedule, m->party, "is expelled from the group");
	m->in_group = false;
	level_out(m->broker, m->group);
	changed(m->broker, m->group);
}

void memory_member_move(struct memory_member *to, int32_t partition)
{
	struct group_partition *gp = &to->group->partitions[partition];

	if (!to->in_group || to->leaving || gp->target == to)
		return;
	memory_schedule_say(to->broker->schedule, to->party, "shall get partition %d",
	                    (int)partition);
	gp->target = to;
	changed(to->broker, to->group);
}

/* ---- the client: what it does ---- */

void member_release(struct memory_member *m, int32_t partition)
{
	struct held_partition *h = &m->held[partition];
	enum held before = h->held;

	*h = (struct held_partition){ .held = HELD_NOT, .releasing = h->releasing };
	if (before == HELD_LOST) {
		if (!holds_any(m) && !m->leaving)
			member_send_join(m);
		return;
	}
	if (before == HELD_NOT)
		return;
	if (!m->leaving)
		send_release(m, partition);
	else if (!holds_any(m))
		send_call(m, "leave", -1, leave_arrive, NULL);
}

void memory_member_leave(struct memory_member *m)
{
	if (m->leaving)
		return;
	m->leaving = true;
	drop_events(m, false);
	for (int32_t p = 0; p < m->group->topic->partitions; p++) {
		if (m->held[p].held != HELD_YES)
			continue;
		m->held[p].held = HELD_REVOKING;
		add_event(m, HAPPENED_REVOKED, p);
	}
	if (!holds_any(m))
		send_call(m, "leave", -1, leave_arrive, NULL);
}

bool memory_member_is_out(const struct memory_member *m)
{
	return !m->in_group && !m->joining && !holds_any(m);
}
