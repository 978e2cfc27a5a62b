/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run in three parts: steps with faults, coming to rest without them, the
 * comparison. A process dies by being freed: what it had under way stays in the
 * schedule as on the wire. To die inside a turn its ports swallow all calls from
 * a drawn one on, and it is freed when the turn is over.
 */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/must.h"
#include "common/runtime/cursor.h"
#include "tests/sim/mortal.h"

#define WALL_START_MS INT64_C(1767225600000) /* 2026-01-01 */
#define REST_STEPS 300000
#define CALM_STEPS 60
#define FAULT_KINDS 7
#define RESTORE_MS 5000
#define NAME_BYTES 64

struct sim_group {
	const struct worker *worker;
	char name[NAME_BYTES];
	int32_t partitions;
	bool *numbers[SIM_PARTITIONS]; /* tw-seq committed so far, by shard */
	uint64_t number_room[SIM_PARTITIONS];
};

struct sim_process {
	struct sim_group *group;
	struct memory_party *party; /* NULL: not running */
	struct memory_member *member;
	struct inbox *inbox;
	struct process *process;
	struct mortal *mortal;
	bool leaving;
};

struct sim_world {
	const struct sim_app *app;
	void *self;
	struct sim_options options;
	struct memory_clock clock;
	struct memory_schedule schedule;
	struct memory_broker *broker;
	struct memory_store store;
	struct dice dice;
	struct arena memory;
	struct sim_group groups[SIM_WORKERS];
	unsigned group_count;
	struct sim_process processes[SIM_WORKERS * SIM_PROCESSES];
	unsigned process_count;
	unsigned parties;
	struct memory_member *members[4096]; /* all there ever were, for expelling the dead */
	unsigned member_count;
	struct process_options process_options;
	struct sim_stats stats;
	unsigned fault_chances[FAULT_KINDS];
	int64_t emptied_ms;
	bool loses_metas; /* Redis also loses single metas, the keys stay */
	bool fed;
	char waits[200];
	char failure[512];
};

/* ---- saying ------------------------------------------------------------------------ */

void sim_fail(struct sim_world *w, const char *format, ...)
{
	va_list args;

	if (w->failure[0])
		return;
	va_start(args, format);
	vsnprintf(w->failure, sizeof(w->failure), format, args);
	va_end(args);
	memory_schedule_say(&w->schedule, NULL, "FAILED: %s", w->failure);
}

void sim_waits(struct sim_world *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->waits, sizeof(w->waits), format, args);
	va_end(args);
}

bool sim_failed(const struct sim_world *w)
{
	return w->failure[0] != '\0';
}

void sim_say(struct sim_world *w, const char *format, ...)
{
	char line[256];
	va_list args;

	if (!w->schedule.trace)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	memory_schedule_say(&w->schedule, NULL, "%s", line);
}

/* ---- what is checked at every step ---------------------------------------------------- */

static struct sim_group *group_of_topic(struct sim_world *w, struct str topic)
{
	for (unsigned g = 0; g < w->group_count; g++)
		if (str_eq_c(topic, w->groups[g].worker->topic))
			return &w->groups[g];
	return NULL;
}

/* "meta:<topic>:<partition>" moved: R must not pass K. */
static void cursor_moved(void *to, struct str key, const struct stored *meta)
{
	struct sim_world *w = to;
	struct str rest = str_from(key, strlen("meta:"));
	struct str topic = str_split(&rest, ':');
	struct sim_group *g = group_of_topic(w, topic);
	int64_t partition, k;

	must(g && str_to_i64(rest, &partition));
	if (!meta || !meta->has_cursor)
		return;
	k = memory_broker_decided_cursor(w->broker, str_from_c(g->name), (int32_t)partition);
	if (meta->meta.input_cursor > k)
		sim_fail(w, "%.*s: R %lld passes K %lld", STR_ARG(key),
		         (long long)meta->meta.input_cursor, (long long)k);
}

struct str sim_header(const struct message *m, const char *name)
{
	for (unsigned i = 0; i < m->header_count; i++)
		if (str_eq_c(m->headers[i].name, name))
			return m->headers[i].value;
	return str_of(NULL, 0);
}

