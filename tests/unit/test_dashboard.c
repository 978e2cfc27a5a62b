/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are paths, periods, tokens, hosts, names of keys and what a redrive is asked for
 * read as documented, and does a commission's arithmetic come out of its lines, or
 * say that it does not?
 */
#include "common/host/metrics.h"
#include "services/dashboard/api.h"
#include "services/dashboard/lines.h"
#include "services/dashboard/page.h"
#include "services/dashboard/redriver.h"
#include "services/dashboard/timing.h"
#include "services/workers.h"
#include "tests/unit/testing.h"

#define PAGE_BYTES_MOST 102400

static struct arena arena;

static int parse(const char *path, const char *query, struct route *route)
{
	struct problem problem;

	if (route_parse(str_from_c(path), str_from_c(query), &arena, route, &problem)) {
		assert_int_equal(problem.status, 0);
		return 200;
	}
	assert_true(problem.title && problem.detail.len > 0);
	return problem.status;
}

static void paths_lead_to_views(void **state)
{
	struct route r;

	(void)state;
	assert_int_equal(parse("/api/v1", NULL, &r), 200);
	assert_int_equal(r.view, VIEW_INDEX);
	assert_int_equal(parse("/api/v1/", NULL, &r), 200);
	assert_int_equal(parse("/api/v1/figures/team/T%3A1%20b/2026-03", NULL, &r), 200);
	assert_int_equal(r.view, VIEW_FIGURES);
	assert_str(r.kind, "team");
	assert_str(r.id, "T:1 b");
	assert_str(r.period, "2026-03");
	assert_int_equal(r.period_kind, PERIOD_MONTH);
	assert_int_equal(
		parse("/api/v1/boards/collected/company/teams/2026-W10", "from=11&count=10", &r),
		200);
	assert_int_equal(r.view, VIEW_BOARD);
	assert_str(r.measure, "collected");
	assert_int_equal(r.from, 11);
	assert_int_equal(r.count, 10);
	assert_int_equal(parse("/api/v1/orders/o%2F1", NULL, &r), 200);
	assert_str(r.id, "o/1");
	assert_int_equal(r.count, ROUTE_COUNT);
	for (unsigned i = 0; route_path(i); i++)
		assert_null(strstr(route_path(i), " "));
}

static void wrong_paths_have_a_status(void **state)
{
	static const struct {
		const char *path, *query;
		int status;
	} cases[] = {
		{ "/", NULL, 404 },
		{ "/api", NULL, 404 },
		{ "/api/v2/live", NULL, 404 },
		{ "/api/v10", NULL, 404 },
		{ "/api/v1/live/x", NULL, 404 },
		{ "/api/v1/figures/team/T1", NULL, 404 },
		{ "/api/v1/a/b/c/d/e/f/g/h/i/j/k", NULL, 404 },
		{ "/api/v1/figures/nobody/T1/2026-03", NULL, 400 },
		{ "/api/v1/figures/team//2026-03", NULL, 400 },
		{ "/api/v1/figures/team/%zz/2026-03", NULL, 400 },
		{ "/api/v1/figures/team/%4/2026-03", NULL, 400 },
		{ "/api/v1/figures/team/%ff/2026-03", NULL, 400 },
		{ "/api/v1/figures/team/%0a/2026-03", NULL, 400 },
		{ "/api/v1/figures/team/%00/2026-03", NULL, 400 },
		{ "/api/v1/figures/team/T1/2026-13", NULL, 400 },
		{ "/api/v1/days/team/T1/2026-Q1", NULL, 400 },
		{ "/api/v1/scopes/payee/2026-03", NULL, 400 },
		{ "/api/v1/boards/refunded/company/all/2026-03", NULL, 400 },
		{ "/api/v1/boards/collected/channel/web/2026-03", NULL, 400 },
		{ "/api/v1/live", "a=1", 400 },
		{ "/api/v1/pay/p/2026-03", "count=0", 400 },
		{ "/api/v1/pay/p/2026-03", "count=1001", 400 },
		{ "/api/v1/pay/p/2026-03", "count=1&count=2", 400 },
		{ "/api/v1/pay/p/2026-03", "from=-1", 400 },
		{ "/api/v1/pay/p/2026-03", "from=1e3", 400 },
		{ "/api/v1/pay/p/2026-03", "from", 400 },
	};
	char path[4096] = "/api/v1/orders/";
	struct route r;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (parse(cases[i].path, cases[i].query, &r) != cases[i].status)
			fail_msg("%s?%s", cases[i].path, cases[i].query ? cases[i].query : "");
	memset(path + strlen(path), 'x', 128);
	assert_int_equal(parse(path, NULL, &r), 200);
	path[strlen(path)] = 'x';
	assert_int_equal(parse(path, NULL, &r), 400);
}

