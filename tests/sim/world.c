/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a world, and what applications use of it.
 */
#include "tests/sim/world_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/base/must.h"
#include "common/runtime/cursor.h"

#define WALL_START_MS INT64_C(1767225600000) /* 2026-01-01 */

/* ---- saying ---- */

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

/* ---- for applications ---- */

struct str sim_header(const struct message *m, const char *name)
{
	for (unsigned i = 0; i < m->header_count; i++)
		if (str_eq_c(m->headers[i].name, name))
			return m->headers[i].value;
	return str_of(NULL, 0);
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
		for (unsigned n = 0; str_starts(all[i]->key, STR("due:")) && n < all[i]->count;
		     n++) {
			int64_t due_ms;

			must(str_to_i64(all[i]->pairs[n].value, &due_ms));
			first = due_ms < first ? due_ms : first;
			sim_waits(w, "%.*s of %.*s", STR_ARG(all[i]->pairs[n].name),
			          STR_ARG(all[i]->key));
		}
	}
	free(all);
	if (first != INT64_MAX && first > memory_clock_wall(&w->clock))
		memory_clock_reach(&w->clock, first - w->clock.start_ms);
	return first == INT64_MAX;
}

bool sim_is_skipped(struct sim_world *w, const struct worker *worker, int32_t partition,
                    int64_t offset, bool kills)
{
	const struct sim_stats *stats = &w->stats;
	struct cursor_metadata k = { .skipped_count = 0 };
	char group[NAME_BYTES];
	struct str metadata;
	bool found = false;

	snprintf(group, sizeof(group), "tallyworks-%s", worker->name);
	memory_broker_cursor(w->broker, str_from_c(group), partition, &metadata);
	must(cursor_metadata_parse(metadata, &k));
	for (unsigned i = 0; i < k.skipped_count; i++)
		found |= offset < 0 || k.skipped[i] == offset;
	if (kills && !found)
		sim_fail(w, "%s/%d/%lld kills and is not skipped", worker->topic, (int)partition,
		         (long long)offset);
	if (found && !kills &&
	    stats->crashes + stats->expels + stats->rollbacks < LIMIT_POISON_DEATHS)
		sim_fail(w, "%s/%d/%lld is skipped and harmless", worker->topic, (int)partition,
		         (long long)offset);
	return found;
}

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
			sim_append_at(w, w->groups[g].worker->topic, p, str_of(NULL, 0), value,
			              headers, 2);
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
	o->tell_interval_ms = dice_between(d, 0, 90);
	o->tell_interval_max_ms = o->tell_interval_ms * dice_between(d, 1, 3);
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
		sim_process_boot(w, p);
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
		.trouble = scaled(w, 2),
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

struct sim_world *sim_world_new(const struct sim_app *app, const struct sim_options *options)
{
	struct sim_world *w = memory_new(sizeof(*w));

	*w = (struct sim_world){ .app = app, .options = *options, .emptied_ms = -RESTORE_MS };
	w->dice = (struct dice){ options->seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };
	arena_init(&w->memory, 65536);
	memory_clock_init(&w->clock, WALL_START_MS);
	memory_schedule_init(&w->schedule, &w->clock, splitmix_next(&w->dice.state),
	                     options->direct);
	w->schedule.quiet = !options->faults;
	w->schedule.trace = options->trace;
	w->schedule.trace_to = options->trace_to;
	w->broker = memory_broker_new(&w->schedule);
	memory_store_init(&w->store, &w->schedule);
	sim_watch(w);
	memory_broker_set_mutants(w->broker, options->broker_mutants);
	w->store.mutants = options->store_mutants;
	if (options->faults) {
		set_chances(w);
		sim_draw_profile(w);
	}
	sim_fault_begin(w);
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
			sim_process_kill(w, &w->processes[i], "ends with the world");
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
