#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what the workers left in Redis and Kafka with what the oracle says, to the last unit.

Sales figures, commissions, dead letters, each payee's month and its lines, the orders' documents,
and the numbering of every worker's outputs. Says what differs, a few of each kind in full and the
rest as a count. Exit status 0: all equal; 1: something differs; 2: it could not be checked.

usage: check.py PEOPLE.json EVENTS.tsv --brokers B --redis URL [--limit N]
                [--topic-prefix P] [--redis-prefix P]
"""
from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Iterable

sys.path[:0] = [str(Path(__file__).resolve().parent),
                str(Path(__file__).resolve().parents[1] / "integration")]
import oracle  # noqa: E402
from rig import Place, kafka  # noqa: E402
from rig.redis import Redis, RedisError  # noqa: E402

SHOWN = 5                 # differences of one kind that are shown in full
COMMISSION_KEYS = 50000   # commission:<id> keys that are looked at, evenly chosen
OTHER_PERIODS = re.compile(r":\d{4}-[WQ]\d+$")  # kept by some companies, not by the oracle
INSTANTS = re.compile(r"_at$")  # when a ranked figure last changed; the oracle has no clock
INTEGER = re.compile(r"-?(0|[1-9]\d*)")
LINE_FACTS = ("order_id", "type", "basis", "rate_ppm", "amount", "source_event_id", "time")
OUTPUTS = ("credits", "measures", "commissions", "statements", "alerts", "orders.dlq",
           "credits.dlq", "measures.dlq")


class Report:
    """What was compared and what differs."""

    def __init__(self) -> None:
        self.compared: Counter = Counter()
        self.differences: dict[str, list[str]] = defaultdict(list)
        self.counts: Counter = Counter()

    def differ(self, kind: str, words: str) -> None:
        self.counts[kind] += 1
        if len(self.differences[kind]) < SHOWN:
            self.differences[kind].append(words)

    def expect(self, kind: str, what: str, found: Any, wanted: Any) -> None:
        self.compared[kind] += 1
        if found != wanted:
            self.differ(kind, f"{what}: {found!r}, should be {wanted!r}")

    @property
    def ok(self) -> bool:
        return not self.counts

    def text(self) -> str:
        lines = []
        for kind, words in self.differences.items():
            lines.append(f"{kind}: {self.counts[kind]} differ")
            lines += [f"  {line}" for line in words]
            if self.counts[kind] > len(words):
                lines.append(f"  and {self.counts[kind] - len(words)} more")
        compared = ", ".join(f"{count} {kind}" for kind, count in self.compared.items())
        lines.append(f"{'equal' if self.ok else 'NOT EQUAL'}: compared {compared}")
        return "\n".join(lines)


def json_object(text: str | None) -> dict:
    """{} where there is none: it then differs in every fact."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def integers(report: Report, key: str, fields: dict[str, str]) -> dict[str, int]:
    """A hash of integers, zeros left out; what is not an integer is a difference."""
    found = {}
    for name, text in fields.items():
        if not INTEGER.fullmatch(text):
            report.differ("integers", f"{key} {name}: {text!r}")
        elif int(text) and not INSTANTS.search(name):
            found[name] = int(text)
    return found


def without_zeros(fields: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in fields.items() if value}


def check_sales(report: Report, expected: oracle.Expected, redis: Redis, prefix: str) -> None:
    keys = redis.keys(f"{prefix}sales:*")
    left = {key: sums for key, sums in expected.sales.items() if any(sums.values())}
    for full_key, fields in zip(keys, redis.hashes(keys)):
        key = full_key[len(prefix):]
        if key not in left and OTHER_PERIODS.search(key):
            continue
        wanted = without_zeros(left.pop(key, {}))
        report.expect("sales", key, integers(report, key, fields), wanted)
    for key, sums in left.items():
        report.expect("sales", key, "absent", without_zeros(sums))


class Emitted:
    """The commissions that a reader of the topic sees."""

    def __init__(self) -> None:
        self.facts: Counter = Counter()
        # (payee, month) -> commission id -> what its line must say
        self.lines: dict[tuple[str, str], dict[str, tuple]] = defaultdict(dict)
        self.ids: set[str] = set()


