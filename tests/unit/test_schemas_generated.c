/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the generated tables say what the schemas say, and does the engine keep what
 * they say? The schemas' examples and counter-examples go through the engine; for
 * each type, records of random values must come back unchanged, and each limit of
 * each field must hold.
 */
#include "schema_examples.h"

#include <yyjson.h>

#include "common/base/limits.h"
#include "common/base/timestamp.h"
#include "tests/unit/testing.h"

#define ROUNDS 60

static struct arena arena;

static int clear_arena(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static yyjson_val *parse(struct str text)
{
	size_t room = yyjson_read_max_memory_usage(text.len, 0);
	yyjson_alc memory;
	yyjson_doc *document;

	yyjson_alc_pool_init(&memory, arena_alloc(&arena, room), room);
	document = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, 0, &memory, NULL);
	assert_non_null(document);
	return yyjson_doc_get_root(document);
}

static bool decode(const struct record_type *type, struct str text, void *out, struct fault *fault)
{
	return record_decode(type, parse(text), STR(""), out, &arena, fault);
}

/* --- Examples ----------------------------------------------------------------------- */

static void examples_decode(void **state)
{
	unsigned count = 0;

	(void)state;
	for (const struct schema_example *e = schema_examples; e->type; e++) {
		void *record = arena_alloc(&arena, e->type->size);
		struct fault fault;

		if (e->reason)
			continue;
		count++;
		if (!decode(e->type, str_from_c(e->json), record, &fault))
			fail_msg("%s: %s at %s: %s", e->type->name, reason_code(fault.reason),
			         fault.path, e->json);
	}
	assert_true(count >= 38);
}

static void counter_examples_are_refused(void **state)
{
	unsigned count = 0;

	(void)state;
	for (const struct schema_example *e = schema_examples; e->type; e++) {
		void *record = arena_alloc(&arena, e->type->size);
		struct fault fault;

		if (!e->reason)
			continue;
		count++;
		if (decode(e->type, str_from_c(e->json), record, &fault))
			fail_msg("%s: took %s", e->type->name, e->json);
		assert_string_equal(reason_code(fault.reason), e->reason);
		assert_string_equal(fault.path, e->path);
	}
	assert_true(count >= 38);
}

/* --- Random records ----------------------------------------------------------------- */

static char *random_bytes(size_t len, struct str from)
{
	char *text = arena_alloc(&arena, len);

	rng_fill(text, len, from);
	return text;
}

/* A length between the limits: mostly short, at times either limit itself. */
static size_t random_len(int64_t min, int64_t max)
{
	int64_t some = max < min + 20 ? max : min + 20;

	switch (rng_below(10)) {
	case 0: return (size_t)min;
	case 1: return (size_t)max;
	default: return (size_t)rng_between(min, some);
	}
}

/* Quotes, backslashes, control characters and other scripts too, where the form allows them. */
static struct str random_text(enum field_form form, int64_t min, int64_t max)
{
	size_t len = random_len(min, max);
	char *text;

	switch (form) {
	case FORM_CURRENCY: return str_of(random_bytes(3, STR("ABCXYZ")), 3);
	case FORM_CODE: return str_of(random_bytes(len, STR("abcz")), len);
	case FORM_ID: text = random_bytes(len, STR("Zz09-_.:/~\"\\#")); break;
	case FORM_ANY:
	default: text = random_bytes(len, STR("ab \"\\\n\t\x01\x7f/~")); break;
	}
	if (len >= 4 && rng_below(3) == 0)
		memcpy(text + 1, "\xe4\xba\xba", 3);
	return str_of(text, len);
}

static struct str random_string(const struct field *field, int64_t min, int64_t max)
{
	unsigned count = 0;

	if (!field->choices)
		return random_text(field->form, min, max);
	while (field->choices[count].ptr)
		count++;
	return field->choices[rng_below(count)];
}

static int64_t random_int(int64_t min, int64_t max)
{
	int64_t number = rng_any_i64();

	switch (rng_below(8)) {
	case 0: return min;
	case 1: return max;
	default: break;
	}
	if (number >= min && number <= max)
		return number;
	return max - min > 0 ? rng_between(min, max) : min;
}

static void random_record(const struct record_type *type, char *out);

