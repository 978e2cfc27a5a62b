/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON for --json answers and HTTP: commas and quotes are put by the
 * writer, nesting by the caller, who must close what was opened.
 *
 * Bytes go to a buffer that the caller owns. Texts that are not UTF-8 must not
 * be given. Nothing can fail.
 */
#ifndef TALLY_HOST_JSON_H
#define TALLY_HOST_JSON_H

#include "common/base/buf.h"

struct json {
	struct buf *out;
	bool comma; /* before the next value or name */
};

struct json json_to(struct buf *);
/* bracket: '{' or '['; closed by json_close with '}' or ']'. */
void json_open(struct json *, char bracket);
void json_close(struct json *, char bracket);
/* The name of the next value in an object. */
void json_name(struct json *, const char *name);
void json_str(struct json *, struct str);
void json_i64(struct json *, int64_t);
void json_bool(struct json *, bool);
void json_null(struct json *);
/* An instant in ms since 1970, as RFC 3339 in UTC. */
void json_put_time(struct json *, const char *name, int64_t at_ms);

/* Name and value at once. */
static inline void json_put_str(struct json *j, const char *name, struct str value)
{
	json_name(j, name);
	json_str(j, value);
}

static inline void json_put_text(struct json *j, const char *name, const char *value)
{
	json_put_str(j, name, str_from_c(value));
}

static inline void json_put_i64(struct json *j, const char *name, int64_t value)
{
	json_name(j, name);
	json_i64(j, value);
}

static inline void json_put_bool(struct json *j, const char *name, bool value)
{
	json_name(j, name);
	json_bool(j, value);
}

#endif
