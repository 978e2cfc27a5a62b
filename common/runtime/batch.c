/* SPDX-License-Identifier: Apache-2.0 */
#include "common/runtime/batch.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/limits.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define BATCH_ARENA (64 * 1024)
#define DOCUMENT_WEIGHT 2 /* values an entity writes, about */
#define FIGURES_WEIGHT 4

struct batch_block {
	struct buf entries;
	unsigned count;
};

struct batch *batch_new(const struct batch_setting *setting, int32_t partition, uint32_t epoch,
                        const struct standing *before, uint64_t output_number, bool suppressed,
                        int64_t now_ms)
{
	struct batch *b = memory_new(sizeof(*b));
	b->setting = setting;
	b->partition = partition;
	b->epoch = epoch;
	b->from = before->position;
	b->after = *before;
	b->output_number = output_number;
	b->suppressed = suppressed;
	b->opened_ms = now_ms;
	arena_init(&b->memory, BATCH_ARENA);
	arena_init(&b->outputs, BATCH_ARENA);
	buf_init(&b->scratch, NULL);
	return b;
}

static void count_bytes(struct batch *b)
{
	size_t bytes = b->memory.total + b->outputs.total + b->write_room * sizeof(*b->writes);
	*b->setting->held_bytes += bytes - b->counted;
	b->counted = bytes;
}

static void release_gathering(struct batch *b)
{
	b->blocks = NULL;
	buf_release(&b->scratch);
	free(b->changed);
	b->changed = NULL;
	b->changed_count = b->changed_room = 0;
}

void batch_drop_outputs(struct batch *b)
{
	free(b->outgoing);
	b->outgoing = NULL;
	b->outgoing_count = b->outgoing_room = 0;
	arena_release(&b->outputs);
	count_bytes(b);
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	release_gathering(b);
	batch_drop_outputs(b);
	*b->setting->held_bytes -= b->counted;
	free(b->writes);
	free(b->dues);
	arena_release(&b->memory);
	free(b);
}

bool batch_is_bare(const struct batch *b)
{
	return b->records == 0 && b->outgoing_count == 0 && b->write_count == 0;
}

/* ---- outputs ------------------------------------------------------------- */

static struct header header(const char *name, struct str value)
{
	return (struct header){ str_from_c(name), value };
}

static struct str number_text(struct arena *arena, int64_t number)
{
	char text[20];
	return arena_str(arena, str_of(text, i64_to_text(number, text)));
}

static struct str place_text(struct batch *b, int64_t offset)
{
	b->scratch.len = 0;
	buf_put(&b->scratch, b->setting->topic);
	buf_put_char(&b->scratch, '/');
	buf_put_i64(&b->scratch, b->partition);
	buf_put_char(&b->scratch, '/');
	buf_put_i64(&b->scratch, offset);
	return arena_str(&b->outputs, buf_str(&b->scratch));
}

/* Numbers the output and puts it at the end; `extra` headers come after ours. */
static void add_outgoing(struct batch *b, const struct outgoing *out, const char *content_type,
                         struct str source_place, const struct header *extra, unsigned extra_count)
{
	struct header *headers = arena_alloc(&b->outputs, (3 + extra_count) * sizeof(*headers));
	unsigned n = 0;
	if (content_type)
		headers[n++] = header("content-type", str_from_c(content_type));
	headers[n++] = header("tw-src", source_place);
	headers[n++] = header("tw-seq", number_text(&b->outputs, (int64_t)++b->output_number));
	for (unsigned i = 0; i < extra_count; i++)
		headers[n++] = extra[i];
	b->outgoing = memory_room(b->outgoing, b->outgoing_count, &b->outgoing_room,
	                          sizeof(*b->outgoing));
	b->outgoing[b->outgoing_count] = *out;
	b->outgoing[b->outgoing_count].headers = headers;
	b->outgoing[b->outgoing_count++].header_count = n;
}

static unsigned target_of(const struct batch *b, const struct output *output)
{
	for (unsigned t = 0; t < b->setting->target_count; t++) {
		if (b->setting->targets[t].output == output)
			return t;
	}
	must(!"a fold used an output that its worker does not declare");
	return 0;
}

static struct str event_place(struct effects *e)
{
	struct batch *b = e->batch;
	if (!b->source_place.ptr)
		b->source_place = place_text(b, e->event->at.offset);
	return b->source_place;
}

struct arena *effects_arena(struct effects *e)
{
	return &e->batch->outputs;
}

