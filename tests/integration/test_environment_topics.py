#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Topics that are not as they were: refused in words, never a wrong figure.

Offsets that were lost or moved are test_ctl_repair's.
"""
from __future__ import annotations

import re
import urllib.error
import urllib.request

import ctl
from environment import ROUND, Company, Log, cursor, run_all
from rig import free_port, offsets
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import Worker, tallyctl

TOO_LARGE = "Message size too large"
SMALLEST, LARGEST = "250", "10485760"  # bytes: the marks of transactions still fit
SOON_SEEN = {"kafka.topic.metadata.refresh.interval.ms": "1000"}  # by default five minutes


def must_be_untouched(company: Company) -> None:
    """What was sent last is not counted; the figures are those before it."""
    company.orders -= ROUND
    company.must_be_exact("refused")


def partitions_added(stage: Stage) -> None:
    """Another partition, added under the workers: it is not read, and after a restart none is."""
    company = Company(stage)
    company.begin()
    topic = company.place.topic("orders")
    with company.fleet(SOON_SEEN) as fleet:
        ctl.settle(company.place)
        log = Log(fleet.named("orders")[0])
        offsets.add_partitions(company.place.brokers, topic, ctl.PARTITIONS + 1)
        log.must_say("shard_refused", f"partition={ctl.PARTITIONS} ")
        company.must_be_exact("a partition added")
    with company.fleet() as fleet:
        log = Log(fleet.named("orders")[0])
        log.must_say("shard_refused", f"{ctl.PARTITIONS + 1} partitions",
                     f"written with {ctl.PARTITIONS}", "fixed for life")
        company.send()
        must_be_untouched(company)
    done = tallyctl(company.place, "topics", "check", check=False)
    must(done.returncode and "partitions" in done.stdout + done.stderr, f"check: {done}")


def topic_made_anew(stage: Stage) -> None:
    """The input deleted and made again: its records and K are gone, nothing begins anew over R."""
    company = Company(stage)
    company.begin()
    before = offsets.fetch(company.place.brokers, *cursor(company.place, "orders"), ctl.PARTITIONS)
    offsets.delete_topics(company.place.brokers, [company.place.topic("orders")])
    ctl.eventually(lambda: made_again(company), "the topic cannot be made again")
    with company.fleet() as fleet:
        Log(fleet.named("orders")[0]).must_say("shard_refused", "no committed offset")
        company.send()
        must_be_untouched(company)
    # With the old K, as a restored group would have it.
    offsets.commit(company.place.brokers, *cursor(company.place, "orders"),
                   dict(enumerate(before)))
    with company.fleet() as fleet:
        Log(fleet.named("orders")[0]).must_say("shard_refused", "made anew", "restore it")
        company.must_be_exact("with the old K")


def made_again(company: Company) -> bool:
    """tallyctl makes the topic, and does not make its shards where Redis has their state."""
    done = tallyctl(company.place, "topics", "create", "--partitions", str(ctl.PARTITIONS),
                    check=False)
    must(done.returncode, f"topics create began the shards anew: {done.stdout}{done.stderr}")
    return "tallyctl repair" in done.stderr


def log_cut(stage: Stage) -> None:
    """Retention took what is not folded yet, or what a rebuild needs: refused, and says so."""
    company = Company(stage)
    company.begin()
    place, topic = company.place, company.place.topic("orders")
    ends = offsets.ends(place.brokers, topic, ctl.PARTITIONS)
    offsets.cut(place.brokers, topic, {p: end // 2 for p, end in enumerate(ends)})
    with company.fleet():
        company.must_go_on("cut below R")
    with Redis(place.redis_url) as redis:  # a rebuild needs all of it
        metas = redis.dump(pattern=f"{place.redis_prefix}meta:orders:*")
        for key in metas:
            redis.command("DEL", key)
        with company.fleet() as fleet:
            Log(fleet.named("orders")[0]).must_say("shard_refused", "the log begins at",
                                                   "restore a newer Redis copy")
            company.must_be_exact("a rebuild without its log")
            for key, (_, fields) in metas.items():
                redis.command("HSET", key, *[word for pair in fields.items() for word in pair])
            company.must_go_on("the copy restored")
    company.send()
    ends = offsets.ends(place.brokers, topic, ctl.PARTITIONS)
    offsets.cut(place.brokers, topic, dict(enumerate(ends)))
    with company.fleet() as fleet:
        Log(fleet.named("orders")[0]).must_say("shard_refused", "the log begins at")
        must_be_untouched(company)


def newer_logic(stage: Stage) -> None:
    """Shards that a newer build has moved on are refused by this one, which is left waiting."""
    company = Company(stage)
    company.begin()
    group = cursor(company.place, "orders")
    before = dict(enumerate(offsets.fetch(company.place.brokers, *group, ctl.PARTITIONS)))
    newer = {p: one._replace(metadata=re.sub(r"logic=\d+", "logic=9", one.metadata))
             for p, one in before.items()}
    offsets.commit(company.place.brokers, *group, newer)
    with company.fleet() as fleet:
        Log(fleet.named("orders")[0]).must_say("shard_refused", "the shard is at 9",
                                               "start a newer build")
        company.send()
        must_be_untouched(company)
    company.orders += ROUND
    offsets.commit(company.place.brokers, *group, before)
    with company.fleet():
        company.must_go_on("a build that knows the version")


def said(worker: Worker, path: str) -> str:
    """What it answers; as often as not that it is not ready."""
    try:
        url = f"http://{worker.settings['http.address']}{path}"
        return urllib.request.urlopen(url, timeout=5).read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def output_refuses(stage: Stage) -> None:
    """An output topic takes nothing for a while: that is said, and all goes on without a loss."""
    company = Company(stage)
    company.begin()
    place = company.place
    offsets.set_config(place.brokers, place.topic("measures"), "max.message.bytes", SMALLEST)
    company.send()
    fleet = company.fleet()
    orders = fleet.named("orders")[0]
    orders.settings["http.address"] = f"127.0.0.1:{free_port()}"
    with fleet:
        Log(orders).must_say("transaction_failed", "in_a_row=3", TOO_LARGE)
        must(company.wrong(), "counted without a place for the measures")
        ctl.eventually(lambda: TOO_LARGE in said(orders, "/readyz?verbose"), "ready nonetheless")
        must('tallyworks_link_state{worker="orders",link="producer"} 0'
             in said(orders, "/metrics"), "no metric tells of it")
        offsets.set_config(place.brokers, place.topic("measures"), "max.message.bytes", LARGEST)
        company.must_go_on("taken again")
        ctl.eventually(lambda: said(orders, "/readyz").strip() == "ok", "not ready again")


def test() -> None:
    run_all("env-topics", (partitions_added, topic_made_anew, log_cut, newer_logic,
                           output_refuses))


if __name__ == "__main__":
    main(test)
