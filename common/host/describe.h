/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topology in words, printed from the worker tables: what each worker reads,
 * owns, writes to Redis and sends out, and the topics that follow from it.
 *
 * Nothing is asked from broker or Redis, nothing can fail.
 */
#ifndef TALLY_HOST_DESCRIBE_H
#define TALLY_HOST_DESCRIBE_H

#include "common/base/buf.h"
#include "common/runtime/worker.h"

/* One worker, or all where it is NULL. */
void describe_text(const struct worker *only, struct buf *);
void describe_json(const struct worker *only, struct buf *);

#endif
