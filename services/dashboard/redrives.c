/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /api/v1/redrive: what a redrive is asked for, and how the latest one stands.
 *
 * A member that is not known is refused: a filter that is misspelt would otherwise
 * send everything.
 */
#include <yyjson.h>

#include "services/dashboard/redriver.h"
#include "services/dashboard/view.h"

/* ---- what is asked for --------------------------------------------------- */

static bool wrong(struct problem *problem, struct arena *arena, const char *words)
{
	problem_set(problem, arena, 400, "Not a valid request", "%s", words);
	return false;
}

static bool take_topic(struct redrive_request *out, yyjson_val *value)
{
	for (int i = 0; workers[i]; i++)
		if (yyjson_equals_str(value, workers[i]->topic))
			out->worker = workers[i];
	return out->worker != NULL;
}

static bool take_reasons(struct redrive_request *out, yyjson_val *value)
{
	size_t i, count;
	yyjson_val *one;

	yyjson_arr_foreach(value, i, count, one)
	{
		enum reason reason = reason_find(str_of(yyjson_get_str(one), yyjson_get_len(one)));

		if (!yyjson_is_str(one) || reason == REASON_NONE)
			return false;
		out->wish.filter.reasons[reason] = true;
		out->wish.filter.any_reason = false;
	}
	return yyjson_arr_size(value) > 0;
}

static bool take_time(int64_t *out, yyjson_val *value)
{
	return yyjson_is_str(value) &&
	       dlq_time_parse(str_of(yyjson_get_str(value), yyjson_get_len(value)), out);
}

static bool take_since(struct redrive_request *out, yyjson_val *value)
{
	return take_time(&out->wish.filter.since_ms, value);
}

static bool take_until(struct redrive_request *out, yyjson_val *value)
{
	return take_time(&out->wish.filter.until_ms, value);
}

static bool take_number(int64_t *out, int64_t most, yyjson_val *value)
{
	if (!yyjson_is_uint(value) || yyjson_get_uint(value) > (uint64_t)most)
		return false;
	*out = yyjson_get_sint(value);
	return *out >= 1;
}

static bool take_max(struct redrive_request *out, yyjson_val *value)
{
	return take_number(&out->wish.policy.max, INT64_MAX, value);
}

static bool take_rate(struct redrive_request *out, yyjson_val *value)
{
	return take_number(&out->wish.rate, REDRIVE_RATE_MOST, value);
}

static bool take_bool(bool *out, yyjson_val *value)
{
	*out = yyjson_get_bool(value);
	return yyjson_is_bool(value);
}

static bool take_dry_run(struct redrive_request *out, yyjson_val *value)
{
	return take_bool(&out->wish.dry, value);
}

static bool take_rekey(struct redrive_request *out, yyjson_val *value)
{
	return take_bool(&out->wish.policy.rekey, value);
}

static bool take_force(struct redrive_request *out, yyjson_val *value)
{
	return take_bool(&out->wish.policy.force, value);
}

