/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small company and its orders, made up from a seed, for the simulation of the
 * three workers.
 *
 * Payees 0 to PAYEES - 1 sit in team p % TEAMS at level 1 + p % 2; the last one is
 * at level 3, for which only the second published plan has a rate. The second
 * publishing also moves payee 1 to another team and level. Payee PAYEES is
 * unknown. Units: teams 0 and 1 in city 0, team 2 in city 1, both in region 0.
 *
 * A record knows what it says as plain numbers beside its JSON, for an oracle
 * that reads no JSON. All memory is the arena's.
 */
#ifndef TALLY_TESTS_SIM_ORDERS_STREAM_H
#define TALLY_TESTS_SIM_ORDERS_STREAM_H

#include "common/adapters/memory/dice.h"
#include "common/base/arena.h"

#define PAYEES 6
#define TEAMS 3
#define CHANNELS 3
#define PRODUCTS 4
#define SPLITS_MOST 3
#define LINES_MOST 3
#define ZONE_OFFSET_MS INT64_C(28800000)
#define UTC_2026_MS INT64_C(1767225600000)

enum order_step {
	STEP_MADE,
	STEP_SUBSCRIBED,
	STEP_SIGNED,
	STEP_MORTGAGED,
	STEP_PAID,
	STEP_REFUNDED,
	STEP_DELIVERED,
	STEP_CANCELLED,
	STEP_GARBAGE, /* no event at all: refused says why */
};

struct order_record {
	enum order_step step;
	unsigned order;
	struct str key, id, value;
	unsigned content; /* the same number: the very same record */
	int64_t time_ms, amount;
	struct {
		unsigned payee;
		int64_t weight;
	} splits[SPLITS_MOST];
	unsigned split_count;
	struct {
		unsigned product;
		int64_t quantity, price;
	} lines[LINES_MOST];
	unsigned line_count;
	unsigned channel, payment, refund;
	bool on_time, correct;
	const char *refused; /* GARBAGE */
};

struct orders_stream;

struct orders_stream *orders_stream_new(struct arena *, struct dice *, unsigned records);
/* The next record, or NULL. */
const struct order_record *orders_stream_next(struct orders_stream *);

/* The reference records of a publishing (0 or 1): fills at most `room` keys and values. */
unsigned orders_reference(struct arena *, unsigned publishing, struct str *keys, struct str *values,
                          unsigned room);
/* Where a payee sits, and at which level; the plan's rate for a level (-1: none). */
unsigned orders_team(unsigned publishing, unsigned payee);
unsigned orders_level(unsigned publishing, unsigned payee);
int64_t orders_rate(unsigned plan_version, unsigned level);

#endif
