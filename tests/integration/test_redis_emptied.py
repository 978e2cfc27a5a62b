#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Redis loses everything: under load, and again afterwards while the workers are down.

Under load the workers must notice and build it up again, exactly. After the second time the rebuilt
Redis must hold the same keys and values byte for byte (all but meta and asof, which say how the
shards got there), and no output may have been emitted a second time.
"""
from __future__ import annotations

import time

import ladder as ladders
from rig import Place, kafka
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import Fleet

EVENTS, RATE = ladders.size(60000, 6000)
SHOWN = 5
FEWEST_KEYS = 1000  # that Redis has to lose
FILL_S = 60


def outputs(place: Place) -> dict[str, int]:
    """Committed records by output topic."""
    there = kafka.topics(place.brokers)
    return {name: sum(1 for _ in kafka.read(place.brokers, place.topic(name), with_values=False))
            for name in ladders.check.OUTPUTS if place.topic(name) in there}


def content(redis: Redis, place: Place) -> dict:
    prefix = place.redis_prefix
    return redis.dump(leave_out=(f"{prefix}meta:", f"{prefix}asof:"))


def must_be_same(before: dict, after: dict) -> None:
    differing = [key for key in sorted(before.keys() | after.keys())
                 if before.get(key) != after.get(key)]
    words = "\n".join(f"  {key}: {before.get(key)} became {after.get(key)}"
                      for key in differing[:SHOWN])
    must(not differing, f"{len(differing)} keys differ after the rebuild:\n{words}")


def empty_under_load(stage: Stage, place: Place, work: ladders.Ladder, redis: Redis) -> None:
    with ladders.Sending(place, work, RATE) as sending:
        for _ in range(2):
            time.sleep(EVENTS / RATE / 3)
            deadline = time.monotonic() + FILL_S
            while redis.command("DBSIZE") < FEWEST_KEYS:
                must(time.monotonic() < deadline, "Redis has nothing to lose: the workers stand")
                time.sleep(0.1)
            redis.command("FLUSHALL")
            stage.say("emptied Redis")
        sending.finish()


# contract: duties.exactly_once
def test() -> None:
    with Stage("emptied", own_redis=True) as stage:
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        with Redis(place.redis_url) as redis:
            with Fleet(place, stage.logs, settings=ladders.SOON) as fleet:
                empty_under_load(stage, place, work, redis)
                fleet.settle(ladders.SETTLE_S)
            ladders.must_be_exact(stage, place, work, "emptied twice under load")
            before, sent = content(redis, place), outputs(place)
            redis.command("FLUSHALL")
            redis.command("FUNCTION", "FLUSH")
            with Fleet(place, stage.logs, settings=ladders.SOON) as fleet:
                fleet.settle(ladders.SETTLE_S)
            stage.say("rebuilt into an empty Redis")
            must_be_same(before, content(redis, place))
            stage.say(f"{len(before)} keys are the same byte for byte")
        again = outputs(place)
        must(again == sent, f"outputs before the rebuild {sent}, after it {again}")
        ladders.must_be_exact(stage, place, work, "rebuilt")


if __name__ == "__main__":
    main(test)
