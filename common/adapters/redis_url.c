/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By hand: the forms are few, and a URL library would be one more dependency.
 */
#include "common/adapters/redis_url.h"

#include "common/base/str.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Copies with %XX decoded. */
static bool copy_part(struct str part, char out[URL_PART_BYTES])
{
	size_t len = 0;

	for (size_t i = 0; i < part.len; i++) {
		char c = part.ptr[i];

		if (c == '%') {
			int high = i + 2 < part.len ? hex_digit(part.ptr[i + 1]) : -1;
			int low = i + 2 < part.len ? hex_digit(part.ptr[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0' || len + 1 >= URL_PART_BYTES)
			return false;
		out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

static bool parse_number(struct str text, int64_t least, int64_t most, int *out)
{
	int64_t number;

	if (!str_to_i64(text, &number) || number < least || number > most)
		return false;
	*out = (int)number;
	return true;
}

/* Where the byte stands last, or s.len. */
static size_t find_last(struct str s, char byte)
{
	for (size_t i = s.len; i > 0; i--)
		if (s.ptr[i - 1] == byte)
			return i - 1;
	return s.len;
}

static bool parse_credentials(struct str *rest, struct redis_url *out)
{
	size_t at = find_last(*rest, '@');
	struct str credentials, user;

	if (at == rest->len)
		return true;
	credentials = str_of(rest->ptr, at);
	*rest = str_from(*rest, at + 1);
	user = str_split(&credentials, ':');
	/* Without a colon it is a password, as redis-cli reads it. */
	if (!credentials.ptr)
		return copy_part(user, out->password);
	return copy_part(user, out->user) && copy_part(credentials, out->password);
}

static bool parse_address(struct str address, struct redis_url *out)
{
	size_t colon = find_last(address, ':');
	struct str host = str_of(address.ptr, colon);

	if (address.len && address.ptr[0] == '[') { /* [::1]:6379 */
		size_t end = str_find(address, ']');

		if (end == address.len)
			return false;
		host = str_of(address.ptr + 1, end - 1);
		if (colon < end)
			colon = address.len;
	}
	if (colon < address.len &&
	    !parse_number(str_from(address, colon + 1), 1, 65535, &out->port))
		return false;
	return host.len > 0 && copy_part(host, out->host);
}

struct rc redis_url_parse(const char *text, struct redis_url *out)
{
	struct str rest = str_from_c(text), address;
	bool good;

	*out = (struct redis_url){ .port = 6379 };
	if (str_starts(rest, STR("unix://"))) {
		rest = str_from(rest, 7);
		out->is_unix = true;
		address = str_split(&rest, '?');
		good = address.len > 0 && copy_part(address, out->host);
	} else {
		out->tls = str_starts(rest, STR("rediss://"));
		if (!out->tls && !str_starts(rest, STR("redis://")))
			return rc_fail(RC_CONFIG,
			               "a Redis URL begins with redis://, rediss:// or unix://");
		rest = str_from(rest, out->tls ? 9 : 8);
		good = parse_credentials(&rest, out);
		address = str_split(&rest, '/');
		good = good && parse_address(address, out);
	}
	if (good && rest.len > 0)
		good = parse_number(rest, 0, 65535, &out->db);
	if (!good)
		return rc_fail(
			RC_CONFIG,
			"the Redis URL cannot be read: redis://[[user]:password@]host[:port][/db]");
	return OK;
}
