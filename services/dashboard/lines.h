/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commission lines (lines:<payee>:<month>) of an order, and the arithmetic of each:
 * amount = f(net after) - f(net before), f(x) = x * rate rounded half to even.
 *
 * A line keeps its basis, not the nets. They follow from the lines before it of the
 * same order and payee, if it is certain which these are. Events that wait are applied
 * out of the log's order, earliest first; so it is certain where the log and the times
 * agree: what is before the line in the log is what the order has before the line's
 * time, all of it. Elsewhere the nets are left out. Texts live in the request's arena.
 */
#ifndef TALLY_DASHBOARD_LINES_H
#define TALLY_DASHBOARD_LINES_H

#include <yyjson.h>

#include "services/dashboard/view.h"

#define LINES_MOST 20000       /* of one payee's month; a longer one is not searched */
#define LINES_TOTAL_MOST 60000 /* of all months that are searched for one order */

struct line {
	struct str id, payee, month;
	struct str text; /* the JSON as it stands in Redis */
	struct str order_id, time;
	int64_t time_ms;
	int64_t partition, offset; /* of the cause */
	int64_t basis_minor, rate_ppm, amount_minor;
	bool explained; /* the nets are known: */
	int64_t net_before_minor, net_after_minor, before_minor, after_minor;
};

/* Reads one line; false: it is not what the worker writes. */
bool line_parse(struct str id, struct str payee, struct str month, struct str text, struct arena *,
                struct line *);
/* The times of an order's payments and refunds; each gives each payee one line. */
struct moments {
	int64_t *ms; /* from the earliest on */
	unsigned count;
};

/* None where a refund is not later than its payment: then times do not tell who waited. */
struct moments moments_of_order(yyjson_val *order, struct arena *);
/* By payee and cause, with the nets of each that has certain ones. */
void lines_explain(struct line *lines, unsigned count, const struct moments *);
/* Writes the line as an object: id, payee, month, the line's own members, the nets. */
void line_put(struct view *, const struct line *);

/*
 * All lines of an order; *complete: no month was left out. Explained only then, since a line
 * that is not there is missing in the nets of all later ones. Makes rounds of its own.
 */
struct rc lines_of_order(struct view *, yyjson_val *order, struct line **out, unsigned *count,
                         bool *complete);

#endif
