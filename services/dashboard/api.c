/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer's tag is the hash of its bytes, so whoever asks again with it gets 304
 * as long as neither figures nor freshness changed. The stream's event ids are the
 * same tags: whoever comes back with the id of the last state misses nothing.
 */
#include "services/dashboard/api.h"

#include <stdio.h>
#include <strings.h>

#include "common/adapters/system_clock.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/timestamp.h"
#include "common/host/version.h"
#include "services/dashboard/page.h"

#define SAFE                                                                                 \
	"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"                \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                      \
	"Cross-Origin-Opener-Policy: same-origin\r\n"                                        \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; " \
	"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "           \
	"frame-ancestors 'none'\r\n"
#define OF_PAGE SAFE "Cache-Control: no-cache\r\n"
#define OF_API SAFE "Cache-Control: private, no-cache\r\nVary: Authorization\r\n"
#define OF_PROBLEM SAFE "Cache-Control: no-store\r\n"
#define OF_401 OF_PROBLEM "WWW-Authenticate: Bearer realm=\"tallyworks\"\r\n"
#define OF_405 OF_PROBLEM "Allow: GET, HEAD\r\n"
#define OF_405_POST OF_PROBLEM "Allow: GET, HEAD, POST\r\n"
#define OF_503 OF_PROBLEM "Retry-After: 2\r\n"
#define TAG_BYTES 18
#define SAY_AGAIN_MS 60000
#define POST_PATH STR("/api/v1/redrive") /* the only one */

/* ---- who may ask -------------------------------------------------------- */

bool api_token_matches(struct str authorization, struct str token)
{
	struct str given = str_from(authorization, 7);
	unsigned different = given.len != token.len;

	if (authorization.len < 7 || strncasecmp(authorization.ptr, "Bearer ", 7) != 0)
		return false;
	for (size_t i = 0; i < given.len; i++)
		different |= (unsigned char)given.ptr[i] ^
		             (unsigned char)(token.len ? token.ptr[i % token.len] : 0);
	return !different && token.len > 0;
}

bool api_host_is_local(struct str host)
{
	static const struct str names[] = { STR_INIT("localhost"), STR_INIT("[::1]") };
	struct str name = host;
	int64_t port;

	for (size_t i = host.len; i-- > 0 && host.ptr[i] != ']';)
		if (host.ptr[i] == ':') {
			name.len = i;
			if (!str_to_i64(str_from(host, i + 1), &port))
				return false;
			break;
		}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (name.len == names[i].len && strncasecmp(name.ptr, names[i].ptr, name.len) == 0)
			return true;
	if (!str_starts(name, STR("127.")))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] != '.' && (name.ptr[i] < '0' || name.ptr[i] > '9'))
			return false;
	return true;
}

/* ---- pieces of answers -------------------------------------------------- */

static void put_problem(struct web_answer *answer, const struct problem *problem)
{
	struct json j;

	buf_clear(answer->body);
	j = json_to(answer->body);
	json_open(&j, '{');
	json_put_text(&j, "title", problem->title);
	json_put_i64(&j, "status", problem->status);
	json_put_str(&j, "detail", problem->detail);
	if (problem->since_ms) {
		char since[24];

		json_put_str(&j, "since",
		             str_of(since, timestamp_format(problem->since_ms, since)));
	}
	json_close(&j, '}');
	buf_put_char(answer->body, '\n');
	answer->status = problem->status;
	answer->content_type = "application/problem+json";
	answer->headers = problem->status == 401   ? OF_401
	                  : problem->status == 405 ? OF_405
	                  : problem->status == 503 ? OF_503
	                                           : OF_PROBLEM;
}

static void put_words(struct web_answer *answer, int status, const char *title, const char *detail)
{
	put_problem(answer, &(struct problem){ status, title, str_from_c(detail), 0 });
}

static void put_405(const struct http_head *head, struct web_answer *answer)
{
	put_words(answer, 405, "Method not allowed",
	          "there is GET and HEAD, and POST to /api/v1/redrive");
	if (str_eq(head->path, POST_PATH))
		answer->headers = OF_405_POST;
}

