/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case files: given / when / then in plain text.
 *
 * A file is a list of cases; `given` lines before the first one hold for all of
 * them. A line is words and, at its end, optional JSON; a line that begins with a
 * blank goes on with the one before; # starts a comment line. tests/cases/README.md
 * lists the words. Texts point into the file's text, which the script owns.
 */
#ifndef TALLY_TESTS_CASES_SCRIPT_H
#define TALLY_TESTS_CASES_SCRIPT_H

#include "common/base/arena.h"
#include "common/base/rc.h"

#define SCRIPT_WORDS 20

enum line_kind { LINE_GIVEN, LINE_WHEN, LINE_THEN };

struct script_line {
	enum line_kind kind;
	unsigned number; /* in the file */
	struct str words[SCRIPT_WORDS];
	unsigned word_count;
	struct str json; /* absent: none */
};

struct script_case {
	struct str name;
	unsigned number;
	struct script_line *lines;
	unsigned line_count;
};

struct script {
	struct arena memory;
	struct script_case *cases;
	unsigned case_count;
};

struct rc script_read(const char *path, struct script *out);
void script_release(struct script *);

/* The word at an index, or an absent str. */
struct str line_word(const struct script_line *, unsigned index);
/* The word behind this one ("at", "id"), or an absent str. */
struct str line_after(const struct script_line *, const char *word);

#endif
