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

const BESIDE = 60; // of the view's link is seen what stands before it, where not all links fit

const SHORT_MS = 3000; // a stream that is cut and opened again is not worth a word

const at = (id) => document.getElementById(id);
let turn = 0, stale = null, shown = null, live = null, how = "live", due = 0, waiting = false;

const route = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

function say() {
	const seen = views.latest(live?.asof), wrong = live ? views.troubles(live.asof) : [];
	const fresh = seen ? `${word("asof")} ${instant(seen)} (${age(seen)})` : "";
	const away = stale && (stale.redis || Date.now() - stale.at >= SHORT_MS);
	const text = away ? `${word(stale.redis ? "redisAway" : "away", instant(stale.since))} ${fresh}`
		: !live ? word("loading") : wrong.length ? wrong.join(" ") : `${word(how)} ${fresh}`;
	at("state").className = away ? "away" : wrong.length ? "behind" : live ? "live" : "";
	if (at("state").textContent !== text)
		at("state").textContent = text;
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

function complain(error) {
	if (error instanceof Problem && error.status === 401) {
		at("ask").hidden = false;
		at("token").focus();
		return;
	}
	const words = error instanceof Problem ? `${error.title}: ${error.message}` : String(error);
	at("main").replaceChildren(views.node("p", { class: "warn", role: "alert" }, words));
}

async function show(again) {
	const mine = ++turn, [name, ...rest] = route();
	due = Date.now() + READ_MS;
	if (!again) {
		shown = null;
		dress();
		at("main").replaceChildren(views.node("p", {}, word("loading")));
	}
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
		// What was read before stays, and the line above says since when.
		if (mine === turn && !(again && shown))
			complain(error);
	}
}

function hear({ kind, data, how: means }) {
	if (kind === "denied") {
		at("ask").hidden = false;
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
	const month = to.startsWith("scope") ? `/${live?.month?.period ?? ""}` : "";
	if (id)
		location.hash = `#/${to}/${path(id)}${month}`;
});
at("ask").addEventListener("submit", (event) => {
	event.preventDefault();
	token.set(at("token").value);
	at("ask").hidden = true;
	show(false);
});
addEventListener("hashchange", () => show(false));
addEventListener("changed", () => show(true));
addEventListener("resize", () => {
	due = Math.min(due, Date.now() + 200);
	soon();
});
setInterval(say, 10000);
dress();
say();
show(false);
follow(hear);
