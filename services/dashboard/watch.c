/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two states change places: the one that is shown, under the lock, and the one that
 * the next look is written into. The look itself is that of `tallyctl lag`.
 */
#include "services/dashboard/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/adapters/lane.h"
#include "common/adapters/system_clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"
#include "common/host/connection.h"
#include "events.h"
#include "services/tallyctl/outputs.h"
#include "services/tallyctl/progress.h"

#define LOOK_MS 1000
#define AGAIN_MS 5000 /* after a failure */
#define AGAIN_TIMES 4 /* and as long as so many such failures take */

struct seen {
	struct watch_state state;
	int64_t at_ms; /* monotonic; 0: never */
	struct arena memory;
};

/* Sums over all partitions at one time. */
struct stand {
	int64_t at_ms, log_end, output_cursor, cursor;
};

struct watch {
	const struct config *config;
	struct lane lane;
	pthread_mutex_t lock;
	struct seen seen[2];
	unsigned shown;                    /* which of them, under the lock */
	struct reference_store *reference; /* under the lock; NULL: not read yet */

	/* Of the thread. */
	struct invocation invocation;
	struct session session;
	struct fleet fleets[FLEETS_MOST];
	unsigned fleet_count; /* 0: not open */
	const char *reference_topic;
	int64_t reference_end;      /* of its log, when it was read */
	bool reference_failed;      /* the last time */
	int64_t reference_again_ms; /* monotonic: not asked before */
	struct stand stands[WATCH_FLEETS_MOST][WATCH_LOOKS];
	unsigned looks; /* since it was opened */
	struct arena memory;
};

/* ---- a look ------------------------------------------------------------ */

static void shut(struct watch *watch)
{
	session_close(&watch->session);
	watch->session = (struct session){ .config = NULL };
	watch->fleet_count = watch->looks = 0;
	arena_clear(&watch->memory);
}

static struct rc open_once(struct watch *watch)
{
	if (watch->fleet_count)
		return OK;
	TRY(session_open(&watch->session, &watch->invocation));
	watch->session.redis_options.reads_only =
		true; /* borrowed by its connection, not open yet */
	watch->reference_topic = connection_topic(watch->config, "reference", &watch->memory);
	return session_fleets(&watch->session, NULL, watch->fleets, &watch->fleet_count);
}

/* What a shard does not show came behind the record before R, whose time that is, and was not there
 * when the shard was last seen without a lag. */
static void take_waiting(const struct watch_shard *before, int64_t broker_ms,
                         struct watch_shard *out)
{
	if (!out->lag)
		return;
	out->lag_since_ms = before && before->lag ? before->lag_since_ms : system_wall_ms();
	out->waiting_ms = broker_ms > out->lag_since_ms ? broker_ms : out->lag_since_ms;
}

/* The fleet of the look before; NULL: there was none. */
static const struct watch_fleet *fleet_before(const struct watch *watch, const struct fleet *fleet)
{
	const struct watch_state *state = &watch->seen[watch->shown].state;

	for (unsigned i = 0; i < state->count; i++)
		if (state->fleets[i].worker == fleet->worker &&
		    state->fleets[i].count == (unsigned)fleet->partitions)
			return &state->fleets[i];
	return NULL;
}

static struct rc take_fleet(struct watch *watch, const struct progress_row *rows,
                            const struct fleet *fleet, struct arena *arena, struct watch_fleet *out)
{
	const struct watch_fleet *before = fleet_before(watch, fleet);
	size_t count = (size_t)fleet->partitions;
	struct group_member *owners = arena_alloc(arena, count * sizeof(*owners));

	*out = (struct watch_fleet){ .worker = fleet->worker, .count = (unsigned)count };
	out->shards = arena_zalloc(arena, count * sizeof(*out->shards));
	TRY(kafka_cluster_owners(watch->session.cluster, fleet->group, fleet->topic,
	                         fleet->partitions, arena, owners));
	for (size_t p = 0; p < count; p++) {
		out->shards[p] = (struct watch_shard){ .log_end = rows[p].log_end,
			                               .output_cursor = rows[p].output_cursor,
			                               .lag = progress_row_lag(&rows[p]),
			                               .member = owners[p] };
		take_waiting(before ? &before->shards[p] : NULL, rows[p].meta.broker_ms,
		             &out->shards[p]);
		if (out->shards[p].lag &&
		    (!out->waiting_ms || out->shards[p].waiting_ms < out->waiting_ms))
			out->waiting_ms = out->shards[p].waiting_ms;
		out->lag += out->shards[p].lag;
		out->unowned += !owners[p].id.ptr;
	}
	return OK;
}

/* All of it anew whenever the log has grown: publishing is rare, and nobody waits meanwhile. */
static struct rc read_reference(struct watch *watch)
{
	struct reference_store *store, *old = watch->reference; /* only this thread changes it */
	struct log_span span;
	struct rc rc;

