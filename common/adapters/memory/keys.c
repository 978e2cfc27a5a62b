/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before a unit's first change of a key, the key as it was is copied into the
 * history. Undoing puts the copies back, newest unit first.
 */
#include "common/adapters/memory/keys.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define HISTORY_UNITS 400

struct keys_undo {
	struct keys_undo *older;
	uint64_t unit;
	struct str key;
	struct stored *was; /* NULL: it did not exist */
};

/* ---- values ---- */

static struct str text_new(struct str s)
{
	return s.ptr ? str_of(memory_copy(s), s.len) : s;
}

static void text_free(struct str s)
{
	free((void *)(uintptr_t)s.ptr);
}

static struct stored *stored_new(struct str key, enum stored_kind kind)
{
	struct stored *s = memory_new(sizeof(*s));

	*s = (struct stored){ .key = text_new(key), .kind = kind };
	return s;
}

static void stored_free(struct stored *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++) {
		text_free(s->pairs[i].name);
		text_free(s->pairs[i].value);
	}
	free(s->pairs);
	text_free(s->value);
	text_free(s->key);
	free(s);
}

static struct stored *stored_copy(const struct stored *from)
{
	struct stored *s = stored_new(from->key, from->kind);

	s->value = text_new(from->value);
	s->meta = from->meta;
	s->has_cursor = from->has_cursor;
	s->count = s->room = from->count;
	if (s->count)
		s->pairs = memory_array(s->count, sizeof(*s->pairs));
	for (unsigned i = 0; i < s->count; i++)
		s->pairs[i] = (struct pair){ text_new(from->pairs[i].name),
			                     text_new(from->pairs[i].value) };
	return s;
}

