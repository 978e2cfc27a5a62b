/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The orders of `tallyctl gen`: their lives, the books of each event that is taken,
 * and what goes wrong on the way.
 *
 * Borrows stream, books and company. Nothing fails.
 */
#ifndef TALLY_TALLYCTL_GEN_ORDERS_H
#define TALLY_TALLYCTL_GEN_ORDERS_H

#include "services/tallyctl/gen_stream.h"

#define GEN_PAYMENTS_MOST 40
#define GEN_WIDE_MOST 5

struct gen_payment {
	const char *id;
	int64_t amount, refunded;
};

struct gen_order {
	const char *id;
	int64_t at_ms;
	struct gen_seat seats[GEN_SPLITS_MOST];
	int64_t weights[GEN_SPLITS_MOST];
	unsigned payees;
	unsigned wide[GEN_WIDE_MOST], wide_count; /* scopes that get the whole */
	int64_t amount, collected, refunded, subscribed, signed_amount, mortgaged;
	struct gen_payment payments[GEN_PAYMENTS_MOST];
	unsigned payment_count;
	bool cancelled;
};

struct gen {
	struct gen_company *company;
	struct gen_books *books;
	struct gen_stream *stream;
	struct draw *draw;
	unsigned faults_per_mille, fault_debt, faults, bad_orders;
};

/* The whole life of one order that begins at the instant. */
void gen_order_live(struct gen *, unsigned number, int64_t at_ms);

/* For gen_faults.c: parts of a life. */
void gen_order_create(struct gen *, struct gen_order *, int64_t arrival_ms);
void gen_order_pay(struct gen *, struct gen_order *, int64_t at_ms, int64_t arrival_ms,
                   int64_t amount);
void gen_order_close(struct gen *, const struct gen_order *);
/* Puts bad records around a payment that was just made, as many as are due. */
void gen_faults(struct gen *, const struct gen_order *, int64_t at_ms, struct str payment);

#endif
