/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every output names its shard, its number there and the record it came of
 * (tw-src, tw-seq; tw-at for what had waited), so nothing else is needed to know
 * how far a shard had got. Only headers are read.
 */
#include "services/tallyctl/outputs.h"

#include "common/base/must.h"
#include "common/host/connection.h"
#include "events.h"

#define TOPICS_MOST 16

/* ---- outputs ----------------------------------------------------------- */

struct gathering {
	const struct fleet *fleet;
	const char *topic; /* being read */
	bool summed;       /* its rows are added up over several batches */
	struct evidence *evidence;
};

struct str header_text(const struct message *m, struct str name)
{
	const struct header *header = message_header(m, name);

	return header ? header->value : str_of(NULL, 0);
}

bool place_parse(struct str place, const struct fleet *fleet, int64_t *partition, int64_t *offset)
{
	struct str topic = str_from_c(fleet->topic), rest;

	if (!str_starts(place, topic) || place.len <= topic.len || place.ptr[topic.len] != '/')
		return false;
	rest = str_from(place, topic.len + 1);
	return str_to_i64(str_split(&rest, '/'), partition) && str_to_i64(rest, offset) &&
	       *partition >= 0 && *partition < fleet->partitions && *offset >= 0;
}

static void keep_skipped(struct evidence *e, int64_t offset)
{
	if (e->skipped_count == LIMIT_SKIPPED) {
		memmove(e->skipped, e->skipped + 1, sizeof(e->skipped) - sizeof(e->skipped[0]));
		e->skipped_count--;
	}
	e->skipped[e->skipped_count++] = offset;
}

static void take_output(void *self, const struct message *m)
{
	struct gathering *g = self;
	struct evidence *e;
	int64_t partition, offset, at, number;

	if (!place_parse(header_text(m, STR("tw-src")), g->fleet, &partition, &offset) ||
	    !str_to_i64(header_text(m, STR("tw-seq")), &number))
		return;
	e = &g->evidence[partition];
	if (str_to_i64(header_text(m, STR("tw-at")), &at) && at > offset)
		offset = at;
	if (number > e->output_number)
		e->output_number = number;
	if (g->summed && offset > e->summed)
		e->summed = offset;
	if (offset > e->cause) {
		e->cause = offset;
		e->topic = g->topic;
	}
	if (str_eq_c(header_text(m, STR("tw-reason")), reason_code(REASON_POISON)))
		keep_skipped(e, offset);
}

static struct rc read_topic(struct session *session, struct gathering *g)
{
	struct topic_state state;
	struct log_span *spans;

	TRY(kafka_cluster_topic(session->cluster, g->topic, &state));
	if (!state.exists)
		return OK;
	spans = arena_alloc(session->memory, (size_t)state.partitions * sizeof(*spans));
	TRY(kafka_cluster_spans(session->cluster, g->topic, state.partitions, spans));
	for (int32_t p = 0; p < state.partitions; p++)
		TRY(session_read_through(session, g->topic, p, spans[p], take_output, g));
	return OK;
}

struct rc outputs_read(struct session *session, const struct fleet *fleet, struct evidence *out)
{
	const struct worker *worker = fleet->worker;
	struct gathering g = { .fleet = fleet, .evidence = out };
	const char *topics[TOPICS_MOST];
	bool summed[TOPICS_MOST] = { false };
	unsigned count = 0;

	topics[count++] = arena_printf(session->memory, "%s.dlq", fleet->topic).ptr;
	for (const struct output *const *o = worker->outputs; *o; o++) {
		bool known = false;

		for (const struct output *const *x = worker->outputs; x != o; x++)
			known |= strcmp((*x)->topic, (*o)->topic) == 0;
		must(count < TOPICS_MOST);
		if (known)
			continue;
		summed[count] = (*o)->form == OUTPUT_SUMMED;
		topics[count++] = connection_topic(session->config, (*o)->topic, session->memory);
	}
	for (int32_t p = 0; p < fleet->partitions; p++)
		out[p] = (struct evidence){ .cause = -1, .summed = -1 };
	for (unsigned i = 0; i < count; i++) {
		g.topic = topics[i];
		g.summed = summed[i];
		TRY(read_topic(session, &g));
	}
	return OK;
}

