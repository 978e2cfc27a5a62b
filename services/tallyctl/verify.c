/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl verify: all figures and all outputs once more from the logs, and every difference.
 *
 * Worker after worker, each from its own input topic: its internal outputs are compared as well, so
 * the chain has no gap. First the fold is brought to R and Redis is compared, R moving on or not;
 * then K is read, the fold is brought there, and the outputs are compared. K is never below R.
 * Nothing is written anywhere.
 */
#include "services/tallyctl/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/host/connection.h"
#include "common/host/json.h"
#include "services/tallyctl/progress.h"

#define LIST 20
#define BATCH_RECORDS 8192
#define PROGRESS_MS 1000
#define BEGIN_MS 5000
#define TEXT_MOST 400

/* ---- differences and progress ------------------------------------------------ */

static struct str cut(struct verify *v, struct str text)
{
	size_t len = text.len < TEXT_MOST ? text.len : TEXT_MOST;

	while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
		len--;
	if (text.ptr && !str_is_utf8(str_of(text.ptr, len)))
		return STR("(not UTF-8)");
	return arena_str(v->session.memory, text.ptr ? str_of(text.ptr, len) : text);
}

void verify_differs(struct audit *a, const struct difference *d)
{
	struct verify *v = a->verify;
	struct difference *kept;

	if (v->count++ >= (uint64_t)v->list_most)
		return;
	kept = &v->differences[v->count - 1];
	*kept = *d;
	kept->worker = a->fleet->worker->name;
	kept->where = cut(v, d->where);
	kept->field = cut(v, d->field);
	kept->found = cut(v, d->found);
	kept->made = cut(v, d->made);
	kept->cause = cut(v, d->cause);
}

void verify_progress(struct audit *a, const char *doing, uint64_t done, uint64_t all)
{
	struct verify *v = a->verify;
	int64_t now_ms = progress_now_ms();

	if (now_ms - v->said_ms < PROGRESS_MS)
		return;
	v->said_ms = now_ms;
	fprintf(stderr, "%s: %s: %s: %" PRIu64 " of %" PRIu64 ", %" PRIu64 " differences\n",
	        v->name, a->fleet->worker->name, doing, done, all, v->count);
}

struct str audit_shard(struct audit *a, int32_t partition)
{
	return arena_printf(&a->memory, "%s/%" PRId32 " up to %" PRId64, a->fleet->topic, partition,
	                    a->at[partition]);
}

/* ---- folding ------------------------------------------------------------------ */

static int64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void fold_buffer(struct audit *a)
{
	struct intake_buffer *b = &a->buffer;
	int64_t before_ns = thread_ns();

	if (rc_ok(a->failed))
		a->failed = replay_fold(a->replay, a->partition, b->messages, b->count);
	a->fold_ns += thread_ns() - before_ns;
	if (rc_ok(a->failed))
		replay_settle(a->replay, a->partition, false);
	b->count = 0;
	arena_clear(&b->memory);
}

static const char *audit_doing(struct audit *a)
{
	snprintf(a->doing, sizeof(a->doing), "folding %s/%" PRId32, a->fleet->topic, a->partition);
	return a->doing;
}

static void take_record(void *self, const struct message *m)
{
	struct audit *a = self;
	struct intake_buffer *b = &a->buffer;
	struct message *kept = &b->messages[b->count++];
	struct header *headers = arena_alloc(&b->memory, m->header_count * sizeof(*headers));

	*kept = *m;
	kept->key = arena_str(&b->memory, m->key);
	kept->value = arena_str(&b->memory, m->value);
	for (unsigned i = 0; i < m->header_count; i++)
		headers[i] = (struct header){ arena_str(&b->memory, m->headers[i].name),
			                      arena_str(&b->memory, m->headers[i].value) };
	kept->headers = headers;
	if (b->count == AUDIT_MESSAGES) {
		verify_progress(a, audit_doing(a), (uint64_t)m->offset, (uint64_t)a->until);
		fold_buffer(a);
	}
}

struct rc audit_fold(struct audit *a, int32_t partition, int64_t until)
{
	struct log_span span = { a->at[partition], until };
	int64_t next;

	if (until <= a->at[partition])
		return OK;
	a->partition = partition;
	a->until = until;
	TRY(kafka_cluster_read_span(a->verify->session.cluster, a->fleet->topic, partition, span,
	                            take_record, a, &next));
	fold_buffer(a);
	TRY(a->failed);
	replay_settle(a->replay, partition, true);
	a->at[partition] = until;
	return OK;
}

struct rc audit_read_reference(void *audit, struct reference_store *store)
{
	struct audit *a = audit;

