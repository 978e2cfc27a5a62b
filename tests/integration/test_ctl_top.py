#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tallyctl top` shows every shard as it is: worked on, left alone, held up, wrong; it outlives a
Redis that goes away. And what `explain`, `key`, `lag` and `top` say to words that name nothing, to
words that are none, and without Redis or broker: each its status and its words.
"""
from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import time

import ctl
from rig import Place, program
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import WORKERS, Fleet, tallyctl

USAGE, NOT_FOUND, UNAVAILABLE = 64, 66, 69
SHARDS = 3 * ctl.PARTITIONS
WAIT_S = 60.0
NOWHERE = "127.0.0.1:1"
HOME = "\033[H"  # begins a picture on a terminal


def picture(place: Place, *words: str) -> dict:
    return ctl.answer(place, "top", "--once", *words)


def words_of(found: dict, worker: str = "orders") -> list[str]:
    return [shard["words"] for shard in found["shards"] if shard["worker"] == worker]


def until(place: Place, is_so: object, what: str) -> dict:
    deadline = time.monotonic() + WAIT_S
    while True:
        found = picture(place)
        if is_so(found):  # type: ignore[operator]
            return found
        must(time.monotonic() < deadline, f"{what}: {found}")


# contract: ctl.top
def must_show_work(stage: Stage, place: Place) -> None:
    found = picture(place)
    must(len(found["shards"]) == SHARDS and
         {worker["worker"] for worker in found["workers"]} == set(WORKERS)
         and all(worker["processes"] == 0 for worker in found["workers"]), f"{found}")
    ctl.send(place, [ctl.created("o-1", "p-1", 1000), ctl.paid("o-1", "a", 300)])
    found = picture(place, "--worker", "orders")
    must(found["workers"][0]["lag"] == 2 and found["workers"][0]["troubled"] == 1 and
         found["shards"][0]["words"] == "nobody works: start tally-orders", f"{found}")
    with Fleet(place, stage.logs, settings=ctl.SOON) as fleet:
        ctl.settle(place)
        found = until(place, lambda now: all(shard["words"] == "settled"
                                             for shard in now["shards"]), "settled")
        must(all(worker["processes"] == 1 and worker["settled"] == ctl.PARTITIONS and
                 worker["lag"] == 0 and worker["clear_s"] == 0
                 for worker in found["workers"]), f"{found}")
        must(all(shard["owner"].startswith(f"tallyworks-{shard['worker']}-") and
                 not shard["released"] for shard in found["shards"]), f"{found}")
        ends = {(row["topic"], row["partition"]): row["log_end"]
                for row in ctl.answer(place, "lag")["partitions"]}
        must(ends == {(shard["topic"], shard["partition"]): shard["log_end"] ==
                      shard["input_cursor"] and shard["output_cursor"]
                      for shard in found["shards"]}, f"{found}, not {ends}")
        fleet.named("orders")[0].kill()
        ctl.send(place, [ctl.paid("o-1", "b", 300)])
        until(place, lambda now: "nobody works: start tally-orders" in words_of(now),
              "the worker is dead")
    must_say_what_is_wrong(place)
    text = tallyctl(place, "top", "--once").stdout
    must("PROCESSES" in text and "orders/2" in text and "\033" not in text, text)


def must_say_what_is_wrong(place: Place) -> None:
    """Of a shard that has nothing to do, what a worker would find in its way."""
    partition = next(shard["partition"] for shard in picture(place)["shards"]
                     if shard["worker"] == "orders" and shard["lag"] == 0)
    key = f"{place.redis_prefix}meta:orders:{partition}"
    with Redis(place.redis_url) as redis:
        for field, value, words in (("partitions", 7, "written with 7 partitions"),
                                    ("cursor", 10 ** 6, "R is above K"),
                                    ("trying", "4-6", "looks for the record that kills: 4 to 5")):
            before = redis.command("HGET", key, field)
            redis.command("HSET", key, field, value)
            found = picture(place, "--worker", "orders")
            if before is None:
                redis.command("HDEL", key, field)
            else:
                redis.command("HSET", key, field, before)
            (shard,) = [shard for shard in found["shards"] if shard["partition"] == partition]
            must(words in shard["words"] and shard["state"] == "trouble", f"{field}: {shard}")


def read_pictures(fd: int, is_so: object, what: str) -> None:
    """Until a whole picture is as it should be."""
    said, deadline = "", time.monotonic() + WAIT_S
    while True:
        ready, _, _ = select.select([fd], [], [], 1.0)
        said += os.read(fd, 65536).decode() if ready else ""
        whole = said.split(HOME)[1:-1]
        if whole and is_so(whole[-1]):  # type: ignore[operator]
            return
        must(time.monotonic() < deadline, f"{what}: {said[-2000:]}")


def must_go_on_without_redis(stage: Stage, place: Place) -> None:
    """On a terminal, one picture in the place of the other."""
    assert stage.redis
    ours, theirs = pty.openpty()
    with subprocess.Popen([program("tallyctl"), "top"], env=place.environment(),
                          stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as top:
        os.close(theirs)
        try:
            read_pictures(ours, lambda now: "PROCESSES" in now and "trying" not in now, "first")
            stage.redis.kill()
            read_pictures(ours, lambda now: "PROCESSES" in now and "Redis" in now and
                          "trying again" in now, "Redis is away")
            stage.redis.start()
            read_pictures(ours, lambda now: "PROCESSES" in now and "trying" not in now, "back")
        finally:
            top.terminate()
            os.close(ours)


def call(place: Place, *words: str) -> tuple[int, str]:
    done = tallyctl(place, *words, check=False)
    must(not done.stdout or done.returncode == 0, f"{words}: half an answer: {done}")
    return done.returncode, done.stderr


# contract: ctl.bad_input
def must_answer_bad_words(place: Place) -> None:
    longest = "x" * 100000
    for words, status, said in (
            (("explain", ""), USAGE, "empty"),
            (("explain", "order:"), USAGE, "empty"),
            (("explain", longest), USAGE, "100000 bytes"),
            (("explain", "a\033[2Jb"), USAGE, "control characters"),
            (("explain", "sales:company:all:2026-13"), USAGE, "no period"),
            (("explain", "sales:company:all:2026-02-30"), USAGE, "no period"),
            (("explain", "sales:company:all"), USAGE, "ends in an id and a period"),
            (("explain", "sales:company:all:2031"), NOT_FOUND, "no such key"),
            (("explain", "pay:p-1:2026"), USAGE, "no month"),
            (("explain", "pay:p-1:2026-12"), NOT_FOUND, "no such key"),
            (("explain", "board:collected:company:all:2026-W99", "p-1"), USAGE, "no period"),
            (("explain", "board:x", "p-1"), USAGE, "ends in"),
            (("explain", "board:collected:company:all:2026", "nobody"), NOT_FOUND, "no member"),
            (("explain", "meta:orders:0"), NOT_FOUND, "no commission, no order"),
            (("explain", "o-1", "--max", "0"), USAGE, "--max"),
            (("key", "order", ""), USAGE, "empty"),
            (("key", "order", longest), USAGE, "100000 bytes"),
            (("key", "order", "a\033[2Jb"), USAGE, "control characters"),
            (("key", longest, "x"), USAGE, "100000 bytes"),
            (("key", "payee", "p-1", "2026-13"), USAGE, "no period"),
            (("key", "payee", "p-1", longest), USAGE, "100000 bytes"),
            (("lag", "x"), USAGE, "no words"),
            (("lag", "--worker", "nobody"), USAGE, "there are orders, commissions, scoreboard"),
            (("lag", "--timeout", "soon"), USAGE, "--timeout"),
            (("top", "x"), USAGE, "no words"),
            (("top", "--worker", "nobody"), USAGE, "there are orders, commissions, scoreboard"),
            (("top", "--interval", "0"), USAGE, "--interval")):
        found, told = call(place, *words)
        must(found == status and said in told and len(told) < 1000,
             f"{words[0]} {words[1][:40]!r}: {found}, not {status}: {told[:300]}")


def must_tell_who_is_away(place: Place) -> None:
    asks = ("lag",), ("top",), ("top", "--once", "--json"), ("explain", "o-1"), (
        "explain", "sales:company:all:2026"), ("explain", "pay:p-1:2026-03")
    for words in asks + (("key", "order", "o-1", "--redis"),):
        status, told = call(place, *words, "--redis-url", f"redis://{NOWHERE}")
        must(status == UNAVAILABLE and "Redis" in told, f"no Redis: {words}: {status} {told}")
    for words in asks[:1] + asks[3:4]:  # each takes seconds
        status, told = call(place, *words, "--brokers", NOWHERE)
        must(status == UNAVAILABLE and NOWHERE in told, f"no broker: {words}: {status} {told}")
    with Redis(place.redis_url) as redis:
        key = f"{place.redis_prefix}order:o-1"
        held = redis.command("GET", key)
        redis.command("DEL", key)
        redis.command("HSET", key, "a", "b")  # not what a worker writes
        told = json.loads(tallyctl(place, "explain", "o-1", "--json").stdout)
        redis.command("DEL", key)
        redis.command("SET", key, held)
    must(told["read"]["whole"] and told["order"]["collected"], f"{told}")


def test() -> None:
    with Stage("top", own_redis=True) as stage:
        place = ctl.prepare(stage)
        must_show_work(stage, place)
        must_answer_bad_words(place)
        must_tell_who_is_away(place)
        must_go_on_without_redis(stage, place)
        stage.say("every state has its words")


if __name__ == "__main__":
    main(test)
