/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's conformance suite over the memory store, once directly and once
 * with answers in the order of several seeds. And over one whose absent R is taken
 * for an empty shard's: the suite must notice, since the simulation comes to a first
 * flush over a lost R in one seed of many thousands only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/adapters/memory/store.h"
#include "tests/conformance/suite_store.h"

#define SEEDS 5

struct rig_memory {
	struct memory_clock clock;
	struct memory_schedule schedule;
	struct memory_store store;
	struct memory_party parties[2];
	uint64_t seed; /* 0: direct */
	unsigned mutants;
};

static void begin(struct store_rig *rig)
{
	struct rig_memory *m = rig->self;

	memory_clock_init(&m->clock, 1767225600000);
	memory_schedule_init(&m->schedule, &m->clock, m->seed, m->seed == 0);
	memory_store_init(&m->store, &m->schedule);
	m->store.mutants = m->mutants;
	for (unsigned i = 0; i < 2; i++) {
		m->parties[i] = (struct memory_party){ .number = i };
		rig->inbox[i] = inbox_new();
		rig->port[i] = memory_store_bind(&m->store, &m->parties[i], &conformance_worker,
		                                 rig->inbox[i]);
	}
}

static void end(struct store_rig *rig)
{
	struct rig_memory *m = rig->self;

	memory_schedule_release(&m->schedule);
	memory_store_release(&m->store);
	for (unsigned i = 0; i < 2; i++)
		inbox_free(rig->inbox[i]);
}

static void pass(struct store_rig *rig)
{
	struct rig_memory *m = rig->self;

	if (!memory_schedule_step(&m->schedule))
		memory_clock_reach(&m->clock, m->clock.now_ms + 1);
}

static struct str look(struct store_rig *rig, struct str key, struct str name, struct arena *memory)
{
	struct rig_memory *m = rig->self;
	const struct stored *s;

	if (name.ptr)
		return arena_str(memory, memory_keys_field(&m->store.keys, key, name));
	s = memory_keys_find(&m->store.keys, key);
	return s ? arena_str(memory, s->value) : str_of(NULL, 0);
}

/* In a process of its own, whose words nobody needs. */
static int mutant_is_noticed(struct store_rig *rig)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
			_exit(0);
		_exit(suite_store(rig) ? 1 : 0);
	}
	if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 1)
		return 1;
	printf("FAILED: absent_is_empty is not noticed\n");
	return 0;
}

int main(void)
{
	struct rig_memory m = { .seed = 0 };
	struct store_rig rig = {
		.self = &m, .begin = begin, .end = end, .pass = pass, .passes = 10000, .look = look
	};
	int failed = 0;

	for (; m.seed <= SEEDS; m.seed++)
		failed += suite_store(&rig);
	m = (struct rig_memory){ .mutants = STORE_ABSENT_IS_EMPTY };
	return failed || !mutant_is_noticed(&rig) ? 1 : 0;
}
