/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of boards: ranks, who was credited in a unit, and the tree of units.
 *
 * The tree is not kept anywhere in Redis; it follows from the boards. Whoever was
 * credited in a team was credited in its city and region too, so a team lies in
 * the one city on whose board all of its people stand. People who changed teams
 * stand on the boards of both cities; the others tell them apart. Where more than
 * one city fits, or none, the parent is what was published, where Kafka is asked;
 * else it is not said rather than guessed.
 */
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/domain/measure.h"
#include "services/dashboard/view.h"

#define SAMPLE 16          /* of a unit's members, to find where it lies */
#define MEMBERS_MOST 20000 /* of one board, where boards are joined */
#define PAIRS_MOST 20000

/* ---- which boards there are ---- */

/* The measures that have a board of the company in the period; money ordered comes first. */
struct kept {
	struct str measures[MONEY_RANKED];
	unsigned count;
};

/* Returns the number of the first question. */
static unsigned kept_ask(struct view *v)
{
	unsigned first = 0;

	for (enum money money = 0; money < MONEY_RANKED; money++) {
		unsigned number = view_read(v, "EXISTS", NULL, 0, "board:%.*s:company:all:%.*s",
		                            STR_ARG(money_name(money)), STR_ARG(v->route->period));

		if (money == 0)
			first = number;
	}
	return first;
}

static struct kept kept_take(const struct view *v, unsigned first)
{
	struct kept kept = { .count = 0 };

	for (enum money money = 0; money < MONEY_RANKED; money++)
		if (v->answers[first + money].number > 0)
			kept.measures[kept.count++] = money_name(money);
	return kept;
}

static struct rc no_boards(struct view *v)
{
	return view_problem(v, 404, "No boards",
	                    "there are no boards of %.*s: nothing happened, or the company does "
	                    "not keep boards of this kind of period",
	                    STR_ARG(v->route->period));
}

/* ---- ranks ---- */

struct member {
	struct str id;
	int64_t score, reached_ms; /* INT64_MAX: not known */
	unsigned reached;          /* number of the question for it; UINT32_MAX: not asked */
};

/* CONTRACT "Redis": ties are resolved by the time the score was reached. */
static int compare_members(const void *left, const void *right)
{
	const struct member *a = left, *b = right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->reached_ms != b->reached_ms)
		return a->reached_ms < b->reached_ms ? -1 : 1;
	return str_cmp(a->id, b->id);
}

static unsigned ask_reached(struct view *v, struct str id)
{
	const struct route *r = v->route;
	struct str field = arena_printf(v->arena, "%.*s_at", STR_ARG(r->measure));

	if (str_eq(r->kind, STR("company")))
		return view_read(v, "HGET", &field, 1, "sales:%s:%.*s:%.*s",
		                 str_eq(r->id, STR("teams")) ? "team" : "payee", STR_ARG(id),
		                 STR_ARG(r->period));
	return view_read(v, "HGET", &field, 1, "seat:payee:%.*s:%.*s:%.*s:%.*s", STR_ARG(id),
	                 STR_ARG(r->kind), STR_ARG(view_escaped(v, r->id)), STR_ARG(r->period));
}

static unsigned take_members(struct view *v, const struct redis_answer *list, struct member **out)
{
	struct member *members = arena_alloc(v->arena, (list->count / 2 + 1) * sizeof(*members));
	unsigned count = 0;

	for (unsigned i = 0; i + 1 < list->count; i += 2) {
		struct member m = { .id = list->items[i].text, .reached_ms = INT64_MAX };

		if (str_is_utf8(m.id) && str_to_i64(list->items[i + 1].text, &m.score))
			members[count++] = m;
	}
	*out = members;
	return count;
}

static struct rc rank(struct view *v, struct member *members, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		members[i].reached = ask_reached(v, members[i].id);
	TRY(view_round(v));
	for (unsigned i = 0; i < count; i++) {
		struct str text = v->answers[members[i].reached].text;

		if (!text.ptr || !str_to_i64(text, &members[i].reached_ms))
			members[i].reached_ms = INT64_MAX;
	}
	qsort(members, count, sizeof(*members), compare_members);
	return OK;
}

static void put_ranks(struct view *v, const struct member *members, unsigned count)
{
	int64_t from = v->route->from;

	json_name(&v->json, "rows");
	json_open(&v->json, '[');
	for (unsigned i = 0; i < count; i++) {
		if (i + 1 < from || i + 1 >= from + v->route->count)
			continue;
		json_open(&v->json, '{');
		json_put_i64(&v->json, "rank", (int64_t)i + 1);
		json_put_str(&v->json, "id", members[i].id);
		json_put_i64(&v->json, "score", members[i].score);
		view_instant(v, "reached",
		             members[i].reached_ms == INT64_MAX ? -1 : members[i].reached_ms);
		json_close(&v->json, '}');
	}
	json_close(&v->json, ']');
}

