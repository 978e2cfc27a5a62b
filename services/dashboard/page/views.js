// SPDX-License-Identifier: Apache-2.0
// One function a view: asks, and returns the nodes that show the answer. Texts from data become
// text nodes only, never markup.
import { bar, lines as chart } from "./chart.js";
import * as f from "./format.js";
import { Problem, ask, askOrNull, path } from "./source.js";
import { healing, language, meaning, titleOf, word } from "./words.js";

const MAIN = ["orders", "order_amount", "collected", "refunded", "commission"];
const SUMS = ["orders", "order_amount", "signed_amount", "collected", "refunded", "commission"];
const BEHIND_MS = 5000; // a batch of measures may take a second
const LESS_IS_GOOD = new Set(["refunded", "cancelled", "cancelled_amount", "clawed_back"]);
const REFUSED_MOST = 20; // of one reason the service shows no more
const PAY = ["accrued", "clawed_back", "held", "payable", "settled"];

export function node(name, attributes = {}, ...children) {
	const made = document.createElement(name);
	for (const [key, value] of Object.entries(attributes))
		if (value !== undefined && value !== null)
			made.setAttribute(key, value);
	made.append(...children.flat().filter((child) => child !== null && child !== undefined));
	return made;
}

const to = (...parts) => `#/${path(...parts)}`;
const link = (text, ...parts) => node("a", { href: to(...parts) }, text);
const title = (text) => node("h1", {}, text);

// The service's own words are English: behind the page's, or below them where those are not.
export function detailed(words, detail) {
	if (!detail)
		return [words];
	return language() === "en" ? [`${words}: ${detail}`]
		: [words, node("small", { lang: "en" }, detail)];
}

// What an answer that is none means.
export function problem(error) {
	if (error instanceof Problem)
		return detailed(titleOf(error), error.message);
	return error.unreached ? detailed(word("unreached"), error.message) : [error.message];
}

// What may be wrong with figures: of each its kind, and it in words; what is read of them is in asof
// alone. Lag is known where the service asks Kafka.
export function troubles(asof = {}) {
	const topics = Object.entries(asof), age = (time) => (time ? Date.parse(time) : 0);
	const rebuilding = topics.filter(([, one]) => one.rebuilding)
		.map(([topic, one]) => `${topic}: ${one.rebuilding}/${one.partitions}`);
	const known = asof.orders?.time, shown = asof.measures?.time;
	const behind = known && age(known) - age(shown) > BEHIND_MS && asof.measures?.lag !== 0;
	// Of the shard that is furthest behind, however fast others are.
	const since = (one) => one.waiting_since ?? one.time;
	const waiting = topics.filter(([, one]) => one.lag
		&& (one.unowned || Date.now() - age(since(one)) > BEHIND_MS))
		.map(([topic, one]) => {
			const kind = one.unowned ? "waitingUnowned" : "waitingFor";
			return [`${kind} ${topic}`, word(kind, topic, f.count(one.lag),
				since(one) ? f.age(since(one)) : "\u2013", one.unowned, one.partitions)];
		});
	return [behind ? ["behind", word("behind", f.instant(shown), f.instant(known))] : null,
		...waiting, rebuilding.length ? ["tooLow", word("tooLow", rebuilding.join(", "))] : null]
		.filter(Boolean);
}

export function latest(asof = {}) {
	return Object.values(asof).map((one) => one.watermark).filter(Boolean).sort().at(-1);
}

export function asof(answer) {
	return [node("p", { class: "asof" }, `${word("asof")} ${f.instant(latest(answer.asof))}`),
		troubles(answer.asof).map(([, words]) => node("p", { class: "warn" }, words))].flat();
}

// Where there is no month with figures.
const empty = (live) => [node("p", {}, word(latest(live.asof) ? "noFigures" : "noEvents")),
	asof(live)].flat();

// The link to what follows in a list that is longer than what was read of it.
function rest(answer, ...parts) {
	const next = answer.from + answer.rows.length;
	return answer.rows.length && next <= answer.total
		? node("p", {}, link(word("more"), ...parts, next)) : null;
}

