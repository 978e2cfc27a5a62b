/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference documents that people write: JSON files with records
 * {"kind": "person", ...fields of its schema}, read into definitions.
 *
 * A file is an array of records, one record, or an object {"records": [...]}. A
 * unit's kind is written as it is: region, city or team. "withdrawn": true takes
 * a record back. valid_from and valid_to may be business dates in the company's
 * zone; company.timezone is expanded into its transitions. What comes out is
 * checked against the schemas exactly as workers will read it.
 *
 * Definitions live in the document's arena. Faults go to the findings, all of
 * them; a document with faults must not be published.
 */
#ifndef TALLY_TALLYCTL_DOCUMENT_H
#define TALLY_TALLYCTL_DOCUMENT_H

#include "common/domain/calendar.h"
#include "services/tallyctl/findings.h"
#include "services/tallyctl/kind.h"

#define SINCE_EVER INT64_MIN
#define UNTIL_REPLACED INT64_MAX

/* One record, read and checked by its schema. */
struct definition {
	const struct kind *kind;
	bool withdrawn;
	struct str id;
	int64_t from_ms, to_ms; /* SINCE_EVER, UNTIL_REPLACED where absent */
	const void *record;     /* of kind->defined_type, or withdrawn_type */
	struct str where;       /* "people.json:12, record 3"; of published ones "published" */
};

static inline const struct record_type *definition_type(const struct definition *d)
{
	return d->withdrawn ? d->kind->withdrawn_type : d->kind->defined_type;
}

struct document {
	struct arena memory;
	struct definition *definitions;
	unsigned count, room;
	void *files; /* parsed, while reading */
};

void document_init(struct document *);
void document_release(struct document *);
/* Adds a file's records, not decoded yet; a file that cannot be read is a finding. */
void document_add_file(struct document *, const char *path, struct findings *);
/* The same from memory; the name is for messages. */
void document_add_text(struct document *, const char *name, struct str text, struct findings *);
/*
 * Decodes everything that was added. published_zone is the company's as published
 * so far (NULL: none), for dates where the document has no company of its own.
 */
void document_decode(struct document *, const struct zone *published_zone, struct findings *);

/* The zone of a company record; its transitions live in the arena. */
struct zone company_zone(const void *company_defined, struct arena *);

#endif
