/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps are drawn from an array. Its order is the order of putting, which is what
 * direct mode goes by; taking one out keeps it.
 */
#include "common/adapters/memory/schedule.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

#define LINE_BYTES 512
#define SLOW_PER_MILLE 15
#define LONG_DELAY_MS 4000
#define ORPHAN_DELAY_MS 8000

void memory_schedule_init(struct memory_schedule *s, struct memory_clock *clock, uint64_t seed,
                          bool direct)
{
	*s = (struct memory_schedule){
		.clock = clock, .dice = { seed }, .direct = direct, .slow = SLOW_PER_MILLE
	};
}

void memory_schedule_release(struct memory_schedule *s)
{
	for (unsigned i = 0; i < s->count; i++)
		s->calls[i]->free(s->calls[i]);
	free(s->calls);
	s->calls = NULL;
	s->count = s->room = 0;
}

void memory_schedule_say(struct memory_schedule *s, const struct memory_party *party,
                         const char *format, ...)
{
	char line[LINE_BYTES];
	int at;
	va_list args;

	if (!s->trace)
		return;
	if (party)
		at = snprintf(line, sizeof(line), "%8" PRId64 " p%u ", s->clock->now_ms,
		              party->number);
	else
		at = snprintf(line, sizeof(line), "%8" PRId64 " -- ", s->clock->now_ms);
	va_start(args, format);
	vsnprintf(line + at, sizeof(line) - (size_t)at, format, args);
	va_end(args);
	s->trace(s->trace_to, line);
}

/* Mostly next to nothing, now and then long enough to outlast a timeout. */
int64_t memory_schedule_delay(struct memory_schedule *s)
{
	unsigned x;

	if (s->direct)
		return 0;
	x = dice_below(&s->dice, 1000);
	if (s->quiet)
		return x % 4;
	if (x < s->slow)
		return dice_between(&s->dice, 150, LONG_DELAY_MS);
	return x < 940 ? x % 3 : dice_between(&s->dice, 3, 80);
}

void memory_schedule_put(struct memory_schedule *s, struct memory_call *call)
{
	s->calls = memory_room(s->calls, s->count, &s->room, sizeof(struct memory_call *));
	call->arrived = !call->arrive;
	call->due_ms = s->clock->now_ms + memory_schedule_delay(s);
	s->calls[s->count++] = call;
}

static bool can_step(const struct memory_schedule *s, const struct memory_call *call)
{
	if (call->due_ms > s->clock->now_ms)
		return false;
	return !call->arrived || !call->party || !call->party->paused;
}

static struct memory_call *take_out(struct memory_schedule *s, unsigned n)
{
	struct memory_call *call = s->calls[n];

	for (unsigned i = n + 1; i < s->count; i++)
		s->calls[i - 1] = s->calls[i];
	s->count--;
	return call;
}

/* Position of a call: others may have been put and taken meanwhile. */
static unsigned find_call(const struct memory_schedule *s, const struct memory_call *call)
{
	unsigned n = 0;

	while (n < s->count && s->calls[n] != call)
		n++;
	must(n < s->count);
	return n;
}

static void answer_call(struct memory_schedule *s, struct memory_call *call)
{
	if (call->party && call->party->dead)
		call->answer = NULL;
	if (call->answer) {
		memory_schedule_say(s, call->party, "%s %d answers", call->name,
		                    (int)call->partition);
		if (call->answer(call)) {
			memory_schedule_put(s, call);
			return;
		}
	}
	call->free(call);
}

/* False: the server lets it wait. */
static bool step_call(struct memory_schedule *s, struct memory_call *call)
{
	s->moved = call->party;
	if (call->arrived) {
		answer_call(s, take_out(s, find_call(s, call)));
		return true;
	}
	if (!call->arrive(call))
		return false;
	memory_schedule_say(s, call->party, "%s %d arrives", call->name, (int)call->partition);
	call->arrived = true;
	call->due_ms = s->clock->now_ms + memory_schedule_delay(s);
	if (!call->answer || (call->party && call->party->dead))
		answer_call(s, take_out(s, find_call(s, call)));
	return true;
}

static bool step_oldest(struct memory_schedule *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (can_step(s, s->calls[i]) && step_call(s, s->calls[i]))
			return true;
	return false;
}

bool memory_schedule_step(struct memory_schedule *s)
{
	unsigned able = 0, n;

	s->moved = NULL;
	if (s->direct)
		return step_oldest(s);
	for (unsigned i = 0; i < s->count; i++)
		able += can_step(s, s->calls[i]);
	if (able == 0)
		return false;
	n = dice_below(&s->dice, able);
	for (unsigned i = 0;; i++)
		if (can_step(s, s->calls[i]) && n-- == 0)
			return step_call(s, s->calls[i]);
}

int64_t memory_schedule_next_due(const struct memory_schedule *s)
{
	int64_t next = INT64_MAX;

	for (unsigned i = 0; i < s->count; i++)
		if (s->calls[i]->due_ms > s->clock->now_ms && s->calls[i]->due_ms < next)
			next = s->calls[i]->due_ms;
	return next;
}

void memory_schedule_crash(struct memory_schedule *s, struct memory_party *party)
{
	unsigned kept = 0;

	party->dead = true;
	party->paused = false;
	for (unsigned i = 0; i < s->count; i++) {
		struct memory_call *call = s->calls[i];

		if (call->party == party && (call->arrived || dice_hits(&s->dice, 500))) {
			call->free(call);
			continue;
		}
		if (call->party == party) {
			call->answer = NULL;
			if (dice_hits(&s->dice, 300))
				call->due_ms = s->clock->now_ms +
				               dice_between(&s->dice, 0, ORPHAN_DELAY_MS);
		}
		s->calls[kept++] = call;
	}
	s->count = kept;
}

bool memory_schedule_has(const struct memory_schedule *s, const struct memory_party *party)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->calls[i]->party == party)
			return true;
	return false;
}

bool memory_schedule_fault(struct memory_schedule *s, unsigned per_mille)
{
	if (s->once && per_mille == CERTAIN) {
		s->once = false;
		return true;
	}
	return !s->direct && !s->quiet && dice_hits(&s->dice, per_mille);
}
