/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do keys go where Kafka's Java client puts them, and is the other hash the one
 * whose values already lie in Redis?
 */
#include "common/base/hash.h"

#include "tests/unit/testing.h"

/* From UtilsTest of Kafka's Java client. */
/* contract: partitioner */
static void murmur2_is_that_of_the_java_client(void **state)
{
	static const struct {
		const char *key;
		int32_t hash;
	} cases[] = {
		{ "21", -973932308 },
		{ "foobar", -790332482 },
		{ "a-little-bit-long-string", -985981536 },
		{ "a-little-bit-longer-string", -1486304829 },
		{ "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971 },
		{ "abc", 479470107 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str key = str_from_c(cases[i].key);

		assert_int_equal((int32_t)hash_murmur2(key), cases[i].hash);
		for (int32_t partitions = 1; partitions < 20; partitions++)
			assert_int_equal(hash_partition(key, partitions),
			                 (cases[i].hash & 0x7fffffff) % partitions);
	}
	assert_int_equal((int32_t)hash_murmur2(STR("")), 275646681);
}

/* XXH3_64bits is final since 0.8.0; these values are what a changed library would break. */
static void hash64_is_xxh3(void **state)
{
	char long_text[1000];

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	assert_int_equal(hash64(STR("")), UINT64_C(0x2d06800538d394c2));
	assert_int_equal(hash64(str_of(NULL, 0)), UINT64_C(0x2d06800538d394c2));
	assert_int_equal(hash64(STR("abc")), UINT64_C(0x78af5f94892f3950));
	assert_int_equal(hash64(str_of(long_text, 1000)), UINT64_C(0xc0a4877b962cba82));
	assert_int_equal(hash64_with(42, STR("abc")), UINT64_C(0xd8438def21bbdcc3));
	assert_int_equal(hash64_with(0, STR("abc")), hash64(STR("abc")));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(murmur2_is_that_of_the_java_client),
	cmocka_unit_test(hash64_is_xxh3),
};
TESTING_MAIN(tests)
