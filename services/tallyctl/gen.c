/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl gen: a made-up company's orders of some months, with every event of the
 * orders family and what goes wrong with them, and the books that say what must
 * come of them. The same seed gives the same bytes.
 *
 * Written are three files of lines or records:
 *
 * FILE: one event a line, message key, tab, value, in the order of arrival; a
 * producer sends them in this order, the partition by murmur2 of the key.
 *
 * FILE.reference.json: the company for `tallyctl publish`, before the first event.
 *
 * FILE.expected.tsv: what must come of it when each line was taken once. Fields are
 * separated by tabs, amounts are in minor units, what is 0 is left out:
 *   figure      KEY FIELD VALUE       of Redis hash KEY, without prefix: sales:, pay:
 *   score       KEY MEMBER VALUE      of sorted set KEY: board:
 *   order       ID STATUS AMOUNT COLLECTED REFUNDED        of order:<id>
 *   commission  accrued|clawed_back ORDER PAYEE SOURCE_EVENT BASIS RATE_PPM AMOUNT
 *               PLAN_VERSION          one event of topic commissions
 *   refused     LINE REASON           line of FILE, from 1: in the DLQ with this reason
 *   repeated    COUNT                 lines that are passed over in silence
 */
#include "services/tallyctl/gen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/timestamp.h"
#include "common/host/json.h"
#include "services/tallyctl/gen_orders.h"

#define ORDERS_MOST 250000 /* a million events: all lines are in memory until they are sorted */
#define DAYS_MOST 366
#define TAIL_DAYS 100 /* the last instalments and deliveries */
#define FIRST_DAY "2026-01-01"
#define REPEATS_PER_MILLE 10

const struct flag gen_flags[] = {
	{ "--orders", "N", "how many orders, about four events each" },
	{ "--out", "FILE", "the events; FILE.reference.json and FILE.expected.tsv go beside it" },
	{ "--seed", "S", "the same number gives the same bytes (1)" },
	{ "--from", "DATE", "the first business day (" FIRST_DAY ")" },
	{ "--days", "N", "over so many days orders are placed (90)" },
	{ "--people", "N", "who sell them (60)" },
	{ "--faults", "N",
	  "bad records among a thousand events, about; 0: nothing goes wrong (6)" },
	{ .name = NULL },
};

struct setting {
	int64_t orders, seed, days, people, faults;
	int32_t first_day;
	const char *out;
};

static struct rc read_setting(const struct invocation *invocation, struct setting *s)
{
	const char *from = invocation_text(invocation, "--from");

	TRY(invocation_no_words(invocation));
	s->out = invocation_text(invocation, "--out");
	if (!s->out || !invocation_has(invocation, "--orders"))
		return rc_fail(RC_USAGE, "how many orders, into which file? tallyctl gen "
		                         "--orders N --out FILE");
	TRY(invocation_int(invocation, "--orders", 1, ORDERS_MOST, 1, &s->orders));
	TRY(invocation_int(invocation, "--seed", 0, INT64_MAX, 1, &s->seed));
	TRY(invocation_int(invocation, "--days", 2, DAYS_MOST, 90, &s->days));
	TRY(invocation_int(invocation, "--people", 20, GEN_PEOPLE_MOST, 60, &s->people));
	TRY(invocation_int(invocation, "--faults", 0, 100, 6, &s->faults));
	if (!date_parse(str_from_c(from ? from : FIRST_DAY), &s->first_day))
		return rc_fail(RC_USAGE, "--from %s: not a date such as " FIRST_DAY, from);
	return OK;
}

/* ---- files -------------------------------------------------------------------- */

static struct rc file_trouble(const char *path)
{
	return rc_fail(RC_IO, "%s: %s", path, strerror(errno));
}

static struct rc write_file(struct invocation *invocation, const struct setting *s,
                            const char *ending, const struct buf *text)
{
	const char *path = arena_printf(invocation->memory, "%s%s", s->out, ending).ptr;
	FILE *file = fopen(path, "we");
	size_t written;

	if (!file)
		return file_trouble(path);
	written = fwrite(text->ptr, 1, text->len, file);
	if (fclose(file) != 0 || written != text->len)
		return file_trouble(path);
	return OK;
}

static struct rc write_events(const struct setting *s, const struct gen_stream *stream)
{
	FILE *file = fopen(s->out, "we");
	bool good = true;

	if (!file)
		return file_trouble(s->out);
	for (unsigned i = 0; i < stream->count && good; i++) {
		const struct gen_record *record = &stream->records[i];

		good = fwrite(stream->text.ptr + record->at, 1, record->len, file) == record->len;
	}
	if (fclose(file) != 0 || !good)
		return file_trouble(s->out);
	return OK;
}

static struct rc write_all(struct invocation *invocation, const struct setting *s,
                           const struct gen *g)
{
	struct buf text;
	struct rc rc;

	buf_init(&text, NULL);
	gen_company_write(g->company, &text);
	rc = write_file(invocation, s, ".reference.json", &text);
	buf_clear(&text);
	gen_books_write(g->books, &text);
	if (rc_ok(rc))
		rc = write_file(invocation, s, ".expected.tsv", &text);
	if (rc_ok(rc))
		rc = write_events(s, g->stream);
	buf_release(&text);
	return rc;
}

/* ---- the command ---------------------------------------------------------------- */

static void say(const struct invocation *invocation, const struct setting *s, const struct gen *g)
{
	struct buf *out = invocation->out;
	struct json j = json_to(out);

	if (!invocation->json) {
		buf_printf(out,
		           "%" PRId64 " orders, %u events: %" PRIu64 " bad, %" PRIu64
		           " repeated; %" PRIu64 " commissions\n",
		           s->orders, g->stream->count, g->books->refused, g->books->repeated,
		           g->books->commissions);
		return;
	}
	json_open(&j, '{');
	json_put_i64(&j, "orders", s->orders);
	json_put_i64(&j, "events", g->stream->count);
	json_put_i64(&j, "refused", (int64_t)g->books->refused);
	json_put_i64(&j, "repeated", (int64_t)g->books->repeated);
	json_put_i64(&j, "commissions", (int64_t)g->books->commissions);
	json_close(&j, '}');
	buf_put_char(out, '\n');
}

/* Orders are placed at a steady rate over the days. */
static void make(struct gen *g, const struct setting *s)
{
	int64_t span_ms = s->days * MS_PER_DAY;

	for (int64_t n = 0; n < s->orders; n++)
		gen_order_live(g, (unsigned)n + 1, n * span_ms / s->orders);
	gen_stream_close(g->stream);
}

struct rc command_gen(struct invocation *invocation)
{
	static struct gen_company company; /* large */
	struct setting setting = { .orders = 0 };
	struct gen_books books;
	struct gen_stream stream;
	struct draw draw;
	struct gen g = { &company, &books, &stream, &draw, 0, 0, 0, 0 };
	struct rc rc = read_setting(invocation, &setting);

	if (!rc_ok(rc))
		return rc;
	draw.state = (uint64_t)setting.seed;
	g.faults_per_mille = (unsigned)setting.faults;
	gen_books_init(&books, setting.first_day, (unsigned)setting.days + TAIL_DAYS);
	gen_company_init(&company, &books, (unsigned)setting.people, (unsigned)setting.days, &draw);
	gen_stream_init(&stream, &books, &draw, setting.faults ? REPEATS_PER_MILLE : 0);
	make(&g, &setting);
	rc = write_all(invocation, &setting, &g);
	if (rc_ok(rc))
		say(invocation, &setting, &g);
	gen_stream_release(&stream);
	gen_books_release(&books);
	return rc;
}
