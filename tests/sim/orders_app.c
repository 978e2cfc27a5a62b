/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds the stream, then walks the input log with the oracle and compares: refused
 * records in order, commissions as a set (their order depends on how credits of
 * several shards met), Redis key by key. Instants of figures (fields *_at) are not
 * compared.
 */
#include "tests/sim/orders_app.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"
#include "services/workers.h"
#include "tests/sim/orders_oracle.h"

#define PLACES_MOST 4096
#define REFERENCE_MOST 32

struct place_of_record {
	int32_t partition;
	int64_t offset;
	const struct order_record *record;
};

struct orders_run {
	struct orders_stream *stream;
	struct place_of_record places[PLACES_MOST];
	unsigned place_count;
	int64_t pins[2]; /* offsets of the end records; -1: not published */
	unsigned until_publish;
	struct orders_oracle *oracle;
};

/* ---- reference data ---- */

static void publish(struct sim_world *w, struct orders_run *r, unsigned publishing)
{
	const struct header header = { STR_INIT("tw-control"), STR_INIT("1") };
	struct str keys[REFERENCE_MOST], values[REFERENCE_MOST];
	unsigned count = orders_reference(sim_memory(w), publishing, keys, values, REFERENCE_MOST);

	for (unsigned i = 0; i < count; i++)
		sim_append_at(w, "reference", 0, keys[i], values[i], NULL, 0);
	r->pins[publishing] = sim_append_at(
		w, "reference", 0, STR("end"),
		arena_printf(
			sim_memory(w),
			"{\"specversion\":\"1.0\",\"id\":\"end-%u\",\"source\":\"/tallyworks/sim\","
			"\"type\":\"tallyworks.reference.ended\",\"time\":\"2026-01-01T00:00:00Z\","
			"\"data\":{\"records\":%u}}",
			publishing, count),
		&header, 1);
	sim_control(w, arena_printf(sim_memory(w),
	                            "{\"specversion\":\"1.0\",\"id\":\"pin-%u\","
	                            "\"source\":\"/tallyworks/sim\","
	                            "\"type\":\"tallyworks.reference.advanced\","
	                            "\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"pin\":%" PRId64
	                            "}}",
	                            publishing, r->pins[publishing]));
}

/* ---- the run ---- */

static void *begin(struct sim_world *w)
{
	struct orders_run *r = arena_zalloc(sim_memory(w), sizeof(*r));
	unsigned records = (unsigned)dice_between(sim_dice(w), 20, 160);

	r->stream = orders_stream_new(sim_memory(w), sim_dice(w), records);
	r->until_publish = dice_below(sim_dice(w), records + 20);
	r->pins[0] = r->pins[1] = -1;
	r->oracle = orders_oracle_new(sim_memory(w));
	publish(w, r, 0);
	return r;
}

static void end(void *self)
{
	orders_oracle_release(((struct orders_run *)self)->oracle);
}

static bool feed(struct sim_world *w, void *self)
{
	struct orders_run *r = self;
	const struct order_record *record;
	struct place_of_record *place;
	int32_t partitions = memory_broker_partitions(sim_broker(w), STR("orders"));

	if (r->until_publish > 0 && --r->until_publish == 0)
		publish(w, r, 1);
	record = orders_stream_next(r->stream);
	if (!record)
		return false;
	must(r->place_count < PLACES_MOST);
	place = &r->places[r->place_count++];
	place->record = record;
	place->partition = hash_partition(record->key, partitions);
	place->offset = sim_append(w, "orders", record->key, record->value);
	return true;
}

static bool at_rest(struct sim_world *w, void *self)
{
	(void)self;
	return sim_timers_are_done(w);
}

/* ---- the oracle's walk ---- */

static const struct order_record *record_at(const struct orders_run *r, int32_t partition,
                                            int64_t offset)
{
	for (unsigned i = 0; i < r->place_count; i++)
		if (r->places[i].partition == partition && r->places[i].offset == offset)
			return r->places[i].record;
	return NULL;
}

/* A marker moves the reference on, a timer rings. */
static void walk_control(struct sim_world *w, struct orders_run *r, const struct message *m,
                         int *publishing, struct oracle_lines *refused)
{
	struct str id = sim_between(m->value, "\"kind\":\"order\",\"id\":\"o-", "\"");
	struct str due = sim_between(m->value, "\"due\":\"", "\"");
	struct str pin = sim_between(m->value, "\"pin\":", "}");
	int64_t number, due_ms;

	if (pin.ptr && str_to_i64(pin, &number)) {
		*publishing = number == r->pins[0] ? 0 : 1;
		return;
	}
	if (!id.ptr || !str_to_i64(id, &number) || !timestamp_parse(due, &due_ms)) {
		sim_fail(w, "an unknown record in the input: %.*s", STR_ARG(m->value));
		return;
	}
	orders_oracle_timer(r->oracle, (unsigned)number, due_ms, m->broker_ms, refused);
}

