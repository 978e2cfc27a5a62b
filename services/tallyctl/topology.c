/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An output that is some worker's input counts as an input: that is what it has
 * to be fit for.
 */
#include "services/tallyctl/topology.h"

#include "common/base/must.h"
#include "common/host/connection.h"

static void add(struct topology *topology, const char *name, enum topic_role role,
                const struct worker *worker)
{
	for (unsigned i = 0; i < topology->count; i++)
		if (strcmp(topology->topics[i].name, name) == 0)
			return;
	must(topology->count < TOPOLOGY_TOPICS_MOST);
	topology->topics[topology->count++] = (struct topic){ name, role, worker };
}

void topology_of_workers(const struct config *config, struct arena *arena, struct topology *out)
{
	out->count = 0;
	add(out, connection_topic(config, "reference", arena), TOPIC_REFERENCE, NULL);
	for (int i = 0; workers[i]; i++) {
		const char *name = connection_topic(config, workers[i]->topic, arena);

		add(out, name, TOPIC_INPUT, workers[i]);
		add(out, arena_printf(arena, "%s.dlq", name).ptr, TOPIC_DEAD_LETTER, workers[i]);
	}
	for (int i = 0; workers[i]; i++)
		for (const struct output *const *output = workers[i]->outputs; *output; output++)
			add(out, connection_topic(config, (*output)->topic, arena), TOPIC_OUTPUT,
			    NULL);
}

const char *topic_role_name(enum topic_role role)
{
	switch (role) {
	case TOPIC_REFERENCE: return "reference";
	case TOPIC_INPUT: return "input";
	case TOPIC_DEAD_LETTER: return "dead-letter";
	case TOPIC_OUTPUT: return "output";
	}
	return "";
}
