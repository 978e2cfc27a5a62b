/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders: the life of an order from its first event to its last refund.
 *
 * One entity an order, kept as the document `order:<id>`. Each applied event
 * sends what it changes in the figures; each payment and refund also sends one
 * credit for each payee of the split (crediting.c). Events may come in any order:
 * what comes too early waits in the order's record (waiting.c). All checks are
 * made before anything changes, so a refused event leaves no trace.
 *
 * Source of the rules: CONTRACT "Orders in" and "DLQ reasons", DESIGN section 6.
 */
#include "common/base/limits.h"
#include "common/base/timestamp.h"
#include "common/domain/money.h"
#include "events.h"
#include "services/orders/crediting.h"
#include "services/orders/waiting.h"
#include "services/workers.h"

/* ---- what the worker is ---------------------------------------------------- */

static reads_fn reads_order;
static fold_fn on_created, on_subscription, on_contract, on_mortgage, on_payment, on_refund,
	on_delivered, on_cancelled, on_timer;
static int64_t due_ms(const void *order);
static struct verdict check_alone(const struct event *);

static const struct input inputs[] = {
	{ "order.created", &order_created_type, reads_order, on_created },
	{ "subscription.made", &subscription_made_type, reads_order, on_subscription },
	{ "contract.signed", &contract_signed_type, reads_order, on_contract },
	{ "mortgage.granted", &mortgage_granted_type, reads_order, on_mortgage },
	{ "payment.collected", &payment_collected_type, reads_order, on_payment },
	{ "payment.refunded", &payment_refunded_type, reads_order, on_refund },
	{ "order.delivered", &order_delivered_type, reads_order, on_delivered },
	{ "order.cancelled", &order_cancelled_type, reads_order, on_cancelled },
	{ 0 },
};

static const struct entity order_entity = {
	.name = "order",
	.type = &order_type,
	.form = ENTITY_DOCUMENT,
	.prefix = STR_INIT("order:"),
	.pattern = "order:<order_id>",
	.owner = owner_is_id,
	.due_ms = due_ms,
};

const struct output orders_credits = {
	.topic = "credits",
	.key = "payee_id",
	.type = "credit",
	.form = OUTPUT_BLOCK,
	.data = &credit_type,
};

const struct output orders_measures = {
	.topic = "measures",
	.key = "<kind>:<id>",
	.type = "measure",
	.form = OUTPUT_SUMMED,
	.data = &measure_type,
	.row_hash = measure_hash,
	.row_same = measure_same,
	.row_add = measure_add,
};

const struct worker orders_worker = {
	.name = "orders",
	.words = "order life cycle and crediting",
	.topic = "orders",
	.key = "order_id",
	.logic_version = 1,
	.inputs = inputs,
	.entities = (const struct entity *const[]){ &order_entity, NULL },
	.outputs = (const struct output *const[]){ &orders_credits, &orders_measures, NULL },
	.keys = (const struct redis_key[]){ { 0 } },
	.on_timer = on_timer,
	.check = check_alone,
};

/* ---- what can happen to a created order ------------------------------------- */

typedef struct verdict step_check(const struct order *, const struct order_held *fact);
typedef void step_apply(const struct folding *, const struct order_held *fact);

static waiting_ready when_created, when_payment_known;
static step_check check_subscription, check_contract, check_mortgage, check_payment, check_refund,
	check_delivered, check_cancelled;
static step_apply apply_subscription, apply_contract, apply_mortgage, apply_payment, apply_refund,
	apply_delivered, apply_cancelled;

static const struct {
	waiting_ready *ready; /* until then the event waits */
	step_check *check;    /* may it be applied? */
	step_apply *apply;
} steps[] = {
	[STEP_SUBSCRIPTION] = { when_created, check_subscription, apply_subscription },
	[STEP_CONTRACT] = { when_created, check_contract, apply_contract },
	[STEP_MORTGAGE] = { when_created, check_mortgage, apply_mortgage },
	[STEP_PAYMENT] = { when_created, check_payment, apply_payment },
	[STEP_REFUND] = { when_payment_known, check_refund, apply_refund },
	[STEP_DELIVERY] = { when_created, check_delivered, apply_delivered },
	[STEP_CANCELLATION] = { when_created, check_cancelled, apply_cancelled },
};

