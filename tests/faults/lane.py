# SPDX-License-Identifier: Apache-2.0
"""Where cells run: a broker for many of them, a Redis for each, and proxies in both links.

The broker has a second listener whose advertised address is the proxy's, so that every connection
of those who begin there goes through the proxy.
"""
from __future__ import annotations

import os
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import ctl
import ladder as ladders
from proxy import Proxy
from rig import Place, free_port, kafka, offsets
from rig.redis import Redis
from rig.servers import Broker, RedisServer
from rig.stage import must

PARTITIONS = 4
DATA = "appendonlydir"


class Lane:
    def __init__(self, folder: Path, work: ladders.Ladder) -> None:
        self.folder, self.work, self.expected = folder, work, work.expected()
        self.broker = Broker(folder / "broker")
        self.broker_link: Proxy | None = None

    def __enter__(self) -> "Lane":
        self.folder.mkdir(parents=True, exist_ok=True)
        broker, behind = self.broker, free_port()
        broker.port = free_port()
        self.broker_link = Proxy(("127.0.0.1", behind))
        own, conf = f"PLAINTEXT://127.0.0.1:{broker.port}", self.folder / "broker.conf"
        conf.write_text(f"""
listeners={own},LINK://127.0.0.1:{behind},CONTROLLER://127.0.0.1:{broker.port + 1}
advertised.listeners={own},LINK://{self.broker_link.address}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LINK:PLAINTEXT
""")
        os.environ["BROKER_CONF"] = str(conf)  # a lane is a process; read at each start
        os.environ["BROKER_WAIT"] = "180"  # a start is slow where others start, too
        try:
            broker.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.broker.stop()
        if self.broker_link:
            self.broker_link.close()


class Ground:
    """One cell's names, its Redis, and what the workers see of both: all of it is taken away."""

    def __init__(self, lane: Lane, name: str, through_redis: bool, through_broker: bool) -> None:
        self.lane, self.folder = lane, lane.folder / name
        self.redis = RedisServer(self.folder / "redis")
        self.spare = RedisServer(self.folder / "spare")  # a replica, where one is asked for
        self.through_redis, self.through_broker = through_redis, through_broker
        self.redis_link: Proxy | None = None
        prefix = f"f{random.SystemRandom().randrange(1 << 32):08x}"
        # What the test sees, and what the workers see.
        self.place = self.workers = Place(lane.broker.address, "", f"{prefix}.", f"{prefix}:",
                                          f"{prefix}.")

    def __enter__(self) -> "Ground":
        self.folder.mkdir(parents=True)
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def open(self) -> None:
        self.lane.broker.start()  # where the cell before could not
        self.redis.start()
        self.place = self.workers = replace(self.place, redis_url=self.redis.url)
        if self.through_redis:
            self.redis_link = Proxy(("127.0.0.1", self.redis.port))
            self.workers = replace(self.workers, redis_url=f"redis://{self.redis_link.address}")
        if self.through_broker:
            assert self.lane.broker_link
            self.workers = replace(self.workers, brokers=self.lane.broker_link.address)
        ladders.job.prepare(self.place, self.lane.work.people, self.folder, PARTITIONS)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.redis_link:
            self.redis_link.close()
        self.redis.stop()
        self.spare.stop()
        try:  # a broker that has all cells' topics would start slower and slower
            ours = [topic for topic in kafka.topics(self.place.brokers)
                    if topic.startswith(self.place.topic_prefix)]
            offsets.delete_topics(self.place.brokers, ours)
        except (OSError, RuntimeError, subprocess.SubprocessError):
            pass

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- Redis and its data

    def follow(self) -> None:
        """The spare becomes a replica that is level."""
        self.spare.start()
        with Redis(self.redis.url) as redis:
            redis.command("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        with Redis(self.spare.url) as spare:
            spare.command("REPLICAOF", "127.0.0.1", self.redis.port)
            ctl.eventually(lambda: "master_link_status:up" in spare.command("INFO", "replication"),
                         "the replica does not follow")

    def detach(self) -> None:
        """From here on the spare lags."""
        with Redis(self.spare.url) as spare:
            spare.command("REPLICAOF", "NO", "ONE")

    def promote(self) -> None:
        assert self.redis_link
        self.redis.kill()
        self.redis_link.retarget(("127.0.0.1", self.spare.port))
        self.place = replace(self.place, redis_url=self.spare.url)

    def tail(self) -> Path:
        """The file that Redis appends to."""
        found = sorted((self.redis.folder / DATA).glob("*.incr.aof"))
        must(found, "Redis writes no append-only file")
        return found[-1]

    def cut_tail(self, keep: int) -> None:
        self.redis.kill()
        with open(self.tail(), "r+b") as file:
            file.truncate(keep)
        self.redis.start()

    def copy(self) -> None:
        shutil.copytree(self.redis.folder / DATA, self.folder / "copy")

    def restore(self) -> None:
        self.redis.kill()
        shutil.rmtree(self.redis.folder / DATA)
        shutil.copytree(self.folder / "copy", self.redis.folder / DATA)
        self.redis.start()
