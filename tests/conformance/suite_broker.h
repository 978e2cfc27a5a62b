/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every broker adapter must do: one set of tests for the memory broker and
 * for Apache Kafka.
 *
 * A driver (test_memory_broker.c, test_real_broker.c) fills a struct broker_rig
 * and calls suite_broker(). The tests see up to two processes of one worker in
 * one group on the input topic, an output topic and the reference topic; nothing
 * else uses them. The rig owns ports, inboxes and topics.
 */
#ifndef TALLY_TESTS_CONFORMANCE_SUITE_BROKER_H
#define TALLY_TESTS_CONFORMANCE_SUITE_BROKER_H

#include "common/runtime/ports.h"

#define CONFORMANCE_INPUT_PARTITIONS 2
#define CONFORMANCE_OUTPUT_PARTITIONS 3

struct broker_rig {
	void *self;
	/* Before each test: fresh, empty topics (input and output of the partition counts above,
	 * reference of one, none compacted), a fresh group without offsets, no process. */
	void (*begin)(struct broker_rig *);
	void (*end)(struct broker_rig *);
	/* Full names of this test's topics, set by begin(). */
	struct str input, output, reference;
	/* Starts process 0 or 1: its port joins the group. It is stopped by end() at the latest. */
	void (*open)(struct broker_rig *, unsigned process);
	struct broker port[2];
	struct inbox *inbox[2];
	/* Leaves the group in order: the process is asked to let its partitions go. */
	void (*leave)(struct broker_rig *, unsigned process);
	bool (*has_left)(struct broker_rig *, unsigned process);
	/* Lets a little time pass: a step of a schedule, or a sleep of some ms. */
	void (*pass)(struct broker_rig *);
	unsigned passes; /* how many to wait at most for something that must happen */
	/* From outside, outside of transactions: appends a record, commits K for the group. */
	void (*append)(struct broker_rig *, struct str topic, int32_t partition, struct str key,
	               struct str value, const struct header *, unsigned header_count);
	void (*commit_cursor)(struct broker_rig *, int32_t partition, int64_t offset,
	                      struct str metadata);
	/* From outside, read_committed: all records of a partition up to the stable end. */
	unsigned (*read)(struct broker_rig *, struct str topic, int32_t partition, struct arena *,
	                 const struct message **out);
};

/* Runs all of it under cmocka; 0: passed. */
int suite_broker(struct broker_rig *);

#endif
