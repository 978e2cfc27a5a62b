#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboard's page in a real browser, as a reader uses it.

A sample company's orders are streamed through real workers while a headless Chromium clicks through
every view by its words. What is shown is compared with Redis; a figure changes without a reload; a
worker, Redis and the dashboard are killed, and the page says what it does not know. Every view is
looked at on a desk and on a phone, light and dark, in English and Chinese: nothing is wider than
the screen, nothing is too pale to read, everything can be reached and told apart without a mouse.

Pictures of all views go to screenshots/ in the build folder. DOCS=1 only writes
docs/dashboard.png anew.
"""
from __future__ import annotations

import json
import os
import subprocess
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Iterator

import ctl
from browser import BACKSPACE, ENTER, TAB, Browser
from ladder import SOON
from rig import ROOT, program
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import Fleet, tallyctl
from test_dashboard import TOKEN, Dashboard
from test_dashboard_redrive import listen

ORDERS, SEED = 3000, 7
BACKLOG = 9300           # events that are there when the page is opened; the rest comes live
RATE = 60                # events a second
FIRST = date(2026, 1, 1)
DOCS, DOCS_DAYS = os.environ.get("DOCS"), 74  # the backlog's, so that its last day is a fresh one
DESK, PHONE = (1280, 900), (390, 844)
TALLEST = 2400           # of a picture
PAGE_BYTES_MOST = 100_000
INTERACTIVE_MS_MOST = 1000
AGAIN_S = 60             # where streams never get through it would be 105
LOADS_MOST = 10          # a busy machine may need some to show it
CONTRAST_LEAST = 4.5     # WCAG 2.1, 1.4.3
MONTH_CARD = "//h2[starts-with(., 'Month to date')]/following-sibling::div[1]"
CHINESE = {
    "Company": "\u516c\u53f8", "Units": "\u7ec4\u7ec7", "Boards": "\u6392\u884c\u699c",
    "Channels": "\u6e20\u9053", "Projects": "\u9879\u76ee", "Products": "\u4ea7\u54c1",
    "Partners": "\u5408\u4f5c\u4f19\u4f34", "Campaigns": "\u8425\u9500\u6d3b\u52a8",
    "Operation": "\u8fd0\u884c",
}

# What is wrong with how a view looks, as far as it can be measured.
LOOKS = """
const wrong = [];
const root = document.documentElement;
if (root.scrollWidth > innerWidth)
	wrong.push(`wider than the screen: ${root.scrollWidth} of ${innerWidth}`);
