/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl dlq redrive: sends originals back to where they came from.
 *
 * One transaction carries some records, their receipts and the group's offsets, so
 * an interrupted redrive left out a whole transaction or nothing, and the next one
 * goes on behind it. Two at once exclude each other by their transactional.id: the
 * DLQ is read after it was taken. Transactions are short, since readers of the
 * input topic wait before an open one; a rate is kept by pausing between them.
 */
#include "services/tallyctl/dlq_redrive.h"

#include <inttypes.h>

#include "common/base/failpoint.h"
#include "common/base/hash.h"
#include "common/base/timestamp.h"
#include "common/host/json.h"
#include "events.h"
#include "services/tallyctl/letter.h"
#include "services/tallyctl/progress.h"

#define TRANSACTION_MS 10000
#define TRANSACTION_RECORDS 500
#define RATE_MOST 1000000

/* ---- what is sent ------------------------------------------------------ */

static struct str as_block(struct str entry, struct arena *arena)
{
	struct str parts[] = { STR("["), entry, STR("]") };

	return entry.len && entry.ptr[0] == '{' ? arena_join(arena, parts, 3) : entry;
}

void dlq_original(const struct dead_letter *letter, const struct fleet *fleet, bool rekey,
                  struct arena *arena, struct outgoing *out)
{
	bool internal = fleet->worker->internal;
	struct header *headers = arena_alloc(arena, (letter->header_count + 1) * sizeof(*headers));
	struct str key = letter->key;

	if (rekey && letter->reason == REASON_WRONG_KEY)
		key = arena_str(arena, dead_letter_own_key(letter, fleet->worker, arena));
	for (unsigned i = 0; i < letter->header_count; i++)
		headers[i] = letter->headers[i];
	headers[letter->header_count] =
		(struct header){ REPLAYS_HEADER,
		                 arena_printf(arena, "%" PRId64, letter->replays + 1) };
	*out = (struct outgoing){
		.form = OUTGOING_CLOUDEVENT,
		.topic = letter->topic,
		.partition = key.ptr && !internal ? hash_partition(key, fleet->partitions)
		                                  : letter->partition,
		.key = key,
		.value = internal ? as_block(letter->value, arena) : letter->value,
		.headers = headers,
		.header_count = letter->header_count + 1,
	};
}

void receipt_add(struct receipt *receipt, int64_t offset, struct arena *arena)
{
	if (receipt->count && receipt->ranges[receipt->count - 1].end == offset) {
		receipt->ranges[receipt->count - 1].end++;
		return;
	}
	if (receipt->count == receipt->room) {
		unsigned room = receipt->room ? receipt->room * 2 : 16;

		receipt->ranges = arena_resize(arena, receipt->ranges,
		                               receipt->room * sizeof(*receipt->ranges),
		                               room * sizeof(*receipt->ranges));
		receipt->room = room;
	}
	receipt->ranges[receipt->count++] = (struct log_span){ offset, offset + 1 };
}

/* ---- one transaction --------------------------------------------------- */

struct redrive {
	struct invocation *invocation;
	struct session session;
	struct dlq_filter filter;
	struct dlq_policy policy;
	int64_t rate;
	bool dry;

	struct dlq dlq; /* the one at hand */
	struct kafka_broadcast *broadcast;
	int32_t partition;
	bool begun;       /* a transaction is open */
	unsigned records; /* in it */
	struct receipt receipt;
	int64_t last_offset; /* of the record sent last, -1 */
	size_t settled;      /* so many entries of the partition are redriven, from the first on */
	struct arena memory; /* of one transaction */
	int64_t paced_ms;    /* the next transaction may begin */

	int64_t sent; /* chosen, all topics */
	int64_t counts[REASON_COUNT][FATE_COUNT];
};

static struct rc send_receipt(struct redrive *r)
{
	struct tallyworks_dlq_redriven_range *ranges =
		arena_zalloc(&r->memory, r->receipt.count * sizeof(*ranges));
	struct tallyworks_dlq_redriven data = { .ranges = { ranges, r->receipt.count, 0 } };

