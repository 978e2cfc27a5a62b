/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words are for those whose money it is: what was paid, their part of it, the rate, and the
 * sum, each with where it stands in the log for those who want to look.
 */
#include <inttypes.h>

#include "common/base/timestamp.h"
#include "common/domain/money.h"
#include "services/tallyctl/explain.h"

/* ---- numbers ------------------------------------------------------------------ */

/* ISO 4217: currencies whose minor unit is not a hundredth. */
static unsigned decimals_of(struct str currency)
{
	static const char whole[] =
		"BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF ";
	static const char thousandths[] = "BHD IQD JOD KWD LYD OMR TND ";

	for (size_t i = 0; i + 4 < sizeof(whole); i += 4)
		if (str_eq(currency, str_of(whole + i, 3)))
			return 0;
	for (size_t i = 0; i + 4 < sizeof(thousandths); i += 4)
		if (str_eq(currency, str_of(thousandths + i, 3)))
			return 3;
	return 2;
}

struct str amount_text(struct arena *arena, int64_t amount_minor, struct str currency)
{
	unsigned decimals = decimals_of(currency), digits = 0;
	uint64_t rest = amount_minor < 0 ? 0 - (uint64_t)amount_minor : (uint64_t)amount_minor;
	char text[40];
	size_t at = sizeof(text);

	for (unsigned i = 0; i < decimals; i++, rest /= 10)
		text[--at] = (char)('0' + rest % 10);
	if (decimals)
		text[--at] = '.';
	do {
		if (digits && digits % 3 == 0)
			text[--at] = ',';
		text[--at] = (char)('0' + rest % 10);
		digits++;
		rest /= 10;
	} while (rest);
	if (amount_minor < 0)
		text[--at] = '-';
	return arena_str(arena, str_of(text + at, sizeof(text) - at));
}

struct str rate_text(struct arena *arena, int64_t rate_ppm)
{
	struct str text =
		arena_printf(arena, "%" PRId64 ".%04" PRId64, rate_ppm / 10000, rate_ppm % 10000);

	while (text.ptr[text.len - 1] == '0')
		text.len--;
	if (text.ptr[text.len - 1] == '.')
		text.len--;
	return arena_printf(arena, "%.*s %%", STR_ARG(text));
}

static struct str time_text(struct arena *arena, int64_t at_ms)
{
	char text[24];

	timestamp_format(at_ms, text);
	return arena_printf(arena, "%.10s %.8s UTC", text, text + 11);
}

/* ---- a commission --------------------------------------------------------------- */

static struct str money(const struct told_commission *c, struct arena *arena, int64_t minor)
{
	return amount_text(arena, minor, c->credit.currency);
}

static void line(struct buf *out, const char *word)
{
	buf_printf(out, "  %-12s ", word);
}

