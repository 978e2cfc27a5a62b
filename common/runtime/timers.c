/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/timers.h"

#include <stdlib.h>

#include "common/base/must.h"

void timers_init(struct timers *t)
{
	*t = (struct timers){ 0 };
}

void timers_clear(struct timers *t)
{
	for (unsigned i = 0; i < t->count; i++)
		free((void *)(uintptr_t)t->heap[i].member.ptr);
	t->count = 0;
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

void timers_add(struct timers *t, struct str member, int64_t due_ms)
{
	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : 16;
		t->heap = realloc(t->heap, t->room * sizeof(*t->heap));
		must(t->heap);
	}
	char *copy = malloc(member.len + 1);
	must(copy);
	memcpy(copy, member.ptr, member.len);
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
