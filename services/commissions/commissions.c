/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commissions: what each credit earns its payee, and what it takes back.
 *
 * A credit says how far one payment or refund moved one payee's net share of one
 * order. The rate is read from exactly the plan version that was frozen into the
 * order, so a new plan never touches an old order. The commission is the
 * difference of two roundings, f(net after) - f(net before), so the instalments
 * and refunds of an order always add up to f(what was kept).
 *
 * One entity a payee and business month, the figures `pay:<payee>:<month>`. People
 * also find each commission as a line of the month, and the month by its id.
 *
 * Source of the rules: DESIGN section 6, CONTRACT "Duties" and "Redis".
 */
#include "common/base/uuid.h"
#include "common/domain/measure.h"
#include "common/domain/money.h"
#include "events.h"
#include "services/workers.h"

/* ---- what the worker is ----------------------------------------------------- */

static reads_fn reads_pay;
static fold_fn on_credit;
static struct str owner_is_payee(struct str id);

static const struct input inputs[] = {
	{ "credit", &credit_type, reads_pay, on_credit },
	{ 0 },
};

static const struct entity pay_entity = {
	.name = "pay",
	.type = &pay_type,
	.form = ENTITY_FIGURES,
	.prefix = STR_INIT("pay:"),
	.pattern = "pay:<payee_id>:<month>",
	.owner = owner_is_payee,
};

static const struct output accrued = {
	.topic = "commissions",
	.key = "payee_id",
	.type = "commission.accrued",
	.form = OUTPUT_EVENT,
	.data = &commission_accrued_type,
};

static const struct output clawed_back = {
	.topic = "commissions",
	.key = "payee_id",
	.type = "commission.clawed_back",
	.form = OUTPUT_EVENT,
	.data = &commission_clawed_back_type,
};

static const struct output measures = {
	.topic = "measures",
	.key = "<kind>:<id>",
	.type = "measure",
	.form = OUTPUT_SUMMED,
	.data = &measure_type,
	.row_hash = measure_hash,
	.row_same = measure_same,
	.row_add = measure_add,
};

static const struct redis_key keys[] = {
	{ "lines:<payee>:<month>", "hash",
	  "commission_id -> one line of the month as JSON: order, cause, basis, rate, amount, plan",
	  STR_INIT("lines:"), owner_is_payee },
	{ "commission:<id>", "string", "payee and month of the line, with a space between",
	  STR_INIT("commission:"), NULL },
	{ 0 },
};

const struct worker commissions_worker = {
	.name = "commissions",
	.words = "rates, commissions and what is taken back",
	.topic = "credits",
	.key = "payee_id",
	.internal = true,
	.logic_version = 1,
	.inputs = inputs,
	.entities = (const struct entity *const[]){ &pay_entity, NULL },
	.outputs = (const struct output *const[]){ &accrued, &clawed_back, &measures, NULL },
	.keys = keys,
};

/* ---- a payee's month ----------------------------------------------------------- */

/* "<payee>:<month>"; a month has no colon. */
static struct str owner_is_payee(struct str id)
{
	while (id.len > 0 && id.ptr[id.len - 1] != ':')
		id.len--;
	return str_of(id.ptr, id.len > 0 ? id.len - 1 : 0);
}

/* CONTRACT "Duties": the business month of the event, earned and posted, until period close
 * exists. */
static struct period_name month_of(const struct credit *credit)
{
	return period_of(PERIOD_MONTH, credit->day);
}

static void reads_pay(const struct event *event, struct reads *reads)
{
	const struct credit *credit = event->data;
	struct period_name month = month_of(credit);
	struct str parts[] = { credit->payee_id, STR(":"), period_str(&month) };

	reads_add(reads, &pay_entity, reads_join(reads, parts, 3));
}

/*
 * A payment adds to accrued, a refund to clawed_back, whatever the sign: with three
 * or more splits a share can move by one against its event (CONTRACT "Orders in"),
 * and then the magnitude goes down by one. Payable is exact in any case.
 */
static bool add_to_pay(struct pay *pay, const struct credit *credit, int64_t amount_minor)
{
	struct pay sum = *pay;
	int64_t *figure = credit->refund ? &sum.clawed_back_minor : &sum.accrued_minor;

	if (!money_add(*figure, credit->refund ? -amount_minor : amount_minor, figure) ||
	    !money_sub(sum.accrued_minor, sum.clawed_back_minor, &sum.payable_minor) ||
	    !money_sub(sum.payable_minor, sum.held_minor, &sum.payable_minor))
		return false;
	*pay = sum;
	return true;
}

/* ---- the commission -------------------------------------------------------------- */

/*
 * CONTRACT "Duties": UUIDv5 of source, source event id, payee, component and
 * revision, one a line. Ids have no line feed, so only the source could, and read
 * from the end the name has one meaning. Revision 0: there is no recalculation yet.
 */
static struct uuid_text commission_id(const struct credit *credit, struct str component_id,
                                      struct arena *arena)
{
	struct str parts[] = { credit->source, credit->source_event_id, credit->payee_id,
		               component_id, STR("0") };
	struct buf name;

