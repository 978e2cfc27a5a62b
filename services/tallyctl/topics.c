/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl topics create and check.
 *
 * create looks at everything first and changes nothing where something cannot
 * work. Then it makes the missing topics, publishes the reference data if there
 * is some, and commits the first K of every shard that has none: from then on a
 * missing K never means a new shard. A shard's K names its origin and the
 * reference data it begins under.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/host/json.h"
#include "common/runtime/cursor.h"
#include "services/tallyctl/command.h"
#include "services/tallyctl/outputs.h"
#include "services/tallyctl/reference_set.h"
#include "services/tallyctl/topic_check.h"

#define PARTITIONS 8
#define PARTITIONS_MOST 1024

/* A topic of the topology as it was found. */
struct found {
	struct topic_state state;
	int64_t message_bytes;
	bool created;
};

struct work {
	struct invocation *invocation;
	struct session session;
	struct topology topology;
	struct found found[TOPOLOGY_TOPICS_MOST];
	struct findings findings;
	struct reference_set set;
	int32_t partitions;
	unsigned topics_made, shards_made;
	int64_t pin; /* new shards begin under it */
};

/* ---- topics ------------------------------------------------------------ */

static int32_t partitions_of(const struct work *work, const struct topic *topic)
{
	return topic->role == TOPIC_REFERENCE ? 1 : work->partitions;
}

/* A dead-letter topic stands right behind its source. */
static int64_t source_bytes(const struct work *work, unsigned i)
{
	return work->topology.topics[i].role == TOPIC_DEAD_LETTER ? work->found[i - 1].message_bytes
	                                                          : MESSAGE_BYTES_DEFAULT;
}

static struct rc look_at_topics(struct work *work)
{
	struct topology *topology = &work->topology;

	for (unsigned i = 0; i < topology->count; i++) {
		const struct topic *topic = &topology->topics[i];
		struct found *found = &work->found[i];

		found->message_bytes = MESSAGE_BYTES_DEFAULT;
		TRY(kafka_cluster_topic(work->session.cluster, topic->name, &found->state));
		if (work->partitions == 0 && found->state.exists && topic->role == TOPIC_INPUT)
			work->partitions = found->state.partitions;
		if (found->state.exists)
			TRY(topic_check(&work->session, topic, &found->state,
			                partitions_of(work, topic), source_bytes(work, i),
			                &work->findings, &found->message_bytes));
	}
	return OK;
}

static struct rc make_topics(struct work *work, int replicas)
{
	struct topology *topology = &work->topology;

	for (unsigned i = 0; i < topology->count; i++) {
		const struct topic *topic = &topology->topics[i];
		struct found *found = &work->found[i];

		if (found->state.exists)
			continue;
		TRY(topic_create(&work->session, topic, partitions_of(work, topic), replicas,
		                 source_bytes(work, i)));
		TRY(kafka_cluster_topic(work->session.cluster, topic->name, &found->state));
		found->created = true;
		work->topics_made++;
	}
	return OK;
}

/* ---- cursors ----------------------------------------------------------- */

/* The shards of one worker as Kafka and Redis have them. */
struct shards {
	const struct fleet *fleet;
	struct committed *committed;
	unsigned missing; /* shards without K */
};

static struct rc look_at_shards(struct work *work, const struct fleet *fleet, struct shards *out)
{
	struct arena *arena = work->invocation->memory;
	size_t count = (size_t)fleet->partitions;

	*out = (struct shards){ .fleet = fleet };
	out->committed = arena_alloc(arena, count * sizeof(*out->committed));
	TRY(kafka_cluster_committed(work->session.cluster, fleet->group, fleet->topic,
	                            fleet->partitions, arena, out->committed));
	for (size_t p = 0; p < count; p++)
		out->missing += !out->committed[p].exists;
	return OK;
}

/* A lost K, or another installation's keys: neither is a new shard. */
static void check_redis(struct work *work, const struct shards *shards)
{
	const struct fleet *fleet = shards->fleet;
	struct meta_row *rows =
		arena_alloc(work->invocation->memory, (size_t)fleet->partitions * sizeof(*rows));

	if (!rc_ok(redis_admin_metas(work->session.redis, str_from_c(fleet->worker->topic),
	                             fleet->partitions, rows))) {
		findings_warning(&work->findings, str_from_c(fleet->group),
		                 "not checked for old state: %s", rc_text());
		return;
	}
	for (int32_t p = 0; p < fleet->partitions; p++)
		if (!shards->committed[p].exists && rows[p].exists)
			findings_error(&work->findings, str_from_c(fleet->group),
			               "partition %" PRId32
			               " has no committed offset, but Redis has its state: "
			               "if the offset was lost, run tallyctl repair; for a new "
			               "installation use "
			               "another redis.prefix or an empty Redis",
			               p);
}

