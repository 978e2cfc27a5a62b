/* SPDX-License-Identifier: Apache-2.0 */
#include "services/tallyctl/words.h"

#include "common/base/limits.h"
#include "common/base/timestamp.h"

#define KEY_PARTS_MOST 4 /* of them are ids: a board's key has the most */

struct rc words_check(struct str word)
{
	if (word.len == 0)
		return rc_fail(RC_USAGE, "an empty word: an id or a key is needed");
	if (word.len > KEY_PARTS_MOST * LIMIT_ID_BYTES)
		return rc_fail(RC_USAGE, "a word of %zu bytes: no id or key is longer than %d",
		               word.len, KEY_PARTS_MOST * LIMIT_ID_BYTES);
	if (!str_is_utf8(word))
		return rc_fail(RC_USAGE, "a word that is not UTF-8: no id or key is like that");
	for (size_t i = 0; i < word.len; i++)
		if ((unsigned char)word.ptr[i] < ' ' || word.ptr[i] == 0x7f)
			return rc_fail(RC_USAGE, "a word with control characters: no id or key "
			                         "has any");
	return OK;
}

/* PERIOD_KINDS: it is none. */
static enum period_kind kind_of(struct str word)
{
	int64_t year;
	int32_t first;

	if (word.len < 4 || !str_to_i64(str_of(word.ptr, 4), &year) || year < 1 || year > 9998)
		return PERIOD_KINDS;
	first = days_from_civil((struct civil_date){ (int32_t)year, 1, 1 });
	for (enum period_kind kind = PERIOD_DAY; kind < PERIOD_KINDS; kind++)
		for (int32_t day = first - 4; day < first + 371; day++) {
			struct period_name name = period_of(kind, day);

			if (str_eq(period_str(&name), word))
				return kind;
		}
	return PERIOD_KINDS;
}

struct rc words_period(struct str word, enum period_kind *out)
{
	TRY(words_check(word));
	*out = kind_of(word);
	if (*out != PERIOD_KINDS)
		return OK;
	return rc_fail(RC_USAGE,
	               "%.*s: no period; write 2026-03-05, 2026-W10, 2026-03, 2026-Q1 or 2026",
	               STR_ARG(word));
}

struct rc words_id_period(struct str rest, struct str *id, struct str *period,
                          enum period_kind *kind)
{
	size_t at = rest.len;

	while (at > 0 && rest.ptr[at - 1] != ':')
		at--;
	if (at < 2)
		return rc_fail(RC_USAGE, "a key ends in an id and a period, as in %s",
		               "sales:payee:p-1:2026-03");
	*id = str_of(rest.ptr, at - 1);
	*period = str_from(rest, at);
	return words_period(*period, kind);
}