	buf_init(&name, arena);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (i > 0)
			buf_put_char(&name, '\n');
		buf_put(&name, parts[i]);
	}
	return uuid_v5(tally_uuid_namespace, buf_str(&name));
}

/* The commission event; its subject is its key, the payee, as everywhere. */
static void emit(const struct credit *credit, const struct commission *commission,
                 struct effects *out)
{
	effects_emit(out, credit->refund ? &clawed_back : &accrued,
	             &(struct emission){
			     .key = credit->payee_id,
			     .id = commission->commission_id,
			     .subject = credit->payee_id,
			     .correlationid = credit->order_id,
			     .causationid = credit->source_event_id,
			     .traceparent = credit->traceparent,
			     .time_ms = credit->time_ms,
			     .data = commission,
		     });
}

/* For explain: the line in its month, and the month by the commission's id. */
static void write_line(const struct credit *credit, const struct commission *commission,
                       struct effects *out)
{
	struct arena *arena = effects_arena(out);
	struct str lines_key[] = { STR("lines:"), credit->payee_id, STR(":"),
		                   commission->posted_period };
	struct str commission_key[] = { STR("commission:"), commission->commission_id };
	struct str where[] = { credit->payee_id, STR(" "), commission->posted_period };
	struct line line = {
		.order_id = credit->order_id,
		.type = credit->refund ? STR("commission.clawed_back") : STR("commission.accrued"),
		.cause = credit->cause,
		.time_ms = credit->time_ms,
		.basis_minor = commission->basis_minor,
		.rate_ppm = commission->rate_ppm,
		.amount_minor = commission->amount_minor,
		.plan_id = credit->plan_id,
		.plan_version = credit->plan_version,
		.source_event_id = credit->source_event_id,
	};
	struct buf text;

	buf_init(&text, arena);
	record_encode(&line_type, &line, &text);
	effects_set_field(out, arena_join(arena, lines_key, 4), commission->commission_id,
	                  buf_str(&text));
	effects_set(out, arena_join(arena, commission_key, 2), arena_join(arena, where, 3));
}

static void put_measure(void *out, struct str key, const struct measure *row)
{
	effects_sum(out, &measures, key, row);
}

/* CONTRACT "Duties": the measure `commission` to all scopes, by the event's day. */
static void send_measures(const struct credit *credit, int64_t amount_minor,
                          const struct reference *ref, struct effects *out)
{
	struct measure_sink sink = { put_measure, out };
	struct change change = {
		.time_ms = credit->time_ms,
		.day = credit->day,
		.money = MONEY_COMMISSION,
		.ranked = reference_boards(ref).measures != 0,
	};

	measure_whole(&change,
	              &(struct whole_scopes){ credit->channel_id, credit->partner_id,
	                                      credit->project_id, credit->campaign_id },
	              amount_minor, &sink);
	measure_shares(&change,
	               &(struct payee_scopes){ credit->payee_id, credit->team_id, credit->city_id,
	                                       credit->region_id },
	               &amount_minor, 1, &sink);
}

/* DESIGN 6: amount = f(share_i(net after)) - f(share_i(net before)), f rounds half to even. */
static struct verdict on_credit(const struct event *event, struct view *view,
                                const struct reference *ref, struct effects *out)
{
	const struct credit *credit = event->data;
	const struct plan_defined *plan =
		reference_plan(ref, credit->plan_id, credit->plan_version);
	struct period_name month = month_of(credit);
	int64_t rate_ppm, before_minor, after_minor;
	struct str component_id;
	struct uuid_text id;

	if (!plan || !reference_plan_rate(plan, credit->level, credit->rating, &rate_ppm))
		return REJECT(REASON_PLAN_UNKNOWN, "/plan_version");
	before_minor = money_at_rate(credit->net_before_minor, rate_ppm);
	after_minor = money_at_rate(credit->net_after_minor, rate_ppm);
	if (!add_to_pay(view_at(view, 0), credit, after_minor - before_minor))
		return REJECT(REASON_BAD_MONEY, "/net_after");

	component_id = plan->component_id.ptr ? plan->component_id : STR("base");
	id = commission_id(credit, component_id, effects_arena(out));
	struct commission commission = {
		.commission_id = str_of(id.text, sizeof(id.text)),
		.order_id = credit->order_id,
		.payee_id = credit->payee_id,
		.source_event_id = credit->source_event_id,
		.component_id = component_id,
		.plan_id = credit->plan_id,
		.plan_version = credit->plan_version,
		.basis_minor = credit->net_after_minor - credit->net_before_minor,
		.rate_ppm = rate_ppm,
		.amount_minor = after_minor - before_minor,
		.currency = credit->currency,
		.cumulative_before_minor = before_minor,
		.cumulative_after_minor = after_minor,
		.earned_period = period_str(&month),
		.posted_period = period_str(&month),
	};
	emit(credit, &commission, out);
	write_line(credit, &commission, out);
	send_measures(credit, commission.amount_minor, ref, out);
	return APPLY;
}
