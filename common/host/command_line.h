/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every program of the product understands on its command line: where its
 * configuration comes from, and the questions that are answered without running.
 *
 * A program takes its arguments one by one (args.h) and offers each flag to
 * command_line_take(); what that does not know is the program's own. The command
 * line owns its memory until command_line_release().
 */
#ifndef TALLY_HOST_COMMAND_LINE_H
#define TALLY_HOST_COMMAND_LINE_H

#include "common/host/config.h"

#define COMMAND_LINE_SETTINGS_MOST 256

struct command_line {
	const char *file; /* --config; NULL */
	struct config_setting settings[COMMAND_LINE_SETTINGS_MOST];
	unsigned setting_count;
	bool check_config, print_config, json, help, version;
	struct arena memory;
};

/* --config, --set, --check-config, --print-config, --json, --help, --version */
extern const struct flag command_line_flags[];

void command_line_init(struct command_line *);
void command_line_release(struct command_line *);
/* *taken: it was one of command_line_flags or option_flags(). */
struct rc command_line_take(struct command_line *, const struct arg *, bool *taken);
/* All arguments of a program that takes no words. own: its one flag besides, which has no value, as
 * a list; NULL: none. *own_given may be NULL with it. */
struct rc command_line_read(struct command_line *, const struct flag *own, int argc,
                            char *const *argv, bool *own_given);
/*
 * Reads the configuration and answers --check-config and --print-config on
 * stdout; faults go to stderr. *answered: there is nothing more to do.
 */
struct rc command_line_config(const struct command_line *, struct config *, bool *answered);
/* The flags that all programs have, and the options, as help. */
void command_line_help(struct buf *);
/* Writes to stdout, whole; RC_IO where that failed. */
struct rc command_line_print(struct str);

#endif
