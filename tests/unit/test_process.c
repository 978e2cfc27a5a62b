/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a process call its ports in the right order and with the right memory, for
 * several shards at once, and does it neither spin nor sleep when it waits? The
 * ports are scripted: nothing happens but what the test says.
 */
#include "common/runtime/process.h"

#include "tests/support/fake_ports.h"
#include "tests/support/tiny_worker.h"
#include "tests/unit/testing.h"

const struct worker *const workers[] = { &tiny_worker, NULL };

static struct fake_ports f;
static struct process *p;
static struct arena memory;
static struct process_options options;

static int begin(void **state)
{
	(void)state;
	fake_init(&f);
	arena_init(&memory, 1024);
	process_options_default(&options);
	options.tell_interval_ms = options.tell_interval_max_ms = 0; /* with every batch */
	p = process_new(&tiny_worker, &f.ports, &options);
	return 0;
}

static int end(void **state)
{
	(void)state;
	process_free(p);
	fake_release(&f);
	arena_release(&memory);
	return 0;
}

static void turn(void)
{
	while (process_turn(p))
		;
}

static void open_producer(void)
{
	turn();
	fake_answer(&f, HAPPENED_REOPENED, -1, fake_expect(&f, "reopen", -1)->ticket);
	turn();
}

static const struct fake_call *assign(int32_t partition)
{
	fake_answer(&f, HAPPENED_ASSIGNED, partition, 0);
	turn();
	return fake_expect(&f, "claim", partition);
}

static const char *metadata = "tw1 seq=0 origin=0 topic=T pin=-1 first=1 logic=1 untold=0 skipped=";

static void answer_cursor(int32_t partition, uint64_t ticket, int64_t output_cursor)
{
	struct happening *h = fake_answer(&f, HAPPENED_CURSOR, partition, ticket);
	h->cursor = (struct cursor){
		.exists = true,
		.output_cursor = output_cursor,
		.metadata = str_from_c(metadata),
		.log_end = 100000,
		.topic_id = STR("T"),
		.partitions = 2,
	};
	turn();
}

static void answer_claim(int32_t partition, uint64_t ticket)
{
	struct happening *h = fake_answer(&f, HAPPENED_CLAIMED, partition, ticket);
	h->meta = (struct shard_meta){
		.state = META_WHOLE, .logic_version = 1, .reference_pin = -1, .partitions = 2
	};
	turn();
}

/* From claim to running at 0, with K there. */
static void go_on_below(int32_t partition, const struct fake_call *claim, int64_t output_cursor)
{
	answer_claim(partition, claim->ticket);
	answer_cursor(partition, fake_expect(&f, "read_cursor", partition)->ticket, output_cursor);
	assert_int_equal(fake_expect(&f, "start", partition)->number, 0);
	const struct fake_call *due = fake_expect(&f, "read_due", partition);
	fake_answer(&f, HAPPENED_DUE, partition, due->ticket);
	turn();
}

static void go_on(int32_t partition, const struct fake_call *claim)
{
	go_on_below(partition, claim, 0);
}

static void run(int32_t partition)
{
	go_on(partition, assign(partition));
}

/* One deposit at the offset, taken and loaded. */
static void fold(int32_t partition, int64_t offset, int64_t due_ms)
{
	static struct message messages[16];
	struct message *m = &messages[(offset * 2 + partition) % 16];
	*m = tiny_event(&memory, offset, "deposit", tiny_account(0, partition, 2), 5, due_ms);
	fake_feed(&f, partition, m, 1, offset + 1, true);
	turn();
	const struct fake_call *load = fake_next(&f);
	if (load && strcmp(load->name, "load") == 0) {
		struct happening *h = fake_answer(&f, HAPPENED_LOADED, partition, load->ticket);
		h->load.values = arena_zalloc(&memory, load->load->count * sizeof(struct loaded));
		turn();
	} else if (load) {
		f.seen--;
	}
}

static const struct transaction *published(void)
{
	f.now_ms += options.txn_interval_min_ms;
	turn();
	return fake_expect(&f, "publish", -1)->transaction;
}

static void ended(const struct transaction *t, enum publish_result result)
{
	fake_answer(&f, HAPPENED_PUBLISHED, -1, t->ticket)->publish = result;
	turn();
}

static enum shard_state state_of(unsigned row)
{
	struct shard_status rows[FAKE_PARTITIONS];
	assert_true(process_shards(p, rows, FAKE_PARTITIONS) > row);
	return rows[row].state;
}

