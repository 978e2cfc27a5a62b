#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Valgrind looks at the workers while they fold a stream, lose Redis' content and drain.

What ships runs, not the sanitizers' build, with the libraries that the product links. An invalid
access, a use of what was never written, or memory that is lost at the end fails; besides, all must
be exact. A worker takes some thirty times as long as without, hence the long timeouts.

environment: MEMCHECK_EVENTS=2000, TALLY_TEST_KEEP=1
"""
from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
import ladder as ladders  # noqa: E402
from rig.redis import Redis  # noqa: E402
from rig.stage import Stage, main, must  # noqa: E402
from rig.workers import Fleet  # noqa: E402

EVENTS = int(os.environ.get("MEMCHECK_EVENTS") or 2000)
RATE = 500
FOUND = 99  # the exit status where something was found
PATIENT = {"session.timeout.ms": "45000", "transaction.timeout.ms": "30000",
           "drain.timeout.ms": "120000"}
SETTLE_S = 600.0


def test() -> None:
    must(shutil.which("valgrind"), "there is no valgrind: apt-get install valgrind")
    with Stage("memcheck", own_redis=True) as stage:
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        fleet = Fleet(place, stage.logs, settings=PATIENT)
        for worker in fleet.members:
            worker.under = ["valgrind", "--quiet", "--leak-check=full",
                            "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
                            f"--error-exitcode={FOUND}", "--num-callers=25"]
        with fleet, ladders.Sending(place, work, RATE) as sending:
            sending.finish()
            fleet.settle(SETTLE_S)
            with Redis(place.redis_url) as redis:
                redis.command("FLUSHALL")
            stage.say("emptied Redis")
            fleet.settle(SETTLE_S)
            statuses = fleet.drain(SETTLE_S)
        ladders.must_be_exact(stage, place, work, "under valgrind")
        said = [line for worker in fleet.members
                for line in worker.log.read_text(errors="replace").splitlines()
                if line.startswith("==")]
        must(not any(statuses.values()), f"{statuses}\n" + "\n".join(said[:100]))
        stage.say(f"nothing was found in {', '.join(statuses)}")


if __name__ == "__main__":
    main(test)