static void walk(struct sim_world *w, struct orders_run *r, int32_t partition,
                 struct oracle_lines *refused)
{
	const struct message *m;
	int64_t next = 0;
	int publishing = -1;

	while ((m = memory_broker_read(sim_broker(w), STR("orders"), partition, &next))) {
		const struct order_record *record = record_at(r, partition, m->offset);

		if (record)
			orders_oracle_record(r->oracle, record, publishing, m->offset, m->broker_ms,
			                     refused);
		else
			walk_control(w, r, m, &publishing, refused);
	}
}

static void compare_refused(struct sim_world *w, int32_t partition,
                            const struct oracle_lines *lines)
{
	unsigned count, line = 0;
	const struct sim_output *all = sim_outputs(w, &orders_worker, partition, &count);

	for (unsigned i = 0; i < count; i++) {
		const struct message *m = all[i].message;
		struct str text;

		if (!str_eq_c(all[i].topic, "orders.dlq"))
			continue;
		text = arena_printf(sim_memory(w), "%.*s %.*s %.*s", STR_ARG(m->key),
		                    STR_ARG(sim_header(m, "tw-reason")), STR_ARG(m->value));
		if (line == lines->count || !str_eq(text, lines->items[line])) {
			sim_fail(w, "orders/%d refuses \"%.*s\", not \"%.*s\"", (int)partition,
			         STR_ARG(text),
			         STR_ARG(line == lines->count ? STR("(nothing)")
			                                      : lines->items[line]));
			return;
		}
		line++;
	}
	if (line < lines->count)
		sim_fail(w, "orders/%d does not refuse \"%.*s\"", (int)partition,
		         STR_ARG(lines->items[line]));
}

/* ---- commissions ---- */

static struct str word(struct str value, const char *name)
{
	char mark[64];

	snprintf(mark, sizeof(mark), "\"%s\":\"", name);
	return sim_between(value, mark, "\"");
}

static struct str number(struct str value, const char *name)
{
	char mark[64];

	snprintf(mark, sizeof(mark), "\"%s\":", name);
	return sim_between(value, mark, ",");
}

static void check_line(struct sim_world *w, struct str value)
{
	struct arena *a = sim_memory(w);
	const struct memory_keys *keys = &sim_store(w)->keys;
	struct str id = word(value, "commission_id"), payee = word(value, "payee_id");
	struct str month = word(value, "posted_period"), amount = number(value, "amount");
	struct str key = arena_printf(a, "lines:%.*s:%.*s", STR_ARG(payee), STR_ARG(month));
	struct str line = memory_keys_field(keys, key, id);
	const struct stored *where =
		memory_keys_find(keys, arena_printf(a, "commission:%.*s", STR_ARG(id)));

	if (!line.ptr || !str_eq(number(line, "amount"), amount))
		sim_fail(w, "%.*s: the line of %.*s is %.*s, not of %.*s", STR_ARG(key),
		         STR_ARG(id), STR_ARG(line), STR_ARG(amount));
	if (!where ||
	    !str_eq(where->value, arena_printf(a, "%.*s %.*s", STR_ARG(payee), STR_ARG(month))))
		sim_fail(w, "commission:%.*s does not lead to its line", STR_ARG(id));
}

