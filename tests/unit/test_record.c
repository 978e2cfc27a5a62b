/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the engine read, refuse, write, digest and copy as record.h says? The
 * generated types serve as samples; test_schemas_generated.c goes through all.
 */
#include "common/codec/record.h"

#include <yyjson.h>

#include "common/base/limits.h"
#include "events.h"
#include "tests/unit/testing.h"

static struct arena arena;

static int clear_arena(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

/* The parsed text lives as long as the arena, in memory of its exact size. */
static yyjson_val *parse(struct str text)
{
	size_t room = yyjson_read_max_memory_usage(text.len, 0);
	yyjson_alc memory;
	yyjson_doc *document;

	yyjson_alc_pool_init(&memory, arena_alloc(&arena, room), room);
	document = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len,
	                            YYJSON_READ_BIGNUM_AS_RAW, &memory, NULL);
	if (!document)
		fail_msg("not JSON: %.*s", STR_ARG(text));
	return yyjson_doc_get_root(document);
}

static bool decode(const struct record_type *type, const char *text, void *out, struct fault *fault)
{
	return record_decode(type, parse(str_from_c(text)), STR(""), out, &arena, fault);
}

#define takes(type, text, out) takes_at(&type##_type, (text), (out), __FILE__, __LINE__)
#define refuses(type, text, reason, path) \
	refuses_at(&type##_type, (text), (reason), (path), __FILE__, __LINE__)

static void takes_at(const struct record_type *type, const char *text, void *out, const char *file,
                     int line)
{
	struct fault fault;

	if (decode(type, text, out, &fault))
		return;
	print_error("%s at \"%s\": %s\n", reason_code(fault.reason), fault.path, text);
	_fail(file, line);
}

static void refuses_at(const struct record_type *type, const char *text, enum reason reason,
                       const char *path, const char *file, int line)
{
	void *out = arena_alloc(&arena, type->size);
	struct fault fault = { 0 };

	if (!decode(type, text, out, &fault) && fault.reason == reason &&
	    strcmp(fault.path, path) == 0)
		return;
	print_error("%s at \"%s\": %s\n", reason_code(fault.reason), fault.path, text);
	_fail(file, line);
}

static struct str encoded(const struct record_type *type, const void *record)
{
	struct buf b;

	buf_init(&b, &arena);
	record_encode(type, record, &b);
	return buf_str(&b);
}

/* --- Reading ------------------------------------------------------------------------ */

#define CREATED                                                                                   \
	"{\"order_id\":\"o-1\",\"customer_key\":\"c-7\",\"channel_id\":\"web\","                  \
	"\"splits\":[{\"payee_id\":\"p-1\",\"weight\":60},{\"payee_id\":\"p-2\",\"weight\":40}]," \
	"\"lines\":[{\"product_id\":\"s-1\",\"quantity\":2,\"unit_price\":150}],"                 \
	"\"amount\":300,\"currency\":\"CNY\"}"

static void reads_each_kind(void **state)
{
	struct order_created order;
	struct order_delivered delivered;
	struct measure measure;
	struct company_defined company;
	struct order kept;

	(void)state;
	takes(order_created, CREATED, &order);
	assert_str(order.order_id, "o-1");
	assert_null(order.partner_id.ptr);
	assert_int_equal(order.splits.count, 2);
	assert_int_equal(order.splits.room, 2);
	assert_str(order.splits.items[1].payee_id, "p-2");
	assert_int_equal(order.splits.items[1].weight, 40);
	assert_int_equal(order.lines.items[0].unit_price_minor, 150);
	assert_int_equal(order.amount_minor, 300);
	takes(order_delivered, "{\"order_id\":\"o\",\"on_time\":true,\"correct\":false}",
	      &delivered);
	assert_true(delivered.on_time);
	assert_false(delivered.correct);
	takes(company_defined,
	      "{\"company_id\":\"all\",\"timezone\":\"Asia/Shanghai\",\"currency\":\"CNY\","
	      "\"transitions\":[],\"boards\":{\"measures\":[\"collected\"],"
	      "\"periods\":[\"day\",\"year\"]},\"valid_to\":\"1970-01-01T08:00:01+08:00\"}",
	      &company);
	assert_non_null(company.transitions.items); /* empty is not absent */
	assert_int_equal(company.transitions.count, 0);
	assert_null(company.periods.items);
	assert_true(company.has_boards);
	assert_str(company.boards.periods.items[1], "year");
	assert_false(company.has_valid_from_ms);
	assert_true(company.has_valid_to_ms);
	assert_int_equal(company.valid_to_ms, 1000);
	takes(measure, "{\"kind\":\"team\",\"id\":\"t\",\"day\":\"1970-01-02\",\"figures\":{}}",
	      &measure);
	assert_int_equal(measure.day, 1);
	takes(order,
	      "{\"order_id\":\"o\",\"status\":\"held\",\"collected\":0,\"refunded\":0,"
	      "\"shard\":\"orders/1\",\"_\":{\"ids\":[-9223372036854775808,9223372036854775807]}}",
	      &kept);
	assert_int_equal(kept.internal.ids.count, 2);
	assert_true(kept.internal.ids.items[0] == INT64_MIN);
	assert_true(kept.internal.ids.items[1] == INT64_MAX);
	assert_false(kept.internal.has_due_ms);
}

static void order_of_keys_does_not_matter(void **state)
{
	struct payment_collected a, b;

	(void)state;
	takes(payment_collected,
	      "{\"order_id\":\"o\",\"payment_id\":\"p\",\"amount\":1,\"currency\":\"CNY\"}", &a);
	takes(payment_collected,
	      "{\"currency\":\"CNY\",\"extra\":{\"x\":[1,{}]},\"amount\":1,\"payment_id\":\"p\","
	      "\"more\":null,\"order_id\":\"o\"}",
	      &b);
	assert_str_eq(encoded(&payment_collected_type, &a), encoded(&payment_collected_type, &b));
	assert_true(record_digest(&payment_collected_type, &a, 7) ==
	            record_digest(&payment_collected_type, &b, 7));
}

static void null_is_absent(void **state)
{
	struct person_defined person;

	(void)state;
	takes(person_defined,
	      "{\"payee_id\":\"p\",\"team_id\":\"t\",\"level\":1,\"rating\":null,"
	      "\"valid_from\":null}",
	      &person);
	assert_null(person.rating.ptr);
	assert_false(person.has_valid_from_ms);
	refuses(person_defined, "{\"payee_id\":\"p\",\"team_id\":null,\"level\":1}",
	        REASON_MISSING_FIELD, "/team_id");
}

static void only_integers_are_integers(void **state)
{
	static const char *const wrong[] = {
		"12.0",  "1e3",   "1.5",  "-0.0", "9223372036854775808",  "18446744073709551616",
		"1e400", "\"1\"", "true", "{}",   "-9223372036854775809", "[1]",
	};
	char text[200];
	struct figures figures;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
		snprintf(text, sizeof(text), "{\"orders\":%s}", wrong[i]);
		refuses(figures, text, REASON_BAD_FIELD, "/orders");
		snprintf(text, sizeof(text), "{\"collected\":%s}", wrong[i]);
		refuses(figures, text, REASON_BAD_MONEY, "/collected");
	}
	takes(figures, "{\"orders\":9223372036854775807,\"collected\":-9223372036854775808}",
	      &figures);
	assert_true(figures.orders == INT64_MAX);
	assert_true(figures.collected_minor == INT64_MIN);
	takes(figures, "{\"orders\":-0,\"collected\":null}", &figures);
	assert_int_equal(figures.orders, 0);
	assert_str(encoded(&figures_type, &figures), "{}");
}

