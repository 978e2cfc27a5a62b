#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboard over what real workers left in Redis: every view against the oracle's numbers.

The ladder's company with boards is folded once. Then tally-dashboard is asked: each path of the
API, tags, the event stream and where it goes on, who may ask, what is wrong with a question, slow
askers, and Redis killed and back. Its figures must be the oracle's to the last unit.
"""
from __future__ import annotations

import http.client
import json
import random
import re
import signal
import socket
import subprocess
import time
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any, Callable
from urllib.parse import quote

import ctl
import ladder as ladders
import reference
from rig import Place, free_port, kafka, offsets, program
from rig.redis import Redis
from rig.stage import Stage, main, must, seed
from rig.workers import Fleet, Worker, tallyctl

EVENTS = 4000
MIXED = 60  # orders
MONTH, YEAR = "2026-01", "2026"
WAIT_S = 60.0
EX_USAGE, EX_CONFIG = 64, 78
SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
TOKEN = "correct-horse-battery-staple"
LATE_MONTH, LATE_DAY = "2026-03", "2026-03-20"  # who collects then may have ordered before
RANKED = ("order_amount", "collected", "commission")
BOARDS = {"measures": list(RANKED), "periods": ["day", "month"]}


class Dashboard(Worker):
    def __init__(self, place: Place, logs: Path, number: int = 1, **settings: str) -> None:
        self.port = free_port()
        super().__init__("dashboard", number, place, logs,
                         {"http.address": f"127.0.0.1:{self.port}", **settings})

    def ready(self, path: str = "/livez") -> "Dashboard":
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                if self.get(path)[0] == 200:
                    return self
            except OSError:
                pass
            must(self.alive() and time.monotonic() < deadline,
                 f"the dashboard does not answer {path}:\n{self.log_tail()}")
            time.sleep(0.05)

    def get(self, path: str, method: str = "GET",
            **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=names)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, body

    def json(self, *parts: str, query: str = "") -> Any:
        path = "/api/v1/" + "/".join(quote(part, safe="") for part in parts) + query
        status, headers, body = self.get(path)
        must(status == 200 and headers["content-type"] == "application/json",
             f"{path}: {status} {body[:300]!r}")
        return json.loads(body)

    def problem(self, path: str, wanted: int, method: str = "GET", **headers: str) -> dict:
        status, answered, body = self.get(path, method, **headers)
        must(status == wanted and answered["content-type"] == "application/problem+json",
             f"{method} {path}: {status}, should be {wanted}: {body[:300]!r}")
        found = json.loads(body)
        must(found["status"] == wanted and found["title"] and found["detail"], f"{path}: {found}")
        return found


def until(found: Callable[[], Any], words: str) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (value := found()):
        must(time.monotonic() < deadline, f"{words} does not come")
        time.sleep(0.05)
    return value


class Stream:
    """An event stream as a browser reads it."""

    def __init__(self, dashboard: Dashboard, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=WAIT_S)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", "/api/v1/stream", headers=names)
        self.answer = self.connection.getresponse()
        must(self.answer.status == 200, f"stream: {self.answer.status}")
        must(self.answer.getheader("content-type") == "text/event-stream", "no event stream")

    def block(self) -> dict[str, str]:
        """The next block: its fields by name; a comment is the field ""."""
        fields: dict[str, str] = {}
        while line := self.answer.readline().decode():
            if line == "\n":
                return fields
            name, _, value = line.rstrip("\n").partition(":")
            fields[name] = value.strip()
        raise RuntimeError("the stream ended")

    def event(self, kind: str) -> dict[str, str]:
        while True:
            found = self.block()
            if found.get("event") == kind:
                return found

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


def nonzero(fields: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in fields.items() if value and not name.endswith("_at")}


class Books:
    """The oracle's figures, and what follows from them for boards."""

    def __init__(self, ladder: ladders.Ladder) -> None:
        self.expected = ladder.expected()
        self.people = ladder.people

    def sales(self, kind: str, name: str, period: str) -> dict[str, int]:
        return nonzero(self.expected.sales.get(f"sales:{kind}:{name}:{period}", {}))

    def names(self, kind: str, period: str) -> set[str]:
        return {key.split(":")[2] for key in self.expected.sales
                if key.startswith(f"sales:{kind}:") and key.endswith(f":{period}")
                and self.sales(kind, key.split(":")[2], period)}


# ---- figures ----


def must_have_figures(dashboard: Dashboard, books: Books) -> None:
    compared = 0
    for key in sorted(books.expected.sales)[::37]:
        _, kind, name, period = key.split(":")
        wanted = books.sales(kind, name, period)
        if not wanted:
            continue
        answer = dashboard.json("figures", kind, name, period)
        must(nonzero(answer["figures"]) == wanted, f"{key}: {answer} should be {wanted}")
        must(set(answer["asof"]) == {"orders", "credits", "measures"} and
             answer["asof"]["measures"]["rebuilding"] == 0, f"{answer['asof']}")
        compared += 1
    must(compared > 100, f"only {compared} figures were compared")
    days = dashboard.json("days", "company", "all", MONTH)["days"]
    must([day["day"] for day in days] == [f"{MONTH}-{day:02}" for day in range(1, 32)], f"{days}")
    for day in days:
        must(nonzero(day["figures"]) == books.sales("company", "all", day["day"]), f"{day}")


