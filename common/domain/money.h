/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Money: exact arithmetic on int64 minor units (fen), the only place that rounds.
 *
 * Rules: DESIGN section 6. A rate is an integer in ppm; the product is formed
 * without loss and rounded once, half to even. Shares are by largest remainder
 * over integer weights, ties to the earlier entry; they always sum to the whole.
 * Instalments and refunds use these on cumulative amounts, f(after) - f(before),
 * so they add up whatever the parts were. Pure functions, no memory, no state.
 * An overflow of the checked ones is an answer (false); what the callers' limits
 * rule out (LIMIT_AMOUNT, LIMIT_SPLITS, LIMIT_SPLIT_WEIGHT) is a bug: must().
 */
#ifndef TALLY_DOMAIN_MONEY_H
#define TALLY_DOMAIN_MONEY_H

#include <stdbool.h>
#include <stdint.h>

/* False where the result does not fit; *out is then undefined. */
bool money_add(int64_t a_minor, int64_t b_minor, int64_t *out_minor);
bool money_sub(int64_t a_minor, int64_t b_minor, int64_t *out_minor);
bool money_mul(int64_t a_minor, int64_t factor, int64_t *out_minor);

/* f(x) = round_half_even(x * rate_ppm / 10^6); f(-x) = -f(x). The result must fit. */
int64_t money_at_rate(int64_t x_minor, int64_t rate_ppm);

/*
 * share_i(x) for all entries of a split: x_minor >= 0, count 1 to LIMIT_SPLITS,
 * weights 1 to LIMIT_SPLIT_WEIGHT. Writes count shares, which sum to x_minor.
 */
void money_shares(int64_t x_minor, const int64_t *weights, unsigned count, int64_t *shares_minor);

#endif
