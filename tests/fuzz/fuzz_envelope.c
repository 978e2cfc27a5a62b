/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Kafka message of any bytes: its envelope, its data by every type that its name
 * fits, and what is taken must come back the same when it is written again.
 */
#include "common/base/must.h"
#include "events.h"
#include "tests/fuzz/fuzz.h"

static bool decode(const struct message *m, struct arena *a, struct envelope *out)
{
	const struct record_type *type;
	struct fault fault;

	if (!envelope_decode(m, STR("orders"), 3, a, out, &fault)) {
		must(fault.reason != REASON_NONE && memchr(fault.path, 0, sizeof(fault.path)));
		return false;
	}
	type = fuzz_type(record_types, out->event.type);
	if (!type)
		return false;
	if (envelope_data(out, type, a, &fault))
		return true;
	must(fault.reason != REASON_NONE && memchr(fault.path, 0, sizeof(fault.path)));
	return false;
}

static void check_again(const struct event *e, struct arena *a)
{
	struct cloudevent out = { .id = e->id,
		                  .source = e->source,
		                  .type = e->type,
		                  .subject = e->subject,
		                  .correlationid = e->correlationid,
		                  .causationid = e->causationid,
		                  .traceparent = e->traceparent,
		                  .time_ms = e->time_ms,
		                  .data_type = fuzz_type(record_types, e->type),
		                  .data = e->data };
	struct message m = { .key = e->key };
	struct envelope again;
	struct buf text;

	buf_init(&text, a);
	cloudevent_encode(&out, &text);
	m.value = buf_str(&text);
	/* Escapes and optional members may have made it longer than a message may be. */
	if (m.value.len > e->raw.len && m.value.len > 512 * 1024)
		return;
	must(decode(&m, a, &again));
	must(again.event.identity == e->identity && again.event.content == e->content);
	must(str_eq(again.event.subject, e->subject) && again.event.time_ms == e->time_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header headers[FUZZ_HEADERS];
	struct message m = fuzz_message(str_of((const char *)data, size), headers);
	struct envelope envelope;
	struct arena a;

	arena_init(&a, 4096);
	if (decode(&m, &a, &envelope) && envelope.event.has_time)
		check_again(&envelope.event, &a);
	arena_release(&a);
	return 0;
}
