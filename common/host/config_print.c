/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A librdkafka property is taken for a secret by its name: too many are masked
 * rather than one too few.
 */
#include "common/host/config_print.h"

#include <stdio.h>
#include <string.h>

#include "common/host/json.h"

#define MASK "********"

/* Writes the value with its secret parts masked; true where there were any. */
static bool put_masked(const struct option *option, const char *text, struct buf *out)
{
	const char *start = strstr(text, "://"), *at = start ? strrchr(start, '@') : NULL;
	const char *colon = at ? memchr(start + 3, ':', (size_t)(at - start - 3)) : NULL;

	if (option->type == OPTION_SECRET && *text) {
		buf_put_lit(out, MASK);
		return true;
	}
	if (option->type == OPTION_URL && colon) {
		buf_put(out, str_of(text, (size_t)(colon - text) + 1));
		buf_put_lit(out, MASK);
		buf_put(out, str_from_c(at));
		return true;
	}
	buf_put(out, str_from_c(text));
	return false;
}

bool config_is_secret(const char *name)
{
	static const char *const parts[] = { "password", "secret",    "token",      "pem",
		                             "private",  "sasl.jaas", "credential", "oauthbearer" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strstr(name, parts[i]))
			return true;
	return false;
}

static void put_line(struct buf *out, const char *name, const char *prefix, struct str value,
                     bool masked)
{
	buf_printf(out, "%s%s%s = %.*s\n", masked ? "# masked: " : "", prefix, name,
	           STR_ARG(value));
}

void config_print(const struct config *config, struct buf *out)
{
	struct buf value;

	buf_init(&value, NULL);
	for (int i = 0; options[i].name; i++) {
		const struct config_value *given = &config->values[i];
		bool masked;

		buf_clear(&value);
		masked = put_masked(&options[i], given->text, &value);
		if (strcmp(given->from, "default") != 0)
			buf_printf(out, "# from %s\n", given->from);
		put_line(out, options[i].name, "", buf_str(&value), masked);
	}
	for (unsigned i = 0; i < config->kafka_count; i++) {
		const struct kafka_property *property = &config->kafka[i];
		bool masked = config_is_secret(property->name) && !config_is_secret_file(config, i);

		buf_printf(out, "# from %s\n", config->kafka_from[i]);
		put_line(out, property->name, "kafka.",
		         masked ? STR(MASK) : str_from_c(property->value), masked);
	}
	buf_release(&value);
}

static void put_object(struct json *j, const char *prefix, const char *name, struct str value,
                       const char *from)
{
	char key[256];

	snprintf(key, sizeof(key), "%s%s", prefix, name);
	json_name(j, key);
	json_open(j, '{');
	json_put_str(j, "value", value);
	json_put_text(j, "from", from);
	json_close(j, '}');
}

void config_print_json(const struct config *config, struct buf *out)
{
	struct json j = json_to(out);
	struct buf value;

	buf_init(&value, NULL);
	json_open(&j, '{');
	for (int i = 0; options[i].name; i++) {
		buf_clear(&value);
		put_masked(&options[i], config->values[i].text, &value);
		put_object(&j, "", options[i].name, buf_str(&value), config->values[i].from);
	}
	for (unsigned i = 0; i < config->kafka_count; i++) {
		const struct kafka_property *property = &config->kafka[i];
		bool masked = config_is_secret(property->name) && !config_is_secret_file(config, i);

		put_object(&j, "kafka.", property->name,
		           masked ? STR(MASK) : str_from_c(property->value), config->kafka_from[i]);
	}
	json_close(&j, '}');
	buf_put_char(out, '\n');
	buf_release(&value);
}

static const char document_head[] =
	"# Configuration\n"
	"\n"
	"Generated from the table in common/host/option.c by `tallyctl --print-docs config`: "
	"change "
	"that, not this.\n"
	"\n"
	"All programs share these options. A flag comes before the environment, that before the "
	"file "
	"(`--config FILE` or `TALLY_CONFIG`), that before the default. `redis.url`, for example, "
	"is\n"
	"\n"
	"- `--redis-url URL`, or `--set redis.url=URL`, on the command line,\n"
	"- `TALLY_REDIS_URL` in the environment,\n"
	"- `redis.url = URL` in the file: a line each, `#` begins a comment line.\n"
	"\n"
	"`--check-config` names every fault with its place and ends with status 78; "
	"`--print-config` "
	"prints what is in force and where it came from, secrets masked. Durations are "
	"milliseconds, "
	"or take a unit: `250ms`, `10s`, `5m`, `1h`.\n"
	"\n"
	"`kafka.NAME = VALUE` (`TALLY_KAFKA_NAME`) goes to librdkafka as it is, for example "
	"`kafka.security.protocol = SASL_SSL`. What the commit protocol stands on cannot be set "
	"that "
	"way: isolation level, commits, assignment strategy, idempotence. A secret can be in a "
	"file: "
	"`kafka.sasl.password.file = FILE` (`TALLY_KAFKA_SASL_PASSWORD_FILE`) reads "
	"`kafka.sasl.password` from it, and so for every property that is one.\n"
	"\n"
	"| option | value | default | what it is |\n"
	"|---|---|---|---|\n";

static void put_cell(struct buf *out, struct str text)
{
	for (; text.len; text = str_from(text, 1)) {
		if (text.ptr[0] == '|')
			buf_put_char(out, '\\');
		buf_put_char(out, text.ptr[0]);
	}
}

void config_document(struct buf *out)
{
	struct buf range;

	buf_init(&range, NULL);
	buf_put(out, str_from_c(document_head));
	for (const struct option *option = options; option->name; option++) {
		buf_clear(&range);
		option_range(option, &range);
		buf_printf(out, "| `%s` | ", option->name);
		put_cell(out, buf_str(&range));
		if (option->initial[0])
			buf_printf(out, " | `%s` | ", option->initial);
		else
			buf_put_lit(out, " | empty | ");
		put_cell(out, str_from_c(option->words));
		buf_put_lit(out, " |\n");
	}
	buf_release(&range);
}
