/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a redrive puts back into the source topic, and its limits.
 *
 * Nothing here talks to the cluster; what is built lives in the arena or is
 * borrowed from the letter.
 */
#ifndef TALLY_TALLYCTL_DLQ_REDRIVE_H
#define TALLY_TALLYCTL_DLQ_REDRIVE_H

#include "common/runtime/ports.h"
#include "services/tallyctl/dlq.h"

#define REPLAYS 3 /* then a record is quarantined: it stays in the DLQ until --force */
#define REPLAYS_MOST 1000000

/*
 * The original record, one replay older: to the partition of its key (of its own
 * key, with rekey, where the key was wrong); without a key, or in an internal topic,
 * to the partition it came from. An entry of an internal block becomes a block.
 */
void dlq_original(const struct dead_letter *, const struct fleet *, bool rekey, struct arena *,
                  struct outgoing *out);

/* Offsets, ascending, as ranges of a receipt. */
struct receipt {
	struct log_span *ranges; /* half-open */
	unsigned count, room;
};
void receipt_add(struct receipt *, int64_t offset, struct arena *);

#endif
