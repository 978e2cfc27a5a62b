/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every limit of the product, in one place. Reaching one closes a batch, pauses
 * a shard or refuses a message with a reason; nothing grows without a bound.
 *
 * A limit marked [logic] can change an answer, so it belongs to the logic
 * version: changing it needs a new one.
 */
#ifndef TALLY_BASE_LIMITS_H
#define TALLY_BASE_LIMITS_H

/* Messages [logic] */
#define LIMIT_MESSAGE_BYTES 1048576 /* a value above it is too_large */
#define LIMIT_JSON_DEPTH 32         /* nesting above it is too_deep */
#define LIMIT_ID_BYTES 128          /* ids: order, payee, event, ... */
#define LIMIT_TEXT_BYTES 1024       /* other strings */
#define LIMIT_SPLITS 16             /* split entries of an order */
#define LIMIT_SPLIT_WEIGHT 1000000  /* one weight */
#define LIMIT_LINES 256             /* lines of an order */
#define LIMIT_ORDER_EVENTS 512      /* events applied to one order: order_limit */
#define LIMIT_ORDER_HELD 32         /* events of one order that wait */
#define LIMIT_HELD_BYTES 16384      /* raw bytes of a held event */
#define LIMIT_HELD_HEADERS \
	32                        /* of a held event; names up to LIMIT_ID_BYTES, values up to
                                         LIMIT_TEXT_BYTES */
#define LIMIT_BLOCK_ENTRIES 65536 /* entries of an internal block */
#define LIMIT_AMOUNT INT64_C(1000000000000000) /* one amount, minor units: 10^15 */
#define LIMIT_TIME_AHEAD_MS INT64_C(86400000)  /* event time after the broker's timestamp */

/* Batches and memory */
#define LIMIT_BATCH_RECORDS 8192        /* records of one shard's batch */
#define LIMIT_BATCH_BYTES 3145728       /* memory of one shard's batch */
#define LIMIT_QUEUE_RECORDS 32768       /* records folded, waiting for a transaction, all shards */
#define LIMIT_CACHE_BYTES 50331648      /* entities in memory, all shards; clean ones leave above */
#define LIMIT_SEEN_ENTITIES 1048576     /* of one shard, 16 bytes each: then absence is asked for */
#define LIMIT_BATCH_PAIRS 8192          /* values that one batch writes, about */
#define LIMIT_FLUSH_PAIRS 8192          /* values of one flush: Redis works on it for 5 ms */
#define LIMIT_SUM_ROWS 4096             /* of one shard, added up: then they go out */
#define LIMIT_SUM_ROWS_FEW 512          /* below it they go out soon */
#define LIMIT_UNFLUSHED_BYTES 33554432  /* memory of all sealed batches: nothing more is taken */
#define LIMIT_GATHER_BYTES 2097152      /* memory of the batches that wait for one flush */
#define LIMIT_BLOCK_BYTES 900000        /* an internal block is cut above it */
#define LIMIT_METADATA_BYTES 1024       /* K's metadata */
#define LIMIT_DANGER_OFFSETS 65536      /* tried in steps after a death, at most */
#define LIMIT_POISON_DEATHS 3           /* of one record tried alone: then it goes to the DLQ */
#define LIMIT_DEAD_LETTER_BYTES 1900000 /* a larger copy is cut and says so (tw-cut) */
#define LIMIT_DEAD_LETTER_KEY_BYTES 65536    /* of its key (tw-cut-key) */
#define LIMIT_DEAD_LETTER_HEADERS 256        /* foreign headers of a copy (tw-cut-headers) */
#define LIMIT_DEAD_LETTER_HEADER_BYTES 65536 /* names and values of those together */

/* Others */
#define LOG_PER_SECOND 20    /* lines of one call site */
#define LOG_LINE_BYTES 4096  /* one line: PIPE_BUF, so that processes on one pipe never mix lines */
#define LOG_VALUE_BYTES 1024 /* one value after escaping; what is longer ends in "..." */
#define RC_TEXT_BYTES 1024   /* words of a failure with all that callers added */

#endif
