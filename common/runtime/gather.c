/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/gather.h"

#include <stdlib.h>

#include "common/base/limits.h"
#include "common/base/memory.h"

void gathering_init(struct gathering *g)
{
	*g = (struct gathering){ 0 };
	table_init(&g->latest);
}

static void free_batches(struct batch *b)
{
	while (b) {
		struct batch *next = b->next;
		batch_free(b);
		b = next;
	}
}

static void forget(struct gathering *g)
{
	table_clear(&g->latest);
	g->batches = NULL;
	g->last = &g->batches;
	g->writes = NULL;
	g->count = g->room = g->pairs = 0;
	g->bytes = 0;
}

void gathering_clear(struct gathering *g)
{
	free_batches(g->batches);
	free(g->writes);
	forget(g);
}

void gathering_release(struct gathering *g)
{
	gathering_clear(g);
	table_release(&g->latest);
}

void flush_call_free(struct flush_call *call)
{
	free_batches(call->batches);
	free(call->writes);
	free(call);
}

static bool write_same(const void *item, const void *key)
{
	const struct batch_write *a = item, *b = key;
	return a->whole == b->whole && a->write.kind == b->write.kind &&
	       str_eq(a->write.key, b->write.key) &&
	       (a->whole || str_eq(a->write.pairs[0].name, b->write.pairs[0].name));
}

/* Fields of the older write that the newer one leaves as they are. */
static struct write joined(struct batch *b, const struct write *older, const struct write *newer)
{
	struct pair *pairs =
		arena_alloc(&b->memory, (older->pair_count + newer->pair_count) * sizeof(*pairs));
	struct write all = *newer;
	memcpy(pairs, newer->pairs, newer->pair_count * sizeof(*pairs));
	for (unsigned o = 0; o < older->pair_count; o++) {
		unsigned n = 0;
		while (n < newer->pair_count && !str_eq(newer->pairs[n].name, older->pairs[o].name))
			n++;
		if (n == newer->pair_count)
			pairs[all.pair_count++] = older->pairs[o];
	}
	all.pairs = pairs;
	return all;
}

static void add_write(struct gathering *g, struct batch *b, struct batch_write *w)
{
	struct batch_write *older = table_find(&g->latest, w->identity, write_same, w);
	g->pairs += w->write.pair_count;
	if (older) {
		g->pairs -= older->write.pair_count;
		struct write write = w->write;
		if (w->whole && write.kind == WRITE_FIELDS) {
			g->pairs -= write.pair_count;
			write = joined(b, &older->write, &write);
			g->pairs += write.pair_count;
		}
		older->write.pairs = write.pairs;
		older->write.pair_count = write.pair_count;
		return;
	}
	table_add(&g->latest, w->identity, w);
	g->writes[g->count++] = &w->write;
	g->pairs++;
}

void gathering_add(struct gathering *g, struct batch *b)
{
	if (!g->batches)
		g->last = &g->batches;
	b->next = NULL;
	*g->last = b;
	g->last = &b->next;
	g->bytes += b->memory.total;
	if (g->count + b->write_count > g->room) {
		g->room = 2 * (g->count + b->write_count);
		g->writes = memory_resize(g->writes, g->room, sizeof(struct write *));
	}
	for (unsigned i = 0; i < b->write_count; i++)
		add_write(g, b, &b->writes[i]);
}

bool gathering_is_full(const struct gathering *g)
{
	return g->pairs >= LIMIT_FLUSH_PAIRS || g->bytes >= LIMIT_GATHER_BYTES;
}

bool gathering_is_small(const struct gathering *g)
{
	return g->pairs < LIMIT_FLUSH_PAIRS / 8;
}

struct flush_call *gathering_take(struct gathering *g, const struct standing *before)
{
	struct flush_call *call = memory_new(sizeof(*call));
	call->after = *before;
	for (struct batch *b = g->batches; b; b = b->next)
		call->after = b->after;
	call->batches = g->batches;
	call->writes = g->writes;
	call->flush.writes = g->writes;
	call->flush.write_count = g->count;
	forget(g);
	return call;
}
