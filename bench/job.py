# SPDX-License-Identifier: Apache-2.0
"""One run of the ladder job with the product's own processes, timed and weighed.

The clock runs from the start of the worker processes until every worker has read all of its input
and every figure is in Redis. CPU time and peak memory are the kernel's figures for each process at
that moment, so starting up is in them and stopping is not.
"""
from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "ladder")]
import reference  # noqa: E402
from rig import Place, program  # noqa: E402
from rig.workers import Fleet, cpu_s, peak_mb, tallyctl  # noqa: E402

MILLION = 1e6


@dataclass
class Usage:
    """What one process took."""
    name: str
    cpu_s: float
    peak_mb: float


@dataclass
class Run:
    events: int
    seconds: float
    workers: list[Usage] = field(default_factory=list)
    servers: list[Usage] = field(default_factory=list)  # broker and Redis, where they are ours

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    def per_million(self, usages: list[Usage]) -> float:
        return sum(usage.cpu_s for usage in usages) / self.events * MILLION


def count_events(path: Path) -> int:
    count = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            count += block.count(b"\n")
    return count


def prepare(place: Place, people: dict[str, dict], scratch: Path, partitions: int = 8) -> None:
    """Topics that are not there yet, the people and the plan in force from the first event on."""
    file = reference.write(people, scratch / "reference.json")
    tallyctl(place, "topics", "create", "--partitions", str(partitions), "--reference", str(file))


def produce(place: Place, events: Path, *words: str) -> str:
    """Sends the events to `orders`; says how fast."""
    done = subprocess.run([program("produce"), "--brokers", place.brokers, "--topic",
                           place.topic("orders"), *words, str(events)],
                          text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"produce: {done.stderr}")
    return done.stdout.strip()


class Servers:
    """Broker and Redis by process id, weighed from now on."""

    def __init__(self, pids: dict[str, int]) -> None:
        self.pids = pids
        self.before = {name: cpu_s(pid) for name, pid in pids.items()}

    def usages(self) -> list[Usage]:
        return [Usage(name, cpu_s(pid) - self.before[name], peak_mb(pid))
                for name, pid in self.pids.items()]


def run(fleet: Fleet, events: int, timeout_s: float,
        server_pids: dict[str, int] | None = None) -> Run:
    """Starts the fleet on the backlog and waits until all is settled. The fleet is left running."""
    servers = Servers(server_pids or {})
    started = time.monotonic()
    fleet.start()
    fleet.settle(timeout_s)
    result = Run(events, time.monotonic() - started, servers=servers.usages())
    for worker in fleet.members:
        result.workers.append(Usage(f"{worker.name}-{worker.number}", cpu_s(worker.pid),
                                    peak_mb(worker.pid)))
    return result
