/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every view of the API is made of: its route, rounds of questions to Redis,
 * the JSON it writes, and how fresh the figures in it are.
 *
 * A view adds questions, calls view_round(), reads the answers and writes members
 * of the answer's object, which is open already. Everything lives in the arena of
 * one request. A view fails with the reader's rc; what is wrong with the question
 * itself is a problem (view_problem) and no failure.
 */
#ifndef TALLY_DASHBOARD_VIEW_H
#define TALLY_DASHBOARD_VIEW_H

#include "common/adapters/redis_reader.h"
#include "common/host/json.h"
#include "services/dashboard/catalog.h"
#include "services/dashboard/refused.h"
#include "services/dashboard/route.h"
#include "services/dashboard/watch.h"

struct redriver;
struct timing;

struct view {
	const struct route *route;
	struct redis_reader *reader;
	const struct catalog *catalog;
	const struct watch_state *watch; /* NULL: Kafka is not asked */
	struct watch *watcher;           /* whose state that is */
	struct arena *arena;
	struct refused *refused;   /* NULL: refused records are not shown */
	struct timing *timing;     /* NULL: workers are not asked */
	struct redriver *redriver; /* NULL: nor sent back */
	bool post;                 /* something is to be done, of what the body says */
	struct str body;
	struct json json;
	struct problem problem;
	const struct redis_answer *answers; /* of the last round */
};

/* Adds a command; the key is built as printf does. Returns its number in the round. */
unsigned view_read(struct view *, const char *verb, const struct str *more, unsigned count,
                   const char *key, ...) __attribute__((format(printf, 5, 6)));
#define view_hash(v, ...) view_read((v), "HGETALL", NULL, 0, __VA_ARGS__)
struct rc view_round(struct view *);
struct rc view_problem(struct view *, int status, const char *title, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- pieces of answers ---- */

/* A name from data. */
void view_name(struct view *, struct str name);
/* A hash of integers as an object; what is no integer is left out. */
void view_integers(struct view *, const char *name, const struct redis_answer *hash);
/* The value of a hash's field; absent: none. */
struct str view_field(const struct redis_answer *hash, const char *field);
/* The same as a number, or the fallback. */
int64_t view_number(const struct redis_answer *hash, const char *field, int64_t fallback);
/* An instant, ms since 1970, as RFC 3339; null where there is none (0 or less). */
void view_instant(struct view *, const char *name, int64_t ms);
/* The id that seat keys have: without colons. */
struct str view_escaped(struct view *, struct str id);

/* ---- freshness ---- */

/* Asks for asof: of every worker; returns the number of the first. */
unsigned freshness_ask(struct view *);
/* "asof": an object by topic. */
void freshness_put(struct view *, unsigned first);
/* The latest event time of all; INT64_MIN: none is known. */
int64_t freshness_watermark(const struct view *, unsigned first);

/* ---- the views ---- */

typedef struct rc view_fn(struct view *);
view_fn view_figures, view_days, view_scopes, view_board, view_tree, view_members, view_pay,
	view_commission, view_order, view_shards, view_refusals, view_refused, view_redrive,
	view_freshness, view_live;

#endif