def must_list_scopes(dashboard: Dashboard, books: Books) -> None:
    for kind in ("region", "city", "team", "channel", "project", "product"):
        answer = dashboard.json("scopes", kind, MONTH, query="?count=1000")
        must(answer["complete"] and answer["total"] == len(answer["rows"]), f"{kind}: {answer}")
        must({row["id"] for row in answer["rows"]} == books.names(kind, MONTH), f"{kind}")
        for row in answer["rows"]:
            wanted = books.sales(kind, row["id"], MONTH)
            must(nonzero(row["figures"]) == wanted, f"{kind} {row}: {wanted}")
        money = [row["figures"].get("collected", 0) for row in answer["rows"]]
        must(money == sorted(money, reverse=True), f"{kind}: not by money")
        second = dashboard.json("scopes", kind, MONTH, query="?from=2&count=1")["rows"]
        must(second == answer["rows"][1:2], f"{kind}: {second}")
    empty = dashboard.json("scopes", "campaign", MONTH)
    must(empty["total"] == 0 and empty["rows"] == [], f"{empty}")


def must_place_units(tree: dict, books: Books, period: str) -> None:
    """Everybody who has figures is there, below whom the company's own records say."""
    must(tree["linked"] and tree["complete"], f"{str(tree)[:200]}")
    above = {"team": "city", "city": "region"}
    parents = {(kind, person[f"{kind}_id"]): person[f"{above[kind]}_id"]
               for person in books.people.values() for kind in above}
    for kind, rows in (("region", tree["regions"]), ("city", tree["cities"]),
                       ("team", tree["teams"])):
        must({row["id"] for row in rows} == books.names(kind, period), f"tree: {kind}")
        for row in rows:
            must(nonzero(row["figures"]) == books.sales(kind, row["id"], period), f"{row}")
            must(row.get("parent") == parents.get((kind, row["id"])), f"{kind} {row}: its parent")


def must_have_members(dashboard: Dashboard, books: Books, kind: str, name: str,
                      period: str) -> set[str]:
    """Everybody who moved any figure there, on pages; together they have the unit's figures."""
    rows: list[dict] = []
    while True:
        answer = dashboard.json("members", kind, name, period,
                                query=f"?from={len(rows) + 1}&count=1000")
        must(answer["complete"] and answer["from"] == len(rows) + 1, f"{str(answer)[:200]}")
        if not answer["rows"]:
            break
        rows += answer["rows"]
    ids = {row["id"] for row in rows}
    must(answer["total"] == len(rows) == len(ids), f"{kind} {name}: {answer['total']}, {len(rows)}")
    must(all(books.people[one][f"{kind}_id"] == name for one in ids), f"{ids} are not in {name}")
    summed: dict[str, int] = defaultdict(int)
    for row in rows:
        for figure in RANKED:
            summed[figure] += row["figures"].get(figure, 0)
    unit = books.sales(kind, name, period)
    must(nonzero(summed) == {figure: unit[figure] for figure in RANKED if figure in unit},
         f"people of {kind} {name} add up to {dict(summed)}, should be {unit} ({period})")
    if len(rows) > 3:
        middle = dashboard.json("members", kind, name, period, query="?from=2&count=2")
        must(middle["rows"] == rows[1:3] and middle["total"] == len(rows), f"{middle}")
    return ids


def must_know_the_tree(dashboard: Dashboard, books: Books) -> None:
    for period in (MONTH, LATE_MONTH, LATE_DAY):
        must_place_units(dashboard.json("tree", period), books, period)
    found: set[str] = set()
    for kind in ("region", "city", "team"):
        for name in sorted(books.names(kind, LATE_MONTH)):
            found |= must_have_members(dashboard, books, kind, name, LATE_MONTH)
    ordered = {one for one in found if "order_amount" in books.sales("payee", one, LATE_MONTH)}
    collected = {one for one in found if "collected" in books.sales("payee", one, LATE_MONTH)}
    must(len(ordered - collected) > 100 and len(collected - ordered) > 100,
         f"{len(ordered)} ordered, {len(collected)} collected: it is all the same")
    some = sorted(books.names("team", LATE_DAY))
    for team in some[:20]:
        must_have_members(dashboard, books, "team", team, LATE_DAY)