/* What the server found wrong with the request. */
static void put_bad_head(const struct http_head *head, struct web_answer *answer)
{
	static const struct {
		int status;
		const char *title, *detail;
	} words[] = {
		{ 400, "Not a valid request", "the request is not HTTP as RFC 9112 has it" },
		{ 408, "Too slow", "the request did not come in time" },
		{ 411, "Length wanted", "a body comes with its Content-Length, not in chunks" },
		{ 413, "No such body", "a body comes with POST only, of 4096 bytes at most" },
		{ 414, "Path too long", "a path with its query has 8 KiB at most" },
		{ 431, "Headers too large", "all headers together have 8 KiB at most, 64 of them" },
		{ 505, "HTTP version", "HTTP/1.0 and HTTP/1.1 are understood" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].status == answer->status)
			put_words(answer, answer->status, words[i].title, words[i].detail);
	if (answer->status == 405)
		put_405(head, answer);
}

static void put_tag(const struct web_answer *answer, char tag[20])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t hash = hash64(buf_str(answer->body));

	tag[0] = tag[TAG_BYTES - 1] = '"';
	for (int i = 0; i < 16; i++)
		tag[1 + i] = digits[hash >> (60 - 4 * i) & 15];
}

static void conclude(struct api *api, const struct http_head *head, struct web_answer *answer)
{
	put_tag(answer, api->tag);
	answer->tag = str_of(api->tag, TAG_BYTES);
	if (http_tag_matches(head->if_none_match, answer->tag))
		answer->status = 304;
}

/* ---- views -------------------------------------------------------------- */

static struct rc view_index(struct view *v)
{
	json_put_text(&v->json, "service", "tallyworks");
	json_put_text(&v->json, "version", TALLY_VERSION);
	json_name(&v->json, "paths");
	json_open(&v->json, '[');
	for (unsigned i = 0; route_path(i); i++) {
		struct str path = arena_printf(v->arena, "/api/v1%s%s", route_path(i)[0] ? "/" : "",
		                               route_path(i));

		json_str(&v->json, path);
	}
	json_close(&v->json, ']');
	return OK;
}

static view_fn *const views[] = {
	[VIEW_INDEX] = view_index,       [VIEW_LIVE] = view_live,
	[VIEW_STREAM] = view_live,       [VIEW_FRESHNESS] = view_freshness,
	[VIEW_FIGURES] = view_figures,   [VIEW_DAYS] = view_days,
	[VIEW_SCOPES] = view_scopes,     [VIEW_BOARD] = view_board,
	[VIEW_TREE] = view_tree,         [VIEW_MEMBERS] = view_members,
	[VIEW_PAY] = view_pay,           [VIEW_COMMISSION] = view_commission,
	[VIEW_ORDER] = view_order,       [VIEW_SHARDS] = view_shards,
	[VIEW_REFUSALS] = view_refusals, [VIEW_REFUSED] = view_refused,
	[VIEW_REDRIVE] = view_redrive,
};

void api_redis_answered(struct api *api)
{
	api->away_ms = 0;
}

/* The words of a failure are for the log: once, and again after a while. */
static void log_unread(struct api *api)
{
	int64_t now_ms = system_now_ms();

	if (api->unread_said_ms && now_ms - api->unread_said_ms < SAY_AGAIN_MS)
		return;
	api->unread_said_ms = now_ms;
	log_warn("redis_unread", LOG_TEXT("error", rc_text()), LOG_END);
}

/* Redis gave no answer, or one that is none. */
static void put_away(struct api *api, struct web_answer *answer, struct rc rc)
{
	static const struct str detail =
		STR_INIT("figures cannot be read now; the log of this service says why");

	log_unread(api);
	if (rc.code == RC_PROTOCOL)
		api->away_ms = 0;
	else if (!api->away_ms)
		api->away_ms = system_wall_ms();
	put_problem(answer, &(struct problem){ 503,
	                                       api->away_ms ? "Redis gives no answer"
	                                                    : "Redis refused the question",
	                                       detail, api->away_ms });
}