	for (unsigned i = 0; i < r->receipt.count; i++) {
		ranges[i].first = r->receipt.ranges[i].start;
		ranges[i].last = r->receipt.ranges[i].end - 1;
	}
	return letter_send(r->broadcast,
	                   &(struct letter){ .topic = str_from_c(r->dlq.topic),
	                                     .partition = r->partition,
	                                     .control = true,
	                                     .time_ms = letter_now_ms(),
	                                     .type = &tallyworks_dlq_redriven_type,
	                                     .data = &data,
	                                     .said = arena_printf(
						     &r->memory, "%s/%" PRId32 "/%" PRId64,
						     r->dlq.topic, r->partition, r->last_offset) });
}

/* Below it nothing is open. */
static int64_t first_open(struct redrive *r)
{
	const struct dlq_partition *partition = &r->dlq.partitions[r->partition];

	while (r->settled < partition->count && partition->entries[r->settled].redriven)
		r->settled++;
	return r->settled < partition->count ? partition->entries[r->settled].offset
	                                     : partition->end;
}

static struct rc send_cursor(struct redrive *r)
{
	size_t count = (size_t)r->dlq.fleet->partitions;
	struct committed *cursors = arena_zalloc(&r->memory, count * sizeof(*cursors));

	cursors[r->partition].exists = true;
	cursors[r->partition].offset = first_open(r);
	return kafka_broadcast_offsets(r->broadcast, r->dlq.group, r->dlq.topic,
	                               r->dlq.fleet->partitions, cursors);
}

static struct rc commit(struct redrive *r)
{
	if (r->records == 0)
		return OK;
	TRY(send_receipt(r));
	TRY(send_cursor(r));
	if (FAIL_POINT_ARMED("redrive")) { /* so that the broker has them when we die here */
		int64_t offset;

		TRY(kafka_broadcast_sync(r->broadcast, &offset));
	}
	FAIL_POINT("redrive");
	TRY(kafka_broadcast_commit(r->broadcast));
	r->begun = false;
	r->records = 0;
	r->receipt = (struct receipt){ 0 };
	arena_clear(&r->memory);
	return OK;
}

static void pace(struct redrive *r)
{
	while (r->rate && progress_wait(r->paced_ms))
		;
}

static struct rc send_record(void *self, struct dlq_entry *entry, const struct dead_letter *letter)
{
	struct redrive *r = self;
	unsigned most =
		r->rate && r->rate < TRANSACTION_RECORDS ? (unsigned)r->rate : TRANSACTION_RECORDS;
	struct outgoing outgoing;

	if (!r->begun) {
		pace(r);
		TRY(kafka_broadcast_begin(r->broadcast));
		r->begun = true;
	}
	dlq_original(letter, r->dlq.fleet, r->policy.rekey, &r->memory, &outgoing);
	TRY(kafka_broadcast_send(r->broadcast, &outgoing));
	receipt_add(&r->receipt, entry->offset, &r->memory);
	r->last_offset = entry->offset;
	entry->redriven = true; /* or all of it is given up */
	if (++r->records < most)
		return OK;
	if (r->rate)
		r->paced_ms = progress_now_ms() + r->records * MS_PER_SECOND / r->rate;
	return commit(r);
}

/* ---- one topic --------------------------------------------------------- */

static void choose(struct redrive *r)
{
	for (int32_t p = 0; p < r->dlq.fleet->partitions; p++)
		for (size_t i = 0; i < r->dlq.partitions[p].count; i++) {
			struct dlq_entry *entry = &r->dlq.partitions[p].entries[i];
			enum dlq_fate fate = dlq_decide(entry, &r->filter, &r->policy, &r->sent);

			r->counts[entry->reason][fate]++;
			entry->chosen = fate == FATE_SEND;
		}
}

static struct rc send_all(struct redrive *r)
{
	for (r->partition = 0; r->partition < r->dlq.fleet->partitions; r->partition++) {
		r->last_offset = -1;
		r->settled = 0;
		TRY(dlq_visit(&r->dlq, r->partition, send_record, r));
		TRY(commit(r));
	}
	return OK;
}

static struct rc redrive_topic(struct redrive *r, const struct fleet *fleet)
{
	struct rc rc = OK;

	dlq_init(&r->dlq, &r->session, fleet);
	if (!r->dry)
		rc = kafka_broadcast_open(&r->session.kafka_options, r->dlq.group, TRANSACTION_MS,
		                          &r->broadcast);
	r->begun = rc_ok(rc);
	if (rc_ok(rc))
		rc = dlq_read(&r->dlq, &r->filter, true);
	if (rc_ok(rc))
		choose(r);
	if (rc_ok(rc) && !r->dry)
		rc = send_all(r);
	kafka_broadcast_free(r->broadcast);
	r->broadcast = NULL;
	r->receipt = (struct receipt){ 0 };
	r->records = 0;
	arena_clear(&r->memory);
	dlq_release(&r->dlq);
	return rc_ok(rc) ? OK : rc_within(rc, "%s", r->dlq.topic);
}

