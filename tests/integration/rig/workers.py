# SPDX-License-Identifier: Apache-2.0
"""The product's own processes: workers by name and number, and tallyctl."""
from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

from . import Place, program

WORKERS = ("orders", "commissions", "scoreboard")
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
BEGUN = re.compile(r"ts=(\S+) .*event=shard_running .*partition=(\d+) ")


def die_with_parent() -> None:
    """Runs in the child: no worker outlives a test that was killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def cpu_s(pid: int) -> float:
    """CPU time of a process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def begun(worker: "Worker") -> dict[int, float]:
    """When it began to work on each shard last, wall clock, as its log says."""
    text = worker.log.read_text(errors="replace") if worker.log.exists() else ""
    return {int(partition): datetime.strptime(at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(
        tzinfo=timezone.utc).timestamp() for at, partition in BEGUN.findall(text)}


def latest(workers: list["Worker"]) -> dict[int, tuple[float, int]]:
    """Of each shard, when it was begun last and by which of them."""
    found: dict[int, tuple[float, int]] = {}
    for number, worker in enumerate(workers):
        for partition, at in begun(worker).items():
            found[partition] = max(found.get(partition, (0.0, 0)), (at, number))
    return found


def is_stopped(worker: "Worker") -> bool:
    """By SIGSTOP, or by a fail-point that does the same."""
    return Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def tallyctl(place: Place, *words: str, timeout_s: float = 120.0,
             check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([program("tallyctl"), *words], env=place.environment(), text=True,
                          capture_output=True, timeout=timeout_s)
    if check and done.returncode:
        raise RuntimeError(f"tallyctl {' '.join(words)}: status {done.returncode}\n"
                           f"{done.stdout}{done.stderr}")
    return done


class Worker:
    """One process, which may be started again after its death. Its log goes on in one file."""

    def __init__(self, name: str, number: int, place: Place, logs: Path,
                 settings: dict[str, str] | None = None, outlive: bool = False) -> None:
        self.name, self.number, self.place, self.outlive = name, number, place, outlive
        self.settings = {"http.address": "off", **(settings or {})}
        self.log = logs / f"{name}-{number}.log"
        self.environment: dict[str, str] = {}  # of its own, from the next start on
        self.programs: Path | None = None      # another build's folder, from the next start on
        self.under: list[str] = []             # a program that runs it, with its options
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> "Worker":
        name = f"tally-{self.name}"
        words = [*self.under, str(self.programs / name) if self.programs else program(name)]
        for key, value in self.settings.items():
            words += ["--set", f"{key}={value}"]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                words, env={**self.place.environment(), **self.environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=self.outlive,
                preexec_fn=None if self.outlive else die_with_parent)
        self.starts += 1
        return self

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        if self.alive():
            assert self.process
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: what a crash does."""
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait(60)

    def wait(self, timeout_s: float) -> int:
        assert self.process
        return self.process.wait(timeout_s)

    def drain(self, timeout_s: float = 30.0) -> int:
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def log_tail(self, lines: int = 15) -> str:
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {self.name}-{self.number}: {line}" for line in text[-lines:])


class Fleet:
    """So many processes of each worker."""

    def __init__(self, place: Place, logs: Path, each: int = 1, outlive: bool = False,
                 settings: dict[str, str] | None = None) -> None:
        self.place = place
        self.members = [Worker(name, number, place, logs, settings, outlive)
                        for number in range(1, each + 1) for name in WORKERS]

    def __enter__(self) -> "Fleet":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> "Fleet":
        for worker in self.members:
            worker.start()
        return self

    def named(self, name: str) -> list[Worker]:
        return [worker for worker in self.members if worker.name == name]

    def drain(self, timeout_s: float = 30.0) -> dict[str, int]:
        """SIGTERM to all at once; the exit statuses."""
        for worker in self.members:
            worker.signal(signal.SIGTERM)
        return {f"{worker.name}-{worker.number}": worker.wait(timeout_s)
                for worker in self.members if worker.process}

    def stop(self) -> None:
        """Whatever it takes: at the end of a test."""
        for worker in self.members:
            worker.signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        for worker in self.members:
            if worker.process:
                try:
                    worker.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    worker.kill()

    def dead(self) -> list[str]:
        return [f"{worker.name}-{worker.number} ended with status {worker.process.returncode}"
                for worker in self.members if worker.process and not worker.alive()]

    def log_tails(self) -> str:
        return "\n".join(worker.log_tail() for worker in self.members)

    def settle(self, timeout_s: float = 120.0) -> None:
        """Returns when every worker has read all of its input and Redis has every figure."""
        with subprocess.Popen([program("tallyctl"), "lag", "--wait", "--timeout",
                               str(int(timeout_s))], env=self.place.environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as lag:
            while True:
                try:
                    said, _ = lag.communicate(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    if len(self.dead()) == len(self.members):  # nothing to wait for
                        lag.terminate()
        if lag.returncode or self.dead():
            raise RuntimeError(f"not settled within {timeout_s} s: {said}\n"
                               + "\n".join(self.dead()) + "\n" + self.log_tails())