/* Whatever comes, the parser answers with a status and words that are text. */
static void random_paths_do_no_harm(void **state)
{
	static const char letters[] = "/%2026-WQ03abteam{}:\xc3\xbc\xff&=";

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char path[160] = "/api/v1/figures/team/", query[32];
		size_t start = strlen(path) - rng_below(12), len = rng_below(sizeof(path) - start);
		struct problem problem;
		struct route r;

		rng_fill(path + start, len, str_from_c(letters));
		rng_fill(query, sizeof(query), STR("from=count&12"));
		if (!route_parse(str_of(path, start + len), str_of(query, rng_below(32)), &arena,
		                 &r, &problem)) {
			assert_true(problem.status == 400 || problem.status == 404);
			assert_true(str_is_utf8(problem.detail));
		}
		arena_clear(&arena);
	}
}

static void periods_exist_or_not(void **state)
{
	static const char *const good[] = { "2026-03-05", "2024-02-29", "2026-W10", "2026-W53",
		                            "2026-03",    "2026-12",    "2026-Q1",  "2026-Q4",
		                            "2026",       "2000",       "2100" };
	static const char *const bad[] = { "2026-02-29",  "2025-W53", "2026-W00",  "2026-W54",
		                           "2026-00",     "2026-13",  "2026-Q0",   "2026-Q5",
		                           "1999",        "2101",     "026",       "2026-",
		                           "2026-3",      "2026x03",  "2026-Wxx",  "2026-+3",
		                           "2026-03-05T", "",         "2026-03-5", "-026",
		                           "2026-W1" };
	enum period_kind kind;
	int32_t day;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (!route_period(str_from_c(good[i]), &kind, &day))
			fail_msg("%s is a period", good[i]);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (route_period(str_from_c(bad[i]), &kind, &day))
			fail_msg("%s is no period", bad[i]);
	/* Every name that the calendar gives is one, and leads back to its first day. */
	for (int32_t d = 10957; d < 47847; d++)
		for (enum period_kind k = PERIOD_DAY; k < PERIOD_KINDS; k++) {
			struct period_name name = period_of(k, d);

			if (name.text[0] != '2')
				continue;
			assert_true(route_period(period_str(&name), &kind, &day));
			assert_int_equal(kind, k);
			assert_int_equal(day, period_first_day(k, d));
		}
}

static void tokens_match_whole(void **state)
{
	struct str token = STR("0123456789abcdef");

	(void)state;
	assert_true(api_token_matches(STR("Bearer 0123456789abcdef"), token));
	assert_true(api_token_matches(STR("bearer 0123456789abcdef"), token));
	assert_false(api_token_matches(str_of(NULL, 0), token));
	assert_false(api_token_matches(STR(""), token));
	assert_false(api_token_matches(STR("Bearer "), token));
	assert_false(api_token_matches(STR("Bearer 0123456789abcdeF"), token));
	assert_false(api_token_matches(STR("Bearer 0123456789abcde"), token));
	assert_false(api_token_matches(STR("Bearer 0123456789abcdef0"), token));
	assert_false(api_token_matches(STR("Bearer 0123456789abcdef0123456789abcdef"), token));
	assert_false(api_token_matches(STR("Basic 00123456789abcdef"), token));
	assert_false(api_token_matches(STR("Bearer "), STR("")));
}