// The months before and after, for all that is shown by the month.
function months(period, to) {
	return f.isMonth(period) ? node("p", { class: "months" },
		[-1, 1].map((step) => f.monthAway(period, step)).map((month, at) =>
			node("a", { href: to(month) }, at ? `${month} \u203a` : `\u2039 ${month}`))) : null;
}

// columns: [{ head, cell(row), number, time, words }]; without heads no row of heads
export function table(caption, columns, rows) {
	const cells = (row) => columns.map((column, at) => node(at === 0 ? "th" : "td",
		{ class: column.number ? "n" : column.time ? "t" : column.words ? "words" : null, scope: at === 0 ? "row" : null },
		column.cell(row)));
	return node("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
		node("table", {}, node("caption", {}, caption),
			columns.some((column) => column.head) ? node("thead", {}, node("tr", {},
				columns.map((column) => node(column.head ? "th" : "td", { scope: column.head ? "col"
					: null, class: column.number ? "n" : null }, column.head)))) : null,
			node("tbody", {}, rows.map((row) => node("tr", {}, cells(row))))));
}

const sums = (names = SUMS) => names.map((name) => ({ head: word(name), number: true,
	cell: (row) => f.figure(name, row.figures[name]) }));

function card(name, value, comparisons = []) {
	return node("dl", { class: "card" }, node("dt", {}, word(name)),
		node("dd", { class: "value" }, f.figure(name, value)),
		comparisons.map(([words, then]) => {
			const { text, way } = f.against(value ?? 0, then);
			const good = LESS_IS_GOOD.has(name) ? { up: "down", down: "up" }[way] : way;
			return node("dd", { class: "against" }, node("span", { class: good }, text),
				` ${words} (${f.figure(name, then)})`);
		}));
}

function added(days, name) {
	let sum = 0;
	return days.map((day) => (sum += day.figures[name] ?? 0));
}

// Days up to the last that has figures, of the month of the latest day up to that.
function daysOf(answer, last) {
	return (answer?.days ?? []).filter((one) => !last || one.day.slice(8) <= last.slice(8));
}

function overTime(now, then, month, before) {
	const series = [{ name: "then", values: added(then, "collected") },
		{ name: "now", values: added(now, "collected") }];
	const rows = Array.from({ length: Math.max(now.length, then.length) }, (_, at) => at);
	const cell = (days, at) => (days[at] ? f.money(days[at].figures.collected) : "");
	return [node("h2", {}, word("overTime")),
		chart(`${word("overTime")}: ${month}, ${before}`, series, f.brief,
			Math.max(320, (document.getElementById("main").clientWidth ?? 752) - 32)),
		node("p", { class: "key" }, node("span", { class: "now" }, `\u2014 ${month}`), " ",
			node("span", { class: "then" }, `- - ${before}`)),
		node("details", { "data-key": "days" }, node("summary", {}, word("asTable")),
			table(word("collected"), [{ head: word("day"), cell: (at) => String(at + 1) },
				{ head: month, number: true, cell: (at) => cell(now, at) },
				{ head: before, number: true, cell: (at) => cell(then, at) }], rows))];
}

async function twoMonths(kind, id, month) {
	const before = f.monthAway(month, -1);
	const [now, then] = await Promise.all([askOrNull(path("days", kind, id, month)),
		askOrNull(path("days", kind, id, before))]);
	return { before, now, then };
}

// Figures of a scope by the days of a month, against the days before.
async function standing(kind, id, month, today) {
	const { before, now, then } = await twoMonths(kind, id, month);
	const used = daysOf(now, today), same = daysOf(then, today);
	const all = [...(then?.days ?? []), ...(now?.days ?? [])];
	const on = (day) => all.find((one) => one.day === day)?.figures ?? {};
	const total = (days, name) => added(days, name).at(-1) ?? 0;
	if (!now)
		return [];
	return [
		today ? [node("h2", {}, `${word("lastDay")}: ${today}`),
			node("div", { class: "cards" }, MAIN.map((name) => card(name, on(today)[name] ?? 0,
				[[word("dayBefore"), on(f.dayBefore(today, 1))[name] ?? 0],
					[word("weekBefore"), on(f.dayBefore(today, 7))[name] ?? 0]])))] : null,
		node("h2", {}, `${word("monthToDate")}: ${month}`),
		node("div", { class: "cards" }, MAIN.map((name) => card(name, total(used, name),
			[[word("sameDays", before), total(same, name)]]))),
		overTime(used, then?.days ?? [], month, before),
	].flat();
}

