/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shard is set running by hand at its origin, with K there too, so that nothing is below K. What
 * it asks for is answered at once: of what is not in memory there is nothing anywhere, and its
 * batches are taken as a publisher would, handed out and forgotten.
 */
#include "common/host/replay.h"

#include <stdlib.h>

#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define BATCH_BYTES (64U << 20)

struct replay {
	const struct worker *worker;
	struct replay_sink sink;
	int32_t partitions;
	struct reference_store *reference;
	struct process_options options;
	struct process_stats stats;
	struct batch_setting batches;
	struct shard_setting setting;
	struct shard *shards;
	size_t held_bytes;
	struct arena memory;
};

/* ---- making ---------------------------------------------------------------- */

static struct str joined(struct replay *r, struct str a, const char *b, const char *c)
{
	struct str parts[] = { a, str_from_c(b), str_from_c(c) };

	return arena_join(&r->memory, parts, 3);
}

static void make_settings(struct replay *r, const struct replay_options *o)
{
	const struct worker *w = r->worker;
	struct target *targets;
	unsigned n = 0;

	while (w->outputs[n])
		n++;
	targets = arena_zalloc(&r->memory, (n + 1) * sizeof(*targets));
	for (unsigned t = 0; t < n; t++)
		targets[t] = (struct target){
			w->outputs[t],
			joined(r, o->topic_prefix, w->outputs[t]->topic, ""),
			o->partitions,
		};
	r->batches = (struct batch_setting){
		.worker = w,
		.topic = joined(r, o->topic_prefix, w->topic, ""),
		.dead_letter = joined(r, o->topic_prefix, w->topic, ".dlq"),
		.group = joined(r, o->group_prefix, "tallyworks-", w->name),
		.source = arena_printf(&r->memory, "/tallyworks/%s", w->name),
		.targets = targets,
		.target_count = n,
		.held_bytes = &r->held_bytes,
	};
	r->setting = (struct shard_setting){
		.worker = w,
		.options = &r->options,
		.batches = &r->batches,
		.reference = r->reference,
		.stats = &r->stats,
		.owned = 1,
		.draining = true, /* sums go out with the batch they come from */
	};
}

struct replay *replay_new(const struct worker *worker, const struct replay_options *options,
                          struct reference_store *reference, const struct replay_sink *sink)
{
	struct replay *r = memory_new(sizeof(*r));
	size_t count = (size_t)options->partitions;

	*r = (struct replay){ .worker = worker,
		              .sink = *sink,
		              .partitions = options->partitions,
		              .reference = reference };
	arena_init(&r->memory, 4096);
	process_options_default(&r->options);
	r->options.cache_bytes = SIZE_MAX;
	r->options.batch_records = options->batch_records;
	r->options.batch_bytes = BATCH_BYTES;
	make_settings(r, options);
	r->shards = memory_array(count, sizeof(*r->shards));
	for (size_t p = 0; p < count; p++)
		shard_init(&r->shards[p], &r->setting, (int32_t)p);
	return r;
}

void replay_free(struct replay *r)
{
	if (!r)
		return;
	for (int32_t p = 0; p < r->partitions; p++)
		shard_release(&r->shards[p]);
	free(r->shards);
	arena_release(&r->memory);
	free(r);
}

void replay_begin(struct replay *r, int32_t partition, const struct cursor_metadata *k)
{
	struct shard *s = &r->shards[partition];

	s->metadata = *k;
	s->metadata.output_number = 0;
	s->partitions = r->partitions;
	s->owned = true;
	s->state = SHARD_RUNNING;
	s->input_cursor = s->output_cursor = k->origin;
	s->standing = (struct standing){ .position = k->origin,
		                         .pin = k->first_pin,
		                         .logic = k->first_logic,
		                         .watermark_ms = INT64_MIN };
}

/* ---- what comes out --------------------------------------------------------- */

static const struct output *output_of(const struct replay *r, const struct outgoing *out)
{
	for (unsigned t = 0; t < r->batches.target_count; t++)
		if (str_eq(r->batches.targets[t].topic, out->topic))
			return r->batches.targets[t].output;
	return NULL; /* a dead letter */
}

