# SPDX-License-Identifier: Apache-2.0
"""One bad record at least for every reason of CONTRACT "DLQ reasons", as a table.

Each case has its own order. What must be there before comes first (`before`), then the bad record;
a case that says how (`cure`) is healed by it: the same bytes sent again are then accepted. All good
events are of payee p-1, whose rate is 2 %, in amounts without a rest, so that the figures to expect
are plain sums.
"""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Callable

from rig.kafka import Message, partition_of

PARTITIONS = 4
TIME = "2025-03-05T08:00:00Z"
MONTH = "2025-03"
MIB = 1 << 20
LARGEST_COPY = 1_900_000  # a larger DLQ copy is cut: LIMIT_DEAD_LETTER_BYTES
SPLIT = [{"payee_id": "p-1", "weight": 1}]
REFERENCE: list[dict[str, Any]] = [
    {"kind": "company", "company_id": "all", "timezone": "UTC", "currency": "CNY"},
    {"kind": "team", "unit_id": "t-1"},
    {"kind": "person", "payee_id": "p-1", "team_id": "t-1", "level": 1},
    {"kind": "person", "payee_id": "p-9", "team_id": "t-1", "level": 9},
    {"kind": "plan", "plan_id": "base", "version": 1, "rows": [{"level": 1, "rate_ppm": 20000}]}]
LATE_PERSON = {"kind": "person", "payee_id": "p-late", "team_id": "t-1", "level": 1}
LATE_PLAN = {"kind": "plan", "plan_id": "late", "version": 1,
             "rows": [{"level": 9, "rate_ppm": 20000}]}


def event(kind: str, order_id: str, event_id: str, data: dict, **attributes: Any) -> dict:
    """Attributes replace those of the envelope; None leaves one out."""
    envelope = {"specversion": "1.0", "id": event_id, "source": "/shop", "type": kind,
                "subject": order_id, "time": TIME, "data": {"order_id": order_id, **data},
                **attributes}
    return {name: value for name, value in envelope.items() if value is not None}