async function now() {
	return ask("live");
}

export async function overview() {
	const live = await now();
	if (!live.day)
		return [title(word("company")), ...empty(live)];
	const month = live.month.period;
	const parts = await standing("company", "all", month, live.day.period);
	// Where the company keeps no days.
	const plain = parts.length ? parts : [node("h2", {}, month),
		node("div", { class: "cards" }, MAIN.map((name) => card(name, live.month.figures[name])))];
	return [title(word("company")), plain, asof(live)].flat(2);
}

// ---- units ----

function unitRow(kind, unit, period, children) {
	const places = [link(word("figures"), "scope", kind, unit.id, period),
		link(word("people"), "members", kind, unit.id, period)];
	return node("details", { "data-key": `${kind}:${unit.id}` },
		node("summary", {}, `${word(kind)} ${unit.id}`, node("span", { class: "n" },
			`${word("collected")} ${f.figure("collected", unit.figures.collected)}`)),
		node("p", { class: "facts" }, SUMS.filter((name) => name !== "collected").map((name) =>
			node("span", {}, `${word(name)} `, node("b", {}, f.figure(name, unit.figures[name])))),
		node("span", { class: "acts" }, places)), children);
}

export async function tree(period) {
	const live = period ? null : await now();
	period ||= live.month?.period;
	if (!period)
		return [title(word("tree")), ...empty(live)];
	const answer = await ask(path("tree", period));
	const below = (units, id) => units.filter((unit) => (unit.parent ?? null) === id);
	const team = (unit) => unitRow("team", unit, period, []);
	const city = (unit) => unitRow("city", unit, period, below(answer.teams, unit.id).map(team));
	const region = (unit) => unitRow("region", unit, period,
		below(answer.cities, unit.id).map(city));
	const lost = [...below(answer.cities, null).map(city), ...below(answer.teams, null).map(team)];
	return [title(`${word("tree")} ${period}`), months(period, (month) => to("tree", month)),
		answer.linked ? null : node("p", {}, word("notLinked")),
		answer.complete ? null : node("p", {}, word("incomplete")),
		node("p", {}, link(word("company"), "scope", "company", "all", period)),
		answer.regions.map(region),
		lost.length ? [answer.linked ? node("h2", {}, word("unplaced")) : null, lost] : null,
		asof(answer)].flat(2);
}

export async function members(kind, id, period, from = "1") {
	const live = period ? null : await now();
	period ||= live.month?.period;
	if (!period)
		return [title(`${word(kind)} ${id}: ${word("people")}`), ...empty(live)];
	const where = path("members", kind, id, period);
	const answer = await ask(`${where}?from=${Number(from)}&count=500`);
	return [title(`${word(kind)} ${id}: ${word("people")}`),
		answer.complete === false ? node("p", {}, word("notAllPeople")) : null,
		table(`${period}, ${word("inAll", f.count(answer.total))}`, [{ head: word("payee"), cell: (row) =>
			link(row.id, "scope", "payee", row.id, period) },
		...sums(["order_amount", "signed_amount", "collected", "commission"])], answer.rows),
		rest(answer, "members", kind, id, period), asof(answer)].flat();
}

