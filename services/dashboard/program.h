/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program tally-dashboard: figures for people, read from Redis and nothing
 * else. Its command line and options are those of the workers. Returns the exit
 * status, of sysexits(3).
 */
#ifndef TALLY_DASHBOARD_PROGRAM_H
#define TALLY_DASHBOARD_PROGRAM_H

int dashboard_main(int argc, char *const *argv);

#endif
