/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer's life in its group: assignments, revokes, losses, leaving. On the
 * fold thread.
 */
#ifndef TALLY_ADAPTERS_KAFKA_GROUP_H
#define TALLY_ADAPTERS_KAFKA_GROUP_H

#include "common/adapters/kafka_input_internal.h"

/* Takes what the group says and puts it into the inbox. */
void kafka_group_serve(struct kafka_input *);
/* The fold thread lets a partition go. */
void kafka_group_unassign(struct kafka_input *, int32_t number);
void kafka_group_leave(struct kafka_input *);
bool kafka_group_has_left(const struct kafka_input *);

#endif
