#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every allocation of the product's own code may fail: a process then says so and ends with 71.

A small preloaded library (preload_out_of_memory.c) lets one allocation fail. First each of those
of --check-config, one after the other. Then workers are watched from their start to their end, so
that every chain of callers that allocates is known; and processes are started on a stream that goes
on, in each of which the first allocation from one of these chains fails. A process that does not
come there must work and drain as ever. At the end they run undisturbed, and all is exact.

environment: TALLY_TEST_SWEEP_S=30 (seconds for the second part; as many chains as fit are tried, in
an order that the seed gives; 0: all of them), TALLY_SEED
"""
from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from bisect import bisect_right
from collections import Counter
from itertools import islice
from pathlib import Path

import ladder as ladders
from rig import free_port, program
from rig.stage import Failed, Stage, main, must, seed
from rig.workers import WORKERS, Fleet, Worker

HERE = Path(__file__).resolve().parent
SWEEP_S = float(os.environ.get("TALLY_TEST_SWEEP_S") or 30)
FIRST, RATE = 600, 60  # events for the watched run; events a second for the others
EVENTS = FIRST + int((SWEEP_S or 900) * RATE * 1.5)
OUT, BYTES = 71, "event=out_of_memory"
CHECKED = [f"tally-{name}" for name in (*WORKERS, "dashboard")]
ALLOCATING = ("memory_new", "memory_array", "memory_resize", "memory_copy")
REACH_S = 10.0  # for a process to come to its allocation; then it is drained
TRIED_LEAST = 6


class Program:
    """A binary's functions, by address."""

    def __init__(self, name: str) -> None:
        self.path = program(name)
        done = subprocess.run(["nm", "-S", "--defined-only", self.path], check=True, text=True,
                              capture_output=True)
        rows = [line.split() for line in done.stdout.splitlines()]
        functions = sorted((int(row[0], 16), int(row[1], 16), row[3].split(".")[0])
                           for row in rows if len(row) == 4 and row[2] in "tT")
        self.starts = [start for start, _, _ in functions]
        self.names = [name for _, _, name in functions]
        self.ours = ",".join(f"{start:x},{start + size:x}" for start, size, name in functions
                             if name in ALLOCATING)
        must(self.ours, f"{name} has none of {ALLOCATING}")

    def words(self, chain: list[str]) -> str:
        """A chain of return addresses as functions, the innermost first."""
        return " < ".join(self.names[bisect_right(self.starts, int(at, 16) - 1) - 1]
                          for at in chain)


def make_library(stage: Stage) -> Path:
    library = stage.folder / "out_of_memory.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library),
                    str(HERE / "preload_out_of_memory.c")], check=True)
    return library


def environment(library: Path, binary: Program, **more: object) -> dict[str, str]:
    return {"LD_PRELOAD": str(library), "TALLY_TEST_OURS": binary.ours.replace(",", " "),
            **{f"TALLY_TEST_{name}": str(value) for name, value in more.items()}}


# --- --check-config -------------------------------------------------------------------------------


