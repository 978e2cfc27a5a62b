#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does AsyncAPI's own parser take schemas/asyncapi.yaml, and would it say what is wrong with it?

make setup gets the parser, and node and npm for it. Where its npm reaches no registry this test is
skipped, and what test_schemas.py knows of asyncapi.yaml must do.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas"
CACHE = Path(os.environ.get("TALLY_CACHE") or Path(
    os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tallyworks")
PARSER = CACHE / "asyncapi"
SKIPPED = 77
# Reading a version behind the newest is meant: tools know 3.0.
MEANT = {"asyncapi-latest-version"}
# What is done to the document, and what the parser must name.
HARMS = {
    "action": ("action: receive", "action: recieve", "operations/"),
    "reference": ("'#/components/messages/order.created'", "'#/components/messages/order.made'",
                  "order.made"),
    "binding": ("partitions: 8", "partitions: '8'", "partitions"),
    "version": ("asyncapi: 3.0.0", "asyncapi: 9.0.0", "9.0.0"),
}


def ask(files: list[Path]) -> list[str]:
    script = ROOT / "tests/schemas/asyncapi.mjs"
    done = subprocess.run(["node", str(script), str(PARSER), *map(str, files)], text=True,
                          capture_output=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def harmed(folder: Path, name: str, old: str, new: str) -> Path:
    text = (SCHEMAS / "asyncapi.yaml").read_text()
    assert old in text, f"{name}: there is no {old}"
    path = folder / f"{name}.yaml"
    path.write_text(text.replace(old, new))
    return path


def main() -> int:
    if not shutil.which("node") or not (PARSER / "node_modules/@asyncapi/parser").exists():
        print(f"NOT RUN: there is no node, or make setup could not get the parser ({PARSER})")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="tally-asyncapi-") as name:
        folder = Path(name) / "schemas"
        shutil.copytree(SCHEMAS, folder)
        worse = {what: harmed(folder, what, *words[:2]) for what, words in HARMS.items()}
        said = ask([SCHEMAS / "asyncapi.yaml", *worse.values()])
    own = [line for line in said if line.startswith(f"{SCHEMAS}/asyncapi.yaml: ")]
    findings = [line for line in own if not MEANT & set(line.split())]
    assert findings == [f"{SCHEMAS}/asyncapi.yaml: 3.0.0"], "\n".join(findings)
    for what, path in worse.items():
        errors = [line for line in said if line.startswith(f"{path}: error")]
        assert any(HARMS[what][2] in line for line in errors), f"{what}: {errors}"
    print(f"asyncapi.yaml is taken, {len(worse)} worse ones are not")
    return 0


if __name__ == "__main__":
    sys.exit(main())
