/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ever longer steps up from the span's start, then halves: what is looked for tends to be near the
 * start, because callers know a time before which it cannot be.
 */
#include "services/tallyctl/log_search.h"

#define LOOK 8 /* records of a first look: a fetch brings them all */

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The first record of a span with a key of `least` or more. */
struct sighting {
	const struct log_search *search;
	int64_t least;
	bool found;
	int64_t offset, key;
};

static void take_record(void *self, const struct message *m)
{
	struct sighting *s = self;
	int64_t key;

	if (s->found || !s->search->key(s->search->self, m, &key) || key < s->least)
		return;
	s->found = true;
	s->offset = m->offset;
	s->key = key;
}

/* Reads on, further each time, until one is found. */
static struct rc sight(const struct log_search *search, struct log_span span, int64_t least,
                       struct sighting *out)
{
	int64_t next;

	*out = (struct sighting){ .search = search, .least = least };
	for (int64_t look = LOOK; !out->found && span.start < span.end; look *= 2) {
		struct log_span part = { span.start, smaller(span.start + look, span.end) };

		TRY(kafka_cluster_read_span(search->cluster, search->topic, search->partition, part,
		                            take_record, out, &next));
		span.start = part.end;
	}
	return OK;
}

struct rc log_search_first(const struct log_search *search, struct log_span span, int64_t least,
                           int64_t *out)
{
	/* Below span.start all keys are less; none at or after span.end is, up to *out. */
	struct sighting s;
	bool stepping = true;

	*out = span.end;
	for (int64_t step = LOOK; span.end - span.start > LOOK;) {
		int64_t half = (span.end - span.start) / 2;
		int64_t middle = span.start + (stepping ? smaller(step, half) : half);

		TRY(sight(search, (struct log_span){ middle, span.end }, INT64_MIN, &s));
		if (s.found && s.key < least) {
			span.start = s.offset + 1;
			step *= 4;
			continue;
		}
		stepping = false;
		span.end = middle;
		if (s.found)
			*out = s.offset;
	}
	TRY(sight(search, span, least, &s));
	if (s.found)
		*out = s.offset;
	return OK;
}
