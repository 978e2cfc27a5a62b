/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl repair: sets K where it is lost (the group expired), was moved by hand
 * or has metadata that are not ours.
 *
 * K is behind the last record that an output came of, and nowhere below R: what lies
 * between that and the lost K had no output, so folding it again puts nothing out
 * twice. The output number goes on behind the highest tw-seq. What the shard began
 * with is read from its own log; where it began cannot be read any more when the log
 * was cut, then the operator has to say it. Source: DESIGN section 4, "Refused".
 */
#include <inttypes.h>

#include "common/host/json.h"
#include "services/tallyctl/outputs.h"

enum finding { FINDING_FINE, FINDING_SET, FINDING_REFUSED };

/* A shard as it stands, and what is to become of it. */
struct patient {
	int32_t partition;
	struct committed before;
	bool readable; /* its metadata are ours */
	struct cursor_metadata metadata;
	struct meta_row redis;
	struct log_span log;
	struct evidence evidence;
	enum finding finding;
	int64_t cursor; /* FINDING_SET: K; metadata: what goes with it */
	const char *words;
};

struct repair {
	struct invocation *invocation;
	struct session session;
	int64_t origin; /* -1: not said */
	int64_t only;   /* partition; -1: all */
	bool yes;
	struct json j;
	unsigned set, refused;
};

/* ---- looking ----------------------------------------------------------- */

static struct rc look(struct repair *r, const struct fleet *fleet, struct patient *out)
{
	size_t count = (size_t)fleet->partitions;
	struct arena *arena = r->session.memory;
	struct committed *cursors = arena_alloc(arena, count * sizeof(*cursors));
	struct log_span *spans = arena_alloc(arena, count * sizeof(*spans));
	struct meta_row *rows = arena_alloc(arena, count * sizeof(*rows));
	struct evidence *evidence = arena_alloc(arena, count * sizeof(*evidence));

	TRY(kafka_cluster_committed(r->session.cluster, fleet->group, fleet->topic,
	                            fleet->partitions, arena, cursors));
	TRY(kafka_cluster_spans(r->session.cluster, fleet->topic, fleet->partitions, spans));
	TRY(redis_admin_metas(r->session.redis, str_from_c(fleet->worker->topic), fleet->partitions,
	                      rows));
	TRY(outputs_read(&r->session, fleet, evidence));
	for (int32_t p = 0; p < fleet->partitions; p++) {
		out[p] = (struct patient){ .partition = p,
			                   .before = cursors[p],
			                   .redis = rows[p],
			                   .log = spans[p],
			                   .evidence = evidence[p],
			                   .words = "" };
		out[p].readable = cursors[p].exists &&
		                  cursor_metadata_parse(cursors[p].metadata, &out[p].metadata);
	}
	return OK;
}

/* ---- judging ----------------------------------------------------------- */

static struct rc refuse(struct patient *s, const char *words)
{
	s->finding = FINDING_REFUSED;
	s->words = words;
	return OK;
}

static int64_t least_cursor(const struct patient *s)
{
	int64_t least = s->evidence.cause + 1;

	if (s->redis.cursor > least)
		least = s->redis.cursor;
	return least > s->log.start ? least : s->log.start;
}

static bool is_fine(const struct patient *s)
{
	return s->readable && s->before.offset >= least_cursor(s) &&
	       s->before.offset <= s->log.end &&
	       (int64_t)s->metadata.output_number >= s->evidence.output_number;
}

/* What a lost K's metadata said. */
static struct rc remember(struct repair *r, const struct fleet *fleet, struct patient *s)
{
	struct cursor_metadata *m = &s->metadata;
	struct beginning beginning;
	int64_t fallback = s->redis.logic > 0 ? s->redis.logic : fleet->worker->logic_version;

	*m = (struct cursor_metadata){ .origin = r->origin >= 0 ? r->origin : 0 };
	TRY(beginning_read(&r->session, fleet, s->partition, s->log, s->cursor, &beginning));
	memcpy(m->topic_id, fleet->topic_id, sizeof(m->topic_id));
	m->first_pin = beginning.first_pin;
	m->first_logic = (uint32_t)(beginning.logic ? beginning.first_logic : fallback);
	m->logic = (uint32_t)(beginning.logic ? beginning.logic : fallback);
	memcpy(m->skipped, s->evidence.skipped, sizeof(m->skipped));
	m->skipped_count = s->evidence.skipped_count;
	return OK;
}

