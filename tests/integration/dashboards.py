# SPDX-License-Identifier: Apache-2.0
"""deploy/grafana, as far as it shows without Grafana: shape, and every query asked for real.

Each expression of the operators' dashboard is sent to a Prometheus that looks at live workers and
must give something; each command of the managers' dashboard is sent to their Redis, names a key and
fields of docs/REDIS.md, and must find something.
"""
from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any, Callable, Iterator

import yaml

import ctl
from rig import ROOT
from rig.prometheus import Prometheus
from rig.redis import Redis
from rig.stage import must

GRAFANA = ROOT / "deploy" / "grafana"
SCHEMA_VERSION = 39  # of Grafana 10 and 11; later ones carry it over when they load it
WIDTH = 24
KEY = re.compile(r"^### `([^`]+)`$", re.M)
VARIABLE = re.compile(r"\$\{?(\w+)[^}\s]*?\}|\$(\w+)")
BUILT_IN = {"__rate_interval", "__to"}
COMMANDS = {"hmget": {"field"}, "hgetall": set(), "zrange": {"min", "max"}}


def load(name: str) -> dict[str, Any]:
    return json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text())


def provisioned() -> dict[str, str]:
    """uid -> type of the data sources."""
    found = yaml.safe_load((GRAFANA / "provisioning/datasources/tallyworks.yaml").read_text())
    return {one["uid"]: one["type"] for one in found["datasources"]}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets(dashboard: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield panel["title"], target


# ---- shape ---------------------------------------------------------------------------------------

def check_places(name: str, all_panels: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in all_panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        must(cells and not cells & taken, f"{name}: {panel['title']} lies over another panel")
        must(place["x"] + place["w"] <= WIDTH, f"{name}: {panel['title']} is too wide")
        taken |= cells


def check_shape(name: str, dashboard: dict[str, Any]) -> None:
    must(dashboard["schemaVersion"] == SCHEMA_VERSION, f"{name}: {dashboard['schemaVersion']}")
    must(dashboard["uid"] == f"tallyworks-{name}" and dashboard["title"], f"{name}: its uid")
    ids = [panel["id"] for panel in dashboard["panels"]]
    must(len(ids) == len(set(ids)) and all(ids), f"{name}: panel ids {ids}")
    titles = [panel["title"] for panel in dashboard["panels"]]
    must(len(titles) == len(set(titles)) and all(titles), f"{name}: titles {titles}")
    check_places(name, dashboard["panels"])
    sources, known = provisioned(), BUILT_IN | {
        one["name"] for one in dashboard["templating"]["list"]}
    for panel in panels(dashboard):
        references = [target["refId"] for target in panel["targets"]]
        must(references and len(references) == len(set(references)), f"{panel['title']}: no query")
        must(panel["description"], f"{panel['title']}: no words on what it shows")
        for source in [panel["datasource"], *(one["datasource"] for one in panel["targets"])]:
            must(sources.get(source["uid"]) == source["type"], f"{panel['title']}: {source}")
        for names in VARIABLE.findall(json.dumps(panel)):
            variable = names[0] or names[1]
            must(variable in known, f"{panel['title']}: there is no variable {variable}")


def must_see_what_is_wrong(name: str) -> None:
    """Two panels with one id or in one place, a source or a variable that nobody knows."""
    def same_id(dashboard: dict[str, Any]) -> None:
        dashboard["panels"][1]["id"] = dashboard["panels"][2]["id"]

    def same_place(dashboard: dict[str, Any]) -> None:
        dashboard["panels"][1]["gridPos"] = dashboard["panels"][2]["gridPos"]

    def other_source(dashboard: dict[str, Any]) -> None:
        panels(dashboard)[0]["targets"][0]["datasource"] = {"uid": "mine", "type": "prometheus"}

    def other_variable(dashboard: dict[str, Any]) -> None:
        panels(dashboard)[0]["title"] = "$nobody"

    harms: tuple[Callable[[dict[str, Any]], None], ...] = (
        same_id, same_place, other_source, other_variable)
    for harm in harms:
        changed = copy.deepcopy(load(name))
        harm(changed)
        try:
            check_shape(name, changed)
        except Exception:  # Failed: seen
            continue
        must(False, f"{name}: nobody saw {harm.__name__}")


def check_shapes() -> None:
    found = sorted(path.stem for path in (GRAFANA / "dashboards").glob("*.json"))
    must(found == ["managers", "operators"], f"dashboards: {found}")
    for name in found:
        check_shape(name, load(name))
        must_see_what_is_wrong(name)
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/tallyworks.yaml").read_text())
    must(Path(provider["providers"][0]["options"]["path"]).is_absolute(), "dashboards: no path")


# ---- the queries ---------------------------------------------------------------------------------

def must_answer(prometheus: Prometheus) -> int:
    """The operators' expressions, over all workers."""
    asked = 0
    for title, target in targets(load("operators")):
        expression = target["expr"].replace("$__rate_interval", "5s").replace("$worker", ".+")
        # A rate needs two looks.
        ctl.eventually(lambda asks=expression: prometheus.query(asks),
                       f"{title}: nothing for {expression}")
        asked += 1
    must(prometheus.query("sum(") is None, "Prometheus takes what is no expression")
    return asked


def key_patterns() -> list[re.Pattern[str]]:
    """docs/REDIS.md's keys; what stands in <> is any text without a colon."""
    return [re.compile(re.sub(r"<[^>]+>", "[^:]+", key)) for key in
            KEY.findall((ROOT / "docs/REDIS.md").read_text())]


def command_of(target: dict[str, Any], values: dict[str, str]) -> list[str]:
    key = VARIABLE.sub(lambda found: values[found[0]], target["keyName"])
    bare = key.removeprefix(values["${prefix}"])
    must(key != bare and any(pattern.fullmatch(bare) for pattern in key_patterns()),
         f"docs/REDIS.md has no key {bare}")
    must(set(COMMANDS[target["command"]]) <= set(target), f"{target} lacks an argument")
    if target["command"] == "hmget":
        return ["HMGET", key, *target["field"].split()]
    if target["command"] == "zrange":
        return ["ZRANGE", key, target["min"], target["max"], "WITHSCORES"]
    return ["HGETALL", key]


def must_find(redis: Redis, values: dict[str, str]) -> int:
    """The managers' commands; values: what stands for each variable."""
    pages = (ROOT / "docs/REDIS.md").read_text()
    asked = 0
    for title, target in targets(load("managers")):
        for field in target.get("field", "").split():
            must(f"| `{field}` | integer |" in pages, f"{title}: there is no field {field}")
        words = command_of(target, values)
        must(any(redis.command(*words) or []), f"{title}: nothing for {' '.join(words)}")
        asked += 1
    return asked
