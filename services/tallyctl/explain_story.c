/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An order's events stand in one partition, under its key. They go into the fold one at a time, so
 * that what each did is known; the credits that come out go into the fold of tally-commissions. So
 * the ids and amounts told are the workers' own.
 *
 * First it is tried with the records that explain_find.c finds. If these are not surely all, the
 * whole partition is read, with the control records between them.
 */
#include <inttypes.h>

#include "common/base/hash.h"
#include "common/base/must.h"
#include "common/host/connection.h"
#include "services/tallyctl/explain_find.h"
#include "services/tallyctl/kind.h"

/* Records before and behind an event's likely place: first so many, then so many. */
static const int64_t looks[] = { 500, 4000 };

struct telling {
	struct explain *explain;
	struct story *story;
	struct replay *orders;
	struct told_event *event; /* being folded */
	int64_t offset;           /* of the record being folded */
	struct rc failed;
};

const char *told_words(enum told told)
{
	static const char *const words[] = { "applied", "repeated", "refused", "waiting" };

	return words[told];
}

/* ---- commissions ------------------------------------------------------------ */

static void take_commission(void *self, int32_t partition, const struct output *output,
                            const struct outgoing *out)
{
	struct telling *t = self;
	struct arena *arena = t->explain->session.memory;
	struct message m = { .key = out->key,
		             .value = arena_str(arena, out->value),
		             .headers = out->headers,
		             .header_count = out->header_count };
	struct told_commission *told;
	struct envelope envelope;
	struct fault fault;

	(void)partition;
	if (!output || output->form != OUTPUT_EVENT ||
	    !envelope_decode(&m, STR(""), 0, arena, &envelope, &fault) ||
	    !envelope_data(&envelope, output->data, arena, &fault))
		return;
	told = arena_zalloc(arena, sizeof(*told));
	told->commission = *(const struct commission *)envelope.event.data;
	told->type = str_from_c(output->type);
	told->decided_at = t->offset;
	*t->story->last_commission = told;
	t->story->last_commission = &told->next;
	t->story->commission_count++;
}

static struct told_event *event_at(const struct story *story, int64_t offset)
{
	for (struct told_event *e = story->events; e; e = e->next)
		if (e->offset == offset)
			return e;
	return NULL;
}

static void describe(struct telling *t, const struct credit *credit, struct told_commission *told)
{
	struct explain *x = t->explain;
	struct reference newest = { x->reference, reference_store_newest_end(x->reference), 1 };
	int64_t partition, offset;

	told->credit = *credit;
	told->plan = reference_plan(&newest, credit->plan_id, credit->plan_version);
	if (place_parse(credit->cause, &x->orders, &partition, &offset))
		told->cause = event_at(t->story, offset);
}

/* One credit through the fold of tally-commissions; what it earned is the newest commission. */
static void fold_credit(struct telling *t, const struct credit *credit)
{
	struct told_commission **last = t->story->last_commission;
	struct buf value;
	struct message m = { .offset = replay_position(t->explain->payees, 0) };

	buf_init(&value, t->explain->session.memory);
	buf_put_char(&value, '[');
	record_encode(&credit_type, credit, &value);
	buf_put_char(&value, ']');
	m.value = buf_str(&value);
	if (rc_ok(t->failed))
		t->failed = replay_fold(t->explain->payees, 0, &m, 1);
	if (rc_ok(t->failed))
		replay_settle(t->explain->payees, 0, true);
	if (*last)
		describe(t, credit, *last);
}

static void take_credits(struct telling *t, const struct outgoing *out)
{
	struct arena *arena = t->explain->session.memory;
	struct message m = { .value = arena_str(arena, out->value) };
	struct credit *credit;
	struct yyjson_val *entry;
	struct block block;
	struct fault fault;

	if (!block_decode(&m, arena, &block, &fault))
		return;
	while ((entry = block_next(&block)) != NULL) {
		credit = arena_alloc(arena, sizeof(*credit));
		if (record_decode(&credit_type, entry, STR(""), credit, arena, &fault))
			fold_credit(t, credit);
	}
}

/* A dead letter may be of an earlier event, which had waited. */
static void take_refusal(struct telling *t, const struct outgoing *out)
{
	struct message m = { .headers = out->headers, .header_count = out->header_count };
	struct arena *arena = t->explain->session.memory;
	int64_t partition, offset;
	struct told_event *event;

	if (!place_parse(header_text(&m, STR("tw-src")), &t->explain->orders, &partition, &offset))
		return;
	event = event_at(t->story, offset);
	if (!event)
		return;
	event->told = TOLD_REFUSED;
	event->reason = arena_str(arena, header_text(&m, STR("tw-reason")));
	event->path = arena_str(arena, header_text(&m, STR("tw-path")));
}

static void take_output(void *self, int32_t partition, const struct output *output,
                        const struct outgoing *out)
{
	struct telling *t = self;

	(void)partition;
	if (!output)
		take_refusal(t, out);
	else if (output->data == &credit_type)
		take_credits(t, out);
}

