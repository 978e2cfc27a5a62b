/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl explain: from an amount back to the events that made it.
 *
 * A word may be a commission's id, an order's id or a Redis key, in this order; with the configured
 * prefix in front or without. Redis says where to look (which order a commission is of); what is
 * told comes from the logs, folded again, and where Redis says otherwise that is said.
 */
#include "services/tallyctl/explain.h"

#include "services/tallyctl/kind.h"
#include "services/tallyctl/verify.h"
#include "services/tallyctl/words.h"

#define LINES 20
#define UUID_LEN 36

/* ---- commissions ----------------------------------------------------------------- */

/* Its line as Redis has it. */
struct kept_line {
	struct str payee_month;
	struct line line;
	bool exists;
};

static struct str join2(struct arena *arena, struct str a, struct str b)
{
	return arena_join(arena, (struct str[]){ a, b }, 2);
}

bool record_from_text(const struct record_type *type, struct str text, struct arena *arena,
                      void *out)
{
	struct message m = { .value = join2(arena, STR("["), join2(arena, text, STR("]"))) };
	struct yyjson_val *entry;
	struct block block;
	struct fault fault;

	if (!block_decode(&m, arena, &block, &fault) || !(entry = block_next(&block)))
		return false;
	return record_decode(type, entry, STR(""), out, arena, &fault);
}

static struct str field_of(const struct redis_value *value, struct str name)
{
	for (unsigned i = 0; i + 1 < value->count; i += 2)
		if (str_eq(value->items[i], name))
			return value->items[i + 1];
	return str_of(NULL, 0);
}

/* False in *found: Redis knows no such commission. */
static struct rc find_line(struct explain *x, struct str id, bool *found, struct kept_line *out)
{
	struct arena *arena = x->session.memory;
	struct redis_value value;
	struct str payee, text;
	size_t space;

	*out = (struct kept_line){ .exists = false };
	TRY(redis_admin_value(x->session.redis, join2(arena, STR("commission:"), id), arena,
	                      &value));
	*found = value.count == 1;
	if (!*found)
		return OK;
	payee = value.items[0];
	for (space = payee.len; space > 0 && payee.ptr[space - 1] != ' ';)
		space--;
	if (space < 2)
		return OK;
	out->payee_month = join2(arena, str_of(payee.ptr, space - 1),
	                         join2(arena, STR(":"), str_from(payee, space)));
	TRY(redis_admin_value(x->session.redis, join2(arena, STR("lines:"), out->payee_month),
	                      arena, &value));
	text = field_of(&value, id);
	out->exists = text.ptr && record_from_text(&line_type, text, arena, &out->line);
	return OK;
}

static bool line_agrees(const struct kept_line *kept, const struct told_commission *c)
{
	return kept->exists && kept->line.amount_minor == c->commission.amount_minor &&
	       kept->line.basis_minor == c->commission.basis_minor &&
	       kept->line.rate_ppm == c->commission.rate_ppm &&
	       str_eq(kept->line.cause, c->credit.cause);
}

static void say_commission(struct explain *x, const struct story *story,
                           const struct told_commission *c, const struct kept_line *kept)
{
	struct buf *out = x->invocation->out;
	bool agrees = line_agrees(kept, c);
	struct json j = json_to(out);

	if (!x->invocation->json) {
		commission_text(story, c, x->session.memory, out);
		reading_text(story, out);
		if (!agrees)
			buf_printf(
				out,
				"  Redis says otherwise: %.*s; tallyctl verify says how far that "
				"goes\n",
				STR_ARG(amount_text(x->session.memory, kept->line.amount_minor,
			                            c->credit.currency)));
		return;
	}
	json_open(&j, '{');
	json_put_text(&j, "kind", "commission");
	json_name(&j, "commission");
	commission_json(story, c, &j);
	json_put_bool(&j, "redis_agrees", agrees);
	json_put_i64(&j, "redis_amount", kept->line.amount_minor);
	reading_json(story, &j);
	json_close(&j, '}');
	buf_put_char(out, '\n');
}

static struct rc explain_commission(struct explain *x, struct str id, bool *found)
{
	struct told_commission *c;
	struct kept_line kept;
	struct story story;

	TRY(find_line(x, id, found, &kept));
	if (!*found)
		return OK;
	if (!kept.exists)
		return rc_fail(RC_DATA,
		               "commission %.*s: Redis has its month but not its line: tallyctl "
		               "verify says what else is wrong",
		               STR_ARG(id));
	TRY(story_read(x, kept.line.order_id, &story));
	c = story_commission(&story, id);
	if (!c)
		return rc_fail(RC_DATA,
		               "commission %.*s: Redis says it is of order %.*s, but the log makes "
		               "no such commission of it",
		               STR_ARG(id), STR_ARG(kept.line.order_id));
	TRY(story_find_message(x, &story, c));
	say_commission(x, &story, c, &kept);
	return OK;
}

