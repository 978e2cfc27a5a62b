// SPDX-License-Identifier: Apache-2.0
// The page itself: which view the address names, what language, how fresh, and when to read again.
import { age, instant } from "./format.js";
import { Problem, follow, path, token } from "./source.js";
import * as views from "./views.js";
import { choose, language, word } from "./words.js";

const NAV = [["overview", ""], ["tree", "tree"], ["boards", "board"], ["channels", "list/channel"],
	["projects", "list/project"], ["products", "list/product"], ["partners", "list/partner"],
	["campaigns", "list/campaign"], ["shards", "shards"]];
const SEARCH = { payee: "person", order: "order", commission_id: "commission", team: "scope/team",
	channel: "scope/channel", project: "scope/project", product: "scope/product" };
const VIEWS = { "": views.overview, tree: views.tree, board: views.board, list: views.list,
	scope: views.scope, members: views.members, person: views.person, order: views.order,
	commission: views.commission, shards: views.shards, refusals: views.refusals };
const READ_MS = 5000; // at most so often while events come
const SAY_MS = 2500;
const OF_OPERATORS = ["shards", "refusals"]; // they change without a figure that changes

const BESIDE = 60; // of the view's link is seen what stands before it, where not all links fit

const SHORT_MS = 3000; // a stream that is cut and opened again is not worth a word

const at = (id) => document.getElementById(id);
let turn = 0, stale = null, shown = null, live = null, how = "live", due = 0, waiting = false;
let reading = 0, spoken = "", lately = { kind: "", at: 0 };

