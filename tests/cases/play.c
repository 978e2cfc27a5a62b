/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cases/play.h"

#include <yyjson.h>

#include "common/base/timestamp.h"

#define EVENTS_MOST 200
#define MINUTE_MS 60000

struct sent {
	struct str id, key, value;
};

struct player {
	const struct worker *worker;
	const struct way *way;
	struct arena *arena;
	struct stage *stage;
	int64_t broker_ms; /* of the last event */
	unsigned events;
	struct sent sent[EVENTS_MOST];
	bool given_open; /* reference records wait for their end */
	unsigned references;
};

/* ---- JSON with defaults ----------------------------------------------------------- */

struct document {
	yyjson_mut_doc *doc;
	yyjson_mut_val *root;
};

static void *json_alloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void *json_resize(void *arena, void *block, size_t size_now, size_t size)
{
	return arena_resize(arena, block, size_now, size);
}

static void json_free(void *arena, void *block)
{
	(void)arena;
	(void)block;
}

static yyjson_alc json_memory(struct arena *arena)
{
	return (yyjson_alc){ json_alloc, json_resize, json_free, arena };
}

static struct rc open_json(struct player *p, const struct script_line *line, struct document *out)
{
	struct str text = line->json.ptr ? line->json : STR("{}");
	yyjson_alc memory = json_memory(p->arena);
	yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, 0, &memory, NULL);

	if (!doc)
		return rc_fail(RC_DATA, "line %u: the JSON is not valid", line->number);
	out->doc = yyjson_doc_mut_copy(doc, &memory);
	out->root = yyjson_mut_doc_get_root(out->doc);
	return OK;
}

static bool has(const struct document *d, const char *name)
{
	return yyjson_mut_obj_get(d->root, name) != NULL;
}

static void set_text(struct document *d, const char *name, struct str text)
{
	if (!has(d, name) && text.ptr)
		yyjson_mut_obj_add_strncpy(d->doc, d->root, name, text.ptr, text.len);
}

static void set_number(struct document *d, const char *name, int64_t number)
{
	if (!has(d, name))
		yyjson_mut_obj_add_int(d->doc, d->root, name, number);
}

static struct str close_json(struct player *p, const struct document *d)
{
	yyjson_alc memory = json_memory(p->arena);
	size_t len;
	char *text = yyjson_mut_write_opts(d->doc, 0, &memory, &len, NULL);

	return str_of(text, len);
}

/* ---- given: reference records -------------------------------------------------------- */

static const char *id_field(struct str kind, struct arena *arena)
{
	if (str_eq(kind, STR("person")))
		return "payee_id";
	return arena_printf(arena, "%.*s_id", STR_ARG(kind)).ptr; /* printf ends it with a NUL */
}

/* given [withdrawn] KIND ID {...} */
static struct rc play_given(struct player *p, const struct script_line *line)
{
	bool withdrawn = str_eq(line_word(line, 0), STR("withdrawn"));
	struct str kind = line_word(line, withdrawn), id = line_word(line, withdrawn + 1U);
	struct document data;
	struct str value;

	if (!id.ptr)
		return rc_fail(RC_DATA, "line %u: given KIND ID {...}", line->number);
	TRY(open_json(p, line, &data));
	set_text(&data, id_field(kind, p->arena), id);
	value = arena_printf(p->arena,
	                     "{\"specversion\":\"1.0\",\"id\":\"r%u\",\"source\":\"/case\","
	                     "\"type\":\"%.*s.%s\",\"data\":%.*s}",
	                     ++p->references, STR_ARG(kind), withdrawn ? "withdrawn" : "defined",
	                     STR_ARG(close_json(p, &data)));
	stage_append_reference(
		p->stage, arena_printf(p->arena, "%.*s:%.*s", STR_ARG(kind), STR_ARG(id)), value);
	p->given_open = true;
	return OK;
}

static void publish_given(struct player *p)
{
	if (p->given_open)
		stage_publish(p->stage);
	p->given_open = false;
}

/* ---- when: records of the input topic -------------------------------------------------- */

static bool read_instant(struct str text, int64_t *ms)
{
	return text.ptr && timestamp_parse(text, ms);
}

