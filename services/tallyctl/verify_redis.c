/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys are read some hundred at a time, in one transaction of Redis together with R of every shard
 * of their worker. A worker writes values and R in one transaction too, so what was read is exactly
 * what the log below those R makes: the fold is brought there, then it is compared. R only grows
 * meanwhile; workers that go on working do no harm.
 */
#include <inttypes.h>

#include "common/base/hash.h"
#include "services/tallyctl/verify.h"

#define KEYS_AT_ONCE 400
#define EXCERPT 60

/* A key that is no entity's, and what it holds. */
struct derived {
	struct derived *next;
	struct str name;
	enum redis_form form;
	struct entry *entries;
	unsigned count; /* entries that are there */
	int32_t partition;
};

/* The value of a string, a field or a score; absent: removed again. */
struct entry {
	struct entry *next; /* of the key */
	const struct derived *key;
	struct str name;
	struct str value;
	size_t room;
	int32_t partition;
};

/* A key to be compared. */
struct subject {
	struct redis_ask ask;
	const struct entity *entity; /* NULL: derived */
	struct str id;
};

/* ---- what belongs to whom -------------------------------------------------- */

static enum redis_form form_named(const char *type)
{
	return strcmp(type, "string") == 0 ? REDIS_STRING
	       : strcmp(type, "hash") == 0 ? REDIS_HASH
	                                   : REDIS_SCORES;
}

/* False: the worker writes no such key. */
static bool subject_of(const struct worker *w, struct str name, struct subject *out)
{
	struct str due = STR("due:"), topic = str_from_c(w->topic);

	*out = (struct subject){ .ask = { name, REDIS_STRING } };
	for (const struct entity *const *e = w->entities; *e; e++)
		if (str_starts(name, (*e)->prefix)) {
			out->entity = *e;
			out->id = str_from(name, (*e)->prefix.len);
			out->ask.form = (*e)->form == ENTITY_FIGURES ? REDIS_HASH : REDIS_STRING;
			return true;
		}
	for (const struct redis_key *k = w->keys; k->pattern; k++)
		if (str_starts(name, k->prefix)) {
			out->ask.form = form_named(k->type);
			return true;
		}
	out->ask.form = REDIS_SCORES;
	return str_starts(name, due) && str_starts(str_from(name, due.len), topic) &&
	       str_from(name, due.len + topic.len).len > 1 && name.ptr[due.len + topic.len] == ':';
}

int verify_owner_of_key(struct str name)
{
	struct subject subject;

	for (int i = 0; workers[i]; i++)
		if (subject_of(workers[i], name, &subject))
			return i;
	return -1;
}

/* ---- values that are no entity's -------------------------------------------- */

static bool derived_same(const void *item, const void *key)
{
	return str_eq(((const struct derived *)item)->name, *(const struct str *)key);
}

static struct derived *derived_find(const struct audit *a, struct str name)
{
	return table_find(&a->derived, hash64(name), derived_same, &name);
}

struct entry_name {
	const struct derived *key;
	struct str name;
};

static bool entry_same(const void *item, const void *key)
{
	const struct entry *entry = item;
	const struct entry_name *name = key;

	return entry->key == name->key && str_eq(entry->name, name->name);
}

static uint64_t entry_hash(const struct derived *key, struct str name)
{
	return hash64_with((uint64_t)(uintptr_t)key, name);
}

static struct entry *entry_find(const struct audit *a, const struct derived *key, struct str name)
{
	return table_find(&a->values, entry_hash(key, name), entry_same,
	                  &(struct entry_name){ key, name });
}

static struct derived *derived_at(struct audit *a, const struct write *w, int32_t partition)
{
	struct derived *key = derived_find(a, w->key);

	if (key)
		return key;
	key = arena_zalloc(&a->memory, sizeof(*key));
	key->name = arena_str(&a->memory, w->key);
	key->form = w->kind == WRITE_VALUE    ? REDIS_STRING
	            : w->kind == WRITE_FIELDS ? REDIS_HASH
	                                      : REDIS_SCORES;
	key->partition = partition;
	key->next = a->first_derived;
	a->first_derived = key;
	table_add(&a->derived, hash64(key->name), key);
	return key;
}

static void set_entry(struct audit *a, struct entry *entry, struct derived *key, struct str value)
{
	if (value.ptr && !entry->value.ptr)
		key->count++;
	else if (!value.ptr && entry->value.ptr)
		key->count--;
	if (!value.ptr) {
		entry->value = value;
		return;
	}
	if (value.len > entry->room || !entry->value.ptr) {
		entry->room = value.len + 4;
		entry->value.ptr = arena_alloc(&a->memory, entry->room);
	}
	memcpy((char *)(uintptr_t)entry->value.ptr, value.ptr, value.len);
	entry->value.len = value.len;
}

