#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the ladder job's input: people.json and a file of events, one `key<TAB>value` a line.

A pure function of (count, seed): every number comes from one generator in a fixed order of draws,
so two machines get the same bytes (tests/ladder/test_ladder.py holds their digests). The order in
which draws are made is therefore part of the format; a draw moved is another stream.

An order is placed; its instalments fall due some thousand events later, one after the other; three
orders in a hundred get part of one instalment back. About 1 % of all events come a second time,
and one in a thousand is preceded by a cut-off copy of itself. Repeats and cut-off lines count.

usage: generate.py COUNT EVENTS.tsv [--seed 1] [--people people.json]
"""
from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
from typing import Callable, Iterator, NamedTuple

PEOPLE_SEED = 20260101
PEOPLE, TEAMS, CITIES, REGIONS = 2000, 100, 20, 5
LEVELS, LEVEL_ODDS = (1, 2, 3), (5, 3, 2)

DAYS = 90
DAY_MS = 24 * 3600 * 1000
MONTH_DAYS = (("2026-01", 31), ("2026-02", 28), ("2026-03", 31))

SHORTEST_WAIT, LONGEST_WAIT = 20, 6000  # events between an order's events
LONGEST_ECHO = 3000                     # events after which a repeat comes at the latest
TWO_SELLERS, REFUNDED, REPEATED, CUT_OFF = 0.4, 0.03, 0.0101, 0.001

# What happens at a position: (key, value, is it new); it notes what follows from it.
Action = Callable[[], tuple[str, str, bool]]


def around(position: int, size: int) -> int:
    """1-based position on a wheel of that size."""
    return (position - 1) % size + 1


def make_people() -> dict[str, dict[str, object]]:
    """Who sells: payee_id -> team, city, region, level. The same for every seed."""
    draw = random.Random(PEOPLE_SEED)
    people: dict[str, dict[str, object]] = {}
    for number in range(1, PEOPLE + 1):
        team = around(number, TEAMS)
        city = around(team, CITIES)
        people["P%04d" % number] = {
            "team_id": "T%03d" % team,
            "city_id": "C%02d" % city,
            "region_id": "R%d" % around(city, REGIONS),
            "level": draw.choices(LEVELS, LEVEL_ODDS)[0],
        }
    return people


class Order(NamedTuple):
    """What later events of an order need to know of it."""
    order_id: str
    instalments: list[int]
    refunded_part: int  # index of the instalment of which some goes back, or -1


class Stream:
    """The events in order, as (key, value); one pass."""

    def __init__(self, count: int, seed: int, payees: list[str]) -> None:
        source = random.Random(seed)
        self.chance: Callable[[], float] = source.random
        self.bits: Callable[[int], int] = source.getrandbits
        self.count, self.seed, self.payees = count, seed, payees
        self.days = ["%s-%02d" % (month, day)
                     for month, length in MONTH_DAYS for day in range(1, length + 1)]
        self.position = 0
        self.placed = 0
        # (due position, number of the appointment, what to do then)
        self.agenda: list[tuple[int, int, Action]] = []
        self.appointments = 0

    def pick(self, low: int, high: int) -> int:
        """One of low..high, both included."""
        return low + int(self.chance() * (high - low + 1))

    def later(self, soonest: int, latest: int, action: Action) -> None:
        self.appointments += 1
        due = self.position + self.pick(soonest, latest)
        heapq.heappush(self.agenda, (due, self.appointments, action))

    def instant(self) -> str:
        """Positions are spread evenly over the 90 days, the last second left out."""
        day, rest = divmod(self.position * (DAYS * DAY_MS - 1000) // self.count, DAY_MS)
        seconds, ms = divmod(rest, 1000)
        minutes, second = divmod(seconds, 60)
        return "%sT%02d:%02d:%02d.%03dZ" % (self.days[day], minutes // 60, minutes % 60, second, ms)

    def envelope(self, kind: str, order_id: str, data: str) -> str:
        event_id = "%032x" % self.bits(128)
        return ('{"specversion":"1.0","id":"' + event_id + '","source":"/erp/orders","type":"'
                + kind + '","subject":"' + order_id + '","time":"' + self.instant()
                + '","data":' + data + "}")

    # The actions.

    def place(self) -> tuple[str, str, bool]:
        pick = self.pick
        self.placed += 1
        order_id = "O%d-%08d" % (self.seed, self.placed)
        amount, lines = 0, []
        for _ in range(pick(1, 4)):
            quantity, price = pick(1, 5), pick(100, 60000)
            amount += quantity * price
            lines.append('{"product_id":"SKU%03d","quantity":%d,"unit_price":%d}'
                         % (pick(1, 500), quantity, price))
        splits = self.sellers()
        data = ('{"order_id":"%s","customer_key":"cust-%06d","channel_id":"CH%d",'
                '"project_id":"PJ%02d","splits":[%s],"lines":[%s],"amount":%d,"currency":"CNY"}'
                % (order_id, pick(1, 400000), pick(1, 5), pick(1, 20), splits, ",".join(lines),
                   amount))
        value = self.envelope("order.created", order_id, data)
        instalments = self.instalments(amount)
        part = pick(0, len(instalments) - 1) if self.chance() < REFUNDED else -1
        self.expect_payment(Order(order_id, instalments, part), 0)
        return order_id, value, True

    def sellers(self) -> str:
        first = self.payees[self.pick(0, PEOPLE - 1)]
        if self.chance() >= TWO_SELLERS:
            return '{"payee_id":"%s","weight":100}' % first
        second = first
        while second == first:
            second = self.payees[self.pick(0, PEOPLE - 1)]
        weight = self.pick(1, 99)
        return ('{"payee_id":"%s","weight":%d},{"payee_id":"%s","weight":%d}'
                % (first, weight, second, 100 - weight))

    def instalments(self, amount: int) -> list[int]:
        luck = self.chance()
        parts: list[int] = []
        for _ in range((luck >= 0.35) + (luck >= 0.75)):
            parts.append(max(1, int((amount - sum(parts)) * (0.2 + 0.5 * self.chance()))))
        parts.append(amount - sum(parts))
        return parts

    def expect_payment(self, order: Order, part: int) -> None:
        if part < len(order.instalments):
            self.later(SHORTEST_WAIT, LONGEST_WAIT, lambda: self.pay(order, part))

    def pay(self, order: Order, part: int) -> tuple[str, str, bool]:
        order_id = order.order_id
        value = self.envelope(
            "payment.collected", order_id,
            '{"order_id":"%s","payment_id":"%s-p%d","amount":%d,"currency":"CNY"}'
            % (order_id, order_id, part + 1, order.instalments[part]))
        if part == order.refunded_part:
            self.later(SHORTEST_WAIT, LONGEST_WAIT, lambda: self.refund(order, part))
        else:
            self.expect_payment(order, part + 1)
        return order_id, value, True

    def refund(self, order: Order, part: int) -> tuple[str, str, bool]:
        order_id = order.order_id
        value = self.envelope(
            "payment.refunded", order_id,
            '{"order_id":"%s","payment_id":"%s-p%d","refund_id":"%s-r1","amount":%d,'
            '"currency":"CNY"}'
            % (order_id, order_id, part + 1, order_id, self.pick(1, order.instalments[part])))
        self.expect_payment(order, part + 1)
        return order_id, value, True

    def due(self) -> Action | None:
        if self.agenda and self.agenda[0][0] <= self.position:
            return heapq.heappop(self.agenda)[2]
        return None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        while self.position < self.count:
            key, value, is_new = (self.due() or self.place)()
            if is_new:
                if self.chance() < REPEATED:
                    self.later(1, LONGEST_ECHO, lambda k=key, v=value: (k, v, False))
                if self.chance() < CUT_OFF and self.position + 1 < self.count:
                    yield key, value[:self.pick(1, len(value) - 1)]
                    self.position += 1
            yield key, value
            self.position += 1


def write_people(path: str) -> dict[str, dict[str, object]]:
    people = make_people()
    with open(path, "w", encoding="ascii") as file:
        json.dump(people, file, separators=(",", ":"))
    return people


def write_events(path: str, count: int, seed: int, people: dict[str, dict[str, object]]) -> None:
    with open(path, "w", encoding="ascii", buffering=1 << 20) as file:
        for key, value in Stream(count, seed, list(people)):
            file.write(key + "\t" + value + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes people.json and the ladder's events.")
    parser.add_argument("count", type=int, metavar="COUNT", help="lines, faulty ones included")
    parser.add_argument("events", metavar="EVENTS.tsv")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--people", default="people.json", metavar="PEOPLE.json")
    options = parser.parse_args()
    write_events(options.events, options.count, options.seed, write_people(options.people))
    return 0


if __name__ == "__main__":
    sys.exit(main())
