/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One fault at one place of an otherwise quiet run, so that each place can be
 * tried with each fault. Those that the memory adapters draw are made certain for
 * the whole run and armed at the place: the next call that can meet it does.
 */
#include "tests/sim/world_internal.h"

#define LASTS_STEPS 600 /* a pause, Redis away: others take over meanwhile */
#define BACK_CALLS 4
#define DELAY_MS 6000

static const char *const names[SIM_FAULTS] = {
	[SIM_NOTHING] = "nothing",
	[SIM_CRASH] = "crash",
	[SIM_ZOMBIE] = "zombie",
	[SIM_EXPEL] = "expel",
	[SIM_MOVE] = "move",
	[SIM_TIMEOUT] = "timeout",
	[SIM_COMMIT_LOST] = "commit-lost",
	[SIM_SEND_FAILS] = "send-fails",
	[SIM_CALL_FAILS] = "call-fails",
	[SIM_NOT_FETCHED] = "not-fetched",
	[SIM_REQUEST_LOST] = "request-lost",
	[SIM_REPLY_LOST] = "reply-lost",
	[SIM_TORN] = "torn",
	[SIM_REDIS_AWAY] = "redis-away",
	[SIM_REDIS_BACK] = "redis-back",
	[SIM_REDIS_EMPTY] = "redis-empty",
	[SIM_R_LOST] = "r-lost",
	[SIM_DELAY] = "delay",
};

const char *sim_fault_name(enum sim_fault fault)
{
	return names[fault];
}

void sim_fault_begin(struct sim_world *w)
{
	enum sim_fault fault = w->options.fault;
	struct memory_broker_chances broker = {
		.lost_commit = fault == SIM_COMMIT_LOST ? CERTAIN : 0,
		.failed_send = fault == SIM_SEND_FAILS ? CERTAIN : 0,
		.failed_call = fault == SIM_CALL_FAILS ? CERTAIN : 0,
		.trouble = fault == SIM_NOT_FETCHED ? CERTAIN : 0,
	};

	if (fault == SIM_NOTHING)
		return;
	memory_broker_set_chances(w->broker, &broker);
	w->store.chances = (struct memory_store_chances){
		.lost_request = fault == SIM_REQUEST_LOST ? CERTAIN : 0,
		.lost_reply = fault == SIM_REPLY_LOST ? CERTAIN : 0,
		.torn = fault == SIM_TORN ? CERTAIN : 0,
	};
}

static void stop_and_expel(struct sim_world *w, struct sim_process *p)
{
	p->party->paused = true;
	w->repair_step = w->stats.steps + LASTS_STEPS;
	w->stats.expels++;
	memory_member_expel(p->member);
}

/* The last process of the same worker, which may be the first one itself. */
static void move_away(struct sim_world *w, const struct sim_process *first)
{
	for (unsigned i = w->process_count; i > 0; i--) {
		struct sim_process *p = &w->processes[i - 1];

		if (p->group != first->group || !p->party)
			continue;
		for (int32_t n = 0; n < first->group->partitions; n++)
			memory_member_move(p->member, n);
		return;
	}
}

static void delay_all(struct sim_world *w)
{
	for (unsigned i = 0; i < w->schedule.count; i++)
		w->schedule.calls[i]->due_ms = w->clock.now_ms + DELAY_MS;
}

static void go_back(struct sim_world *w)
{
	unsigned back = memory_keys_history(&w->store.keys);

	w->stats.rollbacks++;
	if (back)
		memory_store_back(&w->store, back < BACK_CALLS ? back : BACK_CALLS);
}

void sim_fault_happens(void *world)
{
	struct sim_world *w = world;
	struct sim_process *first = &w->processes[0];

	memory_schedule_say(&w->schedule, first->party, "meets %s", names[w->options.fault]);
	switch (w->options.fault) {
	case SIM_ZOMBIE: stop_and_expel(w, first); break;
	case SIM_EXPEL:
		w->stats.expels++;
		memory_member_expel(first->member);
		break;
	case SIM_MOVE: move_away(w, first); break;
	case SIM_TIMEOUT: memory_broker_time_out(w->broker, true); break;
	case SIM_COMMIT_LOST:
	case SIM_SEND_FAILS:
	case SIM_CALL_FAILS:
	case SIM_NOT_FETCHED:
	case SIM_REQUEST_LOST:
	case SIM_REPLY_LOST:
	case SIM_TORN: w->schedule.once = true; break;
	case SIM_REDIS_AWAY:
		w->store.away = true;
		w->repair_step = w->stats.steps + LASTS_STEPS;
		break;
	case SIM_REDIS_BACK: go_back(w); break;
	case SIM_REDIS_EMPTY:
		w->stats.rollbacks++;
		memory_store_empty(&w->store);
		break;
	case SIM_R_LOST:
		w->stats.rollbacks++;
		memory_store_lose_meta(&w->store, str_from_c(first->group->worker->topic), 0);
		break;
	case SIM_DELAY: delay_all(w); break;
	case SIM_NOTHING:
	case SIM_CRASH:
	case SIM_FAULTS: break;
	}
}

void sim_fault_step(struct sim_world *w)
{
	if (!w->repair_step || w->stats.steps < w->repair_step)
		return;
	w->repair_step = 0;
	w->store.away = false;
	for (unsigned i = 0; i < w->process_count; i++)
		if (w->processes[i].party)
			w->processes[i].party->paused = false;
}
