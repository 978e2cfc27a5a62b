/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program tallyctl: the operator's tool, a command line over the table in
 * commands.c. Returns the exit status, of sysexits(3).
 */
#ifndef TALLY_TALLYCTL_CTL_H
#define TALLY_TALLYCTL_CTL_H

int ctl_main(int argc, char *const *argv);

#endif
