/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl replay: what Redis held at a time or at places of the logs, written under a prefix of
 * its own.
 *
 * Each worker folds its own input topic up to the instant (by the broker's timestamps) or offset,
 * never beyond K. So an instant gives what the logs held then; all the figures of an instant at
 * which nothing was under way are those that Redis showed. Keys that workers own are never touched.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/timestamp.h"
#include "common/host/json.h"
#include "services/tallyctl/verify.h"

#define WRITES_AT_ONCE 256
#define STOPS_MOST 1024

/* Fold this shard up to there. */
struct stop {
	struct str topic; /* with prefix */
	int64_t partition, offset;
};

struct replaying {
	struct verify run; /* the session and what goes with it */
	struct redis_options redis_options;
	struct redis_admin *scratch;
	bool by_time;
	int64_t until_ms;
	struct stop stops[STOPS_MOST];
	unsigned stop_count;
	struct write writes[WRITES_AT_ONCE]; /* waiting, in memory */
	unsigned write_count;
	uint64_t keys;
	struct arena memory;
	struct rc failed; /* of a write inside a fold */
	struct audit *audit;
};

/* ---- until when ------------------------------------------------------------- */

static struct rc bad_until(struct str part)
{
	return rc_fail(RC_USAGE,
	               "--until %.*s: an instant such as 2026-03-05T08:00:00Z, or places such as "
	               "orders/0=120,orders/1=88",
	               STR_ARG(part));
}

static struct rc parse_stops(struct replaying *r, struct str text)
{
	while (text.ptr) {
		struct str part = str_split(&text, ','), offset = part, partition;
		struct stop *stop = &r->stops[r->stop_count];
		struct str place = str_split(&offset, '=');
		size_t slash = place.len;

		while (slash > 0 && place.ptr[slash - 1] != '/')
			slash--;
		partition = str_from(place, slash);
		if (slash < 2 || !offset.ptr || !str_to_i64(partition, &stop->partition) ||
		    !str_to_i64(offset, &stop->offset) || stop->partition < 0 || stop->offset < 0)
			return bad_until(part);
		stop->topic = str_of(place.ptr, slash - 1);
		if (++r->stop_count == STOPS_MOST)
			return rc_fail(RC_USAGE, "--until: more than %d places", STOPS_MOST);
	}
	return OK;
}

static struct rc parse_until(struct replaying *r, const char *until)
{
	struct str text = str_from_c(until);

	if (!until || !*until)
		return bad_until(STR("is missing"));
	r->by_time = timestamp_parse(text, &r->until_ms);
	return r->by_time ? OK : parse_stops(r, text);
}

/* The end of the shard's part: an offset, at most K. */
static struct rc find_end(struct replaying *r, const struct fleet *fleet, int32_t partition,
                          int64_t cursor, int64_t *end)
{
	*end = cursor;
	if (r->by_time) {
		int64_t at;

		TRY(kafka_cluster_offset_at(r->run.session.cluster, fleet->topic, partition,
		                            r->until_ms, &at));
		*end = at < cursor ? at : cursor;
	}
	for (unsigned i = 0; i < r->stop_count; i++) {
		const struct stop *stop = &r->stops[i];

		if (stop->partition != partition || !str_eq_c(stop->topic, fleet->topic))
			continue;
		if (stop->offset > cursor)
			return rc_fail(RC_USAGE,
			               "--until %s/%" PRId32 "=%" PRId64
			               ": its worker has folded up to %" PRId64 " only",
			               fleet->topic, partition, stop->offset, cursor);
		*end = stop->offset;
	}
	return OK;
}

/* ---- writing --------------------------------------------------------------------- */

static void write_waiting(struct replaying *r)
{
	if (rc_ok(r->failed) && r->write_count)
		r->failed = redis_admin_write(r->scratch, r->writes, r->write_count);
	r->write_count = 0;
	arena_clear(&r->memory);
}

static void put(struct replaying *r, const struct write *w)
{
	struct pair *pairs = arena_alloc(&r->memory, w->pair_count * sizeof(*pairs));
	struct write *kept = &r->writes[r->write_count++];

	*kept = *w;
	kept->key = arena_str(&r->memory, w->key);
	for (unsigned i = 0; i < w->pair_count; i++)
		pairs[i] = (struct pair){ arena_str(&r->memory, w->pairs[i].name),
			                  arena_str(&r->memory, w->pairs[i].value) };
	kept->pairs = pairs;
	if (r->write_count == WRITES_AT_ONCE)
		write_waiting(r);
}

static void take_write(void *self, int32_t partition, const struct write *w)
{
	(void)partition;
	if (!str_starts(w->key, STR("due:"))) /* the shard's own */
		put(self, w);
}

static struct rc read_reference(void *self, struct reference_store *store)
{
	struct replaying *r = self;

	return audit_read_reference(r->audit, store);
}

static void put_figures(struct replaying *r, struct str key, const struct cell *cell)
{
	const struct record_type *type = cell->entity->type;
	char texts[64][20];
	struct pair pairs[64];
	unsigned count = 0;

	for (unsigned f = 0; f < type->field_count; f++) {
		int64_t number = *(const int64_t *)(const void *)((const char *)cell->record +
		                                                  type->fields[f].offset);

		if (!number)
			continue;
		pairs[count].name = type->fields[f].name;
		pairs[count].value = str_of(texts[count], i64_to_text(number, texts[count]));
		count++;
	}
	put(r, &(struct write){
		       .kind = WRITE_FIELDS, .key = key, .pairs = pairs, .pair_count = count });
}

static void take_entity(void *self, int32_t partition, const struct cell *cell)
{
	struct replaying *r = self;
	struct arena memory;
	struct pair pair = { 0 };
	struct buf text;
	struct str key;

	(void)partition;
	arena_init(&memory, 4096);
	key = arena_join(&memory, (struct str[]){ cell->entity->prefix, cell->id }, 2);
	if (cell->entity->form == ENTITY_FIGURES) {
		put_figures(r, key, cell);
	} else {
		buf_init(&text, &memory);
		record_encode(cell->entity->type, cell->record, &text);
		pair.value = buf_str(&text);
		put(r, &(struct write){
			       .kind = WRITE_VALUE, .key = key, .pairs = &pair, .pair_count = 1 });
	}
	r->keys++;
	arena_release(&memory);
}

/* ---- one worker --------------------------------------------------------------------- */

static void say_shard(const struct replaying *r, struct json *j, int32_t partition, int64_t end)
{
	const struct fleet *fleet = r->audit->fleet;

	if (!r->run.invocation->json) {
		buf_printf(r->run.invocation->out, "%s/%" PRId32 " up to %" PRId64 "\n",
		           fleet->topic, partition, end);
		return;
	}
	json_open(j, '{');
	json_put_text(j, "topic", fleet->topic);
	json_put_i64(j, "partition", partition);
	json_put_i64(j, "until", end);
	json_close(j, '}');
}

static struct rc replay_worker(struct replaying *r, struct json *j)
{
	struct audit *a = r->audit;
	size_t count = (size_t)a->fleet->partitions;
	struct committed *cursors = arena_alloc(&a->memory, count * sizeof(*cursors));
	struct log_span *spans = arena_alloc(&a->memory, count * sizeof(*spans));
	struct replay_sink sink = { r, NULL, take_write, read_reference };

	TRY(audit_cursors(a, cursors, a->first));
	TRY(audit_begin(a, &sink, spans));
	for (int32_t p = 0; p < a->fleet->partitions; p++) {
		int64_t end;

		TRY(find_end(r, a->fleet, p, cursors[p].offset, &end));
		TRY(audit_fold(a, p, end));
		replay_entities(a->replay, p, take_entity, r);
		write_waiting(r);
		TRY(r->failed);
		say_shard(r, j, p, end);
	}
	return OK;
}

static struct rc replay_fleet(struct replaying *r, const struct fleet *fleet, struct json *j)
{
	struct rc rc;

	r->audit = arena_alloc(r->run.session.memory, sizeof(*r->audit));
	audit_init(r->audit, &r->run, fleet, NULL);
	rc = replay_worker(r, j);
	audit_release(r->audit);
	return rc;
}

/* ---- the prefix ------------------------------------------------------------------------ */

static void count_key(void *self, struct str name)
{
	(void)name;
	++*(uint64_t *)self;
}

/* Nobody's keys: not the workers', and none that are there. */
static struct rc open_scratch(struct replaying *r, const char *prefix)
{
	struct str live = str_from_c(r->run.session.config->redis_prefix);
	struct str own = str_from_c(prefix);
	uint64_t keys = 0;

	if (!own.len || !str_is_utf8(own))
		return rc_fail(RC_USAGE, "--prefix PREFIX: under which keys are to be written, as "
		                         "in --prefix march:");
	if (str_starts(live, own) || verify_owner_of_key(own) >= 0 ||
	    (live.len && str_starts(own, live)))
		return rc_fail(RC_USAGE, "--prefix %s: the workers' keys are there (%s)", prefix,
		               r->run.session.config->redis_prefix);
	r->redis_options = r->run.session.redis_options;
	r->redis_options.prefix = own;
	r->scratch = redis_admin_new(&r->redis_options);
	TRY(redis_admin_scan(r->scratch, count_key, &keys));
	if (keys)
		return rc_fail(RC_REFUSED,
		               "--prefix %s: %" PRIu64
		               " keys have it already; remove them or take another",
		               prefix, keys);
	return OK;
}

static struct rc check_stops(const struct replaying *r, const struct fleet *fleets, unsigned count)
{
	for (unsigned i = 0; i < r->stop_count; i++) {
		const struct stop *stop = &r->stops[i];
		bool known = false;

		for (unsigned f = 0; f < count; f++)
			known |= str_eq_c(stop->topic, fleets[f].topic) &&
			         stop->partition < fleets[f].partitions;
		if (!known)
			return rc_fail(RC_USAGE,
			               "--until %.*s/%" PRId64 ": no worker asked for folds that "
			               "partition",
			               STR_ARG(stop->topic), stop->partition);
	}
	return OK;
}

static struct rc run(struct replaying *r)
{
	struct invocation *invocation = r->run.invocation;
	const struct worker *only;
	struct json j = json_to(invocation->out);
	struct fleet fleets[FLEETS_MOST];
	unsigned count;

	TRY(invocation_no_words(invocation));
	TRY(parse_until(r, invocation_text(invocation, "--until")));
	TRY(invocation_worker(invocation, &only));
	TRY(session_open(&r->run.session, invocation));
	TRY(open_scratch(r, invocation_text(invocation, "--prefix")));
	TRY(session_fleets(&r->run.session, only, fleets, &count));
	TRY(check_stops(r, fleets, count));
	if (invocation->json) {
		json_open(&j, '{');
		json_name(&j, "shards");
		json_open(&j, '[');
	}
	for (unsigned i = 0; i < count; i++)
		TRY(replay_fleet(r, &fleets[i], &j));
	if (invocation->json) {
		json_close(&j, ']');
		json_put_i64(&j, "entities", (int64_t)r->keys);
		json_close(&j, '}');
		buf_put_char(invocation->out, '\n');
	} else {
		buf_printf(invocation->out, "%" PRIu64 " entities and their lists under %s\n",
		           r->keys, r->redis_options.prefix.ptr);
	}
	return OK;
}

struct rc command_replay(struct invocation *invocation)
{
	struct replaying *r = arena_zalloc(invocation->memory, sizeof(*r));
	struct rc rc;

	r->run.invocation = invocation;
	r->run.name = "replay";
	r->run.reference = reference_store_new();
	arena_init(&r->memory, 1U << 16);
	rc = run(r);
	if (!rc_ok(rc))
		buf_clear(invocation->out); /* half an answer is none */
	arena_release(&r->memory);
	redis_admin_free(r->scratch);
	reference_store_free(r->run.reference);
	session_close(&r->run.session);
	return rc;
}