static void hosts_are_local_or_not(void **state)
{
	static const char *const local[] = { "127.0.0.1",  "127.0.0.1:9640", "localhost:80",
		                             "LOCALHOST",  "[::1]",          "[::1]:9640",
		                             "127.1.2.3:1" };
	static const char *const others[] = { "",
		                              "evil.example",
		                              "127.0.0.1.evil.example:9640",
		                              "localhost.evil.example",
		                              "10.0.0.1",
		                              "[::2]:80",
		                              "localhost:x",
		                              "[::1",
		                              "127evil" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(local); i++)
		if (!api_host_is_local(str_from_c(local[i])))
			fail_msg("%s is local", local[i]);
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (api_host_is_local(str_from_c(others[i])))
			fail_msg("%s is not local", others[i]);
	assert_false(api_host_is_local(str_of(NULL, 0)));
	assert_true(web_host_is_loopback("127.0.0.1"));
	assert_true(web_host_is_loopback("[::1]"));
	assert_false(web_host_is_loopback("0.0.0.0"));
	assert_false(web_host_is_loopback("[::]"));
	assert_false(web_host_is_loopback("192.0.2.1"));
}

static void names_of_keys_become_ids(void **state)
{
	static const char *const names[] = {
		"sales:team:T1:2026-03",
		"sales:team:T1:2026-03-05",
		"sales:team:a:b:2026",
		"sales:team::2026",
		"sales:team",
		"sales:payee:p:2026",
		"board:x:team:T9:2026",
		"sales:channel:web:2026",
		"",
	};
	struct catalog catalog;
	const struct catalog_ids *teams;

	(void)state;
	catalog_init(&catalog);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		catalog_take(&catalog, str_from_c(names[i]));
	teams = catalog_find(&catalog, STR("team"));
	assert_int_equal(teams->count, 2);
	assert_str(teams->ids[0], "T1");
	assert_str(teams->ids[1], "a:b");
	assert_int_equal(catalog_find(&catalog, STR("channel"))->count, 1);
	assert_null(catalog_find(&catalog, STR("payee")));
	for (int i = 0; i < CATALOG_IDS_MOST + 10; i++) {
		char name[64];

		snprintf(name, sizeof(name), "sales:team:x%d:2026", i);
		catalog_take(&catalog, str_from_c(name));
	}
	assert_int_equal(teams->count, CATALOG_IDS_MOST);
	assert_true(teams->cut);
	catalog_release(&catalog);
}

#define AT(minute) "2026-03-05T08:" #minute ":00Z"
#define LINE(minute, offset, basis, rate, amount)                                 \
	"{\"order_id\":\"o\",\"cause\":\"orders/3/" #offset                       \
	"\",\"time\":\"" AT(minute) "\",\"basis\":" #basis ",\"rate_ppm\":" #rate \
				    ",\"amount\":" #amount "}"
#define PAID(id, minute) "{\"payment_id\":\"" #id "\",\"time\":\"" AT(minute) "\"}"

static struct line line_of(const char *payee, const char *text)
{
	struct line line;

	assert_true(line_parse(STR("id"), str_from_c(payee), STR("2026-03"), str_from_c(text),
	                       &arena, &line));
	return line;
}

/* As a story of an order with these payments and refunds. */
static void explain(struct line *lines, unsigned count, const char *payments, const char *refunds)
{
	struct str text =
		arena_printf(&arena, "{\"payments\":[%s],\"refunds\":[%s]}", payments, refunds);
	yyjson_doc *order = yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG);
	struct moments moments;

	assert_non_null(order);
	moments = moments_of_order(yyjson_doc_get_root(order), &arena);
	lines_explain(lines, count, &moments);
	yyjson_doc_free(order);
}

