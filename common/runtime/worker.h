/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker interface: everything a service includes to describe itself.
 *
 * A worker is tables and pure functions. For each event the runtime asks
 * `reads` which entities the event names, loads them, and calls `fold`, which
 * looks at the event, the entities and the reference data, changes the entities
 * in place and says what goes out. A fold has no clock, no I/O, no randomness;
 * it checks first and changes then: a fold that returns SKIP or REJECT must have
 * changed nothing. Everything it is given is borrowed and dies with the batch;
 * what an entity is to keep goes through view_keep() and view_push().
 *
 * Source of the rules: DESIGN sections 1 and 4, STYLE "A worker reads as data,
 * then rules".
 */
#ifndef TALLY_RUNTIME_WORKER_H
#define TALLY_RUNTIME_WORKER_H

#include "common/codec/message.h"
#include "common/runtime/reference.h"

/* ---- verdicts ---------------------------------------------------------- */

enum verdict_kind { VERDICT_APPLY, VERDICT_SKIP, VERDICT_REJECT };

struct verdict {
	enum verdict_kind kind;
	enum reason reason; /* REJECT: to the DLQ under this code */
	const char *
		note; /* SKIP: why, a literal; REJECT: JSON pointer of the failing field, a literal */
};

#define APPLY ((struct verdict){ VERDICT_APPLY, REASON_NONE, NULL })
#define SKIP(why) ((struct verdict){ VERDICT_SKIP, REASON_NONE, (why) })
#define REJECT(code, pointer) ((struct verdict){ VERDICT_REJECT, (code), (pointer) })

/* ---- entities ---------------------------------------------------------- */

enum entity_form {
	ENTITY_DOCUMENT, /* a Redis string holding the record as JSON */
	ENTITY_FIGURES, /* a Redis hash of integers; the record has only zero-absent int64_t fields */
};

/* A kind of state that a worker owns. One entity lives at Redis key `prefix + id`. */
struct entity {
	const char *name;               /* "order" */
	const struct record_type *type; /* generated from schemas/state */
	enum entity_form form;
	struct str prefix;   /* "order:" */
	const char *pattern; /* "order:<order_id>", for documents */
	/* The message key whose shard owns the entity with this id. */
	struct str (*owner)(struct str id);
	/* When the runtime shall append a timer for it, ms since 1970; 0: never. NULL: no timers. */
	int64_t (*due_ms)(const void *record);
};

/* Owner when the id itself is the message key. */
struct str owner_is_id(struct str id);

/* The entities one event names, in the order of naming. */
struct reads;
void reads_add(struct reads *, const struct entity *, struct str id);
/* Joins parts into an id that lives as long as the batch. */
struct str reads_join(struct reads *, const struct str *parts, size_t count);
/* The reference under the shard's pin, for workers whose entities depend on it. */
const struct reference *reads_reference(const struct reads *);

/* What a fold sees of the entities its event named: index n is the n-th reads_add(). */
struct view;
void *view_at(struct view *, unsigned n);
/* Was it ever stored (or changed by an earlier event)? A new one is all zeros. */
bool view_exists(const struct view *, unsigned n);
/* A copy of the text that lives as long as the entity. */
struct str view_keep(struct view *, unsigned n, struct str);
/* Appends a zeroed item to a list of the entity and returns it. Use VIEW_PUSH. */
void *view_push(struct view *, unsigned n, struct list *, size_t item_size);
#define VIEW_PUSH(view, n, to)                                                        \
	((__typeof__((to)->items))view_push((view), (n), (struct list *)(void *)(to), \
	                                    sizeof(*(to)->items)))

/* ---- outputs ----------------------------------------------------------- */

enum output_form {
	OUTPUT_EVENT,  /* public: one structured CloudEvent a message */
	OUTPUT_BLOCK,  /* internal: entries gathered in one array a target shard and batch */
	OUTPUT_SUMMED, /* internal: the same, rows of equal `same` added up over the batch */
};

struct output {
	const char *topic;
	const char *key;  /* what the message key is, or decides the partition; for documents */
	const char *type; /* CloudEvents type; for internal topics the entry's name */
	enum output_form form;
	const struct record_type *data;
	/* OUTPUT_SUMMED */
	uint64_t (*row_hash)(const void *row);
	bool (*row_same)(const void *a, const void *b);
	bool (*row_add)(void *into, const void *row); /* false: would overflow, nothing is added */
};

