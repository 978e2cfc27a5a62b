/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A marker names the end record's offset, which only the delivery report tells:
 * hence the wait between the two halves.
 */
#include "services/tallyctl/reference_set.h"

#include <inttypes.h>

#include "common/host/connection.h"
#include "events.h"
#include "services/tallyctl/letter.h"

#define TRANSACTIONAL_ID "tallyworks-publish"
#define TRANSACTION_MS 60000

static struct rc read_published(struct reference_set *set)
{
	struct session *session = set->session;
	struct topic_state state;
	struct log_span span;
	int64_t next;

	TRY(kafka_cluster_topic(session->cluster, set->topic, &state));
	if (!state.exists)
		return rc_fail(RC_NOT_FOUND, "there is no topic %s: run tallyctl topics create",
		               set->topic);
	if (state.partitions != 1)
		return rc_fail(RC_REFUSED, "topic %s has %" PRId32 " partitions, it must have one",
		               set->topic, state.partitions);
	TRY(kafka_cluster_spans(session->cluster, set->topic, 1, &span));
	if (span.start > 0)
		return rc_fail(RC_REFUSED,
		               "topic %s begins at %" PRId64 ": records of it are gone; its "
		               "retention must be unlimited",
		               set->topic, span.start);
	if (span.end == 0)
		return OK;
	return kafka_cluster_read(session->cluster, set->topic, 0, 0, catalog_add_published,
	                          set->catalog, &next);
}

void reference_set_init(struct reference_set *set)
{
	*set = (struct reference_set){ .pin = -1 };
	set->catalog = catalog_new();
	document_init(&set->document);
	findings_init(&set->findings);
}

struct rc reference_set_open(struct reference_set *set, struct session *session, bool dry)
{
	const char *id =
		arena_printf(session->memory, "%s" TRANSACTIONAL_ID, session->config->topic_prefix)
			.ptr;

	set->session = session;
	set->now_ms = letter_now_ms();
	set->topic = connection_topic(session->config, "reference", session->memory);
	if (!dry)
		TRY(kafka_broadcast_open(&session->kafka_options, id, TRANSACTION_MS,
		                         &set->broadcast));
	return read_published(set);
}

void reference_set_release(struct reference_set *set)
{
	kafka_broadcast_free(set->broadcast);
	catalog_free(set->catalog);
	document_release(&set->document);
	findings_release(&set->findings);
}

struct rc reference_set_read(struct reference_set *set, const char *const *files, unsigned count)
{
	const struct findings *found = &set->findings;

	for (unsigned i = 0; i < count; i++)
		document_add_file(&set->document, files[i], &set->findings);
	document_decode(&set->document, catalog_zone(set->catalog), &set->findings);
	catalog_check(set->catalog, &set->document, set->now_ms, &set->findings);
	if (set->document.count == 0 && found->error_count == 0)
		findings_error(&set->findings, STR(""), "there is no record in these files");
	findings_print(found);
	if (found->error_count)
		return rc_fail(RC_DATA, "nothing was published: %u error%s", found->error_count,
		               found->error_count == 1 ? "" : "s");
	return OK;
}

/* ---- writing ----------------------------------------------------------- */

static struct rc send_definition(struct reference_set *set, const struct definition *d)
{
	struct arena memory;
	struct buf said;
	struct str key;
	struct rc rc;

	arena_init(&memory, 1024);
	buf_init(&said, &memory);
	record_encode(definition_type(d), d->record, &said);
	key = arena_printf(&memory, "%s:%.*s", d->kind->word, STR_ARG(d->id));
	rc = letter_send(set->broadcast, &(struct letter){ .time_ms = set->now_ms,
	                                                   .topic = str_from_c(set->topic),
	                                                   .key = key,
	                                                   .subject = key,
	                                                   .type = definition_type(d),
	                                                   .data = d->record,
	                                                   .said = buf_str(&said) });
	arena_release(&memory);
	return rc;
}

struct rc reference_set_write(struct reference_set *set)
{
	const struct document *document = &set->document;
	struct tallyworks_reference_ended ended = { .records = document->count };
	struct buf said;
	struct rc rc = OK;

	buf_init(&said, NULL);
	for (unsigned i = 0; i < document->count && rc_ok(rc); i++) {
		const struct definition *d = &document->definitions[i];

		record_encode(definition_type(d), d->record, &said);
		rc = send_definition(set, d);
	}
	if (rc_ok(rc))
		rc = letter_send(set->broadcast,
		                 &(struct letter){ .time_ms = set->now_ms,
		                                   .topic = str_from_c(set->topic),
		                                   .key = STR("tallyworks:end"),
		                                   .control = true,
		                                   .type = &tallyworks_reference_ended_type,
		                                   .data = &ended,
		                                   .said = buf_str(&said) });
	buf_release(&said);
	TRY(rc);
	return kafka_broadcast_sync(set->broadcast, &set->pin);
}

struct rc reference_set_mark(struct reference_set *set, const struct fleet *fleet)
{
	struct tallyworks_reference_advanced advanced = { .pin = set->pin };

	for (int32_t p = 0; p < fleet->partitions; p++) {
		struct str said = arena_printf(set->session->memory, "%s/%" PRId32 "/%" PRId64,
		                               fleet->topic, p, set->pin);

		TRY(letter_send(set->broadcast,
		                &(struct letter){ .time_ms = set->now_ms,
		                                  .topic = str_from_c(fleet->topic),
		                                  .partition = p,
		                                  .control = true,
		                                  .type = &tallyworks_reference_advanced_type,
		                                  .data = &advanced,
		                                  .said = said }));
	}
	return OK;
}

struct rc reference_set_commit(struct reference_set *set)
{
	return kafka_broadcast_commit(set->broadcast);
}
