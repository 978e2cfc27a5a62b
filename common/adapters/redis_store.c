/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lanes and the port's functions. A lane's round: encode every request that
 * waits into one buffer, send it, read the answers in order. When the connection
 * breaks between, those without an answer are in doubt; a request that was never
 * sent is surely not done. A flush or a part of a wipe goes alone, so that the loads
 * get their turn in Redis between.
 */
#include "common/adapters/redis_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/adapters/redis_connection.h"
#include "common/adapters/redis_flush.h"
#include "common/adapters/redis_request.h"
#include "common/adapters/redis_wipe.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/must.h"

#define ROUND_BYTES 65536
#define SCRATCH_BYTES 65536
#define BUFFER_KEPT 4194304 /* a larger buffer is given back after the round */

struct redis_lane {
	struct redis_store *store;
	struct lane lane;
	struct redis_connection connection;
	struct buf buf;
	struct arena scratch;
};

struct redis_store {
	const struct redis_options *options;
	const struct worker *worker;
	struct inbox *inbox;
	struct redis_lane reads, writes;
	struct claim *claims; /* the latest of each shard; the fold thread's */
	int32_t claim_room;
};

/* ---- a round ---- */

static struct request *request_of(struct job *job)
{
	return (struct request *)(void *)job;
}

static void finish(struct redis_lane *l, struct request *r, struct happening *h)
{
	enum request_kind kind = r->kind;

	free(r);
	inbox_put(l->store->inbox, h);
	if (kind == REQUEST_FLUSH)
		FAIL_POINT("F1.done");
	else if (kind == REQUEST_CLAIM)
		FAIL_POINT("A2");
}

static void fail_all(struct redis_lane *l, struct job *list, enum request_end end)
{
	while (list) {
		struct request *r = request_of(list);

		list = list->next;
		finish(l, r, request_failed(r, end, rc_text()));
	}
}

/* The library was missing, so the request was not executed: once more, alone. */
static struct rc ask_again(struct redis_lane *l, struct request *r, redisReply **out)
{
	struct rc rc = redis_connection_load_library(&l->connection);

	if (!rc_ok(rc))
		return rc;
	redis_connection_append(&l->connection, command_text(&r->command));
	TRY(redis_connection_send(&l->connection));
	return redis_connection_receive(&l->connection, out);
}

static struct happening *happening_of_error(struct redis_lane *l, const struct request *r,
                                            const redisReply *reply)
{
	bool kept = redis_error_kind(str_of(reply->str, reply->len)) != REDIS_ERROR_HALF;

	log_warn("redis_error", LOG_STR("topic", l->store->options->topic),
	         LOG_INT("partition", r->partition), LOG_TEXT("text", reply->str), LOG_END);
	return request_failed(r, kept ? REQUEST_NOT_DONE : REQUEST_IN_DOUBT, reply->str);
}

static void take_answer(struct redis_lane *l, struct request *r, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR)
		finish(l, r, happening_of_error(l, r, reply));
	else
		finish(l, r, request_answer(r, reply));
}

/* Requests whose function was missing; the answers of the others are all read by now. */
static void repeat(struct redis_lane *l, struct job *list)
{
	while (list) {
		struct request *r = request_of(list);
		redisReply *reply = NULL;
		bool open = l->connection.context != NULL;

		list = list->next;
		if (open && rc_ok(ask_again(l, r, &reply))) {
			take_answer(l, r, reply);
			freeReplyObject(reply);
			continue;
		}
		/* Without a connection it was never sent again; otherwise it may have been. */
		finish(l, r,
		       request_failed(r, open ? REQUEST_IN_DOUBT : REQUEST_NOT_DONE, rc_text()));
	}
}

/* Reads the answers to what was sent. */
static void receive_all(struct redis_lane *l, struct job *list)
{
	struct job *again = NULL, **again_last = &again;

	while (list) {
		struct request *r = request_of(list);
		redisReply *reply = NULL;

		if (!rc_ok(redis_connection_receive(&l->connection, &reply))) {
			fail_all(l, list, REQUEST_IN_DOUBT);
			break;
		}
		list = list->next;
		r->job.next = NULL;
		if (reply->type == REDIS_REPLY_ERROR &&
		    redis_error_kind(str_of(reply->str, reply->len)) ==
		            REDIS_ERROR_FUNCTION_MISSING) {
			*again_last = &r->job;
			again_last = &r->job.next;
		} else {
			take_answer(l, r, reply);
		}
		freeReplyObject(reply);
	}
	repeat(l, again);
}

