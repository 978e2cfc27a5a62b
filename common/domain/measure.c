/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row is built once on the stack and shown to the sink again and again with
 * another scope: on the hot path an event has about ten rows.
 */
#include "common/domain/measure.h"

#include "common/base/hash.h"
#include "common/base/limits.h"
#include "common/base/must.h"

/* ---- figures ------------------------------------------------------------- */

/* All figures are int64_t: first what adds up, then the instants in the order of enum money. */
#define SUMS 17
#define FIGURES (SUMS + MONEY_RANKED)

_Static_assert(offsetof(struct figures, order_amount_at_ms) == SUMS * sizeof(int64_t),
               "figures.schema.json: sums first, then instants");
_Static_assert(sizeof(struct figures) == FIGURES * sizeof(int64_t),
               "figures.schema.json: one instant for each ranked money figure");

/* Places in the array that struct figures is. */
#define PLACE(field) (offsetof(struct figures, field) / sizeof(int64_t))

static const struct money_figure {
	struct str name;
	size_t amount;
	size_t at; /* 0: none is kept */
} money_figures[MONEY_NONE] = {
	[MONEY_ORDER_AMOUNT] = { STR_INIT("order_amount"), PLACE(order_amount_minor),
	                         PLACE(order_amount_at_ms) },
	[MONEY_SIGNED_AMOUNT] = { STR_INIT("signed_amount"), PLACE(signed_amount_minor),
	                          PLACE(signed_amount_at_ms) },
	[MONEY_COLLECTED] = { STR_INIT("collected"), PLACE(collected_minor),
	                      PLACE(collected_at_ms) },
	[MONEY_COMMISSION] = { STR_INIT("commission"), PLACE(commission_minor),
	                       PLACE(commission_at_ms) },
	[MONEY_SUBSCRIBED_AMOUNT] = { STR_INIT("subscribed_amount"), PLACE(subscribed_amount_minor),
	                              0 },
	[MONEY_MORTGAGED_AMOUNT] = { STR_INIT("mortgaged_amount"), PLACE(mortgaged_amount_minor),
	                             0 },
	[MONEY_REFUNDED] = { STR_INIT("refunded"), PLACE(refunded_minor), 0 },
	[MONEY_CANCELLED_AMOUNT] = { STR_INIT("cancelled_amount"), PLACE(cancelled_amount_minor),
	                             0 },
};

static int64_t *places(struct figures *figures)
{
	return (int64_t *)(void *)figures;
}

static const int64_t *const_places(const struct figures *figures)
{
	return (const int64_t *)(const void *)figures;
}

struct str money_name(enum money money)
{
	must(money < MONEY_NONE);
	return money_figures[money].name;
}

bool money_parse(struct str name, enum money *money)
{
	for (enum money m = 0; m < MONEY_NONE; m++) {
		if (str_eq(money_figures[m].name, name)) {
			*money = m;
			return true;
		}
	}
	return false;
}

/* A sum that overflows has another sign than both its parts. */
bool figures_fit(const struct figures *a, const struct figures *b)
{
	const int64_t *x = const_places(a), *y = const_places(b);
	uint64_t wrong = 0;

	for (unsigned i = 0; i < SUMS; i++) {
		uint64_t sum = (uint64_t)x[i] + (uint64_t)y[i];

		wrong |= ((uint64_t)x[i] ^ sum) & ((uint64_t)y[i] ^ sum);
	}
	return wrong >> 63 == 0;
}

static void add_up(struct figures *into, const struct figures *change)
{
	int64_t *sums = places(into);
	const int64_t *more = const_places(change);

	for (unsigned i = 0; i < SUMS; i++)
		sums[i] += more[i];
	for (unsigned i = SUMS; i < FIGURES; i++)
		sums[i] = sums[i] > more[i] ? sums[i] : more[i];
}

void figures_add(struct figures *into, const struct figures *change)
{
	must(figures_fit(into, change));
	add_up(into, change);
}

int64_t figures_money(const struct figures *figures, enum money money)
{
	must(money < MONEY_NONE);
	return const_places(figures)[money_figures[money].amount];
}

int64_t figures_instant(const struct figures *figures, enum money money)
{
	must(money < MONEY_RANKED);
	return const_places(figures)[money_figures[money].at];
}

struct figures figures_ranked(const struct figures *change)
{
	struct figures ranked = { 0 };

	for (enum money m = 0; m < MONEY_RANKED; m++) {
		const struct money_figure *figure = &money_figures[m];

		places(&ranked)[figure->amount] = const_places(change)[figure->amount];
		places(&ranked)[figure->at] = const_places(change)[figure->at];
	}
	return ranked;
}

/* ---- rows to add up ------------------------------------------------------ */

/* Kinds differ in their first four letters; rows that differ only in the seat are few. */
uint64_t measure_hash(const void *row)
{
	const struct measure *m = row;
	uint32_t kind;

	must(m->kind.len >= sizeof(kind));
	memcpy(&kind, m->kind.ptr, sizeof(kind));
	return hash64_with((uint64_t)kind << 32 | (uint32_t)m->day, m->id);
}

bool measure_same(const void *a, const void *b)
{
	const struct measure *x = a, *y = b;

	return x->day == y->day && str_eq(x->id, y->id) && str_eq(x->kind, y->kind) &&
	       str_eq(x->team_id, y->team_id) && str_eq(x->city_id, y->city_id) &&
	       str_eq(x->region_id, y->region_id);
}

bool measure_add(void *into, const void *row)
{
	struct measure *sum = into;
	const struct measure *more = row;

	if (!figures_fit(&sum->figures, &more->figures))
		return false;
	add_up(&sum->figures, &more->figures);
	return true;
}

/* ---- rows of an event ---------------------------------------------------- */