/* Which shard made it, and its number. False: not one of a worker's outputs. */
static bool output_origin(struct sim_world *w, const struct message *m, struct sim_group **group,
                          int32_t *partition, uint64_t *number)
{
	struct str place = sim_header(m, "tw-src"), seq = sim_header(m, "tw-seq");
	int64_t p, n;

	if (!place.ptr || !seq.ptr)
		return false;
	*group = group_of_topic(w, str_split(&place, '/'));
	if (!*group || !str_to_i64(str_split(&place, '/'), &p) || !str_to_i64(seq, &n))
		return false;
	*partition = (int32_t)p;
	*number = (uint64_t)n;
	return true;
}

/* Records of one transaction come topic by topic, so the order is no matter here. */
static void note_number(struct sim_world *w, struct sim_group *g, int32_t shard, uint64_t number)
{
	uint64_t room = g->number_room[shard];

	if (number >= room) {
		g->number_room[shard] = number * 2 + 64;
		g->numbers[shard] = memory_resize(g->numbers[shard], g->number_room[shard]);
		memset(g->numbers[shard] + room, 0, g->number_room[shard] - room);
	}
	if (g->numbers[shard][number])
		sim_fail(w, "%s/%d: tw-seq %llu is committed twice", g->worker->topic, (int)shard,
		         (unsigned long long)number);
	g->numbers[shard][number] = true;
}

static void committed(void *to, struct str topic, int32_t partition, const struct message *m)
{
	struct sim_world *w = to;
	struct sim_group *group;
	int32_t shard;
	uint64_t number;

	if (!output_origin(w, m, &group, &shard, &number)) {
		sim_fail(w, "an output on %.*s/%d without origin", STR_ARG(topic), (int)partition);
		return;
	}
	w->stats.outputs++;
	note_number(w, group, shard, number);
}

struct str sim_between(struct str text, const char *before, const char *after)
{
	const char *from = text.ptr ? memmem(text.ptr, text.len, before, strlen(before)) : NULL;
	const char *to;

	if (!from)
		return str_of(NULL, 0);
	from += strlen(before);
	to = memmem(from, (size_t)(text.ptr + text.len - from), after, strlen(after));
	return to ? str_of(from, (size_t)(to - from)) : str_of(NULL, 0);
}

bool sim_timers_are_done(struct sim_world *w)
{
	int64_t first = INT64_MAX;
	size_t count;
	const struct stored **all = memory_keys_sorted(&w->store.keys, &count);

	for (size_t i = 0; i < count; i++) {
		for (unsigned n = 0; str_starts(all[i]->key, STR("due:")) && n < all[i]->count; n++) {
			int64_t due_ms;

			must(str_to_i64(all[i]->pairs[n].value, &due_ms));
			first = due_ms < first ? due_ms : first;
			sim_waits(w, "%.*s of %.*s", STR_ARG(all[i]->pairs[n].name), STR_ARG(all[i]->key));
		}
	}
	free(all);
	if (first != INT64_MAX && first > memory_clock_wall(&w->clock))
		memory_clock_reach(&w->clock, first - w->clock.start_ms);
	return first == INT64_MAX;
}

/* ---- outputs ------------------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
	const struct sim_output *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

struct gathering {
	struct sim_output *all;
	unsigned count, room;
};

static void gather(struct sim_world *w, struct str topic, const struct sim_group *of,
                   int32_t shard, struct gathering *into)
{
	for (int32_t p = 0; p < memory_broker_partitions(w->broker, topic); p++) {
		const struct message *m;
		int64_t offset = 0;

		while ((m = memory_broker_read(w->broker, topic, p, &offset))) {
			struct sim_output o = { .topic = topic, .partition = p, .message = m };
			struct sim_group *group;
			int32_t from;

			if (!output_origin(w, m, &group, &from, &o.number) || group != of ||
			    from != shard)
				continue;
			if (into->count == into->room) {
				into->room = into->room ? into->room * 2 : 64;
				into->all = memory_resize(into->all, into->room * sizeof(o));
			}
			into->all[into->count++] = o;
		}
	}
}

/* The topics a worker writes to: its outputs' and its DLQ, each once. */
static unsigned topics_of(struct sim_world *w, const struct worker *worker, struct str out[16])
{
	unsigned n = 0;

	for (const struct output *const *o = worker->outputs; *o; o++) {
		struct str topic = str_from_c((*o)->topic);
		unsigned i = 0;

		while (i < n && !str_eq(out[i], topic))
			i++;
		if (i == n)
			out[n++] = topic;
	}
	out[n++] = arena_printf(&w->memory, "%s.dlq", worker->topic);
	return n;
}

