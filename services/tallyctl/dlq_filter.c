/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flags that all dlq commands share. An age is counted back from now.
 */
#include "common/base/timestamp.h"
#include "services/tallyctl/dlq.h"
#include "services/tallyctl/letter.h"

/* "90m" */
static bool parse_age(struct str text, int64_t *ms)
{
	static const struct {
		char letter;
		int64_t ms;
	} units[] = {
		{ 's', MS_PER_SECOND },
		{ 'm', 60 * MS_PER_SECOND },
		{ 'h', MS_PER_HOUR },
		{ 'd', MS_PER_DAY },
	};
	int64_t number;

	if (text.len < 2 || !str_to_i64(str_of(text.ptr, text.len - 1), &number) || number < 0 ||
	    number > 1000000)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (text.ptr[text.len - 1] == units[i].letter) {
			*ms = number * units[i].ms;
			return true;
		}
	return false;
}

struct dlq_filter dlq_filter_all(void)
{
	return (struct dlq_filter){ .any_reason = true,
		                    .since_ms = INT64_MIN,
		                    .until_ms = INT64_MAX,
		                    .partition = -1,
		                    .source_partition = -1,
		                    .offsets = { 0, INT64_MAX },
		                    .source_offsets = { 0, INT64_MAX } };
}

bool dlq_time_parse(struct str text, int64_t *out)
{
	int64_t age_ms;

	if (timestamp_parse(text, out))
		return true;
	if (!parse_age(text, &age_ms))
		return false;
	*out = letter_now_ms() - age_ms;
	return true;
}

static struct rc read_time(const struct invocation *invocation, const char *flag, int64_t *out)
{
	struct str text = str_from_c(invocation_text(invocation, flag));

	if (!text.ptr || dlq_time_parse(text, out))
		return OK;
	return rc_fail(RC_USAGE, "%s %.*s: neither %s", flag, STR_ARG(text), DLQ_TIME_WORDS);
}

/* "17" or "17..40" or "17.." */
static struct rc read_span(const struct invocation *invocation, const char *flag,
                           struct log_span *out)
{
	const char *given = invocation_text(invocation, flag);
	struct str text = str_from_c(given), last = { NULL, 0 };
	size_t dot = str_find(text, '.');

	*out = (struct log_span){ 0, INT64_MAX };
	if (!given)
		return OK;
	if (dot + 1 < text.len && text.ptr[dot + 1] == '.') {
		last = str_from(text, dot + 2);
		text.len = dot;
	}
	if (!str_to_i64(text, &out->start) || out->start < 0 ||
	    (last.len && (!str_to_i64(last, &out->end) || out->end < out->start)))
		return rc_fail(RC_USAGE, "%s %s: not an offset or A..B", flag, given);
	if (!last.ptr)
		out->end = out->start;
	if (out->end < INT64_MAX)
		out->end++;
	return OK;
}

static struct rc unknown_reason(const char *code)
{
	struct buf codes;
	struct rc rc;

	buf_init(&codes, NULL);
	for (unsigned i = REASON_NONE + 1; i < REASON_COUNT; i++)
		buf_printf(&codes, "%s%s", codes.len ? ", " : "", reason_code((enum reason)i));
	rc = rc_fail(RC_USAGE, "--reason %s: no such reason; there are %.*s", code,
	             STR_ARG(buf_str(&codes)));
	buf_release(&codes);
	return rc;
}

static struct rc read_reasons(const struct invocation *invocation, struct dlq_filter *out)
{
	for (unsigned i = 0; i < invocation->value_count; i++) {
		const char *code = invocation->values[i].value;
		enum reason reason;

		if (strcmp(invocation->values[i].flag, "--reason") != 0)
			continue;
		reason = reason_find(str_from_c(code));
		if (reason == REASON_NONE)
			return unknown_reason(code);
		out->reasons[reason] = true;
		out->any_reason = false;
	}
	return OK;
}

static struct rc read_partition(const struct invocation *invocation, const char *flag, int32_t *out)
{
	int64_t partition;

	TRY(invocation_int(invocation, flag, 0, INT32_MAX, -1, &partition));
	*out = (int32_t)partition;
	return OK;
}

struct rc dlq_filter_read(const struct invocation *invocation, struct dlq_filter *out)
{
	*out = dlq_filter_all();
	out->key = invocation_text(invocation, "--key");
	TRY(read_reasons(invocation, out));
	TRY(read_time(invocation, "--since", &out->since_ms));
	TRY(read_time(invocation, "--until", &out->until_ms));
	TRY(read_partition(invocation, "--partition", &out->partition));
	TRY(read_partition(invocation, "--source-partition", &out->source_partition));
	TRY(read_span(invocation, "--offset", &out->offsets));
	return read_span(invocation, "--source-offset", &out->source_offsets);
}

struct rc dlq_fleets(struct session *session, const struct invocation *invocation,
                     struct fleet *out, unsigned *count)
{
	struct str topic = str_from_c(invocation_text(invocation, "--topic"));
	struct str prefix = str_from_c(session->config->topic_prefix);
	const struct worker *only = NULL;

	if (topic.ptr && str_starts(topic, prefix))
		topic = str_from(topic, prefix.len);
	if (topic.ptr && str_ends(topic, STR(".dlq")))
		topic.len -= strlen(".dlq");
	for (int i = 0; workers[i] && topic.ptr; i++)
		if (str_eq_c(topic, workers[i]->topic))
			only = workers[i];
	if (topic.ptr && !only)
		return rc_fail(RC_USAGE, "--topic %s: no worker reads it; see tallyctl describe",
		               invocation_text(invocation, "--topic"));
	return session_fleets(session, only, out, count);
}
