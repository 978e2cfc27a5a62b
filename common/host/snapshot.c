/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot is some hundred kilobytes where there are many shards, so it is
 * taken only when somebody asks; the request wakes the loop through an eventfd.
 */
#include "common/host/snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/must.h"

struct board {
	pthread_mutex_t lock;
	pthread_cond_t put; /* on the monotonic clock */
	uint64_t number;    /* of snapshots put so far */
	struct snapshot newest;
	_Atomic int64_t last_turn_ms;
	int fd;
};

static int by_partition(const void *a, const void *b)
{
	const struct shard_status *left = a, *right = b;

	return (left->partition > right->partition) - (left->partition < right->partition);
}

void snapshot_fill(struct snapshot *snapshot, const struct process *process)
{
	struct shard_status rows[SNAPSHOT_SHARDS_MOST];
	unsigned count = process_shards(process, rows, SNAPSHOT_SHARDS_MOST);

	if (count > SNAPSHOT_SHARDS_MOST)
		count = SNAPSHOT_SHARDS_MOST;
	qsort(rows, count, sizeof(rows[0]), by_partition);
	for (unsigned i = 0; i < count; i++) {
		struct shard_row *row = &snapshot->shards[i];

		row->status = rows[i];
		snprintf(row->words, sizeof(row->words), "%s", rows[i].words ? rows[i].words : "");
		row->status.words = row->words;
	}
	snapshot->shard_count = count;
	snapshot->stats = *process_stats(process);
}

/* Only the rows in use; their words must point into the copy. */
static void copy(struct snapshot *to, const struct snapshot *from)
{
	memcpy(to, from, offsetof(struct snapshot, shards));
	to->shard_count = from->shard_count;
	for (unsigned i = 0; i < from->shard_count; i++) {
		to->shards[i] = from->shards[i];
		to->shards[i].status.words = to->shards[i].words;
	}
}

struct board *board_new(void)
{
	struct board *board = memory_new(sizeof(*board));
	pthread_condattr_t attributes;

	pthread_mutex_init(&board->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&board->put, &attributes);
	pthread_condattr_destroy(&attributes);
	board->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(board->fd >= 0);
	return board;
}

void board_free(struct board *board)
{
	if (!board)
		return;
	close(board->fd);
	pthread_cond_destroy(&board->put);
	pthread_mutex_destroy(&board->lock);
	free(board);
}

int board_fd(const struct board *board)
{
	return board->fd;
}

void board_put(struct board *board, const struct snapshot *snapshot)
{
	uint64_t asked;
	ssize_t n = read(board->fd, &asked, sizeof(asked));

	(void)n;
	pthread_mutex_lock(&board->lock);
	copy(&board->newest, snapshot);
	board->number++;
	pthread_cond_broadcast(&board->put);
	pthread_mutex_unlock(&board->lock);
}

void board_turned(struct board *board, int64_t now_ms)
{
	atomic_store_explicit(&board->last_turn_ms, now_ms, memory_order_relaxed);
}

int64_t board_last_turn_ms(const struct board *board)
{
	return atomic_load_explicit(&board->last_turn_ms, memory_order_relaxed);
}

void board_ask(struct board *board, int wait_ms, struct snapshot *out)
{
	struct timespec until;
	uint64_t one = 1, number;
	ssize_t n;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += wait_ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_mutex_lock(&board->lock);
	number = board->number;
	n = write(board->fd, &one, sizeof(one));
	(void)n;
	while (board->number == number)
		if (pthread_cond_timedwait(&board->put, &board->lock, &until) == ETIMEDOUT)
			break;
	copy(out, &board->newest);
	pthread_mutex_unlock(&board->lock);
}
