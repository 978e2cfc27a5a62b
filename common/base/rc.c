/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of failures, one text a thread, cut at RC_TEXT_BYTES. A text is
 * formed aside first, since its arguments may well be rc_text() itself.
 */
#include "common/base/rc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/limits.h"
#include "common/base/must.h"

#define RC_WORDS(code, words, exit) [code] = words,
static const char *const code_words[] = { RC_CODES(RC_WORDS) };
#undef RC_WORDS

#define RC_EXIT(code, words, exit) [code] = (exit),
static const int exit_statuses[] = { RC_CODES(RC_EXIT) };
#undef RC_EXIT

#define RC_COUNT (sizeof(exit_statuses) / sizeof(exit_statuses[0]))

static _Thread_local char last_text[RC_TEXT_BYTES];

struct rc rc_fail(enum rc_code code, const char *format, ...)
{
	char text[RC_TEXT_BYTES];
	va_list args;

	must(code > RC_OK && code < RC_COUNT);
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	memcpy(last_text, text, sizeof(text));
	return (struct rc){ code };
}

struct rc rc_within(struct rc rc, const char *format, ...)
{
	char text[RC_TEXT_BYTES];
	va_list args;
	size_t len, more;

	if (rc_ok(rc))
		return rc;
	va_start(args, format);
	vsnprintf(text, sizeof(text) - 2, format, args);
	va_end(args);
	len = strlen(text);
	text[len++] = ':';
	text[len++] = ' ';
	more = strlen(last_text);
	if (more > sizeof(text) - 1 - len)
		more = sizeof(text) - 1 - len;
	memcpy(text + len, last_text, more);
	text[len + more] = '\0';
	memcpy(last_text, text, len + more + 1);
	return rc;
}

const char *rc_text(void)
{
	return last_text;
}

const char *rc_code_text(enum rc_code code)
{
	must(code < RC_COUNT);
	return code_words[code];
}

int rc_exit_status(struct rc rc)
{
	must(rc.code < RC_COUNT);
	return exit_statuses[rc.code];
}
