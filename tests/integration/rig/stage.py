# SPDX-License-Identifier: Apache-2.0
"""What a test stands on: a broker, a Redis, names of its own, a folder, and a clean end.

tests/run.sh starts one broker and one Redis for all tests and names them in TALLY_TEST_BROKERS and
TALLY_TEST_REDIS; a test that is run by hand starts its own. A test that empties or stops its Redis
asks for one of its own in any case, and so does one that stops its broker.
"""
from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from . import Place
from .redis import Redis
from .servers import Broker, RedisServer


class Failed(Exception):
    """The product did something else than it should."""


def must(condition: object, words: str) -> None:
    if not condition:
        raise Failed(words)


def seed() -> int:
    """TALLY_SEED, or another one each time; printed, so that a failure can be repeated."""
    number = int(os.environ.get("TALLY_SEED") or random.randrange(1 << 32))
    print(f"seed {number} (TALLY_SEED)", flush=True)
    return number


class Stage:
    def __init__(self, name: str, own_redis: bool = False, own_broker: bool = False) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix=f"tally-{name}-"))
        self.logs = self.folder / "logs"
        shared_broker = os.environ.get("TALLY_TEST_BROKERS") and not own_broker
        shared_redis = os.environ.get("TALLY_TEST_REDIS") and not own_redis
        self.broker = None if shared_broker else Broker(self.folder / "broker")
        self.redis = None if shared_redis else RedisServer(self.folder / "redis")
        self.places: list[Place] = []
        self.started = time.monotonic()

    def __enter__(self) -> "Stage":
        try:
            for server in self.servers():
                server.start()
        except BaseException:
            self.close(keep=True)
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(keep=kind is not None or bool(os.environ.get("TALLY_TEST_KEEP")))

    def servers(self) -> list[Broker | RedisServer]:
        return [server for server in (self.broker, self.redis) if server]

    def close(self, keep: bool) -> None:
        if not self.redis:
            self.clean()
        for server in self.servers():
            server.stop()
        if keep:
            print(f"logs are kept in {self.folder}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def clean(self) -> None:
        """The shared Redis is left as it was: what it holds costs the next test time."""
        for place in self.places:
            with Redis(place.redis_url) as redis:
                keys = redis.keys(f"{place.redis_prefix}*")
                for _ in redis.many(("UNLINK", key) for key in keys):
                    pass

    def place(self, dot: str = ".") -> Place:
        """Names that nobody else uses; dot: how the prefixes of topics and groups end."""
        name = f"{self.name}-{random.SystemRandom().randrange(1 << 32):08x}"
        brokers = self.broker.address if self.broker else os.environ["TALLY_TEST_BROKERS"]
        redis_url = self.redis.url if self.redis else os.environ["TALLY_TEST_REDIS"]
        self.places.append(Place(brokers, redis_url, f"{name}{dot}", f"{name}:",
                                 f"{name}{dot}"))
        return self.places[-1]

    def say(self, words: str) -> None:
        print(f"{time.monotonic() - self.started:6.1f} s  {words}", flush=True)


def run(test: object) -> int:
    """The test's exit status; a failure is said in words, not as a stack."""
    try:
        test()  # type: ignore[operator]
    except (Failed, RuntimeError) as failure:
        print(f"FAILED: {failure}")
        return 1
    print("passed")
    return 0


def main(test: object) -> None:
    sys.exit(run(test))
