/* SPDX-License-Identifier: Apache-2.0 */
#include "services/orders/waiting.h"

#include "common/base/limits.h"
#include "common/base/must.h"
#include "common/base/timestamp.h"

/* CONTRACT "Orders in": after 30 days in the log what was needed counts as missing. */
#define WAITING_MS (30 * MS_PER_DAY)

/* ---- ids ------------------------------------------------------------------- */

/* The list holds pairs: identity, content; by identity, so that the record does not tell in which
 * order they came. Short; the position of the identity, or count. */
static uint32_t find_id(const struct order *order, int64_t identity)
{
	const struct int_list *ids = &order->internal.ids;
	uint32_t i = 0;

	while (i < ids->count && ids->items[i] != identity)
		i += 2;
	return i;
}

struct verdict ids_check(const struct order *order, const struct event *event)
{
	uint32_t at = find_id(order, (int64_t)event->identity);

	if (at == order->internal.ids.count)
		return APPLY;
	if (order->internal.ids.items[at + 1] == (int64_t)event->content)
		return SKIP("duplicate");
	return REJECT(REASON_ID_CONFLICT, "/id");
}

bool ids_have_room(const struct order *order)
{
	return order->internal.ids.count / 2 < LIMIT_ORDER_EVENTS;
}

void ids_remember(const struct folding *f, const struct order_held *fact)
{
	struct int_list *ids = &f->order->internal.ids;
	uint32_t at = ids->count;

	VIEW_PUSH(f->view, 0, ids);
	VIEW_PUSH(f->view, 0, ids);
	for (; at > 0 && ids->items[at - 2] > fact->identity; at -= 2) {
		ids->items[at] = ids->items[at - 2];
		ids->items[at + 1] = ids->items[at - 1];
	}
	ids->items[at] = fact->identity;
	ids->items[at + 1] = fact->content;
}

void ids_forget(struct order *order, const struct order_held *fact)
{
	struct int_list *ids = &order->internal.ids;
	uint32_t at = find_id(order, fact->identity);

	must(at < ids->count);
	memmove(&ids->items[at], &ids->items[at + 2], (ids->count - at - 2) * sizeof(*ids->items));
	ids->count -= 2;
	if (ids->count == 0)
		*ids = (struct int_list){ 0 };
}

/* ---- waiting --------------------------------------------------------------- */

static int64_t gives_up_ms(const struct order_held *fact)
{
	return fact->broker_time_ms + WAITING_MS;
}

bool waiting_has_room(const struct order *order)
{
	return order->internal.held.count < LIMIT_ORDER_HELD;
}

/* CONTRACT "Orders in": up to 16 KiB of raw bytes, without registry framing, cut at a character. */
static void keep_raw(const struct folding *f, struct order_held *held, struct str raw)
{
	size_t len = 0, more;

	if (raw.len >= 5 && raw.ptr[0] == '\0')
		raw = str_from(raw, 5);
	if (raw.len > LIMIT_HELD_BYTES) {
		held->has_raw_bytes = true;
		held->raw_bytes = (int64_t)raw.len;
		while ((more = str_utf8_front(str_from(raw, len))) > 0 &&
		       len + more <= LIMIT_HELD_BYTES)
			len += more;
		raw = str_of(raw.ptr, len);
	}
	held->raw = view_keep(f->view, 0, raw);
}

/* A document holds text only. */
static bool can_be_kept(const struct header *header)
{
	return header->name.len <= LIMIT_ID_BYTES && header->value.len <= LIMIT_TEXT_BYTES &&
	       str_is_utf8(header->name) && (!header->value.ptr || str_is_utf8(header->value));
}

/* In binary mode the envelope is nowhere else. */
static void keep_headers(const struct folding *f, struct order_held *held,
                         const struct event *event)
{
	for (unsigned i = 0; i < event->header_count; i++) {
		const struct header *header = &event->headers[i];
		struct order_held_header *kept;

		if (held->headers.count == LIMIT_HELD_HEADERS || !can_be_kept(header)) {
			held->has_headers_cut = true;
			held->headers_cut++;
			continue;
		}
		kept = VIEW_PUSH(f->view, 0, &held->headers);
		kept->name = view_keep(f->view, 0, header->name);
		kept->value = view_keep(f->view, 0, header->value);
	}
}

static void set_due(struct order *order)
{
	int64_t due_ms = waiting_due_ms(order);

	order->internal.has_due_ms = due_ms != 0;
	order->internal.due_ms = due_ms;
}