void effects_emit(struct effects *e, const struct output *output, const struct emission *emission)
{
	struct batch *b = e->batch;
	if (b->suppressed)
		return;
	const struct target *target = &b->setting->targets[target_of(b, output)];
	struct str place = event_place(e);
	struct cloudevent event = {
		.id = emission->id,
		.source = b->setting->source,
		.type = str_from_c(output->type),
		.subject = emission->subject,
		.correlationid = emission->correlationid,
		.causationid = emission->causationid,
		.traceparent = emission->traceparent,
		.time_ms = emission->time_ms,
		.data_type = output->data,
		.data = emission->data,
	};
	b->scratch.len = 0;
	cloudevent_encode(&event, &b->scratch);
	struct outgoing out = {
		.form = OUTGOING_CLOUDEVENT,
		.topic = target->topic,
		.partition = hash_partition(emission->key, target->partitions),
		.key = arena_str(&b->outputs, emission->key),
		.value = arena_str(&b->outputs, buf_str(&b->scratch)),
	};
	struct header trace = header("traceparent", emission->traceparent);
	if (trace.value.ptr)
		trace.value = arena_str(&b->outputs, trace.value);
	add_outgoing(b, &out, "application/cloudevents+json", place, &trace,
	             trace.value.ptr ? 1 : 0);
}

/* ---- internal blocks ----------------------------------------------------- */

static void close_block(struct batch *b, unsigned t, int32_t partition, struct batch_block *block,
                        int64_t offset)
{
	if (block->count == 0)
		return;
	buf_put_char(&block->entries, ']');
	struct outgoing out = {
		.form = OUTGOING_BLOCK,
		.topic = b->setting->targets[t].topic,
		.partition = partition,
		.value = buf_str(&block->entries),
	};
	add_outgoing(b, &out, "application/json", place_text(b, offset), NULL, 0);
	buf_init(&block->entries, &b->outputs);
	block->count = 0;
}

/* All targets' blocks lie in one array, one row a partition. */
static struct batch_block *block_at(struct batch *b, unsigned t, int32_t partition)
{
	size_t before = 0, all = 0;
	for (unsigned i = 0; i < b->setting->target_count; i++) {
		if (i == t)
			before = all;
		all += (size_t)b->setting->targets[i].partitions;
	}
	if (!b->blocks) {
		b->blocks = arena_zalloc(&b->outputs, all * sizeof(*b->blocks));
		for (size_t i = 0; i < all; i++)
			buf_init(&b->blocks[i].entries, &b->outputs);
	}
	return &b->blocks[before + (size_t)partition];
}

static void add_entry(struct batch *b, unsigned t, int32_t partition, const void *entry,
                      int64_t offset)
{
	const struct output *output = b->setting->targets[t].output;
	struct batch_block *block = block_at(b, t, partition);
	if (block->entries.len > LIMIT_BLOCK_BYTES || block->count == LIMIT_BLOCK_ENTRIES)
		close_block(b, t, partition, block, offset);
	buf_put_char(&block->entries, block->count++ ? ',' : '[');
	record_encode(output->data, entry, &block->entries);
}

void effects_entry(struct effects *e, const struct output *output, struct str key,
                   const void *entry)
{
	struct batch *b = e->batch;
	if (b->suppressed)
		return;
	unsigned t = target_of(b, output);
	int32_t partition = hash_partition(key, b->setting->targets[t].partitions);
	add_entry(b, t, partition, entry, e->event->at.offset);
}

/* Also of an event that is folded again: its sums may not be told yet. */
void effects_sum(struct effects *e, const struct output *output, struct str key, const void *row)
{
	struct batch *b = e->batch;
	if (e->event->at.offset < b->sums->told)
		return;
	unsigned t = target_of(b, output);
	sums_add(b->sums, t, output, key, b->setting->targets[t].partitions, row);
}

/* ---- refusals ------------------------------------------------------------ */

#define OWN_HEADERS 12 /* that a copy has at most */

/* Copies the headers that fit; the others are counted in *left_out. */
static unsigned copy_headers(struct arena *arena, const struct message *m, struct header *out,
                             unsigned *left_out)
{
	size_t bytes = 0;
	unsigned n = 0;
	for (unsigned i = 0; i < m->header_count; i++) {
		const struct header *h = &m->headers[i];
		/* A tool that sends a copy back with everything sends the last refusal's too. */
		if (message_is_refusal_header(h->name))
			continue;
		if (n == LIMIT_DEAD_LETTER_HEADERS ||
		    bytes + h->name.len + h->value.len > LIMIT_DEAD_LETTER_HEADER_BYTES) {
			++*left_out;
			continue;
		}
		bytes += h->name.len + h->value.len;
		out[n++] = (struct header){ arena_str(arena, h->name), arena_str(arena, h->value) };
	}
	return n;
}

