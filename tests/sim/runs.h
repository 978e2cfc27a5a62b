/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the simulation's two test programs share: one run and what came of it, a
 * replay with its trace, and the seeds that are kept.
 *
 * One thread, no allocation that outlives a run. What failed is in words in
 * struct sim_record; a must() ends the program and says which run it was.
 */
#ifndef TALLY_TESTS_SIM_RUNS_H
#define TALLY_TESTS_SIM_RUNS_H

#include <time.h>

#include "tests/sim/world.h"

extern const struct sim_app *const sim_apps[]; /* ends with NULL */

struct sim_record {
	struct sim_stats totals; /* of all runs */
	char failure[1024];      /* of the latest run that failed */
};

/* The named one, or NULL. */
const struct sim_app *sim_app_named(const char *name);
/* True: all is well. */
bool sim_run(const struct sim_app *, const struct sim_options *, struct sim_record *);
/* The same with its trace on standard output. Returns an exit status. */
int sim_replay(const struct sim_app *, const struct sim_options *);
/* Keeps the log silent and lets an abort name its run. */
void sim_begin_runs(void);
double sim_seconds_since(const struct timespec *start);
/* The option's value, or the end of the program (64). */
const char *sim_value_of(int argc, char **argv, int *i);

/* A seed that once showed something: a fault of the code, repaired since, or a mutant. It goes on
 * showing it as long as the simulation draws as it did. */
struct sim_seed {
	const char *app, *mutant; /* mutant NULL: the code as it is */
	uint64_t seed;
	const char *words;
};
extern const struct sim_seed sim_seeds[]; /* ends with app NULL */

#endif
