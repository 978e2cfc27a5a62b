/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kafka messages in and out: CloudEvents 1.0 and internal blocks.
 *
 * In: structured mode (content-type application/cloudevents*, or none and an
 * object with specversion), binary mode (ce_* headers, value = data), both with
 * or without registry framing (a leading 0x00 and four bytes are stripped).
 * Out: structured CloudEvents; blocks (a JSON array of entries).
 *
 * A struct message is only borrowed memory; a struct event lives in the batch
 * arena together with the parsed document. Sources: CloudEvents Kafka protocol
 * binding 1.0.2; DESIGN section 3.
 */
#ifndef TALLY_CODEC_MESSAGE_H
#define TALLY_CODEC_MESSAGE_H

#include "common/codec/record.h"

struct header {
	struct str name;
	struct str value; /* absent: a null header */
};

/* A place in the log. */
struct place {
	struct str topic;
	int32_t partition;
	int64_t offset;
	uint32_t entry; /* within an internal block; 0 elsewhere */
};

/* A record of an input topic as it came from the broker. */
struct message {
	int64_t offset;
	int64_t broker_ms; /* the record's broker timestamp */
	struct str key;    /* absent: null */
	struct str value;  /* absent: null */
	const struct header *headers;
	unsigned header_count;
};

/* One CloudEvent or one block entry, decoded. */
struct event {
	struct place at;
	int64_t broker_ms;
	struct str key;
	struct str id, source, type, subject;
	struct str correlationid, causationid, traceparent; /* absent unless given */
	bool has_time;
	int64_t time_ms;
	struct str raw;               /* the value as it came */
	const struct header *headers; /* those of the message */
	unsigned header_count;
	const void *data;  /* the struct of the input's record type */
	uint64_t identity; /* hash64 of (source, id) */
	uint64_t content;  /* digest of type, time and decoded data */
};

struct yyjson_val;

/* An envelope whose data was not decoded yet. */
struct envelope {
	struct event event;      /* all but data, content */
	struct yyjson_val *data; /* NULL: no data */
};

const struct header *message_header(const struct message *, struct str name);
/* Has the text the form of a traceparent of W3C's Trace Context, version 00? */
bool trace_is_valid(struct str);
/* The header traceparent, where it is valid; absent otherwise. */
struct str message_trace(const struct message *);
/* Is it one of those that a DLQ copy has besides the headers of the message? */
bool message_is_refusal_header(struct str name);

/* Reads the envelope. False: *fault says why. */
bool envelope_decode(const struct message *, struct str topic, int32_t partition, struct arena *,
                     struct envelope *out, struct fault *);
/* Decodes data by the record type and fills event.data and event.content. */
bool envelope_data(struct envelope *, const struct record_type *, struct arena *, struct fault *);

/* An internal block: parses the array; entries are then decoded one by one. */
struct block {
	struct yyjson_val *array;
	struct yyjson_val *next;
	uint32_t count, at;
};
bool block_decode(const struct message *, struct arena *, struct block *out, struct fault *);
/* The next entry's value, or NULL at the end. */
struct yyjson_val *block_next(struct block *);

/* What an outgoing CloudEvent is made of. */
struct cloudevent {
	struct str id, source, type, subject;
	struct str correlationid, causationid, traceparent; /* absent: left out */
	int64_t time_ms;
	const struct record_type *data_type;
	const void *data;
};
/* Appends the structured form. */
void cloudevent_encode(const struct cloudevent *, struct buf *);

#endif
