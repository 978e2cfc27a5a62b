/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl dlq show: refused records as they came, each with its reason and the
 * field that it was refused for.
 *
 * Text is shown as it is; bytes that are no UTF-8, and control characters, as \xNN.
 */
#include <inttypes.h>

#include "common/base/timestamp.h"
#include "common/host/json.h"
#include "services/tallyctl/dlq.h"

#define SHOWN 10
#define FIELD_BYTES 500

struct showing {
	struct invocation *invocation;
	struct json j;
	const struct dlq *dlq;
	int32_t partition;
	struct arena memory; /* of one record */
};

/* ---- words ------------------------------------------------------------- */

static struct str escaped(struct str text, struct arena *arena)
{
	struct buf out;

	buf_init(&out, arena);
	for (size_t i = 0; i < text.len;) {
		size_t len = str_utf8_front(str_from(text, i));
		unsigned char c = (unsigned char)text.ptr[i];

		if (len == 0 || ((c < ' ' || c == 0x7f) && c != '\n' && c != '\t')) {
			buf_printf(&out, "\\x%02x", c);
			i++;
			continue;
		}
		buf_put(&out, str_of(text.ptr + i, len));
		i += len;
	}
	return buf_str(&out);
}

static const char *state_of(const struct dlq_entry *entry)
{
	return entry->redriven ? "redriven" : entry->cut ? "open, cut" : "open";
}

/* `/data/amount is "12.5"` */
static void field_text(struct showing *s, const struct dead_letter *letter, struct buf *out)
{
	struct str around, field = dead_letter_field(letter, &s->memory, &around);

	if (letter->path.len == 0 || !field.ptr)
		return;
	if (str_eq(around, letter->path))
		buf_printf(out, "  failing:  %.*s is ", STR_ARG(letter->path));
	else
		buf_printf(out, "  failing:  %.*s is absent; %.*s is ", STR_ARG(letter->path),
		           (int)(around.len ? around.len : strlen("the value")),
		           around.len ? around.ptr : "the value");
	field = escaped(field, &s->memory);
	buf_put(out, str_of(field.ptr, field.len < FIELD_BYTES ? field.len : FIELD_BYTES));
	buf_printf(out, "%s\n", field.len > FIELD_BYTES ? " ..." : "");
}

static void text(struct showing *s, const struct dlq_entry *entry, const struct dead_letter *letter,
                 struct buf *out)
{
	const char *healing = reason_healing(letter->reason);
	char when[24];

	buf_printf(out, "%s/%" PRId32 "/%" PRId64 "  %.*s  %s\n", s->dlq->topic, s->partition,
	           letter->offset, (int)timestamp_format(letter->time_ms, when), when,
	           state_of(entry));
	if (letter->topic.ptr) {
		buf_printf(out, "  reason:   %.*s at \"%.*s\": %s\n", STR_ARG(letter->code),
		           STR_ARG(letter->path), dead_letter_meaning(letter->reason));
		field_text(s, letter, out);
		buf_printf(out, "  heals:    %s%s\n", healing ? "by a redrive, once " : "never",
		           healing ? healing : ": upstream has to send another event");
		buf_printf(out,
		           "  from:     %.*s/%" PRId32 "/%" PRId64 ", group %.*s, replays %" PRId64
		           "\n",
		           STR_ARG(letter->topic), letter->partition, letter->source_offset,
		           STR_ARG(letter->group), letter->replays);
	} else {
		buf_put_lit(out, "  not a copy that a worker made\n");
	}
	buf_printf(out, "  key:      %.*s\n",
	           STR_ARG(letter->key.ptr ? escaped(letter->key, &s->memory) : STR("(none)")));
	for (unsigned i = 0; i < letter->header_count; i++)
		buf_printf(out, "  header:   %.*s: %.*s\n",
		           STR_ARG(escaped(letter->headers[i].name, &s->memory)),
		           STR_ARG(escaped(letter->headers[i].value, &s->memory)));
	if (!letter->value.ptr)
		buf_put_lit(out, "  value:    (none)\n");
	else
		buf_printf(out, "  value:    (%zu bytes)\n", letter->value.len);
	buf_put(out, escaped(letter->value, &s->memory));
	buf_put_lit(out, "\n\n");
}

/* ---- JSON -------------------------------------------------------------- */

/* Under `name` where it is text, under `name`_escaped where it is not. */
static void put_bytes(struct showing *s, const char *name, struct str bytes)
{
	if (!bytes.ptr) {
		json_name(&s->j, name);
		json_null(&s->j);
	} else if (str_is_utf8(bytes)) {
		json_put_str(&s->j, name, bytes);
	} else {
		json_put_str(&s->j, arena_printf(&s->memory, "%s_escaped", name).ptr,
		             escaped(bytes, &s->memory));
	}
}

