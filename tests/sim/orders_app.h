/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three workers of the orders family in one installation: orders, commissions
 * and scoreboard, chained through their internal topics, with reference data
 * published twice.
 */
#ifndef TALLY_TESTS_SIM_ORDERS_APP_H
#define TALLY_TESTS_SIM_ORDERS_APP_H

#include "tests/sim/world.h"

extern const struct sim_app orders_app;

#endif