const struct sim_output *sim_outputs(struct sim_world *w, const struct worker *worker,
                                     int32_t partition, unsigned *count)
{
	struct gathering found = { NULL, 0, 0 };
	struct str topics[16];
	unsigned topic_count = topics_of(w, worker, topics);
	struct sim_group *group = group_of_topic(w, str_from_c(worker->topic));
	struct sim_output *kept;

	for (unsigned t = 0; t < topic_count; t++)
		gather(w, topics[t], group, partition, &found);
	if (found.count)
		qsort(found.all, found.count, sizeof(*found.all), by_number);
	for (unsigned i = 0; i < found.count; i++)
		if (found.all[i].number != i + 1)
			sim_fail(w, "%s/%d: output %u has tw-seq %llu", worker->topic, (int)partition,
			         i + 1, (unsigned long long)found.all[i].number);
	kept = arena_alloc(&w->memory, found.count * sizeof(*kept));
	if (found.count)
		memcpy(kept, found.all, found.count * sizeof(*kept));
	free(found.all);
	*count = found.count;
	return kept;
}

/* ---- processes -------------------------------------------------------------------------------- */

static bool is_alive(const struct sim_process *p)
{
	return p->party && !p->party->dead;
}

static void boot(struct sim_world *w, struct sim_process *p)
{
	struct ports ports;

	must(!p->party && w->member_count < sizeof(w->members) / sizeof(w->members[0]));
	p->party = arena_zalloc(&w->memory, sizeof(*p->party));
	p->party->number = ++w->parties;
	p->inbox = inbox_new();
	p->member = memory_member_new(w->broker, p->party, p->inbox, str_from_c(p->group->name),
	                              STR("reference"));
	w->members[w->member_count++] = p->member;
	ports = (struct ports){
		.broker = memory_member_port(p->member),
		.store = memory_store_bind(&w->store, p->party, p->group->worker, p->inbox),
		.clock = memory_clock_port(&w->clock),
		.inbox = p->inbox,
	};
	p->mortal = mortal_new(&w->memory, &ports);
	if (p->party->number == 1)
		mortal_dies_at(p->mortal, w->options.crash_call);
	p->process = process_new(p->group->worker, &ports, &w->process_options);
	p->leaving = false;
	memory_schedule_say(&w->schedule, p->party, "starts (%s)", p->group->worker->name);
}

static void add_stats(struct sim_stats *stats, const struct process_stats *s)
{
	struct process_stats *sum = &stats->process;

	sum->records += s->records;
	sum->applied += s->applied;
	sum->outputs += s->outputs;
	sum->transactions += s->transactions;
	sum->aborts += s->aborts;
	sum->unknown_outcomes += s->unknown_outcomes;
	sum->flushes += s->flushes;
	sum->flush_refusals += s->flush_refusals;
	sum->loads += s->loads;
	sum->claims += s->claims;
	sum->rebuilds += s->rebuilds;
	sum->timers += s->timers;
}

static void kill_process(struct sim_world *w, struct sim_process *p, const char *how)
{
	memory_schedule_say(&w->schedule, p->party, "%s", how);
	add_stats(&w->stats, process_stats(p->process));
	if (p->party->number == 1)
		w->stats.calls = mortal_calls(p->mortal);
	memory_schedule_crash(&w->schedule, p->party);
	process_free(p->process);
	inbox_free(p->inbox);
	p->process = NULL;
	p->inbox = NULL;
	p->party = NULL;
}

static void turn(struct sim_world *w, struct sim_process *p)
{
	w->stats.turns++;
	process_turn(p->process);
	if (mortal_is_dead(p->mortal)) {
		w->stats.crashes++;
		kill_process(w, p, "dies inside a turn");
		return;
	}
	if (p->leaving && process_is_drained(p->process))
		memory_member_leave(p->member);
	if (p->leaving && memory_member_is_out(p->member) && process_shard_count(p->process) == 0)
		kill_process(w, p, "has left in order");
}

static void drain(struct sim_world *w, struct sim_process *p)
{
	memory_schedule_say(&w->schedule, p->party, "is told to leave");
	process_drain(p->process);
	p->leaving = true;
}

static struct sim_process *any_process(struct sim_world *w)
{
	return &w->processes[dice_below(&w->dice, w->process_count)];
}

