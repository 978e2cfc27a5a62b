/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl key: the Redis keys of a thing, who writes them, and what they hold.
 *
 * Kinds are the scopes of the figures and whatever the worker tables have a prefix
 * for, so that a new entity needs no word here. Without --redis nothing is asked of
 * anybody; the partition is known where Redis says how many there are.
 */
#include <inttypes.h>

#include "common/base/hash.h"
#include "common/host/json.h"
#include "services/tallyctl/session.h"
#include "services/tallyctl/words.h"

#define KEYS_MOST 4

/* DESIGN section 5. */
static const char *const scopes[] = { "company", "region",  "city",    "team",    "payee",
	                              "channel", "partner", "project", "product", "campaign" };

struct found {
	struct str name; /* without the prefix */
	const char *type;
	const struct worker *worker;
	struct str owner;  /* the message key whose shard writes it; absent: shared */
	int64_t partition; /* -1: not known */
	struct redis_value value;
};

struct asking {
	struct invocation *invocation;
	struct session session;
	struct found keys[KEYS_MOST];
	unsigned count;
};

/* ---- which keys -------------------------------------------------------- */

static void add(struct asking *a, const struct worker *worker, struct str prefix, const char *type,
                struct str (*owner)(struct str rest), struct str rest)
{
	struct str parts[] = { prefix, rest };

	a->keys[a->count++] = (struct found){
		.name = arena_join(a->invocation->memory, parts, 2),
		.type = type,
		.worker = worker,
		.owner = owner ? owner(rest) : str_of(NULL, 0),
		.partition = -1,
	};
}

/* Entities and derived keys by the word before the colon; false: no worker has it. */
static bool add_named(struct asking *a, struct str kind, struct str rest)
{
	struct str prefix = arena_printf(a->invocation->memory, "%.*s:", STR_ARG(kind));

	for (int i = 0; workers[i]; i++) {
		for (const struct entity *const *e = workers[i]->entities; *e; e++)
			if (str_eq((*e)->prefix, prefix)) {
				add(a, workers[i], prefix,
				    (*e)->form == ENTITY_FIGURES ? "hash" : "string", (*e)->owner,
				    rest);
				return true;
			}
		for (const struct redis_key *key = workers[i]->keys; key->pattern; key++)
			if (str_eq(key->prefix, prefix)) {
				add(a, workers[i], prefix, key->type, key->owner, rest);
				return true;
			}
	}
	return false;
}

static bool is_scope(struct str kind)
{
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		if (str_eq_c(kind, scopes[i]))
			return true;
	return false;
}

static struct rc unknown_kind(struct str kind)
{
	struct buf words;
	struct rc rc;

	buf_init(&words, NULL);
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		buf_printf(&words, "%s, ", scopes[i]);
	for (int i = 0; workers[i]; i++) {
		for (const struct entity *const *e = workers[i]->entities; *e; e++)
			buf_printf(&words, "%.*s, ", (int)(*e)->prefix.len - 1, (*e)->prefix.ptr);
		for (const struct redis_key *key = workers[i]->keys; key->pattern; key++)
			if (key == workers[i]->keys || !str_eq(key[-1].prefix, key->prefix))
				buf_printf(&words, "%.*s, ", (int)key->prefix.len - 1,
				           key->prefix.ptr);
	}
	rc = rc_fail(RC_USAGE, "%.*s: no such kind; there are %.*s", STR_ARG(kind),
	             (int)words.len - 2, words.ptr);
	buf_release(&words);
	return rc;
}

static struct rc find_keys(struct asking *a)
{
	const struct invocation *invocation = a->invocation;
	unsigned count = invocation->word_count;
	struct str kind = str_from_c(count > 0 ? invocation->words[0] : NULL);
	struct str id = str_from_c(count > 1 ? invocation->words[1] : NULL);
	struct str period = str_from_c(count > 2 ? invocation->words[2] : NULL);
	enum period_kind period_kind = PERIOD_KINDS;
	struct arena *arena = invocation->memory;
	struct str rest = id;

	if (count < 2 || count > 3)
		return rc_fail(RC_USAGE, "tallyctl key KIND ID [PERIOD], as in tallyctl key payee "
		                         "p-1 2026-03 or tallyctl key order o-1");
	TRY(words_check(kind));
	TRY(words_check(id));
	if (period.ptr) {
		TRY(words_period(period, &period_kind));
		rest = arena_printf(arena, "%.*s:%.*s", STR_ARG(id), STR_ARG(period));
	}
	if (!is_scope(kind))
		return add_named(a, kind, rest) ? OK : unknown_kind(kind);
	if (!period.ptr)
		return rc_fail(RC_USAGE,
		               "the figures of a %.*s are kept by period: add 2026-03-05, "
		               "2026-W10, 2026-03, 2026-Q1 or 2026",
		               STR_ARG(kind));
	add_named(a, STR("sales"), arena_printf(arena, "%.*s:%.*s", STR_ARG(kind), STR_ARG(rest)));
	if (str_eq_c(kind, "payee") && period_kind == PERIOD_MONTH) {
		add_named(a, STR("pay"), rest);
		add_named(a, STR("lines"), rest);
	}
	return OK;
}

