/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines are formed in a fixed buffer under one lock and leave in one
 * write(2). Nothing here takes memory or can fail: a value that is too long ends
 * in "...", a field for which there is no room is left out and the line says
 * cut=true, bytes that are not UTF-8 become U+FFFD.
 */
#include "common/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/limits.h"
#include "common/base/timestamp.h"

#define WORKER_BYTES 64
#define TAIL_BYTES 16 /* for what ends a line: cut, a brace, the newline */

struct line {
	char text[LOG_LINE_BYTES];
	size_t len;
	enum log_format format;
	bool full; /* something did not fit */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int least_level = LOG_INFO;
static enum log_format line_format = LOG_LOGFMT;
static char worker_name[WORKER_BYTES];
static size_t worker_len;

static void put(struct line *line, struct str s)
{
	if (s.len > LOG_LINE_BYTES - TAIL_BYTES - line->len) {
		line->full = true;
		return;
	}
	if (s.len)
		memcpy(line->text + line->len, s.ptr, s.len);
	line->len += s.len;
}

/* The letter that stands for the byte after a backslash, or 0. */
static char short_escape(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\': return (char)c;
	case '\n': return 'n';
	case '\r': return 'r';
	case '\t': return 't';
	default: return 0;
	}
}

/* Cuts one character off the front and writes it as JSON text; at most six bytes. */
static size_t escape_front(struct str *rest, char out[6])
{
	static const char hex_digits[] = "0123456789abcdef";
	struct str whole = *rest;
	size_t len = str_utf8_front(whole);
	unsigned char c = (unsigned char)whole.ptr[0];
	char letter = short_escape(c);

	*rest = str_from(whole, len ? len : 1);
	if (len == 0) {
		memcpy(out, "\\ufffd", 6);
		return 6;
	}
	if (letter) {
		out[0] = '\\';
		out[1] = letter;
		return 2;
	}
	if (c < 0x20 || c == 0x7f) {
		memcpy(out, "\\u00", 4);
		out[4] = hex_digits[c >> 4];
		out[5] = hex_digits[c & 15];
		return 6;
	}
	memcpy(out, whole.ptr, len);
	return len;
}

static void put_quoted(struct line *line, struct str s)
{
	size_t written = 0;

	put(line, STR("\""));
	while (s.len > 0) {
		char text[6];
		size_t len = escape_front(&s, text);

		written += len;
		if (written > LOG_VALUE_BYTES) {
			put(line, STR("..."));
			break;
		}
		put(line, str_of(text, len));
	}
	put(line, STR("\""));
}

/* May the value stand in logfmt without quotes? */
static bool is_bare(struct str s)
{
	if (s.len == 0 || s.len > LOG_VALUE_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
			return false;
	}
	return str_is_utf8(s);
}

static void put_name(struct line *line, const char *name)
{
	bool json = line->format == LOG_JSON;

	if (line->len)
		put(line, json ? STR(",\"") : STR(" "));
	else if (json)
		put(line, STR("{\""));
	put(line, str_from_c(name));
	put(line, json ? STR("\":") : STR("="));
}

/* Puts a whole field, or none of it where there is no room. */
static void put_str(struct line *line, const char *name, struct str value)
{
	size_t before = line->len;

	if (line->full)
		return;
	put_name(line, name);
	if (line->format == LOG_LOGFMT && is_bare(value))
		put(line, value);
	else
		put_quoted(line, value);
	if (line->full)
		line->len = before;
}

static void put_int(struct line *line, const char *name, int64_t value)
{
	size_t before = line->len;
	char text[20];

	if (line->full)
		return;
	put_name(line, name);
	put(line, str_of(text, i64_to_text(value, text)));
	if (line->full)
		line->len = before;
}

static void begin(struct line *line, int64_t now_ms, enum log_level level, const char *event)
{
	static const char *const level_names[] = { "debug", "info", "warn", "error" };
	char ts[24];

	line->len = 0;
	line->full = false;
	line->format = line_format;
	put_str(line, "ts", str_of(ts, timestamp_format(now_ms, ts)));
	put_str(line, "level", str_from_c(level_names[level]));
	put_str(line, "event", str_from_c(event));
	if (worker_len)
		put_str(line, "worker", str_of(worker_name, worker_len));
}

static void end_and_write(struct line *line)
{
	bool json = line->format == LOG_JSON;
	struct str cut = json ? STR(",\"cut\":true") : STR(" cut=true");
	struct str tail = json ? STR("}\n") : STR("\n");
	size_t done = 0;

	if (line->full) {
		memcpy(line->text + line->len, cut.ptr, cut.len);
		line->len += cut.len;
	}
	memcpy(line->text + line->len, tail.ptr, tail.len);
	line->len += tail.len;
	while (done < line->len) { /* once round, but for signals and full terminals */
		ssize_t n = write(STDERR_FILENO, line->text + done, line->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

/* Counts the line at its site; false where it is one too many. Tells what was left out. */
static bool may_write(struct log_site *site, struct line *line, int64_t now_ms,
                      enum log_level level, const char *event)
{
	int64_t second = now_ms / MS_PER_SECOND;

	if (site->second != second) {
		if (site->dropped) {
			begin(line, now_ms, level, "log_limited");
			put_str(line, "limited", str_from_c(event));
			put_int(line, "left_out", site->dropped);
			end_and_write(line);
		}
		*site = (struct log_site){ .second = second };
	}
	if (site->count >= LOG_PER_SECOND) {
		site->dropped++;
		return false;
	}
	site->count++;
	return true;
}

void log_configure(enum log_level least, enum log_format format, struct str worker)
{
	pthread_mutex_lock(&lock);
	atomic_store(&least_level, (int)least);
	line_format = format;
	worker_len = worker.len < WORKER_BYTES ? worker.len : WORKER_BYTES;
	if (worker_len)
		memcpy(worker_name, worker.ptr, worker_len);
	pthread_mutex_unlock(&lock);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void log_write(struct log_site *site, enum log_level level, const char *event,
               const struct log_field *fields)
{
	static struct line line; /* under the lock */
	int errno_before = errno;
	struct timespec now;
	int64_t now_ms;

	pthread_mutex_lock(&lock);
	clock_gettime(CLOCK_REALTIME, &now);
	now_ms = (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / 1000000;
	if (may_write(site, &line, now_ms, level, event)) {
		begin(&line, now_ms, level, event);
		for (; fields->name; fields++) {
			if (fields->kind == LOG_FIELD_STR)
				put_str(&line, fields->name, fields->text);
			else
				put_int(&line, fields->name, fields->number);
		}
		end_and_write(&line);
	}
	pthread_mutex_unlock(&lock);
	errno = errno_before;
}
