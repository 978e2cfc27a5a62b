/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads Redis for people: any commands that only read, many in one round.
 *
 * One blocking connection with short timeouts, opened by the first round and again
 * after trouble; never writes, not even the function library, so a login that may
 * only read is enough. After a failure the next rounds fail at once for a second,
 * so that a Redis which hangs does not hold up everybody in turn. Not thread-safe.
 */
#ifndef TALLY_ADAPTERS_REDIS_READER_H
#define TALLY_ADAPTERS_REDIS_READER_H

#include "common/adapters/redis_store.h"

struct redis_reader;

enum redis_answer_kind { REDIS_NOTHING, REDIS_TEXT, REDIS_NUMBER, REDIS_LIST };

struct redis_answer {
	enum redis_answer_kind kind;
	struct str text;
	int64_t number;
	struct redis_answer *items;
	unsigned count;
};

/* Options are borrowed but for their timeouts, which are cut to what a page can wait. */
struct redis_reader *redis_reader_new(const struct redis_options *);
/* NULL is allowed. */
void redis_reader_free(struct redis_reader *);

/* Adds a command to the round; the prefix is put before the key. Returns its number, from 0. */
unsigned redis_reader_add(struct redis_reader *, const char *verb, struct str key,
                          const struct str *more, unsigned count);
/* A step through all keys that begin with `name` (without prefix): SCAN. */
unsigned redis_reader_add_scan(struct redis_reader *, struct str cursor, struct str name,
                               int64_t count);
/* The prefix that keys in SCAN's answer carry. */
struct str redis_reader_prefix(const struct redis_reader *);
/*
 * Sends the round and reads its answers, one a command, which live in the arena;
 * the next round is empty in any case. RC_UNAVAILABLE, RC_REFUSED: Redis cannot be
 * read; RC_PROTOCOL: it refused a command.
 */
struct rc redis_reader_ask(struct redis_reader *, struct arena *, const struct redis_answer **out);

#endif