static void lists_have_limits_for_each_item(void **state)
{
	static const struct field fields[] = {
		{ FIELD_NAME("ints"), .kind = FIELD_INTS, .has = -1, .min = 1, .max = 3,
		  .item_min = -1, .item_max = 2 },
	};
	static const struct record_type sample_type = { "sample", sizeof(struct int_list), fields,
		                                        1 };
	struct int_list list;

	(void)state;
	takes(sample, "{\"ints\":[-1,2,0]}", &list);
	assert_int_equal(list.count, 3);
	refuses(sample, "{\"ints\":[]}", REASON_BAD_FIELD, "/ints");
	refuses(sample, "{\"ints\":[0,0,0,0]}", REASON_BAD_FIELD, "/ints");
	refuses(sample, "{\"ints\":[0,-2]}", REASON_BAD_FIELD, "/ints/1");
	refuses(sample, "{\"ints\":[3]}", REASON_BAD_FIELD, "/ints/0");
}

static void forms_hold(void **state)
{
	static const struct field id = { FIELD_NAME("id"), .form = FORM_ID, .min = 1, .max = 12 };
	static const struct field code = { FIELD_NAME("c"), .form = FORM_CODE, .min = 1, .max = 8 };
	static const struct field money = { FIELD_NAME("m"), .form = FORM_CURRENCY, .max = 3 };

	(void)state;
	assert_true(field_takes_text(&id, STR("a b")));
	assert_true(field_takes_text(&id, STR("\xe4\xba\xba\xc2\x80")));
	assert_true(field_takes_text(&id, STR("123456789012")));
	assert_false(field_takes_text(&id, STR("1234567890123")));
	assert_false(field_takes_text(&id, STR("")));
	assert_false(field_takes_text(&id, STR(" a")));
	assert_false(field_takes_text(&id, STR("a ")));
	for (int c = 0; c < 256; c++)
		for (size_t at = 0; at < 11; at++) {
			char text[11] = "abcdefghijk";

			text[at] = (char)c;
			assert_int_equal(field_takes_text(&id, str_of(text, sizeof(text))),
			                 c >= 0x20 && c != 0x7f &&
			                         !(c == ' ' && (at == 0 || at == 10)));
		}
	assert_true(field_takes_text(&code, STR("a_9")));
	assert_false(field_takes_text(&code, STR("9a")));
	assert_false(field_takes_text(&code, STR("_a")));
	assert_false(field_takes_text(&code, STR("aB")));
	assert_false(field_takes_text(&code, STR("")));
	assert_true(field_takes_text(&money, STR("CNY")));
	assert_false(field_takes_text(&money, STR("CNy")));
	assert_false(field_takes_text(&money, STR("CN")));
	assert_false(field_takes_text(&money, STR("C@Y")));
	refuses(order_cancelled, "{\"order_id\":\"a\\u0000b\",\"reason\":\"\"}", REASON_BAD_FIELD,
	        "/order_id");
}