static void refusal_json(struct showing *s, const struct dead_letter *letter)
{
	struct str around, field = dead_letter_field(letter, &s->memory, &around);

	json_put_str(&s->j, "reason", escaped(letter->code, &s->memory));
	json_put_text(&s->j, "means", dead_letter_meaning(letter->reason));
	json_put_text(&s->j, "heals_after", reason_healing(letter->reason));
	put_bytes(s, "path", letter->path);
	put_bytes(s, "field", str_eq(around, letter->path) ? field : str_of(NULL, 0));
	json_put_str(&s->j, "source_topic", escaped(letter->topic, &s->memory));
	json_put_i64(&s->j, "source_partition", letter->partition);
	json_put_i64(&s->j, "source_offset", letter->source_offset);
	json_put_str(&s->j, "group", escaped(letter->group, &s->memory));
	json_put_i64(&s->j, "replays", letter->replays);
}

static void json(struct showing *s, const struct dlq_entry *entry, const struct dead_letter *letter)
{
	json_open(&s->j, '{');
	json_put_text(&s->j, "topic", s->dlq->topic);
	json_put_i64(&s->j, "partition", s->partition);
	json_put_i64(&s->j, "offset", letter->offset);
	json_put_time(&s->j, "refused", letter->time_ms);
	json_put_bool(&s->j, "redriven", entry->redriven);
	json_put_bool(&s->j, "cut", entry->cut);
	if (letter->topic.ptr)
		refusal_json(s, letter);
	put_bytes(s, "key", letter->key);
	put_bytes(s, "value", letter->value);
	json_name(&s->j, "headers");
	json_open(&s->j, '[');
	for (unsigned i = 0; i < letter->header_count; i++) {
		json_open(&s->j, '{');
		put_bytes(s, "name", letter->headers[i].name);
		put_bytes(s, "value", letter->headers[i].value);
		json_close(&s->j, '}');
	}
	json_close(&s->j, ']');
	json_close(&s->j, '}');
}

/* ---- the command ------------------------------------------------------- */

static struct rc show_record(void *self, struct dlq_entry *entry, const struct dead_letter *letter)
{
	struct showing *s = self;

	arena_clear(&s->memory);
	if (s->invocation->json)
		json(s, entry, letter);
	else
		text(s, entry, letter, s->invocation->out);
	return OK;
}

static int64_t choose(struct dlq *dlq, bool all, int64_t left)
{
	for (int32_t p = 0; p < dlq->fleet->partitions; p++)
		for (size_t i = 0; i < dlq->partitions[p].count && left; i++) {
			struct dlq_entry *entry = &dlq->partitions[p].entries[i];

			entry->chosen = entry->matches && (all || !entry->redriven);
			left -= entry->chosen;
		}
	return left;
}

static struct rc show_topic(struct showing *s, struct session *session, const struct fleet *fleet,
                            const struct dlq_filter *filter, int64_t *left)
{
	bool all = invocation_has(s->invocation, "--all");
	struct dlq dlq;
	struct rc rc;

	dlq_init(&dlq, session, fleet);
	s->dlq = &dlq;
	rc = dlq_read(&dlq, filter, !all);
	if (rc_ok(rc))
		*left = choose(&dlq, all, *left);
	for (s->partition = 0; s->partition < fleet->partitions && rc_ok(rc); s->partition++)
		rc = dlq_visit(&dlq, s->partition, show_record, s);
	dlq_release(&dlq);
	return rc;
}

static struct rc show(struct showing *s, struct session *session)
{
	struct invocation *invocation = s->invocation;
	struct fleet fleets[FLEETS_MOST];
	struct dlq_filter filter;
	unsigned count;
	int64_t left;

	TRY(invocation_no_words(invocation));
	TRY(dlq_filter_read(invocation, &filter));
	TRY(invocation_int(invocation, "--max", 1, INT32_MAX, SHOWN, &left));
	TRY(session_open(session, invocation));
	TRY(dlq_fleets(session, invocation, fleets, &count));
	if (invocation->json) {
		json_open(&s->j, '{');
		json_name(&s->j, "records");
		json_open(&s->j, '[');
	}
	for (unsigned i = 0; i < count && left; i++)
		TRY(show_topic(s, session, &fleets[i], &filter, &left));
	if (invocation->json) {
		json_close(&s->j, ']');
		json_close(&s->j, '}');
		buf_put_char(invocation->out, '\n');
	} else if (invocation->out->len == 0) {
		buf_put_lit(invocation->out, "nothing there\n");
	}
	return OK;
}

struct rc command_dlq_show(struct invocation *invocation)
{
	struct showing s = { .invocation = invocation, .j = json_to(invocation->out) };
	struct session session = { .config = NULL };
	struct rc rc;

	arena_init(&s.memory, 65536);
	rc = show(&s, &session);
	if (!rc_ok(rc))
		buf_clear(invocation->out); /* half an answer is none */
	session_close(&session);
	arena_release(&s.memory);
	return rc;
}