/* ---- every event ------------------------------------------------------------ */

/* Every event of the topic names its order first. */
_Static_assert(offsetof(struct order_created, order_id) == 0 &&
                       offsetof(struct subscription_made, order_id) == 0 &&
                       offsetof(struct contract_signed, order_id) == 0 &&
                       offsetof(struct mortgage_granted, order_id) == 0 &&
                       offsetof(struct payment_collected, order_id) == 0 &&
                       offsetof(struct payment_refunded, order_id) == 0 &&
                       offsetof(struct order_delivered, order_id) == 0 &&
                       offsetof(struct order_cancelled, order_id) == 0,
               "order_id is the first field");

static struct str order_id_of(const struct event *event)
{
	return *(const struct str *)event->data;
}

static bool key_is_right(const struct event *event)
{
	return event->key.ptr && str_eq(event->key, order_id_of(event));
}

/* An event under another key may belong to another shard: it names nothing and is refused. */
static void reads_order(const struct event *event, struct reads *reads)
{
	if (key_is_right(event))
		reads_add(reads, &order_entity, event->key);
}

/* CONTRACT "Orders in": order_id = message key = subject; time from 2000 to 2100 and at most a day
 * ahead of the broker. */
static struct verdict check_envelope(const struct event *event)
{
	if (!key_is_right(event))
		return REJECT(REASON_WRONG_KEY, "/data/order_id");
	if (event->subject.ptr && !str_eq(event->subject, event->key))
		return REJECT(REASON_WRONG_KEY, "/subject");
	return event_check_time(event);
}

/* The first event of an order opens its record. */
static void open_record(const struct folding *f, const struct event *event)
{
	char partition[20];

	if (f->order->order_id.ptr)
		return;
	struct str parts[] = { event->at.topic, STR("/"),
		               str_of(partition, i64_to_text(event->at.partition, partition)) };
	f->order->order_id = view_keep(f->view, 0, event->key);
	f->order->status = STR("held");
	f->order->shard = view_keep(f->view, 0, arena_join(effects_arena(f->out), parts, 3));
}

/* CONTRACT "Orders in": what waits is applied as soon as what it needs is there, the earliest
 * first, and judged then; what is refused then goes to the DLQ as it came. */
static bool is_ready(const struct order *order, const struct order_held *fact)
{
	return steps[step_of(fact->type)].ready(order, fact);
}

static void apply_waiting(const struct folding *f)
{
	for (;;) {
		uint32_t next = waiting_first_ready(f->order, is_ready);
		struct order_held fact;
		struct verdict verdict;
		enum step step;

		if (next == f->order->internal.held.count)
			return;
		fact = waiting_take(f->order, next);
		step = step_of(fact.type);
		verdict = steps[step].check(f->order, &fact);
		if (verdict.kind == VERDICT_APPLY)
			steps[step].apply(f, &fact);
		else if (verdict.kind == VERDICT_SKIP)
			ids_forget(f->order, &fact);
		else
			waiting_refuse(f, &fact, verdict.reason, verdict.note);
	}
}

/* What all events but order.created go through. */
static struct verdict take_step(enum step step, const struct event *event, struct order_held *fact,
                                struct view *view, const struct reference *ref, struct effects *out)
{
	struct verdict verdict = check_envelope(event);
	struct folding f = { .topic = event->at.topic, .view = view, .ref = ref, .out = out };
	bool ready;

	if (verdict.kind != VERDICT_APPLY)
		return verdict;
	f.order = view_at(view, 0);
	verdict = ids_check(f.order, event);
	if (verdict.kind != VERDICT_APPLY)
		return verdict;
	ready = steps[step].ready(f.order, fact);
	if (ready)
		verdict = steps[step].check(f.order, fact);
	if (verdict.kind != VERDICT_APPLY)
		return verdict;
	if (!ids_have_room(f.order) || (!ready && !waiting_has_room(f.order)))
		return REJECT(REASON_ORDER_LIMIT, "/data/order_id");

