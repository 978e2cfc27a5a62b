/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference data: company, units, people, plans, as of a pin.
 *
 * The store keeps every version of every record of topic `reference`. A pin is
 * the offset of an end record; a struct reference looks through one pin, so each
 * shard folds under its own, and a record above the pin does not exist for it.
 * Of several records with one id, the one whose validity [valid_from, valid_to)
 * holds the instant counts; of several with the same valid_from, the latest at
 * or below the pin. Returned pointers live as long as the store.
 *
 * Source of the rules: CONTRACT "Reference", DESIGN section 4 "Reference pins".
 */
#ifndef TALLY_RUNTIME_REFERENCE_H
#define TALLY_RUNTIME_REFERENCE_H

#include "common/base/rc.h"
#include "common/codec/message.h"
#include "common/domain/calendar.h"

struct reference_store;

struct reference_store *reference_store_new(void);
void reference_store_free(struct reference_store *);
/* Takes in the next record of the topic, in offset order; a bad one is logged and left out
 * (publishing validates). Copies what it keeps. */
void reference_store_add(struct reference_store *, const struct message *);
/* The offset after the last record taken in, control markers included (set by the reader). */
int64_t reference_store_next(const struct reference_store *);
void reference_store_set_next(struct reference_store *, int64_t next_offset);
/* Is there an end record at exactly this offset? */
bool reference_store_is_end(const struct reference_store *, int64_t offset);
/* The newest end record's offset, or -1. */
int64_t reference_store_newest_end(const struct reference_store *);

struct reference {
	const struct reference_store *store;
	int64_t pin;            /* offset of an end record; -1: nothing was published yet */
	uint32_t logic_version; /* the shard's, for folds that keep an old branch */
};

struct company_defined;
struct person_defined;
struct plan_defined;

/* NULL: not known at that instant. */
const struct company_defined *reference_company(const struct reference *, int64_t at_ms);
const struct person_defined *reference_person(const struct reference *, struct str payee_id,
                                              int64_t at_ms);
/* The plan in force for a level and rating; a row with the rating comes before one without. */
const struct plan_defined *reference_plan_for(const struct reference *, int64_t level,
                                              struct str rating, int64_t at_ms);
/* Exactly that version, whenever it is valid. */
const struct plan_defined *reference_plan(const struct reference *, struct str plan_id,
                                          int64_t version);
/* The plan's rate for a level and rating; false: it has no such row. */
bool reference_plan_rate(const struct plan_defined *, int64_t level, struct str rating,
                         int64_t *rate_ppm);

/* A person's place: the team and the city and region above it; absent where unknown. */
struct units {
	struct str team_id, city_id, region_id;
};
struct units reference_units(const struct reference *, struct str team_id, int64_t at_ms);

/* The business zone at the instant: of the company's record in force, else of its newest, else UTC.
 */
const struct zone *reference_zone(const struct reference *, int64_t at_ms);
/* Which periods figures are kept for, as bits 1 << enum period_kind; what is kept is for all days
 * as the company's newest record has it. */
unsigned reference_periods(const struct reference *);
/* Which boards are kept: both 0 where the company's record names none. */
struct boards {
	unsigned measures; /* bits 1 << enum money, the ranked ones (common/domain/measure.h) */
	unsigned periods;  /* bits 1 << enum period_kind, of those that figures are kept for */
};
struct boards reference_boards(const struct reference *);

#endif
