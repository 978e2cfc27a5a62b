#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole measurement: throughput with one and with three processes a worker, latency at a steady
rate, and the pass-through limit of the same machine in the same minutes. One table at the end.

Every run's result is compared with the oracle; a run that is not exact is no measurement, and the
exit status is then 1. Between runs Redis is emptied and topics get another prefix.
"""
from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable

sys.path.insert(0, str(Path(__file__).resolve().parent))
import job  # noqa: E402
import check  # noqa: E402
from rig import Place, program  # noqa: E402
from rig.redis import Redis  # noqa: E402
from rig.servers import Broker, RedisServer  # noqa: E402
from rig.workers import Fleet, cpu_s, tallyctl  # noqa: E402
from work import Ladder  # noqa: E402

WARM_UP_S = 5  # of the steady run: sent and checked, not measured
TIMEOUT_S = 600
EXPLAINED = 200  # half of them commissions, half orders
PASSED = re.compile(r"passed (\d+) events in ([\d.]+) s.* cpu ([\d.]+) s, peak (\d+) KB")


def say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)


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
        if each == 1:
            self.explain(name, place)

    def explain(self, name: str, place: Place) -> None:
        """How long tallyctl explain takes, the start of the process included."""
        expected, draw = self.ladder.expected(), random.Random(self.options.events)
        words = draw.sample(sorted(expected.orders), EXPLAINED // 2)
        with Redis(place.redis_url) as redis:
            words += [redis.command("HRANDFIELD", f"{place.redis_prefix}lines:{payee}:{month}")
                      for payee, month in draw.sample(sorted(expected.pay), EXPLAINED // 2)]
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

    def steady(self, name: str) -> None:
        rate, seconds = self.options.rate, self.options.seconds
        count = min(rate * (WARM_UP_S + seconds), self.options.events)
        place = self.new_place(name)
        fleet = Fleet(place, self.scratch / "logs" / name)
        reader = None
        try:
            fleet.start()
            fleet.settle(TIMEOUT_S)
            reader = subprocess.Popen(
                [program("reader"), "--brokers", place.brokers, "--orders", place.topic("orders"),
                 "--commissions", place.topic("commissions"), "--skip-ms", str(WARM_UP_S * 1000)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert reader.stderr
            reader.stderr.readline()  # ready
            share = self.watch(fleet, place, count, rate, reader.pid)
            fleet.settle(TIMEOUT_S)
            time.sleep(0.5)
            reader.terminate()
            found = json.loads(reader.communicate(timeout=60)[0])
            statuses = fleet.drain()
        finally:
            fleet.stop()
            if reader and reader.poll() is None:
                reader.kill()
        if any(statuses.values()):
            raise RuntimeError(f"{name}: not all drained: {statuses}")
        say(f"{name}: {found}")
        self.figures[name] = {"rate": rate, "latency": found, "share": share}
        self.check(name, place, count)

    def watch(self, fleet: Fleet, place: Place, count: int, rate: int,
              reader_pid: int) -> dict[str, float]:
        """Sends at the rate; each process's share of one core after the warm-up, in percent."""
        with subprocess.Popen([program("produce"), "--brokers", place.brokers, "--topic",
                               place.topic("orders"), "--rate", str(rate), "--limit", str(count),
                               str(self.ladder.events_file)], stdout=subprocess.PIPE,
                              text=True) as producer:
            pids = {worker.name: worker.pid for worker in fleet.members}
            pids.update(self.server_pids(), producer=producer.pid, reader=reader_pid)
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


RUNS: dict[str, Callable[[Bench, str], None]] = {
    "one": lambda bench, name: bench.throughput(name, 1),
    "three": lambda bench, name: bench.throughput(name, 3),
    "steady": lambda bench, name: bench.steady(name),
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
    for name in ("orders", "commissions", "scoreboard"):
        lines.append(row(f"  {name}: CPU s a million", *(
            sum(own["cpu_s"] for worker, own in run["workers"].items()
                if worker.startswith(name)) for run in (one, three)), ""))
        lines.append(row(f"  {name}: peak MB a process", *(
            max(own["peak_mb"] for worker, own in run["workers"].items()
                if worker.startswith(name)) for run in (one, three)), ""))
    latency, share = steady["latency"], steady["share"]
    program_share = sum(share[name] for name in ("orders", "commissions", "scoreboard"))
    servers_share = share["broker"] + share["Redis"]
    lines += [
        f"steady {steady['rate']:,} events/s, payment to commission: p50 {latency['p50_ms']} ms, "
        f"p99 {latency['p99_ms']} ms, p99.9 {latency['p999_ms']} ms, max {latency['max_ms']} ms "
        f"({latency['samples']:,} commissions)",
        f"  CPU, % of one core: program {program_share:.0f} "
        + "(" + ", ".join(f"{name} {share[name]:.0f}"
                          for name in ("orders", "commissions", "scoreboard"))
        + f"), with broker and Redis {program_share + servers_share:.0f} (broker "
        f"{share['broker']:.0f}, Redis {share['Redis']:.0f}); not counted: producer "
        f"{share['producer']:.0f}, reader {share['reader']:.0f}",
        f"explain p50 {one['explain']['p50_ms']:.0f} ms, p99 {one['explain']['p99_ms']:.0f} ms of "
        f"{one['explain']['samples']} random commissions and orders "
        f"({one['explain']['whole']} read a whole partition)"]
    return "\n".join(lines)


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
