/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl logic advance: orders every shard of a worker to fold under a later
 * logic version from here on.
 *
 * The order is a control record in each shard's own input, all in one transaction
 * (DESIGN section 4, "Logic version"). That every process of the worker runs a
 * build that knows the version is the operator's to see to: a shard that an older
 * build gets is refused by it.
 */
#include <inttypes.h>

#include "common/base/timestamp.h"
#include "common/host/json.h"
#include "common/runtime/cursor.h"
#include "events.h"
#include "services/tallyctl/letter.h"
#include "services/tallyctl/progress.h"

#define TIMEOUT_S 60
#define TRANSACTION_MS 10000

struct versions {
	int64_t least, most; /* of the worker's shards, at K */
};

static struct rc look(struct session *session, const struct fleet *fleet, struct versions *out)
{
	size_t count = (size_t)fleet->partitions;
	struct arena arena;
	struct rc rc;

	*out = (struct versions){ INT64_MAX, -1 };
	arena_init(&arena, 4096);
	struct committed *cursors = arena_alloc(&arena, count * sizeof(*cursors));
	rc = kafka_cluster_committed(session->cluster, fleet->group, fleet->topic,
	                             fleet->partitions, &arena, cursors);
	for (size_t p = 0; p < count && rc_ok(rc); p++) {
		struct cursor_metadata metadata;

		if (!cursors[p].exists || !cursor_metadata_parse(cursors[p].metadata, &metadata)) {
			rc = rc_fail(RC_REFUSED,
			             "shard %s/%zu has no K of ours: see tallyctl topics check",
			             fleet->topic, p);
			break;
		}
		if (metadata.logic < out->least)
			out->least = metadata.logic;
		if (metadata.logic > out->most)
			out->most = metadata.logic;
	}
	arena_release(&arena);
	return rc;
}

static struct rc check(const struct worker *worker, const struct versions *now, int64_t to)
{
	if (to > worker->logic_version)
		return rc_fail(RC_REFUSED,
		               "this build knows logic version %" PRIu32 " of %s, not %" PRId64
		               ": run the newer build, first as every process of the worker, then "
		               "as tallyctl",
		               worker->logic_version, worker->name, to);
	if (to < now->most)
		return rc_fail(RC_REFUSED,
		               "a shard of %s is at logic version %" PRId64
		               " already: a version is never taken back",
		               worker->name, now->most);
	return OK;
}

static struct rc order(struct session *session, const struct fleet *fleet, int64_t to)
{
	const char *id = arena_printf(session->memory, "%stallyworks-logic-%s",
	                              session->config->topic_prefix, fleet->worker->name)
	                         .ptr;
	struct tallyworks_logic_advanced data = { .worker = str_from_c(fleet->worker->name),
		                                  .version = to };
	struct kafka_broadcast *broadcast = NULL;
	struct rc rc =
		kafka_broadcast_open(&session->kafka_options, id, TRANSACTION_MS, &broadcast);

	for (int32_t p = 0; p < fleet->partitions && rc_ok(rc); p++)
		rc = letter_send(broadcast,
		                 &(struct letter){ .topic = str_from_c(fleet->topic),
		                                   .partition = p,
		                                   .control = true,
		                                   .time_ms = letter_now_ms(),
		                                   .type = &tallyworks_logic_advanced_type,
		                                   .data = &data,
		                                   .said = arena_printf(session->memory,
		                                                        "%s/%" PRId32 "/%" PRId64,
		                                                        fleet->topic, p, to) });
	if (rc_ok(rc))
		rc = kafka_broadcast_commit(broadcast);
	kafka_broadcast_free(broadcast);
	return rc;
}

static struct rc await(struct session *session, const struct fleet *fleet, int64_t to,
                       int64_t until_ms)
{
	struct versions now;

	for (;;) {
		TRY(look(session, fleet, &now));
		if (now.least >= to)
			return OK;
		if (!progress_wait(until_ms))
			return rc_fail(RC_TRY_AGAIN,
			               "it is ordered, but a shard is still at logic version "
			               "%" PRId64 "; are all processes of %s running, and of a "
			               "build that knows %" PRId64 "? See tallyctl lag",
			               now.least, fleet->worker->name, to);
	}
}

static void say(struct invocation *invocation, const struct fleet *fleet,
                const struct versions *before, int64_t to, bool ordered, bool waited)
{
	struct json j = json_to(invocation->out);

	if (!invocation->json) {
		if (!ordered)
			buf_printf(invocation->out,
			           "every shard of %s is at logic version %" PRId64 " already\n",
			           fleet->worker->name, to);
		else
			buf_printf(invocation->out,
			           "%s: logic version %" PRId64 " -> %" PRId64
			           " ordered in %" PRId32 " shards%s\n",
			           fleet->worker->name, before->least, to, fleet->partitions,
			           waited ? ", all fold under it" : "");
		return;
	}
	json_open(&j, '{');
	json_put_text(&j, "worker", fleet->worker->name);
	json_put_i64(&j, "before", before->least);
	json_put_i64(&j, "version", to);
	json_put_i64(&j, "shards", fleet->partitions);
	json_put_bool(&j, "ordered", ordered);
	json_put_bool(&j, "waited", waited);
	json_close(&j, '}');
	buf_put_char(invocation->out, '\n');
}

static struct rc advance(struct invocation *invocation, struct session *session)
{
	bool wait = invocation_has(invocation, "--wait"), ordered;
	const struct worker *worker;
	struct fleet fleets[FLEETS_MOST];
	struct versions before;
	int64_t to, timeout_s;
	unsigned count;

	TRY(invocation_no_words(invocation));
	TRY(invocation_int(invocation, "--to", 1, UINT32_MAX, 0, &to));
	TRY(invocation_int(invocation, "--timeout", 0, 86400, TIMEOUT_S, &timeout_s));
	TRY(invocation_worker(invocation, &worker));
	if (!worker || !to)
		return rc_fail(RC_USAGE, "tallyctl logic advance --worker NAME --to VERSION");
	TRY(session_open(session, invocation));
	TRY(session_fleets(session, worker, fleets, &count));
	TRY(look(session, &fleets[0], &before));
	TRY(check(worker, &before, to));
	ordered = before.least < to;
	if (ordered)
		TRY(order(session, &fleets[0], to));
	if (ordered && wait)
		TRY(await(session, &fleets[0], to, progress_now_ms() + timeout_s * MS_PER_SECOND));
	say(invocation, &fleets[0], &before, to, ordered, wait);
	return OK;
}

struct rc command_logic_advance(struct invocation *invocation)
{
	struct session session = { .config = NULL };
	struct rc rc = advance(invocation, &session);

	session_close(&session);
	return rc;
}
