/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for people in indented lines, JSON for programs; both walk the same
 * tables in the order in which the services wrote them.
 */
#include "common/host/describe.h"

#include <inttypes.h>

#include "common/host/json.h"

static const char *form_words(enum output_form form)
{
	switch (form) {
	case OUTPUT_EVENT: return "events";
	case OUTPUT_BLOCK: return "blocks";
	case OUTPUT_SUMMED: return "blocks, rows added up";
	}
	return "";
}

static void worker_text(const struct worker *worker, struct buf *out)
{
	buf_printf(out, "%s: %s\n", worker->name, worker->words);
	buf_printf(out, "  group    tallyworks-%s\n", worker->name);
	buf_printf(out, "  logic    version %" PRIu32 "\n", worker->logic_version);
	buf_printf(out, "  input    %s (%s)\n", worker->topic,
	           worker->internal ? "internal: blocks of entries" : "CloudEvents");
	for (const struct input *input = worker->inputs; input->type; input++)
		buf_printf(out, "             %s\n", input->type);
	buf_put_lit(out, "  owns\n");
	for (const struct entity *const *entity = worker->entities; *entity; entity++)
		buf_printf(out, "             %s at Redis %.*s<id> (%s)%s\n", (*entity)->name,
		           STR_ARG((*entity)->prefix),
		           (*entity)->form == ENTITY_DOCUMENT ? "document" : "figures",
		           (*entity)->due_ms ? ", with timers" : "");
	if (worker->keys && worker->keys->pattern)
		buf_put_lit(out, "  writes\n");
	for (const struct redis_key *key = worker->keys; key && key->pattern; key++)
		buf_printf(out, "             %s (%s): %s\n", key->pattern, key->type, key->words);
	buf_put_lit(out, "  outputs\n");
	for (const struct output *const *output = worker->outputs; *output; output++)
		buf_printf(out, "             %s to %s (%s)\n", (*output)->type, (*output)->topic,
		           form_words((*output)->form));
	buf_printf(out, "  refused  %s.dlq\n", worker->topic);
}

void describe_text(const struct worker *only, struct buf *out)
{
	for (int i = 0; workers[i]; i++) {
		if (only && workers[i] != only)
			continue;
		if (out->len)
			buf_put_char(out, '\n');
		worker_text(workers[i], out);
	}
}

static void worker_json(const struct worker *worker, struct json *j)
{
	json_open(j, '{');
	json_put_text(j, "worker", worker->name);
	json_put_text(j, "words", worker->words);
	json_put_text(j, "topic", worker->topic);
	json_put_bool(j, "internal", worker->internal);
	json_put_i64(j, "logic_version", worker->logic_version);
	json_name(j, "inputs");
	json_open(j, '[');
	for (const struct input *input = worker->inputs; input->type; input++)
		json_str(j, str_from_c(input->type));
	json_close(j, ']');
	json_name(j, "entities");
	json_open(j, '[');
	for (const struct entity *const *entity = worker->entities; *entity; entity++) {
		json_open(j, '{');
		json_put_text(j, "entity", (*entity)->name);
		json_put_str(j, "prefix", (*entity)->prefix);
		json_put_text(j, "form",
		              (*entity)->form == ENTITY_DOCUMENT ? "document" : "figures");
		json_put_bool(j, "timers", (*entity)->due_ms != NULL);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_name(j, "keys");
	json_open(j, '[');
	for (const struct redis_key *key = worker->keys; key && key->pattern; key++) {
		json_open(j, '{');
		json_put_text(j, "pattern", key->pattern);
		json_put_text(j, "type", key->type);
		json_put_text(j, "words", key->words);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_name(j, "outputs");
	json_open(j, '[');
	for (const struct output *const *output = worker->outputs; *output; output++) {
		json_open(j, '{');
		json_put_text(j, "topic", (*output)->topic);
		json_put_text(j, "type", (*output)->type);
		json_put_text(j, "form", form_words((*output)->form));
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

void describe_json(const struct worker *only, struct buf *out)
{
	struct json j = json_to(out);

	json_open(&j, '{');
	json_name(&j, "workers");
	json_open(&j, '[');
	for (int i = 0; workers[i]; i++)
		if (!only || workers[i] == only)
			worker_json(workers[i], &j);
	json_close(&j, ']');
	json_close(&j, '}');
	buf_put_char(out, '\n');
}
