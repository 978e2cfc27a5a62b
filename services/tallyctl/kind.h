/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of reference records, and access to what all of them have: an id and
 * a validity.
 *
 * A kind is one row; its fields are found by their names in the generated field
 * tables, so that a new kind needs no code. Records are borrowed; nothing fails.
 */
#ifndef TALLY_TALLYCTL_KIND_H
#define TALLY_TALLYCTL_KIND_H

#include "common/codec/record.h"

struct kind {
	const char *word;                /* in documents and message keys: "person" */
	const char *id_field;            /* "payee_id" */
	const char *defined, *withdrawn; /* CloudEvents types */
	const struct record_type *defined_type, *withdrawn_type;
};

/* The table; ends with word NULL. */
extern const struct kind kinds[];
const struct kind *kind_find(struct str word);
/* By a CloudEvents type; *withdrawn says which of the two it is. */
const struct kind *kind_of_type(struct str type, bool *withdrawn);

/* The field's value in a record of the type, or the fallback where it is absent. */
int64_t record_int(const struct record_type *, const void *record, const char *field,
                   int64_t fallback);
struct str record_str(const struct record_type *, const void *record, const char *field);
const struct field *record_field(const struct record_type *, struct str name);

#endif
