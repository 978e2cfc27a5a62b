# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus on loopback, with the files of deploy/prometheus, and promtool."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from . import ROOT, free_port
from .workers import die_with_parent

DEPLOY = ROOT / "deploy" / "prometheus"
TIMEOUT_S = 60


def cache_dir() -> Path:
    return Path(os.environ.get("TALLY_CACHE") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tallyworks")


def binary(name: str) -> str:
    """What make setup unpacked, or the system's."""
    own = cache_dir() / "prometheus" / name
    found = str(own) if own.exists() else shutil.which(name)
    if not found:
        raise SystemExit(f"no {name}: run make setup")
    return found


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([binary("promtool"), *words], text=True, capture_output=True,
                          timeout=180, check=False)


def configuration(targets: list[str]) -> dict[str, Any]:
    """That of deploy/, with other targets and a look every half second."""
    found = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())
    found["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms",
                       "scrape_timeout": "500ms"}
    found["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
    return found


class Prometheus:
    def __init__(self, folder: Path, targets: list[str]) -> None:
        self.folder, self.targets = folder, targets
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Prometheus":
        self.folder.mkdir(parents=True)
        config = self.folder / "prometheus.yaml"
        config.write_text(json.dumps(configuration(self.targets)))
        shutil.copy(DEPLOY / "alerts.yaml", self.folder)
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [binary("prometheus"), f"--config.file={config}",
                 f"--web.listen-address={address}", f"--storage.tsdb.path={self.folder}/data"],
                stdout=log, stderr=log, preexec_fn=die_with_parent)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait(TIMEOUT_S)

    def get(self, path: str, **parameters: str) -> Any:
        """The answer's data, or None while there is none to be had (starting, a wrong query)."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
                return json.load(answer)["data"]
        except (urllib.error.URLError, ConnectionError):
            return None

    def query(self, expression: str) -> list[dict[str, Any]] | None:
        """An instant vector; None: the expression is not valid."""
        data = self.get("query", query=expression)
        return None if data is None else data["result"]
