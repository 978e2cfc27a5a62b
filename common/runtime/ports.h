/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The narrow ports of the runtime: broker, store, clock.
 *
 * Calls are made on one thread (the fold thread) and never block; what comes of
 * them arrives later as a struct happening in the process's inbox. The real
 * adapters have threads of their own behind them (transaction, flush, load);
 * the memory adapters answer from a seeded schedule. Both pass the same
 * conformance suite. A ticket given with a call comes back in its answer, so that
 * the caller can tell a late answer from the one it waits for.
 *
 * Memory: what a call points to must live until its answer came. What a
 * happening points to lives until happening_release().
 */
#ifndef TALLY_RUNTIME_PORTS_H
#define TALLY_RUNTIME_PORTS_H

#include <stdatomic.h>

#include "common/base/rc.h"
#include "common/base/arena.h"
#include "common/codec/message.h"

/* ---- broker: records in ------------------------------------------------- */

/* Records taken from a shard's log, in offset order; borrowed until give_back(). */
struct taken {
	struct message *messages;
	unsigned count;
	bool at_end; /* the log's (stable) end was reached behind these records */
	/* Nothing below it remains to be taken: the last record's + 1, or more where the next one
	 * (also one at or above `until`) or the end (EOF) is known to lie behind a gap of control
	 * markers; -1: not known (no record and no EOF seen yet). */
	int64_t next_offset;
	void *adapter; /* the adapter's own */
};

/* ---- broker: transactions ------------------------------------------------ */

enum outgoing_form { OUTGOING_CLOUDEVENT, OUTGOING_BLOCK, OUTGOING_DEAD_LETTER };

struct outgoing {
	enum outgoing_form form;
	struct str topic;
	int32_t partition;
	struct str key, value;        /* absent: null */
	const struct header *headers; /* all of them, tw-src and tw-seq included */
	unsigned header_count;
};

/* The part of a transaction that belongs to one shard. */
struct carried {
	int32_t partition;
	uint32_t epoch; /* the claim epoch it was folded under */
	const _Atomic uint32_t
		*epoch_now;  /* another value here at P3: the shard is no longer ours */
	int64_t next_offset; /* K after the commit */
	struct str metadata; /* K's metadata after the commit */
	const struct outgoing *outgoing;
	unsigned outgoing_count;
};

struct transaction {
	uint64_t ticket;
	const struct carried *carried;
	unsigned carried_count;
};

enum publish_result {
	PUBLISH_COMMITTED,
	PUBLISH_ABORTED, /* nothing of it will ever be visible, K is unmoved; may be sent again */
	PUBLISH_UNKNOWN, /* or fenced or fatal: the producer is gone, reopen() and A1 for all */
};

/* ---- store --------------------------------------------------------------- */

enum write_kind {
	WRITE_VALUE,  /* SET key value */
	WRITE_FIELDS, /* HSET/HDEL key: pairs; an absent value removes the field */
	WRITE_SCORES, /* ZADD/ZREM key: pairs of member and score text; an absent score removes */
	WRITE_REMOVE, /* UNLINK key */
};

struct pair {
	struct str name, value;
};

/* Absolute: writing it twice is the same as once. */
struct write {
	enum write_kind kind;
	struct str key; /* without the configured prefix */
	uint64_t key_hash;
	const struct pair *pairs; /* VALUE: pairs[0].value */
	unsigned pair_count;
};

#define META_TEXT_BYTES 64

/* Offsets from `from` on, below `until`; until 0: none. */
struct offsets {
	int64_t from, until;
};

/* A shard's own record in Redis, `meta:<topic>:<partition>`. Absent says nothing: R may be lost
 * and the keys may not. EMPTY is what a wipe leaves: no key of the shard is there. */
struct shard_meta {
	enum { META_ABSENT, META_TORN, META_EMPTY, META_WHOLE } state;
	int64_t input_cursor; /* R */
	uint32_t logic_version;
	int64_t reference_pin;
	int64_t watermark_ms;          /* latest event time folded */
	int64_t broker_ms;             /* broker time of the record before R */
	int64_t partitions;            /* of the input topic, when the shard was first written */
	char claimer[META_TEXT_BYTES]; /* transactional.id of who claimed it */
	int64_t claim;                 /* ticket of that call: the claimer's later ones name it */
	bool released;                 /* the claimer let go in order */
	bool died; /* CLAIMED: the claimer before died (it neither let go nor was this process), as one
	            * before it had with R where it still is, or while it was trying */
	bool rebuilding;       /* R is below where it once was */
	struct offsets trying; /* being tried by the claimer, after a death */
	struct offsets tried;  /* what the latest death that counts was in the midst of */
	int64_t tries;         /* deaths in a row with exactly these */
};

