/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records for a stage that a program makes up: reference data and events of topic
 * orders. Texts live in the arena given. Nothing fails.
 */
#ifndef TALLY_TESTS_CASES_RECORDS_H
#define TALLY_TESTS_CASES_RECORDS_H

#include "tests/cases/stage.h"

/* A reference record of a type such as "person.defined". */
void record_given(struct stage *, struct arena *, const char *type, struct str data);
/* The value of an event; `data` is the rest of its data behind order_id. */
struct str record_event(struct arena *, const char *type, const char *order_id, const char *id,
                        int64_t time_ms, struct str data);

#endif
