/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is every fen where DESIGN section 6 puts it? The published vectors
 * (tests/vectors/money.json), then properties against slow, independent
 * arithmetic: shares sum to the whole and are largest remainder, rounding is half
 * to even, instalments and refunds add up to the whole however they are cut.
 */
#include "common/domain/money.h"

#include <jansson.h>

#include "common/base/limits.h"
#include "tests/unit/testing.h"

__extension__ typedef __int128 wide;

static json_t *vectors;

static int load_vectors(void **state)
{
	json_error_t error;

	(void)state;
	vectors = json_load_file(TALLY_SOURCE_DIR "/tests/vectors/money.json", 0, &error);
	if (!vectors)
		print_error("%s:%d: %s\n", error.source, error.line, error.text);
	return vectors ? 0 : -1;
}

static int drop_vectors(void **state)
{
	(void)state;
	json_decref(vectors);
	return 0;
}

static int64_t number(json_t *object, const char *name)
{
	assert_true(json_is_integer(json_object_get(object, name)));
	return json_integer_value(json_object_get(object, name));
}

static unsigned numbers(json_t *object, const char *name, int64_t *out)
{
	json_t *array = json_object_get(object, name);
	size_t count = json_array_size(array);

	assert_in_range(count, 1, LIMIT_SPLITS);
	for (size_t i = 0; i < count; i++)
		out[i] = json_integer_value(json_array_get(array, i));
	return (unsigned)count;
}

static void matches_the_vectors(void **state)
{
	int64_t given[LIMIT_SPLITS], expected[LIMIT_SPLITS], shares[LIMIT_SPLITS], net = 0, rate;
	json_t *array, *one;
	size_t at;

	(void)state;
	array = json_object_get(vectors, "shares");
	assert_true(json_array_size(array) >= 8);
	json_array_foreach(array, at, one)
	{
		unsigned count = numbers(one, "weights", given);

		assert_int_equal(numbers(one, "shares", expected), count);
		money_shares(number(one, "x"), given, count, shares);
		assert_memory_equal(shares, expected, count * sizeof(*shares));
	}
	array = json_object_get(vectors, "commission");
	assert_true(json_array_size(array) >= 9);
	json_array_foreach(array, at, one)
	{
		assert_int_equal(money_at_rate(number(one, "x"), number(one, "rate_ppm")),
		                 number(one, "amount"));
	}
	one = json_object_get(vectors, "instalments");
	rate = number(one, "rate_ppm");
	assert_int_equal(numbers(one, "payments", given), numbers(one, "amounts", expected));
	for (unsigned i = 0; i < json_array_size(json_object_get(one, "payments")); i++) {
		int64_t before = money_at_rate(net, rate);

		net += given[i];
		assert_int_equal(money_at_rate(net, rate) - before, expected[i]);
	}
}

static void checks_arithmetic(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		int64_t a = rng_any_i64(), b = rng_any_i64(), out = 0;
		wide sum = (wide)a + b, difference = (wide)a - b, product = (wide)a * b;

		assert_int_equal(money_add(a, b, &out), sum == (int64_t)sum);
		if (sum == (int64_t)sum)
			assert_int_equal(out, (int64_t)sum);
		assert_int_equal(money_sub(a, b, &out), difference == (int64_t)difference);
		if (difference == (int64_t)difference)
			assert_int_equal(out, (int64_t)difference);
		assert_int_equal(money_mul(a, b, &out), product == (int64_t)product);
		if (product == (int64_t)product)
			assert_int_equal(out, (int64_t)product);
	}
}

/* By the definition: the nearer neighbour, and of two equally near the even one. */
static void check_rounding(int64_t x, int64_t rate)
{
	wide exact = (wide)x * rate, million = 1000000;
	wide result = money_at_rate(x, rate), error = exact - result * million;

	assert_true(error * 2 <= million && error * 2 >= -million);
	if (error * 2 == million || error * 2 == -million)
		assert_int_equal((int64_t)(result % 2), 0);
	assert_int_equal(money_at_rate(-x, rate), -money_at_rate(x, rate));
}

/* contract: rounding */
static void rounds_half_to_even(void **state)
{
	(void)state;
	assert_int_equal(money_at_rate(INT64_MAX, 1000000), INT64_MAX);
	assert_int_equal(money_at_rate(INT64_MIN, 1000000), INT64_MIN);
	assert_int_equal(money_at_rate(INT64_MAX, 0), 0);
	assert_int_equal(money_at_rate(LIMIT_AMOUNT, 30000), LIMIT_AMOUNT / 100 * 3);
	for (int i = 0; i < 300000; i++) {
		int64_t x = rng_any_i64() / 2, rate = rng_between(0, 1000000);

		if (rng_below(2)) /* many ties: an odd multiple of half a minor unit */
			rate = 500000 / (int64_t[]){ 1, 2, 4, 5, 10, 100, 1000 }[rng_below(7)];
		check_rounding(x, rate);
		check_rounding(rng_between(-2000000, 2000000), rate);
		check_rounding(x / 1000000, rate * 1000);
	}
}

