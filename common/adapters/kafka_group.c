/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group protocol: who holds which partition, as whom.
 *
 * A revoke is answered when every partition of it was let go. A loss is told at
 * once. What librdkafka's events do not tell: a membership that ends while a revoke
 * waits for its answer, or in a moment of which no event speaks, leaves the other
 * partitions in place, and after joining again they stay ours without a word,
 * though another may have held them meanwhile; the broker checks member and
 * generation of a transaction, not who owns the partition (KAFKA-19779). So each
 * partition remembers the member id under which it came; kafka_input_owns() lets
 * nobody publish for it under another, and kafka_group_look() turns the difference
 * into LOST and, when the group has confirmed the partition since, into ASSIGNED.
 */
#include "common/adapters/kafka_group.h"

#include "common/adapters/system_clock.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/must.h"

#define LOOK_MS 500
#define LOOK_LOST_MS 20

static const uint64_t wake_word = 1;

static void put_happening(struct kafka_input *input, enum happening_kind kind, int32_t number)
{
	inbox_put(input->inbox, happening_new(kind, number, 0));
}

/* ---- membership ---- */

static uint64_t member_of(const rd_kafka_consumer_group_metadata_t *group)
{
	const char *id = group ? rd_kafka_consumer_group_metadata_member_id(group) : NULL;

	return id && id[0] ? hash64(str_from_c(id)) | 1 : 0;
}

/* As whom we are in the group now; 0: not at all. */
static uint64_t member_now(struct kafka_input *input)
{
	rd_kafka_consumer_group_metadata_t *group =
		rd_kafka_consumer_group_metadata(input->client.rk);
	uint64_t member = member_of(group);

	if (group)
		rd_kafka_consumer_group_metadata_destroy(group);
	return member;
}

bool kafka_input_owns(struct kafka_input *input, int32_t number,
                      const rd_kafka_consumer_group_metadata_t *group)
{
	uint64_t member = member_of(group);
	const struct partition *p;
	bool owns;

	pthread_mutex_lock(&input->lock);
	p = kafka_input_find(input, number);
	owns = p && member != 0 && p->member == member && !input->changing;
	pthread_mutex_unlock(&input->lock);
	if (!owns) {
		atomic_store(&input->doubt, true);
		kafka_input_wake(input);
	}
	return owns;
}

static void set_member(struct kafka_input *input, struct partition *p, uint64_t member)
{
	pthread_mutex_lock(&input->lock);
	p->member = member;
	pthread_mutex_unlock(&input->lock);
}

/* ---- giving and asking back ---- */

static void give(struct kafka_input *input, struct partition *p, uint64_t member)
{
	set_member(input, p, member);
	p->holding = HOLDING_YES;
	put_happening(input, HAPPENED_ASSIGNED, p->number);
}

static void ask_back(struct kafka_input *input, struct partition *p, bool lost)
{
	if (p->holding != HOLDING_YES && !(lost && p->holding == HOLDING_ASKED))
		return;
	kafka_input_stop(p);
	p->holding = lost ? HOLDING_LOST : HOLDING_ASKED;
	if (lost)
		set_member(input, p, 0);
	put_happening(input, lost ? HAPPENED_LOST : HAPPENED_REVOKED, p->number);
}

/* Answers the group once every partition that it wants was let go. */
static void answer_when_done(struct kafka_input *input)
{
	rd_kafka_topic_partition_list_t *list;

	if (!input->parting)
		return;
	for (int32_t i = 0; i < input->partition_room; i++) {
		const struct partition *p = input->partitions[i];

		if (p && p->wanted && p->holding != HOLDING_NO)
			return;
	}
	list = rd_kafka_topic_partition_list_new(input->partition_room);
	for (int32_t i = 0; i < input->partition_room; i++) {
		struct partition *p = input->partitions[i];

		if (!p || !p->wanted)
			continue;
		rd_kafka_topic_partition_list_add(list, input->options->topic, i);
		kafka_input_close_queue(p);
		p->assigned = p->wanted = false;
		set_member(input, p, 0);
	}
	input->parting = false;
	kafka_input_log_error(rd_kafka_incremental_unassign(input->client.rk, list), "unassign");
	rd_kafka_topic_partition_list_destroy(list);
}

