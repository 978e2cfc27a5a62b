/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A field that the schema does not have is a bug here, not bad input: the names
 * asked for are literals of this program.
 */
#include "services/tallyctl/kind.h"

#include "common/base/must.h"
#include "events.h"

#define KIND(noun, id)                                                                  \
	{                                                                               \
#noun, #id, #noun ".defined", #noun ".withdrawn", &noun##_defined_type, \
			&noun##_withdrawn_type                                          \
	}

const struct kind kinds[] = {
	KIND(company, company_id), KIND(unit, unit_id),       KIND(person, payee_id),
	KIND(plan, plan_id),       KIND(partner, partner_id), KIND(channel, channel_id),
	KIND(project, project_id), KIND(product, product_id), { .word = NULL },
};

const struct kind *kind_find(struct str word)
{
	for (const struct kind *kind = kinds; kind->word; kind++)
		if (str_eq_c(word, kind->word))
			return kind;
	return NULL;
}

const struct kind *kind_of_type(struct str type, bool *withdrawn)
{
	for (const struct kind *kind = kinds; kind->word; kind++) {
		*withdrawn = str_eq_c(type, kind->withdrawn);
		if (*withdrawn || str_eq_c(type, kind->defined))
			return kind;
	}
	return NULL;
}

const struct field *record_field(const struct record_type *type, struct str name)
{
	for (unsigned i = 0; i < type->field_count; i++)
		if (str_eq(name, type->fields[i].name))
			return &type->fields[i];
	return NULL;
}

int64_t record_int(const struct record_type *type, const void *record, const char *name,
                   int64_t fallback)
{
	const struct field *field = record_field(type, str_from_c(name));
	int64_t value;
	bool has;

	must(field && (field->kind == FIELD_INT || field->kind == FIELD_TIME));
	if (field->has >= 0) {
		memcpy(&has, (const char *)record + field->has, sizeof(has));
		if (!has)
			return fallback;
	}
	memcpy(&value, (const char *)record + field->offset, sizeof(value));
	return value;
}

struct str record_str(const struct record_type *type, const void *record, const char *name)
{
	const struct field *field = record_field(type, str_from_c(name));
	struct str value;

	must(field && field->kind == FIELD_STRING);
	memcpy(&value, (const char *)record + field->offset, sizeof(value));
	return value;
}
