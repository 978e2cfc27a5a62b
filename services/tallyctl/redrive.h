/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A redrive: refused records go back to where they came from. The one engine of
 * `tallyctl dlq redrive` and of the dashboard.
 *
 * One transaction carries some records, their receipts and the group's offsets, so
 * a redrive that was killed or stopped is started again and goes on where it was.
 * Calls block, for as long as it takes. Failures are those of the cluster;
 * RC_TRY_AGAIN: it was stopped, or another redrive of the topic began.
 */
#ifndef TALLY_TALLYCTL_REDRIVE_H
#define TALLY_TALLYCTL_REDRIVE_H

#include "common/host/json.h"
#include "common/runtime/ports.h"
#include "services/tallyctl/dlq.h"

#define REPLAYS 3 /* then a record is quarantined: it stays in the DLQ until --force */
#define REPLAYS_MOST 1000000
#define REDRIVE_RATE_MOST 1000000

/* What is wanted. */
struct redrive_wish {
	struct dlq_filter filter;
	struct dlq_policy policy;
	int64_t rate; /* records a second at most; 0: as fast as it goes */
	bool dry;     /* nothing is sent */
};

/* How it stands. */
struct redrive_state {
	int64_t records; /* chosen, of all topics so far: to be sent */
	int64_t sent;    /* of them in transactions that are committed */
	int64_t counts[REASON_COUNT][FATE_COUNT];
};

/* Told once the records are chosen and after each transaction; false: it stops here. */
typedef bool redrive_told(void *self, const struct redrive_state *);

/* told may be NULL. *out says how far it came where it fails, too. */
struct rc redrive_run(struct session *, const struct fleet *, unsigned count,
                      const struct redrive_wish *, redrive_told *, void *self,
                      struct redrive_state *out);
/* Members `records` and `reasons`: by code and fate, how many. */
void redrive_json(const struct redrive_state *, struct json *);
/* What stands for a reason in lists: its code, or "-". */
const char *redrive_code(unsigned reason);

/*
 * The original record, one replay older: to the partition of its key (of its own
 * key, with rekey, where the key was wrong); without a key, or in an internal topic,
 * to the partition it came from. An entry of an internal block becomes a block.
 * What is built lives in the arena or is borrowed from the letter.
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
