/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation: many seeded runs, a crash at every call of a short run, and
 * mutants that must be caught.
 *
 * test_sim [--runs N] [--first SEED] [--app NAME] [--seed SEED] [--mutant NAME]
 *          [--crashes] [--mutants]
 * Without arguments it does what a test run needs: TALLY_SIM_RUNS runs of each
 * application (default DEFAULT_RUNS) from TALLY_SEED on, crashes, mutants.
 * --seed replays one run with its trace.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "tests/sim/counter_app.h"
#include "tests/sim/orders_app.h"

#define DEFAULT_RUNS 160
#define LARGE_SHARE 10    /* an app of several workers gets that part of the runs */
#define CRASHES_SHORT 60  /* of a test run, of each kind; --crashes takes all */
#define MUTANT_RUNS 40000 /* a mutant must be caught in at most so many */

static const struct sim_app *const apps[] = { &counter_app, &orders_app, NULL };

/* Without fencing the second line of defence stands alone, which shows its gaps sooner. */
static const struct mutant {
	const char *name;
	unsigned store, broker;
	bool quick; /* caught within a few dozen runs: part of every test run */
} mutants[] = {
	{ "flush-without-compare", STORE_NO_COMPARE, 0, true },
	{ "load-without-compare", STORE_BLIND_LOAD, 0, true },
	{ "torn-unmarked", STORE_TORN_UNMARKED, 0, false },
	{ "late-wipe", STORE_LATE_WIPE, 0, false },
	{ "absent-is-empty", STORE_ABSENT_IS_EMPTY, 0, false },
	{ "cursor-while-pending", 0, BROKER_UNSTABLE_CURSOR, false },
	{ "no-generation", 0, BROKER_NO_GENERATION | BROKER_IDLE_FENCE, true },
	{ "no-epochs", 0, BROKER_NO_EPOCHS | BROKER_IDLE_FENCE, true },
	{ "epochs-before-metadata", 0, BROKER_EPOCHS_FIRST | BROKER_IDLE_FENCE, false },
	{ "unknown-is-committed", 0, BROKER_UNKNOWN_IS_DONE, true },
	{ "unknown-is-aborted", 0, BROKER_UNKNOWN_IS_ABORTED, true },
	{ "dirty-read", 0, BROKER_DIRTY_READ, true },
	{ "offsets-outside", 0, BROKER_OFFSETS_OUTSIDE, true },
};

/* Not a mutant: slower, and exact all the same. */
static const struct mutant idle_fence = { "idle-fence", 0, BROKER_IDLE_FENCE, false };

static char running[128]; /* what a crash handler tells */

static void on_abort(int signal_number)
{
	static const char words[] = "\nsimulation: aborted in ";

	(void)signal_number;
	if (write(STDERR_FILENO, words, sizeof(words) - 1) > 0 &&
	    write(STDERR_FILENO, running, strlen(running)) > 0 && write(STDERR_FILENO, "\n", 1) > 0)
		signal(SIGABRT, SIG_DFL);
}

static void print_line(void *to, const char *line)
{
	fprintf(to, "%s\n", line);
}

/* ---- one run ---- */

static char failure[1024];
static struct sim_stats totals;

static void add_totals(const struct sim_stats *s)
{
	totals.turns += s->turns;
	totals.steps += s->steps;
	totals.crashes += s->crashes;
	totals.poisoned += s->poisoned;
	totals.expels += s->expels;
	totals.rollbacks += s->rollbacks;
	totals.outputs += s->outputs;
	totals.process.records += s->process.records;
	totals.process.transactions += s->process.transactions;
	totals.process.aborts += s->process.aborts;
	totals.process.unknown_outcomes += s->process.unknown_outcomes;
	totals.process.flushes += s->process.flushes;
	totals.process.flush_refusals += s->process.flush_refusals;
	totals.process.claims += s->process.claims;
	totals.process.rebuilds += s->process.rebuilds;
	totals.process.timers += s->process.timers;
	totals.calls = s->calls;
	totals.own_steps = s->own_steps;
}

/* True: all is well. */
static bool run(const struct sim_app *app, const struct sim_options *options)
{
	struct sim_world *w;
	const char *words;
	bool good;

	snprintf(running, sizeof(running), "--app %s --seed %" PRIu64 " (crash call %u, step %u)",
	         app->name, options->seed, options->crash_call, options->crash_step);
	w = sim_world_new(app, options);
	words = sim_world_run(w);
	good = !words;
	if (words)
		snprintf(failure, sizeof(failure), "%s", words);
	sim_world_stop(w);
	add_totals(sim_world_stats(w));
	sim_world_free(w);
	return good;
}

