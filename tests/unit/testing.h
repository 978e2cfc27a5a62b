/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all unit tests share: cmocka with its own includes, a seeded random
 * source, comparisons of struct str, running code in a child process.
 *
 * The seed is drawn from the clock and the process id, or taken from the
 * environment (TALLY_SEED); it is printed where a test failed, so that the same
 * run can be had again. A test's main is TESTING_MAIN(tests).
 */
#ifndef TALLY_TESTS_UNIT_TESTING_H
#define TALLY_TESTS_UNIT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/str.h"

#if defined(__SANITIZE_ADDRESS__)
#define TESTING_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TESTING_ASAN 1
#endif
#endif
#ifndef TESTING_ASAN
#define TESTING_ASAN 0
#endif

/* The repository's root; tests are run in it where the build does not say. */
#ifndef TALLY_SOURCE_DIR
#define TALLY_SOURCE_DIR "."
#endif

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t testing_seed, testing_state;

static inline void testing_begin(void)
{
	const char *given = getenv("TALLY_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	testing_seed = given ? strtoull(given, NULL, 0)
	                     : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec +
	                               (uint64_t)getpid() * 7919;
	testing_state = testing_seed * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x2545f4914f6cdd1d);
	if (testing_state == 0)
		testing_state = 1;
}

static inline int testing_end(int failed)
{
	if (failed)
		fprintf(stderr, "the same run again: TALLY_SEED=%llu\n",
		        (unsigned long long)testing_seed);
	return failed ? 1 : 0;
}

#define TESTING_MAIN(tests)                                                    \
	int main(void)                                                         \
	{                                                                      \
		testing_begin();                                               \
		return testing_end(cmocka_run_group_tests(tests, NULL, NULL)); \
	}

/* xorshift64* */
static inline uint64_t rng_next(void)
{
	testing_state ^= testing_state >> 12;
	testing_state ^= testing_state << 25;
	testing_state ^= testing_state >> 27;
	return testing_state * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0 to bound - 1. */
static inline uint64_t rng_below(uint64_t bound)
{
	return (rng_next() >> 11) % bound;
}

/* low to high, both included; high - low must fit. */
static inline int64_t rng_between(int64_t low, int64_t high)
{
	return low + (int64_t)rng_below((uint64_t)(high - low) + 1);
}

/* All magnitudes equally often, both signs, the extremes too. */
static inline int64_t rng_any_i64(void)
{
	return (int64_t)(rng_next() << rng_below(64) >> rng_below(64));
}

/* Fills with random bytes out of `from` (all 256 where it is absent). */
static inline void rng_fill(char *out, size_t len, struct str from)
{
	for (size_t i = 0; i < len; i++)
		out[i] = from.ptr ? from.ptr[rng_below(from.len)]
		                  : (char)(unsigned char)rng_below(256);
}

#define assert_str(s, expected) assert_str_at((s), str_from_c(expected), __FILE__, __LINE__)
#define assert_str_eq(a, b) assert_str_at((a), (b), __FILE__, __LINE__)

static inline void assert_str_at(struct str s, struct str expected, const char *file, int line)
{
	if (str_eq(s, expected))
		return;
	print_error("\"%.*s\" is not \"%.*s\"\n", STR_ARG(s), STR_ARG(expected));
	_fail(file, line);
}

/*
 * Runs the function in a child process and waits. What it wrote to stderr is in
 * `text` (room bytes, cut, ended with a NUL); returns the status of waitpid(2).
 */
static inline int testing_child(void (*run)(void *), void *arg, char *text, size_t room)
{
	int ends[2], status = 0;
	size_t len = 0;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		run(arg);
		_exit(0);
	}
	close(ends[1]);
	for (;;) {
		char spill[4096];

		n = read(ends[0], spill, sizeof(spill));
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n && len + 1 < room; i++)
			text[len++] = spill[i];
	}
	text[len] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

#endif