	open_record(&f, event);
	ids_remember(&f, fact);
	if (!ready) {
		waiting_add(&f, fact, event);
		return APPLY;
	}
	steps[step].apply(&f, fact);
	apply_waiting(&f);
	return APPLY;
}

/* The envelope's part of a fact. */
static struct order_held fact_of(const struct event *event)
{
	return (struct order_held){
		.type = event->type,
		.id = event->id,
		.source = event->source,
		.time_ms = event->time_ms,
		.identity = (int64_t)event->identity,
		.content = (int64_t)event->content,
		.partition = event->at.partition,
		.offset = event->at.offset,
		.broker_time_ms = event->broker_ms,
		.traceparent = event->traceparent,
	};
}

static struct order_held fact_of_amount(const struct event *event, int64_t amount_minor,
                                        struct str currency)
{
	struct order_held fact = fact_of(event);

	fact.has_amount_minor = true;
	fact.amount_minor = amount_minor;
	fact.currency = currency;
	return fact;
}

/* ---- order.created ----------------------------------------------------------- */

/* CONTRACT "Orders in": distinct payees. The first entry with a payee of one before, or count. */
static uint32_t first_payee_again(const struct order_created_split_list *splits)
{
	for (uint32_t i = 1; i < splits->count; i++)
		for (uint32_t j = 0; j < i; j++)
			if (str_eq(splits->items[i].payee_id, splits->items[j].payee_id))
				return i;
	return splits->count;
}

/* CONTRACT "Orders in": lines absent, or summing to the amount. */
static bool lines_add_up(const struct order_created *created)
{
	int64_t sum_minor = 0, line_minor;

	for (uint32_t i = 0; i < created->lines.count; i++) {
		const struct order_created_line *line = &created->lines.items[i];

		if (!money_mul(line->unit_price_minor, line->quantity, &line_minor) ||
		    !money_add(sum_minor, line_minor, &sum_minor))
			return false;
	}
	return !created->lines.items || sum_minor == created->amount_minor;
}

static struct verdict check_parts(const struct order_created *created)
{
	uint32_t again = first_payee_again(&created->splits);

	if (again < created->splits.count)
		return REJECT(REASON_BAD_SPLITS, crediting_payee_path(again));
	if (!lines_add_up(created))
		return REJECT(REASON_LINES_DO_NOT_SUM, "/data/lines");
	return APPLY;
}

static struct verdict check_alone(const struct event *event)
{
	struct verdict verdict = check_envelope(event);

	if (verdict.kind == VERDICT_APPLY && str_eq(event->type, STR("order.created")))
		verdict = check_parts(event->data);
	return verdict;
}

/* CONTRACT "Reference": an order in another currency than the company's is refused. */
static struct verdict check_created(const struct order *order, const struct order_created *created,
                                    int64_t at_ms, const struct reference *ref)
{
	const struct company_defined *company = reference_company(ref, at_ms);
	struct verdict verdict;

	if (order->has_created_ms)
		return REJECT(REASON_ORDER_EXISTS, "/data/order_id");
	if (!company || !str_eq(company->currency, created->currency))
		return REJECT(REASON_CURRENCY_UNSUPPORTED, "/data/currency");
	verdict = check_parts(created);
	if (verdict.kind != VERDICT_APPLY)
		return verdict;
	if (!ids_have_room(order))
		return REJECT(REASON_ORDER_LIMIT, "/data/order_id");
	return APPLY;
}

static void keep_splits(const struct folding *f, const struct order_split *frozen, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct order_split *split = VIEW_PUSH(f->view, 0, &f->order->splits);

		*split = frozen[i];
		split->payee_id = view_keep(f->view, 0, frozen[i].payee_id);
		split->team_id = view_keep(f->view, 0, frozen[i].team_id);
		split->city_id = view_keep(f->view, 0, frozen[i].city_id);
		split->region_id = view_keep(f->view, 0, frozen[i].region_id);
		split->rating = view_keep(f->view, 0, frozen[i].rating);
		split->plan_id = view_keep(f->view, 0, frozen[i].plan_id);
	}
}

