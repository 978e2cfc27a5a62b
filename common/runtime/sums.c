/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/sums.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define SUMS_ARENA (64 * 1024)

void sums_init(struct sums *s, unsigned target_count)
{
	*s = (struct sums){ .target_count = target_count };
	arena_init(&s->memory, SUMS_ARENA);
}

void sums_clear(struct sums *s)
{
	for (unsigned t = 0; s->lists && t < s->target_count; t++) {
		table_clear(&s->lists[t].rows);
		s->lists[t].first = NULL;
		s->lists[t].last = &s->lists[t].first;
	}
	arena_clear(&s->memory);
	s->count = 0;
}

void sums_release(struct sums *s)
{
	for (unsigned t = 0; s->lists && t < s->target_count; t++)
		table_release(&s->lists[t].rows);
	free(s->lists);
	arena_release(&s->memory);
	sums_init(s, s->target_count);
}

struct sum_key {
	const struct output *output;
	const void *row;
};

static bool row_same(const void *item, const void *key)
{
	const struct sum_row *a = item;
	const struct sum_key *k = key;
	return k->output->row_same(a->row, k->row);
}

static struct sum_list *list_of(struct sums *s, unsigned target)
{
	must(target < s->target_count);
	if (!s->lists) {
		s->lists = memory_array(s->target_count, sizeof(*s->lists));
		for (unsigned t = 0; t < s->target_count; t++) {
			table_init(&s->lists[t].rows);
			s->lists[t].first = NULL;
			s->lists[t].last = &s->lists[t].first;
		}
	}
	return &s->lists[target];
}

void sums_add(struct sums *s, unsigned target, const struct output *output, struct str key,
              int32_t partitions, const void *row)
{
	struct sum_list *list = list_of(s, target);
	uint64_t hash = output->row_hash(row);
	struct sum_row *known =
		table_find(&list->rows, hash, row_same, &(struct sum_key){ output, row });
	if (known && output->row_add(known->row, row))
		return;
	struct sum_row *fresh = arena_alloc(&s->memory, sizeof(*fresh));
	fresh->next = NULL;
	fresh->partition = hash_partition(key, partitions);
	fresh->row = arena_alloc(&s->memory, output->data->size);
	record_copy(output->data, row, fresh->row, &s->memory);
	if (known) {
		/* It would overflow: it goes out as it is, and a new row begins in its place. */
		void *full = known->row;
		known->row = fresh->row;
		fresh->row = full;
	} else {
		table_add(&list->rows, hash, fresh);
	}
	*list->last = fresh;
	list->last = &fresh->next;
	s->count++;
}