/* ---- what Redis knows -------------------------------------------------- */

static struct rc ask(struct asking *a)
{
	TRY(session_open(&a->session, a->invocation));
	for (unsigned i = 0; i < a->count; i++) {
		struct found *key = &a->keys[i];
		struct meta_row row;

		TRY(redis_admin_value(a->session.redis, key->name, a->invocation->memory,
		                      &key->value));
		if (!key->owner.ptr)
			continue;
		TRY(redis_admin_metas(a->session.redis, str_from_c(key->worker->topic), 1, &row));
		if (row.partitions > 0 && row.partitions <= INT32_MAX)
			key->partition = hash_partition(key->owner, (int32_t)row.partitions);
	}
	return OK;
}

/* ---- the answer -------------------------------------------------------- */

static void value_text(const struct redis_value *value, struct buf *out)
{
	if (value->count == 0)
		buf_put_lit(out, "  (nothing there)\n");
	else if (value->count == 1)
		buf_printf(out, "  %.*s\n", STR_ARG(value->items[0]));
	for (unsigned i = 0; i + 1 < value->count; i += 2)
		buf_printf(out, "  %-24.*s %.*s\n", STR_ARG(value->items[i]),
		           STR_ARG(value->items[i + 1]));
}

static void say_text(const struct asking *a, bool asked)
{
	const char *prefix = a->invocation->config->redis_prefix;
	struct buf *out = a->invocation->out;

	for (unsigned i = 0; i < a->count; i++) {
		const struct found *key = &a->keys[i];

		buf_printf(out, "%s%.*s  (%s, written by %s", prefix, STR_ARG(key->name), key->type,
		           key->worker->name);
		if (key->partition >= 0)
			buf_printf(out, " in shard %s/%" PRId64, key->worker->topic,
			           key->partition);
		else if (key->owner.ptr)
			buf_printf(out, " in the shard of key %.*s of %s", STR_ARG(key->owner),
			           key->worker->topic);
		buf_put_lit(out, ")\n");
		if (asked)
			value_text(&key->value, out);
	}
}

static void value_json(const struct redis_value *value, struct json *j)
{
	json_name(j, "value");
	if (value->count == 0) {
		json_null(j);
	} else if (value->count == 1) {
		json_str(j, value->items[0]);
	} else {
		json_open(j, '{');
		for (unsigned i = 0; i + 1 < value->count; i += 2) {
			json_str(j, value->items[i]);
			buf_put_char(j->out, ':');
			j->comma = false;
			json_str(j, value->items[i + 1]);
		}
		json_close(j, '}');
	}
}

static void say_json(const struct asking *a, bool asked)
{
	struct json j = json_to(a->invocation->out);

	json_open(&j, '{');
	json_name(&j, "keys");
	json_open(&j, '[');
	for (unsigned i = 0; i < a->count; i++) {
		const struct found *key = &a->keys[i];
		struct str parts[] = { str_from_c(a->invocation->config->redis_prefix), key->name };

		json_open(&j, '{');
		json_put_str(&j, "key", arena_join(a->invocation->memory, parts, 2));
		json_put_text(&j, "type", key->type);
		json_put_text(&j, "worker", key->worker->name);
		json_put_text(&j, "topic", key->worker->topic);
		if (key->owner.ptr)
			json_put_str(&j, "message_key", key->owner);
		if (key->partition >= 0)
			json_put_i64(&j, "partition", key->partition);
		if (asked)
			value_json(&key->value, &j);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	buf_put_char(a->invocation->out, '\n');
}

struct rc command_key(struct invocation *invocation)
{
	struct asking *a = arena_zalloc(invocation->memory, sizeof(*a));
	bool asked = invocation_has(invocation, "--redis");
	struct rc rc;

	a->invocation = invocation;
	rc = find_keys(a);
	if (rc_ok(rc) && asked)
		rc = ask(a);
	if (rc_ok(rc) && invocation->json)
		say_json(a, asked);
	else if (rc_ok(rc))
		say_text(a, asked);
	session_close(&a->session);
	return rc;
}
