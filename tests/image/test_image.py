#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""deploy/Dockerfile gives images that work, shown without a container engine.

Each stage is a folder that debootstrap filled with the base image's Debian; its COPY steps copy,
its RUN steps run in it (chroot), with apt set up as on this machine. Then the workers of image
`product` run against a real broker and a real Redis, its health check answers, and image `demo`
plays a small demo against them.

`make image` runs it: as root, with debootstrap. It takes about ten minutes and fetches Debian
packages. TALLY_TEST_IMAGE may name a folder that holds the base already.
"""
from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from rig import ROOT  # noqa: E402
from rig.servers import Broker, RedisServer  # noqa: E402
from rig.stage import main, must  # noqa: E402

DOCKERFILE = "deploy/Dockerfile"
WORKERS = ("orders", "commissions", "scoreboard")
STEP_S = 1800
READY_S = 60


@dataclass
class Stage:
    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)


def stages_of(text: str) -> list[Stage]:
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.M))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, joined.split("\n"))):
        word, rest = line.split(" ", 1)
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(name, base))
        else:
            found[-1].steps.append((word, rest.strip()))
    return found


def suite_of(base: str) -> str:
    matched = re.fullmatch(r"debian:(\w+)-slim", base)
    must(matched, f"the base {base} is no Debian that debootstrap could make")
    assert matched
    return matched[1]


def is_ignored(path: str) -> bool:
    return any(fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f"{pattern}/*")
               or fnmatch.fnmatch(f"/{path}", pattern.replace("**", "*"))
               for pattern in (ROOT / ".dockerignore").read_text().split())


def in_root(root: Path, environment: dict[str, str], folder: str, *words: str,
            user: str = "") -> subprocess.CompletedProcess[str]:
    """A command inside, with /proc for its time only."""
    change = ["chroot", *([f"--userspec={user}"] if user else []), str(root)]
    inner = " ".join(["mount -t proc proc", shlex.quote(f"{root}/proc"), "&& exec", *change,
                      "/bin/sh -c", shlex.quote(f"cd {folder} && exec \"$@\""), "sh",
                      *map(shlex.quote, words)])
    return subprocess.run(["unshare", "--mount", "sh", "-c", inner], text=True, env=environment,
                          capture_output=True, timeout=STEP_S, check=False)


class Image:
    """A stage as a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder, self.user, self.command = root, "/", "", [""]
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                            "HOME": "/root", "LC_ALL": "C.UTF-8"}

    def like(self, other: "Image") -> None:
        self.folder, self.user = other.folder, other.user
        self.environment = dict(other.environment)

    def place(self, name: str) -> Path:
        return self.root / os.path.join(self.folder, name).lstrip("/")

    def copy(self, rest: str, images: dict[str, "Image"]) -> None:
        words = rest.split()
        source = ROOT
        if words[0].startswith("--from="):
            source = images[words.pop(0).removeprefix("--from=")].root
        *names, to = words
        target = self.place(to)
        for name in names:
            found = sorted(source.glob(name.strip("/"))) if name != "." else [source]
            must(found, f"COPY {rest}: {name} does not exist")
            for path in found:
                self.copy_one(path, target, to.endswith("/") and path.is_file())

    def copy_one(self, path: Path, target: Path, into: bool) -> None:
        if path.is_file():
            target = target / path.name if into else target
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
            return
        for name in path.rglob("*"):
            relative = name.relative_to(path)
            if name.is_file() and not (path == ROOT and is_ignored(str(relative))):
                (target / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(name, target / relative)

    def run(self, words: list[str], user: str = "") -> str:
        done = in_root(self.root, self.environment, self.folder, *words, user=user)
        must(done.returncode == 0, f"{' '.join(words)}: status {done.returncode}\n"
             f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def step(self, word: str, rest: str, images: dict[str, "Image"]) -> None:
        if word == "WORKDIR":
            self.folder = rest
            self.place(".").mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            name, _, value = rest.partition("=")
            self.environment[name] = value
        elif word == "COPY":
            self.copy(rest, images)
        elif word == "RUN":
            self.run(["/bin/sh", "-c", rest])
        elif word == "USER":
            self.user = "" if rest == "root" else rest
        elif word == "CMD":
            self.command = json.loads(rest)
        else:
            must(word in ("EXPOSE", "HEALTHCHECK"), f"what is {word}?")


def base_folder(scratch: Path, base: str) -> Path:
    given = Path(os.environ.get("TALLY_TEST_IMAGE", scratch))
    if (given / "etc/debian_version").exists():
        return given
    root = scratch / "base"
    done = subprocess.run(["debootstrap", "--variant=minbase", suite_of(base), str(root)],
                          text=True, capture_output=True, timeout=STEP_S, check=False)
    must(done.returncode == 0, f"debootstrap: {done.stdout[-2000:]}")
    return root


def build(scratch: Path) -> dict[str, Image]:
    images: dict[str, Image] = {}
    stages = stages_of((ROOT / DOCKERFILE).read_text())
    base = base_folder(scratch, stages[0].base)
    for stage in stages:
        image = Image(scratch / stage.name)
        below = images.get(stage.base)
        subprocess.run(["cp", "-a", str(below.root if below else base), str(image.root)],
                       check=True)
        if below:
            image.like(below)
        for name in ("resolv.conf", "hosts"):
            shutil.copy2(f"/etc/{name}", image.root / "etc" / name)
        shutil.copytree("/etc/apt/apt.conf.d", image.root / "etc/apt/apt.conf.d",
                        dirs_exist_ok=True)
        for word, rest in stage.steps:
            started = time.monotonic()
            image.step(word, rest, images)
            print(f"{time.monotonic() - started:6.1f} s  {stage.name}: {word} {rest[:70]}",
                  flush=True)
        images[stage.name] = image
    return images


def start_worker(image: Image, name: str, place: dict[str, str], log: Path) -> subprocess.Popen:
    """As compose does it; only the first can have the image's port on this machine."""
    more = {} if name == WORKERS[0] else {"TALLY_HTTP_ADDRESS": "off"}
    with open(log, "ab") as file:
        return subprocess.Popen(["chroot", f"--userspec={image.user}", str(image.root),
                                 f"tally-{name}"], env={**image.environment, **place, **more},
                                stdin=subprocess.DEVNULL, stdout=file, stderr=file)


def wait_ready(image: Image) -> None:
    deadline = time.monotonic() + READY_S
    while in_root(image.root, image.environment, "/", "tally-health", "readyz",
                  user=image.user).returncode:
        must(time.monotonic() < deadline, "the health check never answered 200")
        time.sleep(0.5)


def must_work(images: dict[str, Image], scratch: Path) -> None:
    product, demo = images["product"], images["demo"]
    must("usage: tallyctl" in product.run(product.command, product.user), "the image's command")
    broker, redis = Broker(scratch / "broker"), RedisServer(scratch / "redis")
    running: list[subprocess.Popen] = []
    try:
        broker.start()
        redis.start()
        place = {"TALLY_BROKERS": broker.address, "TALLY_REDIS_URL": redis.url}
        for image in (product, demo):
            image.environment.update(place)
        product.run(["tallyctl", "topics", "create"], product.user)
        running = [start_worker(product, name, place, scratch / f"{name}.log") for name in WORKERS]
        wait_ready(product)
        demo.environment["DEMO_ORDERS"] = "1000"
        said = demo.run(demo.command, demo.user)
        must("all as the books say" in said, f"the demo: {said}")
        print(next(line for line in said.splitlines() if "all as the books say" in line))
    finally:
        for worker in running:
            worker.terminate()
        for worker in running:
            must(worker.wait(30) == 0, f"a worker ended with status {worker.returncode}")
        redis.stop()
        broker.stop()


def test() -> None:
    with tempfile.TemporaryDirectory(prefix="tally-image-") as name:
        must_work(build(Path(name)), Path(name))


if __name__ == "__main__":
    if os.geteuid() or not shutil.which("debootstrap"):
        sys.exit("image: it takes root and debootstrap")
    main(test)
