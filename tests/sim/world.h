/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated installation: one Kafka, one Redis, one clock, several processes of
 * one or more workers, and everything that can go wrong between them.
 *
 * One seed gives one run. At each step the seed picks what goes on: a turn of a
 * process, a step of something under way (memory_schedule), a record from
 * upstream, or a fault. After the faults the world comes to rest and the
 * application (struct sim_app) compares what is there with what it computed by
 * itself. Checked at every step: R never passes K; the state at R is that of the
 * input up to R; tw-seq of a shard goes up one by one in committed data. The world
 * owns all it makes.
 */
#ifndef TALLY_TESTS_SIM_WORLD_H
#define TALLY_TESTS_SIM_WORLD_H

#include "common/adapters/memory/broker.h"
#include "common/adapters/memory/store.h"
#include "common/runtime/process.h"

#define SIM_PROCESSES 4 /* of one worker, at most */
#define SIM_WORKERS 4
#define SIM_PARTITIONS 4

struct sim_world;

/* What is simulated: workers, their input, and what must come of it. */
struct sim_app {
	const char *name;
	const struct worker *const *workers; /* ends with NULL; at most SIM_WORKERS */
	unsigned steps;                      /* with faults, of a usual run */
	/* Before the first step: more topics, reference data. Returns the application's own. */
	void *(*begin)(struct sim_world *);
	/* Appends the next input; false: there is no more. */
	bool (*feed)(struct sim_world *, void *self);
	/* At rest: false while something more is to be waited for (it may move the clock). */
	bool (*at_rest)(struct sim_world *, void *self);
	/* Compares; sim_fail() for what is wrong. */
	void (*check)(struct sim_world *, void *self);
	/* R of a shard was written: compares the shard's state with that of its input up to there. The
	 * K that all readers see is not below it. NULL: only at rest. */
	void (*check_state)(struct sim_world *, void *self, int32_t partition, int64_t cursor);
	void (*end)(void *self);
};

/* What can be made to happen at one place of a run. */
enum sim_fault {
	SIM_NOTHING,
	SIM_CRASH,        /* the first process dies there */
	SIM_ZOMBIE,       /* it is stopped, loses its membership, and goes on later */
	SIM_EXPEL,        /* the group throws it out, it goes on */
	SIM_MOVE,         /* another member wants one of its partitions */
	SIM_TIMEOUT,      /* all open transactions are aborted, their producers fenced */
	SIM_COMMIT_LOST,  /* the next commit has no answer: done, not done or done late */
	SIM_SEND_FAILS,   /* the next records or offsets of a transaction are not taken */
	SIM_CALL_FAILS,   /* the next read of K, fence, reopen or append fails */
	SIM_NOT_FETCHED,  /* the next records cannot be fetched */
	SIM_REQUEST_LOST, /* the next call to Redis is not executed and has no answer */
	SIM_REPLY_LOST,   /* the next call to Redis is executed and has no answer */
	SIM_TORN,         /* the next flush fails half way */
	SIM_REDIS_AWAY,   /* Redis takes nothing for a while */
	SIM_REDIS_BACK,   /* Redis goes back by a few calls */
	SIM_REDIS_EMPTY,  /* Redis loses everything */
	SIM_R_LOST,       /* Redis loses R of a shard */
	SIM_DELAY,        /* what is under way comes seconds later */
	SIM_FAULTS,
};
const char *sim_fault_name(enum sim_fault);

struct sim_options {
	uint64_t seed;
	bool faults;          /* false: only the order is drawn */
	bool direct;          /* not even that */
	enum sim_fault fault; /* what happens, once, at ... */
	unsigned fault_call;  /* ... the n-th port call of the first process, or (SIM_CRASH) ... */
	unsigned fault_step;  /* ... the n-th step of what it has under way; 0: never */
	unsigned store_mutants, broker_mutants;
	void (*trace)(void *to, const char *line); /* or NULL */
	void *trace_to;
};

struct sim_stats {
	uint64_t turns, steps, crashes, expels, rollbacks, outputs, refused;
	uint64_t poisoned;            /* deaths by sim_die() */
	struct process_stats process; /* added up: records, transactions, aborts, flushes, ... */
	unsigned calls, own_steps;    /* of the first process, for fault_call and fault_step */
};

struct sim_world *sim_world_new(const struct sim_app *, const struct sim_options *);
void sim_world_free(struct sim_world *);
/* The whole run. NULL: all is well; else the first thing that was wrong. */
const char *sim_world_run(struct sim_world *);
/* Ends all processes, so that the statistics are complete. */
void sim_world_stop(struct sim_world *);
const struct sim_stats *sim_world_stats(const struct sim_world *);

/* ---- for applications ---- */

struct memory_broker *sim_broker(struct sim_world *);
struct memory_store *sim_store(struct sim_world *);
struct memory_clock *sim_clock(struct sim_world *);
struct dice *sim_dice(struct sim_world *);
struct arena *sim_memory(struct sim_world *);
/* The process whose turn it is dies here; what its turn still does reaches nobody. */
void sim_die(void);
/* Makes the topic unless it is there. */
void sim_topic(struct sim_world *, const char *name, int32_t partitions);
/* Appends at the partition of the key, or at the given one. */
int64_t sim_append(struct sim_world *, const char *topic, struct str key, struct str value);
int64_t sim_append_at(struct sim_world *, const char *topic, int32_t partition, struct str key,
                      struct str value, const struct header *, unsigned header_count);
/* A control record into every shard of every worker. */
void sim_control(struct sim_world *, struct str value);
/* Keeps the first failure. */
void sim_fail(struct sim_world *, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sim_failed(const struct sim_world *);
/* What at_rest() waits for, should it wait in vain. */
void sim_waits(struct sim_world *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_say(struct sim_world *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A header's value, or absent. */
struct str sim_header(const struct message *, const char *name);
/* The text between two marks; absent: they are not there. */
struct str sim_between(struct str text, const char *before, const char *after);
/* For at_rest(): false while a timer is to come; the clock goes on to it. */
bool sim_timers_are_done(struct sim_world *);

/* Is the offset (-1: is any) skipped as poison, by K's metadata? Another record than one that kills
 * must be charged with enough deaths of other kinds; otherwise the run fails. */
bool sim_is_skipped(struct sim_world *, const struct worker *, int32_t partition, int64_t offset,
                    bool kills);

/* Committed outputs of one shard by tw-seq, over all topics. */
struct sim_output {
	uint64_t number;
	struct str topic;
	int32_t partition;
	const struct message *message;
};
/* Lives as long as the world. Fails the run where numbers are not 1, 2, 3, ... */
const struct sim_output *sim_outputs(struct sim_world *, const struct worker *, int32_t partition,
                                     unsigned *count);

#endif
