/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl dlq list: each DLQ as a histogram by reason, with what each reason
 * means and whether a redrive heals it (common/codec/reason.h).
 */
#include <inttypes.h>

#include "common/base/timestamp.h"
#include "common/host/json.h"
#include "services/tallyctl/dlq.h"
#include "services/tallyctl/redrive.h"

struct tally {
	int64_t open, redriven, quarantined, cut;
	int64_t first_ms, last_ms; /* of all of them */
};

struct listing {
	const char *topic; /* with prefix */
	const char *input; /* whose dead letters these are, without */
	struct tally all, reasons[REASON_COUNT], foreign;
};

static void count(struct tally *tally, const struct dlq_entry *entry, int64_t max_replays)
{
	bool seen = tally->open + tally->redriven > 0;

	if (!seen || entry->time_ms < tally->first_ms)
		tally->first_ms = entry->time_ms;
	if (!seen || entry->time_ms > tally->last_ms)
		tally->last_ms = entry->time_ms;
	tally->open += !entry->redriven;
	tally->redriven += entry->redriven;
	tally->quarantined += !entry->redriven && entry->replays >= max_replays;
	tally->cut += !entry->redriven && entry->cut;
}

static void count_all(const struct dlq *dlq, int64_t max_replays, struct listing *out)
{
	*out = (struct listing){ .topic = dlq->topic, .input = dlq->fleet->worker->topic };
	for (int32_t p = 0; p < dlq->fleet->partitions; p++)
		for (size_t i = 0; i < dlq->partitions[p].count; i++) {
			const struct dlq_entry *entry = &dlq->partitions[p].entries[i];

			if (!entry->matches)
				continue;
			count(&out->all, entry, max_replays);
			count(entry->ours ? &out->reasons[entry->reason] : &out->foreign, entry,
			      max_replays);
		}
}

/* ---- words ------------------------------------------------------------- */

static bool is_empty(const struct tally *tally)
{
	return tally->open + tally->redriven == 0;
}

static const char *name_of(unsigned reason)
{
	return reason == REASON_NONE ? "(newer)" : reason_code((enum reason)reason);
}

static void row_text(const char *name, const struct tally *tally, struct buf *out)
{
	char first[24], last[24];

	buf_printf(out,
	           "  %-20s %8" PRId64 " %9" PRId64 " %12" PRId64 " %6" PRId64 "  %.*s  %.*s\n",
	           name, tally->open, tally->redriven, tally->quarantined, tally->cut,
	           (int)timestamp_format(tally->first_ms, first), first,
	           (int)timestamp_format(tally->last_ms, last), last);
}

static void listing_text(const struct listing *l, struct buf *out)
{
	buf_printf(out, "%s: %" PRId64 " open, %" PRId64 " redriven, %" PRId64 " quarantined\n",
	           l->topic, l->all.open, l->all.redriven, l->all.quarantined);
	if (is_empty(&l->all))
		return;
	buf_printf(out, "  %-20s %8s %9s %12s %6s  %-24s  %s\n", "REASON", "OPEN", "REDRIVEN",
	           "QUARANTINED", "CUT", "FIRST", "LAST");
	for (unsigned i = 0; i < REASON_COUNT; i++) {
		const char *healing = reason_healing((enum reason)i);

		if (is_empty(&l->reasons[i]))
			continue;
		row_text(name_of(i), &l->reasons[i], out);
		buf_printf(out, "    %s; %s%s\n", dead_letter_meaning((enum reason)i),
		           healing ? "a redrive heals it once " : "no redrive heals it",
		           healing ? healing : "");
	}
	if (!is_empty(&l->foreign))
		row_text("(not ours)", &l->foreign, out);
}

static void tally_json(const struct tally *tally, struct json *j)
{
	json_put_i64(j, "open", tally->open);
	json_put_i64(j, "redriven", tally->redriven);
	json_put_i64(j, "quarantined", tally->quarantined);
	json_put_i64(j, "cut", tally->cut);
	if (is_empty(tally))
		return;
	json_put_time(j, "first", tally->first_ms);
	json_put_time(j, "last", tally->last_ms);
}

static void listing_json(const struct listing *l, struct json *j)
{
	json_open(j, '{');
	json_put_text(j, "topic", l->topic);
	json_put_text(j, "input", l->input);
	tally_json(&l->all, j);
	json_put_i64(j, "not_ours", l->foreign.open);
	json_name(j, "reasons");
	json_open(j, '[');
	for (unsigned i = 0; i < REASON_COUNT; i++) {
		if (is_empty(&l->reasons[i]))
			continue;
		json_open(j, '{');
		json_put_text(j, "reason", name_of(i));
		json_put_text(j, "means", dead_letter_meaning((enum reason)i));
		json_put_text(j, "heals_after", reason_healing((enum reason)i));
		tally_json(&l->reasons[i], j);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

/* ---- the command ------------------------------------------------------- */

static struct rc list_one(struct invocation *invocation, struct session *session,
                          const struct fleet *fleet, const struct dlq_filter *filter,
                          int64_t max_replays, struct json *j)
{
	struct listing listing;
	struct dlq dlq;
	struct rc rc;

	dlq_init(&dlq, session, fleet);
	rc = dlq_read(&dlq, filter, false);
	if (rc_ok(rc)) {
		count_all(&dlq, max_replays, &listing);
		if (invocation->json)
			listing_json(&listing, j);
		else
			listing_text(&listing, invocation->out);
	}
	dlq_release(&dlq);
	return rc;
}

static struct rc list(struct invocation *invocation, struct session *session)
{
	struct json j = json_to(invocation->out);
	struct fleet fleets[FLEETS_MOST];
	struct dlq_filter filter;
	int64_t max_replays;
	unsigned fleet_count;

	TRY(invocation_no_words(invocation));
	TRY(dlq_filter_read(invocation, &filter));
	TRY(invocation_int(invocation, "--max-replays", 0, REPLAYS_MOST, REPLAYS, &max_replays));
	TRY(session_open(session, invocation));
	TRY(dlq_fleets(session, invocation, fleets, &fleet_count));
	if (invocation->json) {
		json_open(&j, '{');
		json_name(&j, "topics");
		json_open(&j, '[');
	}
	for (unsigned i = 0; i < fleet_count; i++)
		TRY(list_one(invocation, session, &fleets[i], &filter, max_replays, &j));
	if (invocation->json) {
		json_close(&j, ']');
		json_close(&j, '}');
		buf_put_char(invocation->out, '\n');
	}
	return OK;
}

struct rc command_dlq_list(struct invocation *invocation)
{
	struct session session = { .config = NULL };
	struct rc rc = list(invocation, &session);

	if (!rc_ok(rc))
		buf_clear(invocation->out); /* half an answer is none */
	session_close(&session);
	return rc;
}
