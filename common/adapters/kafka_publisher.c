/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publisher's lane: one transaction after the other, from begin to answer.
 *
 * The order at P3 is what makes a lost shard harmless: the group's metadata are
 * fetched first, then every carried shard's claim epoch is compared. So a shard
 * that is still ours at the comparison was ours under that generation, and the
 * broker refuses the generation once the group has moved on. The broker does not
 * look at who owns a partition, so we compare the member id as well: a shard that
 * was given to an earlier membership of ours is not ours (see kafka_group.c).
 */
#include "common/adapters/kafka_publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/adapters/kafka_query.h"
#include "common/adapters/kafka_transactional.h"
#include "common/adapters/lane.h"
#include "common/adapters/system_clock.h"
#include "common/adapters/watchdog.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/must.h"

enum publish_task { PUBLISH_TRANSACTION, PUBLISH_REOPEN, PUBLISH_LOOK };

struct publish_job {
	struct job job;
	enum publish_task task;
	const struct transaction *transaction;
	uint64_t ticket; /* of reopen */
};

/* Ids are kept to the end: the fold thread holds pointers to them. */
struct producer_id {
	struct producer_id *older;
	char text[TRANSACTIONAL_ID_BYTES];
};

struct kafka_publisher {
	const struct kafka_options *options;
	struct inbox *inbox;
	struct kafka_input *input;
	struct lane lane;
	struct watchdog watchdog;
	struct kafka_producer producer;
	bool open;
	int32_t blamed; /* the shard for whose sake the transaction fails; -1: none known */
	struct producer_id *ids;
	const char *_Atomic id;
	int64_t looked_ms; /* the fold thread's */
	struct kafka_statistics_box statistics;
};

/* ---- the producer ---- */

static void lose_producer(struct kafka_publisher *p)
{
	atomic_store(&p->id, "");
	p->open = false;
	kafka_statistics_forget(&p->statistics);
	watchdog_begin(&p->watchdog, "close");
	kafka_producer_close(&p->producer);
	watchdog_end(&p->watchdog);
}

static const char *new_id(struct kafka_publisher *p)
{
	struct producer_id *id = memory_new(sizeof(*id));
	uint64_t number;

	must(getrandom(&number, sizeof(number), 0) == (ssize_t)sizeof(number));
	snprintf(id->text, sizeof(id->text), "tallyworks-%.30s-%016llx", p->options->worker,
	         (unsigned long long)number);
	id->older = p->ids;
	p->ids = id;
	return id->text;
}

static struct rc open_producer(struct kafka_publisher *p, const char *id)
{
	struct rc rc;

	watchdog_begin(&p->watchdog, "init_transactions");
	rc = kafka_transactional_open(&p->producer, p->options, id, &p->statistics);
	watchdog_end(&p->watchdog);
	p->open = rc_ok(rc);
	atomic_store(&p->id, p->open ? id : "");
	return rc;
}

static void reopen(struct kafka_publisher *p, uint64_t ticket)
{
	struct happening *happening = happening_new(HAPPENED_REOPENED, -1, ticket);

	if (p->open)
		lose_producer(p);
	happening->rc = open_producer(p, new_id(p));
	if (rc_ok(happening->rc))
		log_info("producer_opened", LOG_TEXT("transactional_id", atomic_load(&p->id)),
		         LOG_END);
	else
		happening->words = arena_printf(&happening->memory, "%s", rc_text()).ptr;
	inbox_put(p->inbox, happening);
}

/* Leaves words for people where librdkafka has none. */
static void note(const char *words)
{
	struct rc rc = rc_fail(RC_TRY_AGAIN, "%s", words);

	(void)rc;
}

/* ---- the steps ---- */

static bool is_stale(const struct carried *carried)
{
	return atomic_load(carried->epoch_now) != carried->epoch;
}

static bool owns_all(struct kafka_publisher *p, const struct transaction *transaction,
                     const rd_kafka_consumer_group_metadata_t *group)
{
	for (unsigned i = 0; i < transaction->carried_count; i++) {
		if (kafka_input_owns(p->input, transaction->carried[i].partition, group))
			continue;
		p->blamed = transaction->carried[i].partition;
		return false;
	}
	return true;
}

static bool any_stale(const struct transaction *transaction)
{
	for (unsigned i = 0; i < transaction->carried_count; i++)
		if (is_stale(&transaction->carried[i]))
			return true;
	return false;
}

/* Makes the call until it says something else than "again", or time is over. */
#define WHILE_AGAIN(p, judged, name, call)                                                  \
	do {                                                                                \
		int64_t until_ms_ = system_now_ms() + (p)->options->transaction_timeout_ms; \
		do {                                                                        \
			watchdog_begin(&(p)->watchdog, (name));                             \
			(judged) = kafka_transactional_judge((call), (name));               \
			watchdog_end(&(p)->watchdog);                                       \
		} while ((judged) == TRANSACTIONAL_AGAIN && system_now_ms() < until_ms_);   \
	} while (0)

/*
 * librdkafka advises -1 for commit and abort, which waits for ever while the broker
 * is away; an instance that timed out may be out of step with itself. Ours is
 * thrown away then, the outcome is unknown, and the process can say how it stands.
 */
