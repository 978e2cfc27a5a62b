/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short texts that others may write: K's metadata (a group can be moved by hand),
 * instants, dates, Redis URLs, settings of the command line. What is taken must
 * come back the same.
 */
#include <stdlib.h>

#include "common/adapters/redis_url.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"
#include "common/host/config.h"
#include "common/runtime/cursor.h"
#include "tests/fuzz/fuzz.h"

static void try_metadata(struct str text)
{
	struct cursor_metadata k, again;
	char out[LIMIT_METADATA_BYTES], twice[LIMIT_METADATA_BYTES];
	size_t len;

	if (!cursor_metadata_parse(text, &k))
		return;
	len = cursor_metadata_format(&k, out);
	must(cursor_metadata_parse(str_of(out, len), &again));
	must(cursor_metadata_format(&again, twice) == len && memcmp(out, twice, len) == 0);
}

static void try_times(struct str text)
{
	char out[24];
	int64_t ms, again_ms;
	int32_t day, again;

	if (timestamp_parse(text, &ms)) {
		must(timestamp_parse(str_of(out, timestamp_format(ms, out)), &again_ms));
		must(ms == again_ms);
	}
	if (date_parse(text, &day)) {
		must(date_parse(str_of(out, date_format(day, out)), &again));
		must(day == again);
	}
}

static void try_options(struct str text)
{
	struct config_setting setting;
	struct redis_url url;
	struct arena a;
	const char *c;
	struct rc rc;

	arena_init(&a, 1024);
	c = arena_printf(&a, "%.*s", STR_ARG(text)).ptr;
	rc = redis_url_parse(c, &url);
	must(!rc_ok(rc) || (url.port >= 0 && url.port <= UINT16_MAX && url.db >= 0));
	rc = config_setting_from_text(c, &a, &setting);
	must(!rc_ok(rc) || (setting.key && setting.value));
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size);

	try_metadata(text);
	try_times(text);
	try_options(text);
	return 0;
}
