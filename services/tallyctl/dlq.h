/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A DLQ as a whole: which of its records are open, and which were redriven.
 *
 * What was redriven stands in the DLQ itself: a redrive writes a receipt
 * (tallyworks.dlq.redriven, schemas/control) with the offsets it sent back, in the
 * transaction that sent them, and moves its group's offset, below which nothing is
 * open. So any selection can be redriven, in any order, and none of it twice.
 *
 * A dlq owns its entries until dlq_release(). Failures are those of the cluster.
 */
#ifndef TALLY_TALLYCTL_DLQ_H
#define TALLY_TALLYCTL_DLQ_H

#include "services/tallyctl/dead_letter.h"
#include "services/tallyctl/session.h"

/* ---- what the operator asks for ------------------------------------------ */

struct dlq_filter {
	bool reasons[REASON_COUNT]; /* those named */
	bool any_reason;            /* none was named */
	int64_t since_ms, until_ms; /* half-open; when refused */
	int32_t partition;          /* of the DLQ; -1: all */
	int32_t source_partition;
	struct log_span offsets, source_offsets; /* half-open */
	const char *key;                         /* NULL: any */
};

/* Its flags; the same for all dlq commands. */
#define DLQ_FLAGS                                                                                \
	{ "--topic", "NAME", "only the DLQ of this input topic (all)" },                         \
		{ "--reason", "CODE", "only this reason; may be repeated" },                     \
		{ "--since", "TIME", "refused since: RFC 3339, or an age such as 90m, 2h, 7d" }, \
		{ "--until", "TIME", "refused before" },                                         \
		{ "--partition", "P", "only this partition of the DLQ" },                        \
		{ "--offset", "A[..B]", "only these offsets of the DLQ, both included" },        \
		{ "--source-partition", "P", "only what came from this partition" },             \
		{ "--source-offset", "A[..B]", "only what came from these offsets" },            \
	{                                                                                        \
		"--key", "KEY", "only this message key"                                          \
	}

/* One that leaves nothing out. */
struct dlq_filter dlq_filter_all(void);
/* An instant, or an age counted back from now; false: it is neither. */
bool dlq_time_parse(struct str, int64_t *out_ms);
#define DLQ_TIME_WORDS "a time such as 2026-03-05T08:00:00+08:00 nor an age such as 90m, 2h, 7d"
struct rc dlq_filter_read(const struct invocation *, struct dlq_filter *out);
/* The workers whose DLQs are asked for: all, or that of --topic. */
struct rc dlq_fleets(struct session *, const struct invocation *, struct fleet *out,
                     unsigned *count);

/* ---- entries --------------------------------------------------------------- */

/* Why a record is not sent back, or that it is. */
enum dlq_fate {
	FATE_SEND,
	FATE_REDRIVEN,    /* it was, before */
	FATE_OTHER,       /* the filters leave it out */
	FATE_CUT,         /* the copy is not the whole record */
	FATE_QUARANTINED, /* redriven too often */
	FATE_INCURABLE,   /* no redrive heals the reason, and it was not named */
	FATE_NEEDS_REKEY, /* under its wrong key it would be refused again */
	FATE_NO_KEY,      /* --rekey: the event names no id, or two */
	FATE_FOREIGN,     /* not a copy that a worker of this topic made */
	FATE_MAX,         /* --max was reached before it */
	FATE_COUNT
};
const char *dlq_fate_words(enum dlq_fate);

struct dlq_entry {
	int64_t offset, time_ms;
	uint8_t reason; /* enum reason */
	bool ours, matches, cut, redriven, has_own_key;
	bool chosen; /* for dlq_visit(), by its caller */
	int64_t replays;
};

struct dlq_partition {
	struct log_span span;
	int64_t cursor; /* the redrive group's offset: below it nothing is open */
	int64_t end;    /* read up to */
	struct dlq_entry *entries;
	size_t count, room;
};

struct dlq {
	struct session *session;
	const struct fleet *fleet;
	const char *topic; /* "orders.dlq", with prefix */
	const char *group; /* of the redrive */
	bool waits;        /* for what open transactions hide: who sends must know what was sent */
	struct dlq_partition *partitions;
};

/* What to redrive under which conditions. */
struct dlq_policy {
	int64_t max_replays;
	bool force, rekey;
	int64_t max;
};

void dlq_init(struct dlq *, struct session *, const struct fleet *);
void dlq_release(struct dlq *);
/* from_cursor: only what can be open. RC_NOT_FOUND: there is no such topic. */
struct rc dlq_read(struct dlq *, const struct dlq_filter *, bool from_cursor);
/* What becomes of it; *sent is how many were chosen so far. */
enum dlq_fate dlq_decide(const struct dlq_entry *, const struct dlq_filter *,
                         const struct dlq_policy *, int64_t *sent);
/* Calls each for every chosen record of the partition, in order, until one fails. */
typedef struct rc dlq_each(void *self, struct dlq_entry *, const struct dead_letter *);
struct rc dlq_visit(struct dlq *, int32_t partition, dlq_each *, void *self);

#endif
