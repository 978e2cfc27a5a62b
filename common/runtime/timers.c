/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/timers.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

void timers_init(struct timers *t)
{
	*t = (struct timers){ .horizon_ms = INT64_MAX };
}

void timers_clear(struct timers *t)
{
	for (unsigned i = 0; i < t->count; i++)
		free((void *)(uintptr_t)t->heap[i].member.ptr);
	t->count = 0;
	t->horizon_ms = INT64_MAX;
}

void timers_release(struct timers *t)
{
	timers_clear(t);
	free(t->heap);
	timers_init(t);
}

static void swap(struct timers *t, unsigned a, unsigned b)
{
	struct timer x = t->heap[a];
	t->heap[a] = t->heap[b];
	t->heap[b] = x;
}

static int earlier(const void *a, const void *b)
{
	const struct timer *x = a, *y = b;
	return (x->due_ms > y->due_ms) - (x->due_ms < y->due_ms);
}

/* Drops the later half; what is sorted is a heap. */
static void trim(struct timers *t)
{
	qsort(t->heap, t->count, sizeof(*t->heap), earlier);
	while (t->count > TIMERS_MOST / 2)
		free((void *)(uintptr_t)t->heap[--t->count].member.ptr);
	t->horizon_ms = t->heap[t->count].due_ms - 1;
}

void timers_add(struct timers *t, struct str member, int64_t due_ms)
{
	if (t->count == TIMERS_MOST)
		trim(t);
	if (due_ms > t->horizon_ms)
		return;
	t->heap = memory_room(t->heap, t->count, &t->room, sizeof(*t->heap));
	char *copy = memory_copy(member);
	unsigned i = t->count++;
	t->heap[i] = (struct timer){ due_ms, str_of(copy, member.len) };
	for (; i && t->heap[(i - 1) / 2].due_ms > t->heap[i].due_ms; i = (i - 1) / 2)
		swap(t, i, (i - 1) / 2);
}

const struct timer *timers_first(const struct timers *t)
{
	return t->count ? &t->heap[0] : NULL;
}

void timers_pop(struct timers *t)
{
	must(t->count);
	free((void *)(uintptr_t)t->heap[0].member.ptr);
	t->heap[0] = t->heap[--t->count];
	for (unsigned i = 0;;) {
		unsigned least = i, left = 2 * i + 1;
		for (unsigned child = left; child < t->count && child <= left + 1; child++) {
			if (t->heap[child].due_ms < t->heap[least].due_ms)
				least = child;
		}
		if (least == i)
			return;
		swap(t, i, least);
		i = least;
	}
}
