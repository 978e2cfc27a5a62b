# SPDX-License-Identifier: Apache-2.0
"""Streams of another shape than the ladder's, made from its events, with what they must come to."""
from __future__ import annotations

import itertools
import json
from typing import Callable, Iterable, Iterator

import ladder as ladders
import oracle
from lane import PARTITIONS
from rig import kafka

HOT_PAYEE = "P0001"
HOT_ORDER = "HOT-1"
HOT_PAYMENTS = 400    # of one order, below what an order may have; then they repeat
LOPSIDED = 100        # one shard has so many times the events of another
LOPSIDED_SEED = 3


class Shape:
    """What a Ladder is to those who send and compare: a file, the people, the outcome."""

    def __init__(self, name: str, count: int, made: Callable[[list[str]], Iterable[str]],
                 taken: int = 1) -> None:
        base = ladders.Ladder(count * taken, LOPSIDED_SEED if taken > 1 else 1)
        self.people, self.events_file = base.people, base.folder / f"{name}.tsv"
        lines = base.events_file.read_text().splitlines(keepends=True)
        made_lines = list(itertools.islice(made(lines), count))
        self.count = len(made_lines)
        self.events_file.write_text("".join(made_lines))

    def lines(self) -> list[str]:
        return self.events_file.read_text().splitlines(keepends=True)

    def expected(self) -> oracle.Expected:
        return oracle.compute_lines(self.people, self.lines())


def as_it_is(lines: list[str]) -> Iterable[str]:
    return lines


def envelope(kind: str, number: int, data: dict) -> str:
    event = {"specversion": "1.0", "id": f"hot-{number}", "source": "/erp/hot", "type": kind,
             "subject": HOT_ORDER, "time": "2026-02-03T04:05:06.000Z",
             "data": {"order_id": HOT_ORDER, "currency": "CNY", **data}}
    return f"{HOT_ORDER}\t{json.dumps(event)}\n"


def one_order(lines: list[str]) -> Iterator[str]:
    """Every second event is one order's: its payments, again and again."""
    yield envelope("order.created", 0, {
        "channel_id": "CH1", "project_id": "PJ01", "amount": HOT_PAYMENTS * 1000,
        "splits": [{"payee_id": HOT_PAYEE, "weight": 1}],
        "lines": [{"product_id": "SKU001", "quantity": HOT_PAYMENTS, "unit_price": 1000}]})
    numbers = itertools.cycle(range(1, HOT_PAYMENTS + 1))
    for line, number in zip(lines, numbers):
        yield envelope("payment.collected", number,
                       {"payment_id": f"{HOT_ORDER}-p{number}", "amount": 1000})
        yield line


def one_payee(lines: list[str]) -> Iterator[str]:
    """Half of all orders are one person's."""
    for line in lines:
        key, value = line.rstrip("\n").split("\t", 1)
        try:
            event = json.loads(value)
        except ValueError:
            yield line
            continue
        if event["type"] == "order.created" and int(key.rsplit("-", 1)[1]) % 2:
            event["data"]["splits"] = [{"payee_id": HOT_PAYEE, "weight": 1}]
        yield f"{key}\t{json.dumps(event, separators=(',', ':'))}\n"


def one_shard(lines: list[str]) -> Iterator[str]:
    """Of the other shards only one order in a hundred is left."""
    for line in lines:
        key = line.split("\t", 1)[0]
        hot = kafka.partition_of(key, PARTITIONS) == 0
        if hot or int(key.rsplit("-", 1)[1]) % LOPSIDED == 0:
            yield line


POISON = envelope("order.created", 9999, {
    "channel_id": "CH1", "project_id": "PJ01", "amount": 1000,
    "splits": [{"payee_id": HOT_PAYEE, "weight": 1}],
    "lines": [{"product_id": "SKU001", "quantity": 1, "unit_price": 1000}]})
