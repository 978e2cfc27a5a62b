#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A new build with another entity format is rolled out under load, by docs/CHANGE-AN-ENTITY.md.

The page's change is made in a copy of the tree, which is built. While events stream, one process
goes to the new build, back, and there again; then the other; then the new logic version is ordered.
An old process that comes back must refuse in words. All is exact, orders of both formats are in
Redis, and each new field is what it must be.
"""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import ctl
import ladder as ladders
from environment import Log
from rig import ROOT, Place
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import Fleet, Worker
from test_add_a_worker import blocks_of, copy_tree

PAGE = "docs/CHANGE-AN-ENTITY.md"
CHANGE = re.compile(r"^In `([^`]+)`, (below|instead of) `([^`]+)`, (?:add|write)$")
EVENTS, RATE = 24000, 150  # the rate lasts for two minutes, however slow the steps are
STEP_EVENTS = 20  # that are folded between two steps, at least


def follow(tree: Path) -> None:
    """Makes the page's change."""
    done = 0
    for block in blocks_of((ROOT / PAGE).read_text()):
        change = CHANGE.match(block.before)
        must(change, f"what is to be done with the block below {block.before!r}?")
        assert change
        path = tree / change[1]
        lines = path.read_text().split("\n")
        at = [number for number, line in enumerate(lines) if line.strip() == change[3]]
        must(len(at) == 1, f"{change[1]} has {change[3]!r} {len(at)} times, not once")
        keep = 1 if change[2] == "below" else 0
        lines[at[0] + keep:at[0] + 1] = block.text.rstrip("\n").split("\n")
        path.write_text("\n".join(lines))
        done += 1
    must(done == 5, f"{PAGE} has {done} changes")


def build(tree: Path) -> Path:
    """Where the new programs are; not optimised, which is quicker to build."""
    for words in (["-S", str(tree), "-B", str(tree / "out"), "-G", "Ninja",
                   "-DCMAKE_BUILD_TYPE=Debug"],
                  ["--build", str(tree / "out"), "--target", "tally-orders", "tallyctl"]):
        done = subprocess.run(["cmake", *words], text=True, capture_output=True)
        must(done.returncode == 0, f"cmake {' '.join(words)}:\n{done.stdout[-3000:]}{done.stderr}")
    return tree / "out" / "bin"


def folded(place: Place) -> int:
    """Events of the input that Redis has."""
    with Redis(place.redis_url) as redis:
        keys = redis.keys(f"{place.redis_prefix}meta:orders:*")
        cursors = redis.many(("HGET", key, "cursor") for key in keys)
        return sum(int(text) for text in cursors if text and text.isdigit())


def wait_for_work(place: Place) -> None:
    before = folded(place)
    ctl.eventually(lambda: folded(place) >= before + STEP_EVENTS, "nothing is folded")


def roll(stage: Stage, worker: Worker, to: Path | None) -> None:
    """To the build there; None: the one before."""
    must(worker.drain() == 0, f"not drained\n{worker.log_tail()}")
    worker.programs = to
    log = Log(worker)
    worker.start()
    log.must_say("event=shard_running")
    wait_for_work(worker.place)
    stage.say(f"{worker.name}-{worker.number} runs the {'new' if to else 'old'} build")


def advance(place: Place, programs: Path) -> None:
    done = subprocess.run([str(programs / "tallyctl"), "logic", "advance", "--worker", "orders",
                           "--to", "2", "--wait"], env=place.environment(), text=True,
                          capture_output=True, timeout=120)
    must(done.returncode == 0, f"logic advance: {done.stdout}{done.stderr}")


def must_refuse_the_old(stage: Stage, place: Place, fleet: Fleet) -> None:
    old = Worker("orders", 3, place, stage.logs, fleet.members[0].settings)
    fleet.members.append(old)
    log = Log(old)
    old.start()
    log.must_say("shard_refused", "this build knows logic version 1", "the shard is at 2")
    must("event=shard_running" not in log.text(), "the old build works on a shard")
    must(old.drain() == 0, "not drained")
    wait_for_work(place)
    stage.say("the old build refuses")


def must_have_both_formats(stage: Stage, place: Place) -> None:
    with Redis(place.redis_url) as redis:
        keys = redis.keys(f"{place.redis_prefix}order:*")
        orders = [json.loads(text) for text in redis.many(("GET", key) for key in keys)]
    new = [order for order in orders if "turnover" in order]
    wrong = [order["order_id"] for order in new
             if order["turnover"] != order["collected"] + order["refunded"]]
    must(not wrong, f"another turnover: {wrong[:5]}")
    must(new and len(new) < len(orders), f"{len(new)} of {len(orders)} orders have the new format")
    stage.say(f"{len(new)} of {len(orders)} orders have the new format")


def rolled_out(stage: Stage, programs: Path) -> None:
    work = ladders.Ladder(EVENTS)
    place = ladders.prepare(stage, work)
    fleet = Fleet(place, stage.logs, settings=ladders.SOON)
    second = Worker("orders", 2, place, stage.logs, fleet.members[0].settings)
    fleet.members.append(second)
    with fleet, ladders.Sending(place, work, RATE) as sending:
        first = fleet.named("orders")[0]
        wait_for_work(place)
        for worker, to in ((first, programs), (first, None), (first, programs),
                           (second, programs)):
            roll(stage, worker, to)
        advance(place, programs)
        wait_for_work(place)
        stage.say("logic version 2 is ordered")
        must_refuse_the_old(stage, place, fleet)
        sending.finish()
        fleet.members.pop()
        fleet.settle(ladders.SETTLE_S)
        must(not any(fleet.drain().values()), "not all drained")
    ladders.must_be_exact(stage, place, work, "rolled out")
    must_have_both_formats(stage, place)


def test() -> None:
    tree = Path(tempfile.mkdtemp(prefix="tally-upgrade-"))
    try:
        copy_tree(tree)
        follow(tree)
        programs = build(tree)
        with Stage("upgrade") as stage:
            rolled_out(stage, programs)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


if __name__ == "__main__":
    main(test)
