#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tallyctl logic advance` moves every shard of one worker, waits for it, and refuses nonsense.

The shards are put at logic version 0, as an older build would have begun them, so that the version
of this build is one to advance to.
"""
from __future__ import annotations

import re

import ctl
from rig import Place, offsets
from rig.stage import Stage, main, must
from rig.workers import Fleet, tallyctl

REFUSED, USAGE, TRY_AGAIN = 77, 64, 75


def cursors(place: Place) -> list[offsets.Committed]:
    return offsets.fetch(place.brokers, f"{place.group_prefix}tallyworks-orders",
                         place.topic("orders"), ctl.PARTITIONS)


def versions(place: Place) -> list[int]:
    return [int(re.search(r"logic=(\d+)", one.metadata)[1]) for one in cursors(place)]


def make_older(place: Place) -> None:
    older = {p: one._replace(metadata=re.sub(r"(first|logic)=\d+", r"\1=0", one.metadata))
             for p, one in enumerate(cursors(place))}
    offsets.commit(place.brokers, f"{place.group_prefix}tallyworks-orders", place.topic("orders"),
                   older)
    must(versions(place) == [0] * ctl.PARTITIONS, "the shards are not older")


def status(place: Place, *words: str) -> tuple[int, str]:
    done = tallyctl(place, "logic", "advance", *words, check=False)
    return done.returncode, done.stdout + done.stderr


def must_refuse(place: Place) -> None:
    code, said = status(place, "--worker", "orders", "--to", "2")
    must(code == REFUSED and "this build knows" in said, f"a version of no build: {code} {said}")
    must(status(place, "--worker", "nobody", "--to", "1")[0] == USAGE, "an unknown worker")
    must(status(place, "--worker", "orders")[0] == USAGE, "no version")
    code, said = status(place, "--worker", "orders", "--to", "1", "--wait", "--timeout", "1")
    must(code == TRY_AGAIN and "still at logic version 0" in said, f"nobody works: {code} {said}")


# contract: ctl.logic
def test() -> None:
    with Stage("logic") as stage:
        place = ctl.prepare(stage)
        make_older(place)
        must_refuse(place)
        with Fleet(place, stage.logs, settings=ctl.SOON):
            ctl.settle(place)
            must(versions(place) == [1] * ctl.PARTITIONS, f"it was ordered: {versions(place)}")
        make_older(place)
        with Fleet(place, stage.logs, settings=ctl.SOON):
            ctl.send(place, [ctl.created("o-1", "p-1", 1000)])
            ctl.settle(place)
            must(0 in versions(place), "shards moved without an order")
            answer = ctl.answer(place, "logic", "advance", "--worker", "orders", "--to", "1",
                                "--wait")
            must(answer["ordered"] and answer["before"] == 0 and answer["waited"], f"{answer}")
            must(versions(place) == [1] * ctl.PARTITIONS, f"--wait came back at {versions(place)}")
            stage.say("all shards are at the new version")
            code, said = status(place, "--worker", "orders", "--to", "1")
            must(code == 0 and "already" in said, f"again: {code} {said}")
            ctl.send(place, [ctl.paid("o-1", "a", 300)])
            ctl.settle(place)
        must(ctl.figures(place, "company", "all")["collected"] == 300, "the figures")


if __name__ == "__main__":
    main(test)