export async function scope(kind, id, period) {
	const known = period ? null : await now();
	period ||= known.month?.period;
	if (!period)
		return [title(`${word(kind)} ${id}`), ...empty(known)];
	const [answer, live] = await Promise.all([ask(path("figures", kind, id, period)),
		known ?? now()]);
	const names = Object.keys(answer.figures).filter((name) => !name.endsWith("_at"));
	const month = f.isMonth(period);
	const today = live.month?.period === period ? live.day?.period : undefined;
	return [title(`${word(kind)} ${id === "all" ? "" : id}, ${period}`.replace(" ,", ",")),
		months(period, (other) => to("scope", kind, id, other)),
		kind === "payee" && month ? node("p", {}, link(word("lines"), "person", id, period)) : null,
		["region", "city", "team"].includes(kind)
			? node("p", {}, link(word("people"), "members", kind, id, period)) : null,
		month ? await standing(kind, id, period, today) : null,
		node("h2", {}, word("figures")),
		node("div", { class: "cards" }, names.map((name) => card(name, answer.figures[name]))),
		asof(answer)].flat();
}

export async function list(kind, period, from = "1") {
	const live = period ? null : await now();
	period ||= live.month?.period;
	if (!period)
		return [title(word(`${kind}s`)), ...empty(live)];
	const answer = await ask(`${path("scopes", kind, period)}?from=${Number(from)}&count=500`);
	const names = kind === "product" ? ["quantity", "order_amount"] : SUMS;
	return [title(`${word(`${kind}s`)} ${period}`),
		months(period, (month) => to("list", kind, month)),
		answer.complete ? null : node("p", {}, word("incomplete")),
		answer.rows.length ? table(word("inAll", f.count(answer.total)), [{ head: word(kind),
			cell: (row) => link(row.id, "scope", kind, row.id, period) }, ...sums(names)], answer.rows)
			: node("p", {}, word("nothing")),
		rest(answer, "list", kind, period), asof(answer)].flat();
}

// ---- boards ----

export async function board(measure = "collected", kind = "company", id = "all", period = "") {
	const live = period ? null : await now();
	period ||= live.month?.period ?? "";
	const tab = (text, here, ...parts) => node("a", { href: to("board", ...parts),
		"aria-current": here ? "true" : null }, text);
	const tabs = [node("div", { class: "tabs" }, ["order_amount", "signed_amount", "collected",
		"commission"].map((name) => tab(word(name), name === measure, name, kind, id, period))),
	node("div", { class: "tabs" }, ["all", "teams"].map((who) => tab(word(who === "all"
		? "people" : "teams"), kind === "company" && id === who, measure, "company", who, period)))];
	const head = [title(`${word("boards")}: ${word(measure)} ${period}`),
		months(period, (month) => to("board", measure, kind, id, month)), ...tabs];
	if (!period)
		return [title(word("boards")), ...empty(live)];
	// All who have a rank.
	const answer = await askOrNull(`${path("boards", measure, kind, id, period)}?count=1000`);
	if (!answer)
		return [...head, node("p", {}, word("noBoard"))];
	const member = id === "teams" ? "team" : "payee";
	const most = Math.max(0, ...answer.rows.map((row) => row.score));
	const of = kind === "company" ? word(kind) : `${word(kind)} ${id}`;
	return [...head, table(`${of}, ${word("inAll", f.count(answer.total))}`, [
		{ head: word("rank"), cell: (row) => f.count(row.rank) },
		{ head: word(member), cell: (row) => link(row.id, "scope", member, row.id, period) },
		{ head: word("score"), number: true, cell: (row) => f.money(row.score) },
		{ head: "", cell: (row) => bar(row.score, most) },
		{ head: word("reached"), time: true, cell: (row) => f.instant(row.reached) }], answer.rows),
	answer.rows.length < answer.total ? node("p", {}, word("shownOf", f.count(answer.rows.length),
		f.count(answer.total))) : null, asof(answer)].flat();
}

// ---- a person, a commission, an order ----