const said = document.body.innerText.match(/NaN|undefined|\\[object|\\bnull\\b|Invalid/);
if (said)
	wrong.push(`says ${said[0]}`);
const channels = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (text) => channels(text).slice(0, 3).map((value) => value / 255).map((value) =>
	(value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
	.reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
const ground = (one) => {
	for (; one; one = one.parentElement) {
		const color = getComputedStyle(one).backgroundColor;
		if ((channels(color)[3] ?? 1) === 1)
			return color;
	}
	return "rgb(255, 255, 255)";
};
const pale = new Set();
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
	const one = walk.currentNode.parentElement;
	if (!walk.currentNode.textContent.trim() || !one.checkVisibility())
		continue;
	const style = getComputedStyle(one);
	const [a, b] = [light(style.fill !== "rgb(0, 0, 0)" && one.closest("svg") ? style.fill
		: style.color), light(ground(one))].sort((x, y) => y - x);
	const ratio = (a + 0.05) / (b + 0.05);
	if (ratio < arguments[0])
		pale.add(`too pale (${ratio.toFixed(1)}): ${walk.currentNode.textContent.slice(0, 40)}`);
}
return [...wrong, ...pale];
"""
HERE = """
const { left, right } = document.querySelector("nav [aria-current]").getBoundingClientRect();
return left >= 0 && right <= innerWidth;
"""
# Everything that answers to a click, in the order of the page.
ACTIVE = """
return [...document.querySelectorAll("a[href], button, input, select, summary")].filter((one) =>
	one.checkVisibility() && !one.disabled).length;
"""
# By what they are: a view that is read again meanwhile is made of other nodes.
LISTEN = """
window.reached = new Set();
document.activeElement?.blur();
addEventListener("focusin", (event) => window.reached.add(event.target.outerHTML));
"""
REACHED = """
return [...document.querySelectorAll("a[href], button, input, select, summary")].filter((one) =>
	one.checkVisibility() && !one.disabled && !window.reached.has(one.outerHTML))
	.map((one) => one.outerHTML.slice(0, 120));
"""

# A shard that stands still beside others that do not, and a flow that clears it in ten seconds.
STANDING_SHARD = """
const plain = window.fetch;
window.fetch = async (where, ...more) => {
	const answer = await plain(where, ...more);
	if (!String(where).endsWith("/shards"))
		return answer;
	const body = await answer.json();
	Object.assign(body.workers[0].passed, { over_ms: 10000, incoming: 1000, shown: 2000 });
	Object.assign(body.workers[0].shards[0], { lag: 1000, time: "2026-01-01T00:00:00Z" });
	return new Response(JSON.stringify(body));
};
"""
TROUBLES = """
const before = (ms) => new Date(Date.now() - ms).toISOString();
const measures = { time: before(0), partitions: 8, lag: 3, unowned: arguments[0],
	waiting_since: before(arguments[1]) };
return import("/views.js").then(({ troubles }) => troubles({ measures }).map(([, words]) => words));
"""
# The tab is left, and looked at again.
LOOK_AWAY = """
performance.clearResourceTimings();
for (const state of ["hidden", "visible"]) {
	Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
	document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}
"""
READINGS = """
return performance.getEntriesByType("resource")
	.filter((one) => one.name.endsWith("/v1/live")).length;
"""
SPOKEN = """
window.told = [document.getElementById("spoken").textContent];
new MutationObserver(() => window.told.push(document.getElementById("spoken").textContent))
	.observe(document.getElementById("spoken"), { childList: true });
"""

class Reader:
    """Somebody at the page, who notices what is wrong with it."""

    def __init__(self, browser: Browser, dashboard: Dashboard, pictures: Path) -> None:
        self.browser, self.dashboard, self.pictures = browser, dashboard, pictures
        self.base = f"http://127.0.0.1:{dashboard.port}/"
        self.desk()

    def desk(self) -> None:
        self.browser.size(*DESK)

    def phone(self) -> None:
        self.browser.size(*PHONE, phone=True)

    def nameless(self) -> Iterator[str]:
        for one in self.browser.command("Accessibility.getFullAXTree")["nodes"]:
            facts = {fact["name"]: fact["value"].get("value") for fact in
                     one.get("properties", [])}
            role = one.get("role", {}).get("value")
            if one["ignored"] or not facts.get("focusable") or role in ("RootWebArea", "main"):
                continue
            if not str(one.get("name", {}).get("value", "")).strip():
                yield f"a {role} has no name: {one}"

    def must_be_sound(self, where: str) -> None:
        """A page that is being drawn anew is looked at again."""
        must(not (said := self.browser.complaints()), f"{where}: the console says {said}")
        wrong: list[str] = []

        def is_sound() -> bool:
            wrong[:] = [*self.browser.run(LOOKS, CONTRAST_LEAST), *self.nameless()]
            return not wrong

        self.browser.until(is_sound, lambda: f"{where}: {wrong[:10]}")

    def picture(self, name: str) -> None:
        self.browser.picture(self.pictures / f"{name}.png")

    def whole_picture(self, name: str, width: int, phone: bool) -> None:
        tall = self.browser.run("return document.documentElement.scrollHeight")
        self.browser.size(width, min(TALLEST, max(tall, 600)), phone)
        self.picture(name)

    def look(self, name: str) -> None:
        """On a desk and on a phone, light and dark."""
        self.browser.run("scrollTo(0, 0)")
        self.must_be_sound(name)
        self.whole_picture(f"{name}-desk", DESK[0], False)
        self.phone()
        self.must_be_sound(f"{name} on a phone")
        self.browser.dark(True)
        self.must_be_sound(f"{name} in the dark")
        self.browser.dark(False)
        self.whole_picture(f"{name}-phone", PHONE[0], True)
        self.desk()

    def card(self, name: str, inside: str = MONTH_CARD) -> str:
        found = self.browser.elements(f"{inside}//dt[. = '{name}']/following-sibling::dd[1]")
        return self.browser.of(f"/element/{found[0]}/text", method="GET") if found else ""

    def state(self) -> str:
        return self.browser.run("return document.getElementById('state').innerText")

    def spoken(self) -> str:
        """What a screen reader is told."""
        return self.browser.run("return document.querySelector('p[role=status]').textContent")

    def opens(self, name: str) -> None:
        """A view by its link, until it is there."""
        self.browser.click(name, "//nav")
        self.browser.until(lambda: self.browser.run("return document.title").startswith(name),
                           f"the view {name} does not come")

    def hears(self, words: str) -> None:
        self.browser.until(lambda: words in self.state(),
                           lambda: f"the page does not say {words!r} but {self.state()!r}")


def money(minor: int) -> str:
    sign = "\u2212" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100:,}.{abs(minor) % 100:02}"


class Company:
    """The sample company: its files, its place, its figures in Redis."""

    def __init__(self, stage: Stage) -> None:
        self.place = stage.place("-")  # no name of a topic tells its prefix
        self.events = stage.folder / "orders.tsv"
        tallyctl(self.place, "gen", "--orders", str(ORDERS), "--seed", str(SEED), "--out",
                 str(self.events), "--from",
                 str(date.today() - timedelta(DOCS_DAYS) if DOCS else FIRST))
        tallyctl(self.place, "topics", "create", "--partitions", "8", "--reference",
                 f"{self.events}.reference.json")
        self.sent = 0

    def send(self, count: int, *words: str) -> subprocess.Popen[bytes]:
        self.sent += count
        return subprocess.Popen(
            [program("produce"), "--brokers", self.place.brokers, "--topic",
             self.place.topic("orders"), "--skip", str(self.sent - count), "--limit", str(count),
             *words, str(self.events)], stdout=subprocess.DEVNULL)

    def sales(self, kind: str, name: str, period: str) -> dict[str, int]:
        with Redis(self.place.redis_url) as redis:
            flat = redis.command("HGETALL",
                                 f"{self.place.redis_prefix}sales:{kind}:{name}:{period}")
        return {key: int(value) for key, value in zip(flat[::2], flat[1::2])}


# ---- loading ----


def must_load_fast(reader: Reader, stage: Stage) -> None:
    times: list[float] = []
    while not times or (min(times) >= INTERACTIVE_MS_MOST and len(times) < LOADS_MOST):
        load = reader.browser.load(reader.base, "Month to date")
        times.append(load.shown_ms)
        must(len(load.parts) > 7 and load.bytes < PAGE_BYTES_MOST, f"{load.bytes} bytes: {load}")
    must(min(times) < INTERACTIVE_MS_MOST, f"figures are there after {times} ms")
    stage.say(f"{load.bytes:,} bytes with all figures, which are there after {times[-1]:.0f} ms")


# ---- every view ----


def must_show_the_company(reader: Reader, company: Company) -> tuple[str, str]:
    live = reader.dashboard.json("live")
    day, month = live["day"]["period"], live["month"]["period"]
    wanted = company.sales("company", "all", month)
    must(wanted["collected"] > 0, f"the sample has no figures: {wanted}")
    reader.browser.sees(f"Latest business day: {day}", f"Month to date: {month}",
                        money(wanted["collected"]), money(wanted["commission"]), "Live",
                        "same days of", "Collected over the month")
    for name, field in (("Ordered", "order_amount"), ("Collected", "collected"),
                        ("Commission", "commission")):
        must(reader.card(name) == money(wanted[field]), f"{name}: {reader.card(name)}, not "
             f"{money(wanted[field])}")
    reader.browser.click("As a table")
    reader.browser.sees("Day", month)
    reader.look("company")
    return day, month


def must_show_the_units(reader: Reader, company: Company, month: str) -> None:
    """Region, city, team, people, a person, a commission and its explanation, its order."""
    browser = reader.browser
    reader.opens("Units")
    tree = reader.dashboard.json("tree", month)
    must(tree["complete"] and tree["linked"], "the tree is not known")
    team = max(tree["teams"], key=lambda one: one["figures"].get("commission", 0))
    city = next(one for one in tree["cities"] if one["id"] == team["parent"])
    for kind, name in (("Region", city["parent"]), ("City", city["id"]), ("Team", team["id"])):
        browser.click(f"{kind} {name}")
    browser.sees(f"Collected {money(company.sales('team', team['id'], month)['collected'])}")
    reader.look("units")
    browser.click("People", f"//summary[text() = 'Team {team['id']}']/..")
    rows = reader.dashboard.json("members", "team", team["id"], month)["rows"]
    person = max(rows, key=lambda row: row["figures"].get("commission", 0))["id"]
    browser.sees(f"Team {team['id']}: People", person)
    reader.look("people")
    browser.click(person)
    wanted = company.sales("payee", person, month)
    browser.sees(f"Person {person}, {month}", money(wanted["collected"]))
    reader.look("person-figures")
    browser.click("Commission lines")
    must_explain(reader, person, month)


def must_explain(reader: Reader, person: str, month: str) -> None:
    browser = reader.browser
    pay = reader.dashboard.json("pay", person, month)
    browser.sees(f"Commission lines ({pay['total']})", money(pay["pay"]["payable"]))
    line = next(line for line in pay["lines"] if line["amount"] > 0)
    browser.click(line["order_id"])
    order = reader.dashboard.json("orders", line["order_id"])["order"]
    paid = [one for one in order["payments"] if one["time"] == line["time"]]
    must(len(paid) == 1, f"no payment of {line['time']}: {order}")
    plan = reader.dashboard.json("commissions", line["commission_id"])["plan"]
    must([plan["valid_from"], plan["valid_to"]].count(None) == 1 and
         (plan["valid_from"] is None) == (line["plan_version"] == 1), f"{line}: {plan}")
    text = browser.sees("Why this amount", line["source_event_id"], line["cause"], "in force from",
                        f"{paid[0]['payment_id']}: {money(paid[0]['amount'])}",
                        f"version {line['plan_version']}", money(line["basis"]))
    must(f"= {money(line['amount'])}" in text, f"no arithmetic: {text[:1500]}")
    reader.look("person")
    browser.click_at(f"//td/a[. = '{line['order_id']}']")
    browser.sees(f"Order {line['order_id']}", "The order's story", "Order created",
                 money(order["amount"]), order["payments"][0]["payment_id"], "Commission accrued",
                 person)
    reader.look("order")
    browser.click_at(f"//ol//a[. = '{money(line['amount'])}']")
    browser.sees("Commission accrued", line["cause"], "Why this amount")
    reader.look("commission")


def must_show_the_boards(reader: Reader, month: str) -> None:
    browser = reader.browser
    reader.opens("Boards")
    for measure, name in (("collected", "Collected"), ("commission", "Commission")):
        browser.click(name, "//div[@class = 'tabs']")
        first = reader.dashboard.json("boards", measure, "company", "all", month)["rows"][0]
        browser.sees(f"Boards: {name} {month}", first["id"], money(first["score"]))
    browser.click("Teams")
    first = reader.dashboard.json("boards", "commission", "company", "teams", month)["rows"][0]
    browser.sees(first["id"], money(first["score"]))
    browser.click("Signed", "//div[@class = 'tabs']")
    browser.sees("There is no such board")
    must(len(said := browser.complaints()) == 1 and "404" in said[0], f"{said}")
    browser.click("Collected", "//div[@class = 'tabs']")
    browser.click("People", "//div[@class = 'tabs']")
    browser.sees("Person", "Reached")
    reader.look("boards")


def must_show_the_lists(reader: Reader, company: Company, month: str) -> None:
    browser = reader.browser
    for name in ("Channels", "Projects", "Products", "Partners", "Campaigns"):
        kind = name[:-1].lower()
        reader.opens(name)
        browser.sees(f"{name} {month}")
        rows = reader.dashboard.json("scopes", kind, month)["rows"]
        if not rows:
            browser.sees("Nothing in this period")
            continue
        browser.sees(rows[0]["id"])
        reader.look(name.lower())
        browser.click(rows[0]["id"], "//td | //th")
        wanted = company.sales(kind, rows[0]["id"], month)
        browser.sees(f"{name[:-1]} {rows[0]['id']}", money(wanted["order_amount"]))
    reader.opens("Channels")
    browser.click_at("//p[@class = 'months']/a[1]")
    must(month not in browser.sees("Channels 2026-").split("Channels 2026-")[1][:2],
         "the month before")


def must_find(reader: Reader) -> None:
    """By the search, and what is not there is said in words."""
    browser = reader.browser
    order = reader.dashboard.json("pay", "p001", "2026-01")["lines"][0]["order_id"]
    browser.click_at("//select/option[. = 'Order']")
    browser.type("//input[@id = 'id']", order + ENTER)
    browser.sees(f"Order {order}", "The order's story")
    browser.type("//input[@id = 'id']", "no such/order?" + ENTER)
    browser.sees("No such order")
    browser.open("about:blank")
    browser.open(reader.base + "#/order/50%")
    browser.sees("No such order", "Live")
    reader.opens("Company")
    said = browser.complaints()
    must(said and all("orders/" in one and "404" in one for one in said), f"{said}")


def must_show_the_shards(reader: Reader) -> None:
    reader.opens("Operation")
    reader.browser.sees("orders (orders)", "commissions (credits)", "scoreboard (measures)",
                        "owned", "tallyworks-orders-", "Processes 1", "Incoming 0/s", "Folded 0/s",
                        "In Redis 0/s", "Waiting 0", "127.0.0.1",
                        "orders: times of the last minute, processes: 1", "Flush to Redis")
    reader.look("operation")
    reader.browser.run(STANDING_SHARD)
    reader.browser.sees("Waiting 1,000", "Clear in 10 s")  # read again though nothing happens
    must(reader.browser.run("return document.querySelector('td .warn').innerText") == "1,000",
         "the shard that stands still is not marked")
    for unowned, waits_ms, words in ((0, 0, ""), (1, 0, "nobody takes those of 1 of 8 shards"),
                                     (0, 60000, "3 records wait, the oldest came 1 minute ago")):
        said = " ".join(reader.browser.run(TROUBLES, unowned, waits_ms))
        must(words in said and bool(words) == bool(said), f"{said}, not {words}")
    reader.phone()
    reader.browser.open("about:blank")
    reader.browser.open(reader.base + "#/shards")
    reader.browser.sees("Flush to Redis")
    must(reader.browser.run(HERE), "the view's own link is beside the phone's screen")
    reader.desk()


def must_speak_chinese(reader: Reader) -> None:
    browser = reader.browser
    browser.click("\u4e2d\u6587")
    for english, chinese in CHINESE.items():
        reader.opens(chinese)
        must(browser.run("return document.documentElement.lang") == "zh", "the page's language")
        reader.must_be_sound(f"{english} in Chinese")
        text = browser.text()
        left = [word for word in CHINESE if word in text.replace("English", "")]
        must(not left, f"{english}: {left} is not translated")
    browser.run("location.hash = '#/order/never'")
    browser.sees("\u6ca1\u6709\u6b64\u8ba2\u5355", "no event of this order has come")
    must(browser.run("return document.querySelector('main [lang=en]').innerText")
         == "no event of this order has come", "what is English does not say so")
    must(all("orders/never" in one for one in browser.complaints()), "the console says more")
    browser.click("\u516c\u53f8")
    browser.sees("\u6700\u8fd1\u4e1a\u52a1\u65e5", "\u672c\u6708\u81f3\u4eca",
                 "\u5b9e\u65f6")
    reader.look("company-chinese")
    browser.open(reader.base)
    browser.sees("\u672c\u6708\u81f3\u4eca")
    browser.click("English")
    browser.sees("Month to date")


# ---- without a mouse ----


def must_show_the_contract(reader: Reader) -> None:
    """By its link below any view."""
    browser = reader.browser
    browser.click("The contract for systems that send events", "//footer")
    browser.sees("The contract: what goes in, what comes out")
    reader.look("contract")
    browser.click("person.defined", "//nav[@aria-label = 'Contents']")
    browser.until(lambda: browser.run("return location.hash") == "#person.defined", "no anchor")
    browser.click("person.defined", "//section")
    browser.until(lambda: "payee_id" in browser.run(
        "return document.getElementById('person.defined').innerText"), "it does not open")
    browser.run(LISTEN)
    browser.keys(TAB * (browser.run(ACTIVE) + browser.run(
        "return document.querySelectorAll('[tabindex=\"0\"]').length") + 20))
    must(not (missed := browser.run(REACHED)), f"Tab does not reach {missed[:5]}")
    browser.click("Figures", "//nav")
    browser.sees("Month to date", "Live")


def must_work_by_keyboard(reader: Reader) -> None:
    browser = reader.browser
    missed: list[str] = []

    def tab_reaches_all() -> bool:
        """Unless the view is drawn anew meanwhile, which takes the focus along."""
        count = browser.run(ACTIVE)
        browser.run(LISTEN)
        browser.keys(TAB * (count + 20))
        missed[:] = browser.run(REACHED)
        return not missed

    for name in ("Company", "Units", "Boards", "Channels", "Operation"):
        reader.opens(name)
        browser.until(tab_reaches_all, lambda: f"{name}: Tab does not reach {missed[:5]}")
    reader.opens("Boards")
    here = browser.address()
    browser.run("document.querySelector('.skip').focus()")
    browser.keys(ENTER)
    browser.until(lambda: browser.run("return document.activeElement.id") == "main", "no skipping")
    must(browser.address() == here, f"skipping leads from {here} to {browser.address()}")
    reader.opens("Units")
    browser.run("document.querySelector('main summary').focus()")
    browser.keys(ENTER)
    browser.sees("City")
    browser.keys(TAB + ENTER)
    browser.sees("Region", "Collected over the month")


# ---- while events come ----


def must_be_live(reader: Reader, company: Company, stage: Stage) -> None:
    browser = reader.browser
    browser.open(reader.base)
    browser.sees("Month to date", "Live")
    browser.until(lambda: reader.spoken().startswith("Live."), "nobody hears that it is live")
    browser.until(lambda: browser.run(READINGS) > 1, "what the stream began with is not read")
    browser.run(SPOKEN)
    browser.run(LOOK_AWAY)
    browser.until(lambda: browser.run(READINGS), "who comes back sees what there was before")
    before = reader.card("Collected")
    browser.run("window.here = true")
    with company.send(RATE * 10, "--rate", str(RATE)) as sending:
        seen = {before}
        while len(seen) < 3:
            seen.add(browser.until(lambda: (now := reader.card("Collected")) not in seen and now,
                                   f"the figure stays at {seen}"))
        must(sending.wait(180) == 0, "produce")
    stage.say(f"the month's money as it was seen without a reload: {', '.join(sorted(seen))}")
    must(browser.run("return window.here") is True, "the page was loaded again")
    told = browser.run("return window.told")
    must(not any(one[:4] == two[:4] == "Live" for one, two in zip(told, told[1:])),
         f"read out though it is as before: {told}")


def must_come_to(reader: Reader, company: Company) -> None:
    """What is shown in the end is what Redis has."""
    month = reader.dashboard.json("live")["month"]["period"]
    wanted = money(company.sales("company", "all", month)["collected"])
    reader.browser.until(lambda: reader.card("Collected") == wanted,
                         lambda: f"{reader.card('Collected')}, Redis has {wanted}")


def must_tell_of_a_dead_worker(reader: Reader, company: Company, fleet: Fleet) -> None:
    """Its figures stand still; the page says until when they hold what came in, and who is gone."""
    scoreboard = fleet.named("scoreboard")[0]
    with company.send(RATE * 12, "--rate", str(RATE)) as sending:
        scoreboard.kill()
        reader.hears("These figures hold what came in until")
        reader.browser.until(lambda: "These figures hold" in reader.spoken(), "nobody hears of it")
        reader.look("worker-dead")
        must(sending.wait(180) == 0, "produce")
    reader.hears("records wait and nobody takes those of 8 of 8 shards")
    reader.opens("Operation")
    reader.browser.sees("No process has 8 of 8 shards now.", "nobody has it",
                        "1 of 3 workers that are asked for their times give no answer.")
    reader.look("operation-dead")
    scoreboard.start()
    fleet.settle()
    reader.hears("As of")
    reader.browser.until(lambda: "nobody has it" not in reader.browser.text(), "an owner again")
    reader.opens("Company")
    must_come_to(reader, company)


def must_show_refusals(browser: Browser, company: Company, stage: Stage, pictures: Path) -> None:
    """Behind a token: dead letters by reason, and one with its failing field marked."""
    file = stage.folder / "token"
    file.write_text(TOKEN)
    dashboard = Dashboard(company.place, stage.logs, 2, **{
        "dashboard.kafka": "yes", "http.token.file": str(file)}).start().ready()
    reader = Reader(browser, dashboard, pictures)
    browser.open(reader.base + "#/shards")
    for token, words in (("wrong-wrong-wrong-wrong", "That is not the token of this service."),
                         ("wrong-\uff57rong-wrong", "A token has letters, digits and signs"),
                         (TOKEN, "Operation")):
        browser.until(lambda: browser.run("return !document.getElementById('ask').hidden"),
                      "nobody asks for the token")
        browser.type("//input[@id = 'token']", token + ENTER)
        browser.sees(words)
    browser.sees("Operation", "Refused records")
    browser.complaints()  # the refused tokens
    browser.click("Refused records")
    listed = json.loads(tallyctl(company.place, "dlq", "list", "--topic", "orders",
                                 "--json").stdout)["topics"][0]
    browser.sees("orders.dlq", *(one["reason"] for one in listed["reasons"]))
    reader.look("refusals")
    must_redrive(reader, company, stage)
    reason = next(one["reason"] for one in listed["reasons"] if one["reason"] == "bad_money")
    record = json.loads(tallyctl(company.place, "dlq", "show", "--topic", "orders", "--reason",
                                 reason, "--json").stdout)["records"][0]
    browser.click(reason)
    browser.sees(f"orders: {reason}", record["key"])
    browser.click_at("//details[@data-key]/summary")
    browser.sees("Failing field", record["path"])
    mark = browser.run("return document.querySelector('mark').innerText")
    must(json.loads(mark) == json.loads(record["field"]), f"marked is {mark}, not {record}")
    reader.look("refused")
    browser.open("about:blank")  # a page that is left asks no more
    must(dashboard.drain() == 0, "drained")


def must_choose(reader: Reader) -> None:
    """What is not valid gets the service's words at its field; what is holds and is kept."""
    browser, field = reader.browser, "//main//input[@name = '{}']"
    browser.click("all that a redrive heals, as fast as it goes", "//main")
    browser.type(field.format("max"), "ten" + ENTER)
    browser.sees("max: a whole number from 1")
    browser.until(lambda: browser.run("return document.activeElement.matches("
                                      "'[name=max][aria-invalid=true]')"), "not at the field")
    must(all("400" in one for one in browser.complaints()), "the console says something else")
    for name, text in (("max", "1"), ("since", "2h"), ("rate", "20")):
        browser.type(field.format(name), text)
    browser.click_at(field.format("force"))
    chosen = "refused since 2h, at most 1 records, 20 records a second"
    browser.sees(f"{chosen}, quarantined ones, too")
    reader.look("redrive-chosen")
    browser.click_at(field.format("force"))
    browser.click("Redrive: dry run first")
    browser.sees(f"Which, and how fast: {chosen}\n", "Send 1 records")
    browser.click("Cancel")
    browser.sees(chosen)
    browser.type(field.format("max"), "1" + BACKSPACE)
    browser.sees("\nrefused since 2h, 20 records a second\n")


def must_redrive(reader: Reader, company: Company, stage: Stage) -> None:
    """An order of somebody whom nobody published: counted, confirmed and sent back by keyboard."""
    browser, place = reader.browser, company.place
    status, _, live = reader.dashboard.get("/api/v1/live", Authorization=f"Bearer {TOKEN}")
    must(status == 200, f"live: {status}")
    late = {**ctl.created("redriven-1", "p-late", 12300),
            "time": f"{json.loads(live)['day']['period']}T08:00:00Z"}
    ctl.send(place, [late])
    ctl.settle(place)
    browser.click("Operation", "//nav")
    browser.click("Refused records")
    browser.click("payee_unknown")
    browser.sees("redriven-1", "Redrive: dry run first")
    known = json.loads(Path(f"{company.events}.reference.json").read_text())
    person = next(one for one in known if one["kind"] == "person")
    tallyctl(place, "publish", str(ctl.write(stage, "late.json", [
        {**person, "payee_id": "p-late"}])), "--wait")
    must_choose(reader)
    browser.run("document.querySelector('[name=dry]').focus()")
    browser.keys(ENTER)
    browser.sees("What a redrive would do", "would be sent back", "records back to orders?")
    reader.look("redrive")
    browser.click("\u4e2d\u6587")
    browser.sees("\u91cd\u6295\u8bd5\u7b97", "\u5c06\u91cd\u65b0\u6295\u9012", "\u53d6\u6d88")
    reader.must_be_sound("a redrive in Chinese")
    browser.click("English")
    browser.sees("records back to orders?")
    must(not ctl.order(place, "redriven-1"), "sent before anybody said so")
    browser.click("Cancel")
    browser.sees("Redrive: dry run first")
    browser.run("document.querySelector('[name=dry]').focus()")
    browser.keys(ENTER)
    browser.sees("records back to orders?")
    browser.keys(TAB + TAB + ENTER)  # past the table
    browser.sees("records were sent back")
    ctl.eventually(lambda: ctl.order(place, "redriven-1").get("amount") == 12300,
                   "the order is not there after its redrive")
    browser.until(lambda: "redriven-1" not in browser.text(), "it is still among the refused")
    browser.click("Back")
    must(not (said := browser.complaints()), f"the console says {said}")


def must_tell_who_is_away(reader: Reader, stage: Stage) -> None:
    """Redis, then the dashboard itself: what was read last stays, with words since when."""
    assert stage.redis
    shown = reader.card("Collected")
    for kill, words, start in (
            (stage.redis.kill, "Redis gives no answer since", stage.redis.start),
            (reader.dashboard.kill, "No answer since", reader.dashboard.start)):
        kill()
        reader.hears(words)
        must(reader.card("Collected") == shown, "the figures that were read last are gone")
        start()
        reader.hears("Live")
    said = reader.browser.complaints() + must_be_live_again(reader) + reader.browser.complaints()
    others = [one for one in said if not one.startswith("network:")]
    must(not others, f"the console says {others}")


def must_be_live_again(reader: Reader) -> list[str]:
    """The page gave the stream up and asked in vain: it tries again as soon as it is answered."""
    said: list[str] = []

    def asks_in_vain() -> bool:
        said.extend(reader.browser.complaints())
        asked = [one for one in said if "/api/v1/" in one]
        return sum("/stream" in one for one in asked) >= 2 and "/live" in asked[-1]

    reader.dashboard.kill()
    reader.browser.until(asks_in_vain, lambda: f"the page does not ask any more: {said}")
    reader.dashboard.start()
    started = time.monotonic()
    reader.hears("Live")
    must(time.monotonic() - started < AGAIN_S, "it came back late")
    return said


# ---- all of it ----


def write_docs(reader: Reader) -> None:
    reader.browser.size(1200, 920)
    reader.browser.open(reader.base)
    reader.browser.sees("Month to date", "Live")
    reader.browser.picture(ROOT / "docs" / "dashboard.png")


def folders(stage: Stage) -> Iterator[Path]:
    yield stage.folder / "chromium"
    yield Path(os.environ.get("TALLY_TEST_BUILD") or stage.folder) / "screenshots"


def test() -> None:
    with Stage("browser", own_redis=True) as stage:
        profile, pictures = folders(stage)
        for folder in (profile, pictures, stage.logs):
            folder.mkdir(parents=True, exist_ok=True)
        company = Company(stage)
        fleet = Fleet(company.place, stage.logs, settings=SOON)
        addresses = ",".join(listen(fleet))
        with fleet:
            must(company.send(BACKLOG).wait(180) == 0, "produce")
            fleet.settle()
            dashboard = Dashboard(company.place, stage.logs, **{
                "dashboard.kafka": "yes", "dashboard.workers": addresses}).start().ready("/readyz")
            stage.say(f"{BACKLOG} events are folded")
            with Browser(profile, stage.logs) as browser:
                reader = Reader(browser, dashboard, pictures)
                if DOCS:
                    write_docs(reader)
                    return
                must_load_fast(reader, stage)
                _, month = must_show_the_company(reader, company)
                must_show_the_units(reader, company, month)
                must_show_the_boards(reader, month)
                must_show_the_lists(reader, company, month)
                must_show_the_shards(reader)
                must_find(reader)
                must_speak_chinese(reader)
                must_work_by_keyboard(reader)
                must_show_the_contract(reader)
                must_show_refusals(browser, company, stage, pictures)
                stage.say("every view is there, in both languages, without a mouse, on a phone")
                must_be_live(reader, company, stage)
                fleet.settle()
                must_come_to(reader, company)
                must_tell_of_a_dead_worker(reader, company, fleet)
                stage.say("a dead worker's figures are said to stand still")
                must_tell_who_is_away(reader, stage)
                stage.say(f"Redis and the dashboard killed and back; pictures: {pictures}")
            must(dashboard.drain() == 0, "drained")


if __name__ == "__main__":
    main(test)
