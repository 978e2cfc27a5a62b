/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of a person's month, of one commission and of an order's story.
 *
 * Of an order's document two members stay behind: what is private to the worker
 * (`_`) and whose customer it is (customer_key).
 */
#include <stdlib.h>

#include "services/dashboard/lines.h"

/* ---- a month ---- */

static int compare_times(const void *left, const void *right)
{
	const struct line *a = left, *b = right;
	int times = str_cmp(a->time, b->time);

	return times ? times : str_cmp(a->id, b->id);
}

static unsigned take_lines(struct view *v, const struct redis_answer *hash, struct line **out)
{
	struct line *lines = arena_alloc(v->arena, (hash->count / 2 + 1) * sizeof(*lines));
	unsigned count = 0;

	for (unsigned i = 0; i + 1 < hash->count; i += 2)
		if (line_parse(hash->items[i].text, v->route->id, v->route->period,
		               hash->items[i + 1].text, v->arena, &lines[count]))
			count++;
	qsort(lines, count, sizeof(*lines), compare_times);
	*out = lines;
	return count;
}

struct rc view_pay(struct view *v)
{
	const struct route *r = v->route;
	unsigned asof = freshness_ask(v), pay, length, count = 0;
	const struct redis_answer *first;
	struct line *lines = NULL;
	int64_t total, from = r->from - 1;

	pay = view_hash(v, "pay:%.*s:%.*s", STR_ARG(r->id), STR_ARG(r->period));
	length = view_read(v, "HLEN", NULL, 0, "lines:%.*s:%.*s", STR_ARG(r->id),
	                   STR_ARG(r->period));
	TRY(view_round(v));
	first = v->answers;
	total = first[length].number;
	if (first[pay].count == 0 && total == 0)
		return view_problem(v, 404, "No commissions",
		                    "this payee has no commissions in %.*s, or is unknown",
		                    STR_ARG(r->period));
	if (total > 0 && total <= LINES_MOST) {
		view_hash(v, "lines:%.*s:%.*s", STR_ARG(r->id), STR_ARG(r->period));
		TRY(view_round(v));
		count = take_lines(v, v->answers, &lines);
	}
	json_put_str(&v->json, "payee_id", r->id);
	json_put_str(&v->json, "month", r->period);
	view_integers(v, "pay", &first[pay]);
	json_put_i64(&v->json, "total", total);
	json_put_bool(&v->json, "complete", total <= LINES_MOST);
	json_put_i64(&v->json, "from", r->from);
	json_name(&v->json, "lines");
	json_open(&v->json, '[');
	for (int64_t i = from; i < count && i < from + r->count; i++)
		line_put(v, &lines[i]);
	json_close(&v->json, ']');
	v->answers = first;
	freshness_put(v, asof);
	return OK;
}

/* ---- an order ---- */

static bool is_hidden(struct str name)
{
	return str_eq(name, STR("_")) || str_eq(name, STR("customer_key"));
}

static void put_order(struct view *v, yyjson_val *order)
{
	size_t i, most, len;
	yyjson_val *name, *value;

	json_name(&v->json, "order");
	json_open(&v->json, '{');
	yyjson_obj_foreach(order, i, most, name, value)
	{
		struct str key = str_of(yyjson_get_str(name), yyjson_get_len(name));
		char *text;

		if (is_hidden(key))
			continue;
		text = yyjson_val_write(value, YYJSON_WRITE_NOFLAG, &len);
		if (!text)
			continue;
		view_name(v, key);
		buf_put(v->json.out, str_of(text, len));
		v->json.comma = true;
		free(text);
	}
	json_close(&v->json, '}');
	/* Events that came before what they need: how many, not what. */
	json_put_i64(&v->json, "waiting",
	             (int64_t)yyjson_arr_size(yyjson_obj_get(yyjson_obj_get(order, "_"), "held")));
}

static struct rc put_story(struct view *v, yyjson_val *order, unsigned asof)
{
	const struct redis_answer *fresh = v->answers;
	struct line *lines;
	unsigned count;
	bool complete;

