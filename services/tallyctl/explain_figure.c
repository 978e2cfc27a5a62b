/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures: what a key holds and what that is the sum of.
 *
 * The figures of a scope and period are the sum of its days, and each day that of the rows that the
 * workers sent to topic measures: they are read from the log and added up, so that the tree's root
 * can be compared with what Redis holds.
 */
#include <inttypes.h>

#include "common/base/hash.h"
#include "common/base/timestamp.h"
#include "common/domain/calendar.h"
#include "common/domain/measure.h"
#include "common/host/connection.h"
#include "services/tallyctl/explain.h"
#include "services/tallyctl/kind.h"
#include "services/tallyctl/words.h"

#define DAYS_MOST 400

/* One row of topic measures. */
struct row {
	struct row *next;
	struct str place, source;
	struct measure measure;
};

struct day_sum {
	int32_t day;
	struct figures figures;
};

/* Of a payee's rows only those of the seat there: the unit, and where a row names it. */
struct seat {
	struct str id;
	size_t field;
};

/* "<kind>:<id>:<period>" */
struct scope {
	struct str kind, id, period;
};

struct summing {
	struct explain *explain;
	const struct seat *seat; /* NULL: all rows */
	struct scope scope;
	struct str key, currency;
	const char *topic;
	int32_t partition;
	struct redis_value held;
	struct figures sum;
	struct day_sum days[DAYS_MOST];
	unsigned day_count;
	struct row *rows, **last;
	uint64_t row_count;
	struct arena scratch;
};

/* ---- writing figures ------------------------------------------------------------- */

static int64_t figure_at(const struct figures *f, unsigned n)
{
	return *(const int64_t *)(const void *)((const char *)f + figures_type.fields[n].offset);
}

/* Instants are when, not how much. */
static bool is_amount(unsigned n)
{
	return !str_ends(figures_type.fields[n].name, STR("_at"));
}

static void figures_text(const struct summing *s, const struct figures *f)
{
	struct buf *out = s->explain->invocation->out;

	for (unsigned n = 0; n < figures_type.field_count; n++) {
		const struct field *field = &figures_type.fields[n];

		if (!is_amount(n) || !figure_at(f, n))
			continue;
		buf_printf(out, "  %.*s ", STR_ARG(field->name));
		if (field->money)
			buf_put(out, amount_text(s->explain->session.memory, figure_at(f, n),
			                         s->currency));
		else
			buf_put_i64(out, figure_at(f, n));
	}
	buf_put_char(out, '\n');
}

static void figures_json(const struct figures *f, struct json *j)
{
	json_open(j, '{');
	for (unsigned n = 0; n < figures_type.field_count; n++)
		if (is_amount(n) && figure_at(f, n))
			json_put_i64(j, figures_type.fields[n].name.ptr, figure_at(f, n));
	json_close(j, '}');
}

static struct figures held_figures(const struct redis_value *held)
{
	struct figures f = { 0 };

	for (unsigned i = 0; i + 1 < held->count; i += 2)
		for (unsigned n = 0; n < figures_type.field_count; n++)
			if (str_eq(held->items[i], figures_type.fields[n].name))
				(void)str_to_i64(
					held->items[i + 1],
					(int64_t *)(void *)((char *)&f +
				                            figures_type.fields[n].offset));
	return f;
}

static bool figures_agree(const struct figures *a, const struct figures *b)
{
	for (unsigned n = 0; n < figures_type.field_count; n++)
		if (is_amount(n) && figure_at(a, n) != figure_at(b, n))
			return false;
	return true;
}

/* ---- adding up ---------------------------------------------------------------------- */

static bool in_period(const struct summing *s, int32_t day)
{
	for (enum period_kind kind = PERIOD_DAY; kind < PERIOD_KINDS; kind++) {
		struct period_name name = period_of(kind, day);

		if (str_eq(period_str(&name), s->scope.period))
			return true;
	}
	return false;
}

static bool in_seat(const struct seat *seat, const struct measure *m)
{
	return !seat ||
	       str_eq(*(const struct str *)(const void *)((const char *)m + seat->field), seat->id);
}

static struct figures *day_at(struct summing *s, int32_t day)
{
	for (unsigned i = 0; i < s->day_count; i++)
		if (s->days[i].day == day)
			return &s->days[i].figures;
	if (s->day_count == DAYS_MOST)
		return NULL;
	s->days[s->day_count].day = day;
	return &s->days[s->day_count++].figures;
}

