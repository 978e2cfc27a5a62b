# SPDX-License-Identifier: Apache-2.0
"""What the tests of tallyctl's commands share: a small company, its events, and their figures."""
from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from rig import Place, program
from rig.redis import Redis
from rig.stage import Stage, must
from rig.workers import tallyctl

PARTITIONS = 3
DAY = "2026-03-05"
# Dead members and their transactions are given up soon, so that crashes cost seconds.
SOON = {"session.timeout.ms": "3000", "transaction.timeout.ms": "3000"}
PEOPLE = [
    {"kind": "company", "company_id": "all", "timezone": "UTC", "currency": "CNY"},
    {"kind": "region", "unit_id": "r-1"},
    {"kind": "city", "unit_id": "c-1", "parent_id": "r-1"},
    {"kind": "team", "unit_id": "t-1", "parent_id": "c-1"},
    {"kind": "person", "payee_id": "p-1", "team_id": "t-1", "level": 1},
    {"kind": "plan", "plan_id": "base", "version": 1, "rows": [{"level": 1, "rate_ppm": 20000}]},
]


def write(stage: Stage, name: str, records: list[dict]) -> Path:
    path = stage.folder / name
    path.write_text(json.dumps(records))
    return path


def prepare(stage: Stage, dot: str = ".") -> Place:
    place = stage.place(dot)
    people = write(stage, "people.json", PEOPLE)
    tallyctl(place, "topics", "create", "--partitions", str(PARTITIONS), "--reference",
             str(people))
    return place


def publish_person(stage: Stage, place: Place, payee_id: str) -> None:
    person = {"kind": "person", "payee_id": payee_id, "team_id": "t-1", "level": 1}
    tallyctl(place, "publish", str(write(stage, f"{payee_id}.json", [person])), "--wait")


def event(kind: str, event_id: str, order_id: str, hour: int = 8, **data: object) -> dict:
    return {"specversion": "1.0", "id": event_id, "source": "/test", "type": kind,
            "subject": order_id, "time": f"{DAY}T{hour:02}:00:00Z",
            "data": {"order_id": order_id, **data}}


def created(order_id: str, payee_id: str | None, amount: object, **more: object) -> dict:
    splits = {} if payee_id is None else {"splits": [{"payee_id": payee_id, "weight": 1}]}
    return event("order.created", f"{order_id}-created", order_id, channel_id="web",
                 amount=amount, currency="CNY", **splits, **more)


def paid(order_id: str, payment_id: str, amount: object, hour: int = 9) -> dict:
    return event("payment.collected", f"{order_id}-{payment_id}", order_id, hour,
                 payment_id=payment_id, amount=amount, currency="CNY")


def refunded(order_id: str, payment_id: str, refund_id: str, amount: int) -> dict:
    return event("payment.refunded", f"{order_id}-{refund_id}", order_id, 10,
                 payment_id=payment_id, refund_id=refund_id, amount=amount, currency="CNY")


def send(place: Place, events: list[dict]) -> None:
    """As upstream does: under the order's id, to the partition of the key."""
    lines = "".join(f"{one['data']['order_id']}\t{json.dumps(one)}\n" for one in events)
    done = subprocess.run([program("produce"), "--brokers", place.brokers, "--topic",
                           place.topic("orders"), "-"], input=lines, text=True,
                          capture_output=True)
    must(done.returncode == 0, f"produce: {done.stdout}{done.stderr}")


def send_odd(place: Place, value: str | bytes, key: str | None = None,
             headers: dict[str, str] | None = None, partition: int | None = None,
             topic: str = "orders") -> None:
    """One record as it is; without a partition, that of its key."""
    words = ["kcat", "-P", "-b", place.brokers, "-t", place.topic(topic),
             "-X", "topic.partitioner=murmur2_random", "-D", "\x1e"]
    if key is not None:
        words += ["-k", key]
    if partition is not None:
        words += ["-p", str(partition)]
    for name, text in (headers or {}).items():
        words += ["-H", f"{name}={text}"]
    raw = value if isinstance(value, bytes) else value.encode()
    subprocess.run(words, input=raw, check=True, capture_output=True)


def answer(place: Place, *words: str) -> dict:
    return json.loads(tallyctl(place, *words, "--json").stdout)


def settle(place: Place) -> None:
    tallyctl(place, "lag", "--wait", "--timeout", "100")


def figures(place: Place, kind: str, scope_id: str, period: str = DAY) -> dict[str, int]:
    with Redis(place.redis_url) as redis:
        key = f"{place.redis_prefix}sales:{kind}:{scope_id}:{period}"
        found = next(redis.hashes([key]))
    return {name: int(value) for name, value in found.items() if not name.endswith("_at")}


def order(place: Place, order_id: str) -> dict:
    with Redis(place.redis_url) as redis:
        text = redis.command("GET", f"{place.redis_prefix}order:{order_id}")
    return json.loads(text) if text else {}


def eventually(what: object, words: str, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():  # type: ignore[operator]
        must(time.monotonic() < deadline, words)
        time.sleep(0.1)
