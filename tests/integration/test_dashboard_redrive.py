#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A redrive asked for over the dashboard's API does what `tallyctl dlq redrive` does, and says so.

Orders of a payee whom nobody published lie in the DLQ. A dry run counts them and sends nothing; the
payee is published, the redrive heals every order once, and a second one finds nothing to send. One
is killed inside a transaction and one is stopped by SIGTERM: asked for again they go on. Who has no
token, asks for what there cannot be, or asks while one is under way gets its status and words.
Besides, the speeds and times that operators see are those of what was sent, and of every process.
"""
from __future__ import annotations

import http.client
import json
import signal
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ctl
from rig import Place, free_port, kafka
from rig.stage import Stage, main, must
from rig.workers import Fleet, Worker
from test_dashboard import TOKEN, WAIT_S, Dashboard

HERE = Path(__file__).resolve().parent
ORDERS = 60
AMOUNT = 1000
RATE = 10  # a transaction has as many records then: several to be killed or stopped between
GOOD = {"Authorization": f"Bearer {TOKEN}"}
PATH = "/api/v1/redrive"


class Operator:
    """Somebody with the token at a dashboard that asks Kafka."""

    def __init__(self, stage: Stage, place: Place, number: int = 1, **settings: str) -> None:
        file = stage.folder / "token"
        file.write_text(TOKEN)
        self.place = place
        self.dashboard = Dashboard(place, stage.logs, number, **{
            "dashboard.kafka": "yes", "http.token.file": str(file), **settings})

    def start(self, **environment: str) -> "Operator":
        self.dashboard.environment.update(environment)
        self.dashboard.start().ready()
        return self

    def post(self, body: Any, path: str = PATH, **headers: str) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.dashboard.port, timeout=WAIT_S)
        connection.request("POST", path, body=raw, headers={**GOOD, **headers})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        kind = answer.getheader("content-type")
        connection.close()
        must(kind == ("application/json" if answer.status == 202 else "application/problem+json"),
             f"{answer.status} as {kind}: {said}")
        return answer.status, said

    def refused(self, wanted: int, body: Any, path: str = PATH, **headers: str) -> str:
        status, said = self.post(body, path, **headers)
        must(status == wanted == said["status"], f"{body!r}: {status}, not {wanted}: {said}")
        return said["detail"]

    def latest(self) -> dict[str, Any] | None:
        status, headers, body = self.dashboard.get(PATH, **GOOD)
        must(status == 200, f"{PATH}: {status} {body!r}")
        return json.loads(body)["redrive"]

    def runs(self, **request: Any) -> dict[str, Any]:
        """Starts one and waits for its end."""
        status, said = self.post({"topic": "orders", **request})
        must(status == 202 and said["redrive"]["state"] in ("running", "done"), f"{status} {said}")
        number, deadline = said["redrive"]["number"], time.monotonic() + WAIT_S
        while (now := self.latest())["state"] == "running":
            must(time.monotonic() < deadline, f"does not end: {now}")
            time.sleep(0.05)
        must(now["number"] == number and now["ended"] >= now["started"], f"another: {now}")
        return now

    def done(self, **request: Any) -> dict[str, Any]:
        now = self.runs(**request)
        must(now["state"] == "done" and "problem" not in now, f"{request}: {now}")
        return now

    def counts(self) -> dict[str, tuple[int, int]]:
        """By reason: how many are open and redriven, as the page has them."""
        deadline = time.monotonic() + WAIT_S
        while True:
            answer = json.loads(self.dashboard.get("/api/v1/refusals", **GOOD)[2])
            if not answer["pending"]:
                topics = {one["input"]: one for one in answer["found"]["topics"]}
                must(topics["orders"]["topic"] == f"{self.place.topic('orders')}.dlq", f"{topics}")
                return {row["reason"]: (row["open"], row["redriven"])
                        for row in topics["orders"]["reasons"]}
            must(time.monotonic() < deadline, "no refusals come")
            time.sleep(0.05)


def refuse(place: Place) -> None:
    """Orders of somebody unknown, and two faults that a redrive treats differently."""
    ctl.send(place, [ctl.created(f"u-{number}", "p-9", AMOUNT) for number in range(ORDERS)])
    ctl.send(place, [ctl.created("bad-1", "p-1", "12.5")])
    ctl.send_odd(place, json.dumps(ctl.created("o-5", "p-1", AMOUNT)), key="not-o-5")
    ctl.settle(place)


def sent(place: Place) -> int:
    return sum(1 for _ in kafka.read(place.brokers, place.topic("orders")))


def must_refuse(stage: Stage, place: Place, operator: Operator) -> None:
    """What is not valid, and who may not; none of it starts anything."""
    fine = {"topic": "orders", "dry_run": True}
    for body, words in (
            (b"", "no JSON object"), (b"[]", "no JSON object"), (b"{", "no JSON object"),
            ({}, "topic"), ({"topic": "orders"}, "dry_run"), ({"dry_run": True}, "topic"),
            ({**fine, "topic": "planet"}, "topic"), ({**fine, "dry_run": 1}, "dry_run"),
            ({**fine, "topic": ["orders"]}, "topic"),
            ({**fine, "reason": "bad_money"}, "a member is not known"),
            ({**fine, "reasons": "bad_money"}, "reasons"), ({**fine, "reasons": []}, "reasons"),
            ({**fine, "reasons": ["no_such"]}, "reasons"), ({**fine, "reasons": [1]}, "reasons"),
            ({**fine, "since": "yesterday"}, "since"), ({**fine, "until": 7}, "until"),
            ({**fine, "max": 0}, "max"), ({**fine, "max": 1.5}, "max"),
            ({**fine, "max": 2**64}, "max"), ({**fine, "rate": -1}, "rate"),
            ({**fine, "rate": 1000001}, "rate"), ({**fine, "rekey": "yes"}, "rekey"),
            ({**fine, "force": None}, "force"),
            (b'{"topic":"orders","dry_run":true,"dry_run":false}', "twice"),
            (b'{"topic":"orders\xff","dry_run":true}', "no JSON object")):
        said = operator.refused(400, body)
        must(words in said, f"{body!r}: {said}")
    operator.refused(413, b" " * 4097)
    must(operator.post(json.dumps(fine).encode() + b" " * 4000)[0] == 202, "a body of 4 KiB")
    wait_for_the_end(operator)
    for headers in ({"Authorization": "Bearer wrong-wrong-wrong"}, {"Authorization": ""}):
        operator.refused(401, fine, **headers)
    operator.refused(405, fine, "/")
    operator.refused(405, fine, "/api/v1/refusals")
    operator.refused(405, fine, "/metrics")
    operator.refused(400, fine, f"{PATH}?x=1")
    status, headers, _ = operator.dashboard.get(PATH, "PUT", **GOOD)
    must(status == 405 and headers["allow"] == "GET, HEAD, POST", f"{status} {headers}")
    status, headers, _ = operator.dashboard.get("/api/v1/live", "PUT", **GOOD)
    must(status == 405 and headers["allow"] == "GET, HEAD", f"{status} {headers}")
    status, _, body = operator.dashboard.get(PATH, "POST", Transfer_Encoding="chunked", **GOOD)
    must(status == 411, f"in chunks: {status} {body!r}")
    for number, settings in ((2, {"dashboard.kafka": "no"}), (3, {"http.token.file": ""})):
        other = Operator(stage, place, number, **settings).start()
        said = other.refused(403, fine)
        must("dashboard.kafka" in said and "token" in said, f"{settings}: {said}")
        must(other.dashboard.get(PATH, **GOOD)[0] == 403, "GET, too")
        other.dashboard.kill()
    stage.say("what is not valid and who may not: each its status and words")


def wait_for_the_end(operator: Operator) -> None:
    ctl.eventually(lambda: operator.latest()["state"] != "running", "the dry run does not end")


def must_plan(operator: Operator, place: Place) -> None:
    before = sent(place)
    plan = operator.done(dry_run=True)
    must(plan["dry_run"] and plan["topic"] == "orders" and plan["records"] == ORDERS and
         plan["sent"] == 0, f"{plan}")
    must(plan["reasons"] == {"payee_unknown": {"sent": ORDERS}, "bad_money": {"incurable": 1},
                             "wrong_key": {"needs_rekey": 1}}, f"{plan}")
    for request, wanted in (
            ({"reasons": ["bad_money"]}, {"bad_money": {"sent": 1}}),
            ({"reasons": ["wrong_key", "bad_money"], "rekey": True},
             {"bad_money": {"sent": 1}, "wrong_key": {"sent": 1}}),
            ({"since": "1h", "max": 7, "reasons": ["payee_unknown"]},
             {"payee_unknown": {"sent": 7, "left_by_max": ORDERS - 7}}),
            ({"until": "1h"}, {}), ({"until": "1h", "force": True}, {}),
            ({"since": "2100-01-01T00:00:00Z"}, {})):
        plan = operator.done(dry_run=True, **request)
        must(plan["reasons"] == wanted, f"{request}: {plan}, not {wanted}")
        must_mean(operator, plan, request)
    must(sent(place) == before, "a dry run wrote something")


def must_mean(operator: Operator, plan: dict[str, Any], request: dict[str, Any]) -> None:
    """The instants that were meant: asked for again with them it is the same."""
    bounds = {name: plan[name] for name in ("since", "until")}
    must({name for name in bounds if bounds[name]} == request.keys() & bounds.keys(), f"{plan}")
    if not any(bounds.values()):
        return
    ages = [datetime.fromisoformat(plan["started"]) - datetime.fromisoformat(at)
            for at in bounds.values() if at]
    must(ages[0] < timedelta(0) or abs(ages[0] - timedelta(hours=1)) < timedelta(minutes=1),
         f"{request}: {plan}")
    again = operator.done(dry_run=True, **{**request, **{
        name: at for name, at in bounds.items() if at}})
    must({**again, "number": 0, "started": 0, "ended": 0} ==
         {**plan, "number": 0, "started": 0, "ended": 0}, f"{again}, not {plan}")


def must_heal(stage: Stage, place: Place, operator: Operator) -> None:
    """Slowly, so that it can be watched and a second one refused; each order counts once."""
    must(operator.counts()["payee_unknown"] == (ORDERS, 0), f"{operator.counts()}")
    ctl.publish_person(stage, place, "p-9")
    status, _ = operator.post({"topic": "orders", "dry_run": False, "rate": RATE})
    must(status == 202, f"{status}")
    ctl.eventually(lambda: operator.latest()["sent"] > 0, "nothing is sent")
    said = operator.refused(409, {"topic": "orders", "dry_run": True})
    must("under way" in said, said)
    now = operator.latest()
    must(now["state"] == "running" and 0 < now["sent"] < now["records"] == ORDERS, f"{now}")
    must(operator.dashboard.get("/api/v1/live", **GOOD)[0] == 200, "figures wait for a redrive")
    wait_for_the_end(operator)
    now = operator.latest()
    must(now["state"] == "done" and now["sent"] == now["records"] == ORDERS, f"{now}")
    must(operator.counts()["payee_unknown"] == (0, ORDERS), f"{operator.counts()}")
    ctl.settle(place)
    payee = ctl.figures(place, "payee", "p-9")
    must(payee == {"orders": ORDERS, "order_amount": ORDERS * AMOUNT}, f"healed: {payee}")
    replays = [record.header("tw-replays")
               for record in kafka.read(place.brokers, place.topic("orders"))]
    must(replays.count("1") == ORDERS and set(replays) == {"1", None}, f"tw-replays: {replays}")
    again = operator.done(dry_run=False)
    must(again["records"] == 0, f"a second one sends something: {again}")
    rekeyed = operator.done(dry_run=False, reasons=["wrong_key"], rekey=True)
    must(rekeyed["sent"] == 1, f"{rekeyed}")
    ctl.settle(place)
    must(ctl.order(place, "o-5")["amount"] == AMOUNT, "the order under a wrong key")
    stage.say(f"{ORDERS} orders are healed, each counted once")


def listen(fleet: Fleet) -> list[str]:
    """Where its members answer over HTTP from their next start on."""
    for member in fleet.members:
        member.settings["http.address"] = f"127.0.0.1:{free_port()}"
    return [member.settings["http.address"] for member in fleet.members]


def must_measure(place: Place, operator: Operator) -> None:
    """What comes in, is folded and reaches Redis is counted over ten seconds, then it is over.

    How long it took the workers say themselves, but for the one that is not there.
    """
    seen, asked = {"incoming": 0, "committed": 0, "shown": 0}, [0]

    def orders() -> dict[str, Any]:
        answer = json.loads(operator.dashboard.get("/api/v1/shards", **GOOD)[2])
        must(answer["asked"]["addresses"] == 4, f"{answer['asked']}")
        asked.append(answer["asked"]["answered"])
        return next(one for one in answer["workers"] if one["worker"] == "orders")

    def passed() -> dict[str, int]:
        found = orders()["passed"] or {}
        seen.update({name: max(seen[name], found.get(name, 0)) for name in seen})
        return found

    def timed() -> bool:
        times = orders()["times"]
        return bool(times) and times["processes"] == 1 and all(
            times[step]["count"] > 0 and times[step]["p50_ms"] for step in
            ("batch", "transaction", "flush"))

    ctl.eventually(lambda: orders()["times"], "nobody says how long it takes")

    ctl.eventually(lambda: passed().get("incoming") == 0, "something comes in, or is not counted")
    ctl.send(place, [ctl.created(f"m-{number}", "p-1", AMOUNT) for number in range(ORDERS)])
    ctl.eventually(lambda: passed() and seen["incoming"] >= ORDERS and min(seen.values()) > 0,
                   f"{ORDERS} records came in")
    ctl.eventually(timed, "the workers do not say how long it took")
    ctl.eventually(lambda: passed().get("incoming") == 0, "it never ends")
    must(max(asked) == 3, f"of the four addresses {asked} answered")


def refuse_more(place: Place, name: str, payee: str) -> None:
    ctl.send(place, [ctl.created(f"{name}-{number}", payee, AMOUNT) for number in range(ORDERS)])
    ctl.settle(place)


def must_go_on(stage: Stage, place: Place, operator: Operator) -> None:
    """Killed inside a transaction, and told to end between two: asked for again it goes on."""
    refuse_more(place, "k", "p-8")
    ctl.publish_person(stage, place, "p-8")
    killed = Operator(stage, place, 4).start(TALLY_FAILPOINT="redrive:2:kill")
    killed.post({"topic": "orders", "dry_run": False, "rate": RATE})
    must(killed.dashboard.wait(WAIT_S) == -signal.SIGKILL, "not killed")
    left = operator.done(dry_run=True)["records"]
    must(ORDERS - RATE <= left < ORDERS, f"{left} are left after one transaction")
    stopped = Operator(stage, place, 5).start()
    stopped.post({"topic": "orders", "dry_run": False, "rate": RATE})
    ctl.eventually(lambda: stopped.latest()["sent"] > 0, "nothing is sent")
    must(stopped.dashboard.drain() == 0, "drained")
    log = stopped.dashboard.log.read_text()
    must("event=redrive_failed" in log and "event=redrive_started" in log, log[-500:])
    rest = operator.done(dry_run=False)
    must(0 < rest["sent"] < left, f"the rest: {rest} of {left}")
    ctl.settle(place)
    must(ctl.figures(place, "payee", "p-8")["orders"] == ORDERS, "killed and stopped: each once")
    stage.say("killed, and told to end: asked for again each went on")


def must_exclude(stage: Stage, place: Place, operator: Operator) -> None:
    """Another's redrive of the topic ends ours, with words, and nothing is sent twice."""
    refuse_more(place, "x", "p-7")
    ctl.publish_person(stage, place, "p-7")
    operator.post({"topic": "orders", "dry_run": False, "rate": RATE})
    ctl.eventually(lambda: operator.latest()["sent"] > 0, "nothing is sent")
    other = ctl.answer(place, "dlq", "redrive", "--topic", "orders")
    wait_for_the_end(operator)
    now = operator.latest()
    must(now["state"] == "failed" and "somebody else began the same" in now["problem"], f"{now}")
    must(now["sent"] + other["records"] == ORDERS, f"{now} and {other}")
    ctl.settle(place)
    must(ctl.figures(place, "payee", "p-7")["orders"] == ORDERS, "two at once: each once")