/* Encodes, sends and answers as many as fit one round; returns the rest. */
static struct job *run_round(struct redis_lane *l, struct job *list)
{
	struct job *rest, *last = NULL;

	if (!rc_ok(redis_connection_open(&l->connection))) {
		fail_all(l, list, REQUEST_NOT_DONE);
		return NULL;
	}
	buf_clear(&l->buf);
	for (rest = list; rest && l->buf.len < ROUND_BYTES; last = rest, rest = rest->next)
		request_encode(request_of(rest), l->store->options, &l->buf);
	last->next = NULL;
	for (struct job *one = list; one; one = one->next)
		redis_connection_append(&l->connection, command_text(&request_of(one)->command));
	if (!rc_ok(redis_connection_send(&l->connection))) {
		fail_all(l, list, REQUEST_IN_DOUBT);
		return rest;
	}
	receive_all(l, list);
	return rest;
}

static struct happening *happening_of_flush(struct redis_lane *l, const struct request *r,
                                            enum redis_flush_end end, const char *words)
{
	if (end == REDIS_FLUSH_DONE)
		return request_flushed(r, STORE_OK);
	if (end == REDIS_FLUSH_REFUSED)
		return request_flushed(r, STORE_REFUSED);
	log_warn("redis_error", LOG_STR("topic", l->store->options->topic),
	         LOG_INT("partition", r->partition), LOG_TEXT("text", words), LOG_END);
	return request_failed(r, end == REDIS_FLUSH_NOT_DONE ? REQUEST_NOT_DONE : REQUEST_IN_DOUBT,
	                      words);
}

static void flush_one(struct redis_lane *l, struct request *r)
{
	enum redis_flush_end end = REDIS_FLUSH_NOT_DONE;
	const char *words;

	if (rc_ok(redis_connection_open(&l->connection)))
		end = redis_flush_run(&l->connection, r->flush, &r->claim, &l->buf, &l->scratch);
	words = rc_text();
	arena_clear(&l->scratch);
	if (FAIL_POINT_ERROR("F1")) {
		end = REDIS_FLUSH_IN_DOUBT;
		words = "the answer was lost by a fail-point";
	}
	finish(l, r, happening_of_flush(l, r, end, words));
}

/* A part of a wipe; the request goes back to the lane until it is done. */
static void wipe_some(struct redis_lane *l, struct request *r)
{
	struct rc rc = redis_connection_open(&l->connection);
	bool done = false;

	if (rc_ok(rc))
		rc = redis_wipe_step(&l->connection, l->store->worker, r, &done);
	if (rc_ok(rc) && !done) {
		lane_put(&l->lane, &r->job, 0);
		return;
	}
	finish(l, r, request_wiped(r, rc, rc_text()));
}

static void serve(void *self, struct job *list)
{
	struct redis_lane *l = self;
	struct job *round = NULL, **round_last = &round, *next;

	for (; list; list = next) {
		next = list->next;
		if (lane_stopping(&l->lane)) {
			free(list);
			continue;
		}
		if (request_of(list)->kind == REQUEST_WIPE) {
			wipe_some(l, request_of(list));
			continue;
		}
		if (request_of(list)->kind == REQUEST_FLUSH) {
			flush_one(l, request_of(list));
			continue;
		}
		list->next = NULL;
		*round_last = list;
		round_last = &list->next;
	}
	while (round)
		round = run_round(l, round);
	if (l->buf.room > BUFFER_KEPT)
		buf_release(&l->buf);
}

/* ---- the port ---- */

static void send_read(struct redis_store *s, struct request *r)
{
	lane_put(&s->reads.lane, &r->job, 0);
}

static struct claim *claim_of(struct redis_store *s, int32_t partition)
{
	must(partition >= 0);
	if (partition >= s->claim_room) {
		int32_t room = partition + 8;

		s->claims = memory_resize(s->claims, (size_t)room, sizeof(*s->claims));
		memset(s->claims + s->claim_room, 0,
		       (size_t)(room - s->claim_room) * sizeof(*s->claims));
		s->claim_room = room;
	}
	return &s->claims[partition];
}