static bool adds_up(const struct worker *worker)
{
	for (const struct output *const *o = worker->outputs; *o; o++)
		if ((*o)->form == OUTPUT_SUMMED)
			return true;
	return false;
}

/* How far below the new K sums are out: as far as such outputs reach, or as K said before, and R
 * never passes that. */
static void judge_sums(const struct fleet *fleet, struct patient *s)
{
	int64_t told = s->evidence.summed + 1;

	if (s->before.exists && s->readable && s->before.offset - s->metadata.untold > told)
		told = s->before.offset - s->metadata.untold;
	if (s->redis.cursor > told)
		told = s->redis.cursor;
	if (told < s->metadata.origin)
		told = s->metadata.origin;
	s->metadata.untold = adds_up(fleet->worker) && told < s->cursor ? s->cursor - told : 0;
}

static struct rc judge(struct repair *r, const struct fleet *fleet, struct patient *s)
{
	if (s->readable && s->metadata.topic_id[0] &&
	    strcmp(s->metadata.topic_id, fleet->topic_id) != 0)
		return refuse(s, "the input topic was made anew: K cannot be told; restore it, or "
		                 "start over under another group.prefix and redis.prefix");
	if (is_fine(s))
		return OK;
	s->cursor = least_cursor(s);
	if (s->evidence.cause + 1 > s->log.end || s->cursor > s->log.end)
		return refuse(s, "its outputs reach beyond the end of its log: records are lost or "
		                 "the topic was made anew");
	if (!s->readable && s->log.start > 0 && r->origin < 0)
		return refuse(s,
		              "its log does not begin at 0: say with --origin OFFSET where "
		              "the shard began (a rebuild starts there; 0 where records are gone)");
	if (!s->readable)
		TRY(remember(r, fleet, s));
	judge_sums(fleet, s);
	if ((int64_t)s->metadata.output_number < s->evidence.output_number)
		s->metadata.output_number = (uint64_t)s->evidence.output_number;
	s->finding = FINDING_SET;
	s->words = !s->before.exists ? "K is lost"
	           : !s->readable    ? "K's metadata are not ours"
	                             : "K was moved back";
	return OK;
}

/* Nothing was ever put out, kept or committed: it is no loss but a beginning. */
static bool is_new(const struct patient *shards, int32_t count)
{
	for (int32_t p = 0; p < count; p++)
		if (shards[p].before.exists || shards[p].redis.exists ||
		    shards[p].evidence.cause >= 0)
			return false;
	return true;
}

/* ---- saying ------------------------------------------------------------ */

static void say_text(const struct fleet *fleet, const struct patient *s, struct buf *out)
{
	buf_printf(out, "%s/%" PRId32 ": ", fleet->topic, s->partition);
	if (s->finding == FINDING_FINE) {
		buf_printf(out, "fine, K %" PRId64 "\n", s->before.offset);
		return;
	}
	if (s->finding == FINDING_REFUSED) {
		buf_printf(out, "cannot be repaired: %s\n", s->words);
		return;
	}
	buf_printf(out, "%s; K ", s->words);
	if (s->before.exists)
		buf_printf(out, "%" PRId64, s->before.offset);
	else
		buf_put_lit(out, "none");
	buf_printf(out, " -> %" PRId64 ", output number %" PRIu64 " (", s->cursor,
	           s->metadata.output_number);
	if (s->evidence.cause >= 0)
		buf_printf(out, "last cause %" PRId64 " in %s, ", s->evidence.cause,
		           s->evidence.topic);
	else
		buf_put_lit(out, "no outputs, ");
	if (s->redis.cursor >= 0)
		buf_printf(out, "R %" PRId64 ")\n", s->redis.cursor);
	else
		buf_put_lit(out, "no R)\n");
}

static void say_json(const struct fleet *fleet, const struct patient *s, struct json *j)
{
	static const char *const words[] = { "fine", "set", "refused" };

	json_open(j, '{');
	json_put_text(j, "worker", fleet->worker->name);
	json_put_text(j, "topic", fleet->topic);
	json_put_i64(j, "partition", s->partition);
	json_put_text(j, "finding", words[s->finding]);
	json_put_text(j, "words", s->words);
	json_put_i64(j, "before", s->before.exists ? s->before.offset : -1);
	json_put_i64(j, "input_cursor", s->redis.cursor);
	if (s->finding == FINDING_SET) {
		json_put_i64(j, "output_cursor", s->cursor);
		json_put_i64(j, "output_number", (int64_t)s->metadata.output_number);
	}
	json_close(j, '}');
}

