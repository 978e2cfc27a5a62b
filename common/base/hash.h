/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two hashes of the product and what each is for.
 *
 * hash_murmur2() is the partitioner that all Kafka clients of this product use
 * (the default of Kafka's Java client, librdkafka's murmur2_random): it decides
 * which shard an entity lives in, so it is part of the contract.
 * hash64() is XXH3 (libxxhash >= 0.8): tables and digests that are kept in
 * Redis. Its values are stable across versions and machines.
 */
#ifndef TALLY_BASE_HASH_H
#define TALLY_BASE_HASH_H

#include "common/base/str.h"

uint32_t hash_murmur2(struct str key);
/* The partition of a key among `partitions` (> 0). */
int32_t hash_partition(struct str key, int32_t partitions);
uint64_t hash64(struct str bytes);
/* Mixes a further value into a hash. */
uint64_t hash64_with(uint64_t seed, struct str bytes);

#endif
