/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cases/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

#include "common/base/timestamp.h"
#include "common/domain/calendar.h"

#define ENTRIES_MOST 2000
#define SHOWN 400

/* An entry or event that went out; a then takes it. */
struct entry {
	yyjson_val *value;        /* the entry; of an event the data */
	struct str type, id, key; /* of an event */
	bool taken;
};

struct entries {
	struct entry items[ENTRIES_MOST];
	unsigned count;
};

struct checker {
	const struct script_case *script;
	const struct script_line *line;
	const struct worker *worker;
	const struct way *way;
	const struct stage *stage;
	struct arena *arena;
	struct entries credits, measures, commissions, events, refused;
};

/* ---- JSON ---------------------------------------------------------------------------- */

static void *json_alloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void *json_resize(void *arena, void *block, size_t size_now, size_t size)
{
	return arena_resize(arena, block, size_now, size);
}

static void json_free(void *arena, void *block)
{
	(void)arena;
	(void)block;
}

static yyjson_val *parse(struct checker *c, struct str text)
{
	yyjson_alc memory = { json_alloc, json_resize, json_free, c->arena };
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, 0, &memory, NULL);

	return doc ? yyjson_doc_get_root(doc) : NULL;
}

static struct str text_of(yyjson_val *value)
{
	return str_of(yyjson_get_str(value), yyjson_get_len(value));
}

static struct str member(yyjson_val *object, const char *name)
{
	yyjson_val *value = yyjson_obj_get(object, name);

	return yyjson_is_str(value) ? text_of(value) : str_of(NULL, 0);
}

static int64_t number(yyjson_val *object, const char *name)
{
	return yyjson_get_sint(yyjson_obj_get(object, name));
}

static const char *shown(struct checker *c, yyjson_val *value)
{
	yyjson_alc memory = { json_alloc, json_resize, json_free, c->arena };
	char *text = value ? yyjson_val_write_opts(value, 0, &memory, NULL, NULL) : NULL;

	return text ? text : "nothing";
}

/* Everything expected is there; null: it is not there. Lists are compared whole. */
static bool holds(yyjson_val *expected, yyjson_val *actual)
{
	size_t i, n;
	yyjson_val *key, *value;

	if (yyjson_is_null(expected))
		return !actual;
	if (!actual)
		return false;
	if (yyjson_is_obj(expected)) {
		yyjson_obj_foreach(
			expected, i, n, key,
			value) if (!holds(value,
		                          yyjson_obj_getn(actual, yyjson_get_str(key),
		                                          yyjson_get_len(key)))) return false;
		return yyjson_is_obj(actual);
	}
	if (yyjson_is_arr(expected)) {
		if (!yyjson_is_arr(actual) || yyjson_arr_size(actual) != yyjson_arr_size(expected))
			return false;
		yyjson_arr_foreach(
			expected, i, n,
			value) if (!holds(value, yyjson_arr_get(actual, i))) return false;
		return true;
	}
	return yyjson_equals(expected, actual);
}

static struct rc wrong(struct checker *c, const char *format, const char *what)
{
	return rc_fail(RC_DATA, "line %u: %s %s", c->line ? c->line->number : c->script->number,
	               format, what);
}

/* ---- what went out ---------------------------------------------------------------------- */

static struct rc add_entry(struct entries *to, const struct entry *entry)
{
	if (to->count == ENTRIES_MOST)
		return rc_fail(RC_DATA, "too many entries");
	to->items[to->count++] = *entry;
	return OK;
}

static struct rc read_blocks(struct checker *c, struct str topic, struct entries *to)
{
	const struct message *m;
	int64_t offset = 0;

	while ((m = stage_read(c->stage, topic, &offset)) != NULL) {
		yyjson_val *block = parse(c, m->value), *value;
		size_t i, n;

		if (!yyjson_is_arr(block))
			return wrong(c, "not a block in", topic.ptr);
		yyjson_arr_foreach(block, i, n, value)
			TRY(add_entry(to, &(struct entry){ .value = value }));
	}
	return OK;
}

static struct rc read_commissions(struct checker *c)
{
	const struct message *m;
	int64_t offset = 0;

