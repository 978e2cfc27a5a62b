/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets what of an order: credits and figures.
 *
 * At the order's time each payee's units, level, rating and plan are frozen into
 * the order; every later event of the order is credited by them, and its figures
 * belong to the period of its own time. All of it works on cumulative amounts,
 * so that instalments and refunds always add up, whatever the order of arrival; which
 * of them has the odd fen depends on the order in which they were applied.
 *
 * Source of the rules: DESIGN section 5 "Scope kinds" and section 6, CONTRACT
 * "Duties". Nothing here fails; texts are borrowed from the order and the event.
 */
#ifndef TALLY_ORDERS_CREDITING_H
#define TALLY_ORDERS_CREDITING_H

#include "common/base/limits.h"
#include "common/domain/measure.h"
#include "common/runtime/worker.h"

extern const struct output orders_credits, orders_measures;

/*
 * An order while one of its events is applied. The event itself is a "fact": a
 * struct order_held, the form in which it can wait; it is applied in the same way
 * whether it comes from the log now or waited in the order's record.
 */
struct folding {
	struct order *order;
	struct str topic; /* that its events come from */
	struct view *view;
	const struct reference *ref;
	struct effects *out;
};

/* What is frozen for each split entry; REJECT: payee_unknown, plan_unknown. */
struct verdict crediting_freeze(const struct order_created *, int64_t at_ms,
                                const struct reference *, struct order_split frozen[LIMIT_SPLITS]);
/* JSON pointer to the payee of a split entry. */
const char *crediting_payee_path(uint32_t split);

/* The order itself: orders, order_amount, and each line's product. */
void crediting_created(const struct folding *, int64_t at_ms);
/* A payment or refund that moved the order's net from net_before_minor to what it is now. */
void crediting_money(const struct folding *, const struct order_held *fact,
                     int64_t net_before_minor, bool refund);
/* An amount of the order, cumulative, before and after an event. */
struct moved {
	enum money money; /* MONEY_NONE: counts only */
	int64_t before_minor, after_minor;
};
/* Any other event: its counts, and what moved, shared by the split. */
void crediting_event(const struct folding *, int64_t at_ms, const struct figures *counts,
                     const struct moved *);

#endif
