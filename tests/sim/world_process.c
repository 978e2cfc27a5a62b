/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulated processes. One dies by being freed: what it had under way stays in the
 * schedule as on the wire. To die inside a turn its ports swallow all calls from a
 * drawn one on (mortal.h), and it is freed when the turn is over.
 */
#include "tests/sim/world_internal.h"

#include "common/base/must.h"

bool sim_process_is_alive(const struct sim_process *p)
{
	return p->party && !p->party->dead;
}

void sim_process_boot(struct sim_world *w, struct sim_process *p)
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
	if (p->party->number == 1 && w->options.fault == SIM_CRASH)
		mortal_dies_at(p->mortal, w->options.fault_call);
	else if (p->party->number == 1)
		mortal_meets(p->mortal, w->options.fault_call, sim_fault_happens, w);
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

void sim_process_kill(struct sim_world *w, struct sim_process *p, const char *how)
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

static struct sim_process *turning; /* the process whose turn it is */
static bool poisoned;

void sim_die(void)
{
	poisoned = true;
	mortal_dies(turning->mortal);
}

void sim_process_turn(struct sim_world *w, struct sim_process *p)
{
	w->stats.turns++;
	turning = p;
	poisoned = false;
	process_turn(p->process);
	if (mortal_is_dead(p->mortal)) {
		w->stats.crashes += !poisoned;
		w->stats.poisoned += poisoned;
		sim_process_kill(w, p, "dies inside a turn");
		return;
	}
	if (p->leaving && process_is_drained(p->process))
		memory_member_leave(p->member);
	if (p->leaving && memory_member_is_out(p->member) && process_shard_count(p->process) == 0)
		sim_process_kill(w, p, "has left in order");
}

void sim_process_drain(struct sim_world *w, struct sim_process *p)
{
	memory_schedule_say(&w->schedule, p->party, "is told to leave");
	process_drain(p->process);
	p->leaving = true;
}

/* The dead are still members until their session times out. */
void sim_expel_dead(struct sim_world *w, bool all)
{
	for (unsigned i = 0; i < w->member_count; i++)
		if (memory_member_party(w->members[i])->dead && (all || dice_hits(&w->dice, 300)))
			memory_member_expel(w->members[i]);
}