/* Without an answer a host may sleep: time alone brings nothing sooner. */
static void assert_sleeps(void)
{
	assert_true(process_next_turn_ms(p) > f.now_ms);
}

/* ---- starting ----------------------------------------------------------------------- */

static void nothing_is_claimed_before_the_targets_are_known(void **state)
{
	(void)state;
	f.partitions = -1;
	fake_answer(&f, HAPPENED_ASSIGNED, 0, 0);
	turn();
	assert_null(fake_next(&f));
	assert_sleeps();
	f.partitions = 2;
	f.now_ms += 100;
	turn();
	uint64_t ticket = fake_expect(&f, "reopen", -1)->ticket;
	assert_sleeps();
	struct happening *h = fake_answer(&f, HAPPENED_REOPENED, -1, ticket);
	h->rc.code = RC_UNAVAILABLE;
	turn();
	assert_sleeps();
	f.now_ms += 500;
	turn();
	ticket = fake_expect(&f, "reopen", -1)->ticket;
	fake_answer(&f, HAPPENED_REOPENED, -1, ticket);
	turn();
	assert_string_equal(fake_expect(&f, "claim", 0)->text, "me");
	assert_sleeps();
}

static void the_names_of_owners_go_the_right_way(void **state)
{
	(void)state;
	open_producer();
	const struct fake_call *claim = assign(1);
	struct happening *h = fake_answer(&f, HAPPENED_CLAIMED, 1, claim->ticket);
	h->meta = (struct shard_meta){ .state = META_ABSENT, .claimer = "other" };
	turn();
	assert_string_equal(fake_expect(&f, "fence", 1)->text, "other");
	fake_answer(&f, HAPPENED_REVOKED, 1, 0);
	turn();
	assert_string_equal(fake_expect(&f, "unclaim", 1)->text, "other");
	fake_expect(&f, "unassign", 1);
	assert_int_equal(process_shard_count(p), 0);
	claim = assign(1);
	h = fake_answer(&f, HAPPENED_CLAIMED, 1, claim->ticket);
	h->meta.state = META_ABSENT;
	turn();
	answer_cursor(1, fake_expect(&f, "read_cursor", 1)->ticket, 0);
	const struct fake_call *wipe = fake_expect(&f, "wipe", 1);
	assert_int_equal(wipe->number, 0);
	fake_answer(&f, HAPPENED_REVOKED, 1, 0);
	turn();
	assert_string_equal(fake_expect(&f, "unclaim", 1)->text, "");
}

/* ---- running ------------------------------------------------------------------------ */

static void two_shards_share_a_transaction(void **state)
{
	(void)state;
	open_producer();
	run(0);
	run(1);
	fold(0, 0, 0);
	const struct transaction *t = published();
	assert_int_equal(t->carried_count, 1);
	fold(0, 1, 0);
	fold(1, 0, 0);
	assert_null(fake_next(&f)); /* one at a time */
	ended(t, PUBLISH_COMMITTED);
	t = published();
	assert_int_equal(t->carried_count, 2);
	assert_int_equal(t->carried[0].next_offset, 2);
	assert_int_equal(t->carried[1].next_offset, 1);
	assert_int_equal(t->carried[1].epoch, *t->carried[1].epoch_now);
	ended(t, PUBLISH_COMMITTED);
	f.now_ms += 100;
	turn();
	for (int32_t i = 0; i < 2; i++) {
		const struct fake_call *call = fake_expect(&f, "flush", i);
		assert_int_equal(call->flush->meta.input_cursor, 2 - i);
		fake_answer(&f, HAPPENED_FLUSHED, i, call->ticket);
	}
	turn();
	assert_true(process_is_drained(p));
	assert_int_equal(process_stats(p)->transactions, 2);
	assert_int_equal(process_stats(p)->dirty_writes, 0);
}

static void an_abort_sends_the_same_again_after_a_while(void **state)
{
	(void)state;
	open_producer();
	run(0);
	fold(0, 0, 0);
	const struct transaction *t = published();
	const struct outgoing *outgoing = t->carried[0].outgoing;
	uint64_t ticket = t->ticket;
	ended(t, PUBLISH_ABORTED);
	assert_null(fake_next(&f));
	assert_sleeps();
	f.now_ms = process_next_turn_ms(p);
	turn();
	t = fake_expect(&f, "publish", -1)->transaction;
	assert_true(t->ticket != ticket);
	assert_ptr_equal(t->carried[0].outgoing, outgoing);
	fake_answer(&f, HAPPENED_PUBLISHED, -1, ticket)->publish =
		PUBLISH_UNKNOWN; /* late, ignored */
	ended(t, PUBLISH_COMMITTED);
	assert_int_equal(state_of(0), SHARD_RUNNING);
}

