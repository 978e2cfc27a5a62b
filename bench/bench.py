#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole measurement: throughput with one and with three processes a worker, latency at a steady
rate, without and with open pages, what a page takes to load, what explain and verify take at three
times the events, and the pass-through limit of the same machine in the same minutes. One table at
the end.

Every run's result is compared with the oracle, that of three times the events by verify; a run that
is not exact is no measurement, and the exit status is then 1. Between runs Redis is emptied and
topics get another prefix.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import job  # noqa: E402
import check  # noqa: E402
from browser import Browser  # noqa: E402
from rig import Place, free_port, program  # noqa: E402
from rig.redis import Redis  # noqa: E402
from rig.servers import Broker, RedisServer  # noqa: E402
from rig.workers import WORKERS, Fleet, Worker, cpu_s, tallyctl  # noqa: E402
from work import Ladder  # noqa: E402

WARM_UP_S = 5  # of the steady run: sent and checked, not measured
TIMEOUT_S = 600
LARGER = 3        # times the events: about one order each
EXPLAINED = 200  # half of them commissions, half orders
LOADS = 5
PAGES = 500
SERVED_S = 20
PASSED = re.compile(r"passed (\d+) events in ([\d.]+) s.* cpu ([\d.]+) s, peak (\d+) KB")


def say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)


