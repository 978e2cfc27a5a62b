#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A long time at a steady rate: memory stays flat, Redis gets no key beyond the documented ones.

The stream is the ladder's with all of it on one business day: so payees, products, channels and
periods are soon all there, and only orders go on being new. After a warm-up, in which caches fill,
a worker's memory in use (tallyworks_heap_used_bytes) may not grow by more than SLACK_MB and what
its shards note of each new order (LIMIT_SEEN_ENTITIES). In use is compared at its lowest, in two
spans of equal length: what waits to be read or sent comes and goes with what the machine does. The
resident memory is that and what is kept for the next batches; it may not pass RESIDENT_MB, and once
nothing comes any more, most of what is kept must go back. At the end all is compared with the
independent oracle, and every key of Redis with docs/REDIS.md.

environment: SOAK_SECONDS=1800, SOAK_RATE=1000, TALLY_TEST_KEEP=1
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
import ladder as ladders  # noqa: E402
from rig import ROOT, Place, free_port, program  # noqa: E402
from rig.redis import Redis  # noqa: E402
from rig.stage import Stage, main, must  # noqa: E402
from rig.workers import Fleet, Worker  # noqa: E402
from watch import sample  # noqa: E402

SECONDS = int(os.environ.get("SOAK_SECONDS") or 1800)
RATE = int(os.environ.get("SOAK_RATE") or 1000)
EVERY_S = 5.0
WARM_UP = 0.4            # of the time
CACHE = 4 << 20          # bytes: full long before the warm-up ends
SLACK_MB = 4.0           # of the lowest memory in use
RESIDENT_MB = 160.0      # of a worker, at most, with this cache
KEPT_MB = 32.0           # resident besides twice what is in use, when nothing comes
CALM_S = 90.0            # until the rest is given back, at most; looked at once a minute
SEEN_BYTES = 16          # an order, by which a shard's table of those seen grows when it doubles
MB = 1 << 20
SETTLE_S = 120.0
DAY = re.compile(rb'"time":"2026-[0-9]{2}-[0-9]{2}T')
KEY = re.compile(r"^### `([^`]+)`", re.M)

Samples = dict[str, list[tuple[float, float, float]]]  # process -> (s, MB resident, MB in use)


def resident_mb(pid: int) -> float:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / MB


class OneDay(ladders.Ladder):
    """The ladder's events, all on one day."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        lines = self.events_file
        self.folder = self.folder.with_name(self.folder.name + "-one-day")
        self.folder.mkdir(exist_ok=True)
        self.events_file = self.folder / lines.name
        if not self.events_file.exists():
            part = self.folder / f"part-{os.getpid()}"
            with open(lines, "rb") as source, open(part, "wb") as file:
                file.writelines(DAY.sub(b'"time":"2026-02-04T', line) for line in source)
            part.rename(self.events_file)


def in_use_mb(worker: Worker) -> float:
    """0.0: it did not answer in time."""
    return sample(worker).total("heap_used_bytes") / MB


def weigh(pids: dict[str, int], fleet: Fleet, samples: Samples, at: float) -> None:
    in_use = {worker.name: in_use_mb(worker) for worker in fleet.members}
    for name, pid in pids.items():
        samples[name].append((at, resident_mb(pid), in_use.get(name, 0.0)))


def pids_of(stage: Stage, fleet: Fleet) -> dict[str, int]:
    pids = {worker.name: worker.pid for worker in fleet.members}
    if stage.broker:
        pids["broker"] = stage.broker.pid
    if stage.redis:
        pids["Redis"] = stage.redis.pid
    return pids


def documented() -> list[tuple[str, re.Pattern[str]]]:
    names = KEY.findall((ROOT / "docs" / "REDIS.md").read_text())
    return [(name, re.compile("".join(
        ".+" if part.startswith("<") else re.escape(part)
        for part in re.split(r"(<[^>]+>)", name)))) for name in names]


def count_keys(place: Place) -> Counter:
    """Of each documented kind; a key that is of none fails."""
    kinds, found = documented(), Counter()
    with Redis(place.redis_url) as redis:
        for key in redis.keys(f"{place.redis_prefix}*"):
            name = key[len(place.redis_prefix):]
            kind = next((kind for kind, pattern in kinds if pattern.fullmatch(name)), None)
            must(kind, f"{name} is no key that docs/REDIS.md has")
            found[kind] += 1
    return found


def lowest(samples: list[tuple[float, float, float]], since: float, until: float) -> float:
    """MB in use."""
    return min(used for at, _, used in samples if since <= at <= until and used > 0)


def faults_of(name: str, samples: list[tuple[float, float, float]], orders: int) -> list[str]:
    """What a worker's samples say against it; orders: all that there are in the end."""
    end, warm = samples[-1][0], samples[-1][0] * WARM_UP
    half = (warm + end) / 2
    grown = lowest(samples, half, end) - lowest(samples, warm, half)
    allowed = SLACK_MB + (orders * SEEN_BYTES / MB if name == "orders" else 0)
    most = max(resident for _, resident, _ in samples)
    wrong = []
    if grown > allowed:
        wrong.append(f"{name} holds {grown:.1f} MB more, allowed are {allowed:.1f}")
    if most > RESIDENT_MB:
        wrong.append(f"{name} had {most:.1f} MB resident, allowed are {RESIDENT_MB}")
    return wrong


