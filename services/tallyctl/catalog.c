/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One chain of entries for each (kind, id), newest first. What is in force at an
 * instant is found as common/runtime/reference.c finds it: from the latest
 * valid_from at or before the instant backwards, the newest record of each,
 * unless it has ended or was withdrawn later.
 */
#include "services/tallyctl/catalog.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/base/table.h"
#include "common/base/timestamp.h"
#include "events.h"

struct entry {
	struct entry *older;
	const struct definition *definition;
	bool is_new; /* of the document, not yet published */
};

/* All records of one id. */
struct chain {
	const struct kind *kind;
	struct str id;
	struct entry *newest;
	struct chain *next; /* of all chains, in the order of their first record */
};

struct catalog {
	struct arena memory;
	struct table chains;
	struct chain *first, **last;
	int64_t newest_end;
	bool has_zone;
	struct zone zone;
};

struct catalog *catalog_new(void)
{
	struct catalog *catalog = memory_new(sizeof(*catalog));

	*catalog = (struct catalog){ .newest_end = -1 };
	arena_init(&catalog->memory, 65536);
	table_init(&catalog->chains);
	catalog->last = &catalog->first;
	return catalog;
}

void catalog_free(struct catalog *catalog)
{
	if (!catalog)
		return;
	table_release(&catalog->chains);
	arena_release(&catalog->memory);
	free(catalog);
}

/* ---- chains ------------------------------------------------------------ */

static bool chain_same(const void *item, const void *key)
{
	const struct chain *a = item, *b = key;

	return a->kind == b->kind && str_eq(a->id, b->id);
}

static struct chain *chain_find(const struct catalog *catalog, const struct kind *kind,
                                struct str id)
{
	struct chain key = { .kind = kind, .id = id };

	return table_find(&catalog->chains, hash64_with((uint64_t)(kind - kinds), id), chain_same,
	                  &key);
}

static void add(struct catalog *catalog, const struct definition *definition, bool is_new)
{
	struct chain *chain = chain_find(catalog, definition->kind, definition->id);
	struct entry *entry = arena_alloc(&catalog->memory, sizeof(*entry));

	if (!chain) {
		chain = arena_zalloc(&catalog->memory, sizeof(*chain));
		chain->kind = definition->kind;
		chain->id = definition->id;
		table_add(&catalog->chains, hash64_with((uint64_t)(chain->kind - kinds), chain->id),
		          chain);
		*catalog->last = chain;
		catalog->last = &chain->next;
	}
	*entry = (struct entry){ chain->newest, definition, is_new };
	chain->newest = entry;
}

/* Was this entry replaced by a newer one with the same valid_from, or withdrawn for the instant? */
static bool is_superseded(const struct chain *chain, const struct entry *entry, int64_t at_ms)
{
	for (const struct entry *newer = chain->newest; newer != entry; newer = newer->older) {
		const struct definition *d = newer->definition;

		if (d->withdrawn ? d->from_ms <= at_ms : d->from_ms == entry->definition->from_ms)
			return true;
	}
	return false;
}

/* The definition in force, or NULL. */
static const struct definition *chain_at(const struct chain *chain, int64_t at_ms)
{
	const struct definition *best = NULL;

	for (const struct entry *entry = chain->newest; entry; entry = entry->older) {
		const struct definition *d = entry->definition;

		if (d->withdrawn || d->from_ms > at_ms || at_ms >= d->to_ms)
			continue;
		if ((!best || d->from_ms > best->from_ms) && !is_superseded(chain, entry, at_ms))
			best = d;
	}
	return best;
}

/* Is any of it in force at some time? */
static const struct definition *chain_alive(const struct chain *chain)
{
	for (const struct entry *entry = chain ? chain->newest : NULL; entry;
	     entry = entry->older) {
		const struct definition *d = entry->definition;

		if (!d->withdrawn && !is_superseded(chain, entry, d->from_ms))
			return d;
	}
	return NULL;
}

/* ---- what is published ------------------------------------------------- */

static void published_company(struct catalog *catalog, const void *record)
{
	catalog->zone = company_zone(record, &catalog->memory);
	catalog->has_zone = true;
}

