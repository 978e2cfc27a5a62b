# SPDX-License-Identifier: Apache-2.0
"""A real broker and a real Redis, by the project's own scripts (deploy/local)."""
from __future__ import annotations

import subprocess
import time
from pathlib import Path

from . import ROOT, free_port

TRIES = 5


class Server:
    """One of deploy/local's servers with its own folder and port."""

    def __init__(self, script: str, folder: Path) -> None:
        self.script = str(ROOT / "deploy" / "local" / script)
        self.folder = folder
        self.port = 0

    def run(self, *words: str) -> None:
        done = subprocess.run([self.script, *words], text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(f"{self.script} {' '.join(words)}: {done.stdout}{done.stderr}")

    def start(self) -> None:
        """On a free port the first time, on the same port again after stop or kill."""
        if self.port:
            self.run("start", str(self.folder), str(self.port))
            return
        for attempt in range(TRIES):
            self.port = free_port()
            try:
                self.run("start", str(self.folder), str(self.port))
                return
            except RuntimeError:  # somebody was faster at the port
                if attempt == TRIES - 1:
                    raise
                time.sleep(0.2)

    def stop(self) -> None:
        self.run("stop", str(self.folder))

    def kill(self) -> None:
        self.run("kill", str(self.folder))

    @property
    def pid(self) -> int:
        return int((self.folder / "pid").read_text())

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class Broker(Server):
    def __init__(self, folder: Path) -> None:
        super().__init__("broker.sh", folder)


class RedisServer(Server):
    def __init__(self, folder: Path) -> None:
        super().__init__("redis.sh", folder)

    @property
    def url(self) -> str:
        return f"redis://{self.address}"
