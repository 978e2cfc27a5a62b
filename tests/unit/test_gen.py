#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is `tallyctl gen` deterministic, are its events of every kind with every fault that a line can
have, and do its books agree with themselves? That they agree with the workers is what the demo
shows (tests/integration/test_demo.py).
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

BIN = Path(os.environ.get("TALLY_TEST_BIN", "build/release/bin"))
ORDERS = 1500
ENDINGS = ("", ".reference.json", ".expected.tsv")
TYPES = {"order.created", "subscription.made", "contract.signed", "mortgage.granted",
         "payment.collected", "payment.refunded", "order.delivered", "order.cancelled"}
REASONS = {"not_json", "not_utf8", "duplicate_key", "too_deep", "bad_envelope", "unknown_type",
           "missing_field", "bad_field", "bad_money", "bad_splits", "lines_do_not_sum", "wrong_key",
           "time_out_of_range", "currency_unsupported", "currency_mismatch", "id_conflict",
           "payment_conflict", "order_exists", "payee_unknown", "plan_unknown", "over_payment",
           "over_refund", "order_limit"}
EX_USAGE, EX_IO = 64, 74


def gen(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BIN / "tallyctl"), "gen", *words], text=True, capture_output=True,
                          timeout=120)


def make(folder: Path, name: str, *words: str) -> list[bytes]:
    """The bytes of the three files."""
    out = folder / name
    done = gen("--orders", str(ORDERS), "--out", str(out), *words)
    assert done.returncode == 0, done.stderr
    return [Path(f"{out}{ending}").read_bytes() for ending in ENDINGS]


def fields(books: bytes, kind: str) -> list[list[str]]:
    return [line.split("\t")[1:] for line in books.decode().splitlines()
            if line.startswith(f"{kind}\t")]


def same_seed_same_bytes(folder: Path) -> None:
    first = make(folder, "a", "--seed", "7")
    assert first == make(folder, "b", "--seed", "7"), "the same seed made other bytes"
    other = make(folder, "c", "--seed", "8")
    assert all(one != two for one, two in zip(first, other)), "another seed made the same bytes"


def every_kind_and_every_fault(folder: Path) -> None:
    events, _, books = make(folder, "kinds", "--seed", "3")
    lines = events.split(b"\n")[:-1]
    refused = {int(line): reason for line, reason in fields(books, "refused")}
    kinds: Counter = Counter()
    for number, line in enumerate(lines, 1):
        key, value = line.split(b"\t", 1)
        if number in refused:
            continue
        event = json.loads(value)
        assert event["data"]["order_id"].encode() == key, line
        kinds[event["type"]] += 1
    assert kinds.keys() == TYPES, f"not all kinds: {kinds}"
    assert set(refused.values()) == REASONS, f"not all reasons: {set(refused.values()) ^ REASONS}"
    assert int(fields(books, "repeated")[0][0]) > 0, "nothing comes twice"


def nothing_goes_wrong(folder: Path) -> None:
    events, _, books = make(folder, "clean", "--faults", "0")
    values = events.split(b"\n")[:-1]
    assert not fields(books, "refused") and len(values) == len(set(values)), "not clean"


def books_agree(folder: Path) -> None:
    """Days add up to months, commissions to what is payable, money of orders to the company's."""
    _, _, books = make(folder, "books", "--seed", "5", "--people", "40", "--days", "30")
    sums: dict[tuple[str, str], int] = defaultdict(int)
    found: dict[tuple[str, str], int] = {}
    paid: dict[str, int] = defaultdict(int)
    for key, name, value in fields(books, "figure"):
        found[key, name] = int(value)
        if key[-3] == "-" and key[-6] == "-" and key.startswith("sales:"):
            sums[key[:-3], name] += int(value)
        if key.startswith("pay:") and name == "payable":
            paid[key.split(":")[1]] += int(value)
    assert all(found.get(item, 0) == value for item, value in sums.items()), "days and months"
    commissions: dict[str, int] = defaultdict(int)
    for _, _, payee, _, _, _, amount, _ in fields(books, "commission"):
        commissions[payee] += int(amount)
    assert {payee: value for payee, value in commissions.items() if value} == dict(paid), "pay"
    for column, name in ((3, "collected"), (4, "refunded")):
        total = sum(int(order[column]) for order in fields(books, "order"))
        assert total == found["sales:company:all:2026", name], name


def words_of_use(folder: Path) -> None:
    for words in (("--orders", "5"), ("--out", str(folder / "x")),
                  ("--orders", "0", "--out", str(folder / "x")),
                  ("--orders", "5", "--out", str(folder / "x"), "--from", "soon")):
        assert gen(*words).returncode == EX_USAGE, words
    assert gen("--orders", "5", "--out", str(folder / "no" / "where")).returncode == EX_IO


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for check in (same_seed_same_bytes, every_kind_and_every_fault, nothing_goes_wrong,
                      books_agree, words_of_use):
            check(Path(folder))
            print(f"{check.__name__}: yes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