	TRY(kafka_cluster_spans(watch->session.cluster, watch->reference_topic, 1, &span));
	if (old && span.end == watch->reference_end)
		return OK;
	store = reference_store_new();
	rc = reference_read(&watch->session, store);
	if (!rc_ok(rc)) {
		reference_store_free(store);
		return rc;
	}
	pthread_mutex_lock(&watch->lock);
	watch->reference = store;
	pthread_mutex_unlock(&watch->lock);
	watch->reference_end = span.end;
	reference_store_free(old);
	return OK;
}

static int64_t grown(int64_t from, int64_t to)
{
	return to > from ? to - from : 0; /* R is less while a shard is made anew */
}

static struct watch_passed measure(struct watch *watch, unsigned number,
                                   const struct progress_row *rows)
{
	struct stand *stands = watch->stands[number], now = { .at_ms = system_now_ms() };
	struct stand *here = &stands[watch->looks % WATCH_LOOKS];
	struct stand oldest = watch->looks < WATCH_LOOKS ? stands[0] : *here;

	for (int32_t p = 0; p < watch->fleets[number].partitions; p++) {
		now.log_end += rows[p].log_end;
		now.output_cursor += rows[p].output_cursor > 0 ? rows[p].output_cursor : 0;
		now.cursor += rows[p].meta.cursor > 0 ? rows[p].meta.cursor : 0;
	}
	*here = now;
	if (watch->looks == 0)
		return (struct watch_passed){ .over_ms = 0 };
	return (struct watch_passed){
		.over_ms = now.at_ms - oldest.at_ms,
		.incoming = grown(oldest.log_end, now.log_end),
		.committed = grown(oldest.output_cursor, now.output_cursor),
		.shown = grown(oldest.cursor, now.cursor),
	};
}

/* A look begins with what Redis has: without it nothing of Kafka is asked. */
static struct rc ask_redis(struct watch *watch, struct arena *arena, bool *away)
{
	const struct fleet *first = &watch->fleets[0];
	struct rc rc;

	if (!watch->fleet_count)
		return OK;
	rc = redis_admin_metas(watch->session.redis, str_from_c(first->worker->topic), 1,
	                       arena_alloc(arena, sizeof(struct meta_row)));
	*away = !rc_ok(rc);
	return rc;
}

static struct rc look(struct watch *watch, struct seen *out, bool *redis_away)
{
	struct progress progress;
	unsigned row = 0;

	TRY(open_once(watch));
	TRY(ask_redis(watch, &out->memory, redis_away));
	TRY(progress_look(&watch->session, watch->fleets, watch->fleet_count, &out->memory,
	                  &progress));
	for (unsigned i = 0; i < watch->fleet_count && i < WATCH_FLEETS_MOST; i++) {
		TRY(take_fleet(watch, &progress.rows[row], &watch->fleets[i], &out->memory,
		               &out->state.fleets[i]));
		out->state.fleets[i].passed = measure(watch, i, &progress.rows[row]);
		row += (unsigned)watch->fleets[i].partitions;
		out->state.count = i + 1;
	}
	watch->looks++;
	return OK;
}

static void show(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->shown = !watch->shown;
	watch->seen[watch->shown].at_ms = system_now_ms();
	watch->seen[watch->shown].state.redis_away = false;
	pthread_mutex_unlock(&watch->lock);
}

static void tell(struct watch *watch)
{
	struct watch_state *state = &watch->seen[watch->shown].state;
	bool first = !state->trouble[0];

	pthread_mutex_lock(&watch->lock);
	state->redis_away = false;
	if (first)
		state->trouble_ms = system_wall_ms();
	snprintf(state->trouble, sizeof(state->trouble), "%s", rc_text());
	pthread_mutex_unlock(&watch->lock);
	if (first)
		log_warn("kafka_unwatched", LOG_TEXT("error", rc_text()), LOG_END);
}

/* Whoever asks this service for figures hears of that. */
static void tell_redis_away(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->seen[watch->shown].state.redis_away = true;
	pthread_mutex_unlock(&watch->lock);
}

/*
 * Without it, as for a user who may not read that topic, all else is still known, and
 * so is what was read of it before. Nothing else is asked meanwhile: the longer a
 * failure takes, the later it is tried again.
 */
static void learn_reference(struct watch *watch)
{
	int64_t from_ms = system_now_ms(), now_ms;
	struct rc rc;

	if (from_ms < watch->reference_again_ms)
		return;
	rc = read_reference(watch);
	now_ms = system_now_ms();
	if (!rc_ok(rc)) {
		if (!watch->reference_failed)
			log_warn("reference_unwatched", LOG_TEXT("error", rc_text()), LOG_END);
		watch->reference_again_ms = now_ms + AGAIN_MS + AGAIN_TIMES * (now_ms - from_ms);
	}
	watch->reference_failed = !rc_ok(rc);
}