static void nets_follow_from_lines(void **state)
{
	/* 3 % of 50, 100, 150: 1.5, 3, 4.5, to the even neighbour 2, 3, 4. */
	struct line lines[] = { line_of("b", LINE(01, 9, 50, 30000, 1)),
		                line_of("a", LINE(03, 30, 50, 30000, 1)),
		                line_of("a", LINE(01, 9, 50, 30000, 2)),
		                line_of("a", LINE(02, 20, 50, 30000, 1)),
		                line_of("a", LINE(04, 40, -150, 30000, -4)) };

	(void)state;
	explain(lines, 5, PAID(1, 01) "," PAID(2, 02) "," PAID(3, 03), PAID(3, 04));
	assert_int_equal(lines[0].offset, 9);
	assert_true(lines[0].explained && lines[1].explained && lines[2].explained);
	assert_int_equal(lines[2].net_before_minor, 100);
	assert_int_equal(lines[2].net_after_minor, 150);
	assert_int_equal(lines[2].before_minor, 3);
	assert_int_equal(lines[2].after_minor, 4);
	assert_true(lines[3].explained);
	assert_int_equal(lines[3].after_minor, 0);
	/* 50 at 3 % is 2 and not 1: what does not come out is not shown as if it did. */
	assert_str(lines[4].payee, "b");
	assert_false(lines[4].explained);
}

/* At a rate without roundings the sums come out in any order: they prove nothing. */
static void nets_of_events_that_waited_are_left_out(void **state)
{
	/* The refund of 2 waited for it: applied were 1, 3, 2, the refund, then 4. */
	const struct line waited[] = { line_of("a", LINE(01, 1, 1000, 20000, 20)),
		                       line_of("a", LINE(04, 5, -200, 20000, -4)),
		                       line_of("a", LINE(03, 6, 500, 20000, 10)),
		                       line_of("a", LINE(02, 7, 1000, 20000, 20)),
		                       line_of("a", LINE(05, 8, 100, 20000, 2)) };
	static const char payments[] = PAID(1, 01) "," PAID(2, 02) "," PAID(3, 03) "," PAID(4, 05);
	struct line lines[5];

	(void)state;
	memcpy(lines, waited, sizeof(waited));
	explain(lines, 5, payments, PAID(2, 04));
	assert_true(lines[0].explained);
	assert_false(lines[1].explained || lines[2].explained || lines[3].explained);
	/* All that was mixed up is before it. */
	assert_true(lines[4].explained);
	assert_int_equal(lines[4].net_before_minor, 2300);
	assert_int_equal(lines[4].net_after_minor, 2400);
	/* A line that is not there yet, or was refused: the later ones lack it. */
	memcpy(lines, waited, sizeof(waited));
	explain(&lines[1], 4, payments, PAID(2, 04));
	for (int i = 1; i < 5; i++)
		assert_false(lines[i].explained);
	/* A refund not after its payment may have waited though log and times agree. */
	memcpy(lines, (struct line[]){ waited[0], waited[4] }, 2 * sizeof(*lines));
	explain(lines, 2, PAID(1, 01) "," PAID(2, 07), PAID(2, 05));
	assert_false(lines[0].explained || lines[1].explained);
	/* Of the same instant: who knows. */
	lines[0] = lines[1] = waited[0];
	lines[1].offset = 2;
	explain(lines, 2, PAID(1, 01) "," PAID(2, 01), "");
	assert_false(lines[0].explained || lines[1].explained);
}

static void lines_that_are_none_are_passed_over(void **state)
{
	static const char *const bad[] = { "",
		                           "{}",
		                           "[]",
		                           "x",
		                           LINE(01, 1, 1.5, 30000, 1),
		                           LINE(01, x, 1, 30000, 1),
		                           LINE(77, 1, 1, 30000, 1),
		                           "{\"order_id\":\"o\"}" };
	struct line line;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(line_parse(STR("id"), STR("p"), STR("2026-03"), str_from_c(bad[i]),
		                        &arena, &line));
	/* Numbers that no worker writes are no arithmetic. */
	line = line_of("p", LINE(01, 1, 9000000000000000000, 30000, 1));
	explain(&line, 1, PAID(1, 01), "");
	assert_false(line.explained);
}

static bool tells(const struct memo *memo, const char *path, const char *query, int64_t now_ms,
                  const char *body)
{
	struct buf out;
	bool found;

	buf_init(&out, NULL);
	found = memo_find(memo, str_from_c(path), str_from_c(query), now_ms, &out);
	assert_true(!found || str_eq_c(buf_str(&out), body));
	buf_release(&out);
	return found;
}