def must_rank(dashboard: Dashboard, books: Books, redis: Redis, prefix: str) -> None:
    for measure in BOARDS["measures"]:
        for kind, name, of in (("company", "all", "payee"), ("company", "teams", "team")):
            answer = dashboard.json("boards", measure, kind, name, MONTH, query="?count=1000")
            scores = {row["id"]: row["score"] for row in answer["rows"]}
            wanted = {member: books.sales(of, member, MONTH).get(measure, 0)
                      for member in books.names(of, MONTH)}
            wanted = {member: score for member, score in wanted.items() if score}
            must(answer["total"] == len(wanted), f"{measure} {name}: {answer['total']}")
            must(scores.items() <= wanted.items() and len(scores) == min(1000, len(wanted)),
                 f"{measure} {name}: other scores")
            order = [(-row["score"], row["reached"]) for row in answer["rows"]]
            must(order == sorted(order), f"{measure} {name}: ties are not by time")
            must(answer["rows"][0]["rank"] == 1, f"{answer['rows'][0]}")
    # Ties: a board of our own, where two share a score and were there at different times.
    board = f"{prefix}board:collected:region:X:{MONTH}"
    redis.command("ZADD", board, 5, "late", 5, "early", 9, "first", 5, "also-early")
    for name, at in (("late", 3000), ("early", 2000), ("also-early", 2000), ("first", 4000)):
        redis.command("HSET", f"{prefix}seat:payee:{name}:region:X:{MONTH}", "collected_at", at)
    rows = dashboard.json("boards", "collected", "region", "X", MONTH)["rows"]
    must([(row["rank"], row["id"]) for row in rows] ==
         [(1, "first"), (2, "also-early"), (3, "early"), (4, "late")], f"{rows}")
    rows = dashboard.json("boards", "collected", "region", "X", MONTH, query="?from=4")["rows"]
    must([(row["rank"], row["id"]) for row in rows] == [(4, "late")], f"{rows}")


# ---- people ----


def must_explain(dashboard: Dashboard, books: Books) -> None:
    lines, explained = 0, 0
    expected = books.expected
    for (payee, month), sums in sorted(expected.pay.items())[::29]:
        answer = dashboard.json("pay", payee, month, query="?count=1000")
        payable = sums["accrued"] - sums["clawed_back"]
        must(nonzero(answer["pay"]) == nonzero({**sums, "payable": payable}), f"{answer['pay']}")
        must(answer["total"] == len(answer["lines"]) and answer["complete"], f"{answer}")
        must(sum(line["amount"] for line in answer["lines"]) == payable, f"{payee} {month}")
        for line in answer["lines"]:
            fact = (line["type"], line["order_id"], payee, line["source_event_id"], line["basis"],
                    line["rate_ppm"], line["amount"])
            must(expected.commissions[fact] == 1, f"{line} is not in the books")
            lines += 1
        times = [line["time"] for line in answer["lines"]]
        must(times == sorted(times), "lines are by time")
        for line in answer["lines"][:3]:
            explained += must_explain_line(dashboard, line)
    must(lines > 50 and explained > 20, f"{lines} lines, {explained} explained")


def must_explain_line(dashboard: Dashboard, line: dict) -> bool:
    answer = dashboard.json("commissions", line["commission_id"])
    found = answer["commission"]
    must({name: found[name] for name in line} == line, f"{found} should be {line}")
    must(answer["order"]["order_id"] == line["order_id"] and "_" not in answer["order"] and
         "customer_key" not in answer["order"], f"{answer['order']}")
    if "net_after" not in found:
        return False
    must(found["net_after"] - found["net_before"] == line["basis"] and
         found["cumulative_after"] - found["cumulative_before"] == line["amount"] and
         found["cumulative_after"] * 1000000 // line["rate_ppm"] in
         range(found["net_after"] - 100, found["net_after"] + 100), f"{found}")
    return True


def must_tell_orders(dashboard: Dashboard, books: Books) -> None:
    by_order: dict[str, list[tuple]] = defaultdict(list)
    for kind, order, payee, source, basis, rate, amount in books.expected.commissions:
        by_order[order].append((kind, payee, source, basis, rate, amount))
    for order_id in sorted(by_order)[::41]:
        answer = dashboard.json("orders", order_id)
        order = answer["order"]
        must((order["amount"], order["collected"], order["refunded"]) ==
             books.expected.orders[order_id], f"{order}")
        must("_" not in order and "customer_key" not in order and answer["complete"], f"{order}")
        told = sorted((line["type"], line["payee_id"], line["source_event_id"], line["basis"],
                       line["rate_ppm"], line["amount"]) for line in answer["commissions"])
        must(told == sorted(by_order[order_id]), f"{order_id}: {told}")


def mixed_up(order_id: str) -> list[dict]:
    """The story of an order whose events come in another order; some refunds are dated wrongly."""
    story = [ctl.created(order_id, "p-1", 100000)]
    for hour in range(10, 18):
        story.append(ctl.paid(order_id, f"p{hour}", 100 * random.randint(1, 9), hour))
        if random.random() < 0.4:
            refund = ctl.refunded(order_id, f"p{hour}", f"r{hour}", 50)
            refund["time"] = f"{ctl.DAY}T{random.randint(hour - 1, 20):02}:30:00Z"
            story.append(refund)
    story.sort(key=lambda event: event["time"])
    for _ in range(random.randint(0, 3)):
        a, b = random.sample(range(len(story)), 2)
        story[a], story[b] = story[b], story[a]
    return story