static const struct member {
	const char *name;
	bool needed;
	bool (*take)(struct redrive_request *, yyjson_val *);
	const char *words; /* where it is not valid */
} members[] = {
	{ "topic", true, take_topic, "topic: the name of an input topic, without prefix" },
	{ "dry_run", true, take_dry_run, "dry_run: true or false" },
	{ "reasons", false, take_reasons, "reasons: a list of codes; see docs/ERRORS.md" },
	{ "since", false, take_since, "since: neither " DLQ_TIME_WORDS },
	{ "until", false, take_until, "until: neither " DLQ_TIME_WORDS },
	{ "max", false, take_max, "max: a whole number from 1" },
	{ "rate", false, take_rate, "rate: a whole number from 1 to 1000000, records a second" },
	{ "rekey", false, take_rekey, "rekey: true or false" },
	{ "force", false, take_force, "force: true or false" },
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static bool take_member(yyjson_val *name, yyjson_val *value, unsigned *seen,
                        struct redrive_request *out, struct arena *arena, struct problem *problem)
{
	for (unsigned i = 0; i < MEMBERS; i++) {
		if (!yyjson_equals_str(name, members[i].name))
			continue;
		if (*seen & 1u << i)
			return wrong(problem, arena, "a member is there twice");
		*seen |= 1u << i;
		return members[i].take(out, value) || wrong(problem, arena, members[i].words);
	}
	return wrong(problem, arena,
	             "a member is not known; there are topic, dry_run, reasons, since, until, "
	             "max, rate, rekey and force");
}

static bool take_members(yyjson_val *object, struct redrive_request *out, struct arena *arena,
                         struct problem *problem)
{
	size_t at, count;
	yyjson_val *name, *value;
	unsigned seen = 0;

	if (!yyjson_is_obj(object))
		return wrong(problem, arena, "the body is no JSON object");
	yyjson_obj_foreach(object, at, count, name, value)
	{
		if (!take_member(name, value, &seen, out, arena, problem))
			return false;
	}
	for (unsigned i = 0; i < MEMBERS; i++)
		if (members[i].needed && !(seen & 1u << i))
			return wrong(problem, arena, members[i].words);
	return true;
}

bool redrive_request_read(struct str body, struct arena *arena, struct redrive_request *out,
                          struct problem *problem)
{
	yyjson_doc *document =
		body.len ? yyjson_read(body.ptr, body.len, YYJSON_READ_NOFLAG) : NULL;
	bool valid;

	*out = (struct redrive_request){ .wish = { .filter = dlq_filter_all(),
		                                   .policy = { .max_replays = REPLAYS,
		                                               .max = INT64_MAX } } };
	valid = take_members(yyjson_doc_get_root(document), out, arena, problem);
	yyjson_doc_free(document);
	return valid;
}

/* ---- how it stands ------------------------------------------------------- */

/* When what is meant was refused, ages counted back from when it was asked for; null: no bound. */
static void put_bounds(struct view *v, const struct dlq_filter *filter)
{
	view_instant(v, "since", filter->since_ms);
	view_instant(v, "until", filter->until_ms > 0 ? filter->until_ms : 1);
}

static void put_report(struct view *v, const struct redrive_report *report)
{
	struct str trouble = str_from_c(report->trouble);

	json_name(&v->json, "redrive");
	if (!report->number) {
		json_null(&v->json);
		return;
	}
	json_open(&v->json, '{');
	json_put_i64(&v->json, "number", report->number);
	json_put_text(&v->json, "topic", report->request.worker->topic);
	json_put_bool(&v->json, "dry_run", report->request.wish.dry);
	json_put_text(&v->json, "state",
	              !report->ended_ms    ? "running"
	              : report->trouble[0] ? "failed"
	                                   : "done");
	put_bounds(v, &report->request.wish.filter);
	view_instant(v, "started", report->started_ms);
	view_instant(v, "ended", report->ended_ms);
	redrive_json(&report->state, &v->json);
	json_put_i64(&v->json, "sent", report->state.sent);
	if (report->trouble[0])
		json_put_str(&v->json, "problem",
		             str_is_utf8(trouble) ? trouble : STR("the log says why"));
	json_close(&v->json, '}');
}

struct rc view_redrive(struct view *v)
{
	struct redrive_request request;
	struct redrive_report report;

	if (!v->redriver)
		return view_problem(
			v, 403, "Not from here",
			"records are redriven where dashboard.kafka is on and "
			"http.token.file asks for a token; or use tallyctl dlq redrive");
	if (v->post) {
		if (!redrive_request_read(v->body, v->arena, &request, &v->problem))
			return OK;
		if (!redriver_start(v->redriver, &request))
			return view_problem(
				v, 409, "One at a time",
				"a redrive or a dry run is under way; GET says how far");
	}
	redriver_copy(v->redriver, &report);
	put_report(v, &report);
	return OK;
}
