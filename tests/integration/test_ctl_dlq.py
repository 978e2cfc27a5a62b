#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A redrive heals what can be healed, each record exactly once, and says why it leaves the rest.

200 orders of a payee whom nobody published lie in the DLQ with events of other faults. The payee is
published; the redrive is killed inside its second transaction and started again: every order counts
once. What comes back is older by a replay, and is left alone after three.
"""
from __future__ import annotations

import json
import os
import signal
import subprocess

import ctl
from rig import Place, kafka, offsets, program
from rig.stage import Stage, main, must
from rig.workers import Fleet, tallyctl

ORDERS = 200
AMOUNT, PAID = 1000, 300
COMMISSION = PAID * 20000 // 1000000
BAD = ctl.created("bad-1", "p-1", "12.5")


def refuse(stage: Stage, place: Place) -> None:
    """Sends what will be refused, and good neighbours."""
    ctl.send(place, [ctl.created("o-1", "p-1", AMOUNT), ctl.paid("o-1", "a", PAID), BAD])
    ctl.send(place, [ctl.created(f"u-{number}", "p-9", AMOUNT) for number in range(ORDERS)])
    ctl.send(place, [ctl.paid(f"u-{number}", "a", PAID) for number in range(ORDERS)])
    ctl.send(place, [ctl.created("o-8", "p-8", AMOUNT)])
    ctl.send_odd(place, json.dumps(ctl.created("o-5", "p-1", AMOUNT)), key="not-o-5")
    ctl.send_odd(place, json.dumps({**ctl.created("o-4", "p-1", AMOUNT), "subject": "o-44"}),
                 key="not-o-4")
    key, right = "o-6", partition_of(place, "o-1", ["o-6"])["o-6"]
    ctl.send_odd(place, json.dumps(ctl.created(key, "p-1", AMOUNT)), key=key,
                 partition=(right + 1) % ctl.PARTITIONS)
    ctl.send_odd(place, b"{\"a\":\xff\x01}", key="o-7", headers={"from": "a test"})
    # In binary mode, before its order: refused when the order comes, with its envelope.
    late = ctl.paid("o-3", "late", 250, hour=11)
    ctl.send(place, [ctl.paid("o-3", "a", PAID)])
    ctl.send_odd(place, json.dumps(late["data"]), key="o-3", headers={
        "ce_specversion": "1.0", "ce_id": late["id"], "ce_source": "/test", "ce_type": late["type"],
        "ce_time": late["time"], "ce_subject": "o-3", "content-type": "application/json"})
    ctl.settle(place)
    ctl.send(place, [ctl.created("o-3", "p-1", 500)])
    ctl.settle(place)


def partition_of(place: Place, known: str, keys: list[str]) -> dict[str, int]:
    """Where these keys belong, as `tallyctl key` says; `known` proves it on a key that was sent."""
    def ask(key: str) -> int | None:  # nothing before a shard of the topic has its meta
        return ctl.answer(place, "key", "order", key, "--redis")["keys"][0].get("partition")
    ctl.eventually(lambda: ask(known) is not None, "no shard of the orders in Redis")
    lies = {record.key: record.partition
            for record in kafka.read(place.brokers, place.topic("orders"))}
    must(ask(known) == lies[known], f"{known} lies in {lies[known]}, tallyctl says {ask(known)}")
    return {key: ask(key) for key in keys}


def listed(place: Place, *words: str) -> dict[str, dict]:
    topics = ctl.answer(place, "dlq", "list", "--topic", "orders", *words)["topics"]
    must(len(topics) == 1 and topics[0]["topic"] == place.topic("orders.dlq"), f"{topics}")
    return {row["reason"]: row for row in topics[0]["reasons"]}


def must_list(stage: Stage, place: Place) -> None:
    found = {reason: row["open"] for reason, row in listed(place).items()}
    wanted = {"payee_unknown": ORDERS + 1, "bad_money": 1, "wrong_key": 2, "wrong_partition": 1,
              "not_utf8": 1, "over_payment": 1}
    must(found == wanted, f"dlq list shows {found}, not {wanted}")
    must(listed(place, "--reason", "bad_money").keys() == {"bad_money"}, "--reason does not filter")
    must(not listed(place, "--until", "1h"), "--until does not filter")
    must(len(listed(place, "--since", "1h")) == len(wanted), "--since filters too much")
    parts = [listed(place, "--partition", str(p)).get("payee_unknown", {"open": 0})["open"]
             for p in range(ctl.PARTITIONS)]
    must(sum(parts) == ORDERS + 1 and all(part < ORDERS for part in parts), f"--partition: {parts}")
    text = tallyctl(place, "dlq", "list").stdout
    must("the person is published" in text and "no redrive heals it" in text,
         f"dlq list does not say what heals:\n{text}")
    done = tallyctl(place, "dlq", "list", "--reason", "payee_unkown", check=False)
    must(done.returncode == 64 and "payee_unknown" in done.stderr, f"{done.stderr}")
    stage.say(f"listed {found}")


def must_show(place: Place) -> None:
    (bad,) = ctl.answer(place, "dlq", "show", "--reason", "bad_money")["records"]
    must(json.loads(bad["value"]) == BAD and bad["key"] == "bad-1", f"not as it came: {bad}")
    must((bad["path"], bad["field"]) == ("/data/amount", '"12.5"'), f"the failing field: {bad}")
    must(bad["group"] == f"{place.group_prefix}tallyworks-orders", f"the group: {bad['group']}")
    text = tallyctl(place, "dlq", "show", "--key", "o-7").stdout
    must("{\"a\":\\xff\\x01}" in text and "from: a test" in text, f"not escaped:\n{text}")
    text = tallyctl(place, "dlq", "show", "--reason", "payee_unknown", "--max", "1").stdout
    must("/data/splits" in text and text.count("reason:") == 1, text)
    (late,) = ctl.answer(place, "dlq", "show", "--reason", "over_payment")["records"]
    names = {header["name"] for header in late["headers"]}
    must({"ce_id", "ce_type", "ce_time", "ce_source"} <= names, f"envelope lost: {names}")
    same = ctl.answer(place, "dlq", "show", "--partition", str(late["partition"]), "--offset",
                      str(late["offset"]))["records"]
    must(same == [late], "--partition and --offset do not find it")


def redrive(place: Place, *words: str) -> dict:
    return ctl.answer(place, "dlq", "redrive", "--topic", "orders", *words)


def must_plan(place: Place) -> None:
    """A dry run says what would go and why the rest would not, and changes nothing."""
    ends = sum(1 for _ in kafka.read(place.brokers, place.topic("orders")))
    plan = redrive(place, "--dry-run")
    wanted = {"payee_unknown": {"sent": ORDERS + 1}, "bad_money": {"incurable": 1},
              "wrong_key": {"needs_rekey": 2}, "wrong_partition": {"sent": 1},
              "not_utf8": {"incurable": 1}, "over_payment": {"sent": 1}}
    must(plan["reasons"] == wanted and plan["dry_run"], f"the plan is {plan}, not {wanted}")
    plan = redrive(place, "--dry-run", "--rekey", "--reason", "wrong_key")
    must(plan["reasons"] == {"wrong_key": {"sent": 1, "no_key": 1}}, f"{plan}")
    plan = redrive(place, "--dry-run", "--max", "7", "--reason", "payee_unknown")
    must(plan["reasons"]["payee_unknown"] == {"sent": 7, "left_by_max": ORDERS - 6}, f"{plan}")
    must(sum(1 for _ in kafka.read(place.brokers, place.topic("orders"))) == ends,
         "a dry run wrote something")


def kill_inside(stage: Stage, place: Place) -> None:
    """SIGKILL when the second transaction's records are at the broker, before the commit."""
    words = [program("tallyctl"), "dlq", "redrive", "--topic", "orders", "--rate", "40"]
    done = subprocess.run(words, capture_output=True, text=True, env={
        **place.environment(), "TALLY_FAILPOINT": "redrive:2:kill"})
    must(done.returncode == -signal.SIGKILL, f"not killed: {done.returncode} {done.stderr}")
    left = redrive(place, "--dry-run")["records"]
    must(left == ORDERS + 3 - 40, f"{left} are left after one transaction of 40 went through")
    stage.say(f"killed inside the second transaction, {left} left")