void audit_take_write(void *audit, int32_t partition, const struct write *w)
{
	struct audit *a = audit;
	struct derived *key = derived_at(a, w, partition);

	for (unsigned i = 0; i < w->pair_count; i++) {
		struct str name = w->kind == WRITE_VALUE ? STR("") : w->pairs[i].name;
		struct entry *entry = entry_find(a, key, name);

		if (!entry) {
			entry = arena_zalloc(&a->memory, sizeof(*entry));
			entry->key = key;
			entry->name = arena_str(&a->memory, name);
			entry->next = key->entries;
			key->entries = entry;
			table_add(&a->values, entry_hash(key, name), entry);
		}
		entry->partition = partition;
		set_entry(a, entry, key, w->pairs[i].value);
	}
}

/* ---- comparing ----------------------------------------------------------------- */

static void differs(struct audit *a, const struct subject *s, int32_t partition, struct str field,
                    struct str found, struct str made)
{
	enum difference_kind kind = !found.ptr ? MISSING : !made.ptr ? EXTRA : DIFFERS;
	struct str prefix = str_from_c(a->verify->session.config->redis_prefix);
	struct arena *arena = &a->memory;

	verify_differs(
		a, &(struct difference){
			   .kind = kind,
			   .where = arena_join(arena, (struct str[]){ prefix, s->ask.name }, 2),
			   .field = field,
			   .found = found,
			   .made = made,
			   .cause = partition >= 0 ? audit_shard(a, partition) : str_of(NULL, 0),
		   });
}

/* The part around the first byte that differs. */
static struct str excerpt(struct arena *arena, struct str text, size_t at)
{
	size_t from = at > EXCERPT / 2 ? at - EXCERPT / 2 : 0;
	size_t len = text.len - from < EXCERPT ? text.len - from : EXCERPT;

	while (from > 0 && ((unsigned char)text.ptr[from] & 0xc0) == 0x80)
		from--;
	while (from + len < text.len && ((unsigned char)text.ptr[from + len] & 0xc0) == 0x80)
		len++;
	return arena_printf(arena, "%s%.*s%s", from ? "..." : "", (int)len, text.ptr + from,
	                    from + len < text.len ? "..." : "");
}

static void compare_text(struct audit *a, const struct subject *s, int32_t partition,
                         struct str field, struct str found, struct str made)
{
	size_t at = 0;

	if (found.ptr && made.ptr && str_eq(found, made))
		return;
	while (found.ptr && made.ptr && at < found.len && at < made.len &&
	       found.ptr[at] == made.ptr[at])
		at++;
	differs(a, s, partition, field, found.ptr ? excerpt(&a->memory, found, at) : found,
	        made.ptr ? excerpt(&a->memory, made, at) : made);
}

static struct str pair_value(const struct redis_value *value, struct str name)
{
	for (unsigned i = 0; i + 1 < value->count; i += 2)
		if (str_eq(value->items[i], name))
			return value->items[i + 1];
	return str_of(NULL, 0);
}

static const struct field *figure_named(const struct record_type *type, struct str name)
{
	for (unsigned f = 0; f < type->field_count; f++)
		if (str_eq(type->fields[f].name, name))
			return &type->fields[f];
	return NULL;
}

static void compare_figures(struct audit *a, const struct subject *s, int32_t partition,
                            const struct cell *cell, const struct redis_value *value)
{
	const struct record_type *type = s->entity->type;
	char text[20];

	for (unsigned f = 0; cell && f < type->field_count; f++) {
		int64_t number = *(const int64_t *)(const void *)((const char *)cell->record +
		                                                  type->fields[f].offset);
		struct str made =
			number ? str_of(text, i64_to_text(number, text)) : str_of(NULL, 0);
		struct str found = pair_value(value, type->fields[f].name);

		if (made.ptr != found.ptr && (!made.ptr || !found.ptr || !str_eq(made, found)))
			differs(a, s, partition, type->fields[f].name, found, made);
	}
	for (unsigned i = 0; i + 1 < value->count; i += 2)
		if (!cell || !figure_named(type, value->items[i]))
			differs(a, s, partition, value->items[i], value->items[i + 1],
			        str_of(NULL, 0));
}

static void compare_entity(struct audit *a, const struct subject *s,
                           const struct redis_value *value)
{
	const struct cell *cell = replay_entity(a->replay, s->entity, s->id);
	int32_t partition = replay_partition(a->replay, s->entity, s->id);
	struct buf made;

	if (s->entity->form == ENTITY_FIGURES) {
		compare_figures(a, s, partition, cell, value);
		return;
	}
	buf_init(&made, NULL);
	if (cell)
		record_encode(s->entity->type, cell->record, &made);
	compare_text(a, s, partition, str_of(NULL, 0),
	             value->count ? value->items[0] : str_of(NULL, 0),
	             cell ? buf_str(&made) : str_of(NULL, 0));
	buf_release(&made);
}