struct rc view_board(struct view *v)
{
	static const struct str range[] = { STR_INIT("0"), STR_INIT("999"),
		                            STR_INIT("WITHSCORES") };
	const struct route *r = v->route;
	struct str key = arena_printf(v->arena, "%.*s:%.*s:%.*s:%.*s", STR_ARG(r->measure),
	                              STR_ARG(r->kind), STR_ARG(r->id), STR_ARG(r->period));
	unsigned asof = freshness_ask(v), count, size, list;
	const struct redis_answer *fresh;
	struct member *members;
	int64_t total;

	size = view_read(v, "ZCARD", NULL, 0, "board:%.*s", STR_ARG(key));
	list = view_read(v, "ZREVRANGE", range, 3, "board:%.*s", STR_ARG(key));
	TRY(view_round(v));
	fresh = v->answers;
	total = fresh[size].number;
	if (total == 0)
		return no_boards(v);
	count = take_members(v, &fresh[list], &members);
	TRY(rank(v, members, count));
	json_put_str(&v->json, "measure", r->measure);
	json_put_str(&v->json, "kind", r->kind);
	json_put_str(&v->json, "id", r->id);
	json_put_str(&v->json, "period", r->period);
	json_put_i64(&v->json, "total", total);
	json_put_i64(&v->json, "ranked", count);
	json_put_i64(&v->json, "from", r->from);
	put_ranks(v, members, count);
	v->answers = fresh;
	freshness_put(v, asof);
	return OK;
}

/* ---- who was credited in a unit ---- */

/* A board has only who moved its measure in the period: the unit's people stand on any of them. */
struct people {
	const struct str **ids;
	unsigned count;
	bool cut; /* a board has more than are joined */
};

static unsigned ask_boards(struct view *v, const struct kept *kept)
{
	const struct route *r = v->route;
	struct str range[] = { STR("0"), arena_printf(v->arena, "%d", MEMBERS_MOST) };
	unsigned first = 0;

	for (unsigned i = 0; i < kept->count; i++) {
		unsigned number = view_read(v, "ZREVRANGE", range, 2, "board:%.*s:%.*s:%.*s:%.*s",
		                            STR_ARG(kept->measures[i]), STR_ARG(r->kind),
		                            STR_ARG(r->id), STR_ARG(r->period));

		if (i == 0)
			first = number;
	}
	return first;
}

static bool same_id(const void *item, const void *key)
{
	return str_eq(*(const struct str *)item, *(const struct str *)key);
}

/* Those of the first board by score, then who stands only on the next one, and so on. */
static struct people join_boards(struct view *v, const struct redis_answer *boards, unsigned count)
{
	struct people people = { .count = 0 };
	struct table seen;
	size_t room = 1;

	for (unsigned b = 0; b < count; b++)
		room += boards[b].count;
	people.ids = arena_alloc(v->arena, room * sizeof(*people.ids));
	table_init(&seen);
	for (unsigned b = 0; b < count; b++) {
		people.cut = people.cut || boards[b].count > MEMBERS_MOST;
		for (unsigned i = 0; i < boards[b].count && i < MEMBERS_MOST; i++) {
			struct str *id = &boards[b].items[i].text;
			uint64_t hash = hash64(*id);

			if (!str_is_utf8(*id) || table_find(&seen, hash, same_id, id))
				continue;
			table_add(&seen, hash, id);
			people.ids[people.count++] = id;
		}
	}
	table_release(&seen);
	return people;
}

static struct rc put_people(struct view *v, const struct people *people)
{
	const struct route *r = v->route;
	struct str unit = view_escaped(v, r->id);
	int64_t from = r->from - 1, end = from + r->count;
	unsigned seats = 0;

