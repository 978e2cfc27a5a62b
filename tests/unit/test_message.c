/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are messages read alike in every mode and framing, is each damage refused with
 * its reason, and do outgoing events come back as they went? A truncated or
 * changed message must never do worse than be refused.
 */
#include "common/codec/message.h"

#include <yyjson.h>

#include "common/base/hash.h"
#include "common/base/limits.h"
#include "events.h"
#include "tests/unit/testing.h"

static struct arena arena;

static int clear_arena(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

#define DATA \
	"{\"order_id\":\"o-1\",\"payment_id\":\"p-\\u4eba\",\"amount\":100,\"currency\":\"CNY\"}"
#define ATTRIBUTES                                                                             \
	"\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/shop\","                         \
	"\"type\":\"payment.collected\",\"subject\":\"o-1\","                                  \
	"\"time\":\"2026-03-05T08:15:00.250Z\",\"correlationid\":\"c\",\"causationid\":\"k\"," \
	"\"traceparent\":\"00-1-2-01\""
#define EVENT "{" ATTRIBUTES ",\"data\":" DATA "}"

static const struct header binary_headers[] = {
	{ STR_INIT("ce_specversion"), STR_INIT("1.0") },
	{ STR_INIT("content-type"), STR_INIT("application/json; charset=utf-8") },
	{ STR_INIT("ce_id"), STR_INIT("e-1") },
	{ STR_INIT("ce_source"), STR_INIT("/shop") },
	{ STR_INIT("ce_type"), STR_INIT("payment.collected") },
	{ STR_INIT("ce_subject"), STR_INIT("o-1") },
	{ STR_INIT("ce_time"), STR_INIT("2026-03-05T16:15:00.25+08:00") },
	{ STR_INIT("ce_correlationid"), STR_INIT("c") },
	{ STR_INIT("ce_causationid"), STR_INIT("k") },
	{ STR_INIT("ce_traceparent"), STR_INIT("00-1-2-01") },
	{ STR_INIT("ce_unheardof"), STR_INIT("x") },
	{ STR_INIT("traceparent"), STR_INIT("00-9-9-00") },
};

static struct message message_of(struct str value, const struct header *headers, unsigned count)
{
	return (struct message){
		.offset = 7,
		.broker_ms = 1772700000000,
		.key = STR("o-1"),
		/* in a block of its own, so that a sanitizer sees a read beyond it */
		.value = arena_str(&arena, value),
		.headers = headers,
		.header_count = count,
	};
}

static bool read_message(const struct message *m, struct event *out, struct fault *fault)
{
	struct envelope envelope;

	if (!envelope_decode(m, STR("orders"), 3, &arena, &envelope, fault) ||
	    !envelope_data(&envelope, &payment_collected_type, &arena, fault))
		return false;
	*out = envelope.event;
	return true;
}

static struct event taken(struct str value, const struct header *headers, unsigned count)
{
	struct message m = message_of(value, headers, count);
	struct event event;
	struct fault fault;

	if (!read_message(&m, &event, &fault))
		fail_msg("%s at %s: %.*s", reason_code(fault.reason), fault.path, STR_ARG(value));
	return event;
}

#define refuses(value, reason, path) refuses_at((value), NULL, 0, (reason), (path), __LINE__)

static void refuses_at(struct str value, const struct header *headers, unsigned count,
                       enum reason reason, const char *path, int line)
{
	struct message m = message_of(value, headers, count);
	struct event event;
	struct fault fault = { 0 };

	if (!read_message(&m, &event, &fault) && fault.reason == reason &&
	    strcmp(fault.path, path) == 0)
		return;
	print_error("%s at \"%s\": %.*s\n", reason_code(fault.reason), fault.path, STR_ARG(value));
	_fail(__FILE__, line);
}

static void is_the_event(const struct event *e)
{
	const struct payment_collected *payment = e->data;

	assert_str(e->at.topic, "orders");
	assert_int_equal(e->at.partition, 3);
	assert_int_equal(e->at.offset, 7);
	assert_int_equal(e->at.entry, 0);
	assert_int_equal(e->broker_ms, 1772700000000);
	assert_str(e->key, "o-1");
	assert_str(e->id, "e-1");
	assert_str(e->source, "/shop");
	assert_str(e->type, "payment.collected");
	assert_str(e->subject, "o-1");
	assert_str(e->correlationid, "c");
	assert_str(e->causationid, "k");
	assert_str(e->traceparent, "00-1-2-01");
	assert_true(e->has_time);
	assert_int_equal(e->time_ms, 1772698500250);
	assert_str(payment->payment_id, "p-\xe4\xba\xba");
	assert_int_equal(payment->amount_minor, 100);
}

/* --- Modes -------------------------------------------------------------------------- */

static void all_modes_read_alike(void **state)
{
	static const struct header structured[] = {
		{ STR_INIT("content-type"),
		  STR_INIT("Application/CloudEvents+JSON; charset=utf-8") },
	};
	static const struct header plain[] = {
		{ STR_INIT("content-type"), STR_INIT("application/cloudevents") },
	};
	static const struct header other[] = {
		{ STR_INIT("content-type"), STR_INIT("application/json") },
		{ STR_INIT("traceparent"), { NULL, 0 } },
	};
	static const char framing[] = { 0, 0, 0, 0, 9 };
	struct str framed = arena_join(&arena, (struct str[]){ str_of(framing, 5), STR(EVENT) }, 2);
	struct str framed_data =
		arena_join(&arena, (struct str[]){ str_of(framing, 5), STR(DATA) }, 2);
	struct event events[8];

	(void)state;
	events[0] = taken(STR(EVENT), NULL, 0);
	events[1] = taken(STR(EVENT), structured, 1);
	events[2] = taken(STR(EVENT), plain, 1);
	events[3] = taken(STR(EVENT), other, 2);
	events[4] = taken(framed, structured, 1);
	events[5] = taken(STR(DATA), binary_headers, COUNT_OF(binary_headers));
	events[6] = taken(framed_data, binary_headers, COUNT_OF(binary_headers));
	events[7] = taken(STR(" {\"data\" : " DATA ", \"other\":[{}]," ATTRIBUTES "}\n"), plain, 1);
	for (unsigned i = 0; i < COUNT_OF(events); i++) {
		is_the_event(&events[i]);
		assert_true(events[i].identity == events[0].identity);
		assert_true(events[i].content == events[0].content);
	}
	assert_str_eq(events[4].raw, framed);
}

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* The trace of the record is the event's where it has none of its own. */
static void a_trace_is_taken_from_the_header(void **state)
{
	static const struct header trace[] = { { STR_INIT("traceparent"), STR_INIT(TRACE) } };
	static const struct header binary[] = { { STR_INIT("ce_specversion"), STR_INIT("1.0") },
		                                { STR_INIT("ce_id"), STR_INIT("e-1") },
		                                { STR_INIT("ce_source"), STR_INIT("/shop") },
		                                { STR_INIT("ce_type"), STR_INIT("t") },
		                                { STR_INIT("traceparent"), STR_INIT(TRACE) } };
	static const char bare[] = "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\","
				   "\"type\":\"t\",\"data\":" DATA "}";

	(void)state;
	assert_str(taken(str_from_c(bare), trace, 1).traceparent, TRACE);
	assert_str(taken(STR(DATA), binary, COUNT_OF(binary)).traceparent, TRACE);
	assert_str(taken(STR(EVENT), trace, 1).traceparent, "00-1-2-01");
	assert_null(taken(str_from_c(bare), NULL, 0).traceparent.ptr);
}

static void a_trace_of_another_form_is_none(void **state)
{
	static const char *const wrong[] = {
		"",
		"00",
		"00-1-2-01",
		"01" TRACE,
		TRACE "-",
		TRACE "-x",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	};
	struct header header = { STR("traceparent"), { NULL, 0 } };
	struct message m = message_of(STR(""), &header, 1);

	(void)state;
	assert_true(trace_is_valid(STR(TRACE)));
	assert_null(message_trace(&m).ptr);
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		header.value = str_from_c(wrong[i]);
		assert_false(trace_is_valid(header.value));
		assert_null(message_trace(&m).ptr);
	}
}

