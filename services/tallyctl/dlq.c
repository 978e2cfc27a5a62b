/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries are sorted, since the log is: a receipt finds the records it names by a
 * binary search.
 */
#include "services/tallyctl/dlq.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"
#include "common/host/connection.h"
#include "events.h"

/* ---- fates ------------------------------------------------------------- */

static const char *const fates[FATE_COUNT] = {
	[FATE_SEND] = "sent",
	[FATE_REDRIVEN] = "redriven before",
	[FATE_OTHER] = "not selected",
	[FATE_CUT] = "the copy is cut: upstream has to send the event again",
	[FATE_QUARANTINED] = "quarantined: redriven and refused too often; --force sends it",
	[FATE_INCURABLE] =
		"no redrive heals it: upstream has to send another event; naming it with "
		"--reason sends it all the same",
	[FATE_NEEDS_REKEY] = "its key would be wrong again: --rekey takes it from the event",
	[FATE_NO_KEY] = "the event names no id to take as its key, or two",
	[FATE_FOREIGN] = "not a copy that a worker of this topic made",
	[FATE_MAX] = "left for later by --max",
};

const char *dlq_fate_words(enum dlq_fate fate)
{
	must((unsigned)fate < FATE_COUNT);
	return fates[fate];
}

enum dlq_fate dlq_decide(const struct dlq_entry *entry, const struct dlq_filter *filter,
                         const struct dlq_policy *policy, int64_t *sent)
{
	enum reason reason = (enum reason)entry->reason;

	if (!entry->matches)
		return FATE_OTHER;
	if (!entry->ours)
		return FATE_FOREIGN;
	if (entry->redriven)
		return FATE_REDRIVEN;
	if (entry->cut)
		return FATE_CUT;
	if (!reason_healing(reason) && (filter->any_reason || reason == REASON_NONE))
		return FATE_INCURABLE;
	if (reason == REASON_WRONG_KEY && !policy->rekey)
		return FATE_NEEDS_REKEY;
	if (reason == REASON_WRONG_KEY && !entry->has_own_key)
		return FATE_NO_KEY;
	if (entry->replays >= policy->max_replays && !policy->force)
		return FATE_QUARANTINED;
	if (*sent == policy->max)
		return FATE_MAX;
	++*sent;
	return FATE_SEND;
}

/* ---- reading ----------------------------------------------------------- */

void dlq_init(struct dlq *dlq, struct session *session, const struct fleet *fleet)
{
	struct arena *arena = session->memory;

	*dlq = (struct dlq){ .session = session, .fleet = fleet };
	dlq->topic = arena_printf(arena, "%s.dlq", fleet->topic).ptr;
	dlq->group = arena_printf(arena, "%stallyworks-redrive-%s", session->config->group_prefix,
	                          fleet->topic)
	                     .ptr;
	dlq->partitions = arena_zalloc(arena, (size_t)fleet->partitions * sizeof(*dlq->partitions));
}

void dlq_release(struct dlq *dlq)
{
	for (int32_t p = 0; dlq->partitions && p < dlq->fleet->partitions; p++)
		free(dlq->partitions[p].entries);
	dlq->partitions = NULL;
}

struct reading {
	const struct dlq *dlq;
	const struct dlq_filter *filter;
	struct dlq_partition *partition;
	int32_t number;
	struct arena memory;
};

