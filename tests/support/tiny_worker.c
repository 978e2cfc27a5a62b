/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tiny_worker.h"

#include <stdio.h>

#include "common/base/hash.h"
#include "common/base/timestamp.h"
#include "common/domain/money.h"
#include "common/runtime/cache.h"

struct tiny_seen tiny_seen;

#define TEXT(s, n)                                                                              \
	{                                                                                       \
		FIELD_NAME(#n), .kind = FIELD_STRING, .required = true,                         \
				.offset = offsetof(struct s, n), .has = -1, .min = 1, .max = 64 \
	}
#define NUMBER(s, n)                                                                          \
	{                                                                                     \
		FIELD_NAME(#n), .kind = FIELD_INT, .zero_absent = true,                       \
				.offset = offsetof(struct s, n), .has = -1, .min = INT64_MIN, \
				.max = INT64_MAX                                              \
	}
#define TYPE(s, n, f)                                                   \
	const struct record_type s##_type = { .name = (n),              \
		                              .size = sizeof(struct s), \
		                              .fields = (f),            \
		                              .field_count = sizeof(f) / sizeof((f)[0]) }

static const struct field deposit_fields[] = { TEXT(deposit, account), NUMBER(deposit, amount),
	                                       NUMBER(deposit, due_ms) };
TYPE(deposit, "deposit", deposit_fields);

static const struct field account_fields[] = {
	TEXT(account, account),
	NUMBER(account, balance),
	NUMBER(account, due_ms),
	{ FIELD_NAME("held"), .kind = FIELD_LIST, .offset = offsetof(struct account, held),
	  .has = -1, .max = 1000, .type = &deposit_type },
};
TYPE(account, "account", account_fields);

static const struct field tally_fields[] = { NUMBER(tally, total), NUMBER(tally, count) };
TYPE(tally, "tally", tally_fields);

static const struct field move_fields[] = { TEXT(move, account), NUMBER(move, amount) };
TYPE(move, "move", move_fields);

static int64_t due_ms(const void *record)
{
	return ((const struct account *)record)->due_ms;
}

const struct entity account_entity = {
	.name = "account",
	.type = &account_type,
	.form = ENTITY_DOCUMENT,
	.prefix = STR_INIT("account:"),
	.owner = owner_is_id,
	.due_ms = due_ms,
};

const struct entity tally_entity = {
	.name = "tally",
	.type = &tally_type,
	.form = ENTITY_FIGURES,
	.prefix = STR_INIT("tally:"),
	.owner = owner_is_id,
};

static uint64_t move_hash(const void *row)
{
	return hash64(((const struct move *)row)->account);
}

static bool move_same(const void *a, const void *b)
{
	return str_eq(((const struct move *)a)->account, ((const struct move *)b)->account);
}

static bool move_add(void *into, const void *row)
{
	struct move *sum = into;
	int64_t amount;
	if (!money_add(sum->amount, ((const struct move *)row)->amount, &amount))
		return false;
	sum->amount = amount;
	return true;
}

const struct output noted_output = {
	"notes", "account", "noted", OUTPUT_EVENT, &move_type, 0, 0, 0
};
const struct output moves_output = {
	"moves", "account", "move", OUTPUT_BLOCK, &move_type, 0, 0, 0
};
const struct output sums_output = { "sums",     "account", "sum",     OUTPUT_SUMMED,
	                            &move_type, move_hash, move_same, move_add };

/* ---- folds ----------------------------------------------------------------------- */

static void names(const struct event *e, struct reads *reads)
{
	const struct deposit *in = e->data;
	struct str rest = in->account;
	reads_add(reads, &account_entity, in->account);
	reads_add(reads, &tally_entity, str_split(&rest, '-'));
}

static void put_out(const struct event *e, struct effects *out, struct str account, int64_t amount)
{
	struct move move = { account, amount };
	effects_emit(out, &noted_output,
	             &(struct emission){ .key = account,
	                                 .id = e->id.ptr ? e->id : STR("entry"),
	                                 .time_ms = 5,
	                                 .traceparent = e->traceparent,
	                                 .data = &move });
	effects_entry(out, &moves_output, account, &move);
	effects_sum(out, &sums_output, account, &move);
	effects_set_field(out, STR("asof"), STR("last"), account);
}

static struct verdict move(const struct event *e, struct view *v, const struct reference *reference,
                           struct effects *out, int64_t sign)
{
	const struct deposit *in = e->data;
	struct account *account = view_at(v, 0);
	struct tally *tally = view_at(v, 1);
	tiny_seen.folds++;
	tiny_seen.account_existed = view_exists(v, 0);
	tiny_seen.tally_existed = view_exists(v, 1);
	tiny_seen.logic = reference->logic_version;
	tiny_seen.pin = reference->pin;
	if (in->amount == 0)
		return SKIP("nothing to move");
	if (in->amount == 13)
		return REJECT(REASON_OVER_REFUND, "/data/amount");
	if (!view_exists(v, 0))
		account->account = view_keep(v, 0, in->account);
	account->balance += sign * in->amount;
	if (in->due_ms)
		account->due_ms = in->due_ms > 0 ? in->due_ms : 0;
	if (in->amount > 1000) {
		struct deposit *held = VIEW_PUSH(v, 0, &account->held);
		held->account = view_keep(v, 0, in->account);
		held->amount = in->amount;
	}
	tally->total += sign * in->amount;
	tally->count += sign;
	put_out(e, out, in->account, sign * in->amount);
	return APPLY;
}

static struct verdict on_deposit(const struct event *e, struct view *v, const struct reference *ref,
                                 struct effects *out)
{
	return move(e, v, ref, out, 1);
}

static struct verdict on_withdraw(const struct event *e, struct view *v,
                                  const struct reference *ref, struct effects *out)
{
	return move(e, v, ref, out, -1);
}

static struct verdict on_timer(const struct event *e, struct view *v, const struct reference *ref,
                               struct effects *out)
{
	struct account *account = view_at(v, 0);
	(void)ref;
	tiny_seen.timers++;
	account->balance += 1000;
	account->due_ms = 0;
	put_out(e, out, account->account, 1000);
	return APPLY;
}

static const struct input inputs[] = {
	{ "deposit", &deposit_type, names, on_deposit },
	{ "withdraw", &deposit_type, names, on_withdraw },
	{ 0 },
};
static const struct input block_inputs[] = {
	{ "deposit", &deposit_type, names, on_deposit },
	{ 0 },
};
static const struct entity *const entities[] = { &account_entity, &tally_entity, NULL };
static const struct output *const outputs[] = { &noted_output, &moves_output, &sums_output, NULL };
static const struct redis_key keys[] = { { 0 } };

const struct worker tiny_worker = {
	.name = "tiny",
	.words = "balances",
	.topic = "in",
	.logic_version = 3,
	.inputs = inputs,
	.entities = entities,
	.outputs = outputs,
	.keys = keys,
	.on_timer = on_timer,
};
const struct worker tiny_block_worker = {
	.name = "tiny",
	.words = "balances",
	.topic = "in",
	.internal = true,
	.logic_version = 3,
	.inputs = block_inputs,
	.entities = entities,
	.outputs = outputs,
	.keys = keys,
	.on_timer = on_timer,
};

/* ---- records --------------------------------------------------------------------- */

static struct message message_of(struct arena *a, int64_t offset, const char *key, struct str value)
{
	return (struct message){ .offset = offset,
		                 .broker_ms = 1000 + offset,
		                 .key = arena_str(a, str_from_c(key)),
		                 .value = value };
}

struct message tiny_event(struct arena *a, int64_t offset, const char *type, const char *account,
                          int64_t amount, int64_t due)
{
	struct str value = arena_printf(
		a,
		"{\"specversion\":\"1.0\",\"id\":\"e%lld\",\"source\":\"/bank\",\"type\":\"%s\","
		"\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"account\":\"%s\",\"amount\":%lld,"
		"\"due_ms\":%lld}}",
		(long long)offset, type, account, (long long)amount, (long long)due);
	return message_of(a, offset, account, value);
}

struct message tiny_deposit(struct arena *a, int64_t offset, const char *account, int64_t amount)
{
	return tiny_event(a, offset, "deposit", account, amount, 0);
}

struct message tiny_control(struct arena *a, int64_t offset, const char *type, const char *data)
{
	static const struct header headers[] = { { STR_INIT("tw-control"), STR_INIT("1") } };
	struct str value = arena_printf(a,
	                                "{\"specversion\":\"1.0\",\"id\":\"c%lld\",\"source\":\"/"
	                                "tallyworks/tiny\",\"type\":\"%s\","
	                                "\"data\":{%s}}",
	                                (long long)offset, type, data);
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] == '\'')
			((char *)(uintptr_t)value.ptr)[i] = '"';
	}
	struct message m = message_of(a, offset, "control", value);
	m.headers = headers;
	m.header_count = 1;
	return m;
}

