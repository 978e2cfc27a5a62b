/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a shard lives through - crashes, aborts, outcomes unknown, flushes lost,
 * Redis torn, emptied or rolled back, the group taking it away - are its outputs
 * and its state in the end those of an undisturbed life? The store and the log of
 * the test are a few lines each; every event is folded by an owner that forgives
 * nothing (no duplicate is recognized). tests/sim does the same for whole processes.
 */
#include "common/runtime/shard.h"

#include "tests/support/shard_rig.h"
#include "tests/unit/testing.h"

#define RECORDS 80
#define STEPS 600
#define VALUES_MOST 200
#define OUTPUTS_MOST 2000

const struct worker *const workers[] = { &tiny_worker, NULL };

struct value {
	char key[40], field[16], text[600];
};

struct redis {
	int64_t input_cursor; /* or R_EMPTY, R_NONE */
	bool torn;
	struct value values[VALUES_MOST];
	unsigned count;
};

struct output_line {
	enum outgoing_form form;
	char value[300]; /* events */
	int64_t amount;  /* blocks: all amounts added up */
	int64_t seq;
};

struct life {
	struct rig rig;
	struct redis redis, copy; /* copy: an older state, for rolling back */
	int64_t output_cursor;
	char metadata[LIMIT_METADATA_BYTES];
	struct output_line outputs[OUTPUTS_MOST];
	unsigned output_count;
	struct batch *air; /* in a transaction */
	bool past_p3;
};

static struct message records[RECORDS];
static struct arena record_memory;
static int64_t log_end;
static struct life quiet, wild;

static void make_records(void)
{
	arena_init(&record_memory, 4096);
	log_end = 0;
	for (unsigned i = 0; i < RECORDS; i++) {
		log_end += rng_below(8) ? 0 : rng_between(1, 3); /* control markers */
		records[i] =
			tiny_event(&record_memory, log_end++, rng_below(2) ? "deposit" : "withdraw",
		                   tiny_account((unsigned)rng_below(5), 0, 3), rng_between(0, 14),
		                   rng_between(-1, 3));
	}
	log_end += rng_between(0, 2);
}

/* ---- the store ------------------------------------------------------------------------ */

static struct value *value_at(struct redis *r, struct str key, struct str field)
{
	for (unsigned i = 0; i < r->count; i++) {
		if (str_eq_c(key, r->values[i].key) && str_eq_c(field, r->values[i].field))
			return &r->values[i];
	}
	return NULL;
}

static void put_value(struct redis *r, struct str key, struct pair pair)
{
	struct value *v = value_at(r, key, pair.name);
	if (!pair.value.ptr) {
		if (v)
			*v = r->values[--r->count];
		return;
	}
	if (!v) {
		assert_true(r->count < VALUES_MOST);
		v = &r->values[r->count++];
	}
	snprintf(v->key, sizeof(v->key), "%.*s", STR_ARG(key));
	snprintf(v->field, sizeof(v->field), "%.*s", STR_ARG(pair.name));
	assert_true(pair.value.len < sizeof(v->text));
	snprintf(v->text, sizeof(v->text), "%.*s", STR_ARG(pair.value));
}

static enum store_result execute(struct life *l, const struct flush *f)
{
	struct redis *r = &l->redis;
	if (r->torn || r->input_cursor != f->expect)
		return STORE_REFUSED;
	assert_true(f->meta.input_cursor <= l->output_cursor); /* R never beyond K */
	assert_true(f->meta.input_cursor >= f->expect);
	bool tear = l == &wild && rng_below(20) == 0;
	for (unsigned i = 0; i < f->write_count; i++) {
		const struct write *w = f->writes[i];
		for (unsigned p = 0; p < w->pair_count; p++)
			put_value(r, w->key, w->pairs[p]);
		if (tear) {
			r->torn = true;
			return STORE_UNKNOWN;
		}
	}
	r->input_cursor = f->meta.input_cursor;
	return STORE_OK;
}

