/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cases/stage.h"

#include <stdlib.h>

#include "common/adapters/memory/broker.h"
#include "common/adapters/memory/store.h"
#include "common/base/memory.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"
#include "common/runtime/cursor.h"

#define START_MS INT64_C(1577836800000) /* 2020-01-01T00:00:00Z */
#define LIVES_MOST 64
#define TURNS_MOST 1000000
#define NEVER_MS INT64_C(1000000000000)

struct stage {
	const struct worker *worker;
	bool unflushed;
	struct memory_clock clock;
	struct memory_schedule schedule;
	struct memory_broker *broker;
	struct memory_store store;
	struct memory_party parties[LIVES_MOST]; /* one a life of the process */
	struct inbox *inboxes[LIVES_MOST];
	unsigned lives;
	struct memory_member *member;
	struct process *process;
	struct process_options process_options;
	struct arena memory;
	struct str topic, group;
	int64_t reference_end; /* offset of the last end record */
};

/* ---- the process ------------------------------------------------------------ */

static void begin_life(struct stage *s)
{
	struct memory_party *party = &s->parties[s->lives];
	struct inbox *inbox = s->inboxes[s->lives] = inbox_new();
	struct ports ports;

	must(++s->lives < LIVES_MOST);
	party->number = s->lives;
	s->member = memory_member_new(s->broker, party, inbox, s->group, STR("reference"));
	ports = (struct ports){
		.broker = memory_member_port(s->member),
		.store = memory_store_bind(&s->store, party, s->worker, inbox),
		.clock = memory_clock_port(&s->clock),
		.inbox = inbox,
	};
	s->process = process_new(s->worker, &ports, &s->process_options);
}

void stage_crash(struct stage *s)
{
	process_free(s->process);
	memory_schedule_crash(&s->schedule, &s->parties[s->lives - 1]);
	memory_member_expel(s->member);
	begin_life(s);
}

/* ---- running ------------------------------------------------------------------ */

static bool is_settled(const struct stage *s)
{
	struct shard_status shard;
	int64_t end = memory_broker_stable_end(s->broker, s->topic, 0);

	if (process_shards(s->process, &shard, 1) != 1 || shard.state != SHARD_RUNNING ||
	    shard.position != end || shard.output_cursor != end ||
	    !memory_broker_is_settled(s->broker))
		return false;
	return s->unflushed || (shard.input_cursor == end && process_is_drained(s->process));
}

void stage_run(struct stage *s)
{
	for (unsigned turns = 0; turns < TURNS_MOST; turns++) {
		int64_t next, due;
		bool moved = process_turn(s->process);

		while (memory_schedule_step(&s->schedule))
			moved = true;
		if (moved)
			continue;
		if (is_settled(s))
			return;
		next = process_next_turn_ms(s->process);
		due = memory_schedule_next_due(&s->schedule);
		next = due < next ? due : next;
		memory_clock_reach(&s->clock, next > s->clock.now_ms ? next : s->clock.now_ms + 1);
	}
	must(!"the worker does not come to rest");
}

void stage_flush(struct stage *s)
{
	s->unflushed = false;
	process_options_default(&s->process_options);
	stage_crash(s);
	stage_run(s);
}

void stage_reach(struct stage *s, int64_t wall_ms)
{
	if (wall_ms > memory_clock_wall(&s->clock))
		memory_clock_reach(&s->clock, wall_ms - START_MS);
}

/* ---- records -------------------------------------------------------------------- */

void stage_append(struct stage *s, struct str key, struct str value)
{
	stage_append_whole(s, key, value, NULL, 0);
}

void stage_append_whole(struct stage *s, struct str key, struct str value,
                        const struct header *headers, unsigned header_count)
{
	memory_broker_append(s->broker, s->topic, 0, key, value, headers, header_count);
}