def must_not_explain_what_waited(stage: Stage) -> None:
    """At a rate that never rounds: what the API says of a line is what the worker reckoned with."""
    place, right, left_out = ctl.prepare(stage), 0, 0
    ctl.send(place, [event for i in range(MIXED) for event in mixed_up(f"o-{i}")])
    with Fleet(place, stage.logs) as fleet:
        fleet.settle()
    sent = {data["commission_id"]: data for data in (
        json.loads(record.value)["data"]
        for record in kafka.read(place.brokers, place.topic("commissions")))}
    dashboard = Dashboard(place, stage.logs, 6).start().ready()
    for i in range(MIXED):
        answer = dashboard.json("orders", f"o-{i}")
        must(answer["complete"] and not answer["waiting"], f"{answer}")
        for line in answer["commissions"]:
            if "net_after" not in line:
                left_out += 1
                continue
            wanted = sent.pop(line["commission_id"])
            must((line["cumulative_before"], line["cumulative_after"], line["net_after"] * 2) ==
                 (wanted["cumulative_before"], wanted["cumulative_after"],
                  wanted["cumulative_after"] * 100), f"{line} was made as {wanted}")
            right += 1
    must(right > 2 * MIXED and left_out > MIXED, f"{right} with nets, {left_out} without")
    must(dashboard.drain() == 0, "drained")


def must_not_explain_what_it_has_not_read(dashboard: Dashboard, redis: Redis,
                                          prefix: str) -> None:
    """Months too long for one request are left out, and then no line has nets."""
    payees, time_of = [f"many-{i}" for i in range(4)], f"{MONTH}-15T08:00:00.000Z"
    keys = {payee: f"{prefix}lines:{payee}:{MONTH}" for payee in payees}
    redis.command("SET", f"{prefix}order:o-many", json.dumps({
        "order_id": "o-many", "splits": [{"payee_id": payee, "weight": 1} for payee in payees],
        "payments": [{"payment_id": "1", "amount": 4000, "time": time_of}]}))
    for payee in payees:
        redis.command("HSET", keys[payee], f"id-{payee}", json.dumps({
            "order_id": "o-many", "cause": "orders/0/1", "time": time_of, "basis": 1000,
            "rate_ppm": 20000, "amount": 20, "type": "commission.accrued"}))
        redis.command("SET", f"{prefix}commission:id-{payee}", f"{payee} {MONTH}")
        for first in range(0, 15000, 5000):
            redis.command("HSET", keys[payee], *(
                part for i in range(first, first + 5000) for part in (i, "{}")))

    def told(complete: bool, wanted: list[str]) -> None:
        answer = dashboard.json("orders", "o-many")
        lines = {line["payee_id"]: line.get("net_after") for line in answer["commissions"]}
        must(answer["complete"] is complete and
             lines == {payee: 1000 if complete else None for payee in wanted}, f"{answer}")
        for payee in payees:
            one = dashboard.json("commissions", f"id-{payee}")
            must(one["complete"] is complete and one["commission"]["amount"] == 20 and
                 ("net_after" in one["commission"]) is complete, f"{one}")
        time.sleep(0.6)  # an answer is told again for half a second

    told(False, payees[:3])  # 60,004 lines in all
    redis.command("HDEL", keys["many-3"], *range(4))
    told(True, payees)
    redis.command("HDEL", keys["many-1"], *range(10000))
    redis.command("HSET", keys["many-0"], *(
        part for i in range(15000, 20000) for part in (i, "{}")))
    told(False, payees[1:])  # 20,001 of one month
    redis.command("DEL", f"{prefix}order:o-many", *keys.values(),
                  *(f"{prefix}commission:id-{payee}" for payee in payees))


def must_say_what_is_cut(stage: Stage, place: Place, redis: Redis, prefix: str) -> None:
    """More names of a kind than are kept: the lists with it are not complete, others are."""
    names = [f"{prefix}sales:team:other-{i}:2031-01" for i in range(5001)]
    for name in names:
        redis.command("HSET", name, "orders", 1)
    dashboard = Dashboard(place, stage.logs, 5).start().ready()
    until(lambda: dashboard.json("scopes", "region", MONTH)["complete"], "the walk's end")
    must(not dashboard.json("scopes", "team", MONTH)["complete"], "teams are cut")
    must(not dashboard.json("tree", MONTH)["complete"], "so the tree is")
    must(dashboard.drain() == 0, "drained")
    redis.command("DEL", *names)