struct message tiny_timer(struct arena *a, int64_t offset, const char *account, int64_t due)
{
	char data[200], at[24];
	snprintf(data, sizeof(data), "'kind':'account','id':'%s','due':'%.*s'", account,
	         (int)timestamp_format(due, at), at);
	return tiny_control(a, offset, "tallyworks.timer.due", data);
}

struct message tiny_block(struct arena *a, int64_t offset, unsigned count,
                          const char *const *accounts, const int64_t *amounts)
{
	struct buf text;
	buf_init(&text, a);
	for (unsigned i = 0; i < count; i++)
		buf_printf(&text, "%c{\"account\":\"%s\",\"amount\":%lld}", i ? ',' : '[',
		           accounts[i], (long long)amounts[i]);
	buf_put(&text, count ? STR("]") : STR("[]"));
	struct message m = message_of(a, offset, "block", buf_str(&text));
	m.key = str_of(NULL, 0);
	return m;
}

const char *tiny_account(unsigned nth, int32_t partition, int32_t partitions)
{
	static char names[16][24];
	static unsigned at;
	char *text = names[at++ % 16];
	for (unsigned n = 0, found = 0;; n++) {
		snprintf(text, sizeof(names[0]), "a-%u", n);
		if (hash_partition(str_from_c(text), partitions) == partition && found++ == nth)
			return text;
	}
}

struct str outgoing_header(const struct outgoing *out, const char *name)
{
	for (unsigned i = 0; i < out->header_count; i++) {
		if (str_eq_c(out->headers[i].name, name))
			return out->headers[i].value;
	}
	return str_of(NULL, 0);
}

struct cell *cell_of(struct cache *cache, const struct entity *entity, struct str id)
{
	struct cell_name name = cell_name(entity, id);

	return cache_get(cache, &name);
}
