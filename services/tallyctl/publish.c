/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl publish: reference data into topic reference, and a marker into every
 * shard of every worker, in one transaction; with --wait until all work under it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/timestamp.h"
#include "common/host/json.h"
#include "services/tallyctl/command.h"
#include "services/tallyctl/progress.h"
#include "services/tallyctl/reference_set.h"

#define TIMEOUT_S 60

static struct rc count_behind(struct session *session, const struct fleet *fleets, unsigned count,
                              int64_t pin, unsigned *behind)
{
	struct arena arena;
	struct rc rc = OK;

	*behind = 0;
	arena_init(&arena, 4096);
	for (unsigned i = 0; i < count && rc_ok(rc); i++) {
		size_t partitions = (size_t)fleets[i].partitions;
		struct meta_row *rows = arena_alloc(&arena, partitions * sizeof(*rows));

		rc = redis_admin_metas(session->redis, str_from_c(fleets[i].worker->topic),
		                       fleets[i].partitions, rows);
		for (size_t p = 0; p < partitions && rc_ok(rc); p++)
			*behind += rows[p].pin < pin;
	}
	arena_release(&arena);
	return rc;
}

static struct rc wait_pins(struct session *session, const struct fleet *fleets, unsigned count,
                           int64_t pin, int64_t until_ms)
{
	unsigned behind;

	for (;;) {
		TRY(count_behind(session, fleets, count, pin, &behind));
		if (behind == 0)
			return OK;
		if (!progress_wait(until_ms))
			return rc_fail(
				RC_TRY_AGAIN,
				"it is published (pin %" PRId64 "), but %u shards do not "
				"work under it yet; are all workers running? See tallyctl lag",
				pin, behind);
	}
}

static void say(const struct invocation *invocation, const struct reference_set *set,
                unsigned shards, bool dry, bool waited)
{
	struct buf *out = invocation->out;
	struct json j = json_to(out);

	if (!invocation->json && dry) {
		buf_printf(out, "%u records are valid; nothing was published (--dry-run)\n",
		           set->document.count);
	} else if (!invocation->json) {
		buf_printf(
			out, "published %u records, pin %" PRId64 ", marker sent to %u shards%s\n",
			set->document.count, set->pin, shards, waited ? ", all work under it" : "");
	} else {
		json_open(&j, '{');
		json_put_i64(&j, "records", set->document.count);
		json_put_i64(&j, "warnings", set->findings.warning_count);
		json_put_bool(&j, "published", !dry);
		if (!dry)
			json_put_i64(&j, "pin", set->pin);
		json_put_i64(&j, "shards", shards);
		json_put_bool(&j, "waited", waited);
		json_close(&j, '}');
		buf_put_char(out, '\n');
	}
}

static struct rc publish(struct invocation *invocation, struct session *session,
                         struct reference_set *set)
{
	bool dry = invocation_has(invocation, "--dry-run"),
	     wait = invocation_has(invocation, "--wait");
	struct fleet fleets[FLEETS_MOST];
	unsigned count, shards = 0;
	int64_t timeout_s;

	if (invocation->word_count == 0)
		return rc_fail(RC_USAGE, "which files? tallyctl publish FILE...");
	TRY(invocation_int(invocation, "--timeout", 0, 86400, TIMEOUT_S, &timeout_s));
	TRY(session_open(session, invocation));
	TRY(reference_set_open(set, session, dry));
	TRY(session_fleets(session, NULL, fleets, &count));
	TRY(reference_set_read(set, invocation->words, invocation->word_count));
	if (!dry) {
		TRY(reference_set_write(set));
		for (unsigned i = 0; i < count; i++) {
			TRY(reference_set_mark(set, &fleets[i]));
			shards += (unsigned)fleets[i].partitions;
		}
		TRY(reference_set_commit(set));
	}
	if (!dry && wait)
		TRY(wait_pins(session, fleets, count, set->pin,
		              progress_now_ms() + timeout_s * MS_PER_SECOND));
	say(invocation, set, shards, dry, !dry && wait);
	return OK;
}

struct rc command_publish(struct invocation *invocation)
{
	struct session session = { .config = NULL };
	struct reference_set set;
	struct rc rc;

	reference_set_init(&set);
	rc = publish(invocation, &session, &set);
	reference_set_release(&set);
	session_close(&session);
	return rc;
}