static void a_moment_is_remembered(void **state)
{
	static char large[MEMO_BYTES_MOST + 1];
	struct memo memo;

	(void)state;
	memo_init(&memo);
	assert_false(tells(&memo, "/a", NULL, 0, ""));
	memo_keep(&memo, STR("/a"), STR("b=1"), 1000, STR("x"));
	assert_true(tells(&memo, "/a", "b=1", 1000 + MEMO_MS - 1, "x"));
	assert_false(tells(&memo, "/a", "b=1", 1000 + MEMO_MS, "x"));
	assert_false(tells(&memo, "/a", "b=2", 1000, "x"));
	assert_false(tells(&memo, "/a", NULL, 1000, "x"));
	assert_false(tells(&memo, "/", "ab=1", 1000, "x"));
	memo_keep(&memo, STR("/l"), str_of(NULL, 0), 1000, str_of(large, sizeof(large)));
	assert_false(tells(&memo, "/l", NULL, 1000, ""));
	/* Many more than there is room for: each is told right or not at all. */
	for (int i = 0; i < 1000; i++) {
		char path[16];

		snprintf(path, sizeof(path), "/%d", i);
		memo_keep(&memo, str_from_c(path), STR(""), 2000, str_from_c(path));
		assert_true(tells(&memo, path, "", 2000, path));
		snprintf(path, sizeof(path), "/%d", i / 2);
		tells(&memo, path, "", 2000, path);
	}
	memo_release(&memo);
}

/* Issue 6: a page load is under 100 KB. */
static void the_page_is_small(void **state)
{
	size_t bytes = 0;

	(void)state;
	for (const struct page_file *file = page_files; file->path; file++) {
		assert_true(*file->len > 0);
		/* Nothing from elsewhere, no inline code: what the policy would refuse. */
		assert_null(memmem(file->bytes, *file->len, "style=\"", 7));
		assert_null(memmem(file->bytes, *file->len, "innerHTML", 9));
		assert_null(memmem(file->bytes, *file->len, "https:", 6));
		bytes += *file->len;
	}
	assert_true(bytes < PAGE_BYTES_MOST);
}

/* The service says them in English; the page has the Chinese words. */
static void reasons_are_told_in_chinese(void **state)
{
	(void)state;
	for (int i = REASON_NONE + 1; i < REASON_COUNT; i++) {
		bool heals = reason_healing((enum reason)i);
		struct str row = arena_printf(&arena, "\t%s: [\"", reason_code((enum reason)i));
		const char *at = memmem(page_words_js, page_words_js_len, row.ptr, row.len);
		const char *end =
			at ? memchr(at, '\n', page_words_js_len - (size_t)(at - page_words_js))
			   : NULL;

		assert_non_null(end);
		assert_int_equal(memmem(at, (size_t)(end - at), "\", \"", 4) != NULL, heals);
	}
	arena_clear(&arena);
}

static void a_redrive_is_asked_for(void **state)
{
	struct redrive_request r;
	struct problem problem;

	(void)state;
	assert_true(redrive_request_read(
		STR("{\"topic\":\"credits\",\"dry_run\":false,\"reasons\":[\"bad_money\","
	            "\"poison\"],"
	            "\"since\":\"1970-01-01T00:00:01Z\",\"max\":7,\"rate\":20,\"force\":true}"),
		&arena, &r, &problem));
	assert_string_equal(r.worker->topic, "credits");
	assert_false(r.wish.dry || r.wish.policy.rekey || r.wish.filter.any_reason);
	assert_true(r.wish.policy.force && r.wish.filter.reasons[REASON_BAD_MONEY] &&
	            r.wish.filter.reasons[REASON_POISON]);
	assert_false(r.wish.filter.reasons[REASON_BAD_FIELD]);
	assert_int_equal(r.wish.filter.since_ms, 1000);
	assert_int_equal(r.wish.policy.max, 7);
	assert_int_equal(r.wish.rate, 20);
	assert_true(redrive_request_read(STR("{\"dry_run\":true,\"topic\":\"orders\"}"), &arena, &r,
	                                 &problem));
	assert_true(r.wish.dry && r.wish.filter.any_reason && !r.wish.rate);
	assert_int_equal(r.wish.policy.max_replays, REPLAYS);
	/* Whatever comes, it is one or has words. */
	for (int i = 0; i < 20000; i++) {
		char text[96];
		size_t len = rng_below(sizeof(text));

		rng_fill(text, len, STR("{}[]\":,topicdry_runtrueorders1-."));
		if (!redrive_request_read(str_of(text, len), &arena, &r, &problem))
			assert_true(problem.status == 400 && problem.detail.len > 0);
		arena_clear(&arena);
	}
}