/* A public event. Texts and data are copied or encoded before the call returns. */
struct emission {
	struct str key;
	struct str id;
	struct str subject;
	struct str correlationid, causationid, traceparent; /* absent: left out */
	int64_t time_ms;
	const void *data;
};

struct effects;
/* Scratch memory that dies with the batch. */
struct arena *effects_arena(struct effects *);
void effects_emit(struct effects *, const struct output *, const struct emission *);
/* An entry of an internal block; the partition is the key's. */
void effects_entry(struct effects *, const struct output *, struct str key, const void *entry);
/* A row that may be added up with others of the batch; the partition is the key's. The row's texts
 * must live as long as the batch (event data and entity texts do, as does effects_arena()). */
void effects_sum(struct effects *, const struct output *, struct str key, const void *row);

/* An earlier event, held by an entity, that is refused now: its original bytes go to the DLQ. */
struct held_refusal {
	struct str key, raw;
	size_t raw_bytes; /* of the value, where raw is only its beginning; else 0 */
	const struct header *headers;
	unsigned header_count, headers_cut; /* kept, and left out */
	int64_t offset;
	enum reason reason;
	const char *path;
};
void effects_refuse_held(struct effects *, const struct held_refusal *);

/* Redis values that people read and no fold reads. Absolute; the last write of a batch wins. */
void effects_set(struct effects *, struct str key, struct str value);
void effects_set_field(struct effects *, struct str key, struct str field, struct str value);
/* A score of 0 removes the member. */
void effects_set_score(struct effects *, struct str key, struct str member, int64_t score);

/* ---- the worker -------------------------------------------------------- */

typedef void reads_fn(const struct event *, struct reads *);
typedef struct verdict fold_fn(const struct event *, struct view *, const struct reference *,
                               struct effects *);

struct input {
	const char *type; /* CloudEvents type; for an internal topic the entry's name */
	const struct record_type *data;
	reads_fn *reads;
	fold_fn *fold;
};

/* A public event's time must be there, lie in the years 2000 to 2099 and not be more than
 * LIMIT_TIME_AHEAD_MS after the record's broker timestamp; else REJECT (CONTRACT "Orders in"). */
struct verdict event_check_time(const struct event *);

/* A Redis key for the documentation and for rebuilds. */
struct redis_key {
	const char *pattern; /* "lines:<payee>:<month>" */
	const char *type;    /* string, hash, sorted set */
	const char *words;
	struct str prefix; /* "lines:" */
	/* The message key whose shard owns it (prefix cut off); NULL: shared or never removed. */
	struct str (*owner)(struct str rest);
};

struct worker {
	const char *name;  /* "orders" */
	const char *words; /* "order life cycle and crediting" */
	const char *topic; /* the single input topic */
	const char *key;   /* what its message key is ("order_id"), for documents */
	bool internal;     /* the topic carries blocks of entries of inputs[0].type */
	uint32_t logic_version;
	const struct input *inputs;           /* ends with type NULL */
	const struct entity *const *entities; /* ends with NULL */
	const struct output *const *outputs;  /* ends with NULL */
	const struct redis_key *keys;         /* derived keys; ends with pattern NULL */
	/* The due instant of an entity came: it is view 0, event.data is struct
	 * tallyworks_timer_due. NULL: no timers. */
	fold_fn *on_timer;
	/* Names what else on_timer needs, as view 1 and on, by what the timer says (kind, id, due);
	 * all of the same shard. NULL: nothing. */
	reads_fn *timer_reads;
	/* Those of the folds' rules that need neither state nor reference data, for who checks
	 * events before they are sent (tallyctl validate). NULL: none. */
	struct verdict (*check)(const struct event *);
};

/* All workers of the product, ends with NULL (services/workers.c). */
extern const struct worker *const workers[];
const struct worker *worker_find(struct str name);

/* Refuses tables that contradict themselves or each other (see worker.c for the list). */
struct rc worker_validate(const struct worker *const *all);

#endif
