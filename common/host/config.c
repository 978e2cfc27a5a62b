/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources are read from the weakest to the strongest and only texts are kept;
 * the values in force are checked once, so that a flag can mend a faulty file.
 * Unknown keys are faults wherever they stand, but for the environment: there
 * Kubernetes puts names of its own (TALLY_ORDERS_SERVICE_HOST and the like).
 */
#include "common/host/config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/adapters/redis_url.h"
#include "common/base/limits.h"
#include "common/base/timestamp.h"
#include "common/host/config_print.h"
#include "common/host/spelling.h"

#define FILE_BYTES_MOST (1 << 20)
#define SECRET_BYTES_MOST 4096
#define TOKEN_BYTES_LEAST 16

struct loading {
	struct config *config;
	struct buf *faults;
	unsigned fault_count;
};

static void fault(struct loading *, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fault(struct loading *l, const char *format, ...)
{
	char text[RC_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_printf(l->faults, "%s\n", text);
	l->fault_count++;
}

static const char *keep(struct loading *l, struct str s)
{
	return arena_printf(&l->config->memory, "%.*s", STR_ARG(s)).ptr;
}

/* ---- keys -------------------------------------------------------------- */

static void set_kafka(struct loading *l, struct str name, struct str value, const char *from)
{
	struct config *config = l->config;
	unsigned i = 0;

	while (i < config->kafka_count && !str_eq_c(name, config->kafka[i].name))
		i++;
	if (i == CONFIG_KAFKA_MOST) {
		fault(l, "%s: more than %d kafka.* settings", from, CONFIG_KAFKA_MOST);
		return;
	}
	if (i == config->kafka_count)
		config->kafka_count++;
	config->kafka[i] = (struct kafka_property){ keep(l, name), keep(l, value) };
	config->kafka_from[i] = from;
}

static void unknown_key(struct loading *l, struct str key, const char *from)
{
	struct spelling near = spelling_of(key);

	for (const struct option *option = options; option->name; option++)
		spelling_try(&near, str_from_c(option->name));
	if (near.best.ptr)
		fault(l, "%s: there is no option %.*s; did you mean %.*s?", from, STR_ARG(key),
		      STR_ARG(near.best));
	else
		fault(l,
		      "%s: there is no option %.*s (--help lists all; a librdkafka property is "
		      "written kafka.NAME)",
		      from, STR_ARG(key));
}

static void set_key(struct loading *l, struct str key, struct str value, const char *from)
{
	int i = option_find(key);

	if (i >= 0)
		l->config->values[i] = (struct config_value){ keep(l, value), from };
	else if (str_starts(key, STR("kafka.")) && key.len > 6)
		set_kafka(l, str_from(key, 6), value, from);
	else
		unknown_key(l, key, from);
}

/* ---- the file ---------------------------------------------------------- */

static struct str trim(struct str s)
{
	while (s.len && isspace((unsigned char)s.ptr[0]))
		s = str_from(s, 1);
	while (s.len && isspace((unsigned char)s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static bool read_text(struct loading *l, const char *path, const char *from, size_t most,
                      struct str *out)
{
	FILE *file = fopen(path, "re");
	char *text = file ? arena_alloc(&l->config->memory, most + 1) : NULL;
	size_t len = file ? fread(text, 1, most + 1, file) : 0;
	bool bad = !file || ferror(file);
	int reason = errno;

	if (file)
		fclose(file);
	if (bad)
		fault(l, "%s: %s cannot be read: %s", from, path, strerror(reason));
	else if (len > most)
		fault(l, "%s: %s is larger than %zu bytes", from, path, most);
	else if (memchr(text, '\0', len))
		fault(l, "%s: %s is not a text file: it has a NUL byte", from, path);
	else {
		*out = str_of(text, len);
		return true;
	}
	return false;
}

static void file_line(struct loading *l, struct str line, const char *from, const char **set_at)
{
	struct str key = trim(str_of(line.ptr, str_find(line, '=')));
	struct str value = trim(str_from(line, str_find(line, '=') + 1));
	int i;

	if (line.len == 0 || line.ptr[0] == '#')
		return;
	if (str_find(line, '=') == line.len) {
		fault(l, "%s: not a line KEY = VALUE, and not a comment (#)", from);
		return;
	}
	i = option_find(key);
	if (i >= 0 && set_at[i])
		fault(l, "%s: %.*s was set before, at %s; remove one", from, STR_ARG(key),
		      set_at[i]);
	else if (i >= 0)
		set_at[i] = from;
	set_key(l, key, value, from);
}

static void load_file(struct loading *l, const char *path, const char *from)
{
	const char *set_at[OPTIONS_MOST] = { NULL };
	struct str rest;

	if (!read_text(l, path, from, FILE_BYTES_MOST, &rest))
		return;
	for (unsigned line = 1; rest.ptr; line++)
		file_line(l, trim(str_split(&rest, '\n')),
		          arena_printf(&l->config->memory, "%s:%u", path, line).ptr, set_at);
}

/* ---- the environment --------------------------------------------------- */

/* Kubernetes describes a service named tally-kafka in TALLY_KAFKA_SERVICE_HOST, TALLY_KAFKA_PORT
 * and further names that begin like these; librdkafka has no property that does. */
static bool is_of_kubernetes(struct str name)
{
	return str_starts(name, STR("service.")) || str_eq(name, STR("port")) ||
	       str_starts(name, STR("port."));
}

static void load_environment(struct loading *l, char *const *environment)
{
	for (; environment && *environment; environment++) {
		struct str value = str_from_c(*environment);
		struct str name = str_split(&value, '=');
		char key[256];
		struct str s;

		if (!str_starts(name, STR("TALLY_")) || name.len - 6 > sizeof(key))
			continue;
		s = str_of(key, name.len - 6);
		for (size_t i = 0; i < s.len; i++)
			key[i] = name.ptr[i + 6] == '_'
			                 ? '.'
			                 : (char)tolower((unsigned char)name.ptr[i + 6]);
		if (str_starts(s, STR("kafka.")) ? is_of_kubernetes(str_from(s, 6))
		                                 : option_find(s) < 0)
			continue;
		set_key(l, s, value.ptr ? value : STR(""),
		        arena_printf(&l->config->memory, "environment %.*s", STR_ARG(name)).ptr);
	}
}

static const char *environment_value(char *const *environment, struct str name)
{
	for (; environment && *environment; environment++) {
		struct str value = str_from_c(*environment);

		if (str_eq(str_split(&value, '='), name) && value.len)
			return value.ptr;
	}
	return NULL;
}

/* ---- values ------------------------------------------------------------ */

static void bad_value(struct loading *l, const struct option *option,
                      const struct config_value *value, const char *words)
{
	struct buf range;

	buf_init(&range, &l->config->memory);
	option_range(option, &range);
	fault(l, "%s: %s = %s: %s; allowed: %.*s", value->from, option->name,
	      option->type == OPTION_SECRET ? "..." : value->text, words, STR_ARG(buf_str(&range)));
}

static bool parse_duration(struct str text, int64_t *ms)
{
	static const struct {
		struct str unit;
		int64_t ms;
	} units[] = { { STR_INIT("ms"), 1 },
		      { STR_INIT("s"), MS_PER_SECOND },
		      { STR_INIT("m"), 60 * MS_PER_SECOND },
		      { STR_INIT("h"), MS_PER_HOUR } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!str_ends(text, units[i].unit))
			continue;
		if (!str_to_i64(trim(str_of(text.ptr, text.len - units[i].unit.len)), ms))
			return false;
		return !__builtin_mul_overflow(*ms, units[i].ms, ms);
	}
	return str_to_i64(text, ms);
}

static bool parse_bool(struct str text, bool *out)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_eq_c(text, words[i])) {
			*out = i % 2 == 1;
			return true;
		}
	}
	return false;
}

static int parse_choice(struct str text, const char *choices)
{
	struct str rest = str_from_c(choices);

	for (int i = 0; rest.ptr; i++)
		if (str_eq(str_split(&rest, '|'), text))
			return i;
	return -1;
}

static void apply_number(struct loading *l, const struct option *option,
                         const struct config_value *value, int64_t *out)
{
	struct str text = str_from_c(value->text);
	bool read =
		option->type == OPTION_DURATION ? parse_duration(text, out) : str_to_i64(text, out);

	if (!read)
		bad_value(l, option, value, "not a whole number");
	else if (*out < option->min || *out > option->max)
		bad_value(l, option, value, "out of range");
}

static void apply_text(struct loading *l, const struct option *option,
                       const struct config_value *value, const char **out)
{
	size_t len = strlen(value->text);

	*out = value->text;
	if ((int64_t)len < option->min)
		bad_value(l, option, value, "must not be empty");
	else if ((int64_t)len > option->max)
		bad_value(l, option, value, "too long");
	else if (option->type == OPTION_FILE && len && access(value->text, R_OK) != 0)
		fault(l, "%s: %s: %s cannot be read: %s", value->from, option->name, value->text,
		      strerror(errno));
}

static void apply(struct loading *l, int i)
{
	const struct option *option = &options[i];
	const struct config_value *value = &l->config->values[i];
	void *member = (char *)l->config + option->offset;
	int choice;

	switch (option->type) {
	case OPTION_INT:
	case OPTION_DURATION: apply_number(l, option, value, member); break;
	case OPTION_BOOL:
		if (!parse_bool(str_from_c(value->text), member))
			bad_value(l, option, value, "neither yes nor no");
		break;
	case OPTION_CHOICE:
		choice = parse_choice(str_from_c(value->text), option->choices);
		if (choice < 0)
			bad_value(l, option, value, "no such choice");
		else
			*(int *)member = choice;
		break;
	case OPTION_TEXT:
	case OPTION_SECRET:
	case OPTION_FILE:
	case OPTION_URL: apply_text(l, option, value, member); break;
	}
}

/* ---- what no single option can say ------------------------------------- */

static const char *from_of(const struct config *config, const char *name)
{
	return config->values[option_find(str_from_c(name))].from;
}

static void check_http(struct loading *l)
{
	struct config *config = l->config;
	const char *text = config->http_address, *colon = strrchr(text, ':');
	int64_t port = -1;

	config->http_host = "";
	config->http_port = 0;
	if (strcmp(text, "auto") == 0 || strcmp(text, "off") == 0) {
		config->http_where = text[0] == 'a' ? HTTP_AUTO : HTTP_OFF;
		return;
	}
	if (!colon || !str_to_i64(str_from_c(colon + 1), &port) || port < 0 || port > 65535) {
		fault(l,
		      "%s: http.address = %s: not host:port, off or auto; 127.0.0.1:9640 serves "
		      "this "
		      "machine only, 0.0.0.0:9640 every network",
		      from_of(config, "http.address"), text);
		return;
	}
	config->http_where = port == 0 ? HTTP_OFF : HTTP_AT;
	config->http_port = (uint16_t)port;
	config->http_host =
		colon == text ? "0.0.0.0" : keep(l, str_of(text, (size_t)(colon - text)));
}

/* "127.0.0.1:9641,worker-2:9641" */
static void check_workers(struct loading *l)
{
	struct config *config = l->config;
	struct str rest = str_from_c(config->dashboard_workers);

	config->worker_count = 0;
	while (rest.ptr && config->dashboard_workers[0]) {
		struct str one = trim(str_split(&rest, ',')), host = one;
		int64_t port = 0;

		while (host.len && host.ptr[host.len - 1] != ':')
			host.len--;
		if (host.len < 2 || !str_to_i64(str_from(one, host.len), &port) || port < 1 ||
		    port > 65535) {
			fault(l, "%s: dashboard.workers: %.*s is not host:port",
			      from_of(config, "dashboard.workers"), STR_ARG(one));
			return;
		}
		if (config->worker_count == CONFIG_WORKERS_MOST) {
			fault(l, "%s: dashboard.workers: more than %d addresses",
			      from_of(config, "dashboard.workers"), CONFIG_WORKERS_MOST);
			return;
		}
		host.len--;
		config->workers[config->worker_count++] =
			(struct config_address){ keep(l, host), (uint16_t)port };
	}
}

/* The text of a file that holds one secret; a newline at its end is cut off. */
static bool read_secret(struct loading *l, const char *path, const char *from, const char **out)
{
	struct str secret;

	if (!read_text(l, path, from, SECRET_BYTES_MOST, &secret))
		return false;
	while (secret.len && strchr("\r\n", secret.ptr[secret.len - 1]))
		secret.len--;
	*out = keep(l, secret);
	return true;
}

static void check_redis(struct loading *l)
{
	struct config *config = l->config;
	struct redis_url url = { .tls = false };

	if (config->redis_mode == REDIS_CLUSTER)
		fault(l,
		      "%s: redis.mode = cluster is not available in this build: use one Redis "
		      "(redis.mode = single), with replicas where it must survive its machine",
		      from_of(config, "redis.mode"));
	if (config->redis_url[0] && !rc_ok(redis_url_parse(config->redis_url, &url)))
		fault(l, "%s: redis.url: %s", from_of(config, "redis.url"), rc_text());
	if (config->redis_password[0] && config->redis_password_file[0])
		fault(l, "%s: redis.password and redis.password.file are both set; remove one",
		      from_of(config, "redis.password.file"));
	if (!!config->redis_tls_cert_file[0] != !!config->redis_tls_key_file[0])
		fault(l,
		      "%s: redis.tls.cert.file and redis.tls.key.file go together; set both or "
		      "none",
		      from_of(config, config->redis_tls_cert_file[0] ? "redis.tls.cert.file"
		                                                     : "redis.tls.key.file"));
	if (!url.tls && (config->redis_tls_ca_file[0] || config->redis_tls_cert_file[0]))
		fault(l,
		      "%s: redis.tls.* is set but redis.url is not rediss://, so nothing would be "
		      "encrypted",
		      from_of(config, "redis.url"));
	if (config->redis_password_file[0] && !config->redis_password[0] &&
	    access(config->redis_password_file, R_OK) == 0)
		read_secret(l, config->redis_password_file, from_of(config, "redis.password.file"),
		            &config->redis_password);
}

/* A token that is short can be guessed. */
static void check_token(struct loading *l)
{
	struct config *config = l->config;
	const char *from = from_of(config, "http.token.file");

	config->http_token = "";
	if (!config->http_token_file[0] || access(config->http_token_file, R_OK) != 0 ||
	    !read_secret(l, config->http_token_file, from, &config->http_token))
		return;
	if (strlen(config->http_token) < TOKEN_BYTES_LEAST)
		fault(l,
		      "%s: http.token.file: a token has %d characters at least; "
		      "openssl rand -hex 32 makes one",
		      from, TOKEN_BYTES_LEAST);
}

/* kafka.sasl.password.file: librdkafka knows no such property, so we read it for the one it has. */
static bool is_secret_file(const struct kafka_property *property)
{
	struct str name = str_from_c(property->name);
	char base[128];

	if (!str_ends(name, STR(".file")) || name.len - 5 >= sizeof(base))
		return false;
	memcpy(base, name.ptr, name.len - 5);
	base[name.len - 5] = '\0';
	return config_is_secret(base) && rc_ok(kafka_property_check(base, "x")) &&
	       !rc_ok(kafka_property_check(property->name, property->value));
}

bool config_is_secret_file(const struct config *config, unsigned i)
{
	return config->kafka_used[i].name != config->kafka[i].name;
}

static void use_secret_file(struct loading *l, unsigned i)
{
	struct config *config = l->config;
	struct kafka_property *used = &config->kafka_used[i];
	const struct kafka_property *given = &config->kafka[i];

	used->name = keep(l, str_of(given->name, strlen(given->name) - 5));
	read_secret(l, given->value, config->kafka_from[i], &used->value);
	for (unsigned other = 0; other < config->kafka_count; other++)
		if (strcmp(config->kafka[other].name, used->name) == 0)
			fault(l, "%s: kafka.%s and kafka.%s are both set; remove one",
			      config->kafka_from[i], used->name, given->name);
}

static void check_kafka(struct loading *l)
{
	struct config *config = l->config;
	unsigned faults = l->fault_count;

	memcpy(config->kafka_used, config->kafka, sizeof(config->kafka));
	for (unsigned i = 0; i < config->kafka_count; i++) {
		if (is_secret_file(&config->kafka[i]))
			use_secret_file(l, i);
		else if (!rc_ok(kafka_property_check(config->kafka[i].name,
		                                     config->kafka[i].value)))
			fault(l, "%s: %s", config->kafka_from[i], rc_text());
	}
	if (config->kafka_count && l->fault_count == faults &&
	    !rc_ok(kafka_properties_check(config->kafka_used, config->kafka_count)))
		fault(l, "%s: %s", "kafka.*", rc_text());
}

static void check_together(struct loading *l)
{
	const struct config *config = l->config;

	if (config->flush_interval_max_ms < config->flush_interval_ms)
		fault(l,
		      "%s: flush.interval.max.ms (%" PRId64 ") is below flush.interval.ms (%" PRId64
		      ")",
		      from_of(config, "flush.interval.max.ms"), config->flush_interval_max_ms,
		      config->flush_interval_ms);
	check_http(l);
	check_workers(l);
	check_token(l);
	check_redis(l);
	check_kafka(l);
}

/* ---- loading ----------------------------------------------------------- */

struct rc config_setting_from_text(const char *text, struct arena *memory,
                                   struct config_setting *out)
{
	struct str value = str_from_c(text);
	struct str key = trim(str_split(&value, '='));

	if (!value.ptr || key.len == 0)
		return rc_fail(RC_USAGE, "--set %s: not KEY=VALUE", text);
	*out = (struct config_setting){ arena_printf(memory, "%.*s", STR_ARG(key)).ptr, value.ptr,
		                        "--set" };
	return OK;
}

bool config_setting_from_flag(const struct flag *flag, const char *value,
                              struct config_setting *out)
{
	const struct flag *flags = option_flags();

	for (int i = 0; options[i].name; i++) {
		if (&flags[i] == flag) {
			*out = (struct config_setting){ options[i].name, value, flag->name };
			return true;
		}
	}
	return false;
}

void config_release(struct config *config)
{
	arena_release(&config->memory);
}

struct rc config_load(struct config *config, const struct config_sources *sources,
                      struct buf *faults)
{
	struct loading l = { .config = config, .faults = faults };
	const char *file = sources->file;

	*config = (struct config){ .kafka_count = 0 };
	arena_init(&config->memory, 4096);
	for (int i = 0; options[i].name; i++)
		config->values[i] = (struct config_value){ options[i].initial, "default" };
	if (!file)
		file = environment_value(sources->environment, STR("TALLY_CONFIG"));
	if (file)
		load_file(&l, file, sources->file ? "--config" : "environment TALLY_CONFIG");
	load_environment(&l, sources->environment);
	for (unsigned i = 0; i < sources->setting_count; i++)
		set_key(&l, str_from_c(sources->settings[i].key),
		        str_from_c(sources->settings[i].value), sources->settings[i].from);
	for (int i = 0; options[i].name; i++)
		apply(&l, i);
	check_together(&l);
	if (l.fault_count)
		return rc_fail(RC_CONFIG, "%u setting%s not valid", l.fault_count,
		               l.fault_count == 1 ? " is" : "s are");
	return OK;
}