// complete: all lines of its order were there to add up.
function arithmetic(line, complete) {
	const basis = `${f.money(line.basis)} \u00d7 ${f.rate(line.rate_ppm)}`;
	if (line.net_after === undefined)
		return [node("p", { class: "sum" }, `${basis} \u2192 ${f.money(line.amount)}`),
			node("p", {}, word(complete === false ? "notAdded" : "notExplained"))];
	const step = (net, sum) => `${f.money(net)} \u00d7 ${f.rate(line.rate_ppm)} = ${f.money(sum)}`;
	return [node("p", { class: "sum" }, step(line.net_after, line.cumulative_after)),
		node("p", { class: "sum" }, `${word("before")}: ${step(line.net_before,
			line.cumulative_before)}`),
		node("p", { class: "sum" }, `${f.money(line.cumulative_after)} \u2212 ${
			f.money(line.cumulative_before)} = ${f.money(line.amount)}`)];
}

const planOf = (one) => `${one.plan_id}, ${word("version")} ${one.plan_version}`;

// The payment or refund that a line came from has its time; of two at one time it is not known here.
function sourceOf(line, order) {
	const refund = line.type === "commission.clawed_back";
	const found = (order?.[refund ? "refunds" : "payments"] ?? []).filter((one) =>
		Date.parse(one.time) === Date.parse(line.time));
	return found.length === 1 ? [[refund ? "refund" : "payment", `${refund ? found[0].refund_id
		: found[0].payment_id}: ${f.money(found[0].amount)}, ${f.instant(found[0].time)}`]] : [];
}

// Since when it is in force, where that is known.
const validity = (plan) => (!plan ? "" : `, ${word("inForce", plan.valid_from
	? f.instant(plan.valid_from) : "\u2013", plan.valid_to ? f.instant(plan.valid_to) : "\u2013")}`);

function explanation({ commission: line, order, complete, plan }) {
	const split = order?.splits?.find((one) => one.payee_id === line.payee_id);
	const weights = order?.splits?.reduce((sum, one) => sum + one.weight, 0);
	return [arithmetic(line, complete),
		table(word("why"), [{ head: "", cell: ([name]) => word(name) },
			{ head: "", cell: ([, value]) => value }], [
			["order", link(line.order_id, "order", line.order_id)],
			...sourceOf(line, order),
			["basis", f.money(line.basis)],
			["rate", f.rate(line.rate_ppm)],
			["plan", planOf(line) + validity(plan)],
			["split", split ? `${word("weight")} ${split.weight}/${weights}, ${word("level")} ${
				split.level ?? "\u2013"}, ${word("rating")} ${split.rating ?? "\u2013"}` : "\u2013"],
			["sourceEvent", line.source_event_id],
			["cause", line.cause],
		])].flat();
}

const told = new Map(); // explanations that were asked for

function lineRow(line) {
	const known = told.get(line.commission_id);
	const body = node("div", {}, known ? explanation(known) : word("loading"));
	const row = node("details", { "data-key": line.commission_id },
		node("summary", {}, node("span", {}, f.instant(line.time)), node("span", {}, line.order_id),
			node("span", {}, word(line.type)),
			node("span", { class: "n" }, f.money(line.amount))), body);
	row.addEventListener("toggle", async () => {
		if (!row.open || told.has(line.commission_id))
			return;
		try {
			const answer = await ask(path("commissions", line.commission_id));
			told.set(line.commission_id, answer);
			body.replaceChildren(...explanation(answer));
		} catch (error) {
			body.replaceChildren(...problem(error));
		}
	});
	return row;
}

export async function person(id, month, from = "1") {
	const live = month ? null : await now();
	month ||= live.month?.period;
	if (!month)
		return [title(`${word("payee")} ${id}`), ...empty(live)];
	const answer = await ask(`${path("pay", id, month)}?from=${Number(from)}&count=200`);
	const next = answer.from + answer.lines.length;
	return [title(`${word("payee")} ${id}, ${month}`),
		months(month, (other) => to("person", id, other)),
		node("p", {}, link(word("figures"), "scope", "payee", id, month)),
		node("div", { class: "cards" }, PAY.map((name) => card(name, answer.pay[name] ?? 0))),
		node("h2", {}, `${word("lines")} (${f.count(answer.total)})`),
		answer.complete ? null : node("p", {}, word("noLines")),
		answer.lines.map(lineRow),
		next <= answer.total && answer.complete
			? node("p", {}, link(word("more"), "person", id, month, next)) : null,
		asof(answer)].flat();
}