/* Largest remainder by its words, in 128 bits, over entries sorted by need. */
static void slow_shares(int64_t x, const int64_t *weights, unsigned count, int64_t *shares)
{
	wide sum = 0, left = x, remainder[LIMIT_SPLITS];
	unsigned order[LIMIT_SPLITS];

	for (unsigned i = 0; i < count; i++)
		sum += weights[i];
	for (unsigned i = 0; i < count; i++) {
		unsigned at = i;

		shares[i] = (int64_t)((wide)x * weights[i] / sum);
		remainder[i] = (wide)x * weights[i] - (wide)shares[i] * sum;
		left -= shares[i];
		for (; at > 0 && remainder[order[at - 1]] < remainder[i]; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
	for (unsigned i = 0; i < (unsigned)left; i++)
		shares[order[i]]++;
}

static void check_shares(int64_t x, const int64_t *weights, unsigned count)
{
	int64_t shares[LIMIT_SPLITS], expected[LIMIT_SPLITS], sum = 0;

	money_shares(x, weights, count, shares);
	slow_shares(x, weights, count, expected);
	assert_memory_equal(shares, expected, count * sizeof(*shares));
	for (unsigned i = 0; i < count; i++) {
		assert_true(shares[i] >= 0);
		sum += shares[i];
	}
	assert_int_equal(sum, x);
}

static unsigned random_weights(int64_t *weights)
{
	unsigned count = rng_below(2) ? 2 : (unsigned)rng_between(1, LIMIT_SPLITS);
	int64_t most = (int64_t[]){ 1, 3, 100, 10000, LIMIT_SPLIT_WEIGHT }[rng_below(5)];

	for (unsigned i = 0; i < count; i++)
		weights[i] = rng_between(1, most);
	return count;
}

/* contract: share */
static void shares_by_largest_remainder(void **state)
{
	int64_t weights[LIMIT_SPLITS];

	(void)state;
	for (unsigned i = 0; i < LIMIT_SPLITS; i++)
		weights[i] = LIMIT_SPLIT_WEIGHT;
	check_shares(INT64_MAX, weights, LIMIT_SPLITS);
	check_shares(INT64_MAX, weights, 2);
	weights[0] = 1;
	check_shares(INT64_MAX, weights, LIMIT_SPLITS);
	check_shares(INT64_MAX, weights, 2);
	for (int64_t a = 1; a <= 12; a++)
		for (int64_t b = 1; b <= 12; b++)
			for (int64_t x = 0; x < 40; x++)
				check_shares(x, (const int64_t[]){ a, b }, 2);
	for (int i = 0; i < 200000; i++) {
		unsigned count = random_weights(weights);

		check_shares(rng_below(2) ? rng_any_i64() & INT64_MAX : rng_between(0, 1000),
		             weights, count);
	}
}

/* DESIGN section 6: what was credited and paid follows from the net alone. */
/* contract: cumulative */
static void instalments_and_refunds_add_up(void **state)
{
	(void)state;
	for (int i = 0; i < 3000; i++) {
		int64_t weights[LIMIT_SPLITS], before[LIMIT_SPLITS] = { 0 }, after[LIMIT_SPLITS];
		int64_t basis[LIMIT_SPLITS] = { 0 }, paid[LIMIT_SPLITS] = { 0 }, net = 0;
		int64_t amount = rng_between(1, rng_below(2) ? 100 : LIMIT_AMOUNT);
		int64_t rate = rng_between(0, 100000);
		unsigned count = random_weights(weights);

		for (int step = 0; step < 20; step++) {
			net = step == 19 ? amount
			                 : rng_between(0, amount); /* a payment or a refund */
			money_shares(net, weights, count, after);
			for (unsigned k = 0; k < count; k++) {
				basis[k] += after[k] - before[k];
				paid[k] += money_at_rate(after[k], rate) -
				           money_at_rate(before[k], rate);
				before[k] = after[k];
			}
		}
		money_shares(amount, weights, count, after);
		for (unsigned k = 0; k < count; k++) {
			assert_int_equal(basis[k], after[k]);
			assert_int_equal(paid[k], money_at_rate(after[k], rate));
		}
	}
}

static void share_of_a_debt(void *arg)
{
	int64_t shares[2];

	(void)arg;
	money_shares(-1, (const int64_t[]){ 1, 1 }, 2, shares);
}

static void share_without_weight(void *arg)
{
	int64_t shares[2];

	(void)arg;
	money_shares(1, (const int64_t[]){ 1, 0 }, 2, shares);
}

static void rate_beyond_range(void *arg)
{
	*(int64_t *)arg = money_at_rate(INT64_MAX, 2000000);
}

static void stops_on_what_the_limits_rule_out(void **state)
{
	void (*const bugs[])(void *) = { share_of_a_debt, share_without_weight, rate_beyond_range };
	int64_t sink;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bugs); i++) {
		assert_true(WIFSIGNALED(testing_child(bugs[i], &sink, text, sizeof(text))));
		assert_non_null(strstr(text, "event=bug"));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(matches_the_vectors, load_vectors, drop_vectors),
	cmocka_unit_test(checks_arithmetic),
	cmocka_unit_test(rounds_half_to_even),
	cmocka_unit_test(shares_by_largest_remainder),
	cmocka_unit_test(instalments_and_refunds_add_up),
	cmocka_unit_test(stops_on_what_the_limits_rule_out),
};
TESTING_MAIN(tests)
