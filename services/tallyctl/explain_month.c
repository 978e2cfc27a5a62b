/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A payee's month: what is payable, and the lines that this is the sum of.
 */
#include "services/tallyctl/explain.h"
#include "services/tallyctl/words.h"

struct month {
	struct str key, currency;
	struct redis_value lines; /* commission_id, line, commission_id, line ... */
	int64_t payable, sum;
};

/* The i-th line; false: it is none. */
static bool line_at(const struct month *month, unsigned i, struct arena *arena, struct line *out)
{
	return record_from_text(&line_type, month->lines.items[2 * i + 1], arena, out);
}

static unsigned line_count(const struct month *month)
{
	return month->lines.count / 2;
}

static void line_json(struct str id, const struct line *line, struct json *j)
{
	json_open(j, '{');
	json_put_str(j, "commission_id", id);
	json_put_str(j, "order_id", line->order_id);
	json_put_str(j, "type", line->type);
	json_put_str(j, "cause", line->cause);
	json_put_time(j, "time", line->time_ms);
	json_put_i64(j, "basis", line->basis_minor);
	json_put_i64(j, "rate_ppm", line->rate_ppm);
	json_put_i64(j, "amount", line->amount_minor);
	json_put_str(j, "plan_id", line->plan_id);
	json_put_i64(j, "plan_version", line->plan_version);
	json_put_str(j, "source_event_id", line->source_event_id);
	json_close(j, '}');
}

static void month_json(const struct explain *x, const struct month *month)
{
	struct json j = json_to(x->invocation->out);
	struct line line;

	json_open(&j, '{');
	json_put_text(&j, "kind", "month");
	json_put_str(&j, "key", month->key);
	json_put_i64(&j, "payable", month->payable);
	json_put_i64(&j, "sum", month->sum);
	json_put_i64(&j, "line_count", line_count(month));
	json_name(&j, "lines");
	json_open(&j, '[');
	for (unsigned i = 0; i < line_count(month) && i < (uint64_t)x->most; i++)
		if (line_at(month, i, x->session.memory, &line))
			line_json(month->lines.items[2 * i], &line, &j);
	json_close(&j, ']');
	json_close(&j, '}');
	buf_put_char(x->invocation->out, '\n');
}

static void month_text(const struct explain *x, const struct month *month)
{
	struct arena *arena = x->session.memory;
	struct buf *out = x->invocation->out;
	struct line line;

	buf_printf(out, "%.*s: payable %.*s %.*s, the sum of %u lines: %.*s\n", STR_ARG(month->key),
	           STR_ARG(amount_text(arena, month->payable, month->currency)),
	           STR_ARG(month->currency), line_count(month),
	           STR_ARG(amount_text(arena, month->sum, month->currency)));
	for (unsigned i = 0; i < line_count(month) && i < (uint64_t)x->most; i++)
		if (line_at(month, i, arena, &line))
			buf_printf(out,
			           "  %.*s = %.*s of %.*s, order %.*s, because of %.*s  (%.*s)\n",
			           STR_ARG(amount_text(arena, line.amount_minor, month->currency)),
			           STR_ARG(rate_text(arena, line.rate_ppm)),
			           STR_ARG(amount_text(arena, line.basis_minor, month->currency)),
			           STR_ARG(line.order_id), STR_ARG(line.cause),
			           STR_ARG(month->lines.items[2 * i]));
}

static int64_t sum_of(const struct month *month, struct arena *arena)
{
	struct line line;
	int64_t sum = 0;

	for (unsigned i = 0; i < line_count(month); i++)
		if (line_at(month, i, arena, &line))
			sum += line.amount_minor;
	return sum;
}

struct rc explain_month(struct explain *x, struct str payee_month)
{
	struct arena *arena = x->session.memory;
	struct month month = { .key = arena_printf(arena, "pay:%.*s", STR_ARG(payee_month)) };
	struct str lines_key = arena_printf(arena, "lines:%.*s", STR_ARG(payee_month));
	struct str payee, name;
	struct redis_value pay;
	enum period_kind period;

	TRY(words_id_period(payee_month, &payee, &name, &period));
	if (period != PERIOD_MONTH)
		return rc_fail(RC_USAGE, "%.*s: no month, as in pay:p-1:2026-03", STR_ARG(name));
	TRY(redis_admin_value(x->session.redis, month.key, arena, &pay));
	TRY(redis_admin_value(x->session.redis, lines_key, arena, &month.lines));
	if (pay.count == 0 && month.lines.count == 0)
		return rc_fail(RC_NOT_FOUND, "%.*s: there is no such key", STR_ARG(month.key));
	for (unsigned i = 0; i + 1 < pay.count; i += 2)
		if (str_eq_c(pay.items[i], "payable"))
			(void)str_to_i64(pay.items[i + 1], &month.payable);
	month.sum = sum_of(&month, arena);
	TRY(explain_currency(x, &month.currency));
	if (x->invocation->json)
		month_json(x, &month);
	else
		month_text(x, &month);
	return OK;
}
