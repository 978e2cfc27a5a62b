# SPDX-License-Identifier: Apache-2.0
"""The sample company's orders of a quarter, and its books, kept by hand while they are made.

One call makes the whole stream: orders that are signed, paid in instalments, delivered, refunded
and cancelled, in the order in which they reach the company, with what real upstreams do to a
stream: repeats, payments that come before their order or months after it, and events that no
accountant would take. The books say what every figure, commission and refusal must be; they come
from the rules (DESIGN section 6), not from the workers.
"""
from __future__ import annotations

import json
import random
import sys
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "ladder"))
from oracle import commission_on, share_out  # noqa: E402

SHANGHAI = timezone(timedelta(hours=8))  # since 1991 without summer time
FIRST_MS = int(datetime(2026, 1, 1, tzinfo=SHANGHAI).timestamp() * 1000)
SPAN_MS = 90 * 86400 * 1000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000

PRICES = {"sofa": 459900, "bed": 389900, "mattress": 269900, "table": 319900, "chair": 89900,
          "desk": 199900, "wardrobe": 1289900, "lamp": 45900, "carpet": 129900, "curtain": 68800,
          "shelf": 99900, "cabinet": 179900}
CHANNELS = ("store", "store", "store", "tmall", "tmall", "jd", "live", "dealer")
CAMPAIGNS = ("spring-2026", "wedding-2026")

Figures = dict[str, int]


class Seat(NamedTuple):
    """What is frozen into an order for one of its sellers."""
    payee_id: str
    units: tuple[tuple[str, str], ...]  # (kind, id): team, city, region
    rate_ppm: int
    plan_version: int


class Company:
    """company.json, as far as orders need it."""

    def __init__(self, path: Path) -> None:
        self.records: list[dict] = json.loads(path.read_text(encoding="utf-8"))
        by_kind: dict[str, list[dict]] = defaultdict(list)
        for record in self.records:
            by_kind[record["kind"]].append(record)
        self.name: str = by_kind["company"][0]["name"]
        self.people: dict[str, list[dict]] = defaultdict(list)
        for person in by_kind["person"]:
            self.people[person["payee_id"]].append(person)
        self.units = {unit["unit_id"]: unit for kind in ("team", "city", "region")
                      for unit in by_kind[kind]}
        self.plans = by_kind["plan"]
        self.partners = [partner["partner_id"] for partner in by_kind["partner"]]
        self.projects = [project["project_id"] for project in by_kind["project"]]
        self.counts = {kind: len(records) for kind, records in by_kind.items()}
        self.seats: dict[tuple[str, str], Seat] = {}

    def person(self, payee_id: str, day: str) -> dict:
        return in_force(self.people[payee_id], day)

    def seat(self, payee_id: str, day: str) -> Seat:
        """As on that business day; validity in the file is in business days too."""
        found = self.seats.get((payee_id, day))
        if not found:
            found = self.seats[payee_id, day] = self._seat(payee_id, day)
        return found

    def _seat(self, payee_id: str, day: str) -> Seat:
        person, plan = self.person(payee_id, day), in_force(self.plans, day)
        rows = {(row["level"], row.get("rating")): row["rate_ppm"] for row in plan["rows"]}
        rate = rows.get((person["level"], person["rating"]), rows.get((person["level"], None)))
        assert rate is not None
        units, unit_id = [], person["team_id"]
        while unit_id:
            unit = self.units[unit_id]
            units.append((unit["kind"], unit_id))
            unit_id = unit.get("parent_id")
        return Seat(payee_id, tuple(units), rate, plan["version"])


def in_force(records: list[dict], day: str) -> dict:
    """Half-open: valid_from is in, valid_to is out."""
    return next(record for record in records if record.get("valid_from", "") <= day
                and day < record.get("valid_to", "9999"))


def periods_of(day: str) -> tuple[str, str, str, str]:
    return day, day[:7], f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}", day[:4]


class Books:
    """What must come of the stream."""

    def __init__(self) -> None:
        self.by_day: dict[tuple[str, str, str], Figures] = defaultdict(lambda: defaultdict(int))
        # (type, order, payee, source event, basis, rate, amount)
        self.commissions: Counter = Counter()
        self.pay: dict[tuple[str, str], Figures] = defaultdict(lambda: defaultdict(int))
        self.refused: Counter = Counter()  # (reason, value)
        self.repeats = 0

    def add(self, scope: tuple[str, str], day: str, figures: Figures) -> None:
        into = self.by_day[scope + (day,)]
        for name, value in figures.items():
            into[name] += value

    def sales(self) -> dict[str, Figures]:
        """Redis key without prefix -> figures, for all periods the company keeps."""
        found: dict[str, Figures] = defaultdict(lambda: defaultdict(int))
        for (kind, name, day), figures in self.by_day.items():
            for period in periods_of(day):
                into = found[f"sales:{kind}:{name}:{period}"]
                for figure, value in figures.items():
                    into[figure] += value
        return found