def check_config(stage: Stage, library: Path, name: str) -> int:
    """How many allocations there are; each of them has failed once."""
    binary, record = Program(name), stage.folder / f"{name}.checked"

    def run(**more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([binary.path, "--check-config"], text=True, capture_output=True,
                              env={**os.environ, **environment(library, binary, **more)})

    must(run(RECORD=record).returncode == 0, f"{name} --check-config fails by itself")
    count = int(record.read_text().splitlines()[-1].split()[1])
    must(count > 0, f"{name} allocates nothing, or it is not seen")
    for number in range(1, count + 1):
        done = run(NUMBER=number)
        must(done.returncode == OUT and BYTES in done.stderr,
             f"{name} --check-config, allocation {number} of {count}: status {done.returncode}\n"
             f"{done.stderr}")
    return count


# --- workers --------------------------------------------------------------------------------------


class Starved:
    """One worker that is started again and again, each time with another chain that fails."""

    def __init__(self, worker: Worker, library: Path, record: Path) -> None:
        self.worker, self.library = worker, library
        self.binary = Program(f"tally-{worker.name}")
        lines = [line.split() for line in record.read_text().splitlines()]
        self.chains = {words[0]: words[1:] for words in lines if words[0] != "count"}
        self.tried: Counter[str] = Counter()
        self.failure: str | None = None
        self.log_at = 0

    def log(self) -> str:
        """What the process that was started last has said."""
        with open(self.worker.log, errors="replace") as file:
            file.seek(self.log_at)
            return file.read()

    def start(self, **more: object) -> None:
        log = self.worker.log
        self.log_at = log.stat().st_size if log.exists() else 0
        self.worker.environment = environment(self.library, self.binary, **more) if more else {}
        self.worker.start()

    def undisturbed(self) -> None:
        """Without it, deaths at one place would look as if a record caused them (poison)."""
        self.start()
        deadline = time.monotonic() + ladders.SETTLE_S
        while "event=shard_running" not in self.log():
            must(self.worker.alive() and time.monotonic() < deadline,
                 f"it does not come to run afterwards\n{self.worker.log_tail()}")
            time.sleep(0.05)
        must(self.worker.drain(60) == 0, f"not drained\n{self.worker.log_tail()}")

    def try_one(self, site: str) -> None:
        self.start(SITE=site)
        try:
            status = self.worker.wait(REACH_S)
            must(status == OUT and BYTES in self.log(),
                 f"status {status}\n{self.worker.log_tail()}")
            self.tried["ended"] += 1
        except subprocess.TimeoutExpired:
            status = self.worker.drain(60)
            must(status == 0 or (status == OUT and BYTES in self.log()),
                 f"drained with status {status}\n{self.worker.log_tail()}")
            self.tried["ended" if status else "went on"] += 1
        if "event=shard_claiming" in self.log():
            self.undisturbed()

    def sweep(self, sites: list[str], until: float) -> None:
        site = ""
        try:
            for site in sites:
                if time.monotonic() >= until:
                    break
                self.try_one(site)
        except (Failed, RuntimeError, subprocess.TimeoutExpired) as failure:
            self.failure = (f"{self.worker.name}, where "
                            f"{self.binary.words(self.chains[site])} gets no memory: {failure}")


def record_chains(stage: Stage, library: Path, fleet: Fleet, send: bytes) -> dict[str, Path]:
    records = {}
    for worker in fleet.members:
        records[worker.name] = stage.folder / f"{worker.name}.chains"
        worker.environment = environment(library, Program(f"tally-{worker.name}"),
                                         RECORD=records[worker.name])
    place = fleet.place
    with fleet:
        subprocess.run([program("produce"), "--brokers", place.brokers, "--topic",
                        place.topic("orders"), "-"], input=send, check=True,
                       stdout=subprocess.DEVNULL)
        fleet.settle(ladders.SETTLE_S)
        must(not any(fleet.drain(60).values()), "not drained")
    return records


def sweep(stage: Stage, starved: list[Starved], draw: random.Random) -> None:
    until = time.monotonic() + (SWEEP_S or 86400)
    threads = []
    for one in starved:
        sites = sorted(one.chains)
        draw.shuffle(sites)
        threads.append(threading.Thread(target=one.sweep, args=(sites, until)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    for one in starved:
        stage.say(f"{one.worker.name}: {sum(one.tried.values())} of {len(one.chains)} chains tried,"
                  f" {one.tried['ended']} ended with 71, {one.tried['went on']} never came there")
    must(not any(one.failure for one in starved),
         "\n".join(one.failure for one in starved if one.failure))
    must(sum(one.tried["ended"] for one in starved) >= TRIED_LEAST, "hardly any was tried")


def test() -> None:
    draw = random.Random(seed())
    with Stage("out-of-memory") as stage:
        library = make_library(stage)
        for name in CHECKED:
            count = check_config(stage, library, name)
            stage.say(f"{name} --check-config: each of {count} allocations failed once")
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        fleet = Fleet(place, stage.logs, settings=ladders.SOON)
        for worker in fleet.members:
            worker.settings["http.address"] = f"127.0.0.1:{free_port()}"
        with open(work.events_file, "rb") as file:
            first = list(islice(file, FIRST))
        records = record_chains(stage, library, fleet, b"".join(first))
        starved = [Starved(worker, library, records[worker.name]) for worker in fleet.members]
        sending = ladders.Sending(place, work, RATE)
        sending.lines = sending.lines[FIRST:]
        with sending:
            sweep(stage, starved, draw)
            for worker in fleet.members:
                worker.environment = {}
            with fleet:
                sending.finish()
                fleet.settle(ladders.SETTLE_S)
                must(not any(fleet.drain(60).values()), "not drained")
        ladders.must_be_exact(stage, place, work, "after all")


if __name__ == "__main__":
    main(test)
