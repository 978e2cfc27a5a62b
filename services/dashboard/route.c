/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a path are compared with those of each row; a part in braces takes
 * what its word allows.
 */
#include "services/dashboard/route.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/limits.h"
#include "common/base/timestamp.h"
#include "common/codec/reason.h"
#include "common/domain/measure.h"

#define PARTS_MOST 8
#define WORDS_BYTES 512
#define ID_SHOWN 64 /* bytes of a part that a problem repeats */

static const struct row {
	const char *path;
	enum view_kind view;
	bool pages;
} rows[] = {
	{ "", VIEW_INDEX, false },
	{ "live", VIEW_LIVE, false },
	{ "stream", VIEW_STREAM, false },
	{ "freshness", VIEW_FRESHNESS, false },
	{ "figures/{kind}/{id}/{period}", VIEW_FIGURES, false },
	{ "days/{kind}/{id}/{month}", VIEW_DAYS, false },
	{ "scopes/{listed}/{period}", VIEW_SCOPES, true },
	{ "boards/{measure}/{boarded}/{id}/{period}", VIEW_BOARD, true },
	{ "tree/{period}", VIEW_TREE, false },
	{ "members/{unit}/{id}/{period}", VIEW_MEMBERS, true },
	{ "pay/{id}/{month}", VIEW_PAY, true },
	{ "commissions/{id}", VIEW_COMMISSION, false },
	{ "orders/{id}", VIEW_ORDER, false },
	{ "shards", VIEW_SHARDS, false },
	{ "refusals", VIEW_REFUSALS, false },
	{ "refusals/{id}/{reason}", VIEW_REFUSED, false },
	{ "redrive", VIEW_REDRIVE, false },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* The kinds that a part may name, by its word: DESIGN section 5. */
static const struct kinds {
	const char *word, *kinds;
} kinds[] = {
	{ "{kind}", "company region city team payee channel partner project product campaign" },
	{ "{listed}", "region city team channel partner project product campaign" },
	{ "{boarded}", "company region city team" },
	{ "{unit}", "region city team" },
};

void problem_set(struct problem *problem, struct arena *arena, int status, const char *title,
                 const char *format, ...)
{
	char words[WORDS_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	*problem = (struct problem){ status, title, arena_str(arena, str_from_c(words)), 0 };
	/* Cut in the middle of a character it would be no text. */
	while (!str_is_utf8(problem->detail))
		problem->detail.len--;
}

const char *route_path(unsigned number)
{
	return number < ROWS ? rows[number].path : NULL;
}

/* ---- texts -------------------------------------------------------------- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded; absent: not well formed. */
static struct str decode(struct str text, struct arena *arena)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		out[len++] = text.ptr[i];
		if (text.ptr[i] != '%')
			continue;
		high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
		low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
		if (high < 0 || low < 0)
			return str_of(NULL, 0);
		out[len - 1] = (char)(high * 16 + low);
		i += 2;
	}
	return str_of(out, len);
}

/* What may be an id of an event: printable, 1 to LIMIT_ID_BYTES. */
static bool is_id(struct str id)
{
	if (id.len == 0 || id.len > LIMIT_ID_BYTES || !str_is_utf8(id))
		return false;
	for (size_t i = 0; i < id.len; i++)
		if ((unsigned char)id.ptr[i] < 32 || id.ptr[i] == 127)
			return false;
	return true;
}

static bool has_word(const char *words, struct str word)
{
	struct str rest = str_from_c(words);

	while (rest.ptr)
		if (str_eq(str_split(&rest, ' '), word))
			return true;
	return false;
}

static int shown(struct str text)
{
	size_t len = 0, front;

	while (len < text.len && (front = str_utf8_front(str_from(text, len))) != 0 &&
	       len + front <= ID_SHOWN)
		len += front;
	return (int)len;
}

/* ---- periods ------------------------------------------------------------ */

static bool number_at(struct str text, size_t at, size_t len, int64_t *out)
{
	return at + len <= text.len && text.ptr[at] != '-' &&
	       str_to_i64(str_of(text.ptr + at, len), out);
}

/* A day of the period, if it has the form of one. */
static bool day_of(struct str text, enum period_kind *kind, int32_t *day)
{
	int64_t year, number = 1;
	struct civil_date date = { .month = 1, .day = 1 };

	if (!number_at(text, 0, 4, &year) || year < 2000 || year > 2100)
		return false;
	date.year = (int32_t)year;
	if (text.len == 10) {
		*kind = PERIOD_DAY;
		return date_parse(text, day);
	}
	if (text.len == 8 && text.ptr[5] == 'W' && number_at(text, 6, 2, &number)) {
		*kind = PERIOD_WEEK;
		date.day = 4; /* the day that is in week 1 of every year */
		*day = days_from_civil(date) + 7 * ((int32_t)number - 1);
		return true;
	}
	*kind = text.len == 4 ? PERIOD_YEAR : text.ptr[5] == 'Q' ? PERIOD_QUARTER : PERIOD_MONTH;
	if (text.len != 4 && (text.len != 7 || !number_at(text, *kind == PERIOD_MONTH ? 5 : 6,
	                                                  *kind == PERIOD_MONTH ? 2 : 1, &number)))
		return false;
	if (number < 1 || number > (*kind == PERIOD_QUARTER ? 4 : 12))
		return false;
	date.month = *kind == PERIOD_QUARTER ? 3 * (int32_t)number - 2 : (int32_t)number;
	*day = days_from_civil(date);
	return true;
}

