/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of figures: of one scope, day by day, of all scopes of a kind, and live.
 *
 * Redis does not say which time zone the company has, so "today" is the latest day
 * that has figures: it is at most one later than the latest event's day in UTC, and
 * earlier where that event changed no figure. Its date is in the answer.
 */
#include <stdlib.h>

#include "common/base/timestamp.h"
#include "services/dashboard/view.h"

#define DAYS_MOST 31

static const struct str main_figures[] = {
	STR_INIT("orders"),    STR_INIT("order_amount"), STR_INIT("signed_amount"),
	STR_INIT("collected"), STR_INIT("refunded"),     STR_INIT("commission"),
	STR_INIT("quantity"),
};
#define MAIN_FIGURES (sizeof(main_figures) / sizeof(main_figures[0]))

static void put_scope(struct view *v)
{
	json_put_str(&v->json, "kind", v->route->kind);
	json_put_str(&v->json, "id", v->route->id);
	json_put_str(&v->json, "period", v->route->period);
}

static struct rc nothing_there(struct view *v)
{
	const struct route *r = v->route;

	return view_problem(v, 404, "No figures",
	                    "there are no figures of this %.*s in %.*s: nothing happened, the id "
	                    "is unknown, or the company does not keep this kind of period",
	                    STR_ARG(r->kind), STR_ARG(r->period));
}

struct rc view_figures(struct view *v)
{
	const struct route *r = v->route;
	unsigned asof = freshness_ask(v);
	unsigned at = view_hash(v, "sales:%.*s:%.*s:%.*s", STR_ARG(r->kind), STR_ARG(r->id),
	                        STR_ARG(r->period));

	TRY(view_round(v));
	if (v->answers[at].count == 0)
		return nothing_there(v);
	put_scope(v);
	view_integers(v, "figures", &v->answers[at]);
	freshness_put(v, asof);
	return OK;
}

/* ---- day by day ---- */

struct rc view_days(struct view *v)
{
	const struct route *r = v->route;
	unsigned asof = freshness_ask(v), first = 0, days = 0, some = 0;
	int32_t day = r->first_day;

	for (; period_first_day(PERIOD_MONTH, day) == r->first_day; day++, days++) {
		struct period_name name = period_of(PERIOD_DAY, day);
		unsigned number = view_hash(v, "sales:%.*s:%.*s:%.*s", STR_ARG(r->kind),
		                            STR_ARG(r->id), STR_ARG(period_str(&name)));

		if (days == 0)
			first = number;
	}
	TRY(view_round(v));
	for (unsigned i = 0; i < days; i++)
		some += v->answers[first + i].count > 0;
	if (!some)
		return nothing_there(v);
	put_scope(v);
	json_name(&v->json, "days");
	json_open(&v->json, '[');
	for (unsigned i = 0; i < days; i++) {
		struct period_name name = period_of(PERIOD_DAY, r->first_day + (int32_t)i);

		json_open(&v->json, '{');
		json_put_str(&v->json, "day", period_str(&name));
		view_integers(v, "figures", &v->answers[first + i]);
		json_close(&v->json, '}');
	}
	json_close(&v->json, ']');
	freshness_put(v, asof);
	return OK;
}

/* ---- all of a kind ---- */

struct scope {
	struct str id;
	const struct redis_answer *values; /* in the order of main_figures */
	int64_t collected, ordered;
};

static int64_t value_of(const struct redis_answer *values, size_t i)
{
	int64_t value;

	return str_to_i64(values->items[i].text, &value) ? value : 0;
}

/* The most money first; then by what was ordered, then by id. */
static int compare_scopes(const void *left, const void *right)
{
	const struct scope *a = left, *b = right;

	if (a->collected != b->collected)
		return a->collected > b->collected ? -1 : 1;
	if (a->ordered != b->ordered)
		return a->ordered > b->ordered ? -1 : 1;
	return str_cmp(a->id, b->id);
}

static bool is_empty(const struct redis_answer *values)
{
	for (unsigned i = 0; i < values->count; i++)
		if (values->items[i].text.ptr)
			return false;
	return true;
}

static void put_scope_row(struct view *v, const struct scope *scope)
{
	json_open(&v->json, '{');
	json_put_str(&v->json, "id", scope->id);
	json_name(&v->json, "figures");
	json_open(&v->json, '{');
	for (size_t i = 0; i < MAIN_FIGURES; i++)
		if (scope->values->items[i].text.ptr) {
			view_name(v, main_figures[i]);
			json_i64(&v->json, value_of(scope->values, i));
		}
	json_close(&v->json, '}');
	json_close(&v->json, '}');
}

