/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on stderr, one a line, logfmt or JSON, written whole.
 *
 * A line has an event name from a closed set (snake_case literal), a level, the
 * worker, and fields. Fields are given as a list that ends with LOG_END:
 *     log_info("shard_claimed", LOG_STR("topic", topic), LOG_INT("partition", p), LOG_END);
 * Never put personal data or payloads in a field. Thread-safe; never fails. Each
 * call site is limited to LOG_PER_SECOND lines a second (then one line says how
 * many were left out).
 */
#ifndef TALLY_BASE_LOG_H
#define TALLY_BASE_LOG_H

#include "common/base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
	const char *name; /* NULL ends the list */
	enum { LOG_FIELD_STR, LOG_FIELD_INT } kind;
	struct str text;
	int64_t number;
};

#define LOG_STR(n, s) ((struct log_field){ .name = (n), .kind = LOG_FIELD_STR, .text = (s) })
#define LOG_TEXT(n, c) LOG_STR(n, str_from_c(c))
#define LOG_INT(n, i) \
	((struct log_field){ .name = (n), .kind = LOG_FIELD_INT, .number = (int64_t)(i) })
#define LOG_END ((struct log_field){ .name = NULL })

struct log_site {
	int64_t second;
	unsigned count, dropped;
};

void log_configure(enum log_level least, enum log_format, struct str worker);
bool log_enabled(enum log_level);
void log_write(struct log_site *, enum log_level, const char *event,
               const struct log_field *fields);

#define log_at(level, event, ...)                                             \
	do {                                                                  \
		static struct log_site site_;                                 \
		if (log_enabled(level))                                       \
			log_write(&site_, (level), (event),                   \
			          (const struct log_field[]){ __VA_ARGS__ }); \
	} while (0)
#define log_debug(event, ...) log_at(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_at(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_at(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_at(LOG_ERROR, event, __VA_ARGS__)

#endif
