/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Murmur2 as in Kafka's Java client (org.apache.kafka.common.utils.Utils), and
 * XXH3 compiled in from libxxhash's header. Pure functions.
 */
#include "common/base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/base/must.h"

#define MURMUR2_SEED 0x9747b28cU
#define MURMUR2_M 0x5bd1e995U

static uint32_t little_endian(const char *p)
{
	const unsigned char *byte = (const unsigned char *)p;

	return (uint32_t)byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 |
	       (uint32_t)byte[3] << 24;
}

uint32_t hash_murmur2(struct str key)
{
	uint32_t h = MURMUR2_SEED ^ (uint32_t)key.len;
	size_t at = 0;

	for (; at + 4 <= key.len; at += 4) {
		uint32_t k = little_endian(key.ptr + at) * MURMUR2_M;

		k ^= k >> 24;
		h = h * MURMUR2_M ^ k * MURMUR2_M;
	}
	if (at < key.len) {
		uint32_t tail = 0;

		for (size_t i = key.len; i > at; i--)
			tail = tail << 8 | (unsigned char)key.ptr[i - 1];
		h = (h ^ tail) * MURMUR2_M;
	}
	h ^= h >> 13;
	h *= MURMUR2_M;
	return h ^ h >> 15;
}

int32_t hash_partition(struct str key, int32_t partitions)
{
	must(partitions > 0);
	return (int32_t)(hash_murmur2(key) & 0x7fffffff) % partitions;
}

uint64_t hash64(struct str bytes)
{
	return XXH3_64bits(bytes.ptr, bytes.len);
}

uint64_t hash64_with(uint64_t seed, struct str bytes)
{
	return XXH3_64bits_withSeed(bytes.ptr, bytes.len, seed);
}
