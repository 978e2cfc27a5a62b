/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bash completion for all programs: tallyworks.bash. One shell function, written in
 * completion.bash and put into the binary at build, over lists that are printed from
 * the tables of commands, flags, options, workers and reasons. Nothing can fail.
 */
#ifndef TALLY_TALLYCTL_COMPLETION_H
#define TALLY_TALLYCTL_COMPLETION_H

#include "common/base/buf.h"

extern const char completion_functions[];
extern const size_t completion_functions_len;

void completion_print(struct buf *);

#endif