#define R_EMPTY (-1) /* where R is a number: META_EMPTY */
#define R_NONE (-2)  /* absent or torn */

struct flush {
	uint64_t ticket;
	int32_t partition;
	int64_t expect;         /* R as we know it, or R_EMPTY */
	struct shard_meta meta; /* input_cursor is the new R; claimer and tries stay as they are */
	bool release; /* also set `released`, where the claim that was made last is still ours */
	const struct write *const *writes;
	unsigned write_count;
};

enum store_result {
	STORE_OK,
	STORE_REFUSED, /* R was another: nothing was written */
	STORE_KEPT, /* surely not executed (OOM, READONLY, LOADING, BUSY, not connected ...): later */
	STORE_UNKNOWN, /* no answer: executed or not */
};

struct load {
	uint64_t ticket;
	int32_t partition;
	int64_t expect[2]; /* R as we know it, or as our own flush under way makes it */
	/* Keys without prefix. documents: the whole string; figures: the whole hash. */
	struct {
		struct str key;
		bool hash;
	} * keys;
	unsigned count;
};

/* What one key of a load held. */
struct loaded {
	bool exists;
	struct str value;         /* documents */
	const struct pair *pairs; /* figures */
	unsigned pair_count;
};

/* ---- what happens -------------------------------------------------------- */

enum happening_kind {
	HAPPENED_ASSIGNED,  /* the group gave us the partition; nothing is fetched before start() */
	HAPPENED_REVOKED,   /* it wants it back: answer with unassign() when done */
	HAPPENED_LOST,      /* it is gone already; unassign() at once */
	HAPPENED_CURSOR,    /* read_cursor(): K */
	HAPPENED_FENCED,    /* fence(): the other's transactions are ended */
	HAPPENED_PUBLISHED, /* publish() */
	HAPPENED_REOPENED,  /* reopen(): a new producer is ready */
	HAPPENED_APPENDED,  /* append(): the timer record is in the log (or not) */
	HAPPENED_REFERENCE, /* read_reference(): some records, or the end was reached */
	HAPPENED_CLAIMED,   /* claim(): the meta as it stands */
	HAPPENED_LOADED,
	HAPPENED_FLUSHED,
	HAPPENED_CHECKED, /* check(): the meta as it stands */
	HAPPENED_TRIED,   /* try_offsets(): the meta as it stands */
	HAPPENED_WIPED,
	HAPPENED_TROUBLE, /* fetching failed for good (offset out of range ...): rc, words */
	HAPPENED_DUE,     /* read_due(): the earliest entries of the due-time index */
};

/* What the log says about a shard, read together with K. */
struct cursor {
	bool exists;           /* K was committed at some time */
	int64_t output_cursor; /* K */
	struct str metadata;
	int64_t log_start, log_end; /* low and high watermark */
	struct str topic_id;
	int32_t partitions; /* of the input topic */
	bool compacted;     /* cleanup.policy is not plain delete */
};

struct due_entry {
	struct str member; /* "<entity>/<id>" */
	int64_t due_ms;
};

struct happening {
	struct happening *next; /* the inbox's own */
	enum happening_kind kind;
	int32_t partition; /* -1: none. PUBLISHED and aborted: the shard for whose sake, if known */
	uint64_t ticket;
	struct rc
		rc; /* for CURSOR, FENCED, REOPENED, APPENDED, WIPED, CLAIMED, CHECKED, TRIED, DUE */
	const char *words; /* what failed, for people; or NULL */
	union {
		struct cursor cursor;
		enum publish_result publish;
		enum store_result store; /* FLUSHED */
		struct {
			enum store_result result;
			const struct loaded *values; /* in the order of load.keys */
		} load;
		struct shard_meta meta; /* CLAIMED, CHECKED, TRIED */
		struct {
			const struct message *messages;
			unsigned count;
			int64_t next; /* read so far: offsets below are taken in */
			bool at_end;
		} reference;
		struct {
			const struct due_entry *entries;
			unsigned count;
			int64_t cursor; /* R when they were read, R_EMPTY or R_NONE */
		} due;
	};
	struct arena memory; /* what the above points to */
};

