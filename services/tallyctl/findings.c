/* SPDX-License-Identifier: Apache-2.0 */
#include "services/tallyctl/findings.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES 2048

void findings_init(struct findings *f)
{
	*f = (struct findings){ .error_count = 0 };
	buf_init(&f->errors, NULL);
	buf_init(&f->warnings, NULL);
}

void findings_release(struct findings *f)
{
	buf_release(&f->errors);
	buf_release(&f->warnings);
}

static void add(struct buf *out, unsigned *count, struct str where, const char *format,
                va_list args)
{
	char line[LINE_BYTES];

	if ((*count)++ >= FINDINGS_MOST)
		return;
	vsnprintf(line, sizeof(line), format, args);
	if (where.len) {
		buf_put(out, where);
		buf_put_lit(out, ": ");
	}
	buf_put(out, str_from_c(line));
	buf_put_char(out, '\n');
}

void findings_error(struct findings *f, struct str where, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(&f->errors, &f->error_count, where, format, args);
	va_end(args);
}

void findings_warning(struct findings *f, struct str where, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(&f->warnings, &f->warning_count, where, format, args);
	va_end(args);
}

static void print(const struct buf *lines, unsigned count, const char *word)
{
	struct str rest = buf_str(lines);

	while (rest.len) {
		struct str line = str_split(&rest, '\n');

		fprintf(stderr, "%s: %.*s\n", word, STR_ARG(line));
	}
	if (count > FINDINGS_MOST)
		fprintf(stderr, "%s: %u more like these\n", word, count - FINDINGS_MOST);
}

void findings_print(const struct findings *f)
{
	print(&f->warnings, f->warning_count, "warning");
	print(&f->errors, f->error_count, "error");
}