/* A load under way is answered from what the store holds. */
static unsigned answer_load(struct life *l)
{
	struct shard *s = &l->rig.shards[0];
	struct arena *a = &l->rig.memory;
	int64_t next = s->flushing && s->flush_sent ? s->flushing->after.position : s->input_cursor;
	struct loaded *values = arena_zalloc(a, (s->chunk.missing_count + 1) * sizeof(*values));
	if (l->redis.torn ||
	    (l->redis.input_cursor != s->input_cursor && l->redis.input_cursor != next))
		return rig_load(&l->rig, 0, STORE_REFUSED, NULL);
	for (unsigned m = 0; m < s->chunk.missing_count; m++) {
		const struct cell *cell = s->chunk.missing[m];
		struct str key = arena_join(a, (struct str[]){ cell->entity->prefix, cell->id }, 2);
		struct pair *pairs = arena_alloc(a, 2 * sizeof(*pairs));
		for (unsigned i = 0; i < l->redis.count; i++) {
			struct value *v = &l->redis.values[i];
			if (!str_eq_c(key, v->key))
				continue;
			values[m].exists = true;
			values[m].value = str_from_c(v->text);
			if (cell->entity->form == ENTITY_FIGURES)
				pairs[values[m].pair_count++] =
					(struct pair){ str_from_c(v->field), str_from_c(v->text) };
		}
		values[m].pairs = pairs;
	}
	return rig_load(&l->rig, 0, STORE_OK, values);
}

/* ---- the log ---------------------------------------------------------------------------- */

static void take_some(struct life *l)
{
	struct shard *s = &l->rig.shards[0];
	int64_t until;
	unsigned first = 0, n = 0, most = (unsigned)rng_between(1, 6);
	if (s->load_ticket)
		answer_load(l);
	if (!shard_wants_records(s, &until))
		return;
	while (first < RECORDS && records[first].offset < s->standing.position)
		first++;
	while (n < most && first + n < RECORDS && records[first + n].offset < until)
		n++;
	bool at_end = first + n == RECORDS;
	int64_t next = at_end ? log_end : rng_below(2) || !n ? records[first + n].offset : -1;
	unsigned asks = rig_take(&l->rig, 0, records + first, n, next, at_end);
	for (unsigned i = 0; i < 3 && asks == ASK_LOAD; i++)
		asks = answer_load(l);
}

static int64_t amounts_in(struct str text)
{
	int64_t sum = 0;
	while (text.ptr) {
		struct str part = str_split(&text, '}');
		size_t at = part.len;
		int64_t amount;
		while (at && part.ptr[at - 1] != ':')
			at--;
		if (at && str_to_i64(str_from(part, at), &amount))
			sum += amount;
	}
	return sum;
}

static void commit(struct life *l, const struct batch *b)
{
	assert_true(b->from >= l->output_cursor || b->from == l->output_cursor);
	l->output_cursor = b->after.position;
	snprintf(l->metadata, sizeof(l->metadata), "%.*s", STR_ARG(b->metadata));
	for (unsigned i = 0; i < b->outgoing_count; i++) {
		const struct outgoing *o = &b->outgoing[i];
		assert_true(l->output_count < OUTPUTS_MOST);
		struct output_line *line = &l->outputs[l->output_count++];
		*line = (struct output_line){ .form = o->form };
		assert_true(str_to_i64(outgoing_header(o, "tw-seq"), &line->seq));
		if (o->form == OUTGOING_BLOCK)
			line->amount = amounts_in(o->value);
		else
			snprintf(line->value, sizeof(line->value), "%.*s", STR_ARG(o->value));
	}
}

static void begin_transaction(struct life *l)
{
	if (l->air)
		return;
	l->air = rig_carry(&l->rig, 0);
	l->past_p3 = false;
}

