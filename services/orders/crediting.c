/* SPDX-License-Identifier: Apache-2.0 */
#include "services/orders/crediting.h"

#include "common/base/limits.h"
#include "common/domain/money.h"

/* ---- shares --------------------------------------------------------------- */

/* share_i(x) for each split entry: largest remainder, ties to the earlier (DESIGN 6). None: 0. */
static unsigned shares_of(const struct order *order, int64_t x_minor,
                          int64_t shares_minor[LIMIT_SPLITS])
{
	int64_t weights[LIMIT_SPLITS];
	unsigned count = order->splits.count;

	for (unsigned i = 0; i < count; i++)
		weights[i] = order->splits.items[i].weight;
	if (count)
		money_shares(x_minor, weights, count, shares_minor);
	return count;
}

/* ---- figures -------------------------------------------------------------- */

static void put_measure(void *out, struct str key, const struct measure *row)
{
	effects_sum(out, &orders_measures, key, row);
}

/* The period of a figure is that of the event's own time (DESIGN 6). */
static struct change change_at(const struct folding *f, int64_t at_ms, enum money money)
{
	return (struct change){
		.time_ms = at_ms,
		.day = zone_day(reference_zone(f->ref, at_ms), at_ms),
		.money = money,
		.ranked = reference_boards(f->ref).measures != 0,
	};
}

/* All scopes of the order (DESIGN 5 "Scope kinds"); a house order has no payees. */
static void send_measures(const struct folding *f, const struct change *change,
                          int64_t amount_minor, const int64_t *shares_minor)
{
	const struct order *order = f->order;
	struct measure_sink sink = { put_measure, f->out };
	struct payee_scopes payees[LIMIT_SPLITS];

	for (unsigned i = 0; i < order->splits.count; i++) {
		const struct order_split *split = &order->splits.items[i];

		payees[i] = (struct payee_scopes){ split->payee_id, split->team_id, split->city_id,
			                           split->region_id };
	}
	measure_whole(change,
	              &(struct whole_scopes){ order->channel_id, order->partner_id,
	                                      order->project_id, order->campaign_id },
	              amount_minor, &sink);
	measure_shares(change, payees, shares_minor, order->splits.count, &sink);
}

void crediting_event(const struct folding *f, int64_t at_ms, const struct figures *counts,
                     const struct moved *moved)
{
	struct change change = change_at(f, at_ms, moved->money);
	int64_t shares_minor[LIMIT_SPLITS], before_minor[LIMIT_SPLITS];
	unsigned count = shares_of(f->order, moved->after_minor, shares_minor);

	change.counts = *counts;
	if (moved->before_minor) {
		shares_of(f->order, moved->before_minor, before_minor);
		for (unsigned i = 0; i < count; i++)
			shares_minor[i] -= before_minor[i];
	}
	send_measures(f, &change, moved->after_minor - moved->before_minor, shares_minor);
}

void crediting_created(const struct folding *f, int64_t at_ms)
{
	struct change change = change_at(f, at_ms, MONEY_ORDER_AMOUNT);
	struct measure_sink sink = { put_measure, f->out };

	crediting_event(f, at_ms, &(struct figures){ .orders = 1 },
	                &(struct moved){ MONEY_ORDER_AMOUNT, 0, f->order->amount_minor });
	for (uint32_t i = 0; i < f->order->lines.count; i++) {
		const struct order_line *line = &f->order->lines.items[i];

		measure_product(&change, line->product_id, line->quantity,
		                line->quantity * line->unit_price_minor, &sink);
	}
}

/* ---- freezing -------------------------------------------------------------- */

#define PAYEE_PATH(split) "/data/splits/" #split "/payee_id"

const char *crediting_payee_path(uint32_t split)
{
	static const char *const paths[LIMIT_SPLITS] = {
		PAYEE_PATH(0),  PAYEE_PATH(1),  PAYEE_PATH(2),  PAYEE_PATH(3),
		PAYEE_PATH(4),  PAYEE_PATH(5),  PAYEE_PATH(6),  PAYEE_PATH(7),
		PAYEE_PATH(8),  PAYEE_PATH(9),  PAYEE_PATH(10), PAYEE_PATH(11),
		PAYEE_PATH(12), PAYEE_PATH(13), PAYEE_PATH(14), PAYEE_PATH(15),
	};

	return paths[split];
}

