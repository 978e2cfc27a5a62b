/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream of `tallyctl gen`: events as lines, in the order in which they reach
 * the company.
 *
 * An event has a business time and an arrival; the lines are sorted by arrival.
 * The shop writes the time on the company's wall, the payment gateway UTC. A bad
 * record is put into the books with its reason under its line's number. Owns its
 * memory; nothing fails.
 */
#ifndef TALLY_TALLYCTL_GEN_STREAM_H
#define TALLY_TALLYCTL_GEN_STREAM_H

#include "services/tallyctl/gen_company.h"

struct gen_record {
	int64_t arrival_ms; /* since the first business day began */
	size_t at, len;     /* in the text */
	const char *reason; /* NULL: it is good */
	unsigned number;    /* in the order of making */
};

struct gen_stream {
	struct gen_books *books;
	struct draw *draw;
	struct arena scratch; /* of one order */
	struct arena memory;
	struct buf text;
	struct gen_record *records;
	unsigned count, room, ids;
	unsigned repeats_per_mille;
};

void gen_stream_init(struct gen_stream *, struct gen_books *, struct draw *,
                     unsigned repeats_per_mille);
void gen_stream_release(struct gen_stream *);
/* "e-0000001", in the scratch arena. */
const char *gen_stream_id(struct gen_stream *);
/* An event's value, in the scratch arena; `rest` is its data behind order_id. */
struct str gen_event(struct gen_stream *, const char *type, const char *order_id, int64_t at_ms,
                     const char *id, struct str rest);
/* A record that is taken; now and then it comes twice. */
void gen_send(struct gen_stream *, int64_t arrival_ms, const char *key, struct str value);
/* A record that is passed over in silence. */
void gen_repeat(struct gen_stream *, int64_t arrival_ms, const char *key, struct str value);
/* A record that is refused. */
void gen_refuse(struct gen_stream *, const char *reason, int64_t arrival_ms, const char *key,
                struct str value);
/* Sorts, and writes the refusals into the books. */
void gen_stream_close(struct gen_stream *);

#endif