/* Wall time for the next record. */
static struct rc reach(struct player *p, const struct script_line *line, int64_t time_ms)
{
	struct str arrives = line_after(line, "arrives");
	int64_t at_ms = p->broker_ms + MINUTE_MS;

	if (arrives.ptr) {
		if (!read_instant(arrives, &at_ms) || at_ms < p->broker_ms + MINUTE_MS)
			return rc_fail(RC_DATA, "line %u: arrives a minute after the last at least",
			               line->number);
	} else if (time_ms + MS_PER_SECOND > at_ms) {
		at_ms = time_ms + MS_PER_SECOND;
	}
	p->broker_ms = at_ms;
	stage_reach(p->stage, at_ms);
	return OK;
}

static struct rc send(struct player *p, struct str id, struct str key, struct str value)
{
	if (p->events == EVENTS_MOST)
		return rc_fail(RC_DATA, "too many events in a case");
	p->sent[p->events++] = (struct sent){ id, key, value };
	stage_append(p->stage, key, value);
	if (p->way->doubled)
		stage_append(p->stage, key, value);
	if (p->way->each || p->events == p->way->cut)
		stage_run(p->stage);
	if (p->way->crash)
		stage_crash(p->stage);
	return OK;
}

/* when again ID: the very same record once more. */
static struct rc play_again(struct player *p, const struct script_line *line)
{
	for (unsigned i = 0; i < p->events; i++) {
		if (!str_eq(p->sent[i].id, line_word(line, 1)))
			continue;
		TRY(reach(p, line, 0));
		return send(p, p->sent[i].id, p->sent[i].key, p->sent[i].value);
	}
	return rc_fail(RC_DATA, "line %u: no such event before", line->number);
}

/* when time passes to INSTANT */
static struct rc play_time(struct player *p, const struct script_line *line)
{
	int64_t ms;

	if (!read_instant(line_after(line, "to"), &ms))
		return rc_fail(RC_DATA, "line %u: when time passes to INSTANT", line->number);
	stage_run(p->stage);
	stage_reach(p->stage, ms);
	p->broker_ms = ms > p->broker_ms ? ms : p->broker_ms;
	stage_run(p->stage);
	return OK;
}

static bool has_currency(struct str type)
{
	return !str_eq(type, STR("order.delivered")) && !str_eq(type, STR("order.cancelled"));
}

/* What every event of topic orders has. */
static void fill_order(struct document *data, struct str type, struct str order)
{
	set_text(data, "order_id", order);
	if (has_currency(type))
		set_text(data, "currency", STR("CNY"));
}

/* when TYPE ENTITY [at INSTANT] [id ID] [source S] [key K] [subject S] [arrives INSTANT] {...} */
static struct rc play_event(struct player *p, const struct script_line *line)
{
	struct str type = line_word(line, 0), entity = line_word(line, 1),
		   time = line_after(line, "at");
	struct str id = line_after(line, "id"), source = line_after(line, "source");
	struct str key = line_after(line, "key"), subject = line_after(line, "subject");
	struct document data;
	struct buf value;
	int64_t time_ms = 0;

	if (!entity.ptr || (time.ptr && !read_instant(time, &time_ms)))
		return rc_fail(RC_DATA, "line %u: when TYPE ENTITY at INSTANT {...}", line->number);
	if (!id.ptr)
		id = arena_printf(p->arena, "e%u", p->events + 1);
	TRY(open_json(p, line, &data));
	if (strcmp(p->worker->topic, "orders") == 0)
		fill_order(&data, type, entity);
	buf_init(&value, p->arena);
	buf_printf(&value, "{\"specversion\":\"1.0\",\"id\":\"%.*s\",\"source\":\"%.*s\",",
	           STR_ARG(id), STR_ARG(source.ptr ? source : STR("/shop")));
	buf_printf(&value, "\"type\":\"%.*s\",\"subject\":\"%.*s\",", STR_ARG(type),
	           STR_ARG(subject.ptr ? subject : entity));
	if (time.ptr)
		buf_printf(&value, "\"time\":\"%.*s\",", STR_ARG(time));
	buf_printf(&value, "\"data\":%.*s}", STR_ARG(close_json(p, &data)));
	TRY(reach(p, line, time_ms));
	return send(p, id, key.ptr ? key : entity, buf_str(&value));
}

