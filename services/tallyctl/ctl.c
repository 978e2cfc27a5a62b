/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line is read twice: first for the words that name the command,
 * with the flags of all commands known, then with those of this command only, so
 * that a flag of another command is wrong use and not passed over.
 */
#include "services/tallyctl/ctl.h"

#include <stdio.h>

#include "common/base/must.h"
#include "common/host/command_line.h"
#include "common/host/version.h"
#include "services/tallyctl/command.h"
#include "services/tallyctl/manual.h"
#include "services/tallyctl/pages.h"

#define COMMANDS_MOST 32

struct ctl {
	struct command_line line;
	struct config config;
	struct invocation invocation;
	const struct command *command;
	const char *docs; /* --print-docs; NULL */
};

/* Not in the help: `make docs` and the build print pages with it. */
static const struct flag hidden_flags[] = {
	{ "--print-docs", "NAME", "print a page of docs/ (names lists them) or of the manual" },
	{ .name = NULL },
};

/* ---- which command ----------------------------------------------------- */

static bool is_command(const char *name, const char *first, const char *second)
{
	size_t len = strlen(first);

	if (strncmp(name, first, len) != 0)
		return false;
	return name[len] == '\0' ||
	       (name[len] == ' ' && second && strcmp(name + len + 1, second) == 0);
}

static struct rc unknown_command(const char *first)
{
	struct buf names;
	struct rc rc;

	buf_init(&names, NULL);
	for (const struct command *command = commands; command->name; command++)
		buf_printf(&names, "%s%s", names.len ? ", " : "", command->name);
	if (first)
		rc = rc_fail(RC_USAGE, "%s: no such command; there are %.*s", first,
		             STR_ARG(buf_str(&names)));
	else
		rc = rc_fail(RC_USAGE, "which command? There are %.*s; see --help",
		             STR_ARG(buf_str(&names)));
	buf_release(&names);
	return rc;
}

/* NULL: no words were given. */
static struct rc find_command(int argc, char *const *argv, const struct command **out)
{
	const struct flag *lists[COMMANDS_MOST + 4] = { hidden_flags, command_line_flags,
		                                        option_flags() };
	const char *words[2] = { NULL, NULL };
	unsigned count = 0, list_count = 3;
	struct args args;
	struct arg arg;

	for (const struct command *command = commands; command->name; command++) {
		must(list_count < COMMANDS_MOST + 3);
		lists[list_count++] = command->flags;
	}
	args_init(&args, argc, argv, lists);
	do {
		TRY(args_next(&args, &arg));
		if (arg.kind == ARG_WORD && count < 2)
			words[count++] = arg.text;
	} while (arg.kind != ARG_END);
	*out = NULL;
	for (const struct command *command = commands; words[0] && command->name; command++)
		if (is_command(command->name, words[0], words[1]))
			*out = command;
	return *out || !words[0] ? OK : unknown_command(words[0]);
}

/* ---- its arguments ----------------------------------------------------- */

static struct rc take_value(struct invocation *invocation, const struct arg *arg)
{
	if (invocation->value_count == COMMAND_VALUES_MOST)
		return rc_fail(RC_USAGE, "more than %d flags", COMMAND_VALUES_MOST);
	invocation->values[invocation->value_count].flag = arg->flag->name;
	invocation->values[invocation->value_count++].value = arg->text;
	return OK;
}

static struct rc parse(struct ctl *ctl, int argc, char *const *argv)
{
	const struct flag *lists[] = { hidden_flags, command_line_flags, option_flags(),
		                       ctl->command ? ctl->command->flags : NULL, NULL };
	struct invocation *invocation = &ctl->invocation;
	const char **words = arena_alloc(&ctl->line.memory, (size_t)argc * sizeof(*words));
	unsigned named = ctl->command ? 1 + (strchr(ctl->command->name, ' ') != NULL) : 0;
	struct args args;
	struct arg arg;
	bool taken;