def children_cpu_s() -> float:
    """Of all processes that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def random_orders(events: Path, count: int, draw: random.Random) -> list[str]:
    """Of random events, whose keys they are."""
    found: set[str] = set()
    with open(events, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        while len(found) < count:
            file.seek(draw.randrange(size))
            file.readline()  # the rest of one
            if line := file.readline():
                found.add(line.split(b"\t", 1)[0].decode())
    return sorted(found)


def is_served(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Bench:
    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.ladder = Ladder(options.events)
        self.broker = Broker(scratch / "broker")
        self.redis = RedisServer(scratch / "redis")
        self.inexact: list[str] = []
        self.figures: dict[str, dict] = {}

    def start(self) -> None:
        self.broker.start()
        self.redis.start()

    def stop(self) -> None:
        self.broker.stop()
        self.redis.stop()

    def server_pids(self) -> dict[str, int]:
        return {"broker": self.broker.pid, "Redis": self.redis.pid}

    def new_place(self, name: str) -> Place:
        """Empty topics and an empty Redis, the reference published."""
        with Redis(self.redis.url) as redis:
            redis.command("FLUSHALL")
        place = Place(self.broker.address, self.redis.url, f"{name}.", "", f"{name}.")
        job.prepare(place, self.ladder.people, self.scratch)
        return place

    def check(self, name: str, place: Place, limit: int = 0) -> None:
        report = check.check(self.ladder.expected(limit), place)
        say(f"{name}: {report.text()}")
        if not report.ok:
            self.inexact.append(name)

    def pass_through(self, place: Place, to: str) -> dict[str, float]:
        broker_before = cpu_s(self.broker.pid)
        done = subprocess.run([program("passthrough"), "--brokers", place.brokers, "--from",
                               place.topic("orders"), "--to", place.topic(to)],
                              text=True, capture_output=True, check=True)
        say(done.stdout.strip())
        found = PASSED.search(done.stdout)
        assert found
        per_million = job.MILLION / int(found[1])
        return {"events_per_s": int(found[1]) / float(found[2]),
                "program_cpu_s": float(found[3]) * per_million,
                "broker_cpu_s": (cpu_s(self.broker.pid) - broker_before) * per_million,
                "peak_mb": int(found[4]) / 1024}

    def throughput(self, name: str, each: int) -> None:
        place = self.new_place(name)
        say(f"{name}: {job.produce(place, self.ladder.events_file)}")
        limit = self.pass_through(place, "passthrough")
        fleet = Fleet(place, self.scratch / "logs" / name, each)
        try:
            result = job.run(fleet, self.options.events, TIMEOUT_S, self.server_pids())
            statuses = fleet.drain()
        finally:
            fleet.stop()
        if any(statuses.values()):
            raise RuntimeError(f"{name}: not all drained: {statuses}")
        cpu = {usage.name: usage.cpu_s / result.events * job.MILLION for usage in result.servers}
        self.figures[name] = {
            "events_per_s": result.rate, "seconds": result.seconds, "limit": limit,
            "program_cpu_s": result.per_million(result.workers), "broker_cpu_s": cpu["broker"],
            "redis_cpu_s": cpu["Redis"],
            "workers": {usage.name: {"cpu_s": usage.cpu_s / result.events * job.MILLION,
                                     "peak_mb": usage.peak_mb} for usage in result.workers},
            "servers_peak_mb": {usage.name: usage.peak_mb for usage in result.servers}}
        say(f"{name}: {result.rate:,.0f} events/s, checking")
        self.check(name, place)

    def large(self, name: str) -> None:
        """What is asked of three times the events."""
        ladder, place = Ladder(self.options.events * LARGER), self.new_place(name)
        say(f"{name}: {job.produce(place, ladder.events_file)}")
        fleet = Fleet(place, self.scratch / "logs" / name)
        try:
            result = job.run(fleet, ladder.count, TIMEOUT_S * LARGER)
            statuses = fleet.drain()
        finally:
            fleet.stop()
        if any(statuses.values()):
            raise RuntimeError(f"{name}: not all drained: {statuses}")
        say(f"{name}: {result.rate:,.0f} events/s")
        with Redis(place.redis_url) as redis:
            orders = len(redis.keys(f"{place.redis_prefix}order:*"))
        self.figures[name] = {"events": ladder.count, "orders": orders}
        self.explain(name, place, ladder)
        self.verify(name, place)

    def explain(self, name: str, place: Place, ladder: Ladder) -> None:
        """How long tallyctl explain takes, the start of the process included."""
        draw = random.Random(ladder.count)
        words = random_orders(ladder.events_file, EXPLAINED // 2, draw)
        with Redis(place.redis_url) as redis:
            months = sorted(redis.keys(f"{place.redis_prefix}lines:*"))
            words += [redis.command("HRANDFIELD", month)
                      for month in draw.sample(months, EXPLAINED // 2)]
        took_ms, whole = [], 0
        for word in words:
            started = time.monotonic()
            answer = json.loads(tallyctl(place, "explain", word, "--json").stdout)
            took_ms.append((time.monotonic() - started) * 1000)
            whole += answer["read"]["whole"]
        took_ms.sort()
        found = {"samples": len(words), "p50_ms": took_ms[len(words) // 2],
                 "p99_ms": took_ms[len(words) * 99 // 100], "whole": whole}
        say(f"{name}: explain {found}")
        self.figures[name]["explain"] = found

    def verify(self, name: str, place: Place) -> None:
        """tallyctl verify of all that the run left: its own figures, and what the process took."""
        started, before = time.monotonic(), children_cpu_s()
        done = tallyctl(place, "verify", "--json", timeout_s=TIMEOUT_S * LARGER, check=False)
        if done.returncode:
            say(f"{name}: {done.stdout[:2000]}{done.stderr}")
            self.inexact.append(name)
        answer = json.loads(done.stdout)
        found = {"seconds": time.monotonic() - started, "cpu_s": children_cpu_s() - before,
                 "workers": {one["worker"]: one for one in answer["workers"]}}
        found["events"] = sum(one["events"] for one in answer["workers"])
        say(f"{name}: verify {found}")
        self.figures[name]["verify"] = found

    def steady(self, name: str, with_pages: bool = False) -> None:
        rate, seconds = self.options.rate, self.options.seconds
        count = min(rate * (WARM_UP_S + seconds), self.options.events)
        place = self.new_place(name)
        fleet = Fleet(place, self.scratch / "logs" / name)
        pages = Pages(place, self.scratch / "logs" / name) if with_pages else None
        loaded = reader = None
        try:
            fleet.start()
            fleet.settle(TIMEOUT_S)
            if pages:
                pages.start()
            reader = subprocess.Popen(
                [program("reader"), "--brokers", place.brokers, "--orders", place.topic("orders"),
                 "--commissions", place.topic("commissions"), "--skip-ms", str(WARM_UP_S * 1000)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert reader.stderr
            reader.stderr.readline()  # ready
            others = {"reader": reader.pid, **(pages.pids() if pages else {})}
            share = self.watch(fleet, place, count, others)
            told = pages.stop() if pages else None
            fleet.settle(TIMEOUT_S)
            time.sleep(0.5)
            reader.terminate()
            found = json.loads(reader.communicate(timeout=60)[0])
            loaded = pages.load(self.scratch) if pages else None
            statuses = fleet.drain()
        finally:
            fleet.stop()
            if pages:
                pages.kill()
            if reader and reader.poll() is None:
                reader.kill()
        if any(statuses.values()):
            raise RuntimeError(f"{name}: not all drained: {statuses}")
        say(f"{name}: {found}")
        self.figures[name] = {"rate": rate, "latency": found, "share": share, "pages": told,
                              "loaded": loaded}
        self.check(name, place, count)

    def watch(self, fleet: Fleet, place: Place, count: int,
              others: dict[str, int]) -> dict[str, float]:
        """Sends at the rate; each process's share of one core after the warm-up, in percent."""
        rate = self.options.rate
        with subprocess.Popen([program("produce"), "--brokers", place.brokers, "--topic",
                               place.topic("orders"), "--rate", str(rate), "--limit", str(count),
                               str(self.ladder.events_file)], stdout=subprocess.PIPE,
                              text=True) as producer:
            pids = {worker.name: worker.pid for worker in fleet.members}
            pids.update(self.server_pids(), producer=producer.pid, **others)
            time.sleep(WARM_UP_S)
            before = {name: cpu_s(pid) for name, pid in pids.items()}
            started = time.monotonic()
            time.sleep(max(1.0, count / rate - WARM_UP_S - 0.5))
            elapsed = time.monotonic() - started
            share = {name: (cpu_s(pid) - before[name]) / elapsed * 100
                     for name, pid in pids.items()}
            said = producer.communicate(timeout=120)[0].strip()
        say(said)
        return share