	return reference_read(&a->verify->session, store);
}

/* ---- one worker ------------------------------------------------------------------ */

struct rc audit_cursors(struct audit *a, struct committed *cursors, struct cursor_metadata *k)
{
	const struct fleet *f = a->fleet;

	TRY(kafka_cluster_committed(a->verify->session.cluster, f->group, f->topic, f->partitions,
	                            &a->memory, cursors));
	for (int32_t p = 0; p < f->partitions; p++)
		if (!cursors[p].exists || !cursor_metadata_parse(cursors[p].metadata, &k[p]))
			return rc_fail(RC_NOT_FOUND,
			               "%s/%" PRId32 " has no K of ours: run tallyctl topics "
			               "create or tallyctl repair",
			               f->topic, p);
	return OK;
}

struct rc audit_begin(struct audit *a, const struct replay_sink *sink, struct log_span *spans)
{
	struct verify *v = a->verify;
	struct replay_options how = {
		.topic_prefix = str_from_c(v->session.config->topic_prefix),
		.group_prefix = str_from_c(v->session.config->group_prefix),
		.partitions = a->fleet->partitions,
		.batch_records = BATCH_RECORDS,
	};

	TRY(reference_read(&v->session, v->reference));
	TRY(kafka_cluster_spans(v->session.cluster, a->fleet->topic, a->fleet->partitions, spans));
	a->replay = replay_new(a->fleet->worker, &how, v->reference, sink);
	for (int32_t p = 0; p < a->fleet->partitions; p++) {
		a->at[p] = a->first[p].origin;
		if (spans[p].start > a->at[p])
			return rc_fail(RC_REFUSED,
			               "%s/%" PRId32 " begins at %" PRId64 ", its shard at %" PRId64
			               ": what is cut off cannot be folded again",
			               a->fleet->topic, p, spans[p].start, a->at[p]);
		replay_begin(a->replay, p, &a->first[p]);
	}
	return OK;
}

/* A shard that has begun writes R within a moment. */
static struct rc read_metas(struct audit *a, const struct committed *cursors, struct meta_row *out)
{
	const struct fleet *f = a->fleet;
	int64_t until_ms = progress_now_ms() + BEGIN_MS;
	bool waits;

	do {
		waits = false;
		TRY(redis_admin_metas(a->verify->session.redis, str_from_c(f->worker->topic),
		                      f->partitions, out));
		for (int32_t p = 0; p < f->partitions; p++)
			waits |= !out[p].exists && cursors[p].offset > a->first[p].origin;
	} while (waits && progress_wait(until_ms));
	return OK;
}

static void differs_without_cursor(struct audit *a, int32_t partition, int64_t output_cursor)
{
	struct arena *arena = &a->memory;
	const char *prefix = a->verify->session.config->redis_prefix;

	verify_differs(
		a,
		&(struct difference){
			.kind = MISSING,
			.where = arena_printf(arena, "%smeta:%s:%" PRId32, prefix,
	                                      a->fleet->worker->topic, partition),
			.field = STR("cursor"),
			.made = arena_printf(arena, "R, up to %" PRId64 " at most", output_cursor),
			.cause = arena_printf(arena, "%s/%" PRId32, a->fleet->topic, partition),
		});
}

/* *whole: Redis has R of every shard, so its keys can be compared. */
static struct rc fold_to_redis(struct audit *a, const struct committed *cursors, bool *whole)
{
	const struct fleet *f = a->fleet;
	struct meta_row *metas = arena_alloc(&a->memory, (size_t)f->partitions * sizeof(*metas));

	*whole = true;
	TRY(read_metas(a, cursors, metas));
	for (int32_t p = 0; p < f->partitions; p++) {
		if (metas[p].torn)
			return rc_fail(RC_TRY_AGAIN,
			               "%s/%" PRId32 " is being rebuilt: verify it when it is "
			               "running again",
			               f->topic, p);
		if (!metas[p].exists && cursors[p].offset > a->first[p].origin) {
			differs_without_cursor(a, p, cursors[p].offset);
			*whole = false;
		}
	}
	for (int32_t p = 0; *whole && p < f->partitions; p++)
		if (metas[p].exists)
			TRY(audit_fold(a, p, metas[p].cursor));
	return OK;
}

/* Rows of events from where sums are not told yet are nowhere to be found. */
static struct rc fold_to_cursor(struct audit *a, int32_t partition, int64_t output_cursor,
                                int64_t untold)
{
	TRY(audit_fold(a, partition, output_cursor - untold));
	a->untold = true;
	TRY(audit_fold(a, partition, output_cursor));
	a->untold = false;
	return OK;
}

