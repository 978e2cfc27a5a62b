#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Too much, too slow, too lopsided: nothing is lost, nobody is expelled, and the lag falls again.

Each strain is a stream of its own: some seconds of calm, some of trouble, then calm again until the
lag is where it was. Meanwhile /readyz and /metrics of every worker are sampled, and must tell what
is going on. At the end the independent oracle must agree to the last unit.

environment: STRAIN=name,... (all), TALLY_TEST_KEEP=1
"""
from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
import ladder as ladders  # noqa: E402
import oracle  # noqa: E402
import shapes  # noqa: E402
from lane import PARTITIONS, Ground, Lane  # noqa: E402
from rig import free_port, kafka  # noqa: E402
from rig.redis import Redis  # noqa: E402
from rig.stage import Failed, main, must  # noqa: E402
from rig.workers import Fleet, Worker, peak_mb  # noqa: E402
from run import Recovery  # noqa: E402
from watch import EVERY_S, Figures, Watch, figures, sample  # noqa: E402

EVENTS = 24000
CALM_RATE = 600       # events/s
CALM_S, TROUBLE_S = 4.0, 8.0
BURST, BURST_S = 10, 2.5
SLOW_S = 0.06         # each piece of data to and from Redis: more than ten times a flush's time
FAR_S, NARROW = 0.1, 60000.0  # the link to the broker: seconds a piece, bytes/s a connection
LATE_S = 4.0          # each piece of data, where messages may take 3 s
AWAY_S = 16.0         # more than twice what a transaction's call may hang
STEADY_S = 2.0        # the lag is low again for so long
FALL_S = 60.0         # until then, at most
POISON_S = 150.0      # ten deaths, after each of which the group waits for the dead one
BUDGET_MB = 200.0     # a process, README
SETTLE_S = 90.0
REVIVE_S = 0.3


class Stream(ladders.Sending):
    """At a rate that may be changed."""

    def rate_at(self, sent: int) -> float:
        return self.rate


class Run:
    def __init__(self, ground: Ground, work: shapes.Shape, settings: dict[str, str]) -> None:
        self.ground, self.work = ground, work
        self.fleet = Fleet(ground.workers, ground.folder / "logs", settings=settings)
        for worker in self.fleet.members:
            worker.settings["http.address"] = f"127.0.0.1:{free_port()}"
        self.deaths = 0
        self.deadly = False  # tally-orders is meant to die
        self.poison: str | None = None

    def expected(self) -> oracle.Expected:
        expected = self.work.expected()
        if self.poison:
            expected.events += 1
            expected.dead[self.poison] += 1
            expected.reasons[self.poison] = "poison"
        return expected

    def orders(self) -> Worker:
        return self.fleet.named("orders")[0]

    def revive(self) -> None:
        """As a supervisor does, where a record kills whoever folds it."""
        if self.deadly and not self.orders().alive():
            self.deaths += 1
            self.orders().start()

    def wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.revive()
            time.sleep(min(REVIVE_S, left))

    def rebalances(self) -> int:
        return sum(worker.log.read_text(errors="replace").count("event=rebalance ")
                   for worker in self.fleet.members)


# ---- the trouble: what is done for its time, and what must have been told meanwhile

def redis_slow(run: Run, sending: Stream) -> None:
    assert run.ground.redis_link
    run.ground.redis_link.delay(SLOW_S, for_s=3600)
    run.wait(TROUBLE_S)
    run.ground.redis_link.heal()


def broker_slow(run: Run, sending: Stream) -> None:
    link = run.ground.lane.broker_link
    assert link
    link.delay(FAR_S, for_s=3600, bytes_per_s=NARROW)
    run.wait(TROUBLE_S)
    link.heal()


def burst(run: Run, sending: Stream) -> None:
    sending.rate = BURST * CALM_RATE
    run.wait(BURST_S)
    sending.rate = CALM_RATE


def redis_full(run: Run, sending: Stream) -> None:
    with Redis(run.ground.place.redis_url) as redis:
        redis.command("CONFIG", "SET", "maxmemory", "1mb")
        run.wait(TROUBLE_S)
        redis.command("CONFIG", "SET", "maxmemory", "0")


def broker_late(run: Run, sending: Stream) -> None:
    """Answers come later than a message and a transaction may take."""
    assert run.ground.lane.broker_link
    run.ground.lane.broker_link.delay(LATE_S, for_s=3600)
    run.wait(AWAY_S)
    run.ground.lane.broker_link.heal()


def broker_narrow(run: Run, sending: Stream) -> None:
    """A backlog that can be read, and outputs that get out at a trickle."""
    assert run.ground.lane.broker_link
    run.ground.lane.broker_link.delay(0.0, for_s=3600, bytes_per_s=NARROW, replies=False)
    sending.rate = BURST * CALM_RATE
    run.wait(BURST_S)
    sending.rate = CALM_RATE
    run.wait(AWAY_S - BURST_S)
    run.ground.lane.broker_link.heal()


def broker_away(run: Run, sending: Stream) -> None:
    """Longer than a transaction's call may hang where brokers are there."""
    assert run.ground.lane.broker_link
    run.ground.lane.broker_link.cut(for_s=AWAY_S)
    run.wait(AWAY_S)