void catalog_add_published(void *self, const struct message *message)
{
	struct catalog *catalog = self;
	struct arena *arena = &catalog->memory;
	struct message kept = *message;
	struct definition *definition;
	const struct kind *kind;
	struct envelope envelope;
	struct fault fault;
	bool withdrawn;

	/* What is decoded points into the value. */
	kept.key = arena_str(arena, message->key);
	kept.value = arena_str(arena, message->value);
	if (!envelope_decode(&kept, STR("reference"), 0, arena, &envelope, &fault))
		return; /* workers leave it out as well */
	if (str_eq(envelope.event.type, STR("tallyworks.reference.ended"))) {
		catalog->newest_end = message->offset;
		return;
	}
	kind = kind_of_type(envelope.event.type, &withdrawn);
	if (!kind ||
	    !envelope_data(&envelope, withdrawn ? kind->withdrawn_type : kind->defined_type, arena,
	                   &fault))
		return;
	definition = arena_zalloc(arena, sizeof(*definition));
	definition->kind = kind;
	definition->withdrawn = withdrawn;
	definition->record = envelope.event.data;
	definition->where = STR("published");
	definition->id =
		record_str(definition_type(definition), definition->record, kind->id_field);
	definition->from_ms = record_int(definition_type(definition), definition->record,
	                                 "valid_from", SINCE_EVER);
	definition->to_ms = withdrawn ? UNTIL_REPLACED
	                              : record_int(kind->defined_type, definition->record,
	                                           "valid_to", UNTIL_REPLACED);
	add(catalog, definition, false);
	if (!withdrawn && kind == kind_find(STR("company")))
		published_company(catalog, definition->record);
}

int64_t catalog_newest_end(const struct catalog *catalog)
{
	return catalog->newest_end;
}

const struct zone *catalog_zone(const struct catalog *catalog)
{
	return catalog->has_zone ? &catalog->zone : NULL;
}

/* ---- checks: one record against its own history ------------------------ */

/* Written twice in one go: which of them would count is nobody's intention. */
static void check_twice(const struct chain *chain, const struct entry *entry, struct findings *f)
{
	const struct definition *d = entry->definition;

	for (const struct entry *older = entry->older; older && older->is_new; older = older->older)
		if (older->definition->from_ms == d->from_ms &&
		    older->definition->withdrawn == d->withdrawn) {
			findings_error(
				f, d->where,
				"%s %.*s with this valid_from stands at %.*s already; remove one",
				chain->kind->word, STR_ARG(chain->id),
				STR_ARG(older->definition->where));
			return;
		}
}

static const struct entry *newest_published(const struct chain *chain)
{
	const struct entry *entry = chain->newest;

	while (entry && entry->is_new)
		entry = entry->older;
	return entry;
}

/* The same record with the same validity, as published. */
static bool is_unchanged(const struct chain *chain, const struct definition *d)
{
	const struct record_type *type = definition_type(d);
	uint64_t digest = record_digest(type, d->record, 0);

	for (const struct entry *e = newest_published(chain); e; e = e->older) {
		if (e->definition->from_ms != d->from_ms ||
		    e->definition->withdrawn != d->withdrawn)
			continue;
		return record_digest(type, e->definition->record, 0) == digest;
	}
	return false;
}

/* A plan's version says which rates a credit is paid by, so its rates never change. */
static bool same_rates(const struct plan_defined *a, const struct plan_defined *b)
{
	if (a->rows.count != b->rows.count || !str_eq(a->component_id, b->component_id))
		return false;
	for (uint32_t i = 0; i < a->rows.count; i++)
		if (a->rows.items[i].level != b->rows.items[i].level ||
		    a->rows.items[i].rate_ppm != b->rows.items[i].rate_ppm ||
		    !str_eq(a->rows.items[i].rating, b->rows.items[i].rating))
			return false;
	return true;
}

static void check_version(const struct entry *entry, struct findings *f)
{
	const struct plan_defined *plan = entry->definition->record;

	for (const struct entry *e = entry->older; e; e = e->older) {
		const struct plan_defined *other = e->definition->record;

		if (e->definition->withdrawn || other->version != plan->version ||
		    same_rates(plan, other))
			continue;
		findings_error(
			f, entry->definition->where,
			"/version: plan %.*s version %" PRId64
			" (%.*s) has other rates; give these a "
			"version of their own: commission is paid by exactly the version that was "
			"frozen into the order",
			STR_ARG(plan->plan_id), plan->version, STR_ARG(e->definition->where));
		return;
	}
}

