#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A long time at a steady rate: memory stays flat, Redis gets no key beyond the documented ones.

Every process is weighed every few seconds. After a warm-up, in which caches fill, a straight line
is laid through each worker's samples; what it grows by until the end must be less than what its
shards note of new entities (LIMIT_SEEN_ENTITIES) and some slack. At the end all is compared with
the independent oracle, and every key of Redis with docs/REDIS.md.

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
from rig.workers import Fleet  # noqa: E402
from watch import sample  # noqa: E402

SECONDS = int(os.environ.get("SOAK_SECONDS") or 1800)
RATE = int(os.environ.get("SOAK_RATE") or 1000)
EVERY_S = 5.0
WARM_UP = 0.4            # of the time
CACHE = 4 << 20          # bytes: full long before the warm-up ends
SLACK_MB = 6.0           # of the allocator and the samples
SEEN_BYTES = 32          # that a shard notes of an entity, in a table that is at least half full
MB = 1 << 20
SETTLE_S = 120.0
ENTITY = {"orders": "order:", "commissions": "pay:", "scoreboard": "sales:"}
KEY = re.compile(r"^### `([^`]+)`", re.M)

Samples = dict[str, list[tuple[float, float]]]  # process -> (seconds, MB)


def resident_mb(pid: int) -> float:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / MB


def growth_a_second(samples: list[tuple[float, float]]) -> float:
    """The slope of the straight line through them, MB/s."""
    count = len(samples)
    mean_x = sum(x for x, _ in samples) / count
    mean_y = sum(y for _, y in samples) / count
    return (sum((x - mean_x) * (y - mean_y) for x, y in samples)
            / sum((x - mean_x) ** 2 for x, _ in samples))


def weigh(pids: dict[str, int], samples: Samples, at: float) -> None:
    for name, pid in pids.items():
        samples[name].append((at, resident_mb(pid)))


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


def must_be_flat(stage: Stage, samples: Samples, keys: Counter) -> None:
    wrong = []
    for name, all_of_it in samples.items():
        late = [one for one in all_of_it if one[0] >= SECONDS * WARM_UP]
        grown = growth_a_second(late) * (late[-1][0] - late[0][0])
        stage.say(f"{name}: {late[0][1]:.1f} MB warmed up, {late[-1][1]:.1f} MB at the end, "
                  f"most {max(mb for _, mb in all_of_it):.1f}; the line rises by {grown:.1f} MB")
        entities = sum(count for kind, count in keys.items()
                       if name in ENTITY and kind.startswith(ENTITY[name]))
        allowed = SLACK_MB + entities * SEEN_BYTES / MB
        if name in ENTITY and grown > allowed:
            wrong.append(f"{name} by {grown:.1f} MB, allowed are {allowed:.1f}")
    must(not wrong, f"memory grows: {', '.join(wrong)}")


def soak(stage: Stage, work: ladders.Ladder, place: Place, fleet: Fleet) -> Samples:
    samples: Samples = defaultdict(list)
    pids, began = pids_of(stage, fleet), time.monotonic()
    with subprocess.Popen([program("produce"), "--brokers", place.brokers, "--topic",
                           place.topic("orders"), "--rate", str(RATE), str(work.events_file)],
                          stdout=subprocess.DEVNULL) as producing:
        while producing.poll() is None:
            time.sleep(EVERY_S)
            must(not fleet.dead(), "\n".join(fleet.dead()))
            weigh(pids, samples, time.monotonic() - began)
        must(producing.returncode == 0, "produce failed")
    return samples


def test() -> None:
    with Stage("soak", own_redis=True) as stage:
        work = ladders.Ladder(SECONDS * RATE)
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
            must(not any(fleet.drain().values()), "not all drained")
        keys = count_keys(place)
        for kind, count in sorted(keys.items()):
            stage.say(f"{kind}: {count}")
        must_be_flat(stage, samples, keys)
        ladders.must_be_exact(stage, place, work, "after the soak")


if __name__ == "__main__":
    main(test)
