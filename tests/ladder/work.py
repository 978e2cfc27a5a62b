# SPDX-License-Identifier: Apache-2.0
"""The ladder's input and its expected result for a count and a seed, made once and kept.

They lie in build/ladder (TALLY_LADDER_DIR), in a folder whose name changes with the generator's
and the oracle's text, so that a kept result is never older than the program that made it.
"""
from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import generate  # noqa: E402
import oracle  # noqa: E402


class Ladder:
    def __init__(self, count: int, seed: int = 1) -> None:
        text = (HERE / "generate.py").read_bytes() + (HERE / "oracle.py").read_bytes()
        mark = hashlib.sha256(text).hexdigest()[:12]
        base = Path(os.environ.get("TALLY_LADDER_DIR") or HERE.parents[1] / "build" / "ladder")
        self.count, self.seed = count, seed
        self.folder = base / f"{count}-{seed}-{mark}"
        self.people_file = self.folder / "people.json"
        self.events_file = self.folder / "events.tsv"
        self._make()
        self.people: dict[str, dict] = json.loads(self.people_file.read_text())

    def _make(self) -> None:
        if self.events_file.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"part-{os.getpid()}"
        people = generate.write_people(str(part))
        part.rename(self.people_file)
        generate.write_events(str(part), self.count, self.seed, people)
        part.rename(self.events_file)  # whole or not there, also where others make the same

    def expected(self, limit: int = 0) -> oracle.Expected:
        """What the first `limit` events must come to (0: all)."""
        path = self.folder / f"expected-{limit}.pickle"
        if path.exists():
            with open(path, "rb") as file:
                return pickle.load(file)
        expected = oracle.compute(self.people, [str(self.events_file)], limit)
        part = self.folder / f"part-{os.getpid()}"
        with open(part, "wb") as file:
            pickle.dump(expected, file, protocol=pickle.HIGHEST_PROTOCOL)
        part.rename(path)
        return expected
