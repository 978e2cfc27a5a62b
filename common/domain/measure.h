/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of topic `measures`: what an event adds to the figures of a scope and day.
 *
 * Which scopes an event reaches, and with what, is written here once for all who
 * send rows: the whole amount and every count to company, channel, partner,
 * project and campaign; each payee's share to the payee; the sum of their
 * payees' shares, and every count once, to team, city and region. A row in which
 * nothing changes is not made. Rows borrow all texts. Nothing fails; sums are the
 * caller's to bound (figures_fit).
 *
 * Source of the rules: DESIGN section 5 "Scope kinds" and section 6, CONTRACT
 * "Duties".
 */
#ifndef TALLY_DOMAIN_MEASURE_H
#define TALLY_DOMAIN_MEASURE_H

#include "events.h"

/* The money figures. Boards can rank by those before MONEY_RANKED: the instant of their last change
 * is kept. */
enum money {
	MONEY_ORDER_AMOUNT,
	MONEY_SIGNED_AMOUNT,
	MONEY_COLLECTED,
	MONEY_COMMISSION,
	MONEY_RANKED,
	MONEY_SUBSCRIBED_AMOUNT = MONEY_RANKED,
	MONEY_MORTGAGED_AMOUNT,
	MONEY_REFUNDED,
	MONEY_CANCELLED_AMOUNT,
	MONEY_NONE, /* counts only */
};

/* "order_amount" */
struct str money_name(enum money);
/* False: no such figure. */
bool money_parse(struct str name, enum money *);

/* ---- figures ------------------------------------------------------------- */

/* Is every sum of both within 64 bits? */
bool figures_fit(const struct figures *a, const struct figures *b);
/* Amounts and counts add up; of the instants the later one stays. */
void figures_add(struct figures *into, const struct figures *change);
int64_t figures_money(const struct figures *, enum money);
/* When a ranked figure last changed; 0: not said. */
int64_t figures_instant(const struct figures *, enum money);
/* The ranked figures of `change` with their instants, all others 0. */
struct figures figures_ranked(const struct figures *change);

/* ---- rows ---------------------------------------------------------------- */

/* For struct output of topic measures: rows of one scope, day and seat add up. */
uint64_t measure_hash(const void *row);
bool measure_same(const void *a, const void *b);
/* False: a sum would not be within 64 bits, and nothing is added. */
bool measure_add(void *into, const void *row);

/* Takes the rows one by one; row and key die with the call. key: "<kind>:<id>". */
struct measure_sink {
	void (*put)(void *to, struct str key, const struct measure *row);
	void *to;
};

/* What one event changes. */
struct change {
	int64_t time_ms;       /* the event's own time */
	int32_t day;           /* its business day */
	enum money money;      /* which amount changes */
	bool ranked;           /* the company keeps boards: rows say when a figure was reached */
	struct figures counts; /* only counts; what each scope gets once */
};

/* Scopes that get the whole of an order; absent ids have none. */
struct whole_scopes {
	struct str channel_id, partner_id, project_id, campaign_id;
};
void measure_whole(const struct change *, const struct whole_scopes *, int64_t amount_minor,
                   const struct measure_sink *);

/* A payee and the units that the payee sat in; absent ids have no scope. */
struct payee_scopes {
	struct str payee_id, team_id, city_id, region_id;
};
/* One share for each payee. */
void measure_shares(const struct change *, const struct payee_scopes *, const int64_t *shares_minor,
                    unsigned count, const struct measure_sink *);

/* One line of an order. */
void measure_product(const struct change *, struct str product_id, int64_t quantity,
                     int64_t amount_minor, const struct measure_sink *);

#endif
