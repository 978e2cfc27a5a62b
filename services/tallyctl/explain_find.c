/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an order's records stand is kept nowhere, but Redis has the order with the times of what
 * was applied, and a log is about in the order of those times: so some hundred records around each
 * of them are read. Whether they were all is certain in the end, not likely: what they fold to must
 * be what Redis holds, to the byte, and what they have refused must be what the dead-letter topic
 * has of the order. Otherwise the whole partition is to be read.
 *
 * What is refused leaves no trace in the order, what repeats an event leaves none anywhere. So the
 * first is looked up in the dead-letter topic, and the second is seen only where it is met.
 */

#include "services/tallyctl/explain_find.h"

#include "common/base/limits.h"
#include "services/tallyctl/log_search.h"

#define TAIL_MOST 20000 /* records behind R that are worth reading */
#define DEAD_MOST 50000 /* of the dead-letter partition */

/* ---- what Redis knows ------------------------------------------------------------ */

static void add_time(struct finding *f, bool has, int64_t time_ms)
{
	unsigned at = f->spot_count;

	if (!has || f->spot_count == SPOTS_MOST) {
		f->too_many |= has;
		return;
	}
	for (; at > 0 && f->spots[at - 1].time_ms > time_ms; at--)
		f->spots[at] = f->spots[at - 1];
	f->spots[at] = (struct spot){ .time_ms = time_ms };
	f->spot_count++;
}

static void add_times(struct finding *f, const struct order *order)
{
	add_time(f, order->has_created_ms, order->created_ms);
	add_time(f, order->has_subscribed_ms, order->subscribed_ms);
	add_time(f, order->has_signed_ms, order->signed_ms);
	add_time(f, order->has_mortgaged_ms, order->mortgaged_ms);
	add_time(f, order->has_delivered_ms, order->delivered_ms);
	add_time(f, order->has_cancelled_ms, order->cancelled_ms);
	for (uint32_t i = 0; i < order->payments.count; i++)
		add_time(f, true, order->payments.items[i].time_ms);
	for (uint32_t i = 0; i < order->refunds.count; i++)
		add_time(f, true, order->refunds.items[i].time_ms);
	for (uint32_t i = 0; i < order->internal.held.count; i++)
		add_time(f, true, order->internal.held.items[i].time_ms);
}

/* The order and R, of one instant. */
static struct rc ask_redis(struct finding *f, bool *known)
{
	const struct fleet *fleet = &f->explain->orders;
	struct session *session = &f->explain->session;
	struct arena *arena = session->memory;
	struct meta_row *metas = arena_alloc(arena, (size_t)fleet->partitions * sizeof(*metas));
	struct str parts[] = { STR("order:"), f->order_id };
	struct redis_ask ask = { arena_join(arena, parts, 2), REDIS_STRING };
	struct redis_value value;
	struct order order;

	TRY(redis_admin_read(session->redis, str_from_c(fleet->worker->topic), fleet->partitions,
	                     metas, &ask, 1, arena, &value));
	f->cursor = metas[f->partition].cursor;
	*known = value.count == 1 && f->cursor >= f->log.start && f->cursor <= f->log.end &&
	         f->log.end - f->cursor <= TAIL_MOST &&
	         record_from_text(&order_type, value.items[0], arena, &order);
	if (!*known)
		return OK;
	f->document = value.items[0];
	add_times(f, &order);
	*known = !f->too_many && f->spot_count > 0;
	return OK;
}

/* ---- records ----------------------------------------------------------------------- */

static void keep(struct finding *f, const struct message *m)
{
	struct arena *arena = f->explain->session.memory;
	unsigned at = f->count;

	while (at > 0 && f->records[at - 1].offset > m->offset)
		at--;
	if (at > 0 && f->records[at - 1].offset == m->offset)
		return;
	if (f->count == f->room) {
		unsigned room = f->room ? f->room * 2 : 64;

		f->records = arena_resize(arena, f->records, f->room * sizeof(*f->records),
		                          room * sizeof(*f->records));
		f->room = room;
	}
	memmove(&f->records[at + 1], &f->records[at], (f->count - at) * sizeof(*f->records));
	f->records[at] = message_copy(m, arena);
	f->count++;
}

/* Control records are left out: the order is folded under the newest reference data, and if those
 * of its time make another order of it, that shows. */
static void take_record(void *self, const struct message *m)
{
	struct finding *f = self;

	f->read++;
	if (str_eq(m->key, f->order_id) && !message_header(m, STR("tw-control")))
		keep(f, m);
}

static struct rc look_through(struct finding *f, int64_t from, int64_t to)
{
	struct log_span span = { from > f->log.start ? from : f->log.start,
		                 to < f->log.end ? to : f->log.end };
	int64_t next;

	if (span.start >= span.end)
		return OK;
	return kafka_cluster_read_span(f->explain->session.cluster, f->explain->orders.topic,
	                               f->partition, span, take_record, f, &next);
}

