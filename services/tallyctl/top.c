/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tallyctl top: a look a second at every shard, shown as one picture until it is interrupted.
 *
 * On a terminal each picture takes the place of the one before; elsewhere they follow one another.
 * Once there was a picture, Redis or Kafka may go away and come back: it says so and looks again.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/adapters/system_clock.h"
#include "common/base/timestamp.h"
#include "common/host/command_line.h"
#include "common/host/json.h"
#include "services/tallyctl/top_picture.h"

#define INTERVAL_S 1
/* Home, nothing below, and long lines are cut off at the right edge; then no longer. */
#define PICTURE_BEGIN "\033[H\033[J\033[?7l"
#define PICTURE_END "\033[?7h"

struct top {
	struct invocation *invocation;
	struct session session;
	struct clock clock;
	struct fleet fleets[FLEETS_MOST];
	unsigned count;
	struct top_look looks[2];    /* in turn */
	struct arena memory[2];      /* of each */
	unsigned number;             /* of looks so far */
	int64_t *cursors, *moved_ms; /* of each shard: R at the look before, and when it moved */
	struct buf picture;          /* the latest */
	bool terminal;
};

/* ---- looking ------------------------------------------------------------------------- */

static void note_moves(struct top *t, const struct top_look *look)
{
	const struct progress *p = &look->progress;

	if (!t->cursors) {
		t->cursors = arena_zalloc(t->session.memory, p->count * sizeof(*t->cursors));
		t->moved_ms = arena_zalloc(t->session.memory, p->count * sizeof(*t->moved_ms));
	}
	for (unsigned i = 0; i < p->count; i++) {
		const struct progress_row *r = &p->rows[i];

		/* What is settled may stand still: it counts from when there is something to do. */
		if (t->number == 0 || r->meta.cursor != t->cursors[i] || !progress_row_lag(r))
			t->moved_ms[i] = look->now_ms;
		t->cursors[i] = r->meta.cursor;
	}
}

static struct rc look(struct top *t)
{
	struct top_look *now = &t->looks[t->number % 2];
	struct arena *arena = &t->memory[t->number % 2];
	unsigned members;

	arena_clear(arena);
	*now = (struct top_look){ .now_ms = t->clock.now_ms(t->clock.self),
		                  .wall_ms = t->clock.wall_ms(t->clock.self) };
	TRY(progress_look(&t->session, t->fleets, t->count, arena, &now->progress));
	for (unsigned f = 0; f < t->count; f++) {
		struct rc rc =
			kafka_cluster_members(t->session.cluster, t->fleets[f].group, &members);

		now->members[f] = rc_ok(rc) ? (int)members : MEMBERS_UNKNOWN;
	}
	note_moves(t, now);
	now->moved_ms = t->moved_ms;
	t->number++;
	return OK;
}

/* ---- showing -------------------------------------------------------------------------- */

static int lines_of_terminal(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

static void paint(struct top *t)
{
	const struct top_look *now = &t->looks[(t->number - 1) % 2];
	const struct top_look *before = t->number > 1 ? &t->looks[t->number % 2] : NULL;
	struct top_picture picture;

	buf_clear(&t->picture);
	top_paint(t->fleets, t->count, before, now, &t->memory[(t->number - 1) % 2], &picture);
	if (t->invocation->json)
		top_json(&picture, &t->picture);
	else
		top_text(&picture, t->terminal ? lines_of_terminal() : 0, &t->picture);
}

static void say_trouble(struct top *t, struct buf *out)
{
	struct json j = json_to(out);
	int64_t now_ms = t->clock.wall_ms(t->clock.self);
	char time[24];

	if (!t->invocation->json) {
		timestamp_format(now_ms, time);
		buf_printf(out, "\n%.10s %.8s UTC: %s; trying again\n", time, time + 11, rc_text());
		return;
	}
	json_open(&j, '{');
	json_put_time(&j, "time", now_ms);
	json_put_text(&j, "error", rc_text());
	json_close(&j, '}');
	buf_put_char(out, '\n');
}

/* One picture after the other; ends where stdout does. */
static struct rc watch(struct top *t, unsigned interval_s)
{
	struct buf *out = t->invocation->out;

	for (;;) {
		struct rc rc = look(t);

		if (!rc_ok(rc) && t->number == 0)
			return rc;
		buf_clear(out);
		if (rc_ok(rc))
			paint(t);
		if (t->terminal)
			buf_put_lit(out, PICTURE_BEGIN);
		if (rc_ok(rc) || t->terminal)
			buf_put(out, buf_str(&t->picture));
		if (!rc_ok(rc))
			say_trouble(t, out);
		if (t->terminal)
			buf_put_lit(out, PICTURE_END);
		rc = command_line_print(buf_str(out));
		buf_clear(out);
		TRY(rc);
		sleep(interval_s);
	}
}

/* Rates need two looks. */
static struct rc look_once(struct top *t, unsigned interval_s)
{
	TRY(look(t));
	sleep(interval_s);
	TRY(look(t));
	paint(t);
	buf_put(t->invocation->out, buf_str(&t->picture));
	return OK;
}

static struct rc top(struct top *t)
{
	struct invocation *invocation = t->invocation;
	const struct worker *only;
	int64_t interval_s;

	TRY(invocation_no_words(invocation));
	TRY(invocation_int(invocation, "--interval", 1, 3600, INTERVAL_S, &interval_s));
	TRY(invocation_worker(invocation, &only));
	system_clock_port(&t->clock);
	t->terminal = isatty(STDOUT_FILENO) && !invocation->json;
	TRY(session_open(&t->session, invocation));
	TRY(session_fleets(&t->session, only, t->fleets, &t->count));
	if (invocation_has(invocation, "--once"))
		return look_once(t, (unsigned)interval_s);
	return watch(t, (unsigned)interval_s);
}

struct rc command_top(struct invocation *invocation)
{
	struct top *t = arena_zalloc(invocation->memory, sizeof(*t));
	struct rc rc;

	t->invocation = invocation;
	arena_init(&t->memory[0], 65536);
	arena_init(&t->memory[1], 65536);
	buf_init(&t->picture, NULL);
	rc = top(t);
	session_close(&t->session);
	arena_release(&t->memory[0]);
	arena_release(&t->memory[1]);
	buf_release(&t->picture);
	return rc;
}
