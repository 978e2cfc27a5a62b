#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`tallyctl explain` says of an amount how it came about, and `tallyctl verify` whether Redis and
the outputs are what the logs make.

What explain says is compared with the arithmetic of tests/ladder/oracle.py on the events file, and
with where the broker has each record. verify must say "equal" while events flow and afterwards;
then single values are falsified, and it must name exactly those. `tallyctl replay` must give the
figures that Redis showed half way.
"""
from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from datetime import datetime, timezone
from typing import Callable

import ctl
import ladder as ladders
import oracle
from rig import Place, kafka, program
from rig.redis import Redis
from rig.stage import Stage, main, must, seed
from rig.workers import Fleet, Worker, is_stopped, tallyctl

EVENTS = 20000
RATE = 4000
SAMPLES = 12
OPEN_LONG = {"session.timeout.ms": "60000", "transaction.timeout.ms": "60000"}
HELD_S = 4.0
ORDERS = 1500  # of the made-up company
DATA, NOT_FOUND, TRY_AGAIN, USAGE, REFUSED = 65, 66, 75, 64, 77
LEAST_A_CORE = 20000  # events/s; far below the figure, which `make bench` prints


# ---- explain ----------------------------------------------------------------------------

def history(work: ladders.Ladder, order_id: str) -> list[dict]:
    """What each applied event of the order must come to, by payee."""
    order, seen, steps = None, set(), []
    for line in work.events_file.read_text().splitlines():
        key, raw = line.split("\t", 1)
        if key != order_id:
            continue
        try:
            event = json.loads(raw)
        except ValueError:
            continue
        if event["id"] in seen:
            continue
        seen.add(event["id"])
        if event["type"] == "order.created":
            order = oracle.Order(event["data"], work.people)
            continue
        before, net_before = order.shares(), order.collected - order.refunded
        refund = event["type"] == "payment.refunded"
        order.refunded += event["data"]["amount"] if refund else 0
        order.collected += 0 if refund else event["data"]["amount"]
        for (payee, rate, _), weight, old, new in zip(order.sellers, order.weights, before,
                                                      order.shares()):
            steps.append({
                "payee_id": payee, "source_event_id": event["id"], "order_id": order_id,
                "net_before": net_before, "net_after": order.collected - order.refunded,
                "weight": weight, "weights": sum(order.weights), "share_before": old,
                "share_after": new, "basis": new - old,
                "cumulative_before": oracle.commission_on(old, rate),
                "cumulative_after": oracle.commission_on(new, rate),
                "amount": oracle.commission_on(new, rate) - oracle.commission_on(old, rate),
                "period": event["time"][:7], "rate_ppm": rate})
    return steps


def places(place: Place) -> dict[tuple[str, str], str]:
    """Where each event id of an order stands first, in a record that is whole."""
    found: dict[tuple[str, str], str] = {}
    for record in kafka.read(place.brokers, place.topic("orders")):
        try:
            event_id = json.loads(record.value or b"")["id"]
        except (ValueError, TypeError, KeyError):
            continue
        where = f"{place.topic('orders')}/{record.partition}/{record.offset}"
        found.setdefault((record.key, event_id), where)
    return found


def must_be_told(told: dict, wanted: dict, stands: dict, message: str) -> None:
    said = {name: told[name] for name in wanted if name != "rate_ppm"}
    said["rate_ppm"] = told["rate"]["rate_ppm"]
    must(said == wanted, f"explained {said}, not {wanted}")
    cause = stands[wanted["order_id"], wanted["source_event_id"]]
    must(told["cause"] == cause and cause.endswith(
        f"/{told['event']['partition']}/{told['event']['offset']}"), f"{told}, not {cause}")
    must(told["message"] == message, f"{told['message']}, not {message}")


# contract: ctl.explain
def must_explain(stage: Stage, place: Place, work: ladders.Ladder) -> None:
    topic, stands = place.topic("commissions"), places(place)
    emitted = {}
    for record in kafka.read(place.brokers, topic):
        data = json.loads(record.value)["data"]
        emitted[data["commission_id"]] = (data, f"{topic}/{record.partition}/{record.offset}")
    for commission_id in random.sample(sorted(emitted), SAMPLES):
        data, message = emitted[commission_id]
        answer = json.loads(tallyctl(place, "explain", commission_id, "--json").stdout)
        must(answer["kind"] == "commission" and answer["redis_agrees"], f"{answer}")
        (wanted,) = [step for step in history(work, data["order_id"]) if (
            step["payee_id"], step["source_event_id"]) == (
                data["payee_id"], data["source_event_id"])]
        must_be_told(answer["commission"], wanted, stands, message)
    order_id = Counter(data["order_id"] for data, _ in emitted.values()).most_common(1)[0][0]
    must_tell_order(place, work, order_id, stands, {
        (data["payee_id"], data["source_event_id"]): message for data, message in
        emitted.values() if data["order_id"] == order_id})
    stage.say(f"{SAMPLES} commissions and order {order_id} are explained as the oracle does")


def must_tell_order(place: Place, work: ladders.Ladder, order_id: str, stands: dict,
                    messages: dict) -> None:
    answer = json.loads(tallyctl(place, "explain", order_id, "--json").stdout)
    steps = history(work, order_id)
    told = answer["order"]
    must(answer["kind"] == "order" and len(told["commissions"]) == len(steps),
         f"{len(told['commissions'])} commissions, not {len(steps)}")
    for commission, step in zip(told["commissions"], steps):
        must_be_told(commission, step, stands,
                     messages[step["payee_id"], step["source_event_id"]])
    applied = {f"{event['topic']}/{event['partition']}/{event['offset']}"
               for event in told["events"] if event["told"] == "applied"}
    must(applied == {where for (key, _), where in stands.items() if key == order_id},
         f"applied: {applied}")
    text = tallyctl(place, "explain", order_id).stdout
    for step in steps:
        must(stands[order_id, step["source_event_id"]] in text, text)


def told_by(place: Place, order_id: str, *words: str) -> tuple[dict, dict]:
    """The answer without what was read for it and without repetitions, and what was read."""
    answer = json.loads(tallyctl(place, "explain", order_id, "--json", *words).stdout)
    read, told = answer.pop("read"), answer["order"]
    told["events"] = [event for event in told["events"] if event["told"] != "repeated"]
    del told["event_count"]
    return answer, read


# contract: ctl.explain
def must_read_little(stage: Stage, place: Place, orders: list[str], most_whole: int) -> None:
    """What is found by the times in Redis is what the whole log says."""
    whole = 0
    for order_id in orders:
        (found, read), (all_of_it, read_all) = (told_by(place, order_id, *words)
                                                for words in ((), ("--whole",)))
        must(found == all_of_it, f"{order_id}: {found}, but the log says {all_of_it}")
        must(read_all["whole"] and read_all["records"] <= read_all["of"], f"{read_all}")
        whole += read["whole"]
    must(whole <= most_whole, f"{whole} of {len(orders)} orders were read whole")
    stage.say(f"{len(orders)} orders are found, {whole} of them by reading all")


def must_not_trust_redis(place: Place, order_id: str) -> None:
    """Where Redis holds another order than the log makes, the log is read whole, and believed."""
    key = f"{place.redis_prefix}order:{order_id}"
    wanted, read = told_by(place, order_id)
    must(not read["whole"], f"{order_id} was read whole before")
    with Redis(place.redis_url) as redis:
        held = redis.command("GET", key)
        document = json.loads(held)
        document["created"] = "2026-03-30T00:00:00.000Z"
        for false in (json.dumps(document, separators=(",", ":")), "not a document"):
            redis.command("SET", key, false)
            found, read = told_by(place, order_id)
            must(read["whole"] and found == wanted, f"{false}: {read}, {found}, not {wanted}")
        redis.command("SET", key, held)


# contract: ctl.explain
def must_explain_figures(place: Place, work: ladders.Ladder) -> None:
    expected = work.expected()
    prefix = place.redis_prefix
    (payee, month), pay = next(iter(sorted(expected.pay.items())))
    answer = json.loads(tallyctl(place, "explain", f"{prefix}pay:{payee}:{month}",
                                 "--json").stdout)
    must(answer["sum"] == answer["payable"] == pay["accrued"] - pay["clawed_back"], f"{answer}")
    for key in (f"sales:payee:{payee}:{month}", "sales:company:all:" + month):
        answer = json.loads(tallyctl(place, "explain", prefix + key, "--json").stdout)
        wanted = {name: value for name, value in expected.sales[key].items() if value}
        must(answer["value"] == answer["sum"] == wanted and answer["redis_agrees"],
             f"{answer['value']} or {answer['sum']}, not {wanted}")
        days = {f"{key[:-len(month)]}{day['day']}": day["figures"] for day in answer["days"]}
        must(days == {name: {field: value for field, value in expected.sales[name].items() if value}
                      for name in days}, f"days of {key}")


def must_know_no_more(place: Place) -> None:
    for words, status, said in (
            (("no-such-order",), NOT_FOUND, "no commission, no order"),
            (("00000000-0000-0000-0000-000000000000",), NOT_FOUND, "no commission"),
            ((f"{place.redis_prefix}sales:team:T999:2026",), NOT_FOUND, "no such key"),
            ((f"{place.redis_prefix}board:collected:company:all:2026",), USAGE, "which one"),
            ((), USAGE, "COMMISSION_ID"), (("o", "p"), USAGE, "second word")):
        done = tallyctl(place, "explain", *words, check=False)
        must(done.returncode == status and said in done.stderr, f"explain {words}: {done}")


# ---- verify --------------------------------------------------------------------------------

def verify(place: Place, *words: str) -> tuple[int, dict]:
    """Again while a shard is being rebuilt, as after a transaction that a busy machine lost."""
    deadline = time.monotonic() + ladders.SETTLE_S
    while True:
        done = tallyctl(place, "verify", "--json", *words, check=False, timeout_s=300)
        if done.returncode != TRY_AGAIN or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    must(done.stdout, f"verify: status {done.returncode}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def must_be_equal(place: Place, when: str) -> dict:
    status, answer = verify(place)
    must(status == 0 and answer["equal"] and not answer["differences"],
         f"{when}: status {status}, {answer['difference_count']}: {answer['differences'][:5]}")
    return {worker["worker"]: worker for worker in answer["workers"]}


def must_wait_for_an_open_transaction(stage: Stage) -> None:
    """What one process commits behind the beginning of another's transaction is not missing."""
    work = ladders.Ladder(EVENTS // 2)
    place = ladders.prepare(stage, work)
    stuck = Worker("orders", 2, place, stage.logs, OPEN_LONG)
    stuck.environment = {"TALLY_FAILPOINT": "P2:2:stop"}
    try:
        with Fleet(place, stage.logs, settings=ladders.SOON):
            with ladders.Sending(place, work, RATE / 8) as sending:
                stuck.start()
                until(lambda: is_stopped(stuck), "it to be stopped in a transaction")
                sending.finish()
            until(lambda: has_committed_its(place), "the other process to commit its part")
            asking = subprocess.Popen([program("tallyctl"), "verify", "--worker", "orders"],
                                      env=place.environment(), text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            time.sleep(HELD_S)
            waits = asking.poll() is None
            stuck.signal(signal.SIGCONT)
            said = asking.communicate(timeout=ladders.SETTLE_S)[0]
            must(waits, f"it did not wait: {said}")
            must(asking.returncode == 0, f"status {asking.returncode}: {said}")
    finally:
        stuck.kill()
    stage.say("what lies behind an open transaction is waited for")


def has_committed_its(place: Place) -> bool:
    """The orders of half the partitions."""
    rows = [row for row in ctl.answer(place, "lag")["partitions"] if row["worker"] == "orders"]
    return sum(not row["lag"] for row in rows) * 2 >= len(rows)


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + ladders.SETTLE_S
    while not holds():
        must(time.monotonic() < deadline, f"waited in vain for {what}")
        time.sleep(0.05)


def falsify(place: Place) -> list[tuple[str, str, str | None]]:
    """Kind, where and field of every difference that must be seen."""
    prefix, wrong = place.redis_prefix, []
    with Redis(place.redis_url) as redis:
        def change(kind: str, key: str, field: str | None, *command: object) -> None:
            redis.command(*command)
            wrong.append((kind, key, field))

        company = f"{prefix}sales:company:all:2026"
        change("differs", company, "commission", "HINCRBY", company, "commission", 1)
        team = f"{prefix}sales:team:T999:2026"
        change("extra", team, "orders", "HSET", team, "orders", 1)
        pay = redis.keys(f"{prefix}pay:*")[0]
        change("differs", pay, "accrued", "HINCRBY", pay, "accrued", 1)
        lines = redis.keys(f"{prefix}lines:*")[0]
        gone = redis.command("HKEYS", lines)[0]
        change("missing", lines, gone, "HDEL", lines, gone)
        first, second, third = redis.keys(f"{prefix}order:*")[:3]
        document = json.loads(redis.command("GET", first))
        document["collected"] += 1
        change("differs", first, None, "SET", first, json.dumps(document, separators=(",", ":")))
        change("missing", second, None, "DEL", second)
        redis.command("DEL", third)
        change("differs", third, None, "HSET", third, "a", "b")
        unknown = f"{prefix}commission:nobody"
        change("extra", unknown, None, "SET", unknown, "p 2026-01")
    return wrong


def emit_again(place: Place) -> tuple[str, str, str | None]:
    """One commission a second time, as a worker would that forgot that it had emitted it."""
    topic = place.topic("commissions")
    first = list(kafka.read(place.brokers, topic))[0]
    headers = tuple((name, first.header(name)) for name in ("tw-src", "tw-seq"))
    kafka.send(place.brokers, topic, [kafka.Message(first.key, first.value, headers,
                                                    first.partition)])
    last = max(record.offset for record in kafka.read(place.brokers, topic, False)
               if record.partition == first.partition)
    return ("duplicate", f"{topic}/{first.partition}/{last}",
            json.loads(first.value)["data"]["commission_id"])


def emit_foreign(place: Place) -> tuple[str, str, str | None]:
    """A commission that no worker made."""
    topic = place.topic("commissions")
    event = {"specversion": "1.0", "id": "forged", "source": "/x", "type": "commission.accrued",
             "data": {}}
    kafka.send(place.brokers, topic, [kafka.Message("p", json.dumps(event).encode(), (), 0)])
    last = max(record.offset for record in kafka.read(place.brokers, topic, False)
               if record.partition == 0)
    return "extra", f"{topic}/0/{last}", "forged"


# contract: ctl.verify
def must_name_what_is_wrong(stage: Stage, place: Place) -> None:
    wrong = falsify(place) + [emit_again(place), emit_foreign(place)]
    status, answer = verify(place)
    found = {(d["kind"], d["where"], d["field"]) for d in answer["differences"]}
    must(status == DATA and not answer["equal"] and found == set(wrong) and
         answer["difference_count"] == len(wrong),
         f"status {status}, not seen: {set(wrong) - found}, besides: {found - set(wrong)}")
    status, answer = verify(place, "--worker", "scoreboard", "--max", "1")
    must(status == DATA and answer["difference_count"] == 2 and len(answer["differences"]) == 1,
         f"{answer}")
    text = tallyctl(place, "verify", check=False)
    must(text.returncode == DATA and "there is" in text.stdout and "a second and core" in
         text.stdout, text.stdout)
    stage.say(f"{len(wrong)} falsehoods are named, and nothing else")


# ---- a company with everything ------------------------------------------------------------

def must_be_equal_with_everything(stage: Stage) -> None:
    """Boards, timers, what is refused, waits or comes twice: the company of tallyctl gen."""
    place, events = stage.place(), stage.folder / "company.tsv"
    tallyctl(place, "gen", "--orders", str(ORDERS), "--faults", "30", "--out", str(events))
    tallyctl(place, "topics", "create", "--partitions", "3", "--reference",
             f"{events}.reference.json")
    lines = events.read_bytes().splitlines(keepends=True)
    with Fleet(place, stage.logs, settings=ladders.SOON) as fleet:
        produce(place, fleet, lines[:len(lines) // 2])
        half, until = content(place, place.redis_prefix), instant()
        ends = {row["topic"] + f"/{row['partition']}": row["output_cursor"]
                for row in ctl.answer(place, "lag")["partitions"]}
        produce(place, fleet, lines[len(lines) // 2:])
        workers = must_be_equal(place, "the made-up company")
    must_replay(stage, place, half, until, ends)
    must(workers["orders"]["messages"] > 50, f"few dead letters: {workers}")
    must_explain_boards(place)
    refused = [record for record in kafka.read(place.brokers, place.topic("orders.dlq"))
               if record.header("tw-reason") == "payee_unknown"]
    told = json.loads(tallyctl(place, "explain", refused[0].key, "--json").stdout)["order"]
    must(told["events"][0]["told"] == "refused" and
         told["events"][0]["reason"] == "payee_unknown", f"{told}")
    some = SAMPLES // 2
    dead = {record.key for record in kafka.read(place.brokers, place.topic("orders.dlq"))}
    keys = {line.split(b"\t")[0].decode() for line in lines}
    must_read_little(stage, place, random.sample(sorted(dead - {""}), some) +
                     random.sample(sorted(keys), some), SAMPLES - 2)
    with Redis(place.redis_url) as redis:
        board = redis.keys(f"{place.redis_prefix}board:collected:team:*")[0]
        redis.command("ZADD", board, 1, "nobody")
    status, answer = verify(place)
    found = [(d["kind"], d["where"], d["field"]) for d in answer["differences"]]
    must(status == DATA and found == [("extra", board, "nobody")], f"{found}")
    must_miss_a_cursor(place)
    stage.say("a company with boards, timers and refusals is equal too")


def must_miss_a_cursor(place: Place) -> None:
    """A Redis that lost R is not equal, whatever else it has."""
    meta = f"{place.redis_prefix}meta:orders:0"
    with Redis(place.redis_url) as redis:
        redis.command("DEL", meta)
    status, answer = verify(place, "--worker", "orders")
    found = [(d["kind"], d["where"], d["field"]) for d in answer["differences"]]
    must(status == DATA and found == [("missing", meta, "cursor")], f"{found}")


def produce(place: Place, fleet: Fleet, lines: list[bytes]) -> None:
    subprocess.run([program("produce"), "--brokers", place.brokers, "--topic",
                    place.topic("orders"), "-"], input=b"".join(lines), check=True,
                   capture_output=True)
    fleet.settle(ladders.SETTLE_S)


def instant() -> str:
    """Now, after all that has happened and before all that will."""
    time.sleep(0.1)
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    time.sleep(0.1)
    return now.replace("+00:00", "Z")


def content(place: Place, prefix: str) -> dict:
    """What people read under a prefix."""
    own = tuple(prefix + word for word in ("meta:", "asof:", "due:"))
    with Redis(place.redis_url) as redis:
        found = redis.dump(leave_out=own, pattern=f"{prefix}*")
    return {key[len(prefix):]: value for key, value in found.items()}


# contract: ctl.replay
def must_replay(stage: Stage, place: Place, half: dict, until: str, ends: dict) -> None:
    """The figures of then, by the time and by the offsets, beside those of now."""
    now = content(place, place.redis_prefix)
    must(half and half != now, "the second half changed nothing")
    for name, what in (("time", until), ("offsets", ",".join(
            f"{shard}={offset}" for shard, offset in ends.items()))):
        prefix = f"scratch-{place.redis_prefix}{name}:"
        try:
            tallyctl(place, "replay", "--until", what, "--prefix", prefix)
            found = content(place, prefix)
            must(found == half, f"until {what}: {len(found)} keys, not {len(half)}: " + str(
                [key for key in {*half, *found} if half.get(key) != found.get(key)][:5]))
            done = tallyctl(place, "replay", "--until", what, "--prefix", prefix, check=False)
            must(done.returncode == REFUSED and "already" in done.stderr, f"{done}")
        finally:
            with Redis(place.redis_url) as redis:
                for _ in redis.many(("UNLINK", key) for key in redis.keys(f"{prefix}*")):
                    pass
    must(content(place, place.redis_prefix) == now, "a replay changed the workers' keys")
    for words in (("--prefix", "x:"), ("--until", "then", "--prefix", "x:"), ("--until", until),
                  ("--until", until, "--prefix", place.redis_prefix + "x:"),
                  ("--until", "nowhere/0=1", "--prefix", "x:"),
                  ("--until", until, "--prefix", "sales:")):
        done = tallyctl(place, "replay", *words, check=False)
        must(done.returncode == USAGE, f"replay {words}: {done}")
    stage.say("a replay until then gives the figures of then")


def must_explain_boards(place: Place) -> None:
    """The sum of the rows is the member's score, in the company and in a unit."""
    with Redis(place.redis_url) as redis:
        for pattern in ("company:all:2026-03", "company:teams:2026-02", "team:*:2026-02",
                        "region:*:2026-01"):
            board = redis.keys(f"{place.redis_prefix}board:collected:{pattern}")[0]
            member, score = redis.command("ZREVRANGE", board, 0, 0, "WITHSCORES")
            answer = json.loads(tallyctl(place, "explain", board, member, "--json").stdout)
            must(answer["redis_agrees"] and answer["sum"]["collected"] == int(score),
                 f"{board} {member} {score}: {answer['sum']}")


def test() -> None:
    random.seed(seed())
    with Stage("explain") as stage:
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        with Fleet(place, stage.logs, settings=ladders.SOON) as fleet:
            with ladders.Sending(place, work, RATE) as sending:
                for _ in range(2):
                    must_be_equal(place, "while events flow")
                sending.finish()
            fleet.settle(ladders.SETTLE_S)
            workers = must_be_equal(place, "with live workers at rest")
        for name, worker in workers.items():
            stage.say(f"{name}: {worker['events']} events, {worker['events_per_core_s']:,} a "
                      f"second and core, {worker['keys']} keys, {worker['messages']} messages")
            must(worker["events_per_core_s"] > LEAST_A_CORE and worker["keys"], f"{worker}")
        must_explain(stage, place, work)
        orders = sorted(work.expected().orders)
        must_read_little(stage, place, random.sample(orders, SAMPLES), 0)
        must_not_trust_redis(place, random.choice(orders))
        must_explain_figures(place, work)
        must_know_no_more(place)
        must_name_what_is_wrong(stage, place)
        must_be_equal_with_everything(stage)
        must_wait_for_an_open_transaction(stage)


if __name__ == "__main__":
    main(test)
