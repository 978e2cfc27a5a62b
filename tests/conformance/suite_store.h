/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every store adapter must do: one set of tests for the memory store and for
 * Redis.
 *
 * A driver (test_memory_store.c, test_real_store.c) fills a struct store_rig and
 * calls suite_store(). The tests see two processes of the same worker over one
 * store; nothing else writes to it. The rig owns ports and inboxes.
 */
#ifndef TALLY_TESTS_CONFORMANCE_SUITE_STORE_H
#define TALLY_TESTS_CONFORMANCE_SUITE_STORE_H

#include "common/runtime/ports.h"
#include "common/runtime/worker.h"

struct store_rig {
	void *self;
	/* Before each test: an empty store and two fresh ports (empty inboxes). */
	void (*begin)(struct store_rig *);
	void (*end)(struct store_rig *);
	struct store port[2];
	struct inbox *inbox[2];
	/* Lets a little time pass: a step of a schedule, or a sleep of some ms. */
	void (*pass)(struct store_rig *);
	unsigned passes; /* how many to wait at most for an answer */
	/* From outside: the string at the key (name absent), a hash's field, a member's score;
	 * absent: there is none. Lives as long as the arena. */
	struct str (*look)(struct store_rig *, struct str key, struct str name, struct arena *);
};

/* The worker that the ports are to be made for: entities "doc:<id>" and "sum:<id>", derived keys
 * "list:<id>" owned by the id and "shared:<x>" owned by nobody; topic "conformance". */
extern const struct worker conformance_worker;
#define CONFORMANCE_PARTITIONS 4

/* Runs all of it under cmocka; 0: passed. */
int suite_store(struct store_rig *);

#endif
