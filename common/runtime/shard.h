/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One shard's part of the commit protocol, as step functions without I/O.
 *
 * What happened goes in: an answer of a port, records, an ended transaction, the
 * time. What shall be done comes out as bits in a struct shard_update, for the
 * process to carry out in the order of enum shard_ask. Positions always hold
 *     position >= output cursor K >= input cursor R
 * but while replaying, when position < K and outputs are dropped. Everything in
 * memory belongs to the claim epoch; shard_restart() (A1) raises it and throws
 * all of it away.
 *
 * Source of the rules: DESIGN section 4; docs/ARCHITECTURE.md says where the
 * order of A1 and A2 differs from it and why.
 */
#ifndef TALLY_RUNTIME_SHARD_H
#define TALLY_RUNTIME_SHARD_H

#include <stdatomic.h>

#include "common/runtime/batch.h"
#include "common/runtime/cursor.h"
#include "common/runtime/gather.h"
#include "common/runtime/intake.h"
#include "common/runtime/process.h"
#include "common/runtime/timers.h"

#define TIMER_RETRY_MS 1000 /* before a timer is appended again */

enum shard_ask {
	ASK_GIVE_BACK = 1 << 0, /* chunk.taken goes back to the broker */
	ASK_CLAIM = 1 << 1,     /* store.claim */
	ASK_FENCE = 1 << 2,     /* broker.fence with shard.unfenced */
	ASK_CURSOR = 1 << 3,    /* broker.read_cursor */
	ASK_WIPE = 1 << 4,      /* store.wipe */
	ASK_REFERENCE = 1 << 5, /* the reference topic is to be read further */
	ASK_START = 1 << 6,     /* broker.start at shard.position */
	ASK_DUE = 1 << 7,       /* store.read_due */
	ASK_LOAD = 1 << 8,      /* store.load of chunk.missing */
	ASK_FLUSH = 1 << 9,     /* store.flush of shard.flushing */
	ASK_CHECK = 1 << 10,    /* store.check */
	ASK_APPEND = 1 << 11,   /* broker.append of the first timer */
	ASK_UNCLAIM = 1 << 12, /* store.unclaim with shard.unfenced: a claim that came to nothing */
	ASK_UNASSIGN = 1 << 13, /* broker.unassign */
	ASK_TRY = 1 << 14,      /* store.try_offsets with trial.asked */
	ASK_UNTRY = 1 << 15,    /* the same with none, nobody waits for the answer */
};

struct shard_update {
	unsigned asks;
};

/* After a death: which offsets may hold what killed the last owner, and how they are tried
 * (shard_trial.c). */
struct trial {
	struct offsets danger; /* until 0: none */
	struct offsets asked;  /* what the call under way writes as `trying`; until 0: nothing */
	int64_t step_until;    /* `trying` is written up to here; 0: no step */
	bool written;          /* `trying` may stand in Redis under our name */
	uint64_t ticket;       /* 0: no call under way */
	int64_t retry_ms;
};

/* What all shards of a process share. */
struct shard_setting {
	const struct worker *worker;
	const struct process_options *options;
	const struct batch_setting *batches;
	const struct reference_store *reference;
	int64_t reference_end_ms; /* when the last read of it that reached its end was begun */
	struct process_stats *stats;
	char transactional_id[META_TEXT_BYTES]; /* of the producer in use; "" while there is none */
	uint64_t last_ticket;
	unsigned owned;          /* shards */
	unsigned queued_records; /* folded, not yet committed */
	bool draining;
	const struct shard *trying; /* whose turn it is to try; NULL: nobody's */
};

struct shard {
	struct shard_setting *setting;
	int32_t partition;
	int32_t partitions;
	bool owned, lost, revoking;
	enum shard_state state;
	char words[200];
	int64_t since_ms, retry_ms; /* monotonic; retry: when to try again, 0: now */
	unsigned failures;          /* in a row, for the backoff */
	_Atomic uint32_t epoch;
	uint64_t ticket; /* of the answer that the claim waits for */
	uint64_t left;   /* of a claim under way when the shard was revoked; 0: none */

	bool fresh;                      /* no key of it can be in Redis yet */
	struct shard_meta meta;          /* as found when claiming */
	char unfenced[META_TEXT_BYTES];  /* the owner before, its transactions not ended yet; "" */
	struct cursor_metadata metadata; /* at K */
	int64_t output_cursor;           /* K */
	int64_t claimed_cursor;          /* K at the claim: up to it Redis is made again */
	int64_t input_cursor;            /* R; -1: absent in Redis */
	struct standing standing;        /* folded up to */
	struct standing flushed;         /* as it was at R */
	uint64_t output_number;          /* of the last output folded */
	int64_t log_end;
	bool caught_up;

	struct cache cache;
	struct timers timers;
	bool appending;
	bool due_wanted;   /* the due-time index is to be read (again) */
	int64_t due_after; /* but not before R is there: what the timers left out is in it */
	int64_t due_asked_ms, append_ms; /* when it was read; no append before */
	int64_t due_cursor;              /* R when it was asked for */
	uint64_t due_ticket, append_ticket;

	struct trial trial;

