/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage: one worker as a real process over memory adapters, one partition a
 * topic, no faults, time that moves only when the script says so.
 *
 * Records appended are folded by stage_run(). A stage owns everything in it; what
 * is read from it lives as long as the stage. Trouble is a bug: must().
 */
#ifndef TALLY_TESTS_CASES_STAGE_H
#define TALLY_TESTS_CASES_STAGE_H

#include "common/adapters/memory/keys.h"
#include "common/runtime/process.h"

struct stage;

/* unflushed: Redis stays behind until stage_flush(). */
struct stage *stage_new(const struct worker *, bool unflushed);
void stage_free(struct stage *);
/* Wall time moves on to the instant; never back. */
void stage_reach(struct stage *, int64_t wall_ms);
/* Appends to the worker's input topic; the broker timestamp is the wall time. */
void stage_append(struct stage *, struct str key, struct str value);
/* The same with headers. */
void stage_append_whole(struct stage *, struct str key, struct str value, const struct header *,
                        unsigned header_count);
/* Appends to topic reference. */
void stage_append_reference(struct stage *, struct str key, struct str value);
/* Ends the set of reference records and puts its marker into the input topic. */
void stage_publish(struct stage *);
/* Until all is folded and published and, unless unflushed, in Redis. */
void stage_run(struct stage *);
/* The process dies as it stands; another one takes over. */
void stage_crash(struct stage *);
/* Redis follows from here on; what it missed is folded again by a new process. */
void stage_flush(struct stage *);

/* The next record of an output topic at or above *offset, or NULL. */
const struct message *stage_read(const struct stage *, struct str topic, int64_t *offset);
const struct memory_keys *stage_keys(const struct stage *);
uint64_t stage_skipped(const struct stage *);

#endif
