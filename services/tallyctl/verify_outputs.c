/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every output says which shard made it (tw-src) and its number there (tw-seq), and the number that
 * belongs to K stands in K's metadata. So the outputs up to K are known exactly: they are compared
 * with what the fold up to the same K makes. What came later is left alone, but for a message that
 * is there already.
 *
 * How an internal topic is cut into blocks says nothing. Entries are compared one by one where they
 * go one by one, and as sums where they are added up: these up to where K's metadata say that they
 * were told.
 */
#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

#include "common/base/hash.h"
#include "common/base/must.h"
#include "common/host/connection.h"
#include "services/tallyctl/kind.h"
#include "services/tallyctl/verify.h"

#define NAME_BYTES 512

/* A message, a dead letter or an entry, by what it is about. */
struct posted {
	struct posted *next;
	struct str topic, id;
	uint64_t made_digest, found_digest; /* added up over the copies */
	unsigned made, found;
	int32_t partition; /* the shard it comes from; -1: nobody */
	int64_t cause;     /* offset there */
	int32_t found_partition;
	int64_t first_offset, last_offset; /* where it was found */
};

/* A row of sums. */
struct summed {
	struct summed *next;
	const struct output *output;
	void *made, *found;
};

/* ---- what is said of one message ------------------------------------------------ */

struct posted_name {
	struct str topic, id;
};

static bool posted_same(const void *item, const void *key)
{
	const struct posted *p = item;
	const struct posted_name *name = key;

	return str_eq(p->id, name->id) && str_eq(p->topic, name->topic);
}

static struct posted *posted_find(const struct audit *a, struct str topic, struct str id)
{
	return table_find(&a->posted, hash64_with(hash64(topic), id), posted_same,
	                  &(struct posted_name){ topic, id });
}

static struct posted *posted_at(struct audit *a, struct str topic, struct str id)
{
	struct posted *p = posted_find(a, topic, id);

	if (p)
		return p;
	p = arena_zalloc(&a->memory, sizeof(*p));
	p->topic = arena_str(&a->memory, topic);
	p->id = arena_str(&a->memory, id);
	p->partition = -1;
	p->next = a->first_posted;
	a->first_posted = p;
	table_add(&a->posted, hash64_with(hash64(topic), id), p);
	return p;
}

struct source {
	int64_t partition, offset, number;
	bool known; /* a shard of this worker */
};

static struct source source_of(const struct audit *a, const struct message *m)
{
	struct source s = { 0 };

	s.known = place_parse(header_text(m, STR("tw-src")), a->fleet, &s.partition, &s.offset) &&
	          str_to_i64(header_text(m, STR("tw-seq")), &s.number);
	return s;
}

static struct message message_of(const struct outgoing *out)
{
	return (struct message){ .key = out->key,
		                 .value = out->value,
		                 .headers = out->headers,
		                 .header_count = out->header_count };
}

static uint64_t digest_of(const struct message *m)
{
	uint64_t digest = hash64_with(hash64(m->value), m->key);

	return hash64_with(digest, header_text(m, STR("tw-src")));
}

/* A dead letter is about a place; an event has an id. */
static struct str id_of(const struct message *m, bool dead_letter, struct arena *arena)
{
	struct envelope envelope;
	struct fault fault;

	if (dead_letter)
		return arena_printf(arena, "%.*s %.*s%.*s", STR_ARG(header_text(m, STR("tw-src"))),
		                    STR_ARG(header_text(m, STR("tw-reason"))),
		                    STR_ARG(header_text(m, STR("tw-path"))));
	if (envelope_decode(m, STR(""), 0, arena, &envelope, &fault))
		return envelope.event.id;
	return arena_printf(arena, "(no event) %016" PRIx64, hash64(m->value));
}

/* ---- entries of blocks ------------------------------------------------------------ */

static bool summed_same(const void *item, const void *key)
{
	const struct summed *s = item, *k = key;

	return s->output == k->output && s->output->row_same(s->made ? s->made : s->found, k->made);
}

static void add_row(struct audit *a, const struct output *output, void *row, bool made)
{
	uint64_t hash = output->row_hash(row);
	struct summed *s = table_find(a->sums, hash, summed_same,
	                              &(struct summed){ .output = output, .made = row });
	void **side;

	if (!s) {
		s = arena_zalloc(&a->memory, sizeof(*s));
		s->output = output;
		s->next = a->first_summed;
		a->first_summed = s;
	}
	side = made ? &s->made : &s->found;
	if (*side) {
		must(output->row_add(*side, row));
	} else {
		bool fresh = !s->made && !s->found;

		*side = arena_zalloc(&a->memory, output->data->size);
		record_copy(output->data, row, *side, &a->memory);
		if (fresh)
			table_add(a->sums, hash, s);
	}
}