def must_find_all(stage: Stage, place: Place) -> None:
    """Of a name with several addresses each is asked, and those that come later."""
    library, several = stage.folder / "names.so", stage.folder / "several"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library),
                    str(HERE / "preload_names.c")], check=True)
    port = free_port()
    operator = Operator(stage, place, 3, **{"dashboard.workers": f"several.test:{port}"})
    several.write_text("")
    operator.start(LD_PRELOAD=str(library), TALLY_TEST_SEVERAL=str(several))

    def processes(wanted: int, addresses: int) -> bool:
        answer = json.loads(operator.dashboard.get("/api/v1/shards", **GOOD)[2])
        times = next(one for one in answer["workers"] if one["worker"] == "orders")["times"]
        return ((times["processes"] if times else 0) == wanted and answer["asked"] ==
                {"addresses": addresses, "answered": wanted})

    ctl.eventually(lambda: processes(0, 1), "the name stands for nobody")
    fleet = [Worker("orders", number, place, stage.logs, {
        **ctl.SOON, "http.address": f"127.0.0.{number}:{port}"}).start() for number in (2, 3)]
    several.write_text("127.0.0.2\n")
    ctl.eventually(lambda: processes(1, 1), "the first is not asked")
    several.write_text("127.0.0.2\n127.0.0.3\n127.0.0.4\n")
    ctl.eventually(lambda: processes(2, 3), "those that came later are not asked")
    several.write_text("127.0.0.3\n")
    ctl.eventually(lambda: processes(1, 1), "the one that went is still counted")
    for process in (*fleet, operator.dashboard):
        must(process.drain() == 0, f"{process.name}: {process.log_tail()}")


