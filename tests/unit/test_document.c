/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are reference documents read as people mean them, and does every mistake in
 * one get its line, its record and words, alone and together with what is
 * published?
 */
#include "services/tallyctl/document.h"

#include "common/base/timestamp.h"
#include "events.h"
#include "services/tallyctl/catalog.h"
#include "tests/unit/testing.h"

#define NOW "2026-06-01T00:00:00Z"

struct fixture {
	struct document document;
	struct findings findings;
	struct catalog *catalog;
};

static void begin(struct fixture *f)
{
	document_init(&f->document);
	findings_init(&f->findings);
	f->catalog = catalog_new();
}

static void end(struct fixture *f)
{
	catalog_free(f->catalog);
	document_release(&f->document);
	findings_release(&f->findings);
}

static int64_t ms(const char *text)
{
	int64_t at_ms;

	assert_true(timestamp_parse(str_from_c(text), &at_ms));
	return at_ms;
}

/* A record as it lies in topic reference. */
static void publish(struct fixture *f, int64_t offset, const char *type, const char *data)
{
	struct message message = { .offset = offset };
	struct buf value;

	buf_init(&value, NULL);
	buf_printf(&value,
	           "{\"specversion\":\"1.0\",\"id\":\"%d\",\"source\":\"/x\",\"type\":\"%s\","
	           "\"data\":%s}",
	           (int)offset, type, data);
	message.key = STR("k");
	message.value = buf_str(&value);
	catalog_add_published(f->catalog, &message);
	buf_release(&value);
}

#define COMPANY                                                                        \
	"{\"company_id\":\"all\",\"timezone\":\"Asia/Shanghai\",\"currency\":\"CNY\"," \
	"\"first_offset_s\":28800,\"transitions\":[]}"

static void publish_base(struct fixture *f)
{
	publish(f, 0, "company.defined", COMPANY);
	publish(f, 1, "unit.defined", "{\"unit_id\":\"R1\",\"kind\":\"region\"}");
	publish(f, 2, "unit.defined",
	        "{\"unit_id\":\"T1\",\"kind\":\"team\",\"parent_id\":\"R1\"}");
	publish(f, 3, "person.defined", "{\"payee_id\":\"P1\",\"team_id\":\"T1\",\"level\":1}");
	publish(f, 4, "plan.defined",
	        "{\"plan_id\":\"base\",\"version\":1,\"rows\":[{\"level\":1,\"rate_ppm\":20000}]}");
	publish(f, 5, "tallyworks.reference.ended", "{\"records\":5}");
}

static void read_text(struct fixture *f, const char *text)
{
	document_add_text(&f->document, "a.json", str_from_c(text), &f->findings);
	document_decode(&f->document, catalog_zone(f->catalog), &f->findings);
	catalog_check(f->catalog, &f->document, ms(NOW), &f->findings);
}

/* Reads against the base; what is said must be exactly this. */
static void expect(const char *text, const char *errors, const char *warnings)
{
	struct fixture f;

	begin(&f);
	publish_base(&f);
	read_text(&f, text);
	assert_str(buf_str(&f.findings.errors), errors);
	assert_str(buf_str(&f.findings.warnings), warnings);
	end(&f);
}

static void reads_records(void **state)
{
	struct fixture f;
	const struct company_defined *company;
	const struct person_defined *person;
	const struct unit_defined *unit;

	(void)state;
	begin(&f);
	read_text(
		&f,
		"{\"records\": [\n"
		" {\"kind\": \"company\", \"company_id\": \"all\", \"timezone\": "
		"\"Asia/Shanghai\",\n"
		"  \"currency\": \"CNY\"},\n"
		" {\"kind\": \"team\", \"unit_id\": \"T1\"},\n"
		" {\"kind\": \"person\", \"payee_id\": \"P1\", \"team_id\": \"T1\", \"level\": 2,\n"
		"  \"valid_from\": \"2026-03-01\", \"valid_to\": \"2026-04-01T00:00:00Z\"}]}");
	assert_str(buf_str(&f.findings.errors), "");
	assert_int_equal(f.document.count, 3);
	company = f.document.definitions[0].record;
	assert_true(company->transitions.count > 5); /* summer time 1986 to 1991 */
	assert_int_equal(company->first_offset_s, 28800);
	unit = f.document.definitions[1].record;
	assert_str(unit->kind, "team");
	assert_str(f.document.definitions[1].where, "a.json:4, record 2");
	assert_int_equal(f.document.definitions[1].from_ms, SINCE_EVER);
	person = f.document.definitions[2].record;
	assert_str(f.document.definitions[2].id, "P1");
	/* A business date begins at midnight in Shanghai. */
	assert_int_equal(person->valid_from_ms, ms("2026-02-28T16:00:00Z"));
	assert_int_equal(f.document.definitions[2].to_ms, ms("2026-04-01T00:00:00Z"));
	end(&f);
}

