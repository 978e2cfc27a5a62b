# SPDX-License-Identifier: Apache-2.0
"""What the tests on the ladder's stream share: sending it, and comparing the outcome."""
from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "ladder"), str(ROOT / "bench")]
import check  # noqa: E402
import job  # noqa: E402
from rig import Place, program  # noqa: E402
from rig.stage import Stage, must  # noqa: E402
from work import Ladder  # noqa: E402

# `make exact` asks for more events than a test has by itself.
EVENTS_ASKED = int(os.environ.get("TALLY_LADDER_EVENTS", "0"))
RATE_ASKED = int(os.environ.get("TALLY_LADDER_RATE", "0"))
PATIENCE = float(os.environ.get("TALLY_TEST_PATIENCE", "1"))  # a sanitizer makes all slower
SETTLE_S = (120.0 + EVENTS_ASKED / 5000) * PATIENCE
STEADY = 0.8  # of a stream: sent at its rate; the rest at the end
STEP_S = 0.005
# Dead members and their transactions are given up soon, so that crashes cost seconds.
SOON = {"session.timeout.ms": "3000", "transaction.timeout.ms": "3000"}


def size(events: int, rate: int) -> tuple[int, int]:
    return EVENTS_ASKED or events, RATE_ASKED or rate


def prepare(stage: Stage, ladder: Ladder) -> Place:
    place = stage.place()
    job.prepare(place, ladder.people, stage.folder)
    return place


class Sending:
    """The stream on its way at a rate, from a thread of its own.

    The last part is kept back until finish(), so that events come during all that a test does,
    however slow the machine is; then it follows at full speed.
    """

    def __init__(self, place: Place, ladder: Ladder, rate: int) -> None:
        self.lines = ladder.events_file.read_bytes().splitlines(keepends=True)
        self.rate = rate
        self.hurry = threading.Event()
        self.process = subprocess.Popen(
            [program("produce"), "--brokers", place.brokers, "--topic", place.topic("orders"), "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.thread = threading.Thread(target=self.send, daemon=True)

    def rate_at(self, sent: int) -> float:
        """Events a second, when so many are sent."""
        return self.rate

    def send(self) -> None:
        steady, sent, due, last = int(len(self.lines) * STEADY), 0, 0.0, time.monotonic()
        assert self.process.stdin
        try:
            while sent < steady and not self.hurry.wait(STEP_S):
                now = time.monotonic()
                due, last = min(steady, due + (now - last) * self.rate_at(sent)), now
                self.process.stdin.write(b"".join(self.lines[sent:int(due)]))
                self.process.stdin.flush()
                sent = int(due)
            self.hurry.wait()
            self.process.stdin.write(b"".join(self.lines[sent:]))
            self.process.stdin.close()
        except OSError:  # produce is gone; finish() says so
            pass

    def __enter__(self) -> "Sending":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hurry.set()
        self.thread.join()
        assert self.process.stdout
        self.process.stdout.close()

    def finish(self, timeout_s: float = SETTLE_S) -> None:
        """The rest, and waits until the broker has all."""
        assert self.process.stdout
        self.hurry.set()
        self.thread.join(timeout_s)
        said = self.process.stdout.read().decode()
        must(self.process.wait(timeout_s) == 0 and f"produced {len(self.lines)} events" in said,
             f"produce: {said}")


def must_be_exact(stage: Stage, place: Place, ladder: Ladder, when: str) -> None:
    report = check.check(ladder.expected(), place)
    stage.say(f"{when}: {report.text()}")
    must(report.ok, f"{when}: the result is not exact")
