/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_ports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct fake_call *called(void *self, const char *name, int32_t partition, uint64_t ticket)
{
	struct fake_ports *f = self;
	assert_true(f->count < sizeof(f->calls) / sizeof(f->calls[0]));
	struct fake_call *call = &f->calls[f->count++];
	*call = (struct fake_call){ .name = name, .partition = partition, .ticket = ticket };
	return call;
}

static void put_text(struct fake_call *call, struct str text)
{
	snprintf(call->text, sizeof(call->text), "%.*s", STR_ARG(text));
}

/* ---- broker ---------------------------------------------------------------------- */

static void take(void *self, int32_t partition, int64_t until, unsigned max, size_t max_bytes,
                 struct taken *out)
{
	struct fake_ports *f = self;
	struct taken *feed = &f->feed[partition];
	(void)max_bytes;
	assert_true(feed->count <= max);
	f->most = max;
	f->out++;
	*out = *feed;
	for (unsigned i = 0; i < feed->count; i++)
		assert_true(feed->messages[i].offset < until);
	*feed = (struct taken){ .next_offset = -1 };
}

static void give_back(void *self, struct taken *taken)
{
	struct fake_ports *f = self;
	(void)taken;
	assert_true(f->out > 0);
	f->out--;
}

static void poll_group(void *self)
{
	(void)self;
}

static void read_cursor(void *self, int32_t partition, uint64_t ticket)
{
	called(self, "read_cursor", partition, ticket);
}

static void start(void *self, int32_t partition, int64_t offset)
{
	called(self, "start", partition, 0)->number = offset;
}

static void unassign(void *self, int32_t partition)
{
	called(self, "unassign", partition, 0);
}

static void publish(void *self, const struct transaction *t)
{
	called(self, "publish", -1, t->ticket)->transaction = t;
}

static void fence(void *self, int32_t partition, uint64_t ticket, const char *id)
{
	put_text(called(self, "fence", partition, ticket), str_from_c(id));
}

static void reopen(void *self, uint64_t ticket)
{
	called(self, "reopen", -1, ticket);
}

static const char *transactional_id(void *self)
{
	return ((struct fake_ports *)self)->transactional_id;
}

static void append(void *self, int32_t partition, uint64_t ticket, struct str key, struct str value,
                   const struct header *headers, unsigned header_count)
{
	(void)value;
	(void)headers;
	(void)header_count;
	put_text(called(self, "append", partition, ticket), key);
}

static void read_reference(void *self, int64_t from, uint64_t ticket)
{
	called(self, "read_reference", -1, ticket)->number = from;
}

static int32_t partitions(void *self, struct str topic)
{
	(void)topic;
	return ((struct fake_ports *)self)->partitions;
}

/* ---- store ------------------------------------------------------------------------ */

static void claim(void *self, int32_t partition, uint64_t ticket, const char *id)
{
	put_text(called(self, "claim", partition, ticket), str_from_c(id));
}

static void unclaim(void *self, int32_t partition, uint64_t ticket, const char *before)
{
	put_text(called(self, "unclaim", partition, ticket), str_from_c(before));
}

static void load(void *self, const struct load *l)
{
	called(self, "load", l->partition, l->ticket)->load = l;
}

static void flush(void *self, const struct flush *fl)
{
	called(self, "flush", fl->partition, fl->ticket)->flush = fl;
}

static void check(void *self, int32_t partition, uint64_t ticket)
{
	(void)self;
	(void)partition;
	(void)ticket;
}

static void wipe(void *self, int32_t partition, int32_t count, uint64_t ticket)
{
	called(self, "wipe", partition, ticket)->number = count;
}

static void try_offsets(void *self, int32_t partition, uint64_t ticket, struct offsets offsets)
{
	called(self, "try_offsets", partition, ticket)->number = offsets.from;
}

static void read_due(void *self, int32_t partition, uint64_t ticket, unsigned max)
{
	called(self, "read_due", partition, ticket)->number = max;
}

/* ---- clock ------------------------------------------------------------------------- */

static int64_t now_ms(void *self)
{
	return ((struct fake_ports *)self)->now_ms;
}

static int64_t wall_ms(void *self)
{
	return ((struct fake_ports *)self)->wall_ms;
}

void fake_init(struct fake_ports *f)
{
	*f = (struct fake_ports){
		.now_ms = 1000000, .wall_ms = 5000, .transactional_id = "me", .partitions = 2
	};
	f->ports = (struct ports){
		.broker = { f, take, give_back, poll_group, read_cursor, start, unassign, publish,
		            fence, reopen, transactional_id, append, read_reference, partitions },
		.store = { f, claim, unclaim, load, flush, check, wipe, try_offsets, read_due },
		.clock = { f, now_ms, wall_ms },
		.inbox = inbox_new(),
	};
	for (int32_t p = 0; p < FAKE_PARTITIONS; p++)
		f->feed[p].next_offset = -1;
}

void fake_release(struct fake_ports *f)
{
	assert_int_equal(f->out, 0);
	inbox_free(f->ports.inbox);
}

const struct fake_call *fake_next(struct fake_ports *f)
{
	return f->seen < f->count ? &f->calls[f->seen++] : NULL;
}

const struct fake_call *fake_expect(struct fake_ports *f, const char *name, int32_t partition)
{
	const struct fake_call *call = fake_next(f);
	if (!call)
		fail_msg("%s was not called", name);
	if (strcmp(call->name, name) != 0 || call->partition != partition)
		fail_msg("%s of %d was called, not %s of %d", call->name, (int)call->partition,
		         name, (int)partition);
	return call;
}

struct happening *fake_answer(struct fake_ports *f, enum happening_kind kind, int32_t partition,
                              uint64_t ticket)
{
	struct happening *h = happening_new(kind, partition, ticket);
	inbox_put(f->ports.inbox, h);
	return h;
}

void fake_feed(struct fake_ports *f, int32_t partition, struct message *messages, unsigned count,
               int64_t next_offset, bool at_end)
{
	f->feed[partition] = (struct taken){ messages, count, at_end, next_offset, NULL };
}