def must_log(operator: Operator) -> None:
    log = operator.dashboard.log.read_text()
    for words in ("event=redrive_started", "reasons=wrong_key", "reasons=any", "dry_run=yes",
                  "dry_run=no", "event=redrive_ended", "event=redrive_failed"):
        must(words in log, f"{words} is not in the log: {log[-1000:]}")
    must(log.count("event=redrive_started") > log.count("event=redrive_ended"), "dry runs")


def test() -> None:
    with Stage("redrive") as stage:
        place = ctl.prepare(stage, "-")  # the topic's name does not tell the prefix
        fleet = Fleet(place, stage.logs, settings=ctl.SOON)
        addresses = [*listen(fleet), f"127.0.0.1:{free_port()}"]
        with fleet:
            refuse(place)
            operator = Operator(stage, place, **{"dashboard.workers": ",".join(addresses)}).start()
            must(operator.latest() is None, "nothing was asked for yet")
            must_refuse(stage, place, operator)
            must_plan(operator, place)
            must_measure(place, operator)
            must_heal(stage, place, operator)
            must_go_on(stage, place, operator)
            must_exclude(stage, place, operator)
            must_log(operator)
            must(operator.dashboard.drain() == 0, "drained")
            must_find_all(stage, place)


if __name__ == "__main__":
    main(test)