/* The dead are still members until their session times out. */
static void expel_dead(struct sim_world *w, bool all)
{
	for (unsigned i = 0; i < w->member_count; i++)
		if (memory_member_party(w->members[i])->dead && (all || dice_hits(&w->dice, 300)))
			memory_member_expel(w->members[i]);
}

/* ---- making a world ------------------------------------------------------------------------------ */

struct memory_broker *sim_broker(struct sim_world *w)
{
	return w->broker;
}

struct memory_store *sim_store(struct sim_world *w)
{
	return &w->store;
}

struct memory_clock *sim_clock(struct sim_world *w)
{
	return &w->clock;
}

struct dice *sim_dice(struct sim_world *w)
{
	return &w->dice;
}

struct arena *sim_memory(struct sim_world *w)
{
	return &w->memory;
}

const struct sim_stats *sim_world_stats(const struct sim_world *w)
{
	return &w->stats;
}

void sim_topic(struct sim_world *w, const char *name, int32_t partitions)
{
	if (memory_broker_partitions(w->broker, str_from_c(name)) < 0)
		memory_broker_add_topic(w->broker, str_from_c(name), partitions);
}

int64_t sim_append_at(struct sim_world *w, const char *topic, int32_t partition, struct str key,
                      struct str value, const struct header *headers, unsigned header_count)
{
	sim_say(w, "%s %d gets %.*s", topic, (int)partition, STR_ARG(value));
	return memory_broker_append(w->broker, str_from_c(topic), partition, key, value, headers,
	                            header_count);
}

int64_t sim_append(struct sim_world *w, const char *topic, struct str key, struct str value)
{
	int32_t partitions = memory_broker_partitions(w->broker, str_from_c(topic));

	return sim_append_at(w, topic, hash_partition(key, partitions), key, value, NULL, 0);
}

void sim_control(struct sim_world *w, struct str value)
{
	const struct header headers[] = {
		{ STR_INIT("content-type"), STR_INIT("application/cloudevents+json") },
		{ STR_INIT("tw-control"), STR_INIT("1") },
	};

	for (unsigned g = 0; g < w->group_count; g++)
		for (int32_t p = 0; p < w->groups[g].partitions; p++)
			sim_append_at(w, w->groups[g].worker->topic, p, str_of(NULL, 0), value, headers,
			              2);
}

/* A run with few records needs small limits to see batches, evictions and pauses. */
static void draw_options(struct sim_world *w)
{
	struct process_options *o = &w->process_options;
	struct dice *d = &w->dice;

	process_options_default(o);
	if (w->options.direct)
		return;
	o->flush_interval_ms = dice_between(d, 1, 60);
	o->flush_interval_max_ms = o->flush_interval_ms * dice_between(d, 1, 5);
	o->txn_interval_min_ms = dice_between(d, 0, 10);
	o->idle_check_ms = dice_between(d, 50, 600);
	o->revoke_flush_ms = dice_between(d, 50, 2000);
	o->batch_records = (unsigned)dice_between(d, 1, 12);
	o->queue_records = (unsigned)dice_between(d, 1, 40);
	o->cache_bytes = (size_t)dice_between(d, 1, 20) * 512;
}

static void add_group(struct sim_world *w, const struct worker *worker)
{
	struct sim_group *g = &w->groups[w->group_count++];
	char topic[NAME_BYTES];

	*g = (struct sim_group){ .worker = worker };
	g->partitions = (int32_t)dice_between(&w->dice, 1, SIM_PARTITIONS - 1);
	snprintf(g->name, sizeof(g->name), "tallyworks-%s", worker->name);
	sim_topic(w, worker->topic, g->partitions);
	snprintf(topic, sizeof(topic), "%s.dlq", worker->topic);
	sim_topic(w, topic, g->partitions);
	memory_broker_add_group(w->broker, str_from_c(g->name), str_from_c(worker->topic));
	for (int32_t p = 0; p < g->partitions; p++) {
		struct cursor_metadata k = { .first_pin = -1, .first_logic = 1, .logic = 1 };
		char text[LIMIT_METADATA_BYTES];
		struct str metadata = str_of(text, cursor_metadata_format(&k, text));

		memory_broker_set_cursor(w->broker, str_from_c(g->name), p, 0, metadata);
	}
}

