/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory by lifetime: everything of a batch, or of one entity, is taken from an
 * arena and given back at once.
 *
 * The arena owns its chunks. Pointers into it die with arena_clear() or
 * arena_release(). Allocation never returns NULL: running out of memory ends
 * the process (memory.h). In sanitizer builds every allocation is a block of its own,
 * so that an overrun or a use after clear is seen.
 */
#ifndef TALLY_BASE_ARENA_H
#define TALLY_BASE_ARENA_H

#include <stddef.h>

#include "common/base/memory.h"
#include "common/base/str.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	char *next, *end;           /* free room in the newest chunk */
	size_t first_size;          /* size of the first chunk, bytes */
	size_t total;               /* bytes of all chunks, for memory budgets */
};

/* Takes no memory until the first allocation. */
void arena_init(struct arena *, size_t first_size);
/* 8-byte aligned, contents undefined; size 0 gives a valid pointer. */
void *arena_alloc(struct arena *, size_t size);
void *arena_zalloc(struct arena *, size_t size);
/* The block with another size, contents kept; in place where it is the newest block. */
void *arena_resize(struct arena *, void *block, size_t size_now, size_t size);
/* A copy in the arena; an absent string stays absent. */
struct str arena_str(struct arena *, struct str);
/* Concatenation of count strings. */
struct str arena_join(struct arena *, const struct str *parts, size_t count);
/* printf into the arena. */
struct str arena_printf(struct arena *, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Forgets all allocations, keeps one chunk of first_size for reuse. */
void arena_clear(struct arena *);
/* Gives all memory back; the arena can be used again. */
void arena_release(struct arena *);

#endif