static bool run_seed(const struct sim_app *app, uint64_t seed, const struct mutant *mutant)
{
	struct sim_options options = { .seed = seed, .faults = true };

	if (mutant) {
		options.store_mutants = mutant->store;
		options.broker_mutants = mutant->broker;
	}
	return run(app, &options);
}

static int replay(const struct sim_app *app, uint64_t seed, const struct mutant *mutant)
{
	struct sim_options options = {
		.seed = seed, .faults = true, .trace = print_line, .trace_to = stdout
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_configure(LOG_INFO, LOG_LOGFMT, STR(""));
	if (mutant) {
		options.store_mutants = mutant->store;
		options.broker_mutants = mutant->broker;
	}
	if (run(app, &options)) {
		printf("seed %" PRIu64 " of %s: all is well\n", seed, app->name);
		return 0;
	}
	printf("seed %" PRIu64 " of %s: %s\n", seed, app->name, failure);
	return 1;
}

/* ---- many runs ---- */

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static void print_totals(const struct sim_app *app, unsigned runs, double seconds)
{
	const struct process_stats *p = &totals.process;

	printf("%s: %u runs in %.1f s, %.0f a second; %" PRIu64 " steps, %" PRIu64
	       " crashes, %" PRIu64 " deaths of poison, %" PRIu64 " expels, %" PRIu64
	       " rollbacks; records folded %" PRIu64 ", outputs %" PRIu64 ", transactions %" PRIu64
	       ", aborts %" PRIu64 ", unknown %" PRIu64 ", flushes %" PRIu64 ", refused %" PRIu64
	       ", claims %" PRIu64 ", rebuilds %" PRIu64 ", timers %" PRIu64 "\n",
	       app->name, runs, seconds, runs / seconds, totals.steps, totals.crashes,
	       totals.poisoned, totals.expels, totals.rollbacks, p->records, totals.outputs,
	       p->transactions, p->aborts, p->unknown_outcomes, p->flushes, p->flush_refusals,
	       p->claims, p->rebuilds, p->timers);
}

static int run_many(const struct sim_app *app, uint64_t first, unsigned runs,
                    const struct mutant *mutant)
{
	struct timespec start;
	int failed = 0;

	totals = (struct sim_stats){ 0 };
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned i = 0; i < runs; i++) {
		if (run_seed(app, first + i, mutant))
			continue;
		printf("FAILED: test_sim --app %s --seed %" PRIu64 "%s%s: %s\n", app->name,
		       first + i, mutant ? " --mutant " : "", mutant ? mutant->name : "", failure);
		fflush(stdout);
		if (++failed == 5)
			break;
	}
	print_totals(app, runs, seconds_since(&start));
	return failed;
}

/* A crash before the n-th call, and after the n-th step, of the first process of a run without
 * other faults: each n, or, in short, some all over the run. */
static int run_crashes(const struct sim_app *app, uint64_t seed, bool all)
{
	struct sim_options options = { .seed = seed };
	unsigned calls, steps, ran = 0;
	int failed = 0;

	if (!run(app, &options)) {
		printf("FAILED: %s without faults, seed %" PRIu64 ": %s\n", app->name, seed,
		       failure);
		return 1;
	}
	calls = totals.calls;
	steps = totals.own_steps;
	for (unsigned n = 1; n <= calls + steps && failed < 5;) {
		unsigned of = n <= calls ? calls : steps;

		options.crash_call = n <= calls ? n : 0;
		options.crash_step = n <= calls ? 0 : n - calls;
		ran++;
		if (!run(app, &options)) {
			printf("FAILED: %s\n  %s\n", running, failure);
			failed++;
		}
		n += all ? 1
		         : 1 + dice_below(&(struct dice){ seed + n }, 2 * of / CRASHES_SHORT + 1);
	}
	printf("%s: %u crashes over %u calls and %u steps of seed %" PRIu64 ", %d failed\n",
	       app->name, ran, calls, steps, seed, failed);
	return failed;
}

