#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo against running servers and workers: stream, compare, report. demo.sh starts it.

Exit status 0: every figure is as the books say; 1: something is not.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration")]
import report  # noqa: E402
from orders import Books, Company, Figures, Quarter  # noqa: E402
from rig import Place, kafka, program  # noqa: E402
from rig.redis import Redis  # noqa: E402
from rig.workers import tallyctl  # noqa: E402

BAR = 40
SHOWN = 5
SETTLE_S = 300
INSTANTS = "_at"  # when a ranked figure last changed: not in the books


class Differences:
    """What is not as the books say."""

    def __init__(self) -> None:
        self.compared: Counter = Counter()
        self.found: list[str] = []

    def expect(self, kind: str, what: object, found: object, wanted: object) -> None:
        self.compared[kind] += 1
        if found != wanted:
            self.found.append(f"{kind} {what}: {found}, the books say {wanted}")

    def same(self, kind: str, found: Counter, wanted: Counter) -> None:
        for item in found.keys() | wanted.keys():
            self.expect(kind, item, found[item], wanted[item])


def draw_bar(done: int, count: int, started: float) -> None:
    if not sys.stdout.isatty():
        return
    rate = done / max(0.001, time.monotonic() - started)
    full = BAR * done // count
    print(f"\r  [{'#' * full}{'.' * (BAR - full)}] {done:,} of {count:,} events, {rate:,.0f}/s ",
          end="", flush=True)


def stream(place: Place, events: Path, count: int) -> float:
    """Sends all as fast as the broker takes them; returns when it began."""
    started = time.monotonic()
    with subprocess.Popen(
            [program("produce"), "--brokers", place.brokers, "--topic", place.topic("orders"),
             "--progress", str(max(1, count // 50)), str(events)],
            stdout=subprocess.PIPE, text=True) as producer:
        assert producer.stdout
        for line in producer.stdout:
            if line.strip().isdigit():
                draw_bar(int(line), count, started)
    if producer.returncode:
        raise RuntimeError("not all events were sent")
    draw_bar(count, count, started)
    if sys.stdout.isatty():
        print()
    return started


def integers(flat: dict[str, str]) -> Figures:
    return {name: int(value) for name, value in flat.items()
            if int(value) and not name.endswith(INSTANTS)}


def without_zeros(figures: Figures) -> Figures:
    return {name: value for name, value in figures.items() if value}


def compare_figures(redis: Redis, prefix: str, books: Books, differences: Differences) -> None:
    wanted = {key: without_zeros(figures) for key, figures in books.sales().items()}
    for (payee_id, month), sums in books.pay.items():
        payable = sums["accrued"] - sums["clawed_back"]
        wanted[f"pay:{payee_id}:{month}"] = without_zeros({**sums, "payable": payable})
    keys = set(redis.keys(f"{prefix}sales:*")) | set(redis.keys(f"{prefix}pay:*"))
    keys |= {prefix + key for key, figures in wanted.items() if figures}
    ordered = sorted(keys)
    for key, fields in zip(ordered, redis.hashes(ordered)):
        found, should = integers(fields), wanted.get(key[len(prefix):], {})
        for name in found.keys() | should.keys():
            differences.expect("figures", f"{key} {name}", found.get(name, 0), should.get(name, 0))


def compare_commissions(place: Place, books: Books, differences: Differences) -> dict[str, dict]:
    """Returns the data of each commission by its id."""
    found: Counter = Counter()
    events: dict[str, dict] = {}
    for record in kafka.read(place.brokers, place.topic("commissions")):
        event = json.loads(record.value or b"{}")
        data = event["data"]
        events[event["id"]] = data
        found[event["type"], data["order_id"], data["payee_id"], data["source_event_id"],
              data["basis"], data["rate_ppm"], data["amount"]] += 1
    differences.same("commissions", found, books.commissions)
    return events


def compare_refusals(place: Place, books: Books, differences: Differences) -> Counter:
    """Returns how many there are of each reason."""
    found: Counter = Counter()
    reasons: Counter = Counter()
    for record in kafka.read(place.brokers, place.topic("orders.dlq")):
        reason = record.header("tw-reason") or "without reason"
        found[reason, record.value] += 1
        reasons[reason] += 1
    differences.same("refusals", found, books.refused)
    return reasons


def tell_outcome(differences: Differences) -> bool:
    compared = ", ".join(f"{count:,} {kind}" for kind, count in differences.compared.items())
    if not differences.found:
        print(f"  compared {compared}: all as the books say, to the last fen")
        return True
    for words in differences.found[:SHOWN]:
        print(f"  NOT AS IT SHOULD BE: {words}")
    print(f"  {len(differences.found):,} differences of {compared}")
    return False


def run(options: argparse.Namespace) -> bool:
    prefix = "tally:"
    place = Place(options.brokers, options.redis, redis_prefix=prefix)
    company = Company(HERE / "company.json")
    counts = company.counts
    print(f"{company.name}: {counts['region']} regions, {counts['city']} cities, "
          f"{counts['team']} teams, {len(company.people)} people, one plan in "
          f"{counts['plan']} versions; published.")
    print(f"Making {options.orders:,} orders from January to March 2026 and keeping books ...")
    quarter = Quarter(company, options.orders, options.seed)
    events = options.folder / "events.tsv"
    count = quarter.write(events)
    print(f"Streaming {count:,} events through Kafka, the workers and Redis ...")
    started = stream(place, events, count)
    tallyctl(place, "lag", "--wait", "--timeout", str(SETTLE_S), timeout_s=SETTLE_S + 30)
    seconds = time.monotonic() - started
    print(f"  {seconds:.1f} s from the first event sent to the last figure in Redis: "
          f"{count / seconds:,.0f} events/s on this machine, broker and all")
    print("Comparing everything with the books ...")
    differences = Differences()
    commissions = compare_commissions(place, quarter.books, differences)
    reasons = compare_refusals(place, quarter.books, differences)
    with Redis(place.redis_url) as redis:
        compare_figures(redis, prefix, quarter.books, differences)
        ok = tell_outcome(differences)
        report.company_by_month(redis, prefix, company)
        leader = report.top_ten(redis, prefix, company)
        report.payee_lines(redis, prefix, company, leader, commissions)
    report.refusals(reasons)
    print(f"and {quarter.books.repeats:,} repeats passed over in silence")
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo.py")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--redis", required=True, metavar="URL")
    parser.add_argument("--orders", type=int, default=40000)
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    try:
        return 0 if run(options) else 1
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
