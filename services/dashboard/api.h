/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers requests: the page's files, the API, health, and who may ask.
 *
 * Without a token only this machine may listen, and only requests that name this
 * machine are answered, so that no foreign page reads figures through a name that
 * points here. With one, every request to the API carries it. What is wrong is
 * said as JSON problem details (RFC 9457), in words that come from here, never
 * from Redis or the system.
 */
#ifndef TALLY_DASHBOARD_API_H
#define TALLY_DASHBOARD_API_H

#include "common/adapters/web_server.h"
#include "common/host/web_metrics.h"
#include "services/dashboard/memo.h"
#include "services/dashboard/view.h"

struct api {
	struct redis_reader *reader;
	struct catalog catalog;
	struct memo memo;
	struct watch *watch;       /* NULL: Kafka is not asked */
	struct refused *refused;   /* NULL: refused records are not shown */
	struct timing *timing;     /* NULL: workers are not asked */
	struct redriver *redriver; /* NULL: nor sent back */
	struct arena arena;        /* of the request under way */
	struct str token;          /* absent: none is asked for */
	int64_t away_ms;           /* wall clock: since when Redis gives no answer; 0: it does */
	int64_t unread_said_ms;    /* monotonic: when the log was told last; 0: never */
	char tag[20];              /* of the answer under way */
	char live_tag[20];         /* of what the streams know; "": there are none */
	struct web_stats stats;
	bool away_said; /* to the streams */
};

/* For web_options.handler; self is the struct api. */
void api_answer(void *self, const struct http_head *, struct web_answer *);
/* Makes the next event of the streams in out; false: nothing has changed since the last. */
bool api_event(struct api *, struct buf *out);

/* Somebody else had an answer of Redis. */
void api_redis_answered(struct api *);

/* Is it the header's value for this token? Takes as long whatever differs. */
bool api_token_matches(struct str authorization, struct str token);
/* Does Host name this machine itself? */
bool api_host_is_local(struct str host);

#endif
