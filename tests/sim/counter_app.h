/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counter worker's installation: its stream of ticks and what must come of
 * it, computed from the input log in one plain pass.
 */
#ifndef TALLY_TESTS_SIM_COUNTER_APP_H
#define TALLY_TESTS_SIM_COUNTER_APP_H

#include "tests/sim/world.h"

extern const struct sim_app counter_app;

#endif
