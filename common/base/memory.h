/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory from the heap, for what outlives a batch: objects, growing arrays, copies.
 *
 * No call returns NULL. Where the system has no memory left, the process says
 * out_of_memory with the bytes that were wanted and ends with status 71 (EX_OSERR)
 * at once: nothing above could go on, and a restart folds again from Redis. Nothing is
 * given back or written on the way, so it is the same to all others as a kill. What is
 * returned belongs to the caller, who gives it back with free(3).
 */
#ifndef TALLY_BASE_MEMORY_H
#define TALLY_BASE_MEMORY_H

#include <stddef.h>
#include <stdnoreturn.h>

#include "common/base/str.h"

/* One object, all zero. size in bytes. */
void *memory_new(size_t size);
/* count items of size bytes, all zero; count may be 0. */
void *memory_array(size_t count, size_t size);
/* The array with room for count items, the contents kept, new room undefined; NULL starts one. */
void *memory_resize(void *items_or_null, size_t count, size_t size);
/* Room for one item behind count of them; there is room for *room already, at first for none. */
static inline void *memory_room(void *items, unsigned count, unsigned *room, size_t size)
{
	if (count < *room)
		return items;
	*room = *room ? *room * 2 : 64;
	return memory_resize(items, *room, size);
}

/* A copy with a NUL behind it. */
char *memory_copy(struct str);
/* The end, for where a library got no memory for us; 0: it does not say how many bytes. */
noreturn void memory_out(size_t wanted_bytes);

/* For a long-running process, before its first thread: freed memory is kept for the next batch
 * instead of going back to the system page by page, and few threads share few heaps. */
void memory_configure(void);

/* Bytes of all blocks in use, ours and the libraries'; takes a millisecond or so. */
size_t memory_in_use(void);
/* Gives back to the system what is kept; takes some milliseconds. */
void memory_trim(void);

#endif