struct rc finding_look(struct finding *f, int64_t around)
{
	int64_t done = f->log.start;

	for (unsigned i = 0; i < f->spot_count; i++) {
		int64_t from = f->spots[i].offset - around, to = f->spots[i].offset + around;

		TRY(look_through(f, from > done ? from : done, to));
		done = to > done ? to : done;
	}
	TRY(look_through(f, f->cursor > done ? f->cursor : done, f->log.end));
	for (unsigned i = 0; i < f->dead_count; i++)
		TRY(look_through(f, f->dead[i].offset, f->dead[i].offset + 1));
	return OK;
}

/* ---- spots by time ------------------------------------------------------------------ */

static bool event_time(void *self, const struct message *m, int64_t *time_ms)
{
	struct envelope envelope;
	struct fault fault;
	struct arena memory;
	bool has;

	(void)self;
	arena_init(&memory, 4096);
	has = !message_header(m, STR("tw-control")) &&
	      envelope_decode(m, STR(""), 0, &memory, &envelope, &fault) && envelope.event.has_time;
	*time_ms = has ? envelope.event.time_ms : 0;
	arena_release(&memory);
	return has;
}

static struct rc find_spots(struct finding *f)
{
	struct log_search by_time = { .cluster = f->explain->session.cluster,
		                      .topic = f->explain->orders.topic,
		                      .partition = f->partition,
		                      .key = event_time };
	struct log_span span = f->log;
	int64_t since_ms = f->spots[0].time_ms - LIMIT_TIME_AHEAD_MS;

	/* No event is later than a day after its record. */
	if (since_ms > 0)
		TRY(kafka_cluster_offset_at(by_time.cluster, by_time.topic, f->partition, since_ms,
		                            &span.start));
	for (unsigned i = 0; i < f->spot_count; i++) {
		TRY(log_search_first(&by_time, span, f->spots[i].time_ms, &f->spots[i].offset));
		span.start = f->spots[i].offset;
	}
	return OK;
}

/* ---- the dead letters ------------------------------------------------------------------ */

static void take_dead(void *self, const struct message *m)
{
	struct finding *f = self;
	int64_t partition, offset;

	if (!str_eq(m->key, f->order_id) ||
	    !place_parse(header_text(m, STR("tw-src")), &f->explain->orders, &partition, &offset) ||
	    partition != f->partition)
		return;
	if (f->dead_count == SPOTS_MOST) {
		f->too_many = true;
		return;
	}
	f->dead[f->dead_count++] =
		(struct dead){ offset, arena_str(f->explain->session.memory,
		                                 header_text(m, STR("tw-reason"))) };
}

static struct rc find_dead(struct finding *f)
{
	struct session *session = &f->explain->session;
	const char *topic = arena_printf(session->memory, "%s.dlq", f->explain->orders.topic).ptr;
	struct topic_state state;
	struct log_span *spans;
	int64_t next;

	TRY(kafka_cluster_topic(session->cluster, topic, &state));
	if (!state.exists || state.partitions <= f->partition)
		return OK;
	spans = arena_alloc(session->memory, (size_t)state.partitions * sizeof(*spans));
	TRY(kafka_cluster_spans(session->cluster, topic, state.partitions, spans));
	f->too_many |= spans[f->partition].end - spans[f->partition].start > DEAD_MOST;
	if (f->too_many || spans[f->partition].end == spans[f->partition].start)
		return OK;
	return kafka_cluster_read_span(session->cluster, topic, f->partition, spans[f->partition],
	                               take_dead, f, &next);
}

/* ---- the finding ----------------------------------------------------------------------- */

struct rc finding_begin(struct explain *x, const struct story *story, struct log_span log,
                        struct finding *f, bool *possible)
{
	*f = (struct finding){
		.explain = x, .order_id = story->order_id, .partition = story->partition, .log = log
	};
	TRY(ask_redis(f, possible));
	if (!*possible)
		return OK;
	TRY(find_dead(f));
	*possible = !f->too_many;
	return *possible ? find_spots(f) : OK;
}

static bool was_refused(const struct finding *f, const struct told_event *e)
{
	for (unsigned i = 0; i < f->dead_count; i++)
		if (f->dead[i].offset == e->offset)
			return str_eq(f->dead[i].reason, e->reason);
	return false;
}

bool finding_closes(const struct finding *f, const struct story *story)
{
	unsigned refused = 0;
	struct buf made;

	if (!story->order)
		return false;
	for (const struct told_event *e = story->events; e; e = e->next) {
		if (e->told == TOLD_REFUSED && !was_refused(f, e))
			return false;
		refused += e->told == TOLD_REFUSED;
	}
	buf_init(&made, f->explain->session.memory);
	record_encode(&order_type, story->order, &made);
	return refused == f->dead_count && str_eq(buf_str(&made), f->document);
}
