/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topics that follow from the worker tables: inputs, outputs, dead-letter
 * topics, reference; and what each of them must be like.
 *
 * Names live in the arena, with the configured prefix. Nothing can fail.
 */
#ifndef TALLY_TALLYCTL_TOPOLOGY_H
#define TALLY_TALLYCTL_TOPOLOGY_H

#include "common/host/config.h"
#include "common/runtime/worker.h"

#define TOPOLOGY_TOPICS_MOST 64

enum topic_role { TOPIC_REFERENCE, TOPIC_INPUT, TOPIC_DEAD_LETTER, TOPIC_OUTPUT };
#define TOPIC_ROLES 4

struct topic {
	const char *name; /* with prefix */
	enum topic_role role;
	const struct worker *worker; /* INPUT, DEAD_LETTER: whose */
};

struct topology {
	struct topic topics[TOPOLOGY_TOPICS_MOST];
	unsigned count;
};

/* reference first, then each worker's input and dead-letter topic, then other outputs. */
void topology_of_workers(const struct config *, struct arena *, struct topology *out);
const char *topic_role_name(enum topic_role);

#endif
