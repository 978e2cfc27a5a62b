/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/intake.h"

#include <stdlib.h>
#include <yyjson.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/base/must.h"
#include "events.h"

#define CHUNK_ARENA (256 * 1024)

void chunk_init(struct chunk *c)
{
	*c = (struct chunk){ 0 };
	arena_init(&c->memory, CHUNK_ARENA);
}

void chunk_clear(struct chunk *c)
{
	arena_clear(&c->memory);
	c->busy = false;
	c->decoded = c->item_count = c->folded = 0;
	c->name_count = c->cell_count = c->missing_count = 0;
}

void chunk_release(struct chunk *c)
{
	arena_release(&c->memory);
	free(c->items);
	free(c->names);
	free(c->cells);
	free(c->missing);
	*c = (struct chunk){ 0 };
}

static struct item *add_item(struct chunk *c, enum item_kind kind, const struct message *m)
{
	c->items = memory_room(c->items, c->item_count, &c->item_room, sizeof(*c->items));
	struct item *item = &c->items[c->item_count++];
	*item = (struct item){ .kind = kind, .message = m, .first_cell = c->name_count };
	item->event.at.offset = m->offset;
	return item;
}

/* ---- reads --------------------------------------------------------------- */

void reads_add(struct reads *r, const struct entity *entity, struct str id)
{
	struct chunk *c = r->chunk;
	c->names = memory_room(c->names, c->name_count, &c->name_room, sizeof(*c->names));
	c->names[c->name_count++] = cell_name(entity, id);
}

#define FETCH_PLACE 16 /* so many names ahead */
#define FETCH_CELL 8

/* Finds the cells of all names: many at once, so that what is far away comes while others are
 * looked at. */
static void find_cells(struct chunk *c, struct cache *cache)
{
	if (c->name_count > c->cell_room) {
		c->cell_room = c->name_room;
		c->cells = memory_resize(c->cells, c->cell_room, sizeof(struct cell *));
	}
	for (; c->cell_count < c->name_count; c->cell_count++) {
		unsigned n = c->cell_count;
		if (n + FETCH_PLACE < c->name_count)
			cache_fetch_place(cache, &c->names[n + FETCH_PLACE]);
		if (n + FETCH_CELL < c->name_count)
			cache_fetch_cell(cache, &c->names[n + FETCH_CELL]);
		struct cell *cell = cache_get(cache, &c->names[n]);
		c->cells[n] = cell;
		if (cell->loaded || cell->asked)
			continue;
		cell->asked = true;
		c->missing = memory_room(c->missing, c->missing_count, &c->missing_room,
		                         sizeof(struct cell *));
		c->missing[c->missing_count++] = cell;
	}
}

struct str reads_join(struct reads *r, const struct str *parts, size_t count)
{
	return arena_join(&r->chunk->memory, parts, count);
}

const struct reference *reads_reference(const struct reads *r)
{
	return r->reference;
}

static void name_entities(struct chunk *c, struct item *item, struct reads *reads)
{
	if (item->input->reads)
		item->input->reads(&item->event, reads);
	item->cell_count = c->name_count - item->first_cell;
}

/* ---- control records ------------------------------------------------------ */

static bool wears_header(const struct message *m)
{
	return m->header_count && message_header(m, STR("tw-control"));
}

static const struct entity *entity_named(const struct worker *w, struct str name)
{
	for (const struct entity *const *e = w->entities; *e; e++) {
		if (str_eq_c(name, (*e)->name))
			return *e;
	}
	return NULL;
}

/* Known by source, header and type together: with the header and our source, what has no known type
 * is ignored; with another source it is no control record (false). */
static bool decode_control(struct chunk *c, const struct message *m, const struct intake_setting *s,
                           struct reads *reads)
{
	static const struct {
		const char *type;
		const struct record_type *data;
		enum item_kind kind;
	} known[] = {
		{ "tallyworks.timer.due", &tallyworks_timer_due_type, ITEM_TIMER },
		{ "tallyworks.reference.advanced", &tallyworks_reference_advanced_type,
		  ITEM_REFERENCE },
		{ "tallyworks.logic.advanced", &tallyworks_logic_advanced_type, ITEM_LOGIC },
	};
	struct envelope envelope;
	struct fault fault;
	if (!envelope_decode(m, s->topic, s->partition, &c->memory, &envelope, &fault) ||
	    !str_starts(envelope.event.source, STR("/tallyworks/")))
		return false;
	struct item *item = add_item(c, ITEM_IGNORED, m);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!str_eq_c(envelope.event.type, known[i].type) ||
		    !envelope_data(&envelope, known[i].data, &c->memory, &item->fault))
			continue;
		item->kind = known[i].kind;
		item->event = envelope.event;
	}
	if (item->kind != ITEM_TIMER)
		return true;
	const struct tallyworks_timer_due *due = item->event.data;
	const struct entity *entity = entity_named(s->worker, due->kind);
	if (!entity || !entity->due_ms ||
	    hash_partition(entity->owner(due->id), s->partitions) != s->partition) {
		item->kind = ITEM_IGNORED;
		return true;
	}
	reads_add(reads, entity, due->id);
	if (s->worker->timer_reads)
		s->worker->timer_reads(&item->event, reads);
	item->cell_count = c->name_count - item->first_cell;
	return true;
}

