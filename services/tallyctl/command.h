/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl as a table of commands: name, words, flags, function.
 *
 * main() reads the command line and the configuration, then calls the command.
 * A command prints its answer to stdout (text, or JSON with --json) and what it
 * has to say besides to stderr; its rc becomes the exit status. To add a command:
 * a file with its function, a row in commands.c.
 */
#ifndef TALLY_TALLYCTL_COMMAND_H
#define TALLY_TALLYCTL_COMMAND_H

#include "common/host/config.h"
#include "common/runtime/worker.h"

#define COMMAND_VALUES_MOST 1024

/* What the command line gave. */
struct invocation {
	const struct config *config;
	struct arena *memory;
	bool json;
	struct buf *out; /* written to stdout when the command ends */
	const char *const *words;
	unsigned word_count;
	struct {
		const char *flag, *value;
	} values[COMMAND_VALUES_MOST];
	unsigned value_count;
};

struct command {
	const char *name;      /* one or two words: "topics create" */
	const char *arguments; /* "FILE..." */
	const char *words;
	const struct flag *flags; /* its own; ends with name NULL */
	struct rc (*run)(struct invocation *);
};

/* The table; ends with name NULL. */
extern const struct command commands[];

/* Was the flag given? */
bool invocation_has(const struct invocation *, const char *flag);
/* A flag's value (the last one given), or NULL. */
const char *invocation_text(const struct invocation *, const char *flag);
/* A flag with a whole number, or the fallback; RC_USAGE outside least..most. */
struct rc invocation_int(const struct invocation *, const char *flag, int64_t least, int64_t most,
                         int64_t fallback, int64_t *out);
/* The worker of --worker, NULL without it; RC_USAGE where there is none of that name. */
struct rc invocation_worker(const struct invocation *, const struct worker **out);
/* RC_USAGE where there are words but the command takes none. */
struct rc invocation_no_words(const struct invocation *);

struct rc command_topics_create(struct invocation *);
struct rc command_topics_check(struct invocation *);
struct rc command_publish(struct invocation *);
struct rc command_lag(struct invocation *);
struct rc command_top(struct invocation *);
struct rc command_gen(struct invocation *);
struct rc command_describe(struct invocation *);
struct rc command_key(struct invocation *);
struct rc command_explain(struct invocation *);
struct rc command_replay(struct invocation *);
struct rc command_verify(struct invocation *);
struct rc command_validate(struct invocation *);
struct rc command_logic_advance(struct invocation *);
struct rc command_repair(struct invocation *);
struct rc command_dlq_list(struct invocation *);
struct rc command_dlq_show(struct invocation *);
struct rc command_dlq_redrive(struct invocation *);

#endif
