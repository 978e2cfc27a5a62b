/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must come of a stream of orders, computed once more in one plain pass.
 *
 * Fed with the records of the input logs shard by shard in log order, it keeps its
 * own orders, and adds up expected Redis values, DLQ lines and commissions. It
 * uses nothing of codec, runtime, domain and services. The stream's amounts are small
 * enough for products of 64 bits.
 */
#ifndef TALLY_TESTS_SIM_ORDERS_ORACLE_H
#define TALLY_TESTS_SIM_ORDERS_ORACLE_H

#include "common/adapters/memory/keys.h"
#include "tests/sim/orders_stream.h"

struct orders_oracle;

/* Lines of text, in the order in which they were added. */
struct oracle_lines {
	struct str *items;
	unsigned count;
};

struct orders_oracle *orders_oracle_new(struct arena *);
void orders_oracle_release(struct orders_oracle *);
/* A record of the shard, at this offset; publishing: the reference in force there (-1: none). */
void orders_oracle_record(struct orders_oracle *, const struct order_record *, int publishing,
                          int64_t offset, int64_t broker_ms, struct oracle_lines *refused);
/* A timer for the order, due then. */
void orders_oracle_timer(struct orders_oracle *, unsigned order, int64_t due_ms, int64_t broker_ms,
                         struct oracle_lines *refused);

/* Expected keys sales:, seat:, board:, pay: without fields *_at. */
struct memory_keys *orders_oracle_keys(struct orders_oracle *);
/* "type order payee cause basis rate amount before after version" */
const struct oracle_lines *orders_oracle_commissions(const struct orders_oracle *);
/* What the document of the order must contain; absent: there is none. */
struct str orders_oracle_document(const struct orders_oracle *, unsigned order);
#define ORACLE_ORDERS 64

#endif