static void finds_the_line_of_each_record(void **state)
{
	static const struct {
		const char *text, *where;
	} cases[] = {
		{ "{\"kind\":\"channel\",\"channel_id\":\"[{\\\"\"}", "a.json:1, record 1" },
		{ "\n\n[\n{\"kind\":\"channel\",\"channel_id\":\"]}\"}]", "a.json:4, record 1" },
		{ "{\n\"records\":\n[\n\n{\"kind\":\"channel\",\"channel_id\":\"c\"}]}",
		  "a.json:5, record 1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct fixture f;

		begin(&f);
		read_text(&f, cases[i].text);
		assert_int_equal(f.document.count, 1);
		assert_str(f.document.definitions[0].where, cases[i].where);
		end(&f);
	}
	{
		struct fixture f;

		begin(&f);
		read_text(&f, "[{\"kind\":\"plan\",\"plan_id\":\"p\",\"version\":1,\"rows\":[\n"
		              "{\"level\":1,\"rate_ppm\":1},\n{\"level\":2,\"rate_ppm\":1}]},\n"
		              "{\"kind\":\"channel\",\"channel_id\":\"c\"}]");
		assert_int_equal(f.document.count, 2);
		assert_str(f.document.definitions[1].where, "a.json:4, record 2");
		end(&f);
	}
}

static void says_what_is_wrong_with_a_record(void **state)
{
	(void)state;
	expect("[1]", "a.json: record 1 is not an object\n", "");
	expect("7", "a.json:1:1: not valid JSON: '[' or '{' expected near '7'\n", "");
	expect("{\"records\":[],\"recrods\":[]}",
	       "a.json: beside \"records\" stands \"recrods\"; it would be ignored\n", "");
	expect("[{\"payee_id\":\"P\"}]",
	       "a.json:1, record 1: /kind: absent; write company, region, city, team, person, "
	       "plan, "
	       "channel, partner, project or product\n",
	       "");
	expect("[{\"kind\":\"persn\"}]",
	       "a.json:1, record 1: /kind: there is no kind \"persn\"; did you mean \"person\"?\n",
	       "");
	expect("[{\"kind\":\"unit\",\"unit_id\":\"X\"}]",
	       "a.json:1, record 1: /kind: write region, city or team, which of the units it is\n",
	       "");
	expect("[{\"kind\":\"channel\",\"channel_id\":\"c\",\"nam\":\"x\"}]",
	       "a.json:1, record 1: /nam: channel.defined has no such field; did you mean name?\n",
	       "");
	expect("[{\"kind\":\"person\",\"payee_id\":\"P2\",\"team_id\":\"T1\"}]",
	       "a.json:1, record 1: /level: a required field is absent\n", "");
	expect("[{\"kind\":\"person\",\"payee_id\":\"P2\",\"team_id\":\"T1\",\"level\":1.5}]",
	       "a.json:1, record 1: /level: a field has a wrong type or a value out of its range\n",
	       "");
	expect("[{\"kind\":\"channel\",\"channel_id\":\"c\",\"valid_from\":\"2026-02-30\"}]",
	       "a.json:1, record 1: /valid_from: a field has a wrong type or a value out of its "
	       "range\n",
	       "");
	expect("[{\"kind\":\"channel\",\"channel_id\":\"c\",\"valid_from\":\"2026-03-01\","
	       "\"valid_to\":\"2026-03-01\"}]",
	       "a.json:1, record 1: /valid_to: not after valid_from\n", "");
}

/* contract: reference.dates */
static void dates_need_a_zone(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	read_text(&f,
	          "[{\"kind\":\"channel\",\"channel_id\":\"c\",\"valid_from\":\"2026-03-01\"}]");
	assert_str(
		buf_str(&f.findings.errors),
		"a.json:1, record 1: /valid_from: a date needs the company's time zone: publish "
		"the "
		"company first or along with this\n"
		"a.json:1, record 1: /valid_from: a field has a wrong type or a value out of its "
		"range\n");
	assert_str(buf_str(&f.findings.warnings),
	           "no company is published: no currency is accepted, and "
	           "days are those of UTC\n");
	end(&f);
}

static void checks_references(void **state)
{
	(void)state;
	expect("[{\"kind\":\"person\",\"payee_id\":\"P2\",\"team_id\":\"T1\",\"level\":1}]", "",
	       "");
	expect("[{\"kind\":\"person\",\"payee_id\":\"P2\",\"team_id\":\"T9\",\"level\":1}]",
	       "a.json:1, record 1: /team_id: there is no team T9\n", "");
	expect("[{\"kind\":\"person\",\"payee_id\":\"P2\",\"team_id\":\"T9\",\"level\":1},"
	       "{\"kind\":\"team\",\"unit_id\":\"T9\"}]",
	       "", "");
	expect("[{\"kind\":\"team\",\"unit_id\":\"T2\",\"parent_id\":\"R9\"}]",
	       "a.json:1, record 1: /parent_id: there is no unit R9\n", "");
	expect("[{\"kind\":\"city\",\"unit_id\":\"C1\",\"parent_id\":\"T1\"}]",
	       "a.json:1, record 1: /parent_id: T1 is a team, which cannot stand above a city\n",
	       "");
	expect("[{\"kind\":\"company\",\"company_id\":\"b\",\"timezone\":\"UTC\",\"currency\":"
	       "\"CNY\"}]",
	       "a.json:1, record 1: /company_id: there is a company all already, and there can be "
	       "one "
	       "only\n",
	       "");
	expect("[{\"kind\":\"person\",\"payee_id\":\"P7\",\"withdrawn\":true}]",
	       "a.json:1, record 1: there is no person P7 that could be withdrawn\n", "");
	expect("[{\"kind\":\"person\",\"payee_id\":\"P2\",\"team_id\":\"T1\",\"level\":1},"
	       "{\"kind\":\"person\",\"payee_id\":\"P2\",\"team_id\":\"T1\",\"level\":2}]",
	       "a.json:1, record 2: person P2 with this valid_from stands at a.json:1, record 1 "
	       "already; "
	       "remove one\n",
	       "");
}

static void a_withdrawn_team_is_unknown(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	publish_base(&f);
	publish(&f, 6, "unit.withdrawn", "{\"unit_id\":\"T1\"}");
	read_text(&f, "[{\"kind\":\"person\",\"payee_id\":\"P2\",\"team_id\":\"T1\",\"level\":1}]");
	assert_str(buf_str(&f.findings.errors),
	           "a.json:1, record 1: /team_id: there is no team T1\n");
	end(&f);
}

#define PLAN(id, version, rest, rows)                                             \
	"{\"kind\":\"plan\",\"plan_id\":\"" id "\",\"version\":" version "," rest \
	"\"rows\":[" rows "]}"
#define ROW(level, rate) "{\"level\":" level ",\"rate_ppm\":" rate "}"
#define RATED(level, rating, rate) \
	"{\"level\":" level ",\"rating\":\"" rating "\",\"rate_ppm\":" rate "}"
#define MEET_AT(record, a, b, who, when)                                                      \
	"a.json:1, record " record ": plans " a " and " b " are both in force for level " who \
	" (" when                                                                             \
	"); a person can have one: end one of them (valid_to), or put the row into the other\n"
#define MEET(a, b, who, when) MEET_AT("1", a, b, who, when)

/* contract: reference.plans */
static void checks_plans(void **state)
{
	(void)state;
	expect("[" PLAN("two", "1", "", ROW("2", "1")) "]", "", "");
	expect("[" PLAN("two", "1", "", ROW("1", "1")) "]", MEET("base", "two", "1", "since ever"),
	       "");
	expect("[" PLAN("two", "1", "", RATED("1", "A", "1")) "]",
	       MEET("base", "two", "1, rating A", "since ever"), "");
	expect("[" PLAN("two", "1", "\"valid_from\":\"2027-01-01\",", ROW("1", "1")) "]",
	       MEET("base", "two", "1", "2026-12-31T16:00:00.000Z"), "");
	/* One ends where the other begins. */
	expect("[" PLAN("base", "1", "\"valid_to\":\"2027-01-01\",", ROW("1", "20000")) "," PLAN(
		       "two", "1", "\"valid_from\":\"2027-01-01\",", ROW("1", "1")) "]",
	       "",
	       "a.json:1, record 1: 1 record changes the past (this is the first): orders that "
	       "came "
	       "before keep what was frozen into them, only later ones see the change\n");
	/* A record that ends gives way to the one below it. */
	expect("[" PLAN("two", "1", "\"valid_from\":\"2030-01-01\",\"valid_to\":\"2031-01-01\",",
	                ROW("2", "1")) "," PLAN("base", "2", "\"valid_from\":\"2030-01-01\",",
	                                        ROW("1", "30000") "," ROW("2", "1")) "]",
	       MEET_AT("2", "base", "two", "2", "2029-12-31T16:00:00.000Z"), "");
	/* Other rates under the same version. */
	expect("[" PLAN("base", "1", "\"valid_from\":\"2027-01-01\",", ROW("1", "30000")) "]",
	       "a.json:1, record 1: /version: plan base version 1 (published) has other rates; "
	       "give these "
	       "a version of their own: commission is paid by exactly the version that was frozen "
	       "into "
	       "the order\n",
	       "");
	expect("[" PLAN("base", "2", "\"valid_from\":\"2027-01-01\",", ROW("1", "30000")) "]", "",
	       "");
	/* Two rates for one person in one plan. */
	expect("[" PLAN("two", "1", "", ROW("2", "20000") "," ROW("2", "30000")) "]",
	       "a.json:1, record 1: /rows/1: level 2 has a rate in /rows/0 already; remove one\n",
	       "");
	expect("[" PLAN("two", "1", "",
	                ROW("2", "1") "," RATED("2", "A", "1") "," RATED("2", "A", "2")) "]",
	       "a.json:1, record 1: /rows/2: level 2, rating A has a rate in /rows/1 already; "
	       "remove one\n",
	       "");
	expect("[" PLAN("two", "1", "",
	                ROW("2", "1") "," RATED("2", "A", "1") "," RATED("2", "B", "2")) "]",
	       "", "");
}

#define PAST(records)                                                                     \
	"a.json:1, record 1: " records " the past (this is the first): orders that came " \
	"before keep what was frozen into them, only later ones see the change\n"
#define COMPANY_IN(currency, rest)                                                          \
	"{\"kind\":\"company\",\"company_id\":\"all\",\"timezone\":\"Asia/Shanghai\"," rest \
	"\"currency\":\"" currency "\"}"
#define GONE(rest) "{\"kind\":\"company\",\"company_id\":\"all\"," rest "\"withdrawn\":true}"
#define OTHER_CURRENCY                                                                           \
	": /currency: the company has CNY already (published), and figures are in one currency " \
	"only\n"

/* contract: reference.company */
static void a_company_keeps_its_currency(void **state)
{
	(void)state;
	expect("[" COMPANY_IN("CNY", "\"valid_from\":\"2027-01-01\",") "]", "", "");
	expect("[" COMPANY_IN("EUR", "\"valid_from\":\"2027-01-01\",") "]",
	       "a.json:1, record 1" OTHER_CURRENCY, "");
	expect("[" COMPANY_IN("EUR", "") "]", "a.json:1, record 1" OTHER_CURRENCY,
	       PAST("1 record changes"));
	/* Withdrawn since ever it is no more; since later, its figures are still there. */
	expect("[" GONE("") "," COMPANY_IN("EUR", "") "]", "", PAST("2 records change"));
	expect("[" GONE("\"valid_from\":\"2027-01-01\",") "," COMPANY_IN(
		       "EUR", "\"valid_from\":\"2027-01-01\",") "]",
	       "a.json:1, record 2" OTHER_CURRENCY, "");
}

/* contract: reference.backdated */
static void warns_of_the_past_but_not_of_the_same(void **state)
{
	(void)state;
	expect("[{\"kind\":\"person\",\"payee_id\":\"P1\",\"team_id\":\"T1\",\"level\":1}]", "",
	       "");
	expect("[{\"kind\":\"person\",\"payee_id\":\"P1\",\"team_id\":\"T1\",\"level\":1,"
	       "\"valid_from\":\"2026-07-01\"}]",
	       "", "");
	expect("[{\"kind\":\"person\",\"payee_id\":\"P1\",\"team_id\":\"T1\",\"level\":3,"
	       "\"valid_from\":\"2026-05-01\"},{\"kind\":\"team\",\"unit_id\":\"T1\"}]",
	       "",
	       "a.json:1, record 1: 2 records change the past (this is the first): orders that "
	       "came "
	       "before keep what was frozen into them, only later ones see the change\n");
}

static void knows_the_newest_end(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(catalog_newest_end(f.catalog), -1);
	assert_null(catalog_zone(f.catalog));
	publish_base(&f);
	assert_int_equal(catalog_newest_end(f.catalog), 5);
	assert_int_equal(catalog_zone(f.catalog)->first_offset_s, 28800);
	end(&f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(reads_records),
	cmocka_unit_test(finds_the_line_of_each_record),
	cmocka_unit_test(says_what_is_wrong_with_a_record),
	cmocka_unit_test(dates_need_a_zone),
	cmocka_unit_test(checks_references),
	cmocka_unit_test(a_withdrawn_team_is_unknown),
	cmocka_unit_test(checks_plans),
	cmocka_unit_test(a_company_keeps_its_currency),
	cmocka_unit_test(warns_of_the_past_but_not_of_the_same),
	cmocka_unit_test(knows_the_newest_end),
};
TESTING_MAIN(tests)
