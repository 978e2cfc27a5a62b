/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/runs.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "tests/sim/counter_app.h"
#include "tests/sim/orders_app.h"

const struct sim_app *const sim_apps[] = { &counter_app, &orders_app, NULL };

static char running[160]; /* what a crash handler tells */

static void on_abort(int signal_number)
{
	static const char words[] = "\nsimulation: aborted in ";

	(void)signal_number;
	if (write(STDERR_FILENO, words, sizeof(words) - 1) > 0 &&
	    write(STDERR_FILENO, running, strlen(running)) > 0 && write(STDERR_FILENO, "\n", 1) > 0)
		signal(SIGABRT, SIG_DFL);
}

void sim_begin_runs(void)
{
	/* Faults are the rule here, so their log lines are left to a replay. */
	log_configure((enum log_level)(LOG_ERROR + 1), LOG_LOGFMT, STR(""));
	signal(SIGABRT, on_abort);
}

const struct sim_app *sim_app_named(const char *name)
{
	for (unsigned i = 0; sim_apps[i]; i++)
		if (strcmp(sim_apps[i]->name, name) == 0)
			return sim_apps[i];
	return NULL;
}

static void add_totals(struct sim_stats *to, const struct sim_stats *s)
{
	struct process_stats *p = &to->process;

	to->turns += s->turns;
	to->steps += s->steps;
	to->crashes += s->crashes;
	to->poisoned += s->poisoned;
	to->expels += s->expels;
	to->rollbacks += s->rollbacks;
	to->outputs += s->outputs;
	p->records += s->process.records;
	p->transactions += s->process.transactions;
	p->aborts += s->process.aborts;
	p->unknown_outcomes += s->process.unknown_outcomes;
	p->flushes += s->process.flushes;
	p->flush_refusals += s->process.flush_refusals;
	p->claims += s->process.claims;
	p->rebuilds += s->process.rebuilds;
	p->timers += s->process.timers;
	to->calls = s->calls;
	to->own_steps = s->own_steps;
}

bool sim_run(const struct sim_app *app, const struct sim_options *options, struct sim_record *r)
{
	struct sim_world *w;
	const char *words;

	snprintf(running, sizeof(running), "--app %s --seed %" PRIu64 " (%s at call %u, step %u)",
	         app->name, options->seed, sim_fault_name(options->fault), options->fault_call,
	         options->fault_step);
	w = sim_world_new(app, options);
	words = sim_world_run(w);
	if (words)
		snprintf(r->failure, sizeof(r->failure), "%s", words);
	sim_world_stop(w);
	add_totals(&r->totals, sim_world_stats(w));
	sim_world_free(w);
	return !words;
}

static void print_line(void *to, const char *line)
{
	fprintf(to, "%s\n", line);
}

int sim_replay(const struct sim_app *app, const struct sim_options *options)
{
	struct sim_options traced = *options;
	struct sim_record record = { .failure = "" };
	bool good;

	traced.trace = print_line;
	traced.trace_to = stdout;
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_configure(LOG_INFO, LOG_LOGFMT, STR(""));
	good = sim_run(app, &traced, &record);
	printf("seed %" PRIu64 " of %s: %s\n", options->seed, app->name,
	       good ? "all is well" : record.failure);
	return good ? 0 : 1;
}

double sim_seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

const char *sim_value_of(int argc, char **argv, int *i)
{
	if (*i + 1 >= argc) {
		fprintf(stderr, "%s needs a value\n", argv[*i]);
		exit(64);
	}
	return argv[++*i];
}
