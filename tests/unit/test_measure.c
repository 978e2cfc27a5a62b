/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do an event's rows reach exactly the scopes of DESIGN section 5, each with its
 * part and once, and do rows of one scope, and only those, add up without loss?
 */
#include "common/domain/measure.h"

#include "common/base/arena.h"
#include "tests/unit/testing.h"

#define ROWS_MOST 64

static struct {
	struct measure rows[ROWS_MOST];
	struct str keys[ROWS_MOST];
	unsigned count;
	struct arena arena;
} seen;

static int clear_seen(void **state)
{
	(void)state;
	arena_release(&seen.arena);
	seen.count = 0;
	arena_init(&seen.arena, 4096);
	return 0;
}

static int release_seen(void **state)
{
	(void)state;
	arena_release(&seen.arena);
	return 0;
}

static void put(void *to, struct str key, const struct measure *row)
{
	(void)to;
	assert_true(seen.count < ROWS_MOST);
	seen.keys[seen.count] = arena_str(&seen.arena, key);
	seen.rows[seen.count++] = *row;
}

static const struct measure_sink sink = { put, NULL };

/* The row of a scope; it must be there once. */
static const struct measure *row_of(const char *key)
{
	const struct measure *found = NULL;

	for (unsigned i = 0; i < seen.count; i++) {
		if (!str_eq_c(seen.keys[i], key))
			continue;
		assert_null(found);
		found = &seen.rows[i];
	}
	if (!found)
		print_error("no row for %s\n", key);
	assert_non_null(found);
	return found;
}

static void whole_goes_to_five_kinds(void **state)
{
	struct change change = {
		.time_ms = 5000, .day = 7, .money = MONEY_COLLECTED, .ranked = true
	};
	struct whole_scopes scopes = { STR("web"), STR("pt-1"), STR("tower"), STR("spring") };
	static const char *const keys[] = { "company:all", "channel:web", "partner:pt-1",
		                            "project:tower", "campaign:spring" };

	(void)state;
	measure_whole(&change, &scopes, 300, &sink);
	assert_int_equal(seen.count, 5);
	for (unsigned i = 0; i < COUNT_OF(keys); i++) {
		const struct measure *row = row_of(keys[i]);

		assert_int_equal(row->day, 7);
		assert_int_equal(row->figures.collected_minor, 300);
		/* Instants are for boards, and these have none. */
		assert_int_equal(row->figures.collected_at_ms, 0);
		assert_null(row->team_id.ptr);
	}
}

static void absent_scopes_get_nothing(void **state)
{
	struct change change = { .day = 7, .money = MONEY_REFUNDED, .ranked = true };
	struct payee_scopes payee = { STR("p"), STR("t"), { NULL, 0 }, { NULL, 0 } };

	(void)state;
	measure_whole(&change, &(struct whole_scopes){ .channel_id = STR("web") }, 1, &sink);
	measure_shares(&change, &payee, (int64_t[]){ 1 }, 1, &sink);
	assert_int_equal(seen.count, 4);
	row_of("company:all");
	row_of("channel:web");
	row_of("payee:p");
	row_of("team:t");
}

/* Two of team t1, one of t2 in the same city, one without any unit. */
static const struct payee_scopes four[] = {
	{ STR_INIT("a"), STR_INIT("t1"), STR_INIT("c"), STR_INIT("r") },
	{ STR_INIT("b"), STR_INIT("t2"), STR_INIT("c"), STR_INIT("r") },
	{ STR_INIT("c"), STR_INIT("t1"), STR_INIT("c"), STR_INIT("r") },
	{ STR_INIT("d"), { NULL, 0 }, { NULL, 0 }, { NULL, 0 } },
};

static void units_get_the_sum_and_each_count_once(void **state)
{
	struct change change = {
		.time_ms = 5000, .day = 7, .money = MONEY_ORDER_AMOUNT, .counts = { .orders = 1 }
	};

	(void)state;
	measure_shares(&change, four, (int64_t[]){ 10, 20, 30, 40 }, 4, &sink);
	assert_int_equal(seen.count, 4 + 2 + 1 + 1);
	assert_int_equal(row_of("payee:d")->figures.order_amount_minor, 40);
	assert_int_equal(row_of("payee:d")->figures.orders, 1);
	assert_int_equal(row_of("team:t1")->figures.order_amount_minor, 40);
	assert_int_equal(row_of("team:t1")->figures.orders, 1);
	assert_int_equal(row_of("team:t2")->figures.order_amount_minor, 20);
	assert_int_equal(row_of("city:c")->figures.order_amount_minor, 60);
	assert_int_equal(row_of("city:c")->figures.orders, 1);
	assert_int_equal(row_of("region:r")->figures.order_amount_minor, 60);
}

static void instants_are_kept_where_boards_rank(void **state)
{
	struct change change = {
		.time_ms = 5000, .day = 7, .money = MONEY_COMMISSION, .ranked = true
	};

	(void)state;
	measure_shares(&change, four, (int64_t[]){ 10, -20, 0, 0 }, 2, &sink);
	assert_int_equal(row_of("payee:a")->figures.commission_at_ms, 5000);
	assert_int_equal(row_of("team:t2")->figures.commission_at_ms, 5000);
	assert_int_equal(row_of("city:c")->figures.commission_at_ms, 0);
	assert_str(row_of("payee:a")->team_id, "t1");
	assert_str(row_of("payee:a")->city_id, "c");
	assert_str(row_of("payee:a")->region_id, "r");
	clear_seen(state);
	change.ranked = false;
	measure_shares(&change, four, (int64_t[]){ 10, -20, 0, 0 }, 2, &sink);
	assert_int_equal(row_of("payee:a")->figures.commission_at_ms, 0);
}

