/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question has a slot by the hash of its key; another one in the same slot waits
 * until the first is answered. The thread fills a slot's answer under the lock.
 */
#include "services/dashboard/refused.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/adapters/lane.h"
#include "common/adapters/system_clock.h"
#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/base/must.h"
#include "services/tallyctl/command.h"

#define NAME_BYTES 160

struct slot {
	char topic[NAME_BYTES], reason[NAME_BYTES];
	bool asked, failed; /* asked: the thread has it */
	int64_t made_ms;    /* 0: never */
	struct buf body;
};

struct question {
	struct job job;
	unsigned slot;
};

struct refused {
	const struct config *config;
	struct lane lane;
	pthread_mutex_t lock;
	struct slot slots[REFUSED_SLOTS];
	struct invocation invocation; /* of the thread */
};

/* ---- the thread ---------------------------------------------------------- */

static void add_value(struct invocation *invocation, const char *flag, const char *value)
{
	invocation->values[invocation->value_count].flag = flag;
	invocation->values[invocation->value_count++].value = value;
}

static struct rc run(struct refused *refused, const struct slot *slot, struct arena *arena,
                     struct buf *out)
{
	struct invocation *invocation = &refused->invocation;
	struct rc rc;

	invocation->config = refused->config;
	invocation->memory = arena;
	invocation->json = true;
	invocation->out = out;
	invocation->value_count = 0;
	if (!slot->topic[0])
		return command_dlq_list(invocation);
	add_value(invocation, "--topic", slot->topic);
	add_value(invocation, "--reason", slot->reason);
	add_value(invocation, "--max", REFUSED_RECORDS);
	rc = command_dlq_show(invocation);
	if (rc_ok(rc) && out->len > REFUSED_BYTES_MOST)
		return rc_fail(RC_REFUSED, "these records are too large for a page: use "
		                           "tallyctl dlq show");
	return rc;
}

static void answer(struct refused *refused, unsigned number)
{
	struct slot *slot = &refused->slots[number]; /* its names stay while it is asked */
	struct arena arena;
	struct buf out;
	struct rc rc;

	arena_init(&arena, 65536);
	buf_init(&out, NULL);
	rc = run(refused, slot, &arena, &out);
	while (out.len && out.ptr[out.len - 1] == '\n')
		out.len--;
	pthread_mutex_lock(&refused->lock);
	buf_clear(&slot->body);
	buf_put(&slot->body, rc_ok(rc) ? buf_str(&out) : str_from_c(rc_text()));
	slot->failed = !rc_ok(rc);
	slot->made_ms = system_now_ms();
	slot->asked = false;
	pthread_mutex_unlock(&refused->lock);
	buf_release(&out);
	arena_release(&arena);
}

static void on_jobs(void *self, struct job *list)
{
	struct refused *refused = self;

	while (list) {
		struct question *question = (struct question *)(void *)list;

		list = list->next;
		if (!lane_stopping(&refused->lane))
			answer(refused, question->slot);
		free(question);
	}
}

/* ---- outside ------------------------------------------------------------- */

struct rc refused_new(const struct config *config, struct refused **out)
{
	struct refused *refused = memory_new(sizeof(*refused));

	refused->config = config;
	pthread_mutex_init(&refused->lock, NULL);
	for (unsigned i = 0; i < REFUSED_SLOTS; i++)
		buf_init(&refused->slots[i].body, NULL);
	*out = refused;
	return lane_start(&refused->lane, "refused", on_jobs, refused);
}

void refused_free(struct refused *refused)
{
	if (!refused)
		return;
	lane_stop(&refused->lane);
	for (unsigned i = 0; i < REFUSED_SLOTS; i++)
		buf_release(&refused->slots[i].body);
	pthread_mutex_destroy(&refused->lock);
	free(refused);
}

void refused_forget(struct refused *refused)
{
	pthread_mutex_lock(&refused->lock);
	for (unsigned i = 0; i < REFUSED_SLOTS; i++)
		refused->slots[i].made_ms = 0;
	pthread_mutex_unlock(&refused->lock);
}

/* Under the lock. */
static void put_question(struct refused *refused, unsigned number, struct str topic,
                         struct str reason)
{
	struct slot *slot = &refused->slots[number];
	struct question *question = job_new(sizeof(*question));

	slot->topic[0] = slot->reason[0] = '\0';
	if (topic.ptr) {
		snprintf(slot->topic, NAME_BYTES, "%.*s", STR_ARG(topic));
		snprintf(slot->reason, NAME_BYTES, "%.*s", STR_ARG(reason));
	}
	slot->asked = true;
	question->slot = number;
	lane_put(&refused->lane, &question->job, 0);
}

enum refused_answer refused_ask(struct refused *refused, struct str topic, struct str reason,
                                struct buf *out)
{
	unsigned number = (unsigned)(hash64_with(hash64(topic), reason) % REFUSED_SLOTS);
	struct slot *slot = &refused->slots[number];
	enum refused_answer found = REFUSED_PENDING;

	must(topic.len < NAME_BYTES && reason.len < NAME_BYTES);
	pthread_mutex_lock(&refused->lock);
	if (slot->made_ms && !slot->asked && system_now_ms() - slot->made_ms <= REFUSED_FRESH_MS &&
	    str_eq(str_from_c(slot->topic), topic.ptr ? topic : STR("")) &&
	    str_eq(str_from_c(slot->reason), topic.ptr ? reason : STR(""))) {
		found = slot->failed ? REFUSED_FAILED : REFUSED_FOUND;
		buf_put(out, buf_str(&slot->body));
	} else if (!slot->asked) {
		put_question(refused, number, topic, reason);
	}
	pthread_mutex_unlock(&refused->lock);
	return found;
}
