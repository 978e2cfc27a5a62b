#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long a shard stands still when its process goes, under load and by the defaults.

Two processes of each worker; one of each is told to end, later one of each is killed, and the other
processes' logs say when they work on what they took over. Told to end: within two seconds of the
signal, so with its last batch, its last figures and the group's change of hands. Killed: within the
session's timeout and two seconds. In the end all is exact.
"""
from __future__ import annotations

import random
import signal
import time

import ladder as ladders
from rig.stage import Stage, main, must
from rig.workers import WORKERS, Fleet, Worker, begun, latest

EVENTS, RATE = ladders.size(40000, 1000)
PARTITIONS = 8
SESSION_S = 10.0         # by default
HEARTBEAT_S = 1.0        # after which a member learns of a change: any part of it may have passed
MOST_S = 2.0
CALM_S = 3.0             # nothing changes hands for so long
WAIT_S = 60.0
TRIES = 2                # something else may have kept the machine from it


def await_halves(pair: list[Worker]) -> None:
    """Both work on their shards, half each, and have for a while."""
    until = time.monotonic() + WAIT_S
    while True:
        for worker in pair:
            must(worker.alive(), f"{worker.name} ended by itself\n{worker.log_tail()}")
        owners = latest(pair)
        counts = [sum(owner == number for _, owner in owners.values()) for number in (0, 1)]
        last = max((at for at, _ in owners.values()), default=time.time())
        if counts == [PARTITIONS // 2] * 2 and time.time() - last > CALM_S:
            return
        must(time.monotonic() < until, f"{pair[0].name}: shards are shared out {counts}")
        time.sleep(0.1)


def stood_still_s(fleet: Fleet, killed: bool) -> dict[str, float]:
    """By worker, how long the shards of its first process had none that worked on them."""
    pairs = [fleet.named(name) for name in WORKERS]
    for pair in pairs:
        await_halves(pair)
    time.sleep(random.uniform(0, HEARTBEAT_S))
    at, until = time.time(), time.monotonic() + WAIT_S
    for goes, _ in pairs:
        if killed:
            goes.kill()
        else:
            goes.signal(signal.SIGTERM)
    took: dict[str, float] = {}
    for goes, stays in pairs:
        while len(moved := [one for one in begun(stays).values() if one > at]) < PARTITIONS // 2:
            must(time.monotonic() < until, f"the shards of {goes.name} stand still")
            time.sleep(0.05)
        took[goes.name] = max(moved) - at
        must(killed or goes.wait(WAIT_S) == 0, f"it did not drain\n{goes.log_tail()}")
        goes.start()
    return took


def must_move_on(stage: Stage, fleet: Fleet, killed: bool, most_s: float) -> None:
    for _ in range(TRIES):
        took = stood_still_s(fleet, killed)
        stage.say(f"{'killed' if killed else 'told to end'}, shards stood still for "
                  + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items()))
        if max(took.values()) < most_s:
            return
    must(False, f"it takes longer than {most_s:.0f} s")


def test() -> None:
    with Stage("hand-over") as stage:
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        with Fleet(place, stage.logs, each=2) as fleet:
            with ladders.Sending(place, work, RATE) as sending:
                must_move_on(stage, fleet, False, MOST_S)
                must_move_on(stage, fleet, True, SESSION_S + MOST_S)
                sending.finish()
            fleet.settle(ladders.SETTLE_S)
        ladders.must_be_exact(stage, place, work, "after all")


if __name__ == "__main__":
    main(test)
