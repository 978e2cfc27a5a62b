/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the memory broker share: logs, transactions, groups, members.
 *
 * broker.c has logs and transactions, broker_group.c groups and rebalances,
 * broker_member.c the port, broker_publish.c the steps of a publish. Everything
 * is owned by struct memory_broker and lives as long as it does: a simulation is
 * short, and a late call of a dead process may still point to it.
 */
#ifndef TALLY_ADAPTERS_MEMORY_BROKER_INTERNAL_H
#define TALLY_ADAPTERS_MEMORY_BROKER_INTERNAL_H

#include "common/adapters/memory/broker.h"

struct open_transaction;

struct log_record {
	struct message message;
	struct open_transaction *transaction; /* NULL: outside of one */
	bool control;
};

struct partition_log {
	const struct topic *topic;
	int32_t partition;
	struct log_record **records; /* one an offset */
	int64_t count, room;
	int64_t start;
};

struct topic {
	struct topic *next;
	struct str name, id;
	int32_t partitions;
	bool compacted;
	struct partition_log *logs;
};

enum transaction_state { TRANSACTION_OPEN, TRANSACTION_COMMITTED, TRANSACTION_ABORTED };

/* A partition that the transaction wrote to, until its marker is there. */
struct transaction_part {
	struct transaction_part *next;
	struct partition_log *log;
	int64_t first;
	bool ended;
};

/* Offsets that it carries for a group. */
struct transaction_offset {
	struct transaction_offset *next;
	struct group *group;
	int32_t partition;
	int64_t offset;
	struct str metadata;
	bool ended;
};

struct open_transaction {
	struct open_transaction *next; /* those without all their markers, newest first */
	struct producer *producer;
	enum transaction_state state;
	int64_t since_ms;
	struct transaction_part *parts;
	struct transaction_offset *offsets;
	bool upstream;     /* of a producer outside of the group */
	unsigned unmarked; /* parts and offsets without their marker */
};

/* A transactional.id at the coordinator. */
struct producer {
	struct producer *next;
	struct str id;
	uint32_t epoch;
	struct open_transaction *current; /* until it is marked everywhere */
};

struct group_partition {
	bool exists;
	int64_t offset;
	struct str metadata;
	struct memory_member *owner, *target;
};

struct group {
	struct group *next;
	struct str name;
	struct topic *topic;
	int32_t generation;
	uint64_t member_ids;
	struct group_partition *partitions;
};

enum held { HELD_NOT, HELD_YES, HELD_REVOKING, HELD_LOST };

/* A partition as the member's client sees it. */
struct held_partition {
	enum held held;
	bool releasing; /* the coordinator was not reached yet with the release */
	bool started;
	int64_t position;
};

struct group_event {
	enum happening_kind kind;
	int32_t partition;
};

struct memory_member {
	struct memory_member *next;
	struct memory_broker *broker;
	struct memory_party *party;
	struct inbox *inbox;
	struct group *group;
	struct str reference;
	/* at the broker */
	uint64_t id; /* of this membership */
	bool in_group;
	/* at the client */
	uint64_t known_id;
	int32_t known_generation; /* -1: not in the group */
	bool joining, leaving;
	struct held_partition *held;
	struct group_event *events; /* not polled yet */
	unsigned event_count, event_room;
	struct producer *producer; /* NULL: none usable */
	uint32_t producer_epoch;
	unsigned producers; /* made so far */
	bool publishing;
	struct taking *takings; /* not given back yet */
};

struct memory_broker {
	struct memory_schedule *schedule;
	struct memory_broker_chances chances;
	unsigned mutants;
	int64_t transaction_timeout_ms;
	memory_committed *committed; /* NULL: nobody */
	void *committed_to;
	struct topic *topics;
	struct open_transaction *transactions;
	struct producer *producers;
	struct group *groups;
	struct memory_member *members;
	struct arena memory;
};

/* ---- logs and transactions (broker.c) ---- */

struct topic *broker_topic(const struct memory_broker *, struct str name); /* must be there */
struct partition_log *topic_log(struct topic *, int32_t partition);
struct log_record *log_append(struct memory_broker *, struct partition_log *,
                              const struct message *, struct open_transaction *);
int64_t log_stable_end(const struct memory_broker *, const struct partition_log *);
bool record_is_visible(const struct memory_broker *, const struct log_record *);
struct producer *broker_producer(struct memory_broker *, struct str id, bool make);
struct open_transaction *transaction_begin(struct memory_broker *, struct producer *);
void transaction_add_part(struct memory_broker *, struct open_transaction *,
                          struct partition_log *);
/* Decides it; its markers follow by and by. */
void transaction_end(struct memory_broker *, struct open_transaction *, enum transaction_state);
bool cursor_is_pending(const struct memory_broker *, const struct group *, int32_t partition);

/* ---- groups (broker_group.c) ---- */

struct group *broker_group(const struct memory_broker *, struct str name);
void member_release(struct memory_member *, int32_t partition);
void member_send_join(struct memory_member *);

/* ---- the port (broker_member.c) ---- */

void member_free_takings(struct memory_member *);

/* ---- publish (broker_publish.c) ---- */

void member_publish(struct memory_member *, const struct transaction *);

#endif
