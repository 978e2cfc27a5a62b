/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena that each test of a program has anew: WITH_ARENA(test) in the table of tests.
 */
#ifndef TALLY_TESTS_UNIT_WITH_ARENA_H
#define TALLY_TESTS_UNIT_WITH_ARENA_H

#include "common/base/arena.h"
#include "tests/unit/testing.h"

static struct arena arena;

static int arena_begin(void **state)
{
	(void)state;
	arena_init(&arena, 4096);
	return 0;
}

static int arena_end(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

#define WITH_ARENA(name) cmocka_unit_test_setup_teardown(name, arena_begin, arena_end)

#endif