export async function commission(id) {
	const answer = await ask(path("commissions", id));
	return [title(`${word(answer.commission.type)} ${f.money(answer.commission.amount)}`),
		node("p", {}, link(answer.commission.payee_id, "person", answer.commission.payee_id,
			answer.commission.month), ` ${f.instant(answer.commission.time)}`),
		explanation(answer), asof(answer)].flat();
}

export async function order(id) {
	const answer = await ask(path("orders", id));
	const doc = answer.order;
	const moments = [["created", doc.created, doc.amount],
		["subscribedAt", doc.subscribed, doc.subscribed_amount],
		["signedAt", doc.signed, doc.signed_amount],
		["mortgagedAt", doc.mortgaged, doc.mortgaged_amount],
		["deliveredAt", doc.delivered], ["cancelledAt", doc.cancelled]]
		.filter(([, time]) => time).map(([name, time, amount]) => ({ time, place: 0, show:
			[word(name, f.money(amount))] }));
	for (const one of doc.payments ?? [])
		moments.push({ time: one.time, place: 1,
			show: [`${word("payment")} ${one.payment_id}: ${f.money(one.amount)}`] });
	for (const one of doc.refunds ?? [])
		moments.push({ time: one.time, place: 2,
			show: [`${word("refund")} ${one.refund_id}: \u2212${f.money(one.amount)}`] });
	for (const line of answer.commissions)
		moments.push({ time: line.time, place: 3, show: [`${word(line.type)}: `,
			link(f.money(line.amount), "commission", line.commission_id), " \u2192 ",
			link(line.payee_id, "person", line.payee_id, line.month),
			` (${f.money(line.basis)} \u00d7 ${f.rate(line.rate_ppm)})`] });
	moments.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.place - b.place));
	return [title(`${word("order")} ${id}`),
		node("p", {}, `${word("status")}: ${word(`status_${doc.status}`)}; ${word("currency")}: ${doc.currency ?? "\u2013"}`),
		answer.waiting ? node("p", { class: "warn" }, word("waiting", answer.waiting)) : null,
		answer.complete ? null : node("p", { class: "warn" }, word("notAllLines")),
		node("div", { class: "cards" }, ["order_amount", "collected", "refunded"].map((name) =>
			card(name, doc[name === "order_amount" ? "amount" : name] ?? 0))),
		node("h2", {}, word("story")),
		node("ol", { class: "story" }, moments.map((one) => node("li", {},
			node("time", { datetime: one.time }, f.instant(one.time)), " ", node("span", {}, one.show)))),
		doc.splits?.length ? table(word("split"), [
			{ head: word("payee"), cell: (row) => row.payee_id },
			{ head: word("weight"), number: true, cell: (row) => f.count(row.weight) },
			{ head: word("team"), cell: (row) => row.team_id ?? "" },
			{ head: word("level"), cell: (row) => String(row.level ?? "") },
			{ head: word("plan"), cell: (row) => (row.plan_id ? planOf(row) : "") },
		], doc.splits) : null, asof(answer)].flat();
}

// ---- operators ----

// Where more reaches Redis than comes in; a dash where it does not.
function timeToClear(passed, lag) {
	const speed = passed ? (passed.shown - passed.incoming) / passed.over_ms : 0;
	const left = lag === 0 ? 0 : speed > 0 ? Math.ceil(lag / speed / 1000) : null;
	return left === null ? "\u2013" : word("seconds", f.count(left));
}

function facts(worker) {
	const lag = worker.shards.reduce((sum, one) => sum + one.lag, 0);
	const members = new Set(worker.shards.map((one) => one.member).filter(Boolean));
	const nobody = worker.shards.filter((one) => one.member === null).length;
	const speed = (name) => [name, worker.passed ? word("perSecond",
		f.speed(worker.passed[name], worker.passed.over_ms)) : "\u2013"];
	return [node("p", { class: "facts" }, [["processes", f.count(members.size)],
		speed("incoming"), speed("committed"), speed("shown"),
		["recordsWaiting", f.count(lag)], ["timeToClear", timeToClear(worker.passed, lag)]]
		.map(([name, value]) => node("span", {}, `${word(name)} `, node("b", {}, value)))),
	nobody ? node("p", { class: "warn" }, word("unowned", nobody, worker.shards.length)) : null];
}

