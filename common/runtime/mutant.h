/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Safeties of the commit protocol that a test can take away.
 *
 * A test that nothing can fail proves nothing, so each safety of the shards and the
 * publisher has a mutant here, and the simulation must fail under each (ctest
 * sim/mutants). Only that test's program is compiled with TALLY_MUTANTS; in every
 * other build MUTANT() is the constant 0. Those about what the broker or Redis does
 * are in the memory adapters (broker.h, store.h). The names follow the protocol's
 * model, tests/model/explore.py.
 */
#ifndef TALLY_RUNTIME_MUTANT_H
#define TALLY_RUNTIME_MUTANT_H

#define MUTANT_LIST(X)                                                                          \
	X(no_suppression, "outputs below K are sent again")                                     \
	X(no_cut, "a batch goes across K")                                                      \
	X(gap_across_cursor, "a gap of control markers carries a replayed batch across K")      \
	X(resume_at_cursor, "the fold begins at K with the state of R")                         \
	X(flush_beyond, "a flush writes an R whose outputs are not committed")                  \
	X(keep_after_refusal, "another R than its own makes no difference to the shard")        \
	X(clear_all, "the answer of a flush drops what was committed meanwhile")                \
	X(evict_unflushed, "a changed entity leaves the cache before Redis has it")             \
	X(number_from_start, "output numbers do not go on from K")                              \
	X(no_own_wait, "a claim does not wait for an own transaction that carries the shard")   \
	X(keep_epoch, "what is thrown away keeps its claim epoch")                              \
	X(keep_queue, "folded batches outlive their claim")                                     \
	X(resend_lost, "an aborted batch of a lost shard is sent again")                        \
	X(late_answers, "an answer to an earlier claim counts for this one")                    \
	X(no_idle_check, "nobody looks whether R is where it was left")                         \
	X(no_wipe, "a rebuild begins over what Redis still has")                                \
	X(rebuild_under_new_logic, "a rebuild folds its first records under K's logic version") \
	X(timer_unchecked, "a timer record rings whatever its entity expects")                  \
	X(skipped_forgotten, "K's metadata does not name what is skipped as poison")            \
	X(told_forgotten, "a replay takes all sums below K for told")                           \
	X(told_again, "a replay gathers the sums of all it folds")                              \
	X(flush_untold, "state is flushed whose sums are not told")

#ifdef TALLY_MUTANTS
#define MUTANT_NAME(name, words) MUTANT_##name,
enum mutant { MUTANT_NONE, MUTANT_LIST(MUTANT_NAME) };
#undef MUTANT_NAME
/* Defined and set by the test's program. */
extern enum mutant mutant_on;
#define MUTANT(name) (mutant_on == MUTANT_##name)
#else
#define MUTANT(name) 0
#endif

#endif
