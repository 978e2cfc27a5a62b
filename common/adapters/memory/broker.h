/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated Kafka for several simulated processes: logs with transactions, a
 * group for each worker, the broker port of each process.
 *
 * Kept as on the real one: a control marker takes an offset, so offsets have
 * gaps; a pending transaction holds back readers of its partitions and of K;
 * aborted records stay invisible; the group checks member and generation of a
 * transaction's offsets, not ownership; a transactional.id has an epoch, and who
 * takes it over ends what it left open; a transaction is aborted at its timeout.
 * A publish goes in separate steps (begin, produce shard by shard, group
 * metadata, epochs, offsets, commit, markers), so that anything can happen in
 * between. Not kept: leaders, replicas, retention (a log start can be set).
 *
 * The broker owns topics, records, groups and members; parties and inboxes are
 * borrowed. Chances are per mille. A mutant takes one safety away.
 */
#ifndef TALLY_ADAPTERS_MEMORY_BROKER_H
#define TALLY_ADAPTERS_MEMORY_BROKER_H

#include "common/adapters/memory/schedule.h"
#include "common/runtime/ports.h"

enum broker_mutant {
	BROKER_EXACT = 0,
	BROKER_UNSTABLE_CURSOR = 1, /* K is answered while a transaction is pending */
	BROKER_NO_GENERATION = 2,   /* offsets are taken from any member, whatever its generation */
	BROKER_NO_EPOCHS = 4,       /* P3 does not compare claim epochs */
	BROKER_EPOCHS_FIRST = 8,    /* P3 compares epochs before it fetches the group metadata */
	BROKER_UNKNOWN_IS_DONE = 16,    /* a commit of unknown outcome is called committed */
	BROKER_UNKNOWN_IS_ABORTED = 32, /* ... is called aborted */
	BROKER_DIRTY_READ = 64,         /* readers see open and aborted transactions */
	BROKER_OFFSETS_OUTSIDE = 128,   /* K moves when the offsets are sent, not at the commit */
	BROKER_IDLE_FENCE = 256, /* fence() ends nothing: slower, but must be exact all the same */
};

struct memory_broker_chances {
	unsigned lost_commit;    /* the request or the answer of a commit is lost */
	unsigned failed_send;    /* producing or sending offsets fails; abortable */
	unsigned failed_call;    /* read_cursor, fence, reopen, append answer with an error */
	unsigned trouble;        /* a take finds that the partition cannot be fetched */
	unsigned late_heartbeat; /* a member learns late of a change in the group */
	unsigned short_take;     /* take() has less than there is, or nothing yet */
};

struct memory_broker;
struct memory_member;

struct memory_broker *memory_broker_new(struct memory_schedule *);
void memory_broker_free(struct memory_broker *);
void memory_broker_set_chances(struct memory_broker *, const struct memory_broker_chances *);
void memory_broker_set_mutants(struct memory_broker *, unsigned mutants);
/* Aborts transactions older than this (10000 at first). */
void memory_broker_set_timeout(struct memory_broker *, int64_t transaction_timeout_ms);
/* Told of each record of a transaction in the moment it is decided to be committed. */
typedef void memory_committed(void *to, struct str topic, int32_t partition,
                              const struct message *);
void memory_broker_on_commit(struct memory_broker *, memory_committed *, void *to);
/* Aborts what is past its timeout, or, with `all`, all that is open. */
void memory_broker_time_out(struct memory_broker *, bool all);

/* ---- topics ---- */

void memory_broker_add_topic(struct memory_broker *, struct str name, int32_t partitions);
int32_t memory_broker_partitions(const struct memory_broker *, struct str topic);
/* Appends outside transactions, with the clock as broker timestamp. Returns the offset. */
int64_t memory_broker_append(struct memory_broker *, struct str topic, int32_t partition,
                             struct str key, struct str value, const struct header *headers,
                             unsigned header_count);
/* The same in a transaction of its own, which is committed or aborted at once; its control marker
 * comes by and by. */
int64_t memory_broker_append_marked(struct memory_broker *, struct str topic, int32_t partition,
                                    struct str key, struct str value, bool commit);
/* The next committed record at or above *offset; moves *offset behind it. Borrowed for good. */
const struct message *memory_broker_read(const struct memory_broker *, struct str topic,
                                         int32_t partition, int64_t *offset);
/* High watermark, and the end for read_committed. */
int64_t memory_broker_end(const struct memory_broker *, struct str topic, int32_t partition);
int64_t memory_broker_stable_end(const struct memory_broker *, struct str topic, int32_t partition);
/* Records below are gone, as retention would do. */
void memory_broker_set_start(struct memory_broker *, struct str topic, int32_t partition,
                             int64_t offset);
void memory_broker_set_compacted(struct memory_broker *, struct str topic, bool compacted);
/* Is any transaction open or not yet marked everywhere? */
bool memory_broker_is_settled(const struct memory_broker *);

/* ---- groups ---- */

void memory_broker_add_group(struct memory_broker *, struct str name, struct str topic);
/* Commits K from outside, as `topics create` and `repair` do. */
void memory_broker_set_cursor(struct memory_broker *, struct str group, int32_t partition,
                              int64_t offset, struct str metadata);
/* K; -1: none. */
int64_t memory_broker_cursor(const struct memory_broker *, struct str group, int32_t partition,
                             struct str *metadata);
/* The same with transactions that are decided, but whose marker is still on its way. */
int64_t memory_broker_decided_cursor(const struct memory_broker *, struct str group,
                                     int32_t partition);

/* ---- members: one a simulated process ---- */

/* Joins the group at once; partitions come by and by. `reference` is the topic's full name. */
struct memory_member *memory_member_new(struct memory_broker *, struct memory_party *,
                                        struct inbox *, struct str group, struct str reference);
struct broker memory_member_port(struct memory_member *);
struct memory_party *memory_member_party(const struct memory_member *);
/* Leaves in order: partitions are revoked first. */
void memory_member_leave(struct memory_member *);
/* Has it left (or was it never in)? */
bool memory_member_is_out(const struct memory_member *);
/* The session timed out: its partitions go to others at once; it learns of it when it next runs. */
void memory_member_expel(struct memory_member *);
/* Wants the partition at another member: the owner is asked to let it go. */
void memory_member_move(struct memory_member *to, int32_t partition);

#endif
