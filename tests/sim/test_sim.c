/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation of the code as it is: many seeded runs, those seeds that once
 * showed something, and short runs that meet one fault at one port call each.
 *
 * test_sim [--app NAME] [--first SEED] [--runs N | --seconds S] [--everywhere]
 *          [--seed SEED [--fault NAME --call N]]
 * Without arguments it does what a test run needs: for TALLY_SIM_SECONDS runs of
 * each application from TALLY_SEED on, and a part of the places. --everywhere
 * takes each fault at each port call. --seed replays one run with its trace.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/runs.h"

#define DEFAULT_SECONDS 25 /* of each application */
#define PLACES_SHORT 8     /* of each fault in a test run; --everywhere takes all */
#define FAILURES_MOST 5

static struct sim_record record;

/* ---- many runs ---- */

static void print_totals(const struct sim_app *app, unsigned runs, double seconds)
{
	const struct sim_stats *t = &record.totals;
	const struct process_stats *p = &t->process;

	printf("%s: %u runs in %.1f s, %.0f a second; %" PRIu64 " steps, %" PRIu64
	       " crashes, %" PRIu64 " deaths of poison, %" PRIu64 " expels, %" PRIu64
	       " rollbacks; records folded %" PRIu64 ", outputs %" PRIu64 ", transactions %" PRIu64
	       ", aborts %" PRIu64 ", unknown %" PRIu64 ", flushes %" PRIu64 ", refused %" PRIu64
	       ", claims %" PRIu64 ", rebuilds %" PRIu64 ", timers %" PRIu64 "\n",
	       app->name, runs, seconds, runs / seconds, t->steps, t->crashes, t->poisoned,
	       t->expels, t->rollbacks, p->records, t->outputs, p->transactions, p->aborts,
	       p->unknown_outcomes, p->flushes, p->flush_refusals, p->claims, p->rebuilds,
	       p->timers);
}

struct extent {
	unsigned runs;  /* 0: as many as the time allows */
	double seconds; /* for each application */
};

static int run_many(const struct sim_app *app, uint64_t first, const struct extent *extent)
{
	struct timespec start;
	unsigned i = 0;
	int failed = 0;

	record.totals = (struct sim_stats){ 0 };
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (extent->runs ? i < extent->runs : sim_seconds_since(&start) < extent->seconds) {
		struct sim_options options = { .seed = first + i++, .faults = true };

		if (sim_run(app, &options, &record))
			continue;
		printf("FAILED: make sim SEED=%" PRIu64 " APP=%s: %s\n", options.seed, app->name,
		       record.failure);
		fflush(stdout);
		if (++failed == FAILURES_MOST)
			break;
	}
	print_totals(app, i, sim_seconds_since(&start));
	return failed;
}

static int run_kept(const struct sim_app *app)
{
	int failed = 0;

	for (const struct sim_seed *s = sim_seeds; s->app; s++) {
		struct sim_options options = { .seed = s->seed, .faults = true };

		if (s->mutant || strcmp(s->app, app->name) != 0 || sim_run(app, &options, &record))
			continue;
		printf("FAILED: make sim SEED=%" PRIu64 " APP=%s (%s): %s\n", s->seed, app->name,
		       s->words, record.failure);
		failed++;
	}
	return failed;
}

/* ---- one fault at each place ---- */

static bool run_place(const struct sim_app *app, uint64_t seed, enum sim_fault fault, unsigned call,
                      unsigned step)
{
	struct sim_options options = {
		.seed = seed, .fault = fault, .fault_call = call, .fault_step = step
	};

	if (sim_run(app, &options, &record))
		return true;
	printf("FAILED: make sim SEED=%" PRIu64 " APP=%s FAULT=%s %s=%u: %s\n", seed, app->name,
	       sim_fault_name(fault), step ? "STEP" : "CALL", step ? step : call, record.failure);
	fflush(stdout);
	return false;
}

/* Each place, or, in short, some all over the run. */
static unsigned stride(unsigned n, unsigned of, uint64_t seed, bool all)
{
	if (all || of <= PLACES_SHORT)
		return 1;
	return 1 + dice_below(&(struct dice){ seed + n }, 2 * of / PLACES_SHORT);
}