struct told_commission *story_commission(const struct story *story, struct str id)
{
	for (struct told_commission *c = story->commissions; c; c = c->next)
		if (str_eq(c->commission.commission_id, id))
			return c;
	return NULL;
}

/* ---- events ------------------------------------------------------------------- */

static const struct input *input_of(const struct worker *w, struct str type)
{
	for (const struct input *in = w->inputs; in->type; in++)
		if (str_eq_c(type, in->type))
			return in;
	return NULL;
}

/* Absent where the type has no such field. */
static struct str text_of(const struct record_type *type, const void *record, const char *field)
{
	if (!record_field(type, str_from_c(field)))
		return str_of(NULL, 0);
	return record_str(type, record, field);
}

static struct told_event *note_event(struct telling *t, const struct message *m)
{
	struct arena *arena = t->explain->session.memory;
	struct told_event *event = arena_zalloc(arena, sizeof(*event));
	const struct input *input;
	struct envelope envelope;
	struct fault fault;

	event->offset = m->offset;
	event->broker_ms = m->broker_ms;
	*t->story->last_event = event;
	t->story->last_event = &event->next;
	t->story->event_count++;
	if (!envelope_decode(m, STR(""), 0, arena, &envelope, &fault))
		return event;
	event->type = envelope.event.type;
	event->id = envelope.event.id;
	event->time_ms = envelope.event.has_time ? envelope.event.time_ms : 0;
	input = input_of(t->explain->orders.worker, event->type);
	if (!input || !envelope_data(&envelope, input->data, arena, &fault))
		return event;
	event->has_amount = record_field(input->data, STR("amount")) != NULL;
	if (event->has_amount)
		event->amount_minor = record_int(input->data, envelope.event.data, "amount", 0);
	event->payment_id = text_of(input->data, envelope.event.data, "payment_id");
	event->refund_id = text_of(input->data, envelope.event.data, "refund_id");
	return event;
}

struct message message_copy(const struct message *m, struct arena *arena)
{
	struct header *headers = arena_alloc(arena, (m->header_count + 1) * sizeof(*headers));
	struct message copy = *m;

	for (unsigned i = 0; i < m->header_count; i++)
		headers[i] = (struct header){ arena_str(arena, m->headers[i].name),
			                      arena_str(arena, m->headers[i].value) };
	copy.key = arena_str(arena, m->key);
	copy.value = arena_str(arena, m->value);
	copy.headers = headers;
	return copy;
}

static void take_record(void *self, const struct message *m)
{
	struct telling *t = self;
	bool control = message_header(m, STR("tw-control")) != NULL;
	const struct process_stats *stats = replay_stats(t->orders);
	int32_t partition = t->story->partition;
	uint64_t skipped = stats->skipped;
	struct message copy;

	t->story->read++;
	if ((!control && !str_eq(m->key, t->story->order_id)) || !rc_ok(t->failed))
		return;
	copy = message_copy(m, t->explain->session.memory);
	t->event = control ? NULL : note_event(t, &copy);
	t->offset = m->offset;
	t->failed = replay_fold(t->orders, partition, &copy, 1);
	if (rc_ok(t->failed))
		replay_settle(t->orders, partition, true);
	if (t->event && stats->skipped > skipped)
		t->event->told = TOLD_REPEATED;
}

/* ---- the story ------------------------------------------------------------------- */

static void story_init(struct explain *x, struct str order_id, struct story *out)
{
	*out = (struct story){ .order_id = order_id,
		               .topic = x->orders.topic,
		               .partition = hash_partition(order_id, x->orders.partitions) };
	out->last_event = &out->events;
	out->last_commission = &out->commissions;
}

static struct rc read_reference(void *telling, struct reference_store *store)
{
	struct telling *t = telling;

	return reference_read(&t->explain->session, store);
}

static struct replay *begin(struct telling *t, const struct fleet *fleet, int32_t partitions,
                            const struct replay_sink *sink)
{
	const struct config *config = t->explain->session.config;
	struct replay_options how = {
		.topic_prefix = str_from_c(config->topic_prefix),
		.group_prefix = str_from_c(config->group_prefix),
		.partitions = partitions,
		.batch_records = 1,
	};

	return replay_new(fleet->worker, &how, t->explain->reference, sink);
}

static struct rc first_metadata(struct explain *x, int32_t partition, struct cursor_metadata *out)
{
	struct arena *arena = x->session.memory;
	struct committed *cursors =
		arena_alloc(arena, (size_t)x->orders.partitions * sizeof(*cursors));

	TRY(kafka_cluster_committed(x->session.cluster, x->orders.group, x->orders.topic,
	                            x->orders.partitions, arena, cursors));
	if (!cursors[partition].exists || !cursor_metadata_parse(cursors[partition].metadata, out))
		return rc_fail(RC_NOT_FOUND,
		               "%s/%" PRId32 " has no K of ours: run tallyctl topics create or "
		               "tallyctl repair",
		               x->orders.topic, partition);
	return OK;
}