/* By its own cause and payee where it has them. */
static size_t entry_name(const struct record_type *type, const void *entry, uint64_t digest,
                         char out[NAME_BYTES])
{
	struct str cause, payee;
	int len;

	if (!record_field(type, STR("cause")) || !record_field(type, STR("payee_id")))
		return (size_t)snprintf(out, NAME_BYTES, "%016" PRIx64, digest);
	cause = record_str(type, entry, "cause");
	payee = record_str(type, entry, "payee_id");
	len = snprintf(out, NAME_BYTES, "of %.*s for %.*s", STR_ARG(cause), STR_ARG(payee));
	return len < NAME_BYTES ? (size_t)len : NAME_BYTES - 1;
}

static void add_entry(struct audit *a, const struct output *output, const struct message *m,
                      const void *entry, bool made, const struct source *source)
{
	uint64_t digest = record_digest(output->data, entry, 0);
	char text[NAME_BYTES];
	size_t len = entry_name(output->data, entry, digest, text);
	struct posted *p = posted_at(a, str_from_c(output->topic), str_of(text, len));

	if (made) {
		p->made++;
		p->made_digest += digest;
		p->partition = (int32_t)source->partition;
		p->cause = source->offset;
		return;
	}
	if (p->found++ == 0)
		p->first_offset = m->offset;
	p->last_offset = m->offset;
	p->found_digest += digest;
	p->found_partition = a->partition;
}

static void add_block(struct audit *a, const struct output *output, const struct message *m,
                      bool made, const struct source *source)
{
	struct arena memory;
	struct block block;
	struct fault fault;
	yyjson_val *value;
	void *entry;

	arena_init(&memory, 1U << 16);
	entry = arena_alloc(&memory, output->data->size);
	if (block_decode(m, &memory, &block, &fault))
		while ((value = block_next(&block)) != NULL) {
			if (!record_decode(output->data, value, STR(""), entry, &memory, &fault))
				continue;
			a->rows++;
			if (output->form == OUTPUT_SUMMED)
				add_row(a, output, entry, made);
			else
				add_entry(a, output, m, entry, made, source);
		}
	arena_release(&memory);
}

/* ---- what the fold makes ------------------------------------------------------------ */

static struct str plain_topic(const struct audit *a, struct str topic)
{
	return str_from(topic, strlen(a->verify->session.config->topic_prefix));
}

void audit_take_output(void *audit, int32_t partition, const struct output *output,
                       const struct outgoing *out)
{
	struct audit *a = audit;
	struct message m = message_of(out);
	struct source source = source_of(a, &m);
	struct arena memory;
	struct posted *p;

	(void)partition;
	if (output && output->form == OUTPUT_SUMMED && a->untold)
		return;
	if (output && output->form != OUTPUT_EVENT) {
		add_block(a, output, &m, true, &source);
		return;
	}
	arena_init(&memory, 4096);
	p = posted_at(a, plain_topic(a, out->topic), id_of(&m, !output, &memory));
	p->made++;
	p->made_digest += digest_of(&m);
	p->partition = (int32_t)source.partition;
	p->cause = source.offset;
	arena_release(&memory);
}

/* ---- what is there -------------------------------------------------------------------- */

struct reading {
	struct audit *audit;
	const struct cursor_metadata *at_k;
	const struct output *output; /* NULL: the dead-letter topic */
	struct str topic;            /* without prefix */
	bool first;                  /* the first worker that writes this topic */
};

static void find_message(struct reading *r, const struct message *m, bool later)
{
	struct audit *a = r->audit;
	struct arena memory;
	struct posted *p;
	struct str id;

	arena_init(&memory, 4096);
	id = id_of(m, !r->output, &memory);
	p = posted_find(a, r->topic, id);
	if (p || !later) {
		p = p ? p : posted_at(a, r->topic, id);
		if (p->found++ == 0)
			p->first_offset = m->offset;
		p->last_offset = m->offset;
		p->found_partition = a->partition;
		p->found_digest += digest_of(m);
	}
	arena_release(&memory);
	a->messages++;
}

/* Of this worker, up to K; of nobody at all, by the first who writes the topic. */
static void take_found(void *self, const struct message *m)
{
	struct reading *r = self;
	struct audit *a = r->audit;
	struct source source = source_of(a, m);
	bool later =
		source.known && source.number > (int64_t)r->at_k[source.partition].output_number;

	if (!source.known && (!r->first || header_text(m, STR("tw-src")).ptr))
		return;
	/* What tallyctl dlq notes there; a refused record may wear that header too. */
	if (message_header(m, STR("tw-control")) && !message_header(m, STR("__dlq.errors.topic")))
		return;
	if (!r->output || r->output->form == OUTPUT_EVENT)
		find_message(r, m, later);
	else if (!later)
		add_block(a, r->output, m, false, &source);
}

