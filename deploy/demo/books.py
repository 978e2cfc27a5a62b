# SPDX-License-Identifier: Apache-2.0
"""What `tallyctl gen` says must come of its events, and whether it did: every figure, score, order,
commission and refusal, from FILE.expected.tsv against Redis and the topics.
"""
from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Iterable

from rig import Place, kafka
from rig.redis import Redis

INSTANTS = "_at"  # when a ranked figure last changed: not in the books
Values = dict[str, dict[str, int]]


class Books:
    """expected.tsv, read."""

    def __init__(self, events: Path) -> None:
        self.figures: Values = defaultdict(dict)  # key -> field -> value
        self.scores: Values = defaultdict(dict)   # key -> member -> score
        self.orders: dict[str, tuple[str, int, int, int]] = {}
        self.commissions: Counter = Counter()
        self.refused: Counter = Counter()         # (reason, value)
        self.repeated = 0
        values = [line.split(b"\t", 1)[1] for line in events.read_bytes().split(b"\n")[:-1]]
        self.count = len(values)
        with open(f"{events}.expected.tsv", encoding="utf-8") as lines:
            for line in lines:
                self.take(line.rstrip("\n").split("\t"), values)

    def take(self, fields: list[str], values: list[bytes]) -> None:
        kind, *rest = fields
        if kind in ("figure", "score"):
            (self.figures if kind == "figure" else self.scores)[rest[0]][rest[1]] = int(rest[2])
        elif kind == "order":
            self.orders[rest[0]] = (rest[1], int(rest[2]), int(rest[3]), int(rest[4]))
        elif kind == "commission":
            self.commissions[tuple(rest[:4]) + tuple(map(int, rest[4:]))] += 1
        elif kind == "refused":
            self.refused[rest[1], values[int(rest[0]) - 1]] += 1
        elif kind == "repeated":
            self.repeated = int(rest[0])
        else:
            raise RuntimeError(f"expected.tsv: what is {kind}?")


class Comparison:
    """Takes what is there, and keeps what is not as the books say."""

    def __init__(self, place: Place, books: Books) -> None:
        self.place, self.books = place, books
        self.compared: Counter = Counter()
        self.differences: list[str] = []
        self.events: dict[str, dict] = {}  # commission id -> data
        self.reasons: Counter = Counter()

    def expect(self, kind: str, what: object, found: object, wanted: object) -> None:
        self.compared[kind] += 1
        if found != wanted:
            self.differences.append(f"{kind} {what}: {found}, the books say {wanted}")

    def same(self, kind: str, found: Counter, wanted: Counter) -> None:
        for item in found.keys() | wanted.keys():
            self.expect(kind, item, found[item], wanted[item])

    def all(self) -> "Comparison":
        self.compare_commissions()
        self.compare_refusals()
        with Redis(self.place.redis_url) as redis:
            self.compare_orders(redis)
            self.compare_values(redis, "figures", ("sales:", "pay:"), self.books.figures)
            self.compare_values(redis, "scores", ("board:",), self.books.scores)
        return self

    def compare_commissions(self) -> None:
        found: Counter = Counter()
        for record in kafka.read(self.place.brokers, self.place.topic("commissions")):
            event = json.loads(record.value or b"{}")
            data = event["data"]
            self.events[event["id"]] = data
            found[event["type"].removeprefix("commission."), data["order_id"], data["payee_id"],
                  data["source_event_id"], data["basis"], data["rate_ppm"], data["amount"],
                  data["plan_version"]] += 1
        self.same("commissions", found, self.books.commissions)

    def compare_refusals(self) -> None:
        found: Counter = Counter()
        for record in kafka.read(self.place.brokers, self.place.topic("orders.dlq")):
            reason = record.header("tw-reason") or "without reason"
            found[reason, record.value] += 1
            self.reasons[reason] += 1
        self.same("refusals", found, self.books.refused)

    def keys(self, redis: Redis, prefixes: Iterable[str], wanted: Iterable[str]) -> list[str]:
        """Those that are there and those that should be, without prefix."""
        cut = len(self.place.redis_prefix)
        there = {key[cut:] for prefix in prefixes
                 for key in redis.keys(f"{self.place.redis_prefix}{prefix}*")}
        return sorted(there | set(wanted))

    def compare_orders(self, redis: Redis) -> None:
        ids = [key.removeprefix("order:") for key in self.keys(
            redis, ["order:"], (f"order:{order_id}" for order_id in self.books.orders))]
        texts = redis.many(("GET", f"{self.place.redis_prefix}order:{order_id}")
                           for order_id in ids)
        for order_id, text in zip(ids, texts):
            order = json.loads(text or "{}")
            found = tuple(order.get(name) for name in ("status", "amount", "collected", "refunded"))
            self.expect("orders", order_id, found, self.books.orders.get(order_id))

    def compare_values(self, redis: Redis, kind: str, prefixes: tuple[str, ...],
                       wanted: Values) -> None:
        read = ("HGETALL",) if kind == "figures" else ("ZRANGE", 0, -1, "WITHSCORES")
        keys = self.keys(redis, prefixes, wanted)
        answers = redis.many((read[0], f"{self.place.redis_prefix}{key}", *read[1:])
                             for key in keys)
        for key, flat in zip(keys, answers):
            there = {name: int(value) for name, value in zip(flat[::2], flat[1::2])
                     if not name.endswith(INSTANTS)}
            should = wanted.get(key, {})
            for name in there.keys() | should.keys():
                self.expect(kind, f"{key} {name}", there.get(name, 0), should.get(name, 0))
