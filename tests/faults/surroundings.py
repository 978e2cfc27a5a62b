# SPDX-License-Identifier: Apache-2.0
"""What breaks around the worker: for each surrounding what is made ready before, and the blow.

`ready` runs while the stream flows, before the victim starts; `strike` at the moment of the fault.
Both get the run (run.py). What a blow takes away comes back within it, or in `heal`.
"""
from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Callable, NamedTuple

from proxy import Proxy
from rig.redis import Redis
from rig.stage import must
from rig.workers import Worker

if TYPE_CHECKING:
    from run import Run

BROKER_DOWN_S = 0.5
PEER_DOWN_S = 1.0   # until the drained one comes back
DRAIN_S = 20.0
LINK_STEP_S = 0.4
SLOW_S = 0.15       # each piece of data comes so much later
MOST_REPLY = 2000   # bytes of a reply that still pass


def nothing(run: "Run") -> None:
    pass


# ---- Redis

def mark_tail(run: "Run") -> None:
    run.tail_from = run.ground.tail().stat().st_size


def cut_tail(run: "Run") -> None:
    """Some of what was written since the victim started is lost, in the middle of a command."""
    size = run.ground.tail().stat().st_size
    run.ground.cut_tail(size - run.draw.randint(1, max(1, size - run.tail_from)))


def copy(run: "Run") -> None:
    run.ground.copy()


def restore(run: "Run") -> None:
    run.ground.restore()


def empty(run: "Run") -> None:
    with Redis(run.ground.place.redis_url) as redis:
        redis.command("FLUSHALL")


def detach(run: "Run") -> None:
    run.ground.detach()


def promote(run: "Run") -> None:
    run.ground.promote()


# ---- links

def trouble(run: "Run", link: Proxy | None) -> None:
    """All four, in any order."""
    assert link
    blows: list[Callable[[], None]] = [
        lambda: link.cut(for_s=LINK_STEP_S), link.half_close,
        lambda: link.delay(SLOW_S, LINK_STEP_S),
        lambda: link.drop_reply(run.draw.randint(1, MOST_REPLY))]
    run.draw.shuffle(blows)
    run.struck.set()
    for blow in blows:
        blow()
        time.sleep(LINK_STEP_S)


def trouble_redis(run: "Run") -> None:
    trouble(run, run.ground.redis_link)


def trouble_broker(run: "Run") -> None:
    trouble(run, run.ground.lane.broker_link)


def kill_broker(run: "Run") -> None:
    run.ground.lane.broker.kill()
    time.sleep(BROKER_DOWN_S)
    run.ground.lane.broker.start()


# ---- other processes

def add(run: "Run") -> None:
    third = Worker(run.victim.name, 3, run.ground.workers, run.logs, run.settings)
    run.fleet.members.append(third.start())


def drain(run: "Run") -> None:
    run.peer.signal(signal.SIGTERM)


def bring_back(run: "Run") -> None:
    status = run.peer.wait(DRAIN_S)
    must(status == 0, f"{run.peer.name}-1 drained with status {status}\n{run.peer.log_tail()}")
    time.sleep(PEER_DOWN_S)
    run.peer.start()


class Surrounding(NamedTuple):
    ready: Callable[["Run"], None] = nothing
    strike: Callable[["Run"], None] = nothing
    heal: Callable[["Run"], None] = nothing


SURROUNDINGS = {
    "plain": Surrounding(),
    "redis_tail": Surrounding(mark_tail, cut_tail),
    "redis_older": Surrounding(copy, restore),
    "redis_emptied": Surrounding(nothing, empty),
    "replica": Surrounding(detach, promote),
    "redis_link": Surrounding(nothing, trouble_redis),
    "broker_killed": Surrounding(nothing, kill_broker),
    "broker_link": Surrounding(nothing, trouble_broker),
    "added": Surrounding(nothing, add),
    "drained": Surrounding(nothing, drain, bring_back),
}
