#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` puts on a machine: programs that run, man pages without a fault that have
every command, flag and option, and a bash completion that knows them."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from rig import ROOT, program, programs
from rig.stage import main, must
from rig.workers import WORKERS

FLAG = re.compile(r"^  (--[a-z-]+)", re.M)
BEGIN = """
source "$1"; shift
compopt() { :; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_tally "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def call(*words: str) -> str:
    done = subprocess.run(words, text=True, capture_output=True, timeout=180, check=False)
    must(done.returncode == 0, f"{words}: {done.stdout}{done.stderr}")
    return done.stdout


def commands() -> list[str]:
    listed = call(program("tallyctl"), "--help").split("Flags:")[0]
    return re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +\S", listed, re.M)


def flags(*words: str) -> set[str]:
    return set(FLAG.findall(call(*words, "--help")))


# ---- man pages -----------------------------------------------------------------------------------

def page(path: Path) -> str:
    """As a reader sees it; groff must have nothing to say."""
    words = ["groff", "-man", "-Tascii", "-P-cbou", "-ww", "-rLL=500n", str(path)]
    done = subprocess.run(words, text=True, capture_output=True, timeout=180, check=False)
    must(done.returncode == 0 and not done.stderr, f"{path.name}: {done.stderr}")
    return done.stdout


def check_pages(folder: Path) -> None:
    found = sorted(path.name for path in folder.rglob("*.[15]"))
    wanted = ["tallyctl.1", "tallyworks.conf.5",
              *(f"tally-{name}.1" for name in ("dashboard", *WORKERS))]
    must(found == sorted(wanted), f"man pages: {found}")
    text = page(folder / "man1/tallyctl.1")
    options = {"--" + name.replace(".", "-") for name in re.findall(
        r"^ +([a-z.]+) = ", page(folder / "man5/tallyworks.conf.5"), re.M)}
    must(len(options) > 20, f"tallyworks.conf(5) has only {options}")
    for command in commands():
        section = re.search(rf"^   {command}\b.*?(?=^   \S|^\S)", text, re.M | re.S)
        must(section, f"tallyctl(1) lacks {command}")
        assert section
        have = set(re.findall(r"^ +(--[a-z-]+)", section[0], re.M))
        own = flags(program("tallyctl"), *command.split()) - flags(program("tallyctl"))
        must(have == own, f"tallyctl(1), {command}: {have}, not {own}")
    for worker in ("dashboard", *WORKERS):
        text = page(folder / f"man1/tally-{worker}.1")
        missing = flags(program(f"tally-{worker}")) - options - set(
            re.findall(r"^ +(--[a-z-]+)", text, re.M))
        must(not missing, f"tally-{worker}(1) lacks {missing}")


# ---- bash ----------------------------------------------------------------------------------------

def completed(script: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    return set(call("bash", "-c", BEGIN, "bash", str(script), *words).split("\n")) - {""}


def check_completion(folder: Path) -> None:
    names = ["tallyctl", "tally-dashboard", *(f"tally-{worker}" for worker in WORKERS)]
    found = sorted(path.name for path in folder.iterdir())
    must(found == sorted(names), f"completions: {found}")
    script = folder / "tallyctl"

    def offers(words: str, *wanted: str) -> None:
        have = completed(script, *words.split(" "))
        must(have == set(wanted), f"{words}: {sorted(have)}, not {sorted(wanted)}")

    firsts = {command.split()[0] for command in commands()}
    offers("tallyctl ", *firsts)
    offers("tallyctl dl", "dlq")
    offers("tallyctl dlq ", *(one.split()[1] for one in commands() if one.startswith("dlq ")))
    offers("tallyctl --log-level debug topi", "topics")
    offers("tallyctl lag --w", "--wait", "--worker")
    offers("tallyctl lag --worker ", *WORKERS)
    offers("tallyctl --log-format = j", "json")
    offers("tallyctl dlq list --reason over_", "over_payment", "over_refund")
    offers("tally-orders --set flush.interval.m", "flush.interval.ms=", "flush.interval.max.ms=")
    offers("tally-orders --desc", "--describe")
    offers("tally-orders --config CMakeL", "CMakeLists.txt")
    offers("tally-dashboard --desc")
    for command in commands():
        have = completed(script, "tallyctl", *command.split(), "--")
        own = flags(program("tallyctl"), *command.split())
        must(have == own, f"tallyctl {command}: {sorted(have ^ own)}")
    if shutil.which("shellcheck"):
        call("shellcheck", str(script))


def test() -> None:
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory(prefix="tally-install-") as name:
        call("cmake", "--install", str(programs().resolve().parent), "--prefix", name)
        folder = Path(name)
        for one in ("tallyctl", "tally-dashboard", *(f"tally-{worker}" for worker in WORKERS)):
            must(call(str(folder / "bin" / one), "--version").startswith(one), f"{one} --version")
        check_pages(folder / "share/man")
        check_completion(folder / "share/bash-completion/completions")
        must((folder / "lib/systemd/system/tally-worker@.service").exists(), "no unit")


if __name__ == "__main__":
    main(test)