static void faults_have_their_reason_and_path(void **state)
{
	(void)state;
	refuses(order_created, "[]", REASON_BAD_FIELD, "");
	refuses(order_created, "null", REASON_BAD_FIELD, "");
	refuses(order_created, "{}", REASON_MISSING_FIELD, "/order_id");
	refuses(order_created, "{\"order_id\":\"o\",\"order_id\":\"o\"}", REASON_DUPLICATE_KEY,
	        "/order_id");
	refuses(order_created, "{\"splits\":[{\"payee_id\":\"p\"}]}", REASON_BAD_SPLITS,
	        "/splits/0/weight");
	refuses(order_created, "{\"splits\":[{\"payee_id\":\"p\",\"payee_id\":\"p\"}]}",
	        REASON_DUPLICATE_KEY, "/splits/0/payee_id");
	refuses(order_created,
	        "{\"lines\":[{\"product_id\":\"s\",\"quantity\":1,\"unit_price\":0},1]}",
	        REASON_BAD_FIELD, "/lines/1");
	refuses(company_defined, "{\"boards\":{\"measures\":[\"collected\",7]}}", REASON_BAD_FIELD,
	        "/boards/measures/1");
	refuses(unit_defined, "{\"unit_id\":\"u\",\"kind\":\"tea\"}", REASON_BAD_FIELD, "/kind");
	refuses(unit_defined, "{\"unit_id\":\"u\",\"kind\":\"teams\"}", REASON_BAD_FIELD, "/kind");
}

static void unknown_fields_are_checked(void **state)
{
	struct tallyworks_reference_ended ended;

	(void)state;
	takes(tallyworks_reference_ended, "{\"a\":1,\"records\":1,\"b\":{\"a\":[1,2.5,\"x\"]}}",
	      &ended);
	refuses(tallyworks_reference_ended, "{\"a\":1,\"records\":1,\"a\":2}", REASON_DUPLICATE_KEY,
	        "/a");
	refuses(tallyworks_reference_ended, "{\"a\":[0,{\"x\":1,\"y\":2,\"x\":3}]}",
	        REASON_DUPLICATE_KEY, "/a/1/x");
	refuses(tallyworks_reference_ended, "{\"a~/b\":{\"~\":1,\"~\":2}}", REASON_DUPLICATE_KEY,
	        "/a~0~1b/~0");
}