static struct rc audit(struct audit *a)
{
	size_t count = (size_t)a->fleet->partitions;
	struct committed *cursors = arena_alloc(&a->memory, count * sizeof(*cursors));
	struct log_span *spans = arena_alloc(&a->memory, count * sizeof(*spans));
	struct cursor_metadata *at_k = arena_zalloc(&a->memory, count * sizeof(*at_k));
	struct replay_sink sink = { a, audit_take_output, audit_take_write, audit_read_reference };

	bool whole;

	TRY(audit_cursors(a, cursors, a->first));
	TRY(audit_begin(a, &sink, spans));
	TRY(fold_to_redis(a, cursors, &whole));
	if (whole)
		TRY(audit_compare_redis(a));
	TRY(audit_cursors(a, cursors, at_k));
	for (int32_t p = 0; p < a->fleet->partitions; p++)
		TRY(fold_to_cursor(a, p, cursors[p].offset, at_k[p].untold));
	return audit_compare_outputs(a, at_k);
}

void audit_init(struct audit *a, struct verify *v, const struct fleet *fleet,
                const struct names *names)
{
	size_t count = (size_t)fleet->partitions;

	*a = (struct audit){ .verify = v, .fleet = fleet, .names = names };
	arena_init(&a->memory, 1U << 20);
	arena_init(&a->buffer.memory, 1U << 18);
	a->first = arena_zalloc(&a->memory, count * sizeof(*a->first));
	a->at = arena_zalloc(&a->memory, count * sizeof(*a->at));
	a->sums = arena_zalloc(&a->memory, sizeof(*a->sums));
}

void audit_release(struct audit *a)
{
	replay_free(a->replay);
	table_release(&a->derived);
	table_release(&a->values);
	table_release(&a->posted);
	table_release(a->sums);
	arena_release(&a->buffer.memory);
	arena_release(&a->memory);
}

/* ---- keys in Redis --------------------------------------------------------------- */

