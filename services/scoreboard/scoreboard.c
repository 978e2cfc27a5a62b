/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scoreboard: adds up the figures of every scope and period, and keeps the boards.
 *
 * A measure is what one scope gained on one business day. It is added to the
 * figures of that day and of the week, month, quarter and year around it, as far
 * as the company keeps them. Boards rank payees and teams by one figure: in the
 * company by the payee's own figure; in a unit by what the payee did while in that
 * unit (the seat), so whoever moved shows in each unit with what was credited
 * there.
 *
 * One shard owns a scope (message key "<kind>:<id>"), hence its figures, its seats
 * and its entry on every board. All writes are absolute.
 *
 * Source of the rules: CONTRACT "Duties" and "Redis", DESIGN section 5.
 */
#include "common/base/limits.h"
#include "common/domain/measure.h"
#include "events.h"
#include "services/workers.h"

/* ---- what the worker is ----------------------------------------------------- */

static reads_fn reads_figures;
static fold_fn on_measure;
static struct str owner_of_sales(struct str id), owner_of_seat(struct str id);

static const struct input inputs[] = {
	{ "measure", &measure_type, reads_figures, on_measure },
	{ 0 },
};

/* "<kind>:<id>:<period>" */
static const struct entity sales_entity = {
	.name = "sales",
	.type = &figures_type,
	.form = ENTITY_FIGURES,
	.prefix = STR_INIT("sales:"),
	.pattern = "sales:<kind>:<id>:<period>",
	.owner = owner_of_sales,
};

/* "payee:<payee>:<unit kind>:<unit>:<period>"; only what boards rank by. */
static const struct entity seat_entity = {
	.name = "seat",
	.type = &seat_type,
	.form = ENTITY_FIGURES,
	.prefix = STR_INIT("seat:"),
	.pattern = "seat:payee:<payee_id>:<unit kind>:<unit_id>:<period>",
	.owner = owner_of_seat,
};

static const struct redis_key keys[] = {
	{ "board:<measure>:<scope kind>:<scope id>:<period>", "sorted set",
	  "payees by score: in the company (all) and in every region, city, team",
	  STR_INIT("board:"), NULL },
	{ "board:<measure>:company:teams:<period>", "sorted set", "the company's teams by score",
	  STR_INIT("board:"), NULL },
	{ 0 },
};

const struct worker scoreboard_worker = {
	.name = "scoreboard",
	.words = "figures by scope and period, boards",
	.topic = "measures",
	.key = "<kind>:<id>",
	.internal = true,
	.logic_version = 1,
	.inputs = inputs,
	.entities = (const struct entity *const[]){ &sales_entity, &seat_entity, NULL },
	.outputs = (const struct output *const[]){ NULL },
	.keys = keys,
};
/* ---- which figures a measure names -------------------------------------------- */

/* The units of a payee's seat. */
static const struct unit {
	struct str kind;
	size_t id; /* in struct measure */
} units[] = {
	{ STR_INIT("team"), offsetof(struct measure, team_id) },
	{ STR_INIT("city"), offsetof(struct measure, city_id) },
	{ STR_INIT("region"), offsetof(struct measure, region_id) },
};
#define UNITS (sizeof(units) / sizeof(units[0]))

/* Absent: the payee had none. */
static struct str unit_id(const struct measure *m, const struct unit *unit)
{
	return *(const struct str *)(const void *)((const char *)m + unit->id);
}

static bool is_kind(const struct measure *m, struct str kind)
{
	return str_eq(m->kind, kind);
}

static bool has_period(unsigned periods, enum period_kind period)
{
	return periods >> period & 1;
}

/* Does it move anything that a board could rank by? A row whose amounts cancel out still says when
 * the figure last changed, as its parts would have said one by one. */
static bool is_ranked(const struct measure *m)
{
	for (enum money money = 0; money < MONEY_RANKED; money++)
		if (figures_money(&m->figures, money) != 0 ||
		    figures_instant(&m->figures, money) != 0)
			return true;
	return false;
}

/* Seats are kept in the periods that boards name, for payees' ranked figures. */
static unsigned seat_periods(const struct measure *m, const struct reference *ref)
{
	struct boards boards = reference_boards(ref);

	return boards.measures && is_kind(m, STR("payee")) && is_ranked(m) ? boards.periods : 0;
}

static void read_sales(const struct measure *m, enum period_kind period, struct reads *reads)
{
	struct period_name name = period_of(period, m->day);
	struct str parts[] = { m->kind, STR(":"), m->id, STR(":"), period_str(&name) };

	reads_add(reads, &sales_entity, reads_join(reads, parts, 5));
}

static void read_seats(const struct measure *m, enum period_kind period, struct reads *reads)
{
	struct period_name name = period_of(period, m->day);
	char text[3 * LIMIT_ID_BYTES];

	for (size_t u = 0; u < UNITS; u++) {
		struct str id = unit_id(m, &units[u]);
		struct buf unit = { .ptr = text, .room = sizeof(text) };
		struct str parts[] = { STR("payee:"), m->id,   STR(":"), units[u].kind,
			               STR(":"),      STR(""), STR(":"), period_str(&name) };

		if (!id.ptr)
			continue;
		buf_put_key_part(&unit, id); /* so that a seat's owner can be read from its name */
		parts[5] = buf_str(&unit);
		reads_add(reads, &seat_entity, reads_join(reads, parts, 8));
	}
}

