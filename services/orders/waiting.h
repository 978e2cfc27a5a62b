/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an order remembers of its events: the ids it knows, for duplicates, and
 * the events that wait for what they need.
 *
 * Both live in the order's record (order.internal) and are bounded: LIMIT_ORDER_EVENTS
 * ids, LIMIT_ORDER_HELD waiting events. Everything kept is copied into the
 * entity. Nothing here fails; ask waiting_has_room() first.
 *
 * Source of the rules: CONTRACT "Orders in".
 */
#ifndef TALLY_ORDERS_WAITING_H
#define TALLY_ORDERS_WAITING_H

#include "services/orders/crediting.h"

/* ---- ids of the events that were applied or wait --------------------------- */

/* SKIP: the very event came before; REJECT: its id came before with other content. */
struct verdict ids_check(const struct order *, const struct event *);
bool ids_have_room(const struct order *);
void ids_remember(const struct folding *, const struct order_held *fact);
/* A refused event leaves no id behind, so that a redrive works. */
void ids_forget(struct order *, const struct order_held *fact);

/* ---- events that wait ------------------------------------------------------ */

/* What can happen to a created order, in the order in which events of one instant are applied:
 * money in before money out. */
enum step {
	STEP_SUBSCRIPTION,
	STEP_CONTRACT,
	STEP_MORTGAGE,
	STEP_PAYMENT,
	STEP_REFUND,
	STEP_DELIVERY,
	STEP_CANCELLATION,
};
/* Of an event type that can wait. */
enum step step_of(struct str type);

/* Is what the event needs there? */
typedef bool waiting_ready(const struct order *, const struct order_held *fact);

bool waiting_has_room(const struct order *);
/* Copies the event, and its raw bytes and headers for the day when it is refused. */
void waiting_add(const struct folding *, const struct order_held *fact, const struct event *);
/* The first one, in the order of application, that is ready; count: none is. */
uint32_t waiting_first_ready(const struct order *, waiting_ready *);
/* The first one that is given up at or before the instant; count: none is. */
uint32_t waiting_first_given_up(const struct order *, int64_t at_ms);
/* Takes it out of the list; its texts live on in the entity. */
struct order_held waiting_take(struct order *, uint32_t index);
/* To the DLQ with its original bytes. */
void waiting_refuse(const struct folding *, const struct order_held *fact, enum reason,
                    const char *path);
/* 0: nothing waits. */
int64_t waiting_due_ms(const struct order *);

#endif