/* With the producer its name is gone: every claim made under it is made again. */
static void an_unknown_outcome_claims_every_shard_again(void **state)
{
	(void)state;
	open_producer();
	run(0);
	fold(0, 0, 0);
	const struct transaction *t = published();
	const struct fake_call *claim = assign(1);
	answer_claim(1, claim->ticket);
	uint64_t cursor = fake_expect(&f, "read_cursor", 1)->ticket;
	ended(t, PUBLISH_UNKNOWN);
	assert_int_equal(state_of(0), SHARD_WAITING);
	assert_int_equal(state_of(1), SHARD_WAITING);
	assert_null(fake_next(&f)); /* after a while */
	assert_sleeps();
	answer_cursor(1, cursor, 0); /* too late */
	assert_null(fake_next(&f));
	f.transactional_id = "me again";
	f.now_ms = process_next_turn_ms(p);
	turn();
	fake_answer(&f, HAPPENED_REOPENED, -1, fake_expect(&f, "reopen", -1)->ticket);
	turn();
	for (int32_t i = 0; i < 2; i++)
		assert_string_equal(fake_expect(&f, "claim", i)->text, "me again");
}

/* A transaction of four records that came to nothing after five seconds, and a new producer. */
static void fail_slowly(void)
{
	open_producer();
	run(0);
	assert_true(f.most > 8);
	fold(0, 0, 0); /* at once */
	const struct transaction *first = published();
	for (int64_t offset = 1; offset <= 4; offset++)
		fold(0, offset, 0);
	ended(first, PUBLISH_COMMITTED);
	const struct transaction *t = published();
	f.now_ms += 5000;
	ended(t, PUBLISH_ABORTED);
	assert_int_equal(process_publishing(p).failed, 1);
	f.now_ms = process_next_turn_ms(p);
	turn();
	fake_answer(&f, HAPPENED_REOPENED, -1, fake_expect(&f, "reopen", -1)->ticket);
	turn();
}

/* What brokers cannot take in time is not sent again as it is, but folded anew in smaller parts. */
static void what_was_too_slow_goes_in_smaller_parts(void **state)
{
	(void)state;
	fail_slowly();
	go_on(0, fake_expect(&f, "claim", 0));
	fold(0, 0, 0);
	assert_int_equal(f.most, 2);
	ended(published(), PUBLISH_COMMITTED); /* at once: twice as much again */
	assert_int_equal(process_publishing(p).failed, 0);
	fold(0, 1, 0);
	assert_int_equal(f.most, 4);
	ended(published(), PUBLISH_COMMITTED);
	turn();
	assert_int_equal(f.most, 8);
}

/* What goes into no transaction is not made smaller for its sake. */
static void what_is_folded_again_goes_at_full_speed(void **state)
{
	(void)state;
	fail_slowly();
	go_on_below(0, fake_expect(&f, "claim", 0), 100);
	fold(0, 0, 0);
	assert_true(f.most > 8);
}

static int64_t position_of(unsigned row)
{
	struct shard_status rows[FAKE_PARTITIONS];
	assert_true(process_shards(p, rows, FAKE_PARTITIONS) > row);
	return rows[row].position;
}

/* What was not told can be let go of behind K only, so memory that is short does not keep a shard
 * from getting there. */
static void a_replay_gets_behind_K_whatever_is_held(void **state)
{
	(void)state;
	const int64_t K = 6000; /* that many batches hold more than is allowed */
	const char *before = metadata;
	metadata = "tw1 seq=0 origin=0 topic=T pin=-1 first=1 logic=1 untold=6000 skipped=";
	open_producer();
	go_on_below(0, assign(0), K);
	go_on_below(1, assign(1), K);
	metadata = before;
	for (int64_t offset = 0; offset < K - 1; offset++) {
		fold(0, offset, 0);
		fold(1, offset, 0);
	}
	assert_int_equal(position_of(0), K - 1);
	assert_true(position_of(1) < K - 1); /* one at a time */
	assert_sleeps();
	fold(0, K - 1, 0);
	assert_int_equal(position_of(0), K);
	fake_expect(&f, "publish", -1);
}