/* One rate for a person: which of two rows would count is nobody's intention. */
static void check_rows(const struct definition *d, struct findings *f)
{
	const struct plan_defined *plan = d->record;

	for (uint32_t i = 1; i < plan->rows.count; i++)
		for (uint32_t j = 0; j < i; j++) {
			const struct plan_defined_row *a = &plan->rows.items[j],
						      *b = &plan->rows.items[i];

			if (a->level != b->level || !str_eq(a->rating, b->rating))
				continue;
			findings_error(f, d->where,
			               "/rows/%u: level %" PRId64 "%s%.*s has a rate in /rows/%u "
			               "already; remove one",
			               i, b->level, b->rating.ptr ? ", rating " : "",
			               STR_ARG(b->rating), j);
			return;
		}
}

/* ---- checks: one record against others --------------------------------- */

static int unit_rank(struct str kind)
{
	return str_eq(kind, STR("region")) ? 2 : str_eq(kind, STR("city")) ? 1 : 0;
}

static const struct unit_defined *unit_known(const struct catalog *catalog, struct str id)
{
	const struct definition *d = chain_alive(chain_find(catalog, kind_find(STR("unit")), id));

	return d ? d->record : NULL;
}

static void check_unit(const struct catalog *catalog, const struct definition *d,
                       struct findings *f)
{
	const struct unit_defined *unit = d->record, *parent;

	if (!unit->parent_id.ptr)
		return;
	parent = unit_known(catalog, unit->parent_id);
	if (!parent)
		findings_error(f, d->where, "/parent_id: there is no unit %.*s",
		               STR_ARG(unit->parent_id));
	else if (unit_rank(parent->kind) <= unit_rank(unit->kind))
		findings_error(
			f, d->where, "/parent_id: %.*s is a %.*s, which cannot stand above a %.*s",
			STR_ARG(unit->parent_id), STR_ARG(parent->kind), STR_ARG(unit->kind));
}

static void check_person(const struct catalog *catalog, const struct definition *d,
                         struct findings *f)
{
	const struct person_defined *person = d->record;

	if (!unit_known(catalog, person->team_id))
		findings_error(f, d->where, "/team_id: there is no team %.*s",
		               STR_ARG(person->team_id));
}

static void check_company(const struct catalog *catalog, const struct definition *d,
                          struct findings *f)
{
	for (const struct chain *chain = catalog->first; chain; chain = chain->next)
		if (chain->kind == d->kind && !str_eq(chain->id, d->id)) {
			findings_error(f, d->where,
			               "/company_id: there is a company %.*s already, and there "
			               "can be one only",
			               STR_ARG(chain->id));
			return;
		}
}

/* Was all of it withdrawn later? */
static bool is_gone(const struct chain *chain, const struct entry *entry)
{
	for (const struct entry *newer = chain->newest; newer != entry; newer = newer->older)
		if (newer->definition->withdrawn &&
		    newer->definition->from_ms <= entry->definition->from_ms)
			return true;
	return false;
}

/* Figures would add up both, also where their records hold at different times. */
static void check_currency(const struct chain *chain, const struct entry *entry, struct findings *f)
{
	const struct company_defined *company = entry->definition->record;

	for (const struct entry *e = entry->older; e; e = e->older) {
		const struct company_defined *other = e->definition->record;

		if (e->definition->withdrawn || str_eq(other->currency, company->currency) ||
		    is_gone(chain, e))
			continue;
		findings_error(f, entry->definition->where,
		               "/currency: the company has %.*s already (%.*s), and figures are in "
		               "one currency only",
		               STR_ARG(other->currency), STR_ARG(e->definition->where));
		return;
	}
}

static void check_entry(const struct catalog *catalog, const struct chain *chain,
                        const struct entry *entry, struct findings *f)
{
	const struct definition *d = entry->definition;

	check_twice(chain, entry, f);
	if (d->withdrawn && !entry->older)
		findings_error(f, d->where, "there is no %s %.*s that could be withdrawn",
		               chain->kind->word, STR_ARG(chain->id));
	if (d->withdrawn)
		return;
	if (d->kind->defined_type == &company_defined_type) {
		check_company(catalog, d, f);
		check_currency(chain, entry, f);
	}
	if (d->kind->defined_type == &unit_defined_type)
		check_unit(catalog, d, f);
	if (d->kind->defined_type == &person_defined_type)
		check_person(catalog, d, f);
	if (d->kind->defined_type == &plan_defined_type) {
		check_rows(d, f);
		check_version(entry, f);
	}
}

/* ---- checks: plans against each other ---------------------------------- */