/* False: the answer is a problem. */
static bool run_view(struct api *api, const struct http_head *head, const struct route *route,
                     struct web_answer *answer)
{
	struct watch_state watched;
	struct view v = { .route = route,
		          .reader = api->reader,
		          .catalog = &api->catalog,
		          .refused = api->refused,
		          .redriver = api->redriver,
		          .timing = api->timing,
		          .post = head->post,
		          .body = head->body,
		          .arena = &api->arena,
		          .json = json_to(answer->body) };
	struct rc rc;

	if (api->watch) {
		watch_copy(api->watch, &api->arena, &watched);
		v.watch = &watched;
		v.watcher = api->watch;
	}
	json_open(&v.json, '{');
	rc = views[route->view](&v);
	if (!rc_ok(rc)) {
		put_away(api, answer, rc);
		return false;
	}
	/* The others do not ask Redis. */
	if (route->view != VIEW_INDEX && route->view < VIEW_REFUSALS)
		api_redis_answered(api);
	if (v.problem.status) {
		put_problem(answer, &v.problem);
		return false;
	}
	json_close(&v.json, '}');
	answer->content_type = "application/json";
	answer->headers = OF_API;
	return true;
}

static void frame_event(struct str tag, struct str data, struct buf *out)
{
	buf_put_lit(out, "id: ");
	buf_put(out, str_of(tag.ptr + 1, tag.len - 2));
	buf_put_lit(out, "\nevent: live\ndata: ");
	buf_put(out, data);
	buf_put_lit(out, "\n\n");
}

/* The stream begins with the state as it is, unless the reader has it already. */
static void begin_stream(struct api *api, const struct http_head *head, struct web_answer *answer)
{
	struct str body = arena_str(&api->arena, buf_str(answer->body));
	struct str tag = str_of(api->tag, TAG_BYTES);

	put_tag(answer, api->tag);
	buf_clear(answer->body);
	buf_put_lit(answer->body, "retry: 2000\n\n");
	/* The first one: what it begins with is what all know. */
	if (!api->live_tag[0])
		memcpy(api->live_tag, api->tag, TAG_BYTES);
	if (!str_eq(head->last_event_id, str_of(tag.ptr + 1, tag.len - 2)))
		frame_event(tag, body, answer->body);
	answer->content_type = "text/event-stream";
	answer->headers = OF_API;
	answer->stream = true;
}

bool api_event(struct api *api, struct buf *out)
{
	static const struct route live = { .view = VIEW_LIVE };
	static const struct http_head nobody = { .post = false };
	struct buf body;
	struct web_answer answer = { .status = 200, .headers = "", .body = &body };
	bool changed = false;

	buf_init(&body, &api->arena);
	if (run_view(api, &nobody, &live, &answer)) {
		put_tag(&answer, api->tag);
		changed = api->away_said || memcmp(api->tag, api->live_tag, TAG_BYTES) != 0;
		memcpy(api->live_tag, api->tag, TAG_BYTES);
		api->away_said = false;
		if (changed)
			frame_event(str_of(api->tag, TAG_BYTES), buf_str(&body), out);
	} else if (!api->away_said) {
		/* Said once; the next good answer is an event again. */
		api->away_said = true;
		buf_put_lit(out, "event: away\ndata: ");
		body.len -= body.len > 0; /* its line's end */
		buf_put(out, buf_str(&body));
		buf_put_lit(out, "\n\n");
		changed = true;
	}
	arena_clear(&api->arena);
	return changed;
}

/* ---- requests ----------------------------------------------------------- */

/* What somebody asked of Redis a moment ago is told again. False: the answer is a problem. */
static bool view_or_memo(struct api *api, const struct http_head *head, const struct route *route,
                         struct web_answer *answer)
{
	int64_t now_ms = system_now_ms();

