/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports that do nothing by themselves: they write down what they are asked, and a
 * test answers when and as it likes.
 *
 * Calls are looked at in the order they came, those that do not matter (poll,
 * takes and their giving back, check) are left out. Records to be taken are queued by
 * fake_feed(); how many takes are out is counted.
 */
#ifndef TALLY_TESTS_SUPPORT_FAKE_PORTS_H
#define TALLY_TESTS_SUPPORT_FAKE_PORTS_H

#include "common/runtime/process.h"

#define FAKE_PARTITIONS 4

struct fake_call {
	const char *name; /* of the port's function */
	int32_t partition;
	uint64_t ticket;
	int64_t number; /* start: offset; read_reference: from; read_due: max; wipe: partitions */
	char text[64];  /* claim, fence: transactional id; append: key */
	const struct transaction *transaction;
	const struct load *load;
	const struct flush *flush;
};

struct fake_ports {
	struct ports ports;
	int64_t now_ms, wall_ms;
	const char *transactional_id;
	int32_t partitions; /* of every topic */
	struct fake_call calls[1024];
	unsigned count, seen;
	struct taken feed[FAKE_PARTITIONS]; /* what the next take of the partition brings */
	unsigned most;                      /* records that the last take asked for */
	unsigned out;                       /* takes that were not given back */
};

void fake_init(struct fake_ports *);
void fake_release(struct fake_ports *);
/* The next call, which must be this one. */
const struct fake_call *fake_expect(struct fake_ports *, const char *name, int32_t partition);
/* The next call, or NULL. */
const struct fake_call *fake_next(struct fake_ports *);
/* Puts an answer into the inbox; the caller fills it before the next turn. */
struct happening *fake_answer(struct fake_ports *, enum happening_kind, int32_t partition,
                              uint64_t ticket);
/* The next take of the partition gets these (borrowed). */
void fake_feed(struct fake_ports *, int32_t partition, struct message *, unsigned count,
               int64_t next_offset, bool at_end);

#endif
