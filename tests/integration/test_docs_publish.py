#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/PUBLISH.md does what it says: each shell block is run, each program is sent off.

C, Java and Python are always run, Go where there is Go. Every order that was sent must have been
taken from the right partition, and paid.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rig import ROOT, free_port, programs
from rig.redis import Redis
from rig.stage import main, must
from test_add_a_worker import WRITE, Block, Shell, blocks_of, write_file

PAGE = "docs/PUBLISH.md"
PORTS = ("19392", "19479")


def cache_dir() -> Path:
    done = subprocess.run(["bash", "-c", ". deploy/local/lib.sh; cache_dir"], cwd=ROOT, text=True,
                          capture_output=True, check=True)
    return Path(done.stdout.strip())


def languages_here() -> dict[str, str]:
    """Language -> "" or why it is not run."""
    return {"C": "", "Java": "", "Python": "", "Go": "" if shutil.which("go") else "there is no Go"}


def make_environment(tree: Path) -> dict[str, str]:
    """What a reader has: programs in build/release/bin, librdkafka by pkg-config, Kafka's jars."""
    cache = cache_dir()
    (tree / "build/release").mkdir(parents=True)
    (tree / "build/publish").mkdir()
    (tree / "build/release/bin").symlink_to(programs().resolve())
    (tree / "deploy").symlink_to(ROOT / "deploy")
    static = (cache / "prefix/lib/pkgconfig/rdkafka-static.pc").read_text()
    (tree / "rdkafka.pc").write_text(static.replace(
        "\nLibs:", "\nRequires: libssl libcrypto zlib liblz4 libzstd\nLibs:"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "PKG_CONFIG_PATH": str(tree), "KAFKA_LIB": str(cache / "kafka/lib")}


def language_of(page: str, block: Block) -> str | None:
    """The language whose section a block stands in."""
    before = page[:page.index(block.text)]
    heading = before.rpartition("\n## ")[2]
    return heading.rpartition("\n### ")[2].split("\n", 1)[0] if "\n### " in heading else None


def follow(tree: Path, page: str, missing: dict[str, str], environment: dict[str, str]) -> None:
    shell, printed = Shell(tree, environment), ""
    try:
        for block in blocks_of(page):
            write = WRITE.match(block.before)
            language = language_of(page, block)
            if language and missing[language]:
                continue
            if write:
                write_file(tree, write[1], block.text)
            elif block.language == "sh":
                printed = shell.run(block.text)
            else:
                must(f"\n{printed}".endswith(f"\n{block.text}"),
                     f"the page shows\n{block.text}and there was\n{printed}"
                     f"{shell.log.read_text()[-3000:]}")
        shell.run("$bin/tallyctl lag --wait --timeout 60 >build/publish/lag.txt\n")
    finally:
        shell.close()


def must_have_taken(redis_port: str, missing: dict[str, str]) -> None:
    with Redis(f"redis://127.0.0.1:{redis_port}") as redis:
        for language, why in missing.items():
            if why:
                print(f"{language}: NOT RUN: {why}", flush=True)
                continue
            order = redis.command("GET", f"tally:order:o-{language.lower()}")
            must(order and '"collected":100000' in order, f"{language}: the order is {order}")
            print(f"{language}: ran; order o-{language.lower()} is paid", flush=True)


def stop_all(tree: Path) -> None:
    pids = tree / "build/publish/pids"
    if pids.exists():
        for pid in pids.read_text().split():
            subprocess.run(["kill", "-KILL", pid], check=False, stderr=subprocess.DEVNULL)
    for kind in ("broker", "redis"):
        if (tree / "build/publish" / kind).exists():
            subprocess.run([str(ROOT / f"deploy/local/{kind}.sh"), "stop",
                            str(tree / "build/publish" / kind)], check=False)


def test() -> None:
    page, ports = (ROOT / PAGE).read_text(), {port: str(free_port()) for port in PORTS}
    for port, free in ports.items():
        page = page.replace(port, free)
    tree = Path(tempfile.mkdtemp(prefix="tally-publish-"))
    try:
        missing = languages_here()
        follow(tree, page, missing, make_environment(tree))
        must_have_taken(ports[PORTS[1]], missing)
    finally:
        stop_all(tree)
        shutil.rmtree(tree, ignore_errors=True)


if __name__ == "__main__":
    main(test)