static void headers_are_found_by_name(void **state)
{
	struct message m = message_of(STR(""), binary_headers, COUNT_OF(binary_headers));

	(void)state;
	assert_ptr_equal(message_header(&m, STR("ce_id")), &binary_headers[2]);
	assert_ptr_equal(message_header(&m, STR("ce_i")), NULL);
}

static void what_may_be_absent(void **state)
{
	struct event e = taken(STR("{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\","
	                           "\"type\":\"t\",\"subject\":null,\"data\":" DATA "}"),
	                       NULL, 0);

	(void)state;
	assert_false(e.has_time);
	assert_null(e.subject.ptr);
	assert_null(e.traceparent.ptr);
}

/* --- Refusals ----------------------------------------------------------------------- */

static void damaged_values_are_refused(void **state)
{
	struct message m = message_of(STR(EVENT), NULL, 0);
	struct event event;
	struct fault fault;
	char *large;

	(void)state;
	m.value = str_of(NULL, 0);
	assert_false(read_message(&m, &event, &fault));
	assert_int_equal(fault.reason, REASON_NULL_VALUE);
	assert_string_equal(fault.path, "");
	large = arena_alloc(&arena, LIMIT_MESSAGE_BYTES + 1);
	memset(large, ' ', LIMIT_MESSAGE_BYTES + 1);
	memcpy(large, EVENT, sizeof(EVENT) - 1);
	taken(str_of(large, LIMIT_MESSAGE_BYTES), NULL, 0);
	refuses(str_of(large, LIMIT_MESSAGE_BYTES + 1), REASON_TOO_LARGE, "");
	refuses(STR(""), REASON_NOT_JSON, "");
	refuses(STR("\0\0\0\0\1"), REASON_NOT_JSON, "");
	refuses(STR("\0\0"), REASON_NOT_JSON, "");
	refuses(STR("{\"a\":\"\xff\"}"), REASON_NOT_UTF8, "");
	refuses(STR("{\"a\":\"\xed\xa0\x80\"}"), REASON_NOT_UTF8, "");
	refuses(STR("{\"a\":\"\\ud800\"}"), REASON_NOT_JSON, "");
	refuses(STR("\xef\xbb\xbf" EVENT), REASON_NOT_JSON, "");
	refuses(STR(EVENT EVENT), REASON_NOT_JSON, "");
	refuses(STR("{'a':1}"), REASON_NOT_JSON, "");
	refuses(STR("{\"a\":NaN}"), REASON_NOT_JSON, "");
	refuses(STR("{\"a\":01}"), REASON_NOT_JSON, "");
	refuses(STR("{\"a\":1,}"), REASON_NOT_JSON, "");
	refuses(STR("[" EVENT "]"), REASON_BAD_ENVELOPE, "");
	refuses(STR("7"), REASON_BAD_ENVELOPE, "");
}

