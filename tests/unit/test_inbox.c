/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does everything that many threads put come out once, in each one's order, and
 * can a host that sleeps on the descriptor never miss one?
 */
#include <poll.h>
#include <pthread.h>

#include "common/runtime/ports.h"
#include "tests/unit/testing.h"

#define THREADS 4
#define EACH 5000

static struct inbox *inbox;

static void *put_many(void *arg)
{
	int32_t thread = (int32_t)(intptr_t)arg;
	for (unsigned i = 1; i <= EACH; i++)
		inbox_put(inbox, happening_new(HAPPENED_DUE, thread, i));
	return NULL;
}

static void nothing_is_missed(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	uint64_t last[THREADS] = { 0 };
	unsigned got = 0;
	inbox = inbox_new();
	assert_null(inbox_take(inbox));
	for (intptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_many, (void *)i), 0);
	while (got < THREADS * EACH) {
		struct pollfd fd = { .fd = inbox_fd(inbox), .events = POLLIN };
		uint64_t count;
		struct happening *h;
		assert_int_equal(poll(&fd, 1, 10000), 1); /* a missed one would hang here */
		assert_int_equal(read(fd.fd, &count, sizeof(count)), sizeof(count));
		while ((h = inbox_take(inbox)) != NULL) {
			assert_int_equal(h->ticket, ++last[h->partition]);
			happening_release(h);
			got++;
		}
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_null(inbox_take(inbox));
	inbox_free(inbox);
}

static void what_is_left_is_freed_with_it(void **state)
{
	(void)state;
	inbox = inbox_new();
	struct happening *h = happening_new(HAPPENED_CURSOR, 3, 9);
	h->cursor.metadata = arena_str(&h->memory, STR("text"));
	assert_int_equal(h->kind, HAPPENED_CURSOR);
	assert_true(rc_ok(h->rc));
	inbox_put(inbox, h);
	inbox_put(inbox, happening_new(HAPPENED_DUE, -1, 0));
	inbox_free(inbox);
	inbox_free(NULL);
	happening_release(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nothing_is_missed),
	cmocka_unit_test(what_is_left_is_freed_with_it),
};

TESTING_MAIN(tests)
