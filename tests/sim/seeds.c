/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds that are run again at every test. A new one goes to the end of its part,
 * with the words of what it showed.
 */
#include "tests/sim/runs.h"

const struct sim_seed sim_seeds[] = {
	/* Mutants that few seeds show: seeds of preset dev. Sanitizers make caches count their memory
	 * otherwise, so another build draws another run. */
	{ .app = "counter", .mutant = "gap_across_cursor", .seed = 18 },
	{ .app = "counter", .mutant = "no_own_wait", .seed = 729 },
	{ .app = "counter", .mutant = "late_answers", .seed = 229 },
	{ .app = "counter", .mutant = "no_idle_check", .seed = 126 },
	{ .app = "counter", .mutant = "load_without_compare", .seed = 184 },
	{ .app = "counter", .mutant = "torn_unmarked", .seed = 172 },
	{ .app = "counter", .mutant = "late_wipe", .seed = 14749 },
	{ .app = "counter", .mutant = "no_generation", .seed = 146 },
	{ .app = "counter", .mutant = "epochs_before_metadata", .seed = 612 },
	{ .app = "counter", .mutant = "cursor_while_pending", .seed = 110 },
	/* Hundreds of runs, or more, show these once. */
	{ .app = "counter",
	  .seed = 1409,
	  .words = "told to leave while it replays what is untold" },
	{ .app = "counter", .seed = 4659, .words = "the same, from the start of the log" },
	{ .app = NULL },
};
