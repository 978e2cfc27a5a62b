/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the strongest source win, does every fault get its place and a word on
 * what to do, and are secrets never printed?
 */
#include "common/host/config.h"

#include "common/host/config_print.h"
#include "tests/unit/testing.h"

/* A file in a folder that the test may write to; its name is borrowed. */
static const char *write_file(const char *text)
{
	static char path[] = "/tmp/tally-config-XXXXXX";
	FILE *file;
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	file = fdopen(fd, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static struct rc load(struct config *config, const char *file, char *const *environment,
                      const struct config_setting *settings, unsigned count, struct buf *faults)
{
	struct config_sources sources = { file, environment, settings, count };

	buf_init(faults, NULL);
	return config_load(config, &sources, faults);
}

static const char *from_of(const struct config *config, const char *name)
{
	return config->values[option_find(str_from_c(name))].from;
}

static void defaults_are_valid(void **state)
{
	struct config *config = malloc(sizeof(*config));
	struct buf faults;

	(void)state;
	assert_true(rc_ok(load(config, NULL, NULL, NULL, 0, &faults)));
	assert_int_equal(faults.len, 0);
	assert_string_equal(config->redis_prefix, "tally:");
	assert_int_equal(config->drain_timeout_ms, 20000);
	assert_int_equal(config->flush_interval_ms, 100);
	assert_int_equal(config->http_where, HTTP_AUTO);
	assert_int_equal(config->log_level, LOG_INFO);
	assert_string_equal(from_of(config, "brokers"), "default");
	buf_release(&faults);
	config_release(config);
	free(config);
}

static void the_strongest_source_wins(void **state)
{
	static char set[] = "TALLY_BROKERS=env:1", other[] = "TALLY_LOG_LEVEL=warn",
		    kafka[] = "TALLY_KAFKA_CLIENT_RACK=b",
		    noise[] = "TALLY_ORDERS_SERVICE_HOST=10.0.0.1",
		    kubernetes[] = "TALLY_KAFKA_PORT=tcp://10.0.0.1:9092",
		    more[] = "TALLY_KAFKA_SERVICE_HOST=10.0.0.1";
	char *const environment[] = { set, other, kafka, noise, kubernetes, more, NULL };
	const struct config_setting settings[] = { { "brokers", "flag:1", "--brokers" },
		                                   { "flush.interval.ms", "1s", "--set" },
		                                   { "flush.interval.ms", "2s", "--set" } };
	const char *path = write_file("# a comment\n\n brokers =  file:1 \nlog.level=error\r\n"
	                              "redis.prefix =\nflush.interval.max.ms = 1m\n"
	                              "kafka.client.rack = a # not a comment\n");
	struct config *config = malloc(sizeof(*config));
	struct buf faults;

	(void)state;
	assert_true(rc_ok(load(config, path, environment, settings, 3, &faults)));
	assert_string_equal(config->brokers, "flag:1");
	assert_string_equal(from_of(config, "brokers"), "--brokers");
	assert_int_equal(config->log_level, LOG_WARN);
	assert_string_equal(from_of(config, "log.level"), "environment TALLY_LOG_LEVEL");
	assert_string_equal(config->redis_prefix, "");
	assert_int_equal(config->flush_interval_ms, 2000);
	assert_int_equal(config->flush_interval_max_ms, 60000);
	assert_int_equal(config->kafka_count, 1);
	assert_string_equal(config->kafka[0].name, "client.rack");
	assert_string_equal(config->kafka[0].value, "b");
	unlink(path);
	buf_release(&faults);
	config_release(config);
	free(config);
}

static bool has_line(const struct buf *faults, const char *line)
{
	struct str rest = buf_str(faults);

	while (rest.ptr)
		if (str_ends(str_split(&rest, '\n'), str_from_c(line)))
			return true;
	print_error("no line \"%s\" in:\n%.*s", line, STR_ARG(buf_str(faults)));
	return false;
}

static bool has_words(struct buf *faults, const char *words)
{
	buf_put_char(faults, '\0');
	return strstr(faults->ptr, words) != NULL;
}

static void all_faults_come_together(void **state)
{
	const char *path =
		write_file("brokerss = a\nnonsense\nlog.level = loud\nbrokers = a\n"
	                   "brokers = b\nbatch.max.records = 0\nredis.mode = cluster\n"
	                   "kafka.acks = 1\nhttp.address = 9000\nredis.timeout.ms = 5 s x\n"
	                   "redis.url = redis://u:hush@\nredis.tls.key.file = /nonexistent\n"
	                   "drain.timeout.ms = 9999999999999999999\n");
	static const char *const lines[] = {
		":1: there is no option brokerss; did you mean brokers?",
		":2: not a line KEY = VALUE, and not a comment (#)",
		":3: log.level = loud: no such choice; allowed: debug, info, warn, error",
		":6: batch.max.records = 0: out of range; allowed: 1 to 8192",
		":8: kafka.acks cannot be set: the commit protocol needs its own value",
		":10: redis.timeout.ms = 5 s x: not a whole number; allowed: 100 to 60000 ms",
		":12: redis.tls.key.file: /nonexistent cannot be read: No such file or directory",
		":13: drain.timeout.ms = 9999999999999999999: not a whole number; allowed: 100 to "
		"600000 ms",
	};
	struct config *config = malloc(sizeof(*config));
	struct buf faults;
	struct str text;

	(void)state;
	assert_int_equal(load(config, path, NULL, NULL, 0, &faults).code, RC_CONFIG);
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		assert_true(has_line(&faults, lines[i]));
	text = buf_str(&faults);
	buf_put_char(&faults, '\0');
	assert_non_null(strstr(faults.ptr, ":5: brokers was set before, at "));
	assert_non_null(
		strstr(faults.ptr, ":7: redis.mode = cluster is not available in this build"));
	assert_non_null(strstr(faults.ptr, ":9: http.address = 9000: not host:port"));
	assert_non_null(strstr(faults.ptr, ":11: redis.url: "));
	assert_null(strstr(faults.ptr, "hush"));
	(void)text;
	unlink(path);
	buf_release(&faults);
	config_release(config);
	free(config);
}

static void a_flag_mends_a_faulty_file(void **state)
{
	const char *path = write_file("log.level = loud\n");
	const struct config_setting setting = { "log.level", "debug", "--log-level" };
	struct config *config = malloc(sizeof(*config));
	struct buf faults;

	(void)state;
	assert_true(rc_ok(load(config, path, NULL, &setting, 1, &faults)));
	assert_int_equal(config->log_level, LOG_DEBUG);
	unlink(path);
	buf_release(&faults);
	config_release(config);
	free(config);
}

static void reads_a_password_from_its_file(void **state)
{
	const char *path = write_file("hush\n\n");
	const struct config_setting settings[] = { { "redis.password.file", path, "--set" },
		                                   { "redis.password", "x", "--set" } };
	struct config *config = malloc(sizeof(*config));
	struct buf faults;

	(void)state;
	assert_true(rc_ok(load(config, NULL, NULL, settings, 1, &faults)));
	assert_string_equal(config->redis_password, "hush");
	config_release(config);
	assert_false(rc_ok(load(config, NULL, NULL, settings, 2, &faults)));
	assert_true(has_line(&faults,
	                     "redis.password and redis.password.file are both set; remove one"));
	unlink(path);
	buf_release(&faults);
	config_release(config);
	free(config);
}

static void reads_a_kafka_secret_from_its_file(void **state)
{
	const char *path = write_file("hush\n");
	const struct config_setting settings[] = { { "kafka.sasl.password.file", path, "--set" },
		                                   { "kafka.client.rack.file", path, "--set" },
		                                   { "kafka.sasl.password", "x", "--set" } };
	struct config *config = malloc(sizeof(*config));
	struct buf faults, printed;

	(void)state;
	assert_true(rc_ok(load(config, NULL, NULL, settings, 1, &faults)));
	assert_string_equal(config->kafka_used[0].name, "sasl.password");
	assert_string_equal(config->kafka_used[0].value, "hush");
	buf_init(&printed, NULL);
	config_print(config, &printed);
	config_print_json(config, &printed);
	buf_put_char(&printed, '\0');
	assert_null(strstr(printed.ptr, "hush"));
	assert_non_null(strstr(printed.ptr, path));
	buf_release(&faults);
	config_release(config);
	/* Only secrets, and not twice. */
	assert_false(rc_ok(load(config, NULL, NULL, settings, 3, &faults)));
	assert_true(has_line(&faults, "kafka.sasl.password and kafka.sasl.password.file are both "
	                              "set; remove one"));
	assert_true(has_words(&faults, "kafka.client.rack.file: No such"));
	buf_release(&faults);
	config_release(config);
	unlink(path);
	assert_false(rc_ok(load(config, NULL, NULL, settings, 1, &faults)));
	assert_true(has_words(&faults, "cannot be read"));
	buf_release(&printed);
	buf_release(&faults);
	config_release(config);
	free(config);
}

static void properties_must_fit_together(void **state)
{
	const struct config_setting settings[] = {
		{ "kafka.security.protocol", "ssl", "--set" },
		{ "kafka.ssl.ca.location", "/nowhere/ca.pem", "--set" },
	};
	struct config *config = malloc(sizeof(*config));
	struct buf faults;

	(void)state;
	assert_true(rc_ok(load(config, NULL, NULL, settings, 1, &faults)));
	buf_release(&faults);
	config_release(config);
	assert_false(rc_ok(load(config, NULL, NULL, settings, 2, &faults)));
	assert_true(has_words(&faults, "ssl.ca.location"));
	buf_release(&faults);
	config_release(config);
	free(config);
}

static void http_addresses(void **state)
{
	static const struct {
		const char *text;
		enum http_where where;
		const char *host;
		uint16_t port;
	} cases[] = {
		{ "off", HTTP_OFF, "", 0 },
		{ "auto", HTTP_AUTO, "", 0 },
		{ "127.0.0.1:0", HTTP_OFF, NULL, 0 },
		{ "127.0.0.1:9000", HTTP_AT, "127.0.0.1", 9000 },
		{ ":65535", HTTP_AT, "0.0.0.0", 65535 },
		{ "::1:80", HTTP_AT, "::1", 80 },
	};
	struct config *config = malloc(sizeof(*config));
	struct buf faults;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct config_setting setting = { "http.address", cases[i].text, "--set" };

		assert_true(rc_ok(load(config, NULL, NULL, &setting, 1, &faults)));
		assert_int_equal(config->http_where, cases[i].where);
		assert_int_equal(config->http_port, cases[i].port);
		if (cases[i].host)
			assert_string_equal(config->http_host, cases[i].host);
		config_release(config);
	}
	buf_release(&faults);
	free(config);
}

static bool lists_workers(struct config *config, const char *text)
{
	struct config_setting setting = { "dashboard.workers", text, "--set" };
	struct buf faults;
	bool valid = rc_ok(load(config, NULL, NULL, &setting, 1, &faults));

	assert_true(valid || strstr(faults.ptr, "dashboard.workers"));
	buf_release(&faults);
	return valid;
}

static void workers_addresses(void **state)
{
	static const char *const bad[] = { "127.0.0.1", "a:b",  ":9641",   "a:0",
		                           "a:65536",   "a:1,", "a:1,,b:2" };
	struct config *config = malloc(sizeof(*config));

	(void)state;
	assert_true(lists_workers(config, ""));
	assert_int_equal(config->worker_count, 0);
	config_release(config);
	assert_true(lists_workers(config, "127.0.0.1:9641, ::1:1"));
	assert_int_equal(config->worker_count, 2);
	assert_string_equal(config->workers[0].host, "127.0.0.1");
	assert_int_equal(config->workers[0].port, 9641);
	assert_string_equal(config->workers[1].host, "::1");
	config_release(config);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (lists_workers(config, bad[i]))
			fail_msg("%s", bad[i]);
		config_release(config);
	}
	free(config);
}

