#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every refusal of the contract, on a real broker and a real Redis.

Each bad record of the table (refusals.py) is sent between good ones. It must be in the DLQ once, as
it came: bytes, key, headers, partition; with its reason, the path of the failing field and the
place it came from; and the good ones count as if it had never been there. Those that can be healed
are sent again from the DLQ's copy and must count then. A reason without a case fails the test.
"""
from __future__ import annotations

import json
import re
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import refusals
from refusals import ENTRIES, GOOD_ENTRIES, MONTH, PARTITIONS, Case, Figures, Table, text
from rig import ROOT, Place, kafka
from rig.kafka import Message, Record
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import Fleet, tallyctl

SETTLE_S = 90.0
HOUR_MS = 3_600_000
ROW = 100  # bad records one after the other
# Reasons that no record sent today can have, and the test that proves each.
ELSEWHERE = {"order_missing": "tests/cases/orders/waiting.case",  # takes 30 days
             "poison": "tests/integration/test_poison.py"}     # takes deaths
UNUSED = {"order_archived"}  # nothing archives orders yet
OURS = ("__dlq.", "kafka_dlt-", "tw-")


# contract: dlq.reasons
def must_cover_all_reasons(table: Table) -> None:
    code = (ROOT / "common" / "codec" / "reason.h").read_text()
    known = set(re.findall(r'X\(REASON_\w+,\s*"(\w+)"', code)) - {"none"}
    tried = {case.reason for case in table.cases}
    must(known - tried == ELSEWHERE.keys() | UNUSED,
         f"reasons without a case: {sorted(known - tried - ELSEWHERE.keys() - UNUSED)}; "
         f"with one too many: {sorted((ELSEWHERE.keys() | UNUSED) & tried)}")
    for reason, test_file in ELSEWHERE.items():
        must(reason in (ROOT / test_file).read_text(), f"{test_file} says nothing of {reason}")
    for reason in UNUSED:
        used = [path.name for folder in ("common", "services")
                for path in (ROOT / folder).rglob("*.c")
                if "tallyctl" not in path.parts  # it only explains them
                and f"REASON_{reason.upper()}" in path.read_text()]
        must(not used, f"{reason} is given now, in {used}: it needs a case")


def good(envelope: dict, figures: Figures) -> Message:
    figures.add(envelope)
    return Message(envelope["data"]["order_id"], text(envelope))


def stream(table: Table, figures: Figures) -> list[Message]:
    """Before, the bad one, a good neighbour; odd but good ones; many bad ones in a row."""
    messages: list[Message] = []
    for number, case in enumerate(table.cases):
        counted = Figures() if case.waits else figures
        messages += [good(envelope, counted) for envelope in case.before]
        messages += [case.message]
        neighbour = f"n-{number}"
        messages += [good(table.created(neighbour), figures),
                     good(table.paid(neighbour, 250), figures)]
    largest = refusals.padded(table.created("just-1-mib"), refusals.MIB)
    framed = b"\0\0\0\0\7" + text(table.created("framed"))
    binary = table.created("binary")
    headers = [(f"ce_{name}", value) for name, value in binary.items() if name != "data"]
    # The same event once more, written by another program: it is known and counts no second time.
    rewritten = {**table.created("framed"), "new": {"to": "us"}}
    again = json.dumps(dict(reversed(rewritten.items())), indent=1).encode()
    messages += [Message("just-1-mib", largest), Message("framed", framed),
                 Message("framed", again),
                 Message("binary", text(binary["data"]),
                         (*headers, ("content-type", "application/json")))]
    for order_id in ("just-1-mib", "framed", "binary"):
        figures.add(table.created(order_id))
    messages += row()
    return messages + [good(table.paid("framed", 1000), figures)]


def row() -> list[Message]:
    return [Message("framed", b'{"row":%d' % number) for number in range(ROW)]


def place_of(record: Record, prefix: str) -> tuple[int, int]:
    partition, offset = record.header(prefix + "partition"), record.header(prefix + "offset")
    return int(partition or -1), int(offset or -1)


# contract: dlq.copy
def must_be_as_it_came(place: Place, letter: Record, source: Record, reason: str, path: str,
                       worker: str, topic: str) -> None:
    where = f"{topic}/{source.partition}/{source.offset}"
    wanted = {
        "tw-reason": reason, "tw-path": path, "__dlq.errors.topic": place.topic(topic),
        "__dlq.errors.partition": str(source.partition),
        "__dlq.errors.offset": str(source.offset),
        "__dlq.errors.group": f"{place.group_prefix}tallyworks-{worker}",
        "kafka_dlt-original-topic": place.topic(topic),
        "tw-src": f"{place.topic(topic)}/{source.partition}/{source.offset}"}
    found = {name: letter.header(name) for name in wanted}
    must(found == wanted, f"{where}: headers {found}, expected {wanted}")
    must(letter.header("__dlq.errors.message") and letter.header("tw-seq"),
         f"{where}: no words or no number: {letter.headers}")
    must(letter.partition == source.partition,
         f"{where}: refused into partition {letter.partition}")
    must(letter.key == source.key, f"{where}: key {letter.key!r}, not {source.key!r}")
    must(source.headers in letter.headers,
         f"{where}: headers {letter.headers} lack {source.headers}")


def by_place(place: Place, topic: str) -> dict[tuple[int, int], Record]:
    return {(record.partition, record.offset): record
            for record in kafka.read(place.brokers, place.topic(topic))}


# contract: dlq.reasons, orders.partition
def must_be_refused(place: Place, table: Table) -> dict[str, Record]:
    """Returns the DLQ's copy of each case by its name."""
    sources = by_place(place, "orders")
    found: dict[str, Record] = {}
    wanted = {(case.message.key or "", case.message.value): case for case in table.cases}
    wanted |= {(message.key or "", message.value): Case("row", "not_json", "", message)
               for message in row()}
    for letter in kafka.read(place.brokers, place.topic("orders.dlq")):
        source = sources.get(place_of(letter, "__dlq.errors."))
        must(source, f"a letter from nowhere: {letter.headers}")
        assert source
        case = wanted.pop((source.key, source.value), None)
        must(case, f"refused though good, or twice: {letter.headers} {str(source.value)[:200]}")
        assert case
        must_be_as_it_came(place, letter, source, case.reason, case.path, "orders", "orders")
        whole = source.value is None or len(source.value) <= refusals.LARGEST_COPY
        must(letter.value == (source.value if whole else source.value[:refusals.LARGEST_COPY]),
             f"{case.name}: other bytes than it had")
        must(letter.header("tw-cut") == (None if whole else str(len(source.value or b""))),
             f"{case.name}: tw-cut {letter.header('tw-cut')}")
        found[case.name] = letter
    must(not wanted, f"not refused: {[case.name for case in wanted.values()]}")
    return found