def must_place_as_published(stage: Stage, place: Place, plain: Dashboard, books: Books) -> None:
    """No boards are kept of years: only what was published places their units, as it is now."""
    blind = plain.json("tree", YEAR)
    must(not blind["linked"] and not any("parent" in row for row in blind["teams"]), f"{blind}")
    dashboard = Dashboard(place, stage.logs, 4, **{"dashboard.kafka": "yes"}).start().ready()

    def tree_with(team: str, city: str) -> dict | None:
        tree = dashboard.json("tree", YEAR)
        rows = {row["id"]: row.get("parent") for row in tree["teams"]}
        return tree if tree["complete"] and rows.get(team) == city else None

    team, city = next((one["team_id"], one["city_id"]) for one in books.people.values())
    must_place_units(until(lambda: tree_with(team, city), "the tree of the year"), books, YEAR)
    payee = min(payee for payee, month in books.expected.pay if month == MONTH)
    line = plain.json("pay", payee, MONTH)["lines"][0]["commission_id"]
    plan = dashboard.json("commissions", line)["plan"]
    must(plan == {"valid_from": None, "valid_to": None}, f"the plan of {line}: {plan}")
    must(plain.json("commissions", line)["plan"] is None, "a plan out of nowhere")
    other = next(one["city_id"] for one in books.people.values() if one["city_id"] != city)
    file = stage.folder / "moved.json"
    file.write_text(json.dumps([{"kind": "team", "unit_id": team, "parent_id": other}]))
    tallyctl(place, "publish", str(file))
    until(lambda: tree_with(team, other), "the team that moved")
    offsets.delete_topics(place.brokers, [place.topic("reference")])
    until(lambda: "event=reference_unwatched" in dashboard.log.read_text(), "words in the log")
    must(tree_with(team, other), "what was read before is forgotten")
    must(dashboard.json("shards")["kafka"]["fresh"], "lag is unknown without the reference")
    tallyctl(place, "topics", "create", "--partitions", "8")
    tallyctl(place, "publish", str(stage.folder / "reference.json"))
    until(lambda: tree_with(team, city), "what was published anew")
    must(dashboard.log.read_text().count("event=reference_unwatched") == 1, "said once")
    must(dashboard.drain() == 0, "drained")


def must_show_shards(dashboard: Dashboard, redis: Redis, prefix: str) -> None:
    found = {one["worker"]: one for one in dashboard.json("shards")["workers"]}
    must(set(found) == {"orders", "commissions", "scoreboard"}, f"{set(found)}")
    for one in found.values():
        must(len(one["shards"]) == 8, f"{one}")
        for shard in one["shards"]:
            meta = f"{prefix}meta:{one['topic']}:{shard['partition']}"
            must(str(shard["cursor"]) == redis.command("HGET", meta, "cursor") and
                 shard["state"] in ("owned", "released") and shard["owner"], f"{shard}")


# ---- the protocol ----


def must_speak_http(dashboard: Dashboard) -> None:
    for path, kind in (("/", "text/html"), ("/app.js", "text/javascript"),
                       ("/style.css", "text/css"), ("/contract", "text/html"),
                       ("/contract/asyncapi.yaml", "application/yaml"),
                       ("/contract/common.schema.json", "application/schema+json"),
                       (f"/api/v1/days/company/all/{MONTH}", "json")):
        status, headers, body = dashboard.get(path)
        must(status == 200 and kind in headers["content-type"] and body, f"{path}: {status}")
        must("default-src 'none'" in headers["content-security-policy"] and
             headers["x-content-type-options"] == "nosniff" and
             "access-control-allow-origin" not in headers, f"{path}: {headers}")
        again, same, nothing = dashboard.get(path, If_None_Match=f'"x", {headers["etag"]}')
        must((again, nothing, same["etag"]) == (304, b"", headers["etag"]), f"{path}: {again}")
        must(dashboard.get(path, If_None_Match='"x"')[0] == 200, f"{path}: another tag")
        status, head, nothing = dashboard.get(path, "HEAD")
        must((status, nothing, head["content-length"]) == (200, b"", str(len(body))), f"{path}")
    page = dashboard.get("/")[2].decode() + dashboard.get("/app.js")[2].decode()
    for name in re.findall(r'(?:src|href)="([a-z]+\.\w+)"', page) + re.findall(
            r'from "\./(\w+\.js)"', page):
        must(dashboard.get("/" + name)[0] == 200, f"the page wants {name}")
    must("/api/v1/orders/{id}" in dashboard.json()["paths"], "the index names the paths")


def must_serve_the_contract(dashboard: Dashboard) -> None:
    """The page's links lead to files that are those of schemas/, byte for byte."""
    page = dashboard.get("/contract")[2].decode()
    links = set(re.findall(r'href="([^"#]+)"', page))
    files = {link.removeprefix("contract/") for link in links if link.startswith("contract/")}
    must(files == {"asyncapi.yaml"} | {str(path.relative_to(SCHEMAS)) for path in
                                       SCHEMAS.rglob("*.schema.json")}, f"{files}")
    for name in sorted(files):
        status, headers, body = dashboard.get(f"/contract/{name}")
        must(status == 200 and headers["etag"] and body == (SCHEMAS / name).read_bytes(),
             f"{name}: {status}")
    for link in links:
        if not link.startswith(("https:", "data:")):
            must(dashboard.get("/" + link.removeprefix("./"))[0] == 200, f"{link} leads nowhere")


