#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Three processes a worker that come and go while the stream runs: exact to the last unit.

Starts with one process each, adds the second and third one by one, lets one of each go in order
(SIGTERM) and come back: every change moves partitions from one process to another under load.
"""
from __future__ import annotations

import time

import ladder as ladders
from rig.stage import Stage, main, must
from rig.workers import Fleet

EVENTS, RATE = ladders.size(60000, 5000)
PAUSE_S = 1.0  # between two changes


def come_and_go(stage: Stage, fleet: Fleet) -> None:
    for number in (2, 3):
        for worker in fleet.members:
            if worker.number == number:
                worker.start()
                time.sleep(PAUSE_S / 3)
        time.sleep(PAUSE_S)
    for worker in fleet.members:
        if worker.number == 1:
            status = worker.drain()
            must(status == 0, f"{worker.name}-1 drained with status {status}\n{worker.log_tail()}")
            time.sleep(PAUSE_S / 3)
            worker.start()
    stage.say("one process of each worker went and came back")


def test() -> None:
    with Stage("three") as stage:
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        fleet = Fleet(place, stage.logs, each=3, settings=ladders.SOON)
        try:
            for worker in fleet.members:
                if worker.number == 1:
                    worker.start()
            with ladders.Sending(place, work, RATE) as sending:
                time.sleep(PAUSE_S)
                come_and_go(stage, fleet)
                sending.finish()
            fleet.settle(ladders.SETTLE_S)
            statuses = fleet.drain()
            must(not any(statuses.values()), f"not all drained: {statuses}\n{fleet.log_tails()}")
        finally:
            fleet.stop()
        ladders.must_be_exact(stage, place, work, "three processes a worker")


if __name__ == "__main__":
    main(test)