/* What a worker's own metrics say is read as it was counted. */
static void times_are_those_of_metrics(void **state)
{
	static struct snapshot snapshot; /* large */
	struct timing_sample sample;
	struct durations since;
	struct buf text;

	(void)state;
	buf_init(&text, NULL);
	snapshot.stats.batch = (struct durations){ .count = 4, .sum_ms = 12345 };
	snapshot.stats.batch.buckets[2] = 3;
	snapshot.stats.batch.buckets[DURATION_BUCKETS - 1] = 1;
	snapshot.stats.flush = (struct durations){ .count = 1, .sum_ms = 7, .buckets = { 1 } };
	metrics_render(&snapshot, &orders_worker, &text);
	assert_true(timing_read(buf_str(&text), &sample));
	assert_string_equal(sample.worker, "orders");
	assert_memory_equal(&sample.kinds[TIMING_BATCH], &snapshot.stats.batch,
	                    sizeof(struct durations));
	assert_memory_equal(&sample.kinds[TIMING_FLUSH], &snapshot.stats.flush,
	                    sizeof(struct durations));
	assert_int_equal(sample.kinds[TIMING_TRANSACTION].count, 0);
	assert_int_equal(timing_bound_ms(&sample.kinds[TIMING_BATCH], 500), duration_bounds_ms[2]);
	assert_int_equal(timing_bound_ms(&sample.kinds[TIMING_BATCH], 990), -1);
	assert_int_equal(timing_bound_ms(&sample.kinds[TIMING_TRANSACTION], 500), -1);
	since = timing_since(&sample.kinds[TIMING_FLUSH], &sample.kinds[TIMING_BATCH]);
	assert_int_equal(since.count, 3);
	assert_int_equal(since.sum_ms, 12338);
	/* A process that began anew has counted all of it since. */
	since = timing_since(&sample.kinds[TIMING_BATCH], &sample.kinds[TIMING_FLUSH]);
	assert_int_equal(since.count, 1);
	/* Half of it, another's, or none of it is nobody's. */
	assert_false(timing_read(str_of(text.ptr, text.len / 4), &sample));
	assert_false(timing_read(STR("ok\n"), &sample));
	assert_string_equal(sample.worker, "");
	for (int i = 0; i < 2000; i++) {
		text.ptr[rng_below(text.len)] = "0{}=\",\n9-."[rng_below(10)];
		(void)timing_read(buf_str(&text), &sample);
	}
	buf_release(&text);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(paths_lead_to_views),
	cmocka_unit_test(wrong_paths_have_a_status),
	cmocka_unit_test(random_paths_do_no_harm),
	cmocka_unit_test(periods_exist_or_not),
	cmocka_unit_test(tokens_match_whole),
	cmocka_unit_test(hosts_are_local_or_not),
	cmocka_unit_test(reasons_are_told_in_chinese),
	cmocka_unit_test(a_redrive_is_asked_for),
	cmocka_unit_test(times_are_those_of_metrics),
	cmocka_unit_test(names_of_keys_become_ids),
	cmocka_unit_test(nets_follow_from_lines),
	cmocka_unit_test(nets_of_events_that_waited_are_left_out),
	cmocka_unit_test(lines_that_are_none_are_passed_over),
	cmocka_unit_test(a_moment_is_remembered),
	cmocka_unit_test(the_page_is_small),
};

int main(void)
{
	int failed;

	testing_begin();
	arena_init(&arena, 4096);
	failed = testing_end(cmocka_run_group_tests(tests, NULL, NULL));
	arena_release(&arena);
	return failed;
}
