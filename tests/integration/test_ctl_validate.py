#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `tallyctl validate` says of a file is what the workers do with it.

A file with a good event and one of every fault that an event can have by itself is judged, then
sent: the DLQ must have the same lines with the same reasons and paths, and nothing else.
"""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import ctl
from rig import Place, program
from rig.stage import Stage, main, must
from rig.workers import Fleet

DATA_ERROR, NO_FILE, USAGE = 65, 66, 64
LINE = {"product_id": "x", "quantity": 2, "unit_price": 300}


def odd(order_id: str, **envelope: object) -> dict:
    """A good order but for its envelope; None takes an attribute away."""
    whole = {**ctl.created(order_id, "p-1", 1000), **envelope}
    return {name: value for name, value in whole.items() if value is not None}


def splits(order_id: str, *payees: str) -> dict:
    return ctl.created(order_id, None, 1000,
                       splits=[{"payee_id": payee, "weight": 1} for payee in payees])


# key -> the value as text, or an event; the reason and how the path begins, or None: it is fine
CASES: dict[str, tuple[object, tuple[str, str] | None]] = {
    "good": (ctl.created("good", "p-1", 1000), None),
    "lines-good": (ctl.created("lines-good", None, 600, lines=[LINE]), None),
    "not-json": ("{oops", ("not_json", "")),
    "twice": ('{"specversion":"1.0","id":"a","id":"b"}', ("duplicate_key", "/id")),
    "deep": (ctl.created("deep", "p-1", 1, more=json.loads("[" * 40 + "]" * 40)),
             ("too_deep", "/data/more" + "/0" * 31)),
    "no-id": (odd("no-id", id=None), ("bad_envelope", "/id")),
    "type": (odd("type", type="order.invented"), ("unknown_type", "/type")),
    "no-data": (odd("no-data", data=None), ("missing_field", "/data")),
    "no-amount": (odd("no-amount", data={"order_id": "no-amount", "channel_id": "web",
                                         "currency": "CNY"}), ("missing_field", "/data/amount")),
    "real": (ctl.created("real", "p-1", 12.5), ("bad_money", "/data/amount")),
    "huge": (ctl.created("huge", "p-1", 2 ** 63), ("bad_money", "/data/amount")),
    "same-payee": (splits("same-payee", "p-1", "p-1"), ("bad_splits", "/data/splits")),
    "no-payee": (splits("no-payee"), ("bad_splits", "/data/splits")),
    "lines": (ctl.created("lines", None, 601, lines=[LINE]), ("lines_do_not_sum", "/data/lines")),
    "key": (ctl.created("another", "p-1", 1000), ("wrong_key", "/data/order_id")),
    "subject": (odd("subject", subject="x"), ("wrong_key", "/subject")),
    "no-time": (odd("no-time", time=None), ("missing_field", "/time")),
    "old": (odd("old", time="1999-12-31T23:59:59Z"), ("time_out_of_range", "/time")),
    "customer": (ctl.created("customer", None, 1, customer_key=7),
                 ("bad_field", "/data/customer_key")),
}


def write(stage: Stage) -> Path:
    path = stage.folder / "events.tsv"
    path.write_text("".join(
        f"{key}\t{value if isinstance(value, str) else json.dumps(value)}\n"
        for key, (value, _) in CASES.items()))
    return path


def judge(path: Path | str, text: str = "", *flags: str) -> tuple[int, str]:
    done = subprocess.run([program("tallyctl"), "validate", str(path), *flags], input=text,
                          text=True, capture_output=True)
    return done.returncode, done.stdout


def must_judge(path: Path) -> dict[str, tuple[str, str]]:
    """Which keys are refused, for what reason and where."""
    status, said = judge(path, "", "--json")
    answer = json.loads(said)
    faults = {}
    for (key, (_, wanted)), line in zip(CASES.items(), answer["lines"]):
        got = None if line["ok"] else (line["reason"], line["path"])
        must((got is None) == (wanted is None) and (got is None or (
            got[0] == wanted[0] and got[1].startswith(wanted[1]))), f"{key}: {got}, not {wanted}")
        if got:
            faults[key] = got
    must((status, answer["events"], answer["bad"]) == (DATA_ERROR, len(CASES), len(faults)), said)
    status, said = judge(path)
    must(f"{path}:1: ok order.created" in said and f"{path}:3: not_json" in said, said)
    return faults


def must_take_all_forms(stage: Stage) -> None:
    good, bad = ctl.created("a", "p-1", 10), ctl.created("b", "p-1", "10")
    status, said = judge("-", json.dumps(good) + "\n\n" + json.dumps(good))
    must(status == 0 and said.endswith("2 events, 0 bad\n"), f"lines without keys: {said}")
    status, said = judge("-", json.dumps(good, indent=2) + "\n")
    must(status == 0 and "1 events, 0 bad" in said, f"one event over lines: {said}")
    status, said = judge("-", json.dumps([good, bad], indent=1))
    must(status == DATA_ERROR and "-:2: bad_money at \"/data/amount\"" in said, f"array: {said}")
    status, said = judge("-", json.dumps(good, indent=2).replace("}", "", 1))
    must(status == DATA_ERROR and "not_json" in said, f"half an event: {said}")
    must(judge(stage.folder / "nowhere")[0] == NO_FILE, "a file that is not there")
    must(tallyctl_status("validate") == USAGE, "no file named")


def tallyctl_status(*words: str) -> int:
    return subprocess.run([program("tallyctl"), *words], capture_output=True).returncode


# contract: ctl.validate
def must_be_what_workers_do(place: Place, path: Path, faults: dict[str, tuple[str, str]]) -> None:
    done = subprocess.run([program("produce"), "--brokers", place.brokers, "--topic",
                           place.topic("orders"), str(path)], capture_output=True, text=True)
    must(done.returncode == 0, done.stdout + done.stderr)
    ctl.settle(place)
    records = ctl.answer(place, "dlq", "show", "--max", "100")["records"]
    found = {record["key"]: (record["reason"], record["path"]) for record in records}
    must(found == faults, f"the workers say {found}\nvalidate says {faults}")


def test() -> None:
    with Stage("validate") as stage:
        path = write(stage)
        faults = must_judge(path)
        must_take_all_forms(stage)
        stage.say(f"{len(CASES)} events judged")
        place = ctl.prepare(stage)
        with Fleet(place, stage.logs, settings=ctl.SOON):
            must_be_what_workers_do(place, path, faults)
        stage.say("the workers did just that")


if __name__ == "__main__":
    main(test)
