/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the product's worker tables hold together, and does each key's name tell the
 * message key whose shard owns it, whatever characters ids are made of?
 */
#include "services/workers.h"

#include "tests/unit/testing.h"

static const struct entity *entity_of(const struct worker *worker, const char *name)
{
	for (const struct entity *const *e = worker->entities; *e; e++)
		if (strcmp((*e)->name, name) == 0)
			return *e;
	fail();
	return NULL;
}

static void tables_are_valid(void **state)
{
	unsigned count = 0;

	(void)state;
	assert_true(rc_ok(worker_validate(workers)));
	for (; workers[count]; count++)
		assert_ptr_equal(worker_find(str_from_c(workers[count]->name)), workers[count]);
	assert_true(count >= 3);
	assert_null(worker_find(STR("order")));
}

/* contract: owners */
static void owners_of_orders_and_pay(void **state)
{
	const struct entity *order = entity_of(&orders_worker, "order");
	const struct entity *pay = entity_of(&commissions_worker, "pay");

	(void)state;
	assert_str(order->owner(STR("o:1")), "o:1");
	assert_str(pay->owner(STR("p-1:2026-03")), "p-1");
	assert_str(pay->owner(STR("hr:p 1:2026-03")), "hr:p 1");
	assert_str(commissions_worker.keys[0].owner(STR("hr:p-1:2026-03")), "hr:p-1");
	assert_null(commissions_worker.keys[1].owner);
}

/* Topic measures is partitioned by "<kind>:<id>". */
/* contract: owners */
static void owners_of_sales_and_seats(void **state)
{
	const struct entity *sales = entity_of(&scoreboard_worker, "sales");
	const struct entity *seat = entity_of(&scoreboard_worker, "seat");

	(void)state;
	assert_str(sales->owner(STR("payee:p-1:2026-W10")), "payee:p-1");
	assert_str(sales->owner(STR("project:a:b:2026")), "project:a:b");
	assert_str(seat->owner(STR("payee:p-1:team:t-1:2026-03")), "payee:p-1");
	assert_str(seat->owner(STR("payee:hr:p-1:city:a%3Ab:2026-03")), "payee:hr:p-1");
	assert_str(seat->owner(STR("")), "");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(tables_are_valid),
	cmocka_unit_test(owners_of_orders_and_pay),
	cmocka_unit_test(owners_of_sales_and_seats),
};

TESTING_MAIN(tests)