// A lone % is what it is.
function part(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

const route = () => location.hash.replace(/^#\/?/, "").split("/").map(part);

// The line's kind, its look and its words.
function standing() {
	const seen = views.latest(live?.asof), wrong = live ? views.troubles(live.asof) : [];
	const fresh = seen ? `${word("asof")} ${instant(seen)} (${age(seen)})` : "";
	const away = stale?.redis ? "redisAway" : "away";
	if (!at("ask").hidden)
		return ["wantsToken", "", word("wantsToken")];
	if (stale && (stale.redis || Date.now() - stale.at >= SHORT_MS))
		return [away, "away", `${word(away, instant(stale.since))} ${fresh}`];
	if (!live)
		return ["loading", "", word("loading")];
	if (wrong.length)
		return [wrong.map(([kind]) => kind).join(), "behind",
			wrong.map(([, told]) => told).join(" ")];
	return [how, "live", `${word(how)} ${fresh}`];
}

// Ages and times change all the while; it is read out when the kind does and stays.
function say() {
	const [kind, look, text] = standing();
	at("state").className = look;
	if (at("state").textContent !== text)
		at("state").textContent = text;
	const here = `${language()} ${kind}`;
	if (here !== lately.kind)
		lately = { kind: here, at: Date.now() };
	if (here === spoken || Date.now() - lately.at < SAY_MS)
		return;
	spoken = here;
	at("spoken").textContent = text;
	if (look === "behind")
		soon(); // the view says so, too
}

function dress() {
	document.documentElement.lang = language();
	for (const node of document.querySelectorAll("[data-word]"))
		node.textContent = word(node.dataset.word);
	at("language").textContent = language() === "zh" ? "English" : "\u4e2d\u6587";
	at("language").lang = language() === "zh" ? "en" : "zh";
	const here = route();
	at("nav").setAttribute("aria-label", word("views"));
	at("nav").replaceChildren(...NAV.map(([name, to]) => views.node("a", { href: `#/${to}`,
		"aria-current": to === here.slice(0, to.split("/").length).join("/") ? "page" : null },
	word(name))));
	const current = at("nav").querySelector("[aria-current]");
	at("nav").scrollLeft = current ? current.offsetLeft - at("nav").offsetLeft - BESIDE : 0;
	const kind = at("kind").value || "payee";
	at("kind").replaceChildren(...Object.keys(SEARCH).map((name) =>
		views.node("option", { value: name }, word(name))));
	at("kind").value = kind;
}

// What tells an element of a view from the others, whenever it is made.
const mark = (one) => one && [one.tagName, one.getAttribute("href") ?? one.getAttribute("aria-label")
	?? one.closest("details[data-key]")?.dataset.key
	?? one.closest("[data-redrive]")?.dataset.redrive, one.getAttribute("name")].join(" ");

// What was open stays open, what was scrolled scrolled, and the focus where it was.
function replace(nodes) {
	const main = at("main"), active = document.activeElement;
	const open = new Set([...main.querySelectorAll("details[open][data-key]")]
		.map((one) => one.dataset.key));
	const focused = active && active !== main && main.contains?.(active) ? mark(active) : null;
	const scrolled = [...main.querySelectorAll("[tabindex]")].map((one) => one.scrollLeft);
	main.replaceChildren(...nodes);
	for (const one of main.querySelectorAll("details[data-key]"))
		one.open = open.has(one.dataset.key);
	for (const [index, one] of [...main.querySelectorAll("[tabindex]")].entries())
		one.scrollLeft = scrolled[index] ?? 0;
	const same = focused && [...main.querySelectorAll("a, summary, button, input, [tabindex]")]
		.find((one) => mark(one) === focused);
	same?.focus({ preventScroll: true });
	if (same && active.selectionStart != null)
		same.setSelectionRange(active.selectionStart, active.selectionEnd);
}

// Why a token was refused; "": none was.
function refuse(name) {
	const line = at("denied");
	line.hidden = !name;
	line.dataset.word = name;
	if (line.textContent !== word(name))
		line.textContent = word(name);
}

// sent: the token that is not the service's. Another one may have been given since.
function deny({ sent }) {
	if (sent !== token.get())
		return;
	refuse(sent ? "wrongToken" : "");
	shown = null;
	at("main").replaceChildren();
	if (at("ask").hidden) {
		at("ask").hidden = false;
		at("token").focus();
	}
	say();
}

function complain(error) {
	shown = null;
	if (error instanceof Problem && error.status === 401)
		deny(error);
	else
		at("main").replaceChildren(views.node("p", { class: "warn", role: "alert" },
			views.problem(error)));
}

async function show(again) {
	const mine = ++turn, [name, ...rest] = route();
	due = Date.now() + READ_MS;
	if (!again) {
		shown = null;
		dress();
		at("main").replaceChildren(views.node("p", {}, word("loading")));
	}
	reading++;
	try {
		const nodes = await (VIEWS[name] ?? views.overview)(...rest);
		if (mine !== turn)
			return;
		const text = nodes.filter(Boolean).map((one) => one.outerHTML ?? one).join("");
		if (text !== shown)
			replace(nodes.filter(Boolean));
		if (shown === null)
			performance.mark("shown");
		shown = text;
		document.title = `${at("main").querySelector("h1")?.textContent ?? ""} \u00b7 Tallyworks`;
		if (!again)
			at("main").focus({ preventScroll: true });
	} catch (error) {
		// What was read before stays, and the line above says since when; of Kafka it says nothing.
		const stays = again && shown && (error.unreached || route()[0] !== "refusals");
		if (mine === turn && (!stays || error.status === 401))
			complain(error);
	} finally {
		reading--;
	}
}

function hear({ kind, data, how: means }) {
	if (kind === "denied") {
		deny(data);
	} else if (kind === "live") {
		// A stream that was opened again tells nothing where nothing has changed.
		const back = stale !== null;
		how = means;
		stale = null;
		live = data ?? live;
		if (data || back)
			soon();
	} else if (!stale) {
		stale = { redis: kind === "away", since: data?.since ?? new Date().toISOString(),
			at: Date.now() };
		setTimeout(say, SHORT_MS);
	}
	say();
}

function soon() {
	if (waiting)
		return;
	waiting = true;
	setTimeout(() => {
		waiting = false;
		if (document.visibilityState === "visible")
			show(true);
	}, Math.max(0, due - Date.now()));
}

at("language").addEventListener("click", () => {
	choose(language() === "zh" ? "en" : "zh");
	dress();
	say();
	show(false);
});
at("search").addEventListener("submit", (event) => {
	event.preventDefault();
	const to = SEARCH[at("kind").value], id = at("id").value.trim();
	const month = to.startsWith("scope") && live?.month ? `/${live.month.period}` : "";
	if (id)
		location.hash = `#/${to}/${path(id)}${month}`;
});
at("ask").addEventListener("submit", (event) => {
	event.preventDefault();
	const given = at("token").value.trim();
	if (!token.good(given))
		return refuse("badToken");
	refuse("");
	token.set(given);
	at("ask").hidden = true;
	show(false);
	say();
});
document.querySelector(".skip").addEventListener("click", (event) => {
	event.preventDefault(); // the address names the view
	at("main").focus();
});
addEventListener("hashchange", () => show(false));
addEventListener("changed", () => show(true));
addEventListener("resize", () => {
	due = Math.min(due, Date.now() + 200);
	soon();
});
document.addEventListener("visibilitychange", () => {
	say();
	soon();
});
setInterval(say, SAY_MS);
setInterval(() => {
	if (OF_OPERATORS.includes(route()[0]) && !reading && at("ask").hidden)
		soon();
}, READ_MS);
dress();
say();
show(false);
follow(hear);
