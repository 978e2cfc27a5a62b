#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is in deploy/ for others' machines is sound, as far as it shows without an engine.

docker-compose.yml: read by a YAML library, shaped as the compose specification wants it, every
worker in it, every TALLY_ variable an option. The units: systemd itself verifies them and finds
them confined. In both the dashboard asks every worker where that listens. That the images work is
shown by `make image`.
"""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from rig import ROOT, program
from rig.stage import main, must
from rig.workers import WORKERS

CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
# The compose specification's keys of a service, as far as they are used here.
SERVICE_KEYS = {"build", "image", "command", "environment", "depends_on", "restart", "ports",
                "stop_grace_period", "volumes", "healthcheck", "profiles"}
HEALTH_KEYS = {"test", "interval", "timeout", "start_period", "retries", "disable"}
DURATION = re.compile(r"\d+(ms|s|m|h)")
PORT = re.compile(r"127\.0\.0\.1:\d+:\d+")
EXPOSURE_MOST = 2.0  # systemd's own measure: 0 is none, 10 is all


def call(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, text=True, capture_output=True, timeout=180, check=False, **more)


# ---- docker-compose.yml --------------------------------------------------------------------------

def check_health(name: str, health: dict[str, Any]) -> None:
    must(set(health) <= HEALTH_KEYS, f"{name}: healthcheck {set(health) - HEALTH_KEYS}")
    if health.get("disable"):
        return
    must(health["test"][0] in ("CMD", "CMD-SHELL"), f"{name}: {health['test']}")
    for key in ("interval", "timeout", "start_period"):
        must(DURATION.fullmatch(health.get(key, "1s")), f"{name}: {key} {health.get(key)}")


def check_service(name: str, service: dict[str, Any], all_services: dict[str, Any],
                  options: set[str]) -> None:
    must(set(service) <= SERVICE_KEYS, f"{name}: {set(service) - SERVICE_KEYS}")
    must(re.fullmatch(r"[a-z/-]+:[\w.-]+", service["image"]) and "latest" not in service["image"],
         f"{name}: the image {service['image']} has no fixed tag")
    for other, how in service.get("depends_on", {}).items():
        must(other in all_services and how["condition"] in CONDITIONS, f"{name} depends on {other}")
        must(how["condition"] != "service_healthy" or is_checked(all_services[other]),
             f"{name} waits for {other} to be healthy, which has no check")
    for port in service.get("ports", []):
        must(PORT.fullmatch(port), f"{name}: the port {port} is not for this machine alone")
    for variable, value in service.get("environment", {}).items():
        must(not isinstance(value, bool), f"{name}: {variable} must be quoted")
        must(not variable.startswith("TALLY_") or variable in options,
             f"{name}: there is no option {variable}")
    check_health(name, service.get("healthcheck", {"disable": True}))
    if "build" in service:
        text = (ROOT / service["build"]["dockerfile"]).read_text()
        must(f" AS {service['build']['target']}\n" in text, f"{name}: no such stage")


def is_checked(service: dict[str, Any]) -> bool:
    """By itself, or by the HEALTHCHECK of our image."""
    health = service.get("healthcheck", {})
    return not health.get("disable") and ("test" in health or "build" in service)


def option_variables() -> set[str]:
    done = call(program("tallyctl"), "--print-config", "--json")
    must(done.returncode == 0, f"--print-config --json: {done.stderr}")
    return {"TALLY_" + name.upper().replace(".", "_") for name in json.loads(done.stdout)}


def worker_names() -> list[str]:
    described = json.loads(call(program("tallyctl"), "describe", "--json").stdout)["workers"]
    return [one["worker"] for one in described]


def must_be_addresses(text: str, wanted: list[str]) -> None:
    """dashboard.workers: all workers and nobody else, as the dashboard itself reads it."""
    must(sorted(text.split(",")) == sorted(wanted), f"the dashboard asks {text}, not {wanted}")
    done = call(program("tally-dashboard"), "--check-config", "--set", f"dashboard.workers={text}")
    must(done.returncode == 0, f"dashboard.workers: {done.stderr}")


def check_asked(services: dict[str, Any]) -> None:
    """By the service's name, which is its host, at the port that the image listens on.

    A worker that came by docs/ADD-A-WORKER.md is asked when its makers say so.
    """
    text = (ROOT / "deploy/Dockerfile").read_text()
    port = re.findall(r"^ENV TALLY_HTTP_ADDRESS=0\.0\.0\.0:(\d+)$", text, re.M)[0]
    for name in WORKERS:
        must("TALLY_HTTP_ADDRESS" not in services[name]["environment"] and
             services[name]["ports"][0].endswith(f":{port}"), f"{name} listens elsewhere")
    must_be_addresses(services["dashboard"]["environment"]["TALLY_DASHBOARD_WORKERS"],
                      [f"{name}:{port}" for name in WORKERS])


def check_compose(compose: dict[str, Any]) -> None:
    services, options = compose["services"], option_variables()
    for name, service in services.items():
        check_service(name, service, services, options)
        for volume in service.get("volumes", []):
            must(volume.split(":")[0] in compose["volumes"], f"{name}: the volume {volume}")
    for worker in worker_names():
        service = services.get(worker)
        must(service and service["command"] == [f"tally-{worker}"],
             f"docker-compose.yml lacks worker {worker}")
        assert service
        must(service["depends_on"]["topics"]["condition"] == "service_completed_successfully",
             f"{worker} must wait for its topics")
    check_asked(services)
    must(services["dashboard"]["command"] == ["tally-dashboard-with-token"],
         "the dashboard's container must ask for a token")
    must(services["demo"]["profiles"] == ["demo"], "the demo must not start by itself")
    must("noeviction" in services["redis"]["command"], "Redis must never evict")


def must_see_what_is_wrong(compose: dict[str, Any]) -> None:
    """A worker forgotten, a port for the world, an option misspelt, nobody asked: none passes."""
    def forget(services: dict[str, Any]) -> None:
        del services["orders"]

    def open_port(services: dict[str, Any]) -> None:
        services["orders"]["ports"] = ["9641:9640"]

    def misspell(services: dict[str, Any]) -> None:
        services["orders"]["environment"] = {"TALLY_BROKER": "kafka:9092"}

    def ask_elsewhere(services: dict[str, Any]) -> None:
        services["dashboard"]["environment"]["TALLY_DASHBOARD_WORKERS"] = "orders:9641"

    def listen_elsewhere(services: dict[str, Any]) -> None:
        services["orders"]["environment"]["TALLY_HTTP_ADDRESS"] = "0.0.0.0:9000"

    for harm in (forget, open_port, misspell, ask_elsewhere, listen_elsewhere):
        changed = json.loads(json.dumps(compose))
        harm(changed["services"])
        try:
            check_compose(changed)
        except Exception:  # Failed, KeyError: seen
            continue
        must(False, f"nobody saw {harm.__name__}")


# ---- systemd -------------------------------------------------------------------------------------

def unit_for(folder: Path, worker: str) -> Path:
    """The unit as it is installed; that the program exists is all that is looked at."""
    if worker == "dashboard":  # with a token
        text = (ROOT / "deploy/systemd/tally-dashboard.service").read_text()
        text = re.sub(r"^#(LoadCredential|Environment)", r"\1", text, flags=re.MULTILINE)
        must("LoadCredential=token" in text and "%d/token" in text, "the unit has no token")
        path = folder / "tally-dashboard.service"
    else:
        text = (ROOT / "deploy/systemd/tally-worker@.service").read_text()
        path = folder / f"tally-{worker}@1.service"
    path.write_text(re.sub(r"/usr/bin/(%p|tally-dashboard)",
                           str(Path(program("tallyctl")).resolve()), text))
    (folder / f"{path.name}.d").mkdir()
    shutil.copy(ROOT / "deploy/systemd/secrets.conf", folder / f"{path.name}.d")
    return path


def check_units_asked() -> None:
    """The workers' own ports, docs/METRICS.md, which their unit leaves as they are."""
    unit = (ROOT / "deploy/systemd/tally-dashboard.service").read_text()
    must("TALLY_HTTP_ADDRESS" not in (ROOT / "deploy/systemd/tally-worker@.service").read_text(),
         "the workers' unit says where they listen")
    ports = dict(re.findall(r"^- (\w+): (\d+)$", (ROOT / "docs/METRICS.md").read_text(), re.M))
    must_be_addresses(re.findall(r"^Environment=TALLY_DASHBOARD_WORKERS=(.*)$", unit, re.M)[0],
                      [f"127.0.0.1:{ports[name]}" for name in WORKERS])


def check_units() -> None:
    check_units_asked()
    if not shutil.which("systemd-analyze"):
        print("systemd-analyze: NOT RUN: it is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="tally-units-") as name:
        for worker in (*WORKERS, "dashboard"):
            unit = unit_for(Path(name), worker)
            done = call("systemd-analyze", "verify", "--man=no", str(unit))
            must(done.returncode == 0 and not done.stderr, f"systemd-analyze verify: {done.stderr}")
            done = call("systemd-analyze", "security", "--offline=true",
                        f"--threshold={int(EXPOSURE_MOST * 10)}", str(unit))
            must(done.returncode == 0, f"systemd-analyze security: {done.stdout[-200:]}")
        broken = Path(name) / "tally-broken@1.service"
        broken.write_text(unit.read_text().replace("Type=notify", "Type=notfy"))
        done = call("systemd-analyze", "verify", "--man=no", str(broken))
        must(done.stderr, "systemd-analyze verify sees nothing")
    print(f"systemd-analyze: verified, exposure at most {EXPOSURE_MOST}")


def test() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    check_compose(compose)
    must_see_what_is_wrong(compose)
    print(f"docker-compose.yml: {len(compose['services'])} services")
    check_units()


if __name__ == "__main__":
    main(test)
