/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded by test_out_of_memory.py: lets one allocation of the program's own code fail.
 *
 * The program's own are those that common/base/memory.c asks for; what libraries ask for, also
 * those that are linked statically, is left alone. environment:
 * TALLY_TEST_OURS    where its functions lie in the program, pairs of hexadecimal addresses
 * TALLY_TEST_NUMBER  the allocation of this number fails
 * TALLY_TEST_SITE    the first one from this chain of callers fails
 * TALLY_TEST_RECORD  a file to which each new chain is written, and how many there were at the end
 */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH 7   /* callers that make a chain */
#define FRAMES 12 /* with the functions of this file */
#define RANGES 8
#define PLACES 65536 /* of chains seen; more than there ever are */

/* glibc's own; a library that finds them by dlsym() would be asked for memory by it. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static uintptr_t base, end, ours[RANGES][2];
static int ranges, record = -1;
static unsigned long number;
static uint64_t wanted_site;
static atomic_ulong count;
static _Atomic uint64_t seen[PLACES];

static int find_program(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size, (void)unused;
	base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t until = base + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && until > end)
			end = until;
	}
	return 1; /* the first one is the program */
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("TALLY_TEST_OURS");
	void *frames[2];
	char *rest;

	dl_iterate_phdr(find_program, NULL);
	(void)backtrace(frames, 2); /* loads what it needs */
	if (getenv("TALLY_TEST_NUMBER"))
		number = strtoul(getenv("TALLY_TEST_NUMBER"), NULL, 10);
	if (getenv("TALLY_TEST_SITE"))
		wanted_site = strtoull(getenv("TALLY_TEST_SITE"), NULL, 16);
	if (getenv("TALLY_TEST_RECORD"))
		record = open(getenv("TALLY_TEST_RECORD"),
		              O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	for (; text && *text && ranges < RANGES; text = rest, ranges++) {
		ours[ranges][0] = base + strtoull(text, &rest, 16);
		ours[ranges][1] = base + strtoull(rest, &rest, 16);
	}
}

__attribute__((destructor)) static void finish(void)
{
	if (record >= 0)
		dprintf(record, "count %lu\n", atomic_load(&count));
}

static int is_ours(const void *at)
{
	for (int i = 0; i < ranges; i++) {
		if ((uintptr_t)at > ours[i][0] && (uintptr_t)at <= ours[i][1])
			return 1;
	}
	return 0;
}

/* Writes the chain where nobody met it before. */
static void note(uint64_t site, const uintptr_t *chain, int length)
{
	char line[32 + DEPTH * 20];
	int len = snprintf(line, sizeof(line), "%016llx", (unsigned long long)site);

	for (size_t at = site % PLACES;; at = (at + 1) % PLACES) {
		uint64_t there = 0;

		if (atomic_compare_exchange_strong(&seen[at], &there, site))
			break;
		if (there == site)
			return;
	}
	for (int i = 0; i < length; i++)
		len += snprintf(line + len, sizeof(line) - (size_t)len, " %llx",
		                (unsigned long long)chain[i]);
	line[len++] = '\n';
	if (write(record, line, (size_t)len) < 0)
		abort();
}

static __attribute__((noinline)) int site_fails(void)
{
	void *frames[FRAMES];
	uintptr_t chain[DEPTH];
	int total = backtrace(frames, FRAMES), i = 0, length = 0;
	uint64_t site = 1469598103934665603u;

	while (i < total && !is_ours(frames[i]))
		i++;
	for (; i < total && length < DEPTH; i++) {
		uintptr_t at = (uintptr_t)frames[i];

		if (at < base || at >= end)
			continue;
		chain[length++] = at - base;
		site = (site ^ (at - base)) * 1099511628211u;
	}
	if (record >= 0)
		note(site, chain, length);
	return wanted_site && site == wanted_site;
}

static int fails(const void *caller)
{
	unsigned long at;

	if (!is_ours(caller))
		return 0;
	at = atomic_fetch_add(&count, 1) + 1;
	if (at != number && !((wanted_site || record >= 0) && site_fails()))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t items, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(items, size);
}

void *realloc(void *block, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}