/* CONTRACT "Reference": payee and plan must be known; DESIGN 6: all as at the order's time. */
struct verdict crediting_freeze(const struct order_created *created, int64_t at_ms,
                                const struct reference *ref,
                                struct order_split frozen[LIMIT_SPLITS])
{
	for (uint32_t i = 0; i < created->splits.count; i++) {
		const struct order_created_split *split = &created->splits.items[i];
		const struct person_defined *person = reference_person(ref, split->payee_id, at_ms);
		const struct plan_defined *plan;
		struct units units;

		if (!person)
			return REJECT(REASON_PAYEE_UNKNOWN, crediting_payee_path(i));
		plan = reference_plan_for(ref, person->level, person->rating, at_ms);
		if (!plan)
			return REJECT(REASON_PLAN_UNKNOWN, crediting_payee_path(i));
		units = reference_units(ref, person->team_id, at_ms);
		frozen[i] = (struct order_split){
			.payee_id = split->payee_id,
			.weight = split->weight,
			.team_id = units.team_id,
			.city_id = units.city_id,
			.region_id = units.region_id,
			.level = person->level,
			.rating = person->rating,
			.plan_id = plan->plan_id,
			.plan_version = plan->version,
		};
	}
	return APPLY;
}

/* ---- credits --------------------------------------------------------------- */

/* Where the event stands in the log: "orders/3/1234". */
static struct str place_of(const struct folding *f, const struct order_held *fact)
{
	char partition[20], offset[20];
	struct str parts[] = {
		f->topic,
		STR("/"),
		str_of(partition, i64_to_text(fact->partition, partition)),
		STR("/"),
		str_of(offset, i64_to_text(fact->offset, offset)),
	};

	return arena_join(effects_arena(f->out), parts, sizeof(parts) / sizeof(parts[0]));
}

/* CONTRACT "Duties": one credit for each split entry, those of zero too, so that every event of
 * money can be answered for. */
static void send_credits(const struct folding *f, const struct order_held *fact, bool refund,
                         int32_t day, const int64_t *before_minor, const int64_t *after_minor)
{
	const struct order *order = f->order;
	struct credit credit = {
		.order_id = order->order_id,
		.currency = order->currency,
		.channel_id = order->channel_id,
		.partner_id = order->partner_id,
		.project_id = order->project_id,
		.campaign_id = order->campaign_id,
		.refund = refund,
		.time_ms = fact->time_ms,
		.day = day,
		.source = fact->source,
		.source_event_id = fact->id,
		.cause = place_of(f, fact),
		.traceparent = fact->traceparent,
	};

	for (uint32_t i = 0; i < order->splits.count; i++) {
		const struct order_split *split = &order->splits.items[i];

		credit.payee_id = split->payee_id;
		credit.team_id = split->team_id;
		credit.city_id = split->city_id;
		credit.region_id = split->region_id;
		credit.level = split->level;
		credit.rating = split->rating;
		credit.plan_id = split->plan_id;
		credit.plan_version = split->plan_version;
		credit.net_before_minor = before_minor[i];
		credit.net_after_minor = after_minor[i];
		effects_entry(f->out, &orders_credits, split->payee_id, &credit);
	}
}

/* DESIGN 6: basis = share_i(net after) - share_i(net before); refunds count as magnitudes. */
void crediting_money(const struct folding *f, const struct order_held *fact,
                     int64_t net_before_minor, bool refund)
{
	const struct order *order = f->order;
	int64_t net_after_minor = order->collected_minor - order->refunded_minor;
	int64_t before_minor[LIMIT_SPLITS], after_minor[LIMIT_SPLITS], moved_minor[LIMIT_SPLITS];
	struct change change =
		change_at(f, fact->time_ms, refund ? MONEY_REFUNDED : MONEY_COLLECTED);
	unsigned count = shares_of(order, net_before_minor, before_minor);

	shares_of(order, net_after_minor, after_minor);
	for (unsigned i = 0; i < count; i++)
		moved_minor[i] = refund ? before_minor[i] - after_minor[i]
		                        : after_minor[i] - before_minor[i];
	if (count)
		send_credits(f, fact, refund, change.day, before_minor, after_minor);
	send_measures(f, &change, fact->amount_minor, moved_minor);
}