#define WITH(attribute) STR("{" attribute ATTRIBUTES ",\"data\":" DATA "}")
#define START(rest) STR("{\"specversion\":\"1.0\"," rest)

static void damaged_envelopes_are_refused(void **state)
{
	(void)state;
	refuses(STR(DATA), REASON_BAD_ENVELOPE, "/specversion");
	refuses(STR("{\"specversion\":\"0.3\"}"), REASON_BAD_ENVELOPE, "/specversion");
	refuses(STR("{\"specversion\":1.0}"), REASON_BAD_ENVELOPE, "/specversion");
	refuses(START("\"source\":\"s\",\"type\":\"t\"}"), REASON_BAD_ENVELOPE, "/id");
	refuses(START("\"id\":null,\"source\":\"s\",\"type\":\"t\"}"), REASON_BAD_ENVELOPE, "/id");
	refuses(START("\"id\":\"\"}"), REASON_BAD_ENVELOPE, "/id");
	refuses(START("\"id\":\"a\\u0000\"}"), REASON_BAD_ENVELOPE, "/id");
	refuses(START("\"id\":5}"), REASON_BAD_ENVELOPE, "/id");
	refuses(START("\"id\":\"i\",\"type\":\"t\"}"), REASON_BAD_ENVELOPE, "/source");
	refuses(START("\"id\":\"i\",\"source\":\"\"}"), REASON_BAD_ENVELOPE, "/source");
	refuses(START("\"id\":\"i\",\"source\":\"s\"}"), REASON_BAD_ENVELOPE, "/type");
	refuses(WITH("\"data_base64\":\"e30=\","), REASON_BAD_ENVELOPE, "/data_base64");
	refuses(WITH("\"datacontenttype\":\"text/xml\","), REASON_BAD_ENVELOPE, "/datacontenttype");
	taken(WITH("\"datacontenttype\":\"Application/vnd.x+JSON ; a=b\","), NULL, 0);
	taken(WITH("\"x\":1e999,\"y\":-123456789012345678901234567890,"), NULL, 0);
	taken(WITH("\"datacontenttype\":null,\"data_base64\":null,"), NULL, 0);
	refuses(STR("{" ATTRIBUTES ",\"id\":\"e-1\",\"data\":" DATA "}"), REASON_DUPLICATE_KEY,
	        "/id");
	refuses(WITH("\"x\":1,\"x\":1,"), REASON_DUPLICATE_KEY, "/x");
	refuses(STR("{" ATTRIBUTES ",\"data\":" DATA ",\"data\":" DATA "}"), REASON_DUPLICATE_KEY,
	        "/data");
}

