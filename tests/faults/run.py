# SPDX-License-Identifier: Apache-2.0
"""One cell: a small stream, a victim that comes to its fail-point, the blow, and what is left.

One process of each worker folds the stream; the victim is a second one of its worker, started with
the fail-point under load. When that fires the surroundings break too. A killed process is started
again a little later, a stopped one goes on after both timeouts, when others have long taken its
shards. Recovered is when Redis holds everything that was in any input topic at that moment.
"""
from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Callable

import ladder as ladders
from lane import PARTITIONS, Ground, Lane
from plan import NOTHING, POINTS, Cell
from rig import Place, offsets
from rig.redis import Redis, RedisError
from rig.stage import Failed, must
from rig.workers import Fleet, Worker
from surroundings import SURROUNDINGS

RATE = 600           # events/s
EARLY = 0.3          # of the stream at that rate, then less until something breaks
TRICKLE = 40         # events/s: enough to come to any fail-point, for as long as that takes
FEWEST_KEYS = 300    # in Redis before anything breaks
FIRE_S = 90.0        # until the fail-point is reached
STOP_S = 4.5         # beyond the session and the transaction timeout of ladders.SOON
DOWN_S = 0.8         # at most until a killed process is started again
SETTLE_S = float(os.environ.get("FAULTS_SETTLE_S") or 90)
EX_SOFTWARE = 70     # the watchdog's way out: a supervisor starts the process again
INPUTS = ("orders", "credits", "measures")


@dataclass
class Result:
    cell: str
    seed: int
    exact: bool = False
    words: str = ""              # what is wrong
    fired_s: float = 0.0         # since the cell began
    recover_s: float | None = None
    blow_s: float = 0.0          # of that: until what broke around it was back, where it came back
    seconds: float = 0.0
    ended: int = 0               # processes that ended by themselves and were started again

    def row(self) -> dict:
        return asdict(self)


class Stream(ladders.Sending):
    """Some of it is kept for the time of the fault and after, however long that takes to come."""

    def __init__(self, place: Place, work: ladders.Ladder, struck: threading.Event) -> None:
        super().__init__(place, work, RATE)
        self.struck = struck

    def rate_at(self, sent: int) -> float:
        early = not self.struck.is_set() and sent >= EARLY * len(self.lines)
        return TRICKLE if early else RATE


class Recovery:
    """Measures from the fault on, in a thread of its own."""

    def __init__(self, ground: Ground, struck: threading.Event) -> None:
        self.ground, self.struck = ground, struck
        self.since = time.monotonic()
        place = ground.place
        self.ends = {topic: offsets.ends(place.brokers, place.topic(topic), PARTITIONS)
                     for topic in INPUTS}
        self.seconds: float | None = None
        self.given_up = False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def is_over(self) -> bool:
        place = self.ground.place
        wanted = [(f"{place.redis_prefix}meta:{topic}:{partition}", end)
                  for topic, ends in self.ends.items() for partition, end in enumerate(ends)]
        with Redis(place.redis_url, timeout_s=2.0) as redis:
            found = list(redis.many(("HGET", key, "cursor") for key, _ in wanted))
        return all(text and text.isdigit() and int(text) >= end
                   for text, (_, end) in zip(found, wanted))

    def watch(self) -> None:
        self.struck.wait()
        while not self.given_up:
            try:
                if self.is_over():
                    self.seconds = time.monotonic() - self.since
                    return
            except (OSError, RedisError):
                pass  # not back yet
            time.sleep(0.05)

    def wait(self, timeout_s: float, meanwhile: Callable[[], None]) -> float:
        deadline = time.monotonic() + timeout_s
        while self.thread.is_alive() and time.monotonic() < deadline:
            meanwhile()
            self.thread.join(0.2)
        self.given_up = True
        must(self.seconds is not None, f"not recovered after {timeout_s:.0f} s")
        assert self.seconds is not None
        return self.seconds