static void lost_with_everything_under_way(void **state)
{
	(void)state;
	open_producer();
	run(0);
	fold(0, 0, 0);
	ended(published(), PUBLISH_COMMITTED);
	f.now_ms += 1000;
	turn();
	const struct fake_call *flush = fake_expect(&f, "flush", 0);
	fold(0, 1, 0);
	const struct transaction *t = published();
	fake_answer(&f, HAPPENED_LOST, 0, 0);
	fake_answer(&f, HAPPENED_ASSIGNED, 0, 0);
	turn();
	fake_expect(&f, "unassign", 0);
	assert_null(fake_next(&f)); /* A1 waits for the transaction */
	assert_true(*t->carried[0].epoch_now != t->carried[0].epoch);
	assert_sleeps();
	fake_answer(&f, HAPPENED_FLUSHED, 0, flush->ticket)->store = STORE_OK;
	ended(t, PUBLISH_ABORTED);
	fake_expect(&f, "claim", 0);
	assert_int_equal(process_shard_count(p), 1);
}

static void a_slow_store_is_waited_for_asleep(void **state)
{
	(void)state;
	open_producer();
	run(0);
	fold(0, 0, 0);
	ended(published(), PUBLISH_COMMITTED);
	f.now_ms += 100;
	turn();
	const struct fake_call *flush = fake_expect(&f, "flush", 0);
	assert_sleeps();
	fake_answer(&f, HAPPENED_FLUSHED, 0, flush->ticket)->store = STORE_KEPT;
	turn();
	assert_int_equal(state_of(0), SHARD_PAUSED);
	assert_sleeps();
	f.now_ms += 100;
	turn();
	flush = fake_expect(&f, "flush", 0);
	assert_sleeps();
	fake_answer(&f, HAPPENED_REVOKED, 0, 0);
	turn();
	assert_sleeps();
	fake_answer(&f, HAPPENED_FLUSHED, 0, flush->ticket)->store = STORE_OK;
	turn();
	flush = fake_expect(&f, "flush", 0);
	assert_true(flush->flush->release);
	fake_answer(&f, HAPPENED_FLUSHED, 0, flush->ticket)->store = STORE_OK;
	turn();
	fake_expect(&f, "unassign", 0);
	assert_int_equal(process_shard_count(p), 0);
}

/* A settled batch waits for its flush until the transaction behind it ended. */
static void a_revoke_behind_a_transaction_sleeps(void **state)
{
	(void)state;
	open_producer();
	run(0);
	fold(0, 0, 0);
	ended(published(), PUBLISH_COMMITTED);
	fold(0, 1, 0);
	const struct transaction *t = published();
	fake_answer(&f, HAPPENED_REVOKED, 0, 0);
	f.now_ms += 500;
	turn();
	assert_sleeps();
	assert_null(fake_next(&f));
	ended(t, PUBLISH_COMMITTED);
	const struct flush *flush = fake_expect(&f, "flush", 0)->flush;
	assert_int_equal(flush->meta.input_cursor, 2);
	assert_true(flush->release);
}

/* ---- timers and the reference ---------------------------------------------------------- */

static void a_timer_that_could_not_be_appended_goes_again(void **state)
{
	(void)state;
	open_producer();
	run(0);
	fold(0, 0, 3000);
	ended(published(), PUBLISH_COMMITTED);
	const struct fake_call *call = fake_expect(&f, "append", 0);
	assert_string_equal(call->text, tiny_account(0, 0, 2));
	struct happening *h = fake_answer(&f, HAPPENED_APPENDED, 0, call->ticket);
	h->rc.code = RC_UNAVAILABLE;
	turn();
	assert_null(fake_next(&f));
	f.now_ms += 1000;
	turn();
	while ((call = fake_next(&f)) && strcmp(call->name, "append") != 0)
		;
	assert_non_null(call);
	fake_answer(&f, HAPPENED_APPENDED, 0, call->ticket);
	f.now_ms += 10000;
	turn();
	while ((call = fake_next(&f)))
		assert_string_not_equal(call->name, "append");
}