static void on_job(void *self, struct job *list)
{
	struct watch *watch = self;
	struct seen *next = &watch->seen[!watch->shown]; /* only this thread changes it */
	bool redis_away = false;
	struct rc rc;

	must(!list->next);
	arena_clear(&next->memory);
	next->state = (struct watch_state){ .count = 0 };
	rc = look(watch, next, &redis_away);
	if (rc_ok(rc)) {
		show(watch);
		learn_reference(watch);
	} else if (redis_away) {
		tell_redis_away(watch);
		shut(watch);
	} else {
		tell(watch);
		shut(watch);
	}
	lane_put(&watch->lane, list, rc_ok(rc) ? LOOK_MS : AGAIN_MS);
}

/* ---- outside ----------------------------------------------------------- */

struct rc watch_new(const struct config *config, struct watch **out)
{
	struct watch *watch = memory_new(sizeof(*watch));
	struct rc rc;

	watch->config = config;
	watch->invocation.config = config;
	watch->invocation.memory = &watch->memory;
	pthread_mutex_init(&watch->lock, NULL);
	arena_init(&watch->memory, 65536);
	for (int i = 0; i < 2; i++)
		arena_init(&watch->seen[i].memory, 65536);
	rc = lane_start(&watch->lane, "watch", on_job, watch);
	if (rc_ok(rc))
		lane_put(&watch->lane, job_new(sizeof(struct job)), 0);
	*out = watch;
	return rc;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	lane_stop(&watch->lane);
	shut(watch);
	arena_release(&watch->memory);
	for (int i = 0; i < 2; i++)
		arena_release(&watch->seen[i].memory);
	reference_store_free(watch->reference);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}

void watch_copy(struct watch *watch, struct arena *arena, struct watch_state *out)
{
	const struct seen *seen;

	pthread_mutex_lock(&watch->lock);
	seen = &watch->seen[watch->shown];
	*out = seen->state;
	out->fresh = seen->at_ms && system_now_ms() - seen->at_ms <= WATCH_FRESH_MS;
	for (unsigned i = 0; i < out->count; i++) {
		struct watch_fleet *fleet = &out->fleets[i];
		struct watch_shard *copies = arena_alloc(arena, fleet->count * sizeof(*copies));

		for (unsigned p = 0; p < fleet->count; p++) {
			copies[p] = fleet->shards[p];
			copies[p].member.id = arena_str(arena, copies[p].member.id);
			copies[p].member.host = arena_str(arena, copies[p].member.host);
		}
		fleet->shards = copies;
	}
	pthread_mutex_unlock(&watch->lock);
}

/* The last instant of a period that has begun, in the company's zone; now, if it has not ended. */
static int64_t end_of(const struct reference *ref, enum period_kind kind, int32_t first_day)
{
	static const int32_t longest[] = { [PERIOD_DAY] = 1,
		                           [PERIOD_WEEK] = 7,
		                           [PERIOD_MONTH] = 31,
		                           [PERIOD_QUARTER] = 92,
		                           [PERIOD_YEAR] = 366 };
	int32_t next = period_first_day(kind, first_day + longest[kind]);
	const struct zone *zone = reference_zone(ref, next * MS_PER_DAY);
	int64_t end_ms = zone_day_start(zone, next) - 1, now_ms = system_wall_ms();

	return end_ms < now_ms ? end_ms : now_ms;
}

struct units watch_units(struct watch *watch, struct str unit_id, enum period_kind kind,
                         int32_t first_day, struct arena *arena)
{
	struct units units = { .team_id = { NULL, 0 } };

	pthread_mutex_lock(&watch->lock);
	if (watch->reference) {
		struct reference ref = { watch->reference,
			                 reference_store_newest_end(watch->reference), 1 };

		units = reference_units(&ref, unit_id, end_of(&ref, kind, first_day));
		units.team_id = arena_str(arena, units.team_id);
		units.city_id = arena_str(arena, units.city_id);
		units.region_id = arena_str(arena, units.region_id);
	}
	pthread_mutex_unlock(&watch->lock);
	return units;
}

bool watch_plan(struct watch *watch, struct str plan_id, int64_t version, struct plan_times *out)
{
	const struct plan_defined *plan = NULL;

	pthread_mutex_lock(&watch->lock);
	if (watch->reference) {
		struct reference ref = { watch->reference,
			                 reference_store_newest_end(watch->reference), 1 };

		plan = reference_plan(&ref, plan_id, version);
	}
	if (plan)
		*out = (struct plan_times){ plan->has_valid_from_ms ? plan->valid_from_ms : 0,
			                    plan->has_valid_to_ms ? plan->valid_to_ms : 0 };
	pthread_mutex_unlock(&watch->lock);
	return plan != NULL;
}

const struct watch_fleet *watch_find(const struct watch_state *state, const struct worker *worker)
{
	for (unsigned i = 0; state && state->fresh && i < state->count; i++)
		if (state->fleets[i].worker == worker)
			return &state->fleets[i];
	return NULL;
}
