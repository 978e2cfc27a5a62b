#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A record that kills whoever folds it ends in the DLQ as poison; all others count, exactly.

A fail-point kills tally-orders (SIGKILL) at one record, and this test starts it again each time, as
a supervisor would. At last it must live, with that record's own bytes in orders.dlq and every
figure as if the record had never been. Then Redis loses everything: the rebuild must pass the
record unread and emit nothing again.
"""
from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter

import ladder as ladders
import oracle
from rig import Place, kafka
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import Fleet, Worker

EVENTS, RATE = 2000, 20000
FEWEST, MOST = 5, 10  # deaths: two that are not counted, some that narrow it down, three alone
LIVES_S = 60.0       # at most until it dies again or has read all


def choose(work: ladders.Ladder) -> str:
    """The value of an order.created that nothing else in the stream refers to."""
    values = [line.split("\t", 1)[1] for line in work.events_file.read_text().splitlines()]
    events = []
    for value in values:
        try:
            events.append((json.loads(value), value))
        except ValueError:
            continue
    times = Counter(event["data"]["order_id"] for event, _ in events)
    alone = [value for event, value in events if times[event["data"]["order_id"]] == 1]
    return alone[len(alone) // 2]


def expected_without(work: ladders.Ladder, poison: str) -> oracle.Expected:
    lines = work.events_file.read_text().splitlines()
    expected = oracle.compute_lines(
        work.people, (line for line in lines if line.split("\t", 1)[1] != poison))
    expected.events += 1
    expected.dead[poison] += 1
    expected.reasons[poison] = "poison"
    return expected


def must_be_exact(stage: Stage, place: Place, expected: oracle.Expected, when: str) -> None:
    report = ladders.check.check(expected, place)
    stage.say(f"{when}: {report.text()}")
    must(report.ok, f"{when}: the result is not exact")


def poison_letters(place: Place) -> list[kafka.Record]:
    return [record for record in kafka.read(place.brokers, place.topic("orders.dlq"))
            if record.header("tw-reason") == "poison"]


def start_doomed(worker: Worker, source: kafka.Record) -> None:
    os.environ["TALLY_FAILPOINT"] = f"fold@{source.partition}/{source.offset}:0:kill"
    worker.start()
    del os.environ["TALLY_FAILPOINT"]


def dies_again(worker: Worker, place: Place) -> bool:
    deadline = time.monotonic() + LIVES_S
    while time.monotonic() < deadline:
        try:
            worker.wait(0.5)
            return True
        except subprocess.TimeoutExpired:
            if poison_letters(place):
                return False
    must(False, f"neither dead nor past the record\n{worker.log_tail()}")
    return False


def die_until_skipped(stage: Stage, place: Place, worker: Worker, source: kafka.Record) -> int:
    deaths = 0
    start_doomed(worker, source)
    while dies_again(worker, place):
        deaths += 1
        stage.say(f"death {deaths} at orders/{source.partition}/{source.offset}")
        must(deaths <= MOST, f"it dies for ever\n{worker.log_tail()}")
        start_doomed(worker, source)
    must(deaths >= FEWEST, f"given up after {deaths} deaths already")
    return deaths


# contract: dlq.poison
def test() -> None:
    with Stage("poison", own_redis=True) as stage:
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        poison = choose(work)
        expected = expected_without(work, poison)
        with ladders.Sending(place, work, RATE) as sending:
            sending.finish()
        source = [record for record in kafka.read(place.brokers, place.topic("orders"))
                  if (record.value or b"").decode() == poison][0]
        with Fleet(place, stage.logs, settings=ladders.SOON) as fleet:
            worker = fleet.named("orders")[0]
            worker.kill()
            deaths = die_until_skipped(stage, place, worker, source)
            fleet.settle(ladders.SETTLE_S)
            must_be_exact(stage, place, expected, f"after {deaths} deaths")
            letters = poison_letters(place)
            must(len(letters) == 1 and letters[0].key == source.key
                 and letters[0].partition == source.partition
                 and letters[0].header("__dlq.errors.offset") == str(source.offset),
                 f"not one letter of orders/{source.partition}/{source.offset}: {letters}")
            with Redis(place.redis_url) as redis:
                redis.command("FLUSHALL")
            stage.say("emptied Redis")
            fleet.settle(ladders.SETTLE_S)
            must(not fleet.dead(), "it died in the rebuild")
            must_be_exact(stage, place, expected, "rebuilt")


if __name__ == "__main__":
    main(test)
