/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the pages of docs/ that come from tables fresh, and do the tables have what
 * the pages need?
 */
#include "services/tallyctl/pages.h"

#include "common/host/log_events.h"
#include "common/runtime/worker.h"
#include "events.h"
#include "tests/unit/testing.h"

static void read_page(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "re");
	char text[4096];

	buf_init(out, NULL);
	if (!file)
		fail_msg("%s is missing: make docs", path);
	for (size_t n; (n = fread(text, 1, sizeof(text), file)) > 0;)
		buf_put(out, str_of(text, n));
	fclose(file);
}

static void pages_are_fresh(void **state)
{
	(void)state;
	for (const struct page *page = pages; page->name; page++) {
		struct buf printed, written;

		assert_ptr_equal(page_find(page->name), page);
		buf_init(&printed, NULL);
		page->print(&printed);
		read_page(page->file, &written);
		if (!str_eq(buf_str(&printed), buf_str(&written)))
			fail_msg("%s is not fresh: make docs", page->file);
		buf_release(&printed);
		buf_release(&written);
	}
	assert_null(page_find("names"));
}

static void workers_have_the_words(void **state)
{
	(void)state;
	for (unsigned w = 0; workers[w]; w++) {
		assert_non_null(workers[w]->key);
		for (const struct entity *const *e = workers[w]->entities; *e; e++) {
			assert_non_null((*e)->pattern);
			assert_true(str_starts(str_from_c((*e)->pattern), (*e)->prefix));
		}
		for (const struct output *const *o = workers[w]->outputs; *o; o++)
			assert_non_null((*o)->key);
	}
}

static void records_have_words_for_each_field(void **state)
{
	unsigned count = 0;

	(void)state;
	for (const struct record_words *words = record_words; words->type; words++, count++) {
		assert_true(words->words[0] != '\0' || strchr(words->type->name, '.') == NULL);
		for (unsigned f = 0; f < words->type->field_count; f++)
			assert_non_null(words->fields[f]);
	}
	assert_true(count > 20);
}

static void log_events_are_in_order(void **state)
{
	(void)state;
	for (const struct log_event *event = log_events; event[1].name; event++) {
		assert_true(event[0].level >= event[1].level);
		if (event[0].level == event[1].level)
			assert_true(strcmp(event[0].name, event[1].name) < 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pages_are_fresh),
	cmocka_unit_test(workers_have_the_words),
	cmocka_unit_test(records_have_words_for_each_field),
	cmocka_unit_test(log_events_are_in_order),
};

TESTING_MAIN(tests)
