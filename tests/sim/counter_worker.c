/* SPDX-License-Identifier: Apache-2.0 */
/* Record types by hand, then the tables, then the rules. */
#include "tests/sim/counter_worker.h"

#include "common/base/buf.h"
#include "common/base/hash.h"

/* ---- record types ---- */

struct tick {
	struct str counter_id;
	int64_t amount;
};

struct counter {
	int64_t total, ticks, fired;
};

struct recent {
	struct str id;
	int64_t amount;
};

struct recent_list {
	struct recent *items;
	uint32_t count, room;
};

struct watch {
	struct str last;
	int64_t rang;
	bool has_due;
	int64_t due_ms;
	struct recent_list recent;
};

struct crossing {
	struct str counter_id;
	int64_t total;
};

struct entry {
	struct str counter_id;
	int64_t amount, total;
};

#define TEXT(type, n, must_be)                                                               \
	{                                                                                    \
		FIELD_NAME(#n), .kind = FIELD_STRING, .form = FORM_ANY, .required = must_be, \
				.has = -1, .offset = offsetof(struct type, n), .min = 1,     \
				.max = 100                                                   \
	}
#define NUMBER(type, n)                                                               \
	{                                                                             \
		FIELD_NAME(#n), .kind = FIELD_INT, .required = true, .has = -1,       \
				.offset = offsetof(struct type, n), .min = INT32_MIN, \
				.max = INT32_MAX                                      \
	}
#define FIGURE(type, n)                                                               \
	{                                                                             \
		FIELD_NAME(#n), .kind = FIELD_INT, .zero_absent = true, .has = -1,    \
				.offset = offsetof(struct type, n), .min = INT64_MIN, \
				.max = INT64_MAX                                      \
	}
#define RECORD(type, words)                                          \
	{                                                            \
		words, sizeof(struct type), type##_fields,           \
			sizeof(type##_fields) / sizeof(struct field) \
	}

static const struct field tick_fields[] = { TEXT(tick, counter_id, true), NUMBER(tick, amount) };
static const struct record_type tick_type = RECORD(tick, "tick.added");
static const struct field counter_fields[] = { FIGURE(counter, total), FIGURE(counter, ticks),
	                                       FIGURE(counter, fired) };
static const struct record_type counter_type = RECORD(counter, "counter");
static const struct field recent_fields[] = { TEXT(recent, id, true), NUMBER(recent, amount) };
static const struct record_type recent_type = RECORD(recent, "recent");
static const struct field watch_fields[] = {
	TEXT(watch, last, false),
	FIGURE(watch, rang),
	{ FIELD_NAME("due"), .kind = FIELD_TIME, .offset = offsetof(struct watch, due_ms),
	  .has = offsetof(struct watch, has_due), .min = INT64_MIN, .max = INT64_MAX },
	{ FIELD_NAME("recent"), .kind = FIELD_LIST, .offset = offsetof(struct watch, recent),
	  .has = -1, .min = 0, .max = COUNTER_RECENT, .type = &recent_type },
};
static const struct record_type watch_type = RECORD(watch, "watch");
static const struct field crossing_fields[] = { TEXT(crossing, counter_id, true),
	                                        NUMBER(crossing, total) };
static const struct record_type crossing_type = RECORD(crossing, "counter.crossed");
static const struct field entry_fields[] = { TEXT(entry, counter_id, true), NUMBER(entry, amount),
	                                     NUMBER(entry, total) };
static const struct record_type entry_type = RECORD(entry, "tick.entry");

/* ---- tables ---- */

static int64_t watch_due_ms(const void *record)
{
	const struct watch *w = record;

	return w->has_due ? w->due_ms : 0;
}

static uint64_t tick_hash(const void *row)
{
	return hash64(((const struct tick *)row)->counter_id);
}

static bool tick_same(const void *a, const void *b)
{
	return str_eq(((const struct tick *)a)->counter_id, ((const struct tick *)b)->counter_id);
}

static bool tick_add(void *into, const void *row)
{
	((struct tick *)into)->amount += ((const struct tick *)row)->amount;
	return true;
}

static const struct entity counter_entity = {
	.name = "counter",
	.type = &counter_type,
	.form = ENTITY_FIGURES,
	.prefix = STR_INIT("counter:"),
	.owner = owner_is_id,
};
static const struct entity watch_entity = {
	.name = "watch",
	.type = &watch_type,
	.form = ENTITY_DOCUMENT,
	.prefix = STR_INIT("watch:"),
	.owner = owner_is_id,
	.due_ms = watch_due_ms,
};
static const struct entity *const entities[] = { &counter_entity, &watch_entity, NULL };

static const struct output crossed = { .topic = "crossings",
	                               .type = "counter.crossed",
	                               .form = OUTPUT_EVENT,
	                               .data = &crossing_type };
static const struct output rang = {
	.topic = "crossings", .type = "counter.rang", .form = OUTPUT_EVENT, .data = &crossing_type
};
static const struct output entries = {
	.topic = "entries", .type = "tick.entry", .form = OUTPUT_BLOCK, .data = &entry_type
};
static const struct output sums = { .topic = "sums",
	                            .type = "tick.sum",
	                            .form = OUTPUT_SUMMED,
	                            .data = &tick_type,
	                            .row_hash = tick_hash,
	                            .row_same = tick_same,
	                            .row_add = tick_add };
static const struct output *const outputs[] = { &crossed, &rang, &entries, &sums, NULL };

static const struct redis_key keys[] = {
	{ "mirror:<counter>", "hash", "the total once more", STR_INIT("mirror:"), owner_is_id },
	{ "note:<counter>", "string", "the last event's id", STR_INIT("note:"), owner_is_id },
	{ "top:all", "sorted set", "totals of all counters", STR_INIT("top:"), NULL },
	{ .pattern = NULL },
};

/* ---- rules ---- */

static void nobody_dies(void)
{
}

void (*counter_killed)(void) = nobody_dies;

static void reads_tick(const struct event *event, struct reads *reads)
{
	const struct tick *in = event->data;

	reads_add(reads, &counter_entity, in->counter_id);
	reads_add(reads, &watch_entity, in->counter_id);
}

static void emit(struct effects *out, const struct output *output, const struct event *event,
                 struct str counter_id, int64_t total)
{
	struct crossing data = { counter_id, total };
	struct emission emission = { .key = counter_id,
		                     .id = event->id,
		                     .subject = counter_id,
		                     .time_ms = event->time_ms,
		                     .data = &data };

	effects_emit(out, output, &emission);
}

static void set_derived(struct effects *out, const struct tick *in, const struct event *event,
                        int64_t total)
{
	struct arena *a = effects_arena(out);
	char text[20];
	struct str number = arena_str(a, str_of(text, i64_to_text(total, text)));
	struct str mirror = arena_join(a, (struct str[]){ STR("mirror:"), in->counter_id }, 2);
	struct str note = arena_join(a, (struct str[]){ STR("note:"), in->counter_id }, 2);

	effects_set_field(out, mirror, STR("total"), number);
	effects_set(out, note, event->id);
	effects_set_score(out, STR("top:all"), in->counter_id, total);
}

static void watch_tick(struct view *view, const struct event *event, const struct tick *in)
{
	struct watch *w = view_at(view, 1);
	struct recent *r;

	w->last = view_keep(view, 1, event->id);
	if (in->amount <= COUNTER_WATCHED_AMOUNT)
		return;
	if (w->recent.count == COUNTER_RECENT)
		w->recent.count = 0;
	r = VIEW_PUSH(view, 1, &w->recent);
	r->id = view_keep(view, 1, event->id);
	r->amount = in->amount;
	if (w->has_due)
		return;
	w->has_due = true;
	w->due_ms = event->time_ms + COUNTER_TIMER_MS;
}

static struct verdict on_tick(const struct event *event, struct view *view,
                              const struct reference *reference, struct effects *out)
{
	const struct tick *in = event->data;
	struct counter *c = view_at(view, 0);
	int64_t step = reference->logic_version < 2 ? COUNTER_STEP : COUNTER_STEP_LOGIC_2;
	struct entry entry;

	if (in->amount == COUNTER_POISON_AMOUNT)
		counter_killed();
	if (in->amount == COUNTER_REFUSED_AMOUNT)
		return REJECT(REASON_OVER_PAYMENT, "/data/amount");
	if (in->amount == 0)
		return SKIP("nothing to add");
	c->total += in->amount;
	c->ticks++;
	if (c->total / step > c->fired) {
		c->fired++;
		emit(out, &crossed, event, in->counter_id, c->total);
	}
	watch_tick(view, event, in);
	entry = (struct entry){ in->counter_id, in->amount, c->total };
	effects_entry(out, &entries, in->counter_id, &entry);
	effects_sum(out, &sums, in->counter_id, in);
	set_derived(out, in, event, c->total);
	return APPLY;
}

static struct verdict on_timer(const struct event *event, struct view *view,
                               const struct reference *reference, struct effects *out)
{
	struct watch *w = view_at(view, 0);

	(void)reference;
	w->rang++;
	w->has_due = false;
	emit(out, &rang, event, event->subject, w->rang);
	return APPLY;
}

static const struct input inputs[] = {
	{ "tick.added", &tick_type, reads_tick, on_tick },
	{ .type = NULL },
};

const struct worker counter_worker = {
	.name = "counter",
	.words = "counts ticks for the simulation",
	.topic = "ticks",
	.logic_version = 2,
	.inputs = inputs,
	.entities = entities,
	.outputs = outputs,
	.keys = keys,
	.on_timer = on_timer,
};
