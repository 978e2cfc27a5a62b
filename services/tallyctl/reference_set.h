/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One published set of reference data: read from files, checked against what is
 * published, and written in one transaction.
 *
 * The transaction is open from the beginning, so that of two who publish at once
 * the later one is alone: the earlier one's commit is then refused. All of it is
 * visible or nothing. The set owns what it holds until reference_set_release().
 */
#ifndef TALLY_TALLYCTL_REFERENCE_SET_H
#define TALLY_TALLYCTL_REFERENCE_SET_H

#include "common/adapters/kafka_broadcast.h"
#include "services/tallyctl/catalog.h"
#include "services/tallyctl/document.h"
#include "services/tallyctl/session.h"

struct reference_set {
	struct session *session;
	const char *topic; /* reference, with prefix */
	struct catalog *catalog;
	struct document document;
	struct findings findings;
	struct kafka_broadcast *broadcast;
	int64_t now_ms;
	int64_t pin; /* offset of the end record, once it is written */
};

/* Empty, so that it can be released whatever comes. */
void reference_set_init(struct reference_set *);
/* Opens the transaction (unless dry) and reads what is published. */
struct rc reference_set_open(struct reference_set *, struct session *, bool dry);
void reference_set_release(struct reference_set *);
/* Reads and checks the files; findings go to stderr. RC_DATA: there are errors. */
struct rc reference_set_read(struct reference_set *, const char *const *files, unsigned count);
/* Writes records and end record, and knows the pin. */
struct rc reference_set_write(struct reference_set *);
/* Writes a marker into every partition of the worker's input topic. */
struct rc reference_set_mark(struct reference_set *, const struct fleet *);
struct rc reference_set_commit(struct reference_set *);

#endif