void stage_append_reference(struct stage *s, struct str key, struct str value)
{
	memory_broker_append(s->broker, STR("reference"), 0, key, value, NULL, 0);
}

static struct str control(struct stage *s, const char *type, const char *field, int64_t number)
{
	return arena_printf(&s->memory,
	                    "{\"specversion\":\"1.0\",\"id\":\"%s/%lld\","
	                    "\"source\":\"/tallyworks/tallyctl\",\"type\":\"%s\","
	                    "\"time\":\"2020-01-01T00:00:00Z\",\"data\":{\"%s\":%lld}}",
	                    field, (long long)number, type, field, (long long)number);
}

void stage_publish(struct stage *s)
{
	struct header header = { STR("tw-control"), STR("1") };

	s->reference_end = memory_broker_append(
		s->broker, STR("reference"), 0, STR("end"),
		control(s, "tallyworks.reference.ended", "records", 1), &header, 1);
	memory_broker_append(s->broker, s->topic, 0, STR("marker"),
	                     control(s, "tallyworks.reference.advanced", "pin", s->reference_end),
	                     &header, 1);
}

const struct message *stage_read(const struct stage *s, struct str topic, int64_t *offset)
{
	return memory_broker_read(s->broker, topic, 0, offset);
}

const struct memory_keys *stage_keys(const struct stage *s)
{
	return &s->store.keys;
}

uint64_t stage_skipped(const struct stage *s)
{
	return process_stats(s->process)->skipped;
}

/* ---- the stage -------------------------------------------------------------------- */

static void add_topics(struct stage *s)
{
	const struct output *const *outputs = s->worker->outputs;

	memory_broker_add_topic(s->broker, STR("reference"), 1);
	memory_broker_add_topic(s->broker, s->topic, 1);
	memory_broker_add_topic(s->broker, arena_printf(&s->memory, "%s.dlq", s->worker->topic), 1);
	for (unsigned i = 0; outputs[i]; i++) {
		bool known = false;

		for (unsigned j = 0; j < i; j++)
			known = known || strcmp(outputs[i]->topic, outputs[j]->topic) == 0;
		if (!known)
			memory_broker_add_topic(s->broker, str_from_c(outputs[i]->topic), 1);
	}
}

/* As `tallyctl topics create` does: the group's first K. */
static void add_group(struct stage *s)
{
	struct cursor_metadata first = { .first_pin = -1,
		                         .first_logic = s->worker->logic_version,
		                         .logic = s->worker->logic_version };
	char text[LIMIT_METADATA_BYTES];

	s->group = arena_printf(&s->memory, "tallyworks-%s", s->worker->name);
	memory_broker_add_group(s->broker, s->group, s->topic);
	memory_broker_set_cursor(s->broker, s->group, 0, 0,
	                         str_of(text, cursor_metadata_format(&first, text)));
}

struct stage *stage_new(const struct worker *worker, bool unflushed)
{
	struct stage *s = memory_new(sizeof(*s));

	*s = (struct stage){ .worker = worker, .unflushed = unflushed };
	arena_init(&s->memory, 4096);
	s->topic = str_from_c(worker->topic);
	memory_clock_init(&s->clock, START_MS);
	memory_schedule_init(&s->schedule, &s->clock, 1, true);
	s->broker = memory_broker_new(&s->schedule);
	memory_store_init(&s->store, &s->schedule);
	add_topics(s);
	add_group(s);
	process_options_default(&s->process_options);
	if (unflushed)
		s->process_options.flush_interval_ms = s->process_options.flush_interval_max_ms =
			NEVER_MS;
	begin_life(s);
	return s;
}

void stage_free(struct stage *s)
{
	process_free(s->process);
	memory_schedule_release(&s->schedule);
	memory_store_release(&s->store);
	memory_broker_free(s->broker);
	for (unsigned i = 0; i < s->lives; i++)
		inbox_free(s->inboxes[i]);
	arena_release(&s->memory);
	free(s);
}
