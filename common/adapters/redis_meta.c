/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of the fields (redis_keys.c): numbers are read by it, the others by hand.
 */
#include "common/adapters/redis_meta.h"

#include "common/adapters/redis_keys.h"

static bool read_number(struct str name, struct str value, struct shard_meta *out)
{
	for (const struct redis_field *field = redis_meta_fields; field->name.ptr; field++) {
		int64_t number;

		if (field->number == REDIS_FIELD_OTHER || !str_eq(name, field->name))
			continue;
		if (!str_to_i64(value, &number))
			return false;
		memcpy((char *)out + field->number, &number, sizeof(number));
		return true;
	}
	return true; /* of a later build */
}

/* "from-until" */
static bool read_offsets(struct str value, struct offsets *out)
{
	struct str from = str_split(&value, '-');

	return str_to_i64(from, &out->from) && str_to_i64(value, &out->until);
}

static bool read_field(struct str name, struct str value, struct shard_meta *out)
{
	int64_t number;

	if (str_eq_c(name, "claimer")) {
		if (value.len >= sizeof(out->claimer))
			return false;
		memcpy(out->claimer, value.ptr, value.len);
		out->claimer[value.len] = '\0';
		return true;
	}
	if (str_eq_c(name, "logic")) {
		if (!str_to_i64(value, &number) || number < 0 || number > UINT32_MAX)
			return false;
		out->logic_version = (uint32_t)number;
		return true;
	}
	if (str_eq_c(name, "trying"))
		return read_offsets(value, &out->trying);
	if (str_eq_c(name, "tried"))
		return read_offsets(value, &out->tried);
	if (str_eq_c(name, "died"))
		out->died = str_eq_c(value, "1");
	if (str_eq_c(name, "released"))
		out->released = str_eq_c(value, "1");
	if (str_eq_c(name, "rebuilding"))
		out->rebuilding = str_eq_c(value, "1");
	if (str_eq_c(name, "cursor")) {
		out->state = str_eq_c(value, "torn")    ? META_TORN
		             : str_eq_c(value, "empty") ? META_EMPTY
		                                        : META_WHOLE;
		if (out->state != META_WHOLE)
			return true;
	}
	return read_number(name, value, out);
}

bool redis_meta_read(const redisReply *reply, struct shard_meta *out)
{
	*out = (struct shard_meta){ .state = META_ABSENT, .reference_pin = -1 };
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return false;
	for (size_t i = 0; i < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *value = reply->element[i + 1];

		if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
			return false;
		if (!read_field(str_of(name->str, name->len), str_of(value->str, value->len), out))
			return false;
	}
	return true;
}
