/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report is written by the thread and read by others, under the lock. A job is a
 * redrive; there is never more than one.
 */
#include "services/dashboard/redriver.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/adapters/lane.h"
#include "common/adapters/system_clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/must.h"

struct redriver {
	const struct config *config;
	struct refused *refused;
	struct lane lane;
	pthread_mutex_t lock;
	struct redrive_report report;
	struct invocation invocation; /* of the thread; large */
};

/* ---- the thread ---------------------------------------------------------- */

static bool told(void *self, const struct redrive_state *state)
{
	struct redriver *redriver = self;

	pthread_mutex_lock(&redriver->lock);
	redriver->report.state = *state;
	pthread_mutex_unlock(&redriver->lock);
	return !lane_stopping(&redriver->lane);
}

static struct rc run(struct redriver *redriver, struct arena *arena, struct redrive_state *state)
{
	const struct redrive_request *request = &redriver->report.request; /* stays meanwhile */
	struct session session = { .config = NULL };
	struct fleet fleets[FLEETS_MOST];
	unsigned count;
	struct rc rc;

	redriver->invocation.config = redriver->config;
	redriver->invocation.memory = arena;
	rc = session_open(&session, &redriver->invocation);
	if (rc_ok(rc))
		rc = session_fleets(&session, request->worker, fleets, &count);
	if (rc_ok(rc))
		rc = redrive_run(&session, fleets, count, &request->wish, told, redriver, state);
	session_close(&session);
	return rc;
}

static void end(struct redriver *redriver, struct rc rc, const struct redrive_state *state)
{
	const struct redrive_request *request = &redriver->report.request;

	if (!request->wish.dry) {
		if (rc_ok(rc))
			log_info("redrive_ended", LOG_TEXT("topic", request->worker->topic),
			         LOG_INT("records", state->sent), LOG_END);
		else
			log_warn("redrive_failed", LOG_TEXT("topic", request->worker->topic),
			         LOG_INT("records", state->sent), LOG_TEXT("error", rc_text()),
			         LOG_END);
		refused_forget(redriver->refused);
	}
	pthread_mutex_lock(&redriver->lock);
	redriver->report.state = *state;
	redriver->report.ended_ms = system_wall_ms();
	if (!rc_ok(rc))
		snprintf(redriver->report.trouble, sizeof(redriver->report.trouble), "%s",
		         rc_text());
	pthread_mutex_unlock(&redriver->lock);
}

static void on_job(void *self, struct job *list)
{
	struct redriver *redriver = self;
	struct redrive_state state = { .records = 0 };
	struct arena arena;

	must(!list->next);
	free(list);
	arena_init(&arena, 65536);
	end(redriver, run(redriver, &arena, &state), &state);
	arena_release(&arena);
}

/* ---- outside ------------------------------------------------------------- */

struct rc redriver_new(const struct config *config, struct refused *refused, struct redriver **out)
{
	struct redriver *redriver = memory_new(sizeof(*redriver));

	redriver->config = config;
	redriver->refused = refused;
	pthread_mutex_init(&redriver->lock, NULL);
	*out = redriver;
	return lane_start(&redriver->lane, "redrive", on_job, redriver);
}

void redriver_free(struct redriver *redriver)
{
	if (!redriver)
		return;
	lane_stop(&redriver->lane);
	pthread_mutex_destroy(&redriver->lock);
	free(redriver);
}

/* The reasons asked for, "payee_unknown,wrong_key"; "any". */
static struct str reasons_of(const struct redrive_wish *wish, struct buf *out)
{
	for (unsigned i = REASON_NONE + 1; i < REASON_COUNT && !wish->filter.any_reason; i++)
		if (wish->filter.reasons[i])
			buf_printf(out, "%s%s", out->len ? "," : "", reason_code((enum reason)i));
	return out->len ? buf_str(out) : STR("any");
}

bool redriver_start(struct redriver *redriver, const struct redrive_request *request)
{
	struct redrive_report *report = &redriver->report;
	struct buf reasons;
	bool free_now;

	pthread_mutex_lock(&redriver->lock);
	free_now = !report->number || report->ended_ms;
	if (free_now)
		*report = (struct redrive_report){ .number = report->number + 1,
			                           .request = *request,
			                           .started_ms = system_wall_ms() };
	pthread_mutex_unlock(&redriver->lock);
	if (!free_now)
		return false;
	buf_init(&reasons, NULL);
	log_info("redrive_started", LOG_TEXT("topic", request->worker->topic),
	         LOG_STR("reasons", reasons_of(&request->wish, &reasons)),
	         LOG_TEXT("dry_run", request->wish.dry ? "yes" : "no"), LOG_END);
	buf_release(&reasons);
	lane_put(&redriver->lane, job_new(sizeof(struct job)), 0);
	return true;
}

void redriver_copy(struct redriver *redriver, struct redrive_report *out)
{
	pthread_mutex_lock(&redriver->lock);
	*out = redriver->report;
	pthread_mutex_unlock(&redriver->lock);
}