/* A queue of happenings: many threads put, one takes. Owns what is in it. */
struct inbox;
struct inbox *inbox_new(void);
void inbox_free(struct inbox *);
struct happening *happening_new(enum happening_kind, int32_t partition, uint64_t ticket);
void happening_release(struct happening *);
void inbox_put(struct inbox *, struct happening *);
struct happening *inbox_take(struct inbox *);
/* An eventfd that is readable when something was put (level: read it before taking). */
int inbox_fd(const struct inbox *);

/* ---- the ports ------------------------------------------------------------ */

struct broker {
	void *self;
	/* Up to max records / bytes (at least one if any) with offsets below `until`. */
	void (*take)(void *self, int32_t partition, int64_t until, unsigned max, size_t max_bytes,
	             struct taken *out);
	void (*give_back)(void *self, struct taken *);
	/* Serves the group protocol; what comes of it goes to the inbox. At least every second. */
	void (*poll)(void *self);
	/* K (stable: waits while a transaction is pending), watermarks, topic id. -> CURSOR */
	void (*read_cursor)(void *self, int32_t partition, uint64_t ticket);
	/* (Re)starts taking at an explicit offset; what was fetched before is thrown away. */
	void (*start)(void *self, int32_t partition, int64_t offset);
	/* Lets the partition go after REVOKED or LOST. */
	void (*unassign)(void *self, int32_t partition);
	/* P1-P4 on the transaction thread. One at a time. -> PUBLISHED */
	void (*publish)(void *self, const struct transaction *);
	/* Ends the open transactions of another transactional.id. -> FENCED */
	void (*fence)(void *self, int32_t partition, uint64_t ticket, const char *transactional_id);
	/* A new producer with a fresh id, after PUBLISH_UNKNOWN and at the start. -> REOPENED */
	void (*reopen)(void *self, uint64_t ticket);
	/* The current producer's transactional.id, or "". */
	const char *(*transactional_id)(void *self);
	/* Appends a control record outside transactions. -> APPENDED */
	void (*append)(void *self, int32_t partition, uint64_t ticket, struct str key,
	               struct str value, const struct header *headers, unsigned header_count);
	/* Topic `reference` from an offset on. -> REFERENCE, several times until at_end */
	void (*read_reference)(void *self, int64_t from, uint64_t ticket);
	/* Partition count of a topic we produce to (-1: unknown). */
	int32_t (*partitions)(void *self, struct str topic);
};

struct store {
	void *self;
	/* A2: writes our name into the meta and returns what stood there before. -> CLAIMED */
	void (*claim)(void *self, int32_t partition, uint64_t ticket, const char *transactional_id);
	/* A claim came to nothing: where our latest one still stands, the name before ours stands
	 * again ("": nobody's). -> CLAIMED, the meta as it stands then */
	void (*unclaim)(void *self, int32_t partition, uint64_t ticket, const char *before);
	void (*load)(void *self, const struct load *);                 /* -> LOADED */
	void (*flush)(void *self, const struct flush *);               /* -> FLUSHED */
	void (*check)(void *self, int32_t partition, uint64_t ticket); /* -> CHECKED */
	/* Where our latest claim stands: removes every key that the shard owns and leaves
	 * META_EMPTY. partitions 0: there is no such key, the meta alone is made ready. -> WIPED */
	void (*wipe)(void *self, int32_t partition, int32_t partitions, uint64_t ticket);
	/* Writes `trying` where our latest claim stands; until 0: nothing is tried. A claim that finds
	 * it of one who died counts a death. -> TRIED */
	void (*try_offsets)(void *self, int32_t partition, uint64_t ticket, struct offsets);
	/* The earliest `max` entries of the shard's due-time index. -> DUE */
	void (*read_due)(void *self, int32_t partition, uint64_t ticket, unsigned max);
};

struct clock {
	void *self;
	int64_t (*now_ms)(void *self);  /* monotonic, for intervals and backoff only */
	int64_t (*wall_ms)(void *self); /* for timers and logs; never reaches a fold */
};

struct ports {
	struct broker broker;
	struct store store;
	struct clock clock;
	struct inbox *inbox;
};

#endif