/* ---- doing ------------------------------------------------------------- */

static struct rc set(struct repair *r, const struct fleet *fleet, const struct patient *shards)
{
	struct arena *arena = r->session.memory;
	struct committed *cursors =
		arena_zalloc(arena, (size_t)fleet->partitions * sizeof(*cursors));

	for (int32_t p = 0; p < fleet->partitions; p++) {
		char text[LIMIT_METADATA_BYTES];

		if (shards[p].finding != FINDING_SET)
			continue;
		cursors[p].exists = true;
		cursors[p].offset = shards[p].cursor;
		cursors[p].metadata = arena_str(
			arena, str_of(text, cursor_metadata_format(&shards[p].metadata, text)));
	}
	return kafka_cluster_commit(r->session.cluster, fleet->group, fleet->topic,
	                            fleet->partitions, cursors);
}

static struct rc check_members(struct repair *r, const struct fleet *fleet)
{
	unsigned members;

	TRY(kafka_cluster_members(r->session.cluster, fleet->group, &members));
	if (members)
		return rc_fail(RC_REFUSED,
		               "group %s has %u members: stop all processes of %s, then try again",
		               fleet->group, members, fleet->worker->name);
	return OK;
}

static struct rc repair_fleet(struct repair *r, const struct fleet *fleet)
{
	struct patient *shards =
		arena_alloc(r->session.memory, (size_t)fleet->partitions * sizeof(*shards));
	bool fresh;

	if (r->only >= fleet->partitions)
		return rc_fail(RC_USAGE, "--partition %" PRId64 ": %s has %" PRId32 " partitions",
		               r->only, fleet->topic, fleet->partitions);
	TRY(check_members(r, fleet));
	TRY(look(r, fleet, shards));
	fresh = is_new(shards, fleet->partitions);
	for (int32_t p = 0; p < fleet->partitions; p++) {
		if (r->only >= 0 && p != r->only)
			continue;
		TRY(fresh ? refuse(&shards[p], "nothing of this worker is to be found: a new "
		                               "installation begins with tallyctl topics create")
		          : judge(r, fleet, &shards[p]));
		r->set += shards[p].finding == FINDING_SET;
		r->refused += shards[p].finding == FINDING_REFUSED;
		if (r->invocation->json)
			say_json(fleet, &shards[p], &r->j);
		else
			say_text(fleet, &shards[p], r->invocation->out);
	}
	return r->yes ? set(r, fleet, shards) : OK;
}

static void say_end(struct repair *r)
{
	struct buf *out = r->invocation->out;

	if (r->invocation->json) {
		json_close(&r->j, ']');
		json_put_i64(&r->j, "to_set", r->set);
		json_put_i64(&r->j, "refused", r->refused);
		json_put_bool(&r->j, "done", r->yes);
		json_close(&r->j, '}');
		buf_put_char(out, '\n');
	} else if (r->set == 0) {
		buf_put_lit(out, "nothing to set\n");
	} else {
		buf_printf(out,
		           r->yes ? "%u set\n" : "%u to set; nothing was changed: --yes does it\n",
		           r->set);
	}
}

static struct rc repair(struct repair *r)
{
	struct invocation *invocation = r->invocation;
	const struct worker *only;
	struct fleet fleets[FLEETS_MOST];
	unsigned count;

	TRY(invocation_no_words(invocation));
	TRY(invocation_int(invocation, "--origin", 0, INT64_MAX, -1, &r->origin));
	TRY(invocation_int(invocation, "--partition", 0, INT32_MAX, -1, &r->only));
	r->yes = invocation_has(invocation, "--yes");
	TRY(invocation_worker(invocation, &only));
	TRY(session_open(&r->session, invocation));
	TRY(session_fleets(&r->session, only, fleets, &count));
	if (invocation->json) {
		json_open(&r->j, '{');
		json_name(&r->j, "shards");
		json_open(&r->j, '[');
	}
	for (unsigned i = 0; i < count; i++)
		TRY(repair_fleet(r, &fleets[i]));
	say_end(r);
	if (r->refused)
		return rc_fail(RC_REFUSED, "%u shards cannot be repaired", r->refused);
	return OK;
}

struct rc command_repair(struct invocation *invocation)
{
	struct repair r = { .invocation = invocation, .j = json_to(invocation->out) };
	struct rc rc = repair(&r);

	if (!rc_ok(rc) && r.refused == 0)
		buf_clear(invocation->out); /* half an answer is none */
	session_close(&r.session);
	return rc;
}