static void nothing_moved_makes_no_row(void **state)
{
	struct change change = { .day = 7, .money = MONEY_COLLECTED, .ranked = true };
	struct change counted = { .day = 7, .money = MONEY_NONE, .counts = { .delivered = 1 } };

	(void)state;
	measure_whole(&change, &(struct whole_scopes){ 0 }, 0, &sink);
	measure_shares(&change, four, (int64_t[]){ 0, 5, 0, 0 }, 4, &sink);
	assert_int_equal(seen.count, 4);
	row_of("payee:b");
	row_of("team:t2");
	clear_seen(state);
	/* +1 and -1 in one team: the team did not move, the payees did. */
	measure_shares(&change, four, (int64_t[]){ 1, 0, -1, 0 }, 4, &sink);
	assert_int_equal(seen.count, 2);
	clear_seen(state);
	measure_whole(&counted, &(struct whole_scopes){ 0 }, 0, &sink);
	assert_int_equal(row_of("company:all")->figures.delivered, 1);
}

static void product_rows(void **state)
{
	struct change change = { .time_ms = 9, .day = 7, .money = MONEY_ORDER_AMOUNT };

	(void)state;
	measure_product(&change, STR("sku"), 3, 900, &sink);
	assert_int_equal(row_of("product:sku")->figures.quantity, 3);
	assert_int_equal(row_of("product:sku")->figures.order_amount_minor, 900);
	assert_int_equal(row_of("product:sku")->figures.orders, 0);
}

static void same_means_scope_day_and_seat(void **state)
{
	struct measure a = { .kind = STR("payee"),
		             .id = STR("p"),
		             .day = 1,
		             .team_id = STR("t"),
		             .city_id = STR("c"),
		             .region_id = STR("r") };
	struct measure b = a;

	(void)state;
	b.figures.orders = 4;
	assert_true(measure_same(&a, &b));
	assert_true(measure_hash(&a) == measure_hash(&b));
#define DIFFERS(field, value)                       \
	do {                                        \
		b = a;                              \
		b.field = value;                    \
		assert_false(measure_same(&a, &b)); \
	} while (0)
	DIFFERS(kind, STR("team"));
	DIFFERS(id, STR("q"));
	DIFFERS(day, 2);
	DIFFERS(team_id, STR("u"));
	DIFFERS(city_id, STR("d"));
	DIFFERS(region_id, str_of(NULL, 0));
#undef DIFFERS
}

static void rows_add_up(void **state)
{
	struct measure sum = { .figures = { .orders = 1,
		                            .collected_minor = 5,
		                            .collected_at_ms = 100,
		                            .quantity = -2 } };
	struct measure row = { .figures = { .orders = 2,
		                            .collected_minor = -7,
		                            .collected_at_ms = 90,
		                            .commission_at_ms = 3,
		                            .quantity = 2 } };

	(void)state;
	assert_true(measure_add(&sum, &row));
	assert_int_equal(sum.figures.orders, 3);
	assert_int_equal(sum.figures.collected_minor, -2);
	assert_int_equal(sum.figures.quantity, 0);
	/* Of two instants the later one, whichever came first. */
	assert_int_equal(sum.figures.collected_at_ms, 100);
	assert_int_equal(sum.figures.commission_at_ms, 3);
	/* What would overflow is left as it is. */
	sum.figures.refunded_minor = INT64_MAX - 1;
	row.figures.refunded_minor = 2;
	assert_false(measure_add(&sum, &row));
	assert_int_equal(sum.figures.orders, 3);
	assert_int_equal(sum.figures.refunded_minor, INT64_MAX - 1);
}

/* Against the compiler's own overflow check, at all magnitudes. */
static void fit_says_whether_sums_overflow(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 100000; n++) {
		int64_t x = rng_any_i64(), y = rng_any_i64(), sum;
		struct figures a = { .refunded_minor = x }, b = { .refunded_minor = y };

		assert_int_equal(figures_fit(&a, &b), !__builtin_add_overflow(x, y, &sum));
	}
}

static void money_by_name(void **state)
{
	struct figures figures = { .signed_amount_minor = 8,
		                   .signed_amount_at_ms = 9,
		                   .refunded_minor = 10,
		                   .orders = 11 };
	struct figures ranked = figures_ranked(&figures);
	enum money money;

	(void)state;
	for (enum money m = 0; m < MONEY_NONE; m++) {
		assert_true(money_parse(money_name(m), &money));
		assert_int_equal(money, m);
	}
	assert_false(money_parse(STR("orders"), &money));
	assert_int_equal(figures_money(&figures, MONEY_SIGNED_AMOUNT), 8);
	assert_int_equal(figures_money(&figures, MONEY_REFUNDED), 10);
	assert_int_equal(ranked.signed_amount_minor, 8);
	assert_int_equal(ranked.signed_amount_at_ms, 9);
	assert_int_equal(ranked.refunded_minor, 0);
	assert_int_equal(ranked.orders, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clear_seen, release_seen)

static const struct CMUnitTest tests[] = {
	TEST(whole_goes_to_five_kinds),
	TEST(absent_scopes_get_nothing),
	TEST(units_get_the_sum_and_each_count_once),
	TEST(instants_are_kept_where_boards_rank),
	TEST(nothing_moved_makes_no_row),
	TEST(product_rows),
	TEST(same_means_scope_day_and_seat),
	TEST(rows_add_up),
	TEST(fit_says_whether_sums_overflow),
	TEST(money_by_name),
};

TESTING_MAIN(tests)