	while ((m = stage_read(c->stage, STR("commissions"), &offset)) != NULL) {
		yyjson_val *event = parse(c, m->value);
		struct entry entry = {
			.value = yyjson_obj_get(event, "data"),
			.type = member(event, "type"),
			.id = member(event, "id"),
			.key = m->key,
		};

		if (!str_eq(member(event, "subject"), m->key) ||
		    !str_eq(member(entry.value, "payee_id"), m->key) ||
		    !str_eq(member(entry.value, "commission_id"), entry.id) ||
		    !str_eq(member(event, "causationid"), member(entry.value, "source_event_id")) ||
		    !str_eq(member(event, "correlationid"), member(entry.value, "order_id")))
			return wrong(c, "the envelope does not fit", shown(c, event));
		TRY(add_entry(&c->commissions, &entry));
	}
	return OK;
}

/* The public events of a topic. */
static struct rc read_events(struct checker *c, struct str topic)
{
	const struct message *m;
	int64_t offset = 0;

	while ((m = stage_read(c->stage, topic, &offset)) != NULL) {
		yyjson_val *event = parse(c, m->value);

		TRY(add_entry(&c->events, &(struct entry){ .value = yyjson_obj_get(event, "data"),
		                                           .type = member(event, "type"),
		                                           .id = member(event, "id"),
		                                           .key = m->key }));
	}
	return OK;
}

static struct rc read_refused(struct checker *c)
{
	struct str topic = arena_printf(c->arena, "%s.dlq", c->worker->topic);
	struct str before = { NULL, 0 };
	const struct message *m;
	int64_t offset = 0;

	while ((m = stage_read(c->stage, topic, &offset)) != NULL) {
		const struct header *reason = message_header(m, STR("tw-reason"));
		yyjson_val *event = parse(c, m->value);

		if (!reason)
			return wrong(c, "a refused record has no", "tw-reason");
		/* Events that come twice are refused twice. */
		if (!c->way->doubled || !str_eq(before, m->value))
			TRY(add_entry(&c->refused, &(struct entry){ .value = event,
			                                            .id = member(event, "id"),
			                                            .type = reason->value }));
		before = m->value;
	}
	return OK;
}

static bool sends(const struct worker *worker, const char *topic)
{
	for (const struct output *const *o = worker->outputs; *o; o++)
		if (strcmp((*o)->topic, topic) == 0)
			return true;
	return false;
}

/* Is it the first output to its topic that carries public events? */
static bool is_first_event_output(const struct worker *worker, const struct output *const *o)
{
	for (const struct output *const *before = worker->outputs; before < o; before++)
		if (strcmp((*before)->topic, (*o)->topic) == 0)
			return false;
	return (*o)->form == OUTPUT_EVENT;
}

static struct rc read_all(struct checker *c)
{
	TRY(read_refused(c));
	for (const struct output *const *o = c->worker->outputs; *o; o++)
		if (is_first_event_output(c->worker, o))
			TRY(read_events(c, str_from_c((*o)->topic)));
	if (sends(c->worker, "credits"))
		TRY(read_blocks(c, STR("credits"), &c->credits));
	if (sends(c->worker, "measures"))
		TRY(read_blocks(c, STR("measures"), &c->measures));
	if (sends(c->worker, "commissions"))
		TRY(read_commissions(c));
	return OK;
}

/* ---- figures ------------------------------------------------------------------------------- */

struct figure {
	struct str name;
	int64_t value;
};

struct figure_list {
	struct figure items[64];
	unsigned count;
};

static struct figure *figure_get(struct figure_list *list, struct str name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (str_eq(list->items[i].name, name))
			return &list->items[i];
	list->items[list->count] = (struct figure){ name, 0 };
	return &list->items[list->count++];
}

static bool is_instant(struct str name)
{
	return str_ends(name, STR("_at"));
}

static bool day_is_in(struct str day_text, struct str period)
{
	int32_t day;

	if (!date_parse(day_text, &day))
		return false;
	for (enum period_kind kind = PERIOD_DAY; kind < PERIOD_KINDS; kind++) {
		struct period_name name = period_of(kind, day);

		if (str_eq(period_str(&name), period))
			return true;
	}
	return false;
}

/* What the rows that went out add up to. */
static void sum_rows(struct checker *c, struct str kind, struct str id, struct str period,
                     struct figure_list *out)
{
	for (unsigned r = 0; r < c->measures.count; r++) {
		yyjson_val *row = c->measures.items[r].value, *key, *value;
		size_t i, n;

		if (!str_eq(member(row, "kind"), kind) || !str_eq(member(row, "id"), id) ||
		    !day_is_in(member(row, "day"), period))
			continue;
		yyjson_obj_foreach(yyjson_obj_get(row, "figures"), i, n, key, value)
		{
			struct figure *figure = figure_get(out, text_of(key));
			int64_t more = yyjson_get_sint(value);

			if (!is_instant(figure->name))
				figure->value += more;
			else if (more > figure->value)
				figure->value = more;
		}
	}
}