def poisoned(run: Run, sending: Stream) -> None:
    """A record that kills tally-orders comes amid the others; it is started again each time."""
    place, worker = run.ground.place, run.orders()
    must(worker.drain() == 0, f"not drained\n{worker.log_tail()}")
    value = shapes.POISON.rstrip("\n").split("\t", 1)[1]
    kafka.send(place.brokers, place.topic("orders"), [
        kafka.Message(shapes.HOT_ORDER, value.encode())])
    source = [record for record in kafka.read(place.brokers, place.topic("orders"))
              if record.key == shapes.HOT_ORDER][0]
    worker.environment = {"TALLY_FAILPOINT": f"fold@{source.partition}/{source.offset}:0:kill"}
    run.deadly, run.poison = True, value
    worker.start()
    deadline = time.monotonic() + POISON_S
    while not dead_letter(run):
        must(time.monotonic() < deadline, f"{run.deaths} deaths, no end\n{worker.log_tail()}")
        run.wait(1.0)
    run.deadly = False


def dead_letter(run: Run) -> bool:
    place = run.ground.place
    letters = list(kafka.read(place.brokers, place.topic("orders.dlq")))
    return any(letter.header("tw-reason") == "poison" for letter in letters)


# ---- what must have been told meanwhile; words: what was not

def tells_flush(calm: Figures, trouble: Figures) -> str:
    return "" if trouble.flush_ms >= 2 * SLOW_S * 1000 else "flushes seem quick"


def tells_transaction(calm: Figures, trouble: Figures) -> str:
    if trouble.transaction_ms < 2 * FAR_S * 1000:
        return "transactions seem quick"
    return tells_lag(calm, trouble)


def tells_lag(calm: Figures, trouble: Figures) -> str:
    return "" if trouble.lag > calm.lag else "the lag does not grow"


def tells_pause(calm: Figures, trouble: Figures) -> str:
    if not trouble.paused or not trouble.not_ready or "[-]redis failed" not in trouble.words:
        return f"no shard is paused, or /readyz is 200: {trouble.words}"
    return tells_lag(calm, trouble)


def tells_away(calm: Figures, trouble: Figures) -> str:
    if "[-]producer failed" not in trouble.words:
        return f"/readyz does not say that nothing gets out: {trouble.words}"
    return ""


class Strain(NamedTuple):
    words: str
    trouble: Callable[[Run, Stream], None]
    tells: Callable[[Figures, Figures], str]
    shape: Callable[[list[str]], Iterable[str]] = shapes.as_it_is
    taken: int = 1      # of so many times the events: the shape leaves most out
    through: str = ""   # whose proxy is in the link
    ready: bool = True  # /readyz is 200 all the time
    stays: bool = True  # nobody leaves the group
    settings: dict[str, str] = {}


STRAINS = {
    "redis_slow": Strain("Redis more than ten times slower", redis_slow, tells_flush,
                         through="redis"),
    "broker_slow": Strain("the link to the broker slow and narrow", broker_slow,
                          tells_transaction, through="broker"),
    "burst": Strain("ten times the events", burst, tells_lag),
    "hot_order": Strain("half of a burst is one order's", burst, tells_lag, shapes.one_order),
    "hot_payee": Strain("half of a burst's orders are one person's", burst, tells_lag,
                        shapes.one_payee),
    "lopsided": Strain("a burst, one shard has 100 times the events of the others", burst,
                       tells_lag, shapes.one_shard, taken=4),
    "broker_narrow": Strain("a backlog, what goes out is narrow, timeouts of 3 s", broker_narrow,
                            tells_lag, through="broker", ready=False, stays=False,
                            settings=ladders.SOON),
    "broker_late": Strain("the broker's answers later than timeouts of 3 s", broker_late,
                          tells_away, through="broker", ready=False, stays=False,
                          settings=ladders.SOON),
    "broker_away": Strain("no broker, five times as long as timeouts of 3 s", broker_away,
                          tells_away, through="broker", ready=False, stays=False,
                          settings=ladders.SOON),
    "redis_full": Strain("Redis is full", redis_full, tells_pause, ready=False),
    "poison": Strain("a record that kills its worker, under load", poisoned, tells_lag,
                     ready=False, stays=False, settings=ladders.SOON),
}


@dataclass
class Result:
    name: str
    calm: Figures
    trouble: Figures
    trouble_s: float
    fall_s: float
    peak_mb: float
    deaths: int


