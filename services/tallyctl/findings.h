/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was found wrong or worth saying while checking what a person wrote: all
 * of it, not the first only, each with its place.
 *
 * Lines of one kind beyond FINDINGS_MOST are counted, not kept. Owns its buffers
 * until findings_release(). Nothing can fail.
 */
#ifndef TALLY_TALLYCTL_FINDINGS_H
#define TALLY_TALLYCTL_FINDINGS_H

#include "common/base/buf.h"

#define FINDINGS_MOST 100

struct findings {
	struct buf errors, warnings; /* a line each */
	unsigned error_count, warning_count;
};

void findings_init(struct findings *);
void findings_release(struct findings *);
/* where: "people.json:12, record 3"; "" for none. */
void findings_error(struct findings *, struct str where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void findings_warning(struct findings *, struct str where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Writes both to stderr, each line with its word, and what was left out. */
void findings_print(const struct findings *);

#endif
