/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No getopt_long: it keeps global state, reorders argv and reports in words of
 * its own. A value may begin with a dash ("--set kafka.x=-1", "--timeout -1").
 */
#include "common/host/args.h"

#include "common/host/spelling.h"

#define HELP_COLUMN 32

void args_init(struct args *args, int argc, char *const *argv, const struct flag *const *lists)
{
	*args = (struct args){ .count = argc, .texts = argv, .at = 1, .lists = lists };
}

static const struct flag *find_flag(const struct flag *const *lists, struct str name)
{
	for (; *lists; lists++)
		for (const struct flag *flag = *lists; flag->name; flag++)
			if (str_eq_c(name, flag->name))
				return flag;
	return NULL;
}

static struct rc unknown(const struct args *args, struct str name)
{
	struct spelling near = spelling_of(name);

	for (const struct flag *const *list = args->lists; *list; list++)
		for (const struct flag *flag = *list; flag->name; flag++)
			spelling_try(&near, str_from_c(flag->name));
	if (near.best.ptr)
		return rc_fail(RC_USAGE, "%.*s: no such flag; did you mean %.*s?", STR_ARG(name),
		               STR_ARG(near.best));
	return rc_fail(RC_USAGE, "%.*s: no such flag; see --help", STR_ARG(name));
}

static struct rc take_flag(struct args *args, struct str text, struct arg *out)
{
	size_t equals = str_find(text, '=');
	struct str name = str_of(text.ptr, equals);

	out->kind = ARG_FLAG;
	out->flag = find_flag(args->lists, name);
	out->text = NULL;
	if (!out->flag)
		return unknown(args, name);
	if (!out->flag->value_name) {
		if (equals < text.len)
			return rc_fail(RC_USAGE, "%s takes no value", out->flag->name);
		return OK;
	}
	if (equals < text.len) {
		out->text = text.ptr + equals + 1;
		return OK;
	}
	if (args->at >= args->count)
		return rc_fail(RC_USAGE, "%s needs a value: %s %s", out->flag->name,
		               out->flag->name, out->flag->value_name);
	out->text = args->texts[args->at++];
	return OK;
}

struct rc args_next(struct args *args, struct arg *out)
{
	*out = (struct arg){ .kind = ARG_END };
	while (args->at < args->count) {
		struct str text = str_from_c(args->texts[args->at++]);

		if (!args->only_words && str_eq(text, STR("--"))) {
			args->only_words = true;
			continue;
		}
		if (!args->only_words && text.len > 1 && text.ptr[0] == '-')
			return take_flag(args, str_eq(text, STR("-h")) ? STR("--help") : text, out);
		*out = (struct arg){ .kind = ARG_WORD, .text = text.ptr };
		return OK;
	}
	return OK;
}

void args_help(const struct flag *flags, struct buf *out)
{
	for (; flags->name; flags++) {
		size_t start = out->len;

		buf_printf(out, "  %s%s%s", flags->name, flags->value_name ? " " : "",
		           flags->value_name ? flags->value_name : "");
		do
			buf_put_char(out, ' ');
		while (out->len - start < HELP_COLUMN);
		buf_printf(out, "%s\n", flags->words);
	}
}
