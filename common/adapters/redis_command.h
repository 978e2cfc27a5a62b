/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds commands in Redis' own format (RESP) into one buffer, without a copy of
 * any argument: begin, add arguments, end. The number of arguments stands in front
 * of a command and is known at its end, so room is kept for it and the command is
 * read back by command_text().
 */
#ifndef TALLY_ADAPTERS_REDIS_COMMAND_H
#define TALLY_ADAPTERS_REDIS_COMMAND_H

#include "common/base/buf.h"

struct command {
	struct buf *buf;
	size_t start; /* in the buffer, after command_end() */
	size_t end;
	unsigned count;
};

void command_begin(struct command *, struct buf *);
/* One whose number of arguments is known: it follows what stands in the buffer without a gap and
 * needs no end. */
void command_begin_counted(struct command *, struct buf *, unsigned count);
void command_add(struct command *, struct str);
/* One argument of two or three parts. */
void command_add_joined(struct command *, struct str, struct str, struct str);
void command_add_i64(struct command *, int64_t);
void command_end(struct command *);
/* Valid until the buffer grows. */
struct str command_text(const struct command *);

#define command_add_lit(c, literal) command_add((c), STR(literal))

#endif