static int timeout_of(const struct kafka_publisher *p)
{
	return (int)p->options->transaction_timeout_ms;
}

static enum publish_result abort_transaction(struct kafka_publisher *p)
{
	enum transactional_error judged;

	WHILE_AGAIN(p, judged, "abort_transaction",
	            rd_kafka_abort_transaction(p->producer.client.rk, timeout_of(p)));
	return judged == TRANSACTIONAL_OK ? PUBLISH_ABORTED : PUBLISH_UNKNOWN;
}

/* A step before the commit failed: nothing of the transaction can be visible. */
static enum publish_result give_up(struct kafka_publisher *p, enum transactional_error judged)
{
	return judged == TRANSACTIONAL_ABORT ? abort_transaction(p) : PUBLISH_UNKNOWN;
}

static struct rc produce_all(struct kafka_publisher *p, const struct transaction *transaction)
{
	for (unsigned i = 0; i < transaction->carried_count; i++) {
		const struct carried *carried = &transaction->carried[i];

		p->blamed = carried->partition;
		for (unsigned j = 0; j < carried->outgoing_count; j++)
			TRY(kafka_producer_send(&p->producer, &carried->outgoing[j], NULL,
			                        p->options->transaction_timeout_ms));
	}
	p->blamed = -1;
	return OK;
}

static rd_kafka_topic_partition_list_t *offsets_of(const struct kafka_publisher *p,
                                                   const struct transaction *transaction)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new((int)transaction->carried_count);

	for (unsigned i = 0; i < transaction->carried_count; i++) {
		const struct carried *carried = &transaction->carried[i];
		rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(
			list, p->options->topic, carried->partition);

		one->offset = carried->next_offset;
		if (carried->metadata.len == 0)
			continue;
		/* Freed with the list; read as text, hence the NUL behind it. */
		one->metadata = memory_copy(carried->metadata);
		one->metadata_size = carried->metadata.len;
	}
	return list;
}

/* P3. */
static enum transactional_error send_offsets(struct kafka_publisher *p,
                                             const struct transaction *transaction)
{
	rd_kafka_consumer_group_metadata_t *group =
		rd_kafka_consumer_group_metadata(kafka_input_client(p->input));
	rd_kafka_topic_partition_list_t *offsets;
	enum transactional_error judged = TRANSACTIONAL_ABORT;

	/* With generation -1 the broker would check nothing. */
	if (!group || rd_kafka_consumer_group_metadata_generation_id(group) < 0) {
		note("not a member of the group just now");
	} else if (!owns_all(p, transaction, group)) {
		note("the membership under which a shard was given to us has ended");
	} else if (any_stale(transaction)) {
		note("a shard of the transaction was given away");
	} else {
		offsets = offsets_of(p, transaction);
		WHILE_AGAIN(p, judged, "send_offsets_to_transaction",
		            rd_kafka_send_offsets_to_transaction(p->producer.client.rk, offsets,
		                                                 group, timeout_of(p)));
		rd_kafka_topic_partition_list_destroy(offsets);
		if (judged == TRANSACTIONAL_AGAIN)
			judged = TRANSACTIONAL_ABORT;
	}
	if (group)
		rd_kafka_consumer_group_metadata_destroy(group);
	return judged;
}

/*
 * P4. Only a failed delivery before the end of the transaction was asked for is
 * known to leave it uncommitted; librdkafka then demands an abort. All else, and a
 * success seen through a shaken connection, leaves doubt.
 */
static enum publish_result commit(struct kafka_publisher *p)
{
	enum transactional_error judged;

	WHILE_AGAIN(p, judged, "commit_transaction",
	            rd_kafka_commit_transaction(p->producer.client.rk, timeout_of(p)));
	if (atomic_load(&p->producer.client.shaken)) {
		if (judged == TRANSACTIONAL_OK)
			note("a connection failed during the commit");
		return PUBLISH_UNKNOWN;
	}
	if (judged == TRANSACTIONAL_OK)
		return PUBLISH_COMMITTED;
	return give_up(p, judged);
}

/* A new instance under the same id where a connection failed since the last transaction. */
static bool producer_is_fit(struct kafka_publisher *p)
{
	const char *id = atomic_load(&p->id);

	if (!p->open) {
		note("there is no producer");
		return false;
	}
	rd_kafka_poll(p->producer.client.rk, 0);
	if (!atomic_load(&p->producer.client.shaken))
		return true;
	log_info("producer_renewed", LOG_TEXT("transactional_id", id), LOG_END);
	watchdog_begin(&p->watchdog, "close");
	kafka_producer_close(&p->producer);
	watchdog_end(&p->watchdog);
	return rc_ok(open_producer(p, id));
}