/* ---- orders ------------------------------------------------------------------------ */

static struct rc explain_order(struct explain *x, struct str order_id, bool *found)
{
	struct buf *out = x->invocation->out;
	struct json j = json_to(out);
	struct story story;
	int64_t n = 0;

	TRY(story_read(x, order_id, &story));
	*found = story.event_count > 0;
	if (!*found)
		return OK;
	for (struct told_commission *c = story.commissions; c && n < x->most; c = c->next, n++)
		TRY(story_find_message(x, &story, c));
	if (!x->invocation->json) {
		story_text(&story, x->most, x->session.memory, out);
		buf_put_char(out, '\n');
		reading_text(&story, out);
		return OK;
	}
	json_open(&j, '{');
	json_put_text(&j, "kind", "order");
	json_name(&j, "order");
	story_json(&story, x->most, &j);
	reading_json(&story, &j);
	json_close(&j, '}');
	buf_put_char(out, '\n');
	return OK;
}

struct rc explain_currency(struct explain *x, struct str *out)
{
	struct reference newest = { .store = x->reference, .logic_version = 1 };
	const struct company_defined *company;

	TRY(reference_read(&x->session, x->reference));
	newest.pin = reference_store_newest_end(x->reference);
	company = reference_company(&newest, INT64_MAX - 1);
	*out = company ? company->currency : STR("");
	return OK;
}

/* ---- the word ------------------------------------------------------------------------ */

static bool is_uuid(struct str word)
{
	for (size_t i = 0; i < word.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? word.ptr[i] != '-' : !strchr("0123456789abcdef", word.ptr[i]))
			return false;
	}
	return word.len == UUID_LEN;
}

static struct rc explain_word(struct explain *x, struct str word, struct str member)
{
	struct str prefix = str_from_c(x->session.config->redis_prefix);
	bool found = false;

	if (prefix.len && str_starts(word, prefix) &&
	    verify_owner_of_key(str_from(word, prefix.len)) >= 0)
		word = str_from(word, prefix.len);
	if (str_starts(word, STR("commission:")))
		word = str_from(word, 11);
	else if (str_starts(word, STR("order:")))
		word = str_from(word, 6);
	else if (verify_owner_of_key(word) >= 0)
		return explain_key(x, word, member);
	TRY(words_check(word));
	if (member.ptr)
		return rc_fail(RC_USAGE, "only a board's key takes a second word, its member");
	if (is_uuid(word))
		TRY(explain_commission(x, word, &found));
	if (!found)
		TRY(explain_order(x, word, &found));
	if (!found)
		return rc_fail(RC_NOT_FOUND,
		               "%.*s: there is no commission, no order and no key of that name",
		               STR_ARG(word));
	return OK;
}

static struct rc find_fleets(struct explain *x)
{
	const struct worker *orders = worker_find(STR("orders"));
	const struct worker *commissions = worker_find(STR("commissions"));
	unsigned count;

	TRY(session_fleets(&x->session, orders, &x->orders, &count));
	return session_fleets(&x->session, commissions, &x->commissions, &count);
}

static struct rc explain(struct explain *x)
{
	struct invocation *invocation = x->invocation;
	struct str word, member = str_of(NULL, 0);

	if (invocation->word_count < 1 || invocation->word_count > 2)
		return rc_fail(RC_USAGE,
		               "tallyctl explain COMMISSION_ID, ORDER_ID or KEY [MEMBER]");
	TRY(invocation_int(invocation, "--max", 1, 1000000, LINES, &x->most));
	x->whole = invocation_has(invocation, "--whole");
	word = str_from_c(invocation->words[0]);
	if (invocation->word_count == 2)
		member = str_from_c(invocation->words[1]);
	TRY(words_check(word));
	if (member.ptr)
		TRY(words_check(member));
	TRY(session_open(&x->session, invocation));
	TRY(find_fleets(x));
	return explain_word(x, word, member);
}

struct rc command_explain(struct invocation *invocation)
{
	struct explain *x = arena_zalloc(invocation->memory, sizeof(*x));
	struct rc rc;

	x->invocation = invocation;
	x->reference = reference_store_new();
	rc = explain(x);
	if (!rc_ok(rc))
		buf_clear(invocation->out); /* half an answer is none */
	reference_store_free(x->reference);
	session_close(&x->session);
	return rc;
}
