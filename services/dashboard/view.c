/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asof: of a topic has one field a partition; for readers they are one: the latest
 * event time, the latest broker time, and how many partitions are rebuilding.
 */
#include "services/dashboard/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <yyjson.h>

#include "common/base/limits.h"
#include "common/base/timestamp.h"
#include "common/runtime/worker.h"

#define KEY_BYTES (4 * LIMIT_ID_BYTES + 128) /* escaped ids are three times as long at most */

unsigned view_read(struct view *v, const char *verb, const struct str *more, unsigned count,
                   const char *key, ...)
{
	char name[KEY_BYTES];
	va_list args;
	int len;

	va_start(args, key);
	len = vsnprintf(name, sizeof(name), key, args);
	va_end(args);
	if (len >= (int)sizeof(name))
		len = sizeof(name) - 1; /* no worker writes such a key */
	return redis_reader_add(v->reader, verb, str_of(name, (size_t)len), more, count);
}

struct rc view_round(struct view *v)
{
	return redis_reader_ask(v->reader, v->arena, &v->answers);
}

struct rc view_problem(struct view *v, int status, const char *title, const char *format, ...)
{
	char words[512];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	problem_set(&v->problem, v->arena, status, title, "%s", words);
	return OK;
}

/* ---- pieces ---- */

void view_name(struct view *v, struct str name)
{
	json_str(&v->json, name);
	buf_put_char(v->json.out, ':');
	v->json.comma = false;
}

void view_integers(struct view *v, const char *name, const struct redis_answer *hash)
{
	json_name(&v->json, name);
	json_open(&v->json, '{');
	for (unsigned i = 0; i + 1 < hash->count; i += 2) {
		int64_t value;

		if (!str_to_i64(hash->items[i + 1].text, &value) ||
		    !str_is_utf8(hash->items[i].text))
			continue;
		view_name(v, hash->items[i].text);
		json_i64(&v->json, value);
	}
	json_close(&v->json, '}');
}

struct str view_field(const struct redis_answer *hash, const char *field)
{
	for (unsigned i = 0; i + 1 < hash->count; i += 2)
		if (str_eq_c(hash->items[i].text, field))
			return hash->items[i + 1].text;
	return str_of(NULL, 0);
}

int64_t view_number(const struct redis_answer *hash, const char *field, int64_t fallback)
{
	struct str text = view_field(hash, field);
	int64_t value;

	return text.ptr && str_to_i64(text, &value) ? value : fallback;
}

void view_instant(struct view *v, const char *name, int64_t ms)
{
	char text[24];

	json_name(&v->json, name);
	if (ms <= 0 || ms > INT64_C(253402300799999))
		json_null(&v->json);
	else
		json_str(&v->json, str_of(text, timestamp_format(ms, text)));
}

struct str view_escaped(struct view *v, struct str id)
{
	struct buf out;

	buf_init(&out, v->arena);
	buf_put_key_part(&out, id);
	return buf_str(&out);
}

/* ---- freshness ---- */

struct asof {
	int64_t watermark_ms, time_ms;
	unsigned partitions, rebuilding;
};

unsigned freshness_ask(struct view *v)
{
	unsigned first = 0;

	for (int i = 0; workers[i]; i++) {
		unsigned number = view_hash(v, "asof:%s", workers[i]->topic);

		if (i == 0)
			first = number;
	}
	return first;
}

static int64_t later(int64_t a, yyjson_val *value)
{
	int64_t b = yyjson_is_int(value) ? yyjson_get_sint(value) : INT64_MIN;

	return a > b ? a : b;
}

static struct asof asof_of(const struct redis_answer *hash)
{
	struct asof asof = { .watermark_ms = INT64_MIN, .time_ms = INT64_MIN };

	for (unsigned i = 0; i + 1 < hash->count; i += 2) {
		struct str text = hash->items[i + 1].text;
		yyjson_doc *doc = yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG);
		yyjson_val *root = yyjson_doc_get_root(doc);

		asof.partitions++;
		asof.rebuilding += yyjson_is_true(yyjson_obj_get(root, "rebuilding"));
		asof.watermark_ms = later(asof.watermark_ms, yyjson_obj_get(root, "watermark"));
		asof.time_ms = later(asof.time_ms, yyjson_obj_get(root, "time"));
		yyjson_doc_free(doc);
	}
	return asof;
}

int64_t freshness_watermark(const struct view *v, unsigned first)
{
	int64_t latest = INT64_MIN;

	for (int i = 0; workers[i]; i++) {
		struct asof asof = asof_of(&v->answers[first + (unsigned)i]);

		if (asof.watermark_ms > latest)
			latest = asof.watermark_ms;
	}
	return latest;
}

void freshness_put(struct view *v, unsigned first)
{
	json_name(&v->json, "asof");
	json_open(&v->json, '{');
	for (int i = 0; workers[i]; i++) {
		struct asof asof = asof_of(&v->answers[first + (unsigned)i]);
		const struct watch_fleet *fleet = watch_find(v->watch, workers[i]);

		json_name(&v->json, workers[i]->topic);
		json_open(&v->json, '{');
		view_instant(v, "watermark", asof.watermark_ms);
		view_instant(v, "time", asof.time_ms);
		json_put_i64(&v->json, "partitions", asof.partitions);
		json_put_i64(&v->json, "rebuilding", asof.rebuilding);
		if (fleet) {
			json_put_i64(&v->json, "lag", fleet->lag);
			json_put_i64(&v->json, "unowned", fleet->unowned);
			view_instant(v, "waiting_since", fleet->waiting_ms);
		}
		json_close(&v->json, '}');
	}
	json_close(&v->json, '}');
}

struct rc view_freshness(struct view *v)
{
	unsigned first = freshness_ask(v);

	TRY(view_round(v));
	freshness_put(v, first);
	return OK;
}
