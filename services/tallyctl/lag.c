/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl lag: log end, K, R and what is missing, partition by partition.
 *
 * With --wait it returns when all is settled, twice in a row with the same ends:
 * a worker that just settled may have fed one that was looked at before it.
 */
#include <inttypes.h>

#include "common/base/timestamp.h"
#include "common/host/json.h"
#include "services/tallyctl/command.h"
#include "services/tallyctl/progress.h"

#define TIMEOUT_S 60

static void row_text(const struct progress_row *row, struct buf *out)
{
	buf_printf(out, "%-14s %-14s %9" PRId32 " %12" PRId64 " ", row->fleet->worker->name,
	           row->fleet->topic, row->partition, row->log_end);
	if (row->output_cursor >= 0)
		buf_printf(out, "%12" PRId64 " ", row->output_cursor);
	else
		buf_printf(out, "%12s ", "none");
	if (row->meta.cursor >= 0)
		buf_printf(out, "%12" PRId64 " ", row->meta.cursor);
	else
		buf_printf(out, "%12s ", row->meta.torn ? "torn" : "none");
	buf_printf(out, "%12" PRId64 "\n", progress_row_lag(row));
}

static void text(const struct progress *progress, struct buf *out)
{
	int64_t lag = 0;

	buf_printf(out, "%-14s %-14s %9s %12s %12s %12s %12s\n", "WORKER", "TOPIC", "PARTITION",
	           "LOG END", "K", "R", "LAG");
	for (unsigned i = 0; i < progress->count; i++) {
		row_text(&progress->rows[i], out);
		lag += progress_row_lag(&progress->rows[i]);
	}
	buf_printf(out, "lag %" PRId64 ", %u of %u partitions settled\n", lag, progress->settled,
	           progress->count);
}

static void json(const struct progress *progress, struct buf *out)
{
	struct json j = json_to(out);
	int64_t lag = 0;

	json_open(&j, '{');
	json_name(&j, "partitions");
	json_open(&j, '[');
	for (unsigned i = 0; i < progress->count; i++) {
		const struct progress_row *row = &progress->rows[i];

		lag += progress_row_lag(row);
		json_open(&j, '{');
		json_put_text(&j, "worker", row->fleet->worker->name);
		json_put_text(&j, "topic", row->fleet->topic);
		json_put_i64(&j, "partition", row->partition);
		json_put_i64(&j, "log_end", row->log_end);
		json_put_i64(&j, "output_cursor", row->output_cursor);
		json_put_i64(&j, "input_cursor", row->meta.cursor);
		json_put_bool(&j, "torn", row->meta.torn);
		json_put_i64(&j, "reference_pin", row->meta.pin);
		json_put_i64(&j, "lag", progress_row_lag(row));
		json_put_bool(&j, "settled", progress_row_is_settled(row));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_put_i64(&j, "lag", lag);
	json_put_bool(&j, "settled", progress->settled == progress->count);
	json_close(&j, '}');
	buf_put_char(out, '\n');
}

static int64_t sum_of_ends(const struct progress *progress)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < progress->count; i++)
		sum += progress->rows[i].log_end;
	return sum;
}

/* Ends never go down, so equal sums are equal ends. */
static struct rc wait_settled(struct session *session, const struct fleet *fleets, unsigned count,
                              int64_t until_ms, struct arena *arena, struct progress *progress)
{
	int64_t settled_ends = -1;

	for (;;) {
		arena_clear(arena);
		TRY(progress_look(session, fleets, count, arena, progress));
		if (progress->settled < progress->count)
			settled_ends = -1;
		else if (settled_ends == sum_of_ends(progress))
			return OK;
		else
			settled_ends = sum_of_ends(progress);
		if (!progress_wait(until_ms))
			return rc_fail(RC_TRY_AGAIN, "not settled in time: %u of %u partitions are",
			               progress->settled, progress->count);
	}
}

static struct rc lag(struct invocation *invocation, struct session *session, struct arena *arena)
{
	struct fleet fleets[FLEETS_MOST];
	struct progress progress = { .count = 0 };
	const struct worker *only;
	int64_t timeout_s;
	unsigned count;
	struct rc rc;

	TRY(invocation_no_words(invocation));
	TRY(invocation_int(invocation, "--timeout", 0, 86400, TIMEOUT_S, &timeout_s));
	TRY(invocation_worker(invocation, &only));
	TRY(session_open(session, invocation));
	TRY(session_fleets(session, only, fleets, &count));
	if (invocation_has(invocation, "--wait"))
		rc = wait_settled(session, fleets, count,
		                  progress_now_ms() + timeout_s * MS_PER_SECOND, arena, &progress);
	else
		rc = progress_look(session, fleets, count, arena, &progress);
	if (!rc_ok(rc) && rc.code != RC_TRY_AGAIN)
		return rc;
	if (invocation->json)
		json(&progress, invocation->out);
	else
		text(&progress, invocation->out);
	return rc;
}

struct rc command_lag(struct invocation *invocation)
{
	struct session session = { .config = NULL };
	struct arena arena;
	struct rc rc;

	arena_init(&arena, 65536);
	rc = lag(invocation, &session, &arena);
	session_close(&session);
	arena_release(&arena);
	return rc;
}
