/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reference file of any bytes, as `tallyctl publish` reads it: every record is
 * decoded or a finding. What is without findings can be written as an event.
 */
#include "common/base/must.h"
#include "services/tallyctl/document.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct document document;
	struct findings findings;
	struct buf text;

	document_init(&document);
	findings_init(&findings);
	buf_init(&text, NULL);
	document_add_text(&document, "reference.json", str_of((const char *)data, size), &findings);
	document_decode(&document, NULL, &findings);
	for (unsigned i = 0; findings.error_count == 0 && i < document.count; i++) {
		const struct definition *d = &document.definitions[i];

		must(d->id.len && d->from_ms <= d->to_ms);
		record_encode(definition_type(d), d->record, &text);
	}
	buf_release(&text);
	findings_release(&findings);
	document_release(&document);
	return 0;
}
