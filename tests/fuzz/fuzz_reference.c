/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of the reference topic, of any bytes: what the store takes in must
 * answer every question under every pin.
 */
#include "common/base/log.h"
#include "common/base/must.h"
#include "common/domain/measure.h"
#include "common/runtime/reference.h"
#include "events.h"
#include "tests/fuzz/fuzz.h"

#define RECORDS_MOST 40

static void ask(const struct reference_store *store, int64_t pin)
{
	const struct reference r = { store, pin, 1 };
	const struct company_defined *company = reference_company(&r, FUZZ_BROKER_MS);
	const struct person_defined *person = reference_person(&r, STR("p-1"), FUZZ_BROKER_MS);
	const struct plan_defined *plan =
		reference_plan_for(&r, person ? person->level : 1, STR("A"), FUZZ_BROKER_MS);
	struct boards boards = reference_boards(&r);
	int64_t rate_ppm;

	must((boards.measures == 0) == (boards.periods == 0));
	must(reference_periods(&r) != 0 || !company);
	if (person)
		reference_units(&r, person->team_id, FUZZ_BROKER_MS);
	if (plan)
		reference_plan_rate(plan, 1, STR("A"), &rate_ppm);
	for (enum period_kind k = PERIOD_DAY; k < PERIOD_KINDS; k++)
		period_of(k, zone_day(reference_zone(&r, FUZZ_BROKER_MS), FUZZ_BROKER_MS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reference_store *store = reference_store_new();
	struct str rest = str_of((const char *)data, size);
	int64_t offset = 0;

	log_configure((enum log_level)(LOG_ERROR + 1), LOG_LOGFMT, STR(""));
	while (rest.ptr && offset < RECORDS_MOST) {
		struct header headers[FUZZ_HEADERS];
		struct message m = fuzz_message(str_split(&rest, '\x1e'), headers);

		m.offset = offset++;
		reference_store_add(store, &m);
	}
	for (int64_t pin = -1; pin < offset; pin++)
		if (pin < 0 || reference_store_is_end(store, pin))
			ask(store, pin);
	ask(store, offset);
	reference_store_free(store);
	return 0;
}