static void add_processes(struct sim_world *w, struct sim_group *g)
{
	unsigned count = w->options.direct ? 1 : 1 + dice_below(&w->dice, SIM_PROCESSES - 1);

	for (unsigned i = 0; i < count; i++) {
		struct sim_process *p = &w->processes[w->process_count++];

		*p = (struct sim_process){ .group = g };
		boot(w, p);
	}
}

static unsigned scaled(struct sim_world *w, unsigned chance)
{
	static const unsigned halves[] = { 0, 1, 2, 2, 4 };

	return chance * halves[dice_below(&w->dice, sizeof(halves) / sizeof(halves[0]))] / 2;
}

static void set_chances(struct sim_world *w)
{
	struct memory_broker_chances broker = {
		.lost_commit = scaled(w, 40),
		.failed_send = scaled(w, 20),
		.failed_call = scaled(w, 25),
		.late_heartbeat = scaled(w, 300),
		.short_take = scaled(w, 450),
	};

	memory_broker_set_chances(w->broker, &broker);
	w->store.chances = (struct memory_store_chances){
		.kept = scaled(w, 25),
		.lost_request = scaled(w, 15),
		.lost_reply = scaled(w, 20),
		.torn = scaled(w, 10),
	};
}

static void draw_profile(struct sim_world *w);

struct sim_world *sim_world_new(const struct sim_app *app, const struct sim_options *options)
{
	struct sim_world *w = memory_resize(NULL, sizeof(*w));

	*w = (struct sim_world){ .app = app, .options = *options, .emptied_ms = -RESTORE_MS };
	w->dice = (struct dice){ options->seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };
	arena_init(&w->memory, 65536);
	memory_clock_init(&w->clock, WALL_START_MS);
	memory_schedule_init(&w->schedule, &w->clock, dice_next(&w->dice), options->direct);
	w->schedule.quiet = !options->faults;
	w->schedule.trace = options->trace;
	w->schedule.trace_to = options->trace_to;
	w->broker = memory_broker_new(&w->schedule);
	memory_store_init(&w->store, &w->schedule);
	w->store.moved = cursor_moved;
	w->store.moved_to = w;
	memory_broker_on_commit(w->broker, committed, w);
	memory_broker_set_mutants(w->broker, options->broker_mutants);
	w->store.mutants = options->store_mutants;
	if (options->faults) {
		set_chances(w);
		draw_profile(w);
	}
	draw_options(w);
	sim_topic(w, "reference", 1);
	for (unsigned i = 0; app->workers[i]; i++)
		add_group(w, app->workers[i]);
	for (unsigned i = 0; app->workers[i]; i++)
		for (const struct output *const *o = app->workers[i]->outputs; *o; o++)
			sim_topic(w, (*o)->topic, (int32_t)dice_between(&w->dice, 1, 3));
	w->self = app->begin(w);
	for (unsigned g = 0; g < w->group_count; g++)
		add_processes(w, &w->groups[g]);
	return w;
}

void sim_world_stop(struct sim_world *w)
{
	for (unsigned i = 0; i < w->process_count; i++)
		if (w->processes[i].party)
			kill_process(w, &w->processes[i], "ends with the world");
}

void sim_world_free(struct sim_world *w)
{
	sim_world_stop(w);
	for (unsigned g = 0; g < w->group_count; g++)
		for (unsigned p = 0; p < SIM_PARTITIONS; p++)
			free(w->groups[g].numbers[p]);
	w->app->end(w->self);
	memory_schedule_release(&w->schedule);
	memory_broker_free(w->broker);
	memory_store_release(&w->store);
	arena_release(&w->memory);
	free(w);
}

/* ---- faults ------------------------------------------------------------------------------------------ */

static void crash_fault(struct sim_world *w, struct sim_process *p)
{
	if (!is_alive(p))
		return;
	w->stats.crashes++;
	if (dice_hits(&w->dice, 500))
		mortal_dies_at(p->mortal, mortal_calls(p->mortal) + 1 + dice_below(&w->dice, 6));
	else
		kill_process(w, p, "crashes");
}