static void a_key_twice_among_many_is_found(void **state)
{
	(void)state;
	for (int round = 0; round < 60; round++) {
		int count = (int)rng_between(2, 300), twice = (int)rng_below((uint64_t)count);
		int first = (int)rng_below(1000);
		char path[40];
		struct fault fault = { 0 };
		struct tallyworks_reference_ended out;
		struct buf b;

		buf_init(&b, &arena);
		buf_put_lit(&b, "{\"records\":1");
		for (int i = 0; i < count; i++)
			buf_printf(&b, ",\"k%d\":%d", (first + i * 7919) % count, i); /* a prime */
		buf_printf(&b, ",\"k%d\":0}", twice);
		snprintf(path, sizeof(path), "/k%d", twice);
		assert_false(record_decode(&tallyworks_reference_ended_type, parse(buf_str(&b)),
		                           STR(""), &out, &arena, &fault));
		assert_int_equal(fault.reason, REASON_DUPLICATE_KEY);
		assert_string_equal(fault.path, path);
	}
}

/* {"a":{"a":...}} or with lists; depth counts the outermost object as 1. */
static bool nested_is_taken(unsigned depth, bool lists, struct fault *fault)
{
	struct tallyworks_reference_ended out;
	struct buf b;

	buf_init(&b, &arena);
	buf_put_lit(&b, "{\"records\":1,\"a\":");
	for (unsigned i = 1; i < depth; i++)
		buf_put(&b, lists ? STR("[") : STR("{\"a\":"));
	buf_put_char(&b, '1');
	for (unsigned i = 1; i < depth; i++)
		buf_put_char(&b, lists ? ']' : '}');
	buf_put_char(&b, '}');
	return record_decode(&tallyworks_reference_ended_type, parse(buf_str(&b)), STR("/data"),
	                     &out, &arena, fault);
}

static void depth_is_limited(void **state)
{
	struct fault fault = { 0 };

	(void)state;
	for (int lists = 0; lists < 2; lists++) {
		assert_true(nested_is_taken(2, lists, &fault));
		assert_true(nested_is_taken(LIMIT_JSON_DEPTH, lists, &fault));
		assert_false(nested_is_taken(LIMIT_JSON_DEPTH + 1, lists, &fault));
		assert_int_equal(fault.reason, REASON_TOO_DEEP);
		assert_false(nested_is_taken(100000, lists, &fault));
		assert_int_equal(fault.reason, REASON_TOO_DEEP);
		assert_memory_equal(fault.path, lists ? "/data/a/0/0" : "/data/a/a/a", 11);
	}
}

static void long_paths_are_cut_at_a_segment(void **state)
{
	char text[1024], expected[400];
	struct tallyworks_reference_ended out;
	struct fault fault;

	(void)state;
	for (int len = 1; len < 200; len++) {
		int room = (int)sizeof(fault.path) - 1;

		memset(&fault, 0x55, sizeof(fault));
		snprintf(text, sizeof(text), "{\"b\":{\"%0*d\":{\"c\":1,\"c\":1}}}", len, 0);
		snprintf(expected, sizeof(expected), "/b/%0*d/c", len, 0);
		if (2 + 1 + 2 * len > room) /* room is reckoned as if all had to be escaped */
			strcpy(expected, "/b");
		assert_false(decode(&tallyworks_reference_ended_type, text, &out, &fault));
		assert_string_equal(fault.path, expected);
	}
}

/* --- Writing ------------------------------------------------------------------------ */

static void writes_in_table_order(void **state)
{
	struct order_created order;
	struct figures figures = { .signed_count = -1, .commission_minor = 5 };
	struct buf b;

	(void)state;
	takes(order_created, CREATED, &order);
	assert_str(encoded(&order_created_type, &order), CREATED);
	assert_str(encoded(&figures_type, &figures), "{\"signed\":-1,\"commission\":5}");
	figures = (struct figures){ 0 };
	assert_str(encoded(&figures_type, &figures), "{}");
	buf_init(&b, &arena);
	buf_put_lit(&b, "[");
	record_encode(&figures_type, &figures, &b);
	buf_put_lit(&b, "]");
	assert_str(buf_str(&b), "[{}]");
}

static void write_incomplete(void *arg)
{
	struct order_cancelled cancelled = { .order_id = STR("o") };
	struct buf b;

	(void)arg;
	buf_init(&b, NULL);
	record_encode(&order_cancelled_type, &cancelled, &b);
	buf_release(&b);
}