/* The first process of a run without other faults meets one: at each of its port calls, and, to
 * die, at each step of what it has under way. */
static int run_places(const struct sim_app *app, uint64_t seed, bool all)
{
	struct timespec start;
	unsigned calls, steps, ran = 0;
	int failed = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	if (!run_place(app, seed, SIM_NOTHING, 0, 0))
		return 1;
	calls = record.totals.calls;
	steps = record.totals.own_steps;
	for (enum sim_fault f = SIM_CRASH; f < SIM_FAULTS && failed < FAILURES_MOST; f++)
		for (unsigned n = stride(f, calls, seed, all); n <= calls;
		     n += stride(n, calls, seed, all), ran++)
			failed += !run_place(app, seed, f, n, 0);
	for (unsigned n = 1; n <= steps && failed < FAILURES_MOST;
	     n += stride(n, steps, seed, all), ran++)
		failed += !run_place(app, seed, SIM_CRASH, 0, n);
	printf("%s: %u places with a fault, of %u calls x %d faults and %u steps, seed %" PRIu64
	       ", in %.1f s, %d failed\n",
	       app->name, ran, calls, SIM_FAULTS - 1, steps, seed, sim_seconds_since(&start),
	       failed);
	return failed;
}

/* ---- the command line ---- */

struct arguments {
	struct extent extent;
	struct sim_options one; /* for a replay */
	uint64_t first;
	bool replay, everywhere;
	const struct sim_app *app; /* NULL: all */
};

static void set_fault(struct arguments *a, const char *name)
{
	for (enum sim_fault f = SIM_NOTHING; f < SIM_FAULTS; f++) {
		if (strcmp(sim_fault_name(f), name) == 0) {
			a->one.fault = f;
			return;
		}
	}
	fprintf(stderr, "there is no fault %s\n", name);
	exit(64);
}

static void read_arguments(struct arguments *a, int argc, char **argv)
{
	const char *seconds = getenv("TALLY_SIM_SECONDS"), *first = getenv("TALLY_SEED");

	*a = (struct arguments){ .first = first ? strtoull(first, NULL, 0) : 1 };
	a->extent.seconds = seconds ? strtod(seconds, NULL) : DEFAULT_SECONDS;
	for (int i = 1; i < argc; i++) {
		const char *option = argv[i];
		const char *value;

		if (strcmp(option, "--everywhere") == 0) {
			a->everywhere = true;
			continue;
		}
		value = sim_value_of(argc, argv, &i);
		if (strcmp(option, "--runs") == 0)
			a->extent.runs = (unsigned)strtoul(value, NULL, 0);
		else if (strcmp(option, "--seconds") == 0)
			a->extent.seconds = strtod(value, NULL);
		else if (strcmp(option, "--first") == 0)
			a->first = strtoull(value, NULL, 0);
		else if (strcmp(option, "--seed") == 0)
			a->replay = (a->one.seed = strtoull(value, NULL, 0), true);
		else if (strcmp(option, "--fault") == 0)
			set_fault(a, value);
		else if (strcmp(option, "--call") == 0)
			a->one.fault_call = (unsigned)strtoul(value, NULL, 0);
		else if (strcmp(option, "--step") == 0)
			a->one.fault_step = (unsigned)strtoul(value, NULL, 0);
		else if (strcmp(option, "--app") != 0 || !(a->app = sim_app_named(value)))
			exit((fprintf(stderr, "no such option: %s %s\n", option, value), 64));
	}
	a->one.faults = a->one.fault == SIM_NOTHING;
}

int main(int argc, char **argv)
{
	struct arguments a;
	int failed = 0;

	read_arguments(&a, argc, argv);
	sim_begin_runs();
	if (a.replay)
		return sim_replay(a.app ? a.app : sim_apps[0], &a.one);
	for (unsigned i = 0; sim_apps[i]; i++) {
		if (a.app && a.app != sim_apps[i])
			continue;
		failed += run_kept(sim_apps[i]);
		failed += run_places(sim_apps[i], a.first, a.everywhere);
		if (!a.everywhere)
			failed += run_many(sim_apps[i], a.first, &a.extent);
	}
	return failed ? 1 : 0;
}