class Run:
    def __init__(self, cell: Cell, ground: Ground, result: Result) -> None:
        self.cell, self.ground, self.result = cell, ground, result
        self.draw = random.Random(f"{result.seed} {cell.name}")
        self.surrounding = SURROUNDINGS[cell.surrounding]
        self.logs: Path = ground.folder / "logs"
        self.settings = dict(ladders.SOON)
        self.fleet = Fleet(ground.workers, self.logs, settings=self.settings)
        self.peer = self.fleet.named(cell.worker)[0]
        self.victim = Worker(cell.worker, 2, ground.workers, self.logs, self.settings)
        self.struck = threading.Event()
        self.tail_from = 0
        self.started = time.monotonic()

    # ---- until the fault

    def wait_for_load(self) -> None:
        with Redis(self.ground.place.redis_url) as redis:
            deadline = time.monotonic() + FIRE_S
            while redis.command("DBSIZE") < FEWEST_KEYS:
                must(time.monotonic() < deadline, f"nothing happens\n{self.fleet.log_tails()}")
                time.sleep(0.05)

    def start_victim(self) -> None:
        point, action = self.cell.point, self.cell.action
        if point != NOTHING:
            hit = self.draw.randint(1, POINTS[point])
            self.victim.environment = {"TALLY_FAILPOINT": f"{point}:{hit}:{action}"}
        self.fleet.members.append(self.victim.start())

    def has_fired(self) -> bool:
        log = self.victim.log.read_text(errors="replace") if self.victim.log.exists() else ""
        fired = "fail_point " in log
        if self.cell.action == "kill":
            return fired and not self.victim.alive()
        must(self.victim.alive(), f"the victim ended by itself\n{self.victim.log_tail()}")
        return fired and (self.cell.action != "stop" or self.is_stopped())

    def is_stopped(self) -> bool:
        fields = Path(f"/proc/{self.victim.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return fields[0] == "T"

    def wait_for_fault(self) -> None:
        if self.cell.point == NOTHING:
            time.sleep(self.draw.uniform(1, 2))
            return
        deadline = time.monotonic() + FIRE_S
        while not self.has_fired():
            must(time.monotonic() < deadline, f"{self.cell.point} was not reached\n"
                 + self.victim.log_tail())
            time.sleep(0.01)

    # ---- the fault and after it

    def carry_on(self, since: float) -> None:
        """The victim's fate."""
        self.victim.environment = {}
        if self.cell.action == "kill":
            self.victim.wait(60)
            time.sleep(self.draw.uniform(0, DOWN_S))
            self.victim.start()
        elif self.cell.action == "stop":
            time.sleep(max(0.0, since + STOP_S - time.monotonic()))
            must(self.is_stopped(), "the victim did not stay stopped")
            self.victim.signal(signal.SIGCONT)

    def revive(self) -> None:
        """As a supervisor does, for those that the watchdog ended; nothing else may end."""
        for worker in self.fleet.members:
            if worker.process and not worker.alive():
                status = worker.process.returncode
                must(status == EX_SOFTWARE, f"{worker.name}-{worker.number} ended with status "
                     f"{status}\n{worker.log_tail()}")
                self.result.ended += 1
                worker.start()

    def settle(self) -> None:
        deadline = time.monotonic() + SETTLE_S
        while True:
            self.revive()
            try:
                self.fleet.settle(deadline - time.monotonic())
                return
            except RuntimeError:
                if not self.fleet.dead() or time.monotonic() > deadline:
                    raise

    def go(self) -> None:
        work = self.ground.lane.work
        with self.fleet, Stream(self.ground.place, work, self.struck) as sending:
            self.wait_for_load()
            self.surrounding.ready(self)
            self.start_victim()
            self.wait_for_fault()
            self.result.fired_s = time.monotonic() - self.started
            recovery = Recovery(self.ground, self.struck)
            self.surrounding.strike(self)
            self.result.blow_s = time.monotonic() - recovery.since
            self.struck.set()
            self.carry_on(recovery.since)
            self.surrounding.heal(self)
            try:
                self.result.recover_s = recovery.wait(SETTLE_S, self.revive)
            except Failed as failure:
                raise Failed(f"{failure}\n{self.fleet.log_tails()}") from failure
            sending.finish(SETTLE_S)
            self.settle()
            statuses = self.fleet.drain()
            must(not any(statuses.values()), f"not all drained: {statuses}")
        self.must_be_exact()

    def must_be_exact(self) -> None:
        report = ladders.check.check(self.ground.lane.expected, self.ground.place)
        must(report.ok, report.text())
        self.result.exact = True


def run_cell(lane: Lane, cell: Cell, seed: int, keep: bool) -> Result:
    result, started = Result(cell.name, seed), time.monotonic()
    name = cell.name.replace("/", "-")
    try:
        with Ground(lane, name, through_redis=cell.surrounding in ("redis_link", "replica"),
                    through_broker=cell.surrounding == "broker_link") as ground:
            if cell.surrounding == "replica":
                ground.follow()
            Run(cell, ground, result).go()
        if not keep:
            ground.remove()
    except Exception as failure:  # whatever it is: this cell is not exact, the next one is tried
        result.exact = False
        result.words = f"{type(failure).__name__}: {failure}"
    result.seconds = time.monotonic() - started
    return result