static void take_name(void *self, struct str name)
{
	struct verify *v = self;
	struct arena *arena = v->session.memory;
	int owner = verify_owner_of_key(name);
	struct names *names;

	if (owner < 0) {
		v->foreign += !str_starts(name, STR("meta:")) && !str_starts(name, STR("asof:"));
		return;
	}
	names = &v->names[owner];
	if (names->count == names->room) {
		size_t room = names->room ? names->room * 2 : 4096;

		names->items =
			arena_resize(arena, names->items, names->room * sizeof(*names->items),
		                     room * sizeof(*names->items));
		names->room = room;
	}
	names->items[names->count++] = arena_str(arena, name);
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* A scan may name a key twice. */
static void keep_once(struct names *names)
{
	size_t kept = 0;

	if (names->count)
		qsort(names->items, names->count, sizeof(*names->items), by_name);
	for (size_t i = 0; i < names->count; i++)
		if (kept == 0 || !str_eq(names->items[i], names->items[kept - 1]))
			names->items[kept++] = names->items[i];
	names->count = kept;
}

/* ---- the answer -------------------------------------------------------------------- */

static const char *const kind_words[] = { "differs", "missing", "extra", "duplicate" };

struct outcome {
	const char *worker;
	uint64_t events, keys, messages, rows;
	int64_t fold_ns, wall_ms;
};

static int64_t rate(uint64_t events, int64_t ns)
{
	int64_t us = ns / 1000;

	return us > 0 ? (int64_t)events * 1000000 / us : 0;
}

static void say_outcome(const struct verify *v, const struct outcome *o, struct json *j)
{
	int64_t a_second = rate(o->events, o->fold_ns);

	if (!v->invocation->json) {
		buf_printf(v->invocation->out,
		           "%-12s %9" PRIu64 " events folded (%" PRId64
		           " a second and core), %" PRIu64 " keys, %" PRIu64 " messages, %" PRIu64
		           " entries compared, %" PRId64 ".%" PRId64 " s\n",
		           o->worker, o->events, a_second, o->keys, o->messages, o->rows,
		           o->wall_ms / 1000, o->wall_ms / 100 % 10);
		return;
	}
	json_open(j, '{');
	json_put_text(j, "worker", o->worker);
	json_put_i64(j, "events", (int64_t)o->events);
	json_put_i64(j, "events_per_core_s", a_second);
	json_put_i64(j, "keys", (int64_t)o->keys);
	json_put_i64(j, "messages", (int64_t)o->messages);
	json_put_i64(j, "entries", (int64_t)o->rows);
	json_put_i64(j, "ms", o->wall_ms);
	json_close(j, '}');
}

static void difference_text(const struct difference *d, struct buf *out)
{
	buf_printf(out, "%-9s %.*s", kind_words[d->kind], STR_ARG(d->where));
	if (d->field.ptr)
		buf_printf(out, " %.*s", STR_ARG(d->field));
	buf_printf(out, "\n          there is %.*s, the log makes %.*s",
	           STR_ARG(d->found.ptr ? d->found : STR("nothing")),
	           STR_ARG(d->made.ptr ? d->made : STR("nothing")));
	if (d->cause.ptr)
		buf_printf(out, "\n          %s: %.*s", d->worker, STR_ARG(d->cause));
	buf_put_char(out, '\n');
}

static void difference_json(const struct difference *d, struct json *j)
{
	json_open(j, '{');
	json_put_text(j, "kind", kind_words[d->kind]);
	json_put_text(j, "worker", d->worker);
	json_put_str(j, "where", d->where);
	json_put_str(j, "field", d->field);
	json_put_str(j, "found", d->found);
	json_put_str(j, "made", d->made);
	json_put_str(j, "cause", d->cause);
	json_close(j, '}');
}

static void say_differences(const struct verify *v, struct json *j)
{
	unsigned listed =
		(unsigned)(v->count < (uint64_t)v->list_most ? v->count : (uint64_t)v->list_most);
	struct buf *out = v->invocation->out;

	if (v->invocation->json) {
		json_close(j, ']');
		json_put_bool(j, "equal", v->count == 0);
		json_put_i64(j, "difference_count", (int64_t)v->count);
		json_put_i64(j, "foreign_keys", (int64_t)v->foreign);
		json_name(j, "differences");
		json_open(j, '[');
	}
	for (unsigned i = 0; i < listed; i++) {
		if (v->invocation->json)
			difference_json(&v->differences[i], j);
		else
			difference_text(&v->differences[i], out);
	}
	if (v->invocation->json) {
		json_close(j, ']');
		json_close(j, '}');
		buf_put_char(out, '\n');
	} else if (v->count == 0) {
		buf_put_lit(out, "equal: Redis and the outputs are what the logs make\n");
	} else if (v->count > listed) {
		buf_printf(out, "... and %" PRIu64 " more\n", v->count - listed);
	}
}

static struct rc verify_fleet(struct verify *v, const struct fleet *fleet, struct json *j)
{
	int64_t began_ms = progress_now_ms();
	struct audit *a = arena_alloc(v->session.memory, sizeof(*a));
	int number = 0;
	struct rc rc;

	while (workers[number] != fleet->worker)
		number++;
	audit_init(a, v, fleet, &v->names[number]);
	rc = audit(a);
	if (rc_ok(rc))
		say_outcome(v,
		            &(struct outcome){ fleet->worker->name, replay_stats(a->replay)->events,
		                               a->keys, a->messages, a->rows, a->fold_ns,
		                               progress_now_ms() - began_ms },
		            j);
	audit_release(a);
	return rc;
}

static struct rc verify(struct verify *v)
{
	struct invocation *invocation = v->invocation;
	const struct worker *only;
	struct json j = json_to(invocation->out);
	struct fleet fleets[FLEETS_MOST];
	unsigned count;

	TRY(invocation_no_words(invocation));
	TRY(invocation_int(invocation, "--max", 0, 1000000, LIST, &v->list_most));
	TRY(invocation_worker(invocation, &only));
	v->differences = arena_alloc(invocation->memory,
	                             (size_t)(v->list_most + 1) * sizeof(*v->differences));
	TRY(session_open(&v->session, invocation));
	TRY(session_fleets(&v->session, only, fleets, &count));
	TRY(redis_admin_scan(v->session.redis, take_name, v));
	for (int i = 0; workers[i]; i++)
		keep_once(&v->names[i]);
	if (invocation->json) {
		json_open(&j, '{');
		json_name(&j, "workers");
		json_open(&j, '[');
	}
	for (unsigned i = 0; i < count; i++)
		TRY(verify_fleet(v, &fleets[i], &j));
	say_differences(v, &j);
	return OK;
}

struct rc command_verify(struct invocation *invocation)
{
	struct verify *v = arena_zalloc(invocation->memory, sizeof(*v));
	struct rc rc;

	v->invocation = invocation;
	v->name = "verify";
	v->reference = reference_store_new();
	rc = verify(v);
	if (!rc_ok(rc))
		buf_clear(invocation->out); /* half an answer is none */
	reference_store_free(v->reference);
	session_close(&v->session);
	if (rc_ok(rc) && v->count)
		rc = rc_fail(RC_DATA, "%" PRIu64 " differences", v->count);
	return rc;
}
