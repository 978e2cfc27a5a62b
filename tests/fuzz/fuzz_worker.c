/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of any bytes in the inputs of the three workers, which fold them in the
 * simulated world: the folds themselves, control records and the DLQ. Afterwards
 * all must be at rest, outputs numbered without a gap.
 *
 * Records as in fuzz.h, in the order of the input. A header "to=TOPIC" says where
 * one goes (orders if it does not) and is left out; the partition is the key's.
 * The company of tests/sim/orders_stream.h is published before the first. Left
 * out are orders of a logic version that no build knows: they stop a shard, as
 * integration/test_environment_topics.py has it.
 */
#include <stdio.h>

#include <yyjson.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/must.h"
#include "services/workers.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sim/orders_stream.h"
#include "tests/sim/world.h"

#define RECORDS_MOST 24
#define REFERENCE_MOST 32

static struct str input; /* not fed yet; absent: all is */

static void *begin(struct sim_world *w)
{
	const struct header header = { STR_INIT("tw-control"), STR_INIT("1") };
	struct str keys[REFERENCE_MOST], values[REFERENCE_MOST];
	unsigned count = orders_reference(sim_memory(w), 0, keys, values, REFERENCE_MOST);
	int64_t pin;

	for (unsigned i = 0; i < count; i++)
		sim_append_at(w, "reference", 0, keys[i], values[i], NULL, 0);
	pin = sim_append_at(
		w, "reference", 0, STR("end"),
		arena_printf(
			sim_memory(w),
			"{\"specversion\":\"1.0\",\"id\":\"end\",\"source\":\"/tallyworks/sim\","
			"\"type\":\"tallyworks.reference.ended\","
			"\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"records\":%u}}",
			count),
		&header, 1);
	sim_control(w, arena_printf(sim_memory(w),
	                            "{\"specversion\":\"1.0\",\"id\":\"pin\","
	                            "\"source\":\"/tallyworks/sim\","
	                            "\"type\":\"tallyworks.reference.advanced\","
	                            "\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"pin\":%lld}}",
	                            (long long)pin));
	return w;
}

/* The topic of its header "to", which is taken away. */
static const char *target(struct header *headers, unsigned *count)
{
	for (unsigned i = 0; i < *count; i++) {
		if (!str_eq(headers[i].name, STR("to")))
			continue;
		for (const struct worker *const *w = workers; *w; w++) {
			if (str_eq_c(headers[i].value, (*w)->topic)) {
				headers[i] = headers[--*count];
				return (*w)->topic;
			}
		}
	}
	return "orders";
}

static bool is_for_newer_builds(struct str value)
{
	yyjson_doc *doc = value.len ? yyjson_read(value.ptr, value.len, 0) : NULL;
	yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(doc), "data");
	bool newer = yyjson_get_num(yyjson_obj_get(data, "version")) > 1;

	yyjson_doc_free(doc);
	return newer;
}

static bool feed(struct sim_world *w, void *self)
{
	struct header headers[FUZZ_HEADERS];
	struct message m;
	const char *topic;
	int32_t partition = 0;

	(void)self;
	if (!input.ptr)
		return false;
	m = fuzz_message(str_split(&input, '\x1e'), headers);
	topic = target(headers, &m.header_count);
	if (is_for_newer_builds(m.value))
		return true;
	if (m.key.ptr)
		partition = hash_partition(
			m.key, memory_broker_partitions(sim_broker(w), str_from_c(topic)));
	sim_append_at(w, topic, partition, m.key, m.value, headers, m.header_count);
	return true;
}

static bool at_rest(struct sim_world *w, void *self)
{
	(void)w;
	(void)self;
	return true;
}

static void check(struct sim_world *w, void *self)
{
	(void)w;
	(void)self;
}

static void end(void *self)
{
	(void)self;
}

static const struct worker *const all[] = { &orders_worker, &commissions_worker, &scoreboard_worker,
	                                    NULL };
static const struct sim_app app = {
	.name = "fuzz",
	.workers = all,
	.begin = begin,
	.feed = feed,
	.at_rest = at_rest,
	.check = check,
	.end = end,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sim_options options = { .seed = 1, .direct = true };
	struct sim_world *w;
	const char *words;
	unsigned records = 1;

	for (size_t i = 0; i < size; i++)
		records += data[i] == 0x1e;
	if (records > RECORDS_MOST)
		return 0;
	log_configure((enum log_level)(LOG_ERROR + 1), LOG_LOGFMT, STR(""));
	input = str_of(size ? (const char *)data : "", size);
	w = sim_world_new(&app, &options);
	words = sim_world_run(w);
	if (words)
		fprintf(stderr, "%s\n", words);
	must(!words);
	sim_world_free(w);
	return 0;
}