static void an_incomplete_record_is_a_bug(void **state)
{
	char text[4096];
	int status = testing_child(write_incomplete, NULL, text, sizeof(text));

	(void)state;
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	assert_non_null(strstr(text, "required"));
}

/* --- Digest ------------------------------------------------------------------------- */

static void each_value_changes_the_digest(void **state)
{
	static const char *const different[] = {
		"{}",
		"{\"name\":\"\"}",
		"{\"name\":\"a\"}",
		"{\"rating\":\"a\"}",
		"{\"name\":\"a\",\"rating\":\"a\"}",
		"{\"name\":\"ab\"}",
		"{\"valid_from\":\"1970-01-01T00:00:00Z\"}",
		"{\"valid_to\":\"1970-01-01T00:00:00Z\"}",
		"{\"valid_from\":\"1970-01-01T00:00:00.001Z\"}",
		"{\"name\":\"a\\u0000\"}",
	};
	static const struct field fields[] = {
		{ FIELD_NAME("name"), .kind = FIELD_STRING, .max = 100, .has = -1,
		  .offset = offsetof(struct person_defined, name) },
		{ FIELD_NAME("rating"), .kind = FIELD_STRING, .max = 100, .has = -1,
		  .offset = offsetof(struct person_defined, rating) },
		{ FIELD_NAME("valid_from"), .kind = FIELD_TIME,
		  .offset = offsetof(struct person_defined, valid_from_ms),
		  .has = offsetof(struct person_defined, has_valid_from_ms) },
		{ FIELD_NAME("valid_to"), .kind = FIELD_TIME,
		  .offset = offsetof(struct person_defined, valid_to_ms),
		  .has = offsetof(struct person_defined, has_valid_to_ms) },
	};
	static const struct record_type sample_type = { "sample", sizeof(struct person_defined),
		                                        fields, COUNT_OF(fields) };
	uint64_t digests[COUNT_OF(different)];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(different); i++) {
		struct person_defined person;

		takes(sample, different[i], &person);
		digests[i] = record_digest(&sample_type, &person, 3);
		assert_true(digests[i] != record_digest(&sample_type, &person, 4));
		for (unsigned k = 0; k < i; k++)
			assert_true(digests[k] != digests[i]);
	}
}

/* What stands in Redis must mean the same to the next release: these numbers never change. */
static void digests_are_stable(void **state)
{
	struct payment_collected payment;
	struct order_created order;

	(void)state;
	takes(payment_collected,
	      "{\"order_id\":\"o-1\",\"payment_id\":\"p-1\",\"amount\":100,\"currency\":\"CNY\"}",
	      &payment);
	takes(order_created, CREATED, &order);
	assert_int_equal(record_digest(&payment_collected_type, &payment, 0),
	                 UINT64_C(0xfca0156f652481e1));
	assert_int_equal(record_digest(&order_created_type, &order, 0),
	                 UINT64_C(0xf51b7d22ff91e1c));
}

/* A type that got an optional field in between gives old records the digest they had. */
static void a_new_optional_field_keeps_digests(void **state)
{
	static const struct field older[] = {
		{ FIELD_NAME("order_id"), .kind = FIELD_STRING, .max = 100, .has = -1,
		  .offset = offsetof(struct payment_refunded, order_id) },
		{ FIELD_NAME("amount"), .kind = FIELD_INT, .max = 100, .has = -1, .required = true,
		  .offset = offsetof(struct payment_refunded, amount_minor) },
	};
	static const struct field newer[] = {
		{ FIELD_NAME("order_id"), .kind = FIELD_STRING, .max = 100, .has = -1,
		  .offset = offsetof(struct payment_refunded, order_id) },
		{ FIELD_NAME("refund_id"), .kind = FIELD_STRING, .max = 100, .has = -1,
		  .offset = offsetof(struct payment_refunded, refund_id) },
		{ FIELD_NAME("amount"), .kind = FIELD_INT, .max = 100, .has = -1, .required = true,
		  .offset = offsetof(struct payment_refunded, amount_minor) },
	};
	static const struct record_type older_type = { "older", sizeof(struct payment_refunded),
		                                       older, COUNT_OF(older) };
	static const struct record_type newer_type = { "newer", sizeof(struct payment_refunded),
		                                       newer, COUNT_OF(newer) };
	struct payment_refunded refund;

	(void)state;
	takes(newer, "{\"order_id\":\"o\",\"amount\":7}", &refund);
	assert_true(record_digest(&older_type, &refund, 1) ==
	            record_digest(&newer_type, &refund, 1));
	takes(newer, "{\"order_id\":\"o\",\"refund_id\":\"r\",\"amount\":7}", &refund);
	assert_true(record_digest(&older_type, &refund, 1) !=
	            record_digest(&newer_type, &refund, 1));
}

