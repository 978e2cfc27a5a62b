/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of tallyctl explain share: the story of one order, told by folding its own events
 * again, and how amounts are written for people.
 *
 * A story lives in the session's memory. What is told is what the logs make; what Redis holds is
 * set beside it. Personal data (customer_key) is in none of it.
 */
#ifndef TALLY_TALLYCTL_EXPLAIN_H
#define TALLY_TALLYCTL_EXPLAIN_H

#include "common/host/json.h"
#include "common/host/replay.h"
#include "events.h"
#include "services/tallyctl/outputs.h"

/* What became of an event of the order. */
enum told { TOLD_APPLIED, TOLD_REPEATED, TOLD_REFUSED, TOLD_WAITING };
const char *told_words(enum told);

struct told_event {
	struct told_event *next;
	int64_t offset, broker_ms, time_ms;
	struct str type, id, payment_id, refund_id;
	bool has_amount;
	int64_t amount_minor;
	enum told told;
	struct str reason, path; /* TOLD_REFUSED */
};

struct told_commission {
	struct told_commission *next;
	struct credit credit;
	struct commission commission;
	struct str type; /* commission.accrued */
	const struct told_event *cause;
	int64_t weight, weights;                   /* the payee's, and all */
	int64_t net_before_minor, net_after_minor; /* of the order */
	const struct plan_defined *plan;
	int64_t decided_at; /* offset of the record whose folding made it */
	struct str message; /* commissions/3/120; absent: not found */
	struct str source;  /* its tw-src */
};

struct story {
	struct str order_id;
	const char *topic;
	int32_t partition;
	const struct order *order; /* NULL: no order.created was applied, nor anything held */
	struct told_event *events, **last_event;
	unsigned event_count;
	struct told_commission *commissions, **last_commission;
	unsigned commission_count;
	struct log_span log; /* of the partition */
	int64_t read;        /* its records that were read */
	bool whole;          /* all of them: repetitions too are all told */
};

struct explain {
	struct invocation *invocation;
	struct session session;
	struct fleet orders, commissions;
	struct reference_store *reference;
	struct replay *payees;  /* of tally-commissions */
	int64_t most;           /* lines of a list */
	bool whole;             /* read all of an order's partition */
	struct outlet *outlets; /* explain_message.c's */
};

/* Reads the order's events and folds them. No events: an empty story. */
struct rc story_read(struct explain *, struct str order_id, struct story *out);
/* NULL: the story has no such commission. */
struct told_commission *story_commission(const struct story *, struct str id);
/* Looks for the commission's message in the log; others of the story that it meets are noted. Of
 * several commissions, to be called in their order. */
struct rc story_find_message(struct explain *, const struct story *, struct told_commission *);
/* A copy that needs nothing but the arena. */
struct message message_copy(const struct message *, struct arena *);

/* "12,345.67": an amount with the currency's decimals. */
struct str amount_text(struct arena *, int64_t amount_minor, struct str currency);
/* That of the company as published last; empty: there is none. */
struct rc explain_currency(struct explain *, struct str *out);
/* "3.25 %" */
struct str rate_text(struct arena *, int64_t rate_ppm);
/* Appends the explanation of one commission, the arithmetic in numbers. */
void commission_text(const struct story *, const struct told_commission *, struct arena *,
                     struct buf *out);
void commission_json(const struct story *, const struct told_commission *, struct json *);
void story_text(const struct story *, int64_t most, struct arena *, struct buf *out);
void story_json(const struct story *, int64_t most, struct json *);
/* How much of the log the answer stands on. */
void reading_text(const struct story *, struct buf *out);
void reading_json(const struct story *, struct json *);

/* A record as Redis holds it; false: it is none. */
bool record_from_text(const struct record_type *, struct str text, struct arena *, void *out);

/* A figure or another Redis key, without the prefix; member: of a board, or absent. */
struct rc explain_key(struct explain *, struct str key, struct str member);
/* A payee's month by its lines; "<payee>:<month>". */
struct rc explain_month(struct explain *, struct str payee_month);

#endif
