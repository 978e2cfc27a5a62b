#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tallyctl key` names the keys that the workers write, their shard and what they hold.

Also: every command of tallyctl says what it is with --help, and knows wrong use when it sees it.
"""
from __future__ import annotations

import re
import subprocess

import ctl
from rig import Place, kafka, program
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import Fleet, tallyctl

USAGE = 64


def call(*words: str) -> tuple[int, str]:
    done = subprocess.run([program("tallyctl"), *words], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


# contract: ctl.help
def must_explain_all_commands() -> None:
    status, said = call("--help")
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +\S", said.split("Flags:")[0], re.M)
    must(status == 0 and {"dlq redrive", "repair", "key", "logic advance"} <= set(commands), said)
    for command in commands:
        status, said = call(*command.split(), "--help")
        must(status == 0 and f"usage: tallyctl {command}" in said, f"{command} --help: {said}")
        status, said = call(*command.split(), "--no-such-flag")
        must(status == USAGE and "--no-such-flag" in said, f"{command} --no-such-flag: {status}")


def must_know_wrong_use() -> None:
    for words, said in ((("order",), "KIND ID"), (("cat", "x"), "payee"),
                        (("payee", "p-1"), "2026-W10"), (("payee", "p-1", "2026-W60"), "no period"),
                        (("payee", "p-1", "2026-02-30"), "no period")):
        status, answer = call("key", *words)
        must(status == USAGE and said in answer, f"key {words}: {status} {answer}")


def keys(place: Place, *words: str) -> list[dict]:
    return ctl.answer(place, "key", *words)["keys"]


def must_name(place: Place) -> None:
    prefix = place.redis_prefix
    names = [found["key"] for found in keys(place, "payee", "p-1", "2026-03")]
    must(names == [f"{prefix}sales:payee:p-1:2026-03", f"{prefix}pay:p-1:2026-03",
                   f"{prefix}lines:p-1:2026-03"], f"{names}")
    for period in ("2026-03-05", "2026-W10", "2026-Q1", "2026"):
        (found,) = keys(place, "payee", "p-1", period)
        must(found["key"] == f"{prefix}sales:payee:p-1:{period}", f"{found}")
    (found,) = keys(place, "order", "o-1")
    must((found["key"], found["worker"], found["message_key"]) ==
         (f"{prefix}order:o-1", "orders", "o-1") and "partition" not in found, f"{found}")


# contract: ctl.key
def must_read(place: Place) -> None:
    """With --redis: exactly what Redis has, and the shard whose log the cause lies in."""
    with Redis(place.redis_url) as redis:
        (found,) = keys(place, "order", "o-1", "--redis")
        must(found["value"] == redis.command("GET", found["key"]), f"{found}")
        lies = {record.key: record.partition
                for record in kafka.read(place.brokers, place.topic("orders"))}
        must(found["partition"] == lies["o-1"], f"{found}, but it lies in {lies['o-1']}")
        for found in keys(place, "payee", "p-1", "2026-03", "--redis"):
            must(found["value"] == next(redis.hashes([found["key"]])), f"{found}")
        (none,) = keys(place, "team", "t-9", "2026", "--redis")
        must(none["value"] is None, f"{none}")
    text = tallyctl(place, "key", "payee", "p-1", "2026-03", "--redis").stdout
    must(re.search(r"collected +300\n", text) and "scoreboard in shard measures/" in text, text)


def test() -> None:
    must_explain_all_commands()
    must_know_wrong_use()
    with Stage("key") as stage:
        place = ctl.prepare(stage)
        must_name(place)
        with Fleet(place, stage.logs, settings=ctl.SOON):
            ctl.send(place, [ctl.created("o-1", "p-1", 1000), ctl.paid("o-1", "a", 300)])
            ctl.settle(place)
        must_read(place)
        stage.say("keys, shards and values are those of the workers")


if __name__ == "__main__":
    main(test)