static void bad_times_are_bad_envelopes(void **state)
{
	static const char *const times[] = { "\"2026-03-05\"",
		                             "\"2026-03-05T08:15:00\"",
		                             "\"2026-02-30T08:15:00Z\"",
		                             "\"2026-03-05T24:00:00Z\"",
		                             "\"\"",
		                             "1772698500250",
		                             "true" };
	char text[300];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(times); i++) {
		snprintf(text, sizeof(text),
		         "{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"t\","
		         "\"time\":%s,\"data\":" DATA "}",
		         times[i]);
		refuses(str_from_c(text), REASON_BAD_ENVELOPE, "/time");
	}
}

static void damaged_data_is_refused(void **state)
{
	(void)state;
	refuses(STR("{" ATTRIBUTES "}"), REASON_MISSING_FIELD, "/data");
	refuses(STR("{" ATTRIBUTES ",\"data\":null}"), REASON_MISSING_FIELD, "/data");
	refuses(STR("{" ATTRIBUTES ",\"data\":[]}"), REASON_BAD_FIELD, "/data");
	refuses(STR("{" ATTRIBUTES ",\"data\":\"{}\"}"), REASON_BAD_FIELD, "/data");
	refuses(STR("{" ATTRIBUTES ",\"data\":{}}"), REASON_MISSING_FIELD, "/data/order_id");
	refuses(STR("{" ATTRIBUTES ",\"data\":{\"amount\":1.5}}"), REASON_BAD_MONEY,
	        "/data/amount");
	refuses(STR("{" ATTRIBUTES ",\"data\":{\"x\":{\"y\":1,\"y\":1}}}"), REASON_DUPLICATE_KEY,
	        "/data/x/y");
}

/* Binary mode with one header replaced (or, with an absent name, left out). */
static void binary_refuses(const char *name, struct header with, struct str value,
                           enum reason reason, const char *path)
{
	struct header headers[COUNT_OF(binary_headers)];
	unsigned count = 0;

