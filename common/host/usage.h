/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process has used so far, for its metrics. Nothing can fail: what the
 * system does not tell is 0.
 */
#ifndef TALLY_HOST_USAGE_H
#define TALLY_HOST_USAGE_H

#include <stdint.h>

/* Processor time, user and system, all threads. */
int64_t usage_cpu_ms(void);
int64_t usage_resident_bytes(void);

#endif
