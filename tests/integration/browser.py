# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, driven over the WebDriver protocol (W3C) by Debian's chromedriver.

What a test asks for is what a reader sees: texts, links by their words, rows of tables. Waiting is
always for a condition. Standard library only.
"""
from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from rig import free_port
from rig.stage import must
from rig.workers import die_with_parent

WAIT_S = 120.0  # on a busy machine
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name of a reference
BACKSPACE, TAB, ENTER = "\ue003", "\ue004", "\ue007"
ARGUMENTS = ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-extensions",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--hide-scrollbars", "--force-color-profile=srgb", "--disable-dev-shm-usage"]

# The page marks when all its figures are there; what was loaded for it, with the bytes it took.
LOADED = """
const parts = [...performance.getEntriesByType("navigation"),
	...performance.getEntriesByType("resource")];
return { shown: performance.getEntriesByName("shown")[0]?.startTime ?? null,
	parts: parts.map((one) => [one.name.replace(location.origin, ""), one.transferSize]) };
"""


@dataclass
class Load:
    shown_ms: float
    parts: list[tuple[str, int]]

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.parts)


def quoted(text: str) -> str:
    """A text for XPath, which knows no escapes."""
    if '"' not in text:
        return f'"{text}"'
    return "concat(" + ", '\"', ".join(f'"{part}"' for part in text.split('"')) + ")"


class Gone(Exception):
    """What was found is no longer in the page."""


class Browser:
    def __init__(self, folder: Path, logs: Path) -> None:
        driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
        if not driver or not chromium:
            raise RuntimeError("chromium and chromium-driver are needed: make setup")
        self.port = free_port()
        self.log = (logs / "chromedriver.log").open("wb")
        # Its profile and caches stay in the folder.
        environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8",
                       "TZ": "Asia/Shanghai"}
        self.process = subprocess.Popen([driver, f"--port={self.port}"], stdout=self.log,
                                        stderr=self.log, env=environment,
                                        preexec_fn=die_with_parent)
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        wanted = {"browserName": "chrome", "pageLoadStrategy": "none",
                  "goog:loggingPrefs": {"browser": "ALL"},
                  "goog:chromeOptions": {"binary": chromium, "args": [
                      *ARGUMENTS, *sandbox, "--lang=en", f"--user-data-dir={folder / 'profile'}"]}}
        self.session = ""
        try:
            self.until(self.answers, "chromedriver does not answer")
            self.session = self.ask("POST", "/session", {
                "capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            if self.session:
                self.ask("DELETE", f"/session/{self.session}")
        except (OSError, RuntimeError):
            pass
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

    # ---- the protocol ----

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, json.dumps(body if body is not None else {})
                           if method == "POST" else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        value = json.loads(answer.read())["value"]
        connection.close()
        if answer.status == 200:
            return value
        if value["error"] in ("stale element reference", "element not interactable",
                              "element click intercepted", "no such element"):
            raise Gone(value["message"].split("\n")[0])
        raise RuntimeError(f"{path}: {value['error']}: {value['message'][:500]}")

    def of(self, path: str, body: Any = None, method: str = "POST") -> Any:
        return self.ask(method, f"/session/{self.session}{path}", body)

    def answers(self) -> bool:
        must(self.process.poll() is None, "chromedriver ended")
        try:
            return bool(self.ask("GET", "/status")["ready"])
        except OSError:
            return False

    def run(self, script: str, *words: Any) -> Any:
        """A function's body in the page; its `return`."""
        return self.of("/execute/sync", {"script": script, "args": list(words)})

    def command(self, name: str, **parameters: Any) -> Any:
        """Of the DevTools protocol."""
        return self.of("/goog/cdp/execute", {"cmd": name, "params": parameters})

    @staticmethod
    def until(found: Callable[[], Any], words: str | Callable[[], str]) -> Any:
        """The first true answer; a page that is being changed is asked again."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                if value := found():
                    return value
            except Gone:
                pass
            must(time.monotonic() < deadline, words if isinstance(words, str) else words())
            time.sleep(0.05)

    # ---- what a reader does ----

    def open(self, url: str) -> None:
        self.of("/url", {"url": url})

    def load(self, url: str, *words: str) -> Load:
        """Opens it as if for the first time, until the words can be read and all is shown."""
        self.command("Network.enable")
        self.command("Network.setCacheDisabled", cacheDisabled=True)
        self.open("about:blank")
        self.open(url)
        self.sees(*words)
        loaded = self.until(lambda: found if (found := self.run(LOADED))["shown"] else None,
                            "the page does not say when it was shown")
        self.command("Network.setCacheDisabled", cacheDisabled=False)
        return Load(loaded["shown"], loaded["parts"])

    def elements(self, xpath: str) -> list[str]:
        found = self.of("/elements", {"using": "xpath", "value": xpath})
        return [one[ELEMENT] for one in found]

    def click_at(self, xpath: str) -> None:
        def once() -> bool:
            found = self.elements(xpath)
            if found:
                self.of(f"/element/{found[0]}/click")
            return bool(found)
        self.until(once, lambda: f"nothing to click at {xpath}:\n{self.text()[:1500]}")

    def click(self, words: str, inside: str = "//body") -> None:
        """A link, button or summary by what can be read on it."""
        said = f"normalize-space() = {quoted(words)}"
        self.click_at(f"{inside}//*[(self::a or self::button) and {said}]"
                      f" | {inside}//summary[{said} or */text() = {quoted(words)} or"
                      f" text() = {quoted(words)}]")

    def type(self, xpath: str, text: str) -> None:
        def once() -> bool:
            found = self.elements(xpath)
            if found:
                self.of(f"/element/{found[0]}/clear")
                self.of(f"/element/{found[0]}/value", {"text": text})
            return bool(found)
        self.until(once, f"nothing to type into at {xpath}")

    def keys(self, text: str) -> None:
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.of("/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def text(self) -> str:
        return self.run("return document.body ? document.body.innerText : ''")

    def sees(self, *words: str) -> str:
        """Waits until all can be read; the page's text."""
        def look() -> str:
            shown = self.text()
            return shown if all(one in shown for one in words) else ""
        return self.until(look, lambda: f"{[one for one in words if one not in self.text()]} "
                          f"cannot be read on {self.address()}:\n{self.text()[:2500]}")

    def address(self) -> str:
        return self.run("return location.href")

    # ---- what it looks like ----

    def size(self, width: int, height: int, phone: bool = False) -> None:
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=2 if phone else 1, mobile=phone)

    def dark(self, on: bool) -> None:
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if on else "light"}])

    def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.of("/screenshot", method="GET")))

    def complaints(self) -> list[str]:
        """Errors and warnings of the console since the last call: scripts, policy, network."""
        return [f"{one['source']}: {one['message']}" for one in self.of("/se/log", {
            "type": "browser"}) if one["level"] in ("SEVERE", "WARNING")]