static void want_back(struct kafka_input *input, struct partition *p, uint64_t member, bool lost)
{
	if (!p || !p->assigned)
		return;
	p->wanted = true;
	ask_back(input, p, lost || p->member != member);
}

/* While leaving librdkafka takes any answer as one for all partitions, so all are asked for. */
static void want_all_back(struct kafka_input *input, uint64_t member, bool lost)
{
	input->parting = true;
	for (int32_t i = 0; i < input->partition_room; i++)
		want_back(input, input->partitions[i], member, lost);
	answer_when_done(input);
}

/* ---- events ---- */

static void on_revoke(struct kafka_input *input, const rd_kafka_topic_partition_list_t *list)
{
	bool lost = rd_kafka_assignment_lost(input->client.rk) != 0 || input->changing;
	uint64_t member = member_now(input);

	if (input->leaving) {
		want_all_back(input, member, lost);
		return;
	}
	input->parting = true;
	for (int i = 0; i < list->cnt; i++)
		want_back(input, kafka_input_find(input, list->elems[i].partition), member, lost);
	answer_when_done(input);
}

/*
 * From the beginning and unread, until kafka_input_start() names the offset. Never from the end: a
 * seek that meets the partition before its fetcher runs is refused, one that meets an offset query
 * under way is overtaken by its answer, and both silently. From the beginning that shows (records
 * below the floor, see peek()); from the end it would skip records.
 */
static void on_assign(struct kafka_input *input, const rd_kafka_topic_partition_list_t *given)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(given->cnt);
	/* Until the event is answered there is no joining again: it is the one who was given these, or
	 * nobody any more. */
	uint64_t member = member_now(input);

	for (int i = 0; i < given->cnt; i++) {
		int32_t number = given->elems[i].partition;
		struct partition *p = kafka_input_find_or_add(input, number);

		must(!p->assigned && p->holding == HOLDING_NO);
		kafka_input_open_queue(input, p);
		p->assigned = true;
		p->broken = false;
		rd_kafka_topic_partition_list_add(list, input->options->topic, number)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	}
	kafka_input_log_error(rd_kafka_incremental_assign(input->client.rk, list), "assign");
	rd_kafka_topic_partition_list_destroy(list);
	input->joined = member;
	for (int i = 0; i < given->cnt; i++)
		give(input, kafka_input_find(input, given->elems[i].partition), member);
}

static void on_rebalance(struct kafka_input *input, rd_kafka_event_t *event)
{
	const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
	bool assign = rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

	log_info("rebalance", LOG_TEXT("what", assign ? "assign" : "revoke"),
	         LOG_INT("partitions", list->cnt), LOG_END);
	input->looked_ms = 0;
	if (!assign)
		on_revoke(input, list);
	else if (input->leaving)
		want_all_back(input, member_now(input), false);
	else
		on_assign(input, list);
}

/* Somebody has to mend it: it does not pass. */
static bool is_refusal(rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
	       error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
	       error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

static void on_error(struct kafka_input *input, rd_kafka_event_t *event)
{
	rd_kafka_resp_err_t error = rd_kafka_event_error(event);
	const char *words = rd_kafka_event_error_string(event);

	/* What is tried again by itself is only logged. */
	if (error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
	    error == RD_KAFKA_RESP_ERR__RESOLVE || error == RD_KAFKA_RESP_ERR__TIMED_OUT) {
		log_debug("kafka_connection", LOG_TEXT("text", words), LOG_END);
		return;
	}
	log_warn("kafka_consumer_error", LOG_TEXT("code", rd_kafka_err2name(error)),
	         LOG_TEXT("text", words), LOG_END);
	kafka_input_trouble(input, -1,
	                    error == RD_KAFKA_RESP_ERR__FATAL ? RC_BUG
	                    : is_refusal(error)               ? RC_REFUSED
	                                                      : RC_UNAVAILABLE,
	                    str_from_c(words));
}

static void serve(struct kafka_input *input, rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event;

	while (queue && (event = rd_kafka_queue_poll(queue, 0))) {
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
			on_rebalance(input, event);
		else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
			on_error(input, event);
		else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_STATS)
			kafka_statistics_put(&input->statistics,
			                     str_from_c(rd_kafka_event_stats(event)));
		rd_kafka_event_destroy(event);
	}
}

