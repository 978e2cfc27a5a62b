// SPDX-License-Identifier: Apache-2.0
// Sending refused records back: first a dry run, then its numbers with a question, then the redrive
// itself, all in a box of the view. What this page asked for last is remembered here; a dry run of
// somebody else's cannot be confirmed by accident. Which records and how fast may be said before; what
// is not valid the service says. It is sent again with the instants that the dry run's ages meant.
import { count } from "./format.js";
import { ask } from "./source.js";
import { detailed, node, problem, table } from "./views.js";
import { word } from "./words.js";

const LOOK_MS = 400, LOST_MOST = 10;
const FIELDS = ["since", "until", "max", "rate"], NUMBERS = ["max", "rate"];
let mine = null; // { key, request, report, trouble }: the service's report, or the error instead
const drafts = new Map(); // by box: what was filled in, and whether that is open

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const keyOf = (topic, reason) => `${topic}/${reason ?? ""}`;

function draftOf(key) {
	if (!drafts.has(key))
		drafts.set(key, { force: false });
	return drafts.get(key);
}

// Members of a request. What is no number goes as it is, for the service to say so.
function wish(draft) {
	const filled = FIELDS.map((name) => [name, (draft[name] ?? "").trim()]).filter(([, text]) => text);
	return { ...Object.fromEntries(filled.map(([name, text]) => [name,
		NUMBERS.includes(name) && /^\d+$/.test(text) ? Number(text) : text])),
	...(draft.force ? { force: true } : {}) };
}

// "Refused since 2h, at most 10", or that nothing is left out.
function limits(request) {
	const said = [...FIELDS, "force"].filter((name) => request[name]).map((name) =>
		word(`redrive_${name}_is`, request[name]));
	return said.length ? said.join(word("comma")) : word("redriveAll");
}

function button(name, words, act) {
	const made = node("button", { type: "button", name }, words);
	made.addEventListener("click", act);
	return made;
}

// wrong: the field that the service refused.
function fields(key, wrong) {
	const draft = draftOf(key), told = node("span", {}, limits(wish(draft)));
	const keep = (name, value) => {
		draft[name] = value;
		told.textContent = limits(wish(draft));
	};
	const entry = (name) => {
		const id = `${key}-${name}`, made = node("input", { id, name, maxlength: "40",
			autocomplete: "off", spellcheck: "false", inputmode: NUMBERS.includes(name) ? "numeric" : null,
			"aria-describedby": `${id}-hint`, "aria-invalid": name === wrong ? "true" : null });
		made.value = draft[name] ?? "";
		made.addEventListener("input", () => {
			made.removeAttribute("aria-invalid");
			keep(name, made.value);
		});
		return node("p", {}, node("label", { for: id }, word(`redrive_${name}`)), made,
			node("small", { id: `${id}-hint` }, word(`redrive_${name}_hint`)));
	};
	const force = node("input", { id: `${key}-force`, name: "force", type: "checkbox" });
	force.checked = draft.force;
	force.addEventListener("change", () => keep("force", force.checked));
	const made = node("details", { open: draft.open || wrong ? "" : null }, node("summary", {},
		`${word("redriveWhich")}: `, told), node("div", { class: "fields" }, FIELDS.map(entry),
		node("p", {}, node("label", {}, force, word("redrive_force")))));
	made.addEventListener("toggle", () => (draft.open = made.open));
	return made;
}

function counted(report) {
	const rows = Object.entries(report.reasons).flatMap(([reason, fates]) =>
		Object.entries(fates).map(([fate, records]) => ({ reason, fate, records })));
	return rows.length ? table(word("dryRun"), [
		{ head: word("reason"), cell: (row) => row.reason },
		{ head: word("records"), number: true, cell: (row) => count(row.records) },
		{ head: word("fate"), words: true, cell: (row) => word(`fate_${row.fate}`) }], rows)
		: node("p", {}, word("noRefusals"));
}

