/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only state is whether a comma is due: after an opening bracket and after a
 * name it is not, after a value and a closing bracket it is.
 */
#include "common/host/json.h"

#include "common/base/timestamp.h"

struct json json_to(struct buf *out)
{
	return (struct json){ .out = out };
}

static void begin_value(struct json *j)
{
	if (j->comma)
		buf_put_char(j->out, ',');
	j->comma = true;
}

void json_open(struct json *j, char bracket)
{
	begin_value(j);
	buf_put_char(j->out, bracket);
	j->comma = false;
}

void json_close(struct json *j, char bracket)
{
	buf_put_char(j->out, bracket);
	j->comma = true;
}

void json_name(struct json *j, const char *name)
{
	begin_value(j);
	buf_put_json(j->out, str_from_c(name));
	buf_put_char(j->out, ':');
	j->comma = false;
}

void json_str(struct json *j, struct str s)
{
	if (!s.ptr) {
		json_null(j);
		return;
	}
	begin_value(j);
	buf_put_json(j->out, s);
}

void json_i64(struct json *j, int64_t value)
{
	begin_value(j);
	buf_put_i64(j->out, value);
}

void json_bool(struct json *j, bool value)
{
	begin_value(j);
	buf_put(j->out, value ? STR("true") : STR("false"));
}

void json_null(struct json *j)
{
	begin_value(j);
	buf_put_lit(j->out, "null");
}

void json_put_time(struct json *j, const char *name, int64_t at_ms)
{
	char text[24];

	json_put_str(j, name, str_of(text, timestamp_format(at_ms, text)));
}
