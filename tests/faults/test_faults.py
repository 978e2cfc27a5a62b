#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every fail-point, with every death and every trouble around it, under load: exact at the end.

A cell (plan.py, run.py) is a stream of its own whose result is compared with the independent
oracle: figures, commissions, the multiset of their ids, gapless numbers, dead letters. Cells run
side by side in lanes, since most of their time is waiting for timeouts.

environment: FAULTS=cover (each two choices together once; the default), each (every choice once),
             full (every triple), or names, FAULTS_LANES=3, FAULTS_JSON=file (build/faults.json),
             FAULTS_SETTLE_S=90 (until all must be recovered), TALLY_SEED, TALLY_TEST_KEEP=1
"""
from __future__ import annotations

import multiprocessing
import os
import queue
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
import ladder as ladders  # noqa: E402
import plan  # noqa: E402
import report  # noqa: E402
from lane import Lane  # noqa: E402
from rig import ROOT  # noqa: E402
from rig.stage import main, must, seed  # noqa: E402
from run import Result, run_cell  # noqa: E402

EVENTS = 5000
LANES = 3
KEEP = bool(os.environ.get("TALLY_TEST_KEEP"))
WORDS_SHOWN = 2000


def leave(*_: int | FrameType | None) -> None:
    """SIGTERM: out through every `with`, so that no broker is left behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is being ended must not be ended again
    sys.exit(143)


def serve(folder: Path, number: int, asked: "multiprocessing.Queue[plan.Cell | None]",
          answers: "multiprocessing.Queue[Result | None]") -> None:
    """A lane: a process with a broker of its own, one cell after the other."""
    signal.signal(signal.SIGTERM, leave)
    try:
        with Lane(folder / f"lane-{number}", ladders.Ladder(EVENTS)) as lane:
            while cell := asked.get():
                answers.put(run_cell(lane, cell, SEED, KEEP))
    finally:
        answers.put(None)


def say(number: int, count: int, result: Result) -> None:
    recovered = "" if result.recover_s is None else f", recovered in {result.recover_s:.1f} s"
    ended = f", {result.ended} ended by themselves" if result.ended else ""
    print(f"{number:4}/{count} {'exact' if result.exact else 'FAILED'}  {result.cell}{recovered}"
          f"{ended} ({result.seconds:.0f} s)", flush=True)
    if not result.exact:
        print(result.words[:WORDS_SHOWN], flush=True)


def run_all(cells: list[plan.Cell], folder: Path, results: list[Result]) -> None:
    asked: multiprocessing.Queue = multiprocessing.Queue()
    answers: multiprocessing.Queue = multiprocessing.Queue()
    lanes = min(len(cells), int(os.environ.get("FAULTS_LANES") or LANES))
    for cell in [*cells, *[None] * lanes]:
        asked.put(cell)
    serving = [multiprocessing.Process(target=serve, args=(folder, number, asked, answers))
               for number in range(lanes)]
    try:
        for process in serving:
            process.start()
        open_lanes = lanes
        while open_lanes:
            try:
                result = answers.get(timeout=5)
            except queue.Empty:
                must(any(process.is_alive() for process in serving), "all lanes ended")
                continue
            if result is None:
                open_lanes -= 1
                continue
            results.append(result)
            say(len(results), len(cells), result)
    finally:
        for process in serving:
            process.terminate()
            process.join(60)


def save(results: list[Result]) -> Path:
    path = Path(os.environ.get("FAULTS_JSON") or ROOT / "build" / "faults.json")
    report.write(path, SEED, results)
    print(f"\n{report.tables(results)}\n")
    return path


def test() -> None:
    draw = random.Random(SEED)
    cells = plan.cells(os.environ.get("FAULTS") or "cover", draw)
    ladders.Ladder(EVENTS).expected()  # once, before the lanes ask for it
    folder, started = Path(tempfile.mkdtemp(prefix="tally-faults-")), time.monotonic()
    results: list[Result] = []
    try:
        run_all(cells, folder, results)
    finally:
        path = save(results)  # also of a run that was interrupted
    wrong = [result for result in results if not result.exact]
    print(f"{len(results)} cells in {time.monotonic() - started:.0f} s, "
          f"{len(results) - len(wrong)} exact; all of it is in {path}")
    if wrong or KEEP:
        print(f"logs are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    for result in wrong:  # again, behind the tables
        print(f"FAILED {result.cell}: {result.words.split(chr(10))[0]}")
    must(len(results) == len(cells), f"{len(cells) - len(results)} cells were not run")
    must(not wrong, "not exact; repeat with TALLY_SEED=%d FAULTS=%s make faults" % (
        SEED, ",".join(result.cell for result in wrong)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)
    SEED = seed()
    main(test)