/* ---- events and blocks ---------------------------------------------------- */

static const struct input *input_for(const struct worker *w, struct str type)
{
	for (const struct input *in = w->inputs; in->type; in++) {
		if (str_eq_c(type, in->type))
			return in;
	}
	return NULL;
}

static void bad(struct item *item, enum reason reason, const char *path)
{
	item->kind = ITEM_BAD;
	item->fault = (struct fault){ .reason = reason };
	memcpy(item->fault.path, path, strlen(path) + 1);
}

static void decode_event(struct chunk *c, const struct message *m, const struct intake_setting *s,
                         struct reads *reads)
{
	struct item *item = add_item(c, ITEM_EVENT, m);
	struct envelope envelope;
	if (!envelope_decode(m, s->topic, s->partition, &c->memory, &envelope, &item->fault)) {
		item->kind = ITEM_BAD;
		return;
	}
	item->input = input_for(s->worker, envelope.event.type);
	if (!item->input) {
		bad(item, REASON_UNKNOWN_TYPE, "/type");
	} else if (!envelope_data(&envelope, item->input->data, &c->memory, &item->fault)) {
		item->kind = ITEM_BAD;
	} else if (!m->key.ptr || hash_partition(m->key, s->partitions) != s->partition) {
		bad(item, m->key.ptr ? REASON_WRONG_PARTITION : REASON_WRONG_KEY, "");
	} else {
		item->event = envelope.event;
		name_entities(c, item, reads);
	}
}

struct str chunk_item_value(struct chunk *c, const struct item *item)
{
	size_t len;
	if (!item->entry)
		return item->message->value;
	char *text = yyjson_val_write(item->entry, 0, &len);
	if (!text)
		memory_out(item->message->value.len);
	struct str value = arena_str(&c->memory, str_of(text, len));
	free(text);
	return value;
}

static void decode_block(struct chunk *c, const struct message *m, const struct intake_setting *s,
                         struct reads *reads)
{
	struct block block;
	struct fault fault;
	if (!block_decode(m, &c->memory, &block, &fault)) {
		struct item *item = add_item(c, ITEM_BAD, m);
		item->fault = fault;
		return;
	}
	const struct input *input = &s->worker->inputs[0];
	yyjson_val *entry;
	for (uint32_t n = 0; (entry = block_next(&block)) != NULL; n++) {
		struct item *item = add_item(c, ITEM_EVENT, m);
		void *data = arena_alloc(&c->memory, input->data->size);
		item->input = input;
		item->entry = entry;
		item->event = (struct event){
			.at = { s->topic, s->partition, m->offset, n },
			.broker_ms = m->broker_ms,
			.key = m->key,
			.type = str_from_c(input->type),
			.raw = m->value,
			.data = data,
		};
		if (record_decode(input->data, entry, STR(""), data, &c->memory, &item->fault))
			name_entities(c, item, reads);
		else
			item->kind = ITEM_BAD;
	}
}

static bool is_skipped(const struct intake_setting *s, int64_t offset)
{
	for (unsigned i = 0; i < s->skipped_count; i++) {
		if (s->skipped[i] == offset)
			return true;
	}
	return false;
}

void chunk_decode(struct chunk *c, const struct intake_setting *s, struct cache *cache,
                  const struct reference *reference)
{
	struct reads reads = { c, reference };
	while (c->decoded < c->taken.count) {
		const struct message *m = &c->taken.messages[c->decoded++];
		must_set_position(s->topic.ptr, s->partition, m->offset);
		if (is_skipped(s, m->offset)) {
			bad(add_item(c, ITEM_BAD, m), REASON_POISON, "");
			continue;
		}
		if (wears_header(m) && decode_control(c, m, s, &reads))
			break;
		if (s->worker->internal)
			decode_block(c, m, s, &reads);
		else
			decode_event(c, m, s, &reads);
	}
	find_cells(c, cache);
}