	if (end > people->count)
		end = people->count;
	for (int64_t i = from; i < end; i++) {
		unsigned number =
			view_hash(v, "seat:payee:%.*s:%.*s:%.*s:%.*s", STR_ARG(*people->ids[i]),
		                  STR_ARG(r->kind), STR_ARG(unit), STR_ARG(r->period));

		if (i == from)
			seats = number;
	}
	TRY(view_round(v));
	json_put_i64(&v->json, "total", people->count);
	json_put_bool(&v->json, "complete", !people->cut);
	json_put_i64(&v->json, "from", r->from);
	json_name(&v->json, "rows");
	json_open(&v->json, '[');
	for (int64_t i = from; i < end; i++) {
		json_open(&v->json, '{');
		json_put_str(&v->json, "id", *people->ids[i]);
		view_integers(v, "figures", &v->answers[seats + (unsigned)(i - from)]);
		json_close(&v->json, '}');
	}
	json_close(&v->json, ']');
	return OK;
}

struct rc view_members(struct view *v)
{
	const struct route *r = v->route;
	unsigned asof = freshness_ask(v), first = kept_ask(v);
	const struct redis_answer *fresh;
	struct people people;
	struct kept kept;

	TRY(view_round(v));
	fresh = v->answers;
	kept = kept_take(v, first);
	if (!kept.count)
		return no_boards(v);
	first = ask_boards(v, &kept);
	TRY(view_round(v));
	people = join_boards(v, &v->answers[first], kept.count);
	if (people.count == 0)
		return view_problem(v, 404, "Nobody", "nobody was credited in this %.*s in %.*s",
		                    STR_ARG(r->kind), STR_ARG(r->period));
	json_put_str(&v->json, "kind", r->kind);
	json_put_str(&v->json, "id", r->id);
	json_put_str(&v->json, "period", r->period);
	json_put_str(&v->json, "by", kept.measures[0]);
	TRY(put_people(v, &people));
	v->answers = fresh;
	freshness_put(v, asof);
	return OK;
}

/* ---- the tree ---- */

struct unit {
	struct str id;
	unsigned number; /* of the question under way */
	const struct redis_answer *figures, *people;
	struct str measure; /* on whose board those people stand */
	struct str parent;  /* absent: not known */
	bool twice;         /* more than one would do */
};

struct level {
	const char *kind;
	struct unit *units;
	unsigned count;
	bool cut; /* there are more than are kept */
};

static void take_level(struct view *v, const char *kind, struct level *level)
{
	const struct catalog_ids *ids = catalog_find(v->catalog, str_from_c(kind));

	*level = (struct level){ .kind = kind, .count = ids->count, .cut = ids->cut };
	level->units = arena_zalloc(v->arena, (ids->count + 1) * sizeof(*level->units));
	for (unsigned i = 0; i < ids->count; i++) {
		level->units[i].id = ids->ids[i];
		level->units[i].number = view_hash(v, "sales:%s:%.*s:%.*s", kind,
		                                   STR_ARG(ids->ids[i]), STR_ARG(v->route->period));
	}
}

/* Those that have figures in the period, by id. */
static int compare_units(const void *left, const void *right)
{
	const struct unit *a = left, *b = right;

	return str_cmp(a->id, b->id);
}

static void keep_level(struct view *v, struct level *level)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < level->count; i++) {
		struct unit *unit = &level->units[i];

		unit->figures = &v->answers[unit->number];
		if (unit->figures->count && str_is_utf8(unit->id))
			level->units[kept++] = *unit;
	}
	level->count = kept;
	qsort(level->units, kept, sizeof(*level->units), compare_units);
}

/* The people of units that have none yet, from the boards of one measure. */
static void ask_people(struct view *v, struct level *level, struct str measure)
{
	static const struct str range[] = { STR_INIT("0"), STR_INIT("15") };

	_Static_assert(SAMPLE == 16, "the range's end");
	for (unsigned i = 0; i < level->count; i++)
		if (!level->units[i].measure.ptr)
			level->units[i].number =
				view_read(v, "ZREVRANGE", range, 2, "board:%.*s:%s:%.*s:%.*s",
			                  STR_ARG(measure), level->kind,
			                  STR_ARG(level->units[i].id), STR_ARG(v->route->period));
}

static void take_people(const struct view *v, struct level *level, struct str measure)
{
	for (unsigned i = 0; i < level->count; i++) {
		struct unit *unit = &level->units[i];

		if (unit->measure.ptr)
			continue;
		unit->people = &v->answers[unit->number];
		if (unit->people->count)
			unit->measure = measure;
	}
}

/* Which of those people stand on the board of each unit above? */
static void ask_parents(struct view *v, struct level *level, const struct level *above)
{
	struct str people[SAMPLE];

	for (unsigned i = 0; i < level->count; i++) {
		struct unit *unit = &level->units[i];
		unsigned count = unit->people->count < SAMPLE ? unit->people->count : SAMPLE;

		for (unsigned p = 0; p < count; p++)
			people[p] = unit->people->items[p].text;
		for (unsigned a = 0; a < above->count && count; a++) {
			unsigned number =
				view_read(v, "ZMSCORE", people, count, "board:%.*s:%s:%.*s:%.*s",
			                  STR_ARG(unit->measure), above->kind,
			                  STR_ARG(above->units[a].id), STR_ARG(v->route->period));

			if (a == 0)
				unit->number = number;
		}
	}
}

