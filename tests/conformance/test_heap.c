/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the system's heap do what memory.h says of it: is what was freed counted, and
 * given back when it is most of the heap? Here, since sanitizers bring a heap of their
 * own, and unit tests run under them.
 */
#include "common/base/memory.h"

#include "common/host/usage.h"
#include "tests/unit/testing.h"

#define MANY 2000
#define EACH (32 * 1024)

static void gives_back_what_is_kept(void **state)
{
	static char *blocks[MANY];
	size_t before, full, kept;

	(void)state;
	memory_configure();
	before = memory_in_use();
	for (int i = 0; i < MANY; i++)
		blocks[i] = memset(memory_new(EACH), 1, EACH);
	full = memory_in_use();
	assert_true(full - before >= (size_t)MANY * EACH);
	for (int i = 0; i < MANY; i++) {
		if (i != MANY - 1)
			free(blocks[i]);
	}
	kept = memory_in_use();
	assert_true(full - kept >= (size_t)(MANY - 1) * EACH);
	assert_true(usage_resident_bytes() > (int64_t)MANY * EACH);
	memory_trim();
	assert_true(usage_resident_bytes() < (int64_t)MANY * EACH / 2);
	assert_in_range(memory_in_use(), kept - EACH, kept + EACH); /* stdio took a little */
	free(blocks[MANY - 1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(gives_back_what_is_kept),
};
TESTING_MAIN(tests)