static void end_transaction(struct life *l)
{
	struct batch *b = l->air;
	static const enum publish_result results[] = { PUBLISH_COMMITTED, PUBLISH_COMMITTED,
		                                       PUBLISH_COMMITTED, PUBLISH_ABORTED,
		                                       PUBLISH_UNKNOWN };
	enum publish_result result = l == &wild ? results[rng_below(5)] : PUBLISH_COMMITTED;
	if (!b)
		return;
	if (!l->past_p3 && b->epoch != l->rig.shards[0].epoch)
		result = PUBLISH_ABORTED;
	if (result == PUBLISH_COMMITTED || (result == PUBLISH_UNKNOWN && rng_below(2)))
		commit(l, b);
	l->air = NULL;
	rig_published(&l->rig, 0, b, result);
}

/* ---- lives ---------------------------------------------------------------------------------- */

static void claim(struct life *l)
{
	struct shard *s = &l->rig.shards[0];
	struct cursor_metadata k;
	if (!s->owned)
		rig_assign(&l->rig, 0);
	l->rig.now_ms += 1000;
	if (s->state != SHARD_WAITING || s->carried)
		return;
	assert_true(cursor_metadata_parse(str_from_c(l->metadata), &k));
	struct rig_claim c = { .input_cursor = l->redis.torn ? -1 : l->redis.input_cursor,
		               .torn = l->redis.torn,
		               .output_cursor = l->output_cursor,
		               .output_number = (int)k.output_number };
	if (c.input_cursor < 0) /* asked to wipe, it is done */
		l->redis.count = 0, l->redis.torn = false, l->redis.input_cursor = R_EMPTY;
	rig_run(&l->rig, 0, &c);
}

static void flush_some(struct life *l)
{
	struct shard *s = &l->rig.shards[0];
	l->rig.now_ms += 1000;
	struct flush_call *call = s->owned ? shard_next_flush(s, l->rig.now_ms) : NULL;
	if (!call)
		return;
	if (l == &wild && rng_below(8) == 0) {
		rig_flushed(&l->rig, 0, STORE_KEPT);
		return;
	}
	if (l == &wild && rng_below(8) == 0) { /* no answer */
		if (rng_below(2))
			(void)execute(l, &call->flush);
		rig_flushed(&l->rig, 0, STORE_UNKNOWN);
		return;
	}
	if (l == &wild && rng_below(3) == 0)
		take_some(l); /* loads while it is under way; executed behind them */
	enum store_result result = execute(l, &call->flush);
	if (call->orphan)
		flush_call_free(call);
	else
		rig_flushed(&l->rig, 0, result);
}

static void crash(struct life *l)
{
	struct shard *s = &l->rig.shards[0];
	if (l->air && l->past_p3 && rng_below(2))
		commit(l, l->air);
	if (s->chunk.busy)
		s->chunk.busy = false, free(s->chunk.taken.messages), l->rig.given_back++;
	if (s->flushing)
		flush_call_free(s->flushing);
	shard_release(s);
	batch_free(l->air);
	l->air = NULL;
	shard_init(s, &l->rig.setting, 0);
	l->rig.setting.owned = l->rig.setting.queued_records = 0;
}

static void trouble(struct life *l)
{
	struct shard *s = &l->rig.shards[0];
	switch (rng_below(9)) {
	case 0: crash(l); break;
	case 1:
		l->redis = l->copy; /* rolled back */
		break;
	case 2:
		l->redis.input_cursor = R_NONE; /* the meta is lost, the values are not */
		break;
	case 3: rig_happened(&l->rig, rig_happening(HAPPENED_LOST, 0, 0)); break;
	case 4: rig_happened(&l->rig, rig_happening(HAPPENED_REVOKED, 0, 0)); break;
	case 5: l->copy = l->redis; break;
	case 6:
		if (s->owned && !s->revoking)
			rig_assign(&l->rig, 0);
		break;
	default: break;
	}
}

