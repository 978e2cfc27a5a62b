/* SPDX-License-Identifier: Apache-2.0 */
#include "services/tallyctl/gen_stream.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/timestamp.h"

#define SCRATCH_BYTES 65536

void gen_stream_init(struct gen_stream *s, struct gen_books *books, struct draw *draw,
                     unsigned repeats_per_mille)
{
	*s = (struct gen_stream){ .books = books,
		                  .draw = draw,
		                  .repeats_per_mille = repeats_per_mille };
	arena_init(&s->scratch, SCRATCH_BYTES);
	arena_init(&s->memory, SCRATCH_BYTES);
	buf_init(&s->text, NULL);
}

void gen_stream_release(struct gen_stream *s)
{
	arena_release(&s->scratch);
	arena_release(&s->memory);
	buf_release(&s->text);
}

const char *gen_stream_id(struct gen_stream *s)
{
	return arena_printf(&s->scratch, "e-%07u", ++s->ids).ptr;
}

/* "2026-03-05T08:00:00.000+08:00" by the wall, "2026-03-05T00:00:00.000Z" by the gateway. */
static struct str time_text(struct gen_stream *s, int64_t at_ms, bool gateway)
{
	int64_t first_ms = s->books->first_day * MS_PER_DAY, wall_ms = first_ms + at_ms;
	char text[24];

	if (gateway) {
		timestamp_format(wall_ms - GEN_HOURS_AHEAD * MS_PER_HOUR, text);
		return arena_str(&s->scratch, str_of(text, sizeof(text)));
	}
	timestamp_format(wall_ms, text);
	return arena_printf(&s->scratch, "%.*s+%02d:00", (int)sizeof(text) - 1, text,
	                    GEN_HOURS_AHEAD);
}

struct str gen_event(struct gen_stream *s, const char *type, const char *order_id, int64_t at_ms,
                     const char *id, struct str rest)
{
	bool gateway = str_starts(str_from_c(type), STR("payment."));
	struct str time = time_text(s, at_ms, gateway);

	return arena_printf(&s->scratch,
	                    "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/%s\","
	                    "\"type\":\"%s\",\"subject\":\"%s\",\"time\":\"%.*s\","
	                    "\"data\":{\"order_id\":\"%s\",%.*s}}",
	                    id, gateway ? "gateway" : "shop", type, order_id, STR_ARG(time),
	                    order_id, STR_ARG(rest));
}

static void put(struct gen_stream *s, int64_t arrival_ms, const char *key, struct str value,
                const char *reason)
{
	struct gen_record *record;

	if (s->count == s->room) {
		unsigned room = s->room ? 2 * s->room : 4096;

		s->records = arena_resize(&s->memory, s->records, s->room * sizeof(*s->records),
		                          room * sizeof(*s->records));
		s->room = room;
	}
	record = &s->records[s->count];
	*record = (struct gen_record){
		.arrival_ms = arrival_ms, .at = s->text.len, .reason = reason, .number = s->count++
	};
	buf_put(&s->text, str_from_c(key));
	buf_put_char(&s->text, '\t');
	buf_put(&s->text, value);
	buf_put_char(&s->text, '\n');
	record->len = s->text.len - record->at;
}

void gen_send(struct gen_stream *s, int64_t arrival_ms, const char *key, struct str value)
{
	put(s, arrival_ms, key, value, NULL);
	if (draw_chance(s->draw, s->repeats_per_mille))
		gen_repeat(s, arrival_ms + draw_between(s->draw, 0, MS_PER_DAY), key, value);
}

void gen_repeat(struct gen_stream *s, int64_t arrival_ms, const char *key, struct str value)
{
	put(s, arrival_ms, key, value, NULL);
	s->books->repeated++;
}

void gen_refuse(struct gen_stream *s, const char *reason, int64_t arrival_ms, const char *key,
                struct str value)
{
	put(s, arrival_ms, key, value, reason);
	s->books->refused++;
}

static int by_arrival(const void *a, const void *b)
{
	const struct gen_record *x = a, *y = b;

	if (x->arrival_ms != y->arrival_ms)
		return x->arrival_ms < y->arrival_ms ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

void gen_stream_close(struct gen_stream *s)
{
	qsort(s->records, s->count, sizeof(*s->records), by_arrival);
	for (unsigned i = 0; i < s->count; i++)
		if (s->records[i].reason)
			buf_printf(&s->books->lines, "refused\t%u\t%s\n", i + 1,
			           s->records[i].reason);
}
