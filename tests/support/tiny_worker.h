/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker as small as one can be that still has all the runtime serves: a document
 * with a timer, figures, a public event, a block of entries and a block of sums.
 *
 * Topic `in`, key = account. `deposit` and `withdraw` {account, amount, due?} move
 * the account's balance and the tally of its class (the part before '-'); an amount
 * of 0 is skipped, 13 is rejected. due > 0 sets the account's timer, -1 takes it
 * away; a due timer pays 1000 and takes itself away. Folds count what they saw in
 * tiny_seen, for tests only.
 */
#ifndef TALLY_TESTS_SUPPORT_TINY_WORKER_H
#define TALLY_TESTS_SUPPORT_TINY_WORKER_H

#include "common/runtime/batch.h"
#include "common/runtime/worker.h"

struct deposit {
	struct str account;
	int64_t amount;
	int64_t due_ms; /* 0: leaves the timer as it is */
};

struct account {
	struct str account;
	int64_t balance;
	int64_t due_ms;
	struct {
		struct deposit *items;
		uint32_t count, room;
	} held; /* those above 1000 */
};

struct tally {
	int64_t total, count;
};

struct move {
	struct str account;
	int64_t amount;
};

extern const struct record_type deposit_type, account_type, tally_type, move_type;
extern const struct entity account_entity, tally_entity;
extern const struct output noted_output, moves_output, sums_output;
extern const struct worker tiny_worker;
/* The same over a topic of blocks of deposits. */
extern const struct worker tiny_block_worker;

struct tiny_seen {
	unsigned folds, timers;
	bool account_existed, tally_existed;
	uint32_t logic;
	int64_t pin;
};
extern struct tiny_seen tiny_seen;

/* ---- records of topic `in`, in the arena; broker time 1000 + offset ------------ */

struct message tiny_event(struct arena *, int64_t offset, const char *type, const char *account,
                          int64_t amount, int64_t due_ms);
struct message tiny_deposit(struct arena *, int64_t offset, const char *account, int64_t amount);
/* data: what stands between the braces, with ' for ". */
struct message tiny_control(struct arena *, int64_t offset, const char *type, const char *data);
struct message tiny_timer(struct arena *, int64_t offset, const char *account, int64_t due_ms);
/* A block of deposits: accounts[i] gets amounts[i]. */
struct message tiny_block(struct arena *, int64_t offset, unsigned count,
                          const char *const *accounts, const int64_t *amounts);
/* The nth account whose key belongs to the partition of `partitions`: "a-4", "a-9", ... */
const char *tiny_account(unsigned nth, int32_t partition, int32_t partitions);

/* The value of a header of an outgoing record, absent where it has none. */
struct str outgoing_header(const struct outgoing *, const char *name);

struct cache;
struct cell;
struct cell *cell_of(struct cache *, const struct entity *, struct str id);

#endif
