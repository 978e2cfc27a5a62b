/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cases/records.h"

#include "common/base/timestamp.h"

void record_given(struct stage *stage, struct arena *arena, const char *type, struct str data)
{
	stage_append_reference(
		stage, str_from_c(type),
		arena_printf(arena,
	                     "{\"specversion\":\"1.0\",\"id\":\"r\",\"source\":\"/t\","
	                     "\"type\":\"%s\",\"data\":%.*s}",
	                     type, STR_ARG(data)));
}

struct str record_event(struct arena *arena, const char *type, const char *order_id, const char *id,
                        int64_t time_ms, struct str data)
{
	char time[24];

	timestamp_format(time_ms, time);
	return arena_printf(
		arena,
		"{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/t\",\"type\":\"%s\","
		"\"time\":\"%.*s\",\"data\":{\"order_id\":\"%s\",%.*s}}",
		id, type, 24, time, order_id, STR_ARG(data));
}