/* Begun anew, a shard would put out again what is there already. */
static struct rc check_outputs(struct work *work, const struct shards *shards)
{
	const struct fleet *fleet = shards->fleet;
	struct evidence *evidence = arena_alloc(work->invocation->memory,
	                                        (size_t)fleet->partitions * sizeof(*evidence));

	TRY(outputs_read(&work->session, fleet, evidence));
	for (int32_t p = 0; p < fleet->partitions; p++)
		if (!shards->committed[p].exists && evidence[p].cause >= 0)
			findings_error(&work->findings, str_from_c(fleet->group),
			               "partition %" PRId32
			               " has no committed offset, but its outputs are in %s: "
			               "run tallyctl repair",
			               p, evidence[p].topic);
	return OK;
}

static struct rc check_for_old_state(struct work *work, const struct shards *shards)
{
	if (shards->missing == 0)
		return OK;
	check_redis(work, shards);
	return check_outputs(work, shards);
}

static struct rc commit_first(struct work *work, const struct shards *shards)
{
	const struct fleet *fleet = shards->fleet;
	struct arena *arena = work->invocation->memory;
	size_t count = (size_t)fleet->partitions;
	struct log_span *spans = arena_alloc(arena, count * sizeof(*spans));
	struct committed *first = arena_zalloc(arena, count * sizeof(*first));
	struct cursor_metadata metadata = { .first_pin = work->pin,
		                            .first_logic = fleet->worker->logic_version,
		                            .logic = fleet->worker->logic_version };

	TRY(kafka_cluster_spans(work->session.cluster, fleet->topic, fleet->partitions, spans));
	snprintf(metadata.topic_id, sizeof(metadata.topic_id), "%s", fleet->topic_id);
	for (size_t p = 0; p < count; p++) {
		char text[LIMIT_METADATA_BYTES];

		if (shards->committed[p].exists)
			continue;
		metadata.origin = spans[p].start;
		first[p].exists = true;
		first[p].offset = spans[p].start;
		first[p].metadata =
			arena_str(arena, str_of(text, cursor_metadata_format(&metadata, text)));
		work->shards_made++;
	}
	return kafka_cluster_commit(work->session.cluster, fleet->group, fleet->topic,
	                            fleet->partitions, first);
}

/* ---- reference --------------------------------------------------------- */

static struct rc publish_reference(struct work *work, const char *const *files, unsigned count,
                                   const struct fleet *fleets, unsigned fleet_count, bool all_new)
{
	struct reference_set *set = &work->set;

	TRY(reference_set_open(set, &work->session, count == 0));
	work->pin = catalog_newest_end(set->catalog);
	if (count == 0)
		return OK;
	TRY(reference_set_read(set, files, count));
	TRY(reference_set_write(set));
	/* New shards begin under it; a marker is for those that are at work already. */
	for (unsigned i = 0; i < fleet_count && !all_new; i++)
		TRY(reference_set_mark(set, &fleets[i]));
	TRY(reference_set_commit(set));
	work->pin = set->pin;
	return OK;
}

/* The values of --reference, and the words, which belong to it. */
static struct rc reference_files(const struct invocation *invocation, const char ***out,
                                 unsigned *count)
{
	size_t most = invocation->value_count + invocation->word_count + 1;

	*out = arena_alloc(invocation->memory, most * sizeof(**out));
	*count = 0;
	for (unsigned i = 0; i < invocation->value_count; i++)
		if (strcmp(invocation->values[i].flag, "--reference") == 0)
			(*out)[(*count)++] = invocation->values[i].value;
	if (*count == 0)
		return invocation_no_words(invocation);
	for (unsigned i = 0; i < invocation->word_count; i++)
		(*out)[(*count)++] = invocation->words[i];
	return OK;
}

/* ---- the commands ------------------------------------------------------ */

static struct rc conclude_findings(const struct work *work)
{
	findings_print(&work->findings);
	if (work->findings.error_count)
		return rc_fail(RC_REFUSED, "%u thing%s cannot work as %s",
		               work->findings.error_count,
		               work->findings.error_count == 1 ? "" : "s",
		               work->findings.error_count == 1 ? "it is" : "they are");
	return OK;
}

static struct rc make_cursors(struct work *work, const char *const *files, unsigned file_count)
{
	struct fleet fleets[FLEETS_MOST];
	struct shards shards[FLEETS_MOST];
	unsigned count, all = 0, missing = 0;

	TRY(session_fleets(&work->session, NULL, fleets, &count));
	for (unsigned i = 0; i < count; i++) {
		TRY(look_at_shards(work, &fleets[i], &shards[i]));
		TRY(check_for_old_state(work, &shards[i]));
		missing += shards[i].missing;
		all += (unsigned)fleets[i].partitions;
	}
	TRY(conclude_findings(work));
	if (missing == 0) {
		if (file_count)
			fprintf(stderr,
			        "warning: no shard is new, so nothing was published; use tallyctl "
			        "publish\n");
		return OK;
	}
	TRY(publish_reference(work, files, file_count, fleets, count, missing == all));
	for (unsigned i = 0; i < count; i++)
		TRY(commit_first(work, &shards[i]));
	return OK;
}

