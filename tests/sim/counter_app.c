/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator remembers what it wrote at which offset; the oracle walks the
 * input log, timer records included, and keeps its own figures. Values are
 * compared as texts that are formed here by hand, so that nothing of the codec or
 * of the runtime judges itself.
 */
#include "tests/sim/counter_app.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"
#include "tests/sim/counter_worker.h"

#define TOPIC "ticks"
#define COUNTERS 9
#define RECORDS_MOST 400

struct sent {
	struct str key, value, event_id;
	unsigned counter;
	int64_t amount, time_ms;
	const char *refused; /* DLQ reason; NULL: a good one */
};

/* What lies at an offset of the input. */
struct placed {
	int32_t partition;
	int64_t offset;
	const struct sent *sent;
};

struct counter_model {
	int64_t total, ticks, fired, rang;
	struct str last;
	int64_t due_ms; /* 0: none */
	struct str recent[COUNTER_RECENT];
	unsigned recent_count;
	bool seen;
	int64_t summed;
};

struct counter_run {
	unsigned poison; /* chance of a record that kills, per mille */
	unsigned left, counters;
	struct sent sent[RECORDS_MOST];
	unsigned sent_count;
	struct placed places[RECORDS_MOST];
	unsigned place_count;
	struct counter_model models[COUNTERS];
};

/* ---- the stream ---- */

static void *begin(struct sim_world *w)
{
	struct counter_run *r = arena_zalloc(sim_memory(w), sizeof(*r));

	r->left = (unsigned)dice_between(sim_dice(w), 15, 150);
	r->counters = (unsigned)dice_between(sim_dice(w), 1, COUNTERS);
	r->poison = dice_hits(sim_dice(w), 300) ? 15 : 0;
	counter_killed = sim_die;
	return r;
}

static void end(void *self)
{
	(void)self; /* lies in the world's memory */
}

static struct str counter_name(struct sim_world *w, unsigned n)
{
	return arena_printf(sim_memory(w), "c%u", n);
}

static const struct sent *make_tick(struct sim_world *w, struct counter_run *r)
{
	struct arena *a = sim_memory(w);
	struct sent *s = &r->sent[r->sent_count];
	char time[24];

	s->counter = dice_below(sim_dice(w), r->counters);
	s->amount = dice_between(sim_dice(w), -3, 13);
	if (dice_hits(sim_dice(w), r->poison))
		s->amount = COUNTER_POISON_AMOUNT;
	s->time_ms = memory_clock_wall(sim_clock(w)) - dice_between(sim_dice(w), 0, 40);
	s->key = counter_name(w, s->counter);
	s->event_id = arena_printf(a, "e%u", r->sent_count++);
	if (s->amount == COUNTER_REFUSED_AMOUNT)
		s->refused = "over_payment";
	timestamp_format(s->time_ms, time);
	s->value = arena_printf(a,
	                        "{\"specversion\":\"1.0\",\"id\":\"%.*s\",\"source\":\"/sim\","
	                        "\"type\":\"tick.added\",\"time\":\"%.24s\","
	                        "\"data\":{\"counter_id\":\"%.*s\",\"amount\":%" PRId64 "}}",
	                        STR_ARG(s->event_id), time, STR_ARG(s->key), s->amount);
	return s;
}

static const struct sent *make_bad(struct sim_world *w, struct counter_run *r, const char *refused,
                                   struct str value)
{
	struct sent *s = &r->sent[r->sent_count++];

	s->key = counter_name(w, dice_below(sim_dice(w), r->counters));
	s->value = value;
	s->refused = refused;
	return s;
}

static void place_at(struct sim_world *w, struct counter_run *r, const struct sent *s,
                     int32_t partition)
{
	struct placed *p = &r->places[r->place_count++];

	p->sent = s;
	p->partition = partition;
	if (dice_hits(sim_dice(w), 150))
		p->offset =
			memory_broker_append_marked(sim_broker(w), STR(TOPIC), partition, s->key,
		                                    s->value, dice_hits(sim_dice(w), 600));
	else
		p->offset = sim_append_at(w, TOPIC, partition, s->key, s->value, NULL, 0);
}

/* Where it belongs, or, if that is what is wrong with it, next to that. */
static void place(struct sim_world *w, struct counter_run *r, const struct sent *s)
{
	int32_t partitions = memory_broker_partitions(sim_broker(w), STR(TOPIC));
	int32_t partition = hash_partition(s->key, partitions);

	if (s->refused && strcmp(s->refused, "wrong_partition") == 0)
		partition = (partition + 1) % partitions;
	place_at(w, r, s, partition);
}

