/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kafka_input.c (records) and kafka_group.c (the group protocol) share. A
 * partition's members belong to the fold thread, but for `member`, which the
 * publisher's lane reads too, as it does `changing`: hence the lock.
 */
#ifndef TALLY_ADAPTERS_KAFKA_INPUT_INTERNAL_H
#define TALLY_ADAPTERS_KAFKA_INPUT_INTERNAL_H

#include <pthread.h>

#include "common/adapters/kafka_input.h"

#define FETCH_AHEAD 1024 /* records moved out of librdkafka's queue in one call */

/* What the fold thread was told last about a partition. */
enum holding {
	HOLDING_NO,    /* never given, or let go by unassign() */
	HOLDING_YES,   /* ASSIGNED */
	HOLDING_ASKED, /* REVOKED: it is to let go */
	HOLDING_LOST,  /* LOST: the same, at once */
};

struct partition {
	int32_t number;
	bool assigned; /* part of librdkafka's assignment */
	bool wanted;   /* of those in the revoke that is to be answered */
	enum holding holding;
	uint64_t member; /* as which member of the group it was given to us; 0: none */
	bool started;
	bool broken; /* the fetcher gave up: only a new assignment starts it again */
	bool again;  /* is to be assigned again, to be read from the floor on */
	rd_kafka_queue_t *queue;
	int64_t floor; /* nothing below is handed out: the start, then behind what was */
	rd_kafka_message_t *ahead[FETCH_AHEAD]; /* out of the queue, not handed out */
	unsigned ahead_from, ahead_count;
	bool at_end;
	int64_t next; /* nothing below it remains to be taken; -1: not known yet */
};

struct handful;

struct kafka_input {
	struct kafka_client client;
	const struct kafka_options *options;
	struct inbox *inbox;
	int wake_fd;
	rd_kafka_queue_t *group_queue;   /* rebalances and errors */
	rd_kafka_queue_t *leaving_queue; /* the same while leaving */
	pthread_mutex_t lock;            /* of the array, each partition's member and changing */
	struct partition **partitions;   /* by number; NULL where never seen */
	int32_t partition_room;
	bool parting;  /* a revoke is to be answered */
	bool changing; /* the assignment is being changed though no event asks for it */
	bool leaving, closing;
	uint64_t joined;   /* the member as which the latest assignment came */
	int64_t looked_ms; /* when the membership was looked at last */
	atomic_bool doubt; /* the publisher met another member than it should */
	struct handful *spare;
	unsigned spare_count;
	struct kafka_statistics_box statistics;
};

struct partition *kafka_input_find(const struct kafka_input *, int32_t number);
struct partition *kafka_input_find_or_add(struct kafka_input *, int32_t number);
/* Throws away what was fetched; nothing is handed out before the next start. */
void kafka_input_stop(struct partition *);
/* It is taken out of the assignment and in again, at its floor, as soon as that may be. */
void kafka_input_assign_again(struct kafka_input *, struct partition *);
/* A queue of its own, before the assignment, so that nothing ever comes to the group's queue. */
void kafka_input_open_queue(struct kafka_input *, struct partition *);
void kafka_input_close_queue(struct partition *);
/* -> HAPPENED_TROUBLE; number -1: of the whole consumer */
void kafka_input_trouble(struct kafka_input *, int32_t number, enum rc_code, struct str words);

/* An assignment of one partition, to be destroyed. */
rd_kafka_topic_partition_list_t *kafka_input_list(const struct kafka_input *, int32_t number,
                                                  int64_t offset);
/* Logs an error of librdkafka and destroys it; NULL is none. */
void kafka_input_log_error(rd_kafka_error_t *, const char *step);

#endif
