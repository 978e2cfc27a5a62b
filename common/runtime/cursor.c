/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/cursor.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/must.h"

size_t cursor_metadata_format(const struct cursor_metadata *m, char out[LIMIT_METADATA_BYTES])
{
	int n = snprintf(out, LIMIT_METADATA_BYTES,
	                 "tw1 seq=%" PRIu64 " origin=%" PRId64 " topic=%s pin=%" PRId64
	                 " first=%" PRIu32 " logic=%" PRIu32 " untold=%" PRId64 " skipped=",
	                 m->output_number, m->origin, m->topic_id[0] ? m->topic_id : "-",
	                 m->first_pin, m->first_logic, m->logic, m->untold);
	for (unsigned i = 0; i < m->skipped_count; i++)
		n += snprintf(out + n, LIMIT_METADATA_BYTES - (size_t)n, "%s%" PRId64, i ? "," : "",
		              m->skipped[i]);
	must(n > 0 && n < LIMIT_METADATA_BYTES);
	return (size_t)n;
}

static bool field(struct str *rest, const char *name, struct str *value)
{
	struct str word = str_split(rest, ' ');
	struct str key = str_split(&word, '=');
	*value = word;
	return word.ptr && str_eq_c(key, name);
}

static bool number(struct str *rest, const char *name, int64_t least, int64_t *out)
{
	struct str value;
	return field(rest, name, &value) && str_to_i64(value, out) && *out >= least;
}

/* It is missing where K was left by a build that told sums with each batch. */
static bool untold(struct str *rest, int64_t *out)
{
	*out = 0;
	return !str_starts(*rest, STR("untold=")) || number(rest, "untold", 0, out);
}

static bool skipped(struct str list, struct cursor_metadata *m)
{
	while (list.len) {
		if (m->skipped_count == LIMIT_SKIPPED ||
		    !str_to_i64(str_split(&list, ','), &m->skipped[m->skipped_count++]))
			return false;
	}
	return true;
}

bool cursor_metadata_parse(struct str text, struct cursor_metadata *m)
{
	struct str rest = text, value;
	int64_t seq, first, logic;
	*m = (struct cursor_metadata){ 0 };
	if (!str_eq_c(str_split(&rest, ' '), "tw1") || !number(&rest, "seq", 0, &seq) ||
	    !number(&rest, "origin", 0, &m->origin) || !field(&rest, "topic", &value) ||
	    value.len >= sizeof(m->topic_id))
		return false;
	if (!str_eq_c(value, "-"))
		memcpy(m->topic_id, value.ptr, value.len);
	if (!number(&rest, "pin", -1, &m->first_pin) || !number(&rest, "first", 0, &first) ||
	    !number(&rest, "logic", 0, &logic) || !untold(&rest, &m->untold) ||
	    first > UINT32_MAX || logic > UINT32_MAX)
		return false;
	m->output_number = (uint64_t)seq;
	m->first_logic = (uint32_t)first;
	m->logic = (uint32_t)logic;
	return field(&rest, "skipped", &value) && skipped(value, m);
}