static struct rc create(struct work *work)
{
	struct invocation *invocation = work->invocation;
	unsigned file_count;
	const char **files;
	int64_t partitions, replicas;

	TRY(reference_files(invocation, &files, &file_count));
	TRY(invocation_int(invocation, "--partitions", 1, PARTITIONS_MOST, PARTITIONS,
	                   &partitions));
	TRY(invocation_int(invocation, "--replicas", 1, 100, -1, &replicas));
	work->partitions = (int32_t)partitions;
	TRY(session_open(&work->session, invocation));
	topology_of_workers(invocation->config, invocation->memory, &work->topology);
	TRY(look_at_topics(work));
	if (work->findings.error_count)
		return conclude_findings(work);
	TRY(make_topics(work, (int)replicas));
	return make_cursors(work, files, file_count);
}

static struct rc check(struct work *work)
{
	struct invocation *invocation = work->invocation;
	struct fleet fleets[FLEETS_MOST];
	struct shards shards;
	int64_t partitions;
	unsigned count;

	TRY(invocation_no_words(invocation));
	TRY(invocation_int(invocation, "--partitions", 1, PARTITIONS_MOST, 0, &partitions));
	work->partitions = (int32_t)partitions;
	TRY(session_open(&work->session, invocation));
	topology_of_workers(invocation->config, invocation->memory, &work->topology);
	TRY(look_at_topics(work));
	for (unsigned i = 0; i < work->topology.count; i++)
		if (!work->found[i].state.exists)
			findings_error(&work->findings, str_from_c(work->topology.topics[i].name),
			               "does not exist: run tallyctl topics create");
	if (work->findings.error_count)
		return conclude_findings(work);
	TRY(session_fleets(&work->session, NULL, fleets, &count));
	for (unsigned i = 0; i < count; i++) {
		TRY(look_at_shards(work, &fleets[i], &shards));
		if (shards.missing)
			findings_error(&work->findings, str_from_c(fleets[i].group),
			               "%u partitions have no committed offset: run tallyctl "
			               "topics create",
			               shards.missing);
		TRY(check_for_old_state(work, &shards));
	}
	return conclude_findings(work);
}

static void say_text(const struct work *work, bool checked)
{
	struct buf *out = work->invocation->out;

	for (unsigned i = 0; i < work->topology.count; i++) {
		const struct topic *topic = &work->topology.topics[i];
		const struct found *found = &work->found[i];
		const char *how = found->created        ? "created"
		                  : found->state.exists ? "exists"
		                                        : "missing";

		buf_printf(out, "%-24s %-12s %4" PRId32 " partitions  %s\n", topic->name,
		           topic_role_name(topic->role), found->state.partitions, how);
	}
	if (checked) {
		buf_printf(out, "%u errors, %u warnings\n", work->findings.error_count,
		           work->findings.warning_count);
		return;
	}
	buf_printf(out, "%u topics and %u shards created", work->topics_made, work->shards_made);
	if (work->shards_made)
		buf_printf(out, "; they begin under reference pin %" PRId64, work->pin);
	buf_put_char(out, '\n');
}

static void say_json(const struct work *work)
{
	struct json j = json_to(work->invocation->out);

	json_open(&j, '{');
	json_name(&j, "topics");
	json_open(&j, '[');
	for (unsigned i = 0; i < work->topology.count; i++) {
		json_open(&j, '{');
		json_put_text(&j, "topic", work->topology.topics[i].name);
		json_put_text(&j, "role", topic_role_name(work->topology.topics[i].role));
		json_put_bool(&j, "exists", work->found[i].state.exists);
		json_put_bool(&j, "created", work->found[i].created);
		json_put_i64(&j, "partitions", work->found[i].state.partitions);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_put_i64(&j, "errors", work->findings.error_count);
	json_put_i64(&j, "warnings", work->findings.warning_count);
	json_put_i64(&j, "topics_created", work->topics_made);
	json_put_i64(&j, "shards_created", work->shards_made);
	json_put_i64(&j, "pin", work->pin);
	json_close(&j, '}');
	buf_put_char(work->invocation->out, '\n');
}

static struct rc run(struct invocation *invocation, struct rc (*command)(struct work *))
{
	struct work work = { .invocation = invocation, .pin = -1 };
	struct rc rc;

	findings_init(&work.findings);
	reference_set_init(&work.set);
	rc = command(&work);
	if ((rc_ok(rc) || rc.code == RC_REFUSED) && work.topology.count) {
		if (invocation->json)
			say_json(&work);
		else
			say_text(&work, command == check);
	}
	reference_set_release(&work.set);
	findings_release(&work.findings);
	session_close(&work.session);
	return rc;
}

struct rc command_topics_create(struct invocation *invocation)
{
	return run(invocation, create);
}

struct rc command_topics_check(struct invocation *invocation)
{
	return run(invocation, check);
}
