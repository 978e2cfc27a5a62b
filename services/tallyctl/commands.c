/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of commands and what they share.
 */
#include <inttypes.h>

#include "common/host/describe.h"
#include "services/tallyctl/command.h"
#include "services/tallyctl/dlq.h"
#include "services/tallyctl/gen.h"

#define NO_FLAGS             \
	{                    \
		.name = NULL \
	}

static const struct flag topics_create_flags[] = {
	{ "--partitions", "N", "partitions of every topic but reference, fixed for life (8)" },
	{ "--replicas", "N", "copies of each partition (the broker's default)" },
	{ "--reference", "FILE...", "publish this first and let new shards begin under it" },
	NO_FLAGS,
};

static const struct flag topics_check_flags[] = {
	{ "--partitions", "N", "how many there should be (as many as the first input has)" },
	NO_FLAGS,
};

static const struct flag publish_flags[] = {
	{ "--dry-run", NULL, "check everything, publish nothing" },
	{ "--wait", NULL, "return when every shard works under it" },
	{ "--timeout", "SECONDS", "with --wait: give up after this time, status 75 (60)" },
	NO_FLAGS,
};

static const struct flag top_flags[] = {
	{ "--once", NULL, "show one picture, after one interval (rates need two looks)" },
	{ "--interval", "SECONDS", "look so often (1)" },
	{ "--worker", "NAME", "only this worker" },
	NO_FLAGS,
};

static const struct flag lag_flags[] = {
	{ "--wait", NULL, "return when everything is folded and in Redis" },
	{ "--timeout", "SECONDS", "with --wait: give up after this time, status 75 (60)" },
	{ "--worker", "NAME", "only this worker" },
	NO_FLAGS,
};

static const struct flag dlq_list_flags[] = {
	DLQ_FLAGS,
	{ "--max-replays", "N", "redriven so often, a record counts as quarantined (3)" },
	NO_FLAGS,
};

static const struct flag dlq_show_flags[] = {
	DLQ_FLAGS,
	{ "--max", "N", "so many records at most (10)" },
	{ "--all", NULL, "also those that were redriven" },
	NO_FLAGS,
};

static const struct flag dlq_redrive_flags[] = {
	DLQ_FLAGS,
	{ "--dry-run", NULL, "say what would be sent, and why some would not" },
	{ "--max", "N", "so many records at most (all)" },
	{ "--rate", "N", "so many records a second at most (no limit)" },
	{ "--max-replays", "N", "redriven so often, a record stays where it is (3)" },
	{ "--force", NULL, "send also what was redriven so often" },
	{ "--rekey", NULL, "of wrong_key: take the key from the event's subject or id" },
	NO_FLAGS,
};

static const struct flag key_flags[] = {
	{ "--redis", NULL, "ask Redis what they hold now, and in which shard" },
	NO_FLAGS,
};

static const struct flag logic_advance_flags[] = {
	{ "--worker", "NAME", "whose shards" },
	{ "--to", "VERSION", "the logic version; this build and all processes must know it" },
	{ "--wait", NULL, "return when every shard folds under it" },
	{ "--timeout", "SECONDS", "with --wait: give up after this time, status 75 (60)" },
	NO_FLAGS,
};

static const struct flag repair_flags[] = {
	{ "--worker", "NAME", "only this worker" },
	{ "--partition", "P", "only this shard" },
	{ "--origin", "OFFSET", "where the shard began, if not at 0 and nobody knows" },
	{ "--yes", NULL, "do it; without it only what would be done is said" },
	NO_FLAGS,
};

static const struct flag explain_flags[] = {
	{ "--max", "N", "so many lines of a list at most (20)" },
	{ "--whole", NULL, "read the order's whole partition, for repetitions far from it" },
	NO_FLAGS,
};

static const struct flag verify_flags[] = {
	{ "--worker", "NAME", "only this worker" },
	{ "--max", "N", "list so many differences at most (20)" },
	NO_FLAGS,
};

static const struct flag replay_flags[] = {
	{ "--until", "WHAT", "an instant (RFC 3339), or TOPIC/PARTITION=OFFSET,..." },
	{ "--prefix", "PREFIX", "of the keys to be written; no key has it yet" },
	{ "--worker", "NAME", "only this worker" },
	NO_FLAGS,
};

static const struct flag no_flags[] = { NO_FLAGS };