/* Shares of one cause add up to the order's net. */
static void add_nets(struct story *story)
{
	const struct order *order = story->order;

	for (struct told_commission *c = story->commissions; c; c = c->next) {
		for (const struct told_commission *o = story->commissions; o; o = o->next)
			if (str_eq(o->credit.cause, c->credit.cause)) {
				c->net_before_minor += o->credit.net_before_minor;
				c->net_after_minor += o->credit.net_after_minor;
			}
		for (uint32_t i = 0; order && i < order->splits.count; i++) {
			c->weights += order->splits.items[i].weight;
			if (str_eq(order->splits.items[i].payee_id, c->credit.payee_id))
				c->weight = order->splits.items[i].weight;
		}
	}
	for (uint32_t i = 0; order && i < order->internal.held.count; i++) {
		struct told_event *event = event_at(story, order->internal.held.items[i].offset);

		if (event)
			event->told = TOLD_WAITING;
	}
}

/* Records live as long as their cell does; the replay goes, so the order is copied. */
static void keep_order(struct telling *t)
{
	const struct entity *entity = t->explain->orders.worker->entities[0];
	const struct cell *cell = replay_entity(t->orders, entity, t->story->order_id);
	struct arena *arena = t->explain->session.memory;
	struct order *order;

	must(entity->type == &order_type);
	if (!cell)
		return;
	order = arena_zalloc(arena, sizeof(*order));
	record_copy(&order_type, cell->record, order, arena);
	t->story->order = order;
}

/* Folds what was found, or what read_all reads, from the shard's beginning on. */
static struct rc tell(struct telling *t, const struct cursor_metadata *first,
                      const struct finding *found)
{
	struct explain *x = t->explain;
	struct story *story = t->story;
	int64_t newest = reference_store_newest_end(x->reference), next;

	replay_begin(t->orders, story->partition, first);
	replay_begin(
		x->payees, 0,
		&(struct cursor_metadata){ .first_pin = newest,
	                                   .first_logic = x->commissions.worker->logic_version });
	for (unsigned i = 0; found && i < found->count; i++)
		take_record(t, &found->records[i]);
	if (!found && story->log.end > story->log.start)
		TRY(kafka_cluster_read_span(x->session.cluster, story->topic, story->partition,
		                            story->log, take_record, t, &next));
	TRY(t->failed);
	keep_order(t);
	add_nets(story);
	return OK;
}

static struct rc read_story(struct explain *x, struct str order_id,
                            const struct cursor_metadata *first, const struct finding *found,
                            struct story *out)
{
	struct telling t = { .explain = x, .story = out };
	struct replay_sink of_orders = { &t, take_output, NULL, read_reference };
	struct replay_sink of_payees = { &t, take_commission, NULL, read_reference };
	struct log_span log = out->log;
	struct rc rc;

	story_init(x, order_id, out);
	out->log = log;
	t.orders = begin(&t, &x->orders, x->orders.partitions, &of_orders);
	x->payees = begin(&t, &x->commissions, 1, &of_payees);
	rc = tell(&t, first, found);
	replay_free(t.orders);
	replay_free(x->payees);
	return rc;
}

/* Under the newest reference data and logic: if those of the time told otherwise, it does not
 * close. */
static struct rc read_found(struct explain *x, const struct cursor_metadata *first,
                            struct story *story, bool *closes)
{
	struct finding *found = arena_alloc(x->session.memory, sizeof(*found));
	struct cursor_metadata newest = *first;

	*closes = false;
	TRY(finding_begin(x, story, story->log, found, closes));
	if (!*closes)
		return OK;
	newest.first_pin = reference_store_newest_end(x->reference);
	newest.first_logic = first->logic;
	*closes = false;
	for (size_t i = 0; !*closes && i < sizeof(looks) / sizeof(looks[0]); i++) {
		TRY(finding_look(found, looks[i]));
		TRY(read_story(x, found->order_id, &newest, found, story));
		*closes = finding_closes(found, story);
	}
	story->read = found->read;
	return OK;
}

struct rc story_read(struct explain *x, struct str order_id, struct story *out)
{
	struct log_span *spans =
		arena_alloc(x->session.memory, (size_t)x->orders.partitions * sizeof(*spans));
	struct cursor_metadata first;
	bool closes = false;

	story_init(x, order_id, out);
	TRY(reference_read(&x->session, x->reference));
	TRY(first_metadata(x, out->partition, &first));
	TRY(kafka_cluster_spans(x->session.cluster, x->orders.topic, x->orders.partitions, spans));
	out->log = spans[out->partition];
	if (!x->whole)
		TRY(read_found(x, &first, out, &closes));
	if (closes)
		return OK;
	TRY(read_story(x, order_id, &first, NULL, out));
	out->whole = true;
	return OK;
}
