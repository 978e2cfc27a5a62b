#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""deploy/prometheus and deploy/grafana against promtool and a real Prometheus on real workers.

promtool takes the files, and its tests of the alerts pass; each alert that is taken away, comes too
early or never ends is seen by them. Then a Prometheus with these files looks at tally-dashboard and
three workers that count some orders and refuse a record: every target is up, every metric of
docs/METRICS.md is there, the alert on the refused record fires, alone, and each panel of the
dashboards gets an answer (dashboards.py).
"""
from __future__ import annotations

import copy
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

import ctl
import dashboards
from rig import ROOT, Place, free_port
from rig.prometheus import DEPLOY, Prometheus, promtool
from rig.redis import Redis
from rig.stage import Stage, main, must
from rig.workers import Fleet, Worker, tallyctl

METRIC = re.compile(r"^\| `(tallyworks_\w+)` \| (\w+) \|", re.M)
NEVER, ALWAYS = "vector(1) > 1", "vector(1)"
BOARDS = {"measures": ["collected", "commission"], "periods": ["day", "month"]}


def must_succeed(*words: str) -> None:
    done = promtool(*words)
    must(done.returncode == 0, f"promtool {' '.join(words)}:\n{done.stdout}{done.stderr}")


# ---- the files -----------------------------------------------------------------------------------

def harms(rules: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Each rule worse in one respect: (which and how, the file's content)."""
    found = []
    for number, rule in enumerate(rules):
        changes = {"never fires": {"expr": NEVER}, "always fires": {"expr": ALWAYS},
                   "fires at once": {"for": "0s"}}
        if "for" not in rule:
            del changes["fires at once"]
        for words, change in changes.items():
            changed = copy.deepcopy(rules)
            changed[number].update(change)
            found.append((f"{rule['alert']} {words}",
                          {"groups": [{"name": "tallyworks", "rules": changed}]}))
    return found


def must_notice_harms() -> int:
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"][0]["rules"]
    worse = harms(rules)
    with tempfile.TemporaryDirectory(prefix="tally-alerts-") as name:
        folder = Path(name)
        shutil.copy(DEPLOY / "alerts.test.yaml", folder)
        for words, content in worse:
            (folder / "alerts.yaml").write_text(json.dumps(content))
            must(promtool("test", "rules", str(folder / "alerts.test.yaml")).returncode != 0,
                 f"no test notices that {words}")
    return len(worse)


def check_files() -> None:
    must_succeed("check", "config", str(DEPLOY / "prometheus.yaml"))
    must_succeed("test", "rules", str(DEPLOY / "alerts.test.yaml"))
    print(f"promtool: files and alerts pass, {must_notice_harms()} worse alerts noticed")


def must_name_all_workers(described: list[dict[str, Any]]) -> None:
    """A worker that is added is looked at, and missed."""
    config = (DEPLOY / "prometheus.yaml").read_text()
    missing = next(rule["expr"] for rule in yaml.safe_load(
        (DEPLOY / "alerts.yaml").read_text())["groups"][0]["rules"]
        if rule["alert"] == "TallyworksWorkerMissing")
    ports = dict(re.findall(r"^- (\w+): (\d+)$", (ROOT / "docs/METRICS.md").read_text(), re.M))
    for worker in (one["worker"] for one in described):
        must(f'worker="{worker}"' in missing, f"nobody misses worker {worker}")
        must(f"127.0.0.1:{ports[worker]} # {worker}" in config, f"{worker} is not looked at")


# ---- a real one ----------------------------------------------------------------------------------

def must_see_all(prometheus: Prometheus, workers: int) -> None:
    def up() -> bool:
        found = (prometheus.get("targets") or {}).get("activeTargets", [])
        return [one["health"] for one in found] == ["up"] * workers

    ctl.eventually(up, f"not all targets are up: {prometheus.get('targets')}")
    names = dict(METRIC.findall((ROOT / "docs/METRICS.md").read_text()))
    must(len(names) > 40, f"docs/METRICS.md names {names}")
    wanted = {name + ("_bucket" if kind == "histogram" else "") for name, kind in names.items()}

    def unseen() -> set[str]:
        return wanted - set(prometheus.get("label/__name__/values") or [])

    ctl.eventually(lambda: not unseen(), f"documented and never seen: {unseen()}")


def must_alert(prometheus: Prometheus) -> None:
    def firing() -> list[tuple[str, str]]:
        return [(one["labels"]["alertname"], one["labels"].get("reason", ""))
                for one in (prometheus.get("alerts") or {}).get("alerts", [])
                if one["state"] == "firing"]

    ctl.eventually(lambda: firing() == [("TallyworksRejected", "not_json")],
                   f"the alerts are {prometheus.get('alerts')}")


# ---- the dashboards ------------------------------------------------------------------------------

def keep_boards(stage: Stage, place: Place) -> None:
    """The company of ctl, which keeps none, keeps boards from now on."""
    company = {**ctl.PEOPLE[0], "boards": BOARDS}
    tallyctl(place, "publish", str(ctl.write(stage, "boards.json", [company])))


def must_show_all(stage: Stage, place: Place, prometheus: Prometheus) -> None:
    values = {"${prefix}": place.redis_prefix, "${__to:date:YYYY-MM}": ctl.DAY[:7],
              "${__to:date:YYYY-MM-DD}": ctl.DAY, "${channel}": "web", "${product}": "s-1",
              "${payee}": "p-1"}
    asked = dashboards.must_answer(prometheus)
    with Redis(place.redis_url) as redis:
        found = dashboards.must_find(redis, values)
    stage.say(f"{asked} expressions and {found} commands of the dashboards have an answer")


def test() -> None:
    check_files()
    dashboards.check_shapes()
    with Stage("prometheus") as stage:
        place = ctl.prepare(stage)
        must_name_all_workers(ctl.answer(place, "describe")["workers"])
        fleet = Fleet(place, stage.logs, settings={**ctl.SOON, "statistics.interval.ms": "500"})
        page = Worker("dashboard", 1, place, stage.logs)
        for one in (page, *fleet.members):
            one.settings["http.address"] = f"127.0.0.1:{free_port()}"
        targets = [one.settings["http.address"] for one in (page, *fleet.members)]
        keep_boards(stage, place)
        lines = [{"product_id": "s-1", "quantity": 2, "unit_price": 500}]
        ctl.send(place, [ctl.created("o-1", "p-1", 1000, lines=lines),
                         ctl.paid("o-1", "a", 300)])
        with fleet, Prometheus(stage.folder / "prometheus", targets) as prometheus:
            page.start()
            ctl.settle(place)
            must_see_all(prometheus, len(targets))
            stage.say("every documented metric is there")
            ctl.send_odd(place, "{", "o-2")
            must_alert(prometheus)
            stage.say("the refused record is told")
            must_show_all(stage, place, prometheus)
            page.drain()


if __name__ == "__main__":
    main(test)
