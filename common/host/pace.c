/* SPDX-License-Identifier: Apache-2.0 */
#include "common/host/pace.h"

bool pace_is_due(const struct pace *pace, int64_t now_ms)
{
	const struct pace_mark *mark = &pace->marks[pace->newest];

	return mark->at_ms == 0 || now_ms - mark->at_ms >= PACE_MARK_MS;
}

void pace_mark(struct pace *pace, const struct shard_status *shards, unsigned count, int64_t now_ms)
{
	struct pace_mark *mark = &pace->marks[pace->newest ^= 1];

	mark->at_ms = now_ms;
	for (unsigned i = 0; i < SNAPSHOT_SHARDS_MOST; i++)
		mark->shards[i].end = -1;
	for (unsigned i = 0; i < count; i++) {
		const struct shard_status *shard = &shards[i];

		if (shard->partition < SNAPSHOT_SHARDS_MOST && shard->input_cursor >= 0)
			mark->shards[shard->partition] =
				(struct pace_point){ shard->input_cursor, shard->log_end };
	}
}

int64_t pace_clear_ms(const struct pace *pace, const struct shard_status *shard, int64_t now_ms)
{
	const struct pace_mark *mark = &pace->marks[pace->newest ^ 1];
	int64_t lag = shard->log_end - shard->input_cursor, nearer, passed_ms;
	const struct pace_point *before;

	if (shard->log_end < 0 || shard->input_cursor < 0)
		return -1;
	if (lag <= 0)
		return 0;
	if (mark->at_ms == 0 || shard->partition >= SNAPSHOT_SHARDS_MOST)
		return -1;
	before = &mark->shards[shard->partition];
	nearer = before->end - before->cursor - lag;
	passed_ms = now_ms - mark->at_ms;
	if (before->end < 0 || nearer <= 0 || passed_ms <= 0 || lag > INT64_MAX / passed_ms)
		return -1;
	return lag * passed_ms / nearer;
}