static struct dlq_entry *first_from(struct dlq_partition *partition, int64_t offset)
{
	size_t low = 0, high = partition->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (partition->entries[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return &partition->entries[low];
}

static bool is_receipt(const struct reading *r, const struct message *m,
                       const struct tallyworks_dlq_redriven **out, struct arena *arena)
{
	struct envelope envelope;
	struct fault fault;

	if (!message_header(m, STR("tw-control")) || message_header(m, STR("__dlq.errors.topic")) ||
	    !envelope_decode(m, str_from_c(r->dlq->topic), r->number, arena, &envelope, &fault) ||
	    !str_eq_c(envelope.event.type, tallyworks_dlq_redriven_type.name) ||
	    !envelope_data(&envelope, &tallyworks_dlq_redriven_type, arena, &fault))
		return false;
	*out = envelope.event.data;
	return true;
}

static void take_receipt(struct dlq_partition *partition,
                         const struct tallyworks_dlq_redriven *receipt)
{
	struct dlq_entry *end = partition->entries + partition->count;

	for (uint32_t i = 0; i < receipt->ranges.count; i++)
		for (struct dlq_entry *entry =
		             first_from(partition, receipt->ranges.items[i].first);
		     entry < end && entry->offset <= receipt->ranges.items[i].last; entry++)
			entry->redriven = true;
}

static bool within(struct log_span span, int64_t offset)
{
	return offset >= span.start && offset < span.end;
}

static bool matches(const struct dlq_filter *f, const struct dead_letter *letter)
{
	return (f->any_reason || f->reasons[letter->reason]) && letter->time_ms >= f->since_ms &&
	       letter->time_ms < f->until_ms && within(f->offsets, letter->offset) &&
	       within(f->source_offsets, letter->source_offset) &&
	       (f->source_partition < 0 || f->source_partition == letter->partition) &&
	       (!f->key || (letter->key.ptr && str_eq_c(letter->key, f->key)));
}

/* What is not ours is shown, as far as it can be, and never touched. */
static bool foreign_matches(const struct dlq_filter *f, const struct message *m)
{
	return f->any_reason && m->broker_ms >= f->since_ms && m->broker_ms < f->until_ms &&
	       within(f->offsets, m->offset) && f->source_partition < 0 &&
	       f->source_offsets.start == 0 && !f->key;
}

static struct dlq_entry *add_entry(struct dlq_partition *partition)
{
	if (partition->count == partition->room) {
		partition->room = partition->room ? partition->room * 2 : 256;
		partition->entries = memory_resize(partition->entries, partition->room,
		                                   sizeof(*partition->entries));
	}
	partition->entries[partition->count] = (struct dlq_entry){ .offset = 0 };
	return &partition->entries[partition->count++];
}

static void take_record(void *self, const struct message *m)
{
	struct reading *r = self;
	bool in_partition = r->filter->partition < 0 || r->filter->partition == r->number;
	const struct tallyworks_dlq_redriven *receipt;
	struct dead_letter letter;
	struct dlq_entry *entry;

	arena_clear(&r->memory);
	if (is_receipt(r, m, &receipt, &r->memory)) {
		take_receipt(r->partition, receipt);
		return;
	}
	entry = add_entry(r->partition);
	entry->offset = m->offset;
	entry->time_ms = m->broker_ms;
	entry->redriven = m->offset < r->partition->cursor;
	if (!dead_letter_read(m, &r->memory, &letter)) {
		entry->matches = in_partition && foreign_matches(r->filter, m);
		return;
	}
	entry->ours = str_eq_c(letter.topic, r->dlq->fleet->topic);
	entry->reason = (uint8_t)letter.reason;
	entry->matches = in_partition && matches(r->filter, &letter);
	entry->cut = letter.cut;
	entry->replays = letter.replays;
	entry->has_own_key =
		letter.reason == REASON_WRONG_KEY &&
		dead_letter_own_key(&letter, r->dlq->fleet->worker, &r->memory).len > 0;
}

static struct rc read_partition(struct dlq *dlq, int32_t number, const struct dlq_filter *filter,
                                bool from_cursor)
{
	struct dlq_partition *partition = &dlq->partitions[number];
	struct reading reading = {
		.dlq = dlq, .filter = filter, .partition = partition, .number = number
	};
	struct log_span span = partition->span;
	struct rc rc;

	if (from_cursor && partition->cursor > span.start)
		span.start = partition->cursor;
	partition->end = span.end;
	if (span.start >= span.end)
		return OK;
	arena_init(&reading.memory, 65536);
	if (dlq->waits)
		rc = session_read_through(dlq->session, dlq->topic, number, span, take_record,
		                          &reading);
	else
		rc = kafka_cluster_read(dlq->session->cluster, dlq->topic, number, span.start,
		                        take_record, &reading, &partition->end);
	arena_release(&reading.memory);
	return rc;
}

static struct rc look(struct dlq *dlq)
{
	struct session *session = dlq->session;
	size_t count = (size_t)dlq->fleet->partitions;
	struct committed *cursors = arena_alloc(session->memory, count * sizeof(*cursors));
	struct log_span *spans = arena_alloc(session->memory, count * sizeof(*spans));
	struct topic_state state;

	TRY(kafka_cluster_topic(session->cluster, dlq->topic, &state));
	if (!state.exists || state.partitions != dlq->fleet->partitions)
		return rc_fail(RC_NOT_FOUND,
		               "topic %s does not exist or has another number of partitions than "
		               "%s: run tallyctl topics check",
		               dlq->topic, dlq->fleet->topic);
	TRY(kafka_cluster_committed(session->cluster, dlq->group, dlq->topic,
	                            dlq->fleet->partitions, session->memory, cursors));
	TRY(kafka_cluster_spans(session->cluster, dlq->topic, dlq->fleet->partitions, spans));
	for (size_t p = 0; p < count; p++) {
		dlq->partitions[p].span = spans[p];
		/* Beyond the end it is another topic's, of the same name. */
		if (cursors[p].exists && cursors[p].offset <= spans[p].end)
			dlq->partitions[p].cursor = cursors[p].offset;
	}
	return OK;
}

struct rc dlq_read(struct dlq *dlq, const struct dlq_filter *filter, bool from_cursor)
{
	TRY(look(dlq));
	for (int32_t p = 0; p < dlq->fleet->partitions; p++)
		TRY(read_partition(dlq, p, filter, from_cursor));
	return OK;
}

/* ---- visiting ------------------------------------------------------------ */

struct visit {
	struct dlq_partition *partition;
	dlq_each *each;
	void *self;
	struct rc rc;
	struct arena memory;
};

static void visit_record(void *self, const struct message *m)
{
	struct visit *visit = self;
	struct dlq_entry *entry = first_from(visit->partition, m->offset);
	struct dead_letter letter;

	if (!rc_ok(visit->rc) || entry == visit->partition->entries + visit->partition->count ||
	    entry->offset != m->offset || !entry->chosen)
		return;
	arena_clear(&visit->memory);
	if (!dead_letter_read(m, &visit->memory, &letter))
		letter = (struct dead_letter){ .offset = m->offset,
			                       .time_ms = m->broker_ms,
			                       .partition = -1,
			                       .source_offset = -1,
			                       .key = m->key,
			                       .value = m->value,
			                       .headers = m->headers,
			                       .header_count = m->header_count };
	visit->rc = visit->each(visit->self, entry, &letter);
}

struct rc dlq_visit(struct dlq *dlq, int32_t number, dlq_each *each, void *self)
{
	struct dlq_partition *partition = &dlq->partitions[number];
	struct visit visit = { .partition = partition, .each = each, .self = self, .rc = OK };
	struct log_span span = { -1, -1 };
	int64_t next;
	struct rc rc;

	for (size_t i = 0; i < partition->count; i++) {
		if (!partition->entries[i].chosen)
			continue;
		if (span.start < 0)
			span.start = partition->entries[i].offset;
		span.end = partition->entries[i].offset + 1;
	}
	if (span.start < 0)
		return OK;
	arena_init(&visit.memory, 65536);
	rc = kafka_cluster_read_span(dlq->session->cluster, dlq->topic, number, span, visit_record,
	                             &visit, &next);
	arena_release(&visit.memory);
	return rc_ok(rc) ? visit.rc : rc;
}