static const char *event_words(struct str type)
{
	static const struct {
		const char *type, *words;
	} all[] = {
		{ "order.created", "order" },          { "payment.collected", "payment" },
		{ "payment.refunded", "refund" },      { "order.delivered", "delivery" },
		{ "order.cancelled", "cancellation" }, { "subscription.made", "subscription" },
		{ "contract.signed", "contract" },     { "mortgage.granted", "mortgage" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (str_eq_c(type, all[i].type))
			return all[i].words;
	return "event";
}

static void cause_text(const struct told_commission *c, struct arena *arena, struct buf *out)
{
	const struct told_event *e = c->cause;
	struct str at = time_text(arena, c->credit.time_ms);

	line(out, "because of");
	buf_put(out, str_from_c(c->credit.refund ? "refund" : "payment"));
	if (e)
		buf_printf(out, " %.*s of %.*s",
		           STR_ARG(c->credit.refund ? e->refund_id : e->payment_id),
		           STR_ARG(money(c, arena, e->amount_minor)));
	buf_printf(out, " on %.*s, event %.*s, found at %.*s\n", STR_ARG(at),
	           STR_ARG(c->credit.source_event_id), STR_ARG(c->credit.cause));
}

static void order_text(const struct story *story, const struct told_commission *c,
                       struct arena *arena, struct buf *out)
{
	const struct order *order = story->order;
	const struct told_event *created = story->events;

	while (created &&
	       !(str_eq_c(created->type, "order.created") && created->told == TOLD_APPLIED))
		created = created->next;
	line(out, "order");
	buf_put(out, story->order_id);
	if (order)
		buf_printf(out, " of %.*s", STR_ARG(money(c, arena, order->amount_minor)));
	if (created)
		buf_printf(out, " on %.*s, found at %s/%" PRId32 "/%" PRId64,
		           STR_ARG(time_text(arena, created->time_ms)), story->topic,
		           story->partition, created->offset);
	buf_put_char(out, '\n');
	line(out, "net");
	buf_printf(out, "%.*s were collected and kept before, %.*s after\n",
	           STR_ARG(money(c, arena, c->net_before_minor)),
	           STR_ARG(money(c, arena, c->net_after_minor)));
}

static void rate_lines(const struct told_commission *c, struct arena *arena, struct buf *out)
{
	const struct plan_defined *plan = c->plan;
	struct str rating = c->credit.rating;

	line(out, "rate");
	buf_printf(out, "%.*s by plan %.*s version %" PRId64 " for level %" PRId64,
	           STR_ARG(rate_text(arena, c->commission.rate_ppm)), STR_ARG(c->credit.plan_id),
	           c->credit.plan_version, c->credit.level);
	if (rating.ptr)
		buf_printf(out, " and rating %.*s", STR_ARG(rating));
	if (plan && plan->has_valid_from_ms)
		buf_printf(out, ", in force from %.*s",
		           STR_ARG(time_text(arena, plan->valid_from_ms)));
	if (plan && plan->has_valid_to_ms)
		buf_printf(out, ", until %.*s", STR_ARG(time_text(arena, plan->valid_to_ms)));
	buf_put_lit(out, "; frozen at the order's time\n");
}

void commission_text(const struct story *story, const struct told_commission *c,
                     struct arena *arena, struct buf *out)
{
	const struct commission *m = &c->commission;
	struct str rate = rate_text(arena, m->rate_ppm);

	buf_printf(out, "%.*s %.*s %s %.*s in %.*s  (commission %.*s)\n",
	           STR_ARG(money(c, arena, m->amount_minor)), STR_ARG(m->currency),
	           c->credit.refund ? "taken back from" : "earned by", STR_ARG(m->payee_id),
	           STR_ARG(m->posted_period), STR_ARG(m->commission_id));
	cause_text(c, arena, out);
	order_text(story, c, arena, out);
	line(out, "share");
	buf_printf(out, "%" PRId64 " of %" PRId64 " parts: %.*s before, %.*s after", c->weight,
	           c->weights, STR_ARG(money(c, arena, c->credit.net_before_minor)),
	           STR_ARG(money(c, arena, c->credit.net_after_minor)));
	buf_put(out,
	        c->weight != c->weights ? STR(" (rounded by largest remainder)\n") : STR("\n"));
	rate_lines(c, arena, out);
	line(out, "after");
	buf_printf(out, "%.*s of %.*s = %.*s\n", STR_ARG(rate),
	           STR_ARG(money(c, arena, c->credit.net_after_minor)),
	           STR_ARG(money(c, arena, m->cumulative_after_minor)));
	line(out, "before");
	buf_printf(out, "%.*s of %.*s = %.*s\n", STR_ARG(rate),
	           STR_ARG(money(c, arena, c->credit.net_before_minor)),
	           STR_ARG(money(c, arena, m->cumulative_before_minor)));
	line(out, "difference");
	buf_printf(out, "%.*s - %.*s = %.*s %.*s\n",
	           STR_ARG(money(c, arena, m->cumulative_after_minor)),
	           STR_ARG(money(c, arena, m->cumulative_before_minor)),
	           STR_ARG(money(c, arena, m->amount_minor)), STR_ARG(m->currency));
	if (c->message.ptr) {
		line(out, "message");
		buf_printf(out, "%.*s, made from %.*s\n", STR_ARG(c->message), STR_ARG(c->source));
	}
}

/* ---- an order --------------------------------------------------------------------- */

static void head_text(const struct story *story, struct arena *arena, struct buf *out)
{
	const struct order *o = story->order;

	buf_printf(out, "order %.*s", STR_ARG(story->order_id));
	if (!o) {
		buf_put_lit(out, ": nothing of it was applied\n");
		return;
	}
	buf_printf(out, ": %.*s", STR_ARG(o->status));
	if (o->has_amount_minor)
		buf_printf(out, ", %.*s %.*s, %.*s collected, %.*s refunded",
		           STR_ARG(amount_text(arena, o->amount_minor, o->currency)),
		           STR_ARG(o->currency),
		           STR_ARG(amount_text(arena, o->collected_minor, o->currency)),
		           STR_ARG(amount_text(arena, o->refunded_minor, o->currency)));
	buf_put_char(out, '\n');
	for (uint32_t i = 0; i < o->splits.count; i++) {
		const struct order_split *s = &o->splits.items[i];

		line(out, i ? "" : "split");
		buf_printf(out, "%.*s %" PRId64, STR_ARG(s->payee_id), s->weight);
		if (s->team_id.ptr)
			buf_printf(out, ", team %.*s", STR_ARG(s->team_id));
		buf_printf(out, ", level %" PRId64 ", plan %.*s version %" PRId64 "\n", s->level,
		           STR_ARG(s->plan_id), s->plan_version);
	}
}

static void event_text(const struct story *story, const struct told_event *e, struct arena *arena,
                       struct buf *out)
{
	struct str currency = story->order ? story->order->currency : STR("");

	line(out, event_words(e->type));
	buf_printf(out, "%s/%" PRId32 "/%" PRId64 "  %.*s  event %.*s", story->topic,
	           story->partition, e->offset,
	           STR_ARG(e->time_ms ? time_text(arena, e->time_ms) : STR("-")),
	           STR_ARG(e->id.ptr ? e->id : STR("-")));
	if (e->has_amount)
		buf_printf(out, "  %.*s", STR_ARG(amount_text(arena, e->amount_minor, currency)));
	buf_printf(out, "  %s", told_words(e->told));
	if (e->told == TOLD_REFUSED)
		buf_printf(out, ": %.*s %.*s", STR_ARG(e->reason), STR_ARG(e->path));
	buf_put_char(out, '\n');
}

void story_text(const struct story *story, int64_t most, struct arena *arena, struct buf *out)
{
	int64_t n = 0;

	head_text(story, arena, out);
	for (const struct told_event *e = story->events; e && n < most; e = e->next, n++)
		event_text(story, e, arena, out);
	if (story->event_count > most)
		buf_printf(out, "  ... %" PRId64 " more events\n", story->event_count - most);
	n = 0;
	for (const struct told_commission *c = story->commissions; c && n < most;
	     c = c->next, n++) {
		buf_put_char(out, '\n');
		commission_text(story, c, arena, out);
	}
	if (story->commission_count > most)
		buf_printf(out, "\n... %" PRId64 " more commissions\n",
		           story->commission_count - most);
}

void reading_text(const struct story *story, struct buf *out)
{
	line(out, "read");
	buf_printf(out, "%" PRId64 " of %" PRId64 " records of %s/%" PRId32 "%s\n", story->read,
	           story->log.end - story->log.start, story->topic, story->partition,
	           story->whole ? ""
	                        : ": all that was applied, waits or was refused (--whole: "
	                          "repetitions far from it too)");
}