/* ---- the command ------------------------------------------------------- */

static const char *code_of(unsigned reason)
{
	return reason == REASON_NONE ? "-" : reason_code((enum reason)reason);
}

static void say_text(const struct redrive *r)
{
	struct buf *out = r->invocation->out;

	for (unsigned reason = 0; reason < REASON_COUNT; reason++)
		for (unsigned fate = 0; fate < FATE_COUNT; fate++)
			if (fate != FATE_OTHER && r->counts[reason][fate])
				buf_printf(out, "%-20s %8" PRId64 "  %s\n", code_of(reason),
				           r->counts[reason][fate],
				           fate == FATE_SEND && r->dry
				                   ? "would be sent"
				                   : dlq_fate_words((enum dlq_fate)fate));
	buf_printf(out, "%" PRId64 " records %s\n", r->sent,
	           r->dry ? "would be redriven (--dry-run)" : "redriven");
}

static void say_json(const struct redrive *r)
{
	static const char *const names[FATE_COUNT] = {
		[FATE_SEND] = "sent",
		[FATE_REDRIVEN] = "redriven_before",
		[FATE_OTHER] = "not_selected",
		[FATE_CUT] = "cut",
		[FATE_QUARANTINED] = "quarantined",
		[FATE_INCURABLE] = "incurable",
		[FATE_NEEDS_REKEY] = "needs_rekey",
		[FATE_NO_KEY] = "no_key",
		[FATE_FOREIGN] = "not_ours",
		[FATE_MAX] = "left_by_max",
	};
	struct json j = json_to(r->invocation->out);

	json_open(&j, '{');
	json_put_bool(&j, "dry_run", r->dry);
	json_put_i64(&j, "records", r->sent);
	json_name(&j, "reasons");
	json_open(&j, '{');
	for (unsigned reason = 0; reason < REASON_COUNT; reason++) {
		bool any = false;

		for (unsigned fate = 0; fate < FATE_COUNT; fate++) {
			if (fate == FATE_OTHER || !r->counts[reason][fate])
				continue;
			if (!any) {
				json_name(&j, code_of(reason));
				json_open(&j, '{');
			}
			any = true;
			json_put_i64(&j, names[fate], r->counts[reason][fate]);
		}
		if (any)
			json_close(&j, '}');
	}
	json_close(&j, '}');
	json_close(&j, '}');
	buf_put_char(r->invocation->out, '\n');
}

static struct rc redrive(struct redrive *r)
{
	struct invocation *invocation = r->invocation;
	struct fleet fleets[FLEETS_MOST];
	unsigned count;

	TRY(invocation_no_words(invocation));
	TRY(dlq_filter_read(invocation, &r->filter));
	TRY(invocation_int(invocation, "--max", 1, INT64_MAX, INT64_MAX, &r->policy.max));
	TRY(invocation_int(invocation, "--rate", 1, RATE_MOST, 0, &r->rate));
	TRY(invocation_int(invocation, "--max-replays", 0, REPLAYS_MOST, REPLAYS,
	                   &r->policy.max_replays));
	r->policy.force = invocation_has(invocation, "--force");
	r->policy.rekey = invocation_has(invocation, "--rekey");
	r->dry = invocation_has(invocation, "--dry-run");
	TRY(session_open(&r->session, invocation));
	TRY(dlq_fleets(&r->session, invocation, fleets, &count));
	for (unsigned i = 0; i < count; i++)
		TRY(redrive_topic(r, &fleets[i]));
	return OK;
}

struct rc command_dlq_redrive(struct invocation *invocation)
{
	struct redrive *r = arena_zalloc(invocation->memory, sizeof(*r));
	struct rc rc;

	r->invocation = invocation;
	arena_init(&r->memory, 65536);
	rc = redrive(r);
	if (rc_ok(rc) && invocation->json)
		say_json(r);
	else if (rc_ok(rc))
		say_text(r);
	session_close(&r->session);
	arena_release(&r->memory);
	return rc;
}