static void add_row(struct summing *s, const struct message *m, const struct measure *measure)
{
	struct arena *arena = s->explain->session.memory;
	struct figures *day = day_at(s, measure->day);
	struct figures figures = s->seat ? figures_ranked(&measure->figures) : measure->figures;
	struct row *row;

	figures_add(&s->sum, &figures);
	if (day)
		figures_add(day, &figures);
	if (s->row_count++ >= (uint64_t)s->explain->most)
		return;
	row = arena_zalloc(arena, sizeof(*row));
	record_copy(&measure_type, measure, &row->measure, arena);
	row->place =
		arena_printf(arena, "%s/%" PRId32 "/%" PRId64, s->topic, s->partition, m->offset);
	row->source = arena_str(arena, header_text(m, STR("tw-src")));
	*s->last = row;
	s->last = &row->next;
}

static void take_block(void *self, const struct message *m)
{
	struct summing *s = self;
	struct measure measure;
	struct yyjson_val *entry;
	struct block block;
	struct fault fault;

	arena_clear(&s->scratch);
	if (message_header(m, STR("tw-control")) || !block_decode(m, &s->scratch, &block, &fault))
		return;
	while ((entry = block_next(&block)) != NULL)
		if (record_decode(&measure_type, entry, STR(""), &measure, &s->scratch, &fault) &&
		    str_eq(measure.kind, s->scope.kind) && str_eq(measure.id, s->scope.id) &&
		    in_period(s, measure.day) && in_seat(s->seat, &measure))
			add_row(s, m, &measure);
}

static struct rc read_rows(struct summing *s)
{
	struct session *session = &s->explain->session;
	struct str parts[] = { s->scope.kind, STR(":"), s->scope.id };
	struct str owner = arena_join(session->memory, parts, 3);
	struct topic_state state;
	struct log_span *spans;
	int64_t next;

	s->topic = connection_topic(session->config, "measures", session->memory);
	TRY(kafka_cluster_topic(session->cluster, s->topic, &state));
	if (!state.exists)
		return rc_fail(RC_NOT_FOUND, "there is no topic %s: run tallyctl topics create",
		               s->topic);
	s->partition = hash_partition(owner, state.partitions);
	spans = arena_alloc(session->memory, (size_t)state.partitions * sizeof(*spans));
	TRY(kafka_cluster_spans(session->cluster, s->topic, state.partitions, spans));
	if (spans[s->partition].end == spans[s->partition].start)
		return OK;
	return kafka_cluster_read_span(session->cluster, s->topic, s->partition,
	                               spans[s->partition], take_block, s, &next);
}

/* ---- saying ------------------------------------------------------------------------------ */

static void sales_text(const struct summing *s, const struct figures *held)
{
	struct buf *out = s->explain->invocation->out;
	char day[10];

	buf_printf(out, "%.*s holds, in %.*s:\n", STR_ARG(s->key), STR_ARG(s->currency));
	figures_text(s, held);
	buf_printf(out, "the sum of %u days in %" PRIu64 " rows:\n", s->day_count, s->row_count);
	for (unsigned i = 0; i < s->day_count && i < (uint64_t)s->explain->most; i++) {
		date_format(s->days[i].day, day);
		buf_printf(out, "  %.10s", day);
		figures_text(s, &s->days[i].figures);
	}
	buf_put_lit(out, "first rows (place; from the events up to):\n");
	for (const struct row *r = s->rows; r; r = r->next) {
		buf_printf(out, "  %.*s  from %.*s", STR_ARG(r->place), STR_ARG(r->source));
		figures_text(s, &r->measure.figures);
	}
	if (!figures_agree(held, &s->sum)) {
		buf_put_lit(out, "Redis says otherwise, or is behind: the rows add up to\n");
		figures_text(s, &s->sum);
	}
}