# contract: dlq.neighbours
def must_have(place: Place, key: str, wanted: dict[str, int]) -> None:
    with Redis(place.redis_url) as redis:
        flat = redis.command("HGETALL", f"{place.redis_prefix}{key}")
    found = {name: int(value) for name, value in zip(flat[::2], flat[1::2])}
    must(found == wanted, f"{key}: {found}, expected {wanted}")


# ---- healing ---------------------------------------------------------------------------------


# contract: dlq.redrive
def heal(stage: Stage, place: Place, fleet: Fleet, table: Table, letters: dict[str, Record],
         figures: Figures) -> None:
    """Mends the cause of each, then sends the DLQ's copy again with what headers it had."""
    curable = [case for case in table.cases if case.healed]
    records = [case.publish for case in curable if case.publish]
    file = stage.folder / "late.json"
    file.write_text(json.dumps(records))
    tallyctl(place, "publish", str(file), "--wait")
    cures = [good(envelope, figures) for case in curable for envelope in case.cure or []]
    kafka.send(place.brokers, place.topic("orders"), cures)
    again = [Message(letters[case.name].key, letters[case.name].value) for case in curable]
    kafka.send(place.brokers, place.topic("orders"), again)
    fleet.settle(SETTLE_S)
    for case in curable:
        for envelope in [*(case.before if case.waits else []), case.healed or {}]:
            figures.add(envelope)
    must_have(place, f"sales:company:all:{MONTH}", figures.fields())
    count = sum(1 for _ in kafka.read(place.brokers, place.topic("orders.dlq"), False))
    must(count == len(table.cases) + ROW, f"{count} letters: what was healed was refused again")
    stage.say(f"healed {len(curable)}: {', '.join(case.reason for case in curable)}")


# ---- internal blocks ---------------------------------------------------------------------------


