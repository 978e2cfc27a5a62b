/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of a process that can die at its n-th call: that call and all later ones
 * do not happen any more. The turn goes on into the void; then its owner frees the
 * process. Or something else happens there, just before the call. Wraps the broker
 * and store port in place; clock and inbox stay.
 */
#ifndef TALLY_TESTS_SIM_MORTAL_H
#define TALLY_TESTS_SIM_MORTAL_H

#include "common/runtime/ports.h"

struct mortal;

/* Lives as long as the arena. */
struct mortal *mortal_new(struct arena *, struct ports *);
/* 0: never. */
void mortal_dies_at(struct mortal *, unsigned call);
/* Called once, before the n-th call; the process lives on. 0: never. */
void mortal_meets(struct mortal *, unsigned call, void (*happen)(void *), void *to);
/* Now: whatever the turn still calls does not happen. */
void mortal_dies(struct mortal *);
bool mortal_is_dead(const struct mortal *);
/* Calls made so far. */
unsigned mortal_calls(const struct mortal *);

#endif
