/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece of text or bytes: pointer and length, passed by value, never owning.
 *
 * The memory behind it belongs to whoever made it (a message, an arena, a
 * literal). The bytes need not end in a NUL. An absent string has ptr == NULL;
 * an empty one has ptr != NULL and len == 0. Nothing here can fail.
 */
#ifndef TALLY_BASE_STR_H
#define TALLY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *ptr;
	size_t len;
};

/* A string literal (or char array whose last byte is NUL) as a str. */
#define STR(literal) ((struct str){ ("" literal), sizeof(literal) - 1 })
#define STR_INIT(literal)                         \
	{                                         \
		("" literal), sizeof(literal) - 1 \
	}
/* For printf: printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct str str_of(const char *ptr, size_t len)
{
	return (struct str){ ptr, len };
}

static inline struct str str_from_c(const char *c)
{
	return c ? str_of(c, strlen(c)) : str_of(NULL, 0);
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_eq_c(struct str a, const char *c)
{
	return str_eq(a, str_from_c(c));
}

static inline bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/* Bytewise order, the shorter first where one is a prefix of the other. */
int str_cmp(struct str a, struct str b);

/* The part from `from` on (empty beyond the end). */
static inline struct str str_from(struct str s, size_t from)
{
	if (from >= s.len)
		return str_of(s.ptr ? s.ptr + s.len : NULL, 0);
	return str_of(s.ptr + from, s.len - from);
}

/* Position of the byte, or s.len. */
size_t str_find(struct str s, char byte);

/*
 * Cuts the part before `separator` off the front of *rest and returns it. Where
 * there is no separator all of it is returned and *rest becomes absent, so
 * "a,b" has two parts and "a," has two as well: loop while rest.ptr is not NULL.
 */
struct str str_split(struct str *rest, char separator);

/* A whole decimal integer, optional minus, nothing around it; false where it isn't or overflows. */
bool str_to_i64(struct str s, int64_t *out);

/* Bytes of the valid UTF-8 character at the front: 1 to 4, or 0 where there is none. */
size_t str_utf8_front(struct str s);

/* Is every byte sequence valid UTF-8 (no surrogates, no overlong forms)? */
bool str_is_utf8(struct str s);

#endif