def check_commission(report: Report, expected: oracle.Expected, record: kafka.Record,
                     emitted: Emitted) -> None:
    event = json.loads(record.value or b"null")
    data = event["data"]
    emitted.facts[event["type"], data["order_id"], data["payee_id"], data["source_event_id"],
                  data["basis"], data["rate_ppm"], data["amount"]] += 1
    what = f"commissions/{record.partition}/{record.offset}"
    wanted_time = expected.times.get(data["source_event_id"])
    if event["id"] in emitted.ids:
        report.differ("commission ids", f"{what}: {event['id']} a second time")
    emitted.ids.add(event["id"])
    report.expect("envelopes", what, {
        "key": record.key, "id": event["id"], "time": event["time"],
        "change": data["cumulative_after"] - data["cumulative_before"],
        "currency": data["currency"], "earned_period": data["earned_period"],
        "posted_period": data["posted_period"],
    }, {
        "key": data["payee_id"], "id": data["commission_id"], "time": wanted_time,
        "change": data["amount"], "currency": "CNY", "earned_period": event["time"][:7],
        "posted_period": event["time"][:7],
    })
    facts = {**event, **data}
    emitted.lines[data["payee_id"], data["posted_period"]][event["id"]] = tuple(
        facts[name] for name in LINE_FACTS)


def check_commissions(report: Report, expected: oracle.Expected, place: Place) -> Emitted:
    emitted = Emitted()
    for record in kafka.read(place.brokers, place.topic("commissions")):
        try:
            check_commission(report, expected, record, emitted)
        except (ValueError, KeyError, TypeError) as error:
            report.differ("commissions", f"partition {record.partition} offset {record.offset}: "
                          f"{error!r} in {record.value!r}")
    compare_counts(report, "commissions", emitted.facts, expected.commissions)
    return emitted


def compare_counts(report: Report, kind: str, found: Counter, wanted: Counter) -> None:
    """As multisets."""
    report.compared[kind] += sum(wanted.values())
    for item, times in (wanted - found).items():
        report.differ(kind, f"missing {times} x {item}")
    for item, times in (found - wanted).items():
        report.differ(kind, f"too many, {times} x {item}")


def check_dead_letters(report: Report, expected: oracle.Expected, place: Place) -> None:
    found: Counter = Counter()
    for record in kafka.read(place.brokers, place.topic("orders.dlq")):
        value = (record.value or b"").decode("utf-8", "replace")
        found[value] += 1
        report.expect("DLQ reasons", f"orders.dlq/{record.partition}/{record.offset}",
                      record.header("tw-reason"), expected.reasons.get(value, "not_json"))
    compare_counts(report, "dead letters", found, expected.dead)


def check_pay(report: Report, expected: oracle.Expected, emitted: Emitted, redis: Redis,
              prefix: str) -> None:
    months = {}
    for (payee, month), sums in expected.pay.items():
        payable = sums["accrued"] - sums["clawed_back"]
        months[f"{payee}:{month}"] = without_zeros({**sums, "payable": payable})
    for prefix_of, kind in ((f"{prefix}pay:", "pay"), (f"{prefix}lines:", "lines")):
        for key in redis.keys(f"{prefix_of}*"):
            if key[len(prefix_of):] not in months:
                report.differ(kind, f"{key} should not exist")
    for name, fields in zip(months, redis.hashes(f"{prefix}pay:{name}" for name in months)):
        report.expect("pay", f"pay:{name}", integers(report, f"pay:{name}", fields), months[name])
    for name, fields in zip(months, redis.hashes(f"{prefix}lines:{name}" for name in months)):
        payee, month = name.rsplit(":", 1)
        wanted = emitted.lines.get((payee, month), {})
        found = {line_id: line_facts(text) for line_id, text in fields.items()}
        for line_id in sorted(found.keys() | wanted.keys()):
            report.expect("lines", f"lines:{name} {line_id}", found.get(line_id, "absent"),
                          wanted.get(line_id, "absent"))