const struct command commands[] = {
	{ "topics create", "", "make the topics and the groups' first cursors", topics_create_flags,
	  command_topics_create },
	{ "topics check", "", "are the topics as they should be?", topics_check_flags,
	  command_topics_check },
	{ "publish", "FILE...", "check and publish reference data (people, units, plans, ...)",
	  publish_flags, command_publish },
	{ "lag", "", "how far each worker is behind, partition by partition", lag_flags,
	  command_lag },
	{ "top", "", "all workers and shards, looked at every second: who, how far, what is wrong",
	  top_flags, command_top },
	{ "gen", "", "a made-up company's orders with all that goes wrong, and its books",
	  gen_flags, command_gen },
	{ "describe", "[WORKER]", "what the workers read, own and write", no_flags,
	  command_describe },
	{ "key", "KIND ID [PERIOD]", "the Redis keys of a payee, team, order, ..., and their value",
	  key_flags, command_key },
	{ "explain", "ID|KEY [MEMBER]",
	  "how an amount came about: a commission, an order or a figure", explain_flags,
	  command_explain },
	{ "verify", "", "is Redis, and what was put out, what the logs make?", verify_flags,
	  command_verify },
	{ "replay", "", "write the figures as they were at a time or place, under another prefix",
	  replay_flags, command_replay },
	{ "validate", "FILE...",
	  "would the workers take these events? JSON lines, key<TAB>JSON, or JSON", no_flags,
	  command_validate },
	{ "logic advance", "", "let all shards of a worker fold under a later logic version",
	  logic_advance_flags, command_logic_advance },
	{ "repair", "", "set a lost or wrong K from the outputs", repair_flags, command_repair },
	{ "dlq list", "", "what was refused, counted by reason, and what heals it", dlq_list_flags,
	  command_dlq_list },
	{ "dlq show", "", "refused records as they came, with the failing field", dlq_show_flags,
	  command_dlq_show },
	{ "dlq redrive", "",
	  "send refused records back, each once, when what refused them is mended",
	  dlq_redrive_flags, command_dlq_redrive },
	{ .name = NULL },
};

const char *invocation_text(const struct invocation *invocation, const char *flag)
{
	const char *value = NULL; /* the last one counts */

	for (unsigned i = 0; i < invocation->value_count; i++)
		if (strcmp(invocation->values[i].flag, flag) == 0)
			value = invocation->values[i].value ? invocation->values[i].value : "";
	return value;
}

bool invocation_has(const struct invocation *invocation, const char *flag)
{
	return invocation_text(invocation, flag) != NULL;
}

struct rc invocation_int(const struct invocation *invocation, const char *flag, int64_t least,
                         int64_t most, int64_t fallback, int64_t *out)
{
	const char *text = invocation_text(invocation, flag);

	*out = fallback;
	if (!text)
		return OK;
	if (!str_to_i64(str_from_c(text), out) || *out < least || *out > most)
		return rc_fail(RC_USAGE, "%s %s: not a whole number from %" PRId64 " to %" PRId64,
		               flag, text, least, most);
	return OK;
}

static struct rc find_worker(const char *name, const struct worker **out)
{
	struct buf names;
	struct rc rc;

	*out = worker_find(str_from_c(name));
	if (*out)
		return OK;
	buf_init(&names, NULL);
	for (int i = 0; workers[i]; i++)
		buf_printf(&names, "%s%s", i ? ", " : "", workers[i]->name);
	rc = rc_fail(RC_USAGE, "there is no worker %s; there are %.*s", name, (int)names.len,
	             names.ptr);
	buf_release(&names);
	return rc;
}

struct rc invocation_worker(const struct invocation *invocation, const struct worker **out)
{
	const char *name = invocation_text(invocation, "--worker");

	*out = NULL;
	return name ? find_worker(name, out) : OK;
}

struct rc invocation_no_words(const struct invocation *invocation)
{
	if (invocation->word_count)
		return rc_fail(RC_USAGE, "%s: the command takes no words", invocation->words[0]);
	return OK;
}

struct rc command_describe(struct invocation *invocation)
{
	const struct worker *only = NULL;

	if (invocation->word_count > 1)
		return rc_fail(RC_USAGE, "describe takes one worker's name at most");
	if (invocation->word_count)
		TRY(find_worker(invocation->words[0], &only));
	if (invocation->json)
		describe_json(only, invocation->out);
	else
		describe_text(only, invocation->out);
	return OK;
}
