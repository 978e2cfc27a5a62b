/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN section 6 in integers. The usual amounts stay in 64 bits, where the
 * division by a constant is a multiplication; only products beyond that pay for
 * a division of 128 bits. No memory, nothing can fail but by a bug.
 */
#include "common/domain/money.h"

#include "common/base/limits.h"
#include "common/base/must.h"

#define PPM 1000000

__extension__ typedef __int128 wide;

bool money_add(int64_t a_minor, int64_t b_minor, int64_t *out_minor)
{
	return !__builtin_add_overflow(a_minor, b_minor, out_minor);
}

bool money_sub(int64_t a_minor, int64_t b_minor, int64_t *out_minor)
{
	return !__builtin_sub_overflow(a_minor, b_minor, out_minor);
}

bool money_mul(int64_t a_minor, int64_t factor, int64_t *out_minor)
{
	return !__builtin_mul_overflow(a_minor, factor, out_minor);
}

/* 0, or the step away from zero that rounding half to even asks for. */
static int step_half_even(int64_t quotient, int64_t remainder)
{
	int64_t twice = (remainder < 0 ? -remainder : remainder) * 2;

	if (twice < PPM || (twice == PPM && quotient % 2 == 0))
		return 0;
	return remainder < 0 ? -1 : 1;
}

int64_t money_at_rate(int64_t x_minor, int64_t rate_ppm)
{
	int64_t product;
	wide exact, quotient;

	if (!__builtin_mul_overflow(x_minor, rate_ppm, &product))
		return product / PPM + step_half_even(product / PPM, product % PPM);
	exact = (wide)x_minor * rate_ppm;
	quotient = exact / PPM;
	quotient += step_half_even((int64_t)(quotient % 2), (int64_t)(exact % PPM));
	must(quotient >= INT64_MIN && quotient <= INT64_MAX);
	return (int64_t)quotient;
}

/*
 * More than two entries. x is whole * sum + rest, and whole * sum is shared
 * without a remainder, so only the rest is: its products stay below 2^44.
 */
static void shares_of_many(int64_t x_minor, const int64_t *weights, unsigned count, int64_t sum,
                           int64_t *shares_minor)
{
	int64_t remainders[LIMIT_SPLITS];
	int64_t whole = x_minor / sum, rest = x_minor % sum, left = rest;

	for (unsigned i = 0; i < count; i++) {
		int64_t product = rest * weights[i];

		shares_minor[i] = whole * weights[i] + product / sum;
		remainders[i] = product % sum;
		left -= product / sum;
	}
	for (; left > 0; left--) {
		unsigned largest = 0;

		for (unsigned i = 1; i < count; i++)
			if (remainders[i] > remainders[largest])
				largest = i;
		shares_minor[largest]++;
		remainders[largest] = -1;
	}
}

void money_shares(int64_t x_minor, const int64_t *weights, unsigned count, int64_t *shares_minor)
{
	int64_t sum = 0, product;

	must(x_minor >= 0 && count >= 1 && count <= LIMIT_SPLITS);
	for (unsigned i = 0; i < count; i++) {
		must(weights[i] >= 1 && weights[i] <= LIMIT_SPLIT_WEIGHT);
		sum += weights[i];
	}
	if (count == 1) {
		shares_minor[0] = x_minor;
		return;
	}
	if (count > 2) {
		shares_of_many(x_minor, weights, count, sum, shares_minor);
		return;
	}
	/* Both remainders are 0, or they add up to `sum`: half or more gets what is left. */
	product = x_minor % sum * weights[0];
	shares_minor[0] = x_minor / sum * weights[0] + product / sum;
	if (product % sum * 2 >= sum)
		shares_minor[0]++;
	shares_minor[1] = x_minor - shares_minor[0];
}
