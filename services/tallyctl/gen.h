/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flags of `tallyctl gen`, for the table of commands.
 */
#ifndef TALLY_TALLYCTL_GEN_H
#define TALLY_TALLYCTL_GEN_H

#include "services/tallyctl/command.h"

extern const struct flag gen_flags[];

#endif
