/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl dlq redrive: sends originals back to where they came from, or says what
 * it would send (redrive.h).
 */
#include <inttypes.h>

#include "common/host/json.h"
#include "services/tallyctl/redrive.h"

static void say_text(const struct redrive_state *state, bool dry, struct buf *out)
{
	for (unsigned reason = 0; reason < REASON_COUNT; reason++)
		for (unsigned fate = 0; fate < FATE_COUNT; fate++)
			if (fate != FATE_OTHER && state->counts[reason][fate])
				buf_printf(out, "%-20s %8" PRId64 "  %s\n", redrive_code(reason),
				           state->counts[reason][fate],
				           fate == FATE_SEND && dry
				                   ? "would be sent"
				                   : dlq_fate_words((enum dlq_fate)fate));
	buf_printf(out, "%" PRId64 " records %s\n", state->records,
	           dry ? "would be redriven (--dry-run)" : "redriven");
}

static void say_json(const struct redrive_state *state, bool dry, struct buf *out)
{
	struct json j = json_to(out);

	json_open(&j, '{');
	json_put_bool(&j, "dry_run", dry);
	redrive_json(state, &j);
	json_close(&j, '}');
	buf_put_char(out, '\n');
}

static struct rc read_wish(const struct invocation *invocation, struct redrive_wish *out)
{
	TRY(invocation_no_words(invocation));
	TRY(dlq_filter_read(invocation, &out->filter));
	TRY(invocation_int(invocation, "--max", 1, INT64_MAX, INT64_MAX, &out->policy.max));
	TRY(invocation_int(invocation, "--rate", 1, REDRIVE_RATE_MOST, 0, &out->rate));
	TRY(invocation_int(invocation, "--max-replays", 0, REPLAYS_MOST, REPLAYS,
	                   &out->policy.max_replays));
	out->policy.force = invocation_has(invocation, "--force");
	out->policy.rekey = invocation_has(invocation, "--rekey");
	out->dry = invocation_has(invocation, "--dry-run");
	return OK;
}

static struct rc redrive(struct invocation *invocation, struct session *session)
{
	struct fleet fleets[FLEETS_MOST];
	struct redrive_wish wish;
	struct redrive_state state;
	unsigned count;

	TRY(read_wish(invocation, &wish));
	TRY(session_open(session, invocation));
	TRY(dlq_fleets(session, invocation, fleets, &count));
	TRY(redrive_run(session, fleets, count, &wish, NULL, NULL, &state));
	if (invocation->json)
		say_json(&state, wish.dry, invocation->out);
	else
		say_text(&state, wish.dry, invocation->out);
	return OK;
}

struct rc command_dlq_redrive(struct invocation *invocation)
{
	struct session session = { .config = NULL };
	struct rc rc = redrive(invocation, &session);

	session_close(&session);
	return rc;
}
