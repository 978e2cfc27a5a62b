/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operators' view of refused records: by reason, and the oldest open ones of a
 * reason. What is found is tallyctl's own answer, under "found".
 */
#include "common/runtime/worker.h"
#include "services/dashboard/view.h"

static struct rc put_found(struct view *v, struct str topic, struct str reason)
{
	struct buf found;

	if (!v->refused)
		return view_problem(v, 403, "Not shown here",
		                    "refused records are shown where dashboard.kafka is on and "
		                    "http.token.file asks for a token; or use tallyctl dlq");
	buf_init(&found, v->arena);
	switch (refused_ask(v->refused, topic, reason, &found)) {
	case REFUSED_PENDING: json_put_bool(&v->json, "pending", true); break;
	case REFUSED_FAILED:
		return view_problem(v, 503, "Kafka gives no answer", "%.*s",
		                    STR_ARG(buf_str(&found)));
	case REFUSED_FOUND:
		json_put_bool(&v->json, "pending", false);
		json_name(&v->json, "found");
		buf_put(v->json.out, buf_str(&found));
		v->json.comma = true;
		break;
	}
	return OK;
}

struct rc view_refusals(struct view *v)
{
	return put_found(v, str_of(NULL, 0), str_of(NULL, 0));
}

struct rc view_refused(struct view *v)
{
	for (int i = 0; workers[i]; i++)
		if (str_eq_c(v->route->id, workers[i]->topic))
			return put_found(v, v->route->id, v->route->reason);
	return view_problem(v, 404, "No such topic", "no worker reads it");
}
