/* SPDX-License-Identifier: Apache-2.0 */
#include "services/dashboard/memo.h"

#include "common/base/hash.h"

void memo_init(struct memo *memo)
{
	for (unsigned i = 0; i < MEMO_SLOTS; i++) {
		memo->slots[i] = (struct memo_slot){ .used = false };
		buf_init(&memo->slots[i].key, NULL);
		buf_init(&memo->slots[i].body, NULL);
	}
}

void memo_release(struct memo *memo)
{
	for (unsigned i = 0; i < MEMO_SLOTS; i++) {
		buf_release(&memo->slots[i].key);
		buf_release(&memo->slots[i].body);
	}
}

static unsigned slot_of(struct str path, struct str query)
{
	return (unsigned)(hash64_with(hash64(path), query) % MEMO_SLOTS);
}

/* A path has no question mark. */
static bool is_key(struct str key, struct str path, struct str query)
{
	return key.len == path.len + 1 + query.len && str_starts(key, path) &&
	       key.ptr[path.len] == '?' && str_eq(str_from(key, path.len + 1), query);
}

bool memo_find(const struct memo *memo, struct str path, struct str query, int64_t now_ms,
               struct buf *out)
{
	const struct memo_slot *slot = &memo->slots[slot_of(path, query)];

	if (!slot->used || now_ms - slot->made_ms >= MEMO_MS ||
	    !is_key(buf_str(&slot->key), path, query))
		return false;
	buf_put(out, buf_str(&slot->body));
	return true;
}

void memo_keep(struct memo *memo, struct str path, struct str query, int64_t now_ms,
               struct str body)
{
	struct memo_slot *slot = &memo->slots[slot_of(path, query)];

	if (body.len > MEMO_BYTES_MOST)
		return;
	buf_clear(&slot->key);
	buf_put(&slot->key, path);
	buf_put_char(&slot->key, '?');
	buf_put(&slot->key, query);
	buf_clear(&slot->body);
	buf_put(&slot->body, body);
	slot->made_ms = now_ms;
	slot->used = true;
}
