/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells systemd how the process stands (sd_notify(3)), without libsystemd.
 *
 * Where the process was not started by systemd (no NOTIFY_SOCKET) every call
 * does nothing. Failing is ignored: systemd then acts by its own timeouts.
 */
#ifndef TALLY_HOST_NOTIFY_H
#define TALLY_HOST_NOTIFY_H

#include <stdint.h>

/* Sends one message, such as "READY=1". */
void notify_send(const char *message);
/* How often "WATCHDOG=1" is to be sent, half of what systemd allows; 0: not wanted. */
int64_t notify_watchdog_interval_ms(void);

#endif
