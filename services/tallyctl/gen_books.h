/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books of `tallyctl gen`: what must come of the events, kept while they are
 * made.
 *
 * They know the rules (DESIGN section 6, CONTRACT "Redis") but nothing of the
 * folds: shares are given out one by one, rates are worked out by hand, and every
 * figure is a plain sum by scope and day. A scope is a number; days count from the
 * first business day of the stream. Memory is an arena of the books. Nothing fails.
 *
 * Format of the file: gen.c.
 */
#ifndef TALLY_TALLYCTL_GEN_BOOKS_H
#define TALLY_TALLYCTL_GEN_BOOKS_H

#include "common/base/arena.h"
#include "common/base/buf.h"

#define GEN_SPLITS_MOST 3

enum gen_figure {
	GEN_ORDERS,
	GEN_ORDER_AMOUNT,
	GEN_SUBSCRIBED,
	GEN_SUBSCRIBED_AMOUNT,
	GEN_SIGNED,
	GEN_SIGNED_AMOUNT,
	GEN_MORTGAGED,
	GEN_MORTGAGED_AMOUNT,
	GEN_COLLECTED,
	GEN_REFUNDED,
	GEN_CANCELLED,
	GEN_CANCELLED_AMOUNT,
	GEN_DELIVERED,
	GEN_DELIVERED_ON_TIME,
	GEN_DELIVERED_CORRECT,
	GEN_COMMISSION,
	GEN_QUANTITY,
	GEN_SALES, /* so many stand in sales:...; those of pay: follow */
	GEN_ACCRUED = GEN_SALES,
	GEN_CLAWED_BACK,
	GEN_FIGURES,
};

struct gen_scope {
	struct str kind, id; /* "payee", "p001" */
	struct str unit;     /* of a seat: "team:shanghai-1"; absent: no seat */
	int64_t (*days)[GEN_FIGURES];
};

struct gen_books {
	struct arena memory;
	struct gen_scope *scopes;
	unsigned count, room;
	int32_t first_day; /* since 1970 */
	unsigned days;
	struct buf lines; /* one a commission, order, refusal */
	uint64_t commissions, refused, repeated;
};

void gen_books_init(struct gen_books *, int32_t first_day, unsigned days);
void gen_books_release(struct gen_books *);
/* A new scope's number. */
unsigned gen_books_scope(struct gen_books *, const char *kind, struct str id);
/* A payee's seat in a unit ("team:shanghai-1"), for the boards of units. */
unsigned gen_books_seat(struct gen_books *, struct str payee_id, struct str unit);
void gen_books_add(struct gen_books *, unsigned scope, unsigned day, enum gen_figure,
                   int64_t value);
/* All of it, the figures in the order of the scopes' numbers, then the lines. */
void gen_books_write(const struct gen_books *, struct buf *out);

/* Largest remainder by its definition: what is left goes out one by one to whom most is owed. */
void gen_shares(int64_t whole, const int64_t *weights, unsigned count, int64_t *shares);
/* Of an amount, half a fen to the even side. */
int64_t gen_commission(int64_t amount, int64_t rate_ppm);

#endif