def must_refuse(dashboard: Dashboard) -> None:
    api = "/api/v1"
    for path in ("/nothing", "/api/v2", f"{api}/figures", f"{api}/figures/team/no-such/{MONTH}",
                 f"{api}/figures/company/all/2031-01", f"{api}/orders/no-such",
                 f"{api}/commissions/no-such", f"{api}/pay/no-such/{MONTH}",
                 f"{api}/boards/collected/team/no-such/{MONTH}", f"{api}/tree/2026/x",
                 f"{api}/members/team/no-such/{MONTH}", f"{api}/days/company/all/2031-01",
                 "/../etc/passwd", "/page.h", "/contract/", "/contract/released.json"):
        dashboard.problem(path, 404)
    for path in (f"{api}/figures/team/T1/2026-13", f"{api}/figures/planet/x/{MONTH}",
                 f"{api}/figures/team/%ff/{MONTH}", f"{api}/orders/%00", f"{api}/live?x=1",
                 f"{api}/pay/P0001/{MONTH}?count=999999999999999999999",
                 f"{api}/orders/{'x' * 129}"):
        dashboard.problem(path, 400)
    dashboard.problem(f"{api}/refusals", 403)
    dashboard.problem(f"{api}/refusals/orders/bad_money", 403)
    dashboard.problem(f"{api}/refusals/orders/no-such", 400)
    dashboard.problem(f"{api}/refusals/planet/bad_money", 404)
    dashboard.problem("/", 405, "POST")
    dashboard.problem("/", 405, "OPTIONS", Origin="http://evil.example")
    dashboard.problem(f"{api}/live", 421, Host="evil.example")
    dashboard.problem("/" + "x" * 9000, 414)
    dashboard.problem("/", 431, X="x" * 9000)
    with socket.create_connection(("127.0.0.1", dashboard.port), WAIT_S) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00 no http\r\n\r\n")
        must(b" 400 Bad Request" in raw.recv(4096), "no HTTP is a bad request")


def metric(dashboard: Dashboard, name: str) -> float:
    status, headers, body = dashboard.get("/metrics")
    must(status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4"),
         f"/metrics: {status} {headers}")
    found = [line.rsplit(" ", 1)[1] for line in body.decode().splitlines()
             if line.startswith(name)]
    must(len(found) == 1, f"{name} is there {len(found)} times")
    return float(found[0])


def must_measure(dashboard: Dashboard) -> None:
    """/metrics counts what was answered, and asks for no token."""
    refused = 'tallyworks_http_answers_total{worker="dashboard",code="4xx"}'
    streams = 'tallyworks_http_streams{worker="dashboard"}'
    before = metric(dashboard, refused)
    dashboard.problem("/nothing", 404)
    must(metric(dashboard, refused) == before + 1, "a refusal was not counted")
    must(metric(dashboard, 'tallyworks_link_state{worker="dashboard",link="redis"}') == 1, "Redis")
    must_become(dashboard, streams, 0)  # those that were closed a moment ago
    stream = Stream(dashboard)
    stream.event("live")
    must_become(dashboard, streams, 1)
    stream.close()


def must_become(dashboard: Dashboard, name: str, value: float) -> None:
    deadline = time.monotonic() + WAIT_S
    while (now := metric(dashboard, name)) != value:
        must(time.monotonic() < deadline, f"{name} stays {now}, not {value}")
        time.sleep(0.05)


def must_stream(dashboard: Dashboard, redis: Redis, prefix: str, books: Books) -> None:
    stream = Stream(dashboard)
    first = stream.event("live")
    live = json.loads(first["data"])
    day = max(key.rsplit(":", 1)[1] for key in books.expected.sales
              if key.startswith("sales:company:all:") and len(key.rsplit(":", 1)[1]) == 10)
    must(live["day"]["period"] == day and live["month"]["period"] == day[:7], f"{live}")
    must(nonzero(live["day"]["figures"]) == books.sales("company", "all", day), f"{live}")
    must(nonzero(live["month"]["figures"]) == books.sales("company", "all", day[:7]), f"{live}")
    must(live == dashboard.json("live"), "stream and polling say the same")
    # Who has that state already hears nothing but the heartbeat, until something changes.
    again = Stream(dashboard, Last_Event_ID=first["id"])
    must(again.block() == {"retry": "2000"} and again.block() == {"": "still here"},
         "an event that was known")
    redis.command("HINCRBY", f"{prefix}sales:company:all:{day}", "collected", 1)
    for one in (stream, again):
        event = one.event("live")
        must(event["id"] != first["id"] and json.loads(event["data"])["day"]["figures"]["collected"]
             == live["day"]["figures"]["collected"] + 1, f"{event}")
    redis.command("HINCRBY", f"{prefix}sales:company:all:{day}", "collected", -1)
    must(stream.event("live")["id"] == first["id"], "the same state has the same id")
    # Who comes back with an old id gets the state of now.
    back = Stream(dashboard, Last_Event_ID="0000000000000000")
    must(back.event("live")["id"] == first["id"], "an old id")
    for one in (stream, again, back):
        one.close()


