/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the head of an HTTP/1.x request: the request line and the few headers that
 * our pages and API look at (RFC 9112). Requests with a body are refused, since
 * nothing here takes one.
 *
 * A pure function over the bytes that came so far; everything in the head is
 * borrowed from them. What is not well formed has a status, never a guess: a bare
 * line feed, white space before a colon and folded headers are refused.
 */
#ifndef TALLY_ADAPTERS_HTTP_HEAD_H
#define TALLY_ADAPTERS_HTTP_HEAD_H

#include "common/base/str.h"

#define HTTP_HEAD_BYTES_MOST 8192
#define HTTP_HEADERS_MOST 64

struct http_head {
	bool head_only;                 /* HEAD */
	bool keep_alive;                /* the client wants to go on */
	struct str path, query;         /* as sent; query absent: there was none */
	struct str host, authorization; /* absent: not sent */
	struct str if_none_match, last_event_id;
};

/* Takes the head off the front: *taken bytes. 0: more is needed; 200: done; another: the status to
 * answer with before closing (400, 405, 413, 414, 431, 505). */
int http_head_parse(struct str bytes, struct http_head *, size_t *taken);

/* Does the value of If-None-Match name this tag (with its quotes)? Weak comparison. */
bool http_tag_matches(struct str if_none_match, struct str tag);

#endif