static void redis_fault(struct sim_world *w, struct sim_process *p)
{
	unsigned back = memory_keys_history(&w->store.keys);

	/* What was emptied comes back, if at all, from a copy, after a while: not unnoticed. */
	if (w->clock.now_ms < w->emptied_ms + RESTORE_MS)
		return;
	w->stats.rollbacks++;
	if (dice_hits(&w->dice, 150)) {
		w->emptied_ms = w->clock.now_ms;
		memory_store_empty(&w->store);
	} else if (w->loses_metas && dice_hits(&w->dice, 400)) {
		memory_store_lose_meta(&w->store, str_from_c(p->group->worker->topic),
		                       (int32_t)dice_below(&w->dice, (unsigned)p->group->partitions));
	} else if (back) {
		memory_store_back(&w->store, 1 + dice_below(&w->dice, back < 12 ? back : 12));
	}
}

static void group_fault(struct sim_world *w, struct sim_process *p)
{
	if (!is_alive(p))
		return;
	if (dice_hits(&w->dice, 300)) {
		w->stats.expels++;
		memory_member_expel(p->member);
	} else {
		memory_member_move(p->member,
		                   (int32_t)dice_below(&w->dice, (unsigned)p->group->partitions));
	}
}

static void pause_fault(struct sim_world *w, struct sim_process *p, bool pause)
{
	if (!is_alive(p) || p->party->paused == pause)
		return;
	memory_schedule_say(&w->schedule, p->party, pause ? "is stopped" : "goes on");
	p->party->paused = pause;
}

static void stop_fault(struct sim_world *w, struct sim_process *p)
{
	pause_fault(w, p, true);
	/* Stopped for longer than its session lasts. */
	if (is_alive(p) && dice_hits(&w->dice, 400)) {
		w->stats.expels++;
		memory_member_expel(p->member);
	}
}

static void drain_fault(struct sim_world *w, struct sim_process *p)
{
	if (is_alive(p) && !p->leaving)
		drain(w, p);
}

static void away_fault(struct sim_world *w, struct sim_process *p)
{
	(void)p;
	memory_schedule_say(&w->schedule, NULL, "redis refuses writes");
	w->store.away = true;
}

static void timeout_fault(struct sim_world *w, struct sim_process *p)
{
	(void)p;
	memory_broker_time_out(w->broker, true);
}

static const struct fault_kind {
	void (*happen)(struct sim_world *, struct sim_process *);
	unsigned chance; /* in ten thousand steps */
} fault_kinds[FAULT_KINDS] = {
	{ crash_fault, 15 }, { stop_fault, 20 }, { group_fault, 40 },  { redis_fault, 12 },
	{ away_fault, 5 },   { drain_fault, 7 }, { timeout_fault, 8 },
};

/* Each run has some kinds of faults, some more than usual, and others not at all. */
static void draw_profile(struct sim_world *w)
{
	static const unsigned times[] = { 0, 0, 1, 1, 1, 2, 4 };
	static const unsigned slow[] = { 5, 15, 15, 40, 150 };

	for (unsigned i = 0; i < FAULT_KINDS; i++)
		w->fault_chances[i] = fault_kinds[i].chance *
		                      times[dice_below(&w->dice, sizeof(times) / sizeof(times[0]))];
	w->loses_metas = dice_hits(&w->dice, 200);
	w->schedule.slow = slow[dice_below(&w->dice, sizeof(slow) / sizeof(slow[0]))];
}

/* What ends a fault is always on its way. */
static void draw_repair(struct sim_world *w, struct sim_process *p)
{
	unsigned x = dice_below(&w->dice, 10000);

	if (x < 150 && !p->party)
		boot(w, p);
	else if (x < 250)
		pause_fault(w, p, false);
	else if (x < 300)
		w->store.away = false;
	else if (x < 380)
		expel_dead(w, false);
}

static void draw_fault(struct sim_world *w)
{
	struct sim_process *p = any_process(w);
	unsigned x = dice_below(&w->dice, 10000);

	draw_repair(w, p);
	for (unsigned i = 0; i < FAULT_KINDS; i++) {
		if (x < w->fault_chances[i]) {
			fault_kinds[i].happen(w, p);
			return;
		}
		x -= w->fault_chances[i];
	}
}

/* ---- steps --------------------------------------------------------------------------------------------- */

static void feed(struct sim_world *w)
{
	if (!w->fed)
		w->fed = !w->app->feed(w, w->self);
}

/* The first process's own part of the schedule, where it may have to die. */
static void schedule_step(struct sim_world *w)
{
	struct sim_process *first = &w->processes[0];

	memory_schedule_step(&w->schedule);
	if (!first->party || first->party->number != 1 ||
	    w->schedule.moved != first->party)
		return;
	if (++w->stats.own_steps == w->options.crash_step) {
		w->stats.crashes++;
		kill_process(w, first, "dies between two steps");
	}
}