class Pages:
    """A dashboard and the open pages it serves."""

    def __init__(self, place: Place, logs: Path) -> None:
        self.port = free_port()
        self.dashboard = Worker("dashboard", 1, place, logs,
                                {"http.address": f"127.0.0.1:{self.port}"})
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.dashboard.start()
        until = time.monotonic() + SERVED_S
        while not is_served(self.port):
            if time.monotonic() > until or not self.dashboard.alive():
                raise RuntimeError("the dashboard does not answer")
            time.sleep(0.05)
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "pages.py"), "--port", str(self.port), "--pages",
             str(PAGES)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the pages did not open")

    def pids(self) -> dict[str, int]:
        assert self.process
        return {"dashboard": self.dashboard.pid, "pages": self.process.pid}

    def stop(self) -> dict[str, float]:
        assert self.process
        self.process.terminate()
        told = json.loads(self.process.communicate(timeout=60)[0])
        if told["failed"]:
            raise RuntimeError(f"pages: {told['failed']}")
        say(f"pages: {told}")
        return told

    def load(self, scratch: Path) -> dict[str, float]:
        """The page in a browser without anything kept of it; of some loads, the one between."""
        with Browser(scratch, self.dashboard.log.parent) as browser:
            loads = sorted((browser.load(f"http://127.0.0.1:{self.port}/", "Month to date")
                            for _ in range(LOADS)), key=lambda load: load.shown_ms)
        found = {"bytes": loads[LOADS // 2].bytes, "shown_ms": loads[LOADS // 2].shown_ms}
        say(f"pages: {found}")
        return found

    def kill(self) -> None:
        self.dashboard.kill()
        if self.process and self.process.poll() is None:
            self.process.kill()


RUNS: dict[str, Callable[[Bench, str], None]] = {
    "one": lambda bench, name: bench.throughput(name, 1),
    "three": lambda bench, name: bench.throughput(name, 3),
    "steady": lambda bench, name: bench.steady(name),
    "pages": lambda bench, name: bench.steady(name, with_pages=True),
    "large": lambda bench, name: bench.large(name),
}


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}"


def cell_text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if cell >= 100 else f"{cell:.2f}"
    return str(cell)


def row(words: str, *cells: object) -> str:
    return f"{words:34}" + "".join(f"{cell_text(cell):>16}" for cell in cells)


def table(figures: dict[str, dict], events: int) -> str:
    one, three, steady = figures["one"], figures["three"], figures["steady"]
    limit = max((one["limit"], three["limit"]), key=lambda found: found["events_per_s"])
    lines = [
        f"{events:,} events, 8 partitions; {machine()}; broker, Redis and all workers on it",
        row("backlog", "one process", "three processes", "pass-through"),
        row("  events/s", one["events_per_s"], three["events_per_s"], limit["events_per_s"]),
        row("  of the pass-through limit", *(f"{run['events_per_s'] / limit['events_per_s']:.0%}"
                                             for run in (one, three)), ""),
        row("  CPU s a million: program", one["program_cpu_s"], three["program_cpu_s"],
            limit["program_cpu_s"]),
        row("                   broker", one["broker_cpu_s"], three["broker_cpu_s"],
            limit["broker_cpu_s"]),
        row("                   Redis", one["redis_cpu_s"], three["redis_cpu_s"], "")]
    for name in WORKERS:
        lines.append(row(f"  {name}: CPU s a million", *(
            sum(own["cpu_s"] for worker, own in run["workers"].items()
                if worker.startswith(name)) for run in (one, three)), ""))
        lines.append(row(f"  {name}: peak MB a process", *(
            max(own["peak_mb"] for worker, own in run["workers"].items()
                if worker.startswith(name)) for run in (one, three)), ""))
    return "\n".join(lines + steady_lines(steady) + pages_lines(figures["pages"])
                     + large_lines(figures["large"]))


def latency_words(run: dict) -> str:
    latency = run["latency"]
    return (f"payment to commission: p50 {latency['p50_ms']} ms, p99 {latency['p99_ms']} ms, "
            f"p99.9 {latency['p999_ms']} ms, max {latency['max_ms']} ms "
            f"({latency['samples']:,} commissions)")


def share_words(run: dict) -> str:
    share = run["share"]
    program_share = sum(share[name] for name in WORKERS)
    return (f"  CPU, % of one core: program {program_share:.0f} ("
            + ", ".join(f"{name} {share[name]:.0f}" for name in WORKERS)
            + f"), with broker and Redis {program_share + share['broker'] + share['Redis']:.0f} "
            f"(broker {share['broker']:.0f}, Redis {share['Redis']:.0f}); not counted: producer "
            f"{share['producer']:.0f}, reader {share['reader']:.0f}")


def steady_lines(run: dict) -> list[str]:
    return [f"steady {run['rate']:,} events/s, {latency_words(run)}", share_words(run)]


def pages_lines(run: dict) -> list[str]:
    told, share, loaded = run["pages"], run["share"], run["loaded"]
    return [f"the same with {PAGES} open pages, {latency_words(run)}",
            share_words(run) + f", pages {share['pages']:.0f}",
            f"  dashboard {share['dashboard']:.1f} % of one core: "
            f"{told['events'] / told['seconds'] / PAGES:.2f} events a second to each page, "
            f"{told['reads'] / told['seconds']:.0f} answers a second",
            f"  a page loads {loaded['bytes'] / 1000:.1f} KB and is interactive, with all figures, "
            f"after {loaded['shown_ms']:.0f} ms (the middle one of {LOADS} loads)"]


def large_lines(run: dict) -> list[str]:
    explain, verify = run["explain"], run["verify"]
    return [
        f"of {run['orders']:,} orders ({run['events']:,} events):",
        f"  explain p50 {explain['p50_ms']:.0f} ms, p99 {explain['p99_ms']:.0f} ms of "
        f"{explain['samples']} random commissions and orders "
        f"({explain['whole']} read a whole partition)",
        f"  verify {verify['events'] / verify['cpu_s']:,.0f} events a CPU second, reading and "
        f"comparing included ({verify['events']:,} events of all workers, {verify['cpu_s']:.1f} "
        f"CPU s, {verify['seconds']:.1f} s); decoding and folding alone: "
        + ", ".join(f"{name} {own['events_per_core_s']:,}"
                    for name, own in verify["workers"].items())]


def show_logs(scratch: Path) -> None:
    for log in sorted((scratch / "logs").rglob("*.log")):
        tail = log.read_text(errors="replace").splitlines()[-5:]
        say("\n  ".join([str(log.relative_to(scratch)), *tail]))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/bench.sh")
    parser.add_argument("--quick", action="store_true", help="100,000 events, 10 s steady")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="the figures, for a program")
    parser.add_argument("--only", action="append", choices=list(RUNS), metavar="RUN",
                        help="one of " + ", ".join(RUNS) + "; prints the figures, not the table")
    parser.add_argument("--keep", action="store_true", help="keep logs and data, say where")
    options = parser.parse_args()
    options.events = int(os.environ.get("N", "100000" if options.quick else "1000000"))
    options.rate = int(os.environ.get("RATE", "5000"))
    options.seconds = int(os.environ.get("SECONDS_STEADY", "10" if options.quick else "30"))
    return options


def main() -> int:
    options = parse()
    scratch = Path(tempfile.mkdtemp(prefix="tally-bench-"))
    say(f"making {options.events:,} events and the expected result (kept for the next time)")
    bench = Bench(options, scratch)
    bench.ladder.expected()
    try:
        bench.start()
        for name in options.only or RUNS:
            RUNS[name](bench, name)
    except BaseException:
        show_logs(scratch)
        raise
    finally:
        bench.stop()
        if options.keep:
            say(f"data and logs are in {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    if options.out:
        options.out.write_text(json.dumps(bench.figures, indent=1) + "\n")
    print(json.dumps(bench.figures, indent=1) if options.only
          else table(bench.figures, options.events))
    print("every run exact" if not bench.inexact else f"NOT EXACT: {', '.join(bench.inexact)}")
    return 1 if bench.inexact else 0


if __name__ == "__main__":
    sys.exit(main())
