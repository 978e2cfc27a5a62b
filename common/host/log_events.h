/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every event that our programs write to the log: level, meaning, what to do.
 *
 * The name of an event is a stable word that alerts can be built on; tests/tidy
 * compares the table with the calls in the code. Source of docs/LOGS.md.
 */
#ifndef TALLY_HOST_LOG_EVENTS_H
#define TALLY_HOST_LOG_EVENTS_H

#include "common/base/log.h"

struct log_event {
	const char *name; /* NULL ends the list */
	enum log_level level;
	const char *words;
};

/* By level, the worst first; then by name. */
extern const struct log_event log_events[];

#endif
