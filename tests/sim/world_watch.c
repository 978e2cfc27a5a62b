/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is checked while a run goes on: no R passes its K, the state at an R is what
 * the application says, no output number is committed twice. And the committed
 * outputs of a shard, put in order.
 */
#include "tests/sim/world_internal.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

/* ---- what is checked at every step ---- */

struct sim_group *sim_group_of_topic(struct sim_world *w, struct str topic)
{
	for (unsigned g = 0; g < w->group_count; g++)
		if (str_eq_c(topic, w->groups[g].worker->topic))
			return &w->groups[g];
	return NULL;
}

/* "meta:<topic>:<partition>" moved: R must not pass K. */
static void cursor_moved(void *to, struct str key, const struct stored *meta)
{
	struct sim_world *w = to;
	struct str rest = str_from(key, strlen("meta:"));
	struct str topic = str_split(&rest, ':');
	struct sim_group *g = sim_group_of_topic(w, topic);
	int64_t partition, k;

	must(g && str_to_i64(rest, &partition));
	if (!meta || !meta->has_cursor)
		return;
	k = memory_broker_decided_cursor(w->broker, str_from_c(g->name), (int32_t)partition);
	if (meta->meta.input_cursor > k)
		sim_fail(w, "%.*s: R %lld passes K %lld", STR_ARG(key),
		         (long long)meta->meta.input_cursor, (long long)k);
	k = memory_broker_cursor(w->broker, str_from_c(g->name), (int32_t)partition, NULL);
	if (w->app->check_state && meta->meta.input_cursor <= k && !sim_failed(w))
		w->app->check_state(w, w->self, (int32_t)partition, meta->meta.input_cursor);
}

/* Which shard made it, and its number. False: not one of a worker's outputs. */
static bool output_origin(struct sim_world *w, const struct message *m, struct sim_group **group,
                          int32_t *partition, uint64_t *number)
{
	struct str place = sim_header(m, "tw-src"), seq = sim_header(m, "tw-seq");
	int64_t p, n;

	if (!place.ptr || !seq.ptr)
		return false;
	*group = sim_group_of_topic(w, str_split(&place, '/'));
	if (!*group || !str_to_i64(str_split(&place, '/'), &p) || !str_to_i64(seq, &n))
		return false;
	*partition = (int32_t)p;
	*number = (uint64_t)n;
	return true;
}

/* Records of one transaction come topic by topic, so the order is no matter here. */
static void note_number(struct sim_world *w, struct sim_group *g, int32_t shard, uint64_t number)
{
	uint64_t room = g->number_room[shard];

	if (number >= room) {
		g->number_room[shard] = number * 2 + 64;
		g->numbers[shard] = memory_resize(g->numbers[shard], g->number_room[shard], 1);
		memset(g->numbers[shard] + room, 0, g->number_room[shard] - room);
	}
	if (g->numbers[shard][number])
		sim_fail(w, "%s/%d: tw-seq %llu is committed twice", g->worker->topic, (int)shard,
		         (unsigned long long)number);
	g->numbers[shard][number] = true;
}

static void committed(void *to, struct str topic, int32_t partition, const struct message *m)
{
	struct sim_world *w = to;
	struct sim_group *group;
	int32_t shard;
	uint64_t number;

	if (!output_origin(w, m, &group, &shard, &number)) {
		sim_fail(w, "an output on %.*s/%d without origin", STR_ARG(topic), (int)partition);
		return;
	}
	w->stats.outputs++;
	note_number(w, group, shard, number);
}

void sim_watch(struct sim_world *w)
{
	w->store.moved = cursor_moved;
	w->store.moved_to = w;
	memory_broker_on_commit(w->broker, committed, w);
}

/* ---- outputs ---- */

static int by_number(const void *a, const void *b)
{
	const struct sim_output *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

struct gathering {
	struct sim_output *all;
	unsigned count, room;
};

static void gather(struct sim_world *w, struct str topic, const struct sim_group *of, int32_t shard,
                   struct gathering *into)
{
	for (int32_t p = 0; p < memory_broker_partitions(w->broker, topic); p++) {
		const struct message *m;
		int64_t offset = 0;

		while ((m = memory_broker_read(w->broker, topic, p, &offset))) {
			struct sim_output o = { .topic = topic, .partition = p, .message = m };
			struct sim_group *group;
			int32_t from;

			if (!output_origin(w, m, &group, &from, &o.number) || group != of ||
			    from != shard)
				continue;
			if (into->count == into->room) {
				into->room = into->room ? into->room * 2 : 64;
				into->all = memory_resize(into->all, into->room, sizeof(o));
			}
			into->all[into->count++] = o;
		}
	}
}

/* The topics a worker writes to: its outputs' and its DLQ, each once. */
static unsigned topics_of(struct sim_world *w, const struct worker *worker, struct str out[16])
{
	unsigned n = 0;

	for (const struct output *const *o = worker->outputs; *o; o++) {
		struct str topic = str_from_c((*o)->topic);
		unsigned i = 0;

		while (i < n && !str_eq(out[i], topic))
			i++;
		if (i == n)
			out[n++] = topic;
	}
	out[n++] = arena_printf(&w->memory, "%s.dlq", worker->topic);
	return n;
}

const struct sim_output *sim_outputs(struct sim_world *w, const struct worker *worker,
                                     int32_t partition, unsigned *count)
{
	struct gathering found = { NULL, 0, 0 };
	struct str topics[16];
	unsigned topic_count = topics_of(w, worker, topics);
	struct sim_group *group = sim_group_of_topic(w, str_from_c(worker->topic));
	struct sim_output *kept;

	for (unsigned t = 0; t < topic_count; t++)
		gather(w, topics[t], group, partition, &found);
	if (found.count)
		qsort(found.all, found.count, sizeof(*found.all), by_number);
	for (unsigned i = 0; i < found.count; i++)
		if (found.all[i].number != i + 1)
			sim_fail(w, "%s/%d: output %u has tw-seq %llu", worker->topic,
			         (int)partition, i + 1, (unsigned long long)found.all[i].number);
	kept = arena_alloc(&w->memory, found.count * sizeof(*kept));
	if (found.count)
		memcpy(kept, found.all, found.count * sizeof(*kept));
	free(found.all);
	*count = found.count;
	return kept;
}
