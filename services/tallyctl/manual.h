/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Man pages and bash completion, from the tables that the programs themselves use.
 *
 * The build prints them (`tallyctl --print-docs NAME`) into share/; `cmake
 * --install` puts them where man and bash look. Names: tallyctl.1,
 * tally-dashboard.1, tally-WORKER.1, tallyworks.conf.5, tallyworks.bash. Nothing
 * can fail.
 */
#ifndef TALLY_TALLYCTL_MANUAL_H
#define TALLY_TALLYCTL_MANUAL_H

#include "common/base/buf.h"

/* False: there is no such page, and nothing was printed. */
bool manual_print(const char *name, struct buf *out);

#endif
