/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An order does not name its lines. They are with the payees of its split, in the
 * months of its payments and refunds; the company's zone is not known here, so the
 * months of half a day before and after are looked at.
 */
#include "services/dashboard/lines.h"

#include <stdlib.h>

#include "common/base/limits.h"
#include "common/base/timestamp.h"
#include "common/domain/money.h"

#define MONTHS_MOST 64
#define ZONE_MS_MOST (14 * MS_PER_HOUR)
#define RATE_PPM_MOST 1000000

static struct str text_of(yyjson_val *object, const char *name, struct arena *arena)
{
	yyjson_val *value = yyjson_obj_get(object, name);

	return arena_str(arena, str_of(yyjson_get_str(value), yyjson_get_len(value)));
}

static bool int_of(yyjson_val *object, const char *name, int64_t *out)
{
	yyjson_val *value = yyjson_obj_get(object, name);

	*out = yyjson_get_sint(value);
	return yyjson_is_int(value);
}

/* "orders/3/1234" */
static bool parse_cause(struct str cause, int64_t *partition, int64_t *offset)
{
	struct str topic = str_split(&cause, '/');
	struct str number = cause.ptr ? str_split(&cause, '/') : cause;

	return topic.len > 0 && cause.ptr && str_to_i64(number, partition) &&
	       str_to_i64(cause, offset);
}

bool line_parse(struct str id, struct str payee, struct str month, struct str text,
                struct arena *arena, struct line *line)
{
	yyjson_doc *doc = yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool good;

	*line = (struct line){ .id = id, .payee = payee, .month = month, .text = text };
	line->order_id = text_of(root, "order_id", arena);
	line->time = text_of(root, "time", arena);
	good = line->order_id.ptr && line->time.ptr && int_of(root, "basis", &line->basis_minor) &&
	       int_of(root, "rate_ppm", &line->rate_ppm) &&
	       int_of(root, "amount", &line->amount_minor) &&
	       parse_cause(text_of(root, "cause", arena), &line->partition, &line->offset) &&
	       timestamp_parse(line->time, &line->time_ms) && str_is_utf8(id) && text.len > 2 &&
	       text.ptr[0] == '{';
	yyjson_doc_free(doc);
	return good;
}

/* ---- the arithmetic ---- */

static int compare_causes(const void *left, const void *right)
{
	const struct line *a = left, *b = right;
	int payees = str_cmp(a->payee, b->payee);

	if (payees)
		return payees;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return str_cmp(a->id, b->id);
}

static int compare_ms(const void *left, const void *right)
{
	const int64_t *a = left, *b = right;

	return *a < *b ? -1 : *a > *b;
}

static bool time_of(yyjson_val *event, int64_t *ms)
{
	yyjson_val *time = yyjson_obj_get(event, "time");

	return timestamp_parse(str_of(yyjson_get_str(time), yyjson_get_len(time)), ms);
}

/* Did it come after its payment, by their times? Else it may have waited. */
static bool is_after_payment(yyjson_val *refund, yyjson_val *payments)
{
	yyjson_val *wanted = yyjson_obj_get(refund, "payment_id"), *payment;
	int64_t paid_ms, refunded_ms;
	size_t i, most;

	yyjson_arr_foreach(payments, i, most, payment)
	{
		if (yyjson_equals(yyjson_obj_get(payment, "payment_id"), wanted))
			return time_of(payment, &paid_ms) && time_of(refund, &refunded_ms) &&
			       paid_ms < refunded_ms;
	}
	return false;
}

struct moments moments_of_order(yyjson_val *order, struct arena *arena)
{
	yyjson_val *payments = yyjson_obj_get(order, "payments");
	yyjson_val *refunds = yyjson_obj_get(order, "refunds"), *event;
	size_t i, most, room = yyjson_arr_size(payments) + yyjson_arr_size(refunds) + 1;
	struct moments moments = { arena_alloc(arena, room * sizeof(*moments.ms)), 0 };

	yyjson_arr_foreach(payments, i, most, event)
	{
		moments.count += time_of(event, &moments.ms[moments.count]);
	}
	yyjson_arr_foreach(refunds, i, most, event)
	{
		if (!is_after_payment(event, payments))
			return (struct moments){ .count = 0 };
		moments.count += time_of(event, &moments.ms[moments.count]);
	}
	qsort(moments.ms, moments.count, sizeof(*moments.ms), compare_ms);
	return moments;
}

/* Is the payee's line number `at` in the log the order's event number `at` by time, alone? */
static bool is_moment(const struct moments *moments, unsigned at, int64_t ms)
{
	return at < moments->count && moments->ms[at] == ms &&
	       (at == 0 || moments->ms[at - 1] < ms) &&
	       (at + 1 == moments->count || moments->ms[at + 1] > ms);
}

/* What money_at_rate() may be given. */
static bool is_money(int64_t net_minor)
{
	return net_minor >= 0 && net_minor <= LIMIT_AMOUNT;
}

void lines_explain(struct line *lines, unsigned count, const struct moments *moments)
{
	int64_t net = 0, latest_ms = INT64_MIN; /* of the payee's lines before */
	unsigned first = 0;                     /* of the payee */

	qsort(lines, count, sizeof(*lines), compare_causes);
	for (unsigned i = 0; i < count; i++) {
		struct line *line = &lines[i];
		bool certain;

		if (!str_eq(line->payee, lines[first].payee)) {
			first = i;
			net = 0;
			latest_ms = INT64_MIN;
		}
		certain = latest_ms < line->time_ms && is_moment(moments, i - first, line->time_ms);
		if (line->time_ms > latest_ms)
			latest_ms = line->time_ms;
		line->net_before_minor = net;
		if (!money_add(net, line->basis_minor, &net))
			net = -1;
		line->net_after_minor = net;
		if (!certain || !is_money(line->net_before_minor) || !is_money(net) ||
		    line->rate_ppm < 0 || line->rate_ppm > RATE_PPM_MOST)
			continue;
		line->before_minor = money_at_rate(line->net_before_minor, line->rate_ppm);
		line->after_minor = money_at_rate(net, line->rate_ppm);
		line->explained = line->after_minor - line->before_minor == line->amount_minor;
	}
}