static void one_step(struct sim_world *w)
{
	struct sim_process *p = any_process(w);
	unsigned x = dice_below(&w->dice, 100);

	w->stats.steps++;
	if (x < 40 && is_alive(p) && !p->party->paused)
		turn(w, p);
	else if (x < 90)
		schedule_step(w);
	else if (x < 96)
		feed(w);
	memory_clock_reach(&w->clock, w->clock.now_ms + dice_below(&w->dice, 3));
	if (dice_hits(&w->dice, 5))
		memory_clock_reach(&w->clock, w->clock.now_ms + dice_between(&w->dice, 20, 3000));
	memory_broker_time_out(w->broker, false);
}

static void end_faults(struct sim_world *w)
{
	memory_schedule_say(&w->schedule, NULL, "no more faults");
	w->schedule.quiet = true;
	w->store.away = false;
	for (unsigned i = 0; i < w->process_count; i++) {
		struct sim_process *p = &w->processes[i];

		if (p->party)
			p->party->paused = false;
	}
}

/* What the seed took away comes back: each worker has a process again. */
static void keep_alive(struct sim_world *w)
{
	for (unsigned i = 0; i < w->process_count; i++)
		if (!w->processes[i].party)
			boot(w, &w->processes[i]);
	expel_dead(w, true);
}

static bool shard_is_at_rest(struct sim_world *w, const struct sim_group *g, int32_t p)
{
	struct str topic = str_from_c(g->worker->topic);
	const struct stored *meta = memory_store_meta(&w->store, topic, p);
	int64_t end = memory_broker_end(w->broker, topic, p);

	return meta && meta->has_cursor && meta->meta.state == META_WHOLE &&
	       meta->meta.input_cursor == end &&
	       memory_broker_cursor(w->broker, str_from_c(g->name), p, NULL) == end;
}

static bool is_at_rest(struct sim_world *w)
{
	if (!w->fed || !memory_broker_is_settled(w->broker))
		return false;
	for (unsigned g = 0; g < w->group_count; g++)
		for (int32_t p = 0; p < w->groups[g].partitions; p++)
			if (!shard_is_at_rest(w, &w->groups[g], p))
				return false;
	return true;
}

static void describe_stall(struct sim_world *w)
{
	for (unsigned g = 0; g < w->group_count; g++) {
		for (int32_t p = 0; p < w->groups[g].partitions; p++) {
			struct str topic = str_from_c(w->groups[g].worker->topic);
			const struct stored *meta = memory_store_meta(&w->store, topic, p);

			if (!shard_is_at_rest(w, &w->groups[g], p))
				sim_fail(w, "%.*s/%d stalls: R %lld%s, K %lld, end %lld", STR_ARG(topic),
				         (int)p, meta ? (long long)meta->meta.input_cursor : -1,
				         meta && meta->has_cursor ? "" : " (absent)",
				         (long long)memory_broker_cursor(
						 w->broker, str_from_c(w->groups[g].name), p, NULL),
				         (long long)memory_broker_end(w->broker, topic, p));
		}
	}
	sim_fail(w, "does not come to rest: %s", w->waits);
}

static void come_to_rest(struct sim_world *w)
{
	unsigned calm = 0;

	end_faults(w);
	for (unsigned i = 0; i < REST_STEPS && !sim_failed(w); i++) {
		keep_alive(w);
		feed(w);
		one_step(w);
		calm = is_at_rest(w) ? calm + 1 : 0;
		if (calm >= CALM_STEPS && w->app->at_rest(w, w->self))
			return;
	}
	if (!sim_failed(w))
		describe_stall(w);
}

const char *sim_world_run(struct sim_world *w)
{
	if (w->options.faults) {
		for (unsigned i = 0; i < w->app->steps && !sim_failed(w); i++) {
			draw_fault(w);
			one_step(w);
		}
	}
	if (!sim_failed(w))
		come_to_rest(w);
	for (unsigned g = 0; g < w->group_count && !sim_failed(w); g++) {
		for (int32_t p = 0; p < w->groups[g].partitions; p++) {
			unsigned count;

			sim_outputs(w, w->groups[g].worker, p, &count);
		}
	}
	if (!sim_failed(w))
		w->app->check(w, w->self);
	return sim_failed(w) ? w->failure : NULL;
}