	if (route->view >= VIEW_REFUSALS)
		return run_view(api, head, route, answer);
	if (memo_find(&api->memo, head->path, head->query, now_ms, answer->body)) {
		answer->content_type = "application/json";
		answer->headers = OF_API;
		api->stats.remembered++;
		return true;
	}
	if (!run_view(api, head, route, answer))
		return false;
	memo_keep(&api->memo, head->path, head->query, now_ms, buf_str(answer->body));
	return true;
}

static void answer_api(struct api *api, const struct http_head *head, struct web_answer *answer)
{
	struct problem problem;
	struct route route;

	if (api->token.ptr && !api_token_matches(head->authorization, api->token)) {
		put_words(answer, 401, "Not authorised",
		          head->authorization.ptr ? "the token is not the one of this service"
		                                  : "a bearer token is needed");
		return;
	}
	if (!route_parse(head->path, head->query, &api->arena, &route, &problem)) {
		put_problem(answer, &problem);
		return;
	}
	if (head->post) {
		if (run_view(api, head, &route, answer))
			answer->status = 202;
	} else if (route.view == VIEW_STREAM) {
		if (run_view(api, head, &route, answer))
			begin_stream(api, head, answer);
	} else if (view_or_memo(api, head, &route, answer)) {
		conclude(api, head, answer);
	}
}

static const struct page_file *find_file(struct str path)
{
	static const struct page_file *const lists[] = { page_files, contract_files };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct page_file *file = lists[i]; file->path; file++)
			if (str_eq_c(path, file->path))
				return file;
	return NULL;
}

static bool answer_file(struct api *api, const struct http_head *head, struct web_answer *answer)
{
	const struct page_file *file = find_file(head->path);

	if (!file)
		return false;
	buf_put(answer->body, str_of(file->bytes, *file->len));
	answer->content_type = file->content_type;
	answer->headers = OF_PAGE;
	conclude(api, head, answer);
	return true;
}

static bool is_ready(struct api *api)
{
	struct view v = { .reader = api->reader, .arena = &api->arena };
	struct rc rc;

	view_read(&v, "EXISTS", NULL, 0, "asof:measures");
	rc = view_round(&v);
	if (rc_ok(rc))
		api_redis_answered(api);
	return rc_ok(rc);
}

static void answer_health(bool ok, struct web_answer *answer)
{
	if (ok) {
		buf_put_lit(answer->body, "ok\n");
	} else {
		buf_put_lit(answer->body, "[-]redis failed\nfailed\n");
		answer->status = 503;
	}
}

static void answer_metrics(struct api *api, struct web_answer *answer)
{
	struct watch_state watched = { .fresh = false };

	api->stats.redis_ok = is_ready(api);
	if (api->watch)
		watch_copy(api->watch, &api->arena, &watched);
	api->stats.kafka_asked = api->watch != NULL;
	api->stats.kafka_ok = watched.fresh || watched.redis_away;
	web_metrics_render(&api->stats, answer->body);
	answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
}

/* What asks for no token: whether it lives, is ready, and how it does; nothing of the company. */
static bool answer_service(struct api *api, const struct http_head *head, struct web_answer *answer)
{
	if (str_eq(head->path, STR("/livez")))
		answer_health(true, answer);
	else if (str_eq(head->path, STR("/readyz")))
		answer_health(is_ready(api), answer);
	else if (str_eq(head->path, STR("/metrics")))
		answer_metrics(api, answer);
	else
		return false;
	answer->headers = OF_PROBLEM;
	return true;
}

void api_answer(void *self, const struct http_head *head, struct web_answer *answer)
{
	struct api *api = self;

	if (answer->status != 200)
		put_bad_head(head, answer);
	else if (!head->post && answer_service(api, head, answer))
		;
	else if (!api->token.ptr && !api_host_is_local(head->host))
		put_words(answer, 421, "Not this host",
		          "without a token only this machine's own names are answered: "
		          "127.0.0.1, localhost, [::1]");
	else if (head->post && !str_eq(head->path, POST_PATH))
		put_405(head, answer);
	else if (head->post || !answer_file(api, head, answer))
		answer_api(api, head, answer);
	web_metrics_count(&api->stats, answer->status);
	arena_clear(&api->arena);
}