static bool all_stand(const struct redis_answer *scores)
{
	for (unsigned i = 0; i < scores->count; i++)
		if (!scores->items[i].text.ptr)
			return false;
	return scores->count > 0;
}

static void take_parents(const struct view *v, struct level *level, const struct level *above)
{
	for (unsigned i = 0; i < level->count; i++) {
		struct unit *unit = &level->units[i];

		for (unsigned a = 0; a < above->count && unit->people->count; a++) {
			if (!all_stand(&v->answers[unit->number + a]))
				continue;
			unit->twice = unit->twice || unit->parent.ptr;
			unit->parent = above->units[a].id;
		}
		if (unit->twice)
			unit->parent = str_of(NULL, 0);
	}
}

static struct rc link_levels(struct view *v, struct level *levels, const struct kept *kept)
{
	for (unsigned m = 0; m < kept->count; m++) {
		for (unsigned i = 1; i < 3; i++)
			ask_people(v, &levels[i], kept->measures[m]);
		TRY(view_round(v));
		for (unsigned i = 1; i < 3; i++)
			take_people(v, &levels[i], kept->measures[m]);
	}
	for (unsigned i = 1; i < 3; i++)
		ask_parents(v, &levels[i], &levels[i - 1]);
	TRY(view_round(v));
	for (unsigned i = 1; i < 3; i++)
		take_parents(v, &levels[i], &levels[i - 1]);
	return OK;
}

/* Those that the boards cannot place, as published. True: at least one was. */
static bool place_published(struct view *v, struct level *levels)
{
	bool placed = false;

	for (unsigned i = 1; i < 3 && v->watcher; i++) {
		for (unsigned u = 0; u < levels[i].count; u++) {
			struct unit *unit = &levels[i].units[u], above;
			struct units known;

			if (unit->parent.ptr)
				continue;
			known = watch_units(v->watcher, unit->id, v->route->period_kind,
			                    v->route->first_day, v->arena);
			above.id = i == 1 ? known.region_id : known.city_id;
			/* One without figures is not in the answer. */
			if (!above.id.ptr ||
			    !bsearch(&above, levels[i - 1].units, levels[i - 1].count,
			             sizeof(above), compare_units))
				continue;
			unit->parent = above.id;
			placed = true;
		}
	}
	return placed;
}

static void put_level(struct view *v, const struct level *level, const char *name, bool linked)
{
	json_name(&v->json, name);
	json_open(&v->json, '[');
	for (unsigned i = 0; i < level->count; i++) {
		const struct unit *unit = &level->units[i];

		json_open(&v->json, '{');
		json_put_str(&v->json, "id", unit->id);
		if (linked)
			json_put_str(&v->json, "parent", unit->parent);
		view_integers(v, "figures", unit->figures);
		json_close(&v->json, '}');
	}
	json_close(&v->json, ']');
}

struct rc view_tree(struct view *v)
{
	unsigned asof = freshness_ask(v), first = kept_ask(v);
	bool linked, complete = v->catalog->complete;
	const struct redis_answer *fresh;
	struct level levels[3];
	struct kept kept;

	take_level(v, "region", &levels[0]);
	take_level(v, "city", &levels[1]);
	take_level(v, "team", &levels[2]);
	TRY(view_round(v));
	fresh = v->answers;
	for (unsigned i = 0; i < 3; i++) {
		complete = complete && !levels[i].cut;
		keep_level(v, &levels[i]);
	}
	kept = kept_take(v, first);
	linked = kept.count && levels[2].count * (size_t)levels[1].count +
	                                       levels[1].count * (size_t)levels[0].count <=
	                               PAIRS_MOST;
	if (linked)
		TRY(link_levels(v, levels, &kept));
	linked = place_published(v, levels) || linked;
	json_put_str(&v->json, "period", v->route->period);
	json_put_bool(&v->json, "linked", linked);
	json_put_bool(&v->json, "complete", complete);
	put_level(v, &levels[0], "regions", false);
	put_level(v, &levels[1], "cities", linked);
	put_level(v, &levels[2], "teams", linked);
	v->answers = fresh;
	freshness_put(v, asof);
	return OK;
}
