/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP servers ask of a socket.
 */
#ifndef TALLY_ADAPTERS_SOCKET_H
#define TALLY_ADAPTERS_SOCKET_H

#include <stdint.h>

/* The port it is bound to, which the system chose where 0 was asked for; 0: none. */
uint16_t socket_port(int fd);

#endif