static enum publish_result run_transaction(struct kafka_publisher *p,
                                           const struct transaction *transaction)
{
	enum transactional_error judged;

	if (any_stale(transaction)) {
		note("a shard of the transaction was given away");
		return PUBLISH_ABORTED;
	}
	if (!producer_is_fit(p))
		return PUBLISH_UNKNOWN;
	WHILE_AGAIN(p, judged, "begin_transaction",
	            rd_kafka_begin_transaction(p->producer.client.rk));
	if (judged != TRANSACTIONAL_OK)
		return PUBLISH_UNKNOWN;
	if (FAIL_POINT_ERROR("P1") || !rc_ok(produce_all(p, transaction)))
		return abort_transaction(p);
	if (FAIL_POINT_ARMED("P2")) /* so that the broker has them when the process dies here */
		rd_kafka_flush(p->producer.client.rk, timeout_of(p));
	if (FAIL_POINT_ERROR("P2"))
		return abort_transaction(p);
	judged = send_offsets(p, transaction);
	if (judged != TRANSACTIONAL_OK)
		return give_up(p, judged);
	if (FAIL_POINT_ERROR("P3"))
		return abort_transaction(p);
	return commit(p);
}

static void publish(struct kafka_publisher *p, const struct transaction *transaction)
{
	struct happening *happening = happening_new(HAPPENED_PUBLISHED, -1, transaction->ticket);

	p->blamed = -1;
	happening->publish = run_transaction(p, transaction);
	happening->partition = p->blamed;
	if (FAIL_POINT_ERROR("P4"))
		happening->publish = PUBLISH_UNKNOWN;
	if (happening->publish != PUBLISH_COMMITTED)
		happening->words = arena_printf(&happening->memory, "%s", rc_text()).ptr;
	if (happening->publish == PUBLISH_UNKNOWN)
		lose_producer(p);
	inbox_put(p->inbox, happening);
	FAIL_POINT("P4.done");
}

static void carry_out(struct kafka_publisher *p, const struct publish_job *job)
{
	switch (job->task) {
	case PUBLISH_TRANSACTION: publish(p, job->transaction); return;
	case PUBLISH_REOPEN: reopen(p, job->ticket); return;
	case PUBLISH_LOOK:
		if (p->open)
			rd_kafka_poll(p->producer.client.rk, 0);
		return;
	}
}

static void serve(void *self, struct job *list)
{
	struct kafka_publisher *p = self;

	while (list) {
		struct publish_job *job = (struct publish_job *)(void *)list;

		list = list->next;
		if (!lane_stopping(&p->lane))
			carry_out(p, job);
		free(job);
	}
}

/* ---- the port's side ---- */

void kafka_publisher_publish(struct kafka_publisher *p, const struct transaction *transaction)
{
	struct publish_job *job = job_new(sizeof(*job));

	job->task = PUBLISH_TRANSACTION;
	job->transaction = transaction;
	lane_put(&p->lane, &job->job, 0);
}

void kafka_publisher_reopen(struct kafka_publisher *p, uint64_t ticket)
{
	struct publish_job *job = job_new(sizeof(*job));

	job->task = PUBLISH_REOPEN;
	job->ticket = ticket;
	lane_put(&p->lane, &job->job, 0);
}

/* A transaction polls by itself; without one nobody would, and statistics would pile up. */
void kafka_publisher_look(struct kafka_publisher *p)
{
	int64_t now_ms = system_now_ms();
	struct publish_job *job;

	if (p->options->statistics_ms == 0 || now_ms - p->looked_ms < p->options->statistics_ms)
		return;
	p->looked_ms = now_ms;
	job = job_new(sizeof(*job));
	job->task = PUBLISH_LOOK;
	lane_put(&p->lane, &job->job, 0);
}

struct kafka_statistics kafka_publisher_statistics(struct kafka_publisher *p)
{
	return kafka_statistics_get(&p->statistics);
}

const char *kafka_publisher_id(const struct kafka_publisher *p)
{
	return atomic_load(&p->id);
}

/* For the watchdog; asked through the consumer, whose calls do not hang. */
static bool brokers_answer(void *self)
{
	const struct kafka_publisher *p = self;

	return kafka_query_answers(kafka_input_client(p->input));
}

struct rc kafka_publisher_new(const struct kafka_options *options, struct inbox *inbox,
                              struct kafka_input *input, struct kafka_publisher **out)
{
	struct kafka_publisher *p = job_new(sizeof(*p));
	struct rc rc;

	p->options = options;
	p->inbox = inbox;
	p->input = input;
	p->producer.borrows = true; /* a transaction's outputs live until its answer */
	kafka_statistics_box_init(&p->statistics);
	atomic_store(&p->id, "");
	rc = watchdog_start(&p->watchdog, 2 * options->transaction_timeout_ms, brokers_answer, p);
	if (rc_ok(rc))
		rc = lane_start(&p->lane, "kafka-publish", serve, p);
	if (!rc_ok(rc)) {
		kafka_publisher_free(p);
		return rc;
	}
	*out = p;
	return OK;
}

void kafka_publisher_free(struct kafka_publisher *p)
{
	struct producer_id *id;

	if (!p)
		return;
	lane_stop(&p->lane);
	kafka_producer_close(&p->producer);
	watchdog_stop(&p->watchdog);
	kafka_statistics_box_release(&p->statistics);
	while ((id = p->ids)) {
		p->ids = id->older;
		free(id);
	}
	free(p);
}
