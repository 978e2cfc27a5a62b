#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator meets: flags, exit codes, printed configuration, health, metrics, SIGTERM."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import replace

import ladder as ladders
from rig import Place, free_port, program
from rig.stage import Stage, main, must
from rig.workers import WORKERS, Fleet, Worker, tallyctl

EVENTS = 20000
DRAIN_S = 2.0
READY_S = 60.0
AWAY_S, AWAY_LINES_MOST = 4.0, 15
EX_USAGE, EX_CONFIG = 64, 78
SECRET = "correct-horse-battery"


def call(name: str, *words: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run([program(name), *words], text=True, capture_output=True, timeout=120,
                          env=environment or dict(os.environ), stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def must_explain_itself(name: str) -> None:
    status, said = call(name, "--help")
    must(status == 0 and "--set" in said and "--check-config" in said, f"{name} --help: {said}")
    status, said = call(name, "--no-such-flag")
    must(status == EX_USAGE and "--no-such-flag" in said, f"{name} --no-such-flag: {status} {said}")
    status, said = call(name, "--describe")
    must(status == 0 and name.removeprefix("tally-") in said, f"{name} --describe: {status} {said}")


def must_check_configuration(name: str) -> None:
    status, said = call(name, "--check-config")
    must(status == 0, f"{name} --check-config: {status} {said}")
    wrong = {"flush.interval.ms": "soon", "redis.url": "mongodb://x", "log.level": "loud",
             "no.such.key": "1", "transaction.timeout.ms": "5"}
    words = [word for key, value in wrong.items() for word in ("--set", f"{key}={value}")]
    status, said = call(name, "--check-config", *words)
    silent = [key for key in wrong if key not in said]
    must(status == EX_CONFIG, f"{name}: status {status} for a wrong configuration, not {EX_CONFIG}")
    must(not silent, f"{name} does not say what is wrong with {silent}:\n{said}")
    status, _ = call(name, *words)
    must(status == EX_CONFIG, f"{name} started with a wrong configuration: status {status}")


def must_keep_secrets(name: str) -> None:
    environment = {**os.environ, "TALLY_REDIS_PASSWORD": SECRET,
                   "TALLY_REDIS_URL": f"redis://someone:{SECRET}@127.0.0.1:1/0"}
    status, said = call(name, "--print-config", "--set", "flush.interval.ms=250",
                        "--set", f"kafka.sasl.password={SECRET}", environment=environment)
    must(status == 0 and "flush.interval.ms" in said and "250" in said,
         f"{name} --print-config: {status} {said}")
    must(SECRET not in said, f"{name} --print-config prints a password:\n{said}")


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def wait_ready(worker: Worker, port: int) -> None:
    deadline = time.monotonic() + READY_S
    while get(port, "/readyz")[0] != 200:
        must(time.monotonic() < deadline and worker.alive(),
             f"{worker.name} is not ready: {get(port, '/readyz')}\n{worker.log_tail()}")
        time.sleep(0.1)


def must_show_health(worker: Worker, port: int) -> None:
    wait_ready(worker, port)
    must(get(port, "/livez")[0] == 200, f"{worker.name} /livez: {get(port, '/livez')}")
    must(get(port, "/nowhere")[0] == 404, f"{worker.name}: /nowhere is not 404")
    status, text = get(port, "/metrics")
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    must(status == 200 and samples, f"{worker.name} /metrics: {status}")
    foreign = [line for line in samples if not line.startswith("tallyworks_")]
    must(not foreign, f"{worker.name}: metrics without our name: {foreign[:3]}")
    for line in samples:
        float(line.rsplit(" ", 1)[1])


def drain_in_time(worker: Worker) -> None:
    started = time.monotonic()
    status = worker.drain()
    elapsed = time.monotonic() - started
    must(status == 0, f"{worker.name}: status {status} after SIGTERM\n{worker.log_tail()}")
    must(elapsed < DRAIN_S, f"{worker.name} took {elapsed:.1f} s to drain\n{worker.log_tail()}")


def must_serve_and_drain(stage: Stage, place: Place, work: ladders.Ladder) -> None:
    ports = {}
    fleet = Fleet(place, stage.logs)
    for worker in fleet.members:
        ports[worker.name] = free_port()
        worker.settings["http.address"] = f"127.0.0.1:{ports[worker.name]}"
    with fleet:
        for worker in fleet.members:
            must_show_health(worker, ports[worker.name])
        stage.say("health and metrics are served")
        with ladders.Sending(place, work, EVENTS // 2) as sending:
            time.sleep(0.7)
            for worker in fleet.members:
                drain_in_time(worker)
            sending.finish()
        stage.say("drained in time under load")
        fleet.start()
        fleet.settle(ladders.SETTLE_S)
        for worker in fleet.members:
            drain_in_time(worker)
    done = tallyctl(place, "lag", check=False)
    must(done.returncode == 0, f"tallyctl lag: {done.returncode} {done.stdout}{done.stderr}")
    done = tallyctl(place, "lag", "--wait", "--timeout", "1", check=False)
    must(done.returncode == 0, f"lag is not 0 after draining: {done.stdout}{done.stderr}")
    stage.say("lag is 0 with all workers gone")


def must_wait_for_brokers(stage: Stage, place: Place) -> None:
    """It says what it waits for, not again and again, and goes on waiting."""
    port = free_port()
    nobody = replace(place, brokers=f"127.0.0.1:{free_port()}")
    worker = Worker(WORKERS[0], 8, nobody, stage.logs, {"http.address": f"127.0.0.1:{port}"})
    worker.start()
    time.sleep(AWAY_S)
    status, said = get(port, "/readyz")
    must(status == 503 and "[-]group failed: no partition is assigned" in said, f"{status} {said}")
    must(get(port, "/livez")[0] == 200, "it is not alive")
    told = worker.log.read_text().count("event=kafka_client_error")
    must(0 < told < AWAY_LINES_MOST, f"{told} lines of the log")
    drain_in_time(worker)


def must_end_at_once(stage: Stage, place: Place) -> None:
    """A second SIGTERM does not wait for anything."""
    worker = Worker(WORKERS[0], 9, place, stage.logs).start()
    time.sleep(1)
    worker.signal(signal.SIGTERM)
    worker.signal(signal.SIGTERM)
    started = time.monotonic()
    worker.wait(5)
    must(time.monotonic() - started < DRAIN_S, "a second SIGTERM did not end the process at once")


def must_name_nothing_unknown() -> None:
    """tallyctl's own manners."""
    status, said = call("tallyctl", "--help")
    must(status == 0 and "publish" in said and "lag" in said, f"tallyctl --help: {said}")
    status, said = call("tallyctl", "publsh")
    must(status == EX_USAGE and "publsh" in said, f"tallyctl publsh: {status} {said}")
    status, said = call("tallyctl", "describe", "--json")
    must(status == 0, f"tallyctl describe --json: {status} {said}")
    must(all(name in json.dumps(json.loads(said)) for name in WORKERS), "describe lacks a worker")


def test() -> None:
    for name in WORKERS:
        must_explain_itself(f"tally-{name}")
        must_check_configuration(f"tally-{name}")
        must_keep_secrets(f"tally-{name}")
    must_name_nothing_unknown()
    with Stage("cli") as stage:
        stage.say("flags, exit codes and configuration are as they should be")
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        must_serve_and_drain(stage, place, work)
        ladders.must_be_exact(stage, place, work, "drained under load and started again")
        must_end_at_once(stage, place)
        must_wait_for_brokers(stage, place)


if __name__ == "__main__":
    main(test)
