/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena chunks: they start at first_size and double up to CHUNK_MOST; a large
 * allocation gets a chunk of its own behind the newest one, so that the free
 * room of that is not lost.
 */
#include "common/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

#if defined(__SANITIZE_ADDRESS__)
#define ONE_BLOCK_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BLOCK_EACH 1
#endif
#endif
#ifndef ONE_BLOCK_EACH
#define ONE_BLOCK_EACH 0
#endif

#define CHUNK_LEAST 256
#define CHUNK_MOST 1048576

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* of bytes */
	char bytes[];
};

_Static_assert(sizeof(struct arena_chunk) % 8 == 0, "chunk bytes are 8-byte aligned");

static size_t rounded(size_t size)
{
	must(size <= SIZE_MAX / 4);
	return size ? (size + 7) & ~(size_t)7 : 8;
}

/* Puts a chunk behind the newest one, or first where there is none. */
static struct arena_chunk *chunk_add(struct arena *a, size_t size, bool newest)
{
	struct arena_chunk *chunk = memory_resize(NULL, 1, sizeof(*chunk) + size);
	struct arena_chunk **place = newest || !a->chunks ? &a->chunks : &a->chunks->older;

	chunk->size = size;
	chunk->older = *place;
	*place = chunk;
	a->total += sizeof(*chunk) + size;
	return chunk;
}

static void *alloc_slowly(struct arena *a, size_t size)
{
	size_t chunk_size = a->first_size;
	struct arena_chunk *chunk;

	if (ONE_BLOCK_EACH)
		return chunk_add(a, size, true)->bytes;
	if (a->chunks && a->chunks->size >= CHUNK_MOST)
		chunk_size = a->first_size > CHUNK_MOST ? a->first_size : CHUNK_MOST;
	else if (a->chunks)
		chunk_size = a->chunks->size * 2 < CHUNK_MOST ? a->chunks->size * 2 : CHUNK_MOST;
	if (size > chunk_size / 2)
		return chunk_add(a, size, false)->bytes;
	chunk = chunk_add(a, chunk_size, true);
	a->next = chunk->bytes + size;
	a->end = chunk->bytes + chunk_size;
	return chunk->bytes;
}

void arena_init(struct arena *a, size_t first_size)
{
	size_t least = first_size > CHUNK_LEAST ? first_size : CHUNK_LEAST;

	*a = (struct arena){ .first_size = rounded(least) };
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t taken = rounded(size);

	if ((size_t)(a->end - a->next) >= taken) {
		void *block = a->next;

		a->next += taken;
		return block;
	}
	return alloc_slowly(a, ONE_BLOCK_EACH ? size : taken);
}

void *arena_zalloc(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

void *arena_resize(struct arena *a, void *block, size_t size_now, size_t size)
{
	char *start = block;
	void *moved;

	if (block && start + rounded(size_now) == a->next &&
	    (size_t)(a->end - start) >= rounded(size)) {
		a->next = start + rounded(size);
		return block;
	}
	moved = arena_alloc(a, size);
	if (block && size_now)
		memcpy(moved, block, size_now < size ? size_now : size);
	return moved;
}

struct str arena_str(struct arena *a, struct str s)
{
	char *copy;

	if (!s.ptr)
		return s;
	copy = arena_alloc(a, s.len);
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	return str_of(copy, s.len);
}

struct str arena_join(struct arena *a, const struct str *parts, size_t count)
{
	size_t len = 0, at = 0;
	char *text;

	for (size_t i = 0; i < count; i++)
		len += parts[i].len;
	text = arena_alloc(a, len);
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len)
			memcpy(text + at, parts[i].ptr, parts[i].len);
		at += parts[i].len;
	}
	return str_of(text, len);
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	int len;
	char *text;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	must(len >= 0);
	text = arena_alloc(a, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return str_of(text, (size_t)len);
}

/* The usual case, one chunk of the first size and nothing else, moves two pointers. */
void arena_clear(struct arena *a)
{
	struct arena_chunk *kept = NULL, *chunk, *older;

	for (chunk = a->chunks; chunk; chunk = older) {
		older = chunk->older;
		if (!ONE_BLOCK_EACH && !kept && chunk->size == a->first_size)
			kept = chunk;
		else
			free(chunk);
	}
	a->chunks = kept;
	a->next = a->end = NULL;
	a->total = 0;
	if (kept) {
		kept->older = NULL;
		a->next = kept->bytes;
		a->end = kept->bytes + kept->size;
		a->total = sizeof(*kept) + kept->size;
	}
}

void arena_release(struct arena *a)
{
	struct arena_chunk *chunk, *older;

	for (chunk = a->chunks; chunk; chunk = older) {
		older = chunk->older;
		free(chunk);
	}
	arena_init(a, a->first_size);
}