/* A row that both plans have for some person, or NULL. */
static const struct plan_defined_row *common_row(const struct plan_defined *a,
                                                 const struct plan_defined *b)
{
	for (uint32_t i = 0; i < a->rows.count; i++)
		for (uint32_t j = 0; j < b->rows.count; j++) {
			const struct plan_defined_row *x = &a->rows.items[i],
						      *y = &b->rows.items[j];

			if (x->level == y->level &&
			    (!x->rating.ptr || !y->rating.ptr || str_eq(x->rating, y->rating)))
				return x->rating.ptr ? x : y;
		}
	return NULL;
}

static void plan_conflict(const struct definition *a, const struct definition *b,
                          const struct plan_defined_row *row, int64_t at_ms, struct findings *f)
{
	char since[24];
	struct str when = STR("since ever");

	if (at_ms != SINCE_EVER)
		when = str_of(since, timestamp_format(at_ms, since));
	findings_error(f, str_eq(a->where, STR("published")) ? b->where : a->where,
	               "plans %.*s and %.*s are both in force for level %" PRId64
	               "%s%.*s (%.*s); a person "
	               "can have one: end one of them (valid_to), or put the row into the other",
	               STR_ARG(a->id), STR_ARG(b->id), row->level,
	               row->rating.ptr ? ", rating " : "", STR_ARG(row->rating), STR_ARG(when));
}

static bool plans_meet_at(const struct chain *a, const struct chain *b, int64_t at_ms,
                          struct findings *f)
{
	const struct definition *x = chain_at(a, at_ms), *y = chain_at(b, at_ms);
	const struct plan_defined_row *row = x && y ? common_row(x->record, y->record) : NULL;

	if (row)
		plan_conflict(x, y, row, at_ms, f);
	return row != NULL;
}

/* At one of the instants where something begins in `among`, are both in force for one person? An
 * end counts too, since an ended record can give way to the one below it. */
static bool plans_meet(const struct chain *a, const struct chain *b, const struct chain *among,
                       struct findings *f)
{
	for (const struct entry *entry = among->newest; entry; entry = entry->older) {
		const struct definition *d = entry->definition;

		if (plans_meet_at(a, b, d->from_ms, f))
			return true;
		if (d->to_ms != UNTIL_REPLACED && plans_meet_at(a, b, d->to_ms, f))
			return true;
	}
	return false;
}

static void check_plans(const struct catalog *catalog, struct findings *f)
{
	for (const struct chain *a = catalog->first; a; a = a->next) {
		if (a->kind->defined_type != &plan_defined_type)
			continue;
		for (const struct chain *b = a->next; b; b = b->next)
			if (b->kind == a->kind && !plans_meet(a, b, a, f))
				plans_meet(a, b, b, f);
	}
}

/* ---- warnings ---------------------------------------------------------- */

static void warn_of_past(const struct catalog *catalog, const struct document *document,
                         int64_t now_ms, struct findings *f)
{
	const struct definition *first = NULL;
	unsigned count = 0;

	for (unsigned i = 0; i < document->count; i++) {
		const struct definition *d = &document->definitions[i];
		const struct chain *chain = chain_find(catalog, d->kind, d->id);

		if (!newest_published(chain) || d->from_ms >= now_ms || is_unchanged(chain, d))
			continue;
		first = first ? first : d;
		count++;
	}
	if (count)
		findings_warning(
			f, first->where,
			"%u record%s change%s the past (this is the first): orders that came "
			"before keep what was frozen into them, only later ones see the change",
			count, count == 1 ? "" : "s", count == 1 ? "s" : "");
}

void catalog_check(struct catalog *catalog, const struct document *document, int64_t now_ms,
                   struct findings *f)
{
	const struct kind *company = kind_find(STR("company"));
	bool has_company = false;

	for (unsigned i = 0; i < document->count; i++)
		add(catalog, &document->definitions[i], true);
	for (const struct chain *chain = catalog->first; chain; chain = chain->next) {
		has_company = has_company || (chain->kind == company && chain_alive(chain));
		for (const struct entry *e = chain->newest; e && e->is_new; e = e->older)
			check_entry(catalog, chain, e, f);
	}
	check_plans(catalog, f);
	warn_of_past(catalog, document, now_ms, f);
	if (!has_company)
		findings_warning(f, STR(""),
		                 "no company is published: no currency is accepted, and days "
		                 "are those of UTC");
}
