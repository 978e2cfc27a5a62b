/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growth and formatting of buffers. The formatting functions are on the path of
 * every output message, so they look at eight bytes or write two digits a step
 * and never go through printf.
 */
#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "common/base/must.h"

#define ROOM_LEAST 64
#define EACH_BYTE UINT64_C(0x0101010101010101)
#define TOP_BITS UINT64_C(0x8080808080808080)

const char digit_pairs[201] = "00010203040506070809101112131415161718192021222324"
			      "25262728293031323334353637383940414243444546474849"
			      "50515253545556575859606162636465666768697071727374"
			      "75767778798081828384858687888990919293949596979899";
static const char hex_digits[] = "0123456789abcdef";

void buf_init(struct buf *b, struct arena *arena)
{
	*b = (struct buf){ .arena = arena };
}

void buf_release(struct buf *b)
{
	if (!b->arena)
		free(b->ptr);
	buf_init(b, b->arena);
}

void buf_grow(struct buf *b, size_t more)
{
	size_t room = b->room * 2 > ROOM_LEAST ? b->room * 2 : ROOM_LEAST;

	must(more <= SIZE_MAX / 8 && b->len <= SIZE_MAX / 8);
	if (b->room - b->len >= more)
		return;
	if (room < b->len + more)
		room = b->len + more;
	if (b->arena)
		b->ptr = arena_resize(b->arena, b->ptr, b->room, room);
	else
		b->ptr = memory_resize(b->ptr, room, 1);
	b->room = room;
}

/* log10(2) is about 1233 / 4096; the guess is one short at most. */
static size_t count_digits(uint64_t value)
{
	static const uint64_t powers[] = {
		UINT64_C(1),
		UINT64_C(10),
		UINT64_C(100),
		UINT64_C(1000),
		UINT64_C(10000),
		UINT64_C(100000),
		UINT64_C(1000000),
		UINT64_C(10000000),
		UINT64_C(100000000),
		UINT64_C(1000000000),
		UINT64_C(10000000000),
		UINT64_C(100000000000),
		UINT64_C(1000000000000),
		UINT64_C(10000000000000),
		UINT64_C(100000000000000),
		UINT64_C(1000000000000000),
		UINT64_C(10000000000000000),
		UINT64_C(100000000000000000),
		UINT64_C(1000000000000000000),
		UINT64_C(10000000000000000000),
	};
	unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
	unsigned guess = bits * 1233 >> 12;

	return guess + (value >= powers[guess]);
}

/* Writes the digits at out, which has room for 20; returns how many. */
static size_t u64_to_text(uint64_t value, char *out)
{
	size_t len = value ? count_digits(value) : 1;
	char *at = out + len;

	while (value >= 100) {
		at -= 2;
		memcpy(at, digit_pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10)
		memcpy(at - 2, digit_pairs + value * 2, 2);
	else
		at[-1] = (char)('0' + value);
	return len;
}

size_t i64_to_text(int64_t value, char out[20])
{
	if (value >= 0)
		return u64_to_text((uint64_t)value, out);
	out[0] = '-';
	return 1 + u64_to_text(0 - (uint64_t)value, out + 1);
}

void buf_put_i64(struct buf *b, int64_t value)
{
	if (b->room - b->len < 20)
		buf_grow(b, 20);
	b->len += i64_to_text(value, b->ptr + b->len);
}

void buf_put_u64(struct buf *b, uint64_t value)
{
	if (b->room - b->len < 20)
		buf_grow(b, 20);
	b->len += u64_to_text(value, b->ptr + b->len);
}

void buf_put_hex64(struct buf *b, uint64_t value)
{
	if (b->room - b->len < 16)
		buf_grow(b, 16);
	for (int shift = 60; shift >= 0; shift -= 4)
		b->ptr[b->len++] = hex_digits[value >> shift & 15];
}

static bool needs_escape(char c)
{
	return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

/*
 * How many bytes at the front need no escape. In a word, (x - 0x01..) & ~x has a
 * top bit where a byte of x is zero (bytes above a hit may be wrong, so the exact
 * byte is then found one by one).
 */
static size_t plain_bytes(const char *p, size_t len)
{
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t word, quote, slash, hits;

		memcpy(&word, p + i, sizeof(word));
		quote = word ^ EACH_BYTE * '"';
		slash = word ^ EACH_BYTE * '\\';
		hits = ((word - EACH_BYTE * 0x20) & ~word) | ((quote - EACH_BYTE) & ~quote) |
		       ((slash - EACH_BYTE) & ~slash);
		if (hits & TOP_BITS)
			break;
	}
	while (i < len && !needs_escape(p[i]))
		i++;
	return i;
}

static void put_escaped(struct buf *b, char c)
{
	static const char letters[] = "btn?fr"; /* of the bytes 8 to 13; 11 has none */
	unsigned char byte = (unsigned char)c;

	if (c == '"' || c == '\\') {
		buf_put_char(b, '\\');
		buf_put_char(b, c);
	} else if (byte >= 8 && byte <= 13 && byte != 11) {
		buf_put_char(b, '\\');
		buf_put_char(b, letters[byte - 8]);
	} else {
		buf_put_lit(b, "\\u00");
		buf_put_char(b, hex_digits[byte >> 4]);
		buf_put_char(b, hex_digits[byte & 15]);
	}
}

void buf_put_json(struct buf *b, struct str s)
{
	if (b->room - b->len < s.len + 2)
		buf_grow(b, s.len + 2);
	b->ptr[b->len++] = '"';
	while (s.len > 0) {
		size_t plain = plain_bytes(s.ptr, s.len);

		buf_put(b, str_of(s.ptr, plain));
		if (plain == s.len)
			break;
		put_escaped(b, s.ptr[plain]);
		s = str_from(s, plain + 1);
	}
	buf_put_char(b, '"');
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int len;

	if (b->room == b->len)
		buf_grow(b, ROOM_LEAST);
	va_start(args, format);
	len = vsnprintf(b->ptr + b->len, b->room - b->len, format, args);
	va_end(args);
	must(len >= 0);
	if ((size_t)len >= b->room - b->len) {
		buf_grow(b, (size_t)len + 1);
		va_start(args, format);
		vsnprintf(b->ptr + b->len, b->room - b->len, format, args);
		va_end(args);
	}
	b->len += (size_t)len;
}

void buf_put_key_part(struct buf *b, struct str id)
{
	for (size_t i = 0; i < id.len; i++) {
		if (id.ptr[i] == ':')
			buf_put_lit(b, "%3A");
		else if (id.ptr[i] == '%')
			buf_put_lit(b, "%25");
		else
			buf_put_char(b, id.ptr[i]);
	}
}