// How long its steps took lately, as its processes say; nothing where they are not asked.
function times({ worker, times: taken }) {
	if (!taken)
		return null;
	const ms = (value) => (value === null ? "\u2013" : word("ms", f.count(value)));
	return table(word("timesOf", worker, f.count(taken.processes)), [
		{ head: word("step"), cell: (row) => word(`step_${row.step}`) },
		{ head: word("times"), number: true, cell: (row) => f.count(row.count) },
		{ head: word("mean"), number: true, cell: (row) => ms(row.count
			? Math.round(row.sum_ms / row.count) : null) },
		{ head: word("halfWithin"), number: true, cell: (row) => ms(row.p50_ms) },
		{ head: word("mostWithin"), number: true, cell: (row) => ms(row.p99_ms) }],
	["batch", "transaction", "flush"].map((step) => ({ step, ...taken[step] })));
}

// Records wait and none was taken for a while.
const stands = (row) => row.lag > 0 && !(Date.now() - Date.parse(row.time) <= BEHIND_MS);
const stateOf = (row, asked) => (asked && row.member === null ? "nobody" : row.state);

export async function shards() {
	const answer = await ask("shards"), asked = Boolean(answer.kafka?.fresh);
	// Internal topics have no latest event.
	const columns = ({ shards: rows }) => [
		{ head: word("shard"), cell: (row) => String(row.partition) },
		{ head: word("state"), time: true, cell: (row) => node("span", { class: ["owned", "released"]
			.includes(stateOf(row, asked)) ? null : "warn" }, word(stateOf(row, asked))) },
		asked ? { head: word("recordsWaiting"), number: true, cell: (row) => node("span",
			{ class: stands(row) ? "warn" : null }, f.count(row.lag)) } : null,
		{ head: word("cursor"), number: true, cell: (row) => (row.cursor === null ? "\u2013"
			: f.count(row.cursor)) },
		asked ? { head: word("outputCursor"), number: true, cell: (row) =>
			(row.output_cursor === null ? "\u2013" : f.count(row.output_cursor)) } : null,
		{ head: word("lastRecord"), time: true, cell: (row) => (row.time ? f.age(row.time)
			: "\u2013") },
		rows.some((row) => row.watermark) ? { head: word("lastEvent"), time: true,
			cell: (row) => f.instant(row.watermark) } : null,
		asked ? { head: word("host"), time: true, cell: (row) => row.host ?? "\u2013" } : null,
		{ head: word("owner"), time: true, cell: (row) => row.owner ?? "\u2013" }].filter(Boolean);
	return [title(word("shards")),
		answer.kafka === null ? node("p", {}, word("lagElsewhere")) : null,
		answer.kafka ? node("p", {}, link(word("refusals"), "refusals")) : null,
		answer.kafka?.trouble ? node("p", { class: "warn" }, detailed(word("kafkaAway",
			f.instant(answer.kafka.since)), answer.kafka.trouble)) : null,
		answer.kafka && !asked && !answer.kafka.trouble
			? node("p", { class: "warn" }, word("kafkaSilent")) : null,
		answer.asked && answer.asked.answered < answer.asked.addresses ? node("p", { class: "warn" },
			word("notAnswered", answer.asked.addresses - answer.asked.answered,
				answer.asked.addresses)) : null,
		answer.workers.map((worker) => [node("h2", {}, `${worker.worker} (${worker.topic})`),
			...(asked ? facts(worker) : []), table(worker.worker, columns(worker), worker.shards),
			times(worker)]),
		asof(answer)].flat(2);
}

// Only who sends records back needs it.
const redrive = () => import("./redrive.js");

