/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are tables that contradict themselves or each other refused at boot, with the
 * worker's name and what is wrong?
 */
#include "common/runtime/worker.h"

#include "tests/support/tiny_worker.h"
#include "tests/unit/testing.h"

const struct worker *const workers[] = { &tiny_worker, NULL };

static void assert_refused(const struct worker *a, const struct worker *b, const char *words)
{
	const struct worker *const all[] = { a, b, NULL };
	struct rc rc = worker_validate(all);
	assert_int_equal(rc.code, RC_BUG);
	assert_non_null(strstr(rc_text(), words));
	assert_non_null(strstr(rc_text(), a->name));
}

static void good_tables_pass(void **state)
{
	(void)state;
	const struct worker *const blocks[] = { &tiny_block_worker, NULL };
	assert_true(rc_ok(worker_validate(workers)));
	assert_true(rc_ok(worker_validate(blocks)));
	assert_ptr_equal(worker_find(STR("tiny")), &tiny_worker);
	assert_null(worker_find(STR("tin")));
	assert_str(owner_is_id(STR("x")), "x");
}

static void a_worker_must_be_complete(void **state)
{
	(void)state;
	struct worker w = tiny_worker;
	w.logic_version = 0;
	assert_refused(&w, NULL, "missing");
	w = tiny_worker;
	w.internal = true;
	assert_refused(&w, NULL, "exactly one kind of entry");
	w = tiny_worker;
	struct input inputs[3] = { tiny_worker.inputs[0], tiny_worker.inputs[1] };
	w.inputs = inputs;
	inputs[1].fold = NULL;
	assert_refused(&w, NULL, "withdraw");
	inputs[1] = inputs[0];
	assert_refused(&w, NULL, "twice");
	w = tiny_worker;
	w.on_timer = NULL;
	assert_refused(&w, NULL, "on_timer");
	struct output sums = sums_output;
	const struct output *const outputs[] = { &sums, NULL };
	sums.row_add = NULL;
	w = tiny_worker;
	w.outputs = outputs;
	assert_refused(&w, NULL, "summed");
}

static void an_entity_must_fit_its_form(void **state)
{
	(void)state;
	struct worker w = tiny_worker;
	struct entity entity = account_entity, other = tally_entity;
	const struct entity *const entities[] = { &entity, &other, NULL };
	w.entities = entities;
	assert_true(rc_ok(worker_validate((const struct worker *const[]){ &w, NULL })));
	entity.form = ENTITY_FIGURES; /* it holds text */
	assert_refused(&w, NULL, "account");
	entity = account_entity;
	entity.owner = NULL;
	assert_refused(&w, NULL, "owner");
	entity = account_entity;
	entity.name = "two/parts"; /* timers name it as <entity>/<id> */
	assert_refused(&w, NULL, "lower-case word");
	entity = account_entity;
	other.name = "account";
	assert_refused(&w, NULL, "share a name");
	other = tally_entity;
	other.prefix = account_entity.prefix;
	assert_refused(&w, NULL, "share a name or a prefix");
}

static void two_workers_own_nothing_together(void **state)
{
	(void)state;
	struct worker w = tiny_worker;
	w.name = "other";
	assert_refused(&w, &tiny_worker, "input topic");
	w.topic = "other";
	assert_refused(&w, &tiny_worker, "both own");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(good_tables_pass),
	cmocka_unit_test(a_worker_must_be_complete),
	cmocka_unit_test(an_entity_must_fit_its_form),
	cmocka_unit_test(two_workers_own_nothing_together),
};

TESTING_MAIN(tests)
