/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two at once exclude each other by their transactional.id: the DLQ is read after it
 * was taken. Transactions are short, since readers of the input topic wait before an
 * open one; a rate is kept by pausing between them.
 */
#include "services/tallyctl/redrive.h"

#include <inttypes.h>

#include "common/base/failpoint.h"
#include "common/base/hash.h"
#include "common/base/timestamp.h"
#include "events.h"
#include "services/tallyctl/letter.h"
#include "services/tallyctl/progress.h"

#define TRANSACTION_MS 10000
#define TRANSACTION_RECORDS 500

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
	struct session *session;
	const struct redrive_wish *wish;
	struct redrive_state *state;
	redrive_told *told;
	void *self;

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
};

static struct rc tell(struct redrive *r)
{
	if (r->told && !r->told(r->self, r->state))
		return rc_fail(RC_TRY_AGAIN, "stopped; started again it goes on from here");
	return OK;
}

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
	r->state->sent += r->records;
	r->records = 0;
	r->receipt = (struct receipt){ 0 };
	arena_clear(&r->memory);
	return tell(r);
}

static void pace(struct redrive *r)
{
	while (r->wish->rate && progress_wait(r->paced_ms))
		;
}

static struct rc send_record(void *self, struct dlq_entry *entry, const struct dead_letter *letter)
{
	struct redrive *r = self;
	int64_t rate = r->wish->rate;
	unsigned most = rate && rate < TRANSACTION_RECORDS ? (unsigned)rate : TRANSACTION_RECORDS;
	struct outgoing outgoing;

	if (!r->begun) {
		pace(r);
		TRY(kafka_broadcast_begin(r->broadcast));
		r->begun = true;
	}
	dlq_original(letter, r->dlq.fleet, r->wish->policy.rekey, &r->memory, &outgoing);
	TRY(kafka_broadcast_send(r->broadcast, &outgoing));
	receipt_add(&r->receipt, entry->offset, &r->memory);
	r->last_offset = entry->offset;
	entry->redriven = true; /* or all of it is given up */
	if (++r->records < most)
		return OK;
	if (rate)
		r->paced_ms = progress_now_ms() + r->records * MS_PER_SECOND / rate;
	return commit(r);
}

/* ---- one topic --------------------------------------------------------- */

static void choose(struct redrive *r)
{
	for (int32_t p = 0; p < r->dlq.fleet->partitions; p++)
		for (size_t i = 0; i < r->dlq.partitions[p].count; i++) {
			struct dlq_entry *entry = &r->dlq.partitions[p].entries[i];
			enum dlq_fate fate = dlq_decide(entry, &r->wish->filter, &r->wish->policy,
			                                &r->state->records);

			r->state->counts[entry->reason][fate]++;
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

	dlq_init(&r->dlq, r->session, fleet);
	r->dlq.waits = true;
	if (!r->wish->dry)
		rc = kafka_broadcast_open(&r->session->kafka_options, r->dlq.group, TRANSACTION_MS,
		                          &r->broadcast);
	r->begun = rc_ok(rc);
	if (rc_ok(rc))
		rc = dlq_read(&r->dlq, &r->wish->filter, true);
	if (rc_ok(rc)) {
		choose(r);
		rc = tell(r);
	}
	if (rc_ok(rc) && !r->wish->dry)
		rc = send_all(r);
	kafka_broadcast_free(r->broadcast);
	r->broadcast = NULL;
	r->receipt = (struct receipt){ 0 };
	r->records = 0;
	arena_clear(&r->memory);
	dlq_release(&r->dlq);
	return rc_ok(rc) ? OK : rc_within(rc, "%s", r->dlq.topic);
}

struct rc redrive_run(struct session *session, const struct fleet *fleets, unsigned count,
                      const struct redrive_wish *wish, redrive_told *told, void *self,
                      struct redrive_state *out)
{
	struct redrive r = {
		.session = session, .wish = wish, .state = out, .told = told, .self = self
	};
	struct rc rc = OK;

	*out = (struct redrive_state){ .records = 0 };
	arena_init(&r.memory, 65536);
	for (unsigned i = 0; i < count && rc_ok(rc); i++)
		rc = redrive_topic(&r, &fleets[i]);
	arena_release(&r.memory);
	return rc;
}

/* ---- words ------------------------------------------------------------- */

const char *redrive_code(unsigned reason)
{
	return reason == REASON_NONE ? "-" : reason_code((enum reason)reason);
}

static void reason_json(const struct redrive_state *state, unsigned reason, struct json *j)
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
	bool any = false;

	for (unsigned fate = 0; fate < FATE_COUNT; fate++) {
		if (fate == FATE_OTHER || !state->counts[reason][fate])
			continue;
		if (!any) {
			json_name(j, redrive_code(reason));
			json_open(j, '{');
		}
		any = true;
		json_put_i64(j, names[fate], state->counts[reason][fate]);
	}
	if (any)
		json_close(j, '}');
}

void redrive_json(const struct redrive_state *state, struct json *j)
{
	json_put_i64(j, "records", state->records);
	json_name(j, "reasons");
	json_open(j, '{');
	for (unsigned reason = 0; reason < REASON_COUNT; reason++)
		reason_json(state, reason, j);
	json_close(j, '}');
}