def text(envelope: Any) -> bytes:
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Figures:
    """What good events add up to."""
    orders: int = 0
    order_amount: int = 0
    collected: int = 0
    refunded: int = 0
    signed: int = 0
    signed_amount: int = 0

    def add(self, envelope: dict) -> None:
        amount = envelope["data"].get("amount", 0)
        if envelope["type"] == "order.created":
            self.orders += 1
            self.order_amount += amount
        elif envelope["type"] == "payment.collected":
            self.collected += amount
        elif envelope["type"] == "payment.refunded":
            self.refunded += amount
        elif envelope["type"] == "contract.signed":
            self.signed += 1
            self.signed_amount += amount

    def fields(self) -> dict[str, int]:
        sums = {**self.__dict__, "commission": (self.collected - self.refunded) // 50}
        return {name: value for name, value in sums.items() if value}


@dataclass
class Case:
    name: str
    reason: str
    path: str
    message: Message
    before: list[dict] = field(default_factory=list)
    waits: bool = False                # what came before counts with the cure only
    cure: list[dict] | None = None     # good events after which it is taken; None: nothing heals it
    publish: dict | None = None        # ... or a reference record
    healed: dict | None = None         # what it then counts as
    anywhere: bool = False             # ... in the partition of its key


class Table:
    """Builds the cases; each gets an order id of its own."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self.envelopes()
        self.documents()
        self.fields()
        self.money()
        self.rules()
        self.histories()

    def order(self) -> str:
        return f"o-{len(self.cases):03d}"

    def created(self, order_id: str, event_id: str = "", **data: Any) -> dict:
        return event("order.created", order_id, event_id or f"{order_id}/c",
                     {"channel_id": "web", "splits": SPLIT, "amount": 1000, "currency": "CNY",
                      **data})

    def paid(self, order_id: str, amount: Any, name: str = "pay-1", event_id: str = "",
             **more: Any) -> dict:
        return event("payment.collected", order_id, event_id or f"{order_id}/{name}",
                     {"payment_id": name, "amount": amount, "currency": "CNY", **more})

    def refund(self, order_id: str, amount: int, name: str = "ref-1", event_id: str = "",
               payment: str = "pay-1") -> dict:
        return event("payment.refunded", order_id, event_id or f"{order_id}/{name}",
                     {"payment_id": payment, "refund_id": name, "amount": amount,
                      "currency": "CNY"})

    def bad(self, name: str, reason: str, path: str, value: Any, **more: Any) -> None:
        """A value as bytes, or an envelope; under its order's key."""
        raw = value if isinstance(value, bytes) or value is None else text(value)
        self.cases.append(Case(name, reason, path, Message(self.order(), raw), **more))

    def odd(self, name: str, reason: str, path: str, message: Message, **more: Any) -> None:
        self.cases.append(Case(name, reason, path, message, **more))

    # ---- what is no event at all

    def envelopes(self) -> None:
        def envelope(**attributes: Any) -> dict:
            return {**self.created(self.order()), **attributes}

        def without(name: str) -> dict:
            return {key: value for key, value in envelope().items() if key != name}

        self.bad("no version", "bad_envelope", "/specversion", without("specversion"))
        self.bad("another version", "bad_envelope", "/specversion", envelope(specversion="0.3"))
        self.bad("no id", "bad_envelope", "/id", without("id"))
        self.bad("an id that is a number", "bad_envelope", "/id", envelope(id=7))
        self.bad("no source", "bad_envelope", "/source", without("source"))
        self.bad("a time that is none", "bad_envelope", "/time", envelope(time="yesterday"))
        self.bad("data in base64", "bad_envelope", "/data_base64",
                 {**without("data"), "data_base64": "e30="})
        self.bad("data in XML", "bad_envelope", "/datacontenttype",
                 envelope(datacontenttype="application/xml"))
        self.bad("an array", "bad_envelope", "", b"[1,2]")
        self.bad("an unknown type", "unknown_type", "/type", envelope(type="order.dreamt"))
        self.bad("no data", "missing_field", "/data", without("data"))
        self.bad("no time", "missing_field", "/time", without("time"))
        order_id = self.order()
        self.odd("binary without an id", "bad_envelope", "ce_id", Message(
            order_id, text(self.created(order_id)["data"]),
            (("ce_specversion", "1.0"), ("ce_source", "/shop"), ("ce_type", "order.created"))))
        order_id = self.order()
        self.odd("binary with an attribute twice", "duplicate_key", "ce_id", Message(
            order_id, text(self.created(order_id)["data"]),
            (("ce_specversion", "1.0"), ("ce_id", "a"), ("ce_id", "b"), ("ce_source", "/shop"),
             ("ce_type", "order.created"))))
        order_id = self.order()
        self.odd("a batch of events", "bad_envelope", "content-type", Message(
            order_id, text([self.created(order_id)]),
            (("content-type", "application/cloudevents-batch+json"),)))

    # ---- what is no document

    def documents(self) -> None:
        def whole() -> bytes:
            return text(self.created(self.order()))

        self.bad("cut off", "not_json", "", whole()[:-9])
        self.bad("two documents", "not_json", "", whole() + b" {}")
        self.bad("not a number", "not_json", "", whole().replace(b"1000", b"NaN"))
        self.bad("nothing but a blank", "not_json", "", b" ")
        self.bad("Latin-1", "not_utf8", "", whole().replace(b"web", b"caf\xe9"))
        self.bad("a surrogate", "not_utf8", "", whole().replace(b"web", b"\xed\xa0\x80"))
        self.bad("a field twice in data", "duplicate_key", "/data/amount",
                 whole().replace(b'"amount":', b'"amount":1,"amount":'))
        self.bad("a field twice in the envelope", "duplicate_key", "/id",
                 whole().replace(b'"id":', b'"id":"x","id":'))
        self.bad("nesting 40 where nobody looks", "too_deep", "/data/more" + "/0" * 31,
                 whole().replace(b'"channel_id"',
                                 b'"more":' + b"[" * 40 + b"]" * 40 + b',"channel_id"'))
        self.bad("a tombstone", "null_value", "", None)
        for name, size in (("a byte over 1 MiB", MIB + 1), ("2 MiB", 2 * MIB)):
            self.bad(name, "too_large", "", padded(self.created(self.order()), size))

    # ---- fields

    def fields(self) -> None:
        def created(**data: Any) -> dict:
            return self.created(self.order(), **data)

        def missing(name: str) -> dict:
            envelope = self.created(self.order())
            del envelope["data"][name]
            return envelope

        for name in ("order_id", "channel_id", "amount", "currency"):
            self.bad(f"no {name}", "missing_field", f"/data/{name}", missing(name))
        self.bad("a payee without weight", "bad_splits", "/data/splits/1/weight",
                 created(splits=[*SPLIT, {"payee_id": "p-2"}]))
        self.bad("a channel that is a number", "bad_field", "/data/channel_id",
                 created(channel_id=5))
        self.bad("an id with a line break", "bad_field", "/data/campaign_id",
                 created(campaign_id="a\nb"))
        self.bad("half a piece", "bad_field", "/data/lines/0/quantity", created(
            lines=[{"product_id": "sofa", "quantity": 0.5, "unit_price": 2000}]))
        self.bad("a word for yes", "bad_field", "/data/on_time",
                 event("order.delivered", self.order(), "d", {"on_time": "yes", "correct": True}))
        self.bad("currency in small letters", "bad_field", "/data/currency",
                 created(currency="cny"))
        for name, splits, path in (
                ("no payees", [], "/data/splits"),
                ("17 payees", [{"payee_id": f"p-{n}", "weight": 1} for n in range(17)],
                 "/data/splits"),
                ("a payee twice", SPLIT * 2, "/data/splits/1/payee_id"),
                ("weight 0", [{"payee_id": "p-1", "weight": 0}], "/data/splits/0/weight"),
                ("a weight above 10^6", [{"payee_id": "p-1", "weight": 10**6 + 1}],
                 "/data/splits/0/weight"),
                ("half a weight", [{"payee_id": "p-1", "weight": 0.5}], "/data/splits/0/weight"),
                ("an object for a list", {"payee_id": "p-1", "weight": 1}, "/data/splits")):
            self.bad(name, "bad_splits", path, created(splits=splits))

    # ---- amounts

    def money(self) -> None:
        def paid(amount: Any) -> dict:
            return self.paid(self.order(), amount)

        for name, amount in (("2^63", 2**63), ("10^15 + 1", 10**15 + 1), ("a real", 10.5),
                             ("a whole real", 10.0), ("nothing", 0), ("less than nothing", -5),
                             ("digits in quotes", "10")):
            self.bad(f"an amount of {name}", "bad_money", "/data/amount", paid(amount))
        self.bad("an amount with an exponent", "bad_money", "/data/amount",
                 text(paid(77)).replace(b"77", b"1e3"))
        self.bad("a price of 2^64", "bad_money", "/data/lines/0/unit_price", self.created(
            self.order(), lines=[{"product_id": "sofa", "quantity": 1, "unit_price": 2**64}]))

    # ---- one event against the rules

    def rules(self) -> None:
        def created(**data: Any) -> dict:
            return self.created(self.order(), **data)

        self.bad("lines short of the amount", "lines_do_not_sum", "/data/lines", created(
            lines=[{"product_id": "sofa", "quantity": 3, "unit_price": 333}]))
        self.bad("lines beyond all numbers", "lines_do_not_sum", "/data/lines", created(
            lines=[{"product_id": "sofa", "quantity": 10**9, "unit_price": 10**15}]))
        order_id = self.order()
        self.odd("another order's key", "wrong_key", "/data/order_id",
                 Message("somebody", text(self.created(order_id))))
        self.bad("another order's subject", "wrong_key", "/subject",
                 {**self.created(self.order()), "subject": "somebody"})
        order_id = self.order()
        self.odd("no key", "wrong_key", "",
                 Message(None, text(self.created(order_id)), partition=1))
        order_id = self.order()
        self.odd("another partition", "wrong_partition", "",
                 Message(order_id, text(self.created(order_id)),
                         partition=(partition_of(order_id, PARTITIONS) + 1) % PARTITIONS),
                 cure=[], healed=self.created(order_id), anywhere=True)
        for time in ("1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "2099-01-01T00:00:00Z"):
            self.bad(f"time {time}", "time_out_of_range", "/time",
                     {**self.created(self.order()), "time": time})
        self.bad("another company's currency", "currency_unsupported", "/data/currency",
                 created(currency="USD"))
        late = self.created(self.order(), splits=[{"payee_id": "p-late", "weight": 1}])
        self.bad("a payee nobody knows yet", "payee_unknown", "/data/splits/0/payee_id", late,
                 publish=LATE_PERSON, healed=late)
        late = self.created(self.order(), splits=[{"payee_id": "p-9", "weight": 1}])
        self.bad("a level that no plan pays yet", "plan_unknown", "/data/splits/0/payee_id", late,
                 publish=LATE_PLAN, healed=late)

    # ---- an event against what came before

    def histories(self) -> None:
        order_id = self.order()
        self.bad("a payment in another currency", "currency_mismatch", "/data/currency",
                 self.paid(order_id, 100, currency="USD"), before=[self.created(order_id)])
        order_id = self.order()
        self.bad("an id again, another amount", "id_conflict", "/id", self.paid(order_id, 150),
                 before=[self.created(order_id), self.paid(order_id, 100)])
        order_id = self.order()
        self.bad("a payment again, another amount", "payment_conflict", "/data/payment_id",
                 self.paid(order_id, 150, event_id=f"{order_id}/x"),
                 before=[self.created(order_id), self.paid(order_id, 100)])
        order_id = self.order()
        self.bad("a refund again, another amount", "payment_conflict", "/data/refund_id",
                 self.refund(order_id, 100, event_id=f"{order_id}/x"), before=[
                     self.created(order_id), self.paid(order_id, 200), self.refund(order_id, 50)])
        order_id = self.order()
        self.bad("an order again", "order_exists", "/data/order_id",
                 self.created(order_id, f"{order_id}/x"), before=[self.created(order_id)])
        order_id = self.order()
        second = self.paid(order_id, 500, "pay-2")
        self.bad("more than the order", "over_payment", "/data/amount", second,
                 before=[self.created(order_id), self.paid(order_id, 1000)],
                 cure=[self.refund(order_id, 500)], healed=second)
        order_id = self.order()
        self.bad("more back than was paid", "over_refund", "/data/amount",
                 self.refund(order_id, 150), before=[self.created(order_id),
                                                     self.paid(order_id, 100)])
        order_id = self.order()
        waiting = [self.paid(order_id, 50, f"pay-{n}") for n in range(33)]
        self.bad("one more than can wait", "order_limit", "/data/order_id", waiting[32],
                 before=waiting[:32], waits=True, cure=[self.created(order_id, amount=5000)],
                 healed=waiting[32])


def padded(envelope: dict, size: int) -> bytes:
    """So many bytes, by a field that nobody reads."""
    empty = len(text({**envelope, "padding": ""}))
    return text({**envelope, "padding": "x" * (size - empty)})


@dataclass(frozen=True)
class Entry:
    """A bad entry among good ones in a block of an internal topic."""
    topic: str
    reason: str
    path: str
    entry: dict


def credit(order_id: str, **change: Any) -> dict:
    return {"order_id": order_id, "payee_id": "p-block", "level": 1, "plan_id": "base",
            "plan_version": 1, "net_before": 0, "net_after": 1000, "currency": "CNY",
            "channel_id": "block", "refund": False, "time": TIME, "day": TIME[:10],
            "source": "/shop", "source_event_id": order_id, "cause": "orders/0/0", **change}


def measure(**figures: Any) -> dict:
    return {"kind": "project", "id": "block", "day": TIME[:10], "figures": figures}


ENTRIES = [
    Entry("credits", "plan_unknown", "/plan_version", credit("b-1", plan_version=7)),
    Entry("credits", "bad_money", "/net_after", credit("b-2", net_after=10.5)),
    Entry("credits", "missing_field", "/cause",
          {name: value for name, value in credit("b-3").items() if name != "cause"}),
    Entry("measures", "bad_field", "/kind", {**measure(orders=1), "kind": "planet"}),
    Entry("measures", "bad_money", "/figures/collected", measure(collected=1.5)),
    Entry("measures", "missing_field", "/figures",
          {"kind": "project", "id": "block", "day": TIME[:10]}),
]
GOOD_ENTRIES: dict[str, Callable[[int], dict]] = {
    "credits": lambda n: credit(f"good-{n}"), "measures": lambda n: measure(orders=1)}