static struct str commission_line(struct sim_world *w, struct str value)
{
	return arena_printf(
		sim_memory(w), "%.*s %.*s %.*s %.*s %.*s %.*s %.*s %.*s %.*s %.*s",
		STR_ARG(word(value, "type")), STR_ARG(word(value, "order_id")),
		STR_ARG(word(value, "payee_id")), STR_ARG(word(value, "source_event_id")),
		STR_ARG(number(value, "basis")), STR_ARG(number(value, "rate_ppm")),
		STR_ARG(number(value, "amount")), STR_ARG(number(value, "cumulative_before")),
		STR_ARG(number(value, "cumulative_after")), STR_ARG(number(value, "plan_version")));
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void compare_commissions(struct sim_world *w, const struct oracle_lines *want)
{
	struct str *have = arena_alloc(sim_memory(w), 20000 * sizeof(*have));
	unsigned count = 0;

	for (int32_t p = 0; p < memory_broker_partitions(sim_broker(w), STR("commissions")); p++) {
		const struct message *m;
		int64_t next = 0;

		while ((m = memory_broker_read(sim_broker(w), STR("commissions"), p, &next))) {
			must(count < 20000);
			have[count++] = commission_line(w, m->value);
			check_line(w, m->value);
		}
	}
	if (count)
		qsort(have, count, sizeof(*have), by_text);
	if (want->count)
		qsort(want->items, want->count, sizeof(*want->items), by_text);
	for (unsigned i = 0; i < count || i < want->count; i++)
		if (i >= count || i >= want->count || !str_eq(have[i], want->items[i])) {
			sim_fail(w, "commission \"%.*s\", not \"%.*s\"",
			         STR_ARG(i < count ? have[i] : STR("(none)")),
			         STR_ARG(i < want->count ? want->items[i] : STR("(none)")));
			return;
		}
}

/* ---- Redis ---- */

static bool is_compared(struct str key)
{
	return str_starts(key, STR("sales:")) || str_starts(key, STR("seat:")) ||
	       str_starts(key, STR("board:")) || str_starts(key, STR("pay:"));
}

static void put_plainly(const struct memory_keys *keys, struct buf *out)
{
	size_t count;
	const struct stored **all = memory_keys_sorted(keys, &count);

	for (size_t i = 0; i < count; i++)
		for (unsigned n = 0; is_compared(all[i]->key) && n < all[i]->count; n++)
			if (!str_ends(all[i]->pairs[n].name, STR("_at")))
				buf_printf(out, "%.*s %.*s = %.*s\n", STR_ARG(all[i]->key),
				           STR_ARG(all[i]->pairs[n].name),
				           STR_ARG(all[i]->pairs[n].value));
	free(all);
}

/* The first line in which they differ. */
static void compare_figures(struct sim_world *w, struct orders_run *r)
{
	struct buf have_buf, want_buf;
	struct str have, want;

	buf_init(&have_buf, sim_memory(w));
	buf_init(&want_buf, sim_memory(w));
	put_plainly(&sim_store(w)->keys, &have_buf);
	put_plainly(orders_oracle_keys(r->oracle), &want_buf);
	have = buf_str(&have_buf);
	want = buf_str(&want_buf);
	while (have.ptr && want.ptr) {
		struct str a = str_split(&have, '\n'), b = str_split(&want, '\n');

		if (!str_eq(a, b)) {
			sim_fail(w, "Redis has \"%.*s\", not \"%.*s\"", STR_ARG(a), STR_ARG(b));
			return;
		}
	}
}

static void compare_documents(struct sim_world *w, const struct orders_run *r)
{
	for (unsigned i = 0; i < ORACLE_ORDERS; i++) {
		struct str want = orders_oracle_document(r->oracle, i);
		const struct stored *s = memory_keys_find(
			&sim_store(w)->keys, arena_printf(sim_memory(w), "order:o-%u", i));

		if ((s != NULL) != (want.ptr != NULL))
			sim_fail(w, "order o-%u %s", i, s ? "should not be there" : "is lost");
		else if (s && !memmem(s->value.ptr, s->value.len, want.ptr, want.len))
			sim_fail(w, "order o-%u is %.*s, must have %.*s", i, STR_ARG(s->value),
			         STR_ARG(want));
	}
}

/* Nothing may be refused behind the edge. */
static void expect_no_letters(struct sim_world *w, const char *topic)
{
	for (int32_t p = 0; p < memory_broker_partitions(sim_broker(w), str_from_c(topic)); p++) {
		int64_t next = 0;
		const struct message *m =
			memory_broker_read(sim_broker(w), str_from_c(topic), p, &next);

		if (m)
			sim_fail(w, "%s has %.*s (%.*s)", topic, STR_ARG(m->value),
			         STR_ARG(sim_header(m, "tw-reason")));
	}
}

static const struct worker *const orders_workers[] = { &orders_worker, &commissions_worker,
	                                               &scoreboard_worker, NULL };

/* Faults may be charged to a harmless record. The oracle knows nothing of that. */
static bool any_is_skipped(struct sim_world *w)
{
	bool found = false;

	for (const struct worker *const *worker = orders_workers; *worker; worker++) {
		struct str topic = str_from_c((*worker)->topic);

		for (int32_t p = 0; p < memory_broker_partitions(sim_broker(w), topic); p++)
			found |= sim_is_skipped(w, *worker, p, -1, false);
	}
	return found;
}

static void check(struct sim_world *w, void *self)
{
	struct orders_run *r = self;

	if (any_is_skipped(w))
		return;
	for (int32_t p = 0; p < memory_broker_partitions(sim_broker(w), STR("orders")); p++) {
		struct oracle_lines refused = { NULL, 0 };

		walk(w, r, p, &refused);
		compare_refused(w, p, &refused);
	}
	expect_no_letters(w, "credits.dlq");
	expect_no_letters(w, "measures.dlq");
	compare_commissions(w, orders_oracle_commissions(r->oracle));
	compare_documents(w, r);
	compare_figures(w, r);
}

const struct sim_app orders_app = {
	.name = "orders",
	.workers = orders_workers,
	.steps = 6000,
	.begin = begin,
	.feed = feed,
	.at_rest = at_rest,
	.check = check,
	.end = end,
};