	args_init(&args, argc, argv, lists);
	for (;;) {
		TRY(args_next(&args, &arg));
		if (arg.kind == ARG_END)
			break;
		if (arg.kind == ARG_WORD) {
			if (named)
				named--;
			else
				words[invocation->word_count++] = arg.text;
			continue;
		}
		TRY(command_line_take(&ctl->line, &arg, &taken));
		if (!taken && arg.flag == &hidden_flags[0])
			ctl->docs = arg.text;
		else if (!taken)
			TRY(take_value(invocation, &arg));
	}
	invocation->words = words;
	return OK;
}

/* ---- answers without a command ----------------------------------------- */

static void help(const struct command *only, struct buf *out)
{
	if (only) {
		buf_printf(out, "tallyctl %s: %s\n\nusage: tallyctl %s %s\n\nFlags:\n", only->name,
		           only->words, only->name, only->arguments);
		args_help(only->flags, out);
	} else {
		buf_put_lit(out, "tallyctl: the operator's tool of Tallyworks\n\n"
		                 "usage: tallyctl COMMAND [FLAG]... [WORD]...\n\nCommands:\n");
		for (const struct command *command = commands; command->name; command++)
			buf_printf(out, "  %-20s %-10s %s\n", command->name, command->arguments,
			           command->words);
		buf_put_lit(out, "\nFlags:\n");
	}
	command_line_help(out);
}

static struct rc print_docs(const char *name, struct buf *out)
{
	const struct page *found = page_find(name);

	if (!found && manual_print(name, out))
		return OK;
	if (!found && strcmp(name, "names") != 0)
		return rc_fail(RC_USAGE,
		               "--print-docs %s: no such page; --print-docs names lists them",
		               name);
	if (found)
		found->print(out);
	for (const struct page *page = pages; !found && page->name; page++)
		buf_printf(out, "%s %s\n", page->name, page->file);
	return OK;
}

/* The answer and its words matter; what the libraries log is for those who asked for it. */
static void configure_log(const struct config *config)
{
	bool asked = strcmp(config->values[option_find(STR("log.level"))].from, "default") != 0;

	log_configure(asked ? (enum log_level)config->log_level : LOG_ERROR,
	              (enum log_format)config->log_format, STR("tallyctl"));
}

static struct rc run(struct ctl *ctl, struct buf *out)
{
	bool answered;

	if (ctl->line.help) {
		help(ctl->command, out);
		return OK;
	}
	if (ctl->line.version) {
		buf_put_lit(out, "tallyctl " TALLY_VERSION "\n");
		return OK;
	}
	if (ctl->docs)
		return print_docs(ctl->docs, out);
	TRY(command_line_config(&ctl->line, &ctl->config, &answered));
	if (answered)
		return OK;
	if (!ctl->command)
		return unknown_command(NULL);
	configure_log(&ctl->config);
	ctl->invocation.config = &ctl->config;
	ctl->invocation.memory = &ctl->line.memory;
	ctl->invocation.json = ctl->line.json;
	ctl->invocation.out = out;
	return ctl->command->run(&ctl->invocation);
}

int ctl_main(int argc, char *const *argv)
{
	static struct ctl ctl; /* large */
	struct buf out;
	struct rc rc, printed;

	command_line_init(&ctl.line);
	buf_init(&out, NULL);
	rc = find_command(argc, argv, &ctl.command);
	if (rc_ok(rc))
		rc = parse(&ctl, argc, argv);
	if (rc_ok(rc))
		rc = run(&ctl, &out);
	if (!rc_ok(rc))
		fprintf(stderr, "tallyctl%s%s: %s\n", ctl.command ? " " : "",
		        ctl.command ? ctl.command->name : "", rc_text());
	/* An answer is printed also where it ends in a failure: `topics check` has one. */
	printed = command_line_print(buf_str(&out));
	config_release(&ctl.config);
	command_line_release(&ctl.line);
	buf_release(&out);
	return rc_exit_status(rc_ok(rc) ? printed : rc);
}
