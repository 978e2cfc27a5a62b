/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's conformance suite over the memory store, once directly and once
 * with answers in the order of several seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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
};

static void begin(struct store_rig *rig)
{
	struct rig_memory *m = rig->self;

	memory_clock_init(&m->clock, 1767225600000);
	memory_schedule_init(&m->schedule, &m->clock, m->seed, m->seed == 0);
	memory_store_init(&m->store, &m->schedule);
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

int main(void)
{
	struct rig_memory m = { .seed = 0 };
	struct store_rig rig = {
		.self = &m, .begin = begin, .end = end, .pass = pass, .passes = 10000, .look = look
	};
	int failed = 0;

	for (; m.seed <= SEEDS; m.seed++)
		failed += suite_store(&rig);
	return failed ? 1 : 0;
}
