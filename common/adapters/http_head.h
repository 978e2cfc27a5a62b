/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an HTTP/1.x request: the request line, the few headers that our pages and API
 * look at (RFC 9112), and the small body that a POST may have. It must say its length;
 * other requests with a body are refused.
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
#define HTTP_BODY_BYTES_MOST 4096

struct http_head {
	bool head_only;                 /* HEAD */
	bool post;                      /* POST; neither: GET */
	bool keep_alive;                /* the client wants to go on */
	struct str path, query;         /* as sent; query absent: there was none */
	struct str host, authorization; /* absent: not sent */
	struct str if_none_match, last_event_id;
	struct str body; /* of a POST; absent: none */
};

/* Takes the request off the front: *taken bytes. 0: more is needed; 200: done; another: the status
 * to answer with before closing (400, 405, 411, 413, 414, 431, 505). */
int http_head_parse(struct str bytes, struct http_head *, size_t *taken);

/* Does the value of If-None-Match name this tag (with its quotes)? Weak comparison. */
bool http_tag_matches(struct str if_none_match, struct str tag);

#endif