static void keep_lines(const struct folding *f, const struct order_created_line_list *lines)
{
	for (uint32_t i = 0; i < lines->count; i++) {
		struct order_line *line = VIEW_PUSH(f->view, 0, &f->order->lines);

		line->product_id = view_keep(f->view, 0, lines->items[i].product_id);
		line->quantity = lines->items[i].quantity;
		line->unit_price_minor = lines->items[i].unit_price_minor;
	}
}

static void keep_created(const struct folding *f, const struct order_created *created,
                         int64_t at_ms)
{
	struct order *order = f->order;

	order->status = STR("open");
	order->currency = view_keep(f->view, 0, created->currency);
	order->has_amount_minor = true;
	order->amount_minor = created->amount_minor;
	order->customer_key = view_keep(f->view, 0, created->customer_key);
	order->channel_id = view_keep(f->view, 0, created->channel_id);
	order->partner_id = view_keep(f->view, 0, created->partner_id);
	order->campaign_id = view_keep(f->view, 0, created->campaign_id);
	order->lead_id = view_keep(f->view, 0, created->lead_id);
	order->project_id = view_keep(f->view, 0, created->project_id);
	order->has_created_ms = true;
	order->created_ms = at_ms;
}

static struct verdict on_created(const struct event *event, struct view *view,
                                 const struct reference *ref, struct effects *out)
{
	const struct order_created *created = event->data;
	struct folding f = { .topic = event->at.topic, .view = view, .ref = ref, .out = out };
	struct verdict verdict = check_envelope(event);
	struct order_held fact = fact_of(event);
	struct order_split frozen[LIMIT_SPLITS];

	if (verdict.kind != VERDICT_APPLY)
		return verdict;
	f.order = view_at(view, 0);
	verdict = ids_check(f.order, event);
	if (verdict.kind == VERDICT_APPLY)
		verdict = check_created(f.order, created, event->time_ms, ref);
	if (verdict.kind == VERDICT_APPLY)
		verdict = crediting_freeze(created, event->time_ms, ref, frozen);
	if (verdict.kind != VERDICT_APPLY)
		return verdict;

	open_record(&f, event);
	ids_remember(&f, &fact);
	f.order->internal.has_created_id = true;
	f.order->internal.created_id = fact.identity;
	keep_created(&f, created, event->time_ms);
	keep_splits(&f, frozen, created->splits.count);
	keep_lines(&f, &created->lines);
	crediting_created(&f, event->time_ms);
	apply_waiting(&f);
	return APPLY;
}

/* ---- what all steps share ------------------------------------------------------ */

/* Splits, scopes and currency come with the order. */
static bool when_created(const struct order *order, const struct order_held *fact)
{
	(void)fact;
	return order->has_created_ms;
}

static struct verdict check_currency(const struct order *order, const struct order_held *fact)
{
	if (!str_eq(order->currency, fact->currency))
		return REJECT(REASON_CURRENCY_MISMATCH, "/data/currency");
	return APPLY;
}

/* ---- subscription.made, contract.signed, mortgage.granted ---------------------- */

/* Each may come several times: the order keeps their total and the latest time. */
struct milestone {
	bool *has_at_ms, *has_total_minor;
	int64_t *at_ms, *total_minor;
};

static struct milestone subscription_of(struct order *order)
{
	return (struct milestone){ &order->has_subscribed_ms, &order->has_subscribed_amount_minor,
		                   &order->subscribed_ms, &order->subscribed_amount_minor };
}

static struct milestone contract_of(struct order *order)
{
	return (struct milestone){ &order->has_signed_ms, &order->has_signed_amount_minor,
		                   &order->signed_ms, &order->signed_amount_minor };
}

static struct milestone mortgage_of(struct order *order)
{
	return (struct milestone){ &order->has_mortgaged_ms, &order->has_mortgaged_amount_minor,
		                   &order->mortgaged_ms, &order->mortgaged_amount_minor };
}

static struct verdict check_milestone(const struct order *order, const struct order_held *fact,
                                      int64_t total_minor)
{
	struct verdict verdict = check_currency(order, fact);

	if (verdict.kind == VERDICT_APPLY && fact->amount_minor > LIMIT_AMOUNT - total_minor)
		return REJECT(REASON_ORDER_LIMIT, "/data/amount");
	return verdict;
}