	struct chunk chunk;
	uint64_t load_ticket;              /* 0: no load under way */
	int64_t load_sent_ms, load_cursor; /* R when it was sent */
	int64_t awaited_pin;               /* the fold stands before a marker of this pin; -1 */
	int64_t awaited_since_ms;
	int64_t unknown_logic; /* the fold stands before an order of this version; 0: none */

	struct sums sums;           /* not told yet */
	int64_t covered;            /* what is settled below may be flushed: it is told */
	struct batch *carried;      /* in a transaction, or to go into one again */
	struct batch *ready;        /* sealed, waiting */
	struct batch *open;         /* being folded */
	struct gathering gathering; /* committed, becoming the next flush */
	struct batch *settled, **settled_last; /* committed, not told or the next flush is full */
	unsigned settled_pairs;                /* of those */
	struct flush_call *flushing;
	bool flush_sent; /* false: kept, to be sent again */
	bool flush_due;  /* R is to be written even if nothing changed */
	bool release_sent;
	unsigned blamed;     /* aborted transactions for its sake, in a row */
	int64_t left_out_ms; /* paused for that until then, and then tried alone; 0: no */
	int64_t flushed_ms, checked_ms, stopping_ms;
	uint64_t check_ticket;
	int64_t check_cursor; /* R when the check was sent */
};

void shard_init(struct shard *, struct shard_setting *, int32_t partition);
void shard_release(struct shard *);

/* A1: throws away what is in memory and starts over; `why` goes to the log. */
void shard_restart(struct shard *, const char *why, int64_t delay_ms, int64_t now_ms,
                   struct shard_update *);
/* Goes on with what the answer allows; late answers (other tickets) are ignored. */
void shard_happened(struct shard *, const struct happening *, int64_t now_ms,
                    struct shard_update *);
/* Time passed, the reference store grew, or a transaction ended: go on where possible. */
void shard_tick(struct shard *, int64_t now_ms, int64_t wall_ms, struct shard_update *);

/* May records be taken for it now? until: the offset that the take must stay below. */
bool shard_is_untold(const struct shard *);
bool shard_wants_records(const struct shard *, int64_t *until);
/* chunk.taken was filled. */
void shard_taken(struct shard *, int64_t now_ms, struct shard_update *);

/* The batch that may go into the next transaction, sealed; NULL: none. eager: also one that only
 * moves the position. */
struct batch *shard_next_batch(struct shard *, bool eager, int64_t now_ms);
/* The transaction that carried the shard's batch ended. Frees the batch if nobody needs it. */
void shard_published(struct shard *, struct batch *, enum publish_result, int64_t now_ms,
                     struct shard_update *);

/* A transaction was aborted for its sake: the second time it pauses, with words. */
void shard_blamed(struct shard *, const char *words, int64_t now_ms);

/* A flush to be sent now, built from settled batches, or NULL. */
struct flush_call *shard_next_flush(struct shard *, int64_t now_ms);
/* Settled batches wait this long, so that many become one write. */
int64_t shard_flush_interval(const struct shard *);

/* Nothing is under way and nothing is unflushed. */
bool shard_is_quiet(const struct shard *);
void shard_status_of(const struct shard *, struct shard_status *);

/* Inside the protocol (shard*.c only). */
void shard_set_state(struct shard *, enum shard_state, int64_t now_ms);
void shard_drop(struct shard *, struct shard_update *);
/* With s->words, which say what to do; tried again after a while. */
void shard_refuse(struct shard *, int64_t now_ms);
void shard_claim_step(struct shard *, const struct happening *, int64_t now_ms,
                      struct shard_update *);
void shard_claim_tick(struct shard *, int64_t now_ms, struct shard_update *);
void shard_flushed(struct shard *, const struct happening *, int64_t now_ms, struct shard_update *);
/* Seals it and gives it the metadata that K will have after it. */
void shard_seal(struct shard *, struct batch *, int64_t now_ms);
/* The same with the open batch, which gets ready. False: another one is ready still. */
bool shard_seal_open(struct shard *, int64_t now_ms);
void shard_settle(struct shard *, struct batch *);
struct batch *shard_open_batch(struct shard *, int64_t now_ms);
/* When sums are to be told, at the latest; INT64_MAX: there are none. */
int64_t shard_tell_ms(const struct shard *);
void shard_fold(struct shard *, int64_t now_ms, struct shard_update *);
void shard_ask_load(struct shard *, int64_t now_ms, struct shard_update *);
void shard_ask_due(struct shard *, int64_t now_ms, struct shard_update *);

/* Trials (shard_trial.c). At a claim, K and what Redis says being known; false: a record is poison
 * and cannot be skipped any more. */
bool shard_begin_trial(struct shard *);
/* Above K: may records be taken, and below which offset? */
bool shard_trial_allows(const struct shard *, int64_t *until);
void shard_tick_trial(struct shard *, int64_t now_ms, struct shard_update *);
void shard_tried(struct shard *, const struct happening *, int64_t now_ms, struct shard_update *);
/* A1, or the shard goes; `trying` is left in Redis for the next claim to judge. */
void shard_stop_trial(struct shard *);

#endif
