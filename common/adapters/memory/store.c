/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each port function makes a call of its own kind: what it does at the server is
 * `execute`, what comes of it is the happening that it prepared there.
 */
#include "common/adapters/memory/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define KEY_BYTES 320
#define PARTITIONS_MOST 64
#define WIPE_KEYS 2 /* removed in one step, so that there are many */

/* What a process wrote as its claim. */
struct claim {
	char id[META_TEXT_BYTES];
	uint64_t ticket;
};

struct memory_store_port {
	struct memory_store_port *older;
	struct memory_store *store;
	struct memory_party *party;
	const struct worker *worker;
	struct inbox *inbox;
	struct claim claims[PARTITIONS_MOST]; /* the latest of each shard */
};

struct store_call {
	struct memory_call call;
	struct memory_store_port *port;
	struct happening *happening;
	bool (*execute)(struct store_call *); /* false: not finished, come again */
	bool lost;                            /* the answer never comes */
	uint64_t ticket;
	struct arena memory; /* copies of what the caller pointed to */
	struct flush flush;
	const struct flush *theirs_flush;
	struct load load;
	const struct load *theirs_load;
	int32_t partitions;       /* wipe */
	struct offsets offsets;   /* try_offsets */
	unsigned max;             /* read_due */
	unsigned removed;         /* wipe: keys so far */
	struct claim claim;       /* claim, unclaim, try, wipe, flush: ours */
	char id[META_TEXT_BYTES]; /* claim: the name we left here before; unclaim: that before us */
	char meta_key[KEY_BYTES];
};

static struct str meta_key(const struct store_call *c)
{
	return str_from_c(c->meta_key);
}

/* ---- the meta ---- */

static struct shard_meta meta_copy(const struct stored *s)
{
	struct shard_meta meta;

	if (!s)
		return (struct shard_meta){ .state = META_ABSENT, .reference_pin = -1 };
	meta = s->meta;
	if (!s->has_cursor)
		meta.state = META_ABSENT;
	return meta;
}

static struct shard_meta meta_now(const struct store_call *c)
{
	return meta_copy(memory_keys_find(&c->port->store->keys, meta_key(c)));
}

static int64_t cursor_now(const struct store_call *c)
{
	struct shard_meta meta = meta_now(c);
	bool is_empty =
		meta.state == META_EMPTY ||
		(meta.state == META_ABSENT && (c->port->store->mutants & STORE_ABSENT_IS_EMPTY));

	return meta.state == META_WHOLE ? meta.input_cursor : is_empty ? R_EMPTY : R_NONE;
}

const struct stored *memory_store_meta(const struct memory_store *s, struct str topic,
                                       int32_t partition)
{
	char key[KEY_BYTES];

	snprintf(key, sizeof(key), "meta:%.*s:%d", STR_ARG(topic), (int)partition);
	return memory_keys_find(&s->keys, str_from_c(key));
}

static void moved(const struct store_call *c)
{
	const struct memory_store *s = c->port->store;

	if (s->moved)
		s->moved(s->moved_to, meta_key(c), memory_keys_find(&s->keys, meta_key(c)));
}

/* ---- what a call does at the server ---- */

/* Does this very claim stand? Calls of an earlier one may arrive late. */
static bool is_claimed(const struct store_call *c, const struct shard_meta *m)
{
	return strcmp(c->claim.id, m->claimer) == 0 && (int64_t)c->claim.ticket == m->claim;
}

/* Has R not moved since an owner died last? */
static bool fell_here(const struct stored *s)
{
	int state = s->has_cursor ? (int)s->meta.state : (int)META_ABSENT;

	return s->fell && s->fell_state == state &&
	       (state != META_WHOLE || s->fell_cursor == s->meta.input_cursor);
}

/* What the claimer before was trying, if it died, is charged with its death, once. */
static bool execute_claim(struct store_call *c)
{
	struct stored *s = memory_keys_meta(&c->port->store->keys, meta_key(c));
	struct shard_meta *m = &s->meta;
	bool died = m->claimer[0] && !m->released && strcmp(c->claim.id, m->claimer) != 0 &&
	            strcmp(c->id, m->claimer) != 0;
	bool again = m->trying.from == m->tried.from && m->trying.until == m->tried.until;

	bool tried = died && m->trying.until;

	if (tried) {
		m->tries = again ? m->tries + 1 : 1;
		m->tried = m->trying;
	}
	m->trying = (struct offsets){ 0 };
	c->happening->meta = meta_copy(s);
	c->happening->meta.died = died && (tried || fell_here(s));
	if (died) {
		s->fell = true;
		s->fell_state = s->has_cursor ? (int)m->state : (int)META_ABSENT;
		s->fell_cursor = m->input_cursor;
	}
	memcpy(m->claimer, c->claim.id, sizeof(m->claimer));
	m->claim = (int64_t)c->claim.ticket;
	m->released = false;
	return true;
}

