#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of one worker after the other while the stream runs: exact to the last unit at the end.

Two processes of each worker; at random moments a random one is killed and started again a little
later. Nothing may be lost, counted twice or emitted twice.
"""
from __future__ import annotations

import random
import time

import ladder as ladders
from rig.stage import Stage, main, must, seed
from rig.workers import Fleet

EVENTS, RATE = ladders.size(60000, 3000)
SHORTEST_S, LONGEST_S = 0.3, 2.5  # between two kills
DOWN_S = 0.8                      # at most until the killed one is started again
KILLS = EVENTS // RATE * 12 // 20  # one every 1.7 seconds of the stream


def kill_one(stage: Stage, fleet: Fleet, draw: random.Random) -> None:
    worker = draw.choice(fleet.members)
    must(worker.alive(), f"{worker.name}-{worker.number} ended by itself\n{worker.log_tail()}")
    worker.kill()
    time.sleep(draw.uniform(0, DOWN_S))
    worker.start()
    stage.say(f"killed {worker.name}-{worker.number}")


# contract: duties.exactly_once
def test() -> None:
    draw = random.Random(seed())
    with Stage("kill") as stage:
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        with Fleet(place, stage.logs, each=2, settings=ladders.SOON) as fleet:
            with ladders.Sending(place, work, RATE) as sending:
                for _ in range(KILLS):
                    time.sleep(draw.uniform(SHORTEST_S, LONGEST_S))
                    kill_one(stage, fleet, draw)
                sending.finish()
            fleet.settle(ladders.SETTLE_S)
        ladders.must_be_exact(stage, place, work, f"after {KILLS} kills")


if __name__ == "__main__":
    main(test)