	for (unsigned i = 0; i < COUNT_OF(binary_headers); i++) {
		headers[count] = binary_headers[i];
		if (str_eq_c(binary_headers[i].name, name))
			headers[count] = with;
		count += headers[count].name.ptr != NULL;
	}
	refuses_at(value, headers, count, reason, path, __LINE__);
}

#define HEADER(n, v) ((struct header){ STR(n), STR(v) })
#define NO_HEADER ((struct header){ { NULL, 0 }, { NULL, 0 } })

static void damaged_headers_are_refused(void **state)
{
	struct str data = STR(DATA);
	static const char *const required[] = { "ce_specversion", "ce_id", "ce_source", "ce_type" };

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(required); i++) {
		struct header null_header = { str_from_c(required[i]), { NULL, 0 } };
		struct header empty = { str_from_c(required[i]), STR("") };

		binary_refuses(required[i], NO_HEADER, data, REASON_BAD_ENVELOPE, required[i]);
		binary_refuses(required[i], null_header, data, REASON_BAD_ENVELOPE, required[i]);
		binary_refuses(required[i], empty, data, REASON_BAD_ENVELOPE, required[i]);
	}
	binary_refuses("ce_id", HEADER("ce_id", "a\xff"), data, REASON_BAD_ENVELOPE, "ce_id");
	binary_refuses("ce_time", HEADER("ce_time", "today"), data, REASON_BAD_ENVELOPE, "ce_time");
	binary_refuses("ce_time", HEADER("ce_id", "e-1"), data, REASON_DUPLICATE_KEY, "ce_id");
	binary_refuses("content-type", HEADER("content-type", "application/avro"), data,
	               REASON_BAD_ENVELOPE, "content-type");
	binary_refuses("content-type", HEADER("content-type", "application/cloudevents+avro"), data,
	               REASON_BAD_ENVELOPE, "content-type");
	binary_refuses("content-type", HEADER("content-type", "application/cloudevents-batch+json"),
	               data, REASON_BAD_ENVELOPE, "content-type");
	binary_refuses("content-type", HEADER("content-type", "application/cloudevents"), data,
	               REASON_BAD_ENVELOPE, "/specversion");
	binary_refuses("", NO_HEADER, STR("null"), REASON_MISSING_FIELD, "/data");
	binary_refuses("", NO_HEADER, STR("[]"), REASON_BAD_FIELD, "/data");
	binary_refuses("", NO_HEADER, STR("{}"), REASON_MISSING_FIELD, "/data/order_id");
	binary_refuses("", NO_HEADER, STR("{"), REASON_NOT_JSON, "");
	binary_refuses("", NO_HEADER, str_of(NULL, 0), REASON_NULL_VALUE, "");
}

/* --- Truncation and change ---------------------------------------------------------- */

/* With a character of more than one byte inside, so that some cuts leave no valid UTF-8. */
#define CUT_EVENT "{" ATTRIBUTES ",\"note\":\"\xe4\xba\xba\",\"data\":" DATA "}"

static void every_truncation_is_refused(void **state)
{
	struct str whole = STR(CUT_EVENT);
	unsigned not_utf8 = 0;

	(void)state;
	taken(whole, NULL, 0);
	for (size_t len = 0; len < whole.len; len++) {
		struct message m = message_of(str_of(whole.ptr, len), NULL, 0);
		bool utf8 = str_is_utf8(m.value);
		struct event event;
		struct fault fault;

		assert_false(read_message(&m, &event, &fault));
		assert_int_equal(fault.reason, utf8 ? REASON_NOT_JSON : REASON_NOT_UTF8);
		not_utf8 += !utf8;
	}
	assert_int_equal(not_utf8, 2);
}

