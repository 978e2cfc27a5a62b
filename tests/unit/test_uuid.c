/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the ids those of RFC 9562, for names of every length around SHA-1's block
 * borders, in every thread?
 */
#include "common/base/uuid.h"

#include <pthread.h>

#include "tests/unit/testing.h"

static struct str text_of(const struct uuid_text *uuid)
{
	return str_of(uuid->text, sizeof(uuid->text));
}

/* RFC 9562, appendix A.4. */
static void matches_the_rfc(void **state)
{
	static const unsigned char dns[16] = { 0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1,
		                               0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };
	struct uuid_text uuid = uuid_v5(dns, STR("www.example.com"));

	(void)state;
	assert_str(text_of(&uuid), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

/* By Python's uuid.uuid5 over the namespace written in uuid.h. */
static void matches_another_implementation(void **state)
{
	static const struct {
		size_t len;
		const char *uuid;
	} cases[] = {
		{ 0, "bcb45d41-931b-5eb9-bc9d-88cea6ceb4bd" },
		{ 1, "da236979-ee38-51be-bce8-fb16cd1ee056" },
		{ 39, "6899b117-3687-53dc-844e-e2954e61b345" },
		{ 40, "8f01b6d0-4a45-53cf-9c57-7d6035c1e03e" },
		{ 47, "38438125-4232-543c-9d5f-c33dd433b1db" },
		{ 48, "f8f23ef0-9dab-5283-832e-c2df40153e76" },
		{ 49, "12d5ee63-c449-5eb7-ad19-1de324647b61" },
		{ 100, "1ad54a91-eafd-5362-9227-0a847425d1f5" },
		{ 200, "5cd31a0a-8f0e-5bbc-a38b-fbb4d8a2477d" },
	};
	char name[200];

	(void)state;
	memset(name, 'x', sizeof(name));
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct uuid_text uuid = uuid_v5(tally_uuid_namespace, str_of(name, cases[i].len));

		assert_str(text_of(&uuid), cases[i].uuid);
	}
}

static void *make_many(void *wrong)
{
	for (int i = 0; i < 1000; i++) {
		struct uuid_text uuid = uuid_v5(tally_uuid_namespace, STR("x"));

		if (!str_eq_c(text_of(&uuid), "da236979-ee38-51be-bce8-fb16cd1ee056"))
			(*(int *)wrong)++;
	}
	return NULL;
}

static void works_in_every_thread(void **state)
{
	pthread_t threads[4];
	int wrong[4] = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_many, &wrong[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(wrong[i], 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(matches_the_rfc),
	cmocka_unit_test(matches_another_implementation),
	cmocka_unit_test(works_in_every_thread),
};
TESTING_MAIN(tests)
