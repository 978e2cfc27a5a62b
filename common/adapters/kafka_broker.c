/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the parts together in the shape of the port.
 */
#include "common/adapters/kafka_broker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/adapters/kafka_append.h"
#include "common/adapters/kafka_cursor.h"
#include "common/adapters/kafka_fence.h"
#include "common/adapters/kafka_input.h"
#include "common/adapters/kafka_publisher.h"
#include "common/adapters/kafka_reference.h"
#include "common/base/failpoint.h"
#include "common/base/memory.h"

struct kafka_broker {
	const struct kafka_options *options;
	int wake_fd;
	struct kafka_input *input;
	struct kafka_cursor *cursor;
	struct kafka_publisher *publisher;
	struct kafka_fencer *fencer;
	struct kafka_appender *appender;
	struct kafka_reference *reference;
};

static void port_take(void *self, int32_t partition, int64_t until, unsigned max, size_t max_bytes,
                      struct taken *out)
{
	struct kafka_broker *b = self;

	kafka_input_take(b->input, partition, until, max, max_bytes, out);
}

static void port_give_back(void *self, struct taken *taken)
{
	struct kafka_broker *b = self;

	kafka_input_give_back(b->input, taken);
}

static void port_poll(void *self)
{
	struct kafka_broker *b = self;

	kafka_input_poll(b->input);
	kafka_publisher_look(b->publisher);
}

static void port_read_cursor(void *self, int32_t partition, uint64_t ticket)
{
	struct kafka_broker *b = self;

	kafka_cursor_read(b->cursor, partition, ticket);
}

static void port_start(void *self, int32_t partition, int64_t offset)
{
	struct kafka_broker *b = self;

	FAIL_POINT("A3");
	kafka_input_start(b->input, partition, offset);
}

static void port_unassign(void *self, int32_t partition)
{
	struct kafka_broker *b = self;

	kafka_input_unassign(b->input, partition);
}

static void port_publish(void *self, const struct transaction *transaction)
{
	struct kafka_broker *b = self;

	kafka_publisher_publish(b->publisher, transaction);
}

static void port_fence(void *self, int32_t partition, uint64_t ticket, const char *transactional_id)
{
	struct kafka_broker *b = self;

	kafka_fencer_fence(b->fencer, partition, ticket, transactional_id);
}

static void port_reopen(void *self, uint64_t ticket)
{
	struct kafka_broker *b = self;

	kafka_publisher_reopen(b->publisher, ticket);
}

static const char *port_transactional_id(void *self)
{
	struct kafka_broker *b = self;

	return kafka_publisher_id(b->publisher);
}

static void port_append(void *self, int32_t partition, uint64_t ticket, struct str key,
                        struct str value, const struct header *headers, unsigned header_count)
{
	struct kafka_broker *b = self;
	struct outgoing record = {
		.form = OUTGOING_CLOUDEVENT,
		.topic = str_from_c(b->options->topic),
		.partition = partition,
		.key = key,
		.value = value,
		.headers = headers,
		.header_count = header_count,
	};

	kafka_appender_append(b->appender, ticket, &record);
}

static void port_read_reference(void *self, int64_t from, uint64_t ticket)
{
	struct kafka_broker *b = self;

	kafka_reference_read(b->reference, from, ticket);
}

static int32_t port_partitions(void *self, struct str topic)
{
	struct kafka_broker *b = self;

	return kafka_cursor_partitions(b->cursor, topic);
}

static void fill_port(struct kafka_broker *b, struct broker *out)
{
	*out = (struct broker){
		.self = b,
		.take = port_take,
		.give_back = port_give_back,
		.poll = port_poll,
		.read_cursor = port_read_cursor,
		.start = port_start,
		.unassign = port_unassign,
		.publish = port_publish,
		.fence = port_fence,
		.reopen = port_reopen,
		.transactional_id = port_transactional_id,
		.append = port_append,
		.read_reference = port_read_reference,
		.partitions = port_partitions,
	};
}

static struct rc open_parts(struct kafka_broker *b, struct inbox *inbox)
{
	b->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (b->wake_fd < 0)
		return rc_fail(RC_OS, "no eventfd: %s", strerror(errno));
	TRY(kafka_input_new(b->options, inbox, b->wake_fd, &b->input));
	TRY(kafka_cursor_new(b->options, inbox, &b->cursor));
	TRY(kafka_publisher_new(b->options, inbox, b->input, &b->publisher));
	TRY(kafka_fencer_new(b->options, inbox, &b->fencer));
	TRY(kafka_reference_new(b->options, inbox, &b->reference));
	b->appender = kafka_appender_new(b->options, inbox);
	return OK;
}

struct rc kafka_broker_new(const struct kafka_options *options, struct inbox *inbox,
                           struct broker *port_out, struct kafka_broker **out)
{
	struct kafka_broker *b = memory_new(sizeof(*b));
	struct rc rc;

	b->options = options;
	rc = open_parts(b, inbox);
	if (!rc_ok(rc)) {
		kafka_broker_free(b);
		return rc;
	}
	fill_port(b, port_out);
	*out = b;
	return OK;
}

void kafka_broker_leave(struct kafka_broker *b)
{
	kafka_input_leave(b->input);
}

bool kafka_broker_has_left(const struct kafka_broker *b)
{
	return kafka_input_has_left(b->input);
}

void kafka_broker_statistics(struct kafka_broker *b, struct kafka_statistics *consumer,
                             struct kafka_statistics *producer)
{
	*consumer = kafka_input_statistics(b->input);
	*producer = kafka_publisher_statistics(b->publisher);
}

int kafka_broker_fd(const struct kafka_broker *b)
{
	return b->wake_fd;
}

/* Those that borrow the consumer go first. */
void kafka_broker_free(struct kafka_broker *b)
{
	if (!b)
		return;
	kafka_appender_free(b->appender);
	kafka_reference_free(b->reference);
	kafka_fencer_free(b->fencer);
	kafka_publisher_free(b->publisher);
	kafka_cursor_free(b->cursor);
	if (b->input)
		kafka_input_free(b->input);
	if (b->wake_fd >= 0)
		close(b->wake_fd);
	free(b);
}
