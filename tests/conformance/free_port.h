/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP port of the loopback address for a server of a test's own.
 */
#ifndef TALLY_TESTS_CONFORMANCE_FREE_PORT_H
#define TALLY_TESTS_CONFORMANCE_FREE_PORT_H

/* As deploy/local's scripts choose one; fails the test where none is found. */
int free_port(void);

#endif
