/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commission lines (lines:<payee>:<month>) of an order, and the arithmetic of each:
 * amount = f(net after) - f(net before), f(x) = x * rate rounded half to even.
 *
 * A line keeps its basis, not the nets. They follow from the lines before it of the
 * same order and payee, in the log's order; where the sum does not come out as the
 * line says (an event that had waited for another was applied out of that order),
 * the nets are left out rather than shown wrong. Texts live in the request's arena.
 */
#ifndef TALLY_DASHBOARD_LINES_H
#define TALLY_DASHBOARD_LINES_H

#include <yyjson.h>

#include "services/dashboard/view.h"

#define LINES_MOST 20000 /* of one payee's month; a longer one is not searched */

struct line {
	struct str id, payee, month;
	struct str text; /* the JSON as it stands in Redis */
	struct str order_id, time;
	int64_t partition, offset; /* of the cause */
	int64_t basis_minor, rate_ppm, amount_minor;
	bool explained; /* the nets are known: */
	int64_t net_before_minor, net_after_minor, before_minor, after_minor;
};

/* Reads one line; false: it is not what the worker writes. */
bool line_parse(struct str id, struct str payee, struct str month, struct str text, struct arena *,
                struct line *);
/* By payee and cause, with the nets of each. */
void lines_explain(struct line *lines, unsigned count);
/* Writes the line as an object: id, payee, month, the line's own members, the nets. */
void line_put(struct view *, const struct line *);

/* All lines of an order, explained; *complete: no month was left out. Makes rounds of its own. */
struct rc lines_of_order(struct view *, yyjson_val *order, struct line **out, unsigned *count,
                         bool *complete);

#endif
