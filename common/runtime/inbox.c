/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inbox: a list under a lock, and an eventfd for the host's poll loop. The
 * lock is held for a few instructions only; happenings come by the batch, not by
 * the record.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/must.h"
#include "common/runtime/ports.h"

#define HAPPENING_FIRST_BYTES 1024

struct inbox {
	pthread_mutex_t lock;
	struct happening *first, **last;
	int fd;
};

struct inbox *inbox_new(void)
{
	struct inbox *inbox = memory_new(sizeof(*inbox));

	*inbox = (struct inbox){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC) };
	must(inbox->fd >= 0);
	must(pthread_mutex_init(&inbox->lock, NULL) == 0);
	inbox->last = &inbox->first;
	return inbox;
}

void inbox_free(struct inbox *inbox)
{
	struct happening *happening;

	if (!inbox)
		return;
	while ((happening = inbox_take(inbox)))
		happening_release(happening);
	close(inbox->fd);
	pthread_mutex_destroy(&inbox->lock);
	free(inbox);
}

struct happening *happening_new(enum happening_kind kind, int32_t partition, uint64_t ticket)
{
	struct happening *happening = memory_new(sizeof(*happening));

	happening->kind = kind;
	happening->partition = partition;
	happening->ticket = ticket;
	arena_init(&happening->memory, HAPPENING_FIRST_BYTES);
	return happening;
}

void happening_release(struct happening *happening)
{
	if (!happening)
		return;
	arena_release(&happening->memory);
	free(happening);
}

void inbox_put(struct inbox *inbox, struct happening *happening)
{
	static const uint64_t one = 1;
	bool was_empty;

	happening->next = NULL;
	pthread_mutex_lock(&inbox->lock);
	was_empty = inbox->first == NULL;
	*inbox->last = happening;
	inbox->last = &happening->next;
	pthread_mutex_unlock(&inbox->lock);
	/* A full counter (EAGAIN) is readable already. */
	if (was_empty && write(inbox->fd, &one, sizeof(one)) < 0)
		return;
}

struct happening *inbox_take(struct inbox *inbox)
{
	struct happening *happening;

	pthread_mutex_lock(&inbox->lock);
	happening = inbox->first;
	if (happening) {
		inbox->first = happening->next;
		if (!inbox->first)
			inbox->last = &inbox->first;
	}
	pthread_mutex_unlock(&inbox->lock);
	return happening;
}

int inbox_fd(const struct inbox *inbox)
{
	return inbox->fd;
}