static struct list random_list(const struct field *field)
{
	int64_t most = field->max < 6 ? field->max : 6;
	struct list list = { .room = 0 };
	size_t size = field->kind == FIELD_LIST      ? field->type->size
	              : field->kind == FIELD_STRINGS ? sizeof(struct str)
	                                             : sizeof(int64_t);

	if (rng_below(60) == 0 && field->max <= 1024)
		most = field->max;
	list.count = list.room = (uint32_t)rng_between(field->min, most);
	list.items = arena_alloc(&arena, list.count * size);
	for (uint32_t i = 0; i < list.count; i++) {
		char *at = (char *)list.items + i * size;

		if (field->kind == FIELD_LIST)
			random_record(field->type, at);
		else if (field->kind == FIELD_STRINGS)
			*(struct str *)(void *)at =
				random_string(field, field->item_min, field->item_max);
		else
			*(int64_t *)(void *)at = random_int(field->item_min, field->item_max);
	}
	return list;
}

static void random_value(const struct field *field, char *at)
{
	struct list list;

	switch (field->kind) {
	case FIELD_INT: *(int64_t *)(void *)at = random_int(field->min, field->max); break;
	case FIELD_BOOL: *(bool *)(void *)at = rng_below(2); break;
	case FIELD_STRING:
		*(struct str *)(void *)at = random_string(field, field->min, field->max);
		break;
	case FIELD_TIME: /* years 1 to 9998 */
		*(int64_t *)(void *)at =
			rng_between(INT64_C(-62135596800000), INT64_C(253370764799999));
		break;
	case FIELD_DATE: *(int32_t *)(void *)at = (int32_t)rng_between(-700000, 2900000); break;
	case FIELD_OBJECT: random_record(field->type, at); break;
	case FIELD_LIST:
	case FIELD_STRINGS:
	case FIELD_INTS:
		list = random_list(field);
		memcpy(at, &list, sizeof(list));
		break;
	case FIELD_VALUE:
	default: fail_msg("no generated field has this kind");
	}
}

static void random_record(const struct record_type *type, char *out)
{
	memset(out, 0, type->size);
	for (unsigned i = 0; i < type->field_count; i++) {
		const struct field *field = &type->fields[i];

		if (!field->required && rng_below(3) == 0)
			continue;
		random_value(field, out + field->offset);
		if (field->has >= 0)
			out[field->has] = true;
	}
}

/* --- Comparison, by the tables but not by the engine -------------------------------- */

static void same_record(const struct record_type *type, const char *a, const char *b);

static void same_list(const struct field *field, const char *a, const char *b)
{
	struct list left, right;

	memcpy(&left, a, sizeof(left));
	memcpy(&right, b, sizeof(right));
	assert_int_equal(left.items == NULL, right.items == NULL);
	assert_int_equal(left.count, right.count);
	for (uint32_t i = 0; i < left.count; i++) {
		if (field->kind == FIELD_LIST)
			same_record(field->type, (char *)left.items + i * field->type->size,
			            (char *)right.items + i * field->type->size);
		else if (field->kind == FIELD_STRINGS)
			assert_str_eq(((struct str *)left.items)[i],
			              ((struct str *)right.items)[i]);
		else
			assert_true(((int64_t *)left.items)[i] == ((int64_t *)right.items)[i]);
	}
}

static void same_value(const struct field *field, const char *a, const char *b)
{
	switch (field->kind) {
	case FIELD_INT:
	case FIELD_TIME: assert_memory_equal(a, b, 8); break;
	case FIELD_BOOL: assert_memory_equal(a, b, 1); break;
	case FIELD_DATE: assert_memory_equal(a, b, 4); break;
	case FIELD_STRING: {
		const struct str *left = (const void *)a, *right = (const void *)b;

		assert_int_equal(left->ptr == NULL, right->ptr == NULL);
		assert_str_eq(*left, *right);
		break;
	}
	case FIELD_OBJECT: same_record(field->type, a, b); break;
	case FIELD_LIST:
	case FIELD_STRINGS:
	case FIELD_INTS: same_list(field, a, b); break;
	case FIELD_VALUE:
	default: fail_msg("no generated field has this kind");
	}
}