def must_live_on_days_that_came(dashboard: Dashboard, redis: Redis, prefix: str,
                                books: Books) -> None:
    """An event that changes no figure, days later: the latest day is the one with figures."""
    days = sorted(key.rsplit(":", 1)[1] for key in books.expected.sales
                  if re.fullmatch(r"sales:company:all:\d{4}-\d\d-\d\d", key))

    def live_at(instant: str) -> tuple[str | None, str | None]:
        time.sleep(0.6)  # an answer is told again for half a second
        at_ms = int(datetime.fromisoformat(instant + "+00:00").timestamp() * 1000)
        redis.command("HSET", f"{prefix}asof:orders", "99", json.dumps({"watermark": at_ms}))
        live = dashboard.json("live")
        for what in ("day", "month"):
            if live[what] and (kept or what == "month"):
                must(nonzero(live[what]["figures"]) ==
                     books.sales("company", "all", live[what]["period"]), f"{live}")
        return tuple(live[what] and live[what]["period"] for what in ("day", "month"))

    kept = True
    must(days[-1] == "2026-03-31", f"{days[-1]}")
    must(live_at("2026-04-06T08:00:00") == ("2026-03-31", "2026-03"), "a Monday's first event")
    must(live_at("2026-06-01T08:00:00") == (None, None), "nothing for two months")
    kept = False  # a company that keeps no days
    for day in days:
        redis.command("RENAME", f"{prefix}sales:company:all:{day}", f"{prefix}hidden:{day}")
    must(live_at("2026-03-31T20:00:00") == ("2026-03-31", "2026-03"), "no day after")
    must(live_at("2026-04-20T08:00:00") == ("2026-03-31", "2026-03"), "the month before")
    redis.command("HSET", f"{prefix}sales:company:all:2026-04", "orders", 0)
    must(live_at("2026-03-31T20:00:00") == ("2026-04-01", "2026-04"), "east of Greenwich")
    redis.command("DEL", f"{prefix}sales:company:all:2026-04")
    for day in days:
        redis.command("RENAME", f"{prefix}hidden:{day}", f"{prefix}sales:company:all:{day}")
    redis.command("HDEL", f"{prefix}asof:orders", "99")
    time.sleep(0.6)


def must_ask_for_the_token(stage: Stage, place: Place) -> None:
    file = stage.folder / "token"
    file.write_text(TOKEN + "\n")
    dashboard = Dashboard(place, stage.logs, 2, **{"http.token.file": str(file)})
    dashboard.settings["http.address"] = f"0.0.0.0:{dashboard.port}"
    dashboard.start().ready()
    try:
        for headers in ({}, {"Authorization": "Bearer wrong-wrong-wrong"},
                        {"Authorization": f"Basic {TOKEN}"}):
            found = dashboard.problem("/api/v1/live", 401, **headers)
            must(TOKEN not in json.dumps(found), f"{found}")
        dashboard.problem("/api/v1/stream", 401)
        for path in ("/", "/app.js", "/contract", "/contract/asyncapi.yaml", "/livez", "/readyz",
                     "/metrics"):
            must(dashboard.get(path)[0] == 200, f"{path} needs no token")
        good = {"Authorization": f"Bearer {TOKEN}"}
        must(dashboard.get("/api/v1/live", **good)[0] == 200, "the token is right")
        must(dashboard.get("/api/v1/live", Host="tally.example", **good)[0] == 200, "any name")
        Stream(dashboard, **good).close()
    finally:
        must(dashboard.drain() == 0, "drained")
    must(TOKEN not in dashboard.log.read_text(), "the token is in the log")


def must_not_start(stage: Stage, place: Place) -> None:
    short = stage.folder / "short"
    short.write_text("hush-hush\n")
    for words, said in ((("http.address=0.0.0.0:9999", ), "http.token.file"),
                        (("http.address=[::]:9999", ), "http.token.file"),
                        (("http.address=off", ), "off"),
                        ((f"http.token.file={short}", ), "16 characters"),
                        (("http.token.file=/no/such", ), "cannot be read")):
        settings = [part for word in words for part in ("--set", word)]
        done = subprocess.run([program("tally-dashboard"), *settings], text=True, timeout=WAIT_S,
                              capture_output=True, env=place.environment())
        must(done.returncode == EX_CONFIG and said in done.stderr,
             f"{words}: {done.returncode} {done.stderr}")
        must("hush-hush" not in done.stderr, f"{done.stderr}")
    done = subprocess.run([program("tally-dashboard"), "--no-such"], text=True,
                          capture_output=True, timeout=WAIT_S)
    must(done.returncode == EX_USAGE, f"{done.returncode}")


