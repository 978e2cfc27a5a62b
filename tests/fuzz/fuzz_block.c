/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An internal block of any bytes: the array and its entries by the type of every
 * worker that reads blocks. Entries that are taken can be written again.
 */
#include "common/base/must.h"
#include "services/workers.h"
#include "tests/fuzz/fuzz.h"

static void decode_entries(const struct record_type *type, const struct message *m)
{
	struct arena a;
	struct fault fault;
	struct block block;
	struct yyjson_val *entry;
	struct buf text;
	uint32_t count = 0;

	arena_init(&a, 4096);
	buf_init(&text, &a);
	if (block_decode(m, &a, &block, &fault)) {
		while ((entry = block_next(&block)) != NULL) {
			void *record = arena_zalloc(&a, type->size);

			count++;
			if (record_decode(type, entry, STR(""), record, &a, &fault))
				record_encode(type, record, &text);
		}
		must(count == block.count);
	}
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header headers[FUZZ_HEADERS];
	struct message m = fuzz_message(str_of((const char *)data, size), headers);

	for (const struct worker *const *w = workers; *w; w++)
		if ((*w)->internal)
			decode_entries((*w)->inputs[0].data, &m);
	return 0;
}
