/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a topic must be like for its role, and what it costs where it is not.
 *
 * Existing topics are never changed here: what cannot work is an error, what
 * works at a price is a warning that names the price. Source: CONTRACT "Names"
 * and DESIGN section 4.
 */
#ifndef TALLY_TALLYCTL_TOPIC_CHECK_H
#define TALLY_TALLYCTL_TOPIC_CHECK_H

#include "services/tallyctl/findings.h"
#include "services/tallyctl/session.h"
#include "services/tallyctl/topology.h"

/* A broker's default for max.message.bytes, and what a dead-letter topic allows more than its
 * source: a record there has headers and a key besides. */
#define MESSAGE_BYTES_DEFAULT 1048588
#define DEAD_LETTER_MORE_BYTES 131072

/* What a topic of each role is made with; dead-letter topics get max.message.bytes besides. */
#define TOPIC_SETTINGS 4
struct topic_setting {
	const char *name;
	const char *values[TOPIC_ROLES]; /* by enum topic_role */
};
extern const struct topic_setting topic_settings[TOPIC_SETTINGS];

/* What a DLQ must take: the largest copy, which may have come in a smaller compressed batch, and
 * more than its source does (CONTRACT "DLQ reasons"). */
int64_t topic_dead_letter_bytes(int64_t source_message_bytes);

/* Checks an existing topic; max_message_bytes is told for its dead-letter topic's sake. */
struct rc topic_check(struct session *, const struct topic *, const struct topic_state *,
                      int32_t partitions, int64_t source_message_bytes, struct findings *,
                      int64_t *max_message_bytes);
/* Makes a missing one. */
struct rc topic_create(struct session *, const struct topic *, int32_t partitions, int replicas,
                       int64_t source_message_bytes);

#endif
