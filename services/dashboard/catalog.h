/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which units, channels, projects, products, partners and campaigns there are:
 * the names of figures in Redis, walked through a step at a time (SCAN).
 *
 * Redis has no list of them, and none is wanted: it would be one more thing to keep
 * right. Payees are not kept here, boards and units name them. An id stays until
 * the process ends; whoever lists asks for its figures and leaves out what has
 * none. Bounded: CATALOG_IDS_MOST of a kind.
 */
#ifndef TALLY_DASHBOARD_CATALOG_H
#define TALLY_DASHBOARD_CATALOG_H

#include "common/adapters/redis_reader.h"
#include "common/base/table.h"

#define CATALOG_IDS_MOST 5000 /* of one kind */
#define CATALOG_KINDS 8

struct catalog_ids {
	const char *kind;
	struct str *ids;
	unsigned count, room;
	bool cut; /* there are more than are kept */
};

struct catalog {
	struct catalog_ids kinds[CATALOG_KINDS];
	struct table table; /* of struct catalog_entry */
	struct arena memory;
	char cursor[24]; /* of SCAN */
	bool complete;   /* all names were seen once */
	int64_t walk_ms; /* when the next walk begins */
};

void catalog_init(struct catalog *);
void catalog_release(struct catalog *);
/* One step of the walk: a call of SCAN, or nothing while a walk is not due. Fails as the reader. */
struct rc catalog_step(struct catalog *, struct redis_reader *, struct arena *, int64_t now_ms);
/* Takes the name of a key, without prefix: "sales:team:T1:2026-03". */
void catalog_take(struct catalog *, struct str name);
/* NULL: the kind is not kept. */
const struct catalog_ids *catalog_find(const struct catalog *, struct str kind);

#endif
