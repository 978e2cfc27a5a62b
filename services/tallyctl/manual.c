/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The man macros of man(7). put_text() is the only way in which words of a table
 * come into a page, so that none of them is taken for a request.
 */
#include "services/tallyctl/manual.h"

#include <stdio.h>

#include "common/host/command_line.h"
#include "common/host/host.h"
#include "common/host/version.h"
#include "services/tallyctl/command.h"
#include "services/tallyctl/completion.h"

/* A dash is a minus that can be searched for and copied; at a line's begin neither a dot nor an
 * apostrophe may stand. */
static void put_text(struct buf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_put_lit(out, "\\&");
	for (; *text; text++) {
		if (*text == '-')
			buf_put_lit(out, "\\-");
		else if (*text == '\\')
			buf_put_lit(out, "\\e");
		else
			buf_put_char(out, *text);
	}
}

static void put_font(struct buf *out, char font, const char *text)
{
	buf_printf(out, "\\f%c", font);
	put_text(out, text);
	buf_put_lit(out, "\\fR");
}

static void put_head(struct buf *out, const char *title, char section, const char *name,
                     const char *words)
{
	buf_put_lit(out, ".\\\" From the tables of the code: tallyctl \\-\\-print\\-docs\n.TH ");
	put_text(out, title);
	buf_printf(out, " %c \"\" \"Tallyworks " TALLY_VERSION "\" \"Tallyworks\"\n", section);
	buf_put_lit(out, ".SH NAME\n");
	put_text(out, name);
	buf_put_lit(out, " \\- ");
	put_text(out, words);
	buf_put_char(out, '\n');
}

static void put_flags(struct buf *out, const struct flag *flags)
{
	for (; flags->name; flags++) {
		buf_put_lit(out, ".TP\n");
		put_font(out, 'B', flags->name);
		if (flags->value_name) {
			buf_put_char(out, ' ');
			put_font(out, 'I', flags->value_name);
		}
		buf_put_char(out, '\n');
		put_text(out, flags->words);
		buf_put_char(out, '\n');
	}
}

static void put_configuration(struct buf *out)
{
	buf_put_lit(out, ".SH CONFIGURATION\n"
	                 "Every option of\n.BR tallyworks.conf (5)\nis a flag too: redis.url is\n"
	                 ".BR \\-\\-redis\\-url .\n"
	                 "A flag comes before the environment (TALLY_REDIS_URL), that before the "
	                 "file, that before the default.\n");
}

static void put_exits(struct buf *out)
{
#define EXIT_ROW(code, words, status) { words, status },
	static const struct {
		const char *words;
		int status;
	} exits[] = { RC_CODES(EXIT_ROW) };
#undef EXIT_ROW

	buf_put_lit(out, ".SH EXIT STATUS\nThose of sysexits(3).\n");
	for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
		buf_printf(out, ".TP\n.B %d\n", exits[i].status);
		put_text(out, exits[i].words);
		buf_put_char(out, '\n');
	}
}

/* ---- tallyctl.1 ----------------------------------------------------------------- */

static void print_tallyctl(struct buf *out)
{
	put_head(out, "TALLYCTL", '1', "tallyctl", "the operator's tool of Tallyworks");
	buf_put_lit(out, ".SH SYNOPSIS\n.B tallyctl\n.I COMMAND\n"
	                 ".RI [ FLAG ]...\n.RI [ WORD ]...\n.SH DESCRIPTION\n"
	                 "Makes topics, publishes reference data, says how far the workers are, "
	                 "explains and checks figures, and sends refused records back. An answer "
	                 "goes to stdout, words besides it to stderr.\n.SH COMMANDS\n");
	for (const struct command *command = commands; command->name; command++) {
		buf_put_lit(out, ".SS ");
		put_text(out, command->name);
		if (command->arguments[0]) {
			buf_put_char(out, ' ');
			put_text(out, command->arguments);
		}
		buf_put_char(out, '\n');
		put_text(out, command->words);
		buf_put_char(out, '\n');
		put_flags(out, command->flags);
	}
	buf_put_lit(out, ".SH FLAGS OF ALL COMMANDS\n");
	put_flags(out, command_line_flags);
	put_configuration(out);
	put_exits(out);
	buf_put_lit(out, ".SH SEE ALSO\n.BR tallyworks.conf (5)");
	for (unsigned w = 0; workers[w]; w++) {
		buf_put_lit(out, ",\n.BR tally\\-");
		put_text(out, workers[w]->name);
		buf_put_lit(out, " (1)");
	}
	buf_put_char(out, '\n');
}

/* ---- tally-WORKER.1 ------------------------------------------------------------- */

static void put_topics(const struct worker *worker, struct buf *out)
{
	buf_put_lit(out, ".SH DESCRIPTION\nReads the topic\n.B ");
	put_text(out, worker->topic);
	buf_put_lit(out, "\nas the consumer group\n.BR tallyworks\\-");
	put_text(out, worker->name);
	buf_put_lit(out, " ,\nkeeps its state in Redis and writes");
	for (const struct output *const *o = worker->outputs; *o; o++) {
		buf_put(out, o == worker->outputs ? STR("\n.B ") : STR(",\n.B "));
		put_text(out, (*o)->type);
		buf_put_lit(out, "\nto ");
		put_text(out, (*o)->topic);
	}
	if (!worker->outputs[0])
		buf_put_lit(out, " nothing else");
	buf_put_lit(out,
	            ".\nStart as many processes as the topic has partitions, or fewer: none of "
	            "them changes a result.\nA record that cannot be used goes to\n.B ");
	put_text(out, worker->topic);
	buf_put_lit(out, ".dlq\nonce, with a reason.\n");
}