/* when credit PAYEE [at INSTANT] {...}: what is not said is that of a first payment. */
static struct rc play_credit(struct player *p, const struct script_line *line)
{
	struct str time = line_after(line, "at");
	struct document d;
	int64_t time_ms;

	if (!time.ptr)
		time = STR("2026-03-05T08:00:00Z");
	if (!read_instant(time, &time_ms))
		return rc_fail(RC_DATA, "line %u: when credit PAYEE at INSTANT {...}",
		               line->number);
	TRY(open_json(p, line, &d));
	set_text(&d, "payee_id", line_word(line, 1));
	set_text(&d, "order_id", STR("o-1"));
	set_text(&d, "plan_id", STR("base"));
	set_text(&d, "currency", STR("CNY"));
	set_text(&d, "channel_id", STR("web"));
	set_text(&d, "time", time);
	set_text(&d, "day", str_of(time.ptr, 10));
	set_text(&d, "source", STR("/shop"));
	set_text(&d, "source_event_id", arena_printf(p->arena, "e%u", p->events + 1));
	set_text(&d, "cause", arena_printf(p->arena, "orders/0/%u", p->events));
	set_number(&d, "level", 1);
	set_number(&d, "plan_version", 1);
	if (!has(&d, "refund"))
		yyjson_mut_obj_add_bool(d.doc, d.root, "refund", false);
	TRY(reach(p, line, time_ms));
	return send(p, STR(""), str_of(NULL, 0),
	            arena_printf(p->arena, "[%.*s]", STR_ARG(close_json(p, &d))));
}

/* when measure KIND ID DAY {...} */
static struct rc play_measure(struct player *p, const struct script_line *line)
{
	struct document d;

	if (!line_word(line, 3).ptr)
		return rc_fail(RC_DATA, "line %u: when measure KIND ID DAY {...}", line->number);
	TRY(open_json(p, line, &d));
	set_text(&d, "kind", line_word(line, 1));
	set_text(&d, "id", line_word(line, 2));
	set_text(&d, "day", line_word(line, 3));
	TRY(reach(p, line, 0));
	return send(p, STR(""), str_of(NULL, 0),
	            arena_printf(p->arena, "[%.*s]", STR_ARG(close_json(p, &d))));
}

static struct rc play_when(struct player *p, const struct script_line *line)
{
	struct str what = line_word(line, 0);

	publish_given(p);
	if (str_eq(what, STR("again")))
		return play_again(p, line);
	if (str_eq(what, STR("time")))
		return play_time(p, line);
	if (str_eq_c(what, "credit"))
		return play_credit(p, line);
	if (str_eq_c(what, "measure"))
		return play_measure(p, line);
	return play_event(p, line);
}

/* ---- a case ------------------------------------------------------------------------------ */

static struct rc play_lines(struct player *p, const struct script_case *c)
{
	for (unsigned i = 0; i < c->line_count; i++) {
		if (c->lines[i].kind == LINE_GIVEN)
			TRY(play_given(p, &c->lines[i]));
		else if (c->lines[i].kind == LINE_WHEN)
			TRY(play_when(p, &c->lines[i]));
	}
	return OK;
}

struct rc play(const struct script_case *c, const struct worker *worker, const struct way *way,
               struct arena *arena, struct stage **out)
{
	struct player player = { .worker = worker, .way = way, .arena = arena };

	player.stage = *out = stage_new(worker, way->unflushed);
	TRY(play_lines(&player, c));
	stage_run(player.stage);
	if (way->unflushed)
		stage_flush(player.stage);
	return OK;
}

unsigned play_events(const struct script_case *c)
{
	unsigned count = 0;

	for (unsigned i = 0; i < c->line_count; i++)
		count += c->lines[i].kind == LINE_WHEN &&
		         !str_eq(line_word(&c->lines[i], 0), STR("time"));
	return count;
}