static void the_reference_is_read_to_its_end_for_a_pin(void **state)
{
	(void)state;
	open_producer();
	const struct fake_call *claim = assign(0);
	struct happening *h = fake_answer(&f, HAPPENED_CLAIMED, 0, claim->ticket);
	h->meta = (struct shard_meta){
		.state = META_WHOLE, .logic_version = 1, .reference_pin = 4, .partitions = 2
	};
	turn();
	answer_cursor(0, fake_expect(&f, "read_cursor", 0)->ticket, 0);
	const struct fake_call *read = fake_expect(&f, "read_reference", -1);
	assert_int_equal(read->number, 0);
	assert_sleeps();
	h = fake_answer(&f, HAPPENED_REFERENCE, -1, read->ticket);
	h->reference.next = 4;
	turn();
	assert_null(fake_next(&f)); /* more of it is to come */
	h = fake_answer(&f, HAPPENED_REFERENCE, -1, read->ticket);
	h->reference.next = 4;
	h->reference.at_end = true;
	turn();
	assert_sleeps();
	f.now_ms += 50;
	turn();
	read = fake_expect(&f, "read_reference", -1);
	assert_int_equal(read->number, 4);
	h = fake_answer(&f, HAPPENED_REFERENCE, -1, read->ticket);
	h->rc = (struct rc){ RC_UNAVAILABLE };
	h->words = "not authorized";
	turn();
	struct shard_status row;
	process_shards(p, &row, 1);
	assert_int_equal(row.failures, 1);
	assert_string_equal(row.words, "reading the reference data: not authorized");
	f.now_ms += 499;
	turn();
	assert_null(fake_next(&f));
	f.now_ms += 1;
	turn();
	read = fake_expect(&f, "read_reference", -1);
	h = fake_answer(&f, HAPPENED_REFERENCE, -1, read->ticket);
	h->reference.next = 5;
	h->reference.at_end = true;
	turn();
	fake_expect(&f, "start", 0);
	process_shards(p, &row, 1);
	assert_int_equal(row.failures, 0);
}

static void what_the_group_refuses_is_told(void **state)
{
	(void)state;
	open_producer();
	assert_string_equal(process_group_trouble(p), "");
	struct happening *h = fake_answer(&f, HAPPENED_TROUBLE, -1, 0);
	h->rc = (struct rc){ RC_UNAVAILABLE };
	h->words = "maximum poll interval exceeded"; /* it joins again by itself */
	turn();
	assert_string_equal(process_group_trouble(p), "");
	h = fake_answer(&f, HAPPENED_TROUBLE, -1, 0);
	h->rc = (struct rc){ RC_REFUSED };
	h->words = "Group authorization failed";
	turn();
	assert_string_equal(process_group_trouble(p), "Group authorization failed");
	run(0);
	assert_string_equal(process_group_trouble(p), "");
}

static void a_drain_finishes_what_is_under_way(void **state)
{
	(void)state;
	open_producer();
	run(0);
	fold(0, 0, 0);
	process_drain(p);
	assert_false(process_is_drained(p));
	fake_feed(&f, 0, NULL, 0, 50, true);
	ended(published(), PUBLISH_COMMITTED);
	f.now_ms += 1000;
	turn();
	const struct fake_call *call = fake_expect(&f, "flush", 0);
	assert_int_equal(call->flush->meta.input_cursor, 1); /* nothing more was taken */
	fake_answer(&f, HAPPENED_FLUSHED, 0, call->ticket);
	turn();
	assert_true(process_is_drained(p));
}

/* Memory of calls under way is given back however the process ends. */
static void freed_in_the_middle_of_everything(void **state)
{
	(void)state;
	open_producer();
	run(0);
	fold(0, 0, 900);
	ended(published(), PUBLISH_COMMITTED);
	fake_expect(&f, "append", 0);
	fold(0, 1, 0);
	published();
	f.now_ms += 1000;
	struct message m = tiny_deposit(&memory, 2, tiny_account(1, 0, 2), 5);
	fake_feed(&f, 0, &m, 1, 3, true);
	turn();
	fake_expect(&f, "flush", 0);
	fake_expect(&f, "load", 0);
	assert_int_equal(f.out, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

static const struct CMUnitTest tests[] = {
	T(nothing_is_claimed_before_the_targets_are_known),
	T(the_names_of_owners_go_the_right_way),
	T(two_shards_share_a_transaction),
	T(an_abort_sends_the_same_again_after_a_while),
	T(an_unknown_outcome_claims_every_shard_again),
	T(what_was_too_slow_goes_in_smaller_parts),
	T(what_is_folded_again_goes_at_full_speed),
	T(a_replay_gets_behind_K_whatever_is_held),
	T(lost_with_everything_under_way),
	T(a_slow_store_is_waited_for_asleep),
	T(a_revoke_behind_a_transaction_sleeps),
	T(a_timer_that_could_not_be_appended_goes_again),
	T(the_reference_is_read_to_its_end_for_a_pin),
	T(what_the_group_refuses_is_told),
	T(a_drain_finishes_what_is_under_way),
	T(freed_in_the_middle_of_everything),
};

TESTING_MAIN(tests)
