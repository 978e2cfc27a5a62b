/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a commission's message stands in topic commissions.
 *
 * Outputs name what they came of, and of one shard they are in that order. So the block of credits
 * is the first whose tw-src is not before the order's record, and the message is behind the first
 * whose tw-src is not before that block: two searches, no reading through.
 */
#include <inttypes.h>

#include "common/base/hash.h"
#include "common/host/connection.h"
#include "services/tallyctl/explain.h"
#include "services/tallyctl/log_search.h"

#define MESSAGES_A_LOOK 500

/* Of one payee: where its credits and messages may be, from near the story on. */
struct outlet {
	struct outlet *next;
	struct str payee_id;
	int32_t credits_partition, partition;
	struct log_span credits, messages;
};

struct looking {
	struct explain *explain;
	const struct story *story;
	struct told_commission *told;
	const char *topic;
	struct outlet *outlet;
};

/* ---- what they came of ------------------------------------------------------------- */

static bool came_of(const struct message *m, const struct fleet *fleet, int32_t partition,
                    int64_t *offset)
{
	int64_t shard, decided_at;

	if (!place_parse(header_text(m, STR("tw-src")), fleet, &shard, offset) ||
	    shard != partition)
		return false;
	if (str_to_i64(header_text(m, STR("tw-at")), &decided_at) && decided_at > *offset)
		*offset = decided_at;
	return true;
}

static bool credits_cause(void *self, const struct message *m, int64_t *offset)
{
	const struct looking *l = self;

	return came_of(m, &l->explain->orders, l->story->partition, offset);
}

static bool message_cause(void *self, const struct message *m, int64_t *offset)
{
	const struct looking *l = self;

	return came_of(m, &l->explain->commissions, l->outlet->credits_partition, offset);
}

/* ---- the message --------------------------------------------------------------------- */

static bool has_payee(const struct story *story, struct str payee_id)
{
	for (const struct told_commission *c = story->commissions; c; c = c->next)
		if (str_eq(c->credit.payee_id, payee_id))
			return true;
	return false;
}

static void take_message(void *self, const struct message *m)
{
	struct looking *l = self;
	struct arena *arena = l->explain->session.memory;
	struct told_commission *told;
	struct envelope envelope;
	struct arena memory;
	struct fault fault;

	if (!has_payee(l->story, m->key))
		return;
	arena_init(&memory, 4096);
	told = envelope_decode(m, STR(""), 0, &memory, &envelope, &fault)
	               ? story_commission(l->story, envelope.event.id)
	               : NULL;
	if (told && !told->message.ptr) {
		told->message = arena_printf(arena, "%s/%" PRId32 "/%" PRId64, l->topic,
		                             l->outlet->partition, m->offset);
		told->source = arena_str(arena, header_text(m, STR("tw-src")));
	}
	arena_release(&memory);
}

/* What is later in a story is not before what is earlier. */
static struct rc search(struct looking *l)
{
	struct kafka_cluster *cluster = l->explain->session.cluster;
	struct outlet *o = l->outlet;
	struct log_search credits = { cluster, l->explain->commissions.topic, o->credits_partition,
		                      credits_cause, l };
	struct log_search messages = { cluster, l->topic, o->partition, message_cause, l };
	int64_t next;

	TRY(log_search_first(&credits, o->credits, l->told->decided_at, &o->credits.start));
	TRY(log_search_first(&messages, o->messages, o->credits.start, &o->messages.start));
	for (struct log_span look = o->messages; !l->told->message.ptr && look.start < look.end;
	     look.start = look.end, look.end = o->messages.end) {
		if (look.end - look.start > MESSAGES_A_LOOK)
			look.end = look.start + MESSAGES_A_LOOK;
		TRY(kafka_cluster_read_span(cluster, l->topic, o->partition, look, take_message, l,
		                            &next));
	}
	return OK;
}

/* ---- outlets ------------------------------------------------------------------------- */

/* From the time on; neither can be older than the event that caused it. */
static struct rc span_since(struct explain *x, const char *topic, int32_t partitions,
                            int32_t partition, int64_t since_ms, struct log_span *out)
{
	struct kafka_cluster *cluster = x->session.cluster;
	struct log_span *spans =
		arena_alloc(x->session.memory, (size_t)partitions * sizeof(*spans));

	TRY(kafka_cluster_spans(cluster, topic, partitions, spans));
	*out = spans[partition];
	return kafka_cluster_offset_at(cluster, topic, partition, since_ms, &out->start);
}

static struct rc add_outlet(struct looking *l)
{
	struct explain *x = l->explain;
	struct str payee_id = l->told->credit.payee_id;
	int64_t since_ms = l->told->cause->broker_ms;
	struct topic_state state;
	struct outlet *o;

	TRY(kafka_cluster_topic(x->session.cluster, l->topic, &state));
	if (!state.exists)
		return OK;
	o = arena_zalloc(x->session.memory, sizeof(*o));
	o->payee_id = payee_id;
	o->partition = hash_partition(payee_id, state.partitions);
	o->credits_partition = hash_partition(payee_id, x->commissions.partitions);
	TRY(span_since(x, l->topic, state.partitions, o->partition, since_ms, &o->messages));
	TRY(span_since(x, x->commissions.topic, x->commissions.partitions, o->credits_partition,
	               since_ms, &o->credits));
	o->next = x->outlets;
	l->outlet = x->outlets = o;
	return OK;
}

struct rc story_find_message(struct explain *x, const struct story *story,
                             struct told_commission *told)
{
	struct looking l = {
		.explain = x,
		.story = story,
		.told = told,
		.topic = connection_topic(x->session.config, "commissions", x->session.memory),
		.outlet = x->outlets,
	};

	if (!told->cause || told->message.ptr)
		return OK;
	while (l.outlet && !str_eq(l.outlet->payee_id, told->credit.payee_id))
		l.outlet = l.outlet->next;
	if (!l.outlet)
		TRY(add_outlet(&l));
	return l.outlet ? search(&l) : OK;
}