def must_live_without_redis(stage: Stage, dashboard: Dashboard) -> None:
    assert stage.redis
    stream = Stream(dashboard)
    known = stream.event("live")["id"]
    tag = dashboard.get("/api/v1/live")[1]["etag"]
    stage.redis.kill()
    away = json.loads(stream.event("away")["data"])
    must(away["status"] == 503 and away["since"], f"{away}")
    found = dashboard.problem(f"/api/v1/days/company/all/{MONTH}", 503)
    must(found["since"] == away["since"], f"{found} and {away}: since when?")
    must(not re.search(r"127\.0\.0\.1|refused|errno", json.dumps(found)), f"leaks: {found}")
    must(dashboard.get("/livez")[0] == 200 and dashboard.get("/readyz")[0] == 503, "health")
    must(metric(dashboard, 'tallyworks_link_state{worker="dashboard",link="redis"}') == 0, "Redis")
    must(dashboard.get("/")[0] == 200, "the page itself needs no Redis")
    stage.redis.start()
    must(stream.event("live")["id"] == known, "the figures are as they were")
    dashboard.ready("/readyz")
    must(dashboard.get("/api/v1/live", If_None_Match=tag)[0] == 304, "nothing has changed")
    # One that hangs: no answer takes long, and liveness is not in question.
    assert stage.redis
    hung = stage.redis.pid
    subprocess.run(["kill", "-STOP", str(hung)], check=True)
    try:
        started = time.monotonic()
        dashboard.problem(f"/api/v1/days/company/all/{MONTH}", 503)
        must(time.monotonic() - started < 4, "waited for a Redis that hangs")
        must(dashboard.get("/livez")[0] == 200, "alive beside a Redis that hangs")
    finally:
        subprocess.run(["kill", "-CONT", str(hung)], check=True)
    dashboard.ready("/readyz")
    stream.close()


def must_end(dashboard: Dashboard) -> None:
    stream = Stream(dashboard)
    stream.event("live")
    started = time.monotonic()
    dashboard.signal(signal.SIGTERM)
    try:
        while True:
            stream.block()
    except RuntimeError:
        pass
    must(dashboard.wait(WAIT_S) == 0 and time.monotonic() - started < 5, "SIGTERM ends it")
    log = dashboard.log.read_text()
    must("event=draining" in log and "event=ended" in log, log[-500:])


def must_only_read(place: Place, redis: Redis, stage: Stage) -> None:
    """A login that may not write is enough, and an empty Redis stays empty."""
    redis.command("ACL", "SETUSER", "reader", "on", ">secret", "%R~*", "-@all",
                  "+@connection", "+@read")
    dashboard = Dashboard(place, stage.logs, 3, **{"redis.username": "reader",
                                                   "redis.password": "secret",
                                                   "dashboard.kafka": "yes"})
    dashboard.start().ready("/readyz")
    dashboard.json("days", "company", "all", MONTH)
    dashboard.json("tree", MONTH)
    deadline = time.monotonic() + WAIT_S
    while not (answer := dashboard.json("shards"))["kafka"]["fresh"]:
        must(time.monotonic() < deadline, f"Kafka is not asked: {answer['kafka']}")
        time.sleep(0.1)
    for worker in answer["workers"]:
        for shard in worker["shards"]:  # the workers have ended
            must((shard["lag"], shard["member"]) == (0, None), f"{worker['worker']}: {shard}")
    must(all((one["lag"], one["unowned"]) == (0, 8) for one in answer["asof"].values()),
         f"{answer['asof']}")
    must(dashboard.drain() == 0, "drained")


def fold(stage: Stage, ladder: ladders.Ladder) -> Place:
    place = stage.place()
    records = reference.records(ladder.people)
    records[0]["boards"] = BOARDS
    file = stage.folder / "reference.json"
    file.write_text(json.dumps(records))
    tallyctl(place, "topics", "create", "--partitions", "8", "--reference", str(file))
    ladders.job.produce(place, ladder.events_file)
    with Fleet(place, stage.logs) as fleet:
        fleet.settle()
    return place


def test() -> None:
    seed()
    ladder = ladders.Ladder(EVENTS)
    books = Books(ladder)
    with Stage("dashboard", own_redis=True) as stage:
        place = fold(stage, ladder)
        stage.say(f"{EVENTS} events are folded")
        dashboard = Dashboard(place, stage.logs).start().ready()
        while not dashboard.json("tree", MONTH)["complete"]:
            time.sleep(0.05)
        with Redis(place.redis_url) as redis:
            must_have_figures(dashboard, books)
            must_list_scopes(dashboard, books)
            must_know_the_tree(dashboard, books)
            must_explain(dashboard, books)
            must_tell_orders(dashboard, books)
            must_show_shards(dashboard, redis, place.redis_prefix)
            must_rank(dashboard, books, redis, place.redis_prefix)
            stage.say("every view has the oracle's figures")
            must_speak_http(dashboard)
            must_serve_the_contract(dashboard)
            must_refuse(dashboard)
            must_measure(dashboard)
            must_stream(dashboard, redis, place.redis_prefix, books)
            must_live_on_days_that_came(dashboard, redis, place.redis_prefix, books)
            must_not_explain_what_it_has_not_read(dashboard, redis, place.redis_prefix)
            must_only_read(place, redis, stage)
        must_place_as_published(stage, place, dashboard, books)
        with Redis(place.redis_url) as redis:
            must_say_what_is_cut(stage, place, redis, place.redis_prefix)
        must_not_explain_what_waited(stage)
        must_ask_for_the_token(stage, place)
        must_not_start(stage, place)
        stage.say("HTTP, streams, tokens and refusals are as documented")
        must_live_without_redis(stage, dashboard)
        must_end(dashboard)
        stage.say("Redis killed, hung and back; ended in order")


if __name__ == "__main__":
    main(test)
