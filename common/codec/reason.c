/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of the reasons, from the one list in reason.h. Nothing can fail; a
 * value outside the enum is a bug.
 */
#include "common/codec/reason.h"

#include "common/base/must.h"

#define REASON_CODE(name, code, words, heals) [name] = code,
static const char *const codes[] = { REASONS(REASON_CODE) };
#undef REASON_CODE

#define REASON_WORDS(name, code, words, heals) [name] = words,
static const char *const words_of[] = { REASONS(REASON_WORDS) };
#undef REASON_WORDS

#define REASON_HEALS(name, code, words, heals) [name] = heals,
static const char *const healings[] = { REASONS(REASON_HEALS) };
#undef REASON_HEALS

const char *reason_code(enum reason reason)
{
	must((unsigned)reason < REASON_COUNT);
	return codes[reason];
}

const char *reason_words(enum reason reason)
{
	must((unsigned)reason < REASON_COUNT);
	return words_of[reason];
}

const char *reason_healing(enum reason reason)
{
	must((unsigned)reason < REASON_COUNT);
	return healings[reason];
}

enum reason reason_find(struct str code)
{
	for (unsigned i = REASON_NONE + 1; i < REASON_COUNT; i++)
		if (str_eq_c(code, codes[i]))
			return (enum reason)i;
	return REASON_NONE;
}