# contract: ctl.dlq
def must_heal(stage: Stage, place: Place) -> None:
    before = ctl.figures(place, "company", "all")
    must(before["orders"] == 2 and before["collected"] == 2 * PAID, f"before: {before}")
    ctl.publish_person(stage, place, "p-9")
    ctl.send(place, [ctl.refunded("o-3", "a", "back", 100)])
    ctl.settle(place)
    kill_inside(stage, place)
    done = redrive(place)
    must(done["records"] == ORDERS + 3 - 40, f"the rest: {done}")
    ctl.settle(place)
    done = redrive(place, "--rekey", "--reason", "wrong_key")
    must(done["records"] == 1, f"rekeyed: {done}")
    ctl.settle(place)
    payee = ctl.figures(place, "payee", "p-9")
    must(payee == {"orders": ORDERS, "order_amount": ORDERS * AMOUNT, "collected": ORDERS * PAID,
                   "commission": ORDERS * COMMISSION}, f"the healed payee's figures: {payee}")
    company = ctl.figures(place, "company", "all")
    must(company["orders"] == ORDERS + 4 and company["refunded"] == 100 and
         company["collected"] == (ORDERS + 2) * PAID + 250, f"the company's: {company}")
    must(ctl.order(place, "o-3")["collected"] == PAID + 250, "the payment in binary mode")
    must(ctl.order(place, "o-5")["amount"] == AMOUNT, "the order under a wrong key")
    must(ctl.order(place, "o-6")["amount"] == AMOUNT, "the order in a wrong partition")
    stage.say("healed: every order counts once")