static bool execute_unclaim(struct store_call *c)
{
	struct stored *s = memory_keys_meta(&c->port->store->keys, meta_key(c));

	if (is_claimed(c, &s->meta))
		memcpy(s->meta.claimer, c->id, sizeof(s->meta.claimer));
	c->happening->meta = meta_copy(s);
	return true;
}

static bool execute_check(struct store_call *c)
{
	c->happening->meta = meta_now(c);
	return true;
}

static bool execute_try(struct store_call *c)
{
	struct stored *s = memory_keys_meta(&c->port->store->keys, meta_key(c));

	if (is_claimed(c, &s->meta))
		s->meta.trying = c->offsets;
	c->happening->meta = meta_copy(s);
	return true;
}

/* The function's error half way: some writes are there, R is torn. */
static void execute_torn(struct store_call *c, struct stored *meta)
{
	struct memory_store *store = c->port->store;
	unsigned done =
		c->flush.write_count ? dice_below(&store->schedule->dice, c->flush.write_count) : 0;

	memory_schedule_say(store->schedule, c->port->party, "flush %d torn after %u writes",
	                    (int)c->flush.partition, done);
	if (!(store->mutants & STORE_TORN_UNMARKED) && meta->has_cursor)
		meta->meta.state = META_TORN;
	for (unsigned i = 0; i < done; i++)
		memory_keys_write(&store->keys, c->flush.writes[i]);
	c->happening->store = STORE_UNKNOWN;
}

/* The trace tells R, and what happens to timers. */
static void say_flush(const struct store_call *c)
{
	struct memory_schedule *schedule = c->port->store->schedule;

	memory_schedule_say(schedule, c->call.party, "flush %d: R %lld to %lld, %u writes",
	                    (int)c->flush.partition, (long long)c->flush.expect,
	                    (long long)c->flush.meta.input_cursor, c->flush.write_count);
	for (unsigned i = 0; i < c->flush.write_count; i++) {
		const struct write *w = c->flush.writes[i];

		for (unsigned n = 0; str_starts(w->key, STR("due:")) && n < w->pair_count; n++)
			memory_schedule_say(schedule, c->call.party, "  %.*s %.*s at %.*s",
			                    STR_ARG(w->key), STR_ARG(w->pairs[n].name),
			                    STR_ARG(w->pairs[n].value));
	}
}

static bool execute_flush(struct store_call *c)
{
	struct memory_store *store = c->port->store;
	struct shard_meta now;
	struct stored *s;

	if (cursor_now(c) != c->flush.expect && !(store->mutants & STORE_NO_COMPARE)) {
		c->happening->store = STORE_REFUSED;
		return true;
	}
	say_flush(c);
	s = memory_keys_meta(&store->keys, meta_key(c));
	if (memory_schedule_fault(store->schedule, store->chances.torn)) {
		execute_torn(c, s);
		return true;
	}
	for (unsigned i = 0; i < c->flush.write_count; i++)
		memory_keys_write(&store->keys, c->flush.writes[i]);
	s = memory_keys_meta(&store->keys, meta_key(c));
	now = s->meta;
	s->meta = c->flush.meta;
	s->meta.state = META_WHOLE;
	memcpy(s->meta.claimer, now.claimer, sizeof(now.claimer));
	s->meta.claim = now.claim;
	s->meta.released = now.released || (c->flush.release && is_claimed(c, &now));
	s->meta.trying = now.trying;
	s->meta.tried = now.tried;
	s->meta.tries = now.tries;
	s->has_cursor = true;
	c->happening->store = STORE_OK;
	moved(c);
	return true;
}

static void load_one(struct store_call *c, unsigned n, struct loaded *out)
{
	struct arena *memory = &c->happening->memory;
	const struct stored *s = memory_keys_find(&c->port->store->keys, c->load.keys[n].key);
	struct pair *pairs;

	*out = (struct loaded){ .exists = s != NULL };
	if (!s)
		return;
	must(s->kind == (c->load.keys[n].hash ? STORED_HASH : STORED_STRING));
	if (s->kind == STORED_STRING) {
		out->value = arena_str(memory, s->value);
		return;
	}
	pairs = arena_alloc(memory, s->count * sizeof(*pairs));
	for (unsigned i = 0; i < s->count; i++)
		pairs[i] = (struct pair){ arena_str(memory, s->pairs[i].name),
			                  arena_str(memory, s->pairs[i].value) };
	out->pairs = pairs;
	out->pair_count = s->count;
}

