# SPDX-License-Identifier: Apache-2.0
"""What the workers themselves say while they are under strain: /metrics and /readyz, sampled."""
from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from rig.workers import Worker

EVERY_S = 0.25
ASK_S = 3.0
SAMPLE = re.compile(r'^tallyworks_(\w+)\{worker="\w+"(?:,([^}]*))?\} (\S+)$', re.M)


def ask(worker: Worker, path: str) -> tuple[int, str]:
    """The status and the text; 0: nobody answers."""
    url = f"http://{worker.settings['http.address']}{path}"
    try:
        with urllib.request.urlopen(url, timeout=ASK_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@dataclass
class Sample:
    at: float
    ready: int
    words: str
    values: dict[tuple[str, str], float] = field(default_factory=dict)  # (name, labels)

    def total(self, name: str) -> float:
        return sum(value for (one, _), value in self.values.items() if one == name)

    def of(self, name: str, labels: str = "") -> float:
        return self.values.get((name, labels), 0.0)


def sample(worker: Worker) -> Sample:
    ready, words = ask(worker, "/readyz?verbose")
    _, text = ask(worker, "/metrics")
    return Sample(time.monotonic(), ready, words, {
        (name, labels or ""): float(value) for name, labels, value in SAMPLE.findall(text)})


class Watch:
    """Samples all workers in a thread until it is closed."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers
        self.samples: dict[str, list[Sample]] = {worker.name: [] for worker in workers}
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def run(self) -> None:
        while not self.ended.wait(EVERY_S):
            for worker in self.workers:
                self.samples[worker.name].append(sample(worker))

    def latest_lag(self) -> float:
        """Records that the figures do not show yet, all workers together."""
        return sum(samples[-1].total("lag_records") if samples else 0.0
                   for samples in self.samples.values())

    def between(self, since: float, until: float) -> dict[str, list[Sample]]:
        return {name: [one for one in samples if since <= one.at <= until]
                for name, samples in self.samples.items()}


@dataclass
class Figures:
    """Of a stretch of time."""
    lag: float = 0.0               # the most, records
    flush_ms: float = 0.0          # the mean of the worker where it is longest
    transaction_ms: float = 0.0
    aborted: float = 0.0           # transactions, also those of unknown outcome
    paused: float = 0.0            # the most shards at once
    not_ready: int = 0             # samples
    samples: int = 0
    words: str = ""                # of the first sample that was not ready


def mean_ms(samples: list[Sample], name: str) -> float:
    if len(samples) < 2:
        return 0.0
    first, last = samples[0], samples[-1]
    count = last.total(f"{name}_count") - first.total(f"{name}_count")
    seconds = last.total(f"{name}_sum") - first.total(f"{name}_sum")
    return seconds / count * 1000 if count > 0 else 0.0


def figures(watched: dict[str, list[Sample]]) -> Figures:
    found = Figures()
    for samples in watched.values():
        told = [one for one in samples if one.values]
        found.samples += len(samples)
        found.lag += max((one.total("lag_records") for one in told), default=0.0)
        found.flush_ms = max(found.flush_ms, mean_ms(told, "flush_duration_seconds"))
        found.transaction_ms = max(found.transaction_ms,
                                   mean_ms(told, "transaction_duration_seconds"))
        found.paused = max([found.paused, *(one.of("shards", 'state="paused"') for one in told)])
        for name in ("transactions_aborted_total", "transactions_unknown_total"):
            if told:
                found.aborted += told[-1].total(name) - told[0].total(name)
        for one in samples:
            if one.ready != 200:
                found.not_ready += 1
                found.words = found.words or one.words
    return found
