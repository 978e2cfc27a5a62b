# SPDX-License-Identifier: Apache-2.0
"""Real parts for integration tests, benches and the demo: servers, workers, readers.

Standard library only, besides kcat and the programs that are under test. Nothing here knows what
the right figures are; that is for tests/ladder and for each test.
"""
from __future__ import annotations

import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def programs() -> Path:
    """Where the programs under test are: TALLY_TEST_BIN, or what `make build` makes."""
    return Path(os.environ.get("TALLY_TEST_BIN") or ROOT / "build" / "release" / "bin")


def program(name: str) -> str:
    path = programs() / name
    if not path.exists():
        raise SystemExit(f"{path} does not exist: run make build")
    return str(path)


held: list[socket.socket] = []  # what keeps ports for this process


def hold(port: int) -> socket.socket | None:
    """Nobody else gets the port by hold() while the socket is open; a server can listen on it.

    It is bound before SO_REUSEADDR is set, which fails beside any other socket on that port;
    servers set it before they bind, and so may share the port with one that does not listen.
    """
    sock = socket.socket()
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        return None
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock


def free_port() -> int:
    """A free port and the one above it, ours until this process ends; below those that outgoing
    connections take, and above those of deploy/local/lib.sh."""
    while True:
        port = random.SystemRandom().randrange(22000, 32000, 2)
        pair = [sock for sock in (hold(port), hold(port + 1)) if sock]
        if len(pair) == 2:
            held.extend(pair)
            return port
        for sock in pair:
            sock.close()


@dataclass(frozen=True)
class Place:
    """Where a product's instance lives: which broker, which Redis, which names."""
    brokers: str
    redis_url: str
    topic_prefix: str = ""
    redis_prefix: str = ""
    group_prefix: str = ""

    def topic(self, name: str) -> str:
        return self.topic_prefix + name

    def environment(self) -> dict[str, str]:
        """The environment in which any of our programs finds this place."""
        own = {name: value for name, value in os.environ.items()
               if not name.startswith("TALLY_") or name.startswith(("TALLY_TEST", "TALLY_FAILP"))}
        own.update(TALLY_BROKERS=self.brokers, TALLY_REDIS_URL=self.redis_url,
                   TALLY_TOPIC_PREFIX=self.topic_prefix, TALLY_REDIS_PREFIX=self.redis_prefix,
                   TALLY_GROUP_PREFIX=self.group_prefix)
        return own
