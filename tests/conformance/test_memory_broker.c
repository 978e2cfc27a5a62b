/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's conformance suite over the memory broker, once directly and once
 * with steps in the order of several seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/adapters/memory/broker.h"
#include "tests/conformance/suite_broker.h"

#define SEEDS 10

struct rig_memory {
	struct memory_clock clock;
	struct memory_schedule schedule;
	struct memory_broker *broker;
	struct memory_party parties[2];
	struct memory_member *members[2];
	uint64_t seed; /* 0: direct */
};

static void begin(struct broker_rig *rig)
{
	struct rig_memory *m = rig->self;

	memory_clock_init(&m->clock, 1767225600000);
	memory_schedule_init(&m->schedule, &m->clock, m->seed, m->seed == 0);
	m->broker = memory_broker_new(&m->schedule);
	rig->input = STR("conformance");
	rig->output = STR("outputs");
	rig->reference = STR("reference");
	memory_broker_add_topic(m->broker, rig->input, CONFORMANCE_INPUT_PARTITIONS);
	memory_broker_add_topic(m->broker, rig->output, CONFORMANCE_OUTPUT_PARTITIONS);
	memory_broker_add_topic(m->broker, rig->reference, 1);
	memory_broker_add_group(m->broker, STR("tallyworks-conformance"), rig->input);
	rig->inbox[0] = rig->inbox[1] = NULL;
}

static void end(struct broker_rig *rig)
{
	struct rig_memory *m = rig->self;

	memory_schedule_release(&m->schedule);
	memory_broker_free(m->broker);
	for (unsigned i = 0; i < 2; i++)
		inbox_free(rig->inbox[i]);
}

static void open_process(struct broker_rig *rig, unsigned process)
{
	struct rig_memory *m = rig->self;

	m->parties[process] = (struct memory_party){ .number = process };
	rig->inbox[process] = inbox_new();
	m->members[process] =
		memory_member_new(m->broker, &m->parties[process], rig->inbox[process],
	                          STR("tallyworks-conformance"), rig->reference);
	rig->port[process] = memory_member_port(m->members[process]);
}

static void leave(struct broker_rig *rig, unsigned process)
{
	memory_member_leave(((struct rig_memory *)rig->self)->members[process]);
}

static bool has_left(struct broker_rig *rig, unsigned process)
{
	return memory_member_is_out(((struct rig_memory *)rig->self)->members[process]);
}

static void pass(struct broker_rig *rig)
{
	struct rig_memory *m = rig->self;

	if (!memory_schedule_step(&m->schedule))
		memory_clock_reach(&m->clock, m->clock.now_ms + 1);
}

static void append(struct broker_rig *rig, struct str topic, int32_t partition, struct str key,
                   struct str value, const struct header *headers, unsigned header_count)
{
	memory_broker_append(((struct rig_memory *)rig->self)->broker, topic, partition, key, value,
	                     headers, header_count);
}

static void commit_cursor(struct broker_rig *rig, int32_t partition, int64_t offset,
                          struct str metadata)
{
	memory_broker_set_cursor(((struct rig_memory *)rig->self)->broker,
	                         STR("tallyworks-conformance"), partition, offset, metadata);
}

static unsigned read_topic(struct broker_rig *rig, struct str topic, int32_t partition,
                           struct arena *memory, const struct message **out)
{
	struct memory_broker *broker = ((struct rig_memory *)rig->self)->broker;
	size_t room = (size_t)memory_broker_end(broker, topic, partition);
	struct message *messages = arena_alloc(memory, room * sizeof(*messages));
	const struct message *m;
	int64_t offset = 0;
	unsigned n = 0;

	while ((m = memory_broker_read(broker, topic, partition, &offset)))
		messages[n++] = *m;
	*out = messages;
	return n;
}

int main(void)
{
	struct rig_memory m = { .seed = 0 };
	struct broker_rig rig = { .self = &m,
		                  .begin = begin,
		                  .end = end,
		                  .open = open_process,
		                  .leave = leave,
		                  .has_left = has_left,
		                  .pass = pass,
		                  .passes = 20000,
		                  .append = append,
		                  .commit_cursor = commit_cursor,
		                  .read = read_topic };
	int failed = 0;

	for (; m.seed <= SEEDS; m.seed++)
		failed += suite_broker(&rig);
	return failed ? 1 : 0;
}
