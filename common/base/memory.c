/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place that calls malloc(3) and its like (tests/tidy sees to it), so that none
 * of them is forgotten; each function is called, never inlined, for
 * tests/integration/test_out_of_memory.py tells our allocations from a library's by it.
 */
#include "common/base/memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/rc.h"

#define OURS __attribute__((noinline))

#define KEPT_BLOCK_BYTES (64 * 1024 * 1024) /* larger ones come from the system each time */
#define KEPT_TOP_BYTES (64 * 1024 * 1024)   /* free memory at the end of the heap */
#define HEAPS 2

noreturn void memory_out(size_t wanted_bytes)
{
	log_error("out_of_memory", LOG_INT("wanted_bytes", wanted_bytes), LOG_END);
	_exit(rc_exit_status((struct rc){ RC_OS }));
}

static size_t product(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX)
		memory_out(PTRDIFF_MAX); /* more than there can be */
	return bytes ? bytes : 1;
}

OURS void *memory_new(size_t size)
{
	return memory_array(1, size);
}

OURS void *memory_array(size_t count, size_t size)
{
	size_t bytes = product(count, size);
	void *items = calloc(1, bytes);

	if (!items)
		memory_out(bytes);
	return items;
}

OURS void *memory_resize(void *items, size_t count, size_t size)
{
	size_t bytes = product(count, size);
	void *moved = realloc(items, bytes);

	if (!moved)
		memory_out(bytes);
	return moved;
}

OURS char *memory_copy(struct str s)
{
	char *copy = memory_resize(NULL, s.len + 1, 1);

	if (s.len)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

void memory_configure(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_TOP_BYTES);
	(void)mallopt(M_ARENA_MAX, HEAPS);
}

size_t memory_in_use(void)
{
	struct mallinfo2 all = mallinfo2();

	return all.uordblks + all.hblkhd;
}

void memory_trim(void)
{
	(void)malloc_trim(0);
}