static void check(struct life *l)
{
	struct shard *s = &l->rig.shards[0];
	l->rig.now_ms += 1000;
	if (s->state == SHARD_WAITING) /* claim() does that */
		return;
	if (rig_tick(&l->rig, 0) & ASK_CHECK) {
		struct happening *h = rig_happening(HAPPENED_CHECKED, 0, s->check_ticket);
		h->meta.state = l->redis.torn               ? META_TORN
		                : l->redis.input_cursor < 0 ? META_ABSENT
		                                            : META_WHOLE;
		h->meta.input_cursor = l->redis.input_cursor;
		rig_happened(&l->rig, h);
	}
}

static void live(struct life *l)
{
	memset(l, 0, sizeof(*l));
	rig_init(&l->rig, &tiny_worker);
	l->rig.options.cache_bytes = l == &wild ? 2000 : 1000000;
	l->rig.options.batch_records = 5;
	snprintf(l->metadata, sizeof(l->metadata), RIG_METADATA, 0, "");
	for (unsigned step = 0; step < 20000; step++) {
		if (l == &wild && step < STEPS && rng_below(12) == 0)
			trouble(l);
		switch (rng_below(7)) {
		case 0: claim(l); break;
		case 1: take_some(l); break;
		case 2: begin_transaction(l); break;
		case 3:
			l->past_p3 =
				l->air && (l->past_p3 || l->air->epoch == l->rig.shards[0].epoch);
			break;
		case 4: end_transaction(l); break;
		case 5: flush_some(l); break;
		default: check(l); break;
		}
		if (step > STEPS && !l->air && !l->redis.torn && l->redis.input_cursor == log_end &&
		    l->output_cursor == log_end)
			return;
	}
	fail_msg("R %lld, K %lld of %lld, %s %s: no end", (long long)l->redis.input_cursor,
	         (long long)l->output_cursor, (long long)log_end,
	         shard_state_name(l->rig.shards[0].state), l->rig.shards[0].words);
}

static void assert_same_lives(void)
{
	unsigned at = 0;
	int64_t sums[2] = { 0, 0 };
	for (unsigned i = 0; i < wild.output_count; i++) {
		const struct output_line *o = &wild.outputs[i];
		assert_int_equal(o->seq, i + 1);
		sums[0] += o->amount;
		if (o->form == OUTGOING_BLOCK)
			continue;
		while (at < quiet.output_count && quiet.outputs[at].form == OUTGOING_BLOCK)
			at++;
		assert_true(at < quiet.output_count);
		assert_string_equal(o->value, quiet.outputs[at++].value);
	}
	for (unsigned i = 0; i < quiet.output_count; i++) {
		sums[1] += quiet.outputs[i].amount;
		assert_true(i < at || quiet.outputs[i].form == OUTGOING_BLOCK);
	}
	assert_int_equal(sums[0], sums[1]);
	assert_int_equal(wild.redis.count, quiet.redis.count);
	for (unsigned i = 0; i < quiet.redis.count; i++) {
		const struct value *v = &quiet.redis.values[i];
		const struct value *w =
			value_at(&wild.redis, str_from_c(v->key), str_from_c(v->field));
		assert_non_null(w);
		assert_string_equal(w->text, v->text);
	}
}

static void a_wild_life_ends_like_a_quiet_one(void **state)
{
	(void)state;
	const char *rounds = getenv("TALLY_ROUNDS");
	for (int round = 0; round < (rounds ? atoi(rounds) : 60); round++) {
		make_records();
		live(&quiet);
		live(&wild);
		assert_same_lives();
		assert_int_equal(wild.rig.setting.queued_records, 0);
		crash(&quiet);
		crash(&wild);
		rig_release(&quiet.rig);
		rig_release(&wild.rig);
		arena_release(&record_memory);
	}
}

static const struct CMUnitTest tests[] = { cmocka_unit_test(a_wild_life_ends_like_a_quiet_one) };

TESTING_MAIN(tests)