static struct str cut_to(struct str text, size_t most, const char *name, size_t whole,
                         struct arena *arena, struct header *headers, unsigned *n)
{
	if (text.len > most || whole)
		headers[(*n)++] =
			header(name, number_text(arena, (int64_t)(whole ? whole : text.len)));
	return text.len > most ? str_of(text.ptr, most) : text;
}

void batch_refuse(struct batch *b, const struct refused *r)
{
	if (b->suppressed)
		return;
	const struct message *m = r->message;
	struct arena *a = &b->outputs;
	struct str place = place_text(b, r->offset);
	unsigned room = m->header_count < LIMIT_DEAD_LETTER_HEADERS ? m->header_count
	                                                            : LIMIT_DEAD_LETTER_HEADERS;
	struct header *extra = arena_alloc(a, (room + OWN_HEADERS) * sizeof(*extra));
	unsigned left_out = r->headers_cut, n = copy_headers(a, m, extra, &left_out);
	extra[n++] = header("__dlq.errors.topic", b->setting->topic);
	extra[n++] = header("__dlq.errors.partition", number_text(a, b->partition));
	extra[n++] = header("__dlq.errors.offset", number_text(a, r->offset));
	extra[n++] = header("__dlq.errors.group", b->setting->group);
	extra[n++] = header("__dlq.errors.message", str_from_c(reason_words(r->reason)));
	extra[n++] = header("kafka_dlt-original-topic", b->setting->topic);
	extra[n++] = header("tw-reason", str_from_c(reason_code(r->reason)));
	extra[n++] = header("tw-path", arena_str(a, str_from_c(r->path ? r->path : "")));
	if (r->decided_at)
		extra[n++] = header("tw-at", number_text(a, r->decided_at));
	struct str value =
		cut_to(r->value, LIMIT_DEAD_LETTER_BYTES, "tw-cut", r->value_bytes, a, extra, &n);
	struct str key = cut_to(m->key, LIMIT_DEAD_LETTER_KEY_BYTES, "tw-cut-key", 0, a, extra, &n);
	if (left_out)
		extra[n++] = header("tw-cut-headers", number_text(a, left_out));
	struct outgoing out = {
		.form = OUTGOING_DEAD_LETTER,
		.topic = b->setting->dead_letter,
		.partition = b->partition,
		.key = arena_str(a, key),
		.value = arena_str(a, value),
	};
	add_outgoing(b, &out, NULL, place, extra, n);
}

void effects_refuse_held(struct effects *e, const struct held_refusal *held)
{
	struct message message = { .offset = held->offset,
		                   .key = held->key,
		                   .value = held->raw,
		                   .headers = held->headers,
		                   .header_count = held->header_count };
	batch_refuse(e->batch, &(struct refused){ .message = &message,
	                                          .value = held->raw,
	                                          .value_bytes = held->raw_bytes,
	                                          .headers_cut = held->headers_cut,
	                                          .offset = held->offset,
	                                          .decided_at = e->event->at.offset,
	                                          .reason = held->reason,
	                                          .path = held->path });
}

/* ---- writes -------------------------------------------------------------- */

static void add_write(struct batch *b, const struct write *write, bool whole)
{
	b->writes = memory_room(b->writes, b->write_count, &b->write_room, sizeof(*b->writes));
	struct batch_write *w = &b->writes[b->write_count++];
	w->write = *write;
	w->write.key_hash = hash64(write->key);
	w->whole = whole;
	w->identity =
		whole ? w->write.key_hash : hash64_with(w->write.key_hash, write->pairs[0].name);
	b->pairs += write->pair_count + 1;
}

static void add_single(struct batch *b, enum write_kind kind, struct str key, struct str name,
                       struct str value)
{
	struct pair *pair = arena_alloc(&b->memory, sizeof(*pair));
	pair->name = arena_str(&b->memory, name);
	pair->value = arena_str(&b->memory, value);
	struct write write = {
		.kind = kind, .key = arena_str(&b->memory, key), .pairs = pair, .pair_count = 1
	};
	add_write(b, &write, kind == WRITE_VALUE);
}

void effects_set(struct effects *e, struct str key, struct str value)
{
	add_single(e->batch, WRITE_VALUE, key, str_of(NULL, 0), value);
}

void effects_set_field(struct effects *e, struct str key, struct str field, struct str value)
{
	add_single(e->batch, WRITE_FIELDS, key, field, value);
}

