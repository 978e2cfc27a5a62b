/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of an operation that can fail for reasons outside the program.
 *
 * A struct, so that it can neither be ignored nor taken for a number. Bugs use
 * must(); bad messages use struct verdict / reason codes; this is for the rest
 * (network, files, configuration). The text of the last failure of this thread,
 * with what each caller added, is in rc_text().
 */
#ifndef TALLY_BASE_RC_H
#define TALLY_BASE_RC_H

#include <stdbool.h>

/* code, words, sysexits value */
#define RC_CODES(X)                                                        \
	X(RC_OK, "ok", 0)                                                  \
	X(RC_USAGE, "wrong use of the command line", 64)                   \
	X(RC_DATA, "input data is not valid", 65)                          \
	X(RC_NOT_FOUND, "not found", 66)                                   \
	X(RC_UNAVAILABLE, "a service is not available", 69)                \
	X(RC_BUG, "internal error", 70)                                    \
	X(RC_OS, "the operating system refused", 71)                       \
	X(RC_IO, "reading or writing failed", 74)                          \
	X(RC_TRY_AGAIN, "not now, try again", 75)                          \
	X(RC_PROTOCOL, "the other side answered something unexpected", 76) \
	X(RC_REFUSED, "refused; an operator has to decide", 77)            \
	X(RC_CONFIG, "the configuration is not valid", 78)

#define RC_ENUM(code, words, exit) code,
enum rc_code { RC_CODES(RC_ENUM) };
#undef RC_ENUM

/* Clang takes the gcc-style attribute on a type, gcc only the one of C2x. */
#ifdef __clang__
struct __attribute__((warn_unused_result)) rc {
	enum rc_code code;
};
#else
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
struct [[nodiscard]] rc {
	enum rc_code code;
};
#pragma GCC diagnostic pop
#endif

#define OK ((struct rc){ RC_OK })
#define TRY(call)                       \
	do {                            \
		struct rc rc_ = (call); \
		if (rc_.code != RC_OK)  \
			return rc_;     \
	} while (0)

static inline bool rc_ok(struct rc rc)
{
	return rc.code == RC_OK;
}

/* Fails with words for a person; replaces this thread's text. */
struct rc rc_fail(enum rc_code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "<words>: " before this thread's text and passes the code on. */
struct rc rc_within(struct rc, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* This thread's last failure in words ("" if none). */
const char *rc_text(void);
const char *rc_code_text(enum rc_code);
/* The exit status of sysexits(3) for a code. */
int rc_exit_status(struct rc);

#endif
