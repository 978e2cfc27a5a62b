/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run in three parts: steps with faults, coming to rest without them, the
 * comparison. Each run draws which kinds of faults it has, and how many.
 */
#include "tests/sim/world_internal.h"

#define REST_STEPS 300000
#define CALM_STEPS 60

static struct sim_process *any_process(struct sim_world *w)
{
	return &w->processes[dice_below(&w->dice, w->process_count)];
}

/* ---- faults ---- */

static void crash_fault(struct sim_world *w, struct sim_process *p)
{
	if (!sim_process_is_alive(p))
		return;
	w->stats.crashes++;
	if (dice_hits(&w->dice, 500))
		mortal_dies_at(p->mortal, mortal_calls(p->mortal) + 1 + dice_below(&w->dice, 6));
	else
		sim_process_kill(w, p, "crashes");
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
		memory_store_lose_meta(
			&w->store, str_from_c(p->group->worker->topic),
			(int32_t)dice_below(&w->dice, (unsigned)p->group->partitions));
	} else if (back) {
		memory_store_back(&w->store, 1 + dice_below(&w->dice, back < 12 ? back : 12));
	}
}

static void group_fault(struct sim_world *w, struct sim_process *p)
{
	if (!sim_process_is_alive(p))
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
	if (!sim_process_is_alive(p) || p->party->paused == pause)
		return;
	memory_schedule_say(&w->schedule, p->party, pause ? "is stopped" : "goes on");
	p->party->paused = pause;
}

static void stop_fault(struct sim_world *w, struct sim_process *p)
{
	pause_fault(w, p, true);
	/* Stopped for longer than its session lasts. */
	if (sim_process_is_alive(p) && dice_hits(&w->dice, 400)) {
		w->stats.expels++;
		memory_member_expel(p->member);
	}
}

static void drain_fault(struct sim_world *w, struct sim_process *p)
{
	if (sim_process_is_alive(p) && !p->leaving)
		sim_process_drain(w, p);
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
void sim_draw_profile(struct sim_world *w)
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
		sim_process_boot(w, p);
	else if (x < 250)
		pause_fault(w, p, false);
	else if (x < 300)
		w->store.away = false;
	else if (x < 380)
		sim_expel_dead(w, false);
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

/* ---- steps ---- */

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
	if (!first->party || first->party->number != 1 || w->schedule.moved != first->party)
		return;
	if (++w->stats.own_steps == w->options.fault_step) {
		w->stats.crashes++;
		sim_process_kill(w, first, "dies between two steps");
	}
}

static void one_step(struct sim_world *w)
{
	struct sim_process *p = any_process(w);
	unsigned x = dice_below(&w->dice, 100);

	w->stats.steps++;
	sim_fault_step(w);
	if (x < 40 && sim_process_is_alive(p) && !p->party->paused)
		sim_process_turn(w, p);
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
			sim_process_boot(w, &w->processes[i]);
	sim_expel_dead(w, true);
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
	if (!w->fed || w->repair_step || !memory_broker_is_settled(w->broker))
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
				sim_fail(w, "%.*s/%d stalls: R %lld%s, K %lld, end %lld",
				         STR_ARG(topic), (int)p,
				         meta ? (long long)meta->meta.input_cursor : -1,
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
