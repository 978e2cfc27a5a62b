/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object of docs/EXPLAIN.md: names are stable, amounts are integers of minor units.
 */
#include "services/tallyctl/explain.h"

static void put_time(struct json *j, const char *name, bool has, int64_t at_ms)
{
	if (has)
		json_put_time(j, name, at_ms);
	else
		json_put_str(j, name, str_of(NULL, 0));
}

static void put_event(struct json *j, const struct story *story, const struct told_event *e)
{
	json_open(j, '{');
	json_put_str(j, "type", e->type);
	json_put_str(j, "id", e->id);
	put_time(j, "time", e->time_ms != 0, e->time_ms);
	json_put_text(j, "topic", story->topic);
	json_put_i64(j, "partition", story->partition);
	json_put_i64(j, "offset", e->offset);
	if (e->payment_id.ptr)
		json_put_str(j, "payment_id", e->payment_id);
	if (e->refund_id.ptr)
		json_put_str(j, "refund_id", e->refund_id);
	if (e->has_amount)
		json_put_i64(j, "amount", e->amount_minor);
	json_put_text(j, "told", told_words(e->told));
	if (e->told == TOLD_REFUSED) {
		json_put_str(j, "reason", e->reason);
		json_put_str(j, "path", e->path);
	}
	json_close(j, '}');
}

static void put_rate(struct json *j, const struct told_commission *c)
{
	json_name(j, "rate");
	json_open(j, '{');
	json_put_i64(j, "rate_ppm", c->commission.rate_ppm);
	json_put_str(j, "plan_id", c->credit.plan_id);
	json_put_i64(j, "plan_version", c->credit.plan_version);
	json_put_str(j, "component_id", c->commission.component_id);
	json_put_i64(j, "level", c->credit.level);
	json_put_str(j, "rating", c->credit.rating);
	put_time(j, "valid_from", c->plan && c->plan->has_valid_from_ms,
	         c->plan ? c->plan->valid_from_ms : 0);
	put_time(j, "valid_to", c->plan && c->plan->has_valid_to_ms,
	         c->plan ? c->plan->valid_to_ms : 0);
	json_close(j, '}');
}

void commission_json(const struct story *story, const struct told_commission *c, struct json *j)
{
	const struct commission *m = &c->commission;

	json_open(j, '{');
	json_put_str(j, "commission_id", m->commission_id);
	json_put_str(j, "type", c->type);
	json_put_str(j, "payee_id", m->payee_id);
	json_put_str(j, "order_id", m->order_id);
	json_put_i64(j, "amount", m->amount_minor);
	json_put_str(j, "currency", m->currency);
	json_put_str(j, "period", m->posted_period);
	json_put_str(j, "source_event_id", m->source_event_id);
	json_put_str(j, "cause", c->credit.cause);
	json_name(j, "event");
	if (c->cause)
		put_event(j, story, c->cause);
	else
		json_null(j);
	json_put_i64(j, "net_before", c->net_before_minor);
	json_put_i64(j, "net_after", c->net_after_minor);
	json_put_i64(j, "weight", c->weight);
	json_put_i64(j, "weights", c->weights);
	json_put_i64(j, "share_before", c->credit.net_before_minor);
	json_put_i64(j, "share_after", c->credit.net_after_minor);
	json_put_i64(j, "basis", m->basis_minor);
	put_rate(j, c);
	json_put_i64(j, "cumulative_before", m->cumulative_before_minor);
	json_put_i64(j, "cumulative_after", m->cumulative_after_minor);
	json_put_str(j, "message", c->message);
	json_put_str(j, "message_source", c->source);
	json_close(j, '}');
}

static void put_splits(struct json *j, const struct order *order)
{
	json_name(j, "splits");
	json_open(j, '[');
	for (uint32_t i = 0; i < order->splits.count; i++) {
		const struct order_split *s = &order->splits.items[i];

		json_open(j, '{');
		json_put_str(j, "payee_id", s->payee_id);
		json_put_i64(j, "weight", s->weight);
		json_put_str(j, "team_id", s->team_id);
		json_put_str(j, "city_id", s->city_id);
		json_put_str(j, "region_id", s->region_id);
		json_put_i64(j, "level", s->level);
		json_put_str(j, "rating", s->rating);
		json_put_str(j, "plan_id", s->plan_id);
		json_put_i64(j, "plan_version", s->plan_version);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void story_json(const struct story *story, int64_t most, struct json *j)
{
	const struct order *o = story->order;
	int64_t n = 0;

	json_open(j, '{');
	json_put_str(j, "order_id", story->order_id);
	json_put_text(j, "topic", story->topic);
	json_put_i64(j, "partition", story->partition);
	json_put_str(j, "status", o ? o->status : str_of(NULL, 0));
	if (o && o->has_amount_minor) {
		json_put_str(j, "currency", o->currency);
		json_put_i64(j, "amount", o->amount_minor);
		json_put_i64(j, "collected", o->collected_minor);
		json_put_i64(j, "refunded", o->refunded_minor);
		put_splits(j, o);
	}
	json_put_i64(j, "event_count", story->event_count);
	json_name(j, "events");
	json_open(j, '[');
	for (const struct told_event *e = story->events; e && n < most; e = e->next, n++)
		put_event(j, story, e);
	json_close(j, ']');
	json_put_i64(j, "commission_count", story->commission_count);
	json_name(j, "commissions");
	json_open(j, '[');
	n = 0;
	for (const struct told_commission *c = story->commissions; c && n < most; c = c->next, n++)
		commission_json(story, c, j);
	json_close(j, ']');
	json_close(j, '}');
}

void reading_json(const struct story *story, struct json *j)
{
	json_name(j, "read");
	json_open(j, '{');
	json_put_i64(j, "records", story->read);
	json_put_i64(j, "of", story->log.end - story->log.start);
	json_put_bool(j, "whole", story->whole);
	json_close(j, '}');
}