static void same_record(const struct record_type *type, const char *a, const char *b)
{
	for (unsigned i = 0; i < type->field_count; i++) {
		const struct field *field = &type->fields[i];

		if (field->has >= 0)
			assert_int_equal(a[field->has], b[field->has]);
		if (field->has < 0 || a[field->has])
			same_value(field, a + field->offset, b + field->offset);
	}
}

static struct str encoded(const struct record_type *type, const void *record)
{
	struct buf b;

	buf_init(&b, &arena);
	record_encode(type, record, &b);
	return buf_str(&b);
}

/* What the record points to is gone when the copy is looked at. */
static void copy_stands_alone(const struct record_type *type, const void *record, struct str text)
{
	struct arena other;
	void *copy;

	arena_init(&other, 1024);
	copy = arena_alloc(&other, type->size);
	record_copy(type, record, copy, &other);
	text = arena_str(&other, text);
	arena_clear(&arena);
	assert_str_eq(encoded(type, copy), text);
	arena_release(&other);
}

static void comes_back(const struct record_type *type)
{
	char *made = arena_alloc(&arena, type->size), *read = arena_alloc(&arena, type->size);
	struct fault fault;
	struct str text;

	random_record(type, made);
	text = encoded(type, made);
	if (!decode(type, text, read, &fault))
		fail_msg("%s: %s at %s: %.*s", type->name, reason_code(fault.reason), fault.path,
		         STR_ARG(text));
	same_record(type, made, read);
	assert_str_eq(encoded(type, read), text);
	assert_true(record_digest(type, read, 1) == record_digest(type, made, 1));
	copy_stands_alone(type, made, text);
}

static void random_records_come_back(void **state)
{
	(void)state;
	for (const struct record_type *const *type = record_types; *type; type++) {
		for (int i = 0; i < ROUNDS; i++) {
			comes_back(*type);
			arena_clear(&arena);
		}
	}
}

/* --- The limits of each field ------------------------------------------------------- */

/* JSON text that the field must not take, one way to be wrong each; NULL at the end. */
static const char *wrong_value(const struct field *field, unsigned way)
{
	static char text[20000];

	switch (way) {
	case 0: return field->kind == FIELD_INT ? "\"1\"" : "1.5";
	case 1: return field->kind == FIELD_OBJECT ? "[]" : "{}";
	case 2: return field->kind == FIELD_BOOL ? "1" : "true";
	case 3:
		if (field->kind == FIELD_INT)
			return "12.0";
		return field->kind == FIELD_LIST ? "[null]" : "7";
	case 4:
		if (field->kind == FIELD_INT)
			return "9223372036854775808";
		if (field->kind == FIELD_STRINGS)
			return "[7]";
		return field->kind == FIELD_INTS ? "[1e3]" : "99999999999999999999999";
	case 5:
		if (field->kind == FIELD_INT && field->max < INT64_MAX) {
			snprintf(text, sizeof(text), "%lld", (long long)field->max + 1);
			return text;
		}
		if (field->kind == FIELD_STRING && field->max + 3 < (int64_t)sizeof(text)) {
			snprintf(text, sizeof(text), "\"%0*d\"", (int)field->max + 1, 0);
			return text;
		}
		return field->kind == FIELD_TIME ? "\"2026-02-29T00:00:00Z\"" : "-1e400";
	case 6:
		if (field->kind == FIELD_INT && field->min > INT64_MIN) {
			snprintf(text, sizeof(text), "%lld", (long long)field->min - 1);
			return text;
		}
		return field->kind == FIELD_DATE ? "\"2026-02-29\"" : "-9223372036854775809";
	default: return NULL;
	}
}

/* A record with this field as the first one; the others do not matter, the first fault counts. */
static void refuses(const struct record_type *type, const struct field *field, const char *value)
{
	enum reason expected = field->fault   ? field->fault
	                       : field->money ? REASON_BAD_MONEY
	                                      : REASON_BAD_FIELD;
	void *out = arena_alloc(&arena, type->size);
	struct fault fault = { 0 };
	struct buf b;
	struct str text;
	yyjson_doc *document;

	buf_init(&b, &arena);
	buf_printf(&b, "{\"%.*s\":%s}", STR_ARG(field->name), value);
	text = buf_str(&b);
	document = yyjson_read(text.ptr, text.len, YYJSON_READ_BIGNUM_AS_RAW);
	assert_non_null(document);
	if (record_decode(type, yyjson_doc_get_root(document), STR("/x"), out, &arena, &fault) ||
	    fault.reason != expected || strncmp(fault.path + 3, field->name.ptr, field->name.len))
		fail_msg("%s: %.80s gave %s at %s", type->name, text.ptr, reason_code(fault.reason),
		         fault.path);
	yyjson_doc_free(document);
}

