#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A trace goes through, from a payment's header or its event's attribute, to the commission
that it causes, from a refused record to its dead letter and into the log; where there is none, none
is made up."""
from __future__ import annotations

import json

import ctl
from rig import Place, kafka
from rig.stage import Stage, main, must
from rig.workers import Fleet


def trace(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


def send(place: Place, event: dict, header: str | None = None) -> None:
    headers = {"content-type": "application/cloudevents+json"}
    if header:
        headers["traceparent"] = header
    ctl.send_odd(place, json.dumps(event), event["data"]["order_id"], headers)


def traces_of_commissions(place: Place) -> dict[str, tuple[str | None, str | None]]:
    """By the payment's event: the trace in the header and the one in the event."""
    found = {}
    for record in kafka.read(place.brokers, place.topic("commissions")):
        assert record.value
        event = json.loads(record.value)
        found[event["data"]["source_event_id"]] = (record.header("traceparent"),
                                                   event.get("traceparent"))
    return found


def must_reach_commissions(place: Place) -> None:
    for order_id in ("o-1", "o-2", "o-3"):
        send(place, ctl.created(order_id, "p-1", 1000))
    send(place, ctl.paid("o-1", "a", 100), trace(1))
    send(place, {**ctl.paid("o-2", "a", 100), "traceparent": trace(2)}, trace(3))
    send(place, ctl.paid("o-3", "a", 100), "no trace at all")
    ctl.settle(place)
    found = traces_of_commissions(place)
    must(found == {"o-1-a": (trace(1), trace(1)), "o-2-a": (trace(2), trace(2)),
                   "o-3-a": (None, None)}, f"{found}")


def must_wait_with_the_event(place: Place) -> None:
    """A payment that waits for its order keeps its own trace, not the order's."""
    send(place, ctl.paid("o-4", "a", 100), trace(4))
    ctl.settle(place)
    send(place, ctl.created("o-4", "p-1", 1000), trace(5))
    ctl.settle(place)
    found = traces_of_commissions(place)["o-4-a"]
    must(found == (trace(4), trace(4)), f"{found}")


def must_reach_dead_letters(place: Place, fleet: Fleet) -> None:
    orders = fleet.named("orders")[0]
    send(place, ctl.paid("o-1", "b", 5000), trace(6))  # over_payment
    ctl.send_odd(place, "{", "o-2", {"traceparent": trace(7)})
    ctl.send_odd(place, "{", "o-3")
    ctl.settle(place)
    letters = sorted((record.header("tw-reason") or "", record.header("traceparent") or "")
                     for record in kafka.read(place.brokers, place.topic("orders.dlq")))
    must(letters == [("not_json", ""), ("not_json", trace(7)), ("over_payment", trace(6))],
         f"{letters}")
    lines = [line for line in orders.log.read_text().splitlines() if "record_refused" in line]
    must(len(lines) == 3 and sum("traceparent=" in line for line in lines) == 2, f"{lines}")
    must(any("reason=over_payment" in line and trace(6) in line for line in lines), f"{lines}")


def test() -> None:
    with Stage("trace") as stage:
        place = ctl.prepare(stage)
        with Fleet(place, stage.logs, settings=ctl.SOON) as fleet:
            must_reach_commissions(place)
            must_wait_with_the_event(place)
            must_reach_dead_letters(place, fleet)
            stage.say("each trace came where it belongs")


if __name__ == "__main__":
    main(test)