enum scope {
	SCOPE_COMPANY,
	SCOPE_CHANNEL,
	SCOPE_PARTNER,
	SCOPE_PROJECT,
	SCOPE_CAMPAIGN,
	SCOPE_PAYEE,
	SCOPE_TEAM,
	SCOPE_CITY,
	SCOPE_REGION,
	SCOPE_PRODUCT,
};

static const struct str scope_kinds[] = {
	[SCOPE_COMPANY] = STR_INIT("company"),   [SCOPE_CHANNEL] = STR_INIT("channel"),
	[SCOPE_PARTNER] = STR_INIT("partner"),   [SCOPE_PROJECT] = STR_INIT("project"),
	[SCOPE_CAMPAIGN] = STR_INIT("campaign"), [SCOPE_PAYEE] = STR_INIT("payee"),
	[SCOPE_TEAM] = STR_INIT("team"),         [SCOPE_CITY] = STR_INIT("city"),
	[SCOPE_REGION] = STR_INIT("region"),     [SCOPE_PRODUCT] = STR_INIT("product"),
};

/* Shows the row as that of one scope; nothing where the id is absent. */
static void put(struct measure *row, enum scope scope, struct str id,
                const struct measure_sink *sink)
{
	char key[sizeof("campaign:") + LIMIT_ID_BYTES];
	struct str kind = scope_kinds[scope];

	if (!id.ptr)
		return;
	must(id.len <= LIMIT_ID_BYTES);
	memcpy(key, kind.ptr, kind.len);
	key[kind.len] = ':';
	memcpy(key + kind.len + 1, id.ptr, id.len);
	row->kind = kind;
	row->id = id;
	sink->put(sink->to, str_of(key, kind.len + 1 + id.len), row);
}

/* Puts the amount in; the instant only where boards rank by it: payees and teams. */
static void set_amount(struct measure *row, const struct change *change, int64_t amount_minor,
                       bool of_member)
{
	const struct money_figure *figure;

	if (change->money == MONEY_NONE)
		return;
	figure = &money_figures[change->money];
	places(&row->figures)[figure->amount] = amount_minor;
	if (figure->at)
		places(&row->figures)[figure->at] =
			of_member && change->ranked && amount_minor ? change->time_ms : 0;
}

static bool has_counts(const struct change *change)
{
	const int64_t *counts = const_places(&change->counts);
	int64_t any = 0;

	for (unsigned i = 0; i < SUMS; i++)
		any |= counts[i];
	return any != 0;
}

void measure_whole(const struct change *change, const struct whole_scopes *scopes,
                   int64_t amount_minor, const struct measure_sink *sink)
{
	struct measure row = { .day = change->day, .figures = change->counts };

	if (amount_minor == 0 && !has_counts(change))
		return;
	set_amount(&row, change, amount_minor, false);
	put(&row, SCOPE_COMPANY, STR("all"), sink);
	put(&row, SCOPE_CHANNEL, scopes->channel_id, sink);
	put(&row, SCOPE_PARTNER, scopes->partner_id, sink);
	put(&row, SCOPE_PROJECT, scopes->project_id, sink);
	put(&row, SCOPE_CAMPAIGN, scopes->campaign_id, sink);
}

static struct str unit_of(const struct payee_scopes *payee, enum scope scope)
{
	if (scope == SCOPE_TEAM)
		return payee->team_id;
	return scope == SCOPE_CITY ? payee->city_id : payee->region_id;
}

/* One row for each distinct unit of one kind: its payees' shares summed, the counts once. */
static void put_units(const struct change *change, const struct payee_scopes *payees,
                      const int64_t *shares_minor, unsigned count, enum scope scope,
                      const struct measure_sink *sink)
{
	struct measure row = { .day = change->day, .figures = change->counts };
	bool counts = has_counts(change), done[LIMIT_SPLITS] = { false };

	for (unsigned i = 0; i < count; i++) {
		struct str unit = unit_of(&payees[i], scope);
		int64_t sum_minor = shares_minor[i];

		if (done[i] || !unit.ptr)
			continue;
		for (unsigned j = i + 1; j < count; j++) {
			if (str_eq(unit_of(&payees[j], scope), unit)) {
				sum_minor += shares_minor[j];
				done[j] = true;
			}
		}
		if (sum_minor == 0 && !counts)
			continue;
		set_amount(&row, change, sum_minor, scope == SCOPE_TEAM);
		put(&row, scope, unit, sink);
	}
}

void measure_shares(const struct change *change, const struct payee_scopes *payees,
                    const int64_t *shares_minor, unsigned count, const struct measure_sink *sink)
{
	struct measure row = { .day = change->day, .figures = change->counts };
	bool counts = has_counts(change);

	must(count <= LIMIT_SPLITS);
	for (unsigned i = 0; i < count; i++) {
		if (shares_minor[i] == 0 && !counts)
			continue;
		row.team_id = payees[i].team_id;
		row.city_id = payees[i].city_id;
		row.region_id = payees[i].region_id;
		set_amount(&row, change, shares_minor[i], true);
		put(&row, SCOPE_PAYEE, payees[i].payee_id, sink);
	}
	put_units(change, payees, shares_minor, count, SCOPE_TEAM, sink);
	put_units(change, payees, shares_minor, count, SCOPE_CITY, sink);
	put_units(change, payees, shares_minor, count, SCOPE_REGION, sink);
}

void measure_product(const struct change *change, struct str product_id, int64_t quantity,
                     int64_t amount_minor, const struct measure_sink *sink)
{
	struct measure row = { .day = change->day };

	row.figures.quantity = quantity;
	row.figures.order_amount_minor = amount_minor;
	put(&row, SCOPE_PRODUCT, product_id, sink);
}
