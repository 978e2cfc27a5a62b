/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of options: what can be set, its type, range, default and words.
 *
 * Reading, checking, --help, --print-config and docs/CONFIG.md all come from it.
 * To add an option: a member in struct config, a row in option.c, and
 * docs/CONFIG.md written again (tallyctl --print-docs config). Static data;
 * nothing can fail.
 */
#ifndef TALLY_HOST_OPTION_H
#define TALLY_HOST_OPTION_H

#include "common/base/buf.h"
#include "common/host/args.h"

#define OPTIONS_MOST 64

enum option_type {
	OPTION_TEXT,     /* const char * */
	OPTION_INT,      /* int64_t, min to max */
	OPTION_DURATION, /* int64_t, ms; 250, 250ms, 10s, 5m, 1h */
	OPTION_BOOL,     /* bool; yes, no, true, false, on, off */
	OPTION_CHOICE,   /* int, position in choices */
	OPTION_SECRET,   /* const char *, never printed */
	OPTION_FILE,     /* const char *, a file that can be read; "" where not given */
	OPTION_URL,      /* const char *, its password never printed */
};

struct option {
	const char *name; /* "redis.url" */
	enum option_type type;
	size_t offset;       /* of the value in struct config */
	int64_t min, max;    /* INT, DURATION */
	const char *choices; /* CHOICE: "a|b" */
	const char *initial; /* the default, as text */
	const char *words;   /* one sentence */
};

/* The table; ends with name NULL. */
extern const struct option options[];
/* Position in the table, or -1. */
int option_find(struct str name);
/* The options as flags: redis.url is --redis-url. In the table's order. */
const struct flag *option_flags(void);
/* TALLY_REDIS_URL */
void option_environment_name(const struct option *, struct buf *);
/* "milliseconds, 100 to 60000" and the like. */
void option_range(const struct option *, struct buf *);

#endif
