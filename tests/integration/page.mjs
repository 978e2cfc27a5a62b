// SPDX-License-Identifier: Apache-2.0
// Runs the dashboard's page as a browser does, in a document of its own that has just what the page
// uses: opens each address given, waits until the view is there, opens its first explanation, and
// prints what can be read. Where a browser is at hand that is better; this needs none.
//
// usage: node page.mjs BASE en|zh ADDRESS...   prints JSON: [{ address, title, text, open, state }]
const [base, language, ...addresses] = process.argv.slice(2);
const folder = new URL("../../services/dashboard/page/", import.meta.url);
const byId = new Map();

class Node extends EventTarget {
	constructor(name) {
		super();
		Object.assign(this, { name, children: [], attributes: {}, dataset: {}, hidden: false,
			parent: null, open: false });
	}
	setAttribute(key, value) {
		if (key === "style" || key.startsWith("on"))
			throw new Error(`the policy refuses the attribute ${key}`);
		this.attributes[key] = String(value);
		if (key.startsWith("data-"))
			this.dataset[key.slice(5)] = String(value);
		if (key === "value")
			this.value = String(value);
	}
	append(...nodes) {
		for (const node of nodes) {
			if (node === null || node === undefined || Array.isArray(node))
				throw new Error(`<${this.name}> was given ${node} for a child`);
			const text = typeof node === "object" ? node : String(node);
			if (text === "undefined" || text === "null" || text.includes?.("[object"))
				throw new Error(`<${this.name}> shows "${text}"`);
			if (typeof text === "object")
				text.parent = this;
			this.children.push(text);
		}
	}
	replaceChildren(...nodes) {
		this.children = [];
		this.append(...nodes);
	}
	set textContent(text) { this.replaceChildren(text); }
	get textContent() {
		return this.children.map((one) => (typeof one === "string" ? one : one.textContent)).join(" ");
	}
	get outerHTML() { return `<${this.name}>${this.textContent}`; }
	all() { return this.children.filter((one) => typeof one === "object")
		.flatMap((one) => [one, ...one.all()]); }
	// Of the page's selectors: name, [data-x], [open].
	querySelectorAll(selector) {
		const [, name, rest] = selector.match(/^(\w*)(.*)$/);
		const has = [...rest.matchAll(/\[([\w-]+)\]/g)].map((found) => found[1]);
		return this.all().filter((one) => (!name || one.name === name) && has.every((key) =>
			(key === "open" ? one.open : key in one.attributes)));
	}
	querySelector(selector) { return this.querySelectorAll(selector)[0] ?? null; }
	closest() { return null; }
	focus() {}
}

for (const id of ["nav", "search", "kind", "id", "language", "state", "ask", "token", "main"])
	byId.set(id, new Node(id));
const root = new Node("html");
const store = new Map([["language", language]]);
const storage = { getItem: (key) => store.get(key) ?? null,
	setItem: (key, value) => store.set(key, String(value)) };
const outside = globalThis.fetch;
const asked = [];

globalThis.document = { documentElement: root, title: "", activeElement: null,
	visibilityState: "visible", getElementById: (id) => byId.get(id),
	createElement: (name) => new Node(name), createElementNS: (_, name) => new Node(name),
	querySelectorAll: () => [] };
globalThis.location = { hash: "" };
globalThis.localStorage = globalThis.sessionStorage = storage;
globalThis.addEventListener = (kind, call) => { globalThis[`hear_${kind}`] = call; };
globalThis.fetch = (where, options) => {
	asked.push(where);
	return outside(`${base}/${where}`, options);
};

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const main = byId.get("main");

async function ready(until) {
	for (let i = 0; i < 200; i++) {
		if (until())
			return;
		await wait(50);
	}
	throw new Error(`nothing came at ${location.hash}: ${main.textContent}`);
}

const shown = [];
for (const [at, address] of addresses.entries()) {
	location.hash = address;
	document.title = "";
	if (at === 0)
		await import(new URL("app.js", folder));
	else
		globalThis.hear_hashchange();
	await ready(() => document.title || main.querySelector("p")?.attributes.role === "alert");
	await wait(0);
	const detail = main.querySelectorAll("details[data-key]").at(-1);
	let open = "";
	if (detail) {
		detail.open = true;
		detail.dispatchEvent(new Event("toggle"));
		await ready(() => asked.length && !/Reading|\u8bfb\u53d6\u4e2d/.test(detail.textContent));
		open = detail.textContent;
	}
	shown.push({ address, title: document.title, text: main.textContent, open,
		state: byId.get("state").textContent, language: root.lang });
}
console.log(JSON.stringify(shown));
process.exit(0);
