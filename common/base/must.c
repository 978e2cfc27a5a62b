/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping on a bug: one log line with the place and the log position, then abort.
 *
 * The position belongs to the thread that set it, so a failure in another thread
 * does not name a record that has nothing to do with it.
 */
#include "common/base/must.h"

#include <stdlib.h>

#include "common/base/log.h"

static _Thread_local struct {
	const char *topic; /* NULL: this thread folds nothing */
	int32_t partition;
	int64_t offset;
} position;

void must_set_position(const char *topic, int32_t partition, int64_t offset)
{
	position.topic = topic;
	position.partition = partition;
	position.offset = offset;
}

noreturn void must_fail(const char *condition, const char *file, int line)
{
	if (position.topic)
		log_error("bug", LOG_TEXT("condition", condition), LOG_TEXT("file", file),
		          LOG_INT("line", line), LOG_TEXT("topic", position.topic),
		          LOG_INT("partition", position.partition),
		          LOG_INT("offset", position.offset), LOG_END);
	else
		log_error("bug", LOG_TEXT("condition", condition), LOG_TEXT("file", file),
		          LOG_INT("line", line), LOG_END);
	abort();
}