static void place_wrongly(struct sim_world *w, struct counter_run *r)
{
	int32_t partitions = memory_broker_partitions(sim_broker(w), STR(TOPIC));
	const struct sent *good = make_tick(w, r);
	struct sent *s = &r->sent[r->sent_count++];

	*s = *good;
	if (partitions > 1)
		s->refused = "wrong_partition";
	place(w, r, s);
}

/* Wears the header of a control record, but nobody expects it. */
static void forge_timer(struct sim_world *w, struct counter_run *r)
{
	const struct header headers[] = { { STR_INIT("tw-control"), STR_INIT("1") } };
	struct str key = counter_name(w, dice_below(sim_dice(w), r->counters));
	int32_t partitions = memory_broker_partitions(sim_broker(w), STR(TOPIC));
	char due[24];

	timestamp_format(memory_clock_wall(sim_clock(w)) + dice_between(sim_dice(w), -90, 90), due);
	sim_append_at(
		w, TOPIC, hash_partition(key, partitions), key,
		arena_printf(sim_memory(w),
	                     "{\"specversion\":\"1.0\",\"id\":\"f\",\"source\":\"/tallyworks/x\","
	                     "\"type\":\"tallyworks.timer.due\",\"subject\":\"%.*s\","
	                     "\"time\":\"%.24s\",\"data\":{\"kind\":\"watch\",\"id\":\"%.*s\","
	                     "\"due\":\"%.24s\"}}",
	                     STR_ARG(key), due, STR_ARG(key), due),
		headers, 1);
}

/* From here on the second logic version; of another worker, or stale, it means nothing. */
static void advance_logic(struct sim_world *w)
{
	bool other = dice_hits(sim_dice(w), 300);

	sim_control(w, arena_printf(sim_memory(w),
	                            "{\"specversion\":\"1.0\",\"id\":\"l\",\"source\":"
	                            "\"/tallyworks/sim\",\"type\":\"tallyworks.logic.advanced\","
	                            "\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"worker\":"
	                            "\"%s\",\"version\":%u}}",
	                            other ? "orders" : "counter", 1 + dice_below(sim_dice(w), 2)));
}

static bool feed(struct sim_world *w, void *self)
{
	struct counter_run *r = self;
	unsigned x = dice_below(sim_dice(w), 100);

	if (r->left == 0)
		return false;
	r->left--;
	if (dice_hits(sim_dice(w), 15))
		advance_logic(w);
	if (x < 80 || r->sent_count == 0)
		place(w, r, make_tick(w, r));
	else if (x < 89)
		place(w, r, &r->sent[dice_below(sim_dice(w), r->sent_count)]);
	else if (x < 92)
		place(w, r, make_bad(w, r, "not_json", STR("{\"specversion\":\"1.0\",\"id\":")));
	else if (x < 94)
		place(w, r, make_bad(w, r, "null_value", str_of(NULL, 0)));
	else if (x < 96)
		place(w, r,
		      make_bad(w, r, "unknown_type",
		               STR("{\"specversion\":\"1.0\",\"id\":\"u\",\"source\":\"/sim\","
		                   "\"type\":\"tick.lost\",\"time\":\"2026-01-01T00:00:00Z\"}")));
	else if (x < 98)
		place_wrongly(w, r);
	else
		forge_timer(w, r);
	return true;
}

/* All timers ring in the end. */
static bool at_rest(struct sim_world *w, void *self)
{
	(void)self;
	return sim_timers_are_done(w);
}

/* ---- the oracle ---- */

/* What one shard must have sent, in order: "<topic> <key> <what>". */
struct expected {
	struct str *lines;
	unsigned count;
	struct buf entries[4]; /* bodies of the blocks, by target partition */
	int64_t step;          /* of the logic version in force */
	bool state_only;       /* nobody asks what must have been sent */
};

