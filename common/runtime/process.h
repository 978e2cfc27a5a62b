/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process of one worker: its shards, its publisher, its reference store.
 *
 * The process owns no thread and makes no blocking call. Its host calls
 * process_turn() whenever the inbox, the broker's queues or the time says so; a
 * turn takes what happened, steps the shards and the publisher, and calls the
 * ports. The same code runs live (common/host/live.c), in the simulation and in
 * the case runner: given the same happenings it makes the same calls.
 */
#ifndef TALLY_RUNTIME_PROCESS_H
#define TALLY_RUNTIME_PROCESS_H

#include "common/runtime/ports.h"
#include "common/runtime/worker.h"

struct process_options {
	int64_t flush_interval_ms;     /* 100 */
	int64_t flush_interval_max_ms; /* 1000: while much changes */
	int64_t tell_interval_ms;      /* 100: rows are added up for so long */
	int64_t tell_interval_max_ms;  /* 1000: while there are many of them */
	int64_t txn_interval_min_ms;   /* 10 */
	int64_t txn_interval_max_ms;   /* 400: in a backlog, until one is worth its cost */
	int64_t idle_check_ms;         /* 1000 */
	int64_t revoke_flush_ms;       /* 2000 */
	unsigned batch_records;        /* LIMIT_BATCH_RECORDS */
	size_t batch_bytes;            /* LIMIT_BATCH_BYTES */
	unsigned queue_records;        /* LIMIT_QUEUE_RECORDS */
	size_t cache_bytes;            /* LIMIT_CACHE_BYTES */
	struct str topic_prefix;       /* put before every topic name, may be empty */
	struct str group_prefix;       /* the same for the group, as DLQ copies name it */
};
void process_options_default(struct process_options *);

struct process;
struct process *process_new(const struct worker *, const struct ports *,
                            const struct process_options *);
/* Gives memory back without another word to the ports (as a crash would, but for the memory). */
void process_free(struct process *);

/* Everything that can be done now. True: there is more to do at once. */
bool process_turn(struct process *);
/* Monotonic ms by which the next turn is due even if nothing happens. */
int64_t process_next_turn_ms(const struct process *);

/* SIGTERM: stop taking, finish what is under way, flush. The host then leaves the group, which
 * revokes the partitions, and ends when process_shard_count() is 0. */
void process_drain(struct process *);
bool process_is_drained(const struct process *);
unsigned process_shard_count(const struct process *);

enum shard_state {
	SHARD_WAITING,   /* A1: an own transaction that carries it must end first */
	SHARD_CURSOR,    /* A1: reading K */
	SHARD_CLAIM,     /* A2 */
	SHARD_FENCE,     /* A2: ending the last owner's transactions */
	SHARD_WIPE,      /* rebuild: removing its keys */
	SHARD_REFERENCE, /* its pin is not read yet */
	SHARD_RUNNING,
	SHARD_PAUSED,   /* the store or the broker is away, or too much is unflushed */
	SHARD_STOPPING, /* revoked: the transaction, then the flush, then unassign */
	SHARD_REFUSED,  /* see words */
};
const char *shard_state_name(enum shard_state);

/* A copy of how a shard stands, for health, metrics and `lag`. */
struct shard_status {
	int32_t partition;
	enum shard_state state;
	const char *words;     /* why refused or paused; "" */
	int64_t position;      /* folded up to */
	int64_t input_cursor;  /* R */
	int64_t output_cursor; /* K */
	int64_t log_end;       /* as last seen; -1 unknown */
	int64_t watermark_ms;
	int64_t broker_ms; /* broker time of the last folded record */
	int64_t reference_pin;
	int64_t since_ms; /* in this state, monotonic */
	uint32_t logic_version;
	uint64_t output_number; /* seq at K */
	unsigned dirty;         /* unflushed writes */
	bool rebuilding;
	bool left_out;     /* paused since its outputs cannot be published */
	unsigned failures; /* in a row, of what it waits for; words say of what */
};

#define DURATION_BUCKETS 16
/* Durations in ms: bucket n counts those <= duration_bounds_ms[n]; the last is the rest. */
extern const int64_t duration_bounds_ms[DURATION_BUCKETS - 1];
struct durations {
	uint64_t count, sum_ms, buckets[DURATION_BUCKETS];
};

struct process_stats {
	uint64_t records, events, applied, skipped, rejected[REASON_COUNT];
	uint64_t outputs;
	uint64_t batches, transactions, aborts, unknown_outcomes, flushes, flush_refusals, writes,
		loads, loaded_keys, claims, rebuilds, timers;
	uint64_t cache_entities, dirty_writes, memory_bytes;
	struct durations batch, transaction, flush, load;
};
const struct process_stats *process_stats(const struct process *);

/* How publishing goes. */
struct publishing {
	int64_t busy_ms;   /* the transaction under way takes so long already; 0: none */
	unsigned failed;   /* transactions in a row */
	const char *words; /* of the last of those */
};
/* What the group refused since it gave or took partitions; "". Passing trouble is none. */
const char *process_group_trouble(const struct process *);
struct publishing process_publishing(const struct process *);
/* Fills at most max rows, returns how many shards there are. */
unsigned process_shards(const struct process *, struct shard_status *out, unsigned max);

#endif