def strain(run: Run, kind: Strain, name: str) -> Result:
    fleet = run.fleet
    with fleet, Watch(fleet.members) as watch, Stream(run.ground.place, run.work,
                                                      CALM_RATE) as sending:
        wait_for_all_shards(run)
        began = time.monotonic()
        run.wait(CALM_S)
        calm, members = figures(watch.between(began, time.monotonic())), run.rebalances()
        struck = time.monotonic()
        kind.trouble(run, sending)
        healed = time.monotonic()
        fall_s = recovery_s(run)
        wait_for_fall(run, watch, 2 * calm.lag + CALM_RATE)
        trouble = figures(watch.between(struck, healed + fall_s))
        sending.finish(SETTLE_S)
        fleet.settle(SETTLE_S)
        if kind.stays:
            must(run.rebalances() == members, f"{name}: a member was expelled or left\n"
                 + fleet.log_tails())
        if kind.ready:
            must(not trouble.not_ready, f"{name}: /readyz was not 200: {trouble.words}")
        must(not kind.tells(calm, trouble), f"{name}: {kind.tells(calm, trouble)}: {trouble}")
        peak = max(peak_mb(worker.pid) for worker in fleet.members)
        must(peak <= BUDGET_MB, f"{name}: a process had {peak:.0f} MB")
        statuses = fleet.drain()
        must(not any(statuses.values()), f"{name}: not all drained: {statuses}")
    report = ladders.check.check(run.expected(), run.ground.place)
    must(report.ok, f"{name}: {report.text()}")
    return Result(name, calm, trouble, healed - struck, fall_s, peak, run.deaths)


def wait_for_all_shards(run: Run) -> None:
    """Everybody is a member and works."""
    deadline = time.monotonic() + SETTLE_S
    while any(sample(worker).of("shards", 'state="running"') < PARTITIONS
              for worker in run.fleet.members):
        must(time.monotonic() < deadline, f"no work\n{run.fleet.log_tails()}")
        time.sleep(0.2)


def recovery_s(run: Run) -> float:
    """Until Redis has all that is in an input now; the stream goes on meanwhile."""
    over = threading.Event()
    over.set()
    try:
        return Recovery(run.ground, over).wait(FALL_S, run.revive)
    except Failed as failure:
        raise Failed(f"{failure}\n{run.fleet.log_tails()}") from failure


def wait_for_fall(run: Run, watch: Watch, low: float) -> None:
    """The workers say so too: the lag is low, and stays so for a while."""
    since = last_high = time.monotonic()
    while time.monotonic() < last_high + STEADY_S:
        if watch.latest_lag() > low:
            last_high = time.monotonic()
        must(last_high < since + FALL_S, f"the lag stays at {watch.latest_lag():.0f}\n"
             + run.fleet.log_tails())
        run.wait(EVERY_S)


HEAD = ("| strain | s of it | lag calm / most | until all was there, s | flush ms calm / strained "
        "| transaction ms | aborted | paused shards | not ready | deaths | peak MB |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|")


def row(one: Result) -> str:
    calm, trouble = one.calm, one.trouble
    cells = (f"{one.name}: {STRAINS[one.name].words}", f"{one.trouble_s:.1f}",
             f"{calm.lag:.0f} / {trouble.lag:.0f}", f"{one.fall_s:.1f}",
             f"{calm.flush_ms:.0f} / {trouble.flush_ms:.0f}",
             f"{calm.transaction_ms:.0f} / {trouble.transaction_ms:.0f}",
             f"{trouble.aborted:.0f}", f"{trouble.paused:.0f}",
             f"{trouble.not_ready} of {trouble.samples}", str(one.deaths), f"{one.peak_mb:.0f}")
    return f"| {' | '.join(cells)} |"


def run_one(lane: Lane, name: str) -> Result:
    kind = STRAINS[name]
    work = shapes.Shape(name, EVENTS, kind.shape, kind.taken)
    with Ground(lane, name, kind.through == "redis", kind.through == "broker") as ground:
        result = strain(Run(ground, work, kind.settings), kind, name)
    ground.remove()
    return result


def test() -> None:
    asked = os.environ.get("STRAIN")
    names = asked.split(",") if asked else list(STRAINS)
    must(set(names) <= set(STRAINS), f"STRAIN is some of {' '.join(STRAINS)}")
    folder, wrong = Path(tempfile.mkdtemp(prefix="tally-strain-")), []
    results = []
    with Lane(folder / "lane", ladders.Ladder(EVENTS)) as lane:
        for name in names:
            try:
                results.append(run_one(lane, name))
                print(row(results[-1]), flush=True)
            except (Failed, RuntimeError) as failure:
                wrong.append(name)
                print(f"FAILED {name}: {failure}", flush=True)
    print("\n".join(["", HEAD, *map(row, results)]))
    if wrong or os.environ.get("TALLY_TEST_KEEP"):
        print(f"logs are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    must(not wrong, f"repeat with STRAIN={','.join(wrong)}")


if __name__ == "__main__":
    main(test)
