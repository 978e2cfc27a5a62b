/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at a stage after a case was played: does every `then` hold?
 *
 * Besides the thens some things must hold in every case: nothing else was refused,
 * credits add up to the order's net, lines add up to what is payable, and every
 * commission can be found by its id.
 */
#ifndef TALLY_TESTS_CASES_CHECK_H
#define TALLY_TESTS_CASES_CHECK_H

#include "tests/cases/play.h"

/* RC_DATA with words where one does not hold. */
struct rc check(const struct script_case *, const struct worker *, const struct way *,
                const struct stage *, struct arena *);

#endif