static void port_claim(void *self, int32_t partition, uint64_t ticket, const char *transactional_id)
{
	struct redis_store *s = self;
	struct request *r = request_new(REQUEST_CLAIM, partition, ticket);
	struct claim *claim = claim_of(s, partition);

	must(strlen(transactional_id) < META_TEXT_BYTES);
	memcpy(r->id, claim->id, sizeof(r->id));
	snprintf(claim->id, sizeof(claim->id), "%s", transactional_id);
	claim->ticket = ticket;
	r->claim = *claim;
	send_read(s, r);
}

static void port_unclaim(void *self, int32_t partition, uint64_t ticket, const char *before)
{
	struct request *r = request_new(REQUEST_UNCLAIM, partition, ticket);

	r->claim = *claim_of(self, partition);
	snprintf(r->id, sizeof(r->id), "%s", before);
	send_read(self, r);
}

static void port_load(void *self, const struct load *load)
{
	struct request *r = request_new(REQUEST_LOAD, load->partition, load->ticket);

	r->load = load;
	send_read(self, r);
}

static void port_flush(void *self, const struct flush *flush)
{
	struct redis_store *s = self;
	struct request *r = request_new(REQUEST_FLUSH, flush->partition, flush->ticket);

	r->flush = flush;
	r->claim = *claim_of(s, flush->partition);
	lane_put(&s->writes.lane, &r->job, 0);
}

static void port_check(void *self, int32_t partition, uint64_t ticket)
{
	send_read(self, request_new(REQUEST_CHECK, partition, ticket));
}

static void port_wipe(void *self, int32_t partition, int32_t partitions, uint64_t ticket)
{
	struct redis_store *s = self;
	struct request *r = request_new(REQUEST_WIPE, partition, ticket);

	r->claim = *claim_of(s, partition);
	r->partitions = partitions;
	send_read(s, r);
}

static void port_try_offsets(void *self, int32_t partition, uint64_t ticket, struct offsets offsets)
{
	struct request *r = request_new(REQUEST_TRY, partition, ticket);

	r->claim = *claim_of(self, partition);
	r->offsets = offsets;
	send_read(self, r);
}

static void port_read_due(void *self, int32_t partition, uint64_t ticket, unsigned max)
{
	struct request *r = request_new(REQUEST_DUE, partition, ticket);

	r->max = max;
	send_read(self, r);
}

/* ---- boot and end ---- */

static struct rc lane_open(struct redis_lane *l, struct redis_store *s, const char *name)
{
	l->store = s;
	redis_connection_init(&l->connection, s->options);
	buf_init(&l->buf, NULL);
	arena_init(&l->scratch, SCRATCH_BYTES);
	return lane_start(&l->lane, name, serve, l);
}

static void lane_close(struct redis_lane *l)
{
	lane_stop(&l->lane);
	redis_connection_release(&l->connection);
	buf_release(&l->buf);
	arena_release(&l->scratch);
}

struct rc redis_store_new(const struct redis_options *options, const struct worker *worker,
                          struct inbox *inbox, struct store *port_out, struct redis_store **out)
{
	struct redis_store *s;
	struct rc rc;

	TRY(redis_options_check(options));
	s = memory_new(sizeof(*s));
	s->options = options;
	s->worker = worker;
	s->inbox = inbox;
	rc = lane_open(&s->reads, s, "redis-reads");
	if (rc_ok(rc))
		rc = lane_open(&s->writes, s, "redis-writes");
	if (!rc_ok(rc)) {
		redis_store_free(s);
		return rc;
	}
	*port_out = (struct store){
		.self = s,
		.claim = port_claim,
		.unclaim = port_unclaim,
		.load = port_load,
		.flush = port_flush,
		.check = port_check,
		.wipe = port_wipe,
		.try_offsets = port_try_offsets,
		.read_due = port_read_due,
	};
	*out = s;
	return OK;
}

void redis_store_free(struct redis_store *s)
{
	if (!s)
		return;
	lane_close(&s->reads);
	lane_close(&s->writes);
	free(s->claims);
	free(s);
}
