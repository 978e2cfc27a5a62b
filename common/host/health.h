/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP server answers: /livez, /readyz, /metrics, /shards.
 *
 * health_handler() is an http_handler (common/adapters/http_server.h); its self
 * is a struct health. It runs on the server's thread and touches nothing of the
 * runtime but the board. Alive means that the loop turns; ready means that the
 * worker can do its work. Lag decides neither: a worker that is behind must not
 * be restarted for it, nor taken away.
 */
#ifndef TALLY_HOST_HEALTH_H
#define TALLY_HOST_HEALTH_H

#include "common/base/buf.h"
#include "common/host/snapshot.h"

struct health {
	const struct worker *worker;
	struct board *board;
	int64_t (*now_ms)(void); /* monotonic */
	/* Asks Redis itself, on the server's thread; NULL: not asked. */
	struct rc (*probe_redis)(void *);
	void *probe_self;
	struct snapshot snapshot; /* scratch of the server's thread */
};

bool health_handler(void *self, struct str path, struct str query, struct buf *body,
                    const char **content_type, int *status);

/* How each shard stands, as JSON; also for `tallyctl` and logs. */
void health_shards(const struct snapshot *, const struct worker *, struct buf *);

#endif
