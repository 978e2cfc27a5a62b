/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated Redis for several simulated processes: the store port over
 * memory_keys, with the semantics of the function library (claim, load, flush,
 * check, wipe, try, due) and the faults of a real one.
 *
 * Every call is executed whole at its arrival and answered later. Chances are per
 * mille and only drawn in a seeded schedule. A mutant takes one safety away: the
 * simulation must notice. The store owns its keys and ports; a port's inbox is
 * borrowed. What callers point to is copied at the call and compared at the
 * answer, so that memory given back too early is seen.
 */
#ifndef TALLY_ADAPTERS_MEMORY_STORE_H
#define TALLY_ADAPTERS_MEMORY_STORE_H

#include "common/adapters/memory/keys.h"
#include "common/adapters/memory/schedule.h"
#include "common/runtime/worker.h"

enum store_mutant {
	STORE_EXACT = 0,
	STORE_NO_COMPARE = 1,    /* a flush is taken whatever R is */
	STORE_BLIND_LOAD = 2,    /* a load is answered whatever R is */
	STORE_TORN_UNMARKED = 4, /* a function that fails half way leaves R as it was */
	STORE_LATE_WIPE = 8,     /* a wipe goes on removing keys whoever owns the shard by now */
	STORE_ABSENT_IS_EMPTY =
		16, /* a first flush is taken where R is lost and the keys are not */
};

struct memory_store_chances {
	unsigned kept;         /* refused without being executed (OOM, LOADING, ...) */
	unsigned lost_request; /* never executed, no answer */
	unsigned lost_reply;   /* executed, no answer */
	unsigned torn;         /* a flush fails half way */
};

struct memory_store_port;

struct memory_store {
	struct memory_schedule *schedule;
	struct memory_keys keys;
	struct memory_store_chances chances;
	unsigned mutants; /* of enum store_mutant */
	bool away;        /* nothing is executed, every call is kept */
	struct memory_store_port *ports;
	/* Told after each change of a shard's R; NULL: nobody. */
	void (*moved)(void *to, struct str meta_key, const struct stored *);
	void *moved_to;
};

void memory_store_init(struct memory_store *, struct memory_schedule *);
void memory_store_release(struct memory_store *);

/* The port of one process of one worker. */
struct store memory_store_bind(struct memory_store *, struct memory_party *, const struct worker *,
                               struct inbox *);

/* "meta:<topic>:<partition>"; NULL: there is none. */
const struct stored *memory_store_meta(const struct memory_store *, struct str topic,
                                       int32_t partition);
/* Goes back by some of the latest calls, as a restored backup does. */
void memory_store_back(struct memory_store *, unsigned calls);
void memory_store_empty(struct memory_store *);
/* Loses one shard's meta, the keys stay. */
void memory_store_lose_meta(struct memory_store *, struct str topic, int32_t partition);

#endif