/* Where the pair is, or belongs. */
static unsigned pair_place(const struct stored *s, struct str name, bool *found)
{
	unsigned low = 0, high = s->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (str_cmp(s->pairs[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < s->count && str_eq(s->pairs[low].name, name);
	return low;
}

static void pair_put(struct stored *s, struct str name, struct str value)
{
	bool found;
	unsigned at = pair_place(s, name, &found);

	if (found) {
		struct str old = s->pairs[at].value;

		s->pairs[at].value = text_new(value);
		text_free(old);
		return;
	}
	if (s->count == s->room) {
		s->room = s->room ? s->room * 2 : 4;
		s->pairs = memory_resize(s->pairs, s->room, sizeof(*s->pairs));
	}
	memmove(s->pairs + at + 1, s->pairs + at, (s->count - at) * sizeof(*s->pairs));
	s->pairs[at] = (struct pair){ text_new(name), text_new(value) };
	s->count++;
}

static void pair_drop(struct stored *s, struct str name)
{
	bool found;
	unsigned at = pair_place(s, name, &found);

	if (!found)
		return;
	text_free(s->pairs[at].name);
	text_free(s->pairs[at].value);
	s->count--;
	memmove(s->pairs + at, s->pairs + at + 1, (s->count - at) * sizeof(*s->pairs));
}

/* ---- the table and its history ---- */

static bool same_key(const void *item, const void *key)
{
	return str_eq(((const struct stored *)item)->key, *(const struct str *)key);
}

static struct stored *find(const struct memory_keys *k, struct str key)
{
	return table_find(&k->table, hash64(key), same_key, &key);
}

const struct stored *memory_keys_find(const struct memory_keys *k, struct str key)
{
	return find(k, key);
}

void memory_keys_init(struct memory_keys *k)
{
	*k = (struct memory_keys){ .unit = 0 };
	table_init(&k->table);
}

static void undo_free(struct keys_undo *u)
{
	text_free(u->key);
	stored_free(u->was);
	free(u);
}

void memory_keys_release(struct memory_keys *k)
{
	size_t cursor = 0;
	struct stored *s;

	while ((s = table_next(&k->table, &cursor)))
		stored_free(s);
	table_release(&k->table);
	while (k->history) {
		struct keys_undo *u = k->history;

		k->history = u->older;
		undo_free(u);
	}
}

static void forget_before(struct memory_keys *k, uint64_t oldest)
{
	struct keys_undo **at = &k->history;

	k->oldest = oldest;
	while (*at && (*at)->unit > oldest)
		at = &(*at)->older;
	while (*at) {
		struct keys_undo *u = *at;

		*at = u->older;
		undo_free(u);
	}
}

void memory_keys_begin(struct memory_keys *k)
{
	k->unit++;
	if (k->unit - k->oldest > 2 * HISTORY_UNITS)
		forget_before(k, k->unit - HISTORY_UNITS);
}

unsigned memory_keys_history(const struct memory_keys *k)
{
	return (unsigned)(k->unit - k->oldest);
}

/* Keeps the key as it was before this unit. */
static void remember(struct memory_keys *k, struct str key)
{
	const struct stored *now = find(k, key);
	struct keys_undo *u;

	for (u = k->history; u && u->unit == k->unit; u = u->older)
		if (str_eq(u->key, key))
			return;
	u = memory_new(sizeof(*u));
	*u = (struct keys_undo){ .older = k->history, .unit = k->unit, .key = text_new(key) };
	u->was = now ? stored_copy(now) : NULL;
	k->history = u;
}

static void drop(struct memory_keys *k, struct str key)
{
	stored_free(table_remove(&k->table, hash64(key), same_key, &key));
}

void memory_keys_back(struct memory_keys *k, unsigned units)
{
	uint64_t to = k->unit - units;

	must(units <= memory_keys_history(k));
	while (k->history && k->history->unit > to) {
		struct keys_undo *u = k->history;

		k->history = u->older;
		drop(k, u->key);
		if (u->was)
			table_add(&k->table, hash64(u->key), u->was);
		u->was = NULL;
		undo_free(u);
	}
	k->unit = to;
}

void memory_keys_empty(struct memory_keys *k)
{
	size_t cursor = 0;
	struct stored *s;

	memory_keys_begin(k);
	while ((s = table_next(&k->table, &cursor))) {
		remember(k, s->key);
		drop(k, s->key);
	}
}

/* ---- changes ---- */

static struct stored *make(struct memory_keys *k, struct str key, enum stored_kind kind)
{
	struct stored *s;

	remember(k, key);
	s = find(k, key);
	if (!s) {
		s = stored_new(key, kind);
		table_add(&k->table, hash64(key), s);
	}
	must(s->kind == kind);
	return s;
}

void memory_keys_set(struct memory_keys *k, struct str key, struct str value)
{
	struct stored *s = make(k, key, STORED_STRING);
	struct str old = s->value;

	s->value = text_new(value);
	text_free(old);
}

void memory_keys_set_field(struct memory_keys *k, enum stored_kind kind, struct str key,
                           struct str name, struct str value)
{
	struct stored *s = make(k, key, kind);

	if (value.ptr)
		pair_put(s, name, value);
	else
		pair_drop(s, name);
	if (s->count == 0)
		drop(k, key);
}

void memory_keys_remove(struct memory_keys *k, struct str key)
{
	if (!find(k, key))
		return;
	remember(k, key);
	drop(k, key);
}

void memory_keys_write(struct memory_keys *k, const struct write *w)
{
	enum stored_kind kind = w->kind == WRITE_FIELDS ? STORED_HASH : STORED_SCORES;

	switch (w->kind) {
	case WRITE_VALUE:
		must(w->pair_count == 1 && w->pairs[0].value.ptr);
		memory_keys_set(k, w->key, w->pairs[0].value);
		break;
	case WRITE_REMOVE: memory_keys_remove(k, w->key); break;
	case WRITE_FIELDS:
	case WRITE_SCORES:
		for (unsigned i = 0; i < w->pair_count; i++)
			memory_keys_set_field(k, kind, w->key, w->pairs[i].name, w->pairs[i].value);
		break;
	}
}

struct stored *memory_keys_meta(struct memory_keys *k, struct str key)
{
	bool fresh = !find(k, key);
	struct stored *s = make(k, key, STORED_META);

	if (fresh)
		s->meta = (struct shard_meta){ .reference_pin = -1 };
	return s;
}

/* ---- reading ---- */

struct str memory_keys_field(const struct memory_keys *k, struct str key, struct str name)
{
	const struct stored *s = find(k, key);
	bool found = false;
	unsigned at = s ? pair_place(s, name, &found) : 0;

	return found ? s->pairs[at].value : str_of(NULL, 0);
}

static int by_key(const void *a, const void *b)
{
	const struct stored *const *x = a, *const *y = b;

	return str_cmp((*x)->key, (*y)->key);
}

const struct stored **memory_keys_sorted(const struct memory_keys *k, size_t *count)
{
	const struct stored **all = memory_array(k->table.count, sizeof(*all));
	size_t cursor = 0, n = 0;
	const struct stored *s;

	while ((s = table_next(&k->table, &cursor)))
		all[n++] = s;
	must(n == k->table.count);
	if (n)
		qsort(all, n, sizeof(*all), by_key);
	*count = n;
	return all;
}

static void dump_meta(const struct stored *s, struct buf *out)
{
	const struct shard_meta *m = &s->meta;

	buf_printf(out,
	           "%.*s R=%s%lld logic=%u pin=%lld claimer=%s released=%d trying=%lld-%lld "
	           "tried=%lld-%lld/%lld\n",
	           STR_ARG(s->key),
	           !s->has_cursor           ? "absent "
	           : m->state == META_TORN  ? "torn "
	           : m->state == META_EMPTY ? "empty "
	                                    : "",
	           (long long)m->input_cursor, m->logic_version, (long long)m->reference_pin,
	           m->claimer, m->released, (long long)m->trying.from, (long long)m->trying.until,
	           (long long)m->tried.from, (long long)m->tried.until, (long long)m->tries);
}

static void dump_one(const struct stored *s, struct buf *out)
{
	static const char marks[] = { '=', '.', '^', '#' };

	if (s->kind == STORED_META)
		dump_meta(s, out);
	if (s->kind == STORED_STRING)
		buf_printf(out, "%.*s = %.*s\n", STR_ARG(s->key), STR_ARG(s->value));
	for (unsigned i = 0; i < s->count; i++)
		buf_printf(out, "%.*s %c %.*s = %.*s\n", STR_ARG(s->key), marks[s->kind],
		           STR_ARG(s->pairs[i].name), STR_ARG(s->pairs[i].value));
}

void memory_keys_dump(const struct memory_keys *k, bool all, struct buf *out)
{
	size_t count;
	const struct stored **sorted = memory_keys_sorted(k, &count);

	for (size_t i = 0; i < count; i++) {
		struct str key = sorted[i]->key;

		if (all || !(str_starts(key, STR("meta:")) || str_starts(key, STR("asof:")) ||
		             str_starts(key, STR("due:"))))
			dump_one(sorted[i], out);
	}
	free(sorted);
}
