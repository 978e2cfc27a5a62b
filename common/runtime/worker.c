/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/worker.h"

#include "common/base/limits.h"
#include "common/base/rc.h"

#define TIME_FIRST_MS INT64_C(946684800000) /* 2000-01-01T00:00:00Z */
#define TIME_END_MS INT64_C(4102444800000)  /* 2100-01-01T00:00:00Z */

struct str owner_is_id(struct str id)
{
	return id;
}

const struct worker *worker_find(struct str name)
{
	for (const struct worker *const *w = workers; *w; w++) {
		if (str_eq_c(name, (*w)->name))
			return *w;
	}
	return NULL;
}

struct verdict event_check_time(const struct event *event)
{
	if (!event->has_time)
		return REJECT(REASON_MISSING_FIELD, "/time");
	if (event->time_ms < TIME_FIRST_MS || event->time_ms >= TIME_END_MS ||
	    event->time_ms > event->broker_ms + LIMIT_TIME_AHEAD_MS)
		return REJECT(REASON_TIME_OUT_OF_RANGE, "/time");
	return APPLY;
}

/* An entity's record must be what its form can hold. */
static struct rc validate_entity(const struct worker *w, const struct entity *e)
{
	if (!e->name || !e->type || !e->prefix.len || !e->owner)
		return rc_fail(RC_BUG, "worker %s: an entity lacks its name, type, prefix or owner",
		               w->name);
	if (e->name[strspn(e->name, "abcdefghijklmnopqrstuvwxyz0123456789_")]) /* a timer's kind */
		return rc_fail(RC_BUG, "worker %s: entity %s: not a lower-case word", w->name,
		               e->name);
	for (const struct entity *const *x = w->entities; *x != e; x++) {
		if (strcmp((*x)->name, e->name) == 0 || str_eq((*x)->prefix, e->prefix))
			return rc_fail(RC_BUG,
			               "worker %s: entities %s and %s share a name or a prefix",
			               w->name, (*x)->name, e->name);
	}
	if (e->due_ms && !w->on_timer)
		return rc_fail(RC_BUG,
		               "worker %s: entity %s has timers, the worker has no on_timer",
		               w->name, e->name);
	for (unsigned f = 0; e->form == ENTITY_FIGURES && f < e->type->field_count; f++) {
		if (e->type->fields[f].kind != FIELD_INT || e->type->fields[f].has >= 0)
			return rc_fail(
				RC_BUG,
				"worker %s: entity %s: field %.*s is not a zero-absent integer",
				w->name, e->name, STR_ARG(e->type->fields[f].name));
	}
	return OK;
}

static struct rc validate_output(const struct worker *w, const struct output *o)
{
	if (!o->topic || !o->type || !o->data)
		return rc_fail(RC_BUG, "worker %s: an output lacks its topic, type or record type",
		               w->name);
	if (o->form == OUTPUT_SUMMED && (!o->row_hash || !o->row_same || !o->row_add))
		return rc_fail(RC_BUG, "worker %s: output %s is summed but does not say how",
		               w->name, o->type);
	return OK;
}

static struct rc validate_tables(const struct worker *w)
{
	if (!w->name || !w->words || !w->topic || !w->inputs || !w->entities || !w->outputs ||
	    !w->keys || w->logic_version == 0)
		return rc_fail(RC_BUG, "worker %s: a table is missing", w->name ? w->name : "?");
	if (w->internal && (!w->inputs[0].type || w->inputs[1].type))
		return rc_fail(RC_BUG, "worker %s: an internal topic has exactly one kind of entry",
		               w->name);
	for (const struct input *in = w->inputs; in->type; in++) {
		if (!in->data || !in->fold)
			return rc_fail(RC_BUG, "worker %s: input %s lacks its record type or fold",
			               w->name, in->type);
		for (const struct input *other = w->inputs; other < in; other++) {
			if (strcmp(other->type, in->type) == 0)
				return rc_fail(RC_BUG, "worker %s: input %s stands twice", w->name,
				               in->type);
		}
	}
	for (const struct entity *const *e = w->entities; *e; e++)
		TRY(validate_entity(w, *e));
	for (const struct output *const *o = w->outputs; *o; o++)
		TRY(validate_output(w, *o));
	return OK;
}

/* Two workers must not share an input topic or own one entity. */
static struct rc validate_pair(const struct worker *a, const struct worker *b)
{
	if (strcmp(a->name, b->name) == 0 || strcmp(a->topic, b->topic) == 0)
		return rc_fail(RC_BUG, "workers %s and %s share a name or an input topic", a->name,
		               b->name);
	for (const struct entity *const *x = a->entities; *x; x++) {
		for (const struct entity *const *y = b->entities; *y; y++) {
			if (str_eq((*x)->prefix, (*y)->prefix))
				return rc_fail(RC_BUG,
				               "workers %s and %s both own entities at %.*s",
				               a->name, b->name, STR_ARG((*x)->prefix));
		}
	}
	return OK;
}

struct rc worker_validate(const struct worker *const *all)
{
	for (const struct worker *const *w = all; *w; w++) {
		TRY(validate_tables(*w));
		for (const struct worker *const *other = all; other < w; other++)
			TRY(validate_pair(*other, *w));
	}
	return OK;
}