def must_be_flat(stage: Stage, samples: Samples, fleet: Fleet, orders: int) -> None:
    wrong = []
    for name, all_of_it in samples.items():
        at_warm = next(one for one in all_of_it if one[0] >= all_of_it[-1][0] * WARM_UP)
        stage.say(f"{name}: resident {at_warm[1]:.1f} MB warmed up, {all_of_it[-1][1]:.1f} MB at "
                  f"the end, most {max(mb for _, mb, _ in all_of_it):.1f}")
    for worker in fleet.members:
        one = samples[worker.name]
        warm, end = one[-1][0] * WARM_UP, one[-1][0]
        stage.say(f"{worker.name}: in use at least {lowest(one, warm, (warm + end) / 2):.1f} MB, "
                  f"then {lowest(one, (warm + end) / 2, end):.1f}; most "
                  f"{max(used for _, _, used in one):.1f}")
        wrong += faults_of(worker.name, one, orders)
    must(not wrong, f"memory grows: {', '.join(wrong)}")


def must_give_back(stage: Stage, fleet: Fleet) -> None:
    """Nothing comes any more: what the stream's peaks took is not kept."""
    deadline = time.monotonic() + CALM_S
    for worker in fleet.members:
        while True:
            resident, used = resident_mb(worker.pid), in_use_mb(worker)
            if used and resident <= 2 * used + KEPT_MB:
                break
            must(time.monotonic() < deadline,
                 f"{worker.name} keeps {resident:.1f} MB, of which {used:.1f} are in use")
            time.sleep(1.0)
        stage.say(f"{worker.name}: resident {resident:.1f} MB when calm, {used:.1f} in use")


def soak(stage: Stage, work: ladders.Ladder, place: Place, fleet: Fleet) -> Samples:
    samples: Samples = defaultdict(list)
    pids, began = pids_of(stage, fleet), time.monotonic()
    with subprocess.Popen([program("produce"), "--brokers", place.brokers, "--topic",
                           place.topic("orders"), "--rate", str(RATE), str(work.events_file)],
                          stdout=subprocess.DEVNULL) as producing:
        while producing.poll() is None:
            time.sleep(EVERY_S)
            must(not fleet.dead(), "\n".join(fleet.dead()))
            weigh(pids, fleet, samples, time.monotonic() - began)
        must(producing.returncode == 0, "produce failed")
    return samples


def test() -> None:
    with Stage("soak", own_redis=True) as stage:
        work = OneDay(SECONDS * RATE)
        place = ladders.prepare(stage, work)
        stage.say(f"{SECONDS} s at {RATE} events/s")
        fleet = Fleet(place, stage.logs, settings={"cache.max.bytes": str(CACHE)})
        for worker in fleet.members:
            worker.settings["http.address"] = f"127.0.0.1:{free_port()}"
        with fleet:
            samples = soak(stage, work, place, fleet)
            for worker in fleet.members:
                state = sample(worker).total("state_memory_bytes") / MB
                stage.say(f"{worker.name}: entities and batches are {state:.1f} MB of it")
            fleet.settle(SETTLE_S)
            must_give_back(stage, fleet)
            must(not any(fleet.drain().values()), "not all drained")
        keys = count_keys(place)
        for kind, count in sorted(keys.items()):
            stage.say(f"{kind}: {count}")
        must_be_flat(stage, samples, fleet, keys["order:<order_id>"])
        ladders.must_be_exact(stage, place, work, "after the soak")


if __name__ == "__main__":
    main(test)