static void any_change_is_survived(void **state)
{
	struct str whole = STR(CUT_EVENT);

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char text[sizeof(CUT_EVENT)];
		struct message m;
		struct event event;
		struct fault fault = { 0 };

		memcpy(text, whole.ptr, whole.len);
		for (uint64_t i = rng_below(4) + 1; i > 0; i--)
			text[rng_below(whole.len)] =
				rng_below(2) ? (char)rng_below(256) : "{}[]\",:\\0"[rng_below(9)];
		m = message_of(str_of(text, whole.len), NULL, 0);
		if (!read_message(&m, &event, &fault)) {
			assert_in_range(fault.reason, REASON_NOT_JSON, REASON_BAD_MONEY);
			assert_true(strlen(fault.path) < sizeof(fault.path));
		}
		arena_clear(&arena);
	}
}

/* --- Identity and content ----------------------------------------------------------- */

static struct event with(const char *source, const char *id, const char *type, const char *time,
                         int amount)
{
	return taken(arena_printf(&arena,
	                          "{\"specversion\":\"1.0\",\"source\":\"%s\",\"id\":\"%s\","
	                          "\"type\":\"%s\"%s%s%s,\"data\":{\"order_id\":\"o\","
	                          "\"payment_id\":\"p\",\"amount\":%d,\"currency\":\"CNY\"}}",
	                          source, id, type, time[0] ? ",\"time\":\"" : "", time,
	                          time[0] ? "\"" : "", amount),
	             NULL, 0);
}

static void identity_is_source_and_id(void **state)
{
	struct event e = with("ab", "c", "t", "2026-01-01T00:00:00Z", 1);

	(void)state;
	assert_true(e.identity == with("ab", "c", "u", "", 2).identity);
	assert_true(e.identity != with("a", "bc", "t", "", 1).identity);
	assert_true(e.identity != with("c", "ab", "t", "", 1).identity);
	assert_true(e.identity == hash64_with(hash64(STR("ab")), STR("c"))); /* kept in Redis */
}

/* contract: orders.duplicate */
static void content_is_type_time_and_data(void **state)
{
	struct event e = with("s", "i", "t", "1970-01-01T00:00:00Z", 1);

	(void)state;
	assert_true(e.content == with("z", "j", "t", "1970-01-01T08:00:00+08:00", 1).content);
	assert_true(e.content != with("s", "i", "u", "1970-01-01T00:00:00Z", 1).content);
	assert_true(e.content != with("s", "i", "t", "1970-01-01T00:00:00.001Z", 1).content);
	assert_true(e.content != with("s", "i", "t", "", 1).content);
	assert_true(e.content != with("s", "i", "t", "1970-01-01T00:00:00Z", 2).content);
}

/* --- Blocks ------------------------------------------------------------------------- */

static bool block_of(struct str value, struct block *block, struct fault *fault)
{
	struct message m = message_of(value, NULL, 0);

	return block_decode(&m, &arena, block, fault);
}

static void blocks_give_their_entries(void **state)
{
	struct tallyworks_reference_ended entry;
	struct block block;
	struct fault fault;

	(void)state;
	assert_true(block_of(STR("[{\"records\":0},{\"x\":[1],\"records\":1},{\"records\":2}]"),
	                     &block, &fault));
	assert_int_equal(block.count, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(block.at, i);
		assert_true(record_decode(&tallyworks_reference_ended_type, block_next(&block),
		                          STR(""), &entry, &arena, &fault));
		assert_int_equal(entry.records, i);
	}
	assert_null(block_next(&block));
	assert_null(block_next(&block));
	assert_true(block_of(STR("[]"), &block, &fault));
	assert_null(block_next(&block));
}