/* ---- reference data ------------------------------------------------------ */

static void add_reference(void *store, const struct message *m)
{
	if (m->offset >= reference_store_next(store))
		reference_store_add(store, m);
}

struct rc reference_read(struct session *session, struct reference_store *store)
{
	struct arena memory; /* some read it again and again */
	struct rc rc;
	int64_t next;

	arena_init(&memory, 256);
	rc = kafka_cluster_read(session->cluster,
	                        connection_topic(session->config, "reference", &memory), 0,
	                        reference_store_next(store), add_reference, store, &next);
	arena_release(&memory);
	TRY(rc);
	if (next > reference_store_next(store))
		reference_store_set_next(store, next);
	return OK;
}

/* ---- control records --------------------------------------------------- */

struct controls {
	struct session *session;
	const struct fleet *fleet;
	int64_t cursor;
	struct arena memory;  /* of one record */
	int64_t first_marker; /* its pin; -1 */
	int64_t first_version, last_version;
	int64_t newest_end; /* of the reference topic, below first_marker */
	int64_t newest_end_of_all;
};

static bool decode(struct controls *c, const struct message *m, const struct record_type *type,
                   const void **data)
{
	struct envelope envelope;
	struct fault fault;

	arena_clear(&c->memory);
	if (!message_header(m, STR("tw-control")) ||
	    !envelope_decode(m, STR(""), 0, &c->memory, &envelope, &fault) ||
	    !str_starts(envelope.event.source, STR("/tallyworks/")) ||
	    !str_eq_c(envelope.event.type, type->name) ||
	    !envelope_data(&envelope, type, &c->memory, &fault))
		return false;
	*data = envelope.event.data;
	return true;
}

static void take_control(void *self, const struct message *m)
{
	struct controls *c = self;
	const void *data;

	if (c->first_marker < 0 && decode(c, m, &tallyworks_reference_advanced_type, &data)) {
		const struct tallyworks_reference_advanced *marker = data;

		c->first_marker = marker->pin;
	} else if (decode(c, m, &tallyworks_logic_advanced_type, &data)) {
		const struct tallyworks_logic_advanced *order = data;

		if (!str_eq_c(order->worker, c->fleet->worker->name) ||
		    order->version > c->fleet->worker->logic_version)
			return;
		if (!c->first_version)
			c->first_version = order->version;
		if (order->version > c->last_version && m->offset < c->cursor)
			c->last_version = order->version;
	}
}

static void take_end(void *self, const struct message *m)
{
	struct controls *c = self;
	const void *data;

	if (!decode(c, m, &tallyworks_reference_ended_type, &data))
		return;
	c->newest_end_of_all = m->offset;
	if (m->offset < c->first_marker)
		c->newest_end = m->offset;
}

/* A shard begins under the newest reference data there is, and every later set has a marker in it:
 * so it began under the one before its first marker. */
struct rc beginning_read(struct session *session, const struct fleet *fleet, int32_t partition,
                         struct log_span span, int64_t cursor, struct beginning *out)
{
	const char *reference = connection_topic(session->config, "reference", session->memory);
	struct controls c = { .session = session,
		              .fleet = fleet,
		              .cursor = cursor,
		              .first_marker = -1,
		              .newest_end = -1,
		              .newest_end_of_all = -1 };
	struct log_span ends;
	int64_t next;
	struct rc rc = OK;

	arena_init(&c.memory, 4096);
	if (span.end > span.start)
		rc = kafka_cluster_read(session->cluster, fleet->topic, partition, span.start,
		                        take_control, &c, &next);
	if (rc_ok(rc))
		rc = kafka_cluster_spans(session->cluster, reference, 1, &ends);
	if (rc_ok(rc) && ends.end > ends.start)
		rc = kafka_cluster_read(session->cluster, reference, 0, ends.start, take_end, &c,
		                        &next);
	arena_release(&c.memory);
	*out = (struct beginning){
		.first_pin = c.first_marker < 0 ? c.newest_end_of_all : c.newest_end,
		.first_logic = c.first_version ? c.first_version - 1 : 0,
		.logic = c.last_version    ? c.last_version
		         : c.first_version ? c.first_version - 1
		                           : 0,
	};
	return rc;
}