void line_put(struct view *v, const struct line *line)
{
	struct json *j = &v->json;

	json_open(j, '{');
	json_put_str(j, "commission_id", line->id);
	json_put_str(j, "payee_id", line->payee);
	json_put_str(j, "month", line->month);
	if (line->explained) {
		json_put_i64(j, "net_before", line->net_before_minor);
		json_put_i64(j, "net_after", line->net_after_minor);
		json_put_i64(j, "cumulative_before", line->before_minor);
		json_put_i64(j, "cumulative_after", line->after_minor);
	}
	/* The line's own members, without its opening bracket. */
	buf_put_char(j->out, ',');
	buf_put(j->out, str_from(line->text, 1));
	j->comma = true;
}

/* ---- those of an order ---- */

struct months {
	struct period_name names[MONTHS_MOST];
	unsigned count;
	bool complete;
};

static void add_month(struct months *months, int64_t ms)
{
	struct period_name name = period_of(PERIOD_MONTH, (int32_t)(ms / MS_PER_DAY));

	for (unsigned i = 0; i < months->count; i++)
		if (str_eq(period_str(&months->names[i]), period_str(&name)))
			return;
	if (months->count == MONTHS_MOST)
		months->complete = false;
	else
		months->names[months->count++] = name;
}

static void add_months(struct months *months, yyjson_val *events)
{
	size_t i, most;
	yyjson_val *event;

	yyjson_arr_foreach(events, i, most, event)
	{
		int64_t ms;

		if (!time_of(event, &ms) || ms < ZONE_MS_MOST)
			continue;
		add_month(months, ms - ZONE_MS_MOST);
		add_month(months, ms + ZONE_MS_MOST);
	}
}

struct payee_month {
	struct str payee, month;
	unsigned number;
};

static unsigned places_of(struct view *v, yyjson_val *order, struct months *months,
                          struct payee_month **out)
{
	yyjson_val *splits = yyjson_obj_get(order, "splits"), *split;
	size_t i, most;
	unsigned count = 0;

	add_months(months, yyjson_obj_get(order, "payments"));
	add_months(months, yyjson_obj_get(order, "refunds"));
	*out = arena_alloc(v->arena, (yyjson_arr_size(splits) * months->count + 1) * sizeof(**out));
	yyjson_arr_foreach(splits, i, most, split)
	{
		struct str payee = text_of(split, "payee_id", v->arena);

		for (unsigned m = 0; m < months->count && payee.ptr; m++)
			(*out)[count++] = (struct payee_month){
				payee, arena_str(v->arena, period_str(&months->names[m])), 0
			};
	}
	return count;
}

/* Longer ones are left out, and what is too much in all: nobody waits for a million lines. */
static struct rc ask_places(struct view *v, struct payee_month *places, unsigned *count,
                            bool *complete)
{
	unsigned kept = 0;
	int64_t total = 0;

	for (unsigned i = 0; i < *count; i++)
		places[i].number = view_read(v, "HLEN", NULL, 0, "lines:%.*s:%.*s",
		                             STR_ARG(places[i].payee), STR_ARG(places[i].month));
	TRY(view_round(v));
	for (unsigned i = 0; i < *count; i++) {
		int64_t lines = v->answers[places[i].number].number;

		if (lines > LINES_MOST || lines > LINES_TOTAL_MOST - total) {
			*complete = false;
		} else if (lines > 0) {
			total += lines;
			places[kept++] = places[i];
		}
	}
	for (unsigned i = 0; i < kept; i++)
		places[i].number = view_hash(v, "lines:%.*s:%.*s", STR_ARG(places[i].payee),
		                             STR_ARG(places[i].month));
	*count = kept;
	return view_round(v);
}

struct rc lines_of_order(struct view *v, yyjson_val *order, struct line **out, unsigned *count,
                         bool *complete)
{
	struct moments moments = moments_of_order(order, v->arena);
	struct months months = { .complete = true };
	struct str order_id = text_of(order, "order_id", v->arena);
	struct payee_month *places;
	unsigned place_count = places_of(v, order, &months, &places), room = 0;

	*complete = months.complete;
	*count = 0;
	TRY(ask_places(v, places, &place_count, complete));
	for (unsigned p = 0; p < place_count; p++)
		room += v->answers[places[p].number].count / 2;
	*out = arena_alloc(v->arena, (room + 1) * sizeof(**out));
	for (unsigned p = 0; p < place_count; p++) {
		const struct redis_answer *hash = &v->answers[places[p].number];

		for (unsigned i = 0; i + 1 < hash->count; i += 2) {
			struct line *line = &(*out)[*count];
			struct str text = hash->items[i + 1].text;

			/* Cheaper than reading each one. */
			if (memmem(text.ptr, text.len, order_id.ptr, order_id.len) &&
			    line_parse(hash->items[i].text, places[p].payee, places[p].month, text,
			               v->arena, line) &&
			    str_eq(line->order_id, order_id))
				(*count)++;
		}
	}
	if (!*complete)
		moments.count = 0;
	lines_explain(*out, *count, &moments);
	return OK;
}
