/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the simulation notice when a safety is taken away? Each mutant must make
 * it fail within a bounded number of seeds; one that cannot be told from the code
 * as it is fails this test.
 *
 * This program's runtime is compiled with TALLY_MUTANTS (common/runtime/mutant.h);
 * mutants of what broker and Redis do are in the memory adapters. One more of those,
 * absent_is_empty, is noticed by conformance/memory_store. Each is tried in a process
 * of its own, since a must() or a sanitizer that stops it has noticed it, too. The
 * seed that caught it last (seeds.c) comes first.
 *
 * test_mutants [--most N] [--first SEED] [--mutant NAME [--seed SEED]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/must.h"
#include "common/runtime/mutant.h"
#include "tests/sim/counter_app.h"
#include "tests/sim/runs.h"

#define SEEDS_MOST 3000 /* a mutant must be caught in so many */
#define STATUS_MISSED 3

enum mutant mutant_on;

static const struct mutation {
	const char *name, *words;
	enum mutant runtime;
	unsigned store, broker;
} mutations[] = {
#define MUTATION(name, words) { #name, words, MUTANT_##name, 0, 0 },
	MUTANT_LIST(MUTATION)
#undef MUTATION
		{ "flush_without_compare", "Redis takes a flush whatever R is", 0, STORE_NO_COMPARE,
	          0 },
	{ "load_without_compare", "entities are loaded whatever R is", 0, STORE_BLIND_LOAD, 0 },
	{ "torn_unmarked", "a flush that fails half way leaves R", 0, STORE_TORN_UNMARKED, 0 },
	{ "late_wipe", "a wipe goes on whoever owns the shard", 0, STORE_LATE_WIPE, 0 },
	{ "cursor_while_pending", "K while it is pending", 0, 0, BROKER_UNSTABLE_CURSOR },
	{ "no_generation", "offsets of any member", 0, 0,
	  BROKER_NO_GENERATION | BROKER_IDLE_FENCE },
	/* Without fencing the second line of defence stands alone, which shows its gaps sooner. */
	{ "no_epochs", "P3 compares no epochs", 0, 0, BROKER_NO_EPOCHS | BROKER_IDLE_FENCE },
	{ "epochs_before_metadata", "P3 compares epochs too early", 0, 0,
	  BROKER_EPOCHS_FIRST | BROKER_IDLE_FENCE },
	{ "unknown_is_committed", "no answer means committed", 0, 0, BROKER_UNKNOWN_IS_DONE },
	{ "unknown_is_aborted", "no answer means aborted", 0, 0, BROKER_UNKNOWN_IS_ABORTED },
	{ "dirty_read", "readers see open and aborted records", 0, 0, BROKER_DIRTY_READ },
	{ "offsets_outside", "K moves before the commit", 0, 0, BROKER_OFFSETS_OUTSIDE },
};

#define MUTATIONS (sizeof(mutations) / sizeof(mutations[0]))

/* What the process that tries a mutant leaves behind. */
struct found {
	uint64_t seed; /* of the latest run */
	struct sim_record record;
};

static bool notices(const struct mutation *m, uint64_t seed, struct found *found)
{
	struct sim_options options = {
		.seed = seed, .faults = true, .store_mutants = m->store, .broker_mutants = m->broker
	};

	found->seed = seed;
	return !sim_run(&counter_app, &options, &found->record);
}

static uint64_t kept_seed(const struct mutation *m)
{
	for (const struct sim_seed *s = sim_seeds; s->app; s++)
		if (s->mutant && strcmp(s->mutant, m->name) == 0)
			return s->seed;
	return 0;
}

static int search(const struct mutation *m, uint64_t first, unsigned most, struct found *found)
{
	mutant_on = m->runtime;
	if (kept_seed(m) && notices(m, kept_seed(m), found))
		return 0;
	for (unsigned i = 0; i < most; i++)
		if (notices(m, first + i, found))
			return 0;
	return STATUS_MISSED;
}

/* True: it was noticed. */
static bool try_mutant(const struct mutation *m, uint64_t first, unsigned most, struct found *found)
{
	int status;
	pid_t child;

	*found = (struct found){ .seed = 0 };
	snprintf(found->record.failure, sizeof(found->record.failure), "a check stopped it");
	fflush(stdout);
	child = fork();
	must(child >= 0);
	if (child == 0) {
		must(freopen("/dev/null", "w", stderr));
		_exit(search(m, first, most, found));
	}
	must(waitpid(child, &status, 0) == child);
	return !WIFEXITED(status) || WEXITSTATUS(status) != STATUS_MISSED;
}

struct arguments {
	unsigned most;
	uint64_t first, seed;
	bool replay;
	const struct mutation *only; /* NULL: all */
};

static void set_mutant(struct arguments *a, const char *name)
{
	for (size_t i = 0; i < MUTATIONS; i++)
		if (strcmp(mutations[i].name, name) == 0)
			a->only = &mutations[i];
	if (!a->only)
		exit((fprintf(stderr, "there is no mutant %s\n", name), 64));
}

static void read_arguments(struct arguments *a, int argc, char **argv)
{
	*a = (struct arguments){ .most = SEEDS_MOST, .first = 1 };
	for (int i = 1; i < argc; i++) {
		const char *option = argv[i], *value = sim_value_of(argc, argv, &i);

		if (strcmp(option, "--most") == 0)
			a->most = (unsigned)strtoul(value, NULL, 0);
		else if (strcmp(option, "--first") == 0)
			a->first = strtoull(value, NULL, 0);
		else if (strcmp(option, "--seed") == 0)
			a->replay = (a->seed = strtoull(value, NULL, 0), true);
		else if (strcmp(option, "--mutant") == 0)
			set_mutant(a, value);
		else
			exit((fprintf(stderr, "no such option: %s\n", option), 64));
	}
}

static int replay(const struct arguments *a)
{
	struct sim_options options = { .seed = a->seed, .faults = true };

	if (a->only) {
		mutant_on = a->only->runtime;
		options.store_mutants = a->only->store;
		options.broker_mutants = a->only->broker;
	}
	return sim_replay(&counter_app, &options);
}

int main(int argc, char **argv)
{
	struct arguments a;
	struct timespec start;
	struct found *found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE,
	                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int missed = 0;

	must(found != MAP_FAILED);
	read_arguments(&a, argc, argv);
	sim_begin_runs();
	if (a.replay)
		return replay(&a);
	for (size_t i = 0; i < MUTATIONS; i++) {
		const struct mutation *m = &mutations[i];

		if (a.only && a.only != m)
			continue;
		clock_gettime(CLOCK_MONOTONIC, &start);
		if (try_mutant(m, a.first, a.most, found)) {
			printf("%s: seed %" PRIu64 " in %.1f s: %.90s\n", m->name, found->seed,
			       sim_seconds_since(&start), found->record.failure);
			continue;
		}
		missed++;
		printf("FAILED: %s is not noticed in %u seeds (%.1f s): %s\n", m->name, a.most,
		       sim_seconds_since(&start), m->words);
	}
	return missed ? 1 : 0;
}
