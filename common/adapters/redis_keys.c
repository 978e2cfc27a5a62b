/* SPDX-License-Identifier: Apache-2.0 */
#include "common/adapters/redis_keys.h"

#include "common/runtime/ports.h"

#define NUMBER(name, member, unit, words)                                                   \
	{                                                                                   \
		STR_INIT(name), offsetof(struct shard_meta, member), "integer", unit, words \
	}
#define OTHER(name, type, words)                                   \
	{                                                          \
		STR_INIT(name), REDIS_FIELD_OTHER, type, "", words \
	}

const struct redis_field redis_meta_fields[] = {
	NUMBER("cursor", input_cursor, "offset",
	       "R: the input is folded into Redis up to here. The word torn while a rebuild is "
	       "under way or after a write that failed half way; empty when no key of the "
	       "shard is there."),
	OTHER("logic", "integer", "The logic version in force."),
	NUMBER("pin", reference_pin, "offset",
	       "The end record of the reference data in force; -1: none."),
	NUMBER("watermark", watermark_ms, "ms since 1970", "The latest event time folded."),
	NUMBER("broker_time", broker_ms, "ms since 1970",
	       "The broker's timestamp of the record before R."),
	NUMBER("partitions", partitions, "partitions",
	       "Partitions of the input topic, which are fixed for life."),
	OTHER("rebuilding", "0 or 1", "1 while R is below where it once was."),
	OTHER("claimer", "text", "The transactional.id of the process that claimed the shard."),
	OTHER("released", "1", "There when the claimer let go in order."),
	NUMBER("claim", claim, "",
	       "Which of the claimer's claims: late calls of an earlier one do nothing."),
	OTHER("fell", "offset", "R as it stood when an owner last died, or its word."),
	OTHER("trying", "offsets",
	      "There while records are tried after a death: `from-until`, until left out."),
	OTHER("tried", "offsets", "What the latest death that counts was in the midst of."),
	NUMBER("tries", tries, "deaths",
	       "Deaths in a row in the midst of exactly that; a single record is poison at 3."),
	{ .name = { NULL, 0 } },
};

static const struct redis_field asof_fields[] = {
	OTHER("<partition>", "JSON",
	      "`watermark`: the latest event time folded, ms since 1970 or null; `time`: the "
	      "broker's timestamp of the record before R, ms since 1970; `rebuilding`: true while "
	      "the shard's keys are made anew and figures are too low."),
	{ .name = { NULL, 0 } },
};

const struct redis_own_key redis_own_keys[] = {
	{ "asof:<topic>", "hash", "How fresh the figures of the worker that reads the topic are.",
	  asof_fields },
	{ "meta:<topic>:<partition>", "hash", "What a shard keeps about itself. Not for readers.",
	  redis_meta_fields },
	{ "due:<topic>:<partition>", "sorted set",
	  "`<entity>/<id>` by the instant (ms since 1970) at which its timer is due. Not for "
	  "readers.",
	  NULL },
	{ .pattern = NULL },
};
