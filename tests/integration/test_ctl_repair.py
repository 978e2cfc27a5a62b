#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A lost K is found again in the outputs: nothing is put out twice, nothing is left out.

The groups of orders and commissions lose their offsets while the workers are down, first with Redis
as it was, then with an empty one, then one group is moved back by hand. Each time the shards are
refused in words that name repair; after it they go on, outputs are numbered without a gap or a
double, and the figures are exact.
"""
from __future__ import annotations

import re
import subprocess
import time
from collections import defaultdict

import ctl
from rig import Place, kafka, offsets, program
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import Fleet, Worker, is_stopped, latest, tallyctl

ROUND = 60  # orders
AMOUNT, PAID = 1000, 300
REFUSED, USAGE = 77, 64
OPEN_LONG = {"session.timeout.ms": "4000", "transaction.timeout.ms": "20000"}
HELD_S = 2.0
REPAIRED = ("orders", "commissions")
INPUTS = {"orders": "orders", "commissions": "credits"}
OUTPUTS = ("credits", "measures", "commissions", "orders.dlq", "credits.dlq")


class Run:
    """What was sent so far, and must be in the figures."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.place, self.orders, self.bad = stage, ctl.prepare(stage), 0, 0

    def send(self) -> None:
        events = [ctl.created(f"bad-{self.bad}", "p-1", "x")]
        for number in range(self.orders, self.orders + ROUND):
            order_id = f"o-{number}"
            events += [ctl.created(order_id, "p-1", AMOUNT), ctl.paid(order_id, "a", PAID)]
        self.orders, self.bad = self.orders + ROUND, self.bad + 1
        ctl.send(self.place, events)

    def fleet(self) -> Fleet:
        return Fleet(self.place, self.stage.logs, settings=ctl.SOON)

    def must_be_exact(self, when: str) -> None:
        payee = ctl.figures(self.place, "payee", "p-1")
        wanted = {"orders": self.orders, "order_amount": self.orders * AMOUNT,
                  "collected": self.orders * PAID, "commission": self.orders * PAID // 50}
        must(payee == wanted, f"{when}: the figures are {payee}, not {wanted}")
        must_be_numbered(self.place, when)
        refused = sum(1 for _ in kafka.read(self.place.brokers, self.place.topic("orders.dlq")))
        must(refused == self.bad, f"{when}: {refused} refused, not {self.bad}")
        self.stage.say(f"{when}: exact, numbered without a gap")

    def group(self, worker: str) -> str:
        return f"{self.place.group_prefix}tallyworks-{worker}"

    def cursors(self, worker: str) -> list[offsets.Committed]:
        return offsets.fetch(self.place.brokers, self.group(worker),
                             self.place.topic(INPUTS[worker]), ctl.PARTITIONS)

    def lose(self) -> None:
        for worker in REPAIRED:
            offsets.delete(self.place.brokers, self.group(worker), self.place.topic(INPUTS[worker]),
                           ctl.PARTITIONS)
            must(all(one.offset < 0 for one in self.cursors(worker)), "the offsets are still there")


def must_be_numbered(place: Place, when: str) -> None:
    """tw-seq of each producing shard: 1, 2, 3, ... each once."""
    found: dict[str, list[int]] = defaultdict(list)
    for topic in OUTPUTS:
        for record in kafka.read(place.brokers, place.topic(topic), with_values=False):
            if record.header("tw-control"):
                continue
            source, number = record.header("tw-src"), record.header("tw-seq")
            must(source and number, f"{when}: a record of {topic} without its source")
            found[source.rsplit("/", 1)[0]].append(int(number))
    for shard, numbers in found.items():
        must(sorted(numbers) == list(range(1, len(numbers) + 1)),
             f"{when}: the outputs of {shard} are numbered {sorted(numbers)}")
    must(len(found) > ctl.PARTITIONS, f"{when}: outputs of {sorted(found)}")


def must_refuse_to_run(run: Run, said: str) -> None:
    """The workers' words name the way out, and repair does not work beside them."""
    with run.fleet() as fleet:
        log = fleet.named("orders")[0].log
        before = log.stat().st_size if log.exists() else 0
        ctl.eventually(lambda: said in log.read_text()[before:], f"no word of \"{said}\" in {log}")
        must("tallyctl repair" in log.read_text()[before:], "repair is not named")
        done = tallyctl(run.place, "repair", "--yes", check=False)
        must(done.returncode == REFUSED and "members" in done.stderr and not done.stdout,
             f"repaired beside workers: {done.returncode} {done.stdout}{done.stderr}")


def repair(run: Run, wanted: int) -> None:
    """First only in words."""
    before = {worker: run.cursors(worker) for worker in REPAIRED}
    done = tallyctl(run.place, "repair")
    must(f"{wanted} to set" in done.stdout and "--yes" in done.stdout, done.stdout)
    must(before == {worker: run.cursors(worker) for worker in REPAIRED}, "a dry run changed K")
    answer = ctl.answer(run.place, "repair", "--yes")
    must(answer["to_set"] == wanted and answer["done"] and not answer["refused"], f"{answer}")
    again = tallyctl(run.place, "repair").stdout
    must("nothing to set" in again, f"not idempotent:\n{again}")


def must_be_as_before(run: Run, worker: str, before: list[offsets.Committed]) -> None:
    """All that K's metadata said is known again; K is not beyond what it was."""
    for lost, found in zip(before, run.cursors(worker)):
        must(found.metadata == lost.metadata, f"{worker}: {lost.metadata} became {found.metadata}")
        must(0 <= found.offset <= lost.offset, f"{worker}: K {lost.offset} became {found.offset}")


# contract: ctl.repair
def lose_and_repair(run: Run, redis: Redis, empty: bool) -> None:
    when = "K and Redis lost" if empty else "K lost"
    before = {worker: run.cursors(worker) for worker in REPAIRED}
    run.lose()
    if empty:
        redis.command("FLUSHALL")
    must_refuse_to_run(run, "no committed offset")
    done = tallyctl(run.place, "topics", "create", "--partitions", str(ctl.PARTITIONS), check=False)
    must(done.returncode == REFUSED and "tallyctl repair" in done.stderr,
         f"topics create began lost shards anew: {done.stdout}{done.stderr}")
    repair(run, 2 * ctl.PARTITIONS)
    for worker in REPAIRED:
        must_be_as_before(run, worker, before[worker])
    with run.fleet():
        run.send()
        ctl.settle(run.place)
    run.must_be_exact(when)


def move_back(run: Run) -> None:
    """As a hand does: the offset is another, the metadata are gone."""
    topic, cursors = run.place.topic("orders"), run.cursors("orders")
    moved = {p: offsets.Committed(one.offset // 2, "") for p, one in enumerate(cursors)}
    offsets.commit(run.place.brokers, run.group("orders"), topic, moved)
    must_refuse_to_run(run, "metadata is not ours")
    repair(run, ctl.PARTITIONS)
    must_be_as_before(run, "orders", cursors)
    # With our metadata, below what is out: only the outputs show it.
    moved = {p: offsets.Committed(one.offset - 2, re.sub(r"seq=\d+", "seq=1", one.metadata))
             for p, one in enumerate(run.cursors("orders"))}
    offsets.commit(run.place.brokers, run.group("orders"), topic, moved)
    repair(run, ctl.PARTITIONS)
    must_be_as_before(run, "orders", cursors)
    with run.fleet():
        run.send()
        ctl.settle(run.place)
    run.must_be_exact("K moved back")


def is_shared_out(fleet: list[Worker]) -> bool:
    """Each works on some of the shards, one at least."""
    owned = latest(fleet)
    return (len(owned) == ctl.PARTITIONS and
            {number for _, number in owned.values()} == set(range(len(fleet))))


def has_committed_some(place: Place) -> bool:
    return any(row["worker"] == "orders" and not row["lag"]
               for row in ctl.answer(place, "lag")["partitions"])


def can_be_lost(run: Run) -> bool:
    """A group without members gives its offsets away."""
    try:
        offsets.delete(run.place.brokers, run.group("orders"), run.place.topic("orders"),
                       ctl.PARTITIONS)
    except RuntimeError:
        return False
    return True


def lose_behind_an_open_transaction(run: Run) -> None:
    """What a process committed behind the beginning of another's transaction is out, too."""
    place = run.place
    stuck = Worker("orders", 2, place, run.stage.logs, OPEN_LONG)
    stuck.environment = {"TALLY_FAILPOINT": "P2:1:stop"}
    try:
        with run.fleet() as fleet:
            stuck.start()
            ctl.eventually(lambda: is_shared_out([*fleet.named("orders"), stuck]), "no shards")
            run.send()
            ctl.eventually(lambda: is_stopped(stuck), "it is not stopped in a transaction")
            ctl.eventually(lambda: has_committed_some(place), "the other commits nothing")
            before = run.cursors("orders")
        ctl.eventually(lambda: can_be_lost(run), "the group is not empty")
        asking = subprocess.Popen(
            [program("tallyctl"), "repair", "--worker", "orders", "--yes", "--set",
             f"transaction.timeout.ms={OPEN_LONG['transaction.timeout.ms']}"],
            env=place.environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        time.sleep(HELD_S)
        waits = asking.poll() is None
    finally:
        stuck.kill()
    said = asking.communicate(timeout=120)[0]
    must(waits, f"it did not wait: {said}")
    must(asking.returncode == 0, f"status {asking.returncode}: {said}")
    must_be_as_before(run, "orders", before)
    with run.fleet():
        ctl.settle(place)
    run.must_be_exact("K lost, what was committed last hidden")


def lose_with_a_short_log(run: Run) -> None:
    """Where the log begins above 0 nobody knows where a shard began: the operator says it."""
    place = run.place
    before = run.cursors("orders")
    offsets.cut(place.brokers, place.topic("orders"),
                {p: one.offset // 2 for p, one in enumerate(before)})
    offsets.delete(place.brokers, run.group("orders"), place.topic("orders"), ctl.PARTITIONS)
    done = tallyctl(place, "repair", "--worker", "orders", "--yes", check=False)
    must(done.returncode == REFUSED and "--origin" in done.stdout, f"{done}")
    must(all(one.offset < 0 for one in run.cursors("orders")), "set without an origin")
    answer = ctl.answer(place, "repair", "--worker", "orders", "--origin", "0", "--yes")
    must(answer["to_set"] == ctl.PARTITIONS and not answer["refused"], f"{answer}")
    must(all("origin=0 " in one.metadata for one in run.cursors("orders")), "not that origin")
    done = tallyctl(place, "repair", "--partition", "99", check=False)
    must(done.returncode == USAGE and "99" in done.stderr, f"--partition 99: {done}")
    with run.fleet():
        run.send()
        ctl.settle(place)
    run.must_be_exact("K lost, the log cut short")


def must_not_repair_nothing(stage: Stage) -> None:
    place = ctl.prepare(stage)
    for worker, topic in INPUTS.items():
        offsets.delete(place.brokers, f"{place.group_prefix}tallyworks-{worker}",
                       place.topic(topic), ctl.PARTITIONS)
    done = tallyctl(place, "repair", "--worker", "orders", "--yes", check=False)
    must(done.returncode == REFUSED and "topics create" in done.stdout, f"{done}")


def test() -> None:
    with Stage("repair", own_redis=True) as stage:
        must_not_repair_nothing(stage)
        run = Run(stage)
        with run.fleet():
            ctl.publish_person(stage, run.place, "p-2")  # a marker: pins of the beginning differ
            run.send()
            ctl.settle(run.place)
        run.must_be_exact("before")
        with Redis(run.place.redis_url) as redis:
            lose_and_repair(run, redis, empty=False)
            lose_and_repair(run, redis, empty=True)
        move_back(run)
        lose_behind_an_open_transaction(run)
        lose_with_a_short_log(run)


if __name__ == "__main__":
    main(test)