// Asked until Kafka's answer is there.
async function found(where) {
	for (let tries = 0; tries < 60; tries++) {
		const answer = await ask(where);
		if (!answer.pending)
			return answer.found;
		await new Promise((done) => setTimeout(done, 600));
	}
	throw new Error(word("kafkaSlow"));
}

export async function refusals(topic, reason) {
	if (topic)
		return refused(topic, reason);
	const [{ topics }, { box }] = await Promise.all([found("refusals"), redrive()]);
	return [title(word("refusals")), node("p", {}, word("refusalsAre")),
		topics.map((one) => [node("h2", {}, one.topic), one.reasons.length ? table(
			word("inAll", f.count(one.open)), [
				{ head: word("reason"), cell: (row) => (/^\w+$/.test(row.reason)
					? link(row.reason, "refusals", one.input, row.reason) : row.reason) },
				{ head: word("open_"), number: true, cell: (row) => f.count(row.open) },
				{ head: word("redriven"), number: true, cell: (row) => f.count(row.redriven) },
				{ head: word("quarantined"), number: true, cell: (row) =>
					f.count(row.quarantined) },
				{ head: word("last"), time: true, cell: (row) => f.instant(row.last) },
				{ head: word("means"), words: true, cell: meaning },
				{ head: word("heals"), words: true, cell: (row) => healing(row) ?? "\u2013" }],
			one.reasons) : node("p", {}, word("noRefusals")),
		one.open ? box(one.input) : null])].flat(2);
}

// The value with the failing field marked, laid out; where that does not say the same as what was
// sent (large numbers, a key twice), what was sent follows. What is no JSON is shown as it is.
function marked(record) {
	const FIELD = "\u0001field\u0001";
	const sent = record.value ?? record.value_escaped ?? "";
	let text = sent, at = null, same = true;
	try {
		const whole = { value: JSON.parse(text) };
		same = JSON.stringify(whole.value) === sent;
		const names = (record.path ?? "").split("/").slice(1)
			.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
		const parent = ["value", ...names].slice(0, -1).reduce((one, name) => one?.[name], whole);
		const name = names.at(-1) ?? "value";
		if (parent && typeof parent === "object" && name in parent) {
			at = JSON.stringify(parent[name], null, 2);
			parent[name] = FIELD;
		}
		text = JSON.stringify(whole.value, null, 2);
	} catch {
		at = null;
	}
	const [before, after] = text.split(JSON.stringify(FIELD));
	return [node("pre", {}, before, at === null || after === undefined ? null
		: [node("mark", {}, at), after]), same ? null : [node("p", {}, word("asSent")),
		node("pre", {}, sent)]].flat();
}

async function refused(topic, reason) {
	const [{ records }, { box }] = await Promise.all([found(path("refusals", topic, reason)),
		redrive()]);
	const all = records.length < REFUSED_MOST ? null : (await found("refusals")).topics
		.find((one) => one.input === topic)?.reasons.find((one) => one.reason === reason)?.open;
	return [title(`${topic}: ${reason}`), node("p", {}, link(word("earlier"), "refusals")),
		records.length && !records[0].heals_after
			? node("p", { class: "warn" }, word("neverHeals")) : null,
		reason === "wrong_key" ? node("p", {}, word("rekeyed")) : null,
		records.length ? null : node("p", {}, word("noRefusals")), box(topic, reason),
		all > records.length ? node("p", {}, word("shownOf", f.count(records.length),
			f.count(all))) : null,
		records.map((record) => node("details", { "data-key": `${record.partition}/${record.offset}` },
			node("summary", {}, node("span", {}, f.instant(record.refused)),
				node("span", {}, record.key ?? ""), node("span", { class: "n" }, record.path || "/")),
			node("p", {}, meaning(record)), node("p", { class: "facts" }, [
				["failingField", record.path || "/"],
				["cause", `${record.source_topic}/${record.source_partition}/${record.source_offset}`],
				["replays", f.count(record.replays)]].map(([name, value]) =>
				node("span", {}, `${word(name)} `, node("b", {}, value)))), marked(record)))].flat();
}
