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
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration")]
import report  # noqa: E402
from books import Books, Comparison  # noqa: E402
from company import Company  # noqa: E402
from rig import Place, kafka, program  # noqa: E402
from rig.redis import Redis  # noqa: E402
from rig.workers import tallyctl  # noqa: E402

BAR = 40
SHOWN = 5
SETTLE_S = 300
STEADY_RATE = 1500       # events a second at the end, for the latency
STEADY_S = 4
WARM_UP_MS = 1000
MIB = 1 << 20


def draw_bar(done: int, count: int, started: float) -> None:
    if not sys.stdout.isatty():
        return
    rate = done / max(0.001, time.monotonic() - started)
    full = BAR * done // count
    print(f"\r  [{'#' * full}{'.' * (BAR - full)}] {done:,} of {count:,} events, {rate:,.0f}/s ",
          end="", flush=True)


def produce(place: Place, events: Path, count: int, *words: str) -> None:
    started = time.monotonic()
    with subprocess.Popen(
            [program("produce"), "--brokers", place.brokers, "--topic", place.topic("orders"),
             "--progress", str(max(1, count // 50)), *words, str(events)],
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


def settle(place: Place) -> None:
    tallyctl(place, "lag", "--wait", "--timeout", str(SETTLE_S), timeout_s=SETTLE_S + 30)


def send_backlog(place: Place, events: Path, count: int) -> None:
    """As fast as the broker takes them, until the last figure is in Redis."""
    print(f"Streaming {count:,} events through Kafka, the workers and Redis ...")
    started = time.monotonic()
    produce(place, events, count, "--limit", str(count))
    settle(place)
    seconds = time.monotonic() - started
    print(f"  {seconds:.1f} s from the first event sent to the last figure in Redis: "
          f"{count / seconds:,.0f} events/s on this machine, broker and all")


def send_steadily(place: Place, events: Path, skip: int, count: int) -> None:
    """The rest at a rate, while a reader waits for the commissions."""
    if count == 0:
        return
    print(f"and {count:,} more at {STEADY_RATE:,} a second ...")
    with subprocess.Popen(
            [program("reader"), "--brokers", place.brokers, "--orders", place.topic("orders"),
             "--commissions", place.topic("commissions"), "--skip-ms", str(WARM_UP_MS)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stderr
        reader.stderr.readline()  # ready
        try:
            produce(place, events, count, "--skip", str(skip), "--rate", str(STEADY_RATE))
            settle(place)
        finally:
            reader.terminate()
        said = reader.communicate(timeout=60)[0]
    found = json.loads(said)
    print(f"  from a payment's arrival to its commission in a reader's hands: half within "
          f"{found['p50_ms']} ms, 99 % within {found['p99_ms']} ms ({found['samples']:,} samples)")


def send_odd_ones(place: Place, books: Books) -> None:
    """Three that no file of lines can hold: without value, too large, in another's partition."""
    value = b'{"specversion":"1.0","id":"odd","source":"/shop","type":"order.cancelled",' \
            b'"time":"2026-01-01T00:00:00Z","data":{"order_id":"D-odd","reason":"odd"}}'
    partitions = kafka.topics(place.brokers)[place.topic("orders")]
    other = (kafka.partition_of("D-odd", partitions) + 1) % partitions
    large = value[:-1] + b',"padding":"' + b"x" * MIB + b'"}'
    kafka.send(place.brokers, place.topic("orders"), [
        kafka.Message("D-odd"), kafka.Message("D-odd", large),
        kafka.Message("D-odd", value, partition=other)])
    books.refused.update([("null_value", None), ("too_large", large), ("wrong_partition", value)])
    books.count += 3


def tell_outcome(outcome: Comparison) -> bool:
    compared = ", ".join(f"{count:,} {kind}" for kind, count in outcome.compared.items())
    if not outcome.differences:
        print(f"  compared {compared}: all as the books say, to the last fen")
        return True
    for words in outcome.differences[:SHOWN]:
        print(f"  NOT AS IT SHOULD BE: {words}")
    print(f"  {len(outcome.differences):,} differences of {compared}")
    return False


def run(options: argparse.Namespace) -> bool:
    place = Place(options.brokers, options.redis, redis_prefix="tally:")
    events: Path = options.folder / "orders.tsv"
    company = Company(Path(f"{events}.reference.json"))
    books = Books(events)
    counts = company.counts
    print(f"{company.name}: {counts['region']} regions, {counts['city']} cities, "
          f"{counts['team']} teams, {len(company.people)} people, one plan in "
          f"{counts['plan']} versions; published.")
    print(f"{len(books.orders):,} orders of a quarter and their books are made.")
    steady = min(STEADY_RATE * STEADY_S, books.count // 4)
    send_backlog(place, events, books.count - steady)
    send_steadily(place, events, books.count - steady, steady)
    send_odd_ones(place, books)
    settle(place)
    print("Comparing everything with the books ...")
    outcome = Comparison(place, books).all()
    ok = tell_outcome(outcome)
    with Redis(place.redis_url) as redis:
        report.company_by_month(redis, place.redis_prefix, company)
        leader = report.top_ten(redis, place.redis_prefix, company)
        report.payee_lines(redis, place.redis_prefix, company, leader, outcome.events)
    report.refusals(outcome.reasons)
    print(f"and {books.repeated:,} repeats passed over in silence")
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo.py")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--redis", required=True, metavar="URL")
    options = parser.parse_args()
    try:
        return 0 if run(options) else 1
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
