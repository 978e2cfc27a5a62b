/* SPDX-License-Identifier: Apache-2.0 */
#include "services/tallyctl/gen_books.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/must.h"
#include "common/base/timestamp.h"

static const char *const figure_names[GEN_FIGURES] = {
	[GEN_ORDERS] = "orders",
	[GEN_ORDER_AMOUNT] = "order_amount",
	[GEN_SUBSCRIBED] = "subscribed",
	[GEN_SUBSCRIBED_AMOUNT] = "subscribed_amount",
	[GEN_SIGNED] = "signed",
	[GEN_SIGNED_AMOUNT] = "signed_amount",
	[GEN_MORTGAGED] = "mortgaged",
	[GEN_MORTGAGED_AMOUNT] = "mortgaged_amount",
	[GEN_COLLECTED] = "collected",
	[GEN_REFUNDED] = "refunded",
	[GEN_CANCELLED] = "cancelled",
	[GEN_CANCELLED_AMOUNT] = "cancelled_amount",
	[GEN_DELIVERED] = "delivered",
	[GEN_DELIVERED_ON_TIME] = "delivered_on_time",
	[GEN_DELIVERED_CORRECT] = "delivered_correct",
	[GEN_COMMISSION] = "commission",
	[GEN_QUANTITY] = "quantity",
	[GEN_ACCRUED] = "accrued",
	[GEN_CLAWED_BACK] = "clawed_back",
};

void gen_books_init(struct gen_books *b, int32_t first_day, unsigned days)
{
	*b = (struct gen_books){ .first_day = first_day, .days = days };
	arena_init(&b->memory, 1 << 20);
	buf_init(&b->lines, NULL);
}

void gen_books_release(struct gen_books *b)
{
	arena_release(&b->memory);
	buf_release(&b->lines);
}

/* ---- keeping ---------------------------------------------------------------- */

unsigned gen_books_scope(struct gen_books *b, const char *kind, struct str id)
{
	if (b->count == b->room) {
		unsigned room = b->room ? 2 * b->room : 256;

		b->scopes = arena_resize(&b->memory, b->scopes, b->room * sizeof(*b->scopes),
		                         room * sizeof(*b->scopes));
		b->room = room;
	}
	b->scopes[b->count] =
		(struct gen_scope){ .kind = str_from_c(kind), .id = arena_str(&b->memory, id) };
	return b->count++;
}

unsigned gen_books_seat(struct gen_books *b, struct str payee_id, struct str unit)
{
	unsigned scope = gen_books_scope(b, "seat", payee_id);

	b->scopes[scope].unit = arena_str(&b->memory, unit);
	return scope;
}

void gen_books_add(struct gen_books *b, unsigned scope, unsigned day, enum gen_figure figure,
                   int64_t value)
{
	struct gen_scope *s = &b->scopes[scope];

	must(scope < b->count && day < b->days);
	if (!s->days)
		s->days = arena_zalloc(&b->memory, b->days * sizeof(*s->days));
	s->days[day][figure] += value;
}

/* ---- arithmetic --------------------------------------------------------------- */

void gen_shares(int64_t whole, const int64_t *weights, unsigned count, int64_t *shares)
{
	bool topped[GEN_SPLITS_MOST] = { false };
	int64_t sum = 0, left = whole;

	for (unsigned i = 0; i < count; i++)
		sum += weights[i];
	for (unsigned i = 0; i < count; i++) {
		shares[i] = whole * weights[i] / sum;
		left -= shares[i];
	}
	for (; count && left > 0; left--) {
		unsigned most = count;

		for (unsigned i = 0; i < count; i++)
			if (!topped[i] && (most == count ||
			                   whole * weights[i] % sum > whole * weights[most] % sum))
				most = i;
		topped[most] = true;
		shares[most]++;
	}
}

int64_t gen_commission(int64_t amount, int64_t rate_ppm)
{
	int64_t whole = amount * rate_ppm / 1000000, rest = amount * rate_ppm % 1000000;

	if (rest > 500000 || (rest == 500000 && whole % 2 == 1))
		whole++;
	return whole;
}

/* ---- writing ------------------------------------------------------------------ */

/* "2026-03-05", "2026-03", "2026-Q1", "2026" */
enum span { SPAN_DAY, SPAN_MONTH, SPAN_QUARTER, SPAN_YEAR, SPANS };

struct span_name {
	char text[12];
};

