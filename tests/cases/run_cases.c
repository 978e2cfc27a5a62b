/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_cases FOLDER: plays every tests/cases/WORKER/NAME.case of the folder.
 *
 * Each case is played undisturbed, with the worker at rest after each event, cut
 * at each batch boundary, killed after each event with Redis behind and with
 * Redis up to date, and, where the topic comes from outside, with every event
 * doubled. Every way must fulfil the thens, and all that get the same records must
 * leave the same bytes in Redis.
 */
#include <glob.h>
#include <stdio.h>

#include "common/base/log.h"
#include "tests/cases/check.h"

static unsigned failed, passed, played;

static void fail(const char *path, const struct script_case *c, const char *way, const char *words)
{
	failed++;
	fprintf(stderr, "FAILED %s:%u: %.*s (%s)\n  %s\n", path, c->number, STR_ARG(c->name), way,
	        words);
}

/* What Redis holds in the end; an absent str where the case failed. */
static struct str play_way(const char *path, const struct script_case *c,
                           const struct worker *worker, const struct way *way, struct arena *arena)
{
	struct stage *stage = NULL;
	struct rc rc = play(c, worker, way, arena, &stage);
	struct buf dump;

	played++;
	buf_init(&dump, arena);
	if (rc_ok(rc))
		rc = check(c, worker, way, stage, arena);
	if (rc_ok(rc))
		memory_keys_dump(stage_keys(stage), false, &dump);
	stage_free(stage);
	if (rc_ok(rc))
		return buf_str(&dump);
	fail(path, c, way->name, rc_text());
	return str_of(NULL, 0);
}

/* False: the case failed, and the other ways would say the same. */
static bool play_all_ways(const char *path, const struct script_case *c,
                          const struct worker *worker, struct arena *arena)
{
	static const struct way ways[] = {
		{ .name = "undisturbed" },
		{ .name = "at rest after each event", .each = true },
		{ .name = "killed after each event", .each = true, .crash = true },
		{ .name = "killed with Redis behind",
		  .each = true,
		  .crash = true,
		  .unflushed = true },
		{ .name = "doubled", .doubled = true },
		{ .name = "doubled, at rest after each event", .doubled = true, .each = true },
	};
	struct str first = { NULL, 0 };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct str dump;

		/* Entries of internal topics come exactly once, so none may be doubled. */
		if (ways[i].doubled && worker->internal)
			continue;
		dump = play_way(path, c, worker, &ways[i], arena);
		if (!dump.ptr)
			return false;
		if (i == 0)
			first = dump;
		else if (!ways[i].doubled && !str_eq(first, dump)) {
			fail(path, c, ways[i].name, "Redis holds other bytes than undisturbed");
			return false;
		}
	}
	for (unsigned cut = 1; cut < play_events(c); cut++) {
		struct way way = { .name = "cut", .cut = cut };
		struct str dump = play_way(path, c, worker, &way, arena);

		if (!dump.ptr)
			return false;
		if (!str_eq(first, dump)) {
			fail(path, c, way.name, "Redis holds other bytes than undisturbed");
			return false;
		}
	}
	return true;
}

static void run_file(const char *path, const struct worker *worker)
{
	struct script script;
	struct rc rc = script_read(path, &script);

	if (!rc_ok(rc)) {
		fprintf(stderr, "FAILED %s\n", rc_text());
		failed++;
	}
	for (unsigned i = 0; rc_ok(rc) && i < script.case_count; i++) {
		struct arena arena;

		arena_init(&arena, 65536);
		passed += play_all_ways(path, &script.cases[i], worker, &arena);
		arena_release(&arena);
	}
	script_release(&script);
}

int main(int argc, char **argv)
{
	const struct worker *worker;
	struct str folder;
	char pattern[1024];
	glob_t files;

	if (argc != 2) {
		fprintf(stderr, "usage: run_cases tests/cases/WORKER\n");
		return 64;
	}
	folder = str_from_c(argv[1]);
	while (str_ends(folder, STR("/")))
		folder.len--;
	for (size_t slash; (slash = str_find(folder, '/')) < folder.len;)
		folder = str_from(folder, slash + 1);
	worker = worker_find(folder);
	snprintf(pattern, sizeof(pattern), "%s/*.case", argv[1]);
	if (!worker || glob(pattern, 0, NULL, &files) != 0) {
		fprintf(stderr, "%s: no worker of that name, or no cases\n", argv[1]);
		return 66;
	}
	log_configure(LOG_ERROR, LOG_LOGFMT, str_from_c(worker->name));
	for (size_t i = 0; i < files.gl_pathc; i++)
		run_file(files.gl_pathv[i], worker);
	globfree(&files);
	printf("%.*s: %u cases passed, %u failed, played %u ways\n", STR_ARG(folder), passed,
	       failed, played);
	return failed ? 1 : 0;
}