class Order:
    """One order's life: each method is one event that is taken, and writes it into the books."""

    def __init__(self, quarter: "Quarter", order_id: str, at_ms: int) -> None:
        self.quarter, self.order_id, self.at_ms = quarter, order_id, at_ms
        self.day = quarter.day(at_ms)
        self.amount = self.net = 0
        self.payments: list[tuple[str, int]] = []
        self.seats: list[Seat] = []
        self.weights: list[int] = []
        self.wide: list[tuple[str, str]] = []

    def spread(self, day: str, counts: Figures, field: str = "", amount: int = 0,
               shares: list[int] | None = None) -> None:
        """Counts once to every scope; the amount whole to the wide ones, shared to the others."""
        books = self.quarter.books

        def figures(part: int) -> Figures:
            return {**counts, field: part} if field else counts

        for scope in self.wide:
            books.add(scope, day, figures(amount))
        units: dict[tuple[str, str], int] = defaultdict(int)
        for seat, share in zip(self.seats, shares or share_out(amount, self.weights)):
            books.add(("payee", seat.payee_id), day, figures(share))
            for unit in seat.units:
                units[unit] += share
        for unit, share in units.items():
            books.add(unit, day, figures(share))

    def create(self) -> dict:
        draw, company = self.quarter.draw, self.quarter.company
        payees = draw.sample(self.quarter.payees, draw.choices((0, 1, 2, 3), (3, 62, 28, 7))[0])
        self.weights = [draw.choice((10, 20, 30, 50, 70)) for _ in payees]
        self.seats = [company.seat(payee, self.day) for payee in payees]
        lines = [{"product_id": product, "quantity": draw.randint(1, 4),
                  "unit_price": PRICES[product] * draw.randint(80, 100) // 100}
                 for product in draw.sample(list(PRICES), draw.randint(1, 3))]
        self.amount = sum(line["quantity"] * line["unit_price"] for line in lines)
        data: dict = {"order_id": self.order_id, "customer_key": f"c-{draw.randrange(30000):05d}",
                      "channel_id": draw.choice(CHANNELS)}
        if data["channel_id"] == "dealer":
            data["partner_id"] = draw.choice(company.partners)
        if draw.random() < 0.6:
            data["project_id"] = draw.choice(company.projects)
        if draw.random() < 0.3:
            data["campaign_id"] = draw.choice(CAMPAIGNS)
        self.wide = [("company", "all")] + [(kind, data[kind + "_id"]) for kind in (
            "channel", "partner", "project", "campaign") if kind + "_id" in data]
        if payees:
            data["splits"] = [{"payee_id": payee, "weight": weight}
                              for payee, weight in zip(payees, self.weights)]
        data.update(lines=lines, amount=self.amount, currency="CNY")
        self.spread(self.day, {"orders": 1}, "order_amount", self.amount)
        for line in lines:
            self.quarter.books.add(("product", line["product_id"]), self.day, {
                "quantity": line["quantity"],
                "order_amount": line["quantity"] * line["unit_price"]})
        return data

    def move(self, event_id: str, day: str, amount: int, refund: bool) -> None:
        books = self.quarter.books
        field, word = ("refunded", "clawed_back") if refund else ("collected", "accrued")
        before = share_out(self.net, self.weights) if self.weights else []
        self.net += -amount if refund else amount
        after = share_out(self.net, self.weights) if self.weights else []
        self.spread(day, {}, field, amount,
                    [old - new if refund else new - old for old, new in zip(before, after)])
        commissions = [commission_on(new, seat.rate_ppm) - commission_on(old, seat.rate_ppm)
                       for seat, old, new in zip(self.seats, before, after)]
        for seat, old, new, commission in zip(self.seats, before, after, commissions):
            books.commissions["commission." + word, self.order_id, seat.payee_id, event_id,
                              new - old, seat.rate_ppm, commission] += 1
            books.pay[seat.payee_id, day[:7]][word] += -commission if refund else commission
        self.spread(day, {}, "commission", sum(commissions), commissions)


class Quarter:
    """The stream: (arrival, number) -> key and value."""

    def __init__(self, company: Company, orders: int, seed: int) -> None:
        self.company, self.draw, self.books = company, random.Random(seed), Books()
        self.payees = sorted(company.people)
        self.records: list[tuple[int, int, bytes, bytes]] = []
        self.days: dict[int, str] = {}
        self.ids = 0
        for number in range(orders):
            at_ms = FIRST_MS + number * SPAN_MS // orders
            self.live(Order(self, f"D{number + 1:06d}", at_ms))
            if number % 400 == 99:
                self.refused_order(number // 400, at_ms)
        self.records.sort(key=lambda record: record[:2])

    def day(self, at_ms: int) -> str:
        number = (at_ms - FIRST_MS) // DAY_MS
        if number not in self.days:
            self.days[number] = (date(2026, 1, 1) + timedelta(days=number)).isoformat()
        return self.days[number]

    def new_id(self) -> str:
        self.ids += 1
        return f"e-{self.ids:07d}"

    def event(self, kind: str, order_id: str, at_ms: int, data: dict, event_id: str) -> bytes:
        """The payment gateway writes UTC, everybody else the time on the wall."""
        gateway = kind.startswith("payment.")
        zone = timezone.utc if gateway else SHANGHAI
        time = datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="milliseconds")
        return json.dumps({
            "specversion": "1.0", "id": event_id, "source": "/gateway" if gateway else "/shop",
            "type": kind, "subject": order_id, "time": time, "data": data,
        }, separators=(",", ":")).encode()

    def put(self, arrival_ms: int, key: str, value: bytes) -> None:
        self.records.append((arrival_ms, len(self.records), key.encode(), value))

    def send(self, kind: str, order: Order, at_ms: int, data: dict, event_id: str | None = None,
             arrival_ms: int | None = None) -> bytes:
        """An event that is taken; now and then it comes twice, or its first copy is cut off."""
        value = self.event(kind, order.order_id, at_ms, data, event_id or self.new_id())
        arrival_ms = at_ms if arrival_ms is None else arrival_ms
        if self.draw.random() < 0.0015:
            self.refuse("not_json", arrival_ms, order.order_id,
                        value[:self.draw.randrange(1, len(value))])
        self.put(arrival_ms, order.order_id, value)
        if self.draw.random() < 0.01:
            self.put(arrival_ms + self.draw.randrange(DAY_MS), order.order_id, value)
            self.books.repeats += 1
        return value

    def refuse(self, reason: str, arrival_ms: int, key: str, value: bytes) -> None:
        self.put(arrival_ms, key, value)
        self.books.refused[reason, value] += 1

    def live(self, order: Order) -> None:
        draw, at_ms = self.draw, order.at_ms
        created = order.create()
        early = draw.random() < 0.02  # the gateway is faster than the shop
        first_pay_ms = at_ms + draw.randrange(MINUTE_MS, 2 * DAY_MS)
        self.send("order.created", order, at_ms, created,
                  arrival_ms=first_pay_ms + HOUR_MS if early else None)
        if not early and draw.random() < 0.3:
            self.sign(order, at_ms + draw.randrange(1000, MINUTE_MS))
        if draw.random() < 0.02:
            self.cancel(order, first_pay_ms + 2 * HOUR_MS)
            return
        last_ms = self.pay_all(order, first_pay_ms)
        if draw.random() < 0.7:
            self.deliver(order, last_ms + draw.randrange(DAY_MS, 5 * DAY_MS))

    def sign(self, order: Order, at_ms: int) -> None:
        self.send("contract.signed", order, at_ms, {
            "order_id": order.order_id, "amount": order.amount, "currency": "CNY"})
        order.spread(self.day(at_ms), {"signed": 1}, "signed_amount", order.amount)

    def cancel(self, order: Order, at_ms: int) -> None:
        self.send("order.cancelled", order, at_ms, {
            "order_id": order.order_id, "reason": "changed mind"})
        order.spread(self.day(at_ms), {"cancelled": 1}, "cancelled_amount", order.amount)

    def deliver(self, order: Order, at_ms: int) -> None:
        on_time, correct = self.draw.random() < 0.93, self.draw.random() < 0.98
        self.send("order.delivered", order, at_ms, {
            "order_id": order.order_id, "on_time": on_time, "correct": correct})
        order.spread(self.day(at_ms), {"delivered": 1, "delivered_on_time": int(on_time),
                                       "delivered_correct": int(correct)})

    def pay_all(self, order: Order, at_ms: int) -> int:
        """The instalments, up to weeks apart, so that money of an order falls into later months."""
        draw, rest = self.draw, order.amount
        count = draw.choices((1, 2, 3), (45, 35, 20))[0]
        for part in range(count):
            last = part == count - 1
            amount = rest if last else max(1, rest * draw.randint(20, 60) // 100)
            rest -= amount
            self.pay(order, at_ms, amount)
            if draw.random() < 0.015:
                at_ms += draw.randrange(HOUR_MS, 6 * DAY_MS)
                self.refund(order, at_ms)
            if not last:
                at_ms += draw.randrange(DAY_MS, 25 * DAY_MS)
        return at_ms

    def pay(self, order: Order, at_ms: int, amount: int) -> None:
        payment_id, event_id = f"{order.order_id}-p{len(order.payments) + 1}", self.new_id()
        data = {"order_id": order.order_id, "payment_id": payment_id, "amount": amount,
                "currency": "CNY"}
        self.send("payment.collected", order, at_ms, data, event_id)
        order.payments.append((payment_id, amount))
        order.move(event_id, self.day(at_ms), amount, refund=False)
        # What goes wrong with payments comes when the order is surely there.
        self.bad_payment(order, at_ms + 3 * HOUR_MS, data, event_id)

    def bad_payment(self, order: Order, at_ms: int, data: dict, event_id: str) -> None:
        if self.draw.random() >= 0.006:
            return
        kind = "payment.collected"
        wrong: dict[str, tuple[dict, str]] = {
            "id_conflict": ({**data, "amount": data["amount"] + 1}, event_id),
            "payment_conflict": ({**data, "amount": data["amount"] + 1}, self.new_id()),
            "over_payment": ({**data, "payment_id": data["payment_id"] + "x",
                              "amount": order.amount + 1}, self.new_id()),
            "bad_money": ({**data, "amount": data["amount"] / 8 + 0.125}, self.new_id()),
            "missing_field": ({name: value for name, value in data.items()
                               if name != "payment_id"}, self.new_id()),
            "currency_mismatch": ({**data, "payment_id": data["payment_id"] + "y",
                                   "currency": "USD"}, self.new_id()),
            "wrong_key": ({**data, "order_id": "D999999"}, self.new_id()),
        }
        pick = self.draw.choice(sorted(wrong) + ["again", "unknown_type", "over_refund"])
        if pick == "again":  # the same payment under a new event id: passed over in silence
            self.put(at_ms, order.order_id,
                     self.event(kind, order.order_id, at_ms, data, self.new_id()))
            self.books.repeats += 1
            return
        if pick == "over_refund":
            kind = "payment.refunded"
            wrong[pick] = ({**data, "refund_id": data["payment_id"] + "-r9",
                            "amount": data["amount"] + 1}, self.new_id())
        if pick == "unknown_type":
            kind = "payment.guessed"
            wrong[pick] = (data, self.new_id())
        changed, changed_id = wrong[pick]
        self.refuse(pick, at_ms, order.order_id,
                    self.event(kind, order.order_id, at_ms, changed, changed_id))

    def refund(self, order: Order, at_ms: int) -> None:
        payment_id, paid = order.payments[-1]
        amount, event_id = self.draw.randint(1, paid), self.new_id()
        self.send("payment.refunded", order, at_ms, {
            "order_id": order.order_id, "payment_id": payment_id,
            "refund_id": f"{payment_id}-r1", "amount": amount, "currency": "CNY"}, event_id)
        order.move(event_id, self.day(at_ms), amount, refund=True)

    def refused_order(self, number: int, at_ms: int) -> None:
        """An order that is not taken at all; none of its events counts."""
        order_id = f"X{number:04d}"
        good = {"order_id": order_id, "channel_id": "store", "amount": 1000, "currency": "CNY",
                "splits": [{"payee_id": "p001", "weight": 1}]}
        wrong = [("currency_unsupported", {"currency": "USD"}),
                 ("payee_unknown", {"splits": [{"payee_id": "p999", "weight": 1}]}),
                 ("bad_splits", {"splits": [{"payee_id": "p001", "weight": 1}] * 2}),
                 ("lines_do_not_sum", {"lines": [{"product_id": "lamp", "quantity": 1,
                                                  "unit_price": 999}]}),
                 ("not_utf8", {"customer_key": "BYTES"}),
                 ("time_out_of_range", {})]
        reason, change = wrong[number % len(wrong)]
        time_ms = at_ms - 30 * 365 * DAY_MS if reason == "time_out_of_range" else at_ms
        value = self.event("order.created", order_id, time_ms, {**good, **change}, self.new_id())
        self.refuse(reason, at_ms, order_id, value.replace(b"BYTES", b"\xff\xfe"))

    def write(self, path: Path) -> int:
        with open(path, "wb") as file:
            for _, _, key, value in self.records:
                file.write(key + b"\t" + value + b"\n")
        return len(self.records)