static int run_mutants(const struct sim_app *app, uint64_t first, bool all)
{
	int missed = 0;

	for (size_t m = 0; m < sizeof(mutants) / sizeof(mutants[0]); m++) {
		unsigned i = 0;

		if (!all && !mutants[m].quick)
			continue;
		while (i < MUTANT_RUNS && run_seed(app, first + i, &mutants[m]))
			i++;
		if (i == MUTANT_RUNS) {
			printf("FAILED: mutant %s is not caught in %u runs\n", mutants[m].name, i);
			missed++;
		} else {
			printf("mutant %s is caught by seed %" PRIu64 ": %.70s\n", mutants[m].name,
			       first + i, failure);
		}
	}
	return missed;
}

/* ---- the command line ---- */

struct arguments {
	unsigned runs;
	uint64_t first, seed;
	bool has_seed, crashes, mutants, all;
	const struct sim_app *app; /* NULL: all */
	const struct mutant *mutant;
};

static const char *value_of(int argc, char **argv, int *i)
{
	if (*i + 1 >= argc) {
		fprintf(stderr, "%s needs a value\n", argv[*i]);
		exit(64);
	}
	return argv[++*i];
}

static void set_name(struct arguments *a, const char *option, const char *name)
{
	for (unsigned i = 0; apps[i] && strcmp(option, "--app") == 0; i++)
		if (strcmp(apps[i]->name, name) == 0)
			a->app = apps[i];
	for (size_t i = 0; i < sizeof(mutants) / sizeof(mutants[0]); i++)
		if (strcmp(option, "--mutant") == 0 && strcmp(mutants[i].name, name) == 0)
			a->mutant = &mutants[i];
	if (strcmp(option, "--mutant") == 0 && strcmp(idle_fence.name, name) == 0)
		a->mutant = &idle_fence;
	if (strcmp(option, "--app") == 0 ? !a->app : !a->mutant) {
		fprintf(stderr, "there is no %s %s\n", option + 2, name);
		exit(64);
	}
}

static void read_arguments(struct arguments *a, int argc, char **argv)
{
	const char *runs = getenv("TALLY_SIM_RUNS"), *first = getenv("TALLY_SEED");

	*a = (struct arguments){ .runs = runs ? (unsigned)strtoul(runs, NULL, 0) : DEFAULT_RUNS,
		                 .first = first ? strtoull(first, NULL, 0) : 1,
		                 .all = argc == 1 };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--runs") == 0)
			a->runs = (unsigned)strtoul(value_of(argc, argv, &i), NULL, 0);
		else if (strcmp(argv[i], "--first") == 0)
			a->first = strtoull(value_of(argc, argv, &i), NULL, 0);
		else if (strcmp(argv[i], "--seed") == 0)
			a->has_seed = (a->seed = strtoull(value_of(argc, argv, &i), NULL, 0), true);
		else if (strcmp(argv[i], "--crashes") == 0)
			a->crashes = true;
		else if (strcmp(argv[i], "--mutants") == 0)
			a->mutants = true;
		else if (strcmp(argv[i], "--app") == 0)
			set_name(a, "--app", value_of(argc, argv, &i));
		else if (strcmp(argv[i], "--mutant") == 0)
			set_name(a, "--mutant", value_of(argc, argv, &i));
		else
			exit((fprintf(stderr, "no such option: %s\n", argv[i]), 64));
	}
}

static unsigned runs_of(const struct arguments *a, const struct sim_app *app)
{
	bool large = app->workers[1] && a->all;

	return large ? 1 + a->runs / LARGE_SHARE : a->runs;
}

int main(int argc, char **argv)
{
	struct arguments a;
	int failed = 0;

	read_arguments(&a, argc, argv);
	/* Faults are the rule here, so their log lines are left to a replay. */
	log_configure((enum log_level)(LOG_ERROR + 1), LOG_LOGFMT, STR(""));
	signal(SIGABRT, on_abort);
	if (a.has_seed)
		return replay(a.app ? a.app : apps[0], a.seed, a.mutant);
	for (unsigned i = 0; apps[i]; i++) {
		if (a.app && a.app != apps[i])
			continue;
		if (!a.crashes && !a.mutants)
			failed += run_many(apps[i], a.first, runs_of(&a, apps[i]), a.mutant);
		if (a.crashes || a.all)
			failed += run_crashes(apps[i], a.first, a.crashes);
	}
	if (a.mutants || a.all)
		failed += run_mutants(&counter_app, a.first, a.mutants);
	return failed ? 1 : 0;
}