static void expect_line(struct sim_world *w, struct expected *e, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void expect_line(struct sim_world *w, struct expected *e, const char *format, ...)
{
	char line[512];
	va_list args;

	if (e->state_only)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	e->lines = arena_resize(sim_memory(w), e->lines, e->count * sizeof(struct str),
	                        (e->count + 1) * sizeof(struct str));
	e->lines[e->count++] = arena_str(sim_memory(w), str_from_c(line));
}

static void model_watch(struct sim_world *w, struct counter_model *m, const struct sent *s)
{
	m->last = s->event_id;
	if (s->amount <= COUNTER_WATCHED_AMOUNT)
		return;
	if (m->recent_count == COUNTER_RECENT)
		m->recent_count = 0;
	m->recent[m->recent_count++] =
		arena_printf(sim_memory(w), "{\"id\":\"%.*s\",\"amount\":%" PRId64 "}",
	                     STR_ARG(s->event_id), s->amount);
	if (m->due_ms == 0)
		m->due_ms = s->time_ms + COUNTER_TIMER_MS;
}

static void model_tick(struct sim_world *w, struct counter_run *r, const struct sent *s,
                       struct expected *e)
{
	struct counter_model *m = &r->models[s->counter];
	int32_t partitions = memory_broker_partitions(sim_broker(w), STR("entries"));
	struct buf *entries = &e->entries[hash_partition(s->key, partitions)];

	if (s->refused) {
		expect_line(w, e, "ticks.dlq %.*s %s %.*s", STR_ARG(s->key), s->refused,
		            STR_ARG(s->value));
		return;
	}
	if (s->amount == 0)
		return;
	m->seen = true;
	m->total += s->amount;
	m->ticks++;
	m->summed += s->amount;
	if (m->total / e->step > m->fired) {
		m->fired++;
		expect_line(w, e, "crossings %.*s counter.crossed %.*s %" PRId64, STR_ARG(s->key),
		            STR_ARG(s->event_id), m->total);
	}
	model_watch(w, m, s);
	if (e->state_only)
		return;
	buf_printf(entries,
	           "%s{\"counter_id\":\"%.*s\",\"amount\":%" PRId64 ",\"total\":%" PRId64 "}",
	           entries->len ? "," : "", STR_ARG(s->key), s->amount, m->total);
}

/* A record that the generator did not write as a tick: an order to advance, a timer. */
static void model_control(struct sim_world *w, struct counter_run *r, const struct message *m,
                          struct expected *e)
{
	struct str worker = sim_between(m->value, "\"worker\":\"", "\"");
	struct str id = sim_between(m->value, "\"kind\":\"watch\",\"id\":\"", "\"");
	struct str due = sim_between(m->value, "\"due\":\"", "\"");
	struct str event_id = sim_between(m->value, "\"id\":\"", "\"");
	struct counter_model *model;
	int64_t counter, due_ms;

	if (worker.ptr) {
		if (str_eq_c(worker, "counter") && memmem(m->value.ptr, m->value.len, ":2}", 3))
			e->step = COUNTER_STEP_LOGIC_2;
		return;
	}
	if (!id.ptr || !str_to_i64(str_from(id, 1), &counter) || !timestamp_parse(due, &due_ms)) {
		sim_fail(w, "an unknown record in the input: %.*s", STR_ARG(m->value));
		return;
	}
	model = &r->models[counter];
	if (model->due_ms != due_ms || due_ms > m->broker_ms)
		return;
	model->due_ms = 0;
	model->rang++;
	expect_line(w, e, "crossings %.*s counter.rang %.*s %" PRId64, STR_ARG(id),
	            STR_ARG(event_id), model->rang);
}

static const struct sent *sent_at(const struct counter_run *r, int32_t partition, int64_t offset)
{
	for (unsigned i = 0; i < r->place_count; i++)
		if (r->places[i].partition == partition && r->places[i].offset == offset)
			return r->places[i].sent;
	return NULL;
}

static void model_shard(struct sim_world *w, struct counter_run *r, int32_t partition,
                        int64_t until, struct expected *e)
{
	const struct message *m;
	int64_t next = 0;

	while ((m = memory_broker_read(sim_broker(w), STR(TOPIC), partition, &next)) &&
	       m->offset < until) {
		const struct sent *s = sent_at(r, partition, m->offset);
		bool kills = s && !s->refused && s->amount == COUNTER_POISON_AMOUNT;

		if (sim_is_skipped(w, &counter_worker, partition, m->offset, kills))
			expect_line(w, e, "ticks.dlq %.*s poison %.*s", STR_ARG(m->key),
			            STR_ARG(m->value));
		else if (s)
			model_tick(w, r, s, e);
		else
			model_control(w, r, m, e);
	}
}

/* ---- comparing ---- */

/* An output in the words of expect_line(). */
static struct str line_of(struct sim_world *w, const struct sim_output *o)
{
	struct arena *a = sim_memory(w);
	struct str value = o->message->value;

	if (str_eq_c(o->topic, "ticks.dlq"))
		return arena_printf(a, "ticks.dlq %.*s %.*s %.*s", STR_ARG(o->message->key),
		                    STR_ARG(sim_header(o->message, "tw-reason")), STR_ARG(value));
	return arena_printf(a, "crossings %.*s %.*s %.*s %.*s", STR_ARG(o->message->key),
	                    STR_ARG(sim_between(value, "\"type\":\"", "\"")),
	                    STR_ARG(sim_between(value, "\"id\":\"", "\"")),
	                    STR_ARG(sim_between(value, "\"total\":", "}")));
}

static void add_sums(struct sim_world *w, struct counter_run *r, struct str value)
{
	while (value.len) {
		struct str id = sim_between(value, "\"counter_id\":\"", "\"");
		struct str amount = sim_between(value, "\"amount\":", "}");
		int64_t n, counter;

		if (!id.ptr || !str_to_i64(str_from(id, 1), &counter) || !str_to_i64(amount, &n)) {
			sim_fail(w, "a sum that cannot be read: %.*s", STR_ARG(value));
			return;
		}
		r->models[counter].summed -= n;
		value = str_of(amount.ptr + amount.len + 1,
		               (size_t)(value.ptr + value.len - amount.ptr) - amount.len - 1);
		if (str_eq_c(value, "]"))
			return;
	}
}

static void compare_outputs(struct sim_world *w, struct counter_run *r, int32_t partition,
                            const struct expected *e)
{
	unsigned count, line = 0;
	const struct sim_output *all = sim_outputs(w, &counter_worker, partition, &count);
	struct buf bodies[4];

	for (unsigned i = 0; i < 4; i++)
		buf_init(&bodies[i], sim_memory(w));
	for (unsigned i = 0; i < count && !sim_failed(w); i++) {
		struct str value = all[i].message->value;

		if (str_eq_c(all[i].topic, "entries")) {
			struct buf *b = &bodies[all[i].partition];

			if (b->len)
				buf_put_char(b, ',');
			buf_put(b, str_of(value.ptr + 1, value.len - 2));
		} else if (str_eq_c(all[i].topic, "sums")) {
			add_sums(w, r, value);
		} else if (line == e->count || !str_eq(line_of(w, &all[i]), e->lines[line])) {
			sim_fail(w, "ticks/%d: output %u is \"%.*s\", not \"%.*s\"", (int)partition,
			         i + 1, STR_ARG(line_of(w, &all[i])),
			         STR_ARG(line == e->count ? STR("(none)") : e->lines[line]));
		} else {
			line++;
		}
	}
	if (line < e->count)
		sim_fail(w, "ticks/%d: lost output \"%.*s\"", (int)partition,
		         STR_ARG(e->lines[line]));
	for (unsigned i = 0; i < 4; i++)
		if (!str_eq(buf_str(&bodies[i]), buf_str(&e->entries[i])))
			sim_fail(w, "ticks/%d: entries for %u are %.*s, not %.*s", (int)partition,
			         i, STR_ARG(buf_str(&bodies[i])), STR_ARG(buf_str(&e->entries[i])));
}

static void expect_number(struct sim_world *w, struct memory_keys *k, enum stored_kind kind,
                          struct str key, struct str name, int64_t value)
{
	if (value)
		memory_keys_set_field(k, kind, key, name,
		                      arena_printf(sim_memory(w), "%" PRId64, value));
}

static void expect_state(struct sim_world *w, const struct counter_model *m, struct str id,
                         struct memory_keys *k)
{
	struct arena *a = sim_memory(w);
	struct str key = arena_printf(a, "counter:%.*s", STR_ARG(id));
	struct str total = arena_printf(a, "%" PRId64, m->total);
	char due[24];
	struct buf b;

	expect_number(w, k, STORED_HASH, key, STR("total"), m->total);
	expect_number(w, k, STORED_HASH, key, STR("ticks"), m->ticks);
	expect_number(w, k, STORED_HASH, key, STR("fired"), m->fired);
	memory_keys_set_field(k, STORED_HASH, arena_printf(a, "mirror:%.*s", STR_ARG(id)),
	                      STR("total"), total);
	memory_keys_set(k, arena_printf(a, "note:%.*s", STR_ARG(id)), m->last);
	expect_number(w, k, STORED_SCORES, STR("top:all"), id, m->total);
	buf_init(&b, a);
	buf_printf(&b, "{\"last\":\"%.*s\"", STR_ARG(m->last));
	if (m->rang)
		buf_printf(&b, ",\"rang\":%" PRId64, m->rang);
	if (m->due_ms) {
		timestamp_format(m->due_ms, due);
		buf_printf(&b, ",\"due\":\"%.24s\"", due);
	}
	for (unsigned i = 0; i < m->recent_count; i++)
		buf_printf(&b, "%s%.*s", i ? "," : ",\"recent\":[", STR_ARG(m->recent[i]));
	buf_put(&b, m->recent_count ? STR("]}") : STR("}"));
	memory_keys_set(k, arena_printf(a, "watch:%.*s", STR_ARG(id)), buf_str(&b));
}

static void compare_state(struct sim_world *w, const struct counter_run *r)
{
	struct memory_keys expected;
	struct buf want, have;

	memory_keys_init(&expected);
	memory_keys_begin(&expected);
	for (unsigned i = 0; i < COUNTERS; i++)
		if (r->models[i].seen)
			expect_state(w, &r->models[i], counter_name(w, i), &expected);
	buf_init(&want, NULL);
	buf_init(&have, NULL);
	memory_keys_dump(&expected, false, &want);
	memory_keys_dump(&sim_store(w)->keys, false, &have);
	if (!str_eq(buf_str(&want), buf_str(&have))) {
		sim_say(w, "state must be:\n%.*s", STR_ARG(buf_str(&want)));
		sim_fail(w, "the state is\n%.*snot\n%.*s", STR_ARG(buf_str(&have)),
		         STR_ARG(buf_str(&want)));
	}
	buf_release(&want);
	buf_release(&have);
	memory_keys_release(&expected);
}

static void check(struct sim_world *w, void *self)
{
	struct counter_run *r = self;

	for (int32_t p = 0; p < memory_broker_partitions(sim_broker(w), STR(TOPIC)); p++) {
		struct expected e = { .step = COUNTER_STEP };

		for (unsigned i = 0; i < 4; i++)
			buf_init(&e.entries[i], sim_memory(w));
		model_shard(w, r, p, INT64_MAX, &e);
		compare_outputs(w, r, p, &e);
	}
	for (unsigned i = 0; i < COUNTERS; i++)
		if (r->models[i].summed)
			sim_fail(w, "sums of c%u are off by %" PRId64, i, r->models[i].summed);
	compare_state(w, r);
}

/* A key that must be there must be so now; what else is there is compared at rest. */
static void compare_key(struct sim_world *w, const struct stored *want, int64_t cursor)
{
	const struct memory_keys *keys = &sim_store(w)->keys;
	const struct stored *have = memory_keys_find(keys, want->key);

	if (!have || (want->kind == STORED_STRING && !str_eq(have->value, want->value)))
		sim_fail(w, "at R %" PRId64 " %.*s is %.*s, not %.*s", cursor, STR_ARG(want->key),
		         STR_ARG(have ? have->value : STR("absent")), STR_ARG(want->value));
	for (unsigned i = 0; have && want->kind != STORED_STRING && i < want->count; i++) {
		struct str value = memory_keys_field(keys, want->key, want->pairs[i].name);

		if (!str_eq(value, want->pairs[i].value))
			sim_fail(w, "at R %" PRId64 " %.*s %.*s is %.*s, not %.*s", cursor,
			         STR_ARG(want->key), STR_ARG(want->pairs[i].name), STR_ARG(value),
			         STR_ARG(want->pairs[i].value));
	}
}

static void check_state(struct sim_world *w, void *self, int32_t partition, int64_t cursor)
{
	struct counter_run *r = self;
	struct expected e = { .step = COUNTER_STEP, .state_only = true };
	struct memory_keys expected;
	const struct stored **all;
	size_t count;

	memset(r->models, 0, sizeof(r->models));
	model_shard(w, r, partition, cursor, &e);
	memory_keys_init(&expected);
	memory_keys_begin(&expected);
	for (unsigned i = 0; i < COUNTERS; i++)
		if (r->models[i].seen)
			expect_state(w, &r->models[i], counter_name(w, i), &expected);
	all = memory_keys_sorted(&expected, &count);
	for (size_t i = 0; i < count; i++)
		compare_key(w, all[i], cursor);
	free(all);
	memory_keys_release(&expected);
	memset(r->models, 0, sizeof(r->models));
}

static const struct worker *const counter_workers[] = { &counter_worker, NULL };

const struct sim_app counter_app = {
	.name = "counter",
	.workers = counter_workers,
	.steps = 2500,
	.begin = begin,
	.feed = feed,
	.at_rest = at_rest,
	.check = check,
	.check_state = check_state,
	.end = end,
};
