#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/ADD-A-WORKER.md, followed word by word in a copy of the tree, gives a running worker.

Above each code block stands what to do with it: "Write `path`" or "In `path`, below `line` [and the
line under it], add". Shell blocks are run in the order of the page, in one shell; a text block
below one is how what it prints must end. Only its ports are replaced by free ones. What the page
adds to existing files counts: at most four of them.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rig import ROOT, free_port
from rig.stage import main, must

PAGE = "docs/ADD-A-WORKER.md"
EXISTING_FILES_MOST = 4
STEP_S = 400
PORTS = ("19292", "19379", "19641")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)
WRITE = re.compile(r"^Write `([^`]+)`$")
ADD = re.compile(r"^In `([^`]+)`, below `([^`]+)`( and the line under it)?, add$")


@dataclass
class Block:
    before: str  # the last paragraph above it, in one line
    language: str
    text: str


def blocks_of(page: str) -> list[Block]:
    found, end = [], 0
    for match in BLOCK.finditer(page):
        paragraphs = page[end:match.start()].strip().split("\n\n")
        found.append(Block(paragraphs[-1].replace("\n", " "), match[1], match[2]))
        end = match.end()
    return found


def copy_tree(to: Path) -> None:
    """What git knows and does not ignore, so that nothing built here helps."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT,
                           capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def write_file(tree: Path, name: str, text: str) -> None:
    path = tree / name
    must(not path.exists(), f"the page writes {name}, which exists")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def add_lines(tree: Path, name: str, line: str, skip: int, text: str) -> None:
    path = tree / name
    lines = path.read_text().split("\n")
    must(lines.count(line) == 1, f"{name} has {line!r} {lines.count(line)} times, not once")
    at = lines.index(line) + 1 + skip
    path.write_text("\n".join(lines[:at] + text.rstrip("\n").split("\n") + lines[at:]))


class Shell:
    """One shell for all of the page, so that what one block exports the next one has."""

    def __init__(self, tree: Path, more: dict[str, str] | None = None) -> None:
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("TALLY_") or name == "TALLY_CACHE"}
        environment.update(more or {})
        self.log = tree / "shell.log"
        self.process = subprocess.Popen(
            ["bash", "-u"], cwd=tree, env=environment, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.log.open("w"))

    def run(self, text: str) -> str:
        assert self.process.stdin and self.process.stdout
        # In the shell itself, not in a child; its input must not eat what follows.
        self.process.stdin.write(f"{{ set -e\n{text}}} </dev/null\nset +e\necho '---done---'\n")
        self.process.stdin.flush()
        said: list[str] = []
        for line in self.process.stdout:
            if line == "---done---\n":
                return "".join(said)
            said.append(line)
        raise RuntimeError(f"this ended the shell:\n{text}\nit said:\n{''.join(said)}"
                           f"{self.log.read_text()[-3000:]}")

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(STEP_S)


def end_what_runs(tree: Path) -> None:
    """Where the page was not followed to its end."""
    for kind in ("broker", "redis"):
        if (tree / "build/try" / kind).exists():
            subprocess.run([str(tree / f"deploy/local/{kind}.sh"), "stop",
                            str(tree / "build/try" / kind)], check=False)
    pid = tree / "build/try/quotes.pid"
    if pid.exists():
        subprocess.run(["kill", "-KILL", pid.read_text().strip()], check=False,
                       stderr=subprocess.DEVNULL)


def follow(tree: Path, blocks: list[Block]) -> set[str]:
    """Does what the page says; the existing files that it adds to."""
    touched: set[str] = set()
    shell, printed, started = Shell(tree), None, time.monotonic()
    try:
        for block in blocks:
            write, add = WRITE.match(block.before), ADD.match(block.before)
            if block.language == "sh":
                printed = shell.run(block.text)
                print(f"{time.monotonic() - started:6.1f} s  {block.text.splitlines()[0]}",
                      flush=True)
            elif block.language == "text" and not write:
                must(printed is not None and f"\n{printed}".endswith(f"\n{block.text}"),
                     f"the page shows\n{block.text}and there was\n{printed}"
                     f"{shell.log.read_text()[-3000:]}")
            elif write:
                write_file(tree, write[1], block.text)
            else:
                must(add, f"what is to be done with the block below {block.before!r}?")
                add_lines(tree, add[1], add[2], 1 if add[3] else 0, block.text)
                touched.add(add[1])
    finally:
        shell.close()
        end_what_runs(tree)
    return touched


def must_keep_the_laws(tree: Path) -> None:
    """The new files are as tidy as the others."""
    done = subprocess.run(["python3", "tests/tidy/tidy.py"], cwd=tree, text=True,
                          capture_output=True)
    must(done.returncode == 0, f"tidy: {done.stdout}")


def page_with_free_ports() -> str:
    page = (ROOT / PAGE).read_text()
    for port in PORTS:
        page = page.replace(port, str(free_port()))
    return page


def test() -> None:
    blocks = blocks_of(page_with_free_ports())
    must(len(blocks) > 10, f"{PAGE} has only {len(blocks)} blocks")
    tree = Path(tempfile.mkdtemp(prefix="tally-add-a-worker-"))
    try:
        copy_tree(tree)
        touched = follow(tree, blocks)
        must(len(touched) <= EXISTING_FILES_MOST, f"the page adds to {sorted(touched)}")
        must_keep_the_laws(tree)
        for name, words in (("REDIS", "quotes:<payee_id>:<month>"), ("TOPICS", "`quotes.dlq`"),
                            ("METRICS", "- quotes: ")):
            must(words in (tree / "docs" / f"{name}.md").read_text(), f"{name}.md: no {words}")
        print(f"existing files that got lines: {', '.join(sorted(touched))}")
    finally:
        shutil.rmtree(tree, ignore_errors=True)


if __name__ == "__main__":
    main(test)