/* DESIGN 1: what each payee gets is share(total after) - share(total before). */
static void apply_milestone(const struct folding *f, const struct order_held *fact,
                            struct milestone milestone, const struct figures *counts,
                            enum money money)
{
	int64_t before_minor = *milestone.total_minor;

	if (!*milestone.has_at_ms || fact->time_ms > *milestone.at_ms)
		*milestone.at_ms = fact->time_ms;
	*milestone.has_at_ms = *milestone.has_total_minor = true;
	*milestone.total_minor += fact->amount_minor;
	crediting_event(f, fact->time_ms, counts,
	                &(struct moved){ money, before_minor, *milestone.total_minor });
}

static struct verdict on_subscription(const struct event *event, struct view *view,
                                      const struct reference *ref, struct effects *out)
{
	const struct subscription_made *made = event->data;
	struct order_held fact = fact_of_amount(event, made->amount_minor, made->currency);

	return take_step(STEP_SUBSCRIPTION, event, &fact, view, ref, out);
}

static struct verdict check_subscription(const struct order *order, const struct order_held *fact)
{
	return check_milestone(order, fact, order->subscribed_amount_minor);
}

static void apply_subscription(const struct folding *f, const struct order_held *fact)
{
	apply_milestone(f, fact, subscription_of(f->order), &(struct figures){ .subscribed = 1 },
	                MONEY_SUBSCRIBED_AMOUNT);
}

static struct verdict on_contract(const struct event *event, struct view *view,
                                  const struct reference *ref, struct effects *out)
{
	const struct contract_signed *contract = event->data;
	struct order_held fact = fact_of_amount(event, contract->amount_minor, contract->currency);

	return take_step(STEP_CONTRACT, event, &fact, view, ref, out);
}

static struct verdict check_contract(const struct order *order, const struct order_held *fact)
{
	return check_milestone(order, fact, order->signed_amount_minor);
}

static void apply_contract(const struct folding *f, const struct order_held *fact)
{
	apply_milestone(f, fact, contract_of(f->order), &(struct figures){ .signed_count = 1 },
	                MONEY_SIGNED_AMOUNT);
}

static struct verdict on_mortgage(const struct event *event, struct view *view,
                                  const struct reference *ref, struct effects *out)
{
	const struct mortgage_granted *mortgage = event->data;
	struct order_held fact = fact_of_amount(event, mortgage->amount_minor, mortgage->currency);

	return take_step(STEP_MORTGAGE, event, &fact, view, ref, out);
}

static struct verdict check_mortgage(const struct order *order, const struct order_held *fact)
{
	return check_milestone(order, fact, order->mortgaged_amount_minor);
}

static void apply_mortgage(const struct folding *f, const struct order_held *fact)
{
	apply_milestone(f, fact, mortgage_of(f->order), &(struct figures){ .mortgaged = 1 },
	                MONEY_MORTGAGED_AMOUNT);
}

/* ---- payment.collected ---------------------------------------------------------- */

static struct order_payment *find_payment(const struct order *order, struct str payment_id)
{
	for (uint32_t i = 0; i < order->payments.count; i++)
		if (str_eq(order->payments.items[i].payment_id, payment_id))
			return &order->payments.items[i];
	return NULL;
}

static struct verdict on_payment(const struct event *event, struct view *view,
                                 const struct reference *ref, struct effects *out)
{
	const struct payment_collected *payment = event->data;
	struct order_held fact = fact_of_amount(event, payment->amount_minor, payment->currency);

	fact.payment_id = payment->payment_id;
	return take_step(STEP_PAYMENT, event, &fact, view, ref, out);
}

/* CONTRACT "Orders in": the same payment_id again is skipped when equal, else payment_conflict;
 * refused when net would pass the order's amount. */
static struct verdict check_payment(const struct order *order, const struct order_held *fact)
{
	const struct order_payment *known = find_payment(order, fact->payment_id);
	int64_t net_minor = order->collected_minor - order->refunded_minor;
	bool same_currency = str_eq(order->currency, fact->currency);

