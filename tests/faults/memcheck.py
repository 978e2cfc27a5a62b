#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Valgrind looks at every worker and the dashboard while a stream is folded and Redis is emptied.

What ships runs, not the sanitizers' build, with the libraries that the product links. Each is asked
over HTTP meanwhile, and drains at the end. An invalid access, a use of what was never written, or
memory that is lost at the end fails; besides, all must be exact. A process takes some thirty times
as long as without, hence the long timeouts.

environment: MEMCHECK_EVENTS=2000, TALLY_TEST_KEEP=1
"""
from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
import ladder as ladders  # noqa: E402
import test_dashboard as dashboards  # noqa: E402
from rig import Place, free_port  # noqa: E402
from rig.redis import Redis  # noqa: E402
from rig.stage import Stage, main, must  # noqa: E402
from rig.workers import Fleet, Worker  # noqa: E402
import watch  # noqa: E402

EVENTS = int(os.environ.get("MEMCHECK_EVENTS") or 2000)
RATE = 500
FOUND = 99  # the exit status where something was found
PATIENT = {"session.timeout.ms": "45000", "transaction.timeout.ms": "30000",
           "drain.timeout.ms": "120000"}
SETTLE_S = 600.0


UNDER = ["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite",
         "--errors-for-leak-kinds=definite", f"--error-exitcode={FOUND}", "--num-callers=25"]


def checked_fleet(place: Place, stage: Stage) -> Fleet:
    fleet = Fleet(place, stage.logs, settings=PATIENT)
    for worker in fleet.members:
        worker.under = UNDER
        worker.settings["http.address"] = f"127.0.0.1:{free_port()}"
    return fleet


def ask_all(stage: Stage, fleet: Fleet, dashboard: dashboards.Dashboard,
            paid: tuple[str, str]) -> None:
    """What operators and managers ask, of all processes, which have settled."""
    for worker in fleet.members:
        for path in ("/livez", "/readyz?verbose", "/metrics"):
            dashboards.until(lambda: watch.ask(worker, path)[0] == 200, f"{worker.name}{path}")
    sold = dashboard.json("figures", "company", "all", "2026")["figures"]["collected"]
    must(sold > 0, "the dashboard shows no figures")
    for path in (("days", "company", "all", "2026-01"), ("tree", "2026"), ("shards",), ("live",),
                 ("pay", *paid)):
        dashboard.json(*path)
    for path in ("/", "/metrics", "/contract", "/readyz"):
        must(dashboard.get(path)[0] == 200, f"the dashboard's {path}")
    dashboard.problem("/api/v1/orders/no-such", 404)
    stream = dashboards.Stream(dashboard)
    stream.event("live")
    stream.close()
    stage.say("asked all over HTTP")


def must_have_found_nothing(statuses: dict[str, int], processes: list[Worker]) -> None:
    said = [line for worker in processes
            for line in worker.log.read_text(errors="replace").splitlines()
            if line.startswith("==")]
    must(not any(statuses.values()), f"{statuses}\n" + "\n".join(said[:100]))


def test() -> None:
    must(shutil.which("valgrind"), "there is no valgrind: apt-get install valgrind")
    dashboards.WAIT_S = SETTLE_S
    watch.ASK_S = SETTLE_S
    with Stage("memcheck", own_redis=True) as stage:
        work = ladders.Ladder(EVENTS)
        place = ladders.prepare(stage, work)
        fleet = checked_fleet(place, stage)
        dashboard = dashboards.Dashboard(place, stage.logs, **{"dashboard.kafka": "yes"})
        dashboard.under = UNDER
        paid = min(work.expected().pay)  # a payee and a month
        with fleet, ladders.Sending(place, work, RATE) as sending:
            dashboard.start().ready()
            sending.finish()
            fleet.settle(SETTLE_S)
            ask_all(stage, fleet, dashboard, paid)
            with Redis(place.redis_url) as redis:
                redis.command("FLUSHALL")
            stage.say("emptied Redis")
            fleet.settle(SETTLE_S)
            ask_all(stage, fleet, dashboard, paid)
            statuses = fleet.drain(SETTLE_S)
            statuses[dashboard.name] = dashboard.drain(SETTLE_S)
        ladders.must_be_exact(stage, place, work, "under valgrind")
        must_have_found_nothing(statuses, [*fleet.members, dashboard])
        stage.say(f"nothing was found in {', '.join(statuses)}")


if __name__ == "__main__":
    main(test)
