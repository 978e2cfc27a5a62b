/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of questions matters: K and R are asked before the ends, so that a
 * look never shows a shard further than it is.
 */
#include "services/tallyctl/progress.h"

#include <unistd.h>

#include "common/adapters/system_clock.h"

#define PAUSE_US 100000

int64_t progress_row_lag(const struct progress_row *row)
{
	int64_t reached = row->meta.cursor >= 0 ? row->meta.cursor : row->log_start;

	return row->log_end > reached ? row->log_end - reached : 0;
}

bool progress_row_is_settled(const struct progress_row *row)
{
	bool empty = row->log_start == row->log_end && row->meta.cursor < 0 && !row->meta.torn;

	return row->output_cursor == row->log_end && (empty || row->meta.cursor == row->log_end);
}

static struct rc look_at(struct session *session, const struct fleet *fleet, struct arena *arena,
                         struct progress_row *rows)
{
	size_t count = (size_t)fleet->partitions;
	struct committed *committed = arena_alloc(arena, count * sizeof(*committed));
	struct log_span *spans = arena_alloc(arena, count * sizeof(*spans));
	struct meta_row *metas = arena_alloc(arena, count * sizeof(*metas));

	TRY(redis_admin_metas(session->redis, str_from_c(fleet->worker->topic), fleet->partitions,
	                      metas));
	TRY(kafka_cluster_committed(session->cluster, fleet->group, fleet->topic, fleet->partitions,
	                            arena, committed));
	TRY(kafka_cluster_spans(session->cluster, fleet->topic, fleet->partitions, spans));
	for (int32_t p = 0; p < fleet->partitions; p++)
		rows[p] = (struct progress_row){
			.fleet = fleet,
			.partition = p,
			.log_start = spans[p].start,
			.log_end = spans[p].end,
			.output_cursor = committed[p].exists ? committed[p].offset : -1,
			.meta = metas[p],
		};
	return OK;
}

struct rc progress_look(struct session *session, const struct fleet *fleets, unsigned count,
                        struct arena *arena, struct progress *out)
{
	size_t rows = 0;

	*out = (struct progress){ .count = 0 };
	for (unsigned i = 0; i < count; i++)
		rows += (size_t)fleets[i].partitions;
	out->rows = arena_alloc(arena, rows * sizeof(*out->rows));
	for (unsigned i = 0; i < count; i++) {
		TRY(look_at(session, &fleets[i], arena, &out->rows[out->count]));
		out->count += (unsigned)fleets[i].partitions;
	}
	for (unsigned i = 0; i < out->count; i++)
		out->settled += progress_row_is_settled(&out->rows[i]);
	return OK;
}

int64_t progress_now_ms(void)
{
	return system_now_ms();
}

bool progress_wait(int64_t until_ms)
{
	if (system_now_ms() >= until_ms)
		return false;
	usleep(PAUSE_US);
	return true;
}