	if (known && same_currency && known->amount_minor == fact->amount_minor)
		return SKIP("payment known");
	if (known)
		return REJECT(REASON_PAYMENT_CONFLICT, "/data/payment_id");
	if (!same_currency)
		return REJECT(REASON_CURRENCY_MISMATCH, "/data/currency");
	if (fact->amount_minor > order->amount_minor - net_minor)
		return REJECT(REASON_OVER_PAYMENT, "/data/amount");
	/* Paid, refunded and paid again without end: the record's totals have a range too. */
	if (fact->amount_minor > LIMIT_AMOUNT - order->collected_minor)
		return REJECT(REASON_ORDER_LIMIT, "/data/amount");
	return APPLY;
}

/* By time, then id, so that the record does not tell in which order the payments arrived. */
static void keep_payment(const struct folding *f, const struct order_held *fact)
{
	struct order_payment_list *payments = &f->order->payments;
	struct order_payment *at = VIEW_PUSH(f->view, 0, payments);

	for (; at > payments->items; at--) {
		if (at[-1].time_ms < fact->time_ms ||
		    (at[-1].time_ms == fact->time_ms &&
		     str_cmp(at[-1].payment_id, fact->payment_id) < 0))
			break;
		at[0] = at[-1];
	}
	*at = (struct order_payment){
		.payment_id = view_keep(f->view, 0, fact->payment_id),
		.amount_minor = fact->amount_minor,
		.time_ms = fact->time_ms,
	};
}

static void apply_payment(const struct folding *f, const struct order_held *fact)
{
	int64_t net_before_minor = f->order->collected_minor - f->order->refunded_minor;

	keep_payment(f, fact);
	f->order->collected_minor += fact->amount_minor;
	crediting_money(f, fact, net_before_minor, false);
}

/* ---- payment.refunded ------------------------------------------------------------ */

static const struct order_refund *find_refund(const struct order *order, struct str refund_id)
{
	for (uint32_t i = 0; i < order->refunds.count; i++)
		if (str_eq(order->refunds.items[i].refund_id, refund_id))
			return &order->refunds.items[i];
	return NULL;
}

static struct verdict on_refund(const struct event *event, struct view *view,
                                const struct reference *ref, struct effects *out)
{
	const struct payment_refunded *refund = event->data;
	struct order_held fact = fact_of_amount(event, refund->amount_minor, refund->currency);

	fact.payment_id = refund->payment_id;
	fact.refund_id = refund->refund_id;
	return take_step(STEP_REFUND, event, &fact, view, ref, out);
}

/* CONTRACT "Orders in": its payment unknown = held. A known refund_id can be judged at once. */
static bool when_payment_known(const struct order *order, const struct order_held *fact)
{
	return order->has_created_ms &&
	       (find_payment(order, fact->payment_id) || find_refund(order, fact->refund_id));
}

static bool is_same_refund(const struct order_refund *known, const struct order_held *fact)
{
	return known->amount_minor == fact->amount_minor &&
	       str_eq(known->payment_id, fact->payment_id);
}

/* CONTRACT "Orders in": the same refund_id again is skipped when equal, else payment_conflict;
 * refused when refunds of that payment would be above it. */
static struct verdict check_refund(const struct order *order, const struct order_held *fact)
{
	const struct order_refund *known = find_refund(order, fact->refund_id);
	const struct order_payment *payment = find_payment(order, fact->payment_id);
	bool same_currency = str_eq(order->currency, fact->currency);

	if (known && same_currency && is_same_refund(known, fact))
		return SKIP("refund known");
	if (known)
		return REJECT(REASON_PAYMENT_CONFLICT, "/data/refund_id");
	if (!same_currency)
		return REJECT(REASON_CURRENCY_MISMATCH, "/data/currency");
	if (fact->amount_minor > payment->amount_minor - payment->refunded_minor)
		return REJECT(REASON_OVER_REFUND, "/data/amount");
	return APPLY;
}

/* By time, then id, as payments are. */
static void keep_refund(const struct folding *f, const struct order_held *fact,
                        struct str payment_id)
{
	struct order_refund_list *refunds = &f->order->refunds;
	struct order_refund *at = VIEW_PUSH(f->view, 0, refunds);

