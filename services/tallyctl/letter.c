/* SPDX-License-Identifier: Apache-2.0 */
#include "services/tallyctl/letter.h"

#include <time.h>

#include "common/base/timestamp.h"
#include "common/base/uuid.h"
#include "common/codec/message.h"

#define SOURCE STR("/tallyworks/tallyctl")

int64_t letter_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * MS_PER_SECOND + now.tv_nsec / 1000000;
}

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

struct rc letter_send(struct kafka_broadcast *broadcast, const struct letter *letter)
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
		.time_ms = letter->time_ms,
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
	rc = kafka_broadcast_send(broadcast, &outgoing);
	buf_release(&value);
	return rc;
}
