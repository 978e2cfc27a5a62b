/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "*3\r\n$3\r\nSET\r\n..." : on the path of every Redis value, so an argument costs
 * one growth check and two copies.
 */
#include "common/adapters/redis_command.h"

#define HEAD_ROOM 24     /* "*", 20 digits, CR LF */
#define ARGUMENT_ROOM 27 /* "$", 20 digits, CR LF, CR LF, and the rest to spare */

void command_begin(struct command *c, struct buf *buf)
{
	buf_grow(buf, HEAD_ROOM);
	*c = (struct command){ .buf = buf, .start = buf->len };
	buf->len += HEAD_ROOM;
}

void command_begin_counted(struct command *c, struct buf *buf, unsigned count)
{
	char *at;

	buf_grow(buf, HEAD_ROOM);
	*c = (struct command){ .buf = buf, .start = buf->len };
	at = buf->ptr + buf->len;
	*at++ = '*';
	at += i64_to_text(count, at);
	*at++ = '\r';
	*at++ = '\n';
	buf->len = (size_t)(at - buf->ptr);
}

/* Room for an argument, and its length in front. */
static char *argument_head(struct command *c, size_t len)
{
	struct buf *b = c->buf;
	char *at;

	if (b->room - b->len < len + ARGUMENT_ROOM)
		buf_grow(b, len + ARGUMENT_ROOM);
	at = b->ptr + b->len;
	*at++ = '$';
	if (len < 10)
		*at++ = (char)('0' + len);
	else
		at += i64_to_text((int64_t)len, at);
	*at++ = '\r';
	*at++ = '\n';
	c->count++;
	return at;
}

static void argument_tail(struct command *c, char *at)
{
	*at++ = '\r';
	*at++ = '\n';
	c->buf->len = (size_t)(at - c->buf->ptr);
}

void command_add(struct command *c, struct str argument)
{
	char *at = argument_head(c, argument.len);

	if (argument.len)
		memcpy(at, argument.ptr, argument.len);
	argument_tail(c, at + argument.len);
}

static char *put_part(char *at, struct str part)
{
	if (part.len)
		memcpy(at, part.ptr, part.len);
	return at + part.len;
}

void command_add_joined(struct command *c, struct str a, struct str b, struct str more)
{
	char *at = argument_head(c, a.len + b.len + more.len);

	argument_tail(c, put_part(put_part(put_part(at, a), b), more));
}

void command_add_i64(struct command *c, int64_t number)
{
	char text[20];

	command_add(c, str_of(text, i64_to_text(number, text)));
}

void command_end(struct command *c)
{
	char head[HEAD_ROOM];
	size_t len = 1;

	head[0] = '*';
	len += i64_to_text((int64_t)c->count, head + 1);
	head[len++] = '\r';
	head[len++] = '\n';
	c->start += HEAD_ROOM - len;
	memcpy(c->buf->ptr + c->start, head, len);
	c->end = c->buf->len;
}

struct str command_text(const struct command *c)
{
	return str_of(c->buf->ptr + c->start, c->end - c->start);
}
