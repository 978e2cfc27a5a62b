/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a command line, taken one by one: flags and plain words.
 *
 * A flag is "--name value", "--name=value" or "--name" alone where it takes no
 * value; "--" ends the flags; a lone "-" is a word. What args_next() returns is
 * borrowed from argv. The only failure is wrong use (RC_USAGE), with words that
 * name the flag and, where one is near, the flag that was probably meant.
 */
#ifndef TALLY_HOST_ARGS_H
#define TALLY_HOST_ARGS_H

#include "common/base/buf.h"
#include "common/base/rc.h"

/* A flag that a program knows; a list ends with name NULL. */
struct flag {
	const char *name;       /* "--config" */
	const char *value_name; /* "FILE" in the help; NULL: the flag takes no value */
	const char *words;      /* one line of help */
};

struct args {
	int count;
	char *const *texts;
	int at;                          /* of the next text */
	bool only_words;                 /* "--" was seen */
	const struct flag *const *lists; /* the flags known now; ends with NULL */
};

enum arg_kind { ARG_END, ARG_FLAG, ARG_WORD };

struct arg {
	enum arg_kind kind;
	const struct flag *flag; /* ARG_FLAG */
	const char *text;        /* the flag's value (NULL if it takes none), or the word */
};

/* argv[0] is passed over. The lists are borrowed and may be exchanged between calls. */
void args_init(struct args *, int argc, char *const *argv, const struct flag *const *lists);
struct rc args_next(struct args *, struct arg *out);
/* The flags as lines of help, two columns. */
void args_help(const struct flag *flags, struct buf *);

#endif
