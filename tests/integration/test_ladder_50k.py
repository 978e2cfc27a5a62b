#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ladder job on 50,000 events by bench/ladder, one process a worker: exact to the last unit.

Afterwards single values are falsified, and the comparison must see each and nothing else: a check
that cannot fail proves nothing.
"""
from __future__ import annotations

import json
import subprocess
from collections import Counter

import ladder as ladders
from rig import Place, kafka
from rig.redis import Redis
from rig.stage import Stage, main, must

EVENTS = 50000


def run_bench(place: Place, work: ladders.Ladder) -> dict:
    done = subprocess.run(
        [str(ladders.ROOT / "bench" / "ladder"), str(work.people_file), str(work.events_file),
         "--brokers", place.brokers, "--redis", place.redis_url, "--produce", "--json",
         "--topic-prefix", place.topic_prefix, "--redis-prefix", place.redis_prefix,
         "--timeout", str(ladders.SETTLE_S)], text=True, capture_output=True)
    must(done.returncode == 0,
         f"bench/ladder: status {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def falsehoods(redis: Redis, prefix: str) -> list[tuple[str, tuple]]:
    """What kind of difference it must be, and a command that falsifies one value."""
    lines = redis.keys(f"{prefix}lines:*")[0]
    order = redis.keys(f"{prefix}order:*")[0]
    document = json.loads(redis.command("GET", order))
    document["collected"] += 1
    return [
        ("sales", ("HINCRBY", f"{prefix}sales:company:all:2026", "commission", 1)),
        ("sales", ("HSET", f"{prefix}sales:team:T999:2026", "orders", 1)),
        ("pay", ("HINCRBY", redis.keys(f"{prefix}pay:*")[0], "accrued", 1)),
        ("lines", ("HDEL", lines, redis.command("HKEYS", lines)[0])),
        ("orders", ("SET", order, json.dumps(document))),
    ]


def emit_again(place: Place) -> None:
    """One commission a second time, as a worker would that forgot that it had emitted it."""
    topic = place.topic("commissions")
    first = list(kafka.read(place.brokers, topic))[0]
    subprocess.run(
        ["kcat", "-b", place.brokers, "-P", "-t", topic, "-p", str(first.partition), "-k",
         first.key, "-H", f"tw-src={first.header('tw-src')}", "-H",
         f"tw-seq={first.header('tw-seq')}"], input=first.value, check=True)


def must_see_falsehoods(place: Place, work: ladders.Ladder) -> int:
    """How many wrong values the comparison saw: all of them, and nothing else."""
    report = ladders.check.Report()
    with Redis(place.redis_url) as redis:
        wrong = falsehoods(redis, place.redis_prefix)
        for _, falsify in wrong:
            redis.command(*falsify)
        emit_again(place)
        expected = work.expected()
        emitted = ladders.check.check_commissions(report, expected, place)
        ladders.check.check_redis(report, expected, emitted, redis, place.redis_prefix)
        ladders.check.check_sequence(report, place)
    wanted = Counter(kind for kind, _ in wrong)
    wanted.update(("commissions", "commission ids", "numbering"))
    must(report.counts == wanted, f"the comparison found {report.counts}, not {wanted}")
    return sum(wanted.values())


# contract: duties.envelope, redis.lines, redis.order
def test() -> None:
    with Stage("ladder50k") as stage:
        work = ladders.Ladder(EVENTS)
        place = stage.place()
        figures = run_bench(place, work)
        stage.say(f"settled, {figures['events_per_s']:,} events/s")
        ladders.must_be_exact(stage, place, work, "after the run")
        stage.say(f"{must_see_falsehoods(place, work)} wrong values are seen")


if __name__ == "__main__":
    main(test)