static struct rc read_hash(struct checker *c, struct str key, struct figure_list *out)
{
	const struct stored *stored = memory_keys_find(stage_keys(c->stage), key);

	for (unsigned i = 0; stored && i < stored->count; i++)
		if (!str_to_i64(stored->pairs[i].value,
		                &figure_get(out, stored->pairs[i].name)->value))
			return wrong(c, "not an integer in", key.ptr);
	return OK;
}

/* An instant may be written as one. */
static int64_t expected_number(yyjson_val *value)
{
	int64_t ms;

	if (yyjson_is_str(value) && timestamp_parse(text_of(value), &ms))
		return ms;
	return yyjson_get_sint(value);
}

/* Exactly these figures; instants only where they are named. */
static struct rc compare_figures(struct checker *c, struct figure_list *got)
{
	yyjson_val *expected = parse(c, c->line->json.ptr ? c->line->json : STR("{}")), *key,
		   *value;
	struct buf text;
	bool same = yyjson_is_obj(expected);
	size_t i, n;

	buf_init(&text, c->arena);
	for (unsigned f = 0; f < got->count; f++) {
		const struct figure *figure = &got->items[f];
		yyjson_val *wanted = yyjson_obj_getn(expected, figure->name.ptr, figure->name.len);

		buf_printf(&text, "%.*s=%" PRId64 " ", STR_ARG(figure->name), figure->value);
		if (!wanted && !is_instant(figure->name) && figure->value != 0)
			same = false;
	}
	yyjson_obj_foreach(expected, i, n, key, value) if (figure_get(got, text_of(key))->value !=
	                                                   expected_number(value)) same = false;
	buf_put_char(&text, '\0');
	return same ? OK : wrong(c, "the figures are", text.ptr);
}

/* then figures KIND ID PERIOD {...} */
static struct rc then_figures(struct checker *c)
{
	struct str kind = line_word(c->line, 1), id = line_word(c->line, 2);
	struct str period = line_word(c->line, 3);
	struct figure_list got = { .count = 0 };

	if (sends(c->worker, "measures"))
		sum_rows(c, kind, id, period, &got);
	else
		TRY(read_hash(c,
		              arena_printf(c->arena, "sales:%.*s:%.*s:%.*s", STR_ARG(kind),
		                           STR_ARG(id), STR_ARG(period)),
		              &got));
	return compare_figures(c, &got);
}

/* then hash KEY {...} */
static struct rc then_hash(struct checker *c)
{
	struct figure_list got = { .count = 0 };

	TRY(read_hash(c, line_word(c->line, 1), &got));
	return compare_figures(c, &got);
}

/* then pay PAYEE MONTH {...} */
static struct rc then_pay(struct checker *c)
{
	struct figure_list got = { .count = 0 };

	TRY(read_hash(c,
	              arena_printf(c->arena, "pay:%.*s:%.*s", STR_ARG(line_word(c->line, 1)),
	                           STR_ARG(line_word(c->line, 2))),
	              &got));
	return compare_figures(c, &got);
}

/* then board MEASURE KIND ID PERIOD {member: score} */
static struct rc then_board(struct checker *c)
{
	struct figure_list got = { .count = 0 };

	TRY(read_hash(c,
	              arena_printf(c->arena, "board:%.*s:%.*s:%.*s:%.*s",
	                           STR_ARG(line_word(c->line, 1)), STR_ARG(line_word(c->line, 2)),
	                           STR_ARG(line_word(c->line, 3)), STR_ARG(line_word(c->line, 4))),
	              &got));
	return compare_figures(c, &got);
}

/* ---- documents and entries ------------------------------------------------------------------ */

static struct str value_at(struct checker *c, struct str key)
{
	const struct stored *stored = memory_keys_find(stage_keys(c->stage), key);

	return stored ? stored->value : str_of(NULL, 0);
}

/* then order ID {...}; then order ID nowhere */
static struct rc then_order(struct checker *c)
{
	struct str key = arena_printf(c->arena, "order:%.*s", STR_ARG(line_word(c->line, 1)));
	struct str text = value_at(c, key);
	yyjson_val *order = text.ptr ? parse(c, text) : NULL;

	if (str_eq(line_word(c->line, 2), STR("nowhere")))
		return order ? wrong(c, "there is an order", shown(c, order)) : OK;
	if (!holds(parse(c, c->line->json), order))
		return wrong(c, "the order is", shown(c, order));
	return OK;
}