static void compare_derived(struct audit *a, const struct subject *s,
                            const struct redis_value *value)
{
	const struct derived *key = derived_find(a, s->ask.name);
	bool one = s->ask.form == REDIS_STRING;
	unsigned step = one ? 1 : 2, met = 0;

	for (unsigned i = 0; i + step <= value->count; i += step) {
		struct str name = one ? STR("") : value->items[i];
		const struct entry *entry = key ? entry_find(a, key, name) : NULL;

		met += entry && entry->value.ptr;
		compare_text(a, s, entry ? entry->partition : -1, one ? str_of(NULL, 0) : name,
		             value->items[i + step - 1], entry ? entry->value : str_of(NULL, 0));
	}
	if (!key || met == key->count)
		return;
	for (const struct entry *e = key->entries; e; e = e->next)
		if (e->value.ptr && (one ? value->count == 0 : !pair_value(value, e->name).ptr))
			compare_text(a, s, e->partition, one ? str_of(NULL, 0) : e->name,
			             str_of(NULL, 0), e->value);
}

static void compare(struct audit *a, const struct subject *s, const struct redis_value *value)
{
	if (strcmp(value->type, "another") == 0)
		differs(a, s, -1, str_of(NULL, 0), STR("a key of another type"), STR("its value"));
	else if (s->entity)
		compare_entity(a, s, value);
	else
		compare_derived(a, s, value);
	a->keys++;
}

/* ---- at one instant ------------------------------------------------------------- */

/* Brings the fold to where Redis is. */
static struct rc follow(struct audit *a, const struct meta_row *metas)
{
	for (int32_t p = 0; p < a->fleet->partitions; p++) {
		int64_t cursor = metas[p].exists ? metas[p].cursor : a->first[p].origin;

		if (metas[p].torn || cursor < a->at[p])
			return rc_fail(RC_TRY_AGAIN,
			               "%s/%d is being rebuilt or went back: verify it when it is "
			               "running again",
			               a->fleet->topic, (int)p);
		TRY(audit_fold(a, p, cursor));
	}
	return OK;
}

static struct rc compare_some(struct audit *a, const struct subject *subjects, unsigned count)
{
	struct redis_value values[KEYS_AT_ONCE];
	struct redis_ask asks[KEYS_AT_ONCE];
	struct arena memory;
	struct meta_row *metas;
	struct rc rc;

	arena_init(&memory, 1U << 18);
	metas = arena_alloc(&memory, (size_t)a->fleet->partitions * sizeof(*metas));
	for (unsigned i = 0; i < count; i++)
		asks[i] = subjects[i].ask;
	rc = redis_admin_read(a->verify->session.redis, str_from_c(a->fleet->worker->topic),
	                      a->fleet->partitions, metas, asks, count, &memory, values);
	if (rc_ok(rc))
		rc = follow(a, metas);
	for (unsigned i = 0; rc_ok(rc) && i < count; i++)
		compare(a, &subjects[i], &values[i]);
	arena_release(&memory);
	return rc;
}

/* ---- all keys ---------------------------------------------------------------------- */

struct subjects {
	struct audit *audit;
	struct subject *items;
	size_t count, room;
	struct arena names;
};

static void add_subject(struct subjects *all, struct str name)
{
	if (all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 4096;
		struct arena *arena = &all->audit->memory;

		all->items = arena_resize(arena, all->items, all->room * sizeof(*all->items),
		                          room * sizeof(*all->items));
		all->room = room;
	}
	subject_of(all->audit->fleet->worker, name, &all->items[all->count++]);
}

static void add_entity(void *self, int32_t partition, const struct cell *cell)
{
	struct subjects *all = self;

	(void)partition;
	add_subject(all,
	            arena_join(&all->names, (struct str[]){ cell->entity->prefix, cell->id }, 2));
}

static bool is_made(struct audit *a, struct str name)
{
	struct subject s;

	if (!subject_of(a->fleet->worker, name, &s))
		return false;
	if (s.entity)
		return replay_entity(a->replay, s.entity, s.id) != NULL;
	return derived_find(a, name) != NULL;
}

/* What the log makes, and what is in Redis besides. */
static void gather(struct subjects *all)
{
	struct audit *a = all->audit;
	const struct names *found = a->names;

	for (int32_t p = 0; p < a->fleet->partitions; p++)
		replay_entities(a->replay, p, add_entity, all);
	for (const struct derived *d = a->first_derived; d; d = d->next)
		add_subject(all, d->name);
	for (size_t i = 0; i < found->count; i++)
		if (!is_made(a, found->items[i]))
			add_subject(all, found->items[i]);
}

struct rc audit_compare_redis(struct audit *a)
{
	struct subjects all = { .audit = a };
	struct rc rc = OK;

	arena_init(&all.names, 1U << 16);
	gather(&all);
	for (size_t i = 0; rc_ok(rc) && i < all.count; i += KEYS_AT_ONCE) {
		size_t rest = all.count - i;

		rc = compare_some(a, all.items + i,
		                  (unsigned)(rest < KEYS_AT_ONCE ? rest : KEYS_AT_ONCE));
		verify_progress(a, "Redis keys compared", i, all.count);
	}
	arena_release(&all.names);
	return rc;
}
