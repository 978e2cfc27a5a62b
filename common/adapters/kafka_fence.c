/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All jobs that wait when the lane comes round and name the same id are answered
 * by one init_transactions.
 */
#include "common/adapters/kafka_fence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/adapters/kafka_transactional.h"
#include "common/adapters/lane.h"
#include "common/base/log.h"

struct fence_job {
	struct job job;
	int32_t partition;
	uint64_t ticket;
	char id[TRANSACTIONAL_ID_BYTES];
};

struct kafka_fencer {
	const struct kafka_options *options;
	struct inbox *inbox;
	struct lane lane;
};

static struct rc fence(struct kafka_fencer *f, const char *id)
{
	struct kafka_producer producer = { .topic_count = 0 };

	TRY(rc_within(kafka_transactional_open(&producer, f->options, id, NULL),
	              "ending transactions of %s", id));
	kafka_producer_close(&producer);
	log_info("transactions_fenced", LOG_TEXT("transactional_id", id), LOG_END);
	return OK;
}

static void answer(struct kafka_fencer *f, const struct fence_job *job, struct rc rc)
{
	struct happening *happening = happening_new(HAPPENED_FENCED, job->partition, job->ticket);

	happening->rc = rc;
	if (!rc_ok(rc))
		happening->words = arena_printf(&happening->memory, "%s", rc_text()).ptr;
	inbox_put(f->inbox, happening);
}

static void serve(void *self, struct job *list)
{
	struct kafka_fencer *f = self;

	while (list) {
		struct fence_job *first = (struct fence_job *)(void *)list;
		struct job **place = &list->next;
		bool stopping = lane_stopping(&f->lane);
		struct rc rc = stopping ? OK : fence(f, first->id);

		while (*place) {
			struct fence_job *other = (struct fence_job *)(void *)*place;

			if (strcmp(other->id, first->id) != 0) {
				place = &(*place)->next;
				continue;
			}
			*place = (*place)->next;
			if (!stopping)
				answer(f, other, rc);
			free(other);
		}
		list = list->next;
		if (!stopping)
			answer(f, first, rc);
		free(first);
	}
}

void kafka_fencer_fence(struct kafka_fencer *f, int32_t partition, uint64_t ticket,
                        const char *transactional_id)
{
	struct fence_job *job = job_new(sizeof(*job));

	job->partition = partition;
	job->ticket = ticket;
	snprintf(job->id, sizeof(job->id), "%s", transactional_id);
	lane_put(&f->lane, &job->job, 0);
}

struct rc kafka_fencer_new(const struct kafka_options *options, struct inbox *inbox,
                           struct kafka_fencer **out)
{
	struct kafka_fencer *f = job_new(sizeof(*f));
	struct rc rc;

	f->options = options;
	f->inbox = inbox;
	rc = lane_start(&f->lane, "kafka-fence", serve, f);
	if (!rc_ok(rc)) {
		free(f);
		return rc;
	}
	*out = f;
	return OK;
}

void kafka_fencer_free(struct kafka_fencer *f)
{
	if (!f)
		return;
	lane_stop(&f->lane);
	free(f);
}
