#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Redis that is not as it should be: repaired without an operator, or refused in words.

A Redis that is emptied, cut short, older or out of reach is the fault matrix's (tests/faults).
"""
from __future__ import annotations

import ctl
from environment import Company, Log, run_all
from rig.redis import Redis
from rig.stage import Stage, main, must


def metas(redis: Redis, company: Company) -> list[str]:
    """Those of all shards, idle ones among them: these are written at the next idle check."""
    def found() -> list[str]:
        return redis.keys(f"{company.place.redis_prefix}meta:*")
    ctl.eventually(lambda: len(found()) == 3 * ctl.PARTITIONS, "a shard has no meta")
    return found()


def evicting_policy(stage: Stage) -> None:
    """Nothing is folded into a Redis that may forget; with the right policy all goes on."""
    company = Company(stage)
    company.begin()
    with Redis(company.place.redis_url) as redis:
        redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        company.send()
        with company.fleet() as fleet:
            Log(fleet.named("orders")[0]).must_say("redis_not_connected", "noeviction")
            must(company.wrong(), "counted in a Redis that evicts")
            redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
            company.must_go_on("with noeviction again")


def library_missing(stage: Stage) -> None:
    """Removed under a running worker: it is loaded again, nothing is lost."""
    company = Company(stage)
    with Redis(company.place.redis_url) as redis, company.fleet():
        for _ in range(3):
            company.send()
            redis.command("FUNCTION", "FLUSH")
            company.must_go_on("without the function library")


def meta_deleted(stage: Stage) -> None:
    """The shards' meta deleted, entities and figures left: all is built anew, nothing twice."""
    company = Company(stage)
    company.begin()
    with Redis(company.place.redis_url) as redis:
        redis.command("DEL", *metas(redis, company))
        with company.fleet():
            company.must_go_on("meta deleted while nobody was there")
            redis.command("DEL", *metas(redis, company))
            company.must_go_on("meta deleted under the workers")
            for key in metas(redis, company):
                redis.command("HDEL", key, "cursor")
            company.must_go_on("R deleted under the workers")


def entities_spoilt(stage: Stage) -> None:
    """An order that is none is refused in words that name the way out; that way is exact."""
    company = Company(stage)
    company.begin()
    prefix = company.place.redis_prefix
    with Redis(company.place.redis_url) as redis:
        redis.command("SET", f"{prefix}order:o-0", "someone else's")
        ctl.send(company.place, [ctl.paid("o-0", "b", 50)])
        with company.fleet() as fleet:
            log = Log(fleet.named("orders")[0])
            log.must_say("entity_unreadable", "shard_refused")
            for key in redis.keys(f"{prefix}meta:orders:*"):
                redis.command("DEL", key)
            ctl.settle(company.place)
            must(ctl.order(company.place, "o-0")["collected"] == 350, "the order is not as it was")


def shrunken_memory(stage: Stage) -> None:
    """Redis is full: shards pause, nothing is dropped; with memory they go on."""
    company = Company(stage)
    company.begin()
    with Redis(company.place.redis_url) as redis:
        redis.command("CONFIG", "SET", "maxmemory", "1")
        company.send()
        with company.fleet() as fleet:
            Log(fleet.named("orders")[0]).must_say("OOM")
            must(company.wrong(), "counted in a Redis that is full")
            redis.command("CONFIG", "SET", "maxmemory", "0")
            company.must_go_on("with memory again")


def test() -> None:
    run_all("env-redis", (evicting_policy, library_missing, meta_deleted, entities_spoilt,
                          shrunken_memory), own_redis=True)


if __name__ == "__main__":
    main(test)
