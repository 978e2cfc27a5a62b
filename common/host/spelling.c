/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Levenshtein distance, one row at a time; names longer than the row are never
 * offered as near.
 */
#include "common/host/spelling.h"

#define NAME_MOST 64

static size_t least_of(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static size_t distance(struct str a, struct str b)
{
	size_t row[NAME_MOST + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 0; i < a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < b.len; j++) {
			size_t above = row[j + 1];

			row[j + 1] =
				least_of(above + 1, row[j] + 1, diagonal + (a.ptr[i] != b.ptr[j]));
			diagonal = above;
		}
	}
	return row[b.len];
}

struct spelling spelling_of(struct str word)
{
	/* Up to a third of the letters may differ. */
	return (struct spelling){ .word = word, .distance = word.len / 3 + 1 };
}

void spelling_try(struct spelling *near, struct str name)
{
	size_t found;

	if (near->word.len > NAME_MOST || name.len > NAME_MOST)
		return;
	found = distance(near->word, name);
	if (found < near->distance) {
		near->distance = found;
		near->best = name;
	}
}