static bool execute_load(struct store_call *c)
{
	struct memory_store *store = c->port->store;
	struct loaded *values;

	if (cursor_now(c) != c->load.expect[0] && cursor_now(c) != c->load.expect[1] &&
	    !(store->mutants & STORE_BLIND_LOAD)) {
		c->happening->load.result = STORE_REFUSED;
		return true;
	}
	values = arena_alloc(&c->happening->memory, c->load.count * sizeof(*values));
	for (unsigned i = 0; i < c->load.count; i++)
		load_one(c, i, &values[i]);
	c->happening->load.values = values;
	c->happening->load.result = STORE_OK;
	return true;
}

static bool execute_due(struct store_call *c)
{
	struct arena *memory = &c->happening->memory;
	char key[KEY_BYTES];
	const struct stored *s;
	struct due_entry *entries;
	unsigned n = 0;

	snprintf(key, sizeof(key), "due:%s:%d", c->port->worker->topic, (int)c->call.partition);
	s = memory_keys_find(&c->port->store->keys, str_from_c(key));
	entries = arena_alloc(memory, (s ? s->count : 0) * sizeof(*entries));
	for (unsigned i = 0; s && i < s->count; i++) {
		struct due_entry e = { .member = arena_str(memory, s->pairs[i].name) };
		unsigned at = n++;

		must(str_to_i64(s->pairs[i].value, &e.due_ms));
		for (; at > 0 && entries[at - 1].due_ms > e.due_ms; at--)
			entries[at] = entries[at - 1];
		entries[at] = e;
	}
	c->happening->due.cursor = cursor_now(c);
	c->happening->due.entries = entries;
	c->happening->due.count = n < c->max ? n : c->max;
	return true;
}

/* ---- wipe ---- */

/* The message key whose shard owns the Redis key; absent: none of this worker's. */
static struct str owner_of(const struct worker *w, struct str key)
{
	for (const struct entity *const *e = w->entities; e && *e; e++)
		if (str_starts(key, (*e)->prefix))
			return (*e)->owner(str_from(key, (*e)->prefix.len));
	for (const struct redis_key *k = w->keys; k && k->pattern; k++)
		if (k->owner && str_starts(key, k->prefix))
			return k->owner(str_from(key, k->prefix.len));
	return str_of(NULL, 0);
}

static bool owned_by_shard(const struct store_call *c, struct str key)
{
	struct str owner = owner_of(c->port->worker, key);
	char due[KEY_BYTES];

	snprintf(due, sizeof(due), "due:%s:%d", c->port->worker->topic, (int)c->call.partition);
	if (str_eq_c(key, due))
		return true;
	return owner.ptr && hash_partition(owner, c->partitions) == c->call.partition;
}

/*
 * A few keys at a time, as a scan does, the meta last. Each step is one atomic
 * call that first looks whether the shard is still this claimer's.
 */
static bool execute_wipe(struct store_call *c)
{
	struct memory_store *store = c->port->store;
	struct shard_meta now = meta_now(c);
	struct stored *meta;
	size_t count;
	const struct stored **all;
	unsigned here = 0;

	if (!is_claimed(c, &now) && !(store->mutants & STORE_LATE_WIPE)) {
		c->happening->rc = (struct rc){ RC_TRY_AGAIN };
		return true;
	}
	meta = memory_keys_meta(&store->keys, meta_key(c));
	/* At each step, also where there was no R: a late flush must not bring one meanwhile. */
	if (c->removed == 0 || !(store->mutants & STORE_LATE_WIPE)) {
		meta->meta.state = META_TORN;
		meta->has_cursor = true;
	}
	all = memory_keys_sorted(&store->keys, &count);
	for (size_t i = 0; i < count && here < WIPE_KEYS && c->partitions; i++) {
		if (all[i]->kind != STORED_META && owned_by_shard(c, all[i]->key)) {
			memory_keys_remove(&store->keys, all[i]->key);
			here++;
		}
	}
	free(all);
	if (here == WIPE_KEYS)
		return false;
	meta->meta.state = META_EMPTY;
	meta->meta.released = false;
	meta->meta.input_cursor = 0;
	return true;
}

/* ---- calls ---- */