	TRY(lines_of_order(v, order, &lines, &count, &complete));
	put_order(v, order);
	json_put_bool(&v->json, "complete", complete);
	json_name(&v->json, "commissions");
	json_open(&v->json, '[');
	for (unsigned i = 0; i < count; i++)
		line_put(v, &lines[i]);
	json_close(&v->json, ']');
	v->answers = fresh;
	freshness_put(v, asof);
	return OK;
}

struct rc view_order(struct view *v)
{
	unsigned asof = freshness_ask(v);
	unsigned at = view_read(v, "GET", NULL, 0, "order:%.*s", STR_ARG(v->route->id));
	struct str text;
	yyjson_doc *doc;
	struct rc rc;

	TRY(view_round(v));
	text = v->answers[at].text;
	if (!text.ptr)
		return view_problem(v, 404, "No such order", "no event of this order has come");
	doc = yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG);
	if (!doc)
		return rc_fail(RC_PROTOCOL, "an order that is no JSON");
	rc = put_story(v, yyjson_doc_get_root(doc), asof);
	yyjson_doc_free(doc);
	return rc;
}

/* ---- a commission ---- */

/* Since when its plan's version is in force, where the reference data are known. */
static void put_plan(struct view *v, const struct line *line)
{
	yyjson_doc *doc = yyjson_read(line->text.ptr, line->text.len, YYJSON_READ_NOFLAG);
	yyjson_val *root = yyjson_doc_get_root(doc), *id = yyjson_obj_get(root, "plan_id");
	yyjson_val *version = yyjson_obj_get(root, "plan_version");
	struct plan_times times;

	json_name(&v->json, "plan");
	if (v->watcher && yyjson_is_str(id) && yyjson_is_int(version) &&
	    watch_plan(v->watcher, str_of(yyjson_get_str(id), yyjson_get_len(id)),
	               yyjson_get_sint(version), &times)) {
		json_open(&v->json, '{');
		view_instant(v, "valid_from", times.from_ms);
		view_instant(v, "valid_to", times.to_ms);
		json_close(&v->json, '}');
	} else {
		json_null(&v->json);
	}
	yyjson_doc_free(doc);
}

static struct rc put_commission(struct view *v, const struct line *own, yyjson_val *order,
                                unsigned asof)
{
	const struct redis_answer *fresh = v->answers;
	const struct line *found = own;
	struct line *lines = NULL;
	unsigned count = 0;
	bool complete = false;

	if (order)
		TRY(lines_of_order(v, order, &lines, &count, &complete));
	for (unsigned i = 0; i < count; i++)
		if (str_eq(lines[i].id, own->id))
			found = &lines[i];
	json_name(&v->json, "commission");
	line_put(v, found);
	put_plan(v, own);
	if (order)
		put_order(v, order);
	json_put_bool(&v->json, "complete", complete);
	v->answers = fresh;
	freshness_put(v, asof);
	return OK;
}

struct rc view_commission(struct view *v)
{
	struct str id = v->route->id, payee, month, text;
	struct line line;
	yyjson_doc *doc;
	unsigned asof, at;
	struct rc rc;

	view_read(v, "GET", NULL, 0, "commission:%.*s", STR_ARG(id));
	TRY(view_round(v));
	month = payee = v->answers[0].text;
	/* "payee month"; ids may have spaces, months do not. */
	while (payee.len && payee.ptr[payee.len - 1] != ' ')
		payee.len--;
	if (payee.len < 2)
		return view_problem(v, 404, "No such commission",
		                    "there is no commission of this "
		                    "id");
	month = str_from(month, payee.len);
	payee.len--;
	view_read(v, "HGET", &id, 1, "lines:%.*s:%.*s", STR_ARG(payee), STR_ARG(month));
	TRY(view_round(v));
	text = v->answers[0].text;
	if (!text.ptr || !line_parse(id, payee, month, text, v->arena, &line))
		return view_problem(v, 404, "No such commission",
		                    "the commission is known but its line is not there: its shard "
		                    "is being rebuilt");
	asof = freshness_ask(v);
	at = view_read(v, "GET", NULL, 0, "order:%.*s", STR_ARG(line.order_id));
	TRY(view_round(v));
	text = v->answers[at].text;
	doc = text.ptr ? yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG) : NULL;
	rc = put_commission(v, &line, yyjson_doc_get_root(doc), asof);
	yyjson_doc_free(doc);
	return rc;
}
