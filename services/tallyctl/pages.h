/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages of docs/ that are printed from the tables which the code itself uses.
 *
 * `tallyctl --print-docs NAME` prints docs/NAME.md (in capitals), `make docs` all
 * of them; tests/unit/test_pages.c keeps them fresh. Nothing can fail.
 */
#ifndef TALLY_TALLYCTL_PAGES_H
#define TALLY_TALLYCTL_PAGES_H

#include "common/base/buf.h"

struct page {
	const char *name; /* "redis"; NULL ends the list */
	const char *file; /* "docs/REDIS.md" */
	void (*print)(struct buf *);
};

extern const struct page pages[];

/* NULL: there is no such page. */
const struct page *page_find(const char *name);

#endif