static void print_worker(const struct worker *worker, struct buf *out)
{
	char name[64], title[64];

	snprintf(name, sizeof(name), "tally-%s", worker->name);
	snprintf(title, sizeof(title), "TALLY-%s", worker->name);
	for (char *c = title; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	put_head(out, title, '1', name, worker->words);
	buf_put_lit(out, ".SH SYNOPSIS\n.B ");
	put_text(out, name);
	buf_put_lit(out, "\n.RI [ FLAG ]...\n");
	put_topics(worker, out);
	buf_put_lit(out, ".SH FLAGS\n");
	put_flags(out, host_flags);
	put_flags(out, command_line_flags);
	put_configuration(out);
	buf_put_lit(out,
	            ".SH SIGNALS\nSIGTERM and SIGINT: what was taken is finished and the group "
	            "is left, within drain.timeout.ms. A second one ends the process at once, "
	            "as safe as a crash.\n.SH HTTP\n"
	            "At http.address: /livez, /readyz, /metrics, /shards.\n");
	put_exits(out);
	buf_put_lit(out, ".SH SEE ALSO\n.BR tallyctl (1),\n.BR tallyworks.conf (5)\n");
}

/* ---- tally-dashboard.1 ---------------------------------------------------------- */

static void print_dashboard(struct buf *out)
{
	put_head(out, "TALLY-DASHBOARD", '1', "tally-dashboard",
	         "the page and the JSON API of Tallyworks");
	buf_put_lit(out, ".SH SYNOPSIS\n.B tally\\-dashboard\n.RI [ FLAG ]...\n"
	                 ".SH DESCRIPTION\nServes a page and a JSON API over the figures that the "
	                 "workers keep in Redis, at http.address. It writes nothing. Any address "
	                 "but loopback needs http.token.file.\n.SH FLAGS\n");
	put_flags(out, command_line_flags);
	put_configuration(out);
	put_exits(out);
	buf_put_lit(out, ".SH SEE ALSO\n.BR tallyctl (1),\n.BR tallyworks.conf (5)\n");
}

/* ---- tallyworks.conf.5 ---------------------------------------------------------- */

static void put_option(const struct option *option, struct buf *range, struct buf *out)
{
	buf_clear(range);
	option_range(option, range);
	buf_put_char(range, '\0');
	buf_put_lit(out, ".TP\n");
	put_font(out, 'B', option->name);
	buf_put_lit(out, " = ");
	put_font(out, 'I', range->ptr);
	buf_put_char(out, '\n');
	put_text(out, option->words);
	buf_put_lit(out, "\nDefault: ");
	put_text(out, option->initial[0] ? option->initial : "empty");
	buf_put_lit(out, ". Environment: ");
	option_environment_name(option, out);
	buf_put_lit(out, ".\n");
}

static void print_configuration(struct buf *out)
{
	struct buf range;

	buf_init(&range, NULL);
	put_head(out, "TALLYWORKS.CONF", '5', "tallyworks.conf",
	         "configuration of tallyctl and the workers of Tallyworks");
	buf_put_lit(out,
	            ".SH DESCRIPTION\nOne line an option:\n.IR \"NAME = VALUE\" .\n"
	            "A line that begins with # is a comment. The file is named by \\-\\-config or "
	            "TALLY_CONFIG. A flag comes before the environment, that before the file, "
	            "that before the default. Durations are milliseconds, or take a unit: "
	            "250ms, 10s, 5m, 1h. \\-\\-check\\-config names every fault.\n.SH OPTIONS\n");
	for (const struct option *option = options; option->name; option++)
		put_option(option, &range, out);
	buf_put_lit(out,
	            ".SH KAFKA\nkafka.NAME goes to librdkafka as it is; what the commit protocol "
	            "stands on cannot be set. A secret can be in a file: "
	            "kafka.sasl.password.file.\n.SH SEE ALSO\n.BR tallyctl (1)\n");
	buf_release(&range);
}

bool manual_print(const char *name, struct buf *out)
{
	char own[80];

	for (unsigned w = 0; workers[w]; w++) {
		snprintf(own, sizeof(own), "tally-%s.1", workers[w]->name);
		if (strcmp(name, own) == 0) {
			print_worker(workers[w], out);
			return true;
		}
	}
	if (strcmp(name, "tallyctl.1") == 0)
		print_tallyctl(out);
	else if (strcmp(name, "tally-dashboard.1") == 0)
		print_dashboard(out);
	else if (strcmp(name, "tallyworks.conf.5") == 0)
		print_configuration(out);
	else if (strcmp(name, "tallyworks.bash") == 0)
		completion_print(out);
	else
		return false;
	return true;
}