static void sales_json(const struct summing *s, const struct figures *held)
{
	struct json j = json_to(s->explain->invocation->out);
	char day[10];

	json_open(&j, '{');
	json_put_text(&j, "kind", "figures");
	json_put_str(&j, "key", s->key);
	json_name(&j, "value");
	figures_json(held, &j);
	json_name(&j, "sum");
	figures_json(&s->sum, &j);
	json_put_bool(&j, "redis_agrees", figures_agree(held, &s->sum));
	json_name(&j, "days");
	json_open(&j, '[');
	for (unsigned i = 0; i < s->day_count; i++) {
		json_open(&j, '{');
		json_put_str(&j, "day", str_of(day, date_format(s->days[i].day, day)));
		json_name(&j, "figures");
		figures_json(&s->days[i].figures, &j);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_put_i64(&j, "row_count", (int64_t)s->row_count);
	json_name(&j, "rows");
	json_open(&j, '[');
	for (const struct row *r = s->rows; r; r = r->next) {
		json_open(&j, '{');
		json_put_str(&j, "place", r->place);
		json_put_str(&j, "source", r->source);
		json_name(&j, "figures");
		figures_json(&r->measure.figures, &j);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	buf_put_char(s->explain->invocation->out, '\n');
}

static void sort_days(struct summing *s)
{
	for (unsigned i = 1; i < s->day_count; i++) {
		struct day_sum moved = s->days[i];
		unsigned at = i;

		for (; at > 0 && s->days[at - 1].day > moved.day; at--)
			s->days[at] = s->days[at - 1];
		s->days[at] = moved;
	}
}

static struct rc parse_scope(struct str rest, struct scope *out)
{
	enum period_kind kind;

	out->kind = str_split(&rest, ':');
	return words_id_period(rest, &out->id, &out->period, &kind);
}

static struct rc explain_scope(struct explain *x, struct str key, struct scope scope,
                               const struct redis_value *held, const struct seat *seat)
{
	struct summing *s = arena_zalloc(x->session.memory, sizeof(*s));
	struct figures figures = held_figures(held);
	struct rc rc;

	s->explain = x;
	s->key = key;
	s->scope = scope;
	s->seat = seat;
	s->last = &s->rows;
	TRY(explain_currency(x, &s->currency));
	arena_init(&s->scratch, 1U << 16);
	rc = read_rows(s);
	arena_release(&s->scratch);
	TRY(rc);
	sort_days(s);
	if (x->invocation->json)
		sales_json(s, &figures);
	else
		sales_text(s, &figures);
	return OK;
}

/* ---- a place on a board --------------------------------------------------------------- */

/* "board:<measure>:<kind>:<id>:<period>": in the company the member's own figures, in a unit what
 * the payee did while there. */
static struct rc explain_board(struct explain *x, struct str key, struct str member)
{
	static const struct {
		const char *kind;
		size_t field;
	} units[] = { { "team", offsetof(struct measure, team_id) },
		      { "city", offsetof(struct measure, city_id) },
		      { "region", offsetof(struct measure, region_id) } };
	struct arena *arena = x->session.memory;
	struct str rest = str_from(key, strlen("board:")), held_by;
	struct scope board, scope;
	struct seat seat = { .field = 0 };
	struct redis_value held;

	if (!member.ptr)
		return rc_fail(RC_USAGE, "a board has many members: say which one, as in tallyctl "
		                         "explain KEY MEMBER");
	str_split(&rest, ':');
	TRY(parse_scope(rest, &board));
	scope = (struct scope){ str_eq_c(board.id, "teams") ? STR("team") : STR("payee"), member,
		                board.period };
	held_by = arena_printf(arena, "sales:%.*s:%.*s:%.*s", STR_ARG(scope.kind), STR_ARG(member),
	                       STR_ARG(board.period));
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++)
		if (str_eq_c(board.kind, units[u].kind)) {
			struct buf unit;

			buf_init(&unit, arena);
			buf_put_key_part(&unit, board.id);
			seat = (struct seat){ board.id, units[u].field };
			held_by = arena_printf(arena, "seat:payee:%.*s:%s:%.*s:%.*s",
			                       STR_ARG(member), units[u].kind,
			                       STR_ARG(buf_str(&unit)), STR_ARG(board.period));
		}
	TRY(redis_admin_value(x->session.redis, held_by, arena, &held));
	if (held.count == 0)
		return rc_fail(RC_NOT_FOUND, "%.*s has no member %.*s", STR_ARG(key),
		               STR_ARG(member));
	return explain_scope(x, held_by, scope, &held, seat.id.ptr ? &seat : NULL);
}

struct rc explain_key(struct explain *x, struct str key, struct str member)
{
	struct redis_value held;
	struct scope scope;

	if (str_starts(key, STR("board:")))
		return explain_board(x, key, member);
	if (member.ptr)
		return rc_fail(RC_USAGE, "only a board's key takes a second word, its member");
	if (str_starts(key, STR("pay:")))
		return explain_month(x, str_from(key, 4));
	if (str_starts(key, STR("lines:")))
		return explain_month(x, str_from(key, 6));
	if (!str_starts(key, STR("sales:")))
		return rc_fail(RC_USAGE,
		               "%.*s: keys of sales:, pay:, lines:, board:, order: and commission: "
		               "are explained; tallyctl key --redis shows others",
		               STR_ARG(key));
	TRY(parse_scope(str_from(key, strlen("sales:")), &scope));
	TRY(redis_admin_value(x->session.redis, key, x->session.memory, &held));
	if (held.count == 0)
		return rc_fail(RC_NOT_FOUND, "%.*s: there is no such key", STR_ARG(key));
	return explain_scope(x, key, scope, &held, NULL);
}
