/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures end here: their words go to stderr once, as a line for people before
 * the worker runs and as a log line after that.
 */
#include "common/host/host.h"

#include <stdio.h>

#include "common/host/command_line.h"
#include "common/host/describe.h"
#include "common/host/live.h"
#include "common/host/version.h"

const struct flag host_flags[] = {
	{ "--describe", NULL, "print what the worker reads, owns and writes" },
	{ .name = NULL },
};

static void help(const struct worker *worker, struct buf *out)
{
	buf_printf(out, "tally-%s: %s\n\nusage: tally-%s [FLAG]...\n\nFlags:\n", worker->name,
	           worker->words, worker->name);
	args_help(host_flags, out);
	command_line_help(out);
}

/* What needs no configuration. */
static bool answer(const struct worker *worker, const struct command_line *line, bool describe,
                   struct rc *rc)
{
	struct buf out;

	if (!line->help && !line->version && !describe)
		return false;
	buf_init(&out, NULL);
	if (line->help)
		help(worker, &out);
	else if (line->version)
		buf_printf(&out, "tally-%s " TALLY_VERSION "\n", worker->name);
	else if (line->json)
		describe_json(worker, &out);
	else
		describe_text(worker, &out);
	*rc = command_line_print(buf_str(&out));
	buf_release(&out);
	return true;
}

static struct rc run(const struct worker *worker, const struct command_line *line)
{
	static struct config config; /* large */
	bool answered;
	struct rc rc = command_line_config(line, &config, &answered);

	if (rc_ok(rc) && !answered) {
		log_configure((enum log_level)config.log_level, (enum log_format)config.log_format,
		              str_from_c(worker->name));
		rc = worker_validate(workers);
		if (rc_ok(rc))
			rc = live_run(worker, &config);
	}
	config_release(&config);
	return rc;
}

int host_main(const struct worker *worker, int argc, char **argv)
{
	static struct command_line line; /* large */
	bool describe = false;
	struct rc rc;

	command_line_init(&line);
	rc = command_line_read(&line, host_flags, argc, argv, &describe);
	if (rc_ok(rc) && !answer(worker, &line, describe, &rc))
		rc = run(worker, &line);
	if (!rc_ok(rc))
		fprintf(stderr, "tally-%s: %s\n", worker->name, rc_text());
	command_line_release(&line);
	return rc_exit_status(rc);
}