/* ---- what no event tells ---- */

/* A partition that is in the assignment, wanted by nobody and held by nobody is ours again, once an
 * assignment has come as the member that we are. */
static void look_at(struct kafka_input *input, struct partition *p, uint64_t member, bool lost)
{
	if (!p->assigned)
		return;
	if (lost || p->member != member)
		ask_back(input, p, true);
	if (!lost && !p->wanted && p->holding == HOLDING_NO && member != 0 &&
	    member == input->joined && !input->leaving)
		give(input, p, member);
}

static void look(struct kafka_input *input)
{
	bool lost = rd_kafka_assignment_lost(input->client.rk) != 0;
	bool doubt = atomic_exchange(&input->doubt, false);
	int64_t now_ms = system_now_ms();
	uint64_t member;

	if (!doubt && now_ms - input->looked_ms < (lost ? LOOK_LOST_MS : LOOK_MS))
		return;
	input->looked_ms = now_ms;
	member = member_now(input);
	for (int32_t i = 0; i < input->partition_room; i++)
		if (input->partitions[i])
			look_at(input, input->partitions[i], member, lost);
}

/* ---- assigning again ---- */

static void assign_again(struct kafka_input *input, struct partition *p)
{
	rd_kafka_topic_partition_list_t *list = kafka_input_list(input, p->number, p->floor);

	kafka_input_close_queue(p);
	kafka_input_log_error(rd_kafka_incremental_unassign(input->client.rk, list), "unassign");
	kafka_input_open_queue(input, p);
	kafka_input_log_error(rd_kafka_incremental_assign(input->client.rk, list), "assign again");
	rd_kafka_topic_partition_list_destroy(list);
	p->broken = p->again = false;
}

static void set_changing(struct kafka_input *input, bool changing)
{
	pthread_mutex_lock(&input->lock);
	input->changing = changing;
	pthread_mutex_unlock(&input->lock);
}

/*
 * librdkafka takes any change of the assignment for the answer to an event that waits for one: it
 * would join again while shards of the revoke are still folded. So none is made while a revoke is
 * open. An event may come between the last look and the change; it is in the queue right after.
 * Nobody publishes until it was seen, and a revoke among it is a loss: others may have those
 * partitions already.
 */
static void assign_again_where_due(struct kafka_input *input)
{
	for (int32_t i = 0; i < input->partition_room; i++) {
		struct partition *p = input->partitions[i];

		if (!p || !p->again || input->parting || input->leaving)
			continue;
		set_changing(input, true);
		assign_again(input, p);
		serve(input, input->group_queue);
		set_changing(input, false);
	}
}

/* ---- leaving ---- */

/* An answer that is still due goes first: librdkafka would take it as one for all partitions. */
static void begin_closing(struct kafka_input *input)
{
	if (!input->leaving || input->closing || input->parting)
		return;
	input->closing = true;
	input->leaving_queue = rd_kafka_queue_new(input->client.rk);
	rd_kafka_queue_io_event_enable(input->leaving_queue, input->wake_fd, &wake_word,
	                               sizeof(wake_word));
	kafka_input_log_error(rd_kafka_consumer_close_queue(input->client.rk, input->leaving_queue),
	                      "leave");
}

void kafka_group_serve(struct kafka_input *input)
{
	serve(input, input->group_queue);
	serve(input, input->leaving_queue);
	if (!input->closing)
		look(input);
	assign_again_where_due(input);
	begin_closing(input);
}

void kafka_group_unassign(struct kafka_input *input, int32_t number)
{
	struct partition *p = kafka_input_find(input, number);

	if (!p || p->holding == HOLDING_NO)
		return;
	kafka_input_stop(p);
	p->holding = HOLDING_NO;
	set_member(input, p, 0);
	input->looked_ms = 0;
	answer_when_done(input);
	begin_closing(input);
}

void kafka_group_leave(struct kafka_input *input)
{
	input->leaving = true;
	begin_closing(input);
}

bool kafka_group_has_left(const struct kafka_input *input)
{
	return input->closing && rd_kafka_consumer_closed(input->client.rk) != 0;
}