/* Texts around the size of a chunk: each length and each changed byte gives another digest. */
static void long_values_are_digested_whole(void **state)
{
	static char text[1400];
	uint64_t before = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t len = 0; len <= 1024; len++) {
		struct order_cancelled cancelled = { .order_id = STR("o"),
			                             .reason = str_of(text, len) };
		uint64_t digest = record_digest(&order_cancelled_type, &cancelled, 0);
		size_t at = len ? rng_below(len) : 0;

		assert_true(digest != before);
		before = digest;
		if (len == 0)
			continue;
		text[at] = 'y';
		assert_true(record_digest(&order_cancelled_type, &cancelled, 0) != digest);
		text[at] = 'x';
		cancelled.order_id = STR("p");
		assert_true(record_digest(&order_cancelled_type, &cancelled, 0) != digest);
	}
}

/* --- Copy --------------------------------------------------------------------------- */

#define COMPANY                                                                        \
	"{\"company_id\":\"all\",\"timezone\":\"Asia/Shanghai\",\"currency\":\"CNY\"," \
	"\"transitions\":[{\"at\":\"2026-03-29T01:00:00.000Z\",\"offset_s\":7200}],"   \
	"\"periods\":[\"day\",\"month\"],\"boards\":{\"measures\":[\"collected\"],"    \
	"\"periods\":[\"year\"]},\"valid_from\":\"2026-01-01T00:00:00.000Z\"}"

/* Decodes with memory of its own, copies, gives that memory back, writes the copy. */
static void copies(const struct record_type *type, const char *json)
{
	void *record = arena_alloc(&arena, type->size);
	struct arena second;
	struct fault fault;
	void *copy;

	arena_init(&second, 4096);
	copy = arena_alloc(&second, type->size);
	assert_true(decode(type, json, record, &fault));
	record_copy(type, record, copy, &second);
	memset(record, 0x55, type->size);
	clear_arena(NULL);
	assert_str(encoded(type, copy), json);
	record_copy(type, copy, copy, &second);
	assert_str(encoded(type, copy), json);
	arena_release(&second);
}

static void a_copy_stands_alone(void **state)
{
	(void)state;
	copies(&order_created_type, CREATED);
	copies(&company_defined_type, COMPANY);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_teardown(reads_each_kind, clear_arena),
	cmocka_unit_test_teardown(order_of_keys_does_not_matter, clear_arena),
	cmocka_unit_test_teardown(null_is_absent, clear_arena),
	cmocka_unit_test_teardown(only_integers_are_integers, clear_arena),
	cmocka_unit_test_teardown(lists_have_limits_for_each_item, clear_arena),
	cmocka_unit_test_teardown(forms_hold, clear_arena),
	cmocka_unit_test_teardown(faults_have_their_reason_and_path, clear_arena),
	cmocka_unit_test_teardown(unknown_fields_are_checked, clear_arena),
	cmocka_unit_test_teardown(a_key_twice_among_many_is_found, clear_arena),
	cmocka_unit_test_teardown(depth_is_limited, clear_arena),
	cmocka_unit_test_teardown(long_paths_are_cut_at_a_segment, clear_arena),
	cmocka_unit_test_teardown(writes_in_table_order, clear_arena),
	cmocka_unit_test_teardown(an_incomplete_record_is_a_bug, clear_arena),
	cmocka_unit_test_teardown(each_value_changes_the_digest, clear_arena),
	cmocka_unit_test_teardown(digests_are_stable, clear_arena),
	cmocka_unit_test_teardown(a_new_optional_field_keeps_digests, clear_arena),
	cmocka_unit_test_teardown(long_values_are_digested_whole, clear_arena),
	cmocka_unit_test_teardown(a_copy_stands_alone, clear_arena),
};

int main(void)
{
	testing_begin();
	arena_init(&arena, 1 << 16);
	return testing_end(cmocka_run_group_tests(tests, NULL, NULL));
}
