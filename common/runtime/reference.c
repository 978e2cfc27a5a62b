/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference store: for each (kind, id) a timeline of spans, one for each
 * valid_from, each with its versions in the order of the log.
 *
 * A lookup takes, from the latest valid_from at or before the instant backwards,
 * the newest version at or below the pin, unless it has ended or was withdrawn by
 * a later record at or below the pin; so a record that ends gives way to the one
 * below it (a seat taken for three months falls back to the old one). Publishing
 * sends everything again each time, so a version equal to the one before it is
 * not kept: it gives the same answer under every pin.
 *
 * Everything kept lies in the store's arena and is never given back before the
 * store. Nothing here fails: a record that cannot be read is logged.
 */
#include "common/runtime/reference.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/must.h"
#include "common/base/table.h"
#include "common/domain/measure.h"
#include "events.h"

#define SCRATCH_BYTES 65536
#define MEMORY_BYTES 262144
#define ALL_PERIODS ((1U << PERIOD_KINDS) - 1)
#define UNITS_DEEP 3 /* team, city, region */

/* ---- kinds: where a record says what it is and when it holds -------------- */

struct places {
	size_t id, has_from, from_ms;
};

static const struct kind {
	struct str defined, withdrawn; /* event types */
	const struct record_type *defined_type, *withdrawn_type;
	struct places in_defined, in_withdrawn;
	size_t has_to, to_ms; /* of the defined record */
} kinds[] = {
#define KIND(noun, id)                                                                          \
	{                                                                                       \
		STR_INIT(#noun ".defined"), STR_INIT(#noun ".withdrawn"), &noun##_defined_type, \
			&noun##_withdrawn_type,                                                 \
			{ offsetof(struct noun##_defined, id),                                  \
			  offsetof(struct noun##_defined, has_valid_from_ms),                   \
			  offsetof(struct noun##_defined, valid_from_ms) },                     \
			{ offsetof(struct noun##_withdrawn, id),                                \
			  offsetof(struct noun##_withdrawn, has_valid_from_ms),                 \
			  offsetof(struct noun##_withdrawn, valid_from_ms) },                   \
			offsetof(struct noun##_defined, has_valid_to_ms),                       \
			offsetof(struct noun##_defined, valid_to_ms)                            \
	}
	KIND(company, company_id), KIND(unit, unit_id),       KIND(person, payee_id),
	KIND(plan, plan_id),       KIND(partner, partner_id), KIND(channel, channel_id),
	KIND(project, project_id), KIND(product, product_id),
#undef KIND
};
enum { KIND_COMPANY, KIND_UNIT, KIND_PERSON, KIND_PLAN };
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

/* ---- timelines ------------------------------------------------------------ */

struct version {
	int64_t offset;
	int64_t to_ms; /* INT64_MAX: no end */
	uint64_t content;
	const void *record; /* KIND_COMPANY: struct company */
};

struct span {
	int64_t from_ms;
	struct version *versions; /* by offset */
	unsigned count, room;
};

struct withdrawal {
	int64_t offset, from_ms;
};

struct timeline {
	const struct kind *kind;
	struct str id;
	struct span *spans; /* by from_ms */
	unsigned span_count, span_room;
	struct withdrawal *withdrawals; /* by offset */
	unsigned withdrawal_count, withdrawal_room;
};

/* What a company's record means, worked out once. */
struct company {
	struct company_defined record;
	struct zone zone;
	unsigned periods;
	struct boards boards;
};

struct reference_store {
	struct arena memory;  /* what is kept */
	struct arena scratch; /* the record being read */
	struct table timelines;
	struct timeline *company; /* one company: records of any company_id are its history */
	struct timeline **plans;  /* in the order in which they came */
	unsigned plan_count, plan_room;
	int64_t *ends; /* offsets of end records */
	unsigned end_count, end_room;
	int64_t next;
};

struct timeline_key {
	const struct kind *kind;
	struct str id;
};

static bool timeline_same(const void *item, const void *key)
{
	const struct timeline *timeline = item;
	const struct timeline_key *k = key;

	return timeline->kind == k->kind && str_eq(timeline->id, k->id);
}

static uint64_t timeline_hash(const struct kind *kind, struct str id)
{
	return hash64_with((uint64_t)(kind - kinds), id);
}

static struct timeline *timeline_find(const struct reference_store *store, unsigned kind,
                                      struct str id)
{
	struct timeline_key key = { &kinds[kind], id };

	return table_find(&store->timelines, timeline_hash(key.kind, id), timeline_same, &key);
}

/* Room for one more item at the end. */
static void *grown(struct arena *arena, void *items, unsigned count, unsigned *room, size_t size)
{
	unsigned before = *room;

	if (count < before)
		return items;
	*room = before ? before * 2 : 1;
	return arena_resize(arena, items, before * size, *room * size);
}

/* ---- looking up ----------------------------------------------------------- */

/* The newest version at or below the pin; pins are near the end of the log. */
static const struct version *span_version(const struct span *span, int64_t pin)
{
	for (unsigned i = span->count; i-- > 0;)
		if (span->versions[i].offset <= pin)
			return &span->versions[i];
	return NULL;
}

static bool is_withdrawn(const struct timeline *timeline, const struct version *version,
                         int64_t pin, int64_t at_ms)
{
	for (unsigned i = timeline->withdrawal_count; i-- > 0;) {
		const struct withdrawal *w = &timeline->withdrawals[i];

		if (w->offset > version->offset && w->offset <= pin && w->from_ms <= at_ms)
			return true;
	}
	return false;
}

/* The record that holds the instant, or NULL. */
static const void *timeline_at(const struct timeline *timeline, int64_t pin, int64_t at_ms)
{
	if (!timeline)
		return NULL;
	for (unsigned i = timeline->span_count; i-- > 0;) {
		const struct span *span = &timeline->spans[i];
		const struct version *version;

		if (span->from_ms > at_ms)
			continue;
		version = span_version(span, pin);
		if (version && at_ms < version->to_ms &&
		    !is_withdrawn(timeline, version, pin, at_ms))
			return version->record;
	}
	return NULL;
}

/* The record with the latest valid_from, whatever the instant, or NULL. */
static const void *timeline_latest(const struct timeline *timeline, int64_t pin)
{
	if (!timeline)
		return NULL;
	for (unsigned i = timeline->span_count; i-- > 0;) {
		const struct span *span = &timeline->spans[i];
		const struct version *version = span_version(span, pin);

		if (version && !is_withdrawn(timeline, version, pin, span->from_ms))
			return version->record;
	}
	return NULL;
}

static const struct company *latest_company(const struct reference *ref)
{
	return timeline_latest(ref->store->company, ref->pin);
}

const struct company_defined *reference_company(const struct reference *ref, int64_t at_ms)
{
	const struct company *company = timeline_at(ref->store->company, ref->pin, at_ms);

	return company ? &company->record : NULL;
}

const struct person_defined *reference_person(const struct reference *ref, struct str payee_id,
                                              int64_t at_ms)
{
	return timeline_at(timeline_find(ref->store, KIND_PERSON, payee_id), ref->pin, at_ms);
}

/* The row for level and rating, else the one for any rating, else NULL. */
static const struct plan_defined_row *plan_row(const struct plan_defined *plan, int64_t level,
                                               struct str rating)
{
	const struct plan_defined_row *any = NULL;

	for (uint32_t i = 0; i < plan->rows.count; i++) {
		const struct plan_defined_row *row = &plan->rows.items[i];

		if (row->level != level)
			continue;
		if (!row->rating.ptr)
			any = row;
		else if (rating.ptr && str_eq(row->rating, rating))
			return row;
	}
	return any;
}

const struct plan_defined *reference_plan_for(const struct reference *ref, int64_t level,
                                              struct str rating, int64_t at_ms)
{
	const struct plan_defined *any = NULL;

	for (unsigned i = 0; i < ref->store->plan_count; i++) {
		const struct plan_defined *plan =
			timeline_at(ref->store->plans[i], ref->pin, at_ms);
		const struct plan_defined_row *row = plan ? plan_row(plan, level, rating) : NULL;

		if (row && row->rating.ptr)
			return plan;
		if (row && !any)
			any = plan;
	}
	return any;
}

/* Ended or withdrawn, the version still counts for the orders it was frozen into. */
const struct plan_defined *reference_plan(const struct reference *ref, struct str plan_id,
                                          int64_t version)
{
	const struct timeline *timeline = timeline_find(ref->store, KIND_PLAN, plan_id);
	const struct version *newest = NULL;

	for (unsigned i = 0; timeline && i < timeline->span_count; i++) {
		const struct span *span = &timeline->spans[i];

		for (unsigned v = span->count; v-- > 0;) {
			const struct version *candidate = &span->versions[v];
			const struct plan_defined *plan = candidate->record;

			if (candidate->offset > ref->pin || plan->version != version)
				continue;
			if (!newest || candidate->offset > newest->offset)
				newest = candidate;
			break;
		}
	}
	return newest ? newest->record : NULL;
}

bool reference_plan_rate(const struct plan_defined *plan, int64_t level, struct str rating,
                         int64_t *rate_ppm)
{
	const struct plan_defined_row *row = plan_row(plan, level, rating);

	if (row)
		*rate_ppm = row->rate_ppm;
	return row != NULL;
}

/* Goes up from the person's unit; each unit says by its own kind what it is. */
struct units reference_units(const struct reference *ref, struct str team_id, int64_t at_ms)
{
	struct units units = { .team_id = team_id };
	struct str id = team_id;

	for (unsigned deep = 0; deep < UNITS_DEEP && id.ptr; deep++) {
		const struct unit_defined *unit =
			timeline_at(timeline_find(ref->store, KIND_UNIT, id), ref->pin, at_ms);

		if (!unit)
			break;
		if (deep == 0)
			units.team_id = str_of(NULL, 0);
		if (str_eq(unit->kind, STR("team")))
			units.team_id = unit->unit_id;
		else if (str_eq(unit->kind, STR("city")))
			units.city_id = unit->unit_id;
		else
			units.region_id = unit->unit_id;
		id = unit->parent_id;
	}
	return units;
}

const struct zone *reference_zone(const struct reference *ref, int64_t at_ms)
{
	static const struct zone utc = { NULL, 0, 0 };
	const struct company *company = timeline_at(ref->store->company, ref->pin, at_ms);

	if (!company)
		company = latest_company(ref);
	return company ? &company->zone : &utc;
}

unsigned reference_periods(const struct reference *ref)
{
	const struct company *company = latest_company(ref);

	return company ? company->periods : ALL_PERIODS;
}

struct boards reference_boards(const struct reference *ref)
{
	const struct company *company = latest_company(ref);

	return company ? company->boards : (struct boards){ 0, 0 };
}

/* ---- taking records in ---------------------------------------------------- */

static int64_t int_at(const void *record, size_t place)
{
	return *(const int64_t *)(const void *)((const char *)record + place);
}

static bool bool_at(const void *record, size_t place)
{
	return *(const bool *)(const void *)((const char *)record + place);
}

static struct str id_at(const void *record, const struct places *places)
{
	return *(const struct str *)(const void *)((const char *)record + places->id);
}

/* Absent: since ever. */
static int64_t from_at(const void *record, const struct places *places)
{
	return bool_at(record, places->has_from) ? int_at(record, places->from_ms) : INT64_MIN;
}

static struct timeline *timeline_get(struct reference_store *store, const struct kind *kind,
                                     struct str id)
{
	struct timeline *timeline = kind == &kinds[KIND_COMPANY]
	                                    ? store->company
	                                    : timeline_find(store, (unsigned)(kind - kinds), id);

	if (timeline)
		return timeline;
	timeline = arena_zalloc(&store->memory, sizeof(*timeline));
	timeline->kind = kind;
	timeline->id = arena_str(&store->memory, id);
	table_add(&store->timelines, timeline_hash(kind, id), timeline);
	if (kind == &kinds[KIND_COMPANY])
		store->company = timeline;
	if (kind == &kinds[KIND_PLAN]) {
		store->plans = grown(&store->memory, store->plans, store->plan_count,
		                     &store->plan_room, sizeof(struct timeline *));
		store->plans[store->plan_count++] = timeline;
	}
	return timeline;
}

/* The span that begins there, made if need be; spans stay in order. */
static struct span *timeline_span(struct reference_store *store, struct timeline *timeline,
                                  int64_t from_ms)
{
	unsigned at = timeline->span_count;

	while (at > 0 && timeline->spans[at - 1].from_ms > from_ms)
		at--;
	if (at > 0 && timeline->spans[at - 1].from_ms == from_ms)
		return &timeline->spans[at - 1];
	timeline->spans = grown(&store->memory, timeline->spans, timeline->span_count,
	                        &timeline->span_room, sizeof(struct span));
	memmove(&timeline->spans[at + 1], &timeline->spans[at],
	        (timeline->span_count - at) * sizeof(struct span));
	timeline->span_count++;
	timeline->spans[at] = (struct span){ .from_ms = from_ms };
	return &timeline->spans[at];
}

static unsigned periods_of(const struct str_list *words)
{
	unsigned periods = 0;

	for (uint32_t i = 0; i < words->count; i++) {
		enum period_kind kind;

		if (period_kind_parse(words->items[i], &kind))
			periods |= 1U << kind;
	}
	return periods;
}

static unsigned measures_of(const struct str_list *words)
{
	unsigned measures = 0;

	for (uint32_t i = 0; i < words->count; i++) {
		enum money money;

		if (money_parse(words->items[i], &money) && money < MONEY_RANKED)
			measures |= 1U << money;
	}
	return measures;
}

static struct zone zone_of(struct arena *arena, const struct company_defined *record)
{
	uint32_t count = record->transitions.count;
	struct zone_transition *transitions = arena_alloc(arena, count * sizeof(*transitions));

	for (uint32_t i = 0; i < count; i++) {
		transitions[i].at_ms = record->transitions.items[i].at_ms;
		transitions[i].offset_s = (int32_t)record->transitions.items[i].offset_s;
	}
	return (struct zone){ transitions, count, (int32_t)record->first_offset_s };
}

/* A lasting copy with what follows from it. */
static const void *keep_record(struct arena *arena, const struct kind *kind, const void *record)
{
	struct company *company;
	void *kept;

	if (kind != &kinds[KIND_COMPANY]) {
		kept = arena_alloc(arena, kind->defined_type->size);
		record_copy(kind->defined_type, record, kept, arena);
		return kept;
	}
	company = arena_zalloc(arena, sizeof(*company));
	record_copy(&company_defined_type, record, &company->record, arena);
	company->zone = zone_of(arena, &company->record);
	company->periods =
		company->record.periods.items ? periods_of(&company->record.periods) : ALL_PERIODS;
	if (company->record.has_boards) {
		company->boards.measures = measures_of(&company->record.boards.measures);
		company->boards.periods =
			periods_of(&company->record.boards.periods) & company->periods;
		if (!company->boards.periods) /* a board of nothing is none */
			company->boards.measures = 0;
	}
	return company;
}

static bool is_withdrawn_since(const struct timeline *timeline, int64_t offset)
{
	return timeline->withdrawal_count > 0 &&
	       timeline->withdrawals[timeline->withdrawal_count - 1].offset > offset;
}

static void add_defined(struct reference_store *store, const struct kind *kind, int64_t offset,
                        const void *record)
{
	struct timeline *timeline = timeline_get(store, kind, id_at(record, &kind->in_defined));
	struct span *span = timeline_span(store, timeline, from_at(record, &kind->in_defined));
	uint64_t content = record_digest(kind->defined_type, record, 0);
	struct version *newest = span->count ? &span->versions[span->count - 1] : NULL;

	if (newest && newest->content == content && !is_withdrawn_since(timeline, newest->offset))
		return;
	span->versions = grown(&store->memory, span->versions, span->count, &span->room,
	                       sizeof(struct version));
	span->versions[span->count++] = (struct version){
		.offset = offset,
		.to_ms = bool_at(record, kind->has_to) ? int_at(record, kind->to_ms) : INT64_MAX,
		.content = content,
		.record = keep_record(&store->memory, kind, record),
	};
}

static void add_withdrawn(struct reference_store *store, const struct kind *kind, int64_t offset,
                          const void *record)
{
	struct timeline *timeline = timeline_get(store, kind, id_at(record, &kind->in_withdrawn));

	timeline->withdrawals =
		grown(&store->memory, timeline->withdrawals, timeline->withdrawal_count,
	              &timeline->withdrawal_room, sizeof(struct withdrawal));
	timeline->withdrawals[timeline->withdrawal_count++] =
		(struct withdrawal){ offset, from_at(record, &kind->in_withdrawn) };
}

static void add_end(struct reference_store *store, int64_t offset)
{
	store->ends = grown(&store->memory, store->ends, store->end_count, &store->end_room,
	                    sizeof(int64_t));
	store->ends[store->end_count++] = offset;
}

static bool zone_is_in_order(const struct company_defined *record)
{
	for (uint32_t i = 1; i < record->transitions.count; i++)
		if (record->transitions.items[i].at_ms <= record->transitions.items[i - 1].at_ms)
			return false;
	return true;
}

static bool take_in(struct reference_store *store, struct envelope *envelope, struct fault *fault)
{
	int64_t offset = envelope->event.at.offset;
	struct str type = envelope->event.type;

	if (str_eq(type, STR("tallyworks.reference.ended"))) {
		add_end(store, offset);
		return true;
	}
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const struct kind *kind = &kinds[i];
		bool defined = str_eq(type, kind->defined);

		if (!defined && !str_eq(type, kind->withdrawn))
			continue;
		if (!envelope_data(envelope, defined ? kind->defined_type : kind->withdrawn_type,
		                   &store->scratch, fault))
			return false;
		if (!defined) {
			add_withdrawn(store, kind, offset, envelope->event.data);
			return true;
		}
		if (i == KIND_COMPANY && !zone_is_in_order(envelope->event.data)) {
			*fault = (struct fault){ REASON_BAD_FIELD, "/data/transitions" };
			return false;
		}
		add_defined(store, kind, offset, envelope->event.data);
		return true;
	}
	*fault = (struct fault){ REASON_UNKNOWN_TYPE, "/type" };
	return false;
}

void reference_store_add(struct reference_store *store, const struct message *message)
{
	struct envelope envelope;
	struct fault fault;

	arena_clear(&store->scratch);
	store->next = message->offset + 1;
	if (envelope_decode(message, STR("reference"), 0, &store->scratch, &envelope, &fault) &&
	    take_in(store, &envelope, &fault))
		return;
	log_warn("reference_record_left_out", LOG_INT("offset", message->offset),
	         LOG_TEXT("reason", reason_code(fault.reason)), LOG_TEXT("path", fault.path),
	         LOG_END);
}

/* ---- the store ------------------------------------------------------------ */

struct reference_store *reference_store_new(void)
{
	struct reference_store *store = memory_new(sizeof(*store));

	*store = (struct reference_store){ 0 };
	arena_init(&store->memory, MEMORY_BYTES);
	arena_init(&store->scratch, SCRATCH_BYTES);
	table_init(&store->timelines);
	return store;
}

void reference_store_free(struct reference_store *store)
{
	if (!store)
		return;
	table_release(&store->timelines);
	arena_release(&store->scratch);
	arena_release(&store->memory);
	free(store);
}

int64_t reference_store_next(const struct reference_store *store)
{
	return store->next;
}

void reference_store_set_next(struct reference_store *store, int64_t next_offset)
{
	store->next = next_offset;
}

bool reference_store_is_end(const struct reference_store *store, int64_t offset)
{
	unsigned low = 0, high = store->end_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (store->ends[middle] < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < store->end_count && store->ends[low] == offset;
}

int64_t reference_store_newest_end(const struct reference_store *store)
{
	return store->end_count ? store->ends[store->end_count - 1] : -1;
}
