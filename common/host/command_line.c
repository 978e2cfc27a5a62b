/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags of options become settings, in the order in which they came: the last
 * one wins, as people expect of a command line.
 */
#include "common/host/command_line.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/host/config_print.h"

const struct flag command_line_flags[] = {
	{ "--config", "FILE", "read this configuration file" },
	{ "--set", "KEY=VALUE", "set an option; may be repeated" },
	{ "--check-config", NULL, "check the configuration and end" },
	{ "--print-config", NULL, "print the configuration in force, secrets masked, and end" },
	{ "--json", NULL, "answer in JSON" },
	{ "--help", NULL, "this text" },
	{ "--version", NULL, "print the version" },
	{ .name = NULL },
};

void command_line_init(struct command_line *line)
{
	*line = (struct command_line){ .file = NULL };
	arena_init(&line->memory, 1024);
}

void command_line_release(struct command_line *line)
{
	arena_release(&line->memory);
}

struct rc command_line_take(struct command_line *line, const struct arg *arg, bool *taken)
{
	const char *name = arg->flag->name;
	struct config_setting setting;

	*taken = true;
	if (strcmp(name, "--config") == 0)
		line->file = arg->text;
	else if (strcmp(name, "--check-config") == 0)
		line->check_config = true;
	else if (strcmp(name, "--print-config") == 0)
		line->print_config = true;
	else if (strcmp(name, "--json") == 0)
		line->json = true;
	else if (strcmp(name, "--help") == 0)
		line->help = true;
	else if (strcmp(name, "--version") == 0)
		line->version = true;
	else if (strcmp(name, "--set") == 0 ||
	         config_setting_from_flag(arg->flag, arg->text, &setting)) {
		if (strcmp(name, "--set") == 0)
			TRY(config_setting_from_text(arg->text, &line->memory, &setting));
		if (line->setting_count == COMMAND_LINE_SETTINGS_MOST)
			return rc_fail(RC_USAGE, "more than %d settings",
			               COMMAND_LINE_SETTINGS_MOST);
		line->settings[line->setting_count++] = setting;
	} else {
		*taken = false;
	}
	return OK;
}

struct rc command_line_print(struct str text)
{
	if (fwrite(text.ptr ? text.ptr : "", 1, text.len, stdout) == text.len &&
	    fflush(stdout) == 0)
		return OK;
	return rc_fail(RC_IO, "writing to stdout: %s", strerror(errno));
}

struct rc command_line_read(struct command_line *line, const struct flag *own, int argc,
                            char *const *argv, bool *own_given)
{
	const struct flag *const lists[] = { command_line_flags, option_flags(), own, NULL };
	struct args args;
	struct arg arg;
	bool taken;

	args_init(&args, argc, argv, lists);
	for (;;) {
		TRY(args_next(&args, &arg));
		if (arg.kind == ARG_END)
			return OK;
		if (arg.kind == ARG_WORD)
			return rc_fail(RC_USAGE, "%s: not a flag; see --help", arg.text);
		TRY(command_line_take(line, &arg, &taken));
		if (!taken)
			*own_given = true;
	}
}

struct rc command_line_config(const struct command_line *line, struct config *config,
                              bool *answered)
{
	struct config_sources sources = {
		.file = line->file,
		.environment = environ,
		.settings = line->settings,
		.setting_count = line->setting_count,
	};
	struct buf text;
	struct rc rc;

	buf_init(&text, NULL);
	rc = config_load(config, &sources, &text);
	fwrite(text.ptr ? text.ptr : "", 1, text.len, stderr);
	buf_clear(&text);
	*answered = line->check_config || line->print_config;
	if (line->print_config && line->json)
		config_print_json(config, &text);
	else if (line->print_config)
		config_print(config, &text);
	else if (rc_ok(rc) && line->check_config)
		buf_put(&text, line->json ? STR("{\"valid\":true}\n")
		                          : STR("the configuration is valid\n"));
	if (rc_ok(rc) && *answered)
		rc = command_line_print(buf_str(&text));
	buf_release(&text);
	return rc;
}

void command_line_help(struct buf *out)
{
	args_help(command_line_flags, out);
	buf_put_lit(out,
	            "\nOptions, also as --set KEY=VALUE (redis.url is --redis-url), in the "
	            "environment (TALLY_REDIS_URL)\nor in the file (redis.url = ...); kafka.NAME "
	            "goes to librdkafka:\n");
	args_help(option_flags(), out);
}