static const struct config_setting secrets[] = {
	{ "redis.password", "hush1", "--set" },
	{ "redis.url", "redis://user:hush2@host:1/3", "--set" },
	{ "kafka.sasl.password", "hush3", "--set" },
	{ "kafka.ssl.key.pem", "hush4", "--set" },
	{ "kafka.client.rack", "seen", "--set" },
	{ "redis.username", "somebody", "--set" },
};

static void secrets_are_masked(void **state)
{
	struct config *config = malloc(sizeof(*config));
	struct buf faults, out;

	(void)state;
	buf_init(&out, NULL);
	/* The key is none: librdkafka reads it only when a client is made. */
	assert_true(rc_ok(load(config, NULL, NULL, secrets, COUNT_OF(secrets), &faults)));
	config_print(config, &out);
	config_print_json(config, &out);
	buf_put_char(&out, '\0');
	assert_null(strstr(out.ptr, "hush"));
	assert_non_null(strstr(out.ptr, "kafka.client.rack = seen\n"));
	assert_non_null(strstr(out.ptr, "redis://user:********@host:1/3"));
	buf_release(&out);
	buf_release(&faults);
	config_release(config);
	free(config);
}

static void what_is_printed_can_be_read_again(void **state)
{
	const struct config_setting settings[] = { { "brokers", "a:1,b:2", "--set" },
		                                   { "redis.prefix", "", "--set" },
		                                   { "http.address", "off", "--set" },
		                                   { "txn.interval.min.ms", "7", "--set" },
		                                   { "kafka.client.rack", "r 1", "--set" } };
	struct config *config = malloc(sizeof(*config));
	struct buf faults, once, again;
	const char *path;

	(void)state;
	buf_init(&once, NULL);
	buf_init(&again, NULL);
	assert_true(rc_ok(load(config, NULL, NULL, settings, COUNT_OF(settings), &faults)));
	config_print(config, &once);
	config_release(config);
	buf_put_char(&once, '\0');
	path = write_file(once.ptr);
	assert_true(rc_ok(load(config, path, NULL, NULL, 0, &faults)));
	assert_string_equal(config->brokers, "a:1,b:2");
	assert_string_equal(config->redis_prefix, "");
	assert_int_equal(config->http_where, HTTP_OFF);
	assert_int_equal(config->txn_interval_min_ms, 7);
	assert_string_equal(config->kafka[0].value, "r 1");
	unlink(path);
	buf_release(&once);
	buf_release(&again);
	buf_release(&faults);
	config_release(config);
	free(config);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(defaults_are_valid),
	cmocka_unit_test(the_strongest_source_wins),
	cmocka_unit_test(all_faults_come_together),
	cmocka_unit_test(a_flag_mends_a_faulty_file),
	cmocka_unit_test(reads_a_password_from_its_file),
	cmocka_unit_test(reads_a_kafka_secret_from_its_file),
	cmocka_unit_test(properties_must_fit_together),
	cmocka_unit_test(http_addresses),
	cmocka_unit_test(workers_addresses),
	cmocka_unit_test(secrets_are_masked),
	cmocka_unit_test(what_is_printed_can_be_read_again),
};

TESTING_MAIN(tests)