def must_keep_progress(place: Place) -> None:
    """What was redriven is known, in the list and in the group's offsets."""
    rows = listed(place)
    must(rows["payee_unknown"]["redriven"] == ORDERS + 1, f"{rows['payee_unknown']}")
    must({reason: row["open"] for reason, row in rows.items() if row["open"]} ==
         {"payee_unknown": 1, "bad_money": 1, "wrong_key": 1, "not_utf8": 1}, f"open: {rows}")
    group = f"{place.group_prefix}tallyworks-redrive-{place.topic('orders')}"
    moved = offsets.fetch(place.brokers, group, place.topic("orders.dlq"), ctl.PARTITIONS)
    must(any(one.offset > 0 for one in moved), f"the group's offsets: {moved}")
    replayed = [record for record in kafka.read(place.brokers, place.topic("orders"))
                if record.header("tw-replays") == "1"]
    must(len(replayed) == ORDERS + 4, f"{len(replayed)} records have a replay count of 1")
    must(not any("__dlq" in record.headers or "tw-reason" in record.headers
                 for record in replayed), "headers of the DLQ went along")


# contract: ctl.quarantine
def must_quarantine(stage: Stage, place: Place) -> None:
    """p-8 is never published: the order comes back each time, until it is left alone."""
    for replays in (2, 3):
        done = redrive(place, "--reason", "payee_unknown")
        must(done["records"] == 1, f"replay {replays}: {done}")
        ctl.settle(place)
    (held,) = ctl.answer(place, "dlq", "show", "--key", "o-8")["records"]
    must(held["replays"] == 3, f"{held}")
    plan = redrive(place, "--reason", "payee_unknown")
    must(plan["records"] == 0 and plan["reasons"]["payee_unknown"]["quarantined"] == 1, f"{plan}")
    must(listed(place)["payee_unknown"]["quarantined"] == 1, "not listed as quarantined")
    done = redrive(place, "--reason", "payee_unknown", "--force")
    must(done["records"] == 1, f"--force: {done}")
    stage.say("quarantined after three replays")


def must_send_entries_back(stage: Stage, place: Place) -> None:
    """An entry of an internal block is refused alone; it goes back as a block, where it was."""
    ctl.send_odd(place, '[{"payee_id":7}]', topic="credits", partition=1)
    ctl.settle(place)
    (entry,) = ctl.answer(place, "dlq", "show", "--topic", "credits")["records"]
    must((entry["value"], entry["replays"]) == ('{"payee_id":7}', 0), f"{entry}")
    done = ctl.answer(place, "dlq", "redrive", "--topic", "credits", "--reason", entry["reason"])
    must(done["records"] == 1, f"{done}")
    ctl.settle(place)
    (again,) = ctl.answer(place, "dlq", "show", "--topic", "credits")["records"]
    must((again["value"], again["replays"], again["reason"], again["partition"]) ==
         ('{"payee_id":7}', 1, entry["reason"], 1), f"not refused again as it was: {again}")
    stage.say("an entry of a block came back as it was")


def must_exclude_each_other(stage: Stage, place: Place) -> None:
    """Of two at once the later one is alone: nothing is sent twice."""
    ctl.send(place, [ctl.created(f"v-{number}", "p-7", AMOUNT) for number in range(ORDERS)])
    ctl.settle(place)
    ctl.publish_person(stage, place, "p-7")
    environment = place.environment()
    words = [program("tallyctl"), "dlq", "redrive", "--topic", "orders", "--reason",
             "payee_unknown", "--rate", "25"]
    first = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True)
    ctl.eventually(lambda: listed(place)["payee_unknown"]["redriven"] > ORDERS + 20,
                   "the first redrive does nothing")
    redrive(place, "--reason", "payee_unknown")
    _, said = first.communicate(timeout=180)
    must(first.returncode == 75 and "meanwhile" in said, f"first: {first.returncode} {said}")
    ctl.settle(place)
    payee = ctl.figures(place, "payee", "p-7")
    must(payee["orders"] == ORDERS, f"{payee}")
    sent = sum(1 for record in kafka.read(place.brokers, place.topic("orders"))
               if record.key.startswith("v-"))
    must(sent == 2 * ORDERS, f"{sent} records of {ORDERS} orders: some went twice or not at all")
    stage.say("two redrives at once sent each record once")


def test() -> None:
    os.environ.pop("TALLY_FAILPOINT", None)
    with Stage("dlq") as stage:
        place = ctl.prepare(stage)
        with Fleet(place, stage.logs, settings=ctl.SOON):
            refuse(stage, place)
            must_list(stage, place)
            must_show(place)
            must_plan(place)
            must_heal(stage, place)
            must_keep_progress(place)
            must_quarantine(stage, place)
            must_send_entries_back(stage, place)
            must_exclude_each_other(stage, place)


if __name__ == "__main__":
    main(test)