/* then document KEY {...}; then document KEY nowhere */
static struct rc then_document(struct checker *c)
{
	struct str text = value_at(c, line_word(c->line, 1));
	yyjson_val *document = text.ptr ? parse(c, text) : NULL;

	if (str_eq(line_word(c->line, 2), STR("nowhere")))
		return document ? wrong(c, "there is", shown(c, document)) : OK;
	if (!holds(parse(c, c->line->json), document))
		return wrong(c, "the document is", shown(c, document));
	return OK;
}

/* Takes the first entry that fits. */
static struct rc take_entry(struct checker *c, struct entries *entries, const char *key_name)
{
	struct str key = line_word(c->line, 1);
	yyjson_val *expected = parse(c, c->line->json);
	struct buf seen;

	buf_init(&seen, c->arena);
	for (unsigned i = 0; i < entries->count; i++) {
		struct entry *entry = &entries->items[i];

		if (!str_eq(member(entry->value, key_name), key))
			continue;
		if (!entry->taken && holds(expected, entry->value)) {
			entry->taken = true;
			return OK;
		}
		buf_printf(&seen, "\n  %s", shown(c, entry->value));
	}
	buf_put_char(&seen, '\0');
	return wrong(c, "there is only", seen.ptr);
}

static struct rc count_entries(struct checker *c, const struct entries *entries)
{
	int64_t expected = -1;
	char text[40];

	if (str_to_i64(line_word(c->line, 1), &expected) && expected == entries->count)
		return OK;
	snprintf(text, sizeof(text), "%u", entries->count);
	return wrong(c, "there are", text);
}

static struct rc then_credit(struct checker *c)
{
	return take_entry(c, &c->credits, "payee_id");
}

static struct rc then_credits(struct checker *c)
{
	return count_entries(c, &c->credits);
}

/* Takes the first event of this type and key that fits. */
static struct rc take_event(struct checker *c, struct entries *all, struct str type, struct str key)
{
	struct buf seen;

	buf_init(&seen, c->arena);
	for (unsigned i = 0; i < all->count; i++) {
		struct entry *entry = &all->items[i];

		if (!str_eq(entry->key, key))
			continue;
		if (!entry->taken && str_eq(entry->type, type) &&
		    holds(parse(c, c->line->json), entry->value)) {
			entry->taken = true;
			return OK;
		}
		buf_printf(&seen, "\n  %.*s %s", STR_ARG(entry->type), shown(c, entry->value));
	}
	buf_put_char(&seen, '\0');
	return wrong(c, "there is only", seen.ptr);
}

/* then commission PAYEE accrued|clawed_back {...} */
static struct rc then_commission(struct checker *c)
{
	return take_event(c, &c->commissions,
	                  arena_printf(c->arena, "commission.%.*s", STR_ARG(line_word(c->line, 2))),
	                  line_word(c->line, 1));
}

/* then event TYPE KEY {...} */
static struct rc then_event(struct checker *c)
{
	return take_event(c, &c->events, line_word(c->line, 1), line_word(c->line, 2));
}

static struct rc then_events(struct checker *c)
{
	return count_entries(c, &c->events);
}

static struct rc then_commissions(struct checker *c)
{
	return count_entries(c, &c->commissions);
}

static const char *refused_words(struct checker *c)
{
	struct buf words;

	buf_init(&words, c->arena);
	for (unsigned i = 0; i < c->refused.count; i++)
		buf_printf(&words, "%.*s %.*s; ", STR_ARG(c->refused.items[i].id),
		           STR_ARG(c->refused.items[i].type));
	buf_put_char(&words, '\0');
	return words.ptr;
}

/* then refused ID REASON */
static struct rc then_refused(struct checker *c)
{
	for (unsigned i = 0; i < c->refused.count; i++) {
		struct entry *entry = &c->refused.items[i];

		if (entry->taken || !str_eq(entry->type, line_word(c->line, 2)) ||
		    (entry->id.ptr && !str_eq(entry->id, line_word(c->line, 1))))
			continue;
		entry->taken = true;
		return OK;
	}
	return wrong(c, "it was not refused so; refused were", refused_words(c));
}

/* then skipped N: events that came before; where nothing is doubled or folded again. */
static struct rc then_skipped(struct checker *c)
{
	int64_t expected = -1;

