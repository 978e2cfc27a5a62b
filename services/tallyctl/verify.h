/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of tallyctl verify share: one worker folded again in memory, what must be in Redis
 * and in its output topics because of that, and the list of what is otherwise.
 *
 * An audit is of one worker and lives until its comparison is done; its differences live as long as
 * the verify. Failures are those of the cluster and of Redis; a difference is none.
 */
#ifndef TALLY_TALLYCTL_VERIFY_H
#define TALLY_TALLYCTL_VERIFY_H

#include "common/base/table.h"
#include "common/host/replay.h"
#include "services/tallyctl/outputs.h"

enum difference_kind { DIFFERS, MISSING, EXTRA, DUPLICATE };

struct difference {
	enum difference_kind kind;
	const char *worker;
	struct str where;       /* a Redis key, or topic/partition/offset, or a topic's row */
	struct str field;       /* of a hash or row; absent */
	struct str found, made; /* what is there, what the log makes; absent: nothing */
	struct str cause;       /* what it comes from: the shard and how far it was folded */
};

/* Names of keys in Redis, of one worker. */
struct names {
	struct str *items;
	size_t count, room;
};

struct verify {
	struct invocation *invocation;
	const char *name; /* of the command, for progress */
	struct session session;
	struct reference_store *reference;
	int64_t list_most;
	struct difference *differences; /* the first list_most */
	uint64_t count;                 /* of all */
	struct names names[FLEETS_MOST];
	uint64_t foreign; /* keys under the prefix that no worker writes */
	int64_t said_ms;  /* when progress was last said */
};

#define AUDIT_MESSAGES 256

/* Messages on their way into the fold. */
struct intake_buffer {
	struct message messages[AUDIT_MESSAGES];
	unsigned count;
	struct arena memory;
};

struct audit {
	struct verify *verify;
	const struct fleet *fleet;
	const struct names *names; /* of its keys in Redis */
	struct replay *replay;
	struct cursor_metadata *first; /* K's metadata at the beginning; one a shard */
	int64_t *at;                   /* the log is folded up to here */
	struct arena memory;
	struct intake_buffer buffer;
	int32_t partition;             /* being read */
	int64_t until;                 /* ... and folded up to there */
	bool untold;                   /* what is being folded has its sums not told yet */
	char doing[300];               /* for progress */
	struct rc failed;              /* of a fold inside a read */
	int64_t fold_ns;               /* CPU time of decoding and folding */
	uint64_t keys, messages, rows; /* compared */
	struct table derived, values;  /* Redis, verify_redis.c */
	struct derived *first_derived;
	struct table posted; /* outputs, verify_outputs.c */
	struct posted *first_posted;
	struct table *sums; /* one an output */
	struct summed *first_summed;
};

/* The parts of a run that replay has too. names: of the worker's keys in Redis, or NULL. */
void audit_init(struct audit *, struct verify *, const struct fleet *, const struct names *);
void audit_release(struct audit *);
/* K of every shard and its metadata; RC_NOT_FOUND where one has none of ours. */
struct rc audit_cursors(struct audit *, struct committed *, struct cursor_metadata *);
/* Makes the replay with each shard at its origin, by a->first; spans: of the log. */
struct rc audit_begin(struct audit *, const struct replay_sink *, struct log_span *spans);
struct rc audit_read_reference(void *audit, struct reference_store *);

/* Notes a difference; texts are copied and cut. */
void verify_differs(struct audit *, const struct difference *);
/* Says how far it is, at most once a second. */
void verify_progress(struct audit *, const char *doing, uint64_t done, uint64_t all);
/* Folds the shard up to the offset; nothing where it is there already. */
struct rc audit_fold(struct audit *, int32_t partition, int64_t until);
/* "measures/3 up to 812" */
struct str audit_shard(struct audit *, int32_t partition);

/* Redis: takes what is no entity, compares all. */
void audit_take_write(void *audit, int32_t partition, const struct write *);
struct rc audit_compare_redis(struct audit *);
/* The number of the worker that writes a key of this name, or -1. */
int verify_owner_of_key(struct str name);

/* Outputs: takes what the fold makes, compares it with the topics up to K. */
void audit_take_output(void *audit, int32_t partition, const struct output *,
                       const struct outgoing *);
struct rc audit_compare_outputs(struct audit *, const struct cursor_metadata *at_k);

#endif
