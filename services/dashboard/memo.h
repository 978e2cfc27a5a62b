/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that were made a moment ago, by path and query, so that many who look at
 * the same view cost Redis no more than one of them.
 *
 * A fixed number of slots, each with an answer up to a size; the newest takes the
 * place of the one that had it. Good answers only.
 */
#ifndef TALLY_DASHBOARD_MEMO_H
#define TALLY_DASHBOARD_MEMO_H

#include "common/base/buf.h"

#define MEMO_SLOTS 64
#define MEMO_MS 500
#define MEMO_BYTES_MOST 262144 /* of one answer; larger ones are made anew */

struct memo_slot {
	struct buf key, body;
	int64_t made_ms;
	bool used;
};

struct memo {
	struct memo_slot slots[MEMO_SLOTS];
};

void memo_init(struct memo *);
void memo_release(struct memo *);
/* False: none, or an old one. Appends the answer to out. */
bool memo_find(const struct memo *, struct str path, struct str query, int64_t now_ms,
               struct buf *out);
void memo_keep(struct memo *, struct str path, struct str query, int64_t now_ms, struct str body);

#endif