def send_blocks(place: Place, topic: str) -> tuple[list[bytes], int]:
    """Bad entries between good ones, blocks that are none. Returns the blocks, and how many good
    entries there are."""
    entry, bad = GOOD_ENTRIES[topic], [case.entry for case in ENTRIES if case.topic == topic]
    entries = [entry(0)]
    for number, wrong in enumerate(bad, 1):
        entries += [wrong, entry(number)]
    blocks = [text(entries), b'[{"cut":', b"{}", text([entry(len(bad) + 1)])]
    kafka.send(place.brokers, place.topic(topic),
               [Message(None, block, partition=0) for block in blocks])
    return blocks, len(bad) + 2


def must_refuse_entries(place: Place, topic: str, worker: str, blocks: list[bytes]) -> None:
    sources = {record.value: record for record in kafka.read(place.brokers, place.topic(topic))
               if record.value in blocks}
    cases = [case for case in ENTRIES if case.topic == topic]
    wanted = [(case.reason, case.path, json.loads(text(case.entry)), blocks[0]) for case in cases]
    wanted += [("not_json", "", blocks[1], blocks[1]), ("bad_envelope", "", blocks[2], blocks[2])]
    letters = list(kafka.read(place.brokers, place.topic(f"{topic}.dlq")))
    must(len(letters) == len(wanted), f"{topic}: {len(letters)} letters, expected {len(wanted)}")
    for letter, (reason, path, value, block) in zip(letters, wanted):
        must_be_as_it_came(place, letter, sources[block], reason, path, worker, topic)
        found = letter.value if isinstance(value, bytes) else json.loads(letter.value or b"")
        must(found == value, f"{topic}: {found!r}, expected {value!r}")


# contract: dlq.entries
def blocks(stage: Stage, place: Place, fleet: Fleet) -> None:
    """Bad entries are refused one by one; their neighbours in the block count."""
    sent = {topic: send_blocks(place, topic) for topic in GOOD_ENTRIES}
    fleet.settle(SETTLE_S)
    must_refuse_entries(place, "credits", "commissions", sent["credits"][0])
    must_refuse_entries(place, "measures", "scoreboard", sent["measures"][0])
    must_have(place, f"pay:p-block:{MONTH}", {name: 20 * sent["credits"][1]
                                              for name in ("accrued", "payable")})
    must_have(place, f"sales:channel:block:{MONTH}", {"commission": 20 * sent["credits"][1]})
    must_have(place, f"sales:project:block:{MONTH}", {"orders": sent["measures"][1]})
    stage.say(f"refused {len(ENTRIES)} entries of internal blocks by themselves")


# contract: redis.asof
def must_say_as_of(place: Place) -> None:
    """How far each shard's figures are: the latest event that counted, and when the last came."""
    wanted = int(datetime.fromisoformat(refusals.TIME.replace("Z", "+00:00")).timestamp() * 1000)
    with Redis(place.redis_url) as redis:
        flat = redis.command("HGETALL", f"{place.redis_prefix}asof:orders")
    shards = {int(partition): json.loads(text) for partition, text in zip(flat[::2], flat[1::2])}
    must(sorted(shards) == list(range(PARTITIONS)), f"asof:orders has {sorted(shards)}")
    for partition, shard in shards.items():
        must(shard["watermark"] == wanted and shard["rebuilding"] is False
             and abs(time.time() * 1000 - shard["time"]) < HOUR_MS,
             f"asof:orders {partition}: {shard}, expected a watermark of {wanted}")


def test() -> None:
    table, figures = Table(), Figures()
    must_cover_all_reasons(table)
    with Stage("refusals") as stage:
        place = stage.place()
        file = Path(stage.folder / "reference.json")
        file.write_text(json.dumps(refusals.REFERENCE))
        tallyctl(place, "topics", "create", "--partitions", str(PARTITIONS), "--reference",
                 str(file))
        with Fleet(place, stage.logs) as fleet:
            kafka.send(place.brokers, place.topic("orders"), stream(table, figures))
            fleet.settle(SETTLE_S)
            letters = must_be_refused(place, table)
            must_have(place, f"sales:company:all:{MONTH}", figures.fields())
            must_have(place, f"sales:payee:p-1:{MONTH}", figures.fields())
            reasons = Counter(case.reason for case in table.cases)
            stage.say(f"refused {len(table.cases)} bad records for {len(reasons)} reasons, "
                      f"and {ROW} in a row; their neighbours count")
            heal(stage, place, fleet, table, letters, figures)
            must_say_as_of(place)
            blocks(stage, place, fleet)
            must(not fleet.dead(), f"{fleet.dead()}\n{fleet.log_tails()}")


if __name__ == "__main__":
    main(test)
