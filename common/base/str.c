/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of str.h that are too long to be inline. Pure functions; they read
 * only the bytes they are given and cannot fail.
 */
#include "common/base/str.h"

int str_cmp(struct str a, struct str b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;

	if (order != 0)
		return order < 0 ? -1 : 1;
	return (a.len > b.len) - (a.len < b.len);
}

size_t str_find(struct str s, char byte)
{
	const char *at = s.len ? memchr(s.ptr, byte, s.len) : NULL;

	return at ? (size_t)(at - s.ptr) : s.len;
}

struct str str_split(struct str *rest, char separator)
{
	struct str whole = *rest;
	size_t at = str_find(whole, separator);

	if (at == whole.len) {
		*rest = str_of(NULL, 0);
		return whole;
	}
	*rest = str_from(whole, at + 1);
	return str_of(whole.ptr, at);
}

bool str_to_i64(struct str s, int64_t *out)
{
	bool minus = s.len > 0 && s.ptr[0] == '-';
	size_t i = minus;
	int64_t value = 0; /* kept negative, since INT64_MIN has no positive twin */

	if (i == s.len)
		return false;
	for (; i < s.len; i++) {
		unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';

		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, (int64_t)digit, &value))
			return false;
	}
	if (!minus && value == INT64_MIN)
		return false;
	*out = minus ? value : -value;
	return true;
}

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The well-formed sequences of the Unicode Standard, table 3-7. */
size_t str_utf8_front(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;

	if (s.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xe0)
		return p[0] >= 0xc2 && s.len >= 2 && is_tail(p[1]) ? 2 : 0;
	if (p[0] < 0xf0) {
		if (s.len < 3 || !is_tail(p[1]) || !is_tail(p[2]))
			return 0;
		if (p[0] == 0xe0 && p[1] < 0xa0)
			return 0;                            /* overlong */
		return p[0] == 0xed && p[1] >= 0xa0 ? 0 : 3; /* surrogates */
	}
	if (p[0] > 0xf4 || s.len < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
		return 0;
	if (p[0] == 0xf0 && p[1] < 0x90)
		return 0;                            /* overlong */
	return p[0] == 0xf4 && p[1] >= 0x90 ? 0 : 4; /* above U+10FFFF */
}

bool str_is_utf8(struct str s)
{
	while (s.len > 0) {
		uint64_t eight;
		size_t step;

		if (s.len >= sizeof(eight)) {
			memcpy(&eight, s.ptr, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				s = str_from(s, sizeof(eight));
				continue;
			}
		}
		step = str_utf8_front(s);
		if (step == 0)
			return false;
		s = str_from(s, step);
	}
	return true;
}