static bool is_entity(const struct replay *r, const struct write *w)
{
	for (const struct entity *const *e = r->worker->entities; *e; e++)
		if (str_starts(w->key, (*e)->prefix))
			return true;
	return false;
}

static void hand_out(struct replay *r, struct batch *b)
{
	for (unsigned i = 0; r->sink.output && i < b->outgoing_count; i++)
		r->sink.output(r->sink.to, b->partition, output_of(r, &b->outgoing[i]),
		               &b->outgoing[i]);
	for (unsigned i = 0; r->sink.write && i < b->write_count; i++)
		if (!is_entity(r, &b->writes[i].write))
			r->sink.write(r->sink.to, b->partition, &b->writes[i].write);
}

void replay_settle(struct replay *r, int32_t partition, bool all)
{
	struct shard *s = &r->shards[partition];
	struct batch *b;

	while ((all || s->ready) && (b = shard_next_batch(s, true, 0)) != NULL) {
		hand_out(r, b);
		s->carried = NULL;
		r->setting.queued_records -= b->records;
		batch_free(b);
	}
	timers_clear(&s->timers);
}

/* ---- folding ---------------------------------------------------------------- */

static struct rc read_reference(struct replay *r)
{
	TRY(r->sink.reference(r->sink.to, r->reference));
	/* A pin that is not there now was written by nobody: its marker came with its end record. */
	r->setting.reference_end_ms = INT64_MAX / 2;
	return OK;
}

/* Answers until the chunk is folded. */
static struct rc answer(struct replay *r, struct shard *s, struct shard_update *u)
{
	while (s->chunk.busy) {
		if (s->unknown_logic)
			return rc_fail(RC_REFUSED,
			               "%.*s/%d: the log goes on under logic version %lld, "
			               "which this build does not know",
			               STR_ARG(r->batches.topic), (int)s->partition,
			               (long long)s->unknown_logic);
		if (u->asks & ASK_REFERENCE)
			TRY(read_reference(r));
		for (unsigned i = 0; i < s->chunk.missing_count; i++) {
			s->chunk.missing[i]->loaded = true;
			s->chunk.missing[i]->asked = false;
		}
		s->chunk.missing_count = 0;
		s->load_ticket = 0;
		u->asks = 0;
		shard_fold(s, 0, u);
	}
	return OK;
}

struct rc replay_fold(struct replay *r, int32_t partition, struct message *messages, unsigned count)
{
	struct shard *s = &r->shards[partition];
	struct shard_update u = { 0 };

	if (count == 0)
		return OK;
	r->setting.reference_end_ms = 0;
	s->chunk.taken = (struct taken){ .messages = messages,
		                         .count = count,
		                         .next_offset = messages[count - 1].offset + 1 };
	shard_taken(s, 0, &u);
	TRY(answer(r, s, &u));
	s->chunk.taken = (struct taken){ 0 };
	return OK;
}

int64_t replay_position(const struct replay *r, int32_t partition)
{
	return r->shards[partition].standing.position;
}

const struct process_stats *replay_stats(const struct replay *r)
{
	return &r->stats;
}

/* ---- entities ---------------------------------------------------------------- */

/* Figures that are all 0 leave nothing in Redis. */
static bool is_held(const struct cell *cell)
{
	const struct record_type *type = cell->entity->type;

	if (cell->entity->form == ENTITY_DOCUMENT)
		return cell->exists;
	for (unsigned f = 0; f < type->field_count; f++)
		if (*(const int64_t *)(const void *)((const char *)cell->record +
		                                     type->fields[f].offset))
			return true;
	return false;
}

void replay_entities(const struct replay *r, int32_t partition, replay_entity_fn *each, void *self)
{
	for (const struct cell *c = r->shards[partition].cache.newest; c; c = c->older)
		if (is_held(c))
			each(self, partition, c);
}

int32_t replay_partition(const struct replay *r, const struct entity *entity, struct str id)
{
	return hash_partition(entity->owner(id), r->partitions);
}

const struct cell *replay_entity(struct replay *r, const struct entity *entity, struct str id)
{
	struct shard *s = &r->shards[replay_partition(r, entity, id)];
	struct cell_name name = cell_name(entity, id);
	const struct cell *cell = cache_get(&s->cache, &name);

	return is_held(cell) ? cell : NULL;
}