bool route_period(struct str text, enum period_kind *kind, int32_t *first_day)
{
	struct period_name name;
	int32_t day;

	if (text.len < 4 || (text.len > 4 && text.len < 7) || !day_of(text, kind, &day))
		return false;
	/* Its name, so that 2026-W54 and 2026x03 are none. */
	name = period_of(*kind, day);
	*first_day = period_first_day(*kind, day);
	return str_eq(period_str(&name), text);
}

/* ---- parts -------------------------------------------------------------- */

static bool bad_part(struct problem *problem, struct arena *arena, struct str text,
                     const char *words)
{
	problem_set(problem, arena, 400, "Not a valid request", "%.*s%s: %s", shown(text),
	            text.ptr ? text.ptr : "", (size_t)shown(text) < text.len ? "..." : "", words);
	return false;
}

static bool take_period(struct str word, struct str text, struct arena *arena, struct route *route,
                        struct problem *problem)
{
	bool month = str_eq(word, STR("{month}"));

	route->period = text;
	if (!route_period(text, &route->period_kind, &route->first_day) ||
	    (month && route->period_kind != PERIOD_MONTH))
		return bad_part(problem, arena, text,
		                month ? "there is no such month; write it as 2026-03"
		                      : "there is no such period; write 2026-03-05, 2026-W10, "
		                        "2026-03, 2026-Q1 or 2026");
	return true;
}

static bool take_kind(struct str word, struct str text, struct arena *arena, struct route *route,
                      struct problem *problem)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!str_eq_c(word, kinds[i].word))
			continue;
		route->kind = text;
		if (has_word(kinds[i].kinds, text))
			return true;
		return bad_part(
			problem, arena, text,
			arena_printf(arena, "no such kind here; there are %s", kinds[i].kinds).ptr);
	}
	return bad_part(problem, arena, text, "not expected here");
}

/* A part in braces. */
static bool take_part(struct str word, struct str raw, struct arena *arena, struct route *route,
                      struct problem *problem)
{
	struct str text = decode(raw, arena);
	enum money money;

	if (!text.ptr || !is_id(text))
		return bad_part(problem, arena, str_of("", 0),
		                "a part of the path is empty, longer than 128 bytes, or no text");
	if (str_eq(word, STR("{id}"))) {
		route->id = text;
		return true;
	}
	if (str_eq(word, STR("{period}")) || str_eq(word, STR("{month}")))
		return take_period(word, text, arena, route, problem);
	if (str_eq(word, STR("{reason}"))) {
		route->reason = text;
		return reason_find(text) != REASON_NONE ||
		       bad_part(problem, arena, text,
		                "there is no such reason; see docs/ERRORS.md");
	}
	if (!str_eq(word, STR("{measure}")))
		return take_kind(word, text, arena, route, problem);
	route->measure = text;
	if (money_parse(text, &money) && money < MONEY_RANKED)
		return true;
	return bad_part(problem, arena, text,
	                "boards are by order_amount, signed_amount, collected or commission");
}

/* ---- the query ---------------------------------------------------------- */

static bool take_query(struct str query, bool pages, struct arena *arena, struct route *route,
                       struct problem *problem)
{
	bool has_from = false, has_count = false;

	while (query.ptr && query.len) {
		struct str value = str_split(&query, '&');
		struct str name = str_split(&value, '=');
		bool from = str_eq(name, STR("from")), count = str_eq(name, STR("count"));
		int64_t *into = from ? &route->from : &route->count;

		if (!pages || (!from && !count) || (from ? has_from : has_count))
			return bad_part(problem, arena, str_of("?", 1),
			                pages ? "only from and count are understood, once each"
			                      : "nothing is understood behind it");
		has_from = has_from || from;
		has_count = has_count || count;
		if (!str_to_i64(value, into) || *into < 1 ||
		    *into > (from ? ROUTE_FROM_MOST : ROUTE_COUNT_MOST))
			return bad_part(problem, arena, name,
			                from ? "a whole number from 1 to 1000000"
			                     : "a whole number from 1 to 1000");
	}
	return true;
}

/* ---- rows --------------------------------------------------------------- */

static unsigned split(struct str text, struct str *parts)
{
	unsigned count = 0;

	while (text.ptr && count < PARTS_MOST)
		parts[count++] = str_split(&text, '/');
	return text.ptr ? PARTS_MOST + 1 : count;
}

/* Do the parts that are no braces agree? */
static bool is_row(const struct row *row, const struct str *parts, unsigned count,
                   struct str *words)
{
	if (split(str_from_c(row->path), words) != count)
		return false;
	for (unsigned i = 0; i < count; i++)
		if (!str_starts(words[i], STR("{")) && !str_eq(words[i], parts[i]))
			return false;
	return true;
}

bool route_parse(struct str path, struct str query, struct arena *arena, struct route *route,
                 struct problem *problem)
{
	static const struct str root = STR_INIT("/api/v1");
	struct str parts[PARTS_MOST], words[PARTS_MOST];
	unsigned count;

	*route = (struct route){ .from = 1, .count = ROUTE_COUNT };
	*problem = (struct problem){ .status = 0 };
	if (str_starts(path, root) && (path.len == root.len || path.ptr[root.len] == '/')) {
		count = split(str_from(path, root.len + 1), parts);
		for (size_t r = 0; r < ROWS && count <= PARTS_MOST; r++) {
			if (!is_row(&rows[r], parts, count, words))
				continue;
			route->view = rows[r].view;
			for (unsigned i = 0; i < count; i++)
				if (str_starts(words[i], STR("{")) &&
				    !take_part(words[i], parts[i], arena, route, problem))
					return false;
			return take_query(query, rows[r].pages, arena, route, problem);
		}
	}
	problem_set(problem, arena, 404, "Not found",
	            "nothing is under this path; /api/v1 lists "
	            "what there is");
	return false;
}
