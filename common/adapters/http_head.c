/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head ends with an empty line; until that has come nothing is judged but its
 * size, so one byte at a time and all at once give the same answer. A body is
 * awaited only once the head is found good.
 */
#include "common/adapters/http_head.h"

#include <strings.h>

enum {
	MORE = 0,
	DONE = 200,
	BAD = 400,
	METHOD = 405,
	LENGTH = 411,
	BODY = 413,
	LONG_LINE = 414,
	LARGE = 431,
	VERSION = 505
};

static size_t head_length(struct str bytes)
{
	const char *end = bytes.len >= 4 ? memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4) : NULL;

	return end ? (size_t)(end - bytes.ptr) + 4 : 0;
}

static bool same_word(struct str a, struct str b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

static struct str trim(struct str s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = str_from(s, 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Is the word among those of a list with commas? */
static bool has_word(struct str list, struct str word)
{
	while (list.ptr)
		if (same_word(trim(str_split(&list, ',')), word))
			return true;
	return false;
}

/* Cuts the line off the front, which has one; false: a control character is in it. */
static bool take_line(struct str *rest, struct str *line)
{
	*line = str_of(rest->ptr, str_find(*rest, '\r'));
	if (line->len + 1 >= rest->len || rest->ptr[line->len + 1] != '\n')
		return false;
	*rest = str_from(*rest, line->len + 2);
	for (size_t i = 0; i < line->len; i++)
		if ((unsigned char)line->ptr[i] < 32 ? line->ptr[i] != '\t' : line->ptr[i] == 127)
			return false;
	return true;
}

static int read_request_line(struct str line, struct http_head *head)
{
	struct str method = str_split(&line, ' ');
	struct str target = line.ptr ? str_split(&line, ' ') : line;
	struct str version = line;
	size_t question;

	if (!target.ptr || !version.ptr || method.len == 0)
		return BAD;
	if (!str_starts(version, STR("HTTP/")) || version.len != 8)
		return BAD;
	if (!str_starts(version, STR("HTTP/1.")))
		return VERSION;
	head->keep_alive = version.ptr[7] != '0';
	head->head_only = str_eq(method, STR("HEAD"));
	head->post = str_eq(method, STR("POST"));
	if (target.len == 0 || target.ptr[0] != '/')
		return BAD;
	question = str_find(target, '?');
	head->path = str_of(target.ptr, question);
	if (question < target.len)
		head->query = str_from(target, question + 1);
	return head->head_only || head->post || str_eq(method, STR("GET")) ? DONE : METHOD;
}

/* A header that may come once: a second one is refused, so that nobody sees another than we. */
static int keep_once(struct str *into, struct str value)
{
	if (into->ptr)
		return BAD;
	*into = value;
	return DONE;
}

/* Digits and nothing else, once: somebody before us may count otherwise. */
static int read_length(struct str value, int64_t most, int64_t *length)
{
	if (*length >= 0 || !str_to_i64(value, length) || value.ptr[0] == '-')
		return BAD;
	return *length > most ? BODY : DONE;
}

static int read_header(struct str line, struct http_head *head, int64_t *length)
{
	size_t colon = str_find(line, ':');
	struct str name = str_of(line.ptr, colon), value = trim(str_from(line, colon + 1));

	if (colon == 0 || colon == line.len || line.ptr[0] == ' ' || line.ptr[0] == '\t' ||
	    line.ptr[colon - 1] == ' ' || line.ptr[colon - 1] == '\t')
		return BAD;
	if (same_word(name, STR("transfer-encoding")))
		return head->post ? LENGTH : BODY;
	if (same_word(name, STR("content-length")))
		return read_length(value, head->post ? HTTP_BODY_BYTES_MOST : 0, length);
	if (same_word(name, STR("host")))
		return keep_once(&head->host, value);
	if (same_word(name, STR("authorization")))
		return keep_once(&head->authorization, value);
	if (same_word(name, STR("if-none-match")))
		return keep_once(&head->if_none_match, value);
	if (same_word(name, STR("last-event-id")))
		return keep_once(&head->last_event_id, value);
	if (same_word(name, STR("connection"))) {
		if (has_word(value, STR("close")))
			head->keep_alive = false;
		else if (has_word(value, STR("keep-alive")))
			head->keep_alive = true;
	}
	return DONE;
}

int http_head_parse(struct str bytes, struct http_head *head, size_t *taken)
{
	size_t len = head_length(bytes);
	struct str rest = str_of(bytes.ptr, len), line;
	int64_t length = -1; /* not said */
	unsigned count = 0;
	int status;

	*head = (struct http_head){ .head_only = false };
	*taken = len;
	if (len > HTTP_HEAD_BYTES_MOST || (len == 0 && bytes.len > HTTP_HEAD_BYTES_MOST))
		return memchr(bytes.ptr, '\r', HTTP_HEAD_BYTES_MOST) ? LARGE : LONG_LINE;
	if (len == 0)
		return MORE;
	if (!take_line(&rest, &line))
		return BAD;
	status = read_request_line(line, head);
	while (status == DONE && rest.len > 2) {
		if (++count > HTTP_HEADERS_MOST)
			return LARGE;
		status = take_line(&rest, &line) ? read_header(line, head, &length) : BAD;
	}
	if (status != DONE || length <= 0)
		return status;
	if (bytes.len - len < (size_t)length)
		return MORE;
	head->body = str_of(bytes.ptr + len, (size_t)length);
	*taken += head->body.len;
	return DONE;
}

bool http_tag_matches(struct str if_none_match, struct str tag)
{
	struct str rest = if_none_match;

	while (rest.ptr) {
		struct str one = trim(str_split(&rest, ','));

		if (str_starts(one, STR("W/")))
			one = str_from(one, 2);
		if (str_eq(one, tag) || str_eq(one, STR("*")))
			return true;
	}
	return false;
}
