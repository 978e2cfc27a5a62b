/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redrives and their dry runs for the page and the API, one at a time, on a thread
 * of its own: the engine is that of `tallyctl dlq redrive`.
 *
 * A request is checked before anything is asked of Kafka. What was started last is
 * remembered, how far it is or how it ended, until the next is started. Of a redrive
 * from elsewhere, another dashboard's or tallyctl's, at the same topic the one that
 * began first ends, with words; nothing is sent twice. A redriver owns its thread.
 */
#ifndef TALLY_DASHBOARD_REDRIVER_H
#define TALLY_DASHBOARD_REDRIVER_H

#include "common/host/config.h"
#include "services/dashboard/refused.h"
#include "services/dashboard/route.h"
#include "services/tallyctl/redrive.h"

struct redrive_request {
	const struct worker *worker; /* whose dead letters */
	struct redrive_wish wish;
};

/* Reads a JSON object. False: problem says what is wrong with it; its words live in the arena. */
bool redrive_request_read(struct str body, struct arena *, struct redrive_request *,
                          struct problem *);

/* The latest. */
struct redrive_report {
	int64_t number; /* of this process, from 1; 0: there was none */
	struct redrive_request request;
	int64_t started_ms, ended_ms; /* wall clock; 0: it is under way */
	struct redrive_state state;
	char trouble[400]; /* why it ended early; "": it did not */
};

struct redriver;

/* Both are borrowed; what was found refused is forgotten when a redrive has ended. Fails where no
 * thread can be had. */
struct rc redriver_new(const struct config *, struct refused *, struct redriver **out);
/* A redrive under way ends behind its transaction. NULL is allowed. */
void redriver_free(struct redriver *);
/* False: one is under way. */
bool redriver_start(struct redriver *, const struct redrive_request *);
void redriver_copy(struct redriver *, struct redrive_report *out);

#endif