function question({ request, report }) {
	const same = { ...request, since: report.since ?? undefined, until: report.until ?? undefined };
	return [counted(report), report.records ? node("p", {},
		word("redriveAsk", count(report.records), report.topic)) : null,
	node("p", { class: "acts" }, report.records ? button("send", word("redriveDo",
		count(report.records)), () => start({ ...same, dry_run: false })) : null,
	button("cancel", word("cancel"), () => become(null)))];
}

function said({ report, trouble }) {
	if (trouble)
		return node("p", { class: "warn", role: "alert" }, trouble.status === 409
			? word("redriveBusy") : problem(trouble));
	if (!report || report.state === "running")
		return node("p", { role: "status" }, !report || report.dry_run ? word("counting")
			: word("redriving", count(report.sent), count(report.records)));
	if (report.state === "failed")
		return node("p", { class: "warn", role: "alert" }, detailed(word("redriveFailed",
			count(report.sent)), report.problem));
	return report.dry_run ? null : node("p", { role: "status" }, word("redriveDone",
		count(report.sent)));
}

function form(key, topic, reason, wrong) {
	const made = node("form", {}, fields(key, wrong), node("p", { class: "acts" },
		node("button", { name: "dry" }, word("redriveTry"))));
	made.addEventListener("submit", (event) => {
		event.preventDefault();
		start({ topic, dry_run: true, ...(reason ? { reasons: [reason],
			rekey: reason === "wrong_key" } : {}), ...wish(draftOf(key)) }, key);
	});
	return made;
}

export function box(topic, reason) {
	const key = keyOf(topic, reason), now = mine?.key === key ? mine : null;
	const running = now && !now.trouble && (now.report?.state ?? "running") === "running";
	const asks = now?.report?.state === "done" && now.report.dry_run && !now.trouble;
	return node("section", { class: "redrive", "data-redrive": key, tabindex: "-1",
		"aria-label": word("redriveOf", reason ? `${topic}: ${reason}` : topic) },
	now ? said(now) : null, running || asks ? node("p", {}, `${word("redriveWhich")}: ${
		limits(now.request)}`) : form(key, topic, reason, now?.wrong), asks ? question(now) : null);
}

// What is there of the box now is drawn anew; the focus stays in it.
function redraw(key) {
	const old = [...document.querySelectorAll("[data-redrive]")]
		.find((one) => one.dataset.redrive === key);
	if (!old)
		return;
	const at = old.contains(document.activeElement) ? document.activeElement : null;
	const [topic, reason] = key.split("/"), made = box(topic, reason || undefined);
	old.replaceWith(made);
	if (at)
		(made.querySelector("[aria-invalid]") || at.name && made.querySelector(`[name=${at.name}]`)
			|| made).focus({ preventScroll: true });
}

function become(next) {
	const before = mine;
	mine = next;
	for (const key of new Set([before?.key, next?.key].filter(Boolean)))
		redraw(key);
}

async function start(request, key = mine.key) {
	become({ key, request });
	try {
		const { redrive } = await ask("redrive", { method: "POST", body: JSON.stringify(request),
			headers: { "Content-Type": "application/json" } });
		await follow(key, request, redrive);
	} catch (error) {
		become({ key, request, trouble: error, wrong: /^(\w+): /.exec(error.message)?.[1] });
	}
	if (!request.dry_run)
		dispatchEvent(new Event("changed")); // the lists are others now
}

// Until it has ended. A service that is away for a moment goes on with it.
async function follow(key, request, first) {
	let report = first;
	for (let lost = 0; ;) {
		become({ key, request, report });
		if (report.state !== "running")
			return;
		await pause(LOOK_MS);
		try {
			report = (await ask("redrive")).redrive;
			lost = 0;
		} catch (error) {
			if (error.status || ++lost > LOST_MOST)
				throw error;
		}
		if (report?.number !== first.number || report.started !== first.started)
			throw new Error(word("redriveGone"));
	}
}