void effects_set_score(struct effects *e, struct str key, struct str member, int64_t score)
{
	char text[20];
	struct str value = score ? str_of(text, i64_to_text(score, text)) : str_of(NULL, 0);
	add_single(e->batch, WRITE_SCORES, key, member, value);
}

void batch_changed(struct batch *b, struct cell *cell)
{
	cell->exists = true;
	if (cell->listed)
		return;
	cell->listed = true;
	b->weight += cell->entity->form == ENTITY_FIGURES ? FIGURES_WEIGHT : DOCUMENT_WEIGHT;
	b->changed =
		memory_room(b->changed, b->changed_count, &b->changed_room, sizeof(struct cell *));
	b->changed[b->changed_count++] = cell;
}

static struct str due_member(struct arena *arena, const struct cell *cell)
{
	return arena_join(arena,
	                  (struct str[]){ str_from_c(cell->entity->name), STR("/"), cell->id }, 3);
}

void batch_due(struct batch *b, struct cell *cell, int64_t due_ms)
{
	struct effects e = { .batch = b };
	struct arena *a = &b->memory;
	struct str key = arena_printf(a, "due:%s:%d", b->setting->worker->topic, (int)b->partition);
	struct str member = due_member(a, cell);
	cell->due_ms = due_ms;
	effects_set_score(&e, key, member, due_ms);
	if (due_ms) {
		b->dues = memory_room(b->dues, b->due_count, &b->due_room, sizeof(*b->dues));
		b->dues[b->due_count++] = (struct due_entry){ member, due_ms };
	}
}

static void write_document(struct batch *b, const struct cell *cell, struct str key)
{
	b->scratch.len = 0;
	record_encode(cell->entity->type, cell->record, &b->scratch);
	struct pair *pair = arena_zalloc(&b->memory, sizeof(*pair));
	pair->value = arena_str(&b->memory, buf_str(&b->scratch));
	add_write(
		b,
		&(struct write){ .kind = WRITE_VALUE, .key = key, .pairs = pair, .pair_count = 1 },
		true);
}

static int64_t figure_at(const void *record, const struct field *field)
{
	return *(const int64_t *)(const void *)((const char *)record + field->offset);
}

/* The fields that changed since the batch before; one that became 0 is removed. */
static void write_figures(struct batch *b, struct cell *cell, struct str key)
{
	const struct record_type *type = cell->entity->type;
	struct pair pairs[64];
	unsigned n = 0;
	for (unsigned f = 0; f < type->field_count; f++) {
		int64_t value = figure_at(cell->record, &type->fields[f]);
		if (value == figure_at(cell->written, &type->fields[f]))
			continue;
		pairs[n].name = type->fields[f].name;
		pairs[n++].value = value ? number_text(&b->memory, value) : str_of(NULL, 0);
	}
	memcpy(cell->written, cell->record, type->size);
	if (n == 0)
		return;
	struct pair *kept = arena_alloc(&b->memory, n * sizeof(*kept));
	memcpy(kept, pairs, n * sizeof(*kept));
	struct write write = { .kind = WRITE_FIELDS, .key = key, .pairs = kept, .pair_count = n };
	add_write(b, &write, true);
}

static void write_entity(struct batch *b, struct cell *cell)
{
	struct str key =
		arena_join(&b->memory, (struct str[]){ cell->entity->prefix, cell->id }, 2);
	if (cell->entity->form == ENTITY_DOCUMENT)
		write_document(b, cell, key);
	else
		write_figures(b, cell, key);
	if (cell->entity->due_ms) {
		int64_t due_ms = cell->entity->due_ms(cell->record);
		if (due_ms != cell->due_ms)
			batch_due(b, cell, due_ms);
	}
}

void batch_tell(struct batch *b)
{
	struct sums *s = b->sums;
	must(!b->sealed && !b->suppressed);
	for (unsigned t = 0; s->lists && t < s->target_count; t++) {
		for (struct sum_row *row = s->lists[t].first; row; row = row->next)
			add_entry(b, t, row->partition, row->row, b->after.position - 1);
	}
	sums_clear(s);
}

void batch_seal(struct batch *b)
{
	must(!b->sealed);
	b->sealed = true;
	int64_t last = b->after.position - 1;
	for (unsigned t = 0; b->blocks && t < b->setting->target_count; t++) {
		for (int32_t p = 0; p < b->setting->targets[t].partitions; p++)
			close_block(b, t, p, block_at(b, t, p), last);
	}
	for (unsigned i = 0; i < b->changed_count; i++) {
		b->changed[i]->listed = false;
		write_entity(b, b->changed[i]);
	}
	release_gathering(b);
	count_bytes(b);
}