struct rc view_scopes(struct view *v)
{
	const struct catalog_ids *ids = catalog_find(v->catalog, v->route->kind);
	struct scope *scopes = arena_alloc(v->arena, (ids->count + 1) * sizeof(*scopes));
	unsigned asof = freshness_ask(v), count = 0, first = 0;
	int64_t from = v->route->from - 1;

	for (unsigned i = 0; i < ids->count; i++) {
		unsigned number = view_read(v, "HMGET", main_figures, MAIN_FIGURES,
		                            "sales:%.*s:%.*s:%.*s", STR_ARG(v->route->kind),
		                            STR_ARG(ids->ids[i]), STR_ARG(v->route->period));

		if (i == 0)
			first = number;
	}
	TRY(view_round(v));
	for (unsigned i = 0; i < ids->count; i++) {
		const struct redis_answer *values = &v->answers[first + i];

		if (!is_empty(values) && str_is_utf8(ids->ids[i]))
			scopes[count++] = (struct scope){ ids->ids[i], values, value_of(values, 3),
				                          value_of(values, 1) };
	}
	qsort(scopes, count, sizeof(*scopes), compare_scopes);
	json_put_str(&v->json, "kind", v->route->kind);
	json_put_str(&v->json, "period", v->route->period);
	json_put_i64(&v->json, "total", count);
	json_put_bool(&v->json, "complete", v->catalog->complete && !ids->cut);
	json_put_i64(&v->json, "from", v->route->from);
	json_name(&v->json, "rows");
	json_open(&v->json, '[');
	for (int64_t i = from; i < count && i < from + v->route->count; i++)
		put_scope_row(v, &scopes[i]);
	json_close(&v->json, ']');
	freshness_put(v, asof);
	return OK;
}

/* ---- live ---- */

#define NEAR 3       /* the day after that of the latest event in UTC, that day, the day before */
#define DAYS_BACK 30 /* no further than into the month before */

struct candidate {
	int32_t day;
	unsigned figures, month; /* numbers of the questions */
};

static unsigned ask_company(struct view *v, enum period_kind kind, int32_t day)
{
	struct period_name name = period_of(kind, day);

	return view_hash(v, "sales:company:all:%.*s", STR_ARG(period_str(&name)));
}

/* From the latest one back. */
static struct rc ask_days(struct view *v, int32_t latest, struct candidate *days, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		days[i].day = latest - (int32_t)i;
		days[i].figures = ask_company(v, PERIOD_DAY, days[i].day);
		days[i].month = ask_company(v, PERIOD_MONTH, days[i].day);
	}
	return view_round(v);
}

/* NULL: none of them has figures. */
static const struct candidate *find_day(const struct view *v, const struct candidate *days,
                                        unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (v->answers[days[i].figures].count)
			return &days[i];
	return NULL;
}

/* Where no day has figures: one whose month has. Of the first, the day after, only that tells
 * that it has come, and only where the month began with it. */
static const struct candidate *find_month(const struct view *v, const struct candidate *days,
                                          unsigned count)
{
	bool begins = period_first_day(PERIOD_MONTH, days[0].day) == days[0].day;

	for (unsigned i = begins ? 0 : 1; i < count; i++)
		if (v->answers[days[i].month].count)
			return &days[i];
	return NULL;
}

static void put_company(struct view *v, const char *what, enum period_kind kind, int32_t day,
                        const struct redis_answer *hash)
{
	struct period_name name = period_of(kind, day);

	json_name(&v->json, what);
	json_open(&v->json, '{');
	json_put_str(&v->json, "period", period_str(&name));
	view_integers(v, "figures", hash);
	json_close(&v->json, '}');
}

/* The company's latest day and its month; null where none is kept. */
struct rc view_live(struct view *v)
{
	unsigned asof = freshness_ask(v);
	const struct candidate *found = NULL;
	const struct redis_answer *fresh;
	struct candidate days[DAYS_BACK];
	int64_t watermark_ms;

	TRY(view_round(v));
	fresh = v->answers;
	watermark_ms = freshness_watermark(v, asof);
	if (watermark_ms >= 0) {
		int32_t latest = (int32_t)(watermark_ms / MS_PER_DAY) + 1;

		TRY(ask_days(v, latest, days, NEAR));
		found = find_day(v, days, NEAR);
		if (!found) {
			TRY(ask_days(v, latest, days, DAYS_BACK));
			found = find_day(v, days, DAYS_BACK);
		}
		if (!found)
			found = find_month(v, days, DAYS_BACK);
	}
	if (found) {
		put_company(v, "day", PERIOD_DAY, found->day, &v->answers[found->figures]);
		put_company(v, "month", PERIOD_MONTH, found->day, &v->answers[found->month]);
	} else {
		json_name(&v->json, "day");
		json_null(&v->json);
		json_name(&v->json, "month");
		json_null(&v->json);
	}
	v->answers = fresh;
	freshness_put(v, asof);
	return OK;
}
