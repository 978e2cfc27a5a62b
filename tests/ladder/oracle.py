#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the ladder job must come to, worked out again the slow and plain way.

Reads the events in file order and keeps nothing but what an accountant would: for each order its
splits and its net, for each scope and period its sums. It shares no line with the workers and
knows nothing of batches, shards or retries, so agreement means something.

    expected = compute(people, [path, ...])
    expected.commissions   Counter of (type, order_id, payee_id, source_event_id, basis, rate_ppm,
                           amount)
    expected.dead          Counter of the raw values that must be in orders.dlq
    expected.sales         {"sales:<kind>:<id>:<period>": {field: integer}}
    expected.pay           {(payee_id, month): {"accrued": n, "clawed_back": n}}, magnitudes
    expected.orders        {order_id: (amount, collected, refunded)}
    expected.times         {event id of a payment or refund: its time}
    expected.events        lines read

usage: oracle.py PEOPLE.json EVENTS.tsv [...] [--out FILE]   prints a summary and the digest
"""
from __future__ import annotations

import argparse
import gc
import hashlib
import json
import sys
from collections import Counter, defaultdict
from typing import Iterable, Iterator

RATE_PPM = {1: 20000, 2: 30000, 3: 40000}  # by level
MILLION = 1000000

Commission = tuple[str, str, str, str, int, int, int]


def share_out(total: int, weights: list[int]) -> list[int]:
    """Largest remainder: whole parts first, then one each to the largest rests, earlier first."""
    if len(weights) == 1:
        return [total]
    whole = sum(weights)
    parts, rests = [], []
    for place, weight in enumerate(weights):
        part, rest = divmod(total * weight, whole)
        parts.append(part)
        rests.append((-rest, place))
    for _, place in sorted(rests)[:total - sum(parts)]:
        parts[place] += 1
    return parts


def commission_on(net: int, rate_ppm: int) -> int:
    """net x rate, to the even neighbour when exactly between two."""
    whole, rest = divmod(net * rate_ppm, MILLION)
    if rest * 2 > MILLION or (rest * 2 == MILLION and whole % 2 == 1):
        whole += 1
    return whole


class Order:
    __slots__ = ("amount", "collected", "refunded", "wide", "sellers", "weights")

    def __init__(self, data: dict, people: dict[str, dict]) -> None:
        self.amount: int = data["amount"]
        self.collected = 0
        self.refunded = 0
        # Scopes that take the whole of every amount.
        self.wide = [("company", "all"), ("channel", data["channel_id"]),
                     ("project", data["project_id"])]
        self.weights = [split["weight"] for split in data["splits"]]
        self.sellers = []
        for split in data["splits"]:
            payee = split["payee_id"]
            person = people[payee]
            units = [(kind, person[kind + "_id"]) for kind in ("team", "city", "region")]
            self.sellers.append((payee, RATE_PPM[person["level"]], units))

    def shares(self) -> list[int]:
        return share_out(self.collected - self.refunded, self.weights)


class Expected:
    def __init__(self) -> None:
        self.commissions: Counter = Counter()
        self.dead: Counter = Counter()
        self.reasons: dict[str, str] = {}  # of dead letters by value; otherwise not_json
        self.by_day: dict[tuple[str, str, str], dict[str, int]] = {}
        self.pay: dict[tuple[str, str], dict[str, int]] = {}
        self.orders: dict[str, tuple[int, int, int]] = {}
        self.times: dict[str, str] = {}
        self.sales: dict[str, dict[str, int]] = {}
        self.events = 0

    def add(self, scope: tuple[str, str], day: str, **amounts: int) -> None:
        key = scope + (day,)
        sums = self.by_day.get(key)
        if sums is None:
            self.by_day[key] = amounts
            return
        for field, amount in amounts.items():
            sums[field] = sums.get(field, 0) + amount

    def settle(self) -> None:
        """Days into months and years: every period's sum is its days' sum."""
        sales: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for (kind, name, day), sums in self.by_day.items():
            for period in (day, day[:7], day[:4]):
                into = sales["sales:%s:%s:%s" % (kind, name, period)]
                for field, amount in sums.items():
                    into[field] += amount
        self.sales = {key: dict(sums) for key, sums in sales.items()}
        self.by_day.clear()

    def canonical(self) -> Iterator[str]:
        """The result as sorted lines of text; what is zero counts as absent."""
        for commission, times in sorted(self.commissions.items()):
            yield "commission %s %d" % (" ".join(map(str, commission)), times)
        for raw, times in sorted(self.dead.items()):
            yield "dead %s %d" % (raw, times)
        for key, sums in sorted(self.sales.items()):
            figures = " ".join("%s=%d" % pair for pair in sorted(sums.items()) if pair[1])
            if figures:
                yield "%s %s" % (key, figures)

    def digest(self) -> str:
        sha = hashlib.sha256()
        for line in self.canonical():
            sha.update(line.encode() + b"\n")
        return sha.hexdigest()


def place_order(expected: Expected, order: Order, data: dict, day: str) -> None:
    for scope in order.wide:
        expected.add(scope, day, orders=1, order_amount=order.amount)
    seen = set()
    for (payee, _, units), share in zip(order.sellers, share_out(order.amount, order.weights)):
        expected.add(("payee", payee), day, orders=1, order_amount=share)
        for unit in units:
            expected.add(unit, day, orders=int(unit not in seen), order_amount=share)
            seen.add(unit)
    for line in data["lines"]:
        expected.add(("product", line["product_id"]), day, quantity=line["quantity"],
                     order_amount=line["quantity"] * line["unit_price"])


def move_money(expected: Expected, order: Order, event: dict, day: str) -> None:
    data = event["data"]
    refund = event["type"] == "payment.refunded"
    field, word = ("refunded", "clawed_back") if refund else ("collected", "accrued")
    before = order.shares()
    expected.times[event["id"]] = event["time"]
    if refund:
        order.refunded += data["amount"]
    else:
        order.collected += data["amount"]
    paid_out = 0
    for (payee, rate_ppm, units), old, new in zip(order.sellers, before, order.shares()):
        amount = commission_on(new, rate_ppm) - commission_on(old, rate_ppm)
        paid_out += amount
        expected.commissions["commission." + word, data["order_id"], payee, event["id"], new - old,
                             rate_ppm, amount] += 1
        month = expected.pay.setdefault((payee, day[:7]), {"accrued": 0, "clawed_back": 0})
        month[word] += -amount if refund else amount
        moved = {field: old - new if refund else new - old, "commission": amount}
        expected.add(("payee", payee), day, **moved)
        for unit in units:
            expected.add(unit, day, **moved)
    for scope in order.wide:
        expected.add(scope, day, **{field: data["amount"], "commission": paid_out})


def compute_lines(people: dict[str, dict], lines: Iterable[str]) -> Expected:
    expected = Expected()
    orders: dict[str, Order] = {}
    seen = set()
    for line in lines:
        expected.events += 1
        raw = line.rstrip("\n").split("\t", 1)[1]
        try:
            event = json.loads(raw)
        except ValueError:
            expected.dead[raw] += 1
            continue
        data, day = event["data"], event["time"][:10]
        identity = (data["order_id"], event["id"])
        if identity in seen:
            continue
        seen.add(identity)
        if event["type"] == "order.created":
            order = orders[data["order_id"]] = Order(data, people)
            place_order(expected, order, data, day)
        else:
            move_money(expected, orders[data["order_id"]], event, day)
    expected.orders = {key: (order.amount, order.collected, order.refunded)
                       for key, order in orders.items()}
    expected.settle()
    return expected


def read_lines(paths: Iterable[str], limit: int = 0) -> Iterator[str]:
    count = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if limit and count == limit:
                    return
                count += 1
                yield line


def compute(people: dict[str, dict], paths: Iterable[str], limit: int = 0) -> Expected:
    """The whole of the files, or their first `limit` lines."""
    gc.disable()  # nothing here is cyclic, and its passes would take a third of the time
    try:
        return compute_lines(people, read_lines(paths, limit))
    finally:
        gc.enable()


def main() -> int:
    parser = argparse.ArgumentParser(description="Works out what the ladder job must come to.")
    parser.add_argument("people", metavar="PEOPLE.json")
    parser.add_argument("events", metavar="EVENTS.tsv", nargs="+")
    parser.add_argument("--out", metavar="FILE", help="write the canonical lines there")
    options = parser.parse_args()
    with open(options.people, encoding="utf-8") as file:
        people = json.load(file)
    expected = compute(people, options.events)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in expected.canonical())
    print("events %d, commissions %d, dead %d, sales keys %d, digest %s" % (
        expected.events, sum(expected.commissions.values()), sum(expected.dead.values()),
        len(expected.sales), expected.digest()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
