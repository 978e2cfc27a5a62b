/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte buffer that grows, for building messages and Redis commands.
 *
 * With an arena the bytes live there (and die with it); without one the buffer
 * owns malloc'ed memory until buf_release(). Growing never fails (out of memory
 * is fatal), but what was borrowed by buf_str() before a growth is stale.
 */
#ifndef TALLY_BASE_BUF_H
#define TALLY_BASE_BUF_H

#include "common/base/arena.h"

struct buf {
	char *ptr;
	size_t len, room;
	struct arena *arena; /* or NULL: malloc */
};

void buf_init(struct buf *, struct arena *arena_or_null);
void buf_release(struct buf *);
void buf_grow(struct buf *, size_t more); /* room for at least `more` bytes */
/* An id as a part of a key that has others behind it: without colons. */
void buf_put_key_part(struct buf *, struct str id);

static inline void buf_clear(struct buf *b)
{
	b->len = 0;
}

static inline struct str buf_str(const struct buf *b)
{
	return str_of(b->ptr ? b->ptr : "", b->len);
}

static inline void buf_put(struct buf *b, struct str s)
{
	if (b->room - b->len < s.len)
		buf_grow(b, s.len);
	if (s.len)
		memcpy(b->ptr + b->len, s.ptr, s.len);
	b->len += s.len;
}

static inline void buf_put_char(struct buf *b, char c)
{
	if (b->room == b->len)
		buf_grow(b, 1);
	b->ptr[b->len++] = c;
}

#define buf_put_lit(b, literal) buf_put((b), STR(literal))

void buf_put_i64(struct buf *, int64_t);
void buf_put_u64(struct buf *, uint64_t);
/* Sixteen lower-case hex digits. */
void buf_put_hex64(struct buf *, uint64_t);
/* A JSON string with its quotes; escapes what RFC 8259 demands, UTF-8 passes through. */
void buf_put_json(struct buf *, struct str);
void buf_printf(struct buf *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Formats without a buffer: writes at most 20 characters, returns how many. */
size_t i64_to_text(int64_t, char out[20]);

/* "00" to "99", one after the other. */
extern const char digit_pairs[201];

/* Writes the two digits of 0 to 99, returns the place behind them. */
static inline char *put_two_digits(char *out, int32_t value)
{
	memcpy(out, digit_pairs + value * 2, 2);
	return out + 2;
}

#endif