static void set_result(struct store_call *c, enum store_result result)
{
	struct happening *h = c->happening;

	if (h->kind == HAPPENED_FLUSHED)
		h->store = result;
	else if (h->kind == HAPPENED_LOADED)
		h->load.result = result;
	else
		h->rc = (struct rc){ result == STORE_KEPT ? RC_TRY_AGAIN : RC_UNAVAILABLE };
}

static bool arrive(struct memory_call *call)
{
	struct store_call *c = (struct store_call *)(void *)call;
	struct memory_store *store = c->port->store;

	if (c->removed == 0) {
		if (store->away || memory_schedule_fault(store->schedule, store->chances.kept)) {
			set_result(c, STORE_KEPT);
			return true;
		}
		if (memory_schedule_fault(store->schedule, store->chances.lost_request)) {
			set_result(c, STORE_UNKNOWN);
			return true;
		}
	}
	memory_keys_begin(&store->keys);
	if (!c->execute(c)) {
		c->removed++;
		c->call.due_ms =
			store->schedule->clock->now_ms + memory_schedule_delay(store->schedule);
		return false;
	}
	c->lost = memory_schedule_fault(store->schedule, store->chances.lost_reply);
	return true;
}

/* The caller must have kept what it pointed to: reading it here lets a sanitizer see if not. */
static void verify_kept(const struct store_call *c)
{
	if (c->theirs_flush) {
		must(c->theirs_flush->ticket == c->flush.ticket);
		for (unsigned i = 0; i < c->flush.write_count; i++)
			must(str_eq(c->theirs_flush->writes[i]->key, c->flush.writes[i]->key));
	}
	if (c->theirs_load) {
		must(c->theirs_load->ticket == c->load.ticket);
		for (unsigned i = 0; i < c->load.count; i++)
			must(str_eq(c->theirs_load->keys[i].key, c->load.keys[i].key));
	}
}

static bool answer(struct memory_call *call)
{
	struct store_call *c = (struct store_call *)(void *)call;

	verify_kept(c);
	if (c->lost) {
		memory_schedule_say(c->port->store->schedule, call->party, "%s %d: reply lost",
		                    call->name, (int)call->partition);
		set_result(c, STORE_UNKNOWN);
	}
	inbox_put(c->port->inbox, c->happening);
	c->happening = NULL;
	return false;
}

static void call_free(struct memory_call *call)
{
	struct store_call *c = (struct store_call *)(void *)call;

	if (c->happening)
		happening_release(c->happening);
	arena_release(&c->memory);
	free(c);
}

static struct store_call *call_new(struct memory_store_port *port, const char *name,
                                   bool (*execute)(struct store_call *), enum happening_kind kind,
                                   int32_t partition, uint64_t ticket)
{
	struct store_call *c = memory_new(sizeof(*c));

	*c = (struct store_call){ .port = port, .execute = execute, .ticket = ticket };
	c->call =
		(struct memory_call){ .party = port->party, .name = name, .partition = partition };
	c->call.arrive = arrive;
	c->call.answer = answer;
	c->call.free = call_free;
	c->happening = happening_new(kind, partition, ticket);
	arena_init(&c->memory, 512);
	snprintf(c->meta_key, sizeof(c->meta_key), "meta:%s:%d", port->worker->topic,
	         (int)partition);
	return c;
}

static void send_call(struct store_call *c)
{
	memory_schedule_put(c->port->store->schedule, &c->call);
}

/* ---- the port ---- */

static struct claim *claim_of(struct memory_store_port *port, int32_t partition)
{
	must(partition >= 0 && partition < PARTITIONS_MOST);
	return &port->claims[partition];
}

static void port_claim(void *self, int32_t partition, uint64_t ticket, const char *id)
{
	struct store_call *c =
		call_new(self, "claim", execute_claim, HAPPENED_CLAIMED, partition, ticket);

	must(strlen(id) < META_TEXT_BYTES);
	memcpy(c->id, claim_of(self, partition)->id, sizeof(c->id));
	snprintf(c->claim.id, sizeof(c->claim.id), "%s", id);
	c->claim.ticket = ticket;
	*claim_of(self, partition) = c->claim;
	send_call(c);
}

static void port_unclaim(void *self, int32_t partition, uint64_t ticket, const char *before)
{
	struct store_call *c =
		call_new(self, "unclaim", execute_unclaim, HAPPENED_CLAIMED, partition, ticket);

	snprintf(c->id, sizeof(c->id), "%s", before);
	c->claim = *claim_of(self, partition);
	send_call(c);
}

