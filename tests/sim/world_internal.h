/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the simulated world share.
 *
 * world.c makes it and serves applications, world_process.c starts and ends
 * processes, world_watch.c checks what goes on and reads outputs, world_run.c has
 * faults, steps and the coming to rest. All of it is owned by struct sim_world.
 */
#ifndef TALLY_TESTS_SIM_WORLD_INTERNAL_H
#define TALLY_TESTS_SIM_WORLD_INTERNAL_H

#include "tests/sim/mortal.h"
#include "tests/sim/world.h"

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
	uint64_t
		repair_step; /* when what SIM_ZOMBIE or SIM_REDIS_AWAY did ends; 0: there is none */
	bool loses_metas;    /* Redis also loses single metas, the keys stay */
	bool fed;
	char waits[200];
	char failure[512];
};

/* ---- watching (world_watch.c) ---- */

struct sim_group *sim_group_of_topic(struct sim_world *, struct str topic);
/* Checks every move of R and every commit from here on. */
void sim_watch(struct sim_world *);

/* ---- processes (world_process.c) ---- */

bool sim_process_is_alive(const struct sim_process *);
void sim_process_boot(struct sim_world *, struct sim_process *);
void sim_process_kill(struct sim_world *, struct sim_process *, const char *how);
void sim_process_turn(struct sim_world *, struct sim_process *);
/* Leaves in order, by and by. */
void sim_process_drain(struct sim_world *, struct sim_process *);
/* The dead are still members until their session times out: some of them, or all. */
void sim_expel_dead(struct sim_world *, bool all);

/* ---- the run (world_run.c) ---- */

/* Which faults this run has. */
void sim_draw_profile(struct sim_world *);

/* ---- one fault at a place (world_fault.c) ---- */

/* Makes ready for the fault of the options. */
void sim_fault_begin(struct sim_world *);
/* It happens now, in the midst of a turn of the first process. */
void sim_fault_happens(void *world);
/* Ends what lasts only for a while. */
void sim_fault_step(struct sim_world *);

#endif
