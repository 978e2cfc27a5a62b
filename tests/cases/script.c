/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/cases/script.h"

#include <stdio.h>

#include "common/base/buf.h"

#define CASES_MOST 200
#define LINES_MOST 200

struct reader {
	const char *path;
	struct script *out;
	struct script_line common[LINES_MOST];
	unsigned common_count;
};

static struct rc read_file(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "r");
	char bytes[4096];
	size_t len;

	if (!file)
		return rc_fail(RC_NOT_FOUND, "%s cannot be opened", path);
	while ((len = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buf_put(text, str_of(bytes, len));
	fclose(file);
	return OK;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next line with those that go on with it, or an absent str. */
static struct str next_line(struct reader *r, struct str *rest, unsigned *number)
{
	struct buf line;

	if (!rest->ptr)
		return str_of(NULL, 0);
	buf_init(&line, &r->out->memory);
	buf_put(&line, str_split(rest, '\n'));
	++*number;
	while (rest->len > 0 && is_blank(rest->ptr[0])) {
		struct str more = str_split(rest, '\n');

		while (more.len > 0 && is_blank(more.ptr[0]))
			more = str_from(more, 1);
		buf_put_char(&line, ' ');
		buf_put(&line, more);
		++*number;
	}
	return buf_str(&line);
}

static struct rc split_words(struct reader *r, struct str text, struct script_line *line)
{
	while (text.len > 0) {
		if (is_blank(text.ptr[0])) {
			text = str_from(text, 1);
			continue;
		}
		if (text.ptr[0] == '{' || text.ptr[0] == '[') {
			line->json = text;
			return OK;
		}
		if (line->word_count == SCRIPT_WORDS)
			return rc_fail(RC_DATA, "%s:%u: too many words", r->path, line->number);
		line->words[line->word_count++] = str_split(&text, ' ');
	}
	return OK;
}

static struct script_case *new_case(struct reader *r, struct str name, unsigned number)
{
	struct script *s = r->out;
	struct script_case *c;

	if (s->case_count == CASES_MOST)
		return NULL;
	c = &s->cases[s->case_count++];
	*c = (struct script_case){ .name = name, .number = number };
	c->lines = arena_zalloc(&s->memory, LINES_MOST * sizeof(*c->lines));
	memcpy(c->lines, r->common, r->common_count * sizeof(*c->lines));
	c->line_count = r->common_count;
	return c;
}

static struct rc add_line(struct reader *r, enum line_kind kind, struct str text, unsigned number)
{
	struct script *s = r->out;
	struct script_case *c = s->case_count ? &s->cases[s->case_count - 1] : NULL;
	unsigned *count = c ? &c->line_count : &r->common_count;
	struct script_line *line = c ? &c->lines[*count] : &r->common[*count];

	if (!c && kind != LINE_GIVEN)
		return rc_fail(RC_DATA, "%s:%u: before the first case only given", r->path, number);
	if (*count == LINES_MOST)
		return rc_fail(RC_DATA, "%s:%u: too many lines in a case", r->path, number);
	++*count;
	*line = (struct script_line){ .kind = kind, .number = number };
	return split_words(r, text, line);
}

static struct rc read_line(struct reader *r, struct str text, unsigned number)
{
	static const struct {
		struct str word;
		enum line_kind kind;
	} kinds[] = { { STR_INIT("given "), LINE_GIVEN },
		      { STR_INIT("when "), LINE_WHEN },
		      { STR_INIT("then "), LINE_THEN } };

	if (text.len == 0 || text.ptr[0] == '#')
		return OK;
	if (str_starts(text, STR("case ")))
		return new_case(r, str_from(text, 5), number)
		               ? OK
		               : rc_fail(RC_DATA, "%s:%u: too many cases", r->path, number);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_starts(text, kinds[i].word))
			return add_line(r, kinds[i].kind, str_from(text, kinds[i].word.len),
			                number);
	return rc_fail(RC_DATA, "%s:%u: neither case, given, when nor then", r->path, number);
}

struct rc script_read(const char *path, struct script *out)
{
	struct reader reader = { .path = path, .out = out };
	unsigned number = 0;
	struct buf text;
	struct str rest;

	*out = (struct script){ 0 };
	arena_init(&out->memory, 65536);
	out->cases = arena_zalloc(&out->memory, CASES_MOST * sizeof(*out->cases));
	buf_init(&text, &out->memory);
	TRY(read_file(path, &text));
	rest = buf_str(&text);
	while (rest.ptr) {
		struct str line = next_line(&reader, &rest, &number);

		TRY(read_line(&reader, line, number));
	}
	if (out->case_count == 0)
		return rc_fail(RC_DATA, "%s has no case", path);
	return OK;
}

void script_release(struct script *s)
{
	arena_release(&s->memory);
}

struct str line_word(const struct script_line *line, unsigned index)
{
	return index < line->word_count ? line->words[index] : str_of(NULL, 0);
}

struct str line_after(const struct script_line *line, const char *word)
{
	for (unsigned i = 0; i + 1 < line->word_count; i++)
		if (str_eq_c(line->words[i], word))
			return line->words[i + 1];
	return str_of(NULL, 0);
}