static struct span_name span_of(enum span span, int32_t day)
{
	static const size_t lengths[SPANS] = { 10, 7, 4, 4 };
	struct span_name name = { "" };
	char date[10];
	int month;

	date_format(day, date);
	memcpy(name.text, date, lengths[span]);
	if (span == SPAN_QUARTER) {
		month = (date[5] - '0') * 10 + date[6] - '0';
		name.text[4] = '-';
		name.text[5] = 'Q';
		name.text[6] = (char)('1' + (month - 1) / 3);
	}
	return name;
}

static void put_score(const struct gen_scope *s, const char *board, const struct span_name *name,
                      enum gen_figure figure, int64_t score, struct buf *out)
{
	if (score)
		buf_printf(out, "score\tboard:%s:%s:%s\t%.*s\t%" PRId64 "\n", figure_names[figure],
		           board, name->text, STR_ARG(s->id), score);
}

/* Who stands on which board: payees in the company and in their units, teams among teams. */
static void put_scores(const struct gen_scope *s, enum span span, const struct span_name *name,
                       const int64_t sums[GEN_FIGURES], struct buf *out)
{
	static const enum gen_figure ranked[] = { GEN_COLLECTED, GEN_COMMISSION };
	char unit[160] = "company:all";

	if (span != SPAN_MONTH && span != SPAN_QUARTER)
		return;
	if (str_eq(s->kind, STR("team")))
		snprintf(unit, sizeof(unit), "company:teams");
	else if (s->unit.ptr)
		snprintf(unit, sizeof(unit), "%.*s", STR_ARG(s->unit));
	else if (!str_eq(s->kind, STR("payee")))
		return;
	for (unsigned i = 0; i < sizeof(ranked) / sizeof(ranked[0]); i++)
		put_score(s, unit, name, ranked[i], sums[ranked[i]], out);
}

static void put_pay(const struct gen_scope *s, const struct span_name *name,
                    const int64_t sums[GEN_FIGURES], struct buf *out)
{
	int64_t payable = sums[GEN_ACCRUED] - sums[GEN_CLAWED_BACK];

	for (unsigned f = GEN_SALES; f < GEN_FIGURES; f++)
		if (sums[f])
			buf_printf(out, "figure\tpay:%.*s:%s\t%s\t%" PRId64 "\n", STR_ARG(s->id),
			           name->text, figure_names[f], sums[f]);
	if (payable)
		buf_printf(out, "figure\tpay:%.*s:%s\tpayable\t%" PRId64 "\n", STR_ARG(s->id),
		           name->text, payable);
}

static void put_span(const struct gen_scope *s, enum span span, const struct span_name *name,
                     const int64_t sums[GEN_FIGURES], struct buf *out)
{
	for (unsigned f = 0; f < GEN_SALES && !s->unit.ptr; f++)
		if (sums[f])
			buf_printf(out, "figure\tsales:%.*s:%.*s:%s\t%s\t%" PRId64 "\n",
			           STR_ARG(s->kind), STR_ARG(s->id), name->text, figure_names[f],
			           sums[f]);
	if (span == SPAN_MONTH)
		put_pay(s, name, sums, out);
	put_scores(s, span, name, sums, out);
}

/* The days of a span stand one after the other. */
static void put_scope(const struct gen_books *b, const struct gen_scope *s, enum span span,
                      struct buf *out)
{
	int64_t sums[GEN_FIGURES] = { 0 };

	for (unsigned day = 0; day < b->days; day++) {
		struct span_name name = span_of(span, b->first_day + (int32_t)day);
		struct span_name next = span_of(span, b->first_day + (int32_t)day + 1);

		for (unsigned f = 0; f < GEN_FIGURES; f++)
			sums[f] += s->days[day][f];
		if (day + 1 < b->days && strcmp(name.text, next.text) == 0)
			continue;
		put_span(s, span, &name, sums, out);
		memset(sums, 0, sizeof(sums));
	}
}

void gen_books_write(const struct gen_books *b, struct buf *out)
{
	for (unsigned i = 0; i < b->count; i++)
		for (enum span span = SPAN_DAY; span < SPANS && b->scopes[i].days; span++)
			put_scope(b, &b->scopes[i], span, out);
	buf_put(out, buf_str(&b->lines));
	buf_printf(out, "repeated\t%" PRIu64 "\n", b->repeated);
}