	for (; at > refunds->items; at--) {
		if (at[-1].time_ms < fact->time_ms ||
		    (at[-1].time_ms == fact->time_ms &&
		     str_cmp(at[-1].refund_id, fact->refund_id) < 0))
			break;
		at[0] = at[-1];
	}
	*at = (struct order_refund){
		.payment_id = payment_id,
		.refund_id = view_keep(f->view, 0, fact->refund_id),
		.amount_minor = fact->amount_minor,
		.time_ms = fact->time_ms,
	};
}

static void apply_refund(const struct folding *f, const struct order_held *fact)
{
	struct order_payment *payment = find_payment(f->order, fact->payment_id);
	int64_t net_before_minor = f->order->collected_minor - f->order->refunded_minor;

	keep_refund(f, fact, payment->payment_id);
	payment->refunded_minor += fact->amount_minor;
	f->order->refunded_minor += fact->amount_minor;
	crediting_money(f, fact, net_before_minor, true);
}

/* ---- order.delivered, order.cancelled: once an order, the first to arrive ------------ */

static struct verdict on_delivered(const struct event *event, struct view *view,
                                   const struct reference *ref, struct effects *out)
{
	const struct order_delivered *delivered = event->data;
	struct order_held fact = fact_of(event);

	fact.has_on_time = fact.has_correct = true;
	fact.on_time = delivered->on_time;
	fact.correct = delivered->correct;
	return take_step(STEP_DELIVERY, event, &fact, view, ref, out);
}

static struct verdict check_delivered(const struct order *order, const struct order_held *fact)
{
	(void)fact;
	return order->has_delivered_ms ? SKIP("delivered before") : APPLY;
}

static void apply_delivered(const struct folding *f, const struct order_held *fact)
{
	struct figures counts = {
		.delivered = 1,
		.delivered_on_time = fact->on_time,
		.delivered_correct = fact->correct,
	};

	f->order->has_delivered_ms = true;
	f->order->delivered_ms = fact->time_ms;
	crediting_event(f, fact->time_ms, &counts, &(struct moved){ .money = MONEY_NONE });
}

static struct verdict on_cancelled(const struct event *event, struct view *view,
                                   const struct reference *ref, struct effects *out)
{
	const struct order_cancelled *cancelled = event->data;
	struct order_held fact = fact_of(event);

	fact.reason = cancelled->reason;
	return take_step(STEP_CANCELLATION, event, &fact, view, ref, out);
}

static struct verdict check_cancelled(const struct order *order, const struct order_held *fact)
{
	(void)fact;
	return order->has_cancelled_ms ? SKIP("cancelled before") : APPLY;
}

/* CONTRACT "Orders in": cancelled +1, cancelled_amount; money moves by refunds only. */
static void apply_cancelled(const struct folding *f, const struct order_held *fact)
{
	f->order->status = STR("cancelled");
	f->order->has_cancelled_ms = true;
	f->order->cancelled_ms = fact->time_ms;
	crediting_event(f, fact->time_ms, &(struct figures){ .cancelled = 1 },
	                &(struct moved){ MONEY_CANCELLED_AMOUNT, 0, f->order->amount_minor });
}

/* ---- timer ---------------------------------------------------------------------------- */

static int64_t due_ms(const void *record)
{
	const struct order *order = record;

	return order->internal.has_due_ms ? order->internal.due_ms : 0;
}

/* CONTRACT "Orders in": what waited 30 days goes to the DLQ as order_missing. */
static struct verdict on_timer(const struct event *event, struct view *view,
                               const struct reference *ref, struct effects *out)
{
	const struct tallyworks_timer_due *due = event->data;
	struct folding f = { view_at(view, 0), event->at.topic, view, ref, out };
	uint32_t index = waiting_first_given_up(f.order, due->due_ms);

	if (index == f.order->internal.held.count)
		return SKIP("nothing is due");
	for (; index < f.order->internal.held.count;
	     index = waiting_first_given_up(f.order, due->due_ms)) {
		struct order_held fact = waiting_take(f.order, index);

		/* Where the order is there, only a refund's payment can be missing. */
		waiting_refuse(&f, &fact, REASON_ORDER_MISSING,
		               f.order->has_created_ms ? "/data/payment_id" : "/data/order_id");
	}
	return APPLY;
}
