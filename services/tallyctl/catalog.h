/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All reference records, published and to be published, and the checks that need
 * more than one of them.
 *
 * Add what is published (in the order of the log), then check a document against
 * it. The rules: CONTRACT "Reference". The catalog owns copies of what was
 * published; the document's definitions are borrowed and must outlive it. Faults
 * go to the findings.
 */
#ifndef TALLY_TALLYCTL_CATALOG_H
#define TALLY_TALLYCTL_CATALOG_H

#include "common/codec/message.h"
#include "services/tallyctl/document.h"

struct catalog;

struct catalog *catalog_new(void);
void catalog_free(struct catalog *);
/* A record_fn: takes in one record of topic reference; self is the catalog. */
void catalog_add_published(void *self, const struct message *);
/* Offset of the newest end record, or -1. */
int64_t catalog_newest_end(const struct catalog *);
/* The zone of the company as published; NULL: none yet. */
const struct zone *catalog_zone(const struct catalog *);
/* Adds the document's definitions and checks everything together. */
void catalog_check(struct catalog *, const struct document *, int64_t now_ms, struct findings *);

#endif