static void check_limits(const struct record_type *type)
{
	for (unsigned i = 0; i < type->field_count; i++) {
		const struct field *field = &type->fields[i];
		const char *value;

		for (unsigned way = 0; (value = wrong_value(field, way)); way++)
			refuses(type, field, value);
		if (field->type)
			check_limits(field->type);
	}
}

static void every_limit_holds(void **state)
{
	(void)state;
	for (const struct record_type *const *type = record_types; *type; type++) {
		check_limits(*type);
		arena_clear(&arena);
	}
}

/* --- The tables themselves ---------------------------------------------------------- */

static void tables_are_sound(void **state)
{
	(void)state;
	for (const struct record_type *const *type = record_types; *type; type++) {
		for (const struct record_type *const *other = record_types; other < type; other++)
			assert_string_not_equal((*type)->name, (*other)->name);
		assert_in_range((*type)->field_count, 1, 64);
		for (unsigned i = 0; i < (*type)->field_count; i++) {
			const struct field *field = &(*type)->fields[i];

			assert_true(field->offset < (*type)->size);
			assert_true(field->has < 0 || !field->required);
			assert_int_equal(field->key.len, field->name.len + 4);
			assert_memory_equal(field->key.ptr + 2, field->name.ptr, field->name.len);
			assert_true(!field->money || field->kind == FIELD_INT);
			assert_true(field->kind != FIELD_STRING || field->max <= LIMIT_HELD_BYTES);
			for (unsigned k = 0; k < i; k++)
				assert_true(field->tag != (*type)->fields[k].tag);
		}
	}
}

static void the_limits_are_those_of_the_code(void **state)
{
	const struct field *order = order_created_type.fields;

	(void)state;
	assert_str(order[0].name, "order_id");
	assert_int_equal(order[0].max, LIMIT_ID_BYTES);
	assert_str(order[7].name, "splits");
	assert_int_equal(order[7].max, LIMIT_SPLITS);
	assert_int_equal(order[7].type->fields[1].max, LIMIT_SPLIT_WEIGHT);
	assert_int_equal(order[8].max, LIMIT_LINES);
	assert_int_equal(order[9].max, LIMIT_AMOUNT);
	assert_int_equal(order_cancelled_type.fields[1].max, LIMIT_TEXT_BYTES);
	assert_int_equal(order_internal_type.fields[1].max,
	                 2 * (LIMIT_ORDER_EVENTS + LIMIT_ORDER_HELD));
	assert_int_equal(order_internal_type.fields[2].max, LIMIT_ORDER_HELD);
}

static void files_that_refer_share_the_struct(void **state)
{
	(void)state;
	assert_ptr_equal(commission_accrued_type.fields, commission_type.fields);
	assert_ptr_equal(commission_clawed_back_type.fields, commission_type.fields);
	assert_string_equal(commission_accrued_type.name, "commission.accrued");
	assert_ptr_equal(seat_type.fields, figures_type.fields);
	assert_int_equal(figures_type.size, figures_type.field_count * sizeof(int64_t));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_teardown(examples_decode, clear_arena),
	cmocka_unit_test_teardown(counter_examples_are_refused, clear_arena),
	cmocka_unit_test_teardown(random_records_come_back, clear_arena),
	cmocka_unit_test_teardown(every_limit_holds, clear_arena),
	cmocka_unit_test(tables_are_sound),
	cmocka_unit_test(the_limits_are_those_of_the_code),
	cmocka_unit_test(files_that_refer_share_the_struct),
};

int main(void)
{
	testing_begin();
	arena_init(&arena, 1 << 20);
	return testing_end(cmocka_run_group_tests(tests, NULL, NULL));
}
