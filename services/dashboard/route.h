/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a path of the API asks for, /api/v1/..., checked before Redis is asked.
 *
 * One row a view: its path with the kinds of its parts, and whether a page of a
 * list can be chosen by ?from=&count=. Ids may be percent-encoded. A pure
 * function; texts live in the arena. What is not valid is a problem with a status
 * and words for a person, which never repeat more than a part of the path.
 */
#ifndef TALLY_DASHBOARD_ROUTE_H
#define TALLY_DASHBOARD_ROUTE_H

#include "common/base/arena.h"
#include "common/domain/calendar.h"

#define ROUTE_COUNT_MOST 1000 /* rows of one answer */
#define ROUTE_COUNT 100       /* where nobody asked */
#define ROUTE_FROM_MOST 1000000

enum view_kind {
	VIEW_INDEX,
	VIEW_LIVE,
	VIEW_STREAM,
	VIEW_FRESHNESS,
	VIEW_FIGURES,
	VIEW_DAYS,
	VIEW_SCOPES,
	VIEW_BOARD,
	VIEW_TREE,
	VIEW_MEMBERS,
	VIEW_PAY,
	VIEW_COMMISSION,
	VIEW_ORDER,
	VIEW_SHARDS,
	VIEW_REFUSALS,
	VIEW_REFUSED,
	VIEW_REDRIVE,
};

struct route {
	enum view_kind view;
	struct str kind, id, measure, reason;
	struct str period; /* as written; its kind and first day: */
	enum period_kind period_kind;
	int32_t first_day;
	int64_t from, count; /* the first row is 1 */
};

struct problem {
	int status;        /* 0: none */
	const char *title; /* a literal */
	struct str detail; /* in the arena */
	int64_t since_ms;  /* wall clock; 0: it is not said since when */
};

/* query absent: none. False: problem says why. */
bool route_parse(struct str path, struct str query, struct arena *, struct route *,
                 struct problem *);
/* The rows of the table as paths, for the API's index: NULL ends. */
const char *route_path(unsigned number);
/* The period of a name; false where it is none or does not exist (2026-02-30, 2026-W54). */
bool route_period(struct str text, enum period_kind *, int32_t *first_day);
/* Sets a problem with words. */
void problem_set(struct problem *, struct arena *, int status, const char *title,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
