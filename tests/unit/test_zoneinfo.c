/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the transitions those that the zone had and, by its rule, will have? Rules
 * of the future are tested on files made here, since those of the machine change
 * with its tzdata; damaged files must be refused or read, never overrun.
 */
#include "services/tallyctl/zoneinfo.h"

#include "common/base/buf.h"
#include "common/base/timestamp.h"
#include "tests/unit/testing.h"

static struct zoneinfo info;

static int64_t ms(const char *text)
{
	int64_t at_ms;

	assert_true(timestamp_parse(str_from_c(text), &at_ms));
	return at_ms;
}

static int32_t offset_at(const struct zoneinfo *zone, int64_t at_ms)
{
	int32_t offset_s = zone->first_offset_s;

	for (uint32_t i = 0; i < zone->count && zone->transitions[i].at_ms <= at_ms; i++)
		offset_s = zone->transitions[i].offset_s;
	return offset_s;
}

static void the_past_is_as_it_was(void **state)
{
	static const struct {
		const char *zone, *at;
		int32_t offset_s;
	} cases[] = {
		{ "Asia/Shanghai", "1970-01-01T00:00:00Z", 28800 },
		{ "Asia/Shanghai", "1988-07-01T00:00:00Z", 32400 },
		{ "Asia/Shanghai", "2024-07-01T00:00:00Z", 28800 },
		{ "Europe/Berlin", "1970-01-01T00:00:00Z", 3600 },
		{ "Europe/Berlin", "2024-03-31T00:59:59.999Z", 3600 },
		{ "Europe/Berlin", "2024-03-31T01:00:00Z", 7200 },
		{ "Europe/Dublin", "2024-01-01T00:00:00Z", 0 },
		{ "Europe/Dublin", "2024-07-01T00:00:00Z", 3600 },
		{ "America/New_York", "2024-03-10T07:00:00Z", -14400 },
		{ "America/New_York", "2024-11-03T06:00:00Z", -18000 },
		{ "Australia/Sydney", "2024-01-01T00:00:00Z", 39600 },
		{ "Asia/Kathmandu", "1980-01-01T00:00:00Z", 19800 },
		{ "Asia/Kathmandu", "1990-01-01T00:00:00Z", 20700 },
		{ "UTC", "2024-01-01T00:00:00Z", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(rc_ok(zoneinfo_read(str_from_c(cases[i].zone), &info)));
		if (offset_at(&info, ms(cases[i].at)) != cases[i].offset_s)
			fail_msg("%s at %s", cases[i].zone, cases[i].at);
	}
}

/* contract: reference.zone */
static void transitions_ascend_and_change(void **state)
{
	static const char *const zones[] = { "Europe/Berlin", "Africa/Casablanca",
		                             "America/New_York", "Asia/Shanghai", "Pacific/Apia" };

	(void)state;
	for (size_t z = 0; z < COUNT_OF(zones); z++) {
		int32_t before;

		assert_true(rc_ok(zoneinfo_read(str_from_c(zones[z]), &info)));
		before = info.first_offset_s;
		for (uint32_t i = 0; i < info.count; i++) {
			assert_true(info.transitions[i].at_ms >
			            (i ? info.transitions[i - 1].at_ms : 0));
			assert_int_not_equal(info.transitions[i].offset_s, before);
			before = info.transitions[i].offset_s;
		}
	}
	assert_true(rc_ok(zoneinfo_read(STR("Europe/Berlin"), &info)));
	assert_true(info.transitions[info.count - 1].at_ms > ms("2100-01-01T00:00:00Z"));
	assert_true(rc_ok(zoneinfo_read(STR("UTC"), &info)));
	assert_int_equal(info.count, 0);
}

static void put_u32(struct buf *out, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_put_char(out, (char)(unsigned char)(value >> shift & 255));
}

static void put_header(struct buf *out)
{
	static const uint32_t counts[] = { 0, 0, 0, 0, 1, 4 }; /* one type, four letters */

	buf_put_lit(out, "TZif2");
	for (int i = 0; i < 15; i++)
		buf_put_char(out, '\0');
	for (size_t i = 0; i < COUNT_OF(counts); i++)
		put_u32(out, counts[i]);
}

static void put_type(struct buf *out, int32_t offset_s)
{
	put_u32(out, (uint32_t)offset_s);
	buf_put(out, str_of("\0\0XXX", 6));
}

/* A file without transitions: all of it follows from the footer. */
static void make_file(struct buf *out, int32_t offset_s, const char *footer)
{
	buf_init(out, NULL);
	for (int half = 0; half < 2; half++) {
		put_header(out);
		put_type(out, offset_s);
	}
	buf_printf(out, "\n%s\n", footer);
}

static void the_footer_is_expanded(void **state)
{
	/* In 2032, a leap year; from Python's zoneinfo. */
	static const struct {
		const char *footer;
		int32_t offset_s;
		const char *to_dst, *to_std;
		int32_t dst_s;
	} cases[] = {
		{ "CET-1CEST,M3.5.0,M10.5.0/3", 3600, "2032-03-28T01:00:00Z",
		  "2032-10-31T01:00:00Z", 7200 },
		{ "EST5EDT,M3.2.0,M11.1.0", -18000, "2032-03-14T07:00:00Z", "2032-11-07T06:00:00Z",
		  -14400 },
		{ "AEST-10AEDT,M10.1.0,M4.1.0/3", 36000, "2032-10-02T16:00:00Z",
		  "2032-04-03T16:00:00Z", 39600 },
		{ "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", -7200, "2032-03-28T01:00:00Z",
		  "2032-10-31T01:00:00Z", -3600 },
		{ "IST-1GMT0,M10.5.0,M3.5.0/1", 3600, "2032-10-31T01:00:00Z",
		  "2032-03-28T01:00:00Z", 0 },
		{ "AAA3BBB,J60/0,J300/0", -10800, "2032-03-01T03:00:00Z", "2032-10-27T02:00:00Z",
		  -7200 },
		{ "AAA3BBB,60/0,300/0", -10800, "2032-03-01T03:00:00Z", "2032-10-27T02:00:00Z",
		  -7200 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t to_dst_ms = ms(cases[i].to_dst), to_std_ms = ms(cases[i].to_std);
		struct buf file;

		make_file(&file, cases[i].offset_s, cases[i].footer);
		assert_true(rc_ok(zoneinfo_parse(buf_str(&file), &info)));
		buf_release(&file);
		if (offset_at(&info, to_dst_ms) != cases[i].dst_s ||
		    offset_at(&info, to_dst_ms - 1) != cases[i].offset_s ||
		    offset_at(&info, to_std_ms) != cases[i].offset_s ||
		    offset_at(&info, to_std_ms - 1) != cases[i].dst_s)
			fail_msg("%s", cases[i].footer);
		assert_true(info.count >= 260 && info.count <= 262); /* 1970 to 2100 */
	}
}

static void refuses_bad_names_and_files(void **state)
{
	static const char *const names[] = { "",      "../passwd",      "/etc/passwd",
		                             "Asia/", "a//b",           "Asia/Nowhere",
		                             ".",     "Asia/Shanghai\n" };
	static const char *const footers[] = { "X",
		                               "CET",
		                               "CET-1CEST",
		                               "CET-1CEST,M3.5.0",
		                               "CET-1CEST,M13.5.0,M10.5.0",
		                               "CET-1CEST,M3.6.0,M10.5.0",
		                               "CET-1CEST,M3.5.0,M10.5.0x",
		                               "CET-999" };
	struct buf file;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		assert_int_equal(zoneinfo_read(str_from_c(names[i]), &info).code, RC_DATA);
	for (size_t i = 0; i < COUNT_OF(footers); i++) {
		make_file(&file, 3600, footers[i]);
		if (rc_ok(zoneinfo_parse(buf_str(&file), &info)))
			fail_msg("%s", footers[i]);
		buf_release(&file);
	}
	assert_int_equal(zoneinfo_parse(STR("TZif"), &info).code, RC_DATA);
	assert_int_equal(zoneinfo_parse(STR(""), &info).code, RC_DATA);
}

/* The bytes in a block of their own, so that an overrun is seen. */
static void parse_copy(struct str bytes)
{
	char *copy = malloc(bytes.len + 1);
	struct rc rc;

	assert_non_null(copy);
	memcpy(copy, bytes.ptr, bytes.len);
	rc = zoneinfo_parse(str_of(copy, bytes.len), &info);
	(void)rc;
	free(copy);
}

static void damaged_files_do_no_harm(void **state)
{
	FILE *stream = fopen("/usr/share/zoneinfo/Europe/Berlin", "re");
	char bytes[8192], *damaged;
	size_t len;

	(void)state;
	assert_non_null(stream);
	len = fread(bytes, 1, sizeof(bytes), stream);
	fclose(stream);
	for (size_t cut = 0; cut < len; cut++)
		parse_copy(str_of(bytes, cut));
	damaged = malloc(len);
	assert_non_null(damaged);
	for (int round = 0; round < 2000; round++) {
		memcpy(damaged, bytes, len);
		for (uint64_t n = rng_below(8) + 1; n > 0; n--)
			damaged[rng_below(round % 2 ? len : 60)] =
				(char)(unsigned char)rng_below(256);
		parse_copy(str_of(damaged, len));
	}
	free(damaged);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_past_is_as_it_was),    cmocka_unit_test(transitions_ascend_and_change),
	cmocka_unit_test(the_footer_is_expanded),   cmocka_unit_test(refuses_bad_names_and_files),
	cmocka_unit_test(damaged_files_do_no_harm),
};
TESTING_MAIN(tests)