static void port_load(void *self, const struct load *load)
{
	struct store_call *c = call_new(self, "load", execute_load, HAPPENED_LOADED,
	                                load->partition, load->ticket);

	c->theirs_load = load;
	c->load = *load;
	c->load.keys = arena_alloc(&c->memory, load->count * sizeof(*load->keys));
	for (unsigned i = 0; i < load->count; i++) {
		c->load.keys[i].key = arena_str(&c->memory, load->keys[i].key);
		c->load.keys[i].hash = load->keys[i].hash;
	}
	send_call(c);
}

static struct write *write_copy(struct arena *memory, const struct write *from)
{
	struct write *w = arena_alloc(memory, sizeof(*w));
	struct pair *pairs = arena_alloc(memory, from->pair_count * sizeof(*pairs));

	for (unsigned i = 0; i < from->pair_count; i++)
		pairs[i] = (struct pair){ arena_str(memory, from->pairs[i].name),
			                  arena_str(memory, from->pairs[i].value) };
	*w = *from;
	w->key = arena_str(memory, from->key);
	w->pairs = pairs;
	return w;
}

static void port_flush(void *self, const struct flush *flush)
{
	struct store_call *c = call_new(self, "flush", execute_flush, HAPPENED_FLUSHED,
	                                flush->partition, flush->ticket);
	const struct write **writes =
		arena_alloc(&c->memory, flush->write_count * sizeof(struct write *));

	for (unsigned i = 0; i < flush->write_count; i++)
		writes[i] = write_copy(&c->memory, flush->writes[i]);
	c->claim = *claim_of(self, flush->partition);
	c->theirs_flush = flush;
	c->flush = *flush;
	c->flush.writes = writes;
	must(flush->meta.input_cursor >= flush->expect);
	send_call(c);
}

static void port_check(void *self, int32_t partition, uint64_t ticket)
{
	send_call(call_new(self, "check", execute_check, HAPPENED_CHECKED, partition, ticket));
}

static void port_wipe(void *self, int32_t partition, int32_t partitions, uint64_t ticket)
{
	struct store_call *c =
		call_new(self, "wipe", execute_wipe, HAPPENED_WIPED, partition, ticket);

	c->claim = *claim_of(self, partition);
	c->partitions = partitions;
	send_call(c);
}

static void port_try(void *self, int32_t partition, uint64_t ticket, struct offsets offsets)
{
	struct store_call *c =
		call_new(self, "try", execute_try, HAPPENED_TRIED, partition, ticket);

	c->claim = *claim_of(self, partition);
	c->offsets = offsets;
	send_call(c);
}

static void port_due(void *self, int32_t partition, uint64_t ticket, unsigned max)
{
	struct store_call *c = call_new(self, "due", execute_due, HAPPENED_DUE, partition, ticket);

	c->max = max;
	send_call(c);
}

struct store memory_store_bind(struct memory_store *s, struct memory_party *party,
                               const struct worker *worker, struct inbox *inbox)
{
	struct memory_store_port *port = memory_new(sizeof(*port));

	*port = (struct memory_store_port){
		.older = s->ports, .store = s, .party = party, .worker = worker, .inbox = inbox
	};
	s->ports = port;
	return (struct store){
		.self = port,
		.claim = port_claim,
		.unclaim = port_unclaim,
		.load = port_load,
		.flush = port_flush,
		.check = port_check,
		.wipe = port_wipe,
		.try_offsets = port_try,
		.read_due = port_due,
	};
}

/* ---- the server ---- */

void memory_store_init(struct memory_store *s, struct memory_schedule *schedule)
{
	*s = (struct memory_store){ .schedule = schedule };
	memory_keys_init(&s->keys);
}

void memory_store_release(struct memory_store *s)
{
	while (s->ports) {
		struct memory_store_port *port = s->ports;

		s->ports = port->older;
		free(port);
	}
	memory_keys_release(&s->keys);
}

void memory_store_back(struct memory_store *s, unsigned calls)
{
	memory_schedule_say(s->schedule, NULL, "redis goes back by %u calls", calls);
	memory_keys_back(&s->keys, calls);
}

void memory_store_empty(struct memory_store *s)
{
	memory_schedule_say(s->schedule, NULL, "redis is emptied");
	memory_keys_empty(&s->keys);
}

void memory_store_lose_meta(struct memory_store *s, struct str topic, int32_t partition)
{
	char key[KEY_BYTES];

	memory_schedule_say(s->schedule, NULL, "redis loses the meta of %.*s %d", STR_ARG(topic),
	                    (int)partition);
	snprintf(key, sizeof(key), "meta:%.*s:%d", STR_ARG(topic), (int)partition);
	memory_keys_begin(&s->keys);
	memory_keys_remove(&s->keys, str_from_c(key));
}
