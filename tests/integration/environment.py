# SPDX-License-Identifier: Apache-2.0
"""What the tests of a hostile environment share: a company that works, and what must still hold."""
from __future__ import annotations

import time
from typing import Callable, Iterable

import ctl
from rig import Place
from rig.stage import Stage, must
from rig.workers import Fleet, Worker

AMOUNT, PAID, ROUND = 1000, 300, 30
WAIT_S = 60.0


class Company:
    """Orders that were sent so far must be in the figures, to the last unit."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.place, self.orders = stage, ctl.prepare(stage), 0

    def send(self) -> None:
        events = []
        for number in range(self.orders, self.orders + ROUND):
            order_id = f"o-{number}"
            events += [ctl.created(order_id, "p-1", AMOUNT), ctl.paid(order_id, "a", PAID)]
        self.orders += ROUND
        ctl.send(self.place, events)

    def fleet(self, settings: dict[str, str] | None = None) -> Fleet:
        return Fleet(self.place, self.stage.logs, settings={**ctl.SOON, **(settings or {})})

    def begin(self) -> None:
        """A first round, and the workers end in order."""
        self.send()
        with self.fleet() as fleet:
            ctl.settle(self.place)
            must(not any(fleet.drain().values()), "not drained")
        self.must_be_exact("before")

    def wrong(self) -> str:
        found = ctl.figures(self.place, "payee", "p-1")
        wanted = {"orders": self.orders, "order_amount": self.orders * AMOUNT,
                  "collected": self.orders * PAID, "commission": self.orders * PAID // 50}
        return "" if found == wanted else f"the figures are {found}, not {wanted}"

    def must_be_exact(self, when: str) -> None:
        must(not self.wrong(), f"{when}: {self.wrong()}")
        self.stage.say(f"{when}: exact")

    def must_go_on(self, when: str) -> None:
        """More comes in and is counted."""
        self.send()
        ctl.settle(self.place)
        self.must_be_exact(when)


class Log:
    """What a worker says from now on."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.start = worker.log.stat().st_size if worker.log.exists() else 0

    def text(self) -> str:
        with open(self.worker.log, "rb") as file:
            file.seek(self.start)
            return file.read().decode(errors="replace")

    def must_say(self, *words: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not all(word in self.text() for word in words):
            must(time.monotonic() < deadline, f"{self.worker.name} does not say {words}:\n"
                 f"{self.worker.log_tail()}")
            time.sleep(0.1)


def cursor(place: Place, worker: str) -> tuple[str, str]:
    """The group and the topic whose offsets are this worker's K."""
    inputs = {"orders": "orders", "commissions": "credits", "scoreboard": "measures"}
    return f"{place.group_prefix}tallyworks-{worker}", place.topic(inputs[worker])


def run_all(name: str, cases: Iterable[Callable[[Stage], None]], own_redis: bool = False,
            own_broker: bool = False) -> None:
    with Stage(name, own_redis, own_broker) as stage:
        for case in cases:
            stage.say(f"{case.__name__}: {(case.__doc__ or '').splitlines()[0]}")
            case(stage)