static struct rc read_topic(struct reading *r)
{
	struct session *session = &r->audit->verify->session;
	const char *name = connection_topic(session->config, r->topic.ptr, session->memory);
	struct topic_state state;
	struct log_span *spans;

	TRY(kafka_cluster_topic(session->cluster, name, &state));
	if (!state.exists)
		return OK;
	spans = arena_alloc(session->memory, (size_t)state.partitions * sizeof(*spans));
	TRY(kafka_cluster_spans(session->cluster, name, state.partitions, spans));
	for (int32_t p = 0; p < state.partitions; p++) {
		r->audit->partition = p;
		TRY(session_read_through(session, name, p, spans[p], take_found, r));
		verify_progress(r->audit, name, (uint64_t)p + 1, (uint64_t)state.partitions);
	}
	return OK;
}

static bool is_first_writer(const struct worker *w, const char *topic)
{
	for (int i = 0; workers[i]; i++)
		for (const struct output *const *o = workers[i]->outputs; *o; o++)
			if (strcmp((*o)->topic, topic) == 0)
				return workers[i] == w;
	return true;
}

static struct rc read_topics(struct audit *a, const struct cursor_metadata *at_k)
{
	const struct worker *w = a->fleet->worker;
	struct reading r = { .audit = a, .at_k = at_k, .first = true };

	r.topic = arena_printf(&a->memory, "%s.dlq", w->topic);
	TRY(read_topic(&r));
	for (const struct output *const *o = w->outputs; *o; o++) {
		bool known = false;

		for (const struct output *const *x = w->outputs; x != o; x++)
			known |= strcmp((*x)->topic, (*o)->topic) == 0;
		if (known)
			continue;
		r.output = *o;
		r.topic = str_from_c((*o)->topic);
		r.first = is_first_writer(w, (*o)->topic);
		TRY(read_topic(&r));
	}
	return OK;
}

/* ---- comparing -------------------------------------------------------------------------- */

static struct str found_place(struct audit *a, const struct posted *p)
{
	const char *prefix = a->verify->session.config->topic_prefix;

	if (!p->found)
		return arena_printf(&a->memory, "%s%.*s", prefix, STR_ARG(p->topic));
	return arena_printf(&a->memory, "%s%.*s/%" PRId32 "/%" PRId64, prefix, STR_ARG(p->topic),
	                    p->found_partition, p->last_offset);
}

static void compare_posted(struct audit *a, const struct posted *p)
{
	struct difference d = { .where = found_place(a, p), .field = p->id };

	if (p->made == p->found && p->made_digest == p->found_digest)
		return;
	d.kind = p->found > p->made   ? p->made ? DUPLICATE : EXTRA
	         : p->found < p->made ? MISSING
	                              : DIFFERS;
	if (d.kind == DIFFERS) {
		d.found = STR("other bytes");
		d.made = STR("what the log makes");
	} else {
		d.found = arena_printf(&a->memory, "%u times", p->found);
		d.made = arena_printf(&a->memory, "%u times", p->made);
	}
	if (d.kind == DUPLICATE && p->first_offset != p->last_offset)
		d.found = arena_printf(&a->memory, "%u times, first at offset %" PRId64, p->found,
		                       p->first_offset);
	if (p->partition >= 0)
		d.cause = arena_printf(&a->memory, "%s/%" PRId32 "/%" PRId64, a->fleet->topic,
		                       p->partition, p->cause);
	verify_differs(a, &d);
}

static struct str row_text(struct audit *a, const struct summed *s, const void *row)
{
	struct buf text;

	if (!row)
		return str_of(NULL, 0);
	buf_init(&text, &a->memory);
	record_encode(s->output->data, row, &text);
	return buf_str(&text);
}

static void compare_summed(struct audit *a, const struct summed *s)
{
	const struct record_type *type = s->output->data;
	struct str found, made;

	if (s->made && s->found &&
	    record_digest(type, s->made, 0) == record_digest(type, s->found, 0))
		return;
	found = row_text(a, s, s->found);
	made = row_text(a, s, s->made);
	verify_differs(a, &(struct difference){
				  .kind = !s->found  ? MISSING
	                                  : !s->made ? EXTRA
	                                             : DIFFERS,
				  .where = arena_printf(&a->memory, "%s%s (a sum)",
	                                                a->verify->session.config->topic_prefix,
	                                                s->output->topic),
				  .found = found,
				  .made = made,
				  .cause = arena_printf(&a->memory, "%s", a->fleet->topic),
			  });
}

struct rc audit_compare_outputs(struct audit *a, const struct cursor_metadata *at_k)
{
	TRY(read_topics(a, at_k));
	for (const struct posted *p = a->first_posted; p; p = p->next)
		compare_posted(a, p);
	for (const struct summed *s = a->first_summed; s; s = s->next)
		compare_summed(a, s);
	return OK;
}