void waiting_add(const struct folding *f, const struct order_held *fact, const struct event *event)
{
	struct order_held *held = VIEW_PUSH(f->view, 0, &f->order->internal.held);

	*held = *fact;
	held->type = view_keep(f->view, 0, fact->type);
	held->id = view_keep(f->view, 0, fact->id);
	held->source = view_keep(f->view, 0, fact->source);
	held->payment_id = view_keep(f->view, 0, fact->payment_id);
	held->refund_id = view_keep(f->view, 0, fact->refund_id);
	held->currency = view_keep(f->view, 0, fact->currency);
	held->reason = view_keep(f->view, 0, fact->reason);
	held->traceparent = view_keep(f->view, 0, fact->traceparent);
	keep_raw(f, held, event->raw);
	keep_headers(f, held, event);
	set_due(f->order);
}

enum step step_of(struct str type)
{
	static const struct str types[] = {
		[STEP_SUBSCRIPTION] = STR_INIT("subscription.made"),
		[STEP_CONTRACT] = STR_INIT("contract.signed"),
		[STEP_MORTGAGE] = STR_INIT("mortgage.granted"),
		[STEP_PAYMENT] = STR_INIT("payment.collected"),
		[STEP_REFUND] = STR_INIT("payment.refunded"),
		[STEP_DELIVERY] = STR_INIT("order.delivered"),
		[STEP_CANCELLATION] = STR_INIT("order.cancelled"),
	};
	enum step step = STEP_SUBSCRIPTION;

	while (!str_eq(types[step], type))
		must(++step <= STEP_CANCELLATION);
	return step;
}

/* CONTRACT "Orders in": by event time, then payment before refund, then id. */
static bool comes_before(const struct order_held *a, const struct order_held *b)
{
	enum step step_a = step_of(a->type), step_b = step_of(b->type);

	if (a->time_ms != b->time_ms)
		return a->time_ms < b->time_ms;
	if (step_a != step_b)
		return step_a < step_b;
	return str_cmp(a->id, b->id) < 0;
}

uint32_t waiting_first_ready(const struct order *order, waiting_ready *ready)
{
	const struct order_held_list *held = &order->internal.held;
	uint32_t first = held->count;

	for (uint32_t i = 0; i < held->count; i++) {
		if (!ready(order, &held->items[i]))
			continue;
		if (first == held->count || comes_before(&held->items[i], &held->items[first]))
			first = i;
	}
	return first;
}

uint32_t waiting_first_given_up(const struct order *order, int64_t at_ms)
{
	const struct order_held_list *held = &order->internal.held;
	uint32_t i = 0;

	while (i < held->count && gives_up_ms(&held->items[i]) > at_ms)
		i++;
	return i;
}

struct order_held waiting_take(struct order *order, uint32_t index)
{
	struct order_held_list *held = &order->internal.held;
	struct order_held taken;

	must(index < held->count);
	taken = held->items[index];
	memmove(&held->items[index], &held->items[index + 1],
	        (held->count - index - 1) * sizeof(*held->items));
	held->count--;
	if (held->count == 0)
		*held = (struct order_held_list){ 0 };
	set_due(order);
	return taken;
}

void waiting_refuse(const struct folding *f, const struct order_held *fact, enum reason reason,
                    const char *path)
{
	struct header headers[LIMIT_HELD_HEADERS];

	for (uint32_t i = 0; i < fact->headers.count; i++)
		headers[i] = (struct header){ fact->headers.items[i].name,
			                      fact->headers.items[i].value };
	ids_forget(f->order, fact);
	effects_refuse_held(f->out, &(struct held_refusal){
					    .key = f->order->order_id,
					    .raw = fact->raw,
					    .raw_bytes = (size_t)fact->raw_bytes,
					    .headers = headers,
					    .header_count = fact->headers.count,
					    .headers_cut = (unsigned)fact->headers_cut,
					    .offset = fact->offset,
					    .reason = reason,
					    .path = path,
				    });
}

int64_t waiting_due_ms(const struct order *order)
{
	const struct order_held_list *held = &order->internal.held;
	int64_t due_ms = 0;

	for (uint32_t i = 0; i < held->count; i++)
		if (due_ms == 0 || gives_up_ms(&held->items[i]) < due_ms)
			due_ms = gives_up_ms(&held->items[i]);
	return due_ms;
}
