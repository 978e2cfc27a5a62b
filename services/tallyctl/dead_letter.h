/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record of a DLQ: the original message, and what its copy tells about it.
 *
 * Everything is borrowed from the message or lives in the arena it was read with.
 * A record that lacks the headers of a copy is not ours; nothing else can fail.
 * Source of the headers: CONTRACT "DLQ reasons", DESIGN section 3.
 */
#ifndef TALLY_TALLYCTL_DEAD_LETTER_H
#define TALLY_TALLYCTL_DEAD_LETTER_H

#include "common/codec/message.h"
#include "common/runtime/worker.h"

#define REPLAYS_HEADER STR("tw-replays")

struct dead_letter {
	int64_t offset, time_ms; /* in the DLQ; when it was refused */
	enum reason reason;      /* REASON_NONE: a code that this build does not know */
	struct str code, path, group;
	struct str topic; /* where it came from */
	int32_t partition;
	int64_t source_offset;
	int64_t replays; /* how often it was redriven before */
	bool cut;        /* not all of the original is there */
	struct str key, value;
	const struct header *headers; /* the original's, without tw-replays */
	unsigned header_count;
};

/* False: it is no copy that a worker made. */
bool dead_letter_read(const struct message *, struct arena *, struct dead_letter *out);
/* The message key by the event's own words, its subject and the id in its data; absent: it names
 * none, or two. */
struct str dead_letter_own_key(const struct dead_letter *, const struct worker *, struct arena *);
/*
 * What stands at the path, as JSON (of a header: its text). Where nothing does, the nearest thing
 * around it, and *around is its path; absent: the value is no JSON.
 */
struct str dead_letter_field(const struct dead_letter *, struct arena *, struct str *around);
/* What a reason means, in words. */
const char *dead_letter_meaning(enum reason);
/* Are the attributes in ce_* headers? */
bool dead_letter_is_binary(const struct dead_letter *);

#endif