	if (c->way->doubled || c->way->crash || c->way->unflushed)
		return OK;
	if (!str_to_i64(line_word(c->line, 1), &expected) ||
	    (uint64_t)expected != stage_skipped(c->stage))
		return wrong(c, "skipped was", "another number");
	return OK;
}

static const struct {
	const char *word;
	struct rc (*check)(struct checker *);
} thens[] = {
	{ "order", then_order },
	{ "credit", then_credit },
	{ "credits", then_credits },
	{ "figures", then_figures },
	{ "refused", then_refused },
	{ "skipped", then_skipped },
	{ "commission", then_commission },
	{ "commissions", then_commissions },
	{ "pay", then_pay },
	{ "board", then_board },
	{ "hash", then_hash },
	{ "document", then_document },
	{ "event", then_event },
	{ "events", then_events },
};

/* ---- what must hold in every case ------------------------------------------------------------ */

static struct rc check_nothing_else_refused(struct checker *c)
{
	for (unsigned i = 0; i < c->refused.count; i++)
		if (!c->refused.items[i].taken)
			return wrong(c, "refused without a word of it:",
			             shown(c, c->refused.items[i].value));
	return OK;
}

/* Each order's credits sum up to its net, payee shares being all of it (DESIGN 6). */
static struct rc check_credits_add_up(struct checker *c)
{
	for (unsigned i = 0; i < c->credits.count; i++) {
		struct str order_id = member(c->credits.items[i].value, "order_id");
		struct str key = arena_printf(c->arena, "order:%.*s", STR_ARG(order_id));
		yyjson_val *order = parse(c, value_at(c, key));
		int64_t net = number(order, "collected") - number(order, "refunded"), sum = 0;

		for (unsigned j = 0; j < c->credits.count; j++) {
			yyjson_val *credit = c->credits.items[j].value;

			if (str_eq(member(credit, "order_id"), order_id))
				sum += number(credit, "net_after") - number(credit, "net_before");
		}
		if (sum != net)
			return wrong(c, "credits do not add up to the net of", order_id.ptr);
	}
	return OK;
}

/* Every commission is found by its id, and a month's lines add up to what is payable. */
static struct rc check_lines(struct checker *c)
{
	for (unsigned i = 0; i < c->commissions.count; i++) {
		const struct entry *entry = &c->commissions.items[i];
		struct str month = member(entry->value, "posted_period");
		struct str key = arena_printf(c->arena, "commission:%.*s", STR_ARG(entry->id));
		struct str where =
			arena_printf(c->arena, "%.*s %.*s", STR_ARG(entry->key), STR_ARG(month));
		struct str place =
			arena_printf(c->arena, "%.*s:%.*s", STR_ARG(entry->key), STR_ARG(month));
		const struct stored *lines = memory_keys_find(
			stage_keys(c->stage),
			arena_join(c->arena, (struct str[]){ STR("lines:"), place }, 2));
		struct figure_list pay = { .count = 0 };
		int64_t sum = 0;

		if (!str_eq(value_at(c, key), where))
			return wrong(c, "not found by its id:", key.ptr);
		for (unsigned l = 0; lines && l < lines->count; l++)
			sum += number(parse(c, lines->pairs[l].value), "amount");
		TRY(read_hash(c, arena_join(c->arena, (struct str[]){ STR("pay:"), place }, 2),
		              &pay));
		if (!lines || figure_get(&pay, STR("payable"))->value != sum)
			return wrong(c, "lines do not add up to what is payable:", place.ptr);
	}
	return OK;
}

/* ---- a case -------------------------------------------------------------------------------- */

static struct rc check_then(struct checker *c)
{
	struct str word = line_word(c->line, 0);

	for (size_t i = 0; i < sizeof(thens) / sizeof(thens[0]); i++)
		if (str_eq_c(word, thens[i].word))
			return thens[i].check(c);
	return rc_fail(RC_DATA, "line %u: then what?", c->line->number);
}

struct rc check(const struct script_case *script, const struct worker *worker,
                const struct way *way, const struct stage *stage, struct arena *arena)
{
	struct checker *c = arena_zalloc(arena, sizeof(*c));

	c->script = script;
	c->worker = worker;
	c->way = way;
	c->stage = stage;
	c->arena = arena;
	TRY(read_all(c));
	for (unsigned i = 0; i < script->line_count; i++) {
		c->line = &script->lines[i];
		if (c->line->kind == LINE_THEN)
			TRY(check_then(c));
	}
	c->line = NULL;
	TRY(check_nothing_else_refused(c));
	TRY(check_credits_add_up(c));
	return check_lines(c);
}