/* First the sales of each period, then the seats of each of the boards' periods. */
static void reads_figures(const struct event *event, struct reads *reads)
{
	const struct measure *m = event->data;
	const struct reference *ref = reads_reference(reads);
	unsigned of_sales = reference_periods(ref), of_seats = seat_periods(m, ref);

	for (enum period_kind period = PERIOD_DAY; period < PERIOD_KINDS; period++)
		if (has_period(of_sales, period))
			read_sales(m, period, reads);
	for (enum period_kind period = PERIOD_DAY; period < PERIOD_KINDS; period++)
		if (has_period(of_seats, period))
			read_seats(m, period, reads);
}

/* Without the last `count` parts, which have no colons inside. */
static struct str cut_parts(struct str id, unsigned count)
{
	for (; count > 0 && id.len > 0; count--) {
		do
			id.len--;
		while (id.len > 0 && id.ptr[id.len] != ':');
	}
	return id;
}

static struct str owner_of_sales(struct str id)
{
	return cut_parts(id, 1);
}

static struct str owner_of_seat(struct str id)
{
	return cut_parts(id, 3);
}

/* ---- boards -------------------------------------------------------------------- */

/* Redis keeps scores as doubles: above 2^53 a score would not be exact, and its member is on no
 * board. */
#define SCORE_MOST (INT64_C(1) << 53)

/* One figure of one member: who, where, and how much now. */
static void set_score(enum money money, struct str kind, struct str id, enum period_kind period,
                      const struct measure *m, const struct figures *figures, struct effects *out)
{
	struct period_name name = period_of(period, m->day);
	struct str parts[] = { STR("board:"), money_name(money), STR(":"), kind, STR(":"), id,
		               STR(":"),      period_str(&name) };
	int64_t score = figures_money(figures, money);

	if (score < -SCORE_MOST || score > SCORE_MOST)
		score = 0;
	effects_set_score(out, arena_join(effects_arena(out), parts, 8), m->id, score);
}

/* A payee on the boards of one period: the company's, and those of the units of the seat. */
static void rank_payee(const struct measure *m, enum money money, enum period_kind period,
                       const struct figures *sales, struct view *view, unsigned first_seat,
                       struct effects *out)
{
	set_score(money, STR("company"), STR("all"), period, m, sales, out);
	for (size_t u = 0; u < UNITS; u++) {
		struct str id = unit_id(m, &units[u]);

		if (id.ptr)
			set_score(money, units[u].kind, id, period, m, view_at(view, first_seat++),
			          out);
	}
}

static unsigned count_units(const struct measure *m)
{
	unsigned count = 0;

	for (size_t u = 0; u < UNITS; u++)
		count += unit_id(m, &units[u]).ptr != NULL;
	return count;
}

/* Views in the order of reads_figures(). */
static void write_boards(const struct measure *m, const struct reference *ref, struct view *view,
                         struct effects *out)
{
	struct boards boards = reference_boards(ref);
	unsigned of_sales = reference_periods(ref);
	unsigned sales = 0, seat = (unsigned)__builtin_popcount(of_sales);
	bool payee = is_kind(m, STR("payee")), team = is_kind(m, STR("team"));

	if (!boards.measures || (!payee && !team) || !is_ranked(m))
		return;
	for (enum period_kind period = PERIOD_DAY; period < PERIOD_KINDS; period++) {
		for (enum money money = 0; money < MONEY_RANKED; money++) {
			if (!has_period(boards.periods, period) ||
			    !(boards.measures >> money & 1) ||
			    figures_money(&m->figures, money) == 0)
				continue;
			if (payee)
				rank_payee(m, money, period, view_at(view, sales), view, seat, out);
			else
				set_score(money, STR("company"), STR("teams"), period, m,
				          view_at(view, sales), out);
		}
		sales += has_period(of_sales, period);
		seat += has_period(boards.periods, period) && payee ? count_units(m) : 0;
	}
}

/* ---- adding up -------------------------------------------------------------------- */

static struct verdict on_measure(const struct event *event, struct view *view,
                                 const struct reference *ref, struct effects *out)
{
	const struct measure *m = event->data;
	struct figures ranked = figures_ranked(&m->figures);
	unsigned sales = (unsigned)__builtin_popcount(reference_periods(ref));
	unsigned seats = (unsigned)__builtin_popcount(seat_periods(m, ref)) * count_units(m);

	for (unsigned n = 0; n < sales + seats; n++)
		if (!figures_fit(view_at(view, n), n < sales ? &m->figures : &ranked))
			return REJECT(REASON_BAD_MONEY, "/figures");
	for (unsigned n = 0; n < sales + seats; n++)
		figures_add(view_at(view, n), n < sales ? &m->figures : &ranked);
	write_boards(m, ref, view, out);
	return APPLY;
}
