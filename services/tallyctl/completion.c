/* SPDX-License-Identifier: Apache-2.0 */
/*
 * completion.bash, and the tables that it reads. What a flag's value may be follows
 * from how the help calls it: FILE, a|b.
 */
#include "services/tallyctl/completion.h"

#include "common/codec/reason.h"
#include "common/host/command_line.h"
#include "common/host/host.h"
#include "services/tallyctl/command.h"

static void put_names(struct buf *out, const struct flag *flags)
{
	for (; flags->name; flags++)
		buf_printf(out, " %s", flags->name);
}

/* Flags that take a value, so that the word after one is not taken for a command. */
static void put_valued(struct buf *out, const struct flag *flags)
{
	for (; flags->name; flags++)
		if (flags->value_name)
			buf_printf(out, " %s", flags->name);
}

/* The words that may follow "--flag ", as arguments of compgen. */
static void put_values(struct buf *out, const struct flag *flags)
{
	for (; flags->name; flags++) {
		const char *value = flags->value_name;

		if (value && strncmp(value, "FILE", 4) == 0)
			buf_printf(out, "\t%s) _tally_values=(-f) ;;\n", flags->name);
		if (!value || !strchr(value, '|'))
			continue;
		buf_printf(out, "\t%s) _tally_values=(-W '", flags->name);
		for (; *value; value++)
			buf_put_char(out, *value == '|' ? ' ' : *value);
		buf_put_lit(out, "') ;;\n");
	}
}

static void put_lists(struct buf *out)
{
	buf_put_lit(out, "_tally_common='");
	put_names(out, command_line_flags);
	put_names(out, option_flags());
	buf_put_lit(out, "'\n_tally_worker='");
	put_names(out, host_flags);
	buf_put_lit(out, "'\n_tally_valued='");
	put_valued(out, command_line_flags);
	put_valued(out, option_flags());
	for (const struct command *command = commands; command->name; command++)
		put_valued(out, command->flags);
	buf_put_lit(out, " '\n_tally_settings='");
	for (const struct option *option = options; option->name; option++)
		buf_printf(out, " %s=", option->name);
	buf_put_lit(out, "'\n_tally_commands='");
	for (const struct command *command = commands; command->name; command++)
		buf_printf(out, "%s%s", command == commands ? "" : "\n", command->name);
	buf_put_lit(out, "'\n");
}

static void put_functions(struct buf *out)
{
	buf_put_lit(out, "_tally_flags_of() {\n\tcase $1 in\n");
	for (const struct command *command = commands; command->name; command++) {
		buf_printf(out, "\t'%s') echo '", command->name);
		put_names(out, command->flags);
		buf_put_lit(out, "' ;;\n");
	}
	buf_put_lit(out, "\tesac\n}\n_tally_values_of() {\n\t_tally_values=()\n\tcase $1 in\n");
	put_values(out, command_line_flags);
	put_values(out, option_flags());
	for (const struct command *command = commands; command->name; command++)
		put_values(out, command->flags);
	buf_put_lit(out, "\t--worker) _tally_values=(-W '");
	for (unsigned w = 0; workers[w]; w++)
		buf_printf(out, " %s", workers[w]->name);
	buf_put_lit(out, "') ;;\n\t--reason) _tally_values=(-W '");
	for (enum reason reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
		buf_printf(out, " %s", reason_code(reason));
	buf_put_lit(out, "') ;;\n\t--set) _tally_values=(-W \"$_tally_settings\") ;;\n\tesac\n}\n");
}

void completion_print(struct buf *out)
{
	buf_put(out, str_of(completion_functions, completion_functions_len));
	buf_put_lit(out, "\n# From here on from the tables of the code: tallyctl --print-docs\n");
	put_lists(out);
	put_functions(out);
	buf_put_lit(out, "complete -F _tally tallyctl tally-dashboard");
	for (unsigned w = 0; workers[w]; w++)
		buf_printf(out, " tally-%s", workers[w]->name);
	buf_put_char(out, '\n');
}
