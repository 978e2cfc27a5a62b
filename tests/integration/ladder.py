# SPDX-License-Identifier: Apache-2.0
"""What the tests on the ladder's stream share: sending it, and comparing the outcome."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "ladder"), str(ROOT / "bench")]
import check  # noqa: E402
import job  # noqa: E402
from rig import Place, program  # noqa: E402
from rig.stage import Stage, must  # noqa: E402
from work import Ladder  # noqa: E402

SETTLE_S = 120.0
# Dead members and their transactions are given up soon, so that crashes cost seconds.
SOON = {"session.timeout.ms": "3000", "transaction.timeout.ms": "3000"}


def prepare(stage: Stage, ladder: Ladder) -> Place:
    place = stage.place()
    job.prepare(place, ladder.people, stage.folder)
    return place


class Sending:
    """The stream on its way at a rate, in a process of its own."""

    def __init__(self, place: Place, ladder: Ladder, rate: int) -> None:
        self.process = subprocess.Popen(
            [program("produce"), "--brokers", place.brokers, "--topic", place.topic("orders"),
             "--rate", str(rate), str(ladder.events_file)],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __enter__(self) -> "Sending":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()

    def under_way(self) -> bool:
        return self.process.poll() is None

    def finish(self, timeout_s: float = 120.0) -> None:
        said = self.process.communicate(timeout=timeout_s)[0]
        must(self.process.returncode == 0, f"produce: {said}")


def must_be_exact(stage: Stage, place: Place, ladder: Ladder, when: str) -> None:
    report = check.check(ladder.expected(), place)
    stage.say(f"{when}: {report.text()}")
    must(report.ok, f"{when}: the result is not exact")