static void bad_blocks_are_refused(void **state)
{
	struct block block;
	struct fault fault;
	struct buf b;

	(void)state;
	assert_false(block_of(STR("{}"), &block, &fault));
	assert_int_equal(fault.reason, REASON_BAD_ENVELOPE);
	assert_false(block_of(STR("[1"), &block, &fault));
	assert_int_equal(fault.reason, REASON_NOT_JSON);
	assert_false(block_of(str_of(NULL, 0), &block, &fault));
	assert_int_equal(fault.reason, REASON_NULL_VALUE);
	buf_init(&b, &arena);
	buf_put_lit(&b, "[0");
	for (int i = 1; i < LIMIT_BLOCK_ENTRIES; i++)
		buf_put_lit(&b, ",0");
	buf_put_lit(&b, "]");
	assert_true(block_of(buf_str(&b), &block, &fault));
	b.len--;
	buf_put_lit(&b, ",0]");
	assert_false(block_of(buf_str(&b), &block, &fault));
	assert_int_equal(fault.reason, REASON_TOO_LARGE);
}

/* --- Writing ------------------------------------------------------------------------ */

static void written_events_come_back(void **state)
{
	const struct payment_collected payment = { STR("o-1"), STR("p-\xe4\xba\xba"), 100,
		                                   STR("CNY") };
	struct cloudevent out = {
		.id = STR("e-1"),
		.source = STR("/shop"),
		.type = STR("payment.collected"),
		.subject = STR("o-1"),
		.correlationid = STR("c"),
		.causationid = STR("k"),
		.traceparent = STR("00-1-2-01"),
		.time_ms = 1772698500250,
		.data_type = &payment_collected_type,
		.data = &payment,
	};
	struct event e;
	struct buf b;

	(void)state;
	buf_init(&b, &arena);
	cloudevent_encode(&out, &b);
	e = taken(buf_str(&b), NULL, 0);
	is_the_event(&e);
	out.subject = out.correlationid = out.causationid = out.traceparent = str_of(NULL, 0);
	out.id = STR("\"");
	buf_clear(&b);
	cloudevent_encode(&out, &b);
	assert_str(buf_str(&b),
	           "{\"specversion\":\"1.0\",\"id\":\"\\\"\",\"source\":\"/shop\","
	           "\"type\":\"payment.collected\",\"time\":\"2026-03-05T08:15:00.250Z\","
	           "\"datacontenttype\":\"application/json\",\"data\":{\"order_id\":\"o-1\","
	           "\"payment_id\":\"p-\xe4\xba\xba\",\"amount\":100,\"currency\":\"CNY\"}}");
	e = taken(buf_str(&b), NULL, 0);
	assert_str(e.id, "\"");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_teardown(all_modes_read_alike, clear_arena),
	cmocka_unit_test_teardown(headers_are_found_by_name, clear_arena),
	cmocka_unit_test_teardown(a_trace_is_taken_from_the_header, clear_arena),
	cmocka_unit_test_teardown(a_trace_of_another_form_is_none, clear_arena),
	cmocka_unit_test_teardown(what_may_be_absent, clear_arena),
	cmocka_unit_test_teardown(damaged_values_are_refused, clear_arena),
	cmocka_unit_test_teardown(damaged_envelopes_are_refused, clear_arena),
	cmocka_unit_test_teardown(bad_times_are_bad_envelopes, clear_arena),
	cmocka_unit_test_teardown(damaged_data_is_refused, clear_arena),
	cmocka_unit_test_teardown(damaged_headers_are_refused, clear_arena),
	cmocka_unit_test_teardown(every_truncation_is_refused, clear_arena),
	cmocka_unit_test_teardown(any_change_is_survived, clear_arena),
	cmocka_unit_test_teardown(identity_is_source_and_id, clear_arena),
	cmocka_unit_test_teardown(content_is_type_time_and_data, clear_arena),
	cmocka_unit_test_teardown(blocks_give_their_entries, clear_arena),
	cmocka_unit_test_teardown(bad_blocks_are_refused, clear_arena),
	cmocka_unit_test_teardown(written_events_come_back, clear_arena),
};

int main(void)
{
	testing_begin();
	arena_init(&arena, 1 << 16);
	return testing_end(cmocka_run_group_tests(tests, NULL, NULL));
}
