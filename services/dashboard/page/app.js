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
	commission: views.commission, shards: views.shards };
const READ_MS = 5000; // at most so often while events come

const at = (id) => document.getElementById(id);
let turn = 0, stale = null, shown = null, live = null, how = "live", due = 0, waiting = false;

const route = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

function say() {
	const seen = Object.values(live?.asof ?? {}).map((one) => one.watermark).filter(Boolean).sort();
	const fresh = seen.length ? `${word("asof")} ${instant(seen.at(-1))} (${age(seen.at(-1))})` : "";
	const text = stale ? `${word(stale.redis ? "redisAway" : "away", instant(stale.since))} ${fresh}`
		: live ? `${word(how)}. ${fresh}` : word("loading");
	at("state").className = stale ? "away" : "";
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
	const kind = at("kind").value || "payee";
	at("kind").replaceChildren(...Object.keys(SEARCH).map((name) =>
		views.node("option", { value: name }, word(name))));
	at("kind").value = kind;
}

// What was open stays open, and the focus where it was.
function replace(nodes) {
	const main = at("main");
	const open = new Set([...main.querySelectorAll("details[open][data-key]")]
		.map((one) => one.dataset.key));
	const focused = document.activeElement?.closest("details[data-key]")?.dataset.key;
	main.replaceChildren(...nodes);
	for (const one of main.querySelectorAll("details[data-key]")) {
		one.open = open.has(one.dataset.key);
		if (one.dataset.key === focused)
			one.querySelector("summary").focus();
	}
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
		how = means;
		if (data) {
			stale = null;
			live = data;
			soon();
		}
	} else if (!stale) {
		stale = { redis: kind === "away", since: data?.since ?? new Date().toISOString() };
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
setInterval(say, 10000);
dress();
say();
show(false);
follow(hear);
