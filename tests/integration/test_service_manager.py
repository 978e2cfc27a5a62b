#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What systemd sees: READY, a watchdog that is fed by the loop, STOPPING, the exit status.

No broker and no Redis are needed: a worker is up while it waits for them.
"""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from rig import free_port, program
from rig.stage import main, must

WATCHDOG_S = 0.5
WAIT_S = 10.0
EX_TEMPFAIL = 75


class Manager:
    """The other side of NOTIFY_SOCKET."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))

    def wait_for(self, message: str, timeout_s: float = WAIT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                if self.socket.recv(4096).decode() == message:
                    return
            except TimeoutError:
                must(False, f"no {message} within {timeout_s} s")

    def has_silence(self, seconds: float) -> bool:
        """True: nothing comes in this time."""
        self.socket.setblocking(False)
        while True:  # what waits already
            try:
                self.socket.recv(4096)
            except BlockingIOError:
                break
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(4096)
            return False
        except TimeoutError:
            return True


def start(manager: Manager, log: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("TALLY_")}
    environment.update(NOTIFY_SOCKET=str(manager.path),
                       WATCHDOG_USEC=str(int(WATCHDOG_S * 1000000)))
    with open(log, "ab") as file:
        return subprocess.Popen(
            [program("tally-orders"), "--brokers", f"127.0.0.1:{free_port()}", "--redis-url",
             f"redis://127.0.0.1:{free_port()}", "--http-address", "off", "--log-format", "json"],
            env=environment, stdin=subprocess.DEVNULL, stderr=file)


def must_feed_the_watchdog(manager: Manager) -> None:
    manager.wait_for("WATCHDOG=1")
    for _ in range(4):
        manager.wait_for("WATCHDOG=1", WATCHDOG_S)


def must_starve_when_stopped(manager: Manager, worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGSTOP)
    must(manager.has_silence(2 * WATCHDOG_S), "the watchdog is fed by a process that is stopped")
    worker.send_signal(signal.SIGCONT)
    manager.wait_for("WATCHDOG=1")


def test() -> None:
    with tempfile.TemporaryDirectory(prefix="tally-service-") as name:
        folder = Path(name)
        manager, log = Manager(folder), folder / "log"
        worker = start(manager, log)
        try:
            manager.wait_for("READY=1")
            must_feed_the_watchdog(manager)
            must_starve_when_stopped(manager, worker)
            worker.send_signal(signal.SIGTERM)
            manager.wait_for("STOPPING=1")
            must(worker.wait(WAIT_S) == 0, f"status {worker.returncode} after SIGTERM")
            worker = start(manager, log)
            manager.wait_for("READY=1")
            # Both before it looks again: the second one must end it, whatever it is at.
            worker.send_signal(signal.SIGSTOP)
            worker.send_signal(signal.SIGTERM)
            worker.send_signal(signal.SIGINT)
            worker.send_signal(signal.SIGCONT)
            status = worker.wait(WAIT_S)
            must(status == EX_TEMPFAIL, f"status {status} after a second signal")
            must("ending_at_once" in log.read_text(), "the log does not say so")
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait()


if __name__ == "__main__":
    main(test)
