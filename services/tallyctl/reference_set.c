/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids are made of what is said, so publishing the same file again gives the same
 * events. A marker names the end record's offset, which only the delivery report
 * tells: hence the wait between the two halves.
 */
#include "services/tallyctl/reference_set.h"

#include <inttypes.h>
#include <time.h>

#include "common/base/timestamp.h"
#include "common/base/uuid.h"
#include "common/host/connection.h"
#include "events.h"

#define SOURCE STR("/tallyworks/tallyctl")
#define TRANSACTIONAL_ID "tallyworks-publish"
#define TRANSACTION_MS 60000

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / 1000000;
}

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
	set->now_ms = wall_ms();
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

/* A UUID over the type and what is said. */
static struct uuid_text id_of(const char *type, struct str said)
{
	struct uuid_text id;
	struct buf name;

	buf_init(&name, NULL);
	buf_printf(&name, "%s\n", type);
	buf_put(&name, said);
	id = uuid_v5(tally_uuid_namespace, buf_str(&name));
	buf_release(&name);
	return id;
}

struct letter {
	struct str topic, key, subject;
	int32_t partition;
	bool control;
	const struct record_type *type;
	const void *data;
	struct str said; /* what its id is made of */
};

static struct rc send(struct reference_set *set, const struct letter *letter)
{
	static const struct header headers[] = {
		{ STR_INIT("content-type"), STR_INIT("application/cloudevents+json") },
		{ STR_INIT("tw-control"), STR_INIT("1") },
	};
	struct uuid_text id = id_of(letter->type->name, letter->said);
	struct cloudevent event = {
		.id = str_of(id.text, sizeof(id.text)),
		.source = SOURCE,
		.type = str_from_c(letter->type->name),
		.subject = letter->subject,
		.time_ms = set->now_ms,
		.data_type = letter->type,
		.data = letter->data,
	};
	struct outgoing outgoing = {
		.form = OUTGOING_CLOUDEVENT,
		.topic = letter->topic,
		.partition = letter->partition,
		.key = letter->key,
		.headers = headers,
		.header_count = letter->control ? 2 : 1,
	};
	struct buf value;
	struct rc rc;

	buf_init(&value, NULL);
	cloudevent_encode(&event, &value);
	outgoing.value = buf_str(&value);
	rc = kafka_broadcast_send(set->broadcast, &outgoing);
	buf_release(&value);
	return rc;
}

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
	rc = send(set, &(struct letter){ .topic = str_from_c(set->topic),
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
		rc = send(set, &(struct letter){ .topic = str_from_c(set->topic),
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

		TRY(send(set, &(struct letter){ .topic = str_from_c(fleet->topic),
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