def line_facts(text: str) -> tuple:
    line = json_object(text)
    return tuple(line.get(name) for name in LINE_FACTS)


def check_places(report: Report, emitted: Emitted, redis: Redis, prefix: str) -> None:
    """commission:<id> says in whose month the line stands."""
    places = [(line_id, payee, month) for (payee, month), lines in emitted.lines.items()
              for line_id in lines]
    places = places[::len(places) // COMMISSION_KEYS + 1]
    texts = redis.many(("GET", f"{prefix}commission:{line_id}") for line_id, _, _ in places)
    for (line_id, payee, month), text in zip(places, texts):
        named = text is not None and payee in text and month in text
        report.expect("commission keys", f"commission:{line_id}", named or text, True)


def check_orders(report: Report, expected: oracle.Expected, redis: Redis, prefix: str) -> None:
    keys = [f"{prefix}order:{order_id}" for order_id in expected.orders]
    for full_key in set(redis.keys(f"{prefix}order:*")) - set(keys):
        report.differ("orders", f"{full_key} should not exist")
    for (order_id, wanted), text in zip(expected.orders.items(),
                                        redis.many(("GET", key) for key in keys)):
        document = json_object(text)
        found = tuple(document.get(name) for name in ("amount", "collected", "refunded"))
        report.expect("orders", f"order:{order_id} amount, collected, refunded", found, wanted)


def check_sequence(report: Report, place: Place) -> None:
    """Each shard numbers its outputs from 1 on, over all topics, without gap or repeat."""
    numbers: dict[str, list[int]] = defaultdict(list)
    there = kafka.topics(place.brokers)
    for topic in (place.topic(name) for name in OUTPUTS):
        if topic not in there:
            continue
        for record in kafka.read(place.brokers, topic, with_values=False):
            source, number = record.header("tw-src"), record.header("tw-seq")
            if not source or not number:
                report.differ("numbering", f"{topic}/{record.partition}/{record.offset} has no "
                              f"tw-src or tw-seq: {record.headers[:200]}")
                continue
            numbers[source.rsplit("/", 1)[0]].append(int(number))
    for shard, found in sorted(numbers.items()):
        found.sort()
        wrong = next((at for at, number in enumerate(found, 1) if at != number), None)
        report.compared["numbered shards"] += 1
        if wrong is not None:
            report.differ("numbering", f"{shard}, {len(found)} outputs: number {wrong} is missing "
                          "or the one before it is there twice")
    report.compared["outputs"] += sum(map(len, numbers.values()))


def check_redis(report: Report, expected: oracle.Expected, emitted: Emitted, redis: Redis,
                prefix: str) -> None:
    check_sales(report, expected, redis, prefix)
    check_pay(report, expected, emitted, redis, prefix)
    check_places(report, emitted, redis, prefix)
    check_orders(report, expected, redis, prefix)


def check(expected: oracle.Expected, place: Place) -> Report:
    """Everything, against a settled instance."""
    report = Report()
    emitted = check_commissions(report, expected, place)
    check_dead_letters(report, expected, place)
    with Redis(place.redis_url) as redis:
        check_redis(report, expected, emitted, redis, place.redis_prefix)
    check_sequence(report, place)
    return report


def parse(words: Iterable[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compares Redis and Kafka with the oracle.")
    parser.add_argument("people", metavar="PEOPLE.json")
    parser.add_argument("events", metavar="EVENTS.tsv")
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--redis", required=True, metavar="URL")
    parser.add_argument("--topic-prefix", default="")
    parser.add_argument("--redis-prefix", default="")
    parser.add_argument("--limit", type=int, default=0, help="only the first N events were sent")
    return parser.parse_args(words)


def main() -> int:
    options = parse()
    place = Place(options.brokers, options.redis, options.topic_prefix, options.redis_prefix)
    try:
        people = json.loads(Path(options.people).read_text())
        report = check(oracle.compute(people, [options.events], options.limit), place)
    except (OSError, RuntimeError, RedisError) as error:
        print(f"check.py: {error}", file=sys.stderr)
        return 2
    print(report.text())
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
